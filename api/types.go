package api

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"

	"github.com/millicent-one/signer/council"
)

// Phase is where a node stands, in the words of its status line.
type Phase string

// The phases of a node, in the order that it passes them.
const (
	NoRoster       Phase = "no-roster"       // no roster file yet, or one that isn't signed by all
	AwaitingKeygen Phase = "awaiting-keygen" // a roster, but no key; 'signer keygen' is next
	Keygen         Phase = "keygen"          // the ceremony is running
	Watching       Phase = "watching"        // a key, but the feeds of the others are not in yet, or a seat that is yet to come, or rules that fit: signs nothing
	Ready          Phase = "ready"           // judges, approves and signs
	Frozen         Phase = "frozen"          // its operator has stopped it from signing; it does all else
	Over           Phase = "over"            // another roster has taken over, and its member is not in it
)

// Status is one look at a node.
type Status struct {
	Version  string           `json:"version"`
	Member   council.MemberID `json:"member"`
	Phase    Phase            `json:"phase"`
	Detail   string           `json:"detail,omitempty"` // what the phase waits for, in words
	Started  time.Time        `json:"started"`
	Roster   *Roster          `json:"roster,omitempty"`
	Charter  common.Hash      `json:"charter"`
	Policy   common.Hash      `json:"policy"`            // this member's own
	Council  *Council         `json:"council,omitempty"` // from key generation on
	Backups  *Backups         `json:"backups,omitempty"` // from key generation on
	Spare    Spare            `json:"spare,omitempty"`   // pre-parameters for the next ceremony
	Peers    []Peer           `json:"peers"`
	Chains   []Chain          `json:"chains"`
	Ledger   []LedgerRow      `json:"ledger"`             // nonces that are reserved or revealed, and the last few that are done
	Attempt  *Attempt         `json:"attempt,omitempty"`  // the signing session in flight
	Standby  *Standby         `json:"standby,omitempty"`  // nil: off
	Traffic  *Traffic         `json:"traffic,omitempty"`  // with the other members' nodes, since the start
	Rotation *Rotation        `json:"rotation,omitempty"` // of shares; nil: none is known
	Warnings []string         `json:"warnings"`

	Heartbeats []Heartbeat `json:"heartbeats"` // the latest of each member, in roster order
	Frozen     []Freeze    `json:"frozen"`     // nodes that sign nothing, by their operators' word
}

// Freeze is a member's word that its node signs nothing.
type Freeze struct {
	Member council.MemberID `json:"member"`
	Since  time.Time        `json:"since"` // by the member's clock
	Reason string           `json:"reason"`
}

// FreezeRequest freezes the node that is asked, and no other, or lifts that.
type FreezeRequest struct {
	Reason string `json:"reason"` // for all members to read
}

// Check refuses what says nothing, or too much.
func (r FreezeRequest) Check() error {
	switch {
	case strings.TrimSpace(r.Reason) == "":
		return Failf(Invalid, "all members read it: say what has happened", "no reason")
	case len(r.Reason) > council.MaxReason:
		return Failf(Invalid, "say it shorter", "the reason has %d bytes; at most %d", len(r.Reason), council.MaxReason)
	}
	return nil
}

// Roster is the composition in force.
type Roster struct {
	Hash      common.Hash        `json:"hash"`
	Version   uint64             `json:"version"`
	Threshold int                `json:"threshold"`
	Members   []council.MemberID `json:"members"`
	Charter   common.Hash        `json:"charter"`
	TermEnds  time.Time          `json:"termEnds"` // the first term that ends
	// Proclaimed is what the council's key has signed about this roster. The first
	// roster has none: the birth record is about that.
	Proclaimed *council.Proclamation `json:"proclaimed,omitempty"`
	Unsigned   string                `json:"unsigned,omitempty"` // why there is none yet, and who is waited for
}

// Council is the key that the council holds together.
type Council struct {
	ID         common.Hash    `json:"id"`
	Address    common.Address `json:"address"`
	ShareEpoch uint64         `json:"shareEpoch"`
	Transcript common.Hash    `json:"transcript"`
}

// Backups says whose shares are safe from the loss of a disk. Before all are, no
// money should go to the address.
type Backups struct {
	Fundable bool               `json:"fundable"` // every member has made and verified a backup
	Waiting  []council.MemberID `json:"waiting"`  // members who have not
	Made     []Backup           `json:"made"`     // in roster order
}

// Backup is a member's word about the own backup.
type Backup struct {
	Member council.MemberID `json:"member"`
	At     time.Time        `json:"at"`     // by the member's clock
	SHA256 common.Hash      `json:"sha256"` // of the sealed file
}

// BackupNote is what the member's own command has verified.
type BackupNote struct {
	Member     council.MemberID `json:"member"`
	Key        common.Address   `json:"key"`
	ShareEpoch uint64           `json:"shareEpoch"`
	SHA256     common.Hash      `json:"sha256"` // of the sealed file
}

// Spare is how far the pre-parameters for the next ceremony are.
type Spare string

// The states of the spare; empty: the node makes none.
const (
	SpareNone   Spare = "none"
	SpareMaking Spare = "making"
	SpareSealed Spare = "sealed"
)

// Peer is another member's node as this node sees it.
type Peer struct {
	Member     council.MemberID `json:"member"`
	Online     bool             `json:"online"`
	Since      time.Time        `json:"since,omitzero"`       // of the present state; zero: never seen
	RosterHash *common.Hash     `json:"rosterHash,omitempty"` // set when the peer holds ANOTHER roster than this node
	Detail     string           `json:"detail,omitempty"`     // last error, version, or what differs
}

// Heartbeat is a node's signed word that it was alive.
type Heartbeat struct {
	Member     council.MemberID `json:"member"`
	At         time.Time        `json:"at"` // by the member's clock
	Version    string           `json:"version"`
	ShareEpoch uint64           `json:"shareEpoch"` // 0: no key yet
	Share      string           `json:"share"`      // none, sound, damaged
	Signs      bool             `json:"signs"`      // it takes part in signatures
	Record     hexutil.Bytes    `json:"record"`     // canonical, for others to check
}

// Chain is one chain as this node's own RPCs show it.
type Chain struct {
	ID          uint64    `json:"id"`
	Healthy     bool      `json:"healthy"`
	Detail      string    `json:"detail,omitempty"` // what is wrong
	Head        uint64    `json:"head"`
	HeadTime    time.Time `json:"headTime,omitzero"`
	LagSeconds  uint64    `json:"lagSeconds"`           // age of the head
	Nonce       uint64    `json:"nonce"`                // the council's next
	Balance     *Wei      `json:"balance,omitempty"`    // of the council's address; nil: unknown
	Emergencies uint64    `json:"emergencies"`          // transactions that the balance pays for at their fee ceiling
	LowBalance  bool      `json:"lowBalance,omitempty"` // fewer than signer.yaml asks for
}

// LedgerRow says which proposal a nonce belongs to.
type LedgerRow struct {
	Chain    uint64             `json:"chain"`
	Nonce    uint64             `json:"nonce"`
	Proposal council.ProposalID `json:"proposal"`
	State    string             `json:"state"` // reserved, revealed, consumed, displaced
	Attempt  uint64             `json:"attempt"`
	TxHash   *common.Hash       `json:"txHash,omitempty"`
}

// Traffic counts frames between this node and the others.
type Traffic struct {
	FramesOut uint64 `json:"framesOut"`
	FramesIn  uint64 `json:"framesIn"`
	BytesOut  uint64 `json:"bytesOut"` // of encoded frames, before the transport's encryption
	BytesIn   uint64 `json:"bytesIn"`
}

// Standby is the stock of signatures that are ready but for what is signed.
type Standby struct {
	Depth   int                      `json:"depth"`            // slots wanted for each set of signers
	Sets    int                      `json:"sets"`             // sets of signers in the council
	Ready   int                      `json:"ready"`            // of which all members say that they have a slot
	Members map[council.MemberID]int `json:"members"`          // likewise, of the sets that a member is in
	Own     int                      `json:"own"`              // sets of this node with a slot
	Slots   int                      `json:"slots"`            // that this node holds in memory
	Arming  int                      `json:"arming"`           // being made at this node
	Silent  []council.MemberID       `json:"silent,omitempty"` // whom those wait for
	Fired   uint64                   `json:"fired"`            // by this node, since its start
}

// Outcome is the result of one check.
type Outcome string

// The outcomes of a check.
const (
	OK   Outcome = "ok"
	Warn Outcome = "warn"
	Bad  Outcome = "fail"
)

// Check is one line of the doctor.
type Check struct {
	Name    string  `json:"name"`
	Outcome Outcome `json:"outcome"`
	Detail  string  `json:"detail"`
	Hint    string  `json:"hint,omitempty"` // for warn and fail
}

// ProposeRequest asks for a playbook of the charter, a raw transaction, a public
// statement, or the signature of an EIP-712 document. Exactly one of Playbook,
// Raw, Statement and TypedData is set.
type ProposeRequest struct {
	Playbook string            `json:"playbook,omitempty"` // "pause"
	Target   string            `json:"target,omitempty"`   // a name from the charter
	Params   map[string]string `json:"params,omitempty"`
	Raw      *RawTransaction   `json:"raw,omitempty"`

	Statement string `json:"statement,omitempty"` // the text
	TypedData string `json:"typedData,omitempty"` // the document's JSON; its domain names the chain

	Reason   string             `json:"reason"`
	Seconds  uint64             `json:"seconds,omitempty"`  // how long the council may act on it; 0: the charter's default
	Replaces string             `json:"replaces,omitempty"` // the proposal whose revealed nonce this one takes over: its id, or the beginning
	Salt     *common.Hash       `json:"salt,omitempty"`     // nil: drawn by the node; give it to get the same id again
	Expect   []council.Expected `json:"expect,omitempty"`   // storage words that a transaction leaves behind, in any order
	MaxGas   uint64             `json:"maxGas,omitempty"`   // 0: estimated, with room
	MaxFee   *Wei               `json:"maxFee,omitempty"`   // wei per gas, the ceiling; nil: by the class of the action
	MaxTip   *Wei               `json:"maxTip,omitempty"`   // wei per gas, the ceiling
	Preview  bool               `json:"preview,omitempty"`  // decode and judge, but tell nobody and keep nothing
}

// Check refuses a request that asks for nothing, or for several things.
func (r ProposeRequest) Check() error {
	kinds := 0
	for _, given := range []bool{r.Playbook != "", r.Raw != nil, r.Statement != "", r.TypedData != ""} {
		if given {
			kinds++
		}
	}
	if kinds != 1 {
		return Failf(Invalid, "name a playbook, or give a raw transaction, a statement or typed data", "want exactly one of playbook, raw, statement and typedData")
	}
	return nil
}

// Explanation is how a node comes to its decision about a proposal.
type Explanation struct {
	Member council.MemberID `json:"member"`          // whose node says so
	Block  uint64           `json:"block,omitempty"` // at which its facts were fetched; 0: there are none to fetch
	Text   string           `json:"text"`            // for people, of many lines
	Tree   json.RawMessage  `json:"tree"`            // policy.Explanation, as 'signer policy explain --json' prints it
}

// RawTransaction is a call that no playbook covers.
type RawTransaction struct {
	Chain uint64         `json:"chain"`
	To    common.Address `json:"to"`
	Value *Wei           `json:"value,omitempty"` // wei; nil: 0
	Data  hexutil.Bytes  `json:"data"`
}

// State is where a proposal stands.
type State string

// The states of a proposal.
const (
	Judging   State = "judging"   // nodes are fetching facts and evaluating
	Open      State = "open"      // waits for approvals
	Approved  State = "approved"  // has its quorum, waits for its turn or for signers
	Signing   State = "signing"   // a session runs
	Signed    State = "signed"    // the signature exists; a transaction is on its way, a message is done
	Mined     State = "mined"     // in a block that is not yet final
	Final     State = "final"     // in a finalised block
	Reverted  State = "reverted"  // in a block, and the call failed
	Refused   State = "refused"   // so many nodes deny or members reject that a quorum is out of reach
	Expired   State = "expired"   // too late; nothing was revealed
	Displaced State = "displaced" // another proposal took its nonce, or has the same signature: void for ever
	Stuck     State = "stuck"     // revealed but not mined within the deadline; needs a person
)

// Done reports whether the state never changes again (a reorg apart).
func (s State) Done() bool {
	switch s {
	case Final, Reverted, Refused, Expired, Displaced:
		return true
	}
	return false
}

// Done reports whether nothing more will come of the proposal: its state is
// final, or it is a message and signed.
func (p Proposal) Done() bool {
	return p.State.Done() || p.State == Signed && p.Intent.Kind != council.KindTransaction && p.Intent.Kind != ""
}

// Proposal is all that a node knows about one proposal.
type Proposal struct {
	ID        council.ProposalID `json:"id"`
	Short     string             `json:"short"`
	State     State              `json:"state"`
	Detail    string             `json:"detail,omitempty"` // who or what is waited for, or why it ended
	Sentence  string             `json:"sentence"`         // what it does, as this node decodes it
	Class     string             `json:"class"`            // restrictive, permissive, …: the policy's word
	Playbook  string             `json:"playbook,omitempty"`
	Proposer  council.MemberID   `json:"proposer"`
	Proposed  time.Time          `json:"proposed"`
	Expires   time.Time          `json:"expires"`
	Reason    string             `json:"reason"`
	Replaces  council.ProposalID `json:"replaces,omitzero"`
	Intent    Intent             `json:"intent"`
	Call      *Call              `json:"call,omitempty"` // nil: not decodable
	Verdicts  []Verdict          `json:"verdicts"`       // in roster order, of the nodes that have judged
	Approvals []Word             `json:"approvals"`      // in roster order, of the members that have spoken
	Missing   []council.MemberID `json:"missing"`        // members who have neither approved nor rejected
	Have      int                `json:"have"`           // approvals that count
	Want      int                `json:"want"`
	Terms     string             `json:"terms,omitempty"`    // what the rules ask for besides approvals: times, seats
	NotBefore time.Time          `json:"notBefore,omitzero"` // the earliest time of signing that follows from them, when it is still to come
	Nonce     *uint64            `json:"nonce,omitempty"`    // once reserved
	Attempts  []Attempt          `json:"attempts"`
	Digest    *common.Hash       `json:"digest,omitempty"`    // of a message: what is signed
	Signature hexutil.Bytes      `json:"signature,omitempty"` // of a message: 65 bytes r || s || v, v of 27 or 28
	Instead   council.ProposalID `json:"instead,omitzero"`    // of a displaced message: the proposal that has the signature
	TxHash    *common.Hash       `json:"txHash,omitempty"`    // that is in a block, or was signed last
	Block     uint64             `json:"block,omitempty"`
	GasUsed   uint64             `json:"gasUsed,omitempty"`
	Timing    Timing             `json:"timing"`
	Effects   *Effects           `json:"effects,omitempty"` // nil: not simulated
}

// Call is a decoded call; those inside it follow in Inner.
type Call struct {
	To        common.Address `json:"to"`
	Label     string         `json:"label,omitempty"` // the charter's name for To
	Signature string         `json:"signature"`       // pause(address)
	Args      []Argument     `json:"args"`
	Value     *Wei           `json:"value,omitempty"`
	Inner     []Call         `json:"inner,omitempty"`
}

// Argument is one decoded argument.
type Argument struct {
	Name  string `json:"name"`
	Type  string `json:"type"`
	Value string `json:"value"`
	Label string `json:"label,omitempty"` // the charter's name for an address
}

// Verdict is what one node's policy says.
type Verdict struct {
	Member council.MemberID `json:"member"`
	Allow  bool             `json:"allow"`
	Rule   string           `json:"rule"`            // the rule that decided
	Reason string           `json:"reason"`          // why, and what would make it pass
	At     time.Time        `json:"at"`              // when it came to that, by its own clock, in whole seconds
	Block  uint64           `json:"block,omitempty"` // of the facts
}

// Word is what one member said.
type Word struct {
	Member   council.MemberID `json:"member"`
	Decision council.Choice   `json:"decision"`
	Reason   string           `json:"reason,omitempty"`
	Sequence uint64           `json:"sequence"`
	At       time.Time        `json:"at"` // when this node read it
	Expires  time.Time        `json:"expires"`
}

// Attempt is one signing session.
type Attempt struct {
	Proposal    council.ProposalID `json:"proposal"`
	Chain       uint64             `json:"chain"`
	Nonce       uint64             `json:"nonce"`
	Number      uint64             `json:"number"` // from 1
	Coordinator council.MemberID   `json:"coordinator"`
	Signers     []Signer           `json:"signers"`
	State       string             `json:"state"` // running, failed, signed
	Round       string             `json:"round,omitempty"`
	WaitingFor  []council.MemberID `json:"waitingFor,omitempty"`
	Suspects    []council.MemberID `json:"suspects,omitempty"`
	Error       string             `json:"error,omitempty"`
	Started     time.Time          `json:"started,omitzero"` // when this node heard of it; zero from the journal
	Warm        bool               `json:"warm,omitempty"`   // this node fired a slot for it
	Millis      int64              `json:"millis,omitempty"` // how long it took; 0 while it runs
}

// Signer is one party of an attempt.
type Signer struct {
	Member council.MemberID `json:"member"`
	Assist bool             `json:"assist,omitempty"` // its member has not approved; its policy allows
}

// Timing is how long each part took, in milliseconds; 0: not there yet.
type Timing struct {
	Judged    int64 `json:"judged,omitempty"`    // proposal read -> this node's verdict
	Approved  int64 `json:"approved,omitempty"`  // proposal read -> quorum
	Signed    int64 `json:"signed,omitempty"`    // quorum -> verified signature
	Mined     int64 `json:"mined,omitempty"`     // signature -> receipt
	Finalised int64 `json:"finalised,omitempty"` // receipt -> finality
}

// Evidence is one record of what a member signed and no honest node would.
type Evidence struct {
	ID       common.Hash      `json:"id"`
	Short    string           `json:"short"`
	Kind     string           `json:"kind"` // equivocation, forked-feed, two-begins, invalid-message, forked-lock
	Culprit  council.MemberID `json:"culprit"`
	Session  string           `json:"session,omitempty"` // of a session's messages
	Message  string           `json:"message,omitempty"` // their type: sign-5
	Proven   bool             `json:"proven"`            // it convicts by itself; otherwise it is the reporter's word
	What     string           `json:"what"`              // in one sentence
	Rests    string           `json:"rests"`             // on what
	Reporter council.MemberID `json:"reporter"`
	Seen     time.Time        `json:"seen"`             // by the reporter's clock
	Bytes    int              `json:"bytes"`            // of the record
	Record   hexutil.Bytes    `json:"record,omitempty"` // canonical; in answers about one only
}

// Progress is one look at a running ceremony.
type Progress struct {
	Stage      string             `json:"stage"`         // "waiting for members", "pre-parameters", "round 2", "confirm"
	Done       int                `json:"done"`          // of Total, for a bar
	Total      int                `json:"total"`         // 0: unknown
	WaitingFor []council.MemberID `json:"waitingFor"`    // nobody: this node is busy itself
	Why        string             `json:"why,omitempty"` // "offline", "another roster: 0x12ab…", …, as far as known
}

// Event is one thing that happened, in this node's own order.
type Event struct {
	ID       uint64             `json:"id"` // from 1, without gaps while this roster holds and the process lives
	Time     time.Time          `json:"time"`
	Kind     string             `json:"kind"` // proposed, judged, …, stuck, peer-up, …: see docs/api.md
	Proposal council.ProposalID `json:"proposal,omitzero"`
	Member   council.MemberID   `json:"member,omitempty"`
	Text     string             `json:"text"` // one line for people
}
