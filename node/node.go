package node

import (
	"context"
	"fmt"
	"log/slog"
	"math/big"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/agenda"
	"github.com/millicent-one/signer/chain"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/journal"
	"github.com/millicent-one/signer/keystore"
	"github.com/millicent-one/signer/p2p"
	"github.com/millicent-one/signer/policy"
	"github.com/millicent-one/signer/tss"
)

// Config is what a node is made from. Transport, Journal, Keystore and the
// chains stay the caller's: it closes them after Run has returned.
type Config struct {
	Self    council.MemberID
	Roster  council.Roster  // in force; a node that is to join is not in it
	First   council.Roster  // that the key was made under; the zero one: Roster
	Profile council.Profile // of the council; without seats nothing is rotated
	Peer    string          // of a node that is to join: its key. Of others the roster tells
	Guests  []p2p.Guest     // let in whatever the rotation says: who is to join with this node, and itself
	// Admit has the transport let in these guests beside the roster, and no others. It
	// is called by the owner whenever they change; nil: the transport lets in who it will.
	Admit     func([]p2p.Guest) error
	Charter   *policy.Charter
	Policy    *policy.Policy
	Texts     []policy.CharterText // that its owner has: of Charter, and of one to come
	Transport p2p.Transport
	Journal   *journal.Journal
	Keystore  *keystore.Store
	Chains    []*chain.Client
	Key       council.NodeSigner
	Hooks     []Hook
	Timing    agenda.Timing
	Standby   Standby
	Gas       GasMoney
	Spare     bool     // keep a set of pre-parameters for the next ceremony
	Warnings  []string // found while starting, shown in the status
	Version   string
	Log       *slog.Logger
	Now       func() time.Time // nil: the system's clock
	Rehearse  time.Duration    // between two trials of the playbooks; 0: none
	// What this process has proven before it made this node, and need not prove again.
	// Either may be left out.
	Standing Standing
	Sound    *Sound

	between func(step string) // called between the durable steps of a ceremony; tests crash there
}

// GasMoney is when the council's balance counts as low: when it pays for fewer
// than Transactions of Gas at MaxFee (wei).
type GasMoney struct {
	Transactions uint64
	Gas          uint64
	MaxFee       *big.Int
}

// Node is one member's daemon.
type Node struct {
	self      council.MemberID
	roster    council.Roster
	first     council.Roster
	profile   council.Profile
	peerID    string
	expected  []p2p.Guest
	rosters   []council.Roster        // as they were in force until this node was made
	door      func([]p2p.Guest) error // lets in who is a guest
	charter   *policy.Charter
	charters  charters
	policy    *policy.Policy
	transport p2p.Transport
	journal   *journal.Journal
	open      *turn // the owner's, while it makes one
	keystore  *keystore.Store
	chains    map[uint64]*chainWork
	hooks     []Hook
	hookQueue chan struct{} // a place for each that waits or runs
	hookSlots chan struct{}
	timing    agenda.Timing
	gas       GasMoney
	warnings  []string
	version   string
	signer    council.NodeSigner
	log       *slog.Logger
	now       func() time.Time
	started   time.Time
	life      uint64 // of this process, for others to tell it from the next
	between   func(step string)

	rehearseEvery time.Duration

	// Owned by the goroutine of Run.
	agenda *agenda.Agenda
	share  *tss.Share
	sound  *Sound
	ahead  uint64 // epoch of the share in the keystore, if it is later than the one that the journal knows
	birth  birth
	// Who holds the key, and how it has come there; holding is what this node works
	// under, which stays the one before for who leaves.
	standing Standing
	holding  council.Holding
	shift    shift
	erased   erasures
	let      []p2p.Guest // as the transport was told last; nil: it was not
	spare    spare
	peers    map[council.MemberID]*peer
	runners  map[council.SessionID]*runner
	armed    map[council.SessionID]*tss.Armed
	fired    uint64
	ended    map[council.SessionID]bool
	early    early
	court    court
	toldFull bool // that the own feed has room for what is signed alone
	restore  *quarantine
	rounds   uint64 // comparisons of feeds, to take turns
	unsent   []unsent
	flow     flow

	rehearsals []rehearsal
	complaints map[complaint]*complained
	reminded   []agenda.Reminder // about terms that end
	roll       *agenda.RollCall
	rollNews   bool   // the disk does not have all of it yet
	frozen     freeze // by this node's operator; no reason: not
	noted      bool   // the disk has that

	bar      bar                            // before what an old share could give away
	address  atomic.Pointer[common.Address] // of the council's key, for the chains' goroutines
	ctx      context.Context                // the node's life: from New until Run returns
	cancel   context.CancelCauseFunc
	atRest   chan struct{} // closed when the owner does nothing more
	calls    *calls
	governor *governor     // of background work
	slots    chan struct{} // API requests
	children sync.WaitGroup
	bulletin *bulletin
	counters struct{ badFrames, dropped, weighed atomic.Uint64 }
}

// peer is what this node knows of another member's node.
type peer struct {
	online  bool
	since   time.Time
	version string
	life    uint64
	skew    time.Duration
	skewed  time.Time // when it was last told that its clock is off
	roster  *common.Hash
	detail  string
	passed  time.Time // when it was last given certificates of rotations
	// When people were last told what it tries although it has left, by what that is.
	overstepped map[string]time.Time
	told        bool     // it has said all that it has of rotations, to this process
	evidence    caughtUp // what it was given on this connection
	// What its words may cost this node: beside feeds and sessions; comparisons; entries
	// that it passes on, and that it is given.
	talk, compare, brought, given allowance
	inflow                        []entries                   // of feeds, not merged yet
	took                          bool                        // something of what was merged since it was last asked
	lacks                         map[council.MemberID]uint64 // where its feeds end, while it waits for more; or nil
	frames                        int                         // of entries that it was given
}

// Names of the node's own notes in the journal.
const (
	metaGenesis    = "genesis" // the birth record of the key in force
	metaModuli     = "moduli"  // of key generations that this node took part in
	metaStaged     = "staged"  // the birth record, unsigned yet, of a staged share
	metaBeats      = "heartbeats"
	metaFrozen     = "frozen"      // why this node signs nothing
	metaReminded   = "reminded"    // what was said about terms that end
	metaToldSwitch = "told-switch" // version of the roster whose taking over people were told of
	metaRestoring  = "restoring"   // why this node watches until it has caught up with as many as sign together
)

// New makes a node from what its disk holds. Nothing runs before Run.
func New(c Config) (*Node, error) {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.between == nil {
		c.between = func(string) {}
	}
	if c.Timing == (agenda.Timing{}) {
		c.Timing = agenda.Defaults()
	}
	if len(c.First.Members) == 0 {
		c.First = c.Roster
	}
	standing, err := c.Standing.Again(c.Journal, c.First, c.Profile)
	if err != nil {
		return nil, err
	}
	holding, err := standing.under(c.Roster)
	if err != nil {
		return nil, err
	}
	me, member := c.Roster.Member(c.Self)
	if member {
		c.Peer = me.Peer
	}
	since, err := standing.since(c.Journal, c.Roster, c.Now())
	if err != nil {
		return nil, err
	}
	a, err := agenda.New(agenda.Config{Self: c.Self, Roster: c.Roster, First: c.First, Epoch: holding.Epoch, Since: since, Former: standing.former(),
		Guest: !member && len(c.Profile.Seats) > 0, Policy: c.Policy, Timing: c.Timing, Standby: standbyOf(c.Standby)})
	if err != nil {
		return nil, err
	}
	n := &Node{
		self: c.Self, roster: c.Roster, first: c.First, profile: c.Profile, peerID: c.Peer, standing: standing, holding: holding,
		expected: c.Guests, door: c.Admit, rosters: standing.rosters(),
		shift:   shift{sessions: map[council.SessionID]bool{}, shares: map[common.Hash]*tss.Share{}},
		charter: c.Charter, charters: newCharters(c.Charter, c.Texts), policy: c.Policy, transport: c.Transport,
		journal: c.Journal, keystore: c.Keystore, chains: map[uint64]*chainWork{},
		hooks: c.Hooks, hookQueue: make(chan struct{}, maxHooksQueued), hookSlots: make(chan struct{}, maxHooks), timing: c.Timing, gas: c.Gas, warnings: c.Warnings,
		version: c.Version, signer: c.Key, log: c.Log.With("member", string(c.Self)), now: c.Now, started: c.Now(), life: rand.Uint64() | 1,
		spare: spare{wanted: c.Spare}, between: c.between, sound: c.Sound,
		rehearseEvery: c.Rehearse, rehearsals: newRehearsals(c.Charter),
		agenda: a, peers: map[council.MemberID]*peer{}, runners: map[council.SessionID]*runner{}, armed: map[council.SessionID]*tss.Armed{},
		governor: newGovernor(float64(min(max(c.Standby.Percent, 1), 100)) / 100),
		ended:    map[council.SessionID]bool{}, early: newEarly(),
		calls: newCalls(), atRest: make(chan struct{}), slots: make(chan struct{}, maxCalls), bulletin: newBulletin(),
	}
	if n.court, err = newCourt(c.Self, c.Roster); err != nil {
		return nil, err
	}
	n.ctx, n.cancel = context.WithCancelCause(context.Background())
	for _, ch := range c.Chains {
		if _, ok := n.chains[ch.Chain()]; ok {
			return nil, council.WithHint(fmt.Errorf("chain %d is configured twice", ch.Chain()), "merge the two entries under chains: in signer.yaml")
		}
		n.chains[ch.Chain()] = newChainWork(ch)
	}
	if err := n.load(); err != nil {
		return nil, err
	}
	return n, n.rememberCharter()
}

// key is the council's address, or the zero address before there is one.
func (n *Node) key() common.Address {
	if a := n.address.Load(); a != nil {
		return *a
	}
	return common.Address{}
}

func (n *Node) peer(m council.MemberID) *peer {
	p, ok := n.peers[m]
	if !ok {
		p = &peer{}
		n.peers[m] = p
	}
	return p
}

// watch keeps this node from signing until it is restarted.
func (n *Node) watch(why string) {
	if n.agenda.Watching() == "" {
		n.tell("watching", council.ProposalID{}, n.self, why)
	}
	n.agenda.Watch(why)
	n.shed()
}
