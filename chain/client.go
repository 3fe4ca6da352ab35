package chain

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/millicent-one/signer/council"
)

// Client is the connection to one chain. It is safe for concurrent use.
type Client struct {
	cfg Config

	mu      sync.Mutex
	rpcs    []*endpoint // in configured order
	current *endpoint   // who answered last
}

// New makes a client without asking anyone: a daemon may start while its RPCs
// are down. Each RPC's chain id is checked before its first use. Errors are
// mistakes of the configuration.
func New(cfg Config) (*Client, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("configure chain: %w", err)
	}
	c := &Client{cfg: cfg}
	for i, raw := range cfg.RPCs {
		u, err := parseURL(raw, i)
		if err != nil {
			return nil, fmt.Errorf("configure chain %d: %w", cfg.Chain, err)
		}
		e, err := newEndpoint(u, raw, cfg.Now)
		if err != nil {
			return nil, fmt.Errorf("configure chain %d: RPC %s: %w", cfg.Chain, u.Host, err)
		}
		c.rpcs = append(c.rpcs, e)
	}
	c.current = c.rpcs[0]
	return c, nil
}

// Dial is New and Check.
func Dial(ctx context.Context, cfg Config) (*Client, error) {
	c, err := New(cfg)
	if err != nil {
		return nil, err
	}
	if err := c.Check(ctx); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// Check asks every RPC for its chain. It is an error if one serves another
// chain (*WrongChainError: a mistake to be mended, whatever the others say), or
// if none answers (*UnreachableError).
func (c *Client) Check(ctx context.Context) error {
	healths := c.Survey(ctx)
	var faults []Fault
	for _, h := range healths {
		var wc *WrongChainError
		if errors.As(h.Err, &wc) {
			return h.Err
		}
		if h.Err != nil {
			faults = append(faults, Fault{h.Host, h.Err})
		}
	}
	if len(faults) == len(healths) {
		return c.unreachable("ask for the chain id", faults)
	}
	return nil
}

// Chain is the chain id.
func (c *Client) Chain() uint64 { return c.cfg.Chain }

// Close drops the connections.
func (c *Client) Close() {
	for _, e := range c.rpcs {
		e.close()
	}
}

func (c *Client) unreachable(action string, faults []Fault) error {
	err := &UnreachableError{Chain: c.cfg.Chain, Action: action, Faults: faults}
	hint := fmt.Sprintf("see that the RPCs of chain %d in signer.yaml are right and running, or add another", c.cfg.Chain)
	for _, f := range faults {
		if h := council.Hint(f.Err); h != "" {
			hint = f.Host + ": " + h
			break
		}
	}
	return council.WithHint(err, hint)
}

// do runs f against one RPC after the other until one succeeds. An error that f
// gives as final{} is an answer, and goes straight to the caller.
func (c *Client) do(ctx context.Context, action string, f func(context.Context, *endpoint) error) error {
	var faults []Fault
	for _, e := range c.ranked() {
		err := c.try(ctx, e, f)
		var stop final
		switch {
		case err == nil:
			c.use(e)
			return nil
		case errors.As(err, &stop):
			c.use(e)
			return fmt.Errorf("%s on chain %d: %w", action, c.cfg.Chain, stop.error)
		case ctx.Err() != nil:
			return fmt.Errorf("%s on chain %d: %w", action, c.cfg.Chain, ctx.Err())
		}
		faults = append(faults, Fault{e.host, err})
	}
	return c.unreachable(action, faults)
}

// final marks an error as the chain's answer: no other RPC is asked.
type final struct{ error }

func (f final) Unwrap() error { return f.error }

// try runs f against one RPC and keeps account of how it went.
func (c *Client) try(ctx context.Context, e *endpoint, f func(context.Context, *endpoint) error) error {
	short, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	err := c.identify(short, e)
	if err == nil {
		err = f(short, e)
	}
	var stop final
	if err == nil || errors.As(err, &stop) {
		c.succeeded(e)
		return err
	}
	err = e.fault(err)
	if ctx.Err() == nil { // the caller's own haste is not the RPC's fault
		c.failed(e, err)
	}
	return err
}

// identify checks the chain id, once until the next failure: behind the same
// URL another node may stand after a restart.
func (c *Client) identify(ctx context.Context, e *endpoint) error {
	c.mu.Lock()
	known := e.checked
	c.mu.Unlock()
	if known {
		return nil
	}
	id, err := e.chainID(ctx)
	if err != nil {
		return err
	}
	if id != c.cfg.Chain {
		return council.WithHint(&WrongChainError{Host: e.host, Want: c.cfg.Chain, Got: id},
			fmt.Sprintf("put an RPC of chain %d there, or move this one to chain %d in signer.yaml", c.cfg.Chain, id))
	}
	c.mu.Lock()
	e.checked = true
	c.mu.Unlock()
	return nil
}

func (c *Client) succeeded(e *endpoint) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e.failures, e.last, e.retry = 0, nil, time.Time{}
}

// use makes e the first to be asked, until it fails or lags.
func (c *Client) use(e *endpoint) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !e.lagging || c.current.failures > 0 {
		c.current = e
	}
}

func (c *Client) failed(e *endpoint, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var se *serverError
	if errors.As(err, &se) {
		return // it answered; it only could not answer this
	}
	e.last, e.checked = err, false
	e.noTrace.Store(0)
	e.noSimulate.Store(0)
	pause := lastPause
	if e.failures < 6 {
		pause = min(firstPause<<e.failures, lastPause)
	}
	e.failures++
	e.retry = c.cfg.Now().Add(pause)
}

// ranked lists the RPCs, the most promising first: those that don't pause
// before those that do, those that keep up before those that lag, and among
// equals the one in use, then the configured order. Pausing ones come last but
// are not left out: with nothing else to ask, asking early is better than not
// asking.
func (c *Client) ranked() []*endpoint {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.cfg.Now()
	rank := func(e *endpoint) int {
		r := 0
		if now.Before(e.retry) {
			r += 4
		}
		if e.lagging {
			r += 2
		}
		if e != c.current {
			r++
		}
		return r
	}
	out := slices.Clone(c.rpcs)
	slices.SortStableFunc(out, func(a, b *endpoint) int { return rank(a) - rank(b) })
	return out
}
