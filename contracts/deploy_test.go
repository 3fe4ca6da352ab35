package contracts

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/ethclient"
)

const (
	lagging = `"error":{"code":-32000,"message":"transaction indexing is in progress","data":"transaction indexing is in progress"}`
	absent  = `"result":null`
	mined   = `"result":{"transactionHash":"0x00000000000000000000000000000000000000000000000000000000000000aa",
		"transactionIndex":"0x0","blockNumber":"0x1","gasUsed":"0x1","cumulativeGasUsed":"0x1","status":"0x1","logs":[],"logsBloom":"0x%0512x",
		"blockHash":"0x00000000000000000000000000000000000000000000000000000000000000bb"}`
)

// replay answers question n with answer n, and all later ones with the last.
// Asked, if not nil, is told of each question.
func replay(t *testing.T, asked func(), answers ...string) (*Deployer, *atomic.Int32) {
	t.Helper()
	n := new(atomic.Int32)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var q struct {
			ID json.RawMessage `json:"id"`
		}
		if err := json.NewDecoder(r.Body).Decode(&q); err != nil {
			t.Error(err)
		}
		a := answers[min(int(n.Add(1)), len(answers))-1]
		if asked != nil {
			asked()
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,%s}`, q.ID, a)
	}))
	t.Cleanup(s.Close)
	c, err := ethclient.Dial(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return &Deployer{Client: c}, n
}

// A receipt is waited for through what a young chain says until it has one.
func TestReceiptOfAYoungChain(t *testing.T) {
	d, asked := replay(t, nil, absent, lagging, absent, lagging, fmt.Sprintf(mined, 0))
	r, err := d.receipt(t.Context(), common.HexToHash("0xaa"))
	if err != nil || r.Status != 1 || asked.Load() != 5 {
		t.Fatalf("after %d questions: %+v, %v", asked.Load(), r, err)
	}
}

// Who waits in vain hears what the chain said.
func TestReceiptThatNeverComes(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var n atomic.Int32
	d, _ := replay(t, func() {
		if n.Add(1) == 3 { // two answers were read before
			cancel()
		}
	}, lagging)
	_, err := d.receipt(ctx, common.HexToHash("0xaa"))
	if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "transaction indexing is in progress") {
		t.Errorf("after %d questions: %v", n.Load(), err)
	}
}

// Any other error is no reason to wait.
func TestReceiptThatIsRefused(t *testing.T) {
	d, asked := replay(t, nil, `"error":{"code":-32601,"message":"the method does not exist"}`)
	if _, err := d.receipt(t.Context(), common.Hash{}); err == nil || asked.Load() != 1 {
		t.Errorf("after %d questions: %v", asked.Load(), err)
	}
}

// Nor is a chain that can't be asked at all.
func TestReceiptOfNoChain(t *testing.T) {
	c, err := ethclient.Dial("http://127.0.0.1:1")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if _, err := (&Deployer{Client: c}).receipt(ctx, common.Hash{}); err == nil || ctx.Err() != nil {
		t.Errorf("it ended with %v", err)
	}
}
