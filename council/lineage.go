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

// RosterByHash is the one of these rosters that has a hash.
func RosterByHash(rosters []Roster, hash common.Hash) (Roster, bool) {
	for _, r := range rosters {
		if h, err := r.Hash(); err == nil && h == hash {
			return r, true
		}
	}
	return Roster{}, false
}
