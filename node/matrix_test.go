package node_test

import (
	"maps"
	"os"
	"slices"
	"testing"

	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/node"
)

// matrix asks for tests of 'make test-matrix', which takes hours with those of agenda.
func matrix(t *testing.T) {
	t.Helper()
	if os.Getenv("SIGNER_TEST_MATRIX") == "" {
		t.Skip("is part of 'make test-matrix', which takes hours")
	}
}

// Each node dies, alone, at each of the durable steps that it takes in a rotation, and goes
// on from its disk. Nobody has to be asked again. After its Ack, where its part in the tests
// is lost, the next try begins when it is back, and no share of the try before stays; that one
// is played always.
func TestDeathAtEachStepOfARotation(t *testing.T) {
	if testing.Short() {
		t.Skip("real resharings")
	}
	old, heirs := []string{"barred", "lock written", "old share erased"}, []string{"share made", "share staged", "ack written", "new share staged", "new share current"}
	for m, steps := range map[council.MemberID][][]string{"member-01": {old}, "member-02": {old, heirs}, "member-03": {old, heirs}, joiner: {heirs}} {
		for _, step := range append(slices.Concat(steps...), "certificate written") {
			t.Run(string(m)+" at "+step, func(t *testing.T) {
				if m != joiner || step != "ack written" {
					matrix(t)
				}
				c := newCabinet(t)
				c.dying(m, step)
				for _, m := range append(c.size.IDs(), joiner) {
					c.start(m)
				}
				c.ready("member-02")
				if err := c.rooms["member-02"].Succeed(t.Context(), c.plan); err != nil {
					t.Fatal(err)
				}
				c.until("the new roster everywhere", c.settled)
				c.remembers()
				c.stop("member-02")
				c.signs("after", joiner, "member-03", joiner)
			})
		}
	}
}

// remembers holds that of all shares, those of tries that came to nothing too, a process keeps
// the one in force in memory.
func (c *cabinet) remembers() {
	c.t.Helper()
	for _, m := range c.plan.Roster.IDs() {
		s, err := node.Stand(c.rooms[m].book, c.first, c.profile)
		if err != nil || len(s.Switches) == 0 {
			c.t.Fatalf("%s: %d rotations, %v", m, len(s.Switches), err)
		}
		want := map[council.SessionID]int{s.Switches[len(s.Switches)-1].Rotation().Session(): 1}
		if have := c.memory[m].sound.Shares(); !maps.Equal(have, want) {
			c.t.Errorf("%s has %d shares in memory: %v; want %v", m, len(have), have, want)
		}
	}
}
