package council

import (
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
)

// Choice is what a member says to a proposal.
type Choice string

// The two choices. A rejection withdraws an earlier approval as long as the
// nonce is not reserved.
const (
	Approve Choice = "approve"
	Reject  Choice = "reject"
)

// Approval is a member's word on a proposal, signed by the member's own wallet
// over the whole intent and the sentence that says what it does. It is
// authentic by its signature alone, whoever carries it.
type Approval struct {
	Proposal ProposalID  `json:"proposal"`
	Decision Choice      `json:"decision"`
	Action   string      `json:"action"` // the sentence; every node recomputes it from raw bytes
	Roster   common.Hash `json:"roster"`
	Charter  common.Hash `json:"charter"`
	Policy   common.Hash `json:"policy"`   // the approver's own policy when it signed; for the record
	Sequence uint64      `json:"sequence"` // highest per member and proposal wins
	Expires  uint64      `json:"expires"`  // unix seconds
	Reason   string      `json:"reason"`
	Sig      []byte      `json:"sig"` // 65 bytes r || s || v
}

// Errors that a bad approval is refused with, for callers that branch.
var (
	ErrNotMember   = errors.New("approval is not by a member of the roster")
	ErrOtherRoster = errors.New("approval is for another roster")
	ErrExpired     = errors.New("approval has expired")
	ErrSentence    = errors.New("approval signs another sentence")
)

// Ballot is what an approval is checked against: facts that the checking node
// knows for itself.
type Ballot struct {
	Council  common.Hash
	Roster   Roster
	Intent   Intent
	Sentence string // as this node's own policy describes the intent
}

// Document is the approval as the member's wallet shows it. Council is the
// council id; in is the whole intent.
func (a Approval) Document(council common.Hash, in Intent) Document {
	primary, types, intent := in.typed()
	all := typeSet{"Approval": approvalType(primary)}
	for k, v := range types {
		all[k] = v
	}
	return document(domain{chain: in.ChainID(), council: council}, "Approval", all, map[string]any{
		"decision": string(a.Decision),
		"action":   a.Action,
		"intent":   intent,
		"proposal": a.Proposal.Hex(),
		"roster":   a.Roster.Hex(),
		"charter":  a.Charter.Hex(),
		"policy":   a.Policy.Hex(),
		"sequence": u64(a.Sequence),
		"expires":  u64(a.Expires),
		"reason":   a.Reason,
	})
}

// Verify checks one approval or rejection and names its member. It checks the
// signature over this node's own reading of the intent, membership, the term,
// and expiry at now (unix seconds).
func (b Ballot) Verify(a Approval, now uint64) (Member, error) {
	id, err := Propose(b.Council, b.Intent)
	if err != nil {
		return Member{}, err
	}
	roster, err := b.Roster.Hash()
	if err != nil {
		return Member{}, err
	}
	return b.VerifyOf(a, id, roster, now)
}

// VerifyOf is Verify with the hashes of intent and roster at hand: they would cost as much
// as the signature, or with a long document ten times as much.
func (b Ballot) VerifyOf(a Approval, id ProposalID, roster common.Hash, now uint64) (Member, error) {
	switch {
	case a.Proposal != id:
		return Member{}, fmt.Errorf("approval is for proposal %s, not %s", a.Proposal.Short(), id.Short())
	case a.Decision != Approve && a.Decision != Reject:
		return Member{}, fmt.Errorf("approval: decision %q: want %q or %q", a.Decision, Approve, Reject)
	case a.Roster != roster:
		return Member{}, WithHint(fmt.Errorf("%w: %s, in force is %s", ErrOtherRoster, hexutil.Encode(a.Roster[:4]), hexutil.Encode(roster[:4])),
			"approve again under the roster in force")
	case a.Charter != b.Roster.Charter:
		return Member{}, WithHint(errors.New("approval is under another charter"), "approve again under the charter in force")
	case a.Action != b.Sentence:
		return Member{}, WithHint(fmt.Errorf("%w: %q instead of %q", ErrSentence, a.Action, b.Sentence),
			"the two nodes decode the call differently: compare versions and charters before approving")
	}
	if err := validText("approval reason", a.Reason, MaxReason); err != nil {
		return Member{}, err
	}
	digest, err := Digest(a.Document(b.Council, b.Intent))
	if err != nil {
		return Member{}, err
	}
	who, err := Recover(digest, a.Sig)
	if err != nil {
		return Member{}, fmt.Errorf("approval: %w", err)
	}
	m, ok := b.Roster.ByApprover(who)
	if !ok {
		return Member{}, WithHint(fmt.Errorf("%w: its signature recovers to %s", ErrNotMember, who.Hex()),
			"a wallet that is not in the roster signed it, or it was signed for another council, chain or text")
	}
	if !m.Term.Holds(now) {
		return Member{}, WithHint(fmt.Errorf("approval by %s, whose term does not hold now", m.ID), "a member outside its term can't decide; rotate the seat")
	}
	if a.Expires <= now {
		return Member{}, WithHint(fmt.Errorf("%w: %s's, %d seconds ago", ErrExpired, m.ID, now-a.Expires), "approve again with a later expiry")
	}
	return m, nil
}
