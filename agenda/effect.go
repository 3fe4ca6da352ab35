package agenda

import (
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"

	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/policy"
)

// Effect is something for the node to do. An effect that can take long is
// answered by the event its comment names; the others are done before the next
// event is taken.
type Effect interface{ effect() }

// Append writes an entry to the own feed, durably, then sends it to all. It is
// answered by Recorded.
type Append struct {
	Word council.Word
	Body any
}

// Send says something to one member's node, or to all when To is empty. A node
// that is away misses it: whoever needs the answer asks again.
type Send struct {
	To      council.MemberID
	Message Message
}

// Fetch asks the own RPC for facts; answered by Fetched. Those of a higher rank go first:
// what is approved, and before others what restricts.
type Fetch struct {
	Proposal council.ProposalID
	Intent   council.Intent
	Queries  []council.Query
	Rank     int // 0 to 3
}

// Plan asks the own RPC for fees; answered by Planned.
type Plan struct {
	Proposal   council.ProposalID
	Deed       council.Transaction
	Nonce      uint64
	Attempt    uint64        // 0: ahead of time, for whichever attempt comes
	Outbid     *council.Fees // what a pool may hold at this nonce, and wants outbid; nil for nothing
	AtCeilings bool          // at the deed's ceilings, since less was too low for a pool
}

// Enlist writes the ledger's `reserved` row, durably, records Begun, and then
// starts the session, which fires Slot or, when that is zero, signs from the
// start; answered by Enlisted, later by Signed or Failed.
type Enlist struct {
	Begin   council.Begin
	Session council.SessionID
	Slot    council.SessionID
	Again   bool // the same attempt, begun anew without its slot: Begun is recorded already
	Permit  policy.Permit
}

// Arm starts a session that makes a slot ready, as background work; answered by
// SlotArmed or Failed.
type Arm struct {
	Session council.SessionID
	Signers []council.MemberID
	Expires uint64 // unix seconds
}

// DropSlot destroys a slot.
type DropSlot struct{ Slot council.SessionID }

// Abort ends a session of this node, if it still runs.
type Abort struct{ Session council.SessionID }

// Note writes a `revealed` row for a signature that exists, though this node
// had no part in it; answered by Ledger.
type Note struct {
	Chain    uint64
	Nonce    uint64
	Proposal council.ProposalID
	Digest   common.Hash
}

// Free gives back a reserved nonce; answered by Ledger.
type Free struct {
	Chain    uint64
	Nonce    uint64
	Proposal council.ProposalID
}

// Settle writes what a finalised block says about a row: consumed or displaced;
// or, after a reorg, reopens it. Answered by Ledger.
type Settle struct {
	Chain    uint64
	Nonce    uint64
	Proposal council.ProposalID
	Tx       common.Hash
	Block    uint64
	State    RowState
}

// Find asks the own RPC which transaction has used a nonce; answered by Found.
type Find struct {
	Chain uint64
	Nonce uint64
}

// Broadcast sends a signed transaction to all RPCs of its chain and follows it
// to finality; answered by Seen.
type Broadcast struct {
	Chain uint64
	Tx    *types.Transaction
}

// Notify tells the outside world: hooks, API subscribers, the log.
type Notify struct {
	What     string // "proposed", "third-approval", "signed", "stuck", "waiting", ...
	Proposal council.ProposalID
	Text     string
	Waiting  []council.MemberID
}

// MakeParams makes fresh pre-parameters; answered by ParamsMade.
type MakeParams struct{}

// DrawKey starts the key generation rounds; answered by KeyDrawn or Failed.
type DrawKey struct {
	Session council.SessionID
	Members []council.MemberID
	Epoch   uint64
}

// Stage writes the new share, sealed and durable; answered by Staged.
type Stage struct {
	Epoch   uint64
	Genesis council.Genesis // without signatures
}

// Confirm asks for this node's signature over the birth record; answered by
// Confirmed.
type Confirm struct{ Genesis council.Genesis }

// Prove starts a test signature with the staged share; answered by Signed or
// Failed.
type Prove struct {
	Permit   policy.CeremonyPermit
	Signers  []council.MemberID
	Ceremony common.Hash // of a rotation: which of the staged shares; zero for a birth
}

// Proclaim starts a session over the council's proclamation, with the current share;
// answered by Signed or Failed.
type Proclaim struct {
	Permit  policy.CeremonyPermit
	Signers []council.MemberID
}

// Commit makes the staged share current; answered by Committed.
type Commit struct {
	Epoch   uint64
	Genesis council.Genesis
}

// Discard removes the staged share of a ceremony that has failed for everyone.
type Discard struct{ Epoch uint64 }

func (Append) effect()     {}
func (Send) effect()       {}
func (Fetch) effect()      {}
func (Plan) effect()       {}
func (Enlist) effect()     {}
func (Arm) effect()        {}
func (DropSlot) effect()   {}
func (Abort) effect()      {}
func (Note) effect()       {}
func (Free) effect()       {}
func (Settle) effect()     {}
func (Broadcast) effect()  {}
func (Find) effect()       {}
func (Notify) effect()     {}
func (MakeParams) effect() {}
func (DrawKey) effect()    {}
func (Stage) effect()      {}
func (Confirm) effect()    {}
func (Prove) effect()      {}
func (Proclaim) effect()   {}
func (Commit) effect()     {}
func (Discard) effect()    {}
