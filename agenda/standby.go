package agenda

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/millicent-one/signer/council"
)

// Standby says how many slots are kept ready. With a slot, a signature takes
// milliseconds after the last approval instead of seconds.
type Standby struct {
	Depth int           // slots for each set of signers; 0 turns standby off
	TTL   time.Duration // how long a slot may wait; at least LeastTTL
	Seed  common.Hash   // secret, drawn when the process starts: this node's parts of slot ids follow from it
}

// standby is the stock of slots. The node holds what they consist of; here is
// which there are, and which are wanted. Any four members together can have
// some: one of the four, computed by all alike, leads and sees that there are
// enough.
type standby struct {
	Standby
	sets   []*signerSet // that this node belongs to, in an order of its own
	byKey  map[string]*signerSet
	all    [][]council.MemberID // every set of the council, in one order for all
	drawn  uint64
	bits   map[council.MemberID][]byte // which of all each member says is ready
	told   []byte
	toldAt time.Time
	quiet  time.Time // the last time that live work was seen
	shown  int       // sets that people were told are warm
	// how often sets with a member have failed since one of them was made
	trouble map[council.MemberID]int
}

// signerSet is one set of signers with this node among them.
type signerSet struct {
	members []council.MemberID
	index   int // among all sets
	leader  council.MemberID
	slots   []readySlot // oldest first
	call    *armCall    // this node leads, and has called for one more
	pledge  *armPledge  // this node has answered another's call
	arming  council.SessionID
	since   time.Time // of arming
	tried   time.Time // the last call of this node's
	silent  Waits     // in it
	rest    time.Time // not before: the last try failed, or a slot was lost
	fails   int       // in a row
	lost    int       // slots in a row that another member said it had lost, or did not name
}

type readySlot struct {
	id council.SessionID
	at time.Time
}

type armCall struct {
	random  common.Hash // names the call
	answers map[council.MemberID]common.Hash
	at      time.Time
}

type armPledge struct {
	call, random common.Hash
	at           time.Time
}

func newStandby(self council.MemberID, r council.Roster, c Standby) *standby {
	s := &standby{Standby: c, byKey: map[string]*signerSet{}, bits: map[council.MemberID][]byte{}, trouble: map[council.MemberID]int{}}
	if c.Depth <= 0 || choose(len(r.Members), r.Threshold) > MaxSets {
		s.Depth = 0
		return s
	}
	combine(r.IDs(), r.Threshold, func(set []council.MemberID) {
		if slices.Contains(set, self) {
			x := &signerSet{members: set, index: len(s.all), leader: leaderOf(set)}
			s.sets = append(s.sets, x)
			s.byKey[setKey(set)] = x
		}
		s.all = append(s.all, set)
	})
	// Leaders start at different places, or all would want the same members.
	slices.SortFunc(s.sets, func(x, y *signerSet) int { return strings.Compare(mixed(self, x), mixed(self, y)) })
	return s
}

func mixed(self council.MemberID, s *signerSet) string {
	return string(crypto.Keccak256([]byte(self), []byte(setKey(s.members))))
}

// random is a part of a slot's id: unknown to others, and never the same twice.
func (s *standby) random() common.Hash {
	s.drawn++
	return crypto.Keccak256Hash([]byte("millicent/arm-random/1\x00"), s.Seed[:], binary.BigEndian.AppendUint64(nil, s.drawn))
}

// tendStandby looks after the stock: what is too old goes, and what is missing
// is called for, by its leader, when the council is at rest.
func (a *Agenda) tendStandby() {
	s := a.standby
	if s.Depth == 0 {
		return
	}
	if s.quiet.IsZero() {
		s.quiet = a.now // the others may only just have started, too
	}
	if a.busy() {
		// Nothing of this is urgent, and somebody waits for a signature.
		s.quiet = a.now
		return
	}
	a.tellStock()
	for _, set := range s.sets {
		a.expireSlots(set)
		a.dropLacking(set)
	}
	if w := a.Warm(); w.Ready != s.shown {
		s.shown = w.Ready
		a.do(Notify{What: "standby", Text: fmt.Sprintf("%d of %d sets of signers are warm", w.Ready, w.Sets)})
	}
	if a.genesis == nil || a.watching != "" || !a.due(s.quiet, a.timing.Quiet) {
		return
	}
	a.callForSlots()
}

// busy reports whether something is being signed, or will be at any moment.
func (a *Agenda) busy() bool {
	for _, l := range a.every() {
		if l.try != nil || l.plan != nil {
			return true
		}
	}
	return a.ceremony != nil
}

func (a *Agenda) allOnline(set []council.MemberID) bool {
	for _, m := range set {
		who, ok := a.roster.Member(m)
		if !ok || !a.online[m] || a.convicted[m] || a.still(m) || !who.Term.Holds(unix(a.now)) {
			return false
		}
	}
	return true
}

func (a *Agenda) toSet(set *signerSet, m Message) {
	for _, to := range set.members {
		if to != a.self {
			a.do(Send{To: to, Message: m})
		}
	}
}

func (s *signerSet) taken() bool {
	return s.call != nil || s.pledge != nil || s.arming != (council.SessionID{})
}

func (s *signerSet) have() []council.SessionID {
	out := make([]council.SessionID, len(s.slots))
	for i, x := range s.slots {
		out[i] = x.id
	}
	return out
}

// expireSlots ends what waits too long: slots, calls, pledges and sessions.
func (a *Agenda) expireSlots(set *signerSet) {
	set.slots = slices.DeleteFunc(set.slots, func(x readySlot) bool {
		old := a.due(x.at, a.standby.TTL)
		if old {
			set.lost = 0
			a.do(DropSlot{x.id})
		}
		return old
	})
	if c := set.call; c != nil && a.due(c.at, a.timing.Hold) {
		set.call = nil
		a.standby.later(set, a.now)
	}
	if p := set.pledge; p != nil && a.due(p.at, a.timing.Hold) {
		set.pledge = nil
	}
	if set.arming != (council.SessionID{}) && a.due(set.since, a.timing.Arming) {
		text := fmt.Sprintf("slot of %s: not ready after %s", council.Names(set.members), a.timing.Arming)
		if who := set.silent.String(); who != "" {
			text += ": " + who
		}
		a.do(Abort{Session: set.arming}, Notify{What: "arming-failed", Text: text, Waiting: set.silent.Waiting})
		set.arming = council.SessionID{}
		a.standby.later(set, a.now)
	}
}

// later spaces out what keeps failing, up to a quarter of an hour: far longer than a try
// that fails by silence.
func (s *standby) later(set *signerSet, now time.Time) {
	set.fails = min(set.fails+1, 10)
	set.restUntil(now.Add(time.Second << set.fails))
	for _, m := range set.members {
		s.trouble[m]++
	}
}

// signerSetOf finds a set of this node's by its members, sorted.
func (a *Agenda) signerSetOf(members []council.MemberID) *signerSet {
	if len(members) != a.roster.Threshold {
		return nil
	}
	return a.standby.byKey[setKey(members)]
}

func (a *Agenda) standbySaid(from council.MemberID, m Message) {
	if a.standby.Depth == 0 {
		return
	}
	switch m := m.(type) {
	case ArmCall:
		a.armCalled(from, m)
	case ArmAnswer:
		a.armAnswered(from, m)
	case ArmBegin:
		a.armBegun(from, m)
	case Stock:
		if len(m.Ready) <= (len(a.standby.all)+7)/8 {
			a.standby.bits[from] = bytes.Clone(m.Ready)
		}
	}
}

// dropLacking drops, in a set that this node leads, what another member says it
// has lost. A slot that is only just ready may not be in the other's word yet.
func (a *Agenda) dropLacking(set *signerSet) {
	if set.leader != a.self || len(set.slots) == 0 {
		return
	}
	for _, m := range set.members {
		if !a.standby.says(m, set.index) && a.due(set.slots[len(set.slots)-1].at, 3*a.timing.Quiet) {
			a.dropLost(set, nil)
			return
		}
	}
}

// dropLost drops all slots of a set but those that another member has, too. A member that
// loses each, or says so, has the others make new ones ever more rarely; where the last one
// has become as old as a slot may anywhere, it may have been too old there. A slot is ready
// at all within Arming, so it is older elsewhere by that at most.
func (a *Agenda) dropLost(set *signerSet, ids []council.SessionID) {
	i := slices.IndexFunc(set.slots, func(x readySlot) bool { return !slices.Contains(ids, x.id) })
	if i < 0 {
		return
	}
	if a.due(set.slots[i].at, LeastTTL-a.timing.Arming) {
		set.lost = 0
	} else {
		set.restUntil(a.now.Add(10 * time.Second << set.lost))
		set.lost = min(set.lost+1, 8)
	}
	a.keepOnly(set, ids)
}

// restUntil has no slot of a set called for before a time. What fails in between makes no
// earlier one of it.
func (s *signerSet) restUntil(t time.Time) {
	if t.After(s.rest) {
		s.rest = t
	}
}

// says reports whether a member has said that it has a slot of a set.
func (s *standby) says(m council.MemberID, set int) bool {
	b := s.bits[m]
	return set/8 < len(b) && b[set/8]&(1<<(set%8)) != 0
}

// keepOnly drops all slots of a set but those named.
func (a *Agenda) keepOnly(set *signerSet, ids []council.SessionID) {
	set.slots = slices.DeleteFunc(set.slots, func(x readySlot) bool {
		gone := !slices.Contains(ids, x.id)
		if gone {
			a.do(DropSlot{x.id})
		}
		return gone
	})
}

// slotReady takes up a slot that all four have armed.
func (a *Agenda) slotReady(ev SlotArmed) {
	set := a.armingSet(ev.Session)
	if set == nil {
		a.do(DropSlot{ev.Session})
		return
	}
	set.arming = council.SessionID{}
	set.fails = 0
	for _, m := range set.members {
		delete(a.standby.trouble, m)
	}
	set.slots = append(set.slots, readySlot{ev.Session, a.now})
}

// armFailed learns that a slot was not made.
func (a *Agenda) armFailed(ev Failed) bool {
	set := a.armingSet(ev.Session)
	if set == nil {
		return false
	}
	set.arming = council.SessionID{}
	a.standby.later(set, a.now)
	text := fmt.Sprintf("slot of %s: %v%s", council.Names(set.members), ev.Err, blame(ev))
	a.do(Notify{What: "arming-failed", Text: council.Readable(text, council.MaxReason)})
	return true
}

// slotFor is the slot that a coordinator names: the oldest of the set that will
// not be too old a moment later, by another clock. Zero when there is none.
func (a *Agenda) slotFor(signers []council.MemberID) council.SessionID {
	if set := a.signerSetOf(signers); set != nil {
		for _, x := range set.slots {
			if a.now.Add(a.timing.Hold).Before(x.at.Add(a.standby.TTL)) {
				return x.id
			}
		}
	}
	return council.SessionID{}
}

// spend takes a slot out of the stock; whatever comes of it, it is gone.
func (a *Agenda) spend(signers []council.MemberID, id council.SessionID) bool {
	set := a.signerSetOf(signers)
	if set == nil || id == (council.SessionID{}) {
		return false
	}
	i := slices.IndexFunc(set.slots, func(x readySlot) bool { return x.id == id })
	if i < 0 {
		return false
	}
	set.slots = slices.Delete(set.slots, i, i+1)
	set.lost, set.rest = 0, time.Time{} // all four are there
	return true
}

// standbyWithout drops what a member's new process has forgotten, or, when its
// node is merely away, what was under way with it.
func (a *Agenda) standbyWithout(m council.MemberID, forgotten bool) {
	for _, set := range a.standby.sets {
		if !slices.Contains(set.members, m) {
			continue
		}
		set.call, set.pledge = nil, nil
		if set.arming != (council.SessionID{}) {
			a.do(Abort{Session: set.arming})
			a.standby.later(set, a.now) // or who leaves in the middle of each would cost more than who is silent
			set.arming = council.SessionID{}
		}
		if forgotten {
			a.keepOnly(set, nil)
		}
	}
	if forgotten {
		delete(a.standby.bits, m)
	}
}

// dropStandby ends the whole stock: its share epoch is over, or this node may
// not sign.
func (a *Agenda) dropStandby() {
	for _, m := range a.roster.IDs() {
		a.standbyWithout(m, true)
	}
}

// tellStock says to all which sets are ready here, when that has changed.
func (a *Agenda) tellStock() {
	s := a.standby
	ready := make([]byte, (len(s.all)+7)/8)
	for _, set := range s.sets {
		if len(set.slots) > 0 {
			ready[set.index/8] |= 1 << (set.index % 8)
		}
	}
	s.bits[a.self] = ready
	// Not in the middle of an attempt: who hears of a slot that was just fired
	// would drop its own.
	if bytes.Equal(ready, s.told) || !a.due(s.toldAt, a.timing.Quiet) || !a.due(s.quiet, a.timing.Quiet) {
		return
	}
	s.told, s.toldAt = ready, a.now
	a.do(Send{Message: Stock{Ready: ready}})
}

// Warm is what people are shown of the stock.
type Warm struct {
	Depth   int
	Sets    int                      // sets of signers in the council
	Ready   int                      // of which all members say that they have a slot
	Members map[council.MemberID]int // likewise, of the sets that a member is in
	Own     int                      // sets of this node with a slot
	Arming  int                      // under way at this node
	Silent  []council.MemberID       // whom those wait for, sorted
}

// Warm tells how much is ready.
func (a *Agenda) Warm() Warm {
	s := a.standby
	w := Warm{Depth: s.Depth, Sets: len(s.all), Members: map[council.MemberID]int{}}
	for _, m := range a.roster.IDs() {
		w.Members[m] = 0
	}
	for i, set := range s.all {
		ready := true
		for _, m := range set {
			ready = ready && s.says(m, i)
		}
		if ready {
			w.Ready++
			for _, m := range set {
				w.Members[m]++
			}
		}
	}
	for _, set := range s.sets {
		if len(set.slots) > 0 {
			w.Own++
		}
		if set.arming != (council.SessionID{}) {
			w.Arming++
			w.Silent = append(w.Silent, set.silent.Waiting...)
		}
	}
	w.Silent = slices.Compact(council.Sorted(w.Silent))
	return w
}

// Slots lists the slots in stock, for tests and for what must be dropped.
func (a *Agenda) Slots() []council.SessionID {
	var out []council.SessionID
	for _, set := range a.standby.sets {
		out = append(out, set.have()...)
	}
	return slices.SortedFunc(slices.Values(out), func(x, y council.SessionID) int { return bytes.Compare(x[:], y[:]) })
}
