package agenda_test

import (
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/millicent-one/signer/agenda"
	"github.com/millicent-one/signer/council"
)

func (n *member) intent(p council.ProposalID) council.Intent {
	for _, e := range n.feed {
		b, ok := e.Body.(council.Proposed)
		if !ok {
			continue
		}
		in, err := council.DecodeIntent(b.Intent)
		if err != nil {
			continue
		}
		if id, err := council.Propose(b.Council, in); err == nil && id == p {
			return in
		}
	}
	return nil
}

func (n *member) chainOf(p council.ProposalID) uint64 { return n.intent(p).ChainID() }

func (w *world) isMessage(n *member, id council.ProposalID) bool {
	p, ok := n.agenda.Proposal(id)
	return ok && p.Intent.Kind() != council.KindTransaction
}

// reserveMessage holds the ledger's rule for what has no nonce: one digest, one
// proposal. It reports a conflict with what was revealed before, and fails the
// test at one with a reservation that the agenda itself has asked for.
func (w *world) reserveMessage(n *member, digest common.Hash, p council.ProposalID) bool {
	if r := n.words[digest]; r != nil && r.proposal != p {
		return false
	}
	for d, r := range n.words {
		if r.proposal == p && d != digest {
			w.t.Fatalf("%s signs %s over two digests", n.id, p.Short())
		}
	}
	if n.words[digest] == nil {
		n.words[digest] = &row{p, agenda.RowReserved}
	}
	return true
}

func (w *world) freeMessage(n *member, id council.ProposalID) []agenda.Event {
	for d, r := range n.words {
		if r.proposal == id && r.state == agenda.RowReserved {
			delete(n.words, d)
		}
	}
	return w.messageRow(n, id)
}

func (w *world) messageRow(n *member, id council.ProposalID) []agenda.Event {
	p, _ := n.agenda.Proposal(id)
	ev := agenda.Ledger{Chain: p.Intent.ChainID(), Proposal: id, State: agenda.RowFreed}
	for _, r := range n.words {
		if r.proposal == id {
			ev.State = r.state
		}
	}
	return []agenda.Event{ev}
}

// crowd counts the messages that a node is signing.
func (w *world) crowd(n *member) {
	running := 0
	for _, id := range n.agenda.Trying() {
		if w.isMessage(n, id) {
			running++
		}
	}
	if running > agenda.MaxPool {
		w.t.Fatalf("%s signs %d messages at once", n.id, running)
	}
	w.most = max(w.most, running)
}

// publish puts a statement before the council.
func (w *world) publish(m council.MemberID, text string) council.ProposalID {
	w.t.Helper()
	w.seq++
	return w.admit(m, council.Statement{Text: text, ValidUntil: uint64(w.now.Unix()) + 3600, Salt: common.BigToHash(big.NewInt(int64(w.seq)))})
}

// register puts an EIP-712 document before the council.
func (w *world) register(m council.MemberID, number int) council.ProposalID {
	w.t.Helper()
	w.seq++
	doc := fmt.Sprintf(`{"types":{"EIP712Domain":[{"name":"name","type":"string"},{"name":"version","type":"string"},{"name":"chainId","type":"uint256"},{"name":"verifyingContract","type":"address"}],
"IncidentRecord":[{"name":"id","type":"uint256"}]},"primaryType":"IncidentRecord",
"domain":{"name":"Incident Registry","version":"1","chainId":1,"verifyingContract":"0x1111111111111111111111111111111111111111"},"message":{"id":%d}}`, number)
	return w.admit(m, council.TypedData{Chain: chainID, Document: []byte(doc), ValidUntil: uint64(w.now.Unix()) + 3600, Salt: common.BigToHash(big.NewInt(int64(w.seq)))})
}

// signedBy reports whether every node that is up has all the signatures.
func (w *world) signedBy(ids ...council.ProposalID) func() bool {
	return func() bool {
		for _, m := range w.running() {
			for _, id := range ids {
				if w.state(m, id) != agenda.StateSigned {
					return false
				}
			}
		}
		return true
	}
}

// allSaid reports whether at every node each message is signed, but for one of
// two with the same text.
func (w *world) allSaid(ids []council.ProposalID) bool {
	for _, m := range w.running() {
		digests := map[common.Hash]council.ProposalID{}
		over := 0
		for _, id := range ids {
			p, ok := w.nodes[m].agenda.Proposal(id)
			if !ok {
				return false
			}
			switch w.state(m, id) {
			case agenda.StateSigned:
				digests[p.Digest] = id
			case agenda.StateDisplaced:
				over++
				if q, ok := w.nodes[m].agenda.Proposal(p.Instead); !ok || q.Digest != p.Digest || q.Signature == nil {
					w.t.Fatalf("%s gives %s up for %s", m, id.Short(), p.Instead.Short())
				}
			default:
				return false
			}
		}
		if len(digests)+over != len(ids) {
			w.t.Fatalf("%s: %d digests signed and %d proposals over, of %d", m, len(digests), over, len(ids))
		}
	}
	return true
}

// sound checks the signatures that the nodes hold: of one text one signature,
// by the council's key.
func (w *world) sound(ids ...council.ProposalID) {
	w.t.Helper()
	for _, id := range ids {
		for _, m := range w.running() {
			p, _ := w.nodes[m].agenda.Proposal(id)
			msg, _ := council.AsMessage(p.Intent)
			if err := council.CheckMessage(msg, p.Signature, w.genesis.Key); err != nil {
				w.t.Errorf("%s holds %x for %s: %v", m, p.Signature, id.Short(), err)
			}
		}
	}
}

func (w *world) failMessages(ids ...council.ProposalID) {
	w.t.Helper()
	for _, id := range ids {
		for _, m := range w.running() {
			if p, ok := w.nodes[m].agenda.Proposal(id); ok && w.state(m, id) != agenda.StateSigned {
				w.t.Logf("%s %s: %s; %s; %s", m, id.Short(), w.state(m, id), w.nodes[m].agenda.Blocked(p), lastOf(p.Attempts))
			}
		}
	}
	w.t.Fatalf("not all are signed after %d attempts", w.attempts)
}

// Five statements, two documents and a transaction are approved at the same
// moment. The messages go side by side, not more than the pool takes, and the
// transaction does not wait for them.
func TestMessagesAreSignedSideBySide(t *testing.T) {
	for _, depth := range []int{0, 1} {
		w := newWarmWorld(t, 300, depth)
		var ids []council.ProposalID
		for i := range 5 {
			ids = append(ids, w.publish(everyone[i], fmt.Sprintf("statement %d of the council", i)))
		}
		ids = append(ids, w.register("core-3", 1), w.register("core-4", 2))
		tx := w.propose("core-1", "pause", "protocol")
		w.run(10*time.Second, func() bool {
			return w.known(tx)() && !slices.ContainsFunc(ids, func(id council.ProposalID) bool { return !w.known(id)() })
		})
		began := w.now
		for _, id := range append(slices.Clone(ids), tx) {
			for _, m := range everyone[:4] {
				w.approve(m, id)
			}
		}
		if !w.run(60*time.Second, w.signedBy(ids...)) {
			w.failMessages(ids...)
		}
		took := w.now.Sub(began)
		if !w.run(10*time.Second, w.minedBy(tx)) {
			w.fail(tx)
		}
		w.sound(ids...)
		// A session takes two seconds: one after the other would take fourteen. Two
		// may begin the same at once, which takes up room.
		if took > 12*time.Second {
			t.Errorf("depth %d: it took %s", depth, took)
		}
		if w.most < 2 || w.most > agenda.MaxPool {
			t.Errorf("depth %d: at most %d at once", depth, w.most)
		}
		for _, id := range ids {
			// Who coordinates follows from the ids: several may begin at once, and
			// a signer whose pool is full says so. That is nobody's fault.
			p, _ := w.nodes["core-1"].agenda.Proposal(id)
			for _, x := range p.Attempts {
				if x.Failed != "" && (!strings.Contains(x.Failed, "does not join: busy: ") || len(x.Suspects) > 0) {
					t.Errorf("depth %d: %s took several attempts: %s, suspects %v", depth, id.Short(), x.Failed, x.Suspects)
				}
			}
		}
		for m, n := range w.nodes {
			if w.state(m, tx) == "" || n.ledger[0] == nil || n.ledger[0].proposal != tx || len(n.ledger) != 1 {
				t.Errorf("%s: a message has touched the nonces: %v", m, n.ledger)
			}
		}
	}
}

// A node dies while a statement is signed: the next attempt signs the same
// digest, without it, and when it is back it has the signature, too.
func TestDeathInMidMessageKeepsTheDigest(t *testing.T) {
	w := newWorld(t, 301)
	id := w.publish("core-2", "the bridge is paused")
	w.run(10*time.Second, w.known(id))
	for _, m := range everyone[3:] {
		w.approve(m, id)
	}
	if !w.run(10*time.Second, func() bool { return w.attempts == 1 }) {
		t.Fatal("no attempt")
	}
	var first council.Begin
	for _, s := range w.sessions {
		first = s.begin
	}
	w.run(time.Second, func() bool { return false })
	victim := first.Signers[1]
	w.stop(victim)
	if !w.run(60*time.Second, w.signedBy(id)) {
		w.failMessages(id)
	}
	for _, s := range w.sessions {
		if s.begin.Digest != first.Digest || s.begin.Nonce != 0 {
			t.Errorf("attempt %d signs another digest", s.begin.Attempt)
		}
	}
	w.sound(id)
	p, _ := w.nodes[w.running()[0]].agenda.Proposal(id)
	if w.attempts < 2 || slices.Contains(p.Signed.Signers, victim) {
		t.Errorf("%d attempts, signed by %v", w.attempts, p.Signed.Signers)
	}
	w.start(victim)
	if !w.run(30*time.Second, w.signedBy(id)) {
		t.Errorf("the dead node came back and says %s", w.state(victim, id))
	}
	if r := w.nodes[victim].words[first.Digest]; r == nil || r.state != agenda.RowRevealed {
		t.Errorf("its ledger says %+v", r)
	}
}

// Two members propose the same text. Another salt is another proposal, but the
// same digest: one of the two is signed, and the other is over and says why.
func TestSameTextTwice(t *testing.T) {
	for seed := range uint64(6) {
		w := newWorld(t, 310+seed)
		a := w.publish("core-1", "all is well")
		b := w.publish("community-1", "all is well")
		w.run(10*time.Second, func() bool { return w.known(a)() && w.known(b)() })
		for i := range 5 {
			w.approve(everyone[i], b)
			w.approve(everyone[6-i], a)
		}
		over := func() bool {
			for _, m := range everyone {
				x, y := w.state(m, a), w.state(m, b)
				if x != agenda.StateSigned && y != agenda.StateSigned || x != agenda.StateDisplaced && y != agenda.StateDisplaced {
					return false
				}
			}
			return true
		}
		if !w.run(60*time.Second, over) {
			w.failMessages(a, b)
		}
		won, lost := a, b
		if w.state("core-1", b) == agenda.StateSigned {
			won, lost = b, a
		}
		for _, m := range everyone {
			p, _ := w.nodes[m].agenda.Proposal(lost)
			if w.state(m, won) != agenda.StateSigned || p.Instead != won {
				t.Errorf("%s: %s is %s, and %s is over because of %s", m, won.Short(), w.state(m, won), lost.Short(), p.Instead.Short())
			}
		}
		// Nobody can propose it a third time, and people hear why.
		in := council.Statement{Text: "all is well", ValidUntil: uint64(w.now.Unix()) + 60, Salt: [32]byte{0xff}}
		if _, _, err := w.nodes["core-3"].agenda.Admit(in, w.now); err == nil || council.Hint(err) == "" {
			t.Errorf("proposed again: %v", err)
		}
		// One that comes by another road, from a node that did not look, is over
		// at once.
		id := w.unasked("core-3", in)
		w.run(3*time.Second, func() bool { return false })
		if s := w.state("core-4", id); s != agenda.StateDisplaced {
			t.Errorf("the third is %s", s)
		}
	}
}

// This node has revealed its part for one of two with the same text, and the
// other is signed elsewhere: the digest stays where the ledger has it, and the
// signature is taken all the same.
func TestTwinIsSignedElsewhere(t *testing.T) {
	w := newWorld(t, 317)
	a := w.publish("core-1", "all is well")
	b := w.publish("core-2", "all is well")
	w.run(5*time.Second, func() bool { return w.known(a)() && w.known(b)() })
	p, _ := w.nodes["core-4"].agenda.Proposal(a)
	w.nodes["core-4"].words[p.Digest] = &row{b, agenda.RowRevealed}
	w.step("core-4", agenda.Ledger{Proposal: b, State: agenda.RowRevealed})
	sig, err := crypto.Sign(p.Digest[:], w.key)
	if err != nil {
		t.Fatal(err)
	}
	sig[64] += 27
	w.step("core-3", w.append(w.nodes["core-3"], council.WordSigned, council.Signed{Proposal: a, Signature: sig}))
	if !w.run(5*time.Second, w.signedBy(a)) {
		w.failMessages(a)
	}
	if s := w.state("core-4", b); s != agenda.StateDisplaced {
		t.Errorf("the twin is %s", s)
	}
	if r := w.nodes["core-4"].words[p.Digest]; r.proposal != b || r.state != agenda.RowRevealed {
		t.Errorf("the ledger gives the digest to %s, %d", r.proposal.Short(), r.state)
	}
	if r := w.nodes["core-1"].words[p.Digest]; r == nil || r.proposal != a || r.state != agenda.RowRevealed {
		t.Errorf("a node that had no part in it has noted %+v", r)
	}
}

// When both can be signed, the one that was proposed first goes, and no attempt
// is lost on the other.
func TestFirstOfTwoGoes(t *testing.T) {
	w := newWorld(t, 318)
	a := w.publish("core-2", "all is well")
	w.run(3*time.Second, func() bool { return false }) // the feeds count seconds
	b := w.publish("core-1", "all is well")
	w.run(3*time.Second, w.known(b))
	// Both get their fourth approval while only three nodes are up.
	for _, m := range []council.MemberID{"community-1", "community-2", "community-3", "core-4"} {
		w.stop(m)
	}
	for _, m := range []council.MemberID{"core-1", "core-2", "core-3"} {
		w.approve(m, b)
		w.approve(m, a)
	}
	w.run(time.Second, func() bool { return false })
	w.stop("core-3")
	w.start("core-4")
	w.run(time.Second, func() bool { return false })
	w.approve("core-4", a)
	w.run(time.Second, func() bool { return false }) // so that core-3 reads them in this order
	w.approve("core-4", b)
	w.run(time.Second, func() bool { return false })
	p, _ := w.nodes["core-1"].agenda.Proposal(b)
	w.start("core-3")
	if s := w.nodes["core-1"].agenda.Blocked(p); !strings.Contains(s, a.Short()) {
		t.Errorf("the second waits, people are told, because %s", s)
	}
	if !w.run(30*time.Second, w.signedBy(a)) {
		w.failMessages(a)
	}
	if s := w.state("core-1", b); s != agenda.StateDisplaced || len(p.Attempts) > 0 {
		t.Errorf("the second is %s after %d attempts", s, len(p.Attempts))
	}
}

// What can't be signed takes no place in the pool: a pool full of statements
// that four nodes deny keeps none from being signed.
func TestPoolIsNotBlocked(t *testing.T) {
	w := newWorld(t, 320)
	var bad []council.ProposalID
	for i := range agenda.MaxPool + 2 {
		id := w.publish(everyone[i], fmt.Sprintf("0x%064x", i)) // a hash: every node denies it
		bad = append(bad, id)
	}
	w.run(5*time.Second, func() bool { return false })
	good := w.publish("core-1", "all is well")
	w.run(5*time.Second, w.known(good))
	for _, id := range append(bad, good) {
		for _, m := range everyone[:5] {
			w.approve(m, id)
		}
	}
	if !w.run(30*time.Second, w.signedBy(good)) {
		w.failMessages(good)
	}
	for _, id := range bad {
		if s := w.state("core-2", id); s != agenda.StateRefused {
			t.Errorf("a hash is %s", s)
		}
	}
}

// Messages whose attempts come to nothing do not keep others from their places:
// they go behind those that were tried less.
func TestFailingMessagesStarveNobody(t *testing.T) {
	w := newWorld(t, 325)
	for i := range agenda.MaxPool {
		w.stalled[w.publish(everyone[i], fmt.Sprintf("this never comes, %d", i))] = true
	}
	w.run(5*time.Second, func() bool { return false })
	var good []council.ProposalID
	for i := range 3 {
		good = append(good, w.publish(everyone[i], fmt.Sprintf("all is well, %d", i)))
	}
	w.run(5*time.Second, w.known(good[2]))
	for id := range w.stalled {
		for _, m := range everyone[:4] {
			w.approve(m, id)
		}
	}
	w.run(5*time.Second, func() bool { return w.most == agenda.MaxPool })
	for _, id := range good {
		for _, m := range everyone[:4] {
			w.approve(m, id)
		}
	}
	// One deadline, until the places are free, and a little.
	if !w.run(agenda.Defaults().Deadline+30*time.Second, w.signedBy(good...)) {
		w.failMessages(good...)
	}
}

// A rejection after the signature comes too late, and a signature is nobody's
// but the council's.
func TestSignedMessageIsTheEnd(t *testing.T) {
	w := newWorld(t, 330)
	id := w.admit("core-1", council.Statement{Text: "all is well", ValidUntil: uint64(w.now.Unix()) + 90})
	w.run(5*time.Second, w.known(id))
	p, _ := w.nodes["core-2"].agenda.Proposal(id)
	other, err := crypto.ToECDSA(crypto.Keccak256([]byte("somebody else")))
	if err != nil {
		t.Fatal(err)
	}
	forged, err := crypto.Sign(p.Digest[:], other)
	if err != nil {
		t.Fatal(err)
	}
	forged[64] += 27
	traitor := w.nodes["community-3"]
	good, err := crypto.Sign(p.Digest[:], w.key)
	if err != nil {
		t.Fatal(err)
	}
	sealed := slices.Clone(good)
	sealed[64] += 27
	for _, s := range []council.Signed{
		{Proposal: id, Signature: forged}, {Proposal: id, Signature: good}, {Proposal: id, Signature: sealed, Nonce: 1},
		{Proposal: id, Signature: sealed, Chain: 1}, {Proposal: id, Signature: sealed, Tx: []byte{1}}, {Proposal: id, Tx: []byte{1}}, {Proposal: id},
	} {
		w.step("community-3", w.append(traitor, council.WordSigned, s))
	}
	for _, at := range [][2]uint64{{0, 1}, {1, 0}} { // a chain and a nonce that a statement does not have
		signers := []council.MemberID{"community-3", "core-1", "core-2", "core-3"}
		w.step("community-3", w.append(traitor, council.WordBegun, council.Begun{Proposal: id, Chain: at[0], Nonce: at[1], Attempt: 1, Begin: [32]byte{byte(at[0])}, Coordinator: "community-3", Signers: signers}))
		w.step("community-3", w.append(traitor, council.WordAttemptFailed, council.AttemptFailed{Proposal: id, Chain: at[0], Nonce: at[1], Attempt: 1, Suspects: signers[1:]}))
	}
	w.run(2*time.Second, func() bool { return false })
	if s := w.state("core-2", id); s == agenda.StateSigned || len(p.Attempts) > 0 {
		t.Fatalf("bad entries made it %s, with %d attempts", s, len(p.Attempts))
	}
	for _, m := range everyone[3:] {
		w.approve(m, id)
	}
	if !w.run(30*time.Second, w.signedBy(id)) {
		w.failMessages(id)
	}
	ap := w.ballot("core-4", "core-4", id, council.Reject)
	if _, _, err := w.nodes["core-4"].agenda.Vote(ap, w.now); err == nil || council.Hint(err) == "" {
		t.Errorf("withdrawn after the signature: %v", err)
	}
	w.run(2*time.Minute, func() bool { return false })
	if s := w.state("core-3", id); s != agenda.StateSigned {
		t.Errorf("after its validity it is %s", s)
	}
}

// unasked puts an intent before the council, whatever its member's node thinks of that.
func (w *world) unasked(m council.MemberID, in council.Intent) council.ProposalID {
	w.t.Helper()
	raw, err := council.EncodeIntent(in)
	if err != nil {
		w.t.Fatal(err)
	}
	id, err := council.Propose(w.genesis.ID(), in)
	if err != nil {
		w.t.Fatal(err)
	}
	w.step(m, w.append(w.nodes[m], council.WordProposed, council.Proposed{Council: w.genesis.ID(), Intent: raw}))
	return id
}

// Of many proposals with one text those that are over are looked at no more. They are again
// when there is a signature of one after all, or may be: one digest, one proposal.
func TestTwinsThatAreOver(t *testing.T) {
	w := newWorld(t, 323)
	say := func(salt byte, seconds uint64) council.ProposalID {
		in := council.Statement{Text: "all is well", ValidUntil: uint64(w.now.Unix()) + seconds, Salt: common.Hash{salt}}
		return w.unasked("core-1", in)
	}
	all := func(is func(*agenda.Agenda) bool) func() bool {
		return func() bool {
			return !slices.ContainsFunc(everyone, func(m council.MemberID) bool { return !is(w.nodes[m].agenda) })
		}
	}
	var old []council.ProposalID
	for i := range byte(20) {
		old = append(old, say(i, 600))
	}
	w.run(10*time.Second, w.known(old[19]))
	p, _ := w.nodes["core-1"].agenda.Proposal(old[0])
	if k := w.nodes["core-4"].agenda.Rivals(p.Digest); k != 20 {
		t.Fatalf("%d rivals", k)
	}
	if !w.run(20*time.Minute, all(func(a *agenda.Agenda) bool { return a.Rivals(p.Digest) == 0 })) {
		t.Fatalf("%d rivals are left", w.nodes["core-4"].agenda.Rivals(p.Digest))
	}
	next := say(100, 3600)
	w.run(10*time.Second, w.known(next))

	// One node may have given away its part of a signature of one.
	w.nodes["core-4"].words[p.Digest] = &row{old[1], agenda.RowRevealed}
	w.step("core-4", agenda.Ledger{Proposal: old[1], State: agenda.RowRevealed})
	w.approvedBy(everyone[:4], next)
	if why := w.blocked("core-4", next); !strings.Contains(why, "asks for the same signature as "+old[1].Short()) {
		t.Errorf("core-4 waits because %s", why)
	}

	// The signature of another appears.
	sig, err := crypto.Sign(p.Digest[:], w.key)
	if err != nil {
		t.Fatal(err)
	}
	sig[64] += 27
	w.step("core-3", w.append(w.nodes["core-3"], council.WordSigned, council.Signed{Proposal: old[0], Signature: sig}))
	if !w.run(5*time.Second, w.signedBy(old[0])) {
		w.failMessages(old[0])
	}
	last := say(101, 3600)
	w.run(10*time.Second, w.known(last))
	for _, m := range everyone {
		for _, id := range []council.ProposalID{next, last} {
			if s := w.state(m, id); s != agenda.StateDisplaced {
				t.Errorf("%s: a twin of what is signed is %s", m, s)
			}
		}
	}
}
