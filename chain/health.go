package chain

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/millicent-one/signer/council"
)

// Health is how one RPC is doing, as last seen.
type Health struct {
	Host    string
	Err     error         // why it can't be used; nil if it can
	Head    Head          // its newest block
	Age     time.Duration // of that block; negative if its time is yet to come
	Behind  uint64        // blocks behind the best RPC of the chain
	Lagging bool          // too old, or too far behind or in the future, by the configuration
	Latency time.Duration // of its last head
	InUse   bool          // calls go there first
}

// Warning says in words what is wrong, as an error with a hint; nil if nothing
// is.
func (h Health) Warning() error {
	switch {
	case h.Err != nil:
		return council.WithHint(fmt.Errorf("RPC %s: %w", h.Host, h.Err), council.Hint(h.Err))
	case h.Lagging && h.Age < 0:
		return council.WithHint(fmt.Errorf("RPC %s: its head %d is %s in the future", h.Host, h.Head.Number, (-h.Age).Round(time.Second)),
			"set this machine's clock (NTP); if it is right, put another RPC before this one")
	case h.Lagging:
		return council.WithHint(fmt.Errorf("RPC %s lags: its head %d is %s old and %d blocks behind the best",
			h.Host, h.Head.Number, h.Age.Round(time.Second), h.Behind),
			"wait until that node is in sync, or put another RPC before it")
	}
	return nil
}

// Survey asks every RPC for its head, all at once, and judges who lags. It
// returns within the configured timeout.
func (c *Client) Survey(ctx context.Context) []Health {
	errs := make([]error, len(c.rpcs))
	var wg sync.WaitGroup
	for i, e := range c.rpcs {
		wg.Go(func() {
			before := time.Now() // latency is measured, not decided on
			var h Head
			errs[i] = c.try(ctx, e, func(ctx context.Context, e *endpoint) (err error) {
				h, err = e.block(ctx, "latest")
				return err
			})
			if errs[i] == nil {
				c.mu.Lock()
				e.head, e.latency = h, time.Since(before)
				c.mu.Unlock()
			}
		})
	}
	wg.Wait()
	if ctx.Err() == nil {
		c.judge(errs)
	}
	return c.Health()
}

// judge compares the heads of those that answered just now. Only they can be
// compared: an older head of a silent one says nothing.
func (c *Client) judge(errs []error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var best uint64
	for i, e := range c.rpcs {
		if errs[i] == nil && !c.early(e.head) {
			best = max(best, e.head.Number)
		}
	}
	for i, e := range c.rpcs {
		e.last = errs[i]
		if errs[i] == nil {
			e.lagging = c.lags(e.head, best)
		}
	}
}

// lags judges a head by its own age first. That another RPC claims a higher one
// proves nothing: a single lie would put all honest ones behind the liar. So a
// gap counts only for a head that is old enough to make the claim credible.
func (c *Client) lags(h Head, best uint64) bool {
	age := c.age(h)
	return age > c.cfg.MaxLag || c.early(h) || age > c.cfg.MaxLag/2 && best > h.Number && best-h.Number > c.cfg.MaxGap
}

// early reports whether a head is from a time that has not come yet, by more
// than clocks may differ.
func (c *Client) early(h Head) bool { return c.age(h) < -c.cfg.MaxLag }

// age is negative for a head from the future. It is cut in the year 2242, which a
// duration still reaches.
func (c *Client) age(h Head) time.Duration {
	return c.cfg.Now().Sub(time.Unix(int64(min(h.Time, 1<<33)), 0))
}

// Health is what the last calls and the last Survey found; it asks nobody.
func (c *Client) Health() []Health {
	c.mu.Lock()
	defer c.mu.Unlock()
	var best uint64
	for _, e := range c.rpcs {
		if !c.early(e.head) {
			best = max(best, e.head.Number)
		}
	}
	out := make([]Health, len(c.rpcs))
	for i, e := range c.rpcs {
		out[i] = Health{Host: e.host, Err: e.last, Head: e.head, Behind: max(best, e.head.Number) - e.head.Number,
			Lagging: e.lagging, Latency: e.latency, InUse: e == c.current}
		if e.head.Time != 0 {
			out[i].Age = c.age(e.head)
		}
	}
	return out
}
