package agenda_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/crypto"

	"github.com/millicent-one/signer/agenda"
	"github.com/millicent-one/signer/council"
)

// standstill has a birthplace come to a session that never ends, and gives that: the one
// that makes the key, or a test signature.
func (b *birthplace) standstill(test int) (p agenda.Prove) {
	b.hold = func(_ council.MemberID, e agenda.Effect) bool {
		switch e := e.(type) {
		case agenda.DrawKey:
			if test < 0 {
				b.stuck, p.Signers = e.Session, e.Members
				return true
			}
		case agenda.Prove:
			if test >= 0 && slices.Equal(e.Signers, b.council.Roster.TestSubsets()[test]) {
				b.stuck, p = e.Permit.Session(), e
				return true
			}
		}
		return false
	}
	b.want(everyone...)
	if len(p.Signers) == 0 {
		b.t.Fatal("the ceremony does not come so far")
	}
	return p
}

// Who is silent in a session of a ceremony is named early, to those who ask, and ends it
// late. The next ceremony makes the key.
func TestSilenceInACeremonyIsNamed(t *testing.T) {
	for test, stage := range map[int]string{-1: "generating", 0: "proving", 1: "proving"} {
		b := newBirthplace(t)
		members := b.standstill(test).Signers
		m, silent := members[0], members[1:2]
		a, d := b.agendas[m], agenda.Defaults()
		if p := a.Patience(b.stuck, members); p.Round != d.Round || p.Notice != d.Remind || p.Whole != d.Ceremony {
			t.Errorf("%s: it waits %+v", stage, p)
		}
		b.give(m, agenda.Waits{Session: b.stuck, Waiting: silent, Round: "round 1"})
		if c, ok := a.Ceremony(); !ok || c.Stage != stage || !slices.Equal(c.Waiting, silent) {
			t.Errorf("%s: shows %+v", stage, c)
		}
		if n := b.heard(m, "ceremony", stage); len(n) == 0 || !slices.Equal(n[len(n)-1].Waiting, silent) {
			t.Errorf("%s: says %+v", stage, n)
		}
		b.give(m, agenda.Waits{Session: b.stuck})
		if c, _ := a.Ceremony(); slices.Equal(c.Waiting, silent) {
			t.Errorf("%s goes on, and shows %+v", stage, c)
		}
		for _, x := range members {
			if x != silent[0] { // itself, it waits for the next round of all
				b.give(x, agenda.Stalled{Session: b.stuck, Waiting: silent, Round: "round 1", For: 3 * time.Minute})
			}
		}
		n := b.heard(m, "ceremony-failed", "silence in round 1 for 3m0s (suspects: "+string(silent[0])+")")
		if len(n) != 1 || !slices.Equal(n[0].Waiting, silent) {
			t.Fatalf("%s: says %+v", stage, b.heard(m, "ceremony-failed", ""))
		}
		if test >= 0 { // whose share is staged has no other ceremony before it has heard how that ended
			continue
		}
		b.hold = nil
		for _, x := range everyone {
			if x != silent[0] {
				b.give(x, agenda.KeygenWanted{Random: crypto.Keccak256Hash([]byte(x))})
			}
		}
		b.settle()
		if n := b.heard(silent[0], "ceremony-failed", "has started the ceremony anew"); len(n) != 1 {
			t.Fatalf("%s does not hear of the end: %+v", silent[0], b.notices[silent[0]])
		}
		b.want(silent...)
		b.pass(5 * time.Second)
		if a.Genesis() == nil {
			t.Errorf("no key after that; %+v", b.notices[m])
		}
	}
}

// At its time limit a ceremony names who it waited for.
func TestCeremonyOverItsTimeNamesWhoIsMissing(t *testing.T) {
	b := newBirthplace(t)
	members := b.standstill(-1).Signers
	m, silent := members[0], members[3]
	b.give(m, agenda.Waits{Session: b.stuck, Waiting: []council.MemberID{silent}, Round: "keygen-3"})
	b.pass(agenda.Defaults().Ceremony + time.Second)
	if n := b.heard(m, "ceremony-failed", `time limit of 10m0s, and came as far as "generating", where it waited for `+string(silent)); len(n) != 1 || !slices.Equal(n[0].Waiting, []council.MemberID{silent}) {
		t.Errorf("says %+v", b.heard(m, "ceremony-failed", ""))
	}
}

// A test signature that others have finished is waited for no more, whoever kept its last
// message from one of the signers.
func TestSilenceAfterAProofEndsNothing(t *testing.T) {
	b := newBirthplace(t)
	p := b.standstill(0)
	d := p.Permit.Digest()
	sig, err := crypto.Sign(d[:], b.world.key)
	if err != nil {
		t.Fatal(err)
	}
	m := p.Signers[0]
	b.hold = func(x council.MemberID, e agenda.Effect) bool { // its disk takes a moment
		_, commit := e.(agenda.Commit)
		return commit && x == m
	}
	b.give(p.Signers[1], agenda.Signed{Session: b.stuck, Signature: sig})
	b.settle()
	b.give(m, agenda.Stalled{Session: b.stuck, Waiting: p.Signers[1:2], Round: "round 9", For: 3 * time.Minute})
	if _, ok := b.agendas[m].Ceremony(); !ok || len(b.heard(m, "share-proof", council.Names(p.Signers))) != 1 {
		t.Errorf("%+v", b.notices[m])
	}
	if n := b.heard(m, "ceremony-failed", ""); len(n) > 0 {
		t.Errorf("ends with %+v", n)
	}
}

// A dealer that is connected and deals nothing is named to all, early and at the end of
// the try; the next try does without it.
func TestSilentDealerIsLeftOut(t *testing.T) {
	w := newShift(t, 31)
	w.boot(w.names...)
	first := council.Rotation{}
	w.veto = func(name string, e agenda.Effect) bool {
		r, ok := e.(agenda.Reshare)
		if ok && len(first.Dealers) == 0 {
			first = r.Rotation
		}
		return ok && name == "community-2" // who leaves, and is needed by nobody
	}
	w.propose("core-2", w.plans[0])
	if !w.run(time.Minute, func() bool { return len(first.Dealers) > 0 }) || !slices.Contains(first.Dealers, "community-2") {
		t.Fatalf("the first dealers are %v", first.Dealers)
	}
	w.run(6*time.Second, never)
	if s := w.desks["core-1"].node.Status(); s.Stage != agenda.StageRunning || len(s.Missing) != 1 || s.Missing[0].Member != "community-2" || !strings.Contains(s.Missing[0].Do, "round 1") {
		t.Errorf("shows %s", s)
	}
	if !w.run(time.Minute, func() bool { return w.stage("core-1", agenda.StageErased) }) {
		t.Fatalf("does not end\n%s", w.where())
	}
	told := w.desks["core-1"].told
	i := slices.IndexFunc(told, func(n agenda.Notify) bool { return n.What == "rotation-failed" })
	if i < 0 || !strings.Contains(told[i].Text, "silence in round 1 for 15s (suspects: community-2)") || !slices.Equal(told[i].Waiting, []council.MemberID{"community-2"}) {
		t.Errorf("tells %+v", told)
	}
	if s, _ := w.desks["core-1"].node.Switched(); slices.Contains(s.Rotation().Dealers, "community-2") {
		t.Errorf("the next dealers are %v", s.Rotation().Dealers)
	}
}

// An heir that is silent in a test signature is named, and so is who is missing at the
// time limit of a try.
func TestSilentHeirIsNamed(t *testing.T) {
	w := newShift(t, 32)
	w.boot(w.names...)
	set := w.plans[0].Roster.TestSubsets()[0]
	silent := set[1]
	tests := 0
	w.veto = func(name string, e agenda.Effect) bool {
		p, ok := e.(agenda.Prove)
		if ok && tests == 0 {
			tests++
		}
		return ok && name == string(silent) && slices.Equal(p.Signers, set)
	}
	w.propose("core-2", w.plans[0])
	w.run(time.Minute, func() bool { return tests > 0 })
	w.run(6*time.Second, never)
	if s := w.desks[string(set[0])].node.Status(); s.Stage != agenda.StageTesting || s.Missing[0].Member != silent || !strings.Contains(s.Missing[0].Do, "round 1") {
		t.Errorf("shows %s", s)
	}
	// A session that is never given up: the time limit ends it.
	w.lone = func(_ string, ev agenda.Event) bool { _, ok := ev.(agenda.Stalled); return ok }
	told := func() bool {
		return slices.ContainsFunc(w.desks[string(set[0])].told, func(n agenda.Notify) bool {
			return n.What == "rotation-failed" && strings.Contains(n.Text, "time limit of 1m0s, and was testing; it waited for "+string(silent)) && slices.Equal(n.Waiting, []council.MemberID{silent})
		})
	}
	if !w.run(2*time.Minute, told) {
		t.Errorf("tells %+v", w.desks[string(set[0])].told)
	}
}

// A slot that is not ready in time is told of, with whose messages are missing.
func TestSilenceInArmingIsNamed(t *testing.T) {
	w := newWarmWorld(t, 240, 1)
	w.fillStock()
	var session council.SessionID
	w.stop("core-2") // and what it forgets is made anew
	w.start("core-2")
	n := w.nodes["core-1"]
	if !w.run(time.Minute, func() bool {
		for id, x := range w.armings {
			if n.agenda.Patience(id, x.signers).Round == 0 {
				session = id
			}
		}
		return session != council.SessionID{}
	}) {
		t.Fatal("no slot is in the making")
	}
	w.step(n.id, agenda.Waits{Session: session, Waiting: []council.MemberID{"core-2"}, Round: "sign-2"})
	effects := n.agenda.Step(agenda.Tick{}, w.now.Add(agenda.Defaults().Arming))
	if !slices.ContainsFunc(effects, func(e agenda.Effect) bool {
		x, ok := e.(agenda.Notify)
		return ok && x.What == "arming-failed" && strings.HasSuffix(x.Text, "not ready after 2m0s: nothing of core-2 in sign-2") && slices.Equal(x.Waiting, []council.MemberID{"core-2"})
	}) {
		t.Errorf("does %+v", effects)
	}
}

// A dealer that is put out ends every try at once, and blames all others: it is left out
// before long, whomever it names.
func TestLeaverThatEndsEveryTryIsLeftOut(t *testing.T) {
	for _, blames := range []bool{true, false} {
		w := newShift(t, 33)
		liar := w.desks["community-2"]
		ended := 0
		w.veto = func(name string, e agenda.Effect) bool {
			r, ok := e.(agenda.Reshare)
			if !ok || name != liar.name {
				return false
			}
			ended++
			f := agenda.Failed{Session: r.Rotation.Session(), Err: errors.New("made up")}
			for _, x := range w.holding.Roster.IDs() {
				if blames && x != liar.id {
					f.Suspects = append(f.Suspects, x)
				}
			}
			w.later(0, liar, f) // it says so to all, and is ready for the next one
			return true
		}
		w.boot(w.names...)
		w.propose("core-2", w.plans[0])
		if !w.run(5*time.Minute, func() bool { return w.stage("core-1", agenda.StageErased) }) {
			t.Fatalf("%d tries were ended by who is put out\n%s", ended, w.where())
		}
		s, _ := w.desks["core-1"].node.Switched()
		if ended < 1 || ended > 3 || slices.Contains(s.Rotation().Dealers, liar.id) {
			t.Errorf("it has ended %d tries; dealers are %v", ended, s.Rotation().Dealers)
		}
	}
}
