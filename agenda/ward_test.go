package agenda_test

import (
	"crypto/ecdsa"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/millicent-one/signer/agenda"
	"github.com/millicent-one/signer/council"
)

// ward is seven nodes that make a key while some of them die. What a node
// writes to its disk it writes in the steps in which package node does, and it
// can die before each; it comes back with what its disk holds. Each ceremony
// has a key of its own, so that a mixture of two is noticed.
type ward struct {
	*world
	rnd2    *rand.Rand
	beds    map[council.MemberID]*bed
	pending map[string][]func() // by source; the order within one source is kept
	draws   map[council.SessionID]map[council.MemberID]bool
	proofs  map[council.SessionID]map[council.MemberID]bool
	keys    map[common.Address]*ecdsa.PrivateKey
	dies    func(m council.MemberID, step string) bool
	fails   func() bool // the share can't be made current: the disk is full
	lost    bool        // what a dead node has sent and others have not read is lost, too
	random  byte
}

// bed is one node: a process that may be gone, and a disk that stays.
type bed struct {
	agenda *agenda.Agenda // nil while it is dead
	life   int
	ended  string // why its last ceremony ended

	record *council.Genesis // journal: birth record of the staged share, unsigned
	share  *council.Genesis // keystore: the staged share, by its birth record
	made   *council.Genesis // journal: the birth record in force
	using  *council.Genesis // keystore: the share in use
	feed   []agenda.Recorded
	seq    uint64
}

func newWard(t *testing.T, seed uint64) *ward {
	w := &ward{
		world: newWorld(t, 1), rnd2: rand.New(rand.NewPCG(seed, 3)), beds: map[council.MemberID]*bed{}, pending: map[string][]func(){},
		draws: map[council.SessionID]map[council.MemberID]bool{}, proofs: map[council.SessionID]map[council.MemberID]bool{},
		keys: map[common.Address]*ecdsa.PrivateKey{}, dies: func(council.MemberID, string) bool { return false },
		fails: func() bool { return false },
	}
	for _, m := range everyone {
		w.beds[m] = &bed{}
	}
	for _, m := range everyone {
		w.wakeUp(m)
	}
	return w
}

// wakeUp starts a process on what the disk holds, as node.load does.
func (w *ward) wakeUp(m council.MemberID) {
	w.t.Helper()
	b := w.beds[m]
	a, err := agenda.New(agenda.Config{Self: m, Roster: w.council.Roster, Policy: w.nodes[m].policy})
	if err != nil {
		w.t.Fatal(err)
	}
	made := b.made
	for _, e := range b.feed {
		if k, ok := e.Body.(council.KeyMade); ok && made == nil && k.Genesis.Verify(w.council.Roster) == nil {
			made = &k.Genesis
		}
	}
	staged := b.record
	if b.share == nil || staged != nil && staged.Key != b.share.Key {
		staged = nil
	}
	if made != nil && staged != nil && staged.ID() == made.ID() {
		b.made, b.using, b.share, staged = made, made, nil, nil
	}
	a.Load(agenda.Past{Genesis: made, Staged: staged, Entries: slices.Values(slices.Clone(b.feed))})
	b.agenda = a
	b.life++
	switch {
	case made != nil && b.using == nil:
		a.Watch("this node holds no share of the council's key")
	case made != nil:
		a.Watch("this node has just started")
	}
	for _, o := range everyone {
		if o == m || w.beds[o].agenda == nil {
			continue
		}
		w.give(m, agenda.PeerUp{Member: o})
		w.give(o, agenda.PeerUp{Member: m})
		if b.life > 1 {
			w.give(o, agenda.PeerRestarted{Member: m})
		}
		for _, pair := range [][2]council.MemberID{{m, o}, {o, m}} {
			for _, e := range slices.Clone(w.beds[pair[0]].feed) {
				w.hear(pair[1], e)
			}
		}
		for _, x := range []council.MemberID{m, o} {
			if a := w.beds[x].agenda; a != nil && a.Watching() == "this node has just started" {
				a.Watch("")
				w.give(x, agenda.Tick{})
			}
		}
	}
}

// die ends a process at once.
func (w *ward) die(m council.MemberID) {
	b := w.beds[m]
	b.agenda = nil
	b.life++
	if w.lost {
		for _, joined := range w.draws {
			delete(joined, m)
		}
	}
	for _, o := range everyone {
		if o != m {
			w.later("down "+string(o), func() { w.give(o, agenda.PeerDown{Member: m}) })
		}
	}
}

// step is where a node may die; it reports that it has.
func (w *ward) step(m council.MemberID, what string) bool {
	if w.beds[m].agenda != nil && w.dies(m, what) {
		w.die(m)
	}
	return w.beds[m].agenda == nil
}

func (w *ward) later(source string, f func()) { w.pending[source] = append(w.pending[source], f) }

// answer reports an event to the process that asked, if it still lives.
func (w *ward) answer(m council.MemberID, ev agenda.Event) {
	life := w.beds[m].life
	w.later("answers to "+string(m), func() {
		if w.beds[m].life == life {
			w.give(m, ev)
		}
	})
}

func (w *ward) settle() {
	for len(w.pending) > 0 {
		var sources []string
		for s := range w.pending {
			sources = append(sources, s)
		}
		slices.Sort(sources)
		s := sources[w.rnd2.IntN(len(sources))]
		f := w.pending[s][0]
		if w.pending[s] = w.pending[s][1:]; len(w.pending[s]) == 0 {
			delete(w.pending, s)
		}
		f()
	}
}

func (w *ward) pass(d time.Duration) {
	for end := w.now.Add(d); ; {
		next := end
		for _, b := range w.beds {
			if b.agenda == nil {
				continue
			}
			if at := b.agenda.Wake(); !at.IsZero() && at.After(w.now) && at.Before(next) {
				next = at
			}
		}
		w.now = next
		for _, m := range everyone {
			w.give(m, agenda.Tick{})
		}
		w.settle()
		if !next.Before(end) {
			return
		}
	}
}

// give is node.step: answers that are there at once are taken first.
func (w *ward) give(m council.MemberID, ev agenda.Event) {
	a := w.beds[m].agenda
	queue := []agenda.Event{ev}
	for a != nil && len(queue) > 0 {
		effects := a.Step(queue[0], w.now)
		queue = queue[1:]
		var answers []agenda.Event
		for _, e := range effects {
			if w.step(m, fmt.Sprintf("before %T", e)) {
				return
			}
			answers = append(answers, w.perform(m, e)...)
			if w.beds[m].agenda != a {
				return
			}
		}
		queue = append(answers, queue...)
	}
}

// hear merges an entry of another's feed.
func (w *ward) hear(m council.MemberID, e agenda.Recorded) {
	b := w.beds[m]
	if b.agenda == nil || slices.ContainsFunc(b.feed, func(o agenda.Recorded) bool { return o.Author == e.Author && o.Seq == e.Seq }) {
		return
	}
	b.feed = append(b.feed, e)
	w.give(m, e)
}

func (w *ward) perform(m council.MemberID, e agenda.Effect) []agenda.Event {
	b := w.beds[m]
	switch e := e.(type) {
	case agenda.Notify:
		if e.What == "ceremony-failed" {
			b.ended = e.Text
		}
	case agenda.Send:
		life := b.life
		for _, o := range everyone {
			if o == m || e.To != "" && e.To != o {
				continue
			}
			to := w.beds[o].life
			w.later(string(m)+" to "+string(o), func() {
				if w.beds[o].life == to && (b.life == life || !w.lost) {
					w.give(o, agenda.Said{From: m, Message: e.Message})
				}
			})
		}
	case agenda.MakeParams:
		w.answer(m, agenda.ParamsMade{})
	case agenda.DrawKey:
		w.draw(m, e)
	case agenda.Stage:
		g := e.Genesis
		b.record = &g
		if w.step(m, "between the staged record and the share") {
			return nil
		}
		if b.share != nil && b.share.ID() != g.ID() {
			return []agenda.Event{agenda.Staged{Err: fmt.Errorf("another share of this epoch is stored")}}
		}
		b.share = &g
		if w.step(m, "after the share is staged") {
			return nil
		}
		return []agenda.Event{agenda.Staged{}}
	case agenda.Confirm:
		sig, err := e.Genesis.Sign(m, w.council.NodeKeys[m])
		if err != nil {
			w.t.Fatal(err)
		}
		return []agenda.Event{agenda.Confirmed{Signature: sig}}
	case agenda.Prove:
		w.prove(m, e)
	case agenda.Commit:
		g := e.Genesis
		b.made = &g
		if w.step(m, "between the birth record and the share") {
			return nil
		}
		if w.fails() {
			return []agenda.Event{agenda.Committed{Genesis: g, Err: errors.New("no space left on device")}}
		}
		if b.share == nil || b.share.ID() != g.ID() {
			w.t.Errorf("%s commits a share that it does not hold", m)
			return nil
		}
		b.using, b.share = &g, nil
		if w.step(m, "after the share is current") {
			return nil
		}
		return []agenda.Event{agenda.Committed{Genesis: g}}
	case agenda.Discard:
		b.share = nil
		w.step(m, "after the old share is discarded")
	case agenda.Append:
		b.seq++
		entry := agenda.Recorded{Author: m, Seq: b.seq, At: uint64(w.now.Unix()), Word: e.Word, Body: e.Body}
		b.feed = append(b.feed, entry)
		if w.step(m, "after the entry is written") {
			return nil
		}
		for _, o := range everyone {
			if o != m {
				w.later(string(m)+" to "+string(o), func() { w.hear(o, entry) })
			}
		}
		return []agenda.Event{entry}
	}
	return nil
}

// draw is the engine: all seven get one key, once all seven take part.
func (w *ward) draw(m council.MemberID, e agenda.DrawKey) {
	joined := w.draws[e.Session]
	if joined == nil {
		joined = map[council.MemberID]bool{}
		w.draws[e.Session] = joined
	}
	if joined[m] = true; len(joined) < len(everyone) {
		return
	}
	key, err := crypto.ToECDSA(crypto.Keccak256(e.Session[:]))
	if err != nil {
		w.t.Fatal(err)
	}
	address := crypto.PubkeyToAddress(key.PublicKey)
	w.keys[address] = key
	for _, o := range everyone {
		life := w.beds[o].life
		w.later("engine of "+string(o), func() {
			if w.lost && len(joined) < len(everyone) || w.beds[o].life != life {
				return // it died before its last message left
			}
			w.give(o, agenda.KeyDrawn{Session: e.Session, Key: address, Transcript: crypto.Keccak256Hash(e.Session[:])})
		})
	}
}

func (w *ward) prove(m council.MemberID, e agenda.Prove) {
	id := e.Permit.Session()
	joined := w.proofs[id]
	if joined == nil {
		joined = map[council.MemberID]bool{}
		w.proofs[id] = joined
	}
	if joined[m] = true; len(joined) < len(e.Signers) {
		return
	}
	d := e.Permit.Digest()
	sig, err := crypto.Sign(d[:], w.keys[w.beds[m].record.Key])
	if err != nil {
		w.t.Fatal(err)
	}
	for _, s := range e.Signers {
		w.answer(s, agenda.Signed{Session: id, Signature: sig})
	}
}

// keygen has everyone who has neither a key nor a ceremony take part.
func (w *ward) keygen() {
	for _, m := range everyone {
		a := w.beds[m].agenda
		if a == nil || a.Genesis() != nil {
			continue
		}
		if _, running := a.Ceremony(); !running {
			w.random++
			w.give(m, agenda.KeygenWanted{Random: common.Hash{w.random, byte(w.beds[m].life)}})
		}
	}
	w.settle()
}

// whole is the key that all seven hold a share of, or nil when nobody has one.
// Anything else is what must not be.
func (w *ward) whole() (*council.Genesis, error) {
	first := w.beds[everyone[0]].agenda.Genesis()
	for _, m := range everyone {
		b := w.beds[m]
		g := b.agenda.Genesis()
		switch {
		case (g == nil) != (first == nil):
			return nil, fmt.Errorf("%s has a key: %v; %s has one: %v", everyone[0], first != nil, m, g != nil)
		case g == nil && b.using != nil:
			return nil, fmt.Errorf("%s uses a share of no key", m)
		case g == nil:
		case g.ID() != first.ID():
			return nil, fmt.Errorf("two keys: %s and %s", g.Key, first.Key)
		case b.using == nil || b.using.ID() != g.ID():
			return nil, fmt.Errorf("%s has no share of the key", m)
		case b.agenda.Watching() != "":
			return nil, fmt.Errorf("%s watches: %s", m, b.agenda.Watching())
		}
	}
	return first, nil
}

// recover brings the dead back and checks how it ends.
func (w *ward) recover(t *testing.T, story string, ends map[bool]int, dead ...council.MemberID) {
	t.Helper()
	w.dies = func(council.MemberID, string) bool { return false }
	for _, m := range dead {
		w.wakeUp(m)
		w.settle()
	}
	w.pass(15 * time.Minute) // every wait there is
	g, err := w.whole()
	if err != nil {
		t.Errorf("%s: %v", story, err)
		return
	}
	ends[g != nil]++
	for try := 0; g == nil && try < 6; try++ {
		w.keygen()
		w.pass(20 * time.Second)
		if g, err = w.whole(); err != nil {
			t.Errorf("%s, and then in a new ceremony: %v", story, err)
			return
		}
	}
	if g == nil {
		var why []string
		for _, m := range everyone {
			c, ok := w.beds[m].agenda.Ceremony()
			why = append(why, fmt.Sprintf("%s: %v %+v, ended: %s", m, ok, c, w.beds[m].ended))
		}
		t.Errorf("%s: no new key can be made:\n%s", story, why)
	}
}
