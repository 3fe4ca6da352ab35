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
