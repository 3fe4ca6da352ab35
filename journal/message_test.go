package journal

import (
	"errors"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/council"
)

func TestMessages(t *testing.T) {
	j := fresh(t, "core-1")
	d1, d2 := common.Hash{1}, common.Hash{2}
	p, q := proposal("p"), proposal("q")
	for i, s := range []struct {
		err error
		ok  bool
	}{
		{j.RevealMessage(d1, p), false},
		{j.ReserveMessage(d1, p, 1), true},
		{j.ReserveMessage(d1, p, 2), true},
		{j.ReserveMessage(d1, q, 1), false}, // one digest, one proposal
		{j.ReserveMessage(d2, p, 1), false}, // one proposal, one digest
		{j.RevealMessage(d1, q), false},
		{j.FreeMessage(d1, q), false},
		{j.FreeMessage(d1, p), true},
		{j.FreeMessage(d1, p), false},
		{j.ReserveMessage(d1, q, 1), true},
		{j.RevealMessage(d1, q), true},
		{j.RevealMessage(d1, q), true},
		{j.FreeMessage(d1, q), false}, // revealed
		{j.ReserveMessage(d1, q, 4), true},
		{j.ReserveMessage(d2, p, 1), true},
		{j.Reserve(row(7, "p", 1)), false}, // a message has no nonce
		{j.Reserve(row(7, "t", 1)), true},
		{j.ReserveMessage(common.Hash{3}, proposal("t"), 1), false},
		{j.ReserveMessage(common.Hash{}, p, 1), false},
		{j.ReserveMessage(d1, council.ProposalID{}, 1), false},
		{j.ReserveMessage(d1, p, 0), false},
	} {
		if (s.err == nil) != s.ok {
			t.Errorf("step %d: %v", i+1, s.err)
		}
	}
	want := []MessageRow{{d1, q, Revealed, 4}, {d2, p, Reserved, 1}}
	if got, err := j.Messages(); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("messages %+v, %v", got, err)
	}
	if got, ok, err := j.Message(d1); !ok || err != nil || got != want[0] {
		t.Errorf("by digest: %+v, %v, %v", got, ok, err)
	}
	if got, ok, err := j.MessageByProposal(p); !ok || err != nil || got != want[1] {
		t.Errorf("by proposal: %+v, %v, %v", got, ok, err)
	}
	if _, ok, err := j.Message(row(7, "t", 1).Digest); ok || err != nil {
		t.Errorf("a transaction's digest: %v, %v", ok, err)
	}
	if _, ok, err := j.MessageByProposal(proposal("t")); ok || err != nil {
		t.Errorf("a transaction's proposal: %v, %v", ok, err)
	}
}

// A refusal names who has the digest, and says what to do.
func TestMessageConflictNamesTheHolder(t *testing.T) {
	j := fresh(t, "core-1")
	if err := j.ReserveMessage(common.Hash{1}, proposal("p"), 1); err != nil {
		t.Fatal(err)
	}
	err := j.ReserveMessage(common.Hash{1}, proposal("q"), 1)
	var c *ConflictError
	if !errors.As(err, &c) || c.Holder != proposal("p") || c.Proposal != proposal("q") {
		t.Fatalf("got %+v, %v", c, err)
	}
	hinted(t, err, proposal("p").Short(), "word this one differently")
	if strings.Contains(err.Error(), "nonce") {
		t.Errorf("a message has no nonce: %v", err)
	}
}

// What was reserved and what was revealed is there after the process has died,
// and only what was revealed stays for good.
func TestMessagesSurviveARestart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.db")
	o := options(t, "core-1")
	j := open(t, path, o)
	for _, err := range []error{
		j.ReserveMessage(common.Hash{1}, proposal("reserved"), 3),
		j.ReserveMessage(common.Hash{2}, proposal("revealed"), 1),
		j.RevealMessage(common.Hash{2}, proposal("revealed")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	_ = j.Close()
	j = open(t, path, o)
	want := []MessageRow{{common.Hash{1}, proposal("reserved"), Reserved, 3}, {common.Hash{2}, proposal("revealed"), Revealed, 1}}
	if got, err := j.Messages(); err != nil || !reflect.DeepEqual(got, want) {
		t.Fatalf("messages %+v, %v", got, err)
	}
	if err := j.FreeMessage(common.Hash{1}, proposal("reserved")); err != nil {
		t.Error(err)
	}
	if err := j.FreeMessage(common.Hash{2}, proposal("revealed")); !errors.Is(err, ErrRevealed) {
		t.Errorf("freed what was revealed: %v", err)
	}
	if err := j.ReserveMessage(common.Hash{1}, proposal("other"), 1); err != nil {
		t.Errorf("a digest that was given back: %v", err)
	}
	if err := j.ReserveMessage(common.Hash{2}, proposal("other"), 1); err == nil {
		t.Error("a revealed digest went to another proposal")
	}
	if err := j.ReserveMessage(common.Hash{2}, proposal("revealed"), 2); err != nil {
		t.Errorf("the next attempt at the same digest: %v", err)
	}
}
