package node_test

import (
	"slices"
	"testing"
	"time"

	"github.com/millicent-one/signer/agenda"
	"github.com/millicent-one/signer/api"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/tss"
)

// keep stocks a slot, and says so, as an honest member does.
func (x *traitor) keep(a *tss.Armed) {
	if x.stocks {
		x.slots[a.ID()] = a
		x.tellStock()
	}
}

// has reports whether it has a slot of a set.
func (x *traitor) has(set []council.MemberID) bool {
	for _, a := range x.slots {
		if slices.Equal(a.Signers(), set) {
			return true
		}
	}
	return false
}

// remind calls once more for the slots that it stocks and leads.
func (x *traitor) remind(honest []council.MemberID) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.stocks {
		x.press(honest)
	}
}

// discard drops the slots of a set that its leader has not.
func (x *traitor) discard(m agenda.ArmCall) {
	for id, a := range x.slots {
		if slices.Equal(a.Signers(), m.Signers) && !slices.Contains(m.Have, id) {
			delete(x.slots, id)
		}
	}
}

// tellStock says for which sets of four, in the order of the roster, it has a slot.
func (x *traitor) tellStock() {
	ids := x.h.council.Roster.IDs()
	var stock agenda.Stock
	index := 0
	for i := range ids {
		for j := i + 1; j < len(ids); j++ {
			for k := j + 1; k < len(ids); k++ {
				for l := k + 1; l < len(ids); l++ {
					if index%8 == 0 {
						stock.Ready = append(stock.Ready, 0)
					}
					if x.has([]council.MemberID{ids[i], ids[j], ids[k], ids[l]}) {
						stock.Ready[index/8] |= 1 << (index % 8)
					}
					index++
				}
			}
		}
	}
	for _, m := range x.tr.Online() {
		x.tell(m, stock)
	}
}

// fire takes part in an attempt with the slot that it names, if the traitor has it.
func (x *traitor) fire(b council.Begin) bool {
	a, ok := x.slots[b.Slot]
	if !ok {
		return false
	}
	delete(x.slots, b.Slot)
	s, err := a.Fire(tss.FireConfig{Session: b.Fired(), Warrant: anything{digest: b.Digest}, Now: uint64(x.h.now().Unix())})
	if err != nil {
		x.t.Error(err)
		return false
	}
	x.perform(&play{begin: b, session: s, fires: true})
	return true
}

// missed learns that another signer lacks the slot: the attempt runs from the start.
func (x *traitor) missed(m agenda.Cold) {
	for id, p := range x.plays {
		if p.fires && p.begin.Hash() == m.Begin {
			delete(x.plays, id)
			x.cold(p.begin)
			return
		}
	}
}

// A traitor that has made its slots like anybody else lies when they are fired. It costs
// the slot and the attempt; the honest fire the next one, and it is their own.
func TestTraitorFires(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("makes some twenty slots")
	}
	c := newCabal(t, func(h *house) { h.slots = true })
	c.x.mu.Lock()
	c.x.stocks = true
	c.x.mu.Unlock()
	var ids []council.ProposalID
	for i, lie := range []struct {
		name string
		bend bending
	}{
		{"silence from round 4", silentFrom(tss.SignRound4)},
		{"silence from round 5", silentFrom(tss.SignRound5)},
		{"silence in round 9", silentFrom(tss.SignRound9)},
		// The last one convicts: from then on the traitor is not called any more.
		{"two broadcasts in round 5", equivocated(tss.SignRound5)},
	} {
		c.x.lie(nil)
		c.pass(2 * time.Minute) // whoever rests after a failure has rested
		c.stocked(lie.name, 5)
		c.x.lie(lie.bend)
		three := c.approvers()
		id := c.approved([]string{"pause", "unpause"}[i%2])
		c.signedWithout(id)
		ids = append(ids, id)
		for _, m := range three {
			c.await(m, "an attempt that failed: "+lie.name, minute, func(r *room) bool {
				at := r.proposal(t, id).Attempts
				return len(at) > 1 && at[0].Warm && slices.Contains(at[0].Suspects, c.x.self)
			})
		}
	}
	c.whole(true, ids...)
}
