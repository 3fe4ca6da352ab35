package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rlp"

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
	restore  *quarantine
	rounds   uint64 // comparisons of feeds, to take turns
	unsent   []unsent

	rehearsals []rehearsal
	reminded   []agenda.Reminder // about terms that end
	roll       *agenda.RollCall
	rollNews   bool   // the disk does not have all of it yet
	frozen     freeze // by this node's operator; no reason: not
	noted      bool   // the disk has that

	bar      bar                            // before what an old share could give away
	address  atomic.Pointer[common.Address] // of the council's key, for the chains' goroutines
	ctx      context.Context                // the node's life: from New until Run returns
	cancel   context.CancelCauseFunc
	calls    *calls
	governor *governor     // of background work
	slots    chan struct{} // API requests
	children sync.WaitGroup
	bulletin *bulletin
	counters struct{ badFrames, dropped atomic.Uint64 }
}

// peer is what this node knows of another member's node.
type peer struct {
	online   bool
	since    time.Time
	version  string
	life     uint64
	skew     time.Duration
	skewed   time.Time // when it was last told that its clock is off
	roster   *common.Hash
	detail   string
	passed   time.Time // when it was last given certificates of rotations
	evidence caughtUp  // what it was given on this connection
	// What its words may cost this node.
	talk, compare allowance
}

// Names of the node's own notes in the journal.
const (
	metaGenesis   = "genesis" // the birth record of the key in force
	metaModuli    = "moduli"  // of key generations that this node took part in
	metaStaged    = "staged"  // the birth record, unsigned yet, of a staged share
	metaBeats     = "heartbeats"
	metaFrozen    = "frozen"    // why this node signs nothing
	metaReminded  = "reminded"  // what was said about terms that end
	metaRestoring = "restoring" // why this node watches until it has caught up with as many as sign together
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
	standing, err := Stand(c.Journal, c.First, c.Profile)
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
	a, err := agenda.New(agenda.Config{Self: c.Self, Roster: c.Roster, First: c.First, Epoch: holding.Epoch, Former: standing.former(),
		Guest: !member && len(c.Profile.Seats) > 0, Policy: c.Policy, Timing: c.Timing, Standby: standbyOf(c.Standby)})
	if err != nil {
		return nil, err
	}
	n := &Node{
		self: c.Self, roster: c.Roster, first: c.First, profile: c.Profile, peerID: c.Peer, standing: standing, holding: holding,
		expected: c.Guests, door: c.Admit, rosters: standing.rosters(),
		shift:   shift{sessions: map[council.SessionID]bool{}, shares: map[common.Hash]*tss.Share{}, told: map[common.Hash]bool{}},
		charter: c.Charter, policy: c.Policy, transport: c.Transport,
		journal: c.Journal, keystore: c.Keystore, chains: map[uint64]*chainWork{},
		hooks: c.Hooks, hookQueue: make(chan struct{}, maxHooksQueued), hookSlots: make(chan struct{}, maxHooks), timing: c.Timing, gas: c.Gas, warnings: c.Warnings,
		version: c.Version, signer: c.Key, log: c.Log.With("member", string(c.Self)), now: c.Now, started: c.Now(), life: rand.Uint64() | 1,
		spare: spare{wanted: c.Spare}, between: c.between,
		rehearseEvery: c.Rehearse, rehearsals: newRehearsals(c.Charter),
		agenda: a, peers: map[council.MemberID]*peer{}, runners: map[council.SessionID]*runner{}, armed: map[council.SessionID]*tss.Armed{},
		governor: newGovernor(float64(min(max(c.Standby.Percent, 1), 100)) / 100),
		ended:    map[council.SessionID]bool{}, early: newEarly(),
		calls: newCalls(), slots: make(chan struct{}, maxCalls), bulletin: newBulletin(),
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
	return n, nil
}

// load reads the past: the birth record, the share, the feeds, the ledger.
func (n *Node) load() error {
	past := agenda.Past{}
	if err := n.loadErased(); err != nil {
		return err
	}
	made, err := n.readGenesis(metaGenesis)
	if err != nil {
		return err
	}
	err = n.journal.All(func(e journal.Entry) error {
		ev, err := recorded(e)
		if err != nil {
			n.log.Warn("unreadable entry", "author", e.Author, "seq", e.Seq, "err", err)
			return nil
		}
		if k, ok := ev.Body.(council.KeyMade); ok && made == nil && k.Genesis.Verify(n.first) == nil {
			made = &k.Genesis
		}
		n.court.bench.Joined(ev)
		past.Entries = append(past.Entries, ev)
		return nil
	})
	if err != nil {
		return err
	}
	staged, err := n.stagedGenesis()
	if err != nil {
		return err
	}
	if made == nil {
		if made, err = n.bornBefore(); err != nil {
			return err
		}
	}
	if made != nil {
		if err := made.Verify(n.first); err != nil {
			return council.WithHint(err, "the roster file is not the one that this node's key was made under")
		}
		if staged != nil && staged.ID() == made.ID() {
			// The process died between the birth record and this.
			if err := n.commit(*made); err != nil {
				return err
			}
			staged = nil
		}
		found := n.standing.Genesis == nil // in a feed, or beside the share
		if found {
			n.born(*made)
		}
		if err := n.resumeSwitch(); err != nil {
			return err
		}
		if err := n.loadShare(*made); err != nil {
			return err
		}
		if found { // not before the share is one of this key: a wrong one must leave nothing here
			if err := n.saveGenesis(metaGenesis, *made); err != nil {
				return err
			}
		}
		if err := n.keepRecord(*made); err != nil {
			return err
		}
	}
	past.Genesis, past.Staged = made, staged
	rows, err := n.journal.Rows()
	if err != nil {
		return err
	}
	for _, r := range rows {
		past.Rows = append(past.Rows, ledgerEvent(r))
	}
	words, err := n.journal.Messages()
	if err != nil {
		return err
	}
	for _, r := range words {
		past.Rows = append(past.Rows, messageEvent(r))
	}
	n.agenda.Load(past)
	if made != nil {
		n.address.Store(&made.Key)
	}
	if err := n.loadFreeze(); err != nil {
		return err
	}
	if err := n.openRotation(); err != nil {
		return err
	}
	n.followPast()
	if err := n.openCourt(); err != nil {
		return err
	}
	if err := errors.Join(n.loadReminders(), n.loadBeats()); err != nil {
		return err
	}
	if n.spare.sealed, err = n.keystore.HasSpare(); err != nil {
		return err
	}
	size, err := n.journal.Len()
	if err != nil {
		return err
	}
	why, _, err := n.book().Meta(metaRestoring)
	if err != nil {
		return err
	}
	switch {
	case (n.share != nil || n.ahead > 0) && size == 0:
		n.beginRestore("this node has a share and an empty journal")
	case len(why) > 0:
		n.beginRestore(string(why)) // it was started anew before it had caught up
	case made != nil:
		n.beginStart()
	}
	return nil
}

// bornBefore is the birth record that lies beside a current share, or nil: the
// journal is new, because the keystore came from a backup or the disk of the
// journal was lost.
func (n *Node) bornBefore() (*council.Genesis, error) {
	if _, _, err := n.keystore.Current(); errors.Is(err, keystore.ErrNoCurrent) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	b, err := n.keystore.Get(BirthRecord)
	if errors.Is(err, keystore.ErrNotFound) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	g := new(council.Genesis)
	if err := rlp.DecodeBytes(b, g); err != nil {
		return nil, fmt.Errorf("read birth record: %w", err)
	}
	return g, nil
}

// stagedGenesis is the record that a staged share was made with, or nil.
func (n *Node) stagedGenesis() (*council.Genesis, error) {
	staged, err := n.keystore.Staged()
	if err != nil || len(staged) == 0 {
		return nil, err
	}
	g, err := n.readGenesis(metaStaged)
	if err != nil || g == nil || g.Key != staged[0].Meta.Address {
		return nil, err
	}
	return g, nil
}

func (n *Node) readGenesis(name string) (*council.Genesis, error) {
	b, ok, err := n.book().Meta(name)
	if err != nil || !ok {
		return nil, err
	}
	g := new(council.Genesis)
	if err := rlp.DecodeBytes(b, g); err != nil {
		return nil, fmt.Errorf("read birth record: %w", err)
	}
	return g, nil
}

func (n *Node) saveGenesis(name string, g council.Genesis) error {
	b, err := rlp.EncodeToBytes(g)
	if err != nil {
		return err
	}
	return n.book().PutMeta(name, b)
}

// loadShare opens the current share and checks that it is one of this key.
func (n *Node) loadShare(g council.Genesis) error {
	epoch, secret, err := n.keystore.Current()
	if errors.Is(err, keystore.ErrNoCurrent) {
		n.log.Warn("no share", "key", g.Key)
		return nil
	}
	if err != nil {
		return err
	}
	share, err := tss.UnmarshalShare(secret)
	if err != nil {
		return err
	}
	if epoch < n.holding.Epoch || share.Epoch() != epoch || share.Address() != g.Key || share.Self() != n.self {
		return council.WithHint(fmt.Errorf("the share in the keystore is %s's of key %s, epoch %d; the council's key is %s, epoch %d",
			share.Self(), share.Address().Hex(), epoch, g.Key.Hex(), n.holding.Epoch), "the data directory is mixed from two councils: restore it as a whole")
	}
	if err := share.Audit(); err != nil {
		return council.WithHint(fmt.Errorf("share of epoch %d: %w", epoch, err), "restore it from the backup of this epoch")
	}
	n.address.Store(&g.Key)
	if epoch > n.holding.Epoch { // it was received in a rotation that this journal has not heard of
		n.ahead = epoch
		n.log.Warn("the share is of a later epoch than the journal knows", "share", epoch, "journal", n.holding.Epoch)
		return nil
	}
	n.share = share
	return nil
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
