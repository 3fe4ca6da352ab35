package journal

import (
	"errors"
	"slices"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/council"
)

// The ledger takes over what others have, gives back what the union frees, keeps
// what it has revealed itself, and is the same when it is told twice.
func TestInherit(t *testing.T) {
	j := fresh(t, "core-1")
	key, other := common.Address{1}, council.ProposalID{0xee}
	row := func(nonce uint64, p council.ProposalID) Row {
		return Row{Key: key, Chain: 1, Nonce: nonce, Proposal: p, Attempt: 1, Digest: common.Hash{byte(nonce), p[0]}}
	}
	held := func(nonce uint64, p council.ProposalID, s council.OpenState) council.HeldRow {
		return council.HeldRow{OpenRow: council.OpenRow{Place: council.Place{Chain: 1, Nonce: nonce}, Proposal: p, State: s}}
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(j.Reserve(row(1, council.ProposalID{1}))) // another's, revealed elsewhere
	must(j.Reserve(row(2, council.ProposalID{2}))) // freed by all
	must(j.Reserve(row(3, council.ProposalID{3}))) // revealed here, contradicted
	must(j.Reveal(key, 1, 3, council.ProposalID{3}, common.Hash{3, 3}))
	must(j.Reserve(row(5, council.ProposalID{5}))) // has another nonce elsewhere
	digest := common.Hash{0xd1}
	in := council.Inheritance{
		Rows: []council.HeldRow{
			held(1, council.ProposalID{0x11}, council.OpenRevealed), held(3, council.ProposalID{0x33}, council.OpenRevealed),
			held(4, council.ProposalID{4}, council.OpenReserved), held(6, council.ProposalID{5}, council.OpenRevealed),
			{OpenRow: council.OpenRow{Place: council.Place{Digest: digest}, Proposal: council.ProposalID{7}, State: council.OpenRevealed}},
		},
		Disputed: []council.HeldRow{held(8, council.ProposalID{8}, council.OpenRevealed), held(8, council.ProposalID{9}, council.OpenRevealed)},
		Freed:    []council.HeldRow{held(2, council.ProposalID{2}, council.OpenReserved)},
	}
	for range 2 {
		must(j.Inherit(key, in))
		for _, w := range []struct {
			p     council.ProposalID
			nonce uint64
			state State
		}{
			{council.ProposalID{0x11}, 1, Revealed}, {council.ProposalID{3}, 3, Revealed}, {council.ProposalID{0x33}, 3, Displaced},
			{council.ProposalID{4}, 4, Reserved}, {council.ProposalID{5}, 6, Revealed}, {council.ProposalID{8}, 8, Displaced}, {council.ProposalID{9}, 8, Displaced},
		} {
			r, ok, err := j.RowByProposal(w.p)
			if err != nil || !ok || r.Nonce != w.nonce || r.State != w.state {
				t.Errorf("%s: %+v %v %v; want nonce %d, %s", w.p.Short(), r, ok, err, w.nonce, w.state)
			}
		}
		for _, gone := range []council.ProposalID{{1}, {2}} {
			if r, ok, _ := j.RowByProposal(gone); ok {
				t.Errorf("%s still has %+v", gone.Short(), r)
			}
		}
	}
	var conflict *ConflictError
	for _, nonce := range []uint64{1, 3, 4, 6, 8} {
		if err := j.Reserve(row(nonce, other)); !errors.As(err, &conflict) {
			t.Errorf("nonce %d is given to another proposal: %v", nonce, err)
		}
	}
	if err := j.Reserve(row(8, council.ProposalID{8})); !errors.As(err, &conflict) {
		t.Errorf("a disputed proposal runs: %v", err)
	}
	if err := j.ReserveMessage(digest, other, 1); !errors.As(err, &conflict) {
		t.Errorf("a digest is given to another proposal: %v", err)
	}
	must(j.Reserve(row(4, council.ProposalID{4})))         // goes on
	must(j.Displace(council.ProposalID{8}, row(8, other))) // an approved replacement
	must(j.Reserve(row(2, council.ProposalID{0x22})))      // was given back
	if err := j.Inherit(key, in); err != nil {
		t.Errorf("told after all that: %v", err)
	}
}

// consume has a block give nonce 5 to a proposal, and wants its claims at others dropped.
func consume(t *testing.T, j *Journal, p council.ProposalID, dropped ...uint64) {
	t.Helper()
	got, err := j.Consume(councilKey, 1, 5, p, common.Hash{1}, 100)
	if err != nil || !slices.Equal(got, dropped) {
		t.Fatalf("dropped are %v, %v; want %v", got, err, dropped)
	}
}

// A member claims a second nonce for a proposal that has one here. The first stays its
// own; the second is given to nobody while no block has decided, not to a replacement
// either, which would run beside it. When the proposal has run, the claim is nothing.
func TestInheritSecondNonce(t *testing.T) {
	j := fresh(t, "core-1")
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	a := row(5, "a", 1)
	stays := func() {
		t.Helper()
		if r, ok, err := j.RowByProposal(proposal("a")); err != nil || !ok || r.Nonce != 5 {
			t.Errorf("the proposal has %+v, %v, %v; want nonce 5", r, ok, err)
		}
		for _, nonce := range []uint64{6, 7, 8} {
			if err := j.Reserve(row(nonce, "a", 2)); !conflicts(err) {
				t.Errorf("it runs at nonce %d, too: %v", nonce, err)
			}
			if err := j.Displace(a.Proposal, row(nonce, "replacement", 1)); !conflicts(err) {
				t.Errorf("its replacement runs beside it, at nonce %d: %v", nonce, err)
			}
		}
	}
	must(j.Reserve(a))
	must(j.Reveal(a.Key, 1, 5, a.Proposal, a.Digest))
	must(j.Inherit(a.Key, council.Inheritance{Rows: claimed("a", 6, council.OpenRevealed), Disputed: claimed("a", 7, council.OpenRevealed), Displaced: claimed("a", 8, council.OpenDisplaced)}))
	stays()
	for _, nonce := range []uint64{6, 7, 8} {
		if err := j.Reserve(row(nonce, "b", 1)); !conflicts(err) {
			t.Errorf("nonce %d is given to another proposal before a block has decided: %v", nonce, err)
		}
	}
	consume(t, j, a.Proposal, 6, 7, 8)
	must(j.Inherit(a.Key, council.Inheritance{Rows: claimed("a", 6, council.OpenRevealed)}))
	stays()
	must(j.Reserve(row(6, "b", 1)))
	// Of a reservation nothing is left, and so nothing that nobody could give back.
	must(j.Inherit(a.Key, council.Inheritance{Rows: claimed("a", 9, council.OpenReserved)}))
	stays()
	must(j.Reserve(row(9, "c", 1)))
	must(j.Reopen(a.Key, 1, 5, a.Proposal)) // it is still this one's nonce
	must(j.Inherit(a.Key, council.Inheritance{Rows: claimed("a", 7, council.OpenReserved)}))
	must(j.Inherit(a.Key, council.Inheritance{Freed: claimed("a", 7, council.OpenReserved)}))
	stays()
}

// A node that has had no part in a proposal knows its nonce from claims alone. Of two of
// them a replacement has the second only when a block has given the first to another; and
// where the proposal has run, whatever was claimed, a block says.
func TestInheritClaimsAlone(t *testing.T) {
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	a := row(5, "a", 1)
	two := council.Inheritance{Disputed: append(claimed("a", 5, council.OpenRevealed), claimed("a", 6, council.OpenRevealed)...)}
	j := fresh(t, "core-1")
	must(j.Inherit(a.Key, two))
	if err := j.Displace(a.Proposal, row(6, "replacement", 1)); !conflicts(err) {
		t.Errorf("a replacement has the second place while the first is undecided: %v", err)
	}
	consume(t, j, proposal("b"))
	must(j.Displace(a.Proposal, row(6, "replacement", 1)))

	j = fresh(t, "core-2")
	must(j.Inherit(a.Key, council.Inheritance{Rows: claimed("a", 6, council.OpenRevealed)}))
	consume(t, j, a.Proposal, 6)
	if r, ok, err := j.RowByProposal(a.Proposal); err != nil || !ok || r.Nonce != 5 || r.State != Consumed {
		t.Errorf("it has run at nonce 5, and the ledger says %+v, %v, %v", r, ok, err)
	}
	must(j.Reserve(row(6, "b", 1)))
}

// What a replacement has displaced is void at every node after a rotation, also where
// nothing was known of either; and its nonce is only for another replacement of it.
func TestInheritDisplaced(t *testing.T) {
	key := row(4, "old", 1).Key
	in := council.Inheritance{Displaced: claimed("old", 4, council.OpenDisplaced)}
	for name, c := range map[string]struct {
		before func(*Journal) error
		also   []council.HeldRow
		has    string // after it, the nonce; "" for nobody
	}{
		"nothing is known":     {before: func(*Journal) error { return nil }},
		"it is reserved here":  {before: func(j *Journal) error { return j.Reserve(row(4, "old", 1)) }},
		"another one has it":   {before: func(j *Journal) error { return j.Reserve(row(4, "other", 1)) }},
		"the replacement does": {before: func(j *Journal) error { return j.Displace(proposal("old"), row(4, "new", 1)) }, has: "new"},
		"it is carried over":   {before: func(*Journal) error { return nil }, also: claimed("new", 4, council.OpenReserved), has: "new"},
		"it is revealed here": {before: func(j *Journal) error {
			r := row(4, "old", 1)
			return errors.Join(j.Reserve(r), j.Reveal(r.Key, 1, 4, r.Proposal, r.Digest))
		}},
	} {
		t.Run(name, func(t *testing.T) {
			j := fresh(t, "core-1")
			err := c.before(j)
			in.Rows = c.also
			for range 2 {
				if err = errors.Join(err, j.Inherit(key, in)); err != nil {
					t.Fatal(err)
				}
				if r, ok, err := j.RowByProposal(proposal("old")); err != nil || !ok || r.State != Displaced || r.Nonce != 4 {
					t.Errorf("it stands as %+v, %v, %v", r, ok, err)
				}
				if r, ok, err := j.RowByNonce(key, 1, 4); err != nil || !ok || (r.State == Reserved) != (c.has != "") || c.has != "" && r.Proposal != proposal(c.has) {
					t.Errorf("the nonce has %+v, %v, %v; want %q", r, ok, err, c.has)
				}
			}
			if c.has != "" {
				if err := j.Free(key, 1, 4, proposal(c.has)); err != nil {
					t.Fatal(err)
				}
			}
			for _, p := range []string{"old", "third"} {
				if err := j.Reserve(row(4, p, 2)); !conflicts(err) {
					t.Errorf("%s has the nonce: %v", p, err)
				}
			}
			if err := j.Displace(proposal("old"), row(4, "new", 2)); err != nil {
				t.Errorf("what replaces it can't have its nonce: %v", err)
			}
		})
	}
}

func claimed(p string, nonce uint64, s council.OpenState) []council.HeldRow {
	return []council.HeldRow{{OpenRow: council.OpenRow{Place: council.Place{Chain: 1, Nonce: nonce}, Proposal: proposal(p), State: s}}}
}

func conflicts(err error) bool {
	var conflict *ConflictError
	return errors.As(err, &conflict)
}

// One that claims a row far ahead closes nothing: it is no nonce that was seen. It is found
// only by who asks for it.
func TestInheritFarAhead(t *testing.T) {
	j := fresh(t, "core-1")
	key := row(5, "a", 1).Key
	if err := j.Reserve(row(5, "a", 1)); err != nil {
		t.Fatal(err)
	}
	rows := append(claimed("near", 7, council.OpenRevealed), claimed("far", 1<<60, council.OpenReserved)...)
	other := council.HeldRow{OpenRow: council.OpenRow{Place: council.Place{Chain: 2, Nonce: 9}, Proposal: proposal("elsewhere"), State: council.OpenRevealed}}
	if err := j.Inherit(key, council.Inheritance{Rows: append(rows, other), Displaced: claimed("farthest", 1<<64-1, council.OpenDisplaced)}); err != nil {
		t.Fatal(err)
	}
	if n, ok, err := j.HighestNonceSeen(key, 1); n != 5 || !ok || err != nil {
		t.Errorf("seen is %d, %v, %v; want 5", n, ok, err)
	}
	for _, c := range []struct {
		chain, most, want uint64
		ok                bool
	}{{1, 4, 0, false}, {1, 5, 5, true}, {1, 6, 5, true}, {1, 7, 7, true}, {1, 5 + 256, 7, true}, {1, 1<<64 - 1, 1<<64 - 1, true}, {2, 8, 0, false}, {2, 265, 9, true}, {3, 1 << 40, 0, false}, {0, 1<<64 - 1, 0, false}} {
		if n, ok, err := j.HighestRow(key, c.chain, c.most); n != c.want || ok != c.ok || err != nil {
			t.Errorf("up to %d on chain %d there is %d, %v, %v; want %d, %v", c.most, c.chain, n, ok, err, c.want, c.ok)
		}
	}
}
