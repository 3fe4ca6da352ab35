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
