package node

import (
	"path/filepath"
	"testing"

	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/internal/testcouncil"
	"github.com/millicent-one/signer/journal"
)

// A node need not ask others what it has missed if its journal is to a bit what a node of
// this process has left, and that one had caught up.
func TestJournalIsAsItWasLeft(t *testing.T) {
	founders := testcouncil.New(t)
	book, err := journal.Open(filepath.Join(t.TempDir(), "journal.db"), journal.Options{Self: "core-1", Key: founders.NodeKeys["core-1"], Roster: founders.Roster})
	if err != nil {
		t.Fatal(err)
	}
	defer book.Close()
	say := func() {
		body, err := council.EncodeBody(council.Thawed{Reason: "a test"})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := book.Append(council.WordThawed, body, 1); err != nil {
			t.Fatal(err)
		}
	}
	goesOn := func(s Standing) bool {
		t.Helper()
		s, err := s.Again(book, founders.Roster, council.Profile{})
		if err != nil {
			t.Fatal(err)
		}
		n := &Node{journal: book, standing: s}
		same, err := n.continues()
		if err != nil {
			t.Fatal(err)
		}
		return same
	}
	one := &Node{journal: book}
	if goesOn(one.Standing()) {
		t.Error("an empty journal is no reason not to ask")
	}
	say()
	if goesOn(Standing{}) {
		t.Error("a process that starts asks")
	}
	left := one.Standing()
	if !goesOn(left) {
		t.Error("the next node of the process asks")
	}
	one.restore = &quarantine{}
	if goesOn(one.Standing()) {
		t.Error("one that had not caught up is no ground for the next")
	}
	say()
	if goesOn(left) {
		t.Error("it is another journal")
	}
}
