package agenda_test

import (
	"testing"

	"github.com/millicent-one/signer/agenda"
	"github.com/millicent-one/signer/council"
)

// What a member says of proposals that never come here does not keep this node from hearing
// what it says later: the oldest makes room.
func TestNewestWordsWaitForTheirProposal(t *testing.T) {
	w := newWorld(t, 620)
	const author = council.MemberID("core-2")
	n := w.nodes["core-4"]
	seq := uint64(1000)
	judged := func(id council.ProposalID) {
		seq++
		w.deliver(n.id, agenda.Recorded{Author: author, Seq: seq, At: uint64(w.now.Unix()), Word: council.WordJudged, Body: council.Judged{Proposal: id, Allow: true}})
	}
	var said []agenda.Recorded
	var ids []council.ProposalID
	for i := range uint64(agenda.MaxOrphans + 2) {
		e := w.stated("core-1", i, uint64(w.now.Unix()))
		in, err := council.DecodeIntent(e.Body.(council.Proposed).Intent)
		if err != nil {
			t.Fatal(err)
		}
		id, err := council.Propose(w.genesis.ID(), in)
		if err != nil {
			t.Fatal(err)
		}
		said, ids = append(said, e), append(ids, id)
	}
	never := council.ProposalID(noise())
	for range agenda.MaxOrphans {
		judged(never)
	}
	for _, id := range ids {
		judged(id)
	}
	if k := n.agenda.Orphans(author); k != agenda.MaxOrphans {
		t.Errorf("%d words wait, of %d at most", k, agenda.MaxOrphans)
	}
	for i, e := range said {
		w.deliver(n.id, e)
		p, ok := n.agenda.Proposal(ids[i])
		if !ok {
			t.Fatalf("proposal %d is not known", i)
		}
		if _, heard := p.Verdicts[author]; heard != (i >= 2) {
			t.Errorf("what was said of proposal %d is heard: %v", i, heard)
		}
	}
	if k := n.agenda.Orphans(author); k != 0 {
		t.Errorf("%d words wait for nothing", k)
	}
	for range agenda.MaxOrphans { // all places are free again
		judged(never)
	}
	if k := n.agenda.Orphans(author); k != agenda.MaxOrphans {
		t.Errorf("%d words wait, of %d", k, agenda.MaxOrphans)
	}
	for range agenda.MaxOrphans { // what is large takes several
		seq++
		w.deliver(n.id, agenda.Recorded{Author: author, Seq: seq, At: uint64(w.now.Unix()), Word: council.WordSigned, Body: council.Signed{Proposal: never, Chain: chainID, Tx: make([]byte, 60<<10)}})
	}
	if k := n.agenda.Orphans(author); k != agenda.MaxOrphans/16 {
		t.Errorf("%d words of 60 KiB wait", k)
	}
}
