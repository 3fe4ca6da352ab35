package testcouncil

import (
	"slices"
	"testing"
)

func TestShares(t *testing.T) {
	shares := Shares(t)
	roster := New(t).Roster
	for i, s := range shares {
		if s.Self() != roster.Members[i].ID || !slices.Equal(s.Members(), roster.IDs()) {
			t.Errorf("share %d is %s's, of %v", i, s.Self(), s.Members())
		}
		if s.Threshold() != roster.Threshold || s.Epoch() != Epoch || s.Origin() != KeygenSession(t) {
			t.Errorf("share %d: threshold %d, epoch %d, origin %s", i, s.Threshold(), s.Epoch(), s.Origin())
		}
		if s.Address() != shares[0].Address() {
			t.Errorf("share %d is of another key", i)
		}
	}
}

func TestSharesOfAnotherSize(t *testing.T) {
	z := Size{2, 3}
	shares := SharesOf(t, z)
	for i, s := range shares {
		if s.Self() != z.IDs()[i] || s.Threshold() != 2 || !slices.Equal(s.Members(), z.IDs()) || s.Address() != shares[0].Address() {
			t.Errorf("share %d is %s's, threshold %d, of %v", i, s.Self(), s.Threshold(), s.Members())
		}
	}
	if shares[0].Address() == Address(t) {
		t.Error("two councils have one key")
	}
}
