package api

import (
	"encoding/json"
	"math/big"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/council"
)

// What members sign has to survive the way over the API.
func TestIntentKeepsExpectedChanges(t *testing.T) {
	in := council.Transaction{Chain: 1, To: common.Address{1}, Value: new(big.Int), Data: []byte{1, 2, 3, 4}, MaxGas: 100_000, MaxFeePerGas: big.NewInt(2),
		MaxTipPerGas: big.NewInt(1), ValidUntil: 5, Reason: "a test"}
	for _, list := range [][]council.Expected{nil, {{Account: common.Address{1}, Slot: common.Hash{2}, Value: common.Hash{3}}}} {
		in.Expect = list
		raw, err := json.Marshal(NewIntent(in))
		if err != nil {
			t.Fatal(err)
		}
		var back Intent
		if err := json.Unmarshal(raw, &back); err != nil {
			t.Fatal(err)
		}
		got, err := back.Intent()
		if err != nil {
			t.Fatal(err)
		}
		want, err := council.Propose(common.Hash{9}, in)
		if err != nil {
			t.Fatal(err)
		}
		if id, err := council.Propose(common.Hash{9}, got); err != nil || id != want {
			t.Errorf("%s became another proposal: %v", raw, err)
		}
	}
}
