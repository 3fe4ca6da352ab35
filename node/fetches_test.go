package node

import (
	"testing"

	"github.com/millicent-one/signer/agenda"
	"github.com/millicent-one/signer/council"
)

// However many facts are wanted, few are asked for at once, each proposal's once, and
// those of brakes and of what is approved first.
func TestFetchesAreFew(t *testing.T) {
	var q fetches
	var running []council.ProposalID
	start := func() {
		for e, ok := q.next(); ok; e, ok = q.next() {
			running = append(running, e.Proposal)
		}
	}
	for range 3 {
		for i := range 64 {
			q.add(agenda.Fetch{Proposal: council.ProposalID{1, byte(i)}})
			start()
		}
	}
	if len(running) != maxFetches || len(q.waiting) != 64-maxFetches {
		t.Fatalf("%d run and %d wait", len(running), len(q.waiting))
	}
	brake, approved, both, late := council.ProposalID{2}, council.ProposalID{3}, council.ProposalID{4}, council.ProposalID{1, 63}
	q.add(agenda.Fetch{Proposal: brake, Rank: 1})
	start()
	q.add(agenda.Fetch{Proposal: approved, Rank: 2})
	start()
	if n := len(running); n != maxFetches+2 || running[n-2] != brake || running[n-1] != approved {
		t.Fatalf("%d run", n)
	}
	q.add(agenda.Fetch{Proposal: late, Rank: 2})
	q.add(agenda.Fetch{Proposal: both, Rank: 3})
	start()
	if len(running) != maxFetches+2 {
		t.Fatalf("%d run", len(running))
	}
	for i := range maxFetches + 2 {
		q.done(running[i])
		start()
	}
	if next := running[maxFetches+2:]; next[0] != both || next[1] != late || len(q.running) != maxFetches {
		t.Errorf("%v come next, and %d run", next[:2], len(q.running))
	}
	for i := maxFetches + 2; i < len(running); i++ {
		q.done(running[i])
		start()
	}
	if len(running) != 64+3 || len(q.running) != 0 || len(q.waiting) != 0 {
		t.Errorf("%d have run; want each once", len(running))
	}
}
