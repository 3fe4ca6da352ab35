package agenda_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/millicent-one/signer/agenda"
	"github.com/millicent-one/signer/council"
)

// A node whose ledger has more open rows than a Lock carries keeps out of every try, signs
// on, and says what to do; with fewer rows it takes part.
func TestFullLedgerKeepsOut(t *testing.T) {
	w := newShift(t, 24)
	d := w.desks["core-3"]
	w.weigh(d, council.MaxOpenRows+1)
	w.boot(w.names...)
	w.propose("core-2", w.plans[0])
	for range 2 {
		w.run(2*time.Minute, never)
		w.untried("with a full ledger")
		w.waitsFor("core-3", "be mined")
		if _, ok := d.node.Signs(); !ok || !w.sign() {
			t.Fatal("it signs nothing meanwhile")
		}
		w.kill(d)
		w.run(time.Second, never)
		w.boot("core-3")
	}
	w.weigh(d, council.MaxOpenRows)
	if how := w.settle("as many as a Lock carries"); how != "committed" {
		t.Fatal(how)
	}
}

// A node that was restored may have signed what its journal lacks: it keeps out of every
// try, of the kind that moves no share, too, until final blocks have used what it may have
// signed for; and as long as it has not caught up it refuses nothing either. The council
// signs on meanwhile.
func TestRestoredNodeKeepsOut(t *testing.T) {
	for name, plan := range map[string]func(testing.TB) council.Succession{
		"resharing": func(t testing.TB) council.Succession { return twoForTwo(t, newShift(t, 0).holding.Roster) },
		"still":     func(t testing.TB) council.Succession { return charters(t.(*testing.T)) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newShift(t, 31, plan(t))
			d := w.desks["core-3"]
			d.stale = "this node has a share and an empty journal"
			w.boot(w.names...)
			if name == "still" { // which does without two
				w.kill(w.desks["core-1"])
				w.kill(w.desks["core-2"])
				w.desks["core-1"].stays, w.desks["core-2"].stays = true, true
			}
			w.propose("core-4", w.plans[0])
			w.run(2*time.Minute, never)
			for _, says := range []string{"empty journal", "up to 9 on chain 1"} {
				if !strings.Contains(d.node.Status().Text, says) || len(d.disk.Tries)+len(d.disk.Locks) > 0 {
					t.Fatalf("it has joined %d, locked for %d and says %s", len(d.disk.Tries), len(d.disk.Locks), d.node.Status())
				}
				for _, name := range w.names {
					if len(w.desks[name].disk.Locks) > 0 {
						t.Fatalf("%s has locked", name)
					}
				}
				_, err := d.node.Refusable("")
				if catching := d.stale != ""; catching != (err != nil && strings.Contains(err.Error(), "catching up")) {
					t.Errorf("it can refuse: %v", err)
				}
				if !w.sign() {
					t.Error("the council signs nothing meanwhile")
				}
				d.rows = nil
				if d.fenced, d.stale = "up to 9 on chain 1", ""; says == "empty journal" {
					w.give(d, d.ledger())
					w.run(2*time.Minute, never)
				}
			}
			d.fenced = ""
			w.give(d, d.ledger())
			if how := w.settle("caught up"); how != "committed" {
				t.Fatal(how)
			}
		})
	}
}

// Who has forgotten what it said does not know whether it has locked for what others lock
// for, unless somebody brings its word.
func TestUnsureOfWhatOthersLockFor(t *testing.T) {
	w := newShift(t, 32)
	lockedBy(t, w, "community-3", "core-3")
	for name, want := range map[string]bool{"core-3": false, "core-1": true} {
		d := w.desks[name]
		w.kill(d)
		d.disk = agenda.RotationPast{}
		d.stale = "its journal was lost"
		w.boot(name)
		w.run(5*time.Second, never)
		if try, unsure := d.node.Unsure(); unsure != want || want && try != w.desks["community-3"].disk.Locks[0].Ceremony {
			t.Errorf("%s: unsure of %s, %v", name, try.Hex(), unsure)
		}
		if name == "core-1" && len(d.disk.Locks)+len(d.disk.Refusals) > 0 {
			t.Error("it gives a word that it may have given the other way")
		}
	}
}

// The ledger fills after the node has joined: it is not barred, it has locked for nothing,
// and it locks as soon as it can.
func TestLedgerThatIsFullWhenItIsToLock(t *testing.T) {
	w := newShift(t, 25)
	w.boot(w.names...)
	d := w.desks["core-3"]
	asked := false
	w.veto = func(name string, e agenda.Effect) bool {
		l, ok := e.(agenda.WriteLock)
		switch {
		case !ok:
			return false
		case name == "core-3":
			d.rows = make([]council.OpenRow, council.MaxOpenRows+1) // which the machine was not told
			asked = true
			return false
		}
		w.later(0, w.desks[name], agenda.LockWritten{Lock: l.Lock, Err: errors.New("no space left on device")})
		return true
	}
	w.propose("core-2", w.plans[0])
	if !w.run(2*time.Minute, func() bool { return asked }) {
		t.Fatalf("it is never to lock\n%s", w.where())
	}
	w.run(time.Minute, never)
	if _, ok := d.node.Signs(); !ok || len(d.disk.Locks) > 0 {
		t.Fatalf("it may not sign, or has locked: %d locks\n%s", len(d.disk.Locks), d.node.Status())
	}
	if s := d.node.Status(); !strings.Contains(s.Text, "257 open rows") {
		t.Errorf("it says %s", s)
	}
	if err := d.node.LastFourable(); err == nil {
		t.Error("it would say last-four in a Lock that it can't give")
	}
	w.veto = func(string, agenda.Effect) bool { return false }
	w.weigh(d, 1)
	w.run(time.Minute, never)
	if len(d.disk.Locks) != 1 {
		t.Errorf("it has %d locks when its ledger has room\n%s", len(d.disk.Locks), w.where())
	}
	if how := w.settle("there is room again"); how != "committed" {
		t.Fatal(how)
	}
}
