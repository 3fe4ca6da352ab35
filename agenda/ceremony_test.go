package agenda_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/millicent-one/signer/agenda"
	"github.com/millicent-one/signer/council"
)

// birthplace is seven agendas that make a key, with an engine that draws the
// same key for all. Messages arrive at once and in order unless cut.
type birthplace struct {
	*world
	agendas map[council.MemberID]*agenda.Agenda
	drawn   map[council.MemberID]bool
	staged  map[council.MemberID]*council.Genesis
	current map[council.MemberID]*council.Genesis
	key     func(council.MemberID) common.Address
	notices map[council.MemberID][]agenda.Notify
	mute    map[council.MemberID]func(agenda.Message) bool // what a member's node does not send
	pending []func()
	proofs  map[council.SessionID][]council.MemberID
	hold    func(council.MemberID, agenda.Effect) bool // what does not happen
	stuck   council.SessionID                          // see standstill
	shown   map[council.MemberID]agenda.ShowHeard
}

func newBirthplace(t *testing.T) *birthplace {
	w := newWorld(t, 1)
	b := &birthplace{
		world: w, agendas: map[council.MemberID]*agenda.Agenda{}, drawn: map[council.MemberID]bool{},
		staged: map[council.MemberID]*council.Genesis{}, current: map[council.MemberID]*council.Genesis{},
		notices: map[council.MemberID][]agenda.Notify{}, mute: map[council.MemberID]func(agenda.Message) bool{},
		proofs: map[council.SessionID][]council.MemberID{}, shown: map[council.MemberID]agenda.ShowHeard{},
	}
	b.key = func(council.MemberID) common.Address { return crypto.PubkeyToAddress(w.world().key.PublicKey) }
	for _, m := range everyone {
		b.boot(m, agenda.Past{})
	}
	for _, m := range everyone {
		b.meet(m)
	}
	return b
}

func (w *world) world() *world { return w }

func (b *birthplace) boot(m council.MemberID, past agenda.Past) {
	b.t.Helper()
	a, err := agenda.New(agenda.Config{Self: m, Roster: b.council.Roster, Policy: b.nodes[m].policy})
	if err != nil {
		b.t.Fatal(err)
	}
	a.Load(past)
	b.agendas[m] = a
}

func (b *birthplace) meet(m council.MemberID) {
	for _, o := range everyone {
		if o != m && b.agendas[o] != nil {
			b.give(m, agenda.PeerUp{Member: o})
			b.give(o, agenda.PeerUp{Member: m})
		}
	}
	b.settle()
}

func (b *birthplace) settle() {
	for len(b.pending) > 0 {
		f := b.pending[0]
		b.pending = b.pending[1:]
		f()
	}
}

// pass lets time pass, with the ticks that the agendas ask for.
func (b *birthplace) pass(d time.Duration) {
	end := b.now.Add(d)
	for {
		next := end
		for _, a := range b.agendas {
			if at := a.Wake(); !at.IsZero() && at.After(b.now) && at.Before(next) {
				next = at
			}
		}
		b.now = next
		for _, m := range everyone {
			if b.agendas[m] != nil {
				b.give(m, agenda.Tick{})
			}
		}
		b.settle()
		if !next.Before(end) {
			return
		}
	}
}

func (b *birthplace) give(m council.MemberID, ev agenda.Event) {
	a := b.agendas[m]
	if a == nil {
		return
	}
	for _, e := range a.Step(ev, b.now) {
		b.perform(m, e)
	}
}

func (b *birthplace) later(f func()) { b.pending = append(b.pending, f) }

func (b *birthplace) perform(m council.MemberID, e agenda.Effect) {
	if b.hold != nil && b.hold(m, e) {
		return
	}
	switch e := e.(type) {
	case agenda.Notify:
		b.notices[m] = append(b.notices[m], e)
	case agenda.Send:
		if f := b.mute[m]; f != nil && f(e.Message) {
			return
		}
		for _, o := range everyone {
			if o != m && (e.To == "" || e.To == o) {
				b.later(func() { b.give(o, agenda.Said{From: m, Message: e.Message}) })
			}
		}
	case agenda.ShowHeard:
		b.shown[m] = e
	case agenda.MakeParams:
		b.later(func() { b.give(m, agenda.ParamsMade{}) })
	case agenda.DrawKey:
		b.drawn[m] = true
		b.later(func() {
			b.give(m, agenda.KeyDrawn{Session: e.Session, Key: b.key(m), Transcript: common.Hash{7}})
		})
	case agenda.Stage:
		g := e.Genesis
		b.staged[m] = &g
		b.later(func() { b.give(m, agenda.Staged{}) })
	case agenda.Confirm:
		sig, err := e.Genesis.Sign(m, b.council.NodeKeys[m])
		if err != nil {
			b.t.Fatal(err)
		}
		b.later(func() { b.give(m, agenda.Confirmed{Signature: sig}) })
	case agenda.Prove:
		id := e.Permit.Session()
		b.proofs[id] = append(b.proofs[id], m)
		if len(b.proofs[id]) == len(e.Signers) {
			d := e.Permit.Digest()
			sig, err := crypto.Sign(d[:], b.world.key)
			if err != nil {
				b.t.Fatal(err)
			}
			for _, s := range e.Signers {
				b.later(func() { b.give(s, agenda.Signed{Session: id, Signature: sig}) })
			}
		}
	case agenda.Commit:
		g := e.Genesis
		b.current[m] = &g
		b.later(func() { b.give(m, agenda.Committed{Genesis: g}) })
	case agenda.Discard:
		delete(b.staged, m)
	case agenda.Append:
		b.later(func() {
			for _, o := range everyone {
				b.give(o, agenda.Recorded{Author: m, Seq: 1, Word: e.Word, Body: e.Body})
			}
		})
	}
}

func (b *birthplace) want(ms ...council.MemberID) {
	for i, m := range ms {
		b.give(m, agenda.KeygenWanted{Random: common.Hash{byte(i + 1)}})
	}
	b.settle()
}

func (b *birthplace) heard(m council.MemberID, what, text string) []agenda.Notify {
	var out []agenda.Notify
	for _, n := range b.notices[m] {
		if n.What == what && strings.Contains(n.Text, text) {
			out = append(out, n)
		}
	}
	return out
}

func TestSevenMakeOneKey(t *testing.T) {
	b := newBirthplace(t)
	b.want(everyone...)
	for _, m := range everyone {
		g := b.agendas[m].Genesis()
		if g == nil {
			t.Fatalf("%s has no key; %+v", m, b.notices[m])
		}
		if err := g.Verify(b.council.Roster); err != nil {
			t.Errorf("%s: %v", m, err)
		}
		if b.current[m] == nil || b.current[m].ID() != g.ID() {
			t.Errorf("%s did not make its share current", m)
		}
	}
	if len(b.proofs) != 2 {
		t.Errorf("%d test signatures", len(b.proofs))
	}
	covered := map[council.MemberID]bool{}
	for _, set := range b.proofs {
		for _, m := range set {
			covered[m] = true
		}
	}
	if len(covered) != 7 {
		t.Errorf("the test signatures cover %v", covered)
	}
}

// Who is missing is named at once, and again each ten seconds.
func TestMissingMembersAreNamed(t *testing.T) {
	b := newBirthplace(t)
	b.want(everyone[:5]...)
	first := b.heard("community-1", "ceremony", "gathering")
	if len(first) == 0 || !slices.Equal(first[len(first)-1].Waiting, []council.MemberID{"core-3", "core-4"}) {
		t.Fatalf("said %+v", first)
	}
	b.pass(31 * time.Second)
	if again := len(b.heard("community-1", "ceremony", "gathering")) - len(first); again != 3 {
		t.Errorf("reminded %d times in 31 seconds", again)
	}
	if len(b.drawn) > 0 {
		t.Fatal("drew a key with five")
	}
	b.want("core-3", "core-4")
	b.pass(5 * time.Second)
	if b.agendas["community-1"].Genesis() == nil {
		t.Error("the late members came, and there is no key")
	}
}

func TestAnotherRosterOrCharterIsNamed(t *testing.T) {
	b := newBirthplace(t)
	b.want(everyone[:6]...)
	hash, err := b.council.Roster.Hash()
	if err != nil {
		t.Fatal(err)
	}
	b.give("core-1", agenda.Said{From: "core-4", Message: agenda.Ready{Roster: common.Hash{1}, Charter: b.council.Roster.Charter}})
	if n := b.heard("core-1", "ceremony", "core-4 has another roster"); len(n) != 1 {
		t.Errorf("said %+v", b.notices["core-1"])
	}
	b.give("core-1", agenda.Said{From: "core-4", Message: agenda.Ready{Roster: hash, Charter: common.Hash{1}}})
	if n := b.heard("core-1", "ceremony", "core-4 has another charter"); len(n) != 1 {
		t.Errorf("said %+v", b.notices["core-1"])
	}
	if len(b.drawn) > 0 {
		t.Error("went on all the same")
	}
}

// A node that computed another key stops the ceremony at everyone, by name; and
// nobody makes its share current. Each has said what it computed, also who had heard of
// another record before it had its own, and shows what it has heard.
func TestAnotherKeyStopsEveryone(t *testing.T) {
	b := newBirthplace(t)
	good := b.key
	b.key = func(m council.MemberID) common.Address {
		if m == "core-2" {
			return common.Address{0xbad & 0xff}
		}
		return good(m)
	}
	said := map[council.MemberID]bool{}
	for _, m := range everyone {
		b.mute[m] = func(msg agenda.Message) bool {
			if _, confirm := msg.(agenda.ConfirmMessage); confirm {
				said[m] = true
			}
			return false
		}
	}
	b.want(everyone...)
	for _, m := range everyone {
		if b.current[m] != nil {
			t.Errorf("%s made a share current", m)
		}
		if show := b.shown[m]; !said[m] || len(show.To) != len(everyone)-1 || show.Before != ^uint8(0) {
			t.Errorf("%s said its record: %v; it shows %+v", m, said[m], show)
		}
		if m != "core-2" && len(b.heard(m, "ceremony-failed", "core-2 computed another birth record")) == 0 {
			t.Errorf("%s says %+v", m, b.heard(m, "ceremony-failed", ""))
		}
	}
}

// One node misses the last words of all others, and gets the birth record from
// a feed: it ends with the same key, not with none.
func TestLateNodeTakesTheBirthRecord(t *testing.T) {
	b := newBirthplace(t)
	deaf := false
	for _, m := range everyone[:6] {
		b.mute[m] = func(msg agenda.Message) bool {
			_, proof := msg.(agenda.Proof)
			return proof
		}
	}
	b.mute["core-4"] = func(msg agenda.Message) bool { return deaf }
	b.want(everyone...)
	b.pass(10 * time.Second)
	have := 0
	for _, m := range everyone {
		if b.current[m] != nil {
			have++
		}
	}
	if have != 7 {
		// Nobody heard the other subset's proof, so nobody could finish alone.
		for _, m := range everyone {
			b.mute[m] = nil
		}
		b.pass(10 * time.Second)
	}
	for _, m := range everyone {
		if b.agendas[m].Genesis() == nil || b.current[m] == nil {
			t.Errorf("%s has no key", m)
		}
	}
}

// A process that died with a staged share, after others had made the key,
// finishes when it hears the birth record; before that it has no key.
func TestStagedShareWaitsForTheRecord(t *testing.T) {
	b := newBirthplace(t)
	b.want(everyone...)
	g := *b.agendas["core-1"].Genesis()
	unsigned := g
	unsigned.Sigs = nil
	b.boot("core-4", agenda.Past{Staged: &unsigned})
	b.current["core-4"] = nil
	if b.agendas["core-4"].Genesis() != nil {
		t.Fatal("a staged share is a key already")
	}
	forged := g
	forged.Sigs = g.Sigs[:6]
	b.give("core-4", agenda.Recorded{Author: "core-1", Seq: 1, Word: council.WordKeyMade, Body: council.KeyMade{Genesis: forged}})
	b.settle()
	if b.current["core-4"] != nil {
		t.Fatal("took a record that six signed")
	}
	b.give("core-4", agenda.Recorded{Author: "core-1", Seq: 2, Word: council.WordKeyMade, Body: council.KeyMade{Genesis: g}})
	b.settle()
	if b.current["core-4"] == nil || b.agendas["core-4"].Genesis() == nil {
		t.Error("did not take the record of all seven")
	}
}

// Who dies while the engine runs ends the ceremony; a new one starts afresh.
func TestDeathDuringGenerationIsNamed(t *testing.T) {
	b := newBirthplace(t)
	b.want(everyone[:6]...)
	b.give("core-4", agenda.KeygenWanted{Random: common.Hash{9}})
	for len(b.drawn) == 0 {
		f := b.pending[0]
		b.pending = b.pending[1:]
		f()
	}
	b.pending = nil
	var m council.MemberID
	for m = range b.drawn {
	}
	away := everyone[0]
	if m == away {
		away = everyone[1]
	}
	b.give(m, agenda.PeerDown{Member: away})
	b.pass(30 * time.Second)
	if failed := b.heard(m, "ceremony-failed", ""); len(failed) > 0 {
		t.Fatalf("a node that is away for half a minute ends the ceremony: %+v", failed)
	}
	b.give(m, agenda.PeerUp{Member: away})
	b.pass(time.Minute)
	if failed := b.heard(m, "ceremony-failed", ""); len(failed) > 0 {
		t.Fatalf("a node that came back ends the ceremony: %+v", failed)
	}
	b.give(m, agenda.PeerRestarted{Member: away})
	if len(b.heard(m, "ceremony-failed", string(away)+" was started anew")) != 1 {
		t.Errorf("says %+v", b.notices[m])
	}
}

// Who leaves while others are still to come is not in the key: nobody draws one until it
// is back, though all others stand ready, also where its word of that was lost.
func TestMemberLeavesWhileGathering(t *testing.T) {
	for _, lost := range []bool{false, true} {
		b := newBirthplace(t)
		b.want(everyone[:6]...)
		const m = council.MemberID("core-2")
		if lost {
			b.mute[m] = func(agenda.Message) bool { return true }
		}
		b.give(m, agenda.KeygenLeft{})
		b.settle()
		b.mute[m] = nil
		if _, running := b.agendas[m].Ceremony(); running || len(b.heard(m, "ceremony-failed", "has left it")) != 1 {
			t.Errorf("lost %v: it goes on: %+v", lost, b.notices[m])
		}
		if lost {
			b.pass(5 * time.Second)
		}
		b.give("core-4", agenda.KeygenWanted{Random: common.Hash{9}})
		b.settle()
		b.pass(time.Minute)
		if len(b.drawn) > 0 {
			t.Fatalf("lost %v: a key was drawn by %v", lost, b.drawn)
		}
		for _, o := range everyone {
			c, running := b.agendas[o].Ceremony()
			if o != m && (!running || !slices.Equal(c.Waiting, []council.MemberID{m})) {
				t.Errorf("lost %v: %s waits for %v", lost, o, c.Waiting)
			}
		}
		b.give(m, agenda.KeygenWanted{Random: common.Hash{10}})
		b.settle()
		b.pass(5 * time.Second)
		if b.agendas[m].Genesis() == nil || b.agendas["core-4"].Genesis() == nil {
			t.Errorf("lost %v: it came back, and there is no key: %+v", lost, b.notices["core-4"])
		}
	}
}

// After the draw a node stays, whoever has left.
func TestNobodyLeavesAfterTheDraw(t *testing.T) {
	b := newBirthplace(t)
	b.want(everyone[:6]...)
	b.give("core-4", agenda.KeygenWanted{Random: common.Hash{9}})
	for !b.drawn["core-2"] {
		f := b.pending[0]
		b.pending = b.pending[1:]
		f()
	}
	b.give("core-2", agenda.KeygenLeft{})
	b.settle()
	b.pass(5 * time.Second)
	for _, m := range everyone {
		if b.agendas[m].Genesis() == nil {
			t.Errorf("%s has no key: %+v", m, b.notices[m])
		}
	}
}
