package agenda_test

import (
	"slices"
	"testing"
	"time"

	"github.com/millicent-one/signer/agenda"
	"github.com/millicent-one/signer/council"
)

// A block with the council's transaction is reorganised away, and no pool has kept the
// transaction: the row is open again, for its proposal alone, the very same transaction is
// sent again, and it runs once.
func TestReorganisedTransactionIsSentAgain(t *testing.T) {
	w := newWorld(t, 1)
	id := w.propose("core-1", "pause", "protocol")
	w.run(10*time.Second, w.known(id))
	for _, m := range everyone[:4] {
		w.approve(m, id)
	}
	all := func(s agenda.State) func() bool {
		return func() bool {
			return !slices.ContainsFunc(everyone, func(m council.MemberID) bool { return w.state(m, id) != s })
		}
	}
	if !w.run(30*time.Second, all(agenda.StateMined)) {
		w.fail(id)
	}
	tx, attempts := w.mined[0], w.attempts
	open, sent := map[council.MemberID]bool{}, map[council.MemberID]bool{}
	w.does = func(m council.MemberID, e agenda.Effect) {
		switch e := e.(type) {
		case agenda.Settle:
			open[m] = open[m] || e.Nonce == tx.Nonce() && e.Proposal == id && e.State == agenda.RowRevealed
		case agenda.Broadcast:
			sent[m] = sent[m] || e.Tx.Hash() == tx.Hash()
		}
	}
	w.mined, w.minedAt, w.nonce = nil, nil, tx.Nonce()
	clear(w.pool)
	for _, m := range everyone {
		w.step(m, agenda.Seen{Chain: chainID, Tx: tx.Hash(), What: council.WordReorged})
	}
	if !w.run(5*time.Second, w.minedBy(id)) {
		w.fail(id)
	}
	if !w.run(20*time.Second, all(agenda.StateFinal)) {
		w.fail(id)
	}
	if len(w.mined) != 1 || w.mined[0].Hash() != tx.Hash() || w.attempts != attempts {
		t.Errorf("%d transactions, %d attempts after %d", len(w.mined), w.attempts, attempts)
	}
	p, _ := w.nodes["core-1"].agenda.Proposal(id)
	for _, m := range everyone {
		if signed := slices.Contains(p.Signed.Signers, m); !open[m] || signed && !sent[m] {
			t.Errorf("%s: signed %v, open again %v, sent again %v", m, signed, open[m], sent[m])
		}
	}
}
