package agenda

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/council"
)

// proclaim is how the council comes to say, under its own key, that the roster in force
// holds it (council.Proclamation). It is for the public alone: nothing waits for it,
// live work goes first, and a council in which it can't be made goes on without it.
//
// Each node tells the others that it is ready, with a part of the next session's id.
// The first of those who are leads, and the others after it in turn, each a few times
// and no more: so whatever a member does, it comes to an end. The id has a fresh part
// of every signer, so nobody, restarted or not, is ever in one session twice. The
// signature goes into the feeds of those who have made it, where it is durable and
// from where everybody gets it.
type proclaim struct {
	wanted  bool                            // the roster in force is not the first
	done    map[uint64]council.Proclamation // that the council's key has signed, by version of the roster
	part    common.Hash                     // this node's part of the next session's id
	ready   map[council.MemberID]common.Hash
	led     map[council.MemberID]int    // tries that each has led, as far as this node has heard
	heard   map[string]int              // tries of each set of signers, whoever led
	parted  map[[2]council.MemberID]int // how often two have failed together
	try     *proclaimTry                // that this node is in
	turn    time.Time                   // since when enough are ready
	rest    time.Time                   // nobody leads before
	tries   int
	failed  string // why the last one did
	said    time.Time
	pause   time.Duration
	givenUp bool // and people were told
}

// proclaimTry is one session.
type proclaimTry struct {
	session council.SessionID
	signers []council.MemberID
	since   time.Time
}

// ProclaimReady tells that this node can take part in the proclamation of a roster.
type ProclaimReady struct {
	Roster common.Hash
	Random common.Hash // this node's part of the next session's id
}

// ProclaimBegin opens a try at it. Those who don't sign hear it as well, and leave the
// signers in peace. Parts are those of the signers, in their order.
type ProclaimBegin struct {
	Roster  common.Hash
	Signers []council.MemberID // as many as the threshold, sorted
	Parts   []common.Hash
}

func (ProclaimReady) tag() uint8 { return tagProclaimReady }
func (ProclaimBegin) tag() uint8 { return tagProclaimBegin }

func newProclaim(first council.Roster, inForce common.Hash) (*proclaim, error) {
	h, err := first.Hash()
	return &proclaim{wanted: h != inForce, done: map[uint64]council.Proclamation{}, ready: map[council.MemberID]common.Hash{}, led: map[council.MemberID]int{}, heard: map[string]int{}, parted: map[[2]council.MemberID]int{}}, err
}

// Proclamation is what the council's key has signed about the roster in force; if that
// is missing, why says so, and who or what it waits for. Both are zero before there is
// a key and under the first roster, which the birth record is about.
func (a *Agenda) Proclamation() (p council.Proclamation, ok bool, why string) {
	if p, ok = a.proclaim.done[a.roster.Version]; ok || !a.proclaims() {
		return p, ok, ""
	}
	return p, false, a.unproclaimed()
}

// Proclaimed are the proclamations of this council's rosters that this node knows, in
// order.
func (a *Agenda) Proclaimed() (out []council.Proclamation) {
	for _, v := range slices.Sorted(maps.Keys(a.proclaim.done)) {
		out = append(out, a.proclaim.done[v])
	}
	return out
}

// proclaims reports whether the roster in force is one to proclaim.
func (a *Agenda) proclaims() bool {
	return a.proclaim.wanted && a.genesis != nil && !a.guest
}

// unproclaimed says why there is no proclamation yet.
func (a *Agenda) unproclaimed() string {
	x := a.proclaim
	text := fmt.Sprintf("the council has not signed yet that roster %d holds its key", a.roster.Version)
	switch willing := a.proclaimers(); {
	case a.watching != "" || a.still(a.self):
		return text + "; this node takes no part"
	case x.try != nil:
		return text + ": " + council.Names(x.try.signers) + " are about to"
	case len(a.leaders(a.roster.IDs())) == 0:
		return fmt.Sprintf("%s, and this node has given it up after %d tries, the last of which failed: %s. The council works without it; to try again, start the nodes anew", text, x.tries, x.failed)
	case len(willing) < a.roster.Threshold:
		return fmt.Sprintf("%s: %d of %d nodes are ready (%s); it goes on without, and signs it when there are enough", text, len(willing), a.roster.Threshold, council.Names(willing))
	case x.failed != "":
		return text + "; the last try failed: " + x.failed
	}
	return text
}

// proclaimers are the members whose nodes can take part now, in the roster's order.
func (a *Agenda) proclaimers() (out []council.MemberID) {
	for _, m := range a.roster.Members {
		_, ready := a.proclaim.ready[m.ID]
		if m.ID == a.self {
			ready = a.watching == ""
		}
		if ready && a.online[m.ID] && !a.still(m.ID) && m.Term.Holds(unix(a.now)) {
			out = append(out, m.ID)
		}
	}
	return out
}

// leaders are those of some members who may lead one more try.
func (a *Agenda) leaders(of []council.MemberID) []council.MemberID {
	return slices.DeleteFunc(slices.Clone(of), func(m council.MemberID) bool { return a.proclaim.led[m] >= MaxProclaimed })
}

// tendProclaim looks after the proclamation: it says that this node is ready, and leads
// a try when it is this node's turn.
func (a *Agenda) tendProclaim() {
	x := a.proclaim
	if !a.proclaims() {
		return
	}
	if _, done := x.done[a.roster.Version]; done || a.still(a.self) {
		return
	}
	if x.try != nil {
		if a.due(x.try.since, a.timing.Deadline) {
			a.endProclaim(x.try.signers, "no signature before the deadline")
		}
		return
	}
	if len(a.leaders(a.roster.IDs())) == 0 {
		if !x.givenUp {
			x.givenUp = true
			a.do(Notify{What: "proclamation", Text: a.unproclaimed()})
		}
		return
	}
	if x.part == (common.Hash{}) {
		x.part, x.said, x.pause = a.standby.random(), time.Time{}, a.timing.Retry
	}
	if a.due(x.said, x.pause) {
		x.said, x.pause = a.now, min(2*x.pause, max(6*a.timing.Remind, a.timing.Retry))
		a.due(x.said, x.pause)
		a.do(Send{Message: ProclaimReady{Roster: a.hash, Random: x.part}})
	}
	a.leadProclaim()
}

func (a *Agenda) leadProclaim() {
	x := a.proclaim
	all := a.proclaimers()
	me := slices.Index(a.leaders(all), a.self)
	if a.busy() || len(all) < a.roster.Threshold { // somebody waits for what is being signed
		x.turn = time.Time{}
		return
	}
	if !a.due(x.rest, 0) {
		return
	}
	if x.turn.IsZero() {
		x.turn = a.now
	}
	if me < 0 || !a.due(x.turn, a.timing.Quiet+time.Duration(me)*2*a.pace.grace(all)) {
		return
	}
	b := ProclaimBegin{Roster: a.hash, Signers: a.proclaimSet(all)}
	for _, m := range b.Signers {
		if m == a.self {
			b.Parts = append(b.Parts, x.part)
		} else {
			b.Parts = append(b.Parts, x.ready[m])
		}
	}
	a.do(Send{Message: b})
	a.proclaimBegin(a.self, b)
}
