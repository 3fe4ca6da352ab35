package chain

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/ethclient"

	"github.com/millicent-one/signer/contracts"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/internal/devchain"
)

// theCouncil is the account that acts in these tests: a plain key, since this
// room does not care how a signature is made.
var (
	theCouncil, _ = crypto.ToECDSA(crypto.Keccak256([]byte("chain test council")))
	councilAddr   = crypto.PubkeyToAddress(theCouncil.PublicKey)
)

func ether(n int64) *big.Int { return new(big.Int).Mul(big.NewInt(n), big.NewInt(1e18)) }

func gwei(n int64) *big.Int { return new(big.Int).Mul(big.NewInt(n), big.NewInt(1e9)) }

// world is a dev chain that mines on request, and a client of it.
type world struct {
	t *testing.T
	*devchain.Chain
	client *Client
}

func newWorld(t *testing.T) *world {
	t.Helper()
	ch, err := devchain.Start(devchain.Config{
		Finality: 3,
		Alloc: types.GenesisAlloc{
			councilAddr: {Balance: ether(100)},
			leaker:      {Balance: ether(1), Code: leakerCode},
			regretter:   {Balance: ether(1), Code: append(slices.Clone(leakerCode[:len(leakerCode)-1]), 0x5f, 0x5f, 0xfd)},
			trier:       {Balance: new(big.Int), Code: trierCode},
			beaconAddr:  {Balance: new(big.Int), Code: beaconCode},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ch.Close() })
	w := &world{t: t, Chain: ch}
	w.client = w.dial(ch.URL())
	return w
}

func (w *world) dial(urls ...string) *Client {
	w.t.Helper()
	c, err := Dial(w.t.Context(), w.config(urls...))
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(c.Close)
	return c
}

func (w *world) config(urls ...string) Config {
	return Config{Chain: w.ID(), RPCs: urls, PollInterval: minPoll, Timeout: 45 * time.Second}
}

func (w *world) mine(n int) {
	w.t.Helper()
	for range n {
		if _, err := w.Commit(); err != nil {
			w.t.Fatal(err)
		}
	}
}

func (w *world) suite() contracts.Suite {
	w.t.Helper()
	ec, err := ethclient.Dial(w.URL())
	if err != nil {
		w.t.Fatal(err)
	}
	defer ec.Close()
	s, err := contracts.DeploySuite(w.t.Context(), &contracts.Deployer{
		Client: ec, Key: w.Faucet(), Mine: func() error { _, err := w.Commit(); return err },
	}, councilAddr)
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

func (w *world) deed(to common.Address, data []byte) council.Transaction {
	return council.Transaction{
		Chain: w.ID(), To: to, Value: new(big.Int), Data: data, MaxGas: 200_000,
		MaxFeePerGas: gwei(100), MaxTipPerGas: gwei(2), ValidUntil: 1 << 40,
	}
}

// sign makes the deed's transaction with the fees that the chain asks for.
func (w *world) sign(deed council.Transaction, nonce uint64, fees council.Fees) *types.Transaction {
	w.t.Helper()
	return signed(w.t, council.Envelope{Deed: deed, Nonce: nonce, Fees: fees})
}

func signed(t testing.TB, env council.Envelope) *types.Transaction {
	t.Helper()
	sig, err := crypto.Sign(env.Digest().Bytes(), theCouncil)
	if err != nil {
		t.Fatal(err)
	}
	tx, err := env.Signed(sig, councilAddr)
	if err != nil {
		t.Fatal(err)
	}
	return tx
}

func (w *world) fees(deed council.Transaction) council.Fees {
	w.t.Helper()
	f, err := w.client.Fees(w.t.Context(), councilAddr, deed)
	if err != nil {
		w.t.Fatal(err)
	}
	return f
}

// transfer is a signed transfer of one wei to a fresh address.
func (w *world) transfer(nonce uint64, to byte) *types.Transaction {
	deed := w.deed(common.BytesToAddress([]byte{0xfe, to}), nil)
	deed.Value = big.NewInt(1)
	return w.sign(deed, nonce, w.fees(deed))
}

func (w *world) broadcast(c *Client, tx *types.Transaction) {
	w.t.Helper()
	if err := c.Broadcast(w.t.Context(), tx); err != nil {
		w.t.Fatal(err)
	}
}

// proxy stands between a client and the dev chain, and misbehaves on request.
type proxy struct {
	*httptest.Server
	mu     sync.Mutex
	dead   bool
	frozen string // the block that it thinks is the latest, in hex
	calls  map[string]int

	listen string        // a method
	heard  chan struct{} // capacity 1: it was called
	refuse bool          // and answered with an error

	instead func(call) string        // the rest of the answer, such as "result":1; "" to ask the chain
	answer  func(call) (int, string) // the whole of it, with its status; 0 to ask the chain
}

type call struct {
	JSONRPC string            `json:"jsonrpc"`
	ID      json.RawMessage   `json:"id"`
	Method  string            `json:"method"`
	Params  []json.RawMessage `json:"params"`
}

func (w *world) proxy() *proxy {
	p := &proxy{calls: map[string]int{}, heard: make(chan struct{}, 1)}
	p.Server = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		var c call
		if err := json.NewDecoder(r.Body).Decode(&c); err != nil {
			http.Error(rw, err.Error(), http.StatusBadRequest)
			return
		}
		p.mu.Lock()
		p.calls[c.Method]++
		if p.dead {
			p.mu.Unlock()
			panic(http.ErrAbortHandler) // cuts the connection
		}
		if c.Method == p.listen {
			select {
			case p.heard <- struct{}{}:
			default:
			}
			if p.refuse {
				p.mu.Unlock()
				fmt.Fprintf(rw, `{"jsonrpc":"2.0","id":%s,"error":{"code":-32000,"message":"not now"}}`, c.ID)
				return
			}
		}
		if p.frozen != "" && c.Method == "eth_getBlockByNumber" && string(c.Params[0]) == `"latest"` {
			c.Params[0] = json.RawMessage(`"` + p.frozen + `"`)
		}
		instead, answer := p.instead, p.answer
		p.mu.Unlock()
		if answer != nil {
			if status, s := answer(c); status != 0 {
				rw.WriteHeader(status)
				fmt.Fprint(rw, s)
				return
			}
		}
		if instead != nil {
			if s := instead(c); s != "" {
				fmt.Fprintf(rw, `{"jsonrpc":"2.0","id":%s,%s}`, c.ID, s)
				return
			}
		}
		body, _ := json.Marshal(c)
		resp, err := http.Post(w.URL(), "application/json", bytes.NewReader(body))
		if err != nil {
			http.Error(rw, err.Error(), http.StatusBadGateway)
			return
		}
		defer resp.Body.Close()
		rw.Header().Set("Content-Type", "application/json")
		_, _ = io.Copy(rw, resp.Body)
	}))
	w.t.Cleanup(p.Close)
	return p
}

func (p *proxy) set(f func(*proxy)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f(p)
}

// await waits until the method that it listens for was called n more times.
func (p *proxy) await(t *testing.T, n int) {
	t.Helper()
	done := within(t, time.Minute).Done()
	for range n {
		select {
		case <-p.heard:
		case <-done:
			t.Fatal("the method was not called")
		}
	}
}

func (p *proxy) called(method string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.calls[method]
}

func (p *proxy) host() string { return p.Listener.Addr().String() }

// fake is a server that answers each method with a fixed result, given as JSON.
func fake(t *testing.T, results map[string]string) *httptest.Server {
	s := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		var c call
		if err := json.NewDecoder(r.Body).Decode(&c); err != nil {
			http.Error(rw, err.Error(), http.StatusBadRequest)
			return
		}
		if res, ok := results[c.Method]; ok {
			fmt.Fprintf(rw, `{"jsonrpc":"2.0","id":%s,"result":%s}`, c.ID, res)
			return
		}
		fmt.Fprintf(rw, `{"jsonrpc":"2.0","id":%s,"error":{"code":-32601,"message":"no %s here"}}`, c.ID, c.Method)
	}))
	t.Cleanup(s.Close)
	return s
}

func within(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}
