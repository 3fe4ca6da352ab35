package main

import (
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/ethclient"
)

// A chain may call a transaction pending, or not know it, for a moment after its block was
// told of.
func TestFetch(t *testing.T) {
	key, err := crypto.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	tx, err := types.SignNewTx(key, types.LatestSignerForChainID(big.NewInt(1)), &types.DynamicFeeTx{ChainID: big.NewInt(1), To: &common.Address{1}, Gas: 21000, GasFeeCap: big.NewInt(2), GasTipCap: big.NewInt(1), Value: new(big.Int)})
	if err != nil {
		t.Fatal(err)
	}
	raw, err := tx.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	pending, in := string(raw), strings.Replace(string(raw), "{", `{"blockNumber":"0x7",`, 1)
	receipt := fmt.Sprintf(`{"transactionHash":%q,"blockHash":%q,"blockNumber":"0x7","transactionIndex":"0x0","status":"0x1","gasUsed":"0x5208","cumulativeGasUsed":"0x5208","logs":[],"logsBloom":"0x%0512x"}`,
		tx.Hash().Hex(), common.Hash{7}.Hex(), 0)
	var asked atomic.Int32
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var q struct {
			ID     json.RawMessage
			Method string
		}
		if err := json.NewDecoder(r.Body).Decode(&q); err != nil {
			t.Error(err)
		}
		answer := `"result":` + in
		switch n := asked.Add(1); {
		case n == 1:
			answer = `"result":` + pending
		case n == 2:
			answer = `"result":null`
		case n == 3:
			answer = `"error":{"code":-32000,"message":"transaction indexing is in progress"}`
		case q.Method == "eth_getTransactionReceipt" && n == 5:
			answer = `"result":null`
		case q.Method == "eth_getTransactionReceipt":
			answer = `"result":` + receipt
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,%s}`, q.ID, answer)
	}))
	defer s.Close()
	c, err := ethclient.Dial(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	got, r, err := (&ground{client: c}).fetch(t.Context(), tx.Hash())
	if err != nil || got.Hash() != tx.Hash() || r.BlockNumber.Uint64() != 7 || asked.Load() != 7 {
		t.Fatalf("after %d questions: %v, %v, %v", asked.Load(), got, r, err)
	}
}
