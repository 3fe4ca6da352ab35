package node_test

import (
	"strings"
	"testing"
	"time"

	"github.com/millicent-one/signer/api"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/node"
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
		for _, m := range four {
			h.await(m, "a slot", minute, func(r *room) bool {
				s, err := r.Status(t.Context())
				return err == nil && s.Standby != nil && s.Standby.Ready == 1 && s.Standby.Slots == 1
			})
		}
	}
	sign := func(playbook string) api.Proposal {
		t.Helper()
		id := h.propose(four[0], playbook)
		for _, m := range four {
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
	p := sign("pause")
	t.Logf("signed %d ms after the fourth approval", p.Timing.Signed)
	if !h.paused() || !p.Attempts[len(p.Attempts)-1].Warm {
		t.Errorf("paused %v, warm %v", h.paused(), p.Attempts[len(p.Attempts)-1].Warm)
	}
	ready()
	if err := h.rooms[four[1]].LoseSlots(t.Context()); err != nil {
		t.Fatal(err)
	}
	p = sign("unpause")
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
