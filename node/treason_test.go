package node_test

import (
	"bytes"
	"context"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"

	"github.com/millicent-one/signer/agenda"
	"github.com/millicent-one/signer/api"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/journal"
	"github.com/millicent-one/signer/tss"
)

// cabal is a council of which one member is a traitor and four are honest: just
// enough to sign without it. The traitor and the first three approve, so that
// each proposal's first attempt needs the traitor.
type cabal struct {
	*house
	x      *traitor
	honest []council.MemberID
	nonce  uint64 // of the next proposal
	ran    []council.ProposalID

	diaries map[council.MemberID]*diary
}

// newCabal makes one: in one process over queues, or as real peers over libp2p, as 'make
// test-matrix' has them all.
func newCabal(t *testing.T, change ...func(*house)) *cabal {
	t.Helper()
	h := newHouse(t, true)
	for _, c := range change {
		c(h)
	}
	if os.Getenv("SIGNER_TEST_LIBP2P") != "" && h.join == nil {
		overLibp2p(h)
	}
	self, honest := h.cast(3)
	if h.nonces > 0 {
		self, honest = h.lineup(h.nonces)
	}
	c := &cabal{house: h, honest: honest, diaries: map[council.MemberID]*diary{}}
	for _, m := range c.honest {
		c.diaries[m] = new(diary)
		h.start(m, h.enduring, c.diaries[m].keeps)
	}
	c.x = h.betray(self)
	for _, m := range c.honest {
		h.ready(m)
		h.await(m, "the traitor", minute, func(r *room) bool { return slices.Contains(r.tr.Online(), c.x.self) })
		h.await(m, "its chain", minute, func(r *room) bool {
			s, err := r.Status(t.Context())
			return err == nil && len(s.Chains) == 1 && s.Chains[0].Balance != nil
		})
	}
	return c
}

// choices are all sets of so many members.
func (h *house) choices(n int) (out [][]council.MemberID) {
	ids := h.council.Roster.IDs()
	for mask := range 1 << len(ids) {
		var set []council.MemberID
		for i, m := range ids {
			if mask>>i&1 == 1 {
				set = append(set, m)
			}
		}
		if len(set) == n {
			out = append(out, set)
		}
	}
	return out
}

// cast chooses a traitor and four honest members so that the draw leaves the
// traitor out of the second attempt at each of the first nonces, where it can: a
// fifth attempt would show nothing more, and costs the time of a signature.
func (h *house) cast(nonces uint64) (self council.MemberID, honest []council.MemberID) {
	best := -1
	for _, five := range h.choices(5) {
		for i, m := range five {
			if n := leads(m, five); h.leads && (n == 0 || n == len(five)-1) {
				continue
			}
			good := 0
			for n := range nonces {
				if slices.Index(h.rank(n, 2, five), m) >= 3 {
					good++
				}
			}
			if good > best {
				best, self, honest = good, m, slices.Delete(slices.Clone(five), i, i+1)
			}
		}
	}
	return self, honest
}

// approvers are the three honest members who approve the next proposal.
func (c *cabal) approvers() []council.MemberID {
	if c.nonces > 0 {
		return slices.Clone(c.honest[:3])
	}
	return c.rank(c.nonce, 2, c.honest)[:3]
}

// approved is a proposal that has the traitor's approval and three more.
func (c *cabal) approved(playbook string) council.ProposalID {
	c.t.Helper()
	id := c.propose(c.honest[3], playbook)
	c.judged(id, append(slices.Clone(c.honest), c.x.self)...)
	for _, m := range append(c.approvers(), c.x.self) {
		c.approve(c.honest[3], m, id)
	}
	c.nonce++
	return id
}

// four are the signers of a first attempt.
func (c *cabal) four() []council.MemberID {
	return council.Sorted(append(slices.Clone(c.honest[:3]), c.x.self))
}

// whole checks what must hold after any treason: each proposal ran once, at its
// own nonce, as it was approved; all daemons are up and have their shares, and have told
// nothing of them; and the traitor's name is among those suspected.
func (c *cabal) whole(suspected bool, ids ...council.ProposalID) {
	c.t.Helper()
	txs := c.sent()
	if len(txs) != len(ids) {
		c.t.Errorf("%d transactions for %d proposals", len(txs), len(ids))
	}
	for i, tx := range txs {
		c.x.mu.Lock()
		deed := c.x.deeds[ids[min(i, len(ids)-1)]]
		c.x.mu.Unlock()
		if tx.Nonce() != uint64(i) || *tx.To() != deed.To || !bytes.Equal(tx.Data(), deed.Data) || tx.Value().Cmp(deed.Value) != 0 {
			c.t.Errorf("transaction %d is not what was approved: %+v", i, tx)
		}
	}
	for _, m := range c.honest {
		r := c.rooms[m]
		if s, err := r.Status(c.t.Context()); err != nil || s.Phase != api.Ready {
			c.t.Errorf("%s: %+v %v", m, s.Phase, err)
		}
		rows, err := r.book.Rows()
		if err != nil {
			c.t.Fatal(err)
		}
		for _, row := range rows {
			if row.Nonce >= uint64(len(ids)) || row.Proposal != ids[row.Nonce] || row.State == journal.Reserved {
				c.t.Errorf("%s: row %+v", m, row)
			}
		}
		_, secret, err := r.keys.Current()
		if err != nil || !bytes.Equal(secret, c.shares[m]) {
			c.t.Errorf("%s: its share has changed (%v)", m, err)
		}
	}
	if suspected {
		c.suspects(ids...)
	}
	c.discreet()
	share, err := tss.UnmarshalShare(c.shares[c.honest[0]])
	if err == nil {
		err = share.Audit()
	}
	if err != nil {
		c.t.Error(err)
	}
}

// found holds that all the honest have the proof of what the traitor did.
func (c *cabal) found(kind string) {
	c.t.Helper()
	for _, m := range c.honest {
		c.convicts(c.has(m, c.x.self, kind), c.x.self)
	}
}

// done waits until all the honest have done what they had begun to do.
func (c *cabal) done() {
	c.t.Helper()
	for _, m := range slices.Concat(c.honest, c.honest) { // what they did may have put something behind the first question
		if _, err := c.rooms[m].Status(c.t.Context()); err != nil {
			c.t.Fatal(err)
		}
	}
}

// suspects waits until all the honest suspect the traitor in some attempt at each of these.
func (c *cabal) suspects(ids ...council.ProposalID) {
	c.t.Helper()
	for _, m := range c.honest {
		for _, id := range ids {
			// The word of who suspects it may come after the block.
			c.await(m, "suspicion of the traitor over "+id.Short(), minute, func(r *room) bool {
				return slices.ContainsFunc(r.proposal(c.t, id).Attempts, func(at api.Attempt) bool { return slices.Contains(at.Suspects, c.x.self) })
			})
		}
	}
}

// signedWithout waits for the signature of the honest, and for its block.
func (c *cabal) signedWithout(id council.ProposalID) {
	c.t.Helper()
	c.x.outlast(id)
	c.ranWithout(id)
}

// ranWithout waits for the block with what the honest have signed.
func (c *cabal) ranWithout(id council.ProposalID) {
	c.t.Helper()
	c.mined(id)
	c.nonce = uint64(len(c.sent()))
	p := c.rooms[c.honest[0]].proposal(c.t, id)
	for _, at := range p.Attempts {
		if p.Nonce == nil || at.Nonce != *p.Nonce {
			c.t.Errorf("attempt %d of %s was at nonce %d", at.Number, id.Short(), at.Nonce)
		}
		if at.State == "signed" && slices.ContainsFunc(at.Signers, func(s api.Signer) bool { return s.Member == c.x.self }) {
			c.t.Errorf("attempt %d of %s was signed with the traitor", at.Number, id.Short())
		}
	}
}

// A coordinator may ask for nothing that does not follow from what the members
// approved, and gets no two answers for one nonce.
func TestCoordinatorLies(t *testing.T) {
	t.Parallel()
	c := newCabal(t)
	c.deceive()
}

func (c *cabal) deceive() council.ProposalID {
	x, a := c.x, c.honest[0]
	c.honest = c.rank(0, 2, c.honest)
	a = c.honest[0]
	id := c.propose(c.honest[3], "pause")
	other := c.propose(c.honest[3], "unpause")
	for _, m := range c.honest[:3] {
		c.approve(c.honest[3], m, id)
		c.approve(c.honest[3], m, other)
	}
	for _, m := range c.honest {
		c.await(m, "three approvals and all verdicts", minute, func(r *room) bool {
			p, q := r.proposal(c.t, id), r.proposal(c.t, other)
			return p.Have == 3 && q.Have == 3 && len(p.Verdicts) == 5 && len(q.Verdicts) == 5
		})
	}
	x.await("three approvals", minute, func() bool { return len(x.approvals[id]) == 3 && len(x.approvals[other]) == 3 })
	four := c.four()
	absent := slices.DeleteFunc(c.council.Roster.IDs(), func(m council.MemberID) bool { return m == c.honest[3] || slices.Contains(four, m) })

	lies := []struct {
		name, rule string
		nonce      uint64
		attempt    uint64
		change     func(*council.Begin)
	}{
		{"another council", "begin", 0, 1, func(b *council.Begin) { b.Council[0] ^= 1 }},
		{"another roster", "begin", 0, 1, func(b *council.Begin) { b.Roster[0] ^= 1 }},
		{"another epoch", "begin", 0, 1, func(b *council.Begin) { b.Epoch++ }},
		{"another digest", "begin", 0, 1, func(b *council.Begin) { b.Digest[31] = 1 }},
		{"the digest of another proposal", "begin", 0, 1, func(b *council.Begin) {
			b.Digest = b.Envelope(x.deeds[other]).Digest()
		}},
		{"fees above the ceiling", "begin", 0, 1, func(b *council.Begin) { b.Fees.MaxFeePerGas = gwei(1001) }},
		{"a tip above the ceiling", "begin", 0, 1, func(b *council.Begin) { b.Fees.MaxTipPerGas = gwei(51) }},
		{"gas above the ceiling", "begin", 0, 1, func(b *council.Begin) { b.Fees.Gas++ }},
		{"no price", "begin", 0, 1, func(b *council.Begin) { b.Fees.MaxFeePerGas = gwei(0) }},
		{"attempt 0", "begin", 0, 0, nil},
		{"three signers", "begin", 0, 1, func(b *council.Begin) {
			b.Signers = council.Sorted([]council.MemberID{x.self, a, four[0], four[1]})[:3]
			b.Signers = with(b.Signers, x.self, a)
		}},
		{"five signers", "begin", 0, 1, func(b *council.Begin) { b.Signers = council.Sorted(append(slices.Clone(four), c.honest[3])) }},
		{"one signer twice", "begin", 0, 1, func(b *council.Begin) { b.Signers = council.Sorted([]council.MemberID{x.self, x.self, a, c.honest[1]}) }},
		{"signers out of order", "begin", 0, 1, func(b *council.Begin) { slices.Reverse(b.Signers) }},
		{"a stranger", "begin", 0, 1, func(b *council.Begin) {
			b.Signers = council.Sorted([]council.MemberID{x.self, a, c.honest[1], "stranger"})
		}},
		{"a nonce ahead", "nonce", 1, 1, nil},
		{"an attempt that leaps", "attempt", 0, 1000, nil},
		{"three approvals", "quorum", 0, 1, nil},
		{"no approvals", "quorum", 0, 1, func(b *council.Begin) { b.Approvals = nil }},
		{"one approval many times", "quorum", 0, 1, func(b *council.Begin) {
			for range 4 {
				b.Approvals = append(b.Approvals, b.Approvals[0])
			}
		}},
		{"an approval with a forged signature", "quorum", 0, 1, func(b *council.Begin) {
			f := b.Approvals[0]
			f.Sig = slices.Clone(f.Sig)
			f.Sig[8] ^= 1
			b.Approvals = append(b.Approvals, f)
		}},
		{"an approval by a stranger's wallet", "quorum", 0, 1, func(b *council.Begin) { b.Approvals = append(b.Approvals, c.word(id, "stranger")) }},
		{"an approval of another proposal", "quorum", 0, 1, func(b *council.Begin) {
			f := c.word(other, x.self)
			f.Proposal = id
			b.Approvals = append(b.Approvals, f)
		}},
		{"a proposal that is not approved", "quorum", 0, 1, func(b *council.Begin) {
			b.Proposal, b.Fees.MaxFeePerGas = other, gwei(100)
			b.Digest = b.Envelope(x.deeds[other]).Digest()
			b.Approvals = append(b.Approvals, c.word(id, x.self))
		}},
	}
	for _, lie := range lies {
		b := x.beginOf(id, lie.nonce, lie.attempt, four, lie.change)
		if err := x.tell(a, agenda.BeginMessage{Begin: b}); err != nil {
			c.t.Fatal(err)
		}
		if !slices.Contains(b.Signers, x.self) {
			continue
		}
		if r := x.refused(a, b); r.Rule != lie.rule {
			c.t.Errorf("%s: refused by rule %q (%s); want %q", lie.name, r.Rule, r.Reason, lie.rule)
		}
	}
	unknown := x.beginOf(id, 0, 1, four, func(b *council.Begin) { b.Proposal[0] ^= 1 })
	spoofed := x.beginOf(id, 0, 1, four, func(b *council.Begin) { b.Coordinator = c.honest[1] })
	foreign := x.beginOf(id, 0, 1, four, func(b *council.Begin) { b.Chain++ })
	for _, b := range []council.Begin{unknown, spoofed, foreign} {
		x.tell(a, agenda.BeginMessage{Begin: b})
	}
	c.pass(time.Minute) // nobody waits for a proposal so long
	if r := x.refused(a, unknown); r.Rule != "proposal" {
		c.t.Errorf("unknown proposal: %+v", r)
	}
	for _, m := range c.honest {
		if p := c.rooms[m].proposal(c.t, id); len(p.Attempts) != 0 || p.Nonce != nil {
			c.t.Fatalf("%s has joined %+v", m, p.Attempts)
		}
	}

	// Two different Begins for one attempt have convicted it. So nobody follows
	// any of its tales; the council signs without it, with the word that it lent
	// to them.
	c.found("two-begins")
	c.done()
	mine := c.word(id, x.self)
	tale := func(attempt uint64, fee int64, signers ...council.MemberID) council.Begin {
		return x.beginOf(id, 0, attempt, append(signers, x.self), func(b *council.Begin) {
			b.Fees.MaxFeePerGas = gwei(fee)
			b.Approvals = append(b.Approvals, mine)
		})
	}
	tales := []council.Begin{
		tale(1, 100, c.honest[0], c.honest[1], c.honest[2]),
		tale(1, 101, c.honest[0], c.honest[1], c.honest[2]),
		tale(2, 100, c.honest[1], c.honest[2], c.honest[3]),
		tale(1, 100, c.honest[0], absent[0], c.honest[3]),
	}
	for i, b := range tales {
		x.tell(c.honest[i], agenda.BeginMessage{Begin: b})
		x.tell(c.honest[i], agenda.BeginMessage{Begin: b}) // once more changes nothing
	}
	sure := false // whoever is told first has nothing else to say
	for i, b := range tales {
		// By then the others may have signed, or be between two attempts.
		r := x.refused(c.honest[i], b)
		if !slices.Contains([]string{"suspected", "busy", "nonce", "fees", "attempt"}, r.Rule) {
			c.t.Errorf("tale %d: %+v", i, r)
		}
		sure = sure || r.Rule == "suspected"
	}
	if !sure {
		c.t.Error("nobody refuses a tale for what convicts who tells it")
	}
	c.signedWithout(id)
	c.whole(false, id)
	for _, m := range c.honest {
		c.await(m, "the proof", minute, func(r *room) bool {
			all, err := r.Evidence(c.t.Context())
			return err == nil && slices.ContainsFunc(all, func(e api.Evidence) bool { return e.Culprit == x.self && e.Proven })
		})
		x.mu.Lock()
		for _, b := range tales {
			if x.begun[b.Hash()][m] {
				c.t.Errorf("%s follows a tale", m)
			}
		}
		x.mu.Unlock()
	}

	// What has run does not run again.
	again := tale(9, 120, c.honest[0], c.honest[1], c.honest[2])
	x.tell(a, agenda.BeginMessage{Begin: again})
	if r := x.refused(a, again); r.Rule != "nonce" {
		c.t.Errorf("a proposal that has run: %+v", r)
	}
	// Nor does its nonce serve another proposal.
	late := x.beginOf(other, 0, 9, four, func(b *council.Begin) { b.Approvals = append(b.Approvals, c.word(other, x.self)) })
	x.tell(a, agenda.BeginMessage{Begin: late})
	if r := x.refused(a, late); r.Rule != "nonce" {
		c.t.Errorf("a nonce that is gone: %+v", r)
	}
	return id
}

func with(set []council.MemberID, must ...council.MemberID) []council.MemberID {
	for _, m := range must {
		if !slices.Contains(set, m) {
			set = append(set[1:], m)
		}
	}
	return council.Sorted(set)
}

// word is a member's approval that nobody has seen yet.
func (c *cabal) word(id council.ProposalID, who council.MemberID) council.Approval {
	c.t.Helper()
	as := who
	if _, ok := c.council.Roster.Member(who); !ok {
		as = c.x.self
	}
	u, err := c.rooms[c.honest[0]].Ballot(c.t.Context(), api.BallotRequest{Proposal: id.Hex(), Decision: council.Approve, Member: as})
	if err != nil {
		c.t.Fatal(err)
	}
	u.Approval.Sig = sign(c.t, u.Document, who)
	return u.Approval
}

// The last signer can keep the signature to itself, and send it when it likes:
// the nonce stays the proposal's, and the proposal runs once.
func TestLastSignerKeepsTheSignature(t *testing.T) {
	t.Parallel()
	c := newCabal(t, unbroken)
	// It comes out when the others have made their own: too late.
	var late *types.Transaction
	first := c.keep("pause", func(tx *types.Transaction) { late = tx })
	c.signedWithout(first)
	c.tooLate(late)
	c.whole(true, first)

	// It comes out while they make it, and is the one that counts: the same deed
	// at the same nonce.
	second := c.keep("unpause", func(tx *types.Transaction) {
		c.x.lie(nil)
		if err := c.eth.SendTransaction(t.Context(), tx); err != nil {
			t.Error(err)
		}
	})
	for _, m := range c.honest {
		c.await(m, "the traitor's block", minute, func(r *room) bool {
			s, err := r.Status(t.Context())
			return err == nil && s.Chains[0].Nonce == 2
		})
	}
	third := c.approved("pause")
	c.mined(third)
	if txs := c.sent(); len(txs) != 3 || txs[1].Nonce() != 1 || txs[2].Nonce() != 2 {
		t.Errorf("%d transactions for three proposals", len(txs))
	}
	if !c.paused() {
		t.Error("the last pause has no effect")
	}
	// What it was nobody has said; they find it in the chain, also where the retry
	// was quick and they have made their own, too late.
	over := time.After(2 * minute)
	for {
		p := c.rooms[c.honest[0]].proposal(t, second)
		if p.State == api.Mined || p.State == api.Final {
			break
		}
		select {
		case <-over:
			t.Fatalf("%s: the second is %s", c.honest[0], p.State)
		case <-time.After(500 * time.Millisecond):
			c.pass(3 * time.Second) // they look when the one who made it has had its time
		}
	}
	for _, m := range c.honest {
		c.await(m, "the second in its block", minute, inState(t, second, api.Mined, api.Final))
		if p := c.rooms[m].proposal(t, second); p.Nonce == nil || *p.Nonce != 1 {
			t.Errorf("%s: the second is %s at nonce %v", m, p.State, p.Nonce)
		}
	}
}

// keep lets the traitor finish a signature that nobody else can finish. The retry
// of the others comes to its last round, and not through it before under is over.
func (c *cabal) keep(playbook string, under func(*types.Transaction)) council.ProposalID {
	c.t.Helper()
	x := c.x
	x.lie(silentFrom(tss.SignRound9))
	id := c.approved(playbook)
	b, tx := c.finished(id)
	c.last.shut()
	defer c.last.open()
	before := map[common.Hash]bool{}
	x.mu.Lock()
	for h := range x.begun {
		before[h] = true
	}
	x.passed[b.Hash()] = true
	x.mu.Unlock()
	c.passDeadline(b)
	x.await("the retry", minute, func() bool {
		for h, who := range x.begun {
			if !before[h] && len(who) > 0 {
				return true
			}
		}
		return false
	})
	c.revealed(id, b)
	under(tx)
	return id
}

// finished waits until the traitor has finished a signature that it keeps, for which all
// others have given their part.
func (c *cabal) finished(id council.ProposalID) (council.Begin, *types.Transaction) {
	c.t.Helper()
	x := c.x
	var kept *play
	var deed council.Transaction
	x.await("a signature of its own", 3*minute, func() bool {
		for _, p := range x.plays {
			if p.begin.Proposal == id && p.signature != nil {
				kept, deed = p, x.deeds[id]
			}
		}
		return kept != nil
	})
	tx, err := kept.begin.Envelope(deed).Signed(kept.signature, c.genesis.Key)
	if err != nil {
		c.t.Fatal(err)
	}
	c.revealed(id, kept.begin)
	return kept.begin, tx
}

// tooLate holds that the chain takes no second transaction with a nonce. Its pool learns of a
// block a little after the chain, and of one before the next one.
func (c *cabal) tooLate(tx *types.Transaction) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), minute)
	defer cancel()
	if err := c.chain.Wait(ctx, c.chain.Head().Number.Uint64()+1); err != nil {
		c.t.Fatal(err)
	}
	if err := c.eth.SendTransaction(ctx, tx); err == nil {
		c.t.Error("the chain takes a second transaction with one nonce")
	}
}

// revealed holds that a nonce is the proposal's for good at all who may have signed it.
func (c *cabal) revealed(id council.ProposalID, b council.Begin) {
	c.t.Helper()
	for _, m := range b.Signers {
		if m == c.x.self {
			continue
		}
		if row, ok, err := c.rooms[m].book.RowByProposal(id); err != nil || !ok || row.State != journal.Revealed || row.Nonce != b.Nonce {
			c.t.Errorf("%s: row %+v %v %v", m, row, ok, err)
		}
	}
}

// Silence in any round costs the attempt and nothing else.
func TestSilenceInARound(t *testing.T) {
	t.Parallel()
	c := newCabal(t, func(h *house) { h.silence = patience })
	var ids []council.ProposalID
	for i, k := range []tss.Round{tss.SignRound1Direct, tss.SignRound4} {
		c.x.lie(silentFrom(k))
		id := c.approved([]string{"pause", "unpause"}[i%2])
		c.signedWithout(id)
		ids = append(ids, id)
	}
	c.whole(true, ids...)
}

// Lies inside the protocol cost the attempt and nothing else.
func TestLiesInARound(t *testing.T) {
	t.Parallel()
	c := newCabal(t, func(h *house) { h.silence = patience })
	var ids []council.ProposalID
	for i, lie := range []bending{
		// The last one convicts: from then on the traitor is not called any more.
		consistent(flipped(tss.SignRound3, everyone)), flipped(tss.SignRound9, everyone), equivocated(tss.SignRound5),
	} {
		c.x.lie(lie)
		id := c.approved([]string{"pause", "unpause"}[i%2])
		c.signedWithout(id)
		ids = append(ids, id)
	}
	c.whole(true, ids...)
}
