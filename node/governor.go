package node

import (
	"context"
	"sync"
	"time"
)

// governor holds background work to a share of the processor and lets it wait
// while live work runs. Background work comes in steps, one at a time; a step
// may use all processors, so what is shared out is the time in which one runs.
type governor struct {
	share float64       // of the time, in (0, 1]
	turn  chan struct{} // holds one token: whoever has it may take a step

	mu    sync.Mutex
	live  int
	quiet chan struct{} // closed while nothing live runs
	rest  time.Time     // the next step not before
}

func newGovernor(share float64) *governor {
	g := &governor{share: share, turn: make(chan struct{}, 1), quiet: make(chan struct{})}
	g.turn <- struct{}{}
	close(g.quiet)
	return g
}

// begin and end frame live work.
func (g *governor) begin() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.live++; g.live == 1 {
		g.quiet = make(chan struct{})
	}
}

func (g *governor) end() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.live--; g.live == 0 {
		close(g.quiet)
	}
}

// do runs one step of background work when its turn has come. It returns ctx's
// error, without having run it, when ctx ends first.
func (g *governor) do(ctx context.Context, step func()) error {
	select {
	case <-g.turn:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { g.turn <- struct{}{} }()
	if err := g.wait(ctx); err != nil {
		return err
	}
	began := time.Now()
	step()
	took := time.Since(began)
	g.mu.Lock()
	g.rest = time.Now().Add(time.Duration(float64(took) * (1/g.share - 1)))
	g.mu.Unlock()
	return nil
}

// wait waits until the processor is owed to background work and nothing live
// runs.
func (g *governor) wait(ctx context.Context) error {
	for {
		g.mu.Lock()
		quiet, left, live := g.quiet, time.Until(g.rest), g.live
		g.mu.Unlock()
		if live == 0 && left <= 0 {
			return nil
		}
		var pause <-chan time.Time
		if live == 0 {
			quiet, pause = nil, time.After(left)
		}
		select {
		case <-quiet:
		case <-pause:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
