package node

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/agenda"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/tss"
)

// ErrSwitched ends Run: the next roster holds the key, and all that this node is
// made from is another. Whoever owns it makes a new one from the same disk, which
// is what happens after a crash as well.
var ErrSwitched = errors.New("the roster has changed: the node starts anew under the next one")

// shift is what a node holds during a rotation of shares, beside what the machine
// knows. Owned by the goroutine of Run.
type shift struct {
	rotation *agenda.Rotation // nil before there is a key, and where the council has no profile
	book     *rotationBook
	params   *tss.PreParams
	cancel   context.CancelFunc // of the search for pre-parameters
	public   publicNumbers      // of a node without a share
	made     *freshShare        // by the session that ended last
	shares   map[common.Hash]*tss.Share
	sessions map[council.SessionID]bool // that the machine has started
	barred   bool                       // as the bar and the agenda were told
	charters []agenda.CharterKnown      // of the texts of charters that this node has, beside its own
	weighed  time.Time                  // when the rows of the ledger were last read through
	halted   string                     // why this process does no more of it; "" while it does
}

// freshShare is a share that is in memory alone.
type freshShare struct {
	session council.SessionID
	share   *tss.Share
}

// openRotation makes the machine from what is on disk, once there is a key. A
// rotation that is committed is gone through to its end, erasure included, before
// there can be another.
func (n *Node) openRotation() error {
	if n.shift.rotation != nil || len(n.profile.Seats) == 0 || n.standing.Genesis == nil {
		return nil
	}
	h := n.standing.Holding()
	if k := len(n.standing.Switches); k > 0 {
		last := n.standing.Switches[k-1].Before()
		book, err := openRotationBook(n.journal, last.Roster.Version)
		if err != nil {
			return err
		}
		next, err := openRotationBook(n.journal, h.Roster.Version)
		if err != nil {
			return err
		}
		if next.records == 0 { // nobody has brought the next succession
			h, n.shift.book = last, book
		}
	}
	return n.openRotationFrom(h)
}

func (n *Node) openRotationFrom(h council.Holding) (err error) {
	s := &n.shift
	if s.book == nil || s.book.roster != h.Roster.Version {
		if s.book, err = openRotationBook(n.journal, h.Roster.Version); err != nil {
			return err
		}
	}
	if err := n.loadStaged(); err != nil {
		return err
	}
	n.recallCharters(s.book.past.Heard)
	past := s.book.past
	past.Charters = s.charters
	if k := len(n.standing.Switches); k > 0 {
		past.Switch = n.standing.Switches[k-1]
	}
	var seed common.Hash
	rand.Read(seed[:])
	ledger, err := n.weighed()
	if err != nil {
		return err
	}
	earlier, since := n.standing.until(h.Roster.Version)
	s.rotation, err = agenda.NewRotation(agenda.RotationConfig{
		Self: n.self, Peer: n.peerID, Holding: h, Earlier: earlier, Since: since, Profile: n.profile, Timing: n.timing, Seed: seed, Shareless: n.share == nil,
		Charter: n.charter.Hash(), Frozen: n.agenda.Stopped(), Ledger: ledger,
	}, past)
	if err != nil {
		s.rotation = nil
		return err
	}
	if sw, ok := s.rotation.Switched(); ok {
		n.recallErased(sw)
	}
	n.gate()
	return nil
}

// loadStaged opens the shares of the tries on disk. One whose record is there and
// whose bytes are not would be a disk of two times.
func (n *Node) loadStaged() error {
	n.shift.shares = map[common.Hash]*tss.Share{}
	if n.shift.book.past.Certificate != nil {
		return nil // they have gone where the switch put them
	}
	for _, st := range n.shift.book.past.Staged {
		if n.shift.book.still(st.Ceremony) {
			continue
		}
		share, err := n.stagedShare(st.Ceremony)
		if err != nil {
			return council.WithHint(fmt.Errorf("staged share of try %s: %w", st.Ceremony.Hex(), err), "the data directory is of two different times: restore it as a whole")
		}
		n.shift.shares[st.Ceremony] = share
	}
	return n.sweep(n.shift.book.past, true)
}

func (n *Node) stagedShare(ceremony common.Hash) (*tss.Share, error) {
	b, err := n.keystore.Get(stagedName(ceremony))
	if err != nil {
		return nil, err
	}
	defer clear(b)
	return tss.UnmarshalShare(b)
}

// stagedName is under which name the keystore holds the share of a try.
func stagedName(ceremony common.Hash) string { return fmt.Sprintf("staged-%x", ceremony[:16]) }

// rotate gives the machine an event and does what it asks for. What can't be
// written ends it: nothing after that is done, and this process signs nothing more.
func (n *Node) rotate(ev agenda.Event) {
	if n.open != nil { // it has durable steps of its own
		n.calls.post(func() { n.rotate(ev) })
		return
	}
	queue := []agenda.Event{ev}
	for len(queue) > 0 && n.shift.rotation != nil {
		effects := n.shift.rotation.Step(queue[0], n.now())
		queue = queue[1:]
		for _, e := range effects {
			answers, err := n.carryOut(e)
			if err != nil {
				n.halt(err)
				return
			}
			queue = append(queue, answers...)
		}
	}
	n.gate()
}

// halt stops the rotation of this process. On disk it is as far as it is, and the
// next process goes on from there.
func (n *Node) halt(err error) {
	n.log.Error("rotation", "err", err, "hint", council.Hint(err))
	for id := range n.shift.sessions {
		n.end(id)
	}
	n.shift.rotation = nil
	n.shift.halted = "the rotation can't be written down: " + err.Error()
	n.bar.set(true)
	n.watch(n.shift.halted)
	n.notify(agenda.Notify{What: "rotation-failed", Text: n.shift.halted + "; " + mendIt})
}

// gate lets this node sign or keeps it from it, as the rotation says, and ends its
// run when it has another roster.
func (n *Node) gate() {
	r := n.shift.rotation
	if r == nil {
		return
	}
	defer n.letIn()
	if sw, ok := r.Switched(); ok && n.goesOn(sw) {
		n.bar.set(true)
		n.agenda.Watch(ErrSwitched.Error())
		n.shed()
		if n.freezeHolds() {
			n.cancel(ErrSwitched)
		}
		return
	}
	roster, may := r.Signs()
	barred := !may || roster != n.holding.Roster.Version
	if !n.holds() { // nothing to keep from signing; but what is down stays down
		barred = n.shift.barred
	}
	if barred == n.shift.barred {
		if !n.holds() && n.agenda.Watching() == "" { // it has erased its share
			n.agenda.Watch(n.idle())
		}
		return
	}
	n.shift.barred = barred
	n.bar.set(barred)
	if barred {
		n.agenda.Watch(locked)
		n.shed()
		return
	}
	if !n.restoring() {
		n.agenda.Watch(n.idle())
		n.step(agenda.Tick{})
	}
}

// goesOn reports whether this node has to be made anew after a switch: it is in the
// next roster, or was a guest of the one before and is one of the next. Who leaves
// stays under the roster that it was in.
func (n *Node) goesOn(sw council.Switch) bool {
	stays := seated(sw.After().Roster, n.self, n.peerID) || !seated(sw.Before().Roster, n.self, n.peerID)
	return stays && n.holding.Roster.Version < sw.After().Roster.Version
}

// adopt takes up a birth record that others' feeds have brought: a joiner has no
// other way to know of the key.
func (n *Node) adopt() {
	g := n.agenda.Genesis()
	if g == nil || n.standing.Genesis != nil || n.open != nil {
		return
	}
	if err := n.saveGenesis(metaGenesis, *g); err != nil {
		n.log.Error("write birth record", "err", err)
		return
	}
	n.born(*g)
	n.address.Store(&g.Key)
	if err := n.openRotation(); err != nil {
		n.halt(err)
		return
	}
	n.takeEarly()
}

// knowCharter takes up what follows from the text of a charter that this node has, as
// the policy of the one in force says. It may be told before there is a rotation.
func (n *Node) knowCharter(k agenda.CharterKnown) {
	s := &n.shift
	s.charters = append(slices.DeleteFunc(s.charters, func(o agenda.CharterKnown) bool { return o.Charter == k.Charter }), k)
	if s.rotation != nil {
		n.rotate(k)
	}
}

// holds reports whether this node has a share of the epoch in force.
func (n *Node) holds() bool { return n.share != nil }

// idle says why this node signs nothing although it has caught up, or "".
func (n *Node) idle() string {
	switch {
	case n.shift.barred:
		return locked
	case n.ahead > 0:
		return fmt.Sprintf("the share of this node is of epoch %d, and its journal knows of epoch %d: it waits for what the others pass on", n.ahead, n.holding.Epoch)
	case n.share == nil:
		return noShare
	}
	return ""
}

// patience is how long a session waits for silent members, as the machine says that has
// ordered it.
func (n *Node) patience(id council.SessionID, members []council.MemberID) agenda.Patience {
	if n.shift.rotation != nil && n.shift.sessions[id] {
		return n.shift.rotation.Patience()
	}
	return n.agenda.Patience(id, members)
}

// route gives the machine what it has to hear of the events of the agenda.
func (n *Node) route(ev agenda.Event) {
	n.adopt()
	if n.shift.rotation == nil {
		return
	}
	switch ev := ev.(type) {
	case agenda.PeerUp:
		n.rotate(ev)
		n.seekCharters(ev.Member)
	case agenda.PeerDown:
		n.rotate(ev)
	case agenda.Tick:
		if at := n.shift.rotation.Wake(); !at.IsZero() && !n.now().Before(at) {
			n.weigh()
			n.rotate(ev)
		}
	case agenda.Said:
		switch m := ev.Message.(type) {
		case agenda.Herald:
			n.passOn(ev.From, func(sw council.Switch) bool { return sw.After().Roster.Version >= m.Succession.Roster.Version })
			n.nextRotation(m.Succession)
			n.herald(ev)
			n.seekCharters(ev.From)
		case agenda.CertificateMessage: // who was away for all of a rotation hears of it by this alone
			n.nextRotation(m.Certificate.Succession)
			n.rotate(ev)
		case agenda.ErasureMessage:
			n.heardErasure(m.Erasure)
			n.rotate(ev)
		case agenda.RotationReady, agenda.RotationBegin, agenda.RotationFailed, agenda.Dossier, agenda.AbortMessage:
			n.rotate(ev)
		}
	case agenda.Signed:
		if n.shift.sessions[ev.Session] {
			n.rotate(ev)
		}
	case agenda.Failed:
		if n.shift.sessions[ev.Session] {
			n.rotate(ev)
		}
	case agenda.Stalled:
		if n.shift.sessions[ev.Session] {
			n.rotate(ev)
		}
	case agenda.Waits:
		if n.shift.sessions[ev.Session] {
			n.rotate(ev)
		}
	}
}

// herald gives the machine a succession that a member passes on. What a lock could say is
// weighed for one that is news, and otherwise once in a while: all rows are read for it, and
// a member may pass on as many as it likes.
func (n *Node) herald(ev agenda.Said) {
	if n.now().Sub(n.shift.weighed) >= weighEvery {
		n.weigh()
	}
	before := n.heard()
	n.rotate(ev)
	if n.heard() != before {
		n.weigh()
	}
}

// heard counts the successions that may still come about.
func (n *Node) heard() int {
	if n.shift.rotation == nil {
		return 0
	}
	return len(n.shift.rotation.Successions())
}

// nextRotation gives up a machine whose rotation is over for a succession that
// follows it. Until an old share that has to go is erased there is none; one that is kept,
// since an abort contradicts the switch, keeps nobody from putting out those who gave both.
func (n *Node) nextRotation(s council.Succession) {
	sw, ok := n.shift.rotation.Switched()
	next := sw.After().Roster.Version
	if !ok || s.Roster.Version != next+1 || n.holding.Roster.Version != next {
		return
	}
	if !sw.Rotation().Still() && n.shift.book.past.Erasure == nil && seated(sw.Before().Roster, n.self, n.peerID) && !n.shift.rotation.KeepsOld() {
		return
	}
	if s.Verify(n.holding.Roster, n.profile) != nil {
		return
	}
	n.shift.rotation, n.shift.book, n.shift.charters = nil, nil, nil
	if err := n.openRotationFrom(n.holding); err != nil {
		n.halt(err)
	}
}
