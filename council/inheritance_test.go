package council_test

import (
	"fmt"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/millicent-one/signer/council"
)

func open(nonce uint64, p byte, s council.OpenState) council.OpenRow {
	return council.OpenRow{Place: council.Place{Chain: 1, Nonce: nonce}, Proposal: council.ProposalID{p}, State: s}
}

func TestInherit(t *testing.T) {
	const reserved, revealed, displaced = council.OpenReserved, council.OpenRevealed, council.OpenDisplaced
	lock := func(id council.MemberID, rows ...council.OpenRow) council.Lock {
		return council.Lock{Member: id, Rows: rows}
	}
	for name, c := range map[string]struct {
		locks                 []council.Lock
		rows, disputed, freed string
		void                  string
	}{
		"nothing":               {locks: []council.Lock{lock("a"), lock("b")}},
		"revealed by one":       {[]council.Lock{lock("a", open(4, 1, revealed)), lock("b")}, "4:1 revealed [a]", "", "", ""},
		"reserved by one":       {[]council.Lock{lock("a", open(4, 1, reserved))}, "4:1 reserved [a]", "", "", ""},
		"the stronger word":     {[]council.Lock{lock("b", open(4, 1, reserved)), lock("a", open(4, 1, revealed))}, "4:1 revealed [a b]", "", "", ""},
		"revealed beats":        {[]council.Lock{lock("a", open(4, 1, reserved)), lock("b", open(4, 2, revealed))}, "4:2 revealed [b]", "", "4:1 reserved [a]", ""},
		"two revealed":          {[]council.Lock{lock("a", open(4, 1, revealed)), lock("b", open(4, 2, revealed)), lock("c", open(4, 3, reserved))}, "", "4:1 revealed [a] 4:2 revealed [b]", "4:3 reserved [c]", ""},
		"two reserved":          {[]council.Lock{lock("a", open(4, 1, reserved)), lock("b", open(4, 2, reserved))}, "", "", "4:1 reserved [a] 4:2 reserved [b]", ""},
		"one proposal, twice":   {[]council.Lock{lock("a", open(4, 1, revealed)), lock("b", open(5, 1, revealed))}, "", "4:1 revealed [a] 5:1 revealed [b]", "", ""},
		"one proposal, retried": {[]council.Lock{lock("a", open(4, 1, revealed)), lock("b", open(5, 1, reserved))}, "4:1 revealed [a]", "", "5:1 reserved [b]", ""},
		"others go on":          {[]council.Lock{lock("a", open(4, 1, revealed), open(5, 3, reserved)), lock("b", open(4, 2, revealed))}, "5:3 reserved [a]", "4:1 revealed [a] 4:2 revealed [b]", "", ""},
		// Of what is displaced the place is the replacement's, if that goes on; void it is.
		"displaced, the replacement given back":   {[]council.Lock{lock("a", open(4, 1, displaced)), lock("b")}, "", "", "", "4:1 displaced [a]"},
		"displaced for one, revealed for another": {[]council.Lock{lock("a", open(4, 1, displaced)), lock("b", open(4, 1, revealed))}, "", "", "", "4:1 displaced [a b]"},
		"displaced for one, reserved for another": {[]council.Lock{lock("a", open(4, 1, displaced)), lock("b", open(4, 1, reserved))}, "", "", "", "4:1 displaced [a b]"},
		"displaced, and the replacement reserved": {[]council.Lock{lock("a", open(4, 1, displaced), open(4, 2, reserved)), lock("b")}, "4:2 reserved [a]", "", "", "4:1 displaced [a]"},
		"displaced, and the replacement revealed": {[]council.Lock{lock("a", open(4, 1, displaced), open(4, 2, revealed)), lock("b", open(4, 1, reserved))}, "4:2 revealed [a]", "", "", "4:1 displaced [a b]"},
		"displaced, and both revealed":            {[]council.Lock{lock("a", open(4, 1, displaced), open(4, 2, revealed)), lock("b", open(4, 1, revealed))}, "", "4:2 revealed [a]", "", "4:1 displaced [a b]"},
		"displaced here, revealed elsewhere":      {[]council.Lock{lock("a", open(4, 1, displaced)), lock("b", open(5, 1, revealed))}, "", "5:1 revealed [b]", "", "4:1 displaced [a]"},
		"displaced here, reserved elsewhere":      {[]council.Lock{lock("a", open(4, 1, displaced)), lock("b", open(5, 1, reserved))}, "", "", "5:1 reserved [b]", "4:1 displaced [a]"},
	} {
		slices.Reverse(c.locks) // the order is of no importance
		in := council.Inherit(c.locks)
		for _, x := range []struct {
			what string
			have []council.HeldRow
			want string
		}{{"rows", in.Rows, c.rows}, {"disputed", in.Disputed, c.disputed}, {"freed", in.Freed, c.freed}, {"displaced", in.Displaced, c.void}} {
			have := ""
			for i, r := range x.have {
				if i > 0 {
					have += " "
				}
				have += fmt.Sprintf("%d:%d %s %v", r.Place.Nonce, r.Proposal[0], r.State, r.By)
			}
			if have != x.want {
				t.Errorf("%s: %s are %q, want %q", name, x.what, have, x.want)
			}
		}
	}
}

// Whatever the Locks say: no place and no proposal stands twice in what goes on,
// nothing revealed is lost, and the order of the Locks changes nothing.
func TestInheritanceIsUnique(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var locks []council.Lock
		for i := range rapid.IntRange(0, 5).Draw(rt, "locks") {
			l := council.Lock{Member: council.MemberID(fmt.Sprint("m", i))}
			for range rapid.IntRange(0, 4).Draw(rt, "rows") {
				l.Rows = append(l.Rows, open(rapid.Uint64Range(1, 3).Draw(rt, "nonce"), byte(rapid.IntRange(1, 3).Draw(rt, "proposal")), council.OpenState(rapid.IntRange(1, 3).Draw(rt, "state"))))
			}
			locks = append(locks, l)
		}
		in := council.Inherit(locks)
		if again := council.Inherit(rapid.Permutation(locks).Draw(rt, "order")); !reflect.DeepEqual(in, again) {
			rt.Fatalf("in another order: %+v, then %+v", in, again)
		}
		places, proposals := map[council.Place]bool{}, map[council.ProposalID]bool{}
		for _, r := range in.Rows {
			if places[r.Place] || proposals[r.Proposal] {
				rt.Fatalf("twice: %+v in %+v", r, in)
			}
			places[r.Place], proposals[r.Proposal] = true, true
		}
		for _, r := range in.Disputed {
			if places[r.Place] || proposals[r.Proposal] {
				rt.Fatalf("disputed and in use: %+v", r)
			}
		}
		for _, r := range in.Displaced {
			if proposals[r.Proposal] {
				rt.Fatalf("displaced and in use: %+v", r)
			}
		}
		for _, r := range in.Freed {
			if r.State != council.OpenReserved {
				rt.Fatalf("a revealed row is freed: %+v", r)
			}
		}
	})
}

func TestLockRows(t *testing.T) {
	m := newMoving(t)
	long := make([]council.OpenRow, council.MaxOpenRows+1)
	for i := range long {
		long[i] = open(uint64(i), 0, council.OpenReserved)
		long[i].Proposal[1], long[i].Proposal[2] = byte(i), byte(1+i>>8)
	}
	both := open(1, 1, council.OpenReserved)
	both.Place.Digest[0] = 1
	void := open(0, 1, council.OpenDisplaced)
	void.Place.Digest[0] = 1
	for name, rows := range map[string][]council.OpenRow{
		"unsorted":         {open(2, 1, council.OpenReserved), open(1, 2, council.OpenReserved)},
		"twice":            {open(1, 1, council.OpenReserved), open(1, 2, council.OpenReserved)},
		"two places":       {open(1, 1, council.OpenReserved), open(2, 1, council.OpenReserved)},
		"no proposal":      {open(1, 0, council.OpenReserved)},
		"no state":         {open(1, 1, 0)},
		"other state":      {open(1, 1, 4)},
		"two, one is void": {open(1, 1, council.OpenReserved), open(1, 2, council.OpenDisplaced), open(1, 3, council.OpenRevealed)},
		"void digest":      {void},
		"nonce and digest": {both},
		"too many":         long,
	} {
		l := m.lock(m.rotation, "core-1", false)
		l.Rows = rows
		if _, err := l.Sign(nil); err == nil {
			t.Errorf("%s: signed", name)
		}
		if l.Verify(m.holding) == nil {
			t.Errorf("%s: passes", name)
		}
	}
	if l := m.lock(m.rotation, "core-1", false, long[:council.MaxOpenRows]...); l.Verify(m.holding) != nil {
		t.Error("as many rows as may be don't pass")
	}
	if l := m.lock(m.rotation, "core-1", false, open(1, 1, council.OpenDisplaced), open(1, 2, council.OpenRevealed), open(1, 3, council.OpenDisplaced)); l.Verify(m.holding) != nil {
		t.Error("a replacement and what it has displaced, one after the other, don't pass")
	}
}
