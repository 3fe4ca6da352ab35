package agenda_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"

	"github.com/millicent-one/signer/agenda"
	"github.com/millicent-one/signer/council"
)

// Of the seven, three sign with a traitor, which keeps the signature, and three have no
// part in it.
var (
	signedFirst = everyone[3:6]
	keeper      = everyone[6]
	notAsked    = everyone[:3]
	keptSet     = council.Sorted(append(slices.Clone(signedFirst), keeper))
)

// take puts a transaction into a block of its own.
func (w *world) take(tx *types.Transaction) {
	w.block++
	w.mined, w.minedAt = append(w.mined, tx), append(w.minedAt, w.block)
	w.nonce++
}

// keptFrom is a world in which a signature of a proposal at the first nonce is made by
// three and the traitor, who has it mined. The three are away then. What they have said of
// the attempt before, the others have read, or have not.
func keptFrom(t *testing.T, seed uint64, read bool) (*world, council.ProposalID) {
	t.Helper()
	w := newWorld(t, seed)
	id := w.propose(keeper, "pause", "protocol")
	if !w.run(5*time.Second, w.known(id)) {
		t.Fatal("not everyone knows the proposal")
	}
	w.approvedBy(signedFirst, id)
	w.run(time.Second, never)
	if read {
		for _, m := range signedFirst {
			w.append(w.nodes[m], council.WordBegun, council.Begun{Proposal: id, Chain: chainID, Attempt: 1, Begin: common.Hash{1}, Coordinator: keeper, Signers: keptSet})
		}
		w.run(time.Second, never)
	}
	for _, m := range signedFirst {
		w.stop(m)
	}
	p, _ := w.nodes[notAsked[0]].agenda.Proposal(id)
	w.take(w.otherwise(p.Intent.(council.Transaction)))
	w.run(2*time.Second, never)
	w.approve(keeper, id)
	w.insist(id)
	return w, id
}

// insist has the traitor call the three others to the proposal at the next nonce, again
// and again. It joins whatever they begin.
func (w *world) insist(id council.ProposalID) {
	number := uint64(0)
	var call func()
	call = func() {
		number++
		b := w.beginBy(keeper, notAsked[0], id, number)
		b.Signers = council.Sorted(append(slices.Clone(notAsked), keeper))
		for _, m := range notAsked {
			if w.nodes[m].up {
				w.step(m, agenda.Said{From: keeper, Message: agenda.BeginMessage{Begin: b}})
			}
		}
		w.after(3*time.Second, call)
	}
	call()
}

// began lists the nonces at which nodes have taken part in signing a proposal.
func (w *world) began(id council.ProposalID) (nonces []uint64) {
	for _, s := range w.sessions {
		if s.begin.Proposal == id {
			nonces = append(nonces, s.begin.Nonce)
		}
	}
	slices.Sort(nonces)
	return slices.Compact(nonces)
}

// A proposal whose signature the last signer has kept and brought to the chain is not run
// again at the next nonce by those who had no part in it, whether they have heard of the
// attempt or not: they ask the chain what has used the nonce, and tell everyone.
func TestNothingRunsTwice(t *testing.T) {
	for name, read := range map[string]bool{"the attempt is known": true, "nobody has told of it": false} {
		t.Run(name, func(t *testing.T) {
			w, id := keptFrom(t, 320, read)
			w.run(time.Minute, never)
			if got := w.began(id); len(got) > 0 {
				t.Errorf("it has run at nonce 0, and is signed at %v", got)
			}
			for _, m := range notAsked {
				if s := w.state(m, id); s != agenda.StateMined && s != agenda.StateFinal {
					t.Errorf("%s: it is %s", m, s)
				}
			}
			if w.nonce != 1 {
				t.Errorf("%d transactions; want 1", w.nonce)
			}
			// Who has signed it comes back, and hears it.
			for _, m := range signedFirst {
				w.start(m)
			}
			w.run(time.Minute, never)
			for _, m := range signedFirst {
				if s := w.state(m, id); s != agenda.StateMined && s != agenda.StateFinal {
					t.Errorf("%s: it is %s", m, s)
				}
			}
		})
	}
}

// The nonce that the chain gives to a proposal may look like that of another one, of which
// all have seen a signature.
func TestKeptBehindAnotherSignature(t *testing.T) {
	w := newWorld(t, 321)
	id := w.propose(keeper, "pause", "protocol")
	if !w.run(5*time.Second, w.known(id)) {
		t.Fatal("not everyone knows the proposal")
	}
	w.approvedBy(signedFirst, id)
	w.run(time.Second, never)
	for _, m := range signedFirst {
		w.stop(m)
	}
	// The other one is another deed, signed at the same nonce, and never mined.
	p, _ := w.nodes[notAsked[0]].agenda.Proposal(id)
	deed := p.Intent.(council.Transaction)
	deed.To[0] ^= 1
	second := w.put(notAsked[1], deed, 3600)
	w.run(time.Second, never)
	raw, err := w.otherwise(deed).MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	w.step(keeper, w.append(w.nodes[keeper], council.WordSigned, council.Signed{Proposal: second, Chain: chainID, Signers: keptSet, Tx: raw}))
	w.run(200*time.Millisecond, never)
	if p, _ := w.nodes[notAsked[2]].agenda.Proposal(second); p.Tx == nil {
		t.Fatal("the other signature is not known")
	}
	delete(w.pool, 0)
	w.take(w.otherwise(p.Intent.(council.Transaction)))
	w.approve(keeper, id)
	w.insist(id)
	w.run(time.Minute, never)
	if got := w.began(id); len(got) > 0 {
		t.Errorf("it has run at nonce 0, and is signed at %v", got)
	}
	for _, m := range notAsked {
		if s := w.state(m, id); s != agenda.StateMined && s != agenda.StateFinal {
			t.Errorf("%s: it is %s", m, s)
		}
	}
}

// pausesOnce has the council carry one proposal out.
func (w *world) pausesOnce() council.ProposalID {
	id := w.propose(keeper, "pause", "protocol")
	w.run(5*time.Second, w.known(id))
	w.approvedBy(everyone[:4], id)
	if !w.run(time.Minute, w.minedBy(id)) {
		w.fail(id)
	}
	return id
}

// What a restart leaves is enough: nothing of it is known from memory alone.
func TestNothingRunsTwiceAfterARestart(t *testing.T) {
	w, id := keptFrom(t, 322, false)
	for range 3 {
		for _, m := range notAsked {
			w.stop(m)
			w.start(m)
		}
		w.run(time.Second, never) // not long enough to ask
	}
	if got := w.began(id); len(got) > 0 {
		t.Errorf("it has run at nonce 0, and is signed at %v", got)
	}
	w.run(time.Minute, never)
	if got := w.began(id); len(got) > 0 || w.nonce != 1 {
		t.Errorf("it has run at nonce 0, and is signed at %v", got)
	}
}

// A node that may have forgotten what it has signed has no row for a nonce that it has
// fenced. What it has read of a signature keeps it from another one.
func TestSignedElsewhereIsNotSignedAgain(t *testing.T) {
	w := newWorld(t, 323)
	id := w.pausesOnce()
	w.run(10*time.Second, never)
	n := w.nodes[notAsked[0]]
	w.stop(n.id)
	n.ledger = map[uint64]*row{}
	n.feed = slices.DeleteFunc(n.feed, func(e agenda.Recorded) bool { return e.Author == n.id && e.Word != council.WordJudged })
	w.start(n.id)
	if nonce, err := n.agenda.NonceFor(id); err == nil {
		t.Errorf("it would sign it again, at nonce %d", nonce)
	}
}

// An RPC that can't say what has used a nonce keeps the node from signing what may have
// been it. The members are told what to do; what is proposed much later goes on.
func TestUnexplainedNonce(t *testing.T) {
	w := newWorld(t, 324)
	w.dumb = true
	finds, told := 0, map[council.ProposalID]string{}
	w.does = func(m council.MemberID, e agenda.Effect) {
		switch e := e.(type) {
		case agenda.Find:
			finds++
		case agenda.Notify:
			if e.What == "stuck" && strings.Contains(e.Text, "propose it again") {
				told[e.Proposal] = e.Text
			}
		}
	}
	id := w.propose(keeper, "pause", "protocol")
	w.run(5*time.Second, w.known(id))
	p, _ := w.nodes[keeper].agenda.Proposal(id)
	w.take(w.otherwise(p.Intent.(council.Transaction)))
	w.run(time.Second, never)
	w.approvedBy(everyone[:4], id)
	w.run(10*time.Minute, never)
	if got := w.began(id); len(got) > 0 {
		t.Errorf("nobody knows what has used nonce 0, and it is signed at %v", got)
	}
	if told[id] == "" {
		t.Error("nobody is told what to do")
	}
	t.Logf("asked %d times: %s", finds, told[id])
	if most := 7 * 12; finds > most || finds < 7 {
		t.Errorf("the chain is asked %d times in ten minutes by seven nodes; want %d at most", finds, most)
	}
	w.run(2*time.Hour, never)
	later := w.propose(keeper, "pause", "protocol")
	w.run(5*time.Second, w.known(later))
	w.approvedBy(everyone[:4], later)
	if !w.run(time.Minute, w.minedBy(later)) {
		w.fail(later)
	}
	// When the RPC can tell, what was held up is shown as what it is, and runs no more.
	w.dumb = false
	w.run(20*time.Minute, never)
	if got := w.began(id); len(got) > 0 {
		t.Errorf("signed at %v", got)
	}
}

// What comes at the first sight of a chain is not asked for nonce by nonce.
func TestFirstSightOfAChain(t *testing.T) {
	w := newWorld(t, 325)
	n := w.nodes[notAsked[0]].agenda
	n.Step(agenda.Head{Chain: chainID, Block: w.block, Nonce: 4000, BaseFee: baseFee}, w.now)
	finds := map[uint64]bool{}
	for range 100 {
		w.now = w.now.Add(time.Minute)
		for _, e := range n.Step(agenda.Tick{}, w.now) {
			if f, ok := e.(agenda.Find); ok {
				finds[f.Nonce] = true
				n.Step(agenda.Found{Chain: chainID, Nonce: f.Nonce, Err: errors.New("more than 4096 blocks ago")}, w.now)
			}
		}
	}
	if len(finds) == 0 || len(finds) > agenda.MaxGaps {
		t.Errorf("%d nonces are asked for; want 1 to %d", len(finds), agenda.MaxGaps)
	}
	for f := range finds {
		if f < 4000-agenda.MaxGaps {
			t.Errorf("nonce %d is asked for", f)
		}
	}
}

// Attempts that somebody makes up, at nonces that are used and at others, hold nothing up.
func TestMadeUpAttemptsAtUsedNonces(t *testing.T) {
	w := newWorld(t, 326)
	w.pausesOnce()
	w.run(5*time.Second, never)
	finds := 0
	w.does = func(_ council.MemberID, e agenda.Effect) {
		if _, ok := e.(agenda.Find); ok {
			finds++
		}
	}
	id := w.propose(notAsked[0], "unpause", "protocol")
	w.run(5*time.Second, w.known(id))
	w.approvedBy(everyone[:3], id)
	for i, nonce := range []uint64{0, 2, 3, 1 << 40} {
		w.append(w.nodes[keeper], council.WordBegun, council.Begun{Proposal: id, Chain: chainID, Nonce: nonce, Attempt: 1, Begin: common.Hash{byte(i)}, Coordinator: keeper, Signers: keptSet})
	}
	w.run(time.Second, never)
	began := w.now
	w.approve(everyone[3], id)
	if !w.run(20*time.Second, w.minedBy(id)) {
		w.fail(id)
	}
	if took := w.now.Sub(began); took > 6*time.Second || finds > 0 {
		t.Errorf("it took %s, and the chain was asked %d times", took, finds)
	}
}

// As long as each nonce was used by what this node knows, the chain is asked nothing, and
// the next one begins at once.
func TestKnownNoncesAskNothing(t *testing.T) {
	w := newWorld(t, 327)
	w.does = func(m council.MemberID, e agenda.Effect) {
		if f, ok := e.(agenda.Find); ok {
			t.Errorf("%s asks what has used nonce %d", m, f.Nonce)
		}
	}
	for i := range 4 {
		id := w.propose(everyone[i], []string{"pause", "unpause"}[i%2], "protocol")
		w.run(5*time.Second, w.known(id))
		w.approvedBy(everyone[:4], id)
		if !w.run(20*time.Second, w.minedBy(id)) {
			w.fail(id)
		}
		for _, m := range everyone {
			if i == 1 {
				w.stop(m)
				w.start(m)
			}
		}
	}
	w.run(10*time.Minute, never)
}

// What is older than the gaps that are kept is dark until all from there on is known: who
// has just come in sees the newest nonces first, and reads the blocks of long ago after.
func TestOldNoncesComeToLight(t *testing.T) {
	w := newWorld(t, 328)
	w.dumb = true
	w.nonce = agenda.MaxGaps + 8
	w.run(5*time.Second, never)
	id := w.propose(keeper, "pause", "protocol")
	w.run(5*time.Second, w.known(id))
	w.approvedBy(everyone[:4], id)
	tell := func(n uint64) {
		for _, m := range everyone {
			w.step(m, agenda.Ledger{Chain: chainID, Nonce: n, Proposal: council.ProposalID{9, byte(n)}, State: agenda.RowConsumed})
		}
	}
	for n := w.nonce; n > 1; n-- {
		tell(n - 1)
	}
	w.run(time.Minute, never)
	if got := w.began(id); len(got) > 0 {
		t.Fatalf("nobody knows what has used nonce 0, and it is signed at %v", got)
	}
	tell(0)
	if !w.run(time.Minute, w.minedBy(id)) {
		w.fail(id)
	}
}

// explain tells a node what has used the nonces below n.
func (w *world) explain(m council.MemberID, n uint64) {
	for i := range n {
		w.step(m, agenda.Ledger{Chain: chainID, Nonce: i, Proposal: council.ProposalID{9, byte(i)}, State: agenda.RowConsumed})
	}
}

// An RPC that once names a nonce far too high holds nothing up any longer than until it
// names the right one, and does not lower the guard for what comes later.
func TestNonceThatWasTooHigh(t *testing.T) {
	w := newWorld(t, 329)
	m := notAsked[0]
	head := func(nonce uint64) {
		w.nonce = nonce
		w.step(m, agenda.Head{Chain: chainID, Block: w.block, Nonce: nonce, BaseFee: baseFee})
	}
	w.nonce = 5
	w.explain(m, 5)
	w.run(5*time.Second, never)
	id := w.propose(keeper, "pause", "protocol")
	w.run(5*time.Second, w.known(id))
	for _, high := range []uint64{1000, 6, 1000, 23, 1 << 40} {
		head(high)
		if n, err := w.nodes[m].agenda.NonceFor(id); err == nil {
			t.Errorf("%d nonces are used, and it would be signed at %d", high, n)
		}
		head(5)
		if n, err := w.nodes[m].agenda.NonceFor(id); err != nil || n != 5 {
			t.Errorf("after %d: %d, %v", high, n, err)
		}
	}
	w.run(2*time.Hour, never)
	later := w.propose(keeper, "pause", "protocol")
	w.run(5*time.Second, w.known(later))
	head(6)
	if n, err := w.nodes[m].agenda.NonceFor(later); err == nil {
		t.Errorf("nobody knows what has used nonce 5, and it would be signed at %d", n)
	}
}

// What is not explained stays so, whether a false nonce is too high or too low.
func TestFalseNonceHidesNoGap(t *testing.T) {
	for _, known := range []uint64{0, 4, 20} {
		w := newWorld(t, 330)
		w.dumb = true
		m := notAsked[0]
		real := known + 24 // more than are kept
		w.nonce = known
		w.explain(m, known)
		w.run(5*time.Second, never)
		id := w.propose(keeper, "pause", "protocol")
		w.run(5*time.Second, w.known(id))
		w.nonce = real
		w.run(5*time.Second, never)
		for _, wrong := range []uint64{real + 1000, real - 1, real + 17, known, real + 3, 0, real - 20, real + 1} {
			for _, nonce := range []uint64{wrong, real} {
				w.step(m, agenda.Head{Chain: chainID, Block: w.block, Nonce: nonce, BaseFee: baseFee})
			}
			if n, err := w.nodes[m].agenda.NonceFor(id); err == nil {
				t.Errorf("nonces from %d to %d may be its own, the RPC has named %d, and it would be signed at %d", known, real-1, wrong, n)
			}
		}
		for n := real; n > known+1; n-- {
			w.step(m, agenda.Ledger{Chain: chainID, Nonce: n - 1, Proposal: council.ProposalID{8, byte(n)}, State: agenda.RowConsumed})
		}
		if n, err := w.nodes[m].agenda.NonceFor(id); err == nil {
			t.Errorf("nonce %d may be its own, and it would be signed at %d", known, n)
		}
		w.step(m, agenda.Ledger{Chain: chainID, Nonce: known, Proposal: council.ProposalID{8}, State: agenda.RowConsumed})
		if n, err := w.nodes[m].agenda.NonceFor(id); err != nil || n != real {
			t.Errorf("all is explained: %d, %v", n, err)
		}
	}
}
