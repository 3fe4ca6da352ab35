package agenda_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/agenda"
	"github.com/millicent-one/signer/council"
)

// A node that comes late reads proposals that are long over. It takes them up, for
// somebody may have a signature of one, and says nothing of them in its feed; and after a
// restart it knows the same, those included that came after as many as may be open.
func TestProposalsThatWereOverWhenRead(t *testing.T) {
	w := newWorld(t, 600)
	n := w.nodes["core-2"]
	const many = agenda.MaxOpenPerMember + 6
	start := uint64(w.now.Unix())
	for i := range uint64(many + 1) {
		// Each lasts an hour, and there is one a minute; the last has only just come.
		at := start - 3*3600 + 60*i
		if i == many {
			at = start
		}
		body, err := council.EncodeIntent(council.Statement{Text: fmt.Sprintf("Statement %d.", i), ValidUntil: at + 3600, Salt: common.Hash{1}})
		if err != nil {
			t.Fatal(err)
		}
		w.deliver("core-2", agenda.Recorded{Author: "core-1", Seq: 1000 + i, At: at, Word: council.WordProposed, Body: council.Proposed{Council: w.genesis.ID(), Intent: body}})
	}
	list := func() (out []string) {
		w.pass(3 * time.Second)
		for i, p := range n.agenda.Proposals() {
			s := n.agenda.State(p)
			if want := agenda.StateExpired; i < many && s != want || i == many && s != agenda.StateOpen {
				t.Errorf("proposal %d is %s", i, s)
			}
			out = append(out, p.ID.Short())
		}
		return out
	}
	before := list()
	if len(before) != many+1 {
		t.Fatalf("%d proposals are known, of %d", len(before), many+1)
	}
	for range 2 {
		w.stop("core-2")
		w.start("core-2")
		if after := list(); !slices.Equal(before, after) {
			t.Fatalf("%d proposals are known after a restart; it were %d", len(after), len(before))
		}
	}
	var said []council.Word
	for _, e := range n.feed {
		if e.Author == n.id && e.Word != council.WordKeyMade {
			said = append(said, e.Word)
		}
	}
	if !slices.Equal(said, []council.Word{council.WordJudged}) {
		t.Errorf("of %d that were over and one that is open it says %v", many, said)
	}
}

// What is dated all at one time, as its author likes, is the same after a restart, too.
func TestProposalsOfOneTime(t *testing.T) {
	w := newWorld(t, 601)
	n := w.nodes["core-2"]
	const many = agenda.MaxOpenPerMember + 6
	at := uint64(w.now.Unix()) - 3*3600
	for i := range uint64(many + 1) {
		until := at + 3600
		if i == many {
			until = at + 12*3600
		}
		body, err := council.EncodeIntent(council.Statement{Text: fmt.Sprintf("Statement %d.", i), ValidUntil: until, Salt: common.Hash{1}})
		if err != nil {
			t.Fatal(err)
		}
		w.deliver("core-2", agenda.Recorded{Author: "core-1", Seq: 1000 + i, At: at, Word: council.WordProposed, Body: council.Proposed{Council: w.genesis.ID(), Intent: body}})
	}
	w.pass(3 * time.Second)
	before := n.agenda.Proposals()
	if len(before) != many+1 || n.agenda.State(before[many]) != agenda.StateOpen {
		t.Fatalf("%d proposals are known, of %d", len(before), many+1)
	}
	w.stop("core-2")
	w.start("core-2")
	w.pass(3 * time.Second)
	after := n.agenda.Proposals()
	if len(after) != len(before) || after[many].ID != before[many].ID || n.agenda.State(after[many]) != agenda.StateOpen {
		t.Fatalf("%d proposals are known after a restart; it were %d", len(after), len(before))
	}
}
