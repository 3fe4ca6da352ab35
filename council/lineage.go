package council

import (
	"fmt"

	"github.com/ethereum/go-ethereum/common"
)

// Lineage is the chain of rosters: the first, signed by all its members, and each
// succession since. It proves itself, to anyone who knows the hash of the first
// roster or the council's birth record.
type Lineage struct {
	First SignedRoster `json:"first"`
	Steps []Succession `json:"steps"`
}

// Verify checks every link and gives the roster at the end. On top of what each
// step shows, no key and no name ever goes from one member to another, and the
// rosters take over one after the other.
func (l Lineage) Verify(p Profile) (Roster, error) {
	if len(l.Steps) > MaxSteps {
		return Roster{}, fmt.Errorf("lineage: %d successions; at most %d", len(l.Steps), MaxSteps)
	}
	if err := l.First.Verify(); err != nil {
		return Roster{}, err
	}
	r := l.First.Roster
	if err := r.Fits(p); err != nil {
		return Roster{}, err
	}
	if r.Version != 1 || r.Prev != (common.Hash{}) {
		return Roster{}, WithHint(fmt.Errorf("lineage: it begins with roster version %d", r.Version), "begin with the roster that the key was made under")
	}
	var keys keyring
	for _, m := range r.Members {
		if err := keys.owned(m); err != nil {
			return Roster{}, err
		}
	}
	effective := uint64(0)
	for _, s := range l.Steps {
		if err := s.Verify(r, p); err != nil {
			return Roster{}, fmt.Errorf("roster %d: %w", s.Roster.Version, err)
		}
		if s.Effective <= effective {
			return Roster{}, fmt.Errorf("roster %d: it takes over at %d, not after the one before (%d)", s.Roster.Version, s.Effective, effective)
		}
		for _, m := range s.Roster.Members {
			if err := keys.owned(m); err != nil {
				return Roster{}, fmt.Errorf("roster %d: %w", s.Roster.Version, err)
			}
		}
		r, effective = s.Roster, s.Effective
	}
	return r, nil
}

// Takes says why a step would break a lineage that has been verified, or nil. No lineage
// with such a step verifies, so it must not be agreed on. What a step shows by itself,
// Follows and Verify check.
func (l Lineage) Takes(s Succession) error {
	rosters := []Roster{l.First.Roster}
	var since uint64
	for _, x := range l.Steps {
		rosters, since = append(rosters, x.Roster), x.Effective
	}
	return s.Continues(rosters, since)
}

// Continues is Lineage.Takes for the rosters until now, in order; the last one took over
// at since, in unix seconds: zero, if it is the first.
func (s Succession) Continues(rosters []Roster, since uint64) error {
	if s.Effective <= since {
		return WithHint(fmt.Errorf("succession: roster %d takes over at %d, not after the one before (%d)", s.Roster.Version, s.Effective, since), "choose a later --effective")
	}
	var keys keyring
	for _, r := range rosters {
		for _, m := range r.Members {
			_ = keys.owned(m) // what has taken over stays; s alone is asked about
		}
	}
	for _, m := range s.Roster.Members {
		if err := keys.owned(m); err != nil {
			if Hint(err) == "" {
				err = WithHint(err, "let that member make a new node key, or name another wallet: who has left keeps them for good")
			}
			return err
		}
	}
	return nil
}

// RosterByHash is the one of these rosters that has a hash.
func RosterByHash(rosters []Roster, hash common.Hash) (Roster, bool) {
	for _, r := range rosters {
		if h, err := r.Hash(); err == nil && h == hash {
			return r, true
		}
	}
	return Roster{}, false
}
