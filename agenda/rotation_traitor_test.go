package agenda_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/millicent-one/signer/agenda"
	"github.com/millicent-one/signer/council"
)

// A malicious member runs a node on each side of a cut 3|3, and approves of, and
// locks for, another successor on each. No certificate comes about; and when the
// cut heals, the two Locks convict it, and the six sign under the old epoch, though
// it is silent from then on.
func TestTraitorOnBothSides(t *testing.T) {
	w := bothSides(t, 7)
	w.parts()
	for _, name := range w.names {
		d := w.desks[name]
		_, held := w.holding.Roster.Member(d.id)
		if d.disk.Certificate != nil || held && len(d.disk.Locks) != 1 {
			t.Fatalf("%s has certificate %v and %d locks", name, d.disk.Certificate != nil, len(d.disk.Locks))
		}
	}
	if w.sign() {
		t.Fatal("signs, with all locked")
	}
	w.silences("core-1", "core-1'")
	n := 0
	for _, name := range w.names {
		d := w.desks[name]
		if d.disk.Certificate != nil {
			t.Errorf("%s has a certificate", name)
		}
		if d.node != nil {
			if len(d.forks) != 1 || d.forks[0].First.Member != "core-1" || d.forks[0].Verify(w.holding) != nil {
				t.Errorf("%s is shown %d forks", name, len(d.forks))
			}
			if epoch, ok := d.node.Signs(); ok && epoch == 1 {
				n++
			}
		}
	}
	if n != 6 || !w.sign() {
		t.Errorf("%d of six sign under the old epoch\n%s", n, w.where())
	}
}

// bothSides is a council that is cut 3|3, with a node of core-1 on each side. Each side has
// agreed with that one on a successor without the other side.
func bothSides(t *testing.T, seed uint64) *shift {
	t.Helper()
	left, right := []council.MemberID{"community-1", "community-2", "core-2"}, []council.MemberID{"community-3", "core-3", "core-4"}
	inLeft, inRight := []council.MemberID{"community-4", "core-5", "core-6"}, []council.MemberID{"community-5", "community-6", "core-7"}
	step := func(name string, out, in, stay []council.MemberID) council.Succession {
		return once(name, func() council.Succession {
			return plan(t, newShift(t, 0).holding.Roster, shiftDay, out, in, append([]council.MemberID{"core-1"}, stay...))
		})
	}
	w := newShift(t, seed, step("without the right", right, inLeft, left), step("without the left", left, inRight, right))
	w.seat("core-1'", "core-1")
	var side []string
	for _, m := range slices.Concat(left, inLeft) {
		side = append(side, string(m))
	}
	w.split(append(side, "core-1")...)
	return w
}

// parts has each side work for its own successor.
func (w *shift) parts() {
	w.boot(w.names...)
	w.propose("core-2", w.plans[0])
	w.propose("core-3", w.plans[1])
	w.run(2*time.Minute, never)
}

// silences heals a cut, with these nodes gone.
func (w *shift) silences(names ...string) {
	for _, name := range names {
		w.kill(w.desks[name])
		w.desks[name].stays = true
	}
	w.heal()
	w.run(3*time.Minute, never)
}

// A dealer lies to the heirs. They name it, nobody has a share of that try, and the next one
// goes without it as a dealer, whether it leaves or stays.
func TestLyingDealerDealsNoMore(t *testing.T) {
	for _, liar := range []council.MemberID{"community-2", "core-1"} { // one leaves, one stays
		w := newShift(t, 10)
		var first council.SessionID
		w.lone = func(name string, ev agenda.Event) bool {
			x, ok := ev.(agenda.Reshared)
			if ok && first == (council.SessionID{}) {
				first = x.Session
			}
			d := w.desks[name]
			if _, heir := w.plans[0].Roster.Member(d.id); !ok || x.Session != first || !heir || d.id == liar {
				return false
			}
			w.give(d, agenda.Failed{Session: first, Suspects: []council.MemberID{liar}, Err: errors.New("its part does not fit what it has committed to")})
			return true
		}
		w.boot(w.names...)
		w.propose("core-2", w.plans[0])
		if how := w.settle("without the liar"); how != "committed" {
			t.Fatal(how)
		}
		c := w.desks["core-2"].disk.Certificate
		if c.Rotation.Session() == first || slices.Contains(c.Rotation.Dealers, liar) {
			t.Errorf("%s has lied, and the dealers are %v", liar, c.Rotation.Dealers)
		}
		for _, a := range c.Succession.Roster.IDs() {
			d := w.desks[string(a)]
			told := slices.ContainsFunc(d.told, func(n agenda.Notify) bool {
				return n.What == "rotation-failed" && strings.Contains(n.Text, "(suspects: "+string(liar)+")")
			})
			if !told || len(d.disk.Tries) != 2 || !slices.Contains(d.disk.Tries[0].Dealers, liar) {
				t.Errorf("%s has heard of %s: %v; it was in %d tries", a, liar, told, len(d.disk.Tries))
			}
		}
	}
}

// The last signer of a test signature keeps it: the others don't lock, try again,
// and what it has kept commits nothing that they would not.
func TestLastSignerKeepsTheTest(t *testing.T) {
	w := newShift(t, 8)
	liar, silent := w.desks["core-5"], true
	var kept agenda.Dossier // of the first try, with both tests
	w.veto = func(name string, e agenda.Effect) bool {
		s, ok := e.(agenda.Send)
		d, dossier := s.Message.(agenda.Dossier)
		if !ok || !dossier || !silent || name != liar.name || len(d.Tests) == 0 {
			return false
		}
		if len(d.Tests) == 2 && len(kept.Tests) == 0 {
			kept = d
		}
		return true
	}
	w.boot(w.names...)
	w.propose("core-2", w.plans[0])
	w.lone = func(name string, ev agenda.Event) bool { // only the traitor gets the second test
		s, ok := ev.(agenda.Signed)
		return ok && silent && name != liar.name && slices.Contains(w.signers(s.Session), liar.id)
	}
	if !w.run(time.Minute, func() bool { return len(kept.Tests) == 2 }) {
		t.Fatalf("the traitor never has the second test\n%s", w.where())
	}
	w.kill(liar) // its next process knows nothing of the tests, and is there for another try
	w.boot(liar.name)
	again := func() bool {
		return !slices.ContainsFunc(w.names, func(name string) bool { return len(w.desks[name].disk.Tries) < 2 })
	}
	if !w.run(3*w.timing.Ceremony, again) {
		t.Fatalf("they don't try again\n%s", w.where())
	}
	w.run(20*time.Second, never) // the second one's test is kept, too
	first := kept.Rotation.ID()
	for _, name := range w.names {
		if len(w.desks[name].disk.Locks) > 0 {
			t.Fatalf("%s has locked without the second test", name)
		}
		if name != liar.name {
			w.give(w.desks[name], agenda.Said{From: liar.id, Message: kept})
		}
	}
	silent = false
	if how := w.settle("the tests come out"); how != "committed" {
		t.Fatal(how)
	}
	for _, name := range w.names {
		d := w.desks[name]
		if slices.ContainsFunc(d.disk.Locks, func(l council.Lock) bool { return l.Ceremony == first }) || d.disk.Certificate.Ceremony() == first {
			t.Errorf("%s has locked for the try that it gave up, or switched to it", name)
		}
	}
}

// Crashes, cuts, lost, late and doubled messages, and operators who want it to
// end: whatever happens, it ends one way for all, and what must hold of each node
// holds after each of its steps.
func TestRandomFaultsInTheRotation(t *testing.T) {
	seeds := 16
	if *matrix {
		seeds = 500
	}
	ends := [2]map[string]int{{}, {}}
	two := twoForTwo(t, newShift(t, 0).holding.Roster)
	t.Run("faults", func(t *testing.T) {
		for half := range ends {
			t.Run(fmt.Sprint(half), func(t *testing.T) {
				t.Parallel()
				for seed := half; seed < seeds; seed += len(ends) {
					ends[half][faults(t, uint64(seed), two)]++
				}
			})
		}
		for name, steps := range map[string][]council.Succession{
			"no share moves":       {charters(t)},
			"a refresh":            {refresh(t)},
			"two without shares":   {shorter(t, "core-3"), shorter(t, "core-1")},
			"one without, one not": {shorter(t, "core-3"), two},
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				ends := map[string]int{}
				for seed := range seeds / 2 {
					ends[faults(t, uint64(1000+seed), steps...)]++
				}
				t.Log(ends)
				if ends["committed"] == 0 {
					t.Error("none was ever committed")
				}
			})
		}
	})
	t.Log(ends)
	if ends[0]["committed"]+ends[1]["committed"] == 0 || ends[0]["aborted"]+ends[1]["aborted"] == 0 {
		t.Error("one of the two ends was never seen")
	}
}

// A node whose own refusal is the last that it knows of, or that knows of nothing,
// hears from the others that the rotation is over.
func TestOwnRefusalIsNotTheLastWord(t *testing.T) {
	for _, seed := range []uint64{128, 241, 376} { // found at random
		if how := faults(t, seed, twoForTwo(t, newShift(t, 0).holding.Roster)); how != "aborted" {
			t.Errorf("seed %d: %s", seed, how)
		}
	}
}

// faults plays one world to its end. Of several steps that are agreed on, the others
// come up on the way.
func faults(t *testing.T, seed uint64, steps ...council.Succession) string {
	w := newShift(t, seed, steps...)
	w.loss, w.twice, w.slow = float64(w.rnd.IntN(4))/10, 0.2, time.Duration(10+w.rnd.IntN(3000))*time.Millisecond
	deaths, often, aborts := w.rnd.IntN(7), 30+w.rnd.IntN(170), []int{0, 0, 1, 3, 4, 5, 7}[w.rnd.IntN(7)]
	w.dies = func(string, string) bool {
		if deaths == 0 || w.rnd.IntN(often) > 0 {
			return false
		}
		deaths--
		return true
	}
	w.start(6 * time.Second)
	for i := range 12 {
		switch w.rnd.IntN(4) {
		case 0:
			w.heal()
			w.split(sides[[]string{"4|3", "3|4", "5|2"}[w.rnd.IntN(3)]]...)
		case 1:
			w.heal()
		case 2:
			w.boot(w.names...)
		}
		if d := w.desks[w.names[w.rnd.IntN(len(w.names))]]; aborts > 0 && i > 2 && d.node != nil {
			aborts--
			w.give(d, agenda.AbortWanted{Reason: "a test"})
		}
		if d := w.desks["core-3"]; i < len(steps) && i > 0 && d.node != nil {
			w.propose("core-3", steps[i])
		}
		w.run(time.Duration(w.rnd.IntN(15000))*time.Millisecond, never)
		w.sign()
	}
	if len(steps) > 1 { // who joins in one that is not taken has nothing to do
		for _, d := range w.desks {
			_, held := w.holding.Roster.Member(d.id)
			d.stays = !held
		}
	}
	w.dies = func(string, string) bool { return false }
	return w.resolve(fmt.Sprint("seed ", seed))
}

// resolve heals everything, has operators do what the status tells them, if it has come to
// that, and waits for the end.
func (w *shift) resolve(label string) string {
	w.t.Helper()
	w.again()
	w.heal()
	w.boot(w.names...)
	w.loss = 0
	w.run(3*time.Minute, never)
	if w.ended() == "" {
		w.operators()
	}
	return w.settle(label)
}

// operators end a rotation that some have locked for and some refuse: with four
// locked by last-four, else by an abort.
func (w *shift) operators() {
	locked := 0
	for _, name := range w.names {
		if _, ok := w.desks[name].node.Locked(); ok {
			locked++
		}
	}
	for _, name := range w.names {
		d := w.desks[name]
		switch _, ok := d.node.Locked(); {
		case ok && locked == w.holding.Roster.Threshold:
			w.give(d, agenda.LastFourWanted{})
		case !ok && locked != w.holding.Roster.Threshold:
			w.give(d, agenda.AbortWanted{Reason: "a test"})
		}
		w.run(time.Second, never)
	}
}

// Three leave. A traitor who stays keeps the last test of a try from those who stay,
// until they have given it up, and shows it to those who leave. They lock for nothing
// that nobody who stays has locked for; so when the traitor is silent at the next try,
// six honest words are for one.
func TestLeaversLockAfterThoseWhoStay(t *testing.T) {
	s := threeForThree(t)
	w := newShift(t, 9, s)
	traitor := w.desks["core-2"]
	var whole agenda.Dossier // of the first try
	var test council.SessionID
	w.veto = func(name string, e agenda.Effect) bool {
		if _, lock := e.(agenda.WriteLock); lock && name == traitor.name {
			return true
		}
		x, ok := e.(agenda.Send)
		d, dossier := x.Message.(agenda.Dossier)
		if !ok || !dossier || len(d.Acks) < 7 {
			return false
		}
		if len(whole.Tests) == 0 && len(d.Tests) == 1 {
			whole = d
		}
		return len(d.Tests) > 1 && d.Rotation.ID() == whole.Rotation.ID() // nor do the leavers tell of it
	}
	w.lone = func(name string, ev agenda.Event) bool {
		x, ok := ev.(agenda.Signed)
		if !ok || !slices.Contains(w.signers(x.Session), "core-6") {
			return false
		}
		if test == (council.SessionID{}) {
			test = x.Session
		}
		if x.Session == test && len(whole.Tests) == 1 {
			whole.Tests = append(whole.Tests, council.TestSignature{Signers: w.signers(test), Signature: x.Signature})
		}
		return x.Session == test
	}
	w.boot(w.names...)
	w.propose("core-1", s)
	if !w.run(time.Minute, func() bool { return len(whole.Tests) == 2 }) {
		t.Fatalf("no whole try\n%s", w.where())
	}
	for _, m := range trio {
		w.give(w.desks[string(m)], agenda.Said{From: traitor.id, Message: whole})
	}
	first := whole.Rotation.ID()
	// As those who stay lock for the next one, the traitor is gone.
	w.run(3*time.Minute, func() bool {
		n := 0
		for _, d := range w.desks {
			for _, l := range d.disk.Locks {
				if l.Ceremony == first {
					t.Fatalf("%s has locked for the try that those who stay have given up", d.name)
				}
				n++
			}
		}
		return n > 0
	})
	w.kill(traitor)
	traitor.stays = true
	if how := w.settle("without the traitor"); how != "committed" {
		t.Fatal(how)
	}
	if len(traitor.disk.Tries) != 2 || len(traitor.disk.Locks) > 0 {
		t.Errorf("the traitor was in %d tries and locked for %d", len(traitor.disk.Tries), len(traitor.disk.Locks))
	}
}
