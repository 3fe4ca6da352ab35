package journal

import (
	"errors"
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

// A member claims a second nonce for a proposal that has one here. The first stays its
// own; the second is given to nobody but an approved replacement, which can have it; and
// the claim is no way to make a proposal run twice.
func TestInheritSecondNonce(t *testing.T) {
	j := fresh(t, "core-1")
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	claimed := func(nonce uint64, s council.OpenState) []council.HeldRow {
		return []council.HeldRow{{OpenRow: council.OpenRow{Place: council.Place{Chain: 1, Nonce: nonce}, Proposal: proposal("a"), State: s}}}
	}
	stays := func() {
		t.Helper()
		if r, ok, err := j.RowByProposal(proposal("a")); err != nil || !ok || r.Nonce != 5 {
			t.Errorf("the proposal has %+v, %v, %v; want nonce 5", r, ok, err)
		}
		var conflict *ConflictError
		for _, nonce := range []uint64{6, 7, 8} {
			if err := j.Reserve(row(nonce, "a", 2)); !errors.As(err, &conflict) {
				t.Errorf("it runs at nonce %d, too: %v", nonce, err)
			}
		}
	}
	a := row(5, "a", 1)
	must(j.Reserve(a))
	must(j.Reveal(a.Key, 1, 5, a.Proposal, a.Digest))
	must(j.Consume(a.Key, 1, 5, a.Proposal, common.Hash{1}, 100))
	must(j.Inherit(a.Key, council.Inheritance{Rows: claimed(6, council.OpenRevealed)}))
	stays()
	if err := j.Reserve(row(6, "b", 1)); err == nil {
		t.Error("the nonce is given to another proposal")
	}
	must(j.Displace(a.Proposal, row(6, "replacement", 1)))
	stays()
	// Of a reservation nothing is left, and so nothing that nobody could give back.
	must(j.Inherit(a.Key, council.Inheritance{Rows: claimed(9, council.OpenReserved)}))
	stays()
	must(j.Reserve(row(9, "b", 1)))
	must(j.Reopen(a.Key, 1, 5, a.Proposal)) // it is still this one's nonce
	must(j.Inherit(a.Key, council.Inheritance{Rows: claimed(7, council.OpenReserved)}))
	must(j.Inherit(a.Key, council.Inheritance{Freed: claimed(7, council.OpenReserved)}))
	stays()
}
