package agenda_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/agenda"
	"github.com/millicent-one/signer/council"
)

// What a member says in another's name, or in a part that it does not have, counts for
// nothing. Who has said a message is known from its connection; these are the fields in it.

// without are the members of the council that are not in a set.
func without(set ...council.MemberID) []council.MemberID {
	return slices.DeleteFunc(slices.Clone(everyone), func(m council.MemberID) bool { return slices.Contains(set, m) })
}

// A confirmation of the birth record is its sender's own: another member's, or one under
// the sender's name by another's key, is none, whether it comes early or not.
func TestConfirmationOfAnother(t *testing.T) {
	const silent = council.MemberID("core-3")
	b := newBirthplace(t)
	said := map[council.MemberID]agenda.ConfirmMessage{}
	for _, m := range everyone {
		b.mute[m] = func(msg agenda.Message) bool {
			c, ok := msg.(agenda.ConfirmMessage)
			if ok {
				said[m] = c
			}
			return ok && m == silent
		}
	}
	b.want(everyone...)
	waits := func(when string) {
		t.Helper()
		for _, m := range without(silent) {
			if c, ok := b.agendas[m].Ceremony(); !ok || c.Stage != "confirming" || !slices.Equal(c.Waiting, []council.MemberID{silent}) {
				t.Fatalf("%s: %s is %q and waits for %v", when, m, c.Stage, c.Waiting)
			}
		}
	}
	waits("before")
	for _, m := range without(silent) {
		for _, o := range without(silent) {
			theirs := said[o]
			b.give(m, agenda.Said{From: silent, Message: theirs})
			theirs.Signature.Member = silent
			b.give(m, agenda.Said{From: silent, Message: theirs})
		}
	}
	b.settle()
	waits("after others' confirmations")
	b.mute[silent] = nil
	b.pass(10 * time.Second)
	for _, m := range everyone {
		if g := b.agendas[m].Genesis(); g == nil || g.Verify(b.council.Roster) != nil {
			t.Errorf("%s has the record %+v", m, g)
		}
	}
}

// Who does not sign neither ends an attempt by refusing it nor has the slot dropped by
// saying that it lacks it, before the signers have heard of the attempt or in its middle.
func TestOutsidersEndNoAttempt(t *testing.T) {
	g := newGunnery(t, 271)
	outsiders := without(g.four...)
	for _, m := range g.four {
		g.approve(m, g.id)
	}
	speak := func(when string, b council.Begin) {
		t.Helper()
		count := g.does
		defer func() { g.does = count }()
		for _, m := range g.four {
			before := g.nodes[m].agenda.Trying()
			g.does = func(who council.MemberID, e agenda.Effect) {
				count(who, e)
				if a, ok := e.(agenda.Abort); ok && a.Session == b.Fired() {
					t.Errorf("%s: %s ends the session", when, who)
				}
			}
			for _, o := range outsiders {
				g.step(m, agenda.Said{From: o, Message: agenda.Cold{Chain: b.Chain, Begin: b.Hash()}})
				for _, rule := range []string{"policy", "busy", "early", "begin"} {
					g.step(m, agenda.Said{From: o, Message: agenda.Refusal{Begin: b.Hash(), Chain: b.Chain, Nonce: b.Nonce, Attempt: b.Attempt + 5, Rule: rule, Reason: "made up"}})
				}
			}
			if after := g.nodes[m].agenda.Trying(); !slices.Equal(before, after) || g.dropped[m] > 0 {
				t.Errorf("%s: %s tries %d proposals after %d, and has dropped the slot %d times", when, m, len(after), len(before), g.dropped[m])
			}
		}
	}
	first := g.four[0]
	if !g.run(10*time.Second, func() bool { return len(g.begins) > 0 }) || g.begins[first].Slot != g.slot {
		t.Fatalf("the first does not begin with the slot: %+v", g.begins)
	}
	speak("before they have heard of it", g.begins[first])
	if !g.run(10*time.Second, func() bool { return len(g.digests) == 4 }) {
		t.Fatal("not all fire")
	}
	speak("in the middle", g.begins[first])
	g.ended()
	if p, _ := g.nodes["core-1"].agenda.Proposal(g.id); len(p.Attempts) != 1 || p.Attempts[0].Failed != "" || g.quick != 1 || g.attempts != 1 {
		t.Errorf("it took %d attempts: %+v", g.attempts, p.Attempts)
	}
}

// Who is not in a set of signers gives no part of its slot's id, and does not call the
// call for it off.
func TestOutsidersAnswerNoCall(t *testing.T) {
	w := newWarmWorld(t, 231, 1)
	var leader council.MemberID
	var call agenda.ArmCall
	var begun []agenda.ArmBegin
	w.hears = func(from council.MemberID, m agenda.Message) {
		switch m := m.(type) {
		case agenda.ArmCall:
			if leader == "" {
				leader, call = from, m
			}
		case agenda.ArmBegin:
			if from == leader && slices.Equal(m.Signers, call.Signers) {
				begun = append(begun, m)
			}
		}
	}
	if !w.run(time.Minute, func() bool { return leader != "" }) {
		t.Fatal("nobody calls for a slot")
	}
	part := common.Hash{1}
	for _, random := range []common.Hash{part, {}} { // the second means not now
		for _, o := range without(call.Signers...) { // as many as the leader waits for
			w.step(leader, agenda.Said{From: o, Message: agenda.ArmAnswer{Signers: call.Signers, Call: call.Call, Random: random}})
		}
	}
	if len(begun) > 0 {
		t.Fatalf("the slot is begun by those who are not in it: %+v", begun[0])
	}
	if !w.run(10*time.Second, func() bool { return len(begun) > 0 }) {
		t.Fatal("the members' own answers begin nothing")
	}
	parts := begun[0].Randoms
	if parts[slices.Index(call.Signers, leader)] != call.Call || slices.Contains(parts, part) || slices.Contains(parts, common.Hash{}) {
		t.Errorf("the call has come to other parts: %v", parts)
	}
	w.fillStock()
}

// An Ack is whose key has signed it, whoever's name it bears.
func TestAckOfAnother(t *testing.T) {
	w := newShift(t, 61)
	const late = "core-5"
	var staging agenda.Effect
	proved := 0
	w.veto = func(name string, e agenda.Effect) bool {
		switch e.(type) {
		case agenda.Prove:
			proved++
		case agenda.StageShare:
			if name == late && staging == nil {
				staging = e
				return true
			}
		}
		return false
	}
	w.boot(w.names...)
	w.propose("core-2", w.plans[0])
	liar := w.desks["core-1"]
	waits := func() bool {
		s := liar.node.Status()
		return staging != nil && len(liar.disk.Staged) > 0 && len(s.Missing) == 1 && s.Missing[0].Member == late
	}
	if !w.run(30*time.Second, waits) {
		t.Fatalf("it does not wait for %s alone\n%s", late, w.where())
	}
	w.run(2*time.Second, never)
	try, transcript := liar.disk.Tries[len(liar.disk.Tries)-1], liar.disk.Staged[0].Transcript
	own, err := try.Ack(transcript).Sign(liar.id, liar.key)
	if err != nil {
		t.Fatal(err)
	}
	own.Member = late
	for _, name := range w.names {
		if d := w.desks[name]; d != liar {
			w.give(d, agenda.Said{From: liar.id, Message: agenda.Dossier{Rotation: try, Acks: []agenda.AckWord{{Transcript: transcript, Signature: own}}}})
		}
	}
	w.run(2*time.Second, never)
	if proved > 0 || !waits() {
		t.Fatalf("%d begin a test signature before %s has acknowledged its share\n%s", proved, late, w.where())
	}
	for _, ev := range w.execute(w.desks[late], staging) {
		w.give(w.desks[late], ev)
	}
	if how := w.settle("its own"); how != "committed" || len(liar.disk.Tries) != 1 {
		t.Errorf("%s, in %d tries", how, len(liar.disk.Tries))
	}
}

// Who leaves is ready in nobody's place among the new members, whatever it says of
// itself, and who joins deals nothing.
func TestRolesAreThoseOfTheRosters(t *testing.T) {
	for name, c := range map[string]struct {
		away, lost []string // who is not there, who holds no share
		liars      []council.MemberID
		then       string // comes, and there are enough
	}{
		"leavers in the place of one who joins":  {away: []string{"core-5"}, liars: leavers, then: "core-5"},
		"who joins in the place of an old share": {away: []string{"community-2", "core-4"}, lost: []string{"community-3", "core-1"}, liars: joiners, then: "core-4"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newShift(t, 62)
			for _, x := range c.lost {
				w.desks[x].lost, w.desks[x].epoch = true, 0
			}
			for _, x := range w.names {
				if !slices.Contains(c.away, x) {
					w.boot(x)
				}
			}
			w.propose("core-2", w.plans[0])
			w.run(10*time.Second, never)
			digest, err := w.plans[0].Digest(w.holding.Roster)
			if err != nil {
				t.Fatal(err)
			}
			untried := func(when string) {
				t.Helper()
				for _, x := range w.names {
					if d := w.desks[x]; len(d.disk.Tries) > 0 {
						t.Fatalf("%s: %s is in a try\n%s", when, x, w.where())
					}
				}
				if s := w.desks["community-1"].node.Status(); s.Stage != agenda.StageGathering || !strings.Contains(s.String(), c.then) {
					t.Fatalf("%s: says %s", when, s)
				}
			}
			untried("before")
			for i, m := range c.liars {
				for _, x := range w.names {
					if d := w.desks[x]; d.node != nil && d.id != m {
						w.give(d, agenda.Said{From: m, Message: agenda.RotationReady{Succession: digest, Old: true, New: true, Random: common.Hash{9, byte(i)}}})
					}
				}
			}
			w.run(500*time.Millisecond, never)
			untried("after")
			w.run(10*time.Second, never)
			untried("later")
			w.boot(c.then)
			if !w.run(time.Minute, func() bool { return len(w.desks["community-1"].disk.Tries) > 0 }) {
				t.Errorf("%s has come, and nobody begins\n%s", c.then, w.where())
			}
		})
	}
}
