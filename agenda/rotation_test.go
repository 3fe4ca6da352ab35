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

// Two leave and two join. All nine nodes agree at the end, whoever was told first.
func TestRotation(t *testing.T) {
	w := newShift(t, 1)
	w.boot(w.names...)
	w.propose("core-2", w.plans[0])
	stages := map[agenda.RotationStage]bool{}
	if !w.sign() {
		t.Fatal("the council can't sign before")
	}
	for range 4000 {
		w.run(5*time.Millisecond, never)
		for _, name := range w.names {
			stages[w.desks[name].node.Status().Stage] = true
		}
	}
	if how := w.settle("all well"); how != "committed" {
		t.Fatal(how)
	}
	for _, s := range []agenda.RotationStage{agenda.StageGathering, agenda.StageReady, agenda.StageRunning, agenda.StageStaged, agenda.StageTesting, agenda.StageLocking, agenda.StageCommitted, agenda.StageErased} {
		if !stages[s] {
			t.Errorf("nobody was ever shown %q", s)
		}
	}
	s, _ := w.desks["core-5"].node.Switched()
	if s.After().Key != w.holding.Key || len(s.Inherited().Rows) != 1 || s.LastFour() {
		t.Errorf("ends with %+v", s)
	}
}

// A leaver's help is not needed: here both are away until all is over.
func TestRotationWithoutLeavers(t *testing.T) {
	w := newShift(t, 2)
	away := []string{"community-2", "core-4"}
	for _, name := range w.names {
		if !slices.Contains(away, name) {
			w.boot(name)
		}
	}
	w.propose("core-2", w.plans[0])
	if !w.run(5*time.Minute, func() bool { return w.stage("core-1", agenda.StageErased) }) {
		t.Fatalf("does not end\n%s", w.where())
	}
	w.run(time.Minute, never)
	if s := w.desks["core-1"].node.Status(); len(s.Missing) != 2 || s.Missing[0].Member != "community-2" {
		t.Errorf("says %s", s)
	}
	if how := w.settle("leavers come back"); how != "committed" {
		t.Fatal(how)
	}
}

// Any four old nodes deal and test: here the three who leave are away. But five lock; also
// when three of the four have said last-four before the fifth comes back.
func TestRotationOfFourOldNodes(t *testing.T) {
	w := newShift(t, 2, threeForThree(t))
	for _, name := range w.names {
		if !slices.Contains(trio, council.MemberID(name)) {
			w.boot(name)
		}
	}
	w.propose("core-2", w.plans[0])
	four := func() bool { return strings.HasPrefix(w.desks["core-1"].node.Status().Text, "4 of 5 locks") }
	if !w.run(time.Minute, four) {
		t.Fatalf("the four don't lock\n%s", w.where())
	}
	w.run(10*time.Minute, never)
	if s := w.desks["core-1"].node.Status(); !four() || len(s.Missing) != 3 || w.sign() {
		t.Fatalf("says %s", s)
	}
	for _, name := range []string{"community-1", "community-3", "core-1"} {
		w.give(w.desks[name], agenda.LastFourWanted{})
	}
	if w.run(10*time.Minute, func() bool { return !four() }) {
		t.Fatalf("three words commit\n%s", w.where())
	}
	w.boot("core-3")
	if !w.run(time.Minute, func() bool { return w.stage("core-1", agenda.StageErased) }) {
		t.Fatalf("does not end with the fifth lock\n%s", w.where())
	}
	if s, _ := w.desks["core-1"].node.Switched(); s.LastFour() || strings.Contains(s.String(), "last-four") {
		t.Errorf("five have locked, and it says %s", s)
	}
	if how := w.settle("all come back"); how != "committed" {
		t.Fatal(how)
	}
}

// It does not begin before its day.
func TestRotationWaitsForItsDay(t *testing.T) {
	w := newShift(t, 3)
	w.now = time.Unix(shiftDay-100, 0)
	w.boot(w.names...)
	w.propose("core-2", w.plans[0])
	w.run(90*time.Second, never)
	if !w.stage("core-1", agenda.StageProposed) || w.desks["core-1"].disk.Tries != nil {
		t.Fatalf("before its day\n%s", w.where())
	}
	if how := w.settle("its day"); how != "committed" {
		t.Fatal(how)
	}
}

// Who does not come is named, with what to do; four operators end it, and the old
// council signs on all the time.
func TestJoinerThatNeverComes(t *testing.T) {
	w := newShift(t, 4)
	w.desks["core-5"].stays = true
	for _, name := range w.names {
		if name != "core-5" {
			w.boot(name)
		}
	}
	w.propose("core-2", w.plans[0])
	w.run(time.Minute, never)
	for _, name := range w.names[:8] {
		if s := w.desks[name].node.Status(); s.Stage != agenda.StageGathering || len(s.Missing) != 1 && name == "community-1" || !strings.Contains(s.String(), "core-5: start the node") {
			t.Errorf("%s says %s", name, s)
		}
	}
	for i, name := range []string{"core-1", "core-2", "core-3", "core-4"} {
		if !w.sign() {
			t.Error("the council can't sign")
		}
		if i == 3 && w.stage("community-1", agenda.StageAborted) {
			t.Error("three have ended it")
		}
		w.give(w.desks[name], agenda.AbortWanted{Reason: "core-5 does not come"})
		w.run(5*time.Second, never)
	}
	if how := w.settle("aborted"); how != "aborted" {
		t.Fatal(how)
	}
	// Who was not there hears of it.
	w.desks["core-5"].stays = false
	w.desks["core-5"].disk.Heard = []agenda.HeardSuccession{{Succession: w.plans[0], Seen: shiftDay}}
	w.boot("core-5")
	w.run(time.Minute, never)
	if !w.stage("core-5", agenda.StageAborted) {
		t.Errorf("core-5 is at\n%s", w.where())
	}
}

// lockedBy runs until exactly these old nodes have locked: the others never do.
func lockedBy(t *testing.T, w *shift, names ...string) {
	t.Helper()
	w.boot(w.names...)
	w.veto = func(name string, e agenda.Effect) bool {
		_, lock := e.(agenda.WriteLock)
		if k, ok := e.(agenda.Keep); ok && k.Record.Grounds != nil {
			lock = true
		}
		return lock && !slices.Contains(names, name)
	}
	w.propose("core-2", w.plans[0])
	w.run(2*time.Minute, never)
	n := 0
	for _, name := range w.names {
		d := w.desks[name]
		if slices.Contains(names, name) != (len(d.disk.Locks) > 0) {
			t.Fatalf("%s has %d locks\n%s", name, len(d.disk.Locks), w.where())
		}
		if n += len(d.disk.Locks); d.disk.Certificate != nil {
			t.Fatalf("%s has a certificate", name)
		}
	}
}

// A disk that is full when it is to take the locks leaves every old node that stays
// locked: the lock may lie there all the same. They ask again, not faster than they
// may, and no operator talks them into a refusal. Who leaves waits for their Locks.
func TestDiskFullWhileLocking(t *testing.T) {
	w := newShift(t, 6)
	w.boot(w.names...)
	full, asked := true, map[string]int{}
	w.veto = func(name string, e agenda.Effect) bool {
		l, ok := e.(agenda.WriteLock)
		if !ok || !full {
			return false
		}
		asked[name]++
		w.later(0, w.desks[name], agenda.LockWritten{Lock: l.Lock, Err: errors.New("no space left on device")})
		return true
	}
	w.propose("core-2", w.plans[0])
	if !w.run(2*time.Minute, func() bool { return len(asked) == 5 }) {
		t.Fatalf("%d are to lock", len(asked))
	}
	for range 30 {
		w.run(time.Second, never)
		for name := range asked {
			d := w.desks[name]
			if _, ok := d.node.Signs(); ok {
				t.Fatalf("%s signs though its lock may be on the disk", name)
			}
			w.give(d, agenda.AbortWanted{Reason: "the disks are full"})
			if len(d.disk.Refusals) > 0 {
				t.Fatalf("%s has refused what it may have locked for", name)
			}
		}
	}
	for name, n := range asked {
		if most := 2 + int(40*time.Second/agenda.Defaults().Retry); n < 2 || n > most {
			t.Errorf("%s asked its disk %d times in half a minute; want 2 to %d", name, n, most)
		}
	}
	full = false
	if how := w.settle("full"); how != "committed" {
		t.Fatal(how)
	}
}

// With three locked, four refusals unlock: nothing else does.
func TestAbortUnlocks(t *testing.T) {
	w := newShift(t, 5)
	// The four others lose their locks in a crash before the disk has them, and are
	// started by operators who have had enough.
	four := []string{"community-1", "core-1", "core-2", "core-4"}
	lockedBy(t, w, "community-2", "community-3", "core-3")
	if w.sign() {
		t.Error("signs under the old epoch, with all locked or about to be")
	}
	w.now = w.now.Add(48 * time.Hour) // time does not unlock
	w.run(time.Minute, never)
	for _, name := range []string{"community-2", "community-3", "core-3"} {
		w.give(w.desks[name], agenda.AbortWanted{Reason: "a test"})
		if _, ok := w.desks[name].node.Locked(); !ok || len(w.desks[name].disk.Refusals) > 0 {
			t.Fatalf("%s unlocks, or refuses what it has locked for", name)
		}
	}
	for i, name := range four {
		w.kill(w.desks[name])
		w.cut = func(x, y string) bool { return x == name || y == name } // it hears no grounds to lock
		w.boot(name)
		w.give(w.desks[name], agenda.AbortWanted{Reason: "a test"})
		w.run(time.Second, never)
		if i < 3 {
			w.heal()
			w.run(5*time.Second, never)
			if _, ok := w.desks["core-3"].node.Locked(); !ok {
				t.Fatalf("%d refusals unlock", i+1)
			}
		}
	}
	if how := w.settle("aborted"); how != "aborted" {
		t.Fatal(how)
	}
	if !w.sign() {
		t.Error("the old council can't sign again")
	}
}

// Only four old nodes are left. Three words are not enough, four are.
func TestLastFour(t *testing.T) {
	w := newShift(t, 6)
	four := []string{"community-1", "core-1", "core-2", "core-3"}
	lockedBy(t, w, four...)
	for _, name := range []string{"community-2", "community-3", "core-4"} {
		w.kill(w.desks[name])
		w.desks[name].stays = true
	}
	w.run(time.Minute, never)
	if s := w.desks["core-1"].node.Status(); s.Stage != agenda.StageLocking || !strings.Contains(s.Text, "--last-four") || len(s.Missing) != 3 {
		t.Errorf("says %s", s)
	}
	for i, name := range four {
		if i == 3 {
			if w.desks["core-1"].disk.Certificate != nil {
				t.Fatal("three words commit")
			}
			s := w.desks["core-5"].node.Status()
			if !strings.Contains(s.Text, "given on community-1, core-1, core-2") || !slices.ContainsFunc(s.Missing, func(n agenda.Need) bool { return n.Member == "core-3" && strings.Contains(n.Do, "--last-four") }) {
				t.Errorf("says %s", s)
			}
		}
		w.give(w.desks[name], agenda.LastFourWanted{})
		w.run(10*time.Second, never)
	}
	c := w.desks["core-5"].disk.Certificate
	if c == nil || len(c.Locks) != 4 {
		t.Fatalf("not committed\n%s", w.where())
	}
	if s, _ := w.desks["core-5"].node.Switched(); !s.LastFour() || !strings.Contains(w.desks["core-5"].node.Status().Text, "only if none of them is malicious") {
		t.Errorf("the proof does not say that it took the last four, or not on what that rests: %s", s)
	}
	for _, d := range w.desks { // community-3 had the third new share of the old ones
		d.stays = false
	}
	if how := w.settle("the others come back"); how != "committed" {
		t.Fatal(how)
	}
}

// Two successions are agreed on at once. One is taken, by all the same: who joins in it
// holds a share, and who joins in the other one holds none and hears that it is over.
func TestTwoRotationsAtOnce(t *testing.T) {
	for seed := range uint64(8) {
		w := newShift(t, 100+seed, twoForTwo(t, newShift(t, 0).holding.Roster), other(t))
		w.boot(w.names...)
		w.propose("core-1", w.plans[seed%2])
		w.run(time.Duration(seed)*400*time.Millisecond, never)
		w.propose("core-2", w.plans[1-seed%2])
		for range 20 {
			w.run(300*time.Millisecond, never)
			w.sign()
		}
		if how := w.settle(fmt.Sprint("seed ", seed)); how != "committed" {
			t.Fatal(how)
		}
		taken := w.desks["core-2"].disk.Certificate.Succession.Roster
		for _, m := range append(slices.Clone(joiners), "core-6") {
			d, want := w.desks[string(m)], uint64(0)
			if _, in := taken.Member(m); in {
				want = 2
			}
			if d.epoch != want || d.node.Status().Stage != agenda.StageCommitted {
				t.Errorf("seed %d: %s has a share of epoch %d and says %s", seed, m, d.epoch, d.node.Status())
			}
		}
	}
}

func other(t testing.TB) council.Succession {
	if s, ok := plans["other"]; ok {
		return s
	}
	plans["other"] = plan(t, newShift(t, 0).holding.Roster, shiftDay, []council.MemberID{"core-1"}, []council.MemberID{"core-6"}, yes)
	return plans["other"]
}

// A disk that does not take a refusal, the operator's or one that follows from what others
// have locked for, is asked again, not faster than it may be; until it has taken it, this
// node locks for nothing that it refuses.
func TestDiskFullWhileRefusing(t *testing.T) {
	w := newShift(t, 11)
	const name = "core-1"
	lockedBy(t, w, "community-2", "community-3", "core-3")
	d := w.desks[name]
	w.kill(d) // the disk has not its Lock
	w.cut = func(x, y string) bool { return x == name || y == name }
	w.boot(name)
	full, asked := true, 0
	w.veto = func(who string, e agenda.Effect) bool {
		x, ok := e.(agenda.WriteRefusal)
		if who != name || !ok || !full {
			_, lock := e.(agenda.WriteLock)
			return lock
		}
		if asked++; asked > 1000 {
			t.Fatal("asks without end")
		}
		w.later(0, d, agenda.RefusalWritten{Refusal: x.Refusal, Err: errors.New("no space left on device")})
		return true
	}
	for round, want := range []int{1, 2} { // the succession; then, as others have locked for it, the try
		before := asked
		if round == 0 {
			w.give(d, agenda.AbortWanted{Reason: "a test"})
		} else {
			w.heal()
		}
		w.run(30*time.Second, never)
		if n, most := asked-before, 2+int(30*time.Second/agenda.Defaults().Retry); n < 3 || n > most {
			t.Errorf("round %d: asked its disk %d times in half a minute; want 3 to %d", round, n, most)
		}
		if _, locked := d.node.Locked(); locked || len(d.disk.Refusals) != round {
			t.Errorf("round %d: locked %t, refusals %v", round, locked, d.disk.Refusals)
		}
		full = false
		d.stale = "a test" // it may have said something else: it gives no word
		w.give(d, d.ledger())
		w.run(10*time.Second, never)
		if len(d.disk.Refusals) != round {
			t.Errorf("round %d: refuses while it is catching up", round)
		}
		d.stale = ""
		w.give(d, d.ledger())
		w.run(10*time.Second, never)
		if len(d.disk.Refusals) != want {
			t.Errorf("round %d: there is room, and %d refusals are on the disk; want %d", round, len(d.disk.Refusals), want)
		}
		full = true
	}
}
