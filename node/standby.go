package node

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/agenda"
	"github.com/millicent-one/signer/api"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/tss"
)

// Standby says how much work is done ahead of time, so that the last approval
// becomes a signature in milliseconds.
type Standby struct {
	Depth   int           // slots for each set of signers; 0: none
	TTL     time.Duration // how long a slot may wait
	Percent int           // of the time in which background work may run, 1 to 100
}

// standbyOf adds the secret that this process draws its parts of slot ids from.
func standbyOf(s Standby) agenda.Standby {
	var seed common.Hash
	rand.Read(seed[:])
	return agenda.Standby{Depth: s.Depth, TTL: s.TTL, Seed: seed}
}

// arm makes a slot ready beside everything else.
func (n *Node) arm(e agenda.Arm) []agenda.Event {
	fail := func(err error) []agenda.Event { return []agenda.Event{agenda.Failed{Session: e.Session, Err: err}} }
	if n.share == nil {
		return fail(fmt.Errorf("this node holds no share"))
	}
	s, err := tss.NewArm(tss.ArmConfig{Session: e.Session, Self: n.self, Signers: e.Signers, Share: n.share, Expires: e.Expires})
	if err != nil {
		return fail(err)
	}
	if err := n.begin(e.Session, "slot", s, run{background: true}); err != nil {
		return fail(err)
	}
	return nil
}

// session makes the engine's part of an attempt: it fires the slot that the
// attempt names, or starts from nothing.
func (n *Node) session(e agenda.Enlist) (*tss.Session, error) {
	now := uint64(n.now().Unix())
	if e.Slot == (council.SessionID{}) {
		return tss.NewSign(tss.SignConfig{Session: e.Session, Self: n.self, Signers: e.Begin.Signers, Share: n.share, Warrant: e.Permit, Now: now})
	}
	a, ok := n.armed[e.Slot]
	if !ok {
		return nil, fmt.Errorf("slot %s: %w", e.Slot.Short(), tss.ErrSpent)
	}
	delete(n.armed, e.Slot)
	n.fired++
	return a.Fire(tss.FireConfig{Session: e.Session, Warrant: e.Permit, Now: now})
}

// drop destroys a slot.
func (n *Node) drop(id council.SessionID) {
	if a, ok := n.armed[id]; ok {
		a.Discard()
		delete(n.armed, id)
	}
}

// shed destroys all slots: they die with the process, and with the right to
// sign.
func (n *Node) shed() {
	for _, e := range n.agenda.Shed() {
		n.execute(e)
	}
	for id := range n.armed {
		n.drop(id)
	}
}

// viewStandby is the stock of slots as people are shown it.
func (n *Node) viewStandby() *api.Standby {
	w := n.agenda.Warm()
	if w.Depth == 0 {
		return nil
	}
	return &api.Standby{Depth: w.Depth, Sets: w.Sets, Ready: w.Ready, Members: w.Members, Own: w.Own, Arming: w.Arming, Silent: w.Silent, Slots: len(n.armed), Fired: n.fired}
}

// paced runs a step of a session: at once, or as background work.
func (r *runner) paced(ctx context.Context, n *Node, step func()) error {
	if !r.background {
		step()
		return nil
	}
	return n.governor.do(ctx, step)
}
