package node_test

import (
	"context"
	"sync"

	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/node"
	"github.com/millicent-one/signer/p2p"
)

// dam keeps back what its nodes send of some kind, while it is shut: so that a
// test need not be faster than the nodes are.
type dam struct {
	holds func(p2p.Frame) bool
	kept  chan struct{} // capacity 1: it keeps something back

	mu   sync.Mutex
	gate chan struct{} // closed when the dam is opened; nil while it is open
}

func newDam(holds func(p2p.Frame) bool) *dam {
	return &dam{holds: holds, kept: make(chan struct{}, 1)}
}

func (d *dam) shut() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.gate == nil {
		d.gate = make(chan struct{})
	}
}

func (d *dam) open() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.gate != nil {
		close(d.gate)
		d.gate = nil
	}
}

// across puts a node behind the dam.
func (d *dam) across(c *node.Config) { c.Transport = dammed{c.Transport, d} }

type dammed struct {
	p2p.Transport
	dam *dam
}

func (t dammed) Send(ctx context.Context, to council.MemberID, f p2p.Frame) error {
	t.dam.mu.Lock()
	gate := t.dam.gate
	t.dam.mu.Unlock()
	if gate == nil || !t.dam.holds(f) {
		return t.Transport.Send(ctx, to, f)
	}
	select {
	case t.dam.kept <- struct{}{}:
	default:
	}
	go func() {
		<-gate
		t.Transport.Send(context.Background(), to, f) // to whoever is still there
	}()
	return nil
}
