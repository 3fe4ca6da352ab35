package council_test

import (
	"testing"

	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/internal/testcouncil"
)

func TestMandates(t *testing.T) {
	const day = 24 * 3600
	for name, x := range map[string]struct {
		ends          []uint64 // from now, of community-1 on; the others last
		ended, ending int
		short         uint64 // from now
		left          int
	}{
		"none":                   {},
		"one in thirty days":     {ends: []uint64{30 * day}, ending: 1},
		"one in thirty-one days": {ends: []uint64{31 * day}},
		"now":                    {ends: []uint64{0}, ended: 1},
		"four are left":          {ends: []uint64{day, 2 * day, 3 * day}, ending: 3},
		"three are left":         {ends: []uint64{4 * day, 2 * day, 3 * day, day}, ending: 4, short: 4 * day, left: 3},
		"two end at once":        {ends: []uint64{day, 2 * day, 3 * day, 4 * day, 4 * day}, ending: 5, short: 4 * day, left: 2},
		"and one after":          {ends: []uint64{0, 2 * day, 3 * day, 4 * day, 5 * day}, ended: 1, ending: 4, short: 4 * day, left: 3},
		"the fourth is later":    {ends: []uint64{day, 2 * day, 3 * day, 90 * day}, ending: 3, short: 90 * day, left: 3},
		"the fourth is far":      {ends: []uint64{day, 2 * day, 3 * day, 91 * day}, ending: 3},
	} {
		r := testcouncil.New(t).Roster
		for i, end := range x.ends {
			r.Members[i].Term.End = now + end
		}
		m := r.Mandates(now)
		if x.short > 0 {
			x.short += now
		}
		if len(m.Ended) != x.ended || len(m.Ending) != x.ending || m.Short != x.short || m.Left != x.left {
			t.Errorf("%s: %d ended, %d ending, short at %d with %d left", name, len(m.Ended), len(m.Ending), m.Short, m.Left)
		}
		for i := 1; i < len(m.Ending); i++ {
			if m.Ending[i].Term.End < m.Ending[i-1].Term.End {
				t.Errorf("%s: not in order", name)
			}
		}
	}
	// All at once: the day is named although nobody is left.
	r := testcouncil.New(t).Roster
	for i := range r.Members {
		r.Members[i].Term.End = now - 1
	}
	if m := r.Mandates(now); len(m.Ended) != len(council.Sorted(r.IDs())) || m.Short != now-1 || m.Left != 0 {
		t.Errorf("all ended: %+v", m)
	}
}
