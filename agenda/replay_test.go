package agenda_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/agenda"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/policy"
)

// What comes again of words about signatures and slots is in TestOldWordsStartNothing; here
// are those about a key generation, a rotation and a proclamation.

// spoke is what a member has said, to one or to all.
type spoke struct {
	from, to council.MemberID
	message  agenda.Message
}

// kindsOf counts messages by their kind.
func kindsOf(said []spoke) map[string]int {
	out := map[string]int{}
	for _, x := range said {
		out[strings.TrimPrefix(fmt.Sprintf("%T", x.message), "agenda.")]++
	}
	return out
}

// distinct leaves out what was said again in the same words.
func distinct(t *testing.T, said []spoke) (out []spoke) {
	t.Helper()
	seen := map[string]bool{}
	for _, x := range said {
		tag, b, err := agenda.EncodeMessage(x.message)
		if err != nil {
			t.Fatal(err)
		}
		if key := fmt.Sprint(x.from, x.to, tag, b); !seen[key] {
			seen[key] = true
			out = append(out, x)
		}
	}
	return out
}

// has fails unless all these kinds were said.
func has(t *testing.T, said []spoke, kinds ...string) {
	t.Helper()
	have := kindsOf(said)
	for _, k := range kinds {
		if have[k] == 0 {
			t.Errorf("there is no %s among %v", k, have)
		}
	}
}

// harmless reports whether an effect is nothing but words.
func harmless(e agenda.Effect) bool {
	switch e.(type) {
	case agenda.Send, agenda.Notify:
		return true
	}
	return false
}

// beganAnew is a council whose first ceremony was ended after all had confirmed and one
// test signature was made, and that gathers for another; with what was said in the first.
func beganAnew(t *testing.T) (*birthplace, []spoke) {
	t.Helper()
	b := newBirthplace(t)
	var said []spoke
	for _, m := range everyone {
		b.mute[m] = func(msg agenda.Message) bool {
			said = append(said, spoke{from: m, message: msg})
			return false
		}
	}
	second := b.council.Roster.TestSubsets()[1]
	b.hold = func(_ council.MemberID, e agenda.Effect) bool {
		p, ok := e.(agenda.Prove)
		return ok && slices.Equal(p.Signers, second)
	}
	b.want(everyone...)
	has(t, said, "Ready", "ConfirmMessage", "Proof")
	for i, m := range everyone {
		b.give(m, agenda.PeerRestarted{Member: everyone[(i+1)%len(everyone)]})
		if _, running := b.agendas[m].Ceremony(); running || b.agendas[m].Genesis() != nil {
			t.Fatalf("the first ceremony is not over at %s", m)
		}
	}
	b.settle()
	b.hold, b.notices = nil, map[council.MemberID][]agenda.Notify{}
	clear(b.mute)
	clear(b.drawn)
	for i, m := range everyone {
		b.give(m, agenda.KeygenWanted{Random: common.Hash{byte(i + 50)}})
	}
	return b, said
}

// until plays until a member's node is at a stage of its ceremony.
func (b *birthplace) until(m council.MemberID, stage string) {
	b.t.Helper()
	for {
		if c, _ := b.agendas[m].Ceremony(); c.Stage == stage {
			return
		}
		if len(b.pending) == 0 {
			b.t.Fatalf("%s never comes to %q", m, stage)
		}
		f := b.pending[0]
		b.pending = b.pending[1:]
		f()
	}
}

// keyed checks who has the key.
func (b *birthplace) keyed(want bool) {
	b.t.Helper()
	for _, m := range everyone {
		if g := b.agendas[m].Genesis(); (g != nil) != want || (b.current[m] != nil) != want {
			b.t.Errorf("%s has the key: %v; want %v; it was told %+v", m, g != nil, want, b.heard(m, "ceremony-failed", ""))
		}
	}
}

// What members said in a ceremony that came to nothing comes again in the next one, at each
// stage: confirmations and test signatures are of the other ceremony, and change nothing.
func TestOldWordsOfACeremonyStartNothing(t *testing.T) {
	for _, stage := range []string{"making pre-parameters", "gathering", "generating", "staging", "confirming", "proving"} {
		t.Run(stage, func(t *testing.T) {
			b, said := beganAnew(t)
			b.until("core-1", stage)
			n := 0
			for _, x := range said {
				if _, ready := x.message.(agenda.Ready); ready { // see TestOldReadyMakesNoKey
					continue
				}
				for _, m := range without(x.from) {
					before, _ := b.agendas[m].Ceremony()
					for _, e := range b.agendas[m].Step(agenda.Said{From: x.from, Message: x.message}, b.now) {
						if b.perform(m, e); !harmless(e) {
							t.Errorf("%T of %s has %s do %T", x.message, x.from, m, e)
						}
					}
					if after, _ := b.agendas[m].Ceremony(); before.Stage != after.Stage || !slices.Equal(before.Waiting, after.Waiting) {
						t.Errorf("%T of %s takes %s from %+v to %+v", x.message, x.from, m, before, after)
					}
					n++
				}
			}
			b.settle()
			b.pass(10 * time.Second)
			b.keyed(true)
			if len(b.drawn) != len(everyone) || n == 0 {
				t.Errorf("%d words came again; %d have drawn", n, len(b.drawn))
			}
		})
	}
}

// A member's word from the ceremony before that it stands ready is corrected by its next one
// while others are waited for, ends the ceremony by its name while the engine runs, and comes
// too late once the share is on the disk. No key has a part of the old id in it.
func TestOldReadyMakesNoKey(t *testing.T) {
	const liar = council.MemberID("core-3")
	for stage, made := range map[string]bool{"making pre-parameters": true, "gathering": true, "generating": false, "confirming": true} {
		t.Run(stage, func(t *testing.T) {
			b, said := beganAnew(t)
			b.until("core-1", stage)
			i := slices.IndexFunc(said, func(x spoke) bool {
				r, ok := x.message.(agenda.Ready)
				return ok && x.from == liar && r.Prepared
			})
			b.give("core-1", agenda.Said{From: liar, Message: said[i].message})
			if named := len(b.heard("core-1", "ceremony-failed", string(liar)+" has started the ceremony anew")) > 0; named == made {
				t.Errorf("it has ended the ceremony: %v", named)
			}
			b.settle()
			b.pass(2 * agenda.Defaults().Ceremony)
			b.keyed(made)
			if made {
				return
			}
			for i, m := range everyone {
				b.give(m, agenda.KeygenWanted{Random: common.Hash{byte(i + 70)}})
			}
			b.settle()
			b.pass(10 * time.Second)
			b.keyed(true)
		})
	}
}

// eavesdrop notes what nodes say, and what else they do while old words come again.
func (w *shift) eavesdrop(said *[]spoke, also func(string, agenda.Effect) bool) *[]string {
	var did []string
	w.veto = func(name string, e agenda.Effect) bool {
		if s, ok := e.(agenda.Send); ok && said != nil {
			*said = append(*said, spoke{w.desks[name].id, s.To, s.Message})
		}
		if !harmless(e) {
			did = append(did, fmt.Sprintf("%s does %T", name, e))
		}
		return also != nil && also(name, e)
	}
	return &did
}

// hearAgain has old words come again at all nodes, from those who said them.
func (w *shift) hearAgain(when string, old []spoke, did *[]string) {
	w.t.Helper()
	for _, x := range old {
		for _, name := range w.names {
			d := w.desks[name]
			if d.node == nil || d.id == x.from || x.to != "" && x.to != d.id {
				continue
			}
			before := len(*did)
			w.give(d, agenda.Said{From: x.from, Message: x.message})
			if len(*did) > before {
				w.t.Errorf("%s: %T of %s: %v", when, x.message, x.from, (*did)[before:])
			}
		}
	}
}

// Words about a succession that was aborted, about a try that has failed, and about the
// rotation before, come again in the middle of the next try: nobody starts, signs, writes
// or ends anything for them. After the switch it is so, too.
func TestOldWordsOfARotationStartNothing(t *testing.T) {
	w := newShift(t, 63, other(t), twoForTwo(t, newShift(t, 0).holding.Roster))
	var said []spoke
	proving := 0
	held := func(_ string, e agenda.Effect) bool { // no test signature is made
		_, prove := e.(agenda.Prove)
		if prove {
			proving++
		}
		return prove
	}
	w.eavesdrop(&said, held)
	w.boot(w.names...)
	w.propose("core-2", w.plans[0])
	w.run(2*time.Second, never)
	for _, name := range []string{"core-1", "core-2", "core-3", "core-4"} {
		w.give(w.desks[name], agenda.AbortWanted{Reason: "a test"})
		w.run(2*time.Second, never)
	}
	if !w.run(time.Minute, func() bool { return w.stage("community-1", agenda.StageAborted) }) {
		t.Fatalf("not aborted\n%s", w.where())
	}
	has(t, said, "Herald", "RotationReady", "RotationBegin", "AbortMessage")

	// The first try fails in a test signature.
	tried := len(w.desks["core-5"].disk.Tries)
	proving = 0
	w.propose("core-2", w.plans[1])
	if !w.run(time.Minute, func() bool { return proving == 8 }) {
		t.Fatalf("%d have begun a test signature\n%s", proving, w.where())
	}
	heir := w.desks["core-5"]
	try := heir.disk.Tries[tried]
	for _, set := range w.plans[1].Roster.TestSubsets() {
		if slices.Contains(set, heir.id) {
			id := policy.NewCeremonyPermit(try.ToEpoch, try.To, set, try.ID()).Session()
			w.give(heir, agenda.Failed{Session: id, Err: errors.New("made up")})
		}
	}
	has(t, said, "RotationFailed", "Dossier")

	// In the second they come again, at each stage.
	old := distinct(t, said)
	did := w.eavesdrop(&said, nil)
	for _, c := range []struct {
		when string
		is   func() bool
	}{
		{"in the second try", func() bool { return len(heir.disk.Tries) == tried+2 }},
		{"with a share on the disk", func() bool { return len(heir.disk.Staged) == 2 }},
		{"with all shares on the disk", func() bool { return w.stage("core-5", agenda.StageTesting) }},
		{"while it is locked for", func() bool { return len(w.desks["core-1"].disk.Locks) > 0 }},
		{"after the switch", func() bool { return w.stage("core-5", agenda.StageCommitted) }},
		{"after all", func() bool { return w.ended() == "committed" }},
	} {
		if !w.run(time.Minute, c.is) {
			t.Fatalf("%s: never\n%s", c.when, w.where())
		}
		w.hearAgain(c.when, old, did)
	}
	if how := w.settle("old words"); how != "committed" || len(heir.disk.Tries) != tried+2 {
		t.Fatalf("%s, in %d tries", how, len(heir.disk.Tries)-tried)
	}

	// All of it in the next rotation.
	said = distinct(t, said)
	has(t, said, "CertificateMessage", "ErasureMessage")
	sw, _ := heir.node.Switched()
	now := sw.After()
	next := newShift(t, 64, plan(t, now.Roster, shiftDay+1, nil, nil, []council.MemberID{"community-1", "core-1", "core-2", "core-3"}))
	next.holding = now
	for _, name := range next.names {
		next.desks[name].epoch = 0
	}
	for _, m := range now.Roster.IDs() {
		if _, there := next.desks[string(m)]; !there {
			next.seat(string(m), m)
		}
		next.desks[string(m)].epoch = now.Epoch
	}
	for _, m := range leavers {
		next.desks[string(m)].stays = true
	}
	for _, m := range now.Roster.IDs() {
		next.boot(string(m))
	}
	did = next.eavesdrop(nil, nil)
	next.propose("core-2", next.plans[0])
	first := next.desks["core-5"]
	for _, c := range []struct {
		when string
		is   func() bool
	}{
		{"next: in a try", func() bool { return len(first.disk.Tries) == 1 }},
		{"next: with all shares on the disk", func() bool { return next.stage("core-5", agenda.StageTesting) }},
		{"next: while it is locked for", func() bool { return len(next.desks["core-1"].disk.Locks) > 0 }},
	} {
		if !next.run(time.Minute, c.is) {
			t.Fatalf("%s: never\n%s", c.when, next.where())
		}
		next.hearAgain(c.when, said, did)
	}
	if how := next.settle("the words of the rotation before"); how != "committed" || len(first.disk.Tries) != 1 {
		t.Errorf("%s, in %d tries", how, len(first.disk.Tries))
	}
	t.Logf("%d and %d messages: %v", len(old), len(said), kindsOf(said))
}

// Words about a try at the proclamation that has failed, or has succeeded, come again in the
// next one and after it: there is no other session, and nobody joins one twice.
func TestOldWordsOfAProclamationStartNothing(t *testing.T) {
	w := rotated(t, 720)
	var said []spoke
	w.hears = func(from council.MemberID, m agenda.Message) {
		switch m.(type) {
		case agenda.ProclaimReady, agenda.ProclaimBegin:
			said = append(said, spoke{from: from, message: m})
		}
	}
	w.false = map[council.MemberID]bool{}
	for _, m := range everyone {
		w.false[m] = true // the first try comes to nothing
		w.start(m)
	}
	joined := func(n int) func() bool {
		return func() bool {
			whole := 0
			for _, s := range w.words {
				if len(s.ever) == len(s.signers) {
					whole++
				}
			}
			return whole == n
		}
	}
	if !w.run(5*time.Minute, joined(1)) {
		t.Fatal(w.why("core-1"))
	}
	old := slices.Clone(said)
	has(t, old, "ProclaimReady", "ProclaimBegin")
	if !w.run(5*time.Minute, joined(2)) {
		t.Fatal(w.why("core-1"))
	}
	clear(w.false)
	again := func(when string, old []spoke) {
		t.Helper()
		sessions := slices.Collect(maps.Keys(w.words))
		w.does = func(m council.MemberID, e agenda.Effect) {
			if !harmless(e) {
				t.Errorf("%s: %s does %T", when, m, e)
			}
		}
		defer func() { w.does = nil }()
		for _, x := range old {
			for _, m := range without(x.from) {
				w.step(m, agenda.Said{From: x.from, Message: x.message})
			}
		}
		if len(w.words) != len(sessions) {
			t.Errorf("%s: %d sessions more", when, len(w.words)-len(sessions))
		}
	}
	again("in the second try", old)
	if !w.run(time.Minute, w.proclaimedBy(everyone...)) || len(w.words) != 2 {
		t.Fatalf("%d sessions: %s", len(w.words), w.why("core-1"))
	}
	again("after it", slices.Clone(said))
	w.run(10*time.Minute, never)
	if len(w.words) != 2 || w.entries() > 4 {
		t.Errorf("%d sessions, %d entries", len(w.words), w.entries())
	}
}
