package agenda_test

import (
	"math/big"
	"slices"
	"testing"
	"time"

	"github.com/millicent-one/signer/agenda"
	"github.com/millicent-one/signer/council"
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

// A coordinator that tells each of three members other fees keeps them from signing with
// each other. What convicts it frees them at once.
func TestConvictionEndsWhatItLeads(t *testing.T) {
	w := newWorld(t, 241)
	three := []council.MemberID{"core-1", "core-2", "core-3"}
	for _, m := range []council.MemberID{"community-1", "community-2"} {
		w.stop(m)
	}
	id := w.propose("core-4", "pause", "protocol")
	w.run(5*time.Second, w.known(id))
	for _, m := range three {
		w.approve(m, id)
	}
	w.run(time.Second, never)
	fourth := w.ballot(liar, liar, id, council.Approve)
	for i, m := range three {
		b := w.beginBy(liar, m, id, 1)
		p, _ := w.nodes[m].agenda.Proposal(id)
		b.Fees.MaxFeePerGas = new(big.Int).Sub(b.Fees.MaxFeePerGas, big.NewInt(int64(i)))
		b.Approvals, b.Digest = append(b.Approvals, fourth), b.Envelope(p.Intent.(council.Transaction)).Digest()
		w.step(m, agenda.Said{From: liar, Message: agenda.BeginMessage{Begin: b}})
	}
	w.run(time.Second, never)
	for _, m := range three {
		if len(w.nodes[m].agenda.Trying()) != 1 {
			t.Fatalf("%s does not believe the coordinator", m)
		}
	}
	for _, m := range append(three, "core-4") {
		w.step(m, agenda.Convicted{Member: liar})
	}
	if !w.run(15*time.Second, w.minedBy(id)) {
		w.fail(id)
	}
	p, _ := w.nodes["core-4"].agenda.Proposal(id)
	if !slices.ContainsFunc(p.Attempts, func(at agenda.Attempt) bool { return slices.Equal(at.Suspects, []council.MemberID{liar}) }) {
		t.Errorf("core-4 does not see why: %+v", p.Attempts)
	}
}
