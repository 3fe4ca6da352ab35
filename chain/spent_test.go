package chain

import (
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
)

// What has used a nonce is found by the account and the number alone, however
// many blocks and transactions lie around it.
func TestSpent(t *testing.T) {
	w := newWorld(t)
	w.mine(5)
	var want []*types.Transaction
	for n := range uint64(6) {
		tx := w.transfer(n, byte(n))
		want = append(want, tx)
		w.broadcast(w.client, tx)
		w.mine([]int{1, 4, 1, 9, 2, 1}[n])
	}
	for n, tx := range want {
		got, s, err := w.client.Spent(t.Context(), councilAddr, uint64(n))
		if err != nil || got.Hash() != tx.Hash() {
			t.Fatalf("nonce %d: %v (%v); want %s", n, got, err, tx.Hash())
		}
		if at, err := w.client.Look(t.Context(), tx.Hash()); err != nil || at.Block != s.Block || at.BlockHash != s.BlockHash || s.Reverted || s.GasUsed != at.GasUsed {
			t.Errorf("nonce %d: in %+v; want %+v (%v)", n, s, at, err)
		}
	}
	if tx, _, err := w.client.Spent(t.Context(), councilAddr, 6); err == nil {
		t.Errorf("a nonce that is not used was used by %s", tx.Hash())
	}
	// Two in one block.
	a, b := w.transfer(6, 7), w.transfer(7, 8)
	w.broadcast(w.client, a)
	w.broadcast(w.client, b)
	w.mine(2)
	if got, _, err := w.client.Spent(t.Context(), councilAddr, 7); err != nil || got.Hash() != b.Hash() {
		t.Errorf("the second of a block: %v (%v)", got, err)
	}
	if tx, _, err := w.client.Spent(t.Context(), common.Address{9}, 0); err == nil {
		t.Errorf("an account that has done nothing has made %s", tx.Hash())
	}
}
