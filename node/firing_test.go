package node_test

import (
	"slices"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/core/types"

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

// stock has the traitor make slots with one set of signers, and keep them.
func (x *traitor) stock(set []council.MemberID) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.stocks, x.only, x.idle = true, set, false
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

// tellStock says for which sets of four, in the order of the alphabet, it has a slot.
func (x *traitor) tellStock() {
	sets := x.h.choices(4)
	slices.SortFunc(sets, slices.Compare)
	stock := agenda.Stock{Ready: make([]byte, (len(sets)+7)/8)}
	for i, set := range sets {
		if x.has(set) {
			stock.Ready[i/8] |= 1 << (i % 8)
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

// lineup chooses a traitor, the three who approve with it, and a fourth honest member. At each
// of the first nonces, where it can, the traitor does not coordinate the first attempt, for
// it never does, and is left out of the second.
func (h *house) lineup(nonces uint64) (self council.MemberID, honest []council.MemberID) {
	ids, best := h.council.Roster.IDs(), -1
	for _, four := range h.choices(4) {
		for i, m := range four {
			good := 0
			for n := range nonces {
				if h.rank(n, 1, four)[0] != m {
					good += 10
				}
				if h.rank(n, 2, four)[3] == m {
					good++
				}
			}
			if good > best {
				fourth := ids[slices.IndexFunc(ids, func(m council.MemberID) bool { return !slices.Contains(four, m) })]
				best, self, honest = good, m, append(slices.Delete(slices.Clone(four), i, i+1), fourth)
			}
		}
	}
	return self, honest
}

// shot is a lie that the traitor tells when its slot is fired.
type shot struct {
	name  string
	bend  bending
	hangs bool      // the attempt, as long as the test wants
	keeps bool      // the signature, that it alone finishes
	kind  string    // of what convicts it, if anything does
	found tss.Round // in which
}

// A traitor that has made its slots like anybody else lies when they are fired. It costs
// the slot and the attempt; the honest fire the next one, and it is their own. What it
// keeps to itself then is worth nothing: the nonce is the proposal's, and the chain takes
// one transaction.
func TestTraitorFires(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("makes twelve slots")
	}
	own := 0 // signed with the slot of the honest
	// One that convicts comes last: from then on the traitor is not called any more.
	for _, shots := range [][]shot{{
		{name: "silence from round 4", bend: silentFrom(tss.SignRound4), hangs: true},
		{name: "a signature kept", bend: silentFrom(tss.SignRound9), hangs: true, keeps: true},
		{name: "a false part of the signature", bend: flipped(tss.SignRound9, everyone)},
		{name: "two broadcasts in round 5", bend: equivocated(tss.SignRound5), kind: "equivocation", found: tss.SignRound5},
	}, {
		{name: "silence from round 5", bend: silentFrom(tss.SignRound5), hangs: true},
		{name: "a false opening in round 6", bend: flipped(tss.SignRound6, everyone)},
	}} {
		t.Run(shots[0].name, func(t *testing.T) { own += fireAll(t, shots) })
	}
	if own == 0 {
		t.Error("the honest have fired no slot of their own")
	}
}

// fireAll has a traitor tell its lies one after the other, and counts how often the honest
// have signed with a slot of their own.
func fireAll(t *testing.T, shots []shot) (own int) {
	c := newCabal(t, func(h *house) { h.slots, h.sits, h.nonces, h.silence = true, true, 3, patience })
	x, three := c.x, c.approvers()
	x.stock(c.four())
	var ids []council.ProposalID
	for i, lie := range shots {
		x.lie(nil)
		c.pass(2 * time.Minute) // whoever rests after a failure has rested
		c.stocked(lie.name, 2)  // with the traitor, and without
		x.lie(lie.bend)
		had := map[council.MemberID]uint64{}
		for _, m := range three {
			s, err := c.rooms[m].Status(t.Context())
			if err != nil || s.Standby.Own != 2 || s.Standby.Slots != 2 {
				t.Fatalf("%s: %s has %+v (%v)", lie.name, m, s.Standby, err)
			}
			had[m] = s.Standby.Fired
		}
		id := c.approved([]string{"pause", "unpause"}[i%2])
		x.await("all to fire: "+lie.name, minute, func() bool { p := x.firing(id); return p != nil && len(x.begun[p.begin.Hash()]) == 3 })
		for _, m := range three {
			if !lie.hangs {
				continue
			}
			c.await(m, "its slot to be spent: "+lie.name, minute, func(r *room) bool {
				s, err := r.Status(t.Context())
				return err == nil && s.Standby.Own < 2 && s.Standby.Fired > had[m]
			})
		}
		var late *types.Transaction
		if lie.keeps {
			_, late = c.finished(id)
		}
		c.signedWithout(id)
		if late != nil {
			c.tooLate(late)
		}
		ids = append(ids, id)
		// Who hears late that the first attempt is over refuses the second, and with it goes
		// the slot.
		if slices.ContainsFunc(c.rooms[three[0]].proposal(t, id).Attempts, func(at api.Attempt) bool { return at.State == "signed" && at.Warm }) {
			own++
		}
		for _, m := range c.honest {
			if lie.kind != "" {
				e := c.has(m, x.self, lie.kind)
				if c.convicts(e, x.self); e.Message != lie.found.String() {
					t.Errorf("%s: convicted by %s", m, e.Message)
				}
			}
		}
	}
	c.whole(true, ids...)
	if !x.knows(x.distinct) {
		t.Error("a slot was called for twice")
	}
	return own
}

// firing is an attempt at a proposal in which it fires a slot.
func (x *traitor) firing(id council.ProposalID) *play {
	for _, p := range x.plays {
		if p.fires && p.begin.Proposal == id {
			return p
		}
	}
	return nil
}

// distinct reports whether each slot was called for once.
func (x *traitor) distinct() bool {
	seen := map[council.SessionID]bool{}
	for _, p := range x.plays {
		if s := p.begin.Slot; s != (council.SessionID{}) {
			if seen[s] {
				return false
			}
			seen[s] = true
		}
	}
	return true
}
