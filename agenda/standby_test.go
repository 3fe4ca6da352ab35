package agenda_test

import (
	"slices"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/agenda"
	"github.com/millicent-one/signer/council"
)

// arming is a session that makes a slot.
type arming struct {
	signers []council.MemberID
	joined  map[council.MemberID]bool
}

// arm joins a session; when all have, the slot is ready everywhere a moment
// later.
func (w *world) arm(n *member, e agenda.Arm) {
	if w.mute[n.id] {
		return
	}
	x := w.armings[e.Session]
	if x == nil {
		x = &arming{signers: e.Signers, joined: map[council.MemberID]bool{}}
		w.armings[e.Session] = x
	}
	x.joined[n.id] = true
	if len(x.joined) < len(x.signers) {
		return
	}
	for _, m := range x.signers {
		life := w.nodes[m].life
		w.after(400*time.Millisecond+w.delay()+w.ready[m], func() {
			if o := w.nodes[m]; o.life == life && x.joined[m] {
				o.slots[e.Session] = true
				w.step(m, agenda.SlotArmed{Session: e.Session})
			}
		})
	}
}

// fire holds the first rule of slots: a member's part exists, is fired once, and
// for one digest. (Two coordinators can have different members fire for
// different digests; then neither signature comes about.)
func (w *world) fire(n *member, e agenda.Enlist) {
	if e.Slot == (council.SessionID{}) {
		if e.Session != e.Begin.Session() {
			w.t.Fatalf("%s starts session %s without a slot", n.id, e.Session.Short())
		}
		return
	}
	part := string(n.id) + e.Slot.String()
	switch _, ok := w.bound[part]; {
	case !n.slots[e.Slot]:
		w.t.Fatalf("%s fires slot %s, which it does not have", n.id, e.Slot.Short())
	case ok:
		w.t.Fatalf("%s fires slot %s twice", n.id, e.Slot.Short())
	case e.Session != e.Begin.Fired() || e.Again:
		w.t.Fatalf("%s fires slot %s in session %s", n.id, e.Slot.Short(), e.Session.Short())
	}
	delete(n.slots, e.Slot)
	w.bound[part] = e.Begin.Digest
	w.warm++
}

// stocked reports whether every node says that all sets are warm, and has what
// it says.
func (w *world) stocked() bool {
	for _, n := range w.nodes {
		s := n.agenda.Warm()
		if !n.up || s.Ready != 35 || s.Own != 20 || len(n.slots) != 20*w.depth {
			return false
		}
		for _, id := range n.agenda.Slots() {
			if !n.slots[id] {
				w.t.Fatalf("%s counts slot %s, which it does not have", n.id, id.Short())
			}
		}
	}
	return true
}

func (w *world) fillStock() {
	w.t.Helper()
	if !w.run(5*time.Minute, w.stocked) {
		for _, n := range w.nodes {
			w.t.Logf("%s: %+v, %d slots", n.id, n.agenda.Warm(), len(n.slots))
		}
		w.t.Fatal("not all sets are warm")
	}
}

// A council at rest makes a slot for each set of signers, and no more.
func TestStockFills(t *testing.T) {
	for depth := 1; depth <= 2; depth++ {
		w := newWarmWorld(t, 200, depth)
		w.fillStock()
		made := len(w.armings)
		w.run(time.Minute, func() bool { return false })
		if len(w.armings) != made || !w.stocked() {
			t.Errorf("depth %d: %d slots more than needed", depth, len(w.armings)-made)
		}
		for m, n := range w.nodes["core-1"].agenda.Warm().Members {
			if n != 20 {
				t.Errorf("%s is in %d warm sets", m, n)
			}
		}
	}
}

// With a slot an attempt is over in no time; the slot is spent and replaced.
func TestSignatureFromTheStock(t *testing.T) {
	w := newWarmWorld(t, 201, 1)
	w.fillStock()
	made := len(w.armings)
	id := w.propose("core-1", "pause", "protocol")
	w.run(5*time.Second, w.known(id))
	for _, m := range everyone[:4] {
		w.approve(m, id)
	}
	before := w.now
	if !w.run(time.Minute, func() bool { return w.state("core-1", id) == agenda.StateSigned }) {
		w.fail(id)
	}
	if took := w.now.Sub(before); took > time.Second || w.warm != 4 || w.attempts != 1 {
		p, _ := w.nodes["core-1"].agenda.Proposal(id)
		t.Errorf("signed after %s, %d nodes fired, %d attempts: %+v", took, w.warm, w.attempts, p.Attempts)
	}
	w.fillStock()
	if len(w.armings) != made+1 {
		t.Errorf("%d slots were made for one that was spent", len(w.armings)-made)
	}
}

// A signer without the slot makes all of them run the same attempt from the
// start; nobody is asked again and nobody is suspected.
func TestLostSlotRunsCold(t *testing.T) {
	for seed := range uint64(6) {
		w := newWarmWorld(t, 210+seed, 1)
		w.fillStock()
		id := w.propose("core-1", "pause", "protocol")
		w.run(5*time.Second, w.known(id))
		lost := everyone[seed%4]
		for _, e := range w.nodes[lost].agenda.Shed() {
			w.execute(w.nodes[lost], e)
		}
		for _, m := range everyone[:4] {
			w.approve(m, id)
		}
		if !w.run(time.Minute, w.minedBy(id)) {
			w.fail(id)
		}
		p, _ := w.nodes["core-1"].agenda.Proposal(id)
		if len(p.Attempts) != 1 || p.Attempts[0].Failed != "" || len(p.Attempts[0].Suspects) > 0 {
			t.Errorf("seed %d: %d attempts, the last %+v", seed, len(p.Attempts), p.Attempts[len(p.Attempts)-1])
		}
		w.fillStock()
	}
}

// What a restarted process has forgotten, the others drop; and what is too old.
func TestSlotsDieWithProcessAndTime(t *testing.T) {
	w := newWarmWorld(t, 220, 1)
	w.fillStock()
	w.stop("core-2")
	w.run(3*time.Second, func() bool { return false })
	if n := w.nodes["core-1"].agenda.Warm().Own; n != 20 {
		t.Errorf("%d sets are warm while a node is merely away", n)
	}
	w.start("core-2")
	if n := w.nodes["core-1"].agenda.Warm().Own; n != 10 {
		t.Errorf("%d sets are warm after another node's restart; want the 10 without it", n)
	}
	w.fillStock()
	old := w.nodes["core-3"].agenda.Slots()
	w.run(61*time.Minute, func() bool { return false })
	w.fillStock()
	for _, id := range old {
		if w.nodes["core-3"].slots[id] {
			t.Fatalf("slot %s is older than it may be", id.Short())
		}
	}
}

// Who pledges itself and then says nothing keeps nobody else's slots from being made:
// all sets without it are warm soon, and a slot that is spent there is made again at once,
// however long it has gone on.
func TestSilentMemberStarvesNobody(t *testing.T) {
	type row struct {
		mute []council.MemberID
		warm int           // sets that are left
		soon time.Duration // after so many tries by silence as one leader has places for
	}
	var rows []row
	for i, m := range everyone {
		rows = append(rows, row{[]council.MemberID{m}, 15, 5 * time.Minute}, row{[]council.MemberID{m, everyone[(i+1)%7]}, 5, 9 * time.Minute})
	}
	for i, c := range rows {
		t.Run(council.Names(c.mute), func(t *testing.T) {
			w := newWarmWorld(t, 240+uint64(i), 1)
			w.mute = map[council.MemberID]bool{}
			var honest []council.MemberID
			for _, m := range everyone {
				if w.mute[m] = slices.Contains(c.mute, m); !w.mute[m] {
					honest = append(honest, m)
				}
			}
			warm := func() bool {
				return !slices.ContainsFunc(honest, func(m council.MemberID) bool { return w.nodes[m].agenda.Warm().Ready != c.warm })
			}
			began := w.now
			if !w.run(c.soon, warm) {
				t.Fatalf("%d sets are warm; %d could be", w.nodes[honest[0]].agenda.Warm().Ready, c.warm)
			}
			t.Logf("warm after %s", w.now.Sub(began))
			w.run(20*time.Minute, func() bool { return false })
			if !warm() {
				t.Fatal("the slots were not kept")
			}
			made := w.warm
			id := w.propose(honest[0], "pause", "protocol")
			w.run(5*time.Second, w.known(id))
			for _, m := range honest[:4] {
				w.approve(m, id)
			}
			if !w.run(time.Minute, w.minedBy(id)) {
				w.fail(id)
			}
			if w.warm == made || warm() {
				t.Fatal("no slot was spent")
			}
			if !w.run(10*time.Second, warm) {
				t.Error("the slot that was spent is not made again")
			}
		})
	}
}

// Nobody but the leader of a set can have a slot made, nor spend this node's
// time on calls that lead nowhere.
func TestArmCallsAreChecked(t *testing.T) {
	w := newWarmWorld(t, 230, 1)
	w.fillStock()
	set := everyone[:4]
	n := w.nodes[set[0]]
	for _, from := range everyone {
		before := len(n.slots)
		for _, m := range []agenda.Message{
			agenda.ArmCall{Signers: everyone[1:5], Call: [32]byte{1}},
			agenda.ArmCall{Signers: append(everyone[:3:3], everyone[2]), Call: [32]byte{1}},
			agenda.ArmCall{Signers: everyone, Call: [32]byte{1}},
			agenda.ArmBegin{Signers: set, Randoms: make([]common.Hash, 4)},
			agenda.ArmAnswer{Signers: set, Random: [32]byte{2}},
			agenda.Stock{Ready: make([]byte, 1000)},
		} {
			made := len(w.armings)
			w.step(n.id, agenda.Said{From: from, Message: m})
			if len(w.armings) != made || len(n.slots) != before {
				t.Errorf("%s: %T changed something", from, m)
			}
		}
	}
	if !w.stocked() {
		t.Error("the stock has changed")
	}
}
