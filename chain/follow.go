package chain

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"
)

// Follower watches nonces until a finalized block has used them. It keeps no
// file: after a restart, Track again, and turns that were reported before are
// reported again.
type Follower struct {
	chain *Client
	wake  chan struct{} // capacity 1: something was tracked

	mu    sync.Mutex
	lanes map[Lane]watched
}

// Follower makes a follower of this chain.
func (c *Client) Follower() *Follower {
	return &Follower{chain: c, wake: make(chan struct{}, 1), lanes: make(map[Lane]watched)}
}

// Track follows a nonce and the transactions that may use it: attempts and fee
// bumps share one. Calling it again adds transactions. With none, the nonce
// itself is followed, and any use of it is a displacement.
func (f *Follower) Track(lane Lane, txs ...common.Hash) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	w, ok := f.lanes[lane]
	if !ok {
		if len(f.lanes) >= MaxTracked {
			return fmt.Errorf("follow nonce %d: %d nonces are followed already", lane.Nonce, MaxTracked)
		}
		w = watched{lane: lane}
	}
	w, err := w.with(txs)
	if err != nil {
		return err
	}
	f.lanes[lane] = w
	select {
	case f.wake <- struct{}{}:
	default:
	}
	return nil
}

// Drop stops following a nonce.
func (f *Follower) Drop(lane Lane) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.lanes, lane)
}

// Run follows until ctx ends, and then returns ctx's error. Emit is called from
// one goroutine, in order; a slow one delays the next look, and loses nothing.
// While no RPC answers, it tries again with each poll interval. Only one Run at
// a time.
func (f *Follower) Run(ctx context.Context, emit func(Event)) error {
	ctx, cancel := context.WithCancel(ctx)
	heads := make(chan struct{}, 1)
	var watching sync.WaitGroup
	watching.Go(func() {
		_ = f.chain.Watch(ctx, func(Head) { // ends with ctx, as Run does
			select {
			case heads <- struct{}{}:
			default:
			}
		})
	})
	defer watching.Wait()
	defer cancel()

	var again <-chan time.Time // set while the last look failed
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-heads:
		case <-f.wake:
		case <-again:
		}
		again = nil
		events, err := f.Observe(ctx)
		for _, ev := range events {
			emit(ev)
		}
		if err != nil {
			again = time.After(f.chain.cfg.PollInterval)
		}
	}
}

// Observe looks once at everything that is followed, and returns what changed
// since the last look; with an error, what could be seen.
func (f *Follower) Observe(ctx context.Context) ([]Event, error) {
	f.mu.Lock()
	var todo []watched
	for _, w := range f.lanes {
		todo = append(todo, w)
	}
	f.mu.Unlock()

	var events []Event
	var errs []error
	for _, w := range todo {
		o, err := f.chain.observe(ctx, w)
		if err != nil {
			errs = append(errs, err)
			if ctx.Err() != nil {
				break
			}
			continue
		}
		events = append(events, f.apply(w.lane, o)...)
	}
	return events, errors.Join(errs...)
}

// apply steps a lane as it is now: transactions may have been added while the
// RPC was asked. Those have no sighting yet, so that their use of the nonce is
// at worst a doubt, which the next look clears.
func (f *Follower) apply(lane Lane, o observation) []Event {
	f.mu.Lock()
	defer f.mu.Unlock()
	w, ok := f.lanes[lane]
	if !ok {
		return nil
	}
	next, events, done := w.step(o)
	f.lanes[lane] = next
	if done {
		delete(f.lanes, lane)
	}
	return events
}

// observe asks one RPC for all that a step needs.
func (c *Client) observe(ctx context.Context, w watched) (observation, error) {
	var o observation
	err := c.do(ctx, fmt.Sprintf("follow nonce %d", w.lane.Nonce), func(ctx context.Context, e *endpoint) (err error) {
		o = observation{sightings: make(map[common.Hash]Sighting, len(w.txs))}
		if o.nonces, err = c.nonces(ctx, e, w.lane.From); err != nil {
			return err
		}
		if o.final, err = c.finalized(ctx, e, o.nonces.Head); err != nil {
			return err
		}
		for _, tx := range w.txs {
			if o.sightings[tx], err = e.look(ctx, tx); err != nil {
				return err
			}
		}
		return nil
	})
	return o, err
}
