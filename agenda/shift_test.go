package agenda_test

import (
	"crypto/ecdsa"
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/millicent-one/signer/agenda"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/internal/testcouncil"
)

// shift is a council at the change of a term: nodes with disks, a network and a
// clock. Engine sessions are made up: they succeed if all of their parties run and
// hear each other, and shares of two reshares don't sign together. A write is
// first lost by a crash, then not: a node can die before it, before it is synced,
// and after it. A seed decides the order of everything.
type shift struct {
	t       testing.TB
	rnd     *rand.Rand
	now     time.Time
	queue   []shiftEvent // sorted when taken
	seq     int
	key     *ecdsa.PrivateKey
	holding council.Holding
	earlier []council.Roster // with that of holding
	since   uint64           // when it took over
	plans   []council.Succession
	known   []agenda.CharterKnown // by all nodes, from their start
	desks   map[string]*desk
	names   []string
	timing  agenda.Timing

	cut   func(from, to string) bool
	loss  float64
	twice float64
	slow  time.Duration // most that a message may take
	dies  func(name, step string) bool
	veto  func(name string, e agenda.Effect) bool // does not happen
	lone  func(name string, ev agenda.Event) bool // never reaches the node
	asks  func()                                  // what operators do between two events
	steps int

	runs    map[string]*run
	nonce   uint64
	signed  []council.OpenRow // under the old epoch
	verdict map[common.Hash]string
}

// desk is one node: a process that may be gone, and a disk that stays.
type desk struct {
	name  string
	id    council.MemberID
	key   council.NodePrivate
	node  *agenda.Rotation // nil while it is dead
	life  int
	disk  agenda.RotationPast
	share map[common.Hash]common.Hash // staged: the reshare that made it, by try
	epoch uint64                      // of the current share; zero for none
	made  common.Hash                 // the reshare that made the current share
	gone  bool                        // the old share is erased
	rows  []council.OpenRow
	wrote []func() // not synced
	told  []agenda.Notify
	forks []council.Fork // that it was shown
	stays bool           // does not come back
	// What its operator has done.
	frozen  string
	charter common.Hash   // another one; zero: the council's
	behind  time.Duration // its clock
	lost    bool          // its share
	fenced  string        // what its journal may lack
	stale   string        // why it may not know what it has said
}

type shiftEvent struct {
	at  time.Time
	seq int
	do  func()
}

const shiftDay = 1_800_000_000

// newShift is the world before anything has happened: the old nodes run, and those
// of all joiners of the plans.
func newShift(t testing.TB, seed uint64, more ...council.Succession) *shift {
	t.Helper()
	c := testcouncil.New(t)
	key, err := crypto.ToECDSA(crypto.Keccak256([]byte("millicent test council key")))
	if err != nil {
		t.Fatal(err)
	}
	w := &shift{
		t: t, rnd: rand.New(rand.NewPCG(seed, 11)), now: time.Unix(shiftDay+60, 0), key: key, desks: map[string]*desk{}, runs: map[string]*run{}, nonce: 7,
		holding: council.Holding{Council: common.Hash{0xc0}, Roster: c.Roster, Epoch: 1, Key: crypto.PubkeyToAddress(key.PublicKey)},
		cut:     func(string, string) bool { return false }, dies: func(string, string) bool { return false },
		veto: func(string, agenda.Effect) bool { return false }, asks: func() {}, slow: 80 * time.Millisecond, verdict: map[common.Hash]string{},
	}
	w.timing = agenda.Defaults()
	w.timing.Ceremony = time.Minute
	w.plans = more
	if len(more) == 0 {
		w.plans = []council.Succession{twoForTwo(t, c.Roster)}
	}
	ids := c.Roster.IDs()
	for _, s := range w.plans {
		if s.Roster.Charter != c.Roster.Charter {
			w.known = append(w.known, agenda.CharterKnown{Charter: s.Roster.Charter, Approvals: c.Roster.Threshold})
		}
		for _, id := range s.Roster.IDs() {
			if !slices.Contains(ids, id) {
				ids = append(ids, id)
			}
		}
	}
	for _, id := range ids {
		w.seat(string(id), id)
	}
	return w
}

// seat gives a member a node under a name of its own: a malicious member may have
// several.
func (w *shift) seat(name string, id council.MemberID) *desk {
	d := &desk{name: name, id: id, key: testcouncil.NodeKey(id), share: map[common.Hash]common.Hash{}}
	if _, ok := w.holding.Roster.Member(id); ok {
		d.epoch = w.holding.Epoch
	}
	w.desks[name] = d
	w.names = append(w.names, name)
	slices.Sort(w.names)
	return d
}

func (w *shift) boot(names ...string) {
	for _, name := range names {
		d := w.desks[name]
		if d.node != nil {
			continue
		}
		d.life++
		past := d.disk
		past.Charters = w.known
		past.Locks, past.Refusals, past.Tries = slices.Clone(past.Locks), slices.Clone(past.Refusals), slices.Clone(past.Tries)
		n, err := agenda.NewRotation(agenda.RotationConfig{
			Self: d.id, Peer: testcouncil.PeerID(w.t, d.key).String(), Holding: w.holding, Earlier: w.earlier, Since: w.since, Profile: council.Millicent, Timing: w.timing, Charter: w.charter(d), Frozen: d.frozen, Shareless: d.lost, Ledger: d.ledger(),
			Seed: crypto.Keccak256Hash([]byte(d.name), []byte(fmt.Sprint(d.life))),
		}, past)
		if err != nil {
			w.t.Fatalf("%s does not start: %v", name, err)
		}
		d.node = n
		w.give(d, agenda.Tick{})
		for _, o := range w.names {
			if o != name && w.desks[o].node != nil && !w.cut(o, name) {
				w.give(w.desks[o], agenda.PeerUp{Member: d.id})
				w.give(d, agenda.PeerUp{Member: w.desks[o].id})
			}
		}
	}
}

// rise boots every node but those that do not come back.
func (w *shift) rise() {
	for _, name := range w.names {
		if !w.desks[name].stays {
			w.boot(name)
		}
	}
}

func (w *shift) charter(d *desk) common.Hash {
	if d.charter != (common.Hash{}) {
		return d.charter
	}
	return w.holding.Roster.Charter
}

// freeze has a node's operator freeze it, or thaw it.
func (w *shift) freeze(d *desk, reason string) {
	if d.frozen = reason; d.node != nil {
		w.give(d, agenda.NodeFrozen{Reason: reason})
	}
}

// weigh gives a node's ledger this many open rows, and has the node tell of it.
func (w *shift) weigh(d *desk, open int) {
	d.rows = make([]council.OpenRow, open)
	for i := range d.rows {
		d.rows[i] = council.OpenRow{Place: council.Place{Chain: 9, Nonce: uint64(i)}, Proposal: council.ProposalID{9, byte(i), byte(i >> 8)}, State: council.OpenReserved}
	}
	if d.node != nil {
		w.give(d, d.ledger())
	}
}

func (d *desk) ledger() agenda.LedgerWeighed {
	return agenda.LedgerWeighed{Open: len(d.rows), Fenced: d.fenced, Behind: d.stale}
}

func (w *shift) kill(d *desk) {
	d.node, d.wrote = nil, nil
	d.life++
	for _, o := range w.names {
		if x := w.desks[o]; x != d && x.node != nil {
			w.later(50*time.Millisecond, x, agenda.PeerDown{Member: d.id})
		}
	}
}

func (w *shift) after(d time.Duration, do func()) {
	w.seq++
	w.queue = append(w.queue, shiftEvent{w.now.Add(d), w.seq, do})
}

// later gives an event to a process, if it still lives.
func (w *shift) later(after time.Duration, d *desk, ev agenda.Event) {
	life := d.life
	w.after(after, func() {
		if d.life == life && d.node != nil && (w.lone == nil || !w.lone(d.name, ev)) {
			w.give(d, ev)
		}
	})
}

func (w *shift) delay() time.Duration {
	return time.Millisecond + time.Duration(w.rnd.Int64N(int64(w.slow)))
}

// run plays until done, or until time has passed.
func (w *shift) run(d time.Duration, done func() bool) bool {
	for end := w.now.Add(d); !done(); {
		next, at := -1, end
		for i, e := range w.queue {
			if e.at.Before(at) || next >= 0 && e.at.Equal(at) && e.seq < w.queue[next].seq {
				next, at = i, e.at
			}
		}
		var sleeper *desk
		for _, name := range w.names {
			if n := w.desks[name].node; n != nil {
				if wake := n.Wake(); !wake.IsZero() && wake.Add(w.desks[name].behind).Before(at) {
					sleeper, at, next = w.desks[name], wake.Add(w.desks[name].behind), -1
				}
			}
		}
		w.now = later(w.now, at)
		switch {
		case sleeper != nil:
			w.give(sleeper, agenda.Tick{})
		case next >= 0:
			e := w.queue[next]
			w.queue = slices.Delete(w.queue, next, next+1)
			e.do()
		default:
			return done()
		}
		w.asks()
	}
	return true
}

func later(x, y time.Time) time.Time {
	if x.After(y) {
		return x
	}
	return y
}

func never() bool { return false }

// die is where a node may die; it reports that it is dead.
func (w *shift) die(d *desk, step string) bool {
	w.steps++
	if d.node != nil && w.dies(d.name, step) {
		w.kill(d)
	}
	return d.node == nil
}

// write is one durable write: it is lost by a crash until it is synced.
func (w *shift) write(d *desk, what string, f func()) bool {
	if w.die(d, "before "+what) {
		return false
	}
	d.wrote = append(d.wrote, f)
	if w.die(d, "before sync of "+what) {
		return false
	}
	for _, f := range d.wrote {
		f()
	}
	d.wrote = nil
	return !w.die(d, "after "+what)
}

func (w *shift) give(d *desk, ev agenda.Event) {
	queue := []agenda.Event{ev}
	for len(queue) > 0 && d.node != nil {
		effects := d.node.Step(queue[0], w.now.Add(-d.behind))
		queue = queue[1:]
		for _, e := range effects {
			if d.node == nil {
				return
			}
			if w.veto(d.name, e) {
				continue
			}
			queue = append(queue, w.execute(d, e)...)
		}
		if d.node != nil {
			w.watch(d)
		}
	}
}

func (w *shift) execute(d *desk, e agenda.Effect) []agenda.Event {
	what := strings.TrimPrefix(fmt.Sprintf("%T", e), "agenda.")
	switch e := e.(type) {
	case agenda.Keep:
		w.write(d, what+" "+kept(e.Record), func() {
			switch x := e.Record; {
			case x.Heard != nil:
				d.disk.Heard = append(d.disk.Heard, *x.Heard)
			case x.Try != nil:
				d.disk.Tries = append(d.disk.Tries, *x.Try)
			case x.Grounds != nil:
				d.disk.Grounds = append(d.disk.Grounds, *x.Grounds)
			case x.Abort != nil:
				w.ends(x.Abort.Subject, "aborted")
				d.disk.Aborts = append(d.disk.Aborts, *x.Abort)
			case x.Disowned != nil:
				d.disk.Disowned = append(d.disk.Disowned, *x.Disowned)
			case x.Lock != nil:
				d.disk.Locks = append(d.disk.Locks, *x.Lock)
			case x.Refusal != nil:
				d.disk.Refusals = append(d.disk.Refusals, *x.Refusal)
			}
		})
	case agenda.Send:
		if w.die(d, "before "+fmt.Sprintf("%s %T", what, e.Message)) {
			return nil
		}
		w.send(d, e)
	case agenda.MakeParams:
		w.later(w.delay()*10, d, agenda.ParamsMade{})
	case agenda.Reshare:
		if !w.die(d, "before "+what) {
			w.reshare(d, e)
		}
	case agenda.Prove:
		if !w.die(d, "before "+what) {
			w.prove(d, e)
		}
	case agenda.Abort:
		for _, k := range slices.Sorted(maps.Keys(w.runs)) {
			if strings.HasPrefix(k, e.Session.String()) {
				delete(w.runs[k].joined, d.name)
			}
		}
	case agenda.StageShare:
		id := e.Rotation.ID()
		sig, err := e.Rotation.Ack(e.Transcript).Sign(d.id, d.key)
		if err != nil {
			w.t.Fatal(err)
		}
		if w.write(d, what, func() {
			if !e.Rotation.Still() {
				d.share[id] = e.Transcript
			}
			d.disk.Staged = append(d.disk.Staged, agenda.StagedShare{Ceremony: id, Transcript: e.Transcript, Signature: sig})
		}) {
			return []agenda.Event{agenda.ShareStaged{Ceremony: id, Signature: sig}}
		}
	case agenda.DropShare:
		w.write(d, what, func() {
			delete(d.share, e.Ceremony)
			d.disk.Staged = slices.DeleteFunc(slices.Clone(d.disk.Staged), func(s agenda.StagedShare) bool { return s.Ceremony == e.Ceremony })
		})
	case agenda.WriteLock:
		if x := d.ledger(); x.Withholds() {
			return []agenda.Event{agenda.LockRefused(x)}
		}
		if e.Lock.LastFour {
			what += " of the last four"
		}
		l := e.Lock
		l.Rows = slices.Clone(d.rows)
		l, err := l.Sign(d.key)
		if err != nil {
			w.t.Fatal(err)
		}
		if w.write(d, what, func() { d.disk.Locks = append(d.disk.Locks, l) }) {
			return []agenda.Event{agenda.LockWritten{Lock: l}}
		}
	case agenda.WriteRefusal:
		x, err := e.Refusal.Sign(d.key)
		if err != nil {
			w.t.Fatal(err)
		}
		if w.write(d, what, func() { d.disk.Refusals = append(d.disk.Refusals, x) }) {
			return []agenda.Event{agenda.RefusalWritten{Refusal: x}}
		}
	case agenda.SwitchShare:
		return w.switchShare(d, e)
	case agenda.EraseShare:
		x, err := e.Switch.Erasure(d.id)
		if err == nil {
			x, err = x.Sign(d.key)
		}
		if err != nil {
			w.t.Fatal(err)
		}
		if w.write(d, what, func() {
			if d.disk.Certificate == nil {
				w.t.Fatalf("%s erases its old share before it has switched", d.name)
			}
			d.gone, d.disk.Erasure = true, &x
		}) {
			return []agenda.Event{agenda.ShareErased{Erasure: x}}
		}
	case agenda.LockedTwice:
		d.forks = append(d.forks, e.Fork)
	case agenda.Notify:
		d.told = append(d.told, e)
	}
	return nil
}

// kept names what a record is of.
func kept(x agenda.RotationRecord) string {
	v := reflect.ValueOf(x)
	for i := range v.NumField() {
		if !v.Field(i).IsNil() {
			return v.Type().Field(i).Name
		}
	}
	return "nothing"
}

func (w *shift) switchShare(d *desk, e agenda.SwitchShare) []agenda.Event {
	id := e.Switch.Ceremony()
	share, have := d.share[id]
	still := e.Switch.Rotation().Still()
	if _, receives := e.Switch.After().Roster.Member(d.id); receives && !have && !still {
		w.t.Fatalf("%s has to switch to a share that it does not have", d.name)
	}
	if !w.write(d, "SwitchShare", func() {
		w.ends(id, "committed")
		w.ends(e.Switch.Rotation().Succession, "committed")
		d.disk.Certificate, d.disk.Staged = &e.Certificate, nil
		if !still {
			d.epoch, d.made = 0, share
		}
		d.share = map[common.Hash]common.Hash{}
		if have {
			d.epoch = e.Switch.After().Epoch
			d.share[id] = share
		}
		for _, r := range w.signed { // nothing that may be on a chain is forgotten
			if !slices.ContainsFunc(e.Switch.Inherited().Rows, func(h council.HeldRow) bool { return h.OpenRow == r }) {
				w.t.Fatalf("%s takes over without %s, which was signed", d.name, r.Place)
			}
		}
	}) {
		return nil
	}
	return []agenda.Event{agenda.ShareSwitched{}}
}

// ends holds that nothing is both committed and aborted.
func (w *shift) ends(subject common.Hash, how string) {
	if was, ok := w.verdict[subject]; ok && was != how {
		w.t.Fatalf("%s is %s, and was %s", subject.Hex()[:10], how, was)
	}
	w.verdict[subject] = how
}
