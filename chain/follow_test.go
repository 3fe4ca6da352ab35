package chain

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/contracts"
	"github.com/millicent-one/signer/council"
)

// follower runs until the test ends; its turns come out of the channel.
func (w *world) follower() (*Follower, <-chan Event) {
	ctx, cancel := context.WithCancel(w.t.Context())
	f := w.client.Follower()
	events := make(chan Event, 64)
	done := make(chan error, 1)
	go func() { done <- f.Run(ctx, func(e Event) { events <- e }) }()
	w.t.Cleanup(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			w.t.Errorf("run: %v", err)
		}
	})
	return f, events
}

func (w *world) expect(events <-chan Event, turn Turn) Event {
	w.t.Helper()
	select {
	case e := <-events:
		if e.Turn != turn {
			w.t.Fatalf("%s: %+v; want %s", e.Turn, e, turn)
		}
		return e
	case <-within(w.t, time.Minute).Done():
		w.t.Fatalf("no turn came; want %s", turn)
	}
	panic("unreachable")
}

func (w *world) track(f *Follower, nonce uint64, txs ...common.Hash) {
	w.t.Helper()
	if err := f.Track(Lane{councilAddr, nonce}, txs...); err != nil {
		w.t.Fatal(err)
	}
}

func TestFollowThroughAReorgToFinality(t *testing.T) {
	w := newWorld(t)
	f, events := w.follower()
	tx := w.transfer(0, 1)
	w.track(f, 0, tx.Hash())
	w.broadcast(w.client, tx)
	w.mine(1)
	mined := w.expect(events, TurnMined)
	if mined.Sighting.Tx != tx.Hash() || mined.Sighting.Block != 2 {
		t.Errorf("%+v", mined)
	}
	if err := w.Reorg(1); err != nil {
		t.Fatal(err)
	}
	if e := w.expect(events, TurnReorged); e.Sighting.BlockHash != mined.Sighting.BlockHash {
		t.Errorf("%+v", e)
	}
	w.broadcast(w.client, tx)
	w.mine(1)
	again := w.expect(events, TurnMined)
	if again.Sighting.BlockHash == mined.Sighting.BlockHash {
		t.Errorf("%+v", again)
	}
	w.mine(3)
	if e := w.expect(events, TurnFinal); e.Sighting.State != Final || e.Sighting.BlockHash != again.Sighting.BlockHash {
		t.Errorf("%+v", e)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.lanes) != 0 {
		t.Error("a finished lane is still followed")
	}
}

func TestFollowARevert(t *testing.T) {
	w := newWorld(t)
	s := w.suite()
	f, events := w.follower()
	tx := w.sign(w.deed(s.Protocol, contracts.Protocol().Calldata("unpause")), 0,
		council.Fees{Gas: 100_000, MaxFeePerGas: gwei(10), MaxTipPerGas: gwei(1)})
	w.track(f, 0, tx.Hash())
	w.broadcast(w.client, tx)
	w.mine(1)
	if e := w.expect(events, TurnReverted); !e.Sighting.Reverted || e.Sighting.GasUsed == 0 {
		t.Errorf("%+v", e)
	}
}

// Observe alone, without Run, tells the same story head by head.
func TestObserve(t *testing.T) {
	w := newWorld(t)
	f := w.client.Follower()
	observe := func(want ...Turn) {
		t.Helper()
		events, err := f.Observe(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var got []Turn
		for _, e := range events {
			got = append(got, e.Turn)
		}
		if len(got) != len(want) {
			t.Fatalf("turns %v; want %v", got, want)
		}
		for i := range got {
			if got[i] != want[i] {
				t.Fatalf("turns %v; want %v", got, want)
			}
		}
	}
	ours, theirs := w.transfer(0, 1), w.transfer(0, 2)
	w.track(f, 0, ours.Hash())
	observe()
	w.broadcast(w.client, theirs)
	observe()
	w.mine(1)
	observe() // a doubt
	w.mine(1)
	observe(TurnDisplaced)
	if err := w.Reorg(2); err != nil {
		t.Fatal(err)
	}
	observe(TurnReorged)
	w.broadcast(w.client, theirs)
	w.mine(1)
	observe()
	w.mine(1)
	observe(TurnDisplaced)
	w.mine(2)
	observe(TurnLost)
	observe()
}

// While the RPC is away nothing is told, and afterwards nothing is missing.
func TestFollowThroughAnOutage(t *testing.T) {
	w := newWorld(t)
	p := w.proxy()
	w.client = w.dial(p.URL)
	f, events := w.follower()
	tx := w.transfer(0, 1)
	w.broadcast(w.client, tx)
	w.track(f, 0, tx.Hash())
	p.set(func(p *proxy) { p.dead = true })
	w.mine(1)
	if _, err := f.Observe(t.Context()); err == nil {
		t.Error("a dead RPC answered")
	}
	p.set(func(p *proxy) { p.dead = false })
	w.expect(events, TurnMined)
}

// A look that failed is tried again without waiting for another head.
func TestFollowTriesAgain(t *testing.T) {
	w := newWorld(t)
	p := w.proxy()
	w.client = w.dial(p.URL)
	tx := w.transfer(0, 1)
	w.broadcast(w.client, tx)
	w.mine(1)
	p.set(func(p *proxy) { p.listen, p.refuse = "eth_getTransactionCount", true })
	f, events := w.follower()
	w.track(f, 0, tx.Hash())
	p.await(t, 4) // Track and the first head make two looks at most
	p.set(func(p *proxy) { p.refuse = false })
	w.expect(events, TurnMined)
}

func TestFollowerBounds(t *testing.T) {
	w := newWorld(t)
	f := w.client.Follower()
	for i := range uint64(MaxTracked) {
		w.track(f, i)
	}
	if err := f.Track(Lane{councilAddr, MaxTracked}); err == nil {
		t.Error("no bound")
	}
	f.Drop(Lane{councilAddr, 0})
	w.track(f, MaxTracked)
}
