package node_test

import (
	"slices"
	"sync"
	"testing"

	"github.com/millicent-one/signer/agenda"
	"github.com/millicent-one/signer/api"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/node"
	"github.com/millicent-one/signer/p2p"
)

// doorman notes who a node lets in beside its roster.
type doorman struct {
	mu  sync.Mutex
	let [][]council.MemberID
}

func (d *doorman) admit(guests []p2p.Guest) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	ids := []council.MemberID{}
	for _, g := range guests {
		ids = append(ids, g.Member.ID)
	}
	d.let = append(d.let, ids)
	return nil
}

// all are those who were let in, each time.
func (d *doorman) all() [][]council.MemberID {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.let)
}

// was reports whether these were let in at some time, and nobody else with them.
func (d *doorman) was(ids ...council.MemberID) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.ContainsFunc(d.let, func(x []council.MemberID) bool { return slices.Equal(x, ids) })
}

// now are those who are let in.
func (d *doorman) now() []council.MemberID {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.let[len(d.let)-1]
}

// Who joins is let in once the succession is agreed on, and who leaves until it has said
// that its share is gone; the nodes remember that over a restart. The leaver's own node
// says that its seat is over. Somebody who comes later still, with an empty disk, follows
// to the roster in force.
func TestGuestsOfARotation(t *testing.T) {
	if testing.Short() {
		t.Skip("a real resharing")
	}
	c := newCabinet(t)
	doors := map[council.MemberID]*doorman{}
	for _, m := range append(c.size.IDs(), joiner) {
		d := &doorman{}
		doors[m] = d
		c.change[m] = func(cfg *node.Config) { cfg.Admit = d.admit }
	}
	for _, m := range append(c.size.IDs(), joiner) {
		c.start(m)
	}
	c.ready("member-02")
	if !doors["member-02"].was() {
		t.Errorf("before there is a succession, %v were let in", doors["member-02"].all())
	}
	if err := c.rooms["member-02"].Succeed(t.Context(), c.plan); err != nil {
		t.Fatal(err)
	}
	c.until("the new roster everywhere", c.settled)
	for _, m := range c.size.IDs() {
		if !doors[m].was(joiner) {
			t.Errorf("%s let in %v; want the joiner", m, doors[m].all())
		}
	}
	for _, m := range []council.MemberID{"member-02", "member-03", joiner} {
		if who := doors[m].now(); len(who) > 0 {
			t.Errorf("%s still lets %v in", m, who)
		}
	}
	s, err := c.rooms["member-01"].Status(t.Context())
	if err != nil || s.Phase != api.Over || s.Rotation == nil || s.Rotation.Commit == nil {
		t.Errorf("the leaver says %s: %s, %+v, %v", s.Phase, s.Detail, s.Rotation, err)
	}
	if _, err := c.rooms["member-02"].BeginRotation(t.Context(), c.plan, api.CharterText{}); err == nil {
		t.Error("the same succession begins once more")
	}

	c.stop("member-01") // for good: nobody says again what it has said
	c.stop("member-03")
	c.start("member-03")
	c.stage("member-03", agenda.StageErased)
	c.await("member-03", "what it knew", minute, func(r *room) bool {
		s, err := r.Rotation(t.Context())
		return err == nil && len(s.Missing) == 0
	})

	hopes := c.plan.Roster
	hopes.Members = append(slices.Clone(hopes.Members), c.member(later))
	c.seats[later] = hopes
	c.start(later)
	c.until("the roster in force at who comes later", func() bool {
		r := c.rooms[later]
		if r.Node == nil {
			return false
		}
		s, err := r.Status(t.Context())
		return err == nil && s.Roster != nil && s.Roster.Version == 2 && s.Council != nil && s.Council.ShareEpoch == 2
	})
}
