package agenda

import (
	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/council"
)

// Events of a rotation. PeerUp, PeerDown, Said, ParamsMade, Signed, Failed and
// Tick are those of the agenda.

// SuccessionAgreed reports a succession that this node's operator has brought.
type SuccessionAgreed struct{ Succession council.Succession }

// Reshared reports that this node's part of a reshare is over and audited: a new
// node has a share in memory that makes Key.
type Reshared struct {
	Session    council.SessionID
	Key        common.Address
	Transcript common.Hash
}

// ShareStaged answers StageShare: the share is durable, and this node's Ack.
type ShareStaged struct {
	Ceremony  common.Hash
	Signature council.NodeSignature
	Err       error
}

// LockWritten answers WriteLock: the lock, with the rows of this node's ledger and
// its signature, is durable.
type LockWritten struct {
	Lock council.Lock
	Err  error
}

// LockRefused answers WriteLock, too: the ledger is one that a Lock can't be given of.
// Nothing was ended, destroyed or written; this node signs on.
type LockRefused LedgerWeighed

// LedgerWeighed reports what this node's Lock could say of its ledger now. While it
// withholds one, the node keeps out of every try: otherwise it would sign nothing more,
// and not lock either.
type LedgerWeighed struct {
	Open int // rows that a Lock would carry; more than council.MaxOpenRows it can't
	// Fenced names nonces at which this node may have signed what its journal lacks, and
	// which no final block has used; "": none. Its Lock would not have their rows, and
	// that is what the next roster would start from.
	Fenced string
	// Behind is why this node may not know yet all that it has signed and said; "": it has
	// caught up. Until then it gives no word in a rotation, neither a Lock nor a refusal:
	// it may have given the other.
	Behind string
}

// Withholds reports whether a Lock of such a ledger can't be given, or could lack rows.
func (w LedgerWeighed) Withholds() bool {
	return w.Open > council.MaxOpenRows || w.Fenced != "" || w.Behind != ""
}

// RefusalWritten answers WriteRefusal.
type RefusalWritten struct {
	Refusal council.Refusal
	Err     error
}

// ShareSwitched answers SwitchShare.
type ShareSwitched struct{ Err error }

// ShareErased answers EraseShare, with this node's statement.
type ShareErased struct {
	Erasure council.Erasure
	Err     error
}

// NodeFrozen reports that this node's operator has it sign nothing, and why; with no
// reason, that it may sign again. A frozen node keeps out of a rotation, too: it
// deals to no try, receives and tests no share, and locks for nothing new. What it
// has locked for stays locked, and what the others commit without it holds for it:
// it switches and erases as they do. Its operator can still refuse.
type NodeFrozen struct{ Reason string }

// AbortWanted reports that the operator wants a succession not to happen.
type AbortWanted struct {
	Succession common.Hash // its digest, see Rotation.Refusable; zero: the one that this node works for
	Reason     string
}

// LastFourWanted reports that the operator wants to commit with the threshold
// alone, and has been told what that assumes.
type LastFourWanted struct{}

func (SuccessionAgreed) event() {}
func (Reshared) event()         {}
func (ShareStaged) event()      {}
func (LockWritten) event()      {}
func (LockRefused) event()      {}
func (LedgerWeighed) event()    {}
func (RefusalWritten) event()   {}
func (ShareSwitched) event()    {}
func (ShareErased) event()      {}
func (NodeFrozen) event()       {}
func (AbortWanted) event()      {}
func (LastFourWanted) event()   {}

// Effects of a rotation. MakeParams, Prove, Abort, Send and Notify are those of
// the agenda. Keep is durable BEFORE any effect after it in the list is carried
// out; if it can't be written, nothing after it is done, and the node loads the
// rotation anew from what its disk has.

// Keep writes a record of the rotation, durably.
type Keep struct{ Record RotationRecord }

// Reshare starts the engine session that makes the new shares, with what this
// node is in it: dealer, receiver or both. Answered by Reshared or Failed.
type Reshare struct {
	Rotation council.Rotation
	Roster   council.Roster // the new one
}

// StageShare writes the new share, sealed and durable, next to those of other
// tries: any of them may be committed yet. Then it signs the Ack, and writes that; in a
// still rotation, that alone. Answered by ShareStaged.
type StageShare struct {
	Rotation   council.Rotation
	Transcript common.Hash
}

// DropShare erases the staged share of a try that an abort certificate has ended:
// enough of them make the key, too. It can be repeated.
type DropShare struct{ Ceremony common.Hash }

// WriteLock has the node sign nothing more under its old share: it ends all
// sessions of that epoch and destroys the slots. Then it fills in the open rows
// of the ledger, signs the lock and writes it, durably. Answered by LockWritten; or by
// LockRefused, before any of that, if the ledger withholds it.
type WriteLock struct{ Lock council.Lock } // without rows and signature

// WriteRefusal signs a refusal and writes it, durably; answered by
// RefusalWritten.
type WriteRefusal struct{ Refusal council.Refusal } // without signature

// SwitchShare makes the staged share of the rotation current, with roster, ledger
// and certificate, in one atomic write that can be repeated; a node that only
// leaves writes the certificate. The shares of other tries go. A still rotation leaves
// the current share as it is. Answered by ShareSwitched.
type SwitchShare struct {
	Certificate council.Certificate
	Switch      council.Switch
}

// EraseShare erases the old share and signs a statement of it, durably. Answered
// by ShareErased.
type EraseShare struct{ Switch council.Switch }

// LockedTwice shows two Locks that convict their member. They have been verified.
type LockedTwice struct{ Fork council.Fork }

func (Keep) effect()         {}
func (Reshare) effect()      {}
func (StageShare) effect()   {}
func (DropShare) effect()    {}
func (WriteLock) effect()    {}
func (WriteRefusal) effect() {}
func (SwitchShare) effect()  {}
func (EraseShare) effect()   {}
func (LockedTwice) effect()  {}

// RotationRecord is what Keep writes: of its fields, one is set.
type RotationRecord struct {
	Heard   *HeardSuccession
	Try     *council.Rotation // this node has joined it, and none before it counts for it any more
	Grounds *Dossier          // all Acks and tests that a lock rests on
	Abort   *council.AbortCertificate
	// Disowned is of a try that an abort has ended here. It is proof against those who have
	// given both words, and nothing follows from it.
	Disowned *council.Certificate
	// Words of this node's own that its disk has lost, and others have brought. From the
	// moment that it reads of such a Lock it signs nothing with its share: the node ends
	// what it signs BEFORE it writes it, as for WriteLock.
	Lock    *council.Lock
	Refusal *council.Refusal
}

// HeardSuccession is a succession that this node has taken up, and when it first
// heard of it: see council.Succession.Timely.
type HeardSuccession struct {
	Succession council.Succession
	Seen       uint64 // unix seconds, by this node's clock
}

// RotationPast is what a restarted node knows. Keep adds to the first five; the others are
// what StageShare, WriteLock, WriteRefusal, SwitchShare and EraseShare have written, but for
// what is the node's.
type RotationPast struct {
	Heard       []HeardSuccession
	Tries       []council.Rotation // in order
	Grounds     []Dossier
	Aborts      []council.AbortCertificate
	Disowned    []council.Certificate
	Staged      []StagedShare
	Locks       []council.Lock // in order
	Refusals    []council.Refusal
	Certificate *council.Certificate // of the switch
	Switch      council.Switch       // by the node, if it has verified Certificate already
	Erasure     *council.Erasure
	Charters    []CharterKnown // by the node, of the texts that it has
}

// StagedShare is a share of a try that this node has on disk, and its Ack.
type StagedShare struct {
	Ceremony   common.Hash
	Transcript common.Hash
	Signature  council.NodeSignature
}
