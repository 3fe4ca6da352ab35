package agenda

import (
	"math/big"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"

	"github.com/millicent-one/signer/council"
)

// Event is what happened. Each type says who reports it.
type Event interface{ event() }

// Tick reports nothing but the time.
type Tick struct{}

// Recorded reports that an entry of a member's feed is in the journal.
type Recorded struct {
	Author council.MemberID
	Seq    uint64
	At     uint64 // unix seconds, by the author's clock
	Word   council.Word
	Body   any // as council.DecodeBody gives it
	// Read is when this node read what the entry says, before it was written
	// down; zero means just now.
	Read time.Time
}

// PeerUp and PeerDown report that a member's node can or can't be reached.
type PeerUp struct {
	Member council.MemberID
	RTT    time.Duration // of a word and its answer; zero when not measured
}

// PeerDown reports that a member's node can't be reached.
type PeerDown struct{ Member council.MemberID }

// PeerRestarted reports that a member's node is another process than before: it
// has forgotten the sessions that it was in.
type PeerRestarted struct{ Member council.MemberID }

// Said reports a message from another member's node; From is authenticated.
type Said struct {
	From    council.MemberID
	Message Message
}

// Fetched answers a Fetch.
type Fetched struct {
	Proposal council.ProposalID
	Facts    council.Facts
	Err      error
}

// Head reports the state of a chain as this node's own RPC sees it.
type Head struct {
	Chain uint64
	Block uint64
	Nonce uint64 // of the council's address, at the newest block
	// BaseFee is what the newest block asks for, in wei per gas; nil on a chain that has
	// none, where the council signs no transaction.
	BaseFee *big.Int
}

// BaseFee tells what a newer block asks for while the own RPC does not tell the account at it.
type BaseFee struct {
	Chain uint64
	Block uint64
	Fee   *big.Int // wei per gas; nil on a chain that has none
}

// Planned answers a Plan: the fees that this node would offer now, at a block of
// the chain.
type Planned struct {
	Proposal council.ProposalID
	Nonce    uint64
	Attempt  uint64 // 0: asked ahead of time
	Fees     council.Fees
	Err      error
}

// Ledger reports a row of the sign ledger as it stands after a change. Of a
// message, which is in the ledger by its digest, Chain and Nonce say nothing.
type Ledger struct {
	Chain    uint64
	Nonce    uint64
	Proposal council.ProposalID
	State    RowState
	Hearsay  bool // inherited: neither has this node taken part in signing it, nor a block decided
}

// RowState mirrors the state of a ledger row.
type RowState int

// The states of a ledger row. Freed means the row is gone. Displaced: an approved
// replacement has the nonce here, or the chain has used it for another. Disputed: members
// have said so at a rotation, or claim the nonce for two; nobody has it but an approved
// replacement, until a block decides.
const (
	RowFreed RowState = iota
	RowReserved
	RowRevealed
	RowConsumed
	RowDisplaced
	RowDisputed
)

// Enlisted answers an Enlist: the session runs, or why it does not.
type Enlisted struct {
	Session council.SessionID
	Err     error
}

// Signed reports the signature (65 bytes r || s || v) of a session.
type Signed struct {
	Session   council.SessionID
	Signature []byte
}

// SlotArmed answers an Arm: all signers are armed.
type SlotArmed struct{ Session council.SessionID }

// Failed reports a session that ended without a signature.
type Failed struct {
	Session  council.SessionID
	Suspects []council.MemberID
	Proven   bool
	Err      error
}

// Stalled reports that a session has waited for messages of others for longer
// than its Patience.
type Stalled struct {
	Session council.SessionID
	Waiting []council.MemberID // whose messages are missing
	Round   string             // in which round, for people
	For     time.Duration
}

// Waits reports whose messages a session waits for, long before their silence counts:
// what people are shown. Nobody's, once it goes on. See Patience.Notice.
type Waits struct {
	Session council.SessionID
	Waiting []council.MemberID
	Round   string
}

// Convicted reports that this node holds a record which proves that a member has
// signed what no honest node signs.
type Convicted struct{ Member council.MemberID }

// Seen reports what became of a tracked transaction on its chain.
type Seen struct {
	Chain       uint64
	Tx          common.Hash
	What        council.Word // WordBroadcast, WordMined, WordReverted, WordReorged, WordFinal or WordDisplaced
	Block       uint64
	BlockHash   common.Hash
	GasUsed     uint64
	Err         error // of a broadcast
	Underpriced bool  // it is that a pool wants higher prices
}

// Lost reports that a final block has a nonce of the council's used by a
// transaction that this node does not follow.
type Lost struct {
	Chain uint64
	Nonce uint64
	Block uint64
}

// Found answers a Find: the transaction, and the block that it is in.
type Found struct {
	Chain      uint64
	Nonce      uint64
	Tx         *types.Transaction
	Block      uint64
	BlockHash  common.Hash
	GasUsed    uint64
	Reverted   bool
	Err        error
	Unanswered bool // no RPC has said anything: nothing follows from that
}

// KeygenWanted reports that this node's operator takes part in the ceremony.
// Random is this node's contribution to the ceremony's id.
type KeygenWanted struct{ Random common.Hash }

// KeygenLeft reports that this node's operator takes part no more. Once all stand ready
// it comes too late.
type KeygenLeft struct{}

// ParamsMade answers MakeParams.
type ParamsMade struct{ Err error }

// KeyDrawn reports the end of the key generation rounds.
type KeyDrawn struct {
	Session    council.SessionID
	Key        common.Address
	Transcript common.Hash
}

// Staged answers Stage: the share is durable.
type Staged struct{ Err error }

// Confirmed carries this node's own signature over the birth record.
type Confirmed struct{ Signature council.NodeSignature }

// Committed answers Commit.
type Committed struct {
	Genesis council.Genesis
	Err     error
}

func (Tick) event()          {}
func (Recorded) event()      {}
func (PeerUp) event()        {}
func (PeerDown) event()      {}
func (PeerRestarted) event() {}
func (Said) event()          {}
func (Fetched) event()       {}
func (Head) event()          {}
func (BaseFee) event()       {}
func (Planned) event()       {}
func (Ledger) event()        {}
func (Enlisted) event()      {}
func (Signed) event()        {}
func (SlotArmed) event()     {}
func (Failed) event()        {}
func (Stalled) event()       {}
func (Waits) event()         {}
func (Convicted) event()     {}
func (Seen) event()          {}
func (Lost) event()          {}
func (Found) event()         {}
func (KeygenWanted) event()  {}
func (KeygenLeft) event()    {}
func (ParamsMade) event()    {}
func (KeyDrawn) event()      {}
func (Staged) event()        {}
func (Confirmed) event()     {}
func (Committed) event()     {}

// unix is the time as the council's types count it.
func unix(t time.Time) uint64 { return uint64(max(t.Unix(), 0)) }
