package agenda

import (
	"fmt"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/millicent-one/signer/council"
)

// RotationConfig is what a rotation is made from.
type RotationConfig struct {
	Self    council.MemberID
	Peer    string // this node's key: of a member with another node, each is in one roster
	Holding council.Holding
	Earlier []council.Roster // until the one in Holding, with it, the first one first
	Since   uint64           // when that one took over, in unix seconds; zero for the first
	Profile council.Profile
	Timing  Timing      // Retry, Remind and Ceremony count here
	Seed    common.Hash // random, and new for each process
	// Shareless is set when this node has lost the share that its roster says it holds:
	// it deals to no try. A lock it can give: it says what this node will not sign.
	Shareless bool
	Charter   common.Hash   // of the file that this node works by; who joins takes a share under no other
	Frozen    string        // why this node signs nothing, by its operator's word; empty: it does
	Ledger    LedgerWeighed // as it is when the machine is made
}

// Rotation has a roster take over from the one before, as one node sees it, and moves
// the shares of the key. It is a machine like the Agenda; the node's owner steps both.
// A succession that moves no share takes the same way without its first two steps, see
// rotation_still.go.
//
// A try goes through these steps. The first new member, by id, leads it: all new
// ones have to be there anyway. The order is the safety:
//
//  1. All new nodes stage their shares durably, then sign Acks (rotation_try.go).
//  2. Overlapping subsets of them make test signatures.
//  3. Who sees all Acks and tests, and holds an old share, locks: durably, then to
//     all. From then on it signs nothing with the old share (rotation_commit.go).
//  4. Enough Locks make the certificate. Who holds it switches, then erases.
//
// A try that fails before it has a Lock is followed by another. A node locks only
// for the try that it joined last: so while a new member is locked, no other try
// comes to have all Acks. Those who leave lock after two of those who stay.
type Rotation struct {
	RotationConfig
	old bool // this node holds a share of the key

	agreed   map[common.Hash]heard        // by digest
	charters map[common.Hash]CharterKnown // whose text this node has, beside the one that it works by
	dated    RotationStatus               // of the last one that was dated back, and so not taken up
	warned   time.Time                    // when people were last told of one that was not
	heralded map[common.Hash]common.Hash  // their digests, by the hash of the bytes in which they came
	files    map[common.Hash]*dossier     // by the try's id
	tries    []common.Hash                // that this node has joined, in order
	staged   map[common.Hash]StagedShare  // by the try's id
	ready    map[readyKey]RotationReady
	random   common.Hash // this node's part of the next try's id
	spent    uint64      // parts that were in a try

	prepared, preparing bool
	suspects            map[council.MemberID]int

	locks     []council.Lock // this node's own, in order
	locking   common.Hash    // a lock for this try is being written
	asked     council.Lock   // ... this one
	denied    time.Time      // ... and the disk has not taken it
	four      common.Hash    // the try for which it is to say last-four
	refusals  map[common.Hash]map[council.MemberID]council.Refusal
	refusing  map[common.Hash]bool      // own refusals that are being written
	unwritten map[common.Hash]unwritten // ... and those of them that the disk has not taken
	aborts    map[common.Hash]council.AbortCertificate
	shown     map[council.MemberID]bool           // whose fork the node has been told of
	disowned  map[common.Hash]council.Certificate // of tries that were over here, by the try's id

	certificate         *council.Certificate
	sw                  council.Switch
	switching, switched bool
	erasing             bool
	erasures            map[council.MemberID]council.Erasure

	out       []Effect
	now, wake time.Time
	said      time.Time     // last word to all
	pause     time.Duration // until the next: longer, the longer there is nothing new
	reminded  time.Time
	passedOn  time.Time
	tried     time.Time // to switch or to erase
	replied   map[council.MemberID]time.Time
	status    string // as it was told last
	stage     RotationStage
}

// readyKey tells the two nodes of one member apart.
type readyKey struct {
	member council.MemberID
	old    bool
}

// NewRotation makes a rotation from what is on disk.
func NewRotation(c RotationConfig, p RotationPast) (*Rotation, error) {
	if c.Timing == (Timing{}) {
		c.Timing = Defaults()
	}
	r := &Rotation{
		RotationConfig: c,
		agreed:         map[common.Hash]heard{}, charters: map[common.Hash]CharterKnown{}, heralded: map[common.Hash]common.Hash{}, files: map[common.Hash]*dossier{}, staged: map[common.Hash]StagedShare{},
		ready: map[readyKey]RotationReady{}, suspects: map[council.MemberID]int{},
		refusals: map[common.Hash]map[council.MemberID]council.Refusal{}, refusing: map[common.Hash]bool{}, unwritten: map[common.Hash]unwritten{},
		aborts: map[common.Hash]council.AbortCertificate{}, shown: map[council.MemberID]bool{}, erasures: map[council.MemberID]council.Erasure{}, disowned: map[common.Hash]council.Certificate{},
		replied: map[council.MemberID]time.Time{},
	}
	m, ok := c.Holding.Roster.Member(c.Self)
	r.old = ok && m.Peer == c.Peer
	r.refresh()
	return r, r.load(p)
}

// load folds in the past. A try that this process has not begun is over for it,
// unless its share is staged.
func (r *Rotation) load(p RotationPast) error {
	for _, k := range p.Charters {
		r.charters[k.Charter] = k
	}
	for _, h := range p.Heard {
		digest, err := r.sound(h) // what was taken up once stays so
		if err == nil {
			_, err = r.agree(digest, h)
		}
		if x := r.agreed[digest]; err == nil && h.Seen < x.seen { // recounted
			x.seen = h.Seen
			r.agreed[digest] = x
		}
		if err != nil {
			return fmt.Errorf("rotation: %w", err)
		}
	}
	r.locks = p.Locks
	for _, t := range p.Tries {
		d := r.open(t, "")
		if d == nil {
			return fmt.Errorf("rotation: the succession of try %s is not on disk", t.ID().Hex())
		}
		d.restarted = true
		r.last(t.ID())
	}
	for _, g := range p.Grounds {
		r.merge(g, r.Self)
	}
	for _, s := range p.Staged {
		r.staged[s.Ceremony] = s
		if d := r.files[s.Ceremony]; d != nil {
			d.ack(AckWord{s.Transcript, s.Signature})
		}
	}
	for _, x := range p.Refusals { // also of what this process has not heard of yet
		r.note(x)
	}
	for _, a := range p.Aborts {
		r.aborts[a.Subject] = a
		for _, x := range a.Refusals {
			r.note(x)
		}
	}
	for _, c := range p.Disowned {
		r.disowned[c.Rotation.ID()] = c
	}
	if p.Erasure != nil {
		r.erasures[p.Erasure.Member] = *p.Erasure
	}
	if p.Certificate != nil {
		s := p.Switch
		if !s.ProvenBy(*p.Certificate) {
			var err error
			if s, err = council.VerifyCertificate(r.Holding, r.Profile, *p.Certificate); err != nil {
				return fmt.Errorf("rotation: certificate on disk: %w", err)
			}
		}
		r.certificate, r.sw, r.switched = p.Certificate, s, true
	}
	r.out = nil
	return nil
}

// Step takes one event and returns what is to be done, in order.
func (r *Rotation) Step(ev Event, now time.Time) []Effect {
	r.now, r.wake, r.out = now, time.Time{}, nil
	r.recount()
	switch ev := ev.(type) {
	case SuccessionAgreed:
		r.herald(ev.Succession)
	case PeerUp:
		r.met(ev.Member)
	case PeerDown:
		delete(r.ready, readyKey{ev.Member, true})
		delete(r.ready, readyKey{ev.Member, false})
	case Said:
		r.hear(ev.From, ev.Message)
	case ParamsMade:
		r.preparing = false
		if r.prepared = ev.Err == nil; !r.prepared {
			r.do(Notify{What: "rotation", Text: fmt.Sprintf("pre-parameters: %v", ev.Err)})
		}
	case Reshared:
		r.reshared(ev)
	case ShareStaged:
		r.shareStaged(ev)
	case Signed:
		r.tested(ev)
	case Failed:
		r.failed(ev)
	case Stalled:
		r.failed(ev.failed(r.Self))
	case Waits:
		r.waitsFor(ev)
	case LockWritten:
		r.lockWritten(ev)
	case LockRefused:
		r.lockRefused(ev)
	case LedgerWeighed:
		r.weighed(ev)
	case RefusalWritten:
		r.refusalWritten(ev)
	case CharterKnown:
		r.knowsCharter(ev)
	case NodeFrozen:
		r.Frozen = ev.Reason
		r.soon()
	case AbortWanted:
		r.abortWanted(ev)
	case LastFourWanted:
		r.lastFourWanted()
	case ShareSwitched:
		r.shareSwitched(ev)
	case ShareErased:
		r.shareErased(ev)
	}
	r.reconcile()
	out := r.out
	r.out = nil
	return out
}

// Wake is when the next Tick is due; zero when nothing waits for time alone.
func (r *Rotation) Wake() time.Time { return r.wake }

// Signs is the version of the roster under which this node may sign now; ok is false
// while it may not: it has locked, or holds no share.
func (r *Rotation) Signs() (roster uint64, ok bool) {
	switch {
	case r.switched:
		_, receives := r.roles(r.certificate.Succession)
		return r.sw.After().Roster.Version, receives
	case r.certificate != nil:
		return 0, false
	}
	_, locked := r.Locked()
	return r.Holding.Roster.Version, r.old && !locked
}

// Locked is the try that this node has locked for, from the moment on when it asks
// for the lock to be written. A lock for a try that it knows nothing else of counts, too:
// a crash may have come between the two when it took back what it had forgotten.
func (r *Rotation) Locked() (ceremony common.Hash, ok bool) {
	if r.locking != (common.Hash{}) {
		return r.locking, true
	}
	for _, l := range slices.Backward(r.locks) {
		if d := r.files[l.Ceremony]; !r.over(l.Ceremony) && (d == nil || !r.ended(d)) {
			return l.Ceremony, true
		}
	}
	return common.Hash{}, false
}

// Switched is the proof under which this node works, once it has switched.
func (r *Rotation) Switched() (council.Switch, bool) { return r.sw, r.switched }

// roles says what this node is in a succession: a holder of an old share, a
// receiver of a new one.
func (r *Rotation) roles(s council.Succession) (old, receives bool) {
	m, ok := s.Roster.Member(r.Self)
	return r.old, ok && m.Peer == r.Peer
}

// refresh makes a new random part. The one before was in a try, or may have been.
func (r *Rotation) refresh() {
	r.spent++
	r.random = crypto.Keccak256Hash([]byte("millicent/rotation-part/1\x00"), r.Seed[:], []byte(r.Self), []byte(fmt.Sprint(r.spent, r.old)))
}

func (r *Rotation) do(e ...Effect) { r.out = append(r.out, e...) }

// soon has everything said again at once: there is news.
func (r *Rotation) soon() { r.said, r.pause = time.Time{}, r.Timing.Retry }

// due reports whether d has passed since t, and asks for a Tick when it has not.
func (r *Rotation) due(t time.Time, d time.Duration) bool {
	if t.IsZero() || !r.now.Before(t.Add(d)) {
		return true
	}
	if end := t.Add(d); r.wake.IsZero() || end.Before(r.wake) {
		r.wake = end
	}
	return false
}

// every reports whether d has passed since *t, and begins to count anew.
func (r *Rotation) every(t *time.Time, d time.Duration) bool {
	if !r.due(*t, d) {
		return false
	}
	*t = r.now
	r.due(*t, d)
	return true
}
