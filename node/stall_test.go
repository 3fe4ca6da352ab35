package node

import (
	"testing"
	"time"

	"github.com/millicent-one/signer/agenda"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/internal/testcouncil"
	"github.com/millicent-one/signer/tss"
)

// A session that hears some of the others names the rest; one that hears nobody
// waits on until all its time is over; one whose process was held up names nobody
// yet.
func TestStallNamesWhoIsMissing(t *testing.T) {
	shares, ids := testcouncil.Shares(t)[:4], testcouncil.IDs()[:4]
	var sessions []*tss.Session
	var first []tss.Message
	for i, s := range shares {
		x, err := tss.NewArm(tss.ArmConfig{Session: council.SessionID{1}, Self: s.Self(), Signers: ids, Share: s, Expires: 1})
		if err != nil {
			t.Fatal(err)
		}
		ready, err := x.Start()
		if err != nil {
			t.Fatal(err)
		}
		sessions = append(sessions, x)
		if i > 0 {
			first = append(first, ready.Messages...)
		}
	}
	s, began := sessions[0], time.Unix(1_800_000_000, 0)
	p := agenda.Patience{Join: 2 * time.Second, Round: 3 * time.Second, More: time.Second / 2, Whole: 20 * time.Second}
	w := newStall(p, s, began, began.Add(100*time.Millisecond))
	defer w.stop()
	if w.due != began.Add(5*time.Second) {
		t.Errorf("the first round is late after %s", w.due.Sub(began))
	}
	// Nobody has spoken.
	if ev, ok := w.late(s, 0, w.due); ok || w.due != began.Add(20*time.Second) {
		t.Errorf("hears nobody and reports %+v; asks again after %s", ev, w.due.Sub(began))
	}
	if ev, ok := w.late(s, 0, w.due); !ok || len(ev.Waiting) != 3 {
		t.Errorf("at the end of its time it reports %+v", ev)
	}
	// Two of three have spoken.
	w = newStall(p, s, began, began)
	for _, m := range first {
		if m.From != ids[2] && (m.To == "" || m.To == ids[0]) {
			if _, err := s.Step(m); err != nil {
				t.Fatal(err)
			}
			w.moved(s, began.Add(time.Second))
		}
	}
	if w.step != 0 || w.since != began {
		t.Errorf("in step %d, waiting since %s, with a message missing", w.step, w.since.Sub(began))
	}
	if _, ok := w.late(s, 0, w.due.Add(heldUp+time.Millisecond)); ok {
		t.Error("a timer that is late itself blames others")
	}
	if _, ok := w.late(s, 3, w.due); ok {
		t.Error("messages that have arrived and were not read are missed")
	}
	if ev, ok := w.late(s, 0, w.due); !ok || len(ev.Waiting) != 1 || ev.Waiting[0] != ids[2] {
		t.Errorf("reports %+v; %s is silent", ev, ids[2])
	}
	// The third speaks: the next round begins, and is late later.
	for _, m := range first {
		if m.From == ids[2] && (m.To == "" || m.To == ids[0]) {
			if _, err := s.Step(m); err != nil {
				t.Fatal(err)
			}
		}
	}
	w.moved(s, began.Add(4*time.Second))
	if w.step != 1 || w.due != began.Add(4*time.Second+p.Round+p.More) {
		t.Errorf("step %d is late after %s", w.step, w.due.Sub(began))
	}
}
