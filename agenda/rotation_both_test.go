package agenda_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/millicent-one/signer/agenda"
	"github.com/millicent-one/signer/council"
)

// bothWords plays a rotation in which three leave, two of whom refuse, and two traitors who
// stay keep their Locks to themselves, then refuse as well. It gives the two proofs when
// three honest nodes have locked, and the traitors are gone.
func bothWords(t *testing.T, seed uint64) (w *shift, c council.Certificate, a council.AbortCertificate) {
	t.Helper()
	w = newShift(t, seed, threeForThree(t))
	traitors := []string{"core-1", "core-2"}
	var whole agenda.Dossier
	w.veto = func(name string, e agenda.Effect) bool {
		if s, ok := e.(agenda.Send); ok {
			if d, ok := s.Message.(agenda.Dossier); ok && len(d.Acks) == 7 && len(d.Tests) == len(w.plans[0].Roster.TestSubsets()) {
				whole = d
			}
		}
		l, ok := e.(agenda.WriteLock)
		if !ok || !slices.Contains(traitors, name) {
			return false
		}
		x, err := l.Lock.Sign(w.desks[name].key)
		if err != nil {
			t.Fatal(err)
		}
		c.Locks = append(c.Locks, x)
		return true
	}
	w.boot(w.names...)
	w.propose("community-1", w.plans[0])
	w.run(500*time.Millisecond, never)
	for _, name := range []string{"community-2", "core-4"} {
		w.give(w.desks[name], agenda.AbortWanted{Reason: "a test"})
		if len(w.desks[name].disk.Refusals) != 1 {
			t.Fatalf("%s does not refuse", name)
		}
	}
	honest := []string{"community-1", "community-3", "core-3"}
	if !w.run(5*time.Minute, func() bool {
		return len(c.Locks) == 2 && !slices.ContainsFunc(honest, func(name string) bool { return len(w.desks[name].disk.Locks) == 0 })
	}) {
		t.Fatalf("they don't lock\n%s", w.where())
	}
	for _, name := range traitors {
		w.kill(w.desks[name])
		w.desks[name].stays = true
	}
	c.Succession, c.Rotation, c.Tests = w.plans[0], whole.Rotation, whole.Tests
	for _, x := range whole.Acks {
		c.Transcript, c.Acks = x.Transcript, append(c.Acks, x.Signature)
	}
	slices.SortFunc(c.Acks, func(x, y council.NodeSignature) int { return strings.Compare(string(x.Member), string(y.Member)) })
	for _, name := range honest {
		c.Locks = append(c.Locks, w.desks[name].disk.Locks[0])
	}
	slices.SortFunc(c.Locks, func(x, y council.Lock) int { return strings.Compare(string(x.Member), string(y.Member)) })
	if _, err := council.VerifyCertificate(w.holding, council.Millicent, c); err != nil {
		t.Fatal(err)
	}
	a.Subject = c.Rotation.Succession
	for _, name := range []string{"community-2", "core-1", "core-2", "core-4"} {
		x := council.Refusal{Member: w.desks[name].id, Subject: a.Subject, Reason: "a test"}
		x, err := x.Sign(w.desks[name].key)
		if err != nil {
			t.Fatal(err)
		}
		a.Refusals = append(a.Refusals, x)
	}
	if _, err := council.VerifyAbort(w.holding, a); err != nil {
		t.Fatal(err)
	}
	return w, c, a
}

// Two malicious members lock and refuse, and bring the abort to all before the certificate.
// Those who are to have the new shares have dropped them; so nobody follows the certificate,
// nor gives up an old share for it, and the honest ones sign.
func TestCertificateAfterTheAbort(t *testing.T) {
	w, c, a := bothWords(t, 60)
	for _, name := range w.names {
		w.give(w.desks[name], agenda.Said{From: "core-1", Message: agenda.AbortMessage{Abort: a}})
	}
	if how := w.settle("aborted"); how != "aborted" {
		t.Fatal(how)
	}
	for round := range 2 {
		told := map[string]int{}
		for _, name := range w.names {
			d := w.desks[name]
			told[name] = len(d.told)
			if round == 1 && d.node != nil { // both proofs are on the disk
				w.kill(d)
				w.boot(name)
			}
			w.give(d, agenda.Said{From: "core-1", Message: agenda.CertificateMessage{Certificate: c}})
		}
		w.run(time.Minute, never)
		n := 0
		for _, name := range w.names {
			d := w.desks[name]
			if d.node == nil {
				continue
			}
			if d.gone || d.disk.Certificate != nil || len(d.disk.Aborts) != 1 || len(d.disk.Disowned) != 1 {
				t.Errorf("round %d: %s has erased %t, switched %t, and keeps %d aborts and %d certificates", round, name, d.gone, d.disk.Certificate != nil, len(d.disk.Aborts), len(d.disk.Disowned))
			}
			if s := d.node.Status(); s.Stage != agenda.StageAborted || !strings.Contains(s.Text, "committed and aborted: core-1, core-2 gave") {
				t.Errorf("round %d: %s says %s", round, name, s)
			}
			if len(d.told)-told[name] < 1 || len(d.told)-told[name] > 4 {
				t.Errorf("round %d: %s was told %d times", round, name, len(d.told)-told[name])
			}
			if roster, ok := d.node.Signs(); ok && roster == w.holding.Roster.Version {
				n++
			}
		}
		if n != 5 || !w.sign() {
			t.Fatalf("round %d: %d of five honest nodes sign under the old epoch\n%s", round, n, w.where())
		}
	}
	// They put the two out.
	next := once("the traitors out", func() council.Succession {
		return plan(t, w.holding.Roster, shiftDay, []council.MemberID{"core-1", "core-2"}, []council.MemberID{"core-5", "core-6"}, []council.MemberID{"community-1", "community-2", "core-3", "core-4"})
	})
	w.propose("community-1", next)
	if !w.run(10*time.Minute, func() bool { return w.stage("community-1", agenda.StageErased) }) {
		t.Fatalf("they can't put the two out\n%s", w.where())
	}
}

// Who has switched when it hears of the abort stays so, and keeps its old share, also after
// a restart.
func TestAbortAfterTheSwitch(t *testing.T) {
	w, c, a := bothWords(t, 61)
	d := w.desks["core-3"]
	w.cut = func(x, y string) bool { return x == d.name || y == d.name }
	early := true // its disk has no room at first
	w.veto = func(name string, e agenda.Effect) bool {
		if k, ok := e.(agenda.Keep); ok && k.Record.Abort != nil {
			d.disk.Aborts = append(d.disk.Aborts, *k.Record.Abort)
			return true // of what is committed, too
		}
		if _, ok := e.(agenda.EraseShare); ok && !early {
			t.Error("it erases what may be all that is left of the key")
		} else if ok {
			w.later(0, d, agenda.ShareErased{Err: errors.New("no space left on device")})
			return true
		}
		return false
	}
	w.give(d, agenda.Said{From: "core-1", Message: agenda.CertificateMessage{Certificate: c}})
	if d.disk.Certificate == nil || d.node.KeepsOld() {
		t.Fatalf("it has switched: %t", d.disk.Certificate != nil)
	}
	for range 3 {
		w.give(d, agenda.Said{From: "core-1", Message: agenda.AbortMessage{Abort: a}})
	}
	early = false
	for round := range 2 {
		w.run(time.Minute, never)
		s := d.node.Status()
		if _, ok := d.node.Switched(); !ok || d.gone || len(d.disk.Aborts) != 1 || !d.node.KeepsOld() || !strings.Contains(s.Text, "committed and aborted: core-1, core-2 gave") {
			t.Fatalf("round %d: switched %t, erased %t, %d aborts, says %s", round, ok, d.gone, len(d.disk.Aborts), s)
		}
		w.kill(d)
		w.boot(d.name)
	}
}
