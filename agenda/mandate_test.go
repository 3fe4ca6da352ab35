package agenda_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/millicent-one/signer/agenda"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/internal/testcouncil"
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

// Whose term has ended is not called upon either. Three who approve, one who does not and
// it are online: the four others sign, keep the slots and proclaim the roster.
func TestNoMandateNoAssistance(t *testing.T) {
	here := []council.MemberID{"core-1", "core-2", "core-3", "core-4", liar}
	four := []council.MemberID{"core-1", "core-2", "core-3", "core-4"}
	ended := func(t *testing.T, make func() *world) *world {
		t.Helper()
		lastDay[liar] = 1_800_000_000 // as the world begins
		defer delete(lastDay, liar)
		w := make()
		for _, m := range everyone {
			w.stop(m)
		}
		for _, m := range here {
			w.start(m)
		}
		return w
	}
	named := func(t *testing.T, what string, signers []council.MemberID) {
		t.Helper()
		if !slices.Equal(council.Sorted(signers), four) {
			t.Errorf("%s of %v", what, signers)
		}
	}
	t.Run("attempt and slot", func(t *testing.T) {
		w := ended(t, func() *world { return newWarmWorld(t, 601, 1) })
		if !w.run(5*time.Minute, func() bool { return len(w.nodes["core-1"].slots) > 0 }) {
			t.Fatal("no slot is made")
		}
		for range 4 {
			id := w.propose("core-1", "pause", "protocol")
			w.run(5*time.Second, w.known(id))
			for _, m := range four[:3] {
				w.approve(m, id)
			}
			n := w.nodes["core-1"] // takes the word of one whose node is off
			w.step(n.id, w.append(n, council.WordApproved, council.Voted{Approval: w.ballot(n.id, "community-1", id, council.Approve)}))
			if !w.run(time.Minute, w.minedBy(id)) {
				w.fail(id)
			}
		}
		w.run(time.Minute, never) // a slot in the place of the one that is spent
		if len(w.sessions) < 4 || len(w.armings) < 2 {
			t.Errorf("%d attempts, %d slots", len(w.sessions), len(w.armings))
		}
		for _, s := range w.sessions {
			named(t, "an attempt", s.begin.Signers)
		}
		for _, x := range w.armings {
			named(t, "a slot", x.signers)
		}
	})
	t.Run("proclamation", func(t *testing.T) {
		w := ended(t, func() *world { return rotated(t, 602) })
		if !w.run(2*time.Minute, w.proclaimedBy(four...)) {
			t.Fatal(w.why("core-1"))
		}
		for _, x := range w.words {
			named(t, "a proclamation", x.signers)
		}
	})
}

// Who has no mandate any more can't propose, and is told so by its own node.
func TestNoMandateNoProposal(t *testing.T) {
	lastDay[liar] = 1_800_000_060
	defer delete(lastDay, liar)
	w := newWorld(t, 603)
	id := w.propose(liar, "pause", "protocol")
	p, _ := w.nodes[liar].agenda.Proposal(id)
	deed := p.Intent.(council.Transaction)
	deed.Salt[0]++
	w.run(2*time.Minute, never)
	_, _, err := w.nodes[liar].agenda.Admit(deed, w.now)
	if err == nil || !strings.Contains(err.Error(), "the term of community-3 does not hold now") || !strings.Contains(council.Hint(err), "rotate the seat") {
		t.Errorf("it may propose: %v", err)
	}
	if _, _, err := w.nodes["core-1"].agenda.Admit(deed, w.now); err != nil {
		t.Errorf("the same by another: %v", err)
	}
}

// A member stays, and its term is another one from now on. What it proposed in the term
// before is known as ever, with all that was said of it: it was signed, or is open still.
// What it dates into neither term is left out.
func TestRenewedTermKeepsWhatWasProposed(t *testing.T) {
	w := newWorld(t, 607)
	signed := w.propose("core-1", "pause", "protocol")
	w.run(5*time.Second, w.known(signed))
	w.approvedBy(everyone[:4], signed)
	if !w.run(time.Minute, w.minedBy(signed)) {
		w.fail(signed)
	}
	open := w.propose("core-1", "unpause", "protocol")
	w.run(10*time.Second, never)
	for _, m := range everyone {
		w.stop(m)
	}
	before := w.council.Roster
	next := before
	next.Version++
	next.Members = slices.Clone(before.Members)
	for i, m := range next.Members {
		if m.ID == "core-1" {
			next.Members[i].Term.Start = uint64(w.now.Unix())
		}
	}
	w.council.Roster, w.first, w.former, w.words = next, &before, before.Members, map[council.SessionID]*spoken{}
	for _, m := range everyone {
		w.start(m)
	}
	after := w.propose("core-1", "pause", "bridge")
	w.run(10*time.Second, never)
	for _, m := range everyone {
		n := w.nodes[m]
		for _, id := range []council.ProposalID{signed, open, after} {
			p, ok := n.agenda.Proposal(id)
			if !ok || len(p.Verdicts) != len(everyone) || (p.Tx != nil) != (id == signed) {
				t.Errorf("%s knows of %s: %+v", m, id.Short(), p)
			}
		}
		known := len(n.agenda.Proposals())
		w.deliver(m, w.stated("core-1", 1, testcouncil.TermStart-1))
		w.deliver(m, w.stated("core-1", 2, testcouncil.TermEnd))
		if k := len(n.agenda.Proposals()); k != known {
			t.Errorf("%s takes up %d of no term", m, k-known)
		}
	}
}
