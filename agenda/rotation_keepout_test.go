package agenda_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/agenda"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/internal/testcouncil"
)

// untried fails when somebody has joined a try.
func (w *shift) untried(when string) {
	w.t.Helper()
	for _, name := range w.names {
		if n := len(w.desks[name].disk.Tries); n > 0 {
			w.t.Fatalf("%s: %s has joined %d tries", when, name, n)
		}
	}
}

// waitsFor fails unless two nodes say that a member is waited for: itself, with what
// its operator has to do, and another.
func (w *shift) waitsFor(name, do string) {
	w.t.Helper()
	for _, who := range []string{name, "core-1"} {
		s := w.desks[who].node.Status()
		i := slices.IndexFunc(s.Missing, func(n agenda.Need) bool { return string(n.Member) == name })
		if i < 0 || who == name && !strings.Contains(s.Missing[i].Do, do) {
			w.t.Fatalf("%s says %s", who, s)
		}
	}
}

// A frozen node that is to stay keeps every try from coming about, before the first
// one and in the middle of one, also when it is started anew. Thawed, it takes part.
func TestFrozenNodeKeepsOut(t *testing.T) {
	newShift(t, 0) // makes the plan that all of them share
	for _, when := range []agenda.RotationStage{agenda.StageNone, agenda.StageGathering, agenda.StageRunning, agenda.StageStaged, agenda.StageTesting} {
		t.Run(string("frozen at "+when), func(t *testing.T) {
			t.Parallel()
			w := newShift(t, 21)
			d := w.desks["core-3"]
			if when == agenda.StageNone {
				w.freeze(d, "laptop stolen")
			}
			w.boot(w.names...)
			w.propose("core-2", w.plans[0])
			if when != agenda.StageNone && w.run(20*time.Second, func() bool { return w.stage("core-3", when) }) {
				w.freeze(d, "laptop stolen")
			}
			if d.frozen == "" {
				t.Fatalf("core-3 was never %s", when)
			}
			tries := len(d.disk.Tries)
			for range 2 {
				w.run(2*time.Minute, never)
				if when == agenda.StageNone || when == agenda.StageGathering {
					w.untried("while it is frozen")
				}
				if len(d.disk.Tries) > tries {
					t.Fatal("it has joined a try")
				}
				for _, name := range w.names {
					if x := w.desks[name]; len(x.disk.Locks) > 0 || x.disk.Certificate != nil {
						t.Fatalf("%s has locked", name)
					}
				}
				w.waitsFor("core-3", "signer key thaw")
				if s := d.node.Status(); !strings.Contains(s.Text, "laptop stolen") {
					t.Fatalf("it says %s", s)
				}
				w.kill(d)
				w.run(time.Second, never)
				w.boot("core-3")
			}
			if !w.sign() {
				t.Error("the council can't sign meanwhile")
			}
			w.freeze(d, "")
			if how := w.settle("thawed"); how != "committed" {
				t.Fatal(how)
			}
		})
	}
}

// What others commit holds for a frozen node: it has dealt and locked for nothing,
// whether it leaves or stays, and switches and erases as they do.
func TestFrozenNodeTakesWhatOthersCommit(t *testing.T) {
	t.Run("leaves", func(t *testing.T) {
		w := newShift(t, 22)
		d := w.desks["core-4"]
		w.freeze(d, "the machine is in other hands")
		w.boot(w.names...)
		w.propose("core-2", w.plans[0])
		if how := w.settle("without it"); how != "committed" {
			t.Fatal(how)
		}
		if c := d.disk.Certificate; len(d.disk.Locks) > 0 || slices.Contains(c.Rotation.Dealers, "core-4") || d.frozen == "" {
			t.Errorf("it has given %d locks; dealers %v", len(d.disk.Locks), c.Rotation.Dealers)
		}
	})
	t.Run("stays", func(t *testing.T) {
		w := newShift(t, 23)
		d := w.desks["core-3"]
		deaf := true // it has done its part of the test, and does not hear that all is well
		w.lone = func(name string, ev agenda.Event) bool {
			_, signed := ev.(agenda.Signed)
			return name == "core-3" && signed
		}
		w.cut = func(from, to string) bool { return deaf && to == "core-3" && len(w.desks["core-1"].disk.Locks) > 0 }
		w.boot(w.names...)
		w.propose("core-2", w.plans[0])
		if !w.run(time.Minute, func() bool { return len(w.desks["core-1"].disk.Locks) > 0 }) || len(d.disk.Locks) > 0 {
			t.Fatalf("not locking\n%s", w.where())
		}
		w.freeze(d, "laptop stolen")
		deaf = false
		w.give(d, agenda.LastFourWanted{})
		if how := w.settle("without its lock"); how != "committed" {
			t.Fatal(how)
		}
		if len(d.disk.Locks) > 0 || len(d.disk.Certificate.Locks) < 5 {
			t.Errorf("it has given %d locks", len(d.disk.Locks))
		}
	})
}

// Who has lost its share deals none, and gets one.
func TestSharelessMemberDealsNothing(t *testing.T) {
	w := newShift(t, 24)
	for _, name := range []string{"core-1", "core-2", "community-1"} {
		w.desks[name].lost = true
	}
	w.boot(w.names...)
	w.propose("core-3", w.plans[0])
	if how := w.settle("three have lost theirs"); how != "committed" {
		t.Fatal(how)
	}
	c := w.desks["core-1"].disk.Certificate
	if want := []council.MemberID{"community-2", "community-3", "core-3", "core-4"}; !slices.Equal(c.Rotation.Dealers, want) || len(w.desks["core-1"].disk.Tries) != 1 {
		t.Errorf("dealers %v in try %d", c.Rotation.Dealers, len(w.desks["core-1"].disk.Tries))
	}
}

// A joiner with another charter, or with a clock that is late by days, costs no try:
// it is waited for, and says why.
func TestJoinerThatIsNotReady(t *testing.T) {
	for name, wrong := range map[string]func(d *desk, is bool){
		"charter": func(d *desk, is bool) {
			d.charter = common.Hash{}
			if is {
				d.charter = common.Hash{0xcc}
			}
		},
		"clock": func(d *desk, is bool) {
			d.behind = 0
			if is {
				d.behind = 48 * time.Hour
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newShift(t, 25)
			d := w.desks["core-5"]
			wrong(d, true)
			w.boot(w.names...)
			w.propose("core-2", w.plans[0])
			w.run(5*time.Minute, never)
			w.untried("with a wrong " + name)
			if name == "charter" {
				w.waitsFor("core-5", "charter file")
			} else if s := d.node.Status(); s.Stage != agenda.StageProposed || !strings.Contains(s.Text, "at the earliest") {
				t.Errorf("it says %s", s)
			}
			if s := w.desks["core-1"].node.Status(); len(s.Missing) != 1 || s.Missing[0].Member != "core-5" {
				t.Errorf("core-1 says %s", s)
			}
			w.kill(d)
			wrong(d, false)
			if how := w.settle("put right"); how != "committed" {
				t.Fatal(how)
			}
		})
	}
}

// A joiner whose clock is ahead, be it the one that leads, begins nothing before the day
// of the others.
func TestJoinerWhoseClockIsAhead(t *testing.T) {
	old := newShift(t, 0).holding.Roster
	leads := once("a joiner that leads", func() council.Succession {
		return plan(t, old, shiftDay, []council.MemberID{"community-2"}, []council.MemberID{"community-0"}, yes)
	})
	for name, s := range map[string]council.Succession{"core-5": twoForTwo(t, old), "community-0": leads} {
		t.Run(name, func(t *testing.T) {
			w := newShift(t, 26, s)
			w.now = time.Unix(shiftDay-100, 0)
			w.desks[name].behind = -48 * time.Hour
			w.boot(w.names...)
			w.propose("core-2", s)
			w.run(90*time.Second, never)
			w.untried("before the day of the others")
			if x := w.desks[name].node.Status(); x.Stage != agenda.StageGathering || len(x.Missing) == 0 {
				t.Errorf("it says %s", x)
			}
			if x := w.desks["core-2"].node.Status(); x.Stage != agenda.StageProposed {
				t.Errorf("core-2 says %s", x)
			}
			if how := w.settle("its day"); how != "committed" {
				t.Fatal(how)
			}
		})
	}
}

// A joiner with another node key than its card has takes no part, and says which is which;
// the others wait for it.
func TestJoinerWithAnotherCard(t *testing.T) {
	w := newShift(t, 27)
	d := w.desks["core-5"]
	right, wrong := d.key, testcouncil.NodeKey("core-9")
	d.key = wrong
	w.boot(w.names...)
	w.propose("core-2", w.plans[0])
	w.run(5*time.Minute, never)
	w.untried("with another card")
	w.waitsFor("core-5", "the card was made by")
	s := d.node.Status().Text
	for _, key := range []council.NodePrivate{right, wrong} {
		if !strings.Contains(s, testcouncil.PeerID(t, key).String()) {
			t.Errorf("it says %s", s)
		}
	}
	w.kill(d)
	d.key = right
	if how := w.settle("with its own"); how != "committed" {
		t.Fatal(how)
	}
}

// late is a succession whose day is the last but one moment of all old mandates.
func late(t *testing.T) council.Succession {
	if s, ok := plans["late"]; ok {
		return s
	}
	old := newShift(t, 0).holding.Roster
	plans["late"] = plan(t, old, testcouncil.TermEnd-10, leavers, joiners, yes)
	return plans["late"]
}

// A succession that is first seen when the mandates of its approvers have ended, with
// a day that lies before, is taken up by nobody. One that was seen in time stays good,
// however often its nodes are started anew; who missed it then takes no part in it,
// and takes what the others commit.
func TestSuccessionDatedBackIsNotTakenUp(t *testing.T) {
	s := late(t)
	after := time.Unix(testcouncil.TermEnd+100, 0)
	t.Run("by nobody", func(t *testing.T) {
		w := newShift(t, 26, s)
		w.now = after
		w.boot(w.names...)
		w.propose("core-2", s)
		w.give(w.desks["core-3"], agenda.Said{From: "core-4", Message: agenda.Herald{Succession: s}})
		w.run(time.Minute, never)
		w.untried("dated back")
		for _, name := range []string{"core-2", "core-3"} {
			d := w.desks[name]
			if x := d.node.Status(); !strings.Contains(x.Text, "dated back") || x.Roster != 2 || len(d.disk.Heard) > 0 {
				t.Errorf("%s says %s", name, x)
			}
			if err := d.node.Check(s, w.now); err == nil || council.Hint(err) == "" {
				t.Errorf("its operator is told %v", err)
			}
		}
	})
	t.Run("seen in time", func(t *testing.T) {
		w := newShift(t, 27, s)
		w.now = time.Unix(testcouncil.TermEnd-100, 0)
		for _, name := range w.names {
			if name != "core-4" {
				w.boot(name)
			}
		}
		w.propose("core-2", s)
		w.run(30*time.Second, never)
		for _, name := range w.names {
			if name != "core-4" {
				w.kill(w.desks[name])
			}
		}
		w.now = after
		w.boot(w.names...)
		if err := w.desks["core-2"].node.Check(s, w.now); err != nil {
			t.Errorf("what it has taken up before: %v", err)
		}
		if how := w.settle("later"); how != "committed" {
			t.Fatal(how)
		}
		if d := w.desks["core-4"]; len(d.disk.Heard)+len(d.disk.Locks)+len(d.disk.Tries) > 0 {
			t.Error("core-4, which saw it too late, takes part")
		}
	})
}

// Whoever likes may bring successions that are none: people are told once in a while.
// What a node has verified stays: the digest of a succession covers no signature and no
// address, and somebody may bring it once more without them.
func TestVerifiedSuccessionIsNotReplaced(t *testing.T) {
	w := newShift(t, 28)
	w.boot("core-1")
	d := w.desks["core-1"]
	w.give(d, agenda.Said{From: "core-2", Message: agenda.Herald{Succession: w.plans[0]}})
	bare := w.plans[0]
	bare.Approvals, bare.Accepts, bare.Addresses = nil, nil, nil
	w.give(d, agenda.Said{From: "core-2", Message: agenda.Herald{Succession: bare}})
	known := d.node.Successions()
	if len(known) != 1 || len(known[0].Approvals) == 0 || len(known[0].Addresses) != len(known[0].Roster.Members) {
		t.Errorf("it knows %d successions: %+v", len(known), known)
	}
}

func TestFalseSuccessionsAreNotNews(t *testing.T) {
	w := newShift(t, 28)
	w.boot("core-1")
	d := w.desks["core-1"]
	bad := w.plans[0]
	for i := range 50 {
		bad.Effective = shiftDay + uint64(i) + 1
		w.give(d, agenda.Said{From: "core-2", Message: agenda.Herald{Succession: bad}})
	}
	told := 0
	for _, n := range d.told {
		if strings.Contains(n.Text, "not taken up") {
			told++
		}
	}
	if told != 1 {
		t.Error(fmt.Sprint("people were told ", told, " times"))
	}
}

// A step after which nobody could verify the rosters any more is not taken up: one that
// takes over no later than the roster before, or that gives somebody the keys of one who
// has left. What a node has taken up already, and what others commit, stays.
func TestSuccessionThatBreaksTheLineage(t *testing.T) {
	s := charters(t)
	for name, breaks := range map[string]func(w *shift){
		"its day": func(w *shift) { w.since = s.Effective },
		"a key that was another's": func(w *shift) {
			before := w.holding.Roster
			before.Members = slices.Clone(before.Members)
			before.Members[0].ID, before.Members[0].Peer = "core-9", "another node"
			w.earlier = []council.Roster{before, w.holding.Roster}
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newShift(t, 41, s)
			breaks(w)
			w.boot(w.names...)
			d := w.desks["core-2"]
			if err := d.node.Check(s, w.now); err == nil || council.Hint(err) == "" {
				t.Errorf("its operator is told %v (%s)", err, council.Hint(err))
			}
			w.propose("core-2", s)
			w.run(time.Minute, never)
			w.untried("although it breaks the lineage")
			if len(d.disk.Heard) > 0 {
				t.Error("it is taken up")
			}
		})
		t.Run(name+", heard before", func(t *testing.T) {
			w := newShift(t, 42, s)
			w.boot(w.names...)
			w.propose("core-2", s)
			w.run(2*time.Second, never)
			for _, name := range w.names {
				w.kill(w.desks[name])
			}
			breaks(w)
			if how := w.settle("heard before"); how != "committed" {
				t.Fatal(how)
			}
		})
		t.Run(name+", committed by others", func(t *testing.T) {
			w := newShift(t, 43, s)
			w.boot(w.names[2:]...)
			w.propose(w.names[2], s)
			if !w.run(5*time.Minute, func() bool { return w.desks[w.names[2]].disk.Certificate != nil }) {
				t.Fatal("five do not commit")
			}
			breaks(w)
			w.boot(w.names[:2]...)
			if !w.run(time.Minute, func() bool {
				return w.desks[w.names[0]].disk.Certificate != nil && w.desks[w.names[1]].disk.Certificate != nil
			}) {
				t.Errorf("two do not follow\n%s", w.where())
			}
		})
	}
}

// A node that has lost what it wrote down of its words in a rotation takes them back from
// the others, durably, before it does anything with its share: it signs nothing after the
// Lock that it has forgotten and refuses nothing of it, nor locks for what it has refused.
func TestForgottenLockIsTakenBack(t *testing.T) {
	w := newShift(t, 29)
	lockedBy(t, w, "community-2", "community-3", "core-3")
	d := w.desks["core-3"]
	given := d.disk.Locks[0]
	w.kill(d)
	d.disk.Locks, d.disk.Tries, d.disk.Grounds = nil, nil, nil
	w.weigh(d, 1)   // another Lock would not be the same
	barred := false // before anything else of it is said or written
	veto := w.veto
	w.veto = func(name string, e agenda.Effect) bool {
		if name != "core-3" || barred {
			return veto(name, e)
		}
		if k, ok := e.(agenda.Keep); ok && k.Record.Lock != nil {
			barred = true
		} else if ok && (k.Record.Try != nil || k.Record.Grounds != nil) {
			t.Error("it writes of its try before it writes its Lock")
		}
		return veto(name, e)
	}
	w.boot("core-3")
	w.run(5*time.Second, never)
	for range 2 {
		if _, ok := d.node.Signs(); ok || !d.locked() || d.disk.Locks[0].ID() != given.ID() {
			t.Fatalf("it signs, and has forgotten its Lock; on its disk are %d\n%s", len(d.disk.Locks), w.where())
		}
		if locked, ok := d.node.Locked(); !ok || locked != given.Ceremony {
			t.Fatalf("it is locked for %s, %v", locked.Hex(), ok)
		}
		w.give(d, agenda.AbortWanted{Reason: "a test"})
		if _, err := d.node.Refusable(""); err == nil || len(d.disk.Refusals) > 0 {
			t.Fatalf("it refuses what it has locked for: %v", d.disk.Refusals)
		}
		w.kill(d) // and it does not forget it once more, though nobody is there
		w.cut = func(x, y string) bool { return x == "core-3" || y == "core-3" }
		w.boot("core-3")
		w.run(5*time.Second, never)
	}
	for _, name := range w.names { // those whose Locks the test has kept back
		if len(w.desks[name].disk.Locks) == 0 {
			w.kill(w.desks[name])
		}
	}
	if how := w.settle("taken back"); how != "committed" {
		t.Fatal(how)
	}
	if n := len(d.disk.Locks); n != 1 {
		t.Errorf("it has locked %d times", n)
	}
}

func TestForgottenRefusalIsTakenBack(t *testing.T) {
	w := newShift(t, 30)
	lockedBy(t, w, "community-3", "core-1")
	d := w.desks["core-3"]
	w.kill(d) // it loses its Lock in a crash before the disk has it, and its operator refuses
	w.cut = func(x, y string) bool { return x == "core-3" || y == "core-3" }
	w.boot("core-3")
	w.give(d, agenda.AbortWanted{Reason: "a test"})
	if len(d.disk.Refusals) != 1 {
		t.Fatalf("it has refused %d", len(d.disk.Refusals))
	}
	subject := d.disk.Refusals[0].Subject
	w.heal()
	w.run(5*time.Second, never)
	w.kill(d)
	d.disk.Refusals, d.disk.Tries = nil, nil
	locks := false
	w.veto = func(name string, e agenda.Effect) bool {
		_, lock := e.(agenda.WriteLock)
		locks = locks || lock && name == "core-3"
		return lock && name != "core-3" // the others wait
	}
	w.boot("core-3")
	w.run(10*time.Second, never)
	for range 2 {
		if locks || len(d.disk.Locks) > 0 {
			t.Fatal("it locks for what it has refused")
		}
		n := 0
		for _, x := range d.disk.Refusals {
			if x.Subject == subject {
				n++
			}
		}
		if n != 1 {
			t.Fatalf("it is on its disk %d times: %+v", n, d.disk.Refusals)
		}
		w.kill(d)
		w.boot("core-3")
		w.run(10*time.Second, never)
	}
}
