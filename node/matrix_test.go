package node_test

import (
	"os"
	"slices"
	"testing"

	"github.com/millicent-one/signer/council"
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
// is lost, the next try begins when it is back.
func TestDeathAtEachStepOfARotation(t *testing.T) {
	matrix(t)
	old, heirs := []string{"barred", "lock written", "old share erased"}, []string{"share made", "share staged", "ack written", "new share staged", "new share current"}
	for m, steps := range map[council.MemberID][][]string{"member-01": {old}, "member-02": {old, heirs}, "member-03": {old, heirs}, joiner: {heirs}} {
		for _, step := range append(slices.Concat(steps...), "certificate written") {
			t.Run(string(m)+" at "+step, func(t *testing.T) {
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
				c.stop("member-02")
				c.signs("after", joiner, "member-03", joiner)
			})
		}
	}
}
