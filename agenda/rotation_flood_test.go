package agenda_test

import (
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/agenda"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/internal/testcouncil"
)

// refusalBy is a member's refusal of a try.
func refusalBy(t *testing.T, m council.MemberID, try common.Hash) council.Refusal {
	t.Helper()
	x, err := council.Refusal{Member: m, Subject: try, Reason: "a test"}.Sign(testcouncil.NodeKey(m))
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// Three members refuse every try at a succession. The others follow them from one to the
// next, in turn, and stop: their disks don't fill, and they say what is to be done.
func TestRefusedTriesEnd(t *testing.T) {
	s, other := shorter(t, "core-3"), shorter(t, "core-1")
	w := newShift(t, 45, s, other)
	three := []string{"community-1", "core-1", "core-2"}
	honest := []string{"community-2", "community-3", "core-3", "core-4"}
	w.boot(honest...)
	w.propose("core-3", s)
	w.run(10*time.Second, never)
	refuse := func(n uint64) {
		r, err := council.Rotate(w.holding, s, nil, council.StillTry(n))
		if err != nil {
			t.Fatal(err)
		}
		d := agenda.Dossier{Rotation: r}
		for _, m := range three {
			d.Refusals = append(d.Refusals, refusalBy(t, council.MemberID(m), r.ID()))
		}
		for _, name := range honest {
			w.give(w.desks[name], agenda.Said{From: "core-1", Message: d})
		}
		w.run(600*time.Millisecond, never)
	}
	refuse(30)
	for _, name := range honest {
		if n := len(w.desks[name].disk.Refusals); n > 0 {
			t.Fatalf("%s has refused a try that is not in turn", name)
		}
	}
	for n := range uint64(agenda.MaxTries + 6) {
		refuse(n + 1)
	}
	for _, name := range honest {
		d := w.desks[name]
		if len(d.disk.Tries) > agenda.MaxTries || len(d.disk.Refusals) > agenda.MaxTries {
			t.Errorf("%s has joined %d tries and refused %d", name, len(d.disk.Tries), len(d.disk.Refusals))
		}
		if x := d.node.Status(); !strings.Contains(x.Text, "64 tries were refused") {
			t.Errorf("%s says %s", name, x)
		}
	}
	w.boot(three...)
	w.propose("core-3", other) // the way out
	if how := w.settle("another one"); how != "committed" {
		t.Fatal(how)
	}
}

// One member tells of new tries without end, refuses each of them and locks for it, while
// the others wait for who joins, and one of them has refused the succession. That one
// writes nothing more down, and nobody has more to say for it.
func TestMadeUpTriesAreNobodysNews(t *testing.T) {
	for _, locks := range []bool{false, true} {
		w := newShift(t, 46)
		s := w.plans[0]
		w.boot("core-2", "core-3")
		w.propose("core-2", s)
		w.run(time.Second, never)
		w.give(w.desks["core-3"], agenda.AbortWanted{Reason: "a test"})
		w.run(2*time.Minute, never) // by now each speaks once in a while
		said := 0
		w.veto = func(_ string, e agenda.Effect) bool {
			if _, ok := e.(agenda.Send); ok {
				said++
			}
			return false
		}
		var after common.Hash
		for i := range agenda.MaxTries * 2 {
			r, err := council.Rotate(w.holding, s, yes, common.Hash{1, byte(i)})
			if err != nil {
				t.Fatal(err)
			}
			d := agenda.Dossier{Rotation: r, Refusals: []council.Refusal{refusalBy(t, "core-1", r.ID())}}
			if locks {
				l := r.Lock("core-1", common.Hash{2})
				l.After = after
				if l, err = l.Sign(testcouncil.NodeKey("core-1")); err != nil {
					t.Fatal(err)
				}
				d.Locks, after = []council.Lock{l}, l.ID()
			}
			w.give(w.desks["core-3"], agenda.Said{From: "core-1", Message: d})
			w.run(100*time.Millisecond, never)
		}
		w.run(time.Minute, never)
		if said > 64 {
			t.Errorf("locks %v: two nodes have said %d things", locks, said)
		}
		if n := len(w.desks["core-3"].disk.Refusals); n != 1 {
			t.Errorf("locks %v: core-3 has written down %d refusals", locks, n)
		}
	}
}

// Three are locked for one step, and one member locks for try after try at another one,
// which nobody else has joined, and refuses each. They don't follow it: when the first
// step is given up, there are tries left for the other.
func TestOneMemberUsesUpNoTries(t *testing.T) {
	first, second := shorter(t, "core-3"), shorter(t, "core-1")
	w := newShift(t, 50, first, second)
	locked := []string{"core-2", "core-3", "core-4"}
	w.boot(locked...)
	w.propose("core-3", first)
	w.propose("core-3", second)
	r, err := council.Rotate(w.holding, first, nil, council.StillTry(1))
	if err != nil {
		t.Fatal(err)
	}
	w.run(time.Second, never)
	tried := w.tried(r)
	for _, name := range locked {
		w.give(w.desks[name], agenda.Said{From: "core-1", Message: tried})
	}
	w.run(5*time.Second, never)
	for _, name := range locked {
		if len(w.desks[name].disk.Locks) != 1 {
			t.Fatalf("%s has not locked\n%s", name, w.where())
		}
	}
	after := tried.Locks[0].ID()
	for n := range uint64(agenda.MaxTries + 2) {
		r, err := council.Rotate(w.holding, second, nil, council.StillTry(n+1))
		if err != nil {
			t.Fatal(err)
		}
		l := r.Lock("core-1", common.Hash{})
		l.After = after
		if l, err = l.Sign(testcouncil.NodeKey("core-1")); err != nil {
			t.Fatal(err)
		}
		after = l.ID()
		sig, err := r.Ack(common.Hash{}).Sign("core-1", testcouncil.NodeKey("core-1"))
		if err != nil {
			t.Fatal(err)
		}
		m := agenda.Dossier{Rotation: r, Acks: []agenda.AckWord{{Signature: sig}}, Locks: []council.Lock{l}, Refusals: []council.Refusal{refusalBy(t, "core-1", r.ID())}}
		for _, name := range locked {
			w.give(w.desks[name], agenda.Said{From: "core-1", Message: m})
		}
		w.run(500*time.Millisecond, never)
	}
	for _, name := range locked {
		if n := len(w.desks[name].disk.Refusals); n > 0 {
			t.Errorf("%s has refused %d tries", name, n)
		}
	}
	end, err := first.Digest(w.holding.Roster)
	if err != nil {
		t.Fatal(err)
	}
	c := council.AbortCertificate{Subject: end}
	for _, m := range []council.MemberID{"community-1", "community-2", "community-3", "core-1"} {
		c.Refusals = append(c.Refusals, refusalBy(t, m, end))
	}
	for _, name := range locked {
		w.give(w.desks[name], agenda.Said{From: "core-1", Message: agenda.AbortMessage{Abort: c}})
	}
	w.desks["core-1"].stays = true
	if how := w.settle("the other one"); how != "committed" {
		t.Fatal(how)
	}
}
