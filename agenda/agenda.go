package agenda

import (
	"fmt"
	"iter"
	"math"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/policy"
)

// Config is what an agenda is made from.
type Config struct {
	Self   council.MemberID
	Roster council.Roster
	// First is the roster that the key was made under; the zero one stands for
	// Roster. Epoch is the share epoch in force; zero stands for that of the birth.
	First council.Roster
	Epoch uint64
	// Since is when this node came under Roster, unix seconds; zero stands for not known.
	// No signature of the time before is later.
	Since uint64
	// Former are the members of earlier rosters, those who stay included: what they
	// proposed and what was signed in their time goes on, and the words of those who have
	// left count no more.
	Former []council.Member
	// Guest lets a node that is not in the roster yet follow what happens.
	Guest  bool
	Policy *policy.Policy
	Timing Timing
	// Standby of depth 0 signs everything from the start.
	Standby Standby
}

// Agenda is the state of the council's business as one node sees it. It is not
// safe for concurrent use: one goroutine owns it.
type Agenda struct {
	self    council.MemberID
	roster  council.Roster
	hash    common.Hash // of the roster
	first   council.Roster
	inForce uint64 // share epoch; zero: that of the birth
	since   uint64 // when this roster took over here; zero: not known
	former  []council.Member
	guest   bool
	policy  *policy.Policy
	timing  Timing
	genesis *council.Genesis

	online     map[council.MemberID]bool
	convicted  map[council.MemberID]bool
	proposals  map[council.ProposalID]*Proposal
	order      []council.ProposalID // as they were taken up
	quotas     map[council.MemberID]quota
	active     []*Proposal                      // all that tend has to look after, and others
	openOf     map[council.MemberID][]*Proposal // that may be open, by proposer
	soon       []*Proposal                      // in a Step: what may be signed soon
	orphans    map[council.ProposalID][]Recorded
	orphaned   map[council.MemberID][]orphan // the entries in orphans, by author, the oldest first
	lanes      map[uint64]*lane              // of transactions, by chain
	pool       []*lane                       // of messages that are not over yet
	digests    map[common.Hash][]*Proposal
	colds      map[council.MemberID][]common.Hash // the last Begins, not seen yet, whose slot a member lacks
	standby    *standby
	pace       *pace
	ceremony   *ceremony
	left       bool             // this node has left a ceremony, and has begun none since
	proclaim   *proclaim        // of a roster that is not the first
	staged     *council.Genesis // a share that waits for its birth record
	announced  bool             // this node's feed tells of the key
	halfMade   string           // why the share of a signed birth record is not current
	backups    map[council.MemberID]Backup
	freezes    map[council.MemberID]Freeze
	thaws      map[council.MemberID]string // why each was lifted
	freezing   map[council.MemberID]uint64 // the entry of each feed that spoke last about that
	freezeTold map[council.MemberID]freezeTold
	stopped    string // why this node was frozen; empty when it was not
	watching   string // why this node only watches; empty when it may sign

	out  []Effect
	now  time.Time
	wake time.Time
	// replaying is set while Load folds the journal: what is read is not news.
	replaying bool
	loaded    uint64 // when that is
}

// New makes an agenda without a past.
func New(c Config) (*Agenda, error) {
	hash, err := c.Roster.Hash()
	if err != nil {
		return nil, err
	}
	if _, ok := c.Roster.Member(c.Self); ok == c.Guest {
		return nil, council.WithHint(fmt.Errorf("agenda: %s is not in the roster", c.Self), "check member: in signer.yaml against the roster")
	}
	if c.Timing == (Timing{}) {
		c.Timing = Defaults()
	}
	if len(c.First.Members) == 0 {
		c.First = c.Roster
	}
	proclaim, err := newProclaim(c.First, hash)
	if err != nil {
		return nil, err
	}
	return &Agenda{
		self: c.Self, roster: c.Roster, hash: hash, first: c.First, inForce: c.Epoch, since: c.Since, former: c.Former, guest: c.Guest, policy: c.Policy, timing: c.Timing,
		online:     map[council.MemberID]bool{c.Self: true},
		convicted:  map[council.MemberID]bool{},
		freezes:    map[council.MemberID]Freeze{},
		thaws:      map[council.MemberID]string{},
		freezing:   map[council.MemberID]uint64{},
		freezeTold: map[council.MemberID]freezeTold{},
		proposals:  map[council.ProposalID]*Proposal{},
		quotas:     map[council.MemberID]quota{},
		openOf:     map[council.MemberID][]*Proposal{},
		orphans:    map[council.ProposalID][]Recorded{},
		orphaned:   map[council.MemberID][]orphan{},
		lanes:      map[uint64]*lane{},
		digests:    map[common.Hash][]*Proposal{},
		colds:      map[council.MemberID][]common.Hash{},
		standby:    newStandby(c.Self, c.Roster, c.Standby),
		pace:       newPace(c.Timing),
		proclaim:   proclaim,
	}, nil
}

// Past is what a restarted node knows: the birth record whose share it holds,
// the staged one, the entries of all feeds in arrival order, and the ledger.
type Past struct {
	Genesis *council.Genesis
	Staged  *council.Genesis
	Entries iter.Seq[Recorded] // nil for none
	Rows    []Ledger
	// Now is when it is read; zero for not known. No entry counts as later.
	Now time.Time
}

// Load folds the past into a fresh agenda. It asks for nothing; the first Step
// does.
func (a *Agenda) Load(p Past) {
	a.replaying, a.loaded = true, math.MaxUint64
	if !p.Now.IsZero() {
		a.loaded = unix(p.Now)
	}
	a.genesis, a.staged = p.Genesis, p.Staged
	if p.Entries != nil {
		for e := range p.Entries {
			a.record(e)
		}
	}
	for _, r := range p.Rows {
		a.row(r)
	}
	for m := range a.freezes {
		a.freezeTold[m] = freezeTold{frozen: true} // in an earlier life
	}
	a.replaying = false
	a.out = nil
}

// Step takes one event and returns what is to be done, in order.
func (a *Agenda) Step(ev Event, now time.Time) []Effect {
	a.now, a.wake, a.out = now, time.Time{}, nil
	switch ev := ev.(type) {
	case Tick:
	case Recorded:
		a.record(ev)
	case PeerUp:
		a.online[ev.Member] = true
		a.standby.told = nil // it may have missed it
		a.pace.reached(ev.Member, ev.RTT)
		a.ceremonyPeer(ev.Member)
		a.proclaimPeer()
	case PeerDown:
		delete(a.online, ev.Member)
		a.peerGone(ev.Member)
	case PeerRestarted:
		a.restarted(ev.Member)
	case Said:
		a.said(ev)
	case Fetched:
		a.fetched(ev)
	case Head:
		a.head(ev)
	case BaseFee:
		a.baseFee(ev)
	case Planned:
		a.planned(ev)
	case Ledger:
		a.row(ev)
	case Enlisted:
		a.enlisted(ev)
	case SlotArmed:
		a.slotReady(ev)
	case Signed:
		a.signed(ev)
	case Failed:
		a.failed(ev)
	case Accused:
		a.accused(ev)
	case Stalled:
		a.stalled(ev)
	case Waits:
		a.waits(ev)
	case Convicted:
		a.convict(ev.Member)
	case Seen:
		a.seen(ev)
	case Lost:
		a.lost(ev)
	case Found:
		a.found(ev)
	case KeygenWanted, KeygenLeft, ParamsMade, KeyDrawn, Staged, Confirmed, Committed:
		a.ceremonyEvent(ev)
	}
	a.reconcile()
	out := a.out
	a.out = nil
	return out
}

// Wake is when the next Tick is due; zero when nothing waits for time alone.
func (a *Agenda) Wake() time.Time { return a.wake }

// Genesis is the birth record of the key in force, or nil.
func (a *Agenda) Genesis() *council.Genesis { return a.genesis }

// Holding is who holds the key, as far as there is one.
func (a *Agenda) Holding() council.Holding {
	h := a.genesis.Holding(a.roster)
	h.Epoch = a.epoch()
	return h
}

// epoch is the share epoch in force.
func (a *Agenda) epoch() uint64 {
	if a.inForce != 0 {
		return a.inForce
	}
	return a.genesis.ShareEpoch
}

// Watch keeps this node from signing, for a reason that people can read; empty
// lets it sign again.
func (a *Agenda) Watch(why string) { a.watching = why }

// Shed drops all slots and returns what the node has to destroy: the process
// ends, or may not sign.
func (a *Agenda) Shed() []Effect {
	a.dropStandby()
	out := a.out
	a.out = nil
	return out
}

// Watching says why this node only watches, or "".
func (a *Agenda) Watching() string { return a.watching }

func (a *Agenda) do(e ...Effect) { a.out = append(a.out, e...) }

// at asks for a Tick not later than t.
func (a *Agenda) at(t time.Time) {
	if a.wake.IsZero() || t.Before(a.wake) {
		a.wake = t
	}
}

// due reports whether d has passed since t, and asks for a Tick when it has not.
func (a *Agenda) due(t time.Time, d time.Duration) bool {
	if t.IsZero() {
		return true
	}
	end := t.Add(d)
	if a.now.Before(end) {
		a.at(end)
		return false
	}
	return true
}

// reconcile looks at the whole state and asks for what is missing.
func (a *Agenda) reconcile() {
	a.ceremonyStep()
	a.tellFreezes()
	defer a.tendStandby()
	if a.genesis == nil || a.watching != "" {
		return
	}
	active := a.active
	a.active = nil // what is tended may have others tended again
	kept := active[:0]
	for _, p := range active {
		a.tend(p)
		if p.active = !p.rests(); p.active {
			kept = append(kept, p)
		}
	}
	clear(active[len(kept):])
	a.active = append(kept, a.active...)
	a.lookAhead()
	for _, chain := range a.chains() {
		a.askGaps(a.lanes[chain])
		a.drive(a.lanes[chain])
	}
	a.drivePool()
	a.tendProclaim()
}

func (a *Agenda) said(ev Said) {
	if _, ok := a.roster.Member(ev.From); !ok {
		return
	}
	switch m := ev.Message.(type) {
	case BeginMessage:
		a.begin(ev.From, m.Begin)
	case Refusal:
		a.refusal(ev.From, m)
	case Ready, ConfirmMessage, Proof:
		a.ceremonySaid(ev.From, m)
	case Cold:
		a.cold(ev.From, m)
	case ArmCall, ArmAnswer, ArmBegin, Stock:
		a.standbySaid(ev.From, m)
	case ProclaimReady:
		a.proclaimReady(ev.From, m)
	case ProclaimBegin:
		a.proclaimBegin(ev.From, m)
	}
}
