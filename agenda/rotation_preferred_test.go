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
