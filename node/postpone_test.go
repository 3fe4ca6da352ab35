package node_test

import (
	"testing"

	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/p2p"
)

// An entry that may wait is sent with the next one and before it, so that nobody
// has to ask for it; or a moment later, if there is no next one.
func TestPostponedEntryIsSentInItsTurn(t *testing.T) {
	t.Parallel()
	h := newHouse(t, true)
	ids := h.council.Roster.IDs()
	a, b := ids[0], ids[1]
	h.start(a)
	h.start(b)
	h.ready(a)
	h.ready(b)
	began := h.rooms[a].seq(t, a)
	reached := func(want uint64) func(*room) bool {
		return func(r *room) bool { return r.seq(t, a) == began+want }
	}
	h.await(b, "the feed of now", minute, reached(0))
	h.net.Add(p2p.Fault{Channel: p2p.Sync, Drop: 1}) // what is missed now stays missed
	add := func(n byte, postpone bool) {
		t.Helper()
		body := council.AttemptFailed{Proposal: council.ProposalID{n}, Attempt: 1, Chain: h.chain.ID()}
		if err := h.rooms[a].Append(t.Context(), council.WordAttemptFailed, body, postpone); err != nil {
			t.Fatal(err)
		}
	}
	add(1, true)
	add(2, true)
	add(3, false)
	h.await(b, "three entries", minute, reached(3))
	add(4, true)
	h.await(b, "the last, which none follows", minute, reached(4))
}
