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
