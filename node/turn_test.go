package node_test

import (
	"errors"
	"testing"

	"github.com/millicent-one/signer/journal"
)

// What would tell others of a turn, or act on it, waits until all of it is
// durable; and if it never is, does not happen.
func TestTurnHoldsWhatFollows(t *testing.T) {
	t.Parallel()
	h := newHouse(t, true)
	m := h.council.Roster.IDs()[0]
	h.start(m)
	r := h.rooms[m]

	stored := func() bool {
		_, ok, err := r.book.Meta("turn")
		return err == nil && ok
	}
	write := func(j *journal.Journal) error { return j.PutMeta("turn", []byte{1}) }
	then, instead := 0, 0
	follow := func() {
		if then++; !stored() {
			t.Error("what follows came before the disk had it")
		}
	}

	stop := errors.New("stop")
	err := r.Turn(t.Context(), func(j *journal.Journal) error { return errors.Join(write(j), stop) }, follow, func() { instead++ })
	if !errors.Is(err, stop) || then != 0 || instead != 1 || stored() {
		t.Fatalf("a turn that fails: %v, followed %d times, undone %d times, stored %v", err, then, instead, stored())
	}
	if err := r.Turn(t.Context(), write, follow, func() { instead++ }); err != nil || then != 1 || instead != 1 || !stored() {
		t.Fatalf("a turn: %v, followed %d times, undone %d times, stored %v", err, then, instead, stored())
	}
}
