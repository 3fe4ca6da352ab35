package agenda_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/council"
)

// A step that can't begin yet, since its day is a week ahead or since nobody has the text
// of its charter, keeps no other one from taking over, whichever comes first by digest.
func TestStepThatWaitsIsInNobodysWay(t *testing.T) {
	old := newShift(t, 0).holding.Roster
	digest := func(s council.Succession) common.Hash {
		h, err := s.Digest(old)
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	ends := func(day, by uint64) council.Succession {
		return once(fmt.Sprint("terms of ", day, by), func() council.Succession {
			return plan(t, old, day, nil, nil, yes, func(r *council.Roster) { r.Members[0].Term.End -= by })
		})
	}
	for kind, waiting := range map[string]council.Succession{"a week ahead": ends(shiftDay+7*24*3600, 1), "unknown text": charters(t)} {
		for _, first := range []bool{true, false} {
			t.Run(fmt.Sprint(kind, ", first ", first), func(t *testing.T) {
				by := uint64(2)
				for digest(waiting).Cmp(digest(ends(shiftDay, by))) < 0 != first {
					by++
				}
				can := ends(shiftDay, by)
				w := newShift(t, 43, waiting, can)
				w.known = nil
				w.boot(w.names...)
				w.propose("core-2", waiting)
				w.run(time.Second, never)
				w.propose("core-1", can)
				if !w.run(time.Minute, func() bool { return w.ended() == "committed" }) {
					t.Fatalf("it is in the way\n%s", w.where())
				}
				if c := w.desks["core-3"].disk.Certificate; c.Succession.Effective != shiftDay || c.Succession.Roster.Charter != old.Charter {
					t.Errorf("committed is roster %+v", c.Succession.Roster)
				}
			})
		}
	}
}

// Who joins chooses as those who hold shares do, although it need not wait itself: else
// it would be ready for the step whose charter the others take their time to read, and
// they for the other one.
func TestWhoJoinsChoosesAsTheOthers(t *testing.T) {
	old := newShift(t, 0).holding.Roster
	step := func(name string, by uint64, change ...func(*council.Roster)) council.Succession {
		return once(fmt.Sprint("joiners ", name, by), func() council.Succession {
			change = append(change, func(r *council.Roster) { r.Members[0].Term.End -= by })
			return plan(t, old, shiftDay, leavers, joiners, yes, change...)
		})
	}
	digest := func(s council.Succession) common.Hash {
		h, err := s.Digest(old)
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	waiting := step("charter", 0, func(r *council.Roster) { r.Charter = common.Hash{0xcc} })
	for _, first := range []bool{true, false} {
		by := uint64(1)
		for digest(waiting).Cmp(digest(step("", by))) < 0 != first {
			by++
		}
		can := step("", by)
		w := newShift(t, 44, waiting, can)
		w.known[0].Delay = 3600
		w.boot(w.names...)
		w.propose("core-2", waiting)
		w.run(time.Second, never)
		w.propose("core-1", can)
		if !w.run(10*time.Minute, func() bool { return w.ended() == "committed" }) {
			t.Fatalf("the one that waits comes first %v: it is in the way\n%s", first, w.where())
		}
		if c := w.desks["core-3"].disk.Certificate; c.Succession.Roster.Charter != old.Charter {
			t.Errorf("committed is roster %+v", c.Succession.Roster)
		}
	}
}
