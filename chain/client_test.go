package chain

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/millicent-one/signer/council"
)

func TestConfigRefusals(t *testing.T) {
	ok := Config{Chain: 1, RPCs: []string{"https://rpc.example/key"}}
	if _, err := New(ok); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*Config){
		"chain id is 0":    func(c *Config) { c.Chain = 0 },
		"has no RPC":       func(c *Config) { c.RPCs = nil },
		"at most 8":        func(c *Config) { c.RPCs = make([]string, 9) },
		"not a URL":        func(c *Config) { c.RPCs = []string{"localhost:8545"} },
		"of http or https": func(c *Config) { c.RPCs = []string{"ws://rpc.example"} },
		"poll interval":    func(c *Config) { c.PollInterval = time.Microsecond },
		"timeout":          func(c *Config) { c.Timeout = time.Hour },
	} {
		c := ok
		change(&c)
		if _, err := New(c); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("want %q, got %v", name, err)
		}
	}
	// A broken URL may still hold a token.
	if _, err := New(Config{Chain: 1, RPCs: []string{"https://user:sesame@%zz/token-token"}}); err == nil ||
		strings.Contains(err.Error(), "sesame") || strings.Contains(err.Error(), "token-token") {
		t.Errorf("%v", err)
	}
}

func TestWrongChainIsRefused(t *testing.T) {
	w := newWorld(t)
	secret := strings.Replace(w.URL(), "http://", "http://user:sesame@", 1) + "/"
	cfg := w.config(secret)
	cfg.Chain = 1
	_, err := Dial(t.Context(), cfg)
	var wc *WrongChainError
	if !errors.As(err, &wc) || wc.Want != 1 || wc.Got != w.ID() {
		t.Fatalf("%v", err)
	}
	for _, want := range []string{wc.Host, "424242", "not 1"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q lacks %q", err, want)
		}
	}
	if strings.Contains(err.Error()+council.Hint(err), "sesame") || council.Hint(err) == "" {
		t.Errorf("error %q, hint %q", err, council.Hint(err))
	}

	// A wrong one among right ones is a mistake to be mended as well, and is
	// never asked for facts.
	other := fake(t, map[string]string{"eth_chainId": `"0x1"`})
	if _, err := Dial(t.Context(), w.config(w.URL(), other.URL)); !errors.As(err, &wc) {
		t.Errorf("%v", err)
	}
	c, err := New(w.config(other.URL, w.URL()))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Head(t.Context()); err != nil {
		t.Errorf("the right one was not asked: %v", err)
	}
}

func TestFailover(t *testing.T) {
	w := newWorld(t)
	first := w.proxy()
	now := time.Now()
	cfg := w.config(first.URL, w.URL())
	cfg.Now = func() time.Time { return now }
	c, err := Dial(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	inUse := func() string {
		for _, h := range c.Health() {
			if h.InUse {
				return h.Host
			}
		}
		return ""
	}
	ask := func() {
		t.Helper()
		if _, err := c.Balance(t.Context(), councilAddr); err != nil {
			t.Fatal(err)
		}
	}
	ask()
	if inUse() != first.host() {
		t.Fatalf("in use: %s", inUse())
	}
	first.set(func(p *proxy) { p.dead = true })
	ask()
	if inUse() == first.host() {
		t.Fatal("the dead one is still in use")
	}
	asked := first.called("eth_getBalance")
	ask()
	if n := first.called("eth_getBalance"); n != asked {
		t.Error("the dead one was asked again at once")
	}
	if h := c.Health()[0]; h.Err == nil || h.Warning() == nil {
		t.Errorf("health of the dead one: %+v", h)
	}
	// Sticky: the first one's return does not move anyone back ...
	first.set(func(p *proxy) { p.dead = false })
	now = now.Add(time.Hour)
	ask()
	if inUse() == first.host() {
		t.Error("moved back without need")
	}
	// ... but it is there when the second one is gone.
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	_, err = c.Balance(t.Context(), councilAddr)
	var ue *UnreachableError
	if !errors.As(err, &ue) || len(ue.Faults) != 2 || council.Hint(err) == "" {
		t.Errorf("%v", err)
	}
}

// With two gone, the third is asked before those that just failed.
func TestFailoverLeavesThePausingAlone(t *testing.T) {
	w := newWorld(t)
	a, b := w.proxy(), w.proxy()
	c := w.dial(a.URL, b.URL, w.URL())
	ask := func() {
		t.Helper()
		if _, err := c.Balance(t.Context(), councilAddr); err != nil {
			t.Fatal(err)
		}
	}
	now := time.Now()
	c.cfg.Now = func() time.Time { return now } // no pause ends by itself
	a.set(func(p *proxy) { p.dead = true })
	ask()
	asked := a.called("eth_getBalance")
	b.set(func(p *proxy) { p.dead = true })
	ask()
	// A retry of the failed one would start with its chain id.
	if a.called("eth_getBalance") != asked || a.called("eth_chainId") != 1 || b.called("eth_getBalance") == 0 {
		t.Errorf("a: %v, b: %v", a.calls, b.calls)
	}
}

// The chain id is asked again after a failure: another node may stand there.
func TestChainIsCheckedAgain(t *testing.T) {
	w := newWorld(t)
	p := w.proxy()
	c := w.dial(p.URL)
	p.set(func(p *proxy) { p.dead = true })
	if _, err := c.Head(t.Context()); err == nil {
		t.Fatal("a dead RPC answered")
	}
	p.set(func(p *proxy) { p.dead = false })
	before := p.called("eth_chainId")
	if _, err := c.Head(t.Context()); err != nil {
		t.Fatal(err)
	}
	if p.called("eth_chainId") != before+1 {
		t.Error("the chain id was not asked again")
	}
}

func TestLaggingRPCIsReportedAndLeft(t *testing.T) {
	w := newWorld(t)
	slow := w.proxy()
	cfg := w.config(slow.URL, w.URL())
	var late time.Duration
	now := time.Unix(int64(w.Head().Time), 0)
	cfg.Now = func() time.Time { return now.Add(late) }
	c, err := Dial(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	late = DefaultMaxLag/2 + 20*time.Second // by when its head is old enough
	slow.set(func(p *proxy) { p.frozen = "0x1" })
	w.mine(DefaultMaxGap)
	if hs := c.Survey(t.Context()); hs[0].Lagging {
		t.Errorf("lags within the gap: %+v", hs[0])
	}
	w.mine(1)
	h := c.Survey(t.Context())[0]
	if !h.Lagging || h.Behind != DefaultMaxGap+1 || h.Warning() == nil || council.Hint(h.Warning()) == "" {
		t.Errorf("%+v, %v", h, h.Warning())
	}
	head, err := c.Head(t.Context())
	if err != nil || head.Number != DefaultMaxGap+2 {
		t.Errorf("the lagging one was asked: head %d, %v", head.Number, err)
	}
	slow.set(func(p *proxy) { p.frozen = "" })
	if h := c.Survey(t.Context())[0]; h.Lagging || h.Warning() != nil {
		t.Errorf("still lagging: %+v", h)
	}
}

// An RPC that claims more blocks than the others, at whatever time, is only one that
// claims: it does not take the place of one whose own head is fresh.
func TestHigherHeadTakesNoPlace(t *testing.T) {
	w := newWorld(t)
	honest, liar := w.proxy(), w.proxy()
	head, now := w.Head(), time.Unix(int64(w.Head().Time), 0)
	cfg := w.config(honest.URL, liar.URL)
	cfg.Now = func() time.Time { return now }
	c, err := Dial(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var claimed atomic.Int64 // in unix seconds
	liar.set(func(p *proxy) {
		p.instead = func(k call) string {
			if k.Method != "eth_getBlockByNumber" || string(k.Params[0]) != `"latest"` {
				return ""
			}
			return fmt.Sprintf(`"result":{"number":"0x%x","hash":"0x%064x","timestamp":"0x%x"}`, head.Number.Uint64()+1000, 1, claimed.Load())
		}
	})
	for _, x := range []struct {
		name   string
		age    time.Duration // of the honest head
		ahead  time.Duration // of the other's, against the clock
		warned bool          // about the other
	}{
		{"both fresh", 0, 0, false},
		{"three slots without a block", 3 * 12 * time.Second, 0, false},
		{"a clock that is a little off", DefaultMaxLag / 2, DefaultMaxLag, false},
		{"the far future", DefaultMaxLag / 2, DefaultMaxLag + time.Second, true},
		{"the far future, and an old head", DefaultMaxLag, 1000 * time.Hour, true},
	} {
		now = time.Unix(int64(head.Time), 0).Add(x.age)
		claimed.Store(now.Add(x.ahead).Unix())
		hs := c.Survey(t.Context())
		if !hs[0].InUse || hs[0].Lagging || hs[0].Warning() != nil {
			t.Errorf("%s: the honest one: %+v", x.name, hs[0])
		}
		warning := hs[1].Warning()
		if hs[1].Lagging != x.warned || x.warned && (!strings.Contains(warning.Error(), "in the future") || council.Hint(warning) == "") {
			t.Errorf("%s: the other: %+v, %v", x.name, hs[1], warning)
		}
		if h, ok := c.bestHead(); !ok || h.Number != head.Number.Uint64() {
			t.Errorf("%s: best head %d", x.name, h.Number)
		}
		if n, err := c.Nonce(t.Context(), councilAddr); err != nil || n.Head.Number != head.Number.Uint64() {
			t.Errorf("%s: nonces at block %d, %v", x.name, n.Head.Number, err)
		}
	}
}

// One from the future is left, as one from the past is.
func TestHeadFromTheFutureLags(t *testing.T) {
	w := newWorld(t)
	first := w.proxy()
	c := w.dial(first.URL, w.URL())
	first.set(func(p *proxy) {
		p.instead = func(k call) string {
			if k.Method != "eth_getBlockByNumber" || string(k.Params[0]) != `"latest"` {
				return ""
			}
			return fmt.Sprintf(`"result":{"number":"0x1","hash":"0x%064x","timestamp":"0x%x"}`, 1, time.Now().Add(time.Hour).Unix())
		}
	})
	if h := c.Survey(t.Context())[0]; !h.Lagging || h.Age > -DefaultMaxLag {
		t.Errorf("%+v", h)
	}
	if h, err := c.Head(t.Context()); err != nil || h.Hash != w.Head().Hash() {
		t.Errorf("%+v, %v", h, err)
	}
}

func TestOldHeadLags(t *testing.T) {
	w := newWorld(t)
	w.mine(1)
	cfg := w.config(w.URL())
	cfg.Now = func() time.Time { return time.Now().Add(DefaultMaxLag + 10*time.Second) }
	c, err := Dial(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if h := c.Health()[0]; !h.Lagging || h.Age < DefaultMaxLag {
		t.Errorf("%+v", h)
	}
	if _, err := c.Head(t.Context()); err != nil {
		t.Errorf("a lagging RPC is better than none: %v", err)
	}
}

func TestMisbehavingServers(t *testing.T) {
	w := newWorld(t)
	for name, h := range map[string]http.HandlerFunc{
		"garbage": func(rw http.ResponseWriter, r *http.Request) { fmt.Fprint(rw, "<html>\x1b[2Jnot json") },
		"empty":   func(http.ResponseWriter, *http.Request) {},
		"null":    func(rw http.ResponseWriter, r *http.Request) { fmt.Fprint(rw, "null") },
		"no result": func(rw http.ResponseWriter, r *http.Request) {
			fmt.Fprint(rw, `{"jsonrpc":"2.0","id":1}`)
		},
		"wrong type": func(rw http.ResponseWriter, r *http.Request) {
			fmt.Fprint(rw, `{"jsonrpc":"2.0","id":1,"result":{"a":[1]}}`)
		},
		"huge": func(rw http.ResponseWriter, r *http.Request) {
			fmt.Fprint(rw, `{"jsonrpc":"2.0","id":1,"result":"`)
			_, _ = io.CopyN(rw, zeros{}, 4*MaxAnswer)
		},
		"hanging": func(rw http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body) // only then does the server see the client go
			<-r.Context().Done()
		},
		"unauthorized": func(rw http.ResponseWriter, r *http.Request) { http.Error(rw, "who?", http.StatusUnauthorized) },
		"redirect": func(rw http.ResponseWriter, r *http.Request) {
			http.Redirect(rw, r, w.URL(), http.StatusTemporaryRedirect)
		},
		"rpc error": func(rw http.ResponseWriter, r *http.Request) {
			fmt.Fprint(rw, `{"jsonrpc":"2.0","id":1,"error":{"code":-32005,"message":"see /v2/sesame-sesame\u001b[2J"}}`)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // the hanging one takes its time
			s := httptest.NewServer(h)
			t.Cleanup(s.Close)
			cfg := w.config(strings.Replace(s.URL, "http://", "http://user:sesame@", 1) + "/v2/sesame-sesame?key=sesame")
			if name == "hanging" {
				cfg.Timeout = 30 * time.Second // of which the good one behind it must not need more, however busy the machine is
			}
			_, err := Dial(t.Context(), cfg)
			var ue *UnreachableError
			if !errors.As(err, &ue) {
				t.Fatalf("%v", err)
			}
			text := err.Error() + council.Hint(err)
			if strings.Contains(text, "sesame") || strings.Contains(text, "\x1b") || council.Hint(err) == "" {
				t.Errorf("error %q", text)
			}
			if name == "huge" && !errors.Is(err, errTooLarge) {
				t.Errorf("the size is not to blame: %v", err)
			}
			t.Log(err)

			// And with a good one behind it, nobody notices.
			cfg.RPCs = append(cfg.RPCs, w.URL())
			c, err := Dial(t.Context(), cfg)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if _, err := c.Nonce(t.Context(), councilAddr); err != nil {
				t.Error(err)
			}
		})
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = '0'
	}
	return len(p), nil
}

func TestCancelIsTheCallersOwn(t *testing.T) {
	w := newWorld(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := w.client.Head(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if h := w.client.Health()[0]; h.Err != nil {
		t.Errorf("the RPC was blamed: %v", h.Err)
	}
}

func TestWatchTellsNewHeads(t *testing.T) {
	w := newWorld(t)
	p := w.proxy()
	w.client = w.dial(p.URL)
	p.set(func(p *proxy) { p.listen = "eth_getBlockByNumber" })
	ctx, cancel := context.WithCancel(within(t, time.Minute))
	heads := make(chan Head)
	done := make(chan error, 1)
	go func() {
		done <- w.client.Watch(ctx, func(h Head) {
			select {
			case heads <- h:
			case <-ctx.Done():
			}
		})
	}()
	next := func() Head {
		t.Helper()
		select {
		case h := <-heads:
			return h
		case <-ctx.Done():
			t.Fatal("no new head was told")
		}
		return Head{}
	}
	if h := next(); h.Number != 1 {
		t.Errorf("first head %d", h.Number)
	}
	p.await(t, 3) // it looks on, and has nothing to tell
	w.mine(1)
	one := next()
	if one.Number != 2 {
		t.Errorf("head %d", one.Number)
	}
	if err := w.Reorg(1); err != nil {
		t.Fatal(err)
	}
	// The branch's first block may or may not be seen on the way to its second.
	for h := next(); ; h = next() {
		if h.Hash == one.Hash {
			t.Error("the same head twice")
		}
		if h.Number == 3 {
			break
		}
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}
