package journal

import (
	"reflect"
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
