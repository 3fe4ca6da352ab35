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

// Three have joined a step that is early to the four others, who had the text of its
// charter later. Another one comes up, which could be done at once. The four don't join it:
// with three in the first neither would come about. When they have had the time to read
// the charter, that takes over.
func TestStepThatBarsAllOthersIsWaitedFor(t *testing.T) {
	old := newShift(t, 0).holding.Roster
	slow := charters(t)
	digest := func(s council.Succession) common.Hash {
		h, err := s.Digest(old)
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	for _, first := range []bool{true, false} { // by digest
		by := uint64(1)
		step := func() council.Succession {
			return once(fmt.Sprint("terms of ", shiftDay, by), func() council.Succession {
				return plan(t, old, shiftDay, nil, nil, yes, func(r *council.Roster) { r.Members[0].Term.End -= by })
			})
		}
		for digest(slow).Cmp(digest(step())) < 0 != first {
			by++
		}
		w := newShift(t, 49, slow, step())
		text := w.known[0]
		text.Delay, w.known = 3600, nil
		w.boot(w.names...)
		w.propose("core-2", slow)
		w.run(time.Second, never)
		for i, name := range w.names {
			k := text
			if i >= 3 {
				k.Since = uint64(w.now.Unix()) + 1800
			}
			w.give(w.desks[name], k)
		}
		tries := func() (n int) {
			for _, name := range w.names {
				n += len(w.desks[name].disk.Tries)
			}
			return n
		}
		if !w.run(70*time.Minute, func() bool { return tries() == 3 }) {
			t.Fatalf("%d have joined\n%s", tries(), w.where())
		}
		w.run(time.Minute, never)
		w.propose("core-1", step())
		w.run(5*time.Minute, never)
		if n := tries(); n != 3 {
			t.Fatalf("the slow one comes first %v: %d have joined another one\n%s", first, n-3, w.where())
		}
		if !w.run(time.Hour, func() bool { return w.ended() == "committed" }) {
			t.Fatalf("the slow one comes first %v: it does not end\n%s", first, w.where())
		}
		if c := w.desks["core-3"].disk.Certificate; c.Succession.Roster.Charter == old.Charter {
			t.Errorf("committed is roster %+v", c.Succession.Roster)
		}
	}
}
