package api

import (
	"context"

	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/council"
)

// Backend is what a node can be asked. The node implements it, the Server puts
// it on a socket, and client.Client implements it again on the other side, so
// that a command doesn't know which of the two it holds.
//
// Errors: wrap what the caller did wrong with Fail, so that it arrives with
// its kind and hint; any other error arrives as Internal.
type Backend interface {
	// Status is the node's whole state in one look. It never waits for a
	// peer or an RPC: what is not known is said to be unknown.
	Status(ctx context.Context) (Status, error)

	// Doctor checks everything that can be checked from here, the RPCs
	// included, and says what to do about what it finds.
	Doctor(ctx context.Context) ([]Check, error)

	// Propose puts an intent before the council, also one that policies deny:
	// the verdicts say so. Errors: Invalid, NotFound (playbook, target, or the
	// proposal to replace), Ambiguous, Conflict (it is known already), NotReady.
	Propose(ctx context.Context, r ProposeRequest) (Proposal, error)

	// Proposals lists what the node knows, the newest first.
	Proposals(ctx context.Context) ([]Proposal, error)

	// Proposal finds one by its id or the beginning of it (with or without
	// 0x, four digits at least). Errors: NotFound, Ambiguous.
	Proposal(ctx context.Context, prefix string) (Proposal, error)

	// Explain judges a proposal anew, by the node's own policy, on facts that it
	// fetches now, and shows all of how it came to that. Errors: NotFound,
	// Ambiguous, Conflict (it is signed or over: the chain has moved on), NotReady
	// (no key yet), Unavailable (an RPC does not answer).
	Explain(ctx context.Context, prefix string) (Explanation, error)

	// Ballot fills in everything of a member's word but the signature:
	// sequence, expiry, sentence, hashes. An empty member means the member
	// whose node this is. Errors: Invalid, NotFound, Ambiguous, Conflict (the
	// proposal has expired).
	Ballot(ctx context.Context, r BallotRequest) (UnsignedApproval, error)

	// Vote takes a signed word, of any member, checks it, keeps it and
	// passes it on. Errors: Invalid, NotFound, Conflict (it comes too late:
	// the proposal has expired, or what it would withdraw is being signed; or
	// it was said already), NotReady.
	Vote(ctx context.Context, a council.Approval) (Proposal, error)

	// Keygen takes part in the key ceremony, and returns when the key is
	// made and signed for by all, or when ctx ends. Progress is called from
	// one goroutine, at once and again whenever something changes and at
	// least each ten seconds while somebody is waited for. Errors: Conflict
	// (there is a key already), NotReady (no roster).
	Keygen(ctx context.Context, progress func(Progress)) (council.Genesis, error)

	// Evidence lists what this node holds against members, by member, what
	// convicts first. The records themselves are left out.
	Evidence(ctx context.Context) ([]Evidence, error)

	// EvidenceRecord finds one by its id or the beginning of it, with the
	// record. Errors: NotFound, Ambiguous.
	EvidenceRecord(ctx context.Context, prefix string) (Evidence, error)

	// NoteBackup takes the word of the member whose node this is that a
	// sealed backup of the share in force was made and opened again, and
	// tells all nodes. The answer says who is still waited for. Errors:
	// Invalid (of another member), Conflict (of another key or epoch),
	// NotReady (no key yet, or the node is catching up).
	NoteBackup(ctx context.Context, r BackupNote) (Backups, error)

	// Freeze stops the node that is asked from signing, durably, until Thaw,
	// and tells all others; no other node is stopped by it. The answer lists
	// all that are frozen. Errors: Invalid (no reason), Conflict (it is
	// frozen already).
	Freeze(ctx context.Context, r FreezeRequest) ([]Freeze, error)

	// Thaw lifts it. Errors: Invalid (no reason), Conflict (it is not
	// frozen), NotReady (the node is catching up, and can tell nobody).
	Thaw(ctx context.Context, r FreezeRequest) ([]Freeze, error)

	// RotationStatus says where the rotation of shares stands at this node.
	RotationStatus(ctx context.Context) (Rotation, error)

	// BeginRotation brings a succession that the council has agreed on. The
	// node tells all others, and the shares move as soon as all new members
	// and enough old ones are there. One that changes the charter comes with
	// its text, unless the node has it. Errors: Invalid (it can't follow, not
	// enough agree, the charter is another one or is missing, or this version
	// can't carry it out), NotReady (no key yet, or the rotation before is not
	// over here).
	BeginRotation(ctx context.Context, s council.Succession, t CharterText) (Rotation, error)

	// AbortRotation has the node refuse a succession, for good. As many refusals
	// as sign together end it for all. Errors: Invalid (no reason), NotFound,
	// Ambiguous (the request has to say which), Conflict (it could have no
	// effect), NotReady.
	AbortRotation(ctx context.Context, r RefuseRequest) (Rotation, error)

	// CommitWithFour has this node's lock say that as few as sign together may
	// commit. Errors: Conflict (there is nothing to lock for), NotReady.
	CommitWithFour(ctx context.Context) (Rotation, error)

	// Events calls each for every event with an ID above after, those that
	// were first, and then as they happen. It returns when ctx ends (with
	// its error) or each fails (with that error).
	Events(ctx context.Context, after uint64, each func(Event) error) error
}

// BallotRequest asks for a word that is ready to be signed.
type BallotRequest struct {
	Proposal string           `json:"proposal"` // id or the beginning of one
	Decision council.Choice   `json:"decision"`
	Member   council.MemberID `json:"member,omitempty"` // empty: this node's member
	Reason   string           `json:"reason,omitempty"`
	Seconds  uint64           `json:"seconds,omitempty"` // how long the word holds; 0: until the proposal expires
}

// UnsignedApproval is a word without its signature, and all that a careful
// member needs to make the document again and compare.
type UnsignedApproval struct {
	Member   council.MemberID
	Wallet   common.Address // the approver that has to sign
	Council  common.Hash    // council id
	Approval council.Approval
	Intent   council.Intent
	Document council.Document // Approval.Document(Council, Intent)
	Digest   common.Hash      // of Document
}

// NewUnsignedApproval puts document and digest to a word.
func NewUnsignedApproval(id common.Hash, m council.Member, a council.Approval, in council.Intent) (UnsignedApproval, error) {
	u := UnsignedApproval{Member: m.ID, Wallet: m.Approver, Council: id, Approval: a, Intent: in, Document: a.Document(id, in)}
	var err error
	u.Digest, err = council.Digest(u.Document)
	return u, err
}
