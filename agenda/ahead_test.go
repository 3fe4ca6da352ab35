package agenda_test

import (
	"slices"
	"testing"
	"time"

	"github.com/millicent-one/signer/agenda"
	"github.com/millicent-one/signer/council"
)

// A few members keep as many proposals open as they like, with their own approvals: a node
// asks ahead for few of them, those first that lack the fewest approvals. What has all of
// them is asked for in any case.
func TestLookingAheadIsBounded(t *testing.T) {
	w := newWorld(t, 621, everyone[3:]...) // four deny them, so that none is signed
	var two, three, four []council.ProposalID
	for i := range 30 {
		id := w.propose(everyone[i%3], "pause", "protocol")
		w.pass(time.Second) // the feeds count seconds
		by := 2
		switch {
		case i < 12:
			four, by = append(four, id), 4
		case i%6 == 0:
			three, by = append(three, id), 3
		default:
			two = append(two, id)
		}
		w.approvedBy(everyone[:by], id)
	}
	w.pass(10 * time.Second)
	w.now = w.now.Add(time.Minute)
	facts, fees := w.asks(everyone[0], agenda.Head{Chain: chainID, Block: w.block + 1})
	var asked []council.ProposalID
	for _, f := range fees {
		asked = append(asked, f.Proposal)
	}
	if len(asked) != len(four)+agenda.MaxAhead || len(facts) > len(asked) {
		t.Errorf("at a new block it asks %d times for fees and %d for facts; %d have all approvals", len(asked), len(facts), len(four))
	}
	for _, id := range append(slices.Concat(four, three), two[:agenda.MaxAhead-len(three)]...) {
		if !slices.Contains(asked, id) {
			t.Errorf("not for %s", id.Short())
		}
	}
}
