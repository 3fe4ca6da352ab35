package p2p

import (
	"time"

	"github.com/millicent-one/signer/council"
)

// Fault is what a Network does to the frames that match it. Chances are from 0
// to 1 and drawn from the network's seed, per link and channel, so that a run
// repeats. A frame meets every fault that matches, in the order they were added.
type Fault struct {
	From, To council.MemberID // sender and recipient; "" is any
	Channel  Channel          // 0 is any
	Match    func(Frame) bool // further conditions; nil is none

	Drop      float64       // chance to lose it
	Duplicate float64       // chance to deliver it twice in a row
	Reorder   float64       // chance to deliver it after the next one, or after reorderHold if none comes
	Corrupt   float64       // chance to flip one bit of its bytes
	Delay     time.Duration // later than sent; order is kept
	Jitter    time.Duration // up to so much later still
}

// reorderHold is how long a frame waits for one to overtake it.
const reorderHold = 50 * time.Millisecond

func (f Fault) matches(frame Frame, to council.MemberID) bool {
	return (f.From == "" || f.From == frame.From) && (f.To == "" || f.To == to) &&
		(f.Channel == 0 || f.Channel == frame.Channel) && (f.Match == nil || f.Match(frame))
}

// Add puts a fault in force and returns what ends it.
func (n *Network) Add(f Fault) (remove func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	p := &f
	n.faults = append(n.faults, p)
	return func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		for i, q := range n.faults {
			if q == p {
				n.faults = append(n.faults[:i:i], n.faults[i+1:]...)
				return
			}
		}
	}
}

// Drop loses frames with chance p.
func (n *Network) Drop(p float64) (remove func()) { return n.Add(Fault{Drop: p}) }

// Delay makes all frames late by d and up to jitter more.
func (n *Network) Delay(d, jitter time.Duration) (remove func()) {
	return n.Add(Fault{Delay: d, Jitter: jitter})
}

// Duplicate delivers frames twice with chance p.
func (n *Network) Duplicate(p float64) (remove func()) { return n.Add(Fault{Duplicate: p}) }

// Reorder lets frames be overtaken with chance p.
func (n *Network) Reorder(p float64) (remove func()) { return n.Add(Fault{Reorder: p}) }

// Corrupt flips a bit of frames with chance p. The recipient reports the sender
// as Misbehaved, as it would on the wire.
func (n *Network) Corrupt(p float64) (remove func()) { return n.Add(Fault{Corrupt: p}) }

// Calm removes all faults. Partitions stay; Heal ends those.
func (n *Network) Calm() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.faults = nil
}

// Partition cuts the named members off from all others; among themselves both
// sides go on. Frames on their way across are lost, and both sides see each
// other go down at once.
func (n *Network) Partition(side ...council.MemberID) {
	n.mu.Lock()
	defer n.mu.Unlock()
	in := map[council.MemberID]bool{}
	for _, m := range side {
		in[m] = true
	}
	for _, a := range n.seal.roster.IDs() {
		for _, b := range n.seal.roster.IDs() {
			if in[a] && !in[b] {
				n.cut[edge{a, b}], n.cut[edge{b, a}] = true, true
				n.part(a, b, errPartition)
			}
		}
	}
}

// Heal ends all partitions.
func (n *Network) Heal() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.cut = map[edge]bool{}
	for a := range n.nodes {
		for b := range n.nodes {
			n.join(a, b)
		}
	}
}

// Kill ends a member's node as SIGKILL would: nothing it had queued arrives, and
// the others see it go down. Join starts it again.
func (n *Network) Kill(m council.MemberID) {
	n.mu.Lock()
	node := n.nodes[m]
	n.mu.Unlock()
	if node != nil {
		node.shut(errKilled)
	}
}
