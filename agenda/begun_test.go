package agenda_test

import (
	"encoding/binary"
	"slices"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/agenda"
	"github.com/millicent-one/signer/council"
)

// Members that say again and again that they have joined attempts hold nobody up,
// whether they name themselves alone, each other, or as many as it takes.
func TestWordsOfAttemptsHoldNobodyUp(t *testing.T) {
	liars := []council.MemberID{"core-3", "core-4"}
	for _, c := range []struct {
		name    string
		every   time.Duration
		signers func(council.MemberID) []council.MemberID
	}{
		{"alone, often", 100 * time.Millisecond, func(m council.MemberID) []council.MemberID { return []council.MemberID{m} }},
		{"alone, at their leisure", 10 * time.Second, func(m council.MemberID) []council.MemberID { return []council.MemberID{m} }},
		{"each other", 10 * time.Second, func(council.MemberID) []council.MemberID { return liars }},
		{"four, often", 100 * time.Millisecond, func(council.MemberID) []council.MemberID { return append(slices.Clone(everyone[:2]), liars...) }},
		{"four, at their leisure", 2 * time.Second, func(council.MemberID) []council.MemberID { return append(slices.Clone(everyone[:2]), liars...) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, 505)
			id := w.propose("core-1", "pause", "protocol")
			w.run(5*time.Second, w.known(id))
			words := uint64(0)
			var lie func()
			lie = func() {
				words++
				for _, m := range liars { // the second one joins what the first one speaks of
					var begin common.Hash
					binary.BigEndian.PutUint64(begin[:], words)
					signers := c.signers(m)
					w.append(w.nodes[m], council.WordBegun, council.Begun{
						Proposal: id, Chain: chainID, Attempt: 7, Begin: begin, Coordinator: signers[len(signers)-1], Signers: signers,
					})
				}
				w.after(c.every, lie)
			}
			lie()
			w.run(6*time.Minute, func() bool { return false })
			w.approvedBy(everyone[:4], id)
			if !w.run(time.Minute, w.minedBy(id)) {
				w.fail(id)
			}
		})
	}
}

// A member that speaks of ever higher attempts, each of such a number that it would
// coordinate the next itself, is waited for a few times, and no more, though two
// others join whatever it speaks of. Nor do its numbers make sessions wait longer for
// the silent.
func TestNumbersOfAttemptsHoldNobodyUp(t *testing.T) {
	const first council.MemberID = "core-3"
	tale := council.Sorted([]council.MemberID{first, "core-4", "community-3", "core-1"})
	for _, c := range []struct {
		name  string
		liars []council.MemberID
		each  bool // has a tale of its own
	}{
		{"one", []council.MemberID{first}, true},
		{"two tell one tale", []council.MemberID{first, "core-4"}, false},
		{"three tell one tale", []council.MemberID{first, "core-4", "community-3"}, false},
		{"three tell three", []council.MemberID{first, "core-4", "community-3"}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, 506)
			id := w.propose("core-1", "pause", "protocol")
			w.run(5*time.Second, w.known(id))
			w.approve(first, id)
			w.run(time.Second, func() bool { return false })
			for _, m := range c.liars { // their nodes do nothing but what the test does
				w.nodes[m].up = false
			}
			honest := w.nodes["core-1"].agenda
			words := uint64(0)
			var lie func()
			lie = func() {
				number := honest.LastAttempt(id) + 1
				for number < honest.LastAttempt(id)+30 && honest.Leader(id, number+1) != first {
					number++
				}
				for i, m := range c.liars {
					if i == 0 || c.each {
						words++
					}
					var begin common.Hash
					binary.BigEndian.PutUint64(begin[:], words)
					w.append(w.nodes[m], council.WordBegun, council.Begun{Proposal: id, Chain: chainID, Attempt: number, Begin: begin, Coordinator: m, Signers: tale})
					w.append(w.nodes[m], council.WordAttemptFailed, council.AttemptFailed{Proposal: id, Chain: chainID, Attempt: number, Reason: "so that the next is mine"})
				}
				w.after(time.Second, lie)
			}
			lie()
			w.run(time.Minute, func() bool { return false })
			w.approvedBy([]council.MemberID{"core-1", "core-2", "community-1"}, id)
			began := w.now
			if !w.run(5*time.Minute, w.minedBy(id)) {
				w.fail(id)
			}
			t.Logf("mined after %s; last attempt %d", w.now.Sub(began), honest.LastAttempt(id))
			if w.patience == 0 || w.patience > 2*agenda.Defaults().Silence {
				t.Errorf("somebody waits %s for a round", w.patience)
			}
		})
	}
}

// A signer that has an excuse whenever it is called, none of which speaks against
// it, keeps the council from signing for a while, and not for ever.
func TestExcusesEnd(t *testing.T) {
	for _, rule := range []string{"busy", "attempt", "suspected", "mandate"} {
		t.Run(rule, func(t *testing.T) {
			w := newWorld(t, 507)
			const shirker council.MemberID = "core-3"
			id := w.propose("core-1", "pause", "protocol")
			w.run(5*time.Second, w.known(id))
			w.approve(shirker, id)
			w.run(time.Second, func() bool { return false })
			w.nodes[shirker].up = false // its node does nothing but what the test does
			w.approvedBy([]council.MemberID{"core-1", "core-2", "community-1"}, id)
			var excuse func()
			excuse = func() {
				for _, m := range everyone {
					p, _ := w.nodes[m].agenda.Proposal(id)
					if m == shirker || len(w.nodes[m].agenda.Trying()) == 0 {
						continue
					}
					at := p.Attempts[len(p.Attempts)-1]
					if slices.Contains(at.Signers, shirker) {
						w.step(m, agenda.Said{From: shirker, Message: agenda.Refusal{Begin: at.Begin, Chain: chainID, Attempt: at.Number, Rule: rule}})
					}
				}
				w.after(20*time.Millisecond, excuse)
			}
			excuse()
			if !w.run(2*time.Minute, w.minedBy(id)) {
				w.fail(id)
			}
			t.Logf("%d attempts", w.attempts)
		})
	}
}

// A signer that joins each attempt and gives it up, and names nobody, is heard a few
// times: it may have it from somebody else. After that it is suspected itself, and the
// council signs without it.
func TestGivingUpEnds(t *testing.T) {
	w := newWorld(t, 508)
	const shirker council.MemberID = "core-3"
	id := w.propose("core-1", "pause", "protocol")
	w.run(5*time.Second, w.known(id))
	w.approve(shirker, id)
	w.run(time.Second, func() bool { return false })
	w.nodes[shirker].up = false // its node does nothing but what the test does
	w.approvedBy([]council.MemberID{"core-1", "core-2", "community-1"}, id)
	given := map[common.Hash]bool{}
	var giveUp func()
	giveUp = func() {
		for _, m := range everyone {
			p, _ := w.nodes[m].agenda.Proposal(id)
			if m == shirker || len(w.nodes[m].agenda.Trying()) == 0 {
				continue
			}
			at := p.Attempts[len(p.Attempts)-1]
			if !slices.Contains(at.Signers, shirker) || given[at.Begin] {
				continue
			}
			given[at.Begin] = true
			w.append(w.nodes[shirker], council.WordBegun, council.Begun{
				Proposal: id, Chain: chainID, Nonce: at.Nonce, Attempt: at.Number, Begin: at.Begin, Coordinator: at.Leader, Signers: at.Signers,
			})
			w.append(w.nodes[shirker], council.WordAttemptFailed, council.AttemptFailed{Proposal: id, Chain: chainID, Nonce: at.Nonce, Attempt: at.Number, Reason: "tired"})
		}
		w.after(20*time.Millisecond, giveUp)
	}
	giveUp()
	if !w.run(10*time.Minute, w.minedBy(id)) {
		t.Logf("gave up %d attempts of %d", len(given), w.attempts)
		w.fail(id)
	}
	if n := len(given); n <= agenda.MaxExcuses || n > agenda.MaxExcuses+2 {
		t.Errorf("it gave up %d attempts; want %d to be excused and the next to count", n, agenda.MaxExcuses)
	}
}

// Of what members say of attempts at nonces that the chain is far from nothing is kept, or
// one of them could make up as many as its feed has room for: neither as it comes nor from
// the journal, while this node does not know yet where the chain is.
func TestWordsOfFarNoncesAreNotKept(t *testing.T) {
	const honest, liar council.MemberID = "core-1", "core-3"
	w := newWorld(t, 509)
	id := w.propose(honest, "pause", "protocol")
	w.run(5*time.Second, w.known(id))
	kept := func() int { return w.nodes[honest].agenda.Words(chainID) }
	tale := council.Sorted([]council.MemberID{liar, honest, "core-4", "community-3"})
	seq := uint64(1 << 20)
	say := func(nonce uint64) {
		var begin common.Hash
		binary.BigEndian.PutUint64(begin[:], seq)
		hear := func(word council.Word, body any) {
			seq++
			w.deliver(honest, agenda.Recorded{Author: liar, Seq: seq, At: uint64(w.now.Unix()), Word: word, Body: body})
		}
		hear(council.WordBegun, council.Begun{Proposal: id, Chain: chainID, Nonce: nonce, Attempt: 2, Begin: begin, Coordinator: liar, Signers: tale})
		hear(council.WordAttemptFailed, council.AttemptFailed{Proposal: id, Chain: chainID, Nonce: nonce, Attempt: 2, Reason: "made up"})
	}
	bounded := func(when string) {
		t.Helper()
		if n := kept(); n < agenda.MaxNonces || n > 4*(agenda.MaxNonces+1) {
			t.Errorf("%s: %d words are kept", when, n)
		}
	}
	for i := range uint64(5 * agenda.MaxNonces) {
		say(i)
		say(^i)
	}
	bounded("as they come")
	w.stop(honest)
	w.start(honest)
	bounded("from the journal")

	w.nonce = 3 * agenda.MaxNonces
	w.step(honest, agenda.Head{Chain: chainID, Block: w.block, Nonce: w.nonce, BaseFee: baseFee})
	if n := kept(); n != 0 {
		t.Errorf("%d words of nonces that are long used are kept", n)
	}
	say(w.nonce + 1)
	say(w.nonce - 1) // a block may go away again
	if n := kept(); n < 4 {
		t.Errorf("%d words of nonces that are near are kept", n)
	}
}
