package council

import (
	"errors"
	"fmt"
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rlp"
)

// Quorum is proof that enough members approved one proposal. Only VerifyQuorum
// makes one; the zero value proves nothing.
type Quorum struct {
	proposal  ProposalID
	council   common.Hash
	roster    common.Hash
	members   []MemberID
	expires   uint64
	approvals common.Hash
	seats     map[Seat]int
}

// Proposal is what was approved.
func (q Quorum) Proposal() ProposalID { return q.proposal }

// Council is the council id that the approvals were given for.
func (q Quorum) Council() common.Hash { return q.council }

// Roster is the hash of the roster that the approvals were given under.
func (q Quorum) Roster() common.Hash { return q.roster }

// Members are those who approved, sorted.
func (q Quorum) Members() []MemberID { return slices.Clone(q.members) }

// Seats is how many of those who approved hold a seat of this kind.
func (q Quorum) Seats(s Seat) int { return q.seats[s] }

// Expires is when the first needed approval lapses, in unix seconds.
func (q Quorum) Expires() uint64 { return q.expires }

// Hash commits to the very approvals, in member order.
func (q Quorum) Hash() common.Hash { return q.approvals }

// Proven reports whether the value came from VerifyQuorum.
func (q Quorum) Proven() bool { return len(q.members) > 0 }

// ShortOfQuorum is returned by VerifyQuorum when the approvals do not suffice.
type ShortOfQuorum struct {
	Have, Want int
	Missing    []MemberID // members who have not approved
	Refused    []error    // approvals that were there and did not count, with why
}

func (e *ShortOfQuorum) Error() string {
	s := fmt.Sprintf("%d of %d approvals", e.Have, e.Want)
	if len(e.Refused) > 0 {
		s += fmt.Sprintf("; not counted: %v", errors.Join(e.Refused...))
	}
	return s
}

// VerifyQuorum counts the approvals that hold at now (unix seconds): of each
// member the word with the highest sequence, and of two words with the same
// sequence the rejection. It returns *ShortOfQuorum when they are too few.
func VerifyQuorum(b Ballot, approvals []Approval, now uint64) (Quorum, error) {
	if err := b.Roster.Valid(); err != nil {
		return Quorum{}, err
	}
	id, err := Propose(b.Council, b.Intent)
	if err != nil {
		return Quorum{}, err
	}
	roster, err := b.Roster.Hash()
	if err != nil {
		return Quorum{}, err
	}
	if len(approvals) > MaxApprovals {
		return Quorum{}, fmt.Errorf("%d approvals; at most %d", len(approvals), MaxApprovals)
	}
	if b.Intent.Expires() <= now {
		return Quorum{}, WithHint(fmt.Errorf("proposal %s expired %d seconds ago", id.Short(), now-b.Intent.Expires()), "propose it again with a later end of validity")
	}
	last := map[MemberID]Approval{}
	short := &ShortOfQuorum{Want: b.Roster.Threshold}
	for _, a := range approvals {
		m, err := b.VerifyOf(a, id, roster, now)
		if err != nil {
			short.Refused = append(short.Refused, err)
			continue
		}
		if prev, ok := last[m.ID]; ok && !a.Supersedes(prev) {
			continue
		}
		last[m.ID] = a
	}
	q := Quorum{proposal: id, council: b.Council, roster: roster, expires: b.Intent.Expires(), seats: map[Seat]int{}}
	h := crypto.NewKeccakState()
	for _, who := range b.Roster.Members {
		m := who.ID
		a, ok := last[m]
		if !ok || a.Decision != Approve {
			short.Missing = append(short.Missing, m)
			continue
		}
		q.members = append(q.members, m)
		q.seats[who.Seat]++
		q.expires = min(q.expires, a.Expires)
		if err := rlp.Encode(h, a); err != nil {
			return Quorum{}, fmt.Errorf("hash approvals: %w", err)
		}
	}
	if len(q.members) < b.Roster.Threshold {
		short.Have = len(q.members)
		return Quorum{}, short
	}
	h.Read(q.approvals[:])
	return q, nil
}

// Supersedes reports whether a replaces prev, the same member's earlier word.
func (a Approval) Supersedes(prev Approval) bool {
	if a.Sequence != prev.Sequence {
		return a.Sequence > prev.Sequence
	}
	return a.Decision == Reject && prev.Decision == Approve
}
