package node_test

import (
	"math/big"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/millicent-one/signer/api"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/tss"
)

// sways adds something to the secret of the traitor's share: what it says then fits
// what everybody knows of that share in everything but its proofs.
func (x *traitor) sways(by int64) {
	x.mu.Lock()
	defer x.mu.Unlock()
	xi := (*big.Int)(reflect.ValueOf(x.share).Elem().FieldByName("data").FieldByName("Xi").UnsafePointer())
	xi.Add(xi, big.NewInt(by))
}

// What a traitor can do in a signature, done by a real peer over libp2p. Each time the
// others name it, and sign without it at the same nonce, by nothing but their own waits.
func TestTraitorOverLibp2p(t *testing.T) {
	t.Parallel()
	c := newCabal(t, overLibp2p, func(h *house) { h.silence = 8 * time.Second })
	var ids []council.ProposalID
	for i, lie := range []struct {
		name  string
		bend  bending
		share int64 // added to its share
		keeps bool  // the signature, that it alone finishes
		all   bool  // the protocol can't tell whose doing it is
		found tss.Round
	}{
		{name: "silence", bend: silentFrom(tss.SignRound2)},
		{name: "a signature kept", bend: silentFrom(tss.SignRound9), keeps: true},
		{name: "a wrong share", share: 1},
		{name: "a bad theta", bend: consistent(flipped(tss.SignRound3, everyone)), all: true},
		{name: "a false part of the signature", bend: flipped(tss.SignRound9, everyone), all: true},
		// What convicts comes last: from then on the traitor is not called any more.
		{name: "two faces", bend: equivocated(tss.SignRound5), found: tss.SignRound5},
	} {
		c.x.lie(lie.bend)
		c.x.sways(lie.share)
		c.convene.Store(lie.found != 0)
		id := c.approved([]string{"pause", "unpause"}[i%2])
		if lie.found != 0 {
			c.found("equivocation")
			c.goOn()
		}
		if lie.keeps {
			_, late := c.finished(id)
			c.ranWithout(id)
			c.tooLate(late)
		}
		c.ranWithout(id)
		c.x.sways(-lie.share)
		ids = append(ids, id)
		for _, m := range c.honest {
			if !lie.all {
				c.await(m, "the traitor's name alone: "+lie.name, minute, func(r *room) bool {
					return slices.ContainsFunc(r.proposal(t, id).Attempts, func(at api.Attempt) bool { return slices.Equal(at.Suspects, []council.MemberID{c.x.self}) })
				})
			}
			if lie.found == 0 {
				if all, err := c.rooms[m].Evidence(t.Context()); err != nil || slices.ContainsFunc(all, func(e api.Evidence) bool { return e.Proven }) {
					t.Errorf("%s: %s has proof of what nothing proves: %+v, %v", lie.name, m, all, err)
				}
				continue
			}
			e := c.has(m, c.x.self, "equivocation")
			if c.convicts(e, c.x.self); e.Message != lie.found.String() {
				t.Errorf("%s: convicted by %s", m, e.Message)
			}
		}
	}
	c.whole(true, ids...)
}

// A traitor over libp2p calls for slots as fast as it can and leaves them to the others,
// lies in those that others make with it, and then floods all with beginnings of sessions
// and calls. They have their own slot all the time, keep no more than one for each set,
// and fire it.
func TestArmingOverLibp2p(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("makes some twenty slots")
	}
	c := newCabal(t, overLibp2p, func(h *house) { h.slots, h.leads, h.silence = true, true, patience })
	x := c.x
	x.sits(true)
	from := c.marks()
	var follow []council.MemberID
	for late := time.After(3 * minute); len(follow) == 0; {
		x.press(c.honest)
		select {
		case <-late:
			t.Fatal("nobody begins what the traitor leads")
		case <-time.After(time.Second):
		}
		x.mu.Lock()
		for id := range x.led {
			for _, m := range x.early[id] {
				follow = append(follow, m.From)
			}
		}
		x.mu.Unlock()
	}
	c.stocked("calls of the traitor's", 1)
	c.fires("calls of the traitor's", "pause")
	for _, m := range follow { // as time passes below, nobody is left to be waited for
		c.await(m, "the silence of the traitor", minute, func(r *room) bool {
			s, err := r.Status(t.Context())
			return c.blames(m, from[m]) || err == nil && slices.Contains(s.Standby.Silent, x.self)
		})
	}

	// None of them lets a slot become ready: the one that does is that of the honest.
	from = c.anew()
	c.tells(silentFrom(tss.SignRound2), func(p *play, to council.MemberID, m tss.Message) []tss.Message {
		if m.Round == tss.SignArmed {
			return nil
		}
		return hasty(p, to, m)
	}, flipped(tss.SignRound1Direct, everyone), flipped(tss.SignRound2, everyone)) // the last one convicts
	c.stocked("lies", 1)
	c.fires("lies", "unpause")
	c.blamed(from)
	c.found("invalid-message")

	x.sits(true)
	c.stocked("before the flood", 1)
	c.drown()
	c.fires("after the flood", "unpause")
	c.whole(false, c.ran...)
}
