package chain

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"

	"github.com/millicent-one/signer/council"
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

// An RPC that keeps no old state has answered; one that is away, at its limit or behind has
// not, and may yet.
func TestAnswered(t *testing.T) {
	for name, c := range map[string]struct {
		says string // to the question for an old nonce; "" cuts the line
		want bool
	}{
		"no old state": {`"error":{"code":-32000,"message":"missing trie node"}`, true},
		"a limit":      {`"error":{"code":-32005,"message":"limit exceeded"}`, false},
		"away":         {"", false},
		"behind":       {`"result":"0x0"`, false},
	} {
		w := newWorld(t)
		w.broadcast(w.client, w.transfer(0, 1))
		w.mine(2)
		p := w.proxy()
		client := w.dial(p.URL)
		p.set(func(p *proxy) {
			p.dead = c.says == ""
			p.instead = func(x call) string {
				if x.Method == "eth_getTransactionCount" {
					return c.says
				}
				return ""
			}
		})
		if _, _, err := client.Spent(t.Context(), councilAddr, 0); err == nil || Answered(err) != c.want {
			t.Errorf("%s: %v, answered: %v", name, err, Answered(err))
		}
	}
	if err := fmt.Errorf("look: %w", final{errors.New("more than 4096 blocks ago")}); !Answered(err) || Answered(nil) || Answered(context.DeadlineExceeded) {
		t.Error("what is final, nothing, and the own haste")
	}
}

// FuzzSpent has an RPC answer anything when it is asked for a block and for the
// transaction in it that used a nonce: what is believed is signed by the account, with
// this nonce, for this chain.
func FuzzSpent(f *testing.F) {
	const chain, nonce = 1337, 7
	deed := council.Transaction{
		Chain: chain, To: common.Address{1}, Value: new(big.Int), MaxGas: 21_000,
		MaxFeePerGas: gwei(1), MaxTipPerGas: gwei(1), ValidUntil: 1 << 40,
	}
	made := func(chain, nonce uint64) (block, tx []byte) {
		deed.Chain = chain
		of := signed(f, council.Envelope{Deed: deed, Nonce: nonce, Fees: council.Fees{Gas: deed.MaxGas, MaxFeePerGas: deed.MaxFeePerGas, MaxTipPerGas: deed.MaxTipPerGas}})
		tx, err := of.MarshalJSON()
		if err != nil {
			f.Fatal(err)
		}
		return fmt.Appendf(nil, `{"transactions":[{"hash":%q,"from":%q,"nonce":"0x%x","type":"0x7e"}]}`, of.Hash(), councilAddr, nonce), tx
	}
	block, tx := made(chain, nonce)
	f.Add(block, tx)
	_, later := made(chain, nonce+1)
	f.Add(block, later)
	_, elsewhere := made(chain+1, nonce)
	f.Add(block, elsewhere)
	f.Add(block, []byte("null"))
	f.Add(block, tx[:len(tx)/2])
	f.Add([]byte("null"), tx)
	f.Add([]byte(`{"transactions":[null,{"hash":1}]}`), tx)
	f.Add([]byte(`{"transactions":null}`), []byte(`{}`))

	answers := map[string][]byte{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var c call
		if err := json.NewDecoder(r.Body).Decode(&c); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,"result":%s}`, c.ID, answers[c.Method])
	}))
	f.Cleanup(s.Close)
	u, err := url.Parse(s.URL)
	if err != nil {
		f.Fatal(err)
	}
	e, err := newEndpoint(u, s.URL, time.Now)
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(e.rpc.Close)
	answers["eth_getBlockByNumber"], answers["eth_getTransactionByHash"] = block, tx
	if _, err := e.sentIn(f.Context(), chain, 1, councilAddr, nonce); err != nil {
		f.Fatal("what is true is not believed:", err)
	}
	f.Fuzz(func(t *testing.T, block, tx []byte) {
		answers["eth_getBlockByNumber"], answers["eth_getTransactionByHash"] = block, tx
		got, err := e.sentIn(t.Context(), chain, 1, councilAddr, nonce)
		if err != nil {
			if got != nil {
				t.Fatalf("%s in spite of %v", got.Hash(), err)
			}
			return
		}
		from, err := types.Sender(types.LatestSignerForChainID(big.NewInt(chain)), got)
		if err != nil || from != councilAddr || got.Nonce() != nonce {
			t.Fatalf("believed: %s, nonce %d, of %s (%v)", got.Hash(), got.Nonce(), from, err)
		}
	})
}
