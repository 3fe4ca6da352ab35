package council

import (
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rlp"
)

// Word says what an entry of a member's feed reports.
type Word string

// The words of the feeds. Each has one body type below.
const (
	WordProposed      Word = "proposed"       // Proposed
	WordJudged        Word = "judged"         // Judged
	WordApproved      Word = "approved"       // Voted
	WordRejected      Word = "rejected"       // Voted
	WordComplete      Word = "complete"       // Complete
	WordBegun         Word = "begun"          // Begun
	WordAttemptFailed Word = "attempt-failed" // AttemptFailed
	WordSigned        Word = "signed"         // Signed
	WordBroadcast     Word = "broadcast"      // Sighted
	WordMined         Word = "mined"          // Sighted
	WordReverted      Word = "reverted"       // Sighted
	WordReorged       Word = "reorged"        // Sighted
	WordFinal         Word = "final"          // Sighted
	WordDisplaced     Word = "displaced"      // Sighted
	WordExpired       Word = "expired"        // Sighted
	WordRosterSigned  Word = "roster-signed"  // RosterSigned
	WordKeyMade       Word = "key-made"       // KeyMade
	WordBackedUp      Word = "backed-up"      // BackedUp
	WordFrozen        Word = "frozen"         // Frozen
	WordThawed        Word = "thawed"         // Thawed
)

// Proposed opens a proposal: the canonical bytes of its intent, from which
// every node computes everything else.
type Proposed struct {
	Council common.Hash
	Intent  []byte // EncodeIntent
}

// Judged is a node's own verdict on a proposal.
type Judged struct {
	Proposal ProposalID
	Allow    bool
	Rule     string
	Reason   string
	Sentence string
	Policy   common.Hash // hash of the charter and the member's policy
	Block    uint64      // block of the facts it judged by
}

// Voted carries a member's approval or rejection, whoever's node took it.
type Voted struct {
	Approval Approval
}

// Complete reports since when this node has known all the approvals that the
// proposal's rule asks for, without a break. A rule's delay counts from there. The
// entry names the approvals, so that it says nothing any more once one of them was
// withdrawn.
type Complete struct {
	Proposal  ProposalID
	Since     uint64 // unix seconds, by this node's clock
	Approvals []Standing
}

// Standing is an approval that holds as long as the member says nothing else.
type Standing struct {
	Member   MemberID
	Sequence uint64
}

// Begun reports that this node joined a signing attempt.
type Begun struct {
	Proposal    ProposalID
	Chain       uint64
	Nonce       uint64
	Attempt     uint64
	Begin       common.Hash
	Coordinator MemberID
	Signers     []MemberID
}

// Begun is the entry of a node that joins this attempt.
func (b Begin) Begun() Begun {
	return Begun{
		Proposal: b.Proposal, Chain: b.Chain, Nonce: b.Nonce, Attempt: b.Attempt,
		Begin: b.Hash(), Coordinator: b.Coordinator, Signers: b.Signers,
	}
}

// AttemptFailed reports why an attempt ended without a signature, as this node
// saw it.
type AttemptFailed struct {
	Proposal ProposalID
	Chain    uint64
	Nonce    uint64
	Attempt  uint64
	Suspects []MemberID
	Proven   bool
	Reason   string
}

// Signed carries the finished transaction, or the signature over a message; of
// Tx and Signature there is one. Either proves itself, whoever brings it.
type Signed struct {
	Proposal ProposalID
	Chain    uint64
	Nonce    uint64
	Attempt  uint64
	Signers  []MemberID
	Tx       []byte // EIP-2718 bytes
	// Signature is 65 bytes r || s || v with v in {27, 28}, over a message's
	// digest. A transaction's entry ends before it.
	Signature []byte `rlp:"optional"`
}

// Sighted reports what became of a transaction on its chain.
type Sighted struct {
	Proposal  ProposalID
	Chain     uint64
	Nonce     uint64
	Tx        common.Hash
	Block     uint64
	BlockHash common.Hash
	GasUsed   uint64
}

// RosterSigned carries what the council has signed, with its own key, about the roster
// that holds it. It proves itself, whoever brings it.
type RosterSigned struct {
	Proclamation Proclamation
}

// KeyMade carries the birth record of the key.
type KeyMade struct {
	Genesis Genesis
}

// BackedUp reports that the member has made a sealed backup of the share of this
// epoch, and has opened it again and found it whole.
type BackedUp struct {
	Epoch uint64
	Key   common.Address
	File  common.Hash // SHA-256 of the sealed file, as sha256sum prints it
}

// Frozen reports that the member's operator has stopped its node from signing,
// since a key of it may be in other hands.
type Frozen struct {
	Reason string
}

// Thawed reports that the operator has lifted that.
type Thawed struct {
	Reason string
}

// EncodeBody gives the RLP bytes of an event body.
func EncodeBody(v any) ([]byte, error) {
	b, err := rlp.EncodeToBytes(v)
	if err != nil {
		return nil, fmt.Errorf("encode %T: %w", v, err)
	}
	return b, nil
}

// DecodeBody reads the body that belongs to a word; any other bytes, trailing
// ones included, are an error, and so is more than an honest node ever says. Texts are as
// their author wrote them: see Readable.
func DecodeBody(w Word, b []byte) (any, error) {
	switch w {
	case WordProposed:
		return bodyAs[Proposed](w, b)
	case WordJudged:
		return bodyAs[Judged](w, b)
	case WordApproved, WordRejected:
		return bodyAs[Voted](w, b)
	case WordComplete:
		return bodyAs[Complete](w, b)
	case WordBegun:
		return bodyAs[Begun](w, b)
	case WordAttemptFailed:
		return bodyAs[AttemptFailed](w, b)
	case WordSigned:
		return bodyAs[Signed](w, b)
	case WordBroadcast, WordMined, WordReverted, WordReorged, WordFinal, WordDisplaced, WordExpired:
		return bodyAs[Sighted](w, b)
	case WordRosterSigned:
		return bodyAs[RosterSigned](w, b)
	case WordKeyMade:
		return bodyAs[KeyMade](w, b)
	case WordBackedUp:
		return bodyAs[BackedUp](w, b)
	case WordFrozen:
		return bodyAs[Frozen](w, b)
	case WordThawed:
		return bodyAs[Thawed](w, b)
	}
	return nil, fmt.Errorf("unknown event %q", string(w))
}

func bodyAs[T any](w Word, b []byte) (any, error) {
	var v T
	if err := rlp.DecodeBytes(b, &v); err != nil {
		return nil, fmt.Errorf("decode %s: %w", w, err)
	}
	if x, ok := any(v).(interface{ bounds() error }); ok {
		if err := x.bounds(); err != nil {
			return nil, fmt.Errorf("decode %s: %w", w, err)
		}
	}
	return v, nil
}
