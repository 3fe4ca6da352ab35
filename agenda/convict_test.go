package agenda_test

import (
	"slices"
	"testing"
	"time"

	"github.com/millicent-one/signer/agenda"
)

// Who is convicted signs no more, though its member approves; nor are slots kept
// with it. It is still better than no signature at all.
func TestConvictedMemberIsAvoided(t *testing.T) {
	w := newWarmWorld(t, 240, 1)
	w.fillStock()
	for _, m := range everyone {
		w.step(m, agenda.Convicted{Member: "core-2"})
	}
	w.run(20*time.Second, func() bool { return false })
	for _, m := range everyone {
		if s := w.nodes[m].agenda.Warm(); m != "core-2" && s.Members["core-2"] != 0 {
			t.Errorf("%s keeps %d warm sets with the convicted", m, s.Members["core-2"])
		}
	}
	sign := func(book string) {
		t.Helper()
		id := w.propose("core-1", book, "protocol")
		w.run(5*time.Second, w.known(id))
		for _, m := range w.running() {
			w.approve(m, id)
		}
		if !w.run(time.Minute, w.minedBy(id)) {
			w.fail(id)
		}
		p, _ := w.nodes["core-1"].agenda.Proposal(id)
		if got, alone := slices.Contains(p.Signed.Signers, "core-2"), len(w.running()) == 4; got != alone {
			t.Errorf("%s is signed by %v, with %d nodes online", book, p.Signed.Signers, len(w.running()))
		}
	}
	sign("pause")
	for _, m := range everyone[1:3] {
		w.stop(m)
	}
	w.stop("core-4")
	sign("unpause")
}
