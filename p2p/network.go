package p2p

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/millicent-one/signer/council"
)

// Network connects the members of a roster in memory. It signs, checks, bounds
// and orders frames as Host does, and has faults (fault.go). Inside a
// testing/synctest bubble its delays take no time.
type Network struct {
	seed uint64
	seal *seal // roster and its hash; no key

	mu     sync.Mutex
	nodes  map[council.MemberID]*Node
	roads  map[edge]*road
	cut    map[edge]bool
	faults []*Fault
}

// edge is a direction between two members.
type edge struct{ from, to council.MemberID }

var (
	errPartition = errors.New("the network is partitioned")
	errKilled    = errors.New("its node was killed")
	errLeft      = errors.New("its node was closed")
)

// NewNetwork makes a network for the members of a roster. Seed decides what
// chance decides.
func NewNetwork(r council.Roster, seed uint64) (*Network, error) {
	if err := r.Valid(); err != nil {
		return nil, err
	}
	h, err := r.Hash()
	if err != nil {
		return nil, err
	}
	return &Network{
		seed: seed, seal: &seal{roster: r, hash: h},
		nodes: map[council.MemberID]*Node{}, roads: map[edge]*road{}, cut: map[edge]bool{},
	}, nil
}

// Bind has frames be those of the council that began with a roster, where the network was
// made for members of later ones, too. It must come before anyone joins.
func (n *Network) Bind(first council.Roster) (err error) {
	n.seal.hash, err = first.Hash()
	return err
}

// Node is a member of a Network: a Transport in memory.
type Node struct {
	net    *Network
	seal   *seal
	frames chan Frame
	events *eventQueue
	ctx    context.Context
	stop   context.CancelFunc
	work   sync.WaitGroup
	once   sync.Once
	over   chan struct{}
	bad    *reports

	framesOut, framesIn, bytesOut, bytesIn, misbehaved atomic.Uint64
}

var _ Transport = (*Node)(nil)

// road is one direction between two nodes that are up.
type road struct {
	boxes [len(channels)]*outbox
	rngs  [len(channels)]*rand.Rand
	held  [len(channels)]*parcel
	stop  context.CancelFunc
}

// Join starts the node of a member. One that was killed or closed may join
// again.
func (n *Network) Join(self council.MemberID, key council.NodeSigner) (*Node, error) {
	s, err := door{roster: n.seal.roster, network: n.seal.hash}.seal(self, key)
	if err != nil {
		return nil, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.nodes[self] != nil {
		return nil, council.WithHint(fmt.Errorf("%s has joined already", self), "close or kill its node first")
	}
	node := &Node{net: n, seal: s, frames: make(chan Frame, inboxFrames), over: make(chan struct{}), bad: newReports(5)}
	node.ctx, node.stop = context.WithCancel(context.Background())
	node.events = newEventQueue()
	n.nodes[self] = node
	for other := range n.nodes {
		n.join(self, other)
	}
	return node, nil
}

// join makes the two roads between nodes, unless there is a reason why not. The
// caller holds mu.
func (n *Network) join(a, b council.MemberID) {
	x, y := n.nodes[a], n.nodes[b]
	if a == b || x == nil || y == nil || n.cut[edge{a, b}] || n.roads[edge{a, b}] != nil {
		return
	}
	n.lay(x, y)
	n.lay(y, x)
	x.events.tell(PeerUp{Member: b})
	y.events.tell(PeerUp{Member: a})
}

// lay makes the road from x to y. Its goroutines belong to y.
func (n *Network) lay(x, y *Node) {
	e := edge{x.Self(), y.Self()}
	ctx, stop := context.WithCancel(y.ctx)
	r := &road{stop: stop}
	for i, c := range channels {
		h := fnv.New64a()
		fmt.Fprintf(h, "%s>%s:%s", e.from, e.to, c)
		r.boxes[i] = newOutbox()
		r.boxes[i].set(true)
		r.rngs[i] = rand.New(rand.NewPCG(n.seed, h.Sum64()))
		y.work.Go(func() { y.take(ctx, e.from, c, r.boxes[i]) })
	}
	n.roads[e] = r
}

// part ends the roads between two members. The caller holds mu.
func (n *Network) part(a, b council.MemberID, why error) {
	if n.roads[edge{a, b}] == nil {
		return
	}
	for _, e := range []edge{{a, b}, {b, a}} {
		r := n.roads[e]
		delete(n.roads, e)
		for _, box := range r.boxes {
			box.set(false)
		}
		r.stop()
	}
	for _, e := range []edge{{a, b}, {b, a}} {
		if node := n.nodes[e.to]; node != nil {
			node.events.tell(PeerDown{Member: e.from, Err: why})
		}
	}
}

// Self implements Transport.
func (d *Node) Self() council.MemberID { return d.seal.self }

// Frames implements Transport.
func (d *Node) Frames() <-chan Frame { return d.frames }

// Events implements Transport.
func (d *Node) Events() <-chan Event { return d.events.out }

// Online implements Transport.
func (d *Node) Online() []council.MemberID {
	d.net.mu.Lock()
	defer d.net.mu.Unlock()
	var ids []council.MemberID
	for e := range d.net.roads {
		if e.from == d.Self() {
			ids = append(ids, e.to)
		}
	}
	slices.Sort(ids)
	return ids
}

// Stats counts frames, bytes and incidents since the node joined.
func (d *Node) Stats() Stats {
	return Stats{
		FramesOut: d.framesOut.Load(), FramesIn: d.framesIn.Load(),
		BytesOut: d.bytesOut.Load(), BytesIn: d.bytesIn.Load(), Misbehaved: d.misbehaved.Load(),
	}
}

// Send implements Transport.
func (d *Node) Send(ctx context.Context, to council.MemberID, f Frame) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if d.ctx.Err() != nil {
		return ErrClosed
	}
	b, err := d.seal.pack(to, f)
	if err != nil {
		return fmt.Errorf("send: %w", err)
	}
	f.From = d.Self()
	return sendError(to, d.net.send(d, to, f, b))
}

// send meets the faults and queues what they leave of a frame.
func (n *Network) send(d *Node, to council.MemberID, f Frame, b []byte) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	r := n.roads[edge{d.Self(), to}]
	if r == nil {
		return ErrOffline
	}
	i := f.Channel - 1
	p, copies, hold := parcel{bytes: b, due: time.Now()}, 1, false
	for _, fault := range n.faults {
		if !fault.matches(f, to) {
			continue
		}
		hit := func(chance float64) bool { return chance > 0 && r.rngs[i].Float64() < chance }
		if hit(fault.Drop) {
			copies = 0
		}
		if hit(fault.Duplicate) {
			copies *= 2
		}
		if hit(fault.Reorder) {
			hold = true
		}
		if hit(fault.Corrupt) {
			p.bytes = slices.Clone(p.bytes)
			p.bytes[r.rngs[i].IntN(len(p.bytes))] ^= 1 << r.rngs[i].IntN(8)
		}
		p.due = p.due.Add(fault.Delay)
		if fault.Jitter > 0 {
			p.due = p.due.Add(time.Duration(r.rngs[i].Int64N(int64(fault.Jitter) + 1)))
		}
	}
	held := r.held[i]
	if hold && held == nil && copies > 0 {
		r.held[i] = &p
		time.AfterFunc(reorderHold, func() { n.release(r, int(i), &p) })
		d.count(len(b))
		return nil
	}
	for range copies {
		if err := r.boxes[i].put(p); err != nil {
			return err
		}
	}
	if held != nil {
		r.held[i] = nil
		r.boxes[i].put(*held)
	}
	d.count(len(b))
	return nil
}

func (d *Node) count(size int) {
	d.framesOut.Add(1)
	d.bytesOut.Add(uint64(size + 4))
}

// release sends a held frame that no other has overtaken.
func (n *Network) release(r *road, i int, p *parcel) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if r.held[i] == p {
		r.held[i] = nil
		r.boxes[i].put(*p)
	}
}

// take delivers what comes along one road on one channel.
func (d *Node) take(ctx context.Context, from council.MemberID, c Channel, box *outbox) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		p, ok := box.take(ctx)
		if !ok {
			return
		}
		if wait := time.Until(p.due); wait > 0 {
			timer.Reset(wait)
			select {
			case <-timer.C:
			case <-ctx.Done():
				return
			}
		}
		f, err := d.seal.open(from, c, p.bytes)
		if err != nil {
			d.misbehaved.Add(1)
			if k := d.bad.one(); k > 0 {
				d.events.tell(Misbehaved{Member: from, Err: fmt.Errorf("%s on %s: %w", from, c, err), Count: k})
			}
			continue
		}
		select {
		case d.frames <- f:
			d.framesIn.Add(1)
			d.bytesIn.Add(uint64(len(p.bytes) + 4))
		case <-ctx.Done():
			return
		}
	}
}

// Close implements Transport.
func (d *Node) Close() error {
	d.shut(errLeft)
	return nil
}

func (d *Node) shut(why error) {
	d.once.Do(func() {
		n := d.net
		n.mu.Lock()
		d.stop()
		delete(n.nodes, d.Self())
		for _, other := range n.seal.roster.IDs() {
			n.part(d.Self(), other, why)
		}
		n.mu.Unlock()
		d.work.Wait()
		d.events.close()
		close(d.frames)
		close(d.over)
	})
	<-d.over
}
