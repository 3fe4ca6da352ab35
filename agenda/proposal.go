package agenda

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"

	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/policy"
)

// Proposal is one proposal as this node knows it.
type Proposal struct {
	ID       council.ProposalID
	Intent   council.Intent
	Proposer council.MemberID
	At       uint64 // when it was proposed, unix seconds by the proposer's clock
	Action   policy.Action
	Unread   error // why the intent could not be described

	Verdict  *policy.Decision // this node's own
	Verdicts map[council.MemberID]council.Judged
	Given    map[council.MemberID]uint64 // when each verdict was, unix seconds by that node's clock
	Ballots  map[council.MemberID]council.Approval

	Attempts []Attempt
	Signed   *council.Signed
	Tx       *types.Transaction
	// Of a message: what is signed, the signature once it exists (65 bytes
	// r || s || v, v in {27, 28}), and the proposal that has it instead when two
	// ask for the same.
	Digest    common.Hash
	Signature []byte
	Instead   council.ProposalID
	Fate      council.Word // the last sighting of Tx by this node, or ""
	Where     council.Sighted
	Reverted  bool         // the call failed in the block that Where names
	Over      council.Word // WordExpired or WordDisplaced once it can't be signed any more

	// When this node, by its own clock, first knew; zero for what it read back
	// from its journal.
	ReadAt, JudgedAt, QuorumAt, SignedAt, MinedAt, FinalAt time.Time
	// Spoken is when this node read each member's word.
	Spoken map[council.MemberID]time.Time

	record record           // what its terms rest on
	lane   *lane            // of a message
	txs    []common.Hash    // all that were signed: a fee bump may lose to what it bumped
	led    council.MemberID // who coordinated the attempt that this node has joined last
	ripe   time.Time        // since when it is approved and its time has come, as this process knows; zero while it is not
	held   time.Time        // until then others may go first
	// Until then this node begins nothing: somebody is about to say who was silent.
	listening   time.Time
	needs       []council.Query // what the policy must know; a function of the intent
	count       *count
	facts       *council.Facts
	quote       *quote      // fees, asked ahead of time
	quoting     uint64      // the block at which they were last asked
	underpriced common.Hash // the transaction of it whose prices were last too low for a pool
	fetching    time.Time
	fetched     time.Time
	denials     int       // on facts that were asked for, in a row
	unanswered  bool      // what was asked for last did not come, or was of an old block
	spoken      int       // the most approvals that there were
	sent        time.Time // last broadcast
	sought      time.Time // last asked the chain what has used its nonce
	misses      int       // times that it did not say
	mute        int       // times in a row since then that nobody answered
	lost        uint64    // the final block in which it is used, by none that is known; 0 for not known to be so
	told        map[string]bool
	active      bool                           // it is in Agenda.active
	words       map[council.MemberID]int       // of members, that each member has brought
	brought     map[council.MemberID]time.Time // words that no feed has yet, and since when
	doubt       map[council.MemberID]int       // attempts in which the member was suspected
	excuses     map[council.MemberID]int       // attempts that the member refused for no fault of its own
	unheard     map[council.MemberID]int       // attempts given up because this node does not hear who coordinates them
	apart       apart
}

// Attempt is one try at a signature, as the feeds report it.
type Attempt struct {
	Number   uint64
	Nonce    uint64
	Begin    common.Hash
	Signers  []council.MemberID
	Leader   council.MemberID   // who coordinated it
	Joined   []council.MemberID // those who say that they take part
	Failed   string             // why it ended without a signature; "" while open or signed
	Suspects []council.MemberID
	Warm     bool      // this node fired a slot for it
	Heard    time.Time // when this node first heard of it; zero from the journal

	dropped bool // its coordinator has given it up
}

// quote is what a transaction would cost, as of a block.
type quote struct {
	fees  council.Fees
	block uint64
}

// State is where a proposal stands.
type State string

// The states of a proposal.
const (
	StateJudging   State = "judging"   // this node has not judged it yet
	StateOpen      State = "open"      // waits for approvals
	StateApproved  State = "approved"  // has its quorum, waits for the nonce or for signers
	StateSigning   State = "signing"   // an attempt runs
	StateSigned    State = "signed"    // the signature exists; a transaction's is not yet mined, a message is done
	StateMined     State = "mined"     // mined, not yet final
	StateFinal     State = "final"     // in a finalised block
	StateReverted  State = "reverted"  // mined, and the call failed
	StateRefused   State = "refused"   // too few nodes allow it for four to sign
	StateExpired   State = "expired"   // its validity ended unsigned
	StateDisplaced State = "displaced" // another transaction took its nonce, or the same message is signed as another proposal
)

// State computes where the proposal stands.
func (a *Agenda) State(p *Proposal) State {
	switch {
	case p.Signature != nil:
		return StateSigned
	case p.Reverted:
		return StateReverted // also once it is final: it never did what was approved
	case p.Fate == council.WordFinal:
		return StateFinal
	case p.Fate == council.WordMined:
		return StateMined
	case p.Over == council.WordDisplaced, a.disputed(p):
		return StateDisplaced
	case p.Tx != nil:
		return StateSigned
	case p.Over == council.WordExpired:
		return StateExpired
	}
	if l := a.laneOf(p); l.try != nil && l.try.begin.Proposal == p.ID {
		return StateSigning
	}
	if a.hopeless(p) {
		return StateRefused
	}
	if a.enough(p) {
		return StateApproved
	}
	if p.Verdict == nil {
		return StateJudging
	}
	return StateOpen
}

// hopeless reports whether so many nodes deny that no four could sign.
func (a *Agenda) hopeless(p *Proposal) bool {
	deny := 0
	for _, v := range p.Verdicts {
		if !v.Allow {
			deny++
		}
	}
	return deny > len(a.roster.Members)-a.roster.Threshold
}

// count is the result of counting the approvals, which takes a signature check
// for each of them. It holds until a member says something else or a time
// passes at which a word lapses or a term begins or ends.
type count struct {
	quorum council.Quorum
	err    error
	from   uint64 // unix seconds, both
	until  uint64
}

// Quorum counts the approvals that this node knows.
func (a *Agenda) Quorum(p *Proposal) (council.Quorum, error) {
	if p.Unread != nil {
		return council.Quorum{}, p.Unread
	}
	now := unix(a.now)
	if c := p.count; c != nil && c.from <= now && now < c.until {
		return c.quorum, c.err
	}
	c := &count{from: now, until: math.MaxUint64}
	turn := func(t uint64) {
		if t > now {
			c.until = min(c.until, t)
		}
	}
	turn(p.Intent.Expires())
	for m, b := range p.Ballots {
		turn(b.Expires)
		if who, ok := a.roster.Member(m); ok {
			turn(who.Term.Start)
			turn(who.Term.End)
		}
	}
	c.quorum, c.err = council.VerifyQuorum(a.ballot(p), a.approvals(p), now)
	p.count = c
	return c.quorum, c.err
}

// enough reports whether the approvals suffice for the threshold, and for what
// the charter asks for beyond it: more of them, and seats among them.
func (a *Agenda) enough(p *Proposal) bool {
	q, err := a.Quorum(p)
	asked := p.record.asked
	return err == nil && (asked == nil || len(q.Members()) >= asked.Approvals && asked.Seats.Lacking(q) == policy.Seats{})
}

// Missing lists who has not approved, in roster order.
func (a *Agenda) Missing(p *Proposal) []council.MemberID {
	var out []council.MemberID
	for _, m := range a.roster.IDs() {
		if b, ok := p.Ballots[m]; !ok || b.Decision != council.Approve {
			out = append(out, m)
		}
	}
	return out
}

func (a *Agenda) ballot(p *Proposal) council.Ballot {
	return council.Ballot{Council: a.genesis.ID(), Roster: a.roster, Intent: p.Intent, Sentence: p.Action.Sentence}
}

func (a *Agenda) approvals(p *Proposal) []council.Approval {
	out := make([]council.Approval, 0, len(p.Ballots))
	for _, m := range slices.Sorted(maps.Keys(p.Ballots)) {
		out = append(out, p.Ballots[m])
	}
	return out
}

// Proposals lists all proposals as they were taken up.
func (a *Agenda) Proposals() []*Proposal {
	out := make([]*Proposal, len(a.order))
	for i, id := range a.order {
		out[i] = a.proposals[id]
	}
	return out
}

// Proposal finds one by id.
func (a *Agenda) Proposal(id council.ProposalID) (*Proposal, bool) {
	p, ok := a.proposals[id]
	return p, ok
}

// ErrNoKey is returned while the council has no key yet.
var ErrNoKey = council.WithHint(errors.New("the council has no key yet"), "every member runs 'signer keygen' once")

// ErrUnknown is returned for a word about a proposal of which this node knows nothing.
var ErrUnknown = errors.New("no proposal of that id here")

// ErrTooLate is returned for a word that can't change anything any more.
var ErrTooLate = errors.New("too late")

// once reports whether this is the first time that word is told of p.
func (p *Proposal) once(word string) bool {
	if p.told[word] {
		return false
	}
	p.told[word] = true
	return true
}

// frozenToo names those who sign nothing, beside those who can't be reached.
func (a *Agenda) frozenToo() string {
	var out []council.MemberID
	for _, m := range a.roster.IDs() {
		if a.still(m) {
			out = append(out, m)
		}
	}
	if len(out) == 0 {
		return ""
	}
	return "; frozen: " + council.Names(out)
}

// Blocked says what an approved proposal waits for.
func (a *Agenda) Blocked(p *Proposal) string {
	l := a.laneOf(p)
	if !l.known {
		return fmt.Sprintf("this node's RPC for chain %d has not answered yet", p.Intent.ChainID())
	}
	if why := a.pending(p); why != "" {
		return why
	}
	nonce, err := a.nonceFor(l, p)
	if err != nil {
		return err.Error()
	}
	set, short := a.signers(p, nonce, l.last[nonce]+1)
	if len(set) < a.roster.Threshold {
		return fmt.Sprintf("%d of %d signers are ready; offline: %s%s", len(set), a.roster.Threshold, council.Names(short), a.frozenToo())
	}
	if p.lane != nil {
		if q := a.ahead(p); q != nil {
			return fmt.Sprintf("asks for the same signature as proposal %s, which goes first", q.ID.Short())
		}
	}
	if p.lane != nil && l.turn.proposal != p.ID {
		return fmt.Sprintf("waits for one of the %d places in which messages are signed, or for others to sign it", MaxPool)
	}
	return fmt.Sprintf("an attempt is about to begin: %s", council.Names(set))
}
