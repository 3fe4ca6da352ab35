package node_test

import (
	"errors"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/millicent-one/signer/api"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/node"
	"github.com/millicent-one/signer/p2p"
	"github.com/millicent-one/signer/tss"
)

// warm has a node make slots, as fast as it can.
func warm(c *node.Config) {
	c.Standby = node.Standby{Depth: 1, TTL: time.Hour, Percent: 100}
	c.Timing.Quiet = 100 * time.Millisecond
}

// TestFourFireFromStandby lets the four nodes that are online arm their slot and
// fire it; when one has lost its own, the same attempt runs without.
func TestFourFireFromStandby(t *testing.T) {
	h := newHouse(t, true)
	four := h.council.Roster.IDs()[:4]
	for _, m := range four {
		// Nobody is silent here, however busy the machine is; and two coordinators at
		// once would spend the slot on nothing.
		h.start(m, warm, func(c *node.Config) {
			c.Timing.Silence, c.Timing.Deadline, c.Timing.Grace = 30*time.Second, 2*time.Minute, 30*time.Second
		})
	}
	ready := func() {
		t.Helper()
		sets := map[council.MemberID]int{} // that are ready, by who is in them
		for i, m := range h.council.Roster.IDs() {
			if sets[m] = 0; i < len(four) {
				sets[m] = 1
			}
		}
		for _, m := range four {
			h.await(m, "a slot", minute, func(r *room) bool {
				s, err := r.Status(t.Context())
				return err == nil && s.Standby != nil && s.Standby.Ready == 1 && s.Standby.Slots == 1 && s.Standby.Sets == 35 && maps.Equal(s.Standby.Members, sets)
			})
		}
	}
	sign := func(playbook string, beforeTheLast func()) api.Proposal {
		t.Helper()
		id := h.propose(four[0], playbook)
		for i, m := range four {
			if i == len(four)-1 {
				beforeTheLast()
			}
			h.approve(m, m, id)
		}
		h.await(four[3], "a block", minute, inState(t, id, api.Mined, api.Final))
		p := h.rooms[four[3]].proposal(t, id)
		if tries(p) != 1 {
			t.Errorf("%s took %d attempts: %+v", playbook, tries(p), p.Attempts)
		}
		return p
	}
	ready()
	p := sign("pause", func() {})
	t.Logf("signed %d ms after the fourth approval", p.Timing.Signed)
	if !h.paused() || !p.Attempts[len(p.Attempts)-1].Warm {
		t.Errorf("paused %v, warm %v", h.paused(), p.Attempts[len(p.Attempts)-1].Warm)
	}
	ready()
	p = sign("unpause", func() { // so late that there is no other slot before all have approved
		if err := h.rooms[four[1]].LoseSlots(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
	if h.paused() || p.Attempts[len(p.Attempts)-1].Warm {
		t.Errorf("paused %v, warm %v, though one had lost its slot", h.paused(), p.Attempts[len(p.Attempts)-1].Warm)
	}
	for _, m := range four {
		s, err := h.rooms[m].Status(t.Context())
		if err != nil || m != four[1] && s.Standby.Fired == 0 {
			t.Errorf("%s has fired %d slots (%v)", m, s.Standby.Fired, err)
		}
	}
}

// A slot that is being made waits, wherever it is, while something is signed live, and is
// ready afterwards. It dies with its process: nothing is left that could be fired.
func TestSlotsWaitForWhatIsSigned(t *testing.T) {
	h := newHouse(t, true)
	four := h.council.Roster.IDs()[:4]
	// The slot, which is there first, stands still in its second round at each member, and
	// what is signed then in its fourth.
	var mu sync.Mutex
	var slot council.SessionID
	still := func(r tss.Round, ofSlot bool) *dam {
		d := newDam(func(f p2p.Frame) bool {
			if f.Channel != p2p.Session {
				return false
			}
			mu.Lock()
			defer mu.Unlock()
			if slot == (council.SessionID{}) {
				slot = f.Session
			}
			return tss.Round(f.Type) == r && (f.Session == slot) == ofSlot
		})
		d.shut()
		t.Cleanup(d.open)
		return d
	}
	making, signing := map[council.MemberID]*dam{}, map[council.MemberID]*dam{}
	for i, m := range four {
		making[m], signing[m] = still(tss.SignRound2, true), still(tss.SignRound4, false)
		share := 100 - 10*i
		h.start(m, warm, making[m].across, signing[m].across, func(c *node.Config) {
			c.Standby.Percent = share
			c.Timing.Arming, c.Timing.Silence, c.Timing.Deadline, c.Timing.Grace = 10*time.Minute, 5*time.Minute, 10*time.Minute, 30*time.Second
		})
		if got := h.rooms[m].BackgroundShare(); got != float64(share)/100 {
			t.Fatalf("%s may use %g of the time for slots; configured are %d percent", m, got, share)
		}
	}
	keeps := func(what string, all map[council.MemberID]*dam) {
		t.Helper()
		for _, m := range four {
			select {
			case <-all[m].kept:
			case <-time.After(2 * minute):
				h.dump(m)
				t.Fatalf("%s does not come to its %s", m, what)
			}
		}
	}
	slots := func(m council.MemberID) []*tss.Armed {
		t.Helper()
		a, err := h.rooms[m].Armed(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	keeps("second round of the slot", making)
	id := h.propose(four[0], "pause")
	h.judged(id, four...)
	for _, m := range four {
		h.approve(m, m, id)
	}
	keeps("fourth round of the signature", signing)
	for _, m := range four {
		making[m].open()
	}
	late := time.After(2 * minute)
	for _, m := range four {
		for !h.rooms[m].HeldBack() {
			if len(slots(m)) > 0 {
				t.Fatalf("%s has made a slot beside what is signed", m)
			}
			select {
			case <-late:
				t.Fatalf("%s does not hold the slot back", m)
			case <-time.After(20 * time.Millisecond):
			}
		}
	}
	for _, m := range four {
		if p := h.rooms[m].proposal(t, id); len(slots(m)) > 0 || p.State != api.Approved && p.State != api.Signing {
			t.Errorf("%s has %d slots while the proposal is %s", m, len(slots(m)), p.State)
		}
	}
	for _, m := range four {
		signing[m].open()
	}
	h.await(four[0], "a block", minute, inState(t, id, api.Mined, api.Final))
	var all []*tss.Armed
	for _, m := range four {
		h.await(m, "its slot", 2*minute, func(*room) bool { return len(slots(m)) == 1 })
		all = append(all, slots(m)...)
	}
	for i, m := range four {
		n := h.rooms[m].Node
		h.stop(m)
		if n.Left() > 0 {
			t.Errorf("%s has ended and holds %d slots", m, n.Left())
		}
		if _, err := all[i].Fire(tss.FireConfig{}); !errors.Is(err, tss.ErrSpent) {
			t.Errorf("%s has ended, and its slot can be fired: %v", m, err)
		}
	}
}

// Slots die with the right to sign: who has locked for a rotation has none, also while
// it waits for the locks of others.
func TestSlotsDieAtTheLock(t *testing.T) {
	if testing.Short() {
		t.Skip("a real resharing")
	}
	c := newCabinet(t)
	c.heldAtTheBar("member-01")
	stay := []council.MemberID{"member-02", "member-03"}
	for _, m := range c.size.IDs() {
		c.change[m] = warm
	}
	for _, m := range append(c.size.IDs(), joiner) {
		c.start(m)
	}
	for _, m := range stay {
		c.await(m, "its two slots", 2*minute, func(r *room) bool {
			s, err := r.Status(t.Context())
			return err == nil && s.Standby != nil && s.Standby.Slots == 2 && s.Standby.Ready == 3
		})
	}
	if err := c.rooms["member-02"].Succeed(t.Context(), c.plan); err != nil {
		t.Fatal(err)
	}
	for _, m := range stay {
		var s api.Status
		c.await(m, "its lock", 5*minute, func(r *room) (locked bool) {
			var err error
			s, err = r.Status(t.Context())
			return err == nil && strings.Contains(s.Detail, "has locked")
		})
		if s.Standby == nil || s.Standby.Slots > 0 || s.Standby.Own > 0 {
			t.Errorf("%s has locked and holds %+v", m, s.Standby)
		}
	}
}
