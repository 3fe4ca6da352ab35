package node_test

import (
	"context"
	"slices"
	"sync"
	"testing"

	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/node"
	"github.com/millicent-one/signer/p2p"
	"github.com/millicent-one/signer/tss"
)

// bent is the transport of a node whose owner changes what it says.
type bent struct {
	p2p.Transport
	bend func(to council.MemberID, f p2p.Frame) p2p.Frame
}

func (b bent) Send(ctx context.Context, to council.MemberID, f p2p.Frame) error {
	return b.Transport.Send(ctx, to, b.bend(to, f))
}

// A member that leaves deals, and gives the heirs parts of its share that are not those it
// has committed to. Each heir names it, none has a share on its disk, and the next try goes
// without it and is committed. All of them are real peers over libp2p.
func TestLyingDealer(t *testing.T) {
	if testing.Short() {
		t.Skip("two real resharings")
	}
	const liar = council.MemberID("member-01")
	c := newCabinet(t)
	overLibp2p(&c.house)
	var mu sync.Mutex
	lied, made := map[council.SessionID]bool{}, map[council.MemberID]int{}
	c.change[liar] = func(cfg *node.Config) {
		cfg.Transport = bent{cfg.Transport, func(_ council.MemberID, f p2p.Frame) p2p.Frame {
			if f.Channel == p2p.Session && tss.Round(f.Type) == tss.ReshareRound3Share {
				f.Payload = slices.Clone(f.Payload)
				f.Payload[len(f.Payload)-1] ^= 1
				mu.Lock()
				defer mu.Unlock()
				lied[f.Session] = true
			}
			return f
		}}
	}
	heirs := c.plan.Roster.IDs()
	for _, m := range heirs {
		c.hook(m, func(at string) {
			if at == "share made" {
				mu.Lock()
				defer mu.Unlock()
				made[m]++
			}
		})
	}
	for _, m := range append(c.size.IDs(), joiner) {
		c.start(m)
	}
	c.ready("member-02")
	if err := c.rooms["member-02"].Succeed(t.Context(), c.plan); err != nil {
		t.Fatal(err)
	}
	c.stage("member-02", "running")
	for i, set := range []int{0, 4, 5} { // those that nobody has shown in the first try
		if err := c.rooms[heirs[i]].keys.PutSpare(c.sets[set]); err != nil {
			t.Fatal(err)
		}
	}
	c.until("the liar's name at each heir", func() bool {
		return !slices.ContainsFunc(heirs, func(m council.MemberID) bool {
			return !c.told(m, "rotation-failed", "(suspects: "+string(liar)+")")
		})
	})
	c.until("the new roster", c.settled)
	s, err := node.Stand(c.rooms["member-02"].book, c.first, c.profile)
	if err != nil || len(s.Switches) != 1 {
		t.Fatalf("%d rotations, %v", len(s.Switches), err)
	}
	mu.Lock()
	defer mu.Unlock()
	if r := s.Switches[0].Rotation(); len(lied) != 1 || lied[r.Session()] || slices.Contains(r.Dealers, liar) {
		t.Errorf("it has lied in %d tries, and committed is one of %v", len(lied), r.Dealers)
	}
	for _, m := range heirs {
		if made[m] != 1 {
			t.Errorf("%s has made %d shares; of the first try there is none", m, made[m])
		}
	}
}
