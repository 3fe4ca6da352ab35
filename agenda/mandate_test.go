package agenda_test

import (
	"slices"
	"testing"
	"time"

	"github.com/millicent-one/signer/agenda"
	"github.com/millicent-one/signer/council"
)

// Whose term has ended decides nothing, proposes nothing and signs nothing, also
// when no other roster has come and its node goes on as before.
func TestNoMandateNoPart(t *testing.T) {
	const end = 1_800_000_060 // a minute after the world's beginning
	lastDay[liar] = end
	t.Cleanup(func() { delete(lastDay, liar) })
	w := newWorld(t, 600)
	id := w.propose("core-1", "pause", "protocol")
	w.run(5*time.Second, w.known(id))
	for _, m := range []council.MemberID{liar, "core-1", "core-2"} {
		w.approve(m, id)
	}
	w.run(2*time.Minute, func() bool { return uint64(w.now.Unix()) > end })
	w.approve("core-3", id)
	w.run(20*time.Second, func() bool { return len(w.mined) > 0 })
	if len(w.mined) > 0 {
		t.Fatal("an approval counts whose member has no mandate")
	}

	// It calls the others itself: nobody follows, whoever has approved.
	w.approve("core-4", id)
	w.run(50*time.Millisecond, func() bool {
		p, _ := w.nodes["core-1"].agenda.Proposal(id)
		return len(p.Ballots) == 5
	})
	b := w.beginBy(liar, "core-1", id, 1)
	for _, s := range b.Signers {
		if s != liar {
			w.step(s, agenda.Said{From: liar, Message: agenda.BeginMessage{Begin: b}})
		}
	}
	if !w.run(time.Minute, w.minedBy(id)) {
		w.fail(id)
	}
	p, _ := w.nodes["core-4"].agenda.Proposal(id)
	if slices.Contains(p.Signed.Signers, liar) {
		t.Errorf("signed by %v", p.Signed.Signers)
	}
	for _, s := range w.sessions {
		if slices.Contains(s.begin.Signers, liar) {
			t.Errorf("attempt %d of %s has %s in it", s.begin.Attempt, s.begin.Coordinator, liar)
		}
	}

	// What it proposes is on nobody's agenda.
	deed := p.Intent.(council.Transaction)
	deed.Salt[0]++
	in, err := council.EncodeIntent(deed)
	if err != nil {
		t.Fatal(err)
	}
	late, err := council.Propose(w.genesis.ID(), deed)
	if err != nil {
		t.Fatal(err)
	}
	w.step(liar, w.append(w.nodes[liar], council.WordProposed, council.Proposed{Council: w.genesis.ID(), Intent: in}))
	w.run(20*time.Second, func() bool { return false })
	for _, m := range everyone {
		if _, ok := w.nodes[m].agenda.Proposal(late); ok {
			t.Errorf("%s has taken it up", m)
		}
	}
}
