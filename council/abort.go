package council

import (
	"errors"
	"fmt"
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rlp"
)

// AbortCertificate ends a rotation: enough old members will never lock for it.
// Nothing else unlocks an old node, no time limit and no operator alone.
type AbortCertificate struct {
	Ceremony common.Hash `json:"ceremony"`
	Refusals []Refusal   `json:"refusals"` // sorted by member
}

// Abandoned is proof that a rotation can't be committed any more. Only
// VerifyAbort makes one; the zero value proves nothing. A node that locked for the
// rotation may sign under its old share again.
type Abandoned struct {
	ceremony common.Hash
	refused  []MemberID
	stopped  bool
}

// Proven reports whether the value came from VerifyAbort.
func (a Abandoned) Proven() bool { return a.ceremony != (common.Hash{}) }

// Ceremony is the id of the rotation that is over.
func (a Abandoned) Ceremony() common.Hash { return a.ceremony }

// Refused are the old members that refused, sorted.
func (a Abandoned) Refused() []MemberID { return slices.Clone(a.refused) }

// Stopped reports whether enough operators want the rotation to end; otherwise
// only this try is over, and another one follows.
func (a Abandoned) Stopped() bool { return a.stopped }

// VerifyAbort checks an abort certificate; old is the roster that holds the key.
func VerifyAbort(old Roster, c AbortCertificate) (Abandoned, error) {
	if len(c.Refusals) > MaxMembers {
		return Abandoned{}, fmt.Errorf("abort: %d refusals; at most %d", len(c.Refusals), MaxMembers)
	}
	if n, want := len(c.Refusals), old.AbortQuorum(); n < want {
		return Abandoned{}, WithHint(fmt.Errorf("abort: %d refusals of old members; want %d", n, want), "more operators have to run 'signer term abort', on nodes that have not locked")
	}
	if c.Ceremony == (common.Hash{}) {
		return Abandoned{}, errors.New("abort: of no rotation")
	}
	a := Abandoned{ceremony: c.Ceremony}
	stops := 0
	for i, r := range c.Refusals {
		switch {
		case i > 0 && c.Refusals[i-1].Member >= r.Member:
			return Abandoned{}, errors.New("abort: refusals are not sorted by member, one for each")
		case r.Ceremony != c.Ceremony:
			return Abandoned{}, fmt.Errorf("abort: the refusal of %s is of another rotation", r.Member)
		}
		if err := r.Verify(old); err != nil {
			return Abandoned{}, fmt.Errorf("abort: %w", err)
		}
		if r.Stop {
			stops++
		}
		a.refused = append(a.refused, r.Member)
	}
	a.stopped = stops >= old.AbortQuorum()
	return a, nil
}

// Encode gives the certificate's RLP bytes.
func (c AbortCertificate) Encode() ([]byte, error) {
	b, err := rlp.EncodeToBytes(c)
	if err != nil {
		return nil, fmt.Errorf("encode abort certificate: %w", err)
	}
	return b, nil
}

// DecodeAbort reads what Encode wrote, and nothing else.
func DecodeAbort(b []byte) (AbortCertificate, error) {
	var c AbortCertificate
	if len(b) > MaxCertificate {
		return c, fmt.Errorf("abort certificate of %d bytes; at most %d", len(b), MaxCertificate)
	}
	if err := rlp.DecodeBytes(b, &c); err != nil {
		return AbortCertificate{}, fmt.Errorf("decode abort certificate: %w", err)
	}
	if len(c.Refusals) > MaxMembers {
		return AbortCertificate{}, fmt.Errorf("abort: %d refusals; at most %d", len(c.Refusals), MaxMembers)
	}
	return c, nil
}
