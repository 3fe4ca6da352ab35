package council

import (
	"errors"
	"fmt"
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rlp"
)

// AbortCertificate ends a try, or a succession with all tries at it: enough old
// members will never lock for it. Nothing else unlocks an old node, no time limit
// and no operator alone.
type AbortCertificate struct {
	Subject  common.Hash `json:"subject"`  // as in the refusals
	Refusals []Refusal   `json:"refusals"` // sorted by member
	Forks    []Fork      `json:"forks"`    // of others, sorted by member; each counts as a refusal
}

// Abandoned is proof that a try, or a succession, can't be committed any more.
// Only VerifyAbort makes one; the zero value proves nothing.
type Abandoned struct {
	subject common.Hash
	refused []MemberID
}

// Proven reports whether the value came from VerifyAbort.
func (a Abandoned) Proven() bool { return a.subject != (common.Hash{}) }

// Subject is the try or the succession that is over.
func (a Abandoned) Subject() common.Hash { return a.subject }

// Refused are the old members that refused or have forked, sorted.
func (a Abandoned) Refused() []MemberID { return slices.Clone(a.refused) }

// Ends reports whether this try is over: a node that locked for it may sign under
// its old share again.
func (a Abandoned) Ends(r Rotation) bool {
	return a.Proven() && (a.subject == r.ID() || a.subject == r.Succession)
}

// VerifyAbort checks an abort certificate against who holds the key.
func VerifyAbort(h Holding, c AbortCertificate) (Abandoned, error) {
	if err := c.bounded(); err != nil {
		return Abandoned{}, err
	}
	if n, want := len(c.Refusals)+len(c.Forks), h.Roster.AbortQuorum(); n < want {
		return Abandoned{}, WithHint(fmt.Errorf("abort: %d refusals of old members; want %d", n, want), "more operators have to run 'signer term abort', on nodes that have not locked")
	}
	a := Abandoned{subject: c.Subject}
	for i, r := range c.Refusals {
		switch {
		case i > 0 && c.Refusals[i-1].Member >= r.Member:
			return Abandoned{}, errors.New("abort: refusals are not sorted by member, one for each")
		case r.Subject != c.Subject:
			return Abandoned{}, fmt.Errorf("abort: the refusal of %s is of something else", r.Member)
		}
		if err := r.Verify(h.Roster); err != nil {
			return Abandoned{}, fmt.Errorf("abort: %w", err)
		}
		a.refused = append(a.refused, r.Member)
	}
	from, err := h.Roster.Hash()
	if err != nil {
		return Abandoned{}, err
	}
	for i, f := range c.Forks {
		m := f.First.Member
		switch {
		case i > 0 && c.Forks[i-1].First.Member >= m:
			return Abandoned{}, errors.New("abort: forks are not sorted by member, one for each")
		case slices.Contains(a.refused, m):
			return Abandoned{}, fmt.Errorf("abort: %s counts twice", m)
		}
		if err := f.verify(h, from); err != nil {
			return Abandoned{}, fmt.Errorf("abort: %w", err)
		}
	}
	for _, f := range c.Forks {
		a.refused = append(a.refused, f.First.Member)
	}
	slices.Sort(a.refused)
	return a, nil
}

func (c AbortCertificate) bounded() error {
	if n := len(c.Refusals) + len(c.Forks); n > MaxMembers {
		return fmt.Errorf("abort: %d refusals and forks; at most %d", n, MaxMembers)
	}
	return nil
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
	return c, c.bounded()
}
