package agenda_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/agenda"
)

// A malicious member runs a node on each side of a cut 3|3, acknowledges and tests on
// both, and is silent then: it gives no Lock, or shows it to nobody, or says that its second
// Lock follows the first. Nothing convicts it. Three are locked for each successor, and refuse
// the other; so nothing is committed or aborted, and nobody signs, however long it takes. The
// disk of either of its nodes, in the hands of somebody honest, ends it.
func TestSilentTraitorOnBothSides(t *testing.T) {
	for name, c := range map[string]struct {
		from string // whose disk it is
		how  func(w *shift, name string, e agenda.Effect) (silent bool)
		ends func(w *shift, d *desk)
	}{
		"no word after the tests, and then a refusal": {"core-1", noWord, (*shift).bothRefused},
		"no word after the tests, and then last-four": {"core-1'", noWord, (*shift).fourOfOneSide},
		"no Lock":                       {"core-1'", noLock, (*shift).fourOfOneSide}, // it gives one as it starts
		"a Lock for nobody":             {"core-1", lockForNobody, (*shift).fourOfOneSide},
		"a Lock that follows the other": {"core-1", lockThatFollows, (*shift).fourOfOneSide},
	} {
		t.Run(name, func(t *testing.T) {
			w := bothSides(t, 12)
			t.Parallel()
			w.veto = func(name string, e agenda.Effect) bool { return w.desks[name].id == "core-1" && c.how(w, name, e) }
			w.parts()
			w.silences("core-1", "core-1'")
			w.stuck()
			w.now = w.now.Add(48 * time.Hour) // time does not unlock
			w.run(time.Minute, never)
			w.stuck()
			d := w.desks[c.from]
			d.stays, w.veto = false, func(string, agenda.Effect) bool { return false }
			w.boot(d.name)
			w.run(time.Minute, never)
			if w.sign() {
				t.Fatalf("it signs, and no operator has said a word\n%s", w.where())
			}
			c.ends(w, d)
		})
	}
}

// noWord writes down nothing that a Lock could rest on, either.
func noWord(w *shift, name string, e agenda.Effect) bool {
	k, ok := e.(agenda.Keep)
	return ok && k.Record.Grounds != nil || noLock(w, name, e)
}

func noLock(_ *shift, _ string, e agenda.Effect) bool {
	_, lock := e.(agenda.WriteLock)
	return lock
}

func lockForNobody(w *shift, name string, e agenda.Effect) bool {
	_, send := e.(agenda.Send)
	return send && len(w.desks[name].disk.Locks) > 0
}

// lockThatFollows has one node name the other's Lock as the one before its own.
func lockThatFollows(w *shift, name string, e agenda.Effect) bool {
	l, lock := e.(agenda.WriteLock)
	if !lock || name == "core-1" {
		return false
	}
	d, first := w.desks[name], w.desks["core-1"].disk.Locks
	if len(first) == 0 {
		w.later(0, d, agenda.LockWritten{Lock: l.Lock, Err: errors.New("not yet")})
		return true
	}
	l.Lock.After = first[0].ID()
	x, err := l.Lock.Sign(d.key)
	if err != nil {
		w.t.Fatal(err)
	}
	d.disk.Locks = append(d.disk.Locks, x)
	w.later(0, d, agenda.LockWritten{Lock: x})
	return true
}

// stuck holds that the six are locked, three for each, and that each of the twelve waits for
// the seventh and names it, unless that has locked for it.
func (w *shift) stuck() {
	w.t.Helper()
	locked := map[common.Hash]int{}
	for _, name := range w.names {
		d := w.desks[name]
		if d.id == "core-1" {
			continue
		}
		if d.disk.Certificate != nil || len(d.disk.Aborts)+len(d.forks) > 0 {
			w.t.Fatalf("%s has a certificate %t, %d aborts, %d forks", name, d.disk.Certificate != nil, len(d.disk.Aborts), len(d.forks))
		}
		if id, ok := d.node.Locked(); ok {
			locked[id]++
		}
		s := d.node.Status()
		seventh := slices.ContainsFunc(s.Missing, func(n agenda.Need) bool { return n.Member == "core-1" })
		if s.Stage != agenda.StageLocking || !seventh && !strings.HasPrefix(s.Text, "4 of 5 locks") {
			w.t.Errorf("%s says %s", name, s)
		}
	}
	for id, n := range locked {
		if n != 3 || len(locked) != 2 {
			w.t.Errorf("%d are locked for %s", n, id.Hex()[:10])
		}
	}
	if w.sign() {
		w.t.Error("signs, with six locked")
	}
}

// bothRefused has the operator of the seventh node refuse both steps: with each, three
// unlock, and the council signs as before.
func (w *shift) bothRefused(d *desk) {
	w.t.Helper()
	for i, want := range []int{4, 7} {
		w.give(d, agenda.AbortWanted{Succession: w.refusable(d), Reason: "a test"})
		w.run(30*time.Second, never)
		n := 0
		for _, name := range w.names {
			if o := w.desks[name]; o.node != nil {
				if epoch, ok := o.node.Signs(); ok && epoch == w.holding.Roster.Version {
					n++
				}
				if i == 1 && (len(o.share) > 0 || len(o.disk.Aborts) == 0) {
					w.t.Errorf("%s keeps %d shares", name, len(o.share))
				}
			}
		}
		if n != want {
			w.t.Fatalf("%d sign, want %d\n%s", n, want, w.where())
		}
		if !w.sign() {
			w.t.Errorf("the council can't sign\n%s", w.where())
		}
	}
}

// refusable is the step that a node's operator can refuse now.
func (w *shift) refusable(d *desk) common.Hash {
	w.t.Helper()
	for _, s := range w.plans {
		h, err := s.Roster.Hash()
		if err != nil {
			w.t.Fatal(err)
		}
		if step, err := d.node.Refusable(h.Hex()); err == nil {
			return step
		}
	}
	w.t.Fatalf("%s can refuse nothing\n%s", d.name, w.where())
	return common.Hash{}
}

// fourOfOneSide has those of one side, with the seventh, say last-four: that commits for
// all. Where it is the other side than that of its disk, the seventh has no share of it.
func (w *shift) fourOfOneSide(d *desk) {
	w.t.Helper()
	w.give(d, agenda.LastFourWanted{})
	w.run(10*time.Second, never)
	id, locked := d.node.Locked()
	four := []*desk{d}
	for _, name := range w.names {
		o := w.desks[name]
		if o.node == nil || o == d {
			continue
		}
		if x, ok := o.node.Locked(); locked && ok && x == id {
			four = append(four, o)
		}
	}
	if len(four) != 4 {
		w.t.Fatalf("%d are locked for its try\n%s", len(four), w.where())
	}
	_, has := d.share[id]
	w.veto = func(name string, e agenda.Effect) bool {
		_, ok := e.(agenda.SwitchShare)
		return ok && name == d.name && !has
	}
	for _, o := range four[1:] {
		if o.disk.Certificate != nil {
			w.t.Fatal("fewer than four commit")
		}
		w.give(o, agenda.LastFourWanted{})
		w.run(10*time.Second, never)
	}
	if !has {
		w.kill(d)
		d.stays = true
	}
	if how := w.settle("last four"); how != "committed" {
		w.t.Fatal(how)
	}
	if s, _ := four[1].node.Switched(); s.Ceremony() != id || !s.LastFour() {
		w.t.Errorf("ends with %s", s)
	}
}
