package agenda_test

import (
	"math/big"
	"slices"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/millicent-one/signer/agenda"
	"github.com/millicent-one/signer/council"
)

// tended is whether each node looks after so many proposals, and no more.
func (w *world) tended(n int) func() bool {
	return func() bool {
		return !slices.ContainsFunc(everyone, func(m council.MemberID) bool { return w.nodes[m].agenda.Tended() != n })
	}
}

// saysSigned is how often a node has said in its own feed that a proposal is signed.
func (w *world) saysSigned(m council.MemberID, id council.ProposalID) (n int) {
	for _, e := range w.nodes[m].feed {
		if s, ok := e.Body.(council.Signed); ok && e.Author == m && s.Proposal == id {
			n++
		}
	}
	return n
}

// shortly puts a playbook before the council that lasts ten minutes.
func (w *world) shortly(m council.MemberID, playbook string) council.ProposalID {
	w.t.Helper()
	deed, _, err := w.nodes[m].policy.Charter().Playbook(playbook, "protocol", nil)
	if err != nil {
		w.t.Fatal(err)
	}
	return w.put(m, deed, 600)
}

// What is final, signed or expired costs nothing any more, however much of it there is,
// also after a restart.
func TestWhatIsOverIsTendedNoMore(t *testing.T) {
	w := newWorld(t, 630)
	mined := w.propose("core-1", "pause", "protocol")
	said := w.publish("core-2", "all is well")
	w.admit("core-3", council.Statement{Text: "Nobody wants this.", ValidUntil: uint64(w.now.Unix()) + 120, Salt: common.Hash{1}})
	open := w.publish("core-4", "all is very well")
	w.run(5*time.Second, func() bool { return w.known(mined)() && w.known(said)() && w.known(open)() })
	w.approvedBy(everyone[:4], mined, said)
	if !w.run(5*time.Minute, w.tended(1)) {
		t.Fatalf("%d are looked after", w.nodes["core-1"].agenda.Tended())
	}
	w.restartAll()
	if !w.run(10*time.Second, w.tended(1)) {
		t.Fatalf("%d are looked after after a restart", w.nodes["core-1"].agenda.Tended())
	}
	w.approvedBy(everyone[:4], open)
	if !w.run(time.Minute, w.signedBy(open)) {
		w.failMessages(open)
	}
}

// The signature of something that has expired appears, and a rule counts it: each node says
// once since when it knows of it.
func TestLateSignatureIsPinned(t *testing.T) {
	late := func(t *testing.T, w *world, id council.ProposalID, s council.Signed) {
		t.Helper()
		w.run(5*time.Second, w.known(id))
		if !w.run(2*time.Hour, w.tended(0)) {
			t.Fatalf("%d are looked after", w.nodes["core-1"].agenda.Tended())
		}
		w.step("core-1", w.append(w.nodes["core-1"], council.WordSigned, s))
		w.run(10*time.Second, never)
		for _, m := range everyone {
			if n := w.saysSigned(m, id); n != 1 {
				t.Errorf("%s says %d times that it is signed", m, n)
			}
		}
		if !w.tended(0)() {
			t.Errorf("%d are looked after", w.nodes["core-1"].agenda.Tended())
		}
	}
	t.Run("transaction", func(t *testing.T) {
		w := newTimedWorld(t, 631, "unpause", "    cooldown: 15m\n")
		id := w.shortly("core-1", "unpause")
		p, _ := w.nodes["core-1"].agenda.Proposal(id)
		deed := p.Intent.(council.Transaction)
		b := council.Begin{Proposal: id, Chain: chainID, Fees: council.Fees{Gas: deed.MaxGas, MaxFeePerGas: big.NewInt(2e9), MaxTipPerGas: big.NewInt(1e9)}}
		b.Digest = b.Envelope(deed).Digest()
		late(t, w, id, council.Signed{Proposal: id, Chain: chainID, Tx: w.sealed(b, p)})
	})
	t.Run("message", func(t *testing.T) {
		w := buildCharterWorld(t, append(worldCharter(t), incidentRecords+"    cooldown: 15m\n"...), 632, 0, nil, agenda.Timing{})
		id := w.register("core-1", 1)
		p, _ := w.nodes["core-1"].agenda.Proposal(id)
		sig, err := crypto.Sign(p.Digest[:], w.key)
		if err != nil {
			t.Fatal(err)
		}
		sig[64] += 27
		late(t, w, id, council.Signed{Proposal: id, Chain: chainID, Signature: sig})
	})
}

// What was final is looked after again when this node has said that its block is gone.
func TestReorganisedIsTendedAgain(t *testing.T) {
	w := newWorld(t, 633)
	id := w.propose("core-1", "pause", "protocol")
	w.run(5*time.Second, w.known(id))
	w.approvedBy(everyone[:4], id)
	if !w.run(5*time.Minute, w.tended(0)) {
		w.fail(id)
	}
	n, sent := w.nodes["core-2"], 0
	w.does = func(m council.MemberID, e agenda.Effect) {
		if _, ok := e.(agenda.Broadcast); ok && m == n.id {
			sent++
		}
	}
	w.mined = nil
	p, _ := n.agenda.Proposal(id)
	w.step(n.id, w.append(n, council.WordReorged, council.Sighted{Proposal: id, Chain: chainID, Nonce: p.Tx.Nonce(), Tx: p.Tx.Hash()}))
	w.pass(time.Minute)
	if sent == 0 || n.agenda.Tended() != 1 {
		t.Errorf("sent %d times, %d are looked after", sent, n.agenda.Tended())
	}
}

// A word that only a Begin has brought is passed on, also about what is over.
func TestWordOnWhatIsOverIsPassedOn(t *testing.T) {
	w := newWorld(t, 634)
	w.cut = map[[2]council.MemberID]bool{}
	for _, m := range everyone {
		w.cut[[2]council.MemberID{"core-1", m}] = true
	}
	id := w.shortly("core-2", "pause")
	w.run(5*time.Second, w.known(id))
	w.approve("core-1", id)
	b := w.beginBy("core-1", "core-1", id, 1)
	n := w.nodes["core-2"]
	if !w.run(2*time.Hour, func() bool { return n.agenda.Tended() == 0 }) {
		t.Fatalf("%d are looked after", n.agenda.Tended())
	}
	b.Signers = council.Sorted([]council.MemberID{"core-1", "core-2", "core-3", "core-4"})
	w.step(n.id, agenda.Said{From: "core-1", Message: agenda.BeginMessage{Begin: b}})
	w.pass(20 * time.Second)
	if k := w.ballots(n.id, id); k != 1 || n.agenda.Tended() != 0 {
		t.Errorf("it says %d words, and looks after %d", k, n.agenda.Tended())
	}
}
