package agenda_test

import (
	"slices"
	"testing"
	"time"

	"github.com/millicent-one/signer/agenda"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/internal/testcouncil"
)

// freeze has a member's node stop signing, as its operator wants it: first its own
// note, then the word in its feed.
func (w *world) freeze(m council.MemberID, reason string) {
	n := w.nodes[m]
	for _, e := range n.agenda.Stop(reason, w.clock(m)) {
		for _, ev := range w.execute(n, e) {
			w.step(m, ev)
		}
	}
	w.step(m, w.append(n, council.WordFrozen, council.Frozen{Reason: reason}))
}

// Whoever has frozen signs nothing, and the others go on without a lost attempt.
func TestFrozenNodeSignsNothing(t *testing.T) {
	w := newWorld(t, 41)
	id := w.propose("core-1", "pause", "protocol")
	w.run(5*time.Second, w.known(id))
	w.freeze("core-1", "its disk was stolen")
	w.freeze("core-2", "likewise")
	w.freeze("community-1", "likewise")
	w.run(5*time.Second, func() bool { return false })
	for _, m := range []council.MemberID{"core-1", "core-2", "core-3", "core-4"} {
		w.approve(m, id) // a word of a wallet is still a word
	}
	if !w.run(time.Minute, w.minedBy(id)) {
		w.fail(id)
	}
	if len(w.sessions) != 1 {
		t.Errorf("%d attempts, for one signature of the four who are left", len(w.sessions))
	}
	for _, s := range w.sessions {
		for _, m := range []council.MemberID{"core-1", "core-2", "community-1"} {
			if slices.Contains(s.begin.Signers, m) {
				t.Errorf("%s is among the signers %v", m, s.begin.Signers)
			}
		}
	}
}

// One member's word stops its own node, and nobody else's: also if it says it of
// others, or again and again.
func TestNobodyIsFrozenByAnother(t *testing.T) {
	w := newWorld(t, 42)
	for range 5 {
		w.freeze(liar, "everybody must stop")
	}
	w.run(5*time.Second, func() bool { return false })
	for _, m := range everyone {
		a := w.nodes[m].agenda
		if m != liar && a.Stopped() != "" {
			t.Errorf("%s stopped: %s", m, a.Stopped())
		}
		if f := a.Freezes(); len(f) != 1 || f[0].Member != liar {
			t.Errorf("%s knows of %+v", m, f)
		}
	}
	id := w.propose("core-1", "pause", "protocol")
	w.run(5*time.Second, w.known(id))
	for _, m := range []council.MemberID{"core-1", "core-2", "core-3", "core-4"} {
		w.approve(m, id)
	}
	if !w.run(time.Minute, w.minedBy(id)) {
		w.fail(id)
	}
}

// A Begin from anyone is refused, also one that was begun before; and a feed lifts
// nothing that the node's own note says.
func TestFreezeIsLiftedByItsOperatorAlone(t *testing.T) {
	w := newWorld(t, 43)
	id := w.propose("core-1", "pause", "protocol")
	w.run(5*time.Second, w.known(id))
	for _, m := range []council.MemberID{"core-1", "core-2", "core-3", "core-4"} {
		w.approve(m, id)
	}
	const m = council.MemberID("core-2")
	// In the middle of an attempt.
	if !w.run(time.Minute, func() bool { _, busy := w.session(m); return busy }) {
		t.Fatal("no attempt has begun with it")
	}
	s, _ := w.session(m)
	w.freeze(m, "stolen")
	if s.joined[m] || !s.dead {
		t.Error("the attempt goes on")
	}
	// Whoever has its node key can write to its feed.
	w.step(m, w.append(w.nodes[m], council.WordThawed, council.Thawed{Reason: "never mind"}))
	if got := w.nodes[m].agenda.Stopped(); got != "stolen" {
		t.Errorf("stopped: %q", got)
	}
	if !w.run(time.Minute, w.minedBy(id)) {
		w.fail(id)
	}
	p, _ := w.nodes["core-3"].agenda.Proposal(id)
	if slices.Contains(p.Signed.Signers, m) {
		t.Errorf("signed by %v", p.Signed.Signers)
	}
	if w.nodes[m].agenda.Stop("", w.now); w.nodes[m].agenda.Stopped() != "" {
		t.Error("its operator can't lift it")
	}
}

// A node whose disk is new has its freeze from its own feed, which others bring; and
// it says nothing that plays tricks on a terminal.
func TestFreezeComesBackWithTheFeed(t *testing.T) {
	w := newWorld(t, 44)
	const m = council.MemberID("core-2")
	w.step(m, w.append(w.nodes[m], council.WordFrozen, council.Frozen{Reason: "\x1b[2Jgone"}))
	if got := w.nodes[m].agenda.Stopped(); got != "[2Jgone" {
		t.Errorf("stopped: %q", got)
	}
	w.stop(m)
	w.start(m)
	if got := w.nodes[m].agenda.Stopped(); got != "[2Jgone" {
		t.Errorf("after a restart: %q", got)
	}
	w.step(m, w.append(w.nodes[m], council.WordFrozen, council.Frozen{}))
	if w.nodes[m].agenda.Stopped() == "" {
		t.Error("a freeze without a reason is none")
	}
	w.step(m, w.append(w.nodes[m], council.WordThawed, council.Thawed{Reason: "found again"}))
	if got := w.nodes[m].agenda.Stopped(); got != "" {
		t.Errorf("still stopped: %q", got)
	}
	w.run(5*time.Second, func() bool { return false })
	if f := w.nodes["core-1"].agenda.Freezes(); len(f) > 0 {
		t.Errorf("others know of %+v", f)
	}
}

// A member that freezes and thaws in turn is told of once an hour, and what holds in
// the end is always told; its state is exact meanwhile. Nobody else's word waits for it.
func TestFreezesAreToldOnceAnHour(t *testing.T) {
	a, err := agenda.New(agenda.Config{Self: "core-1", Roster: testcouncil.New(t).Roster})
	if err != nil {
		t.Fatal(err)
	}
	now, seq := time.Unix(1_800_000_000, 0), uint64(0)
	var told []string
	step := func(ev agenda.Event) {
		for _, e := range a.Step(ev, now) {
			if x, ok := e.(agenda.Notify); ok && (x.What == "frozen" || x.What == "thawed") {
				told = append(told, x.Text)
			}
		}
	}
	turn := func(m council.MemberID, frozen bool) {
		t.Helper()
		seq++
		e := agenda.Recorded{Author: m, Seq: seq, At: uint64(now.Unix()), Word: council.WordThawed, Body: council.Thawed{Reason: "found"}}
		if frozen {
			e.Word, e.Body = council.WordFrozen, council.Frozen{Reason: "lost"}
		}
		step(e)
		if a.Froze(m) != frozen {
			t.Fatalf("entry %d: frozen %v", seq, !frozen)
		}
	}
	expect := func(want ...string) {
		t.Helper()
		if !slices.Equal(told, want) {
			t.Errorf("told %q, want %q", told, want)
		}
		told = nil
	}
	const lost, found = "the node of core-2 signs nothing from now on: lost", "the node of core-2 signs again: found"
	for range 50 {
		turn("core-2", true)
		turn("core-2", false)
		now = now.Add(time.Second)
	}
	turn("core-3", true)
	expect(lost, "the node of core-3 signs nothing from now on: lost")
	if at := a.Wake(); !at.Equal(time.Unix(1_800_000_000, 0).Add(agenda.FreezeTold)) {
		t.Errorf("looks again at %s", at)
	}
	now = a.Wake().Add(-time.Second)
	step(agenda.Tick{})
	expect()
	now = now.Add(time.Second)
	step(agenda.Tick{})
	expect(found)
	turn("core-2", true)
	turn("core-2", false)
	now = now.Add(agenda.FreezeTold)
	step(agenda.Tick{})
	expect() // it is as it was told
	turn("core-2", true)
	expect(lost) // at once
}

// session is the one that a member is in.
func (w *world) session(m council.MemberID) (*session, bool) {
	for _, s := range w.sessions {
		if s.joined[m] && !s.dead {
			return s, true
		}
	}
	return nil, false
}
