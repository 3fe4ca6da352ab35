package agenda_test

import (
	"errors"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/core/types"

	"github.com/millicent-one/signer/agenda"
	"github.com/millicent-one/signer/council"
)

// answer is why a member refuses a Begin, or "" when it joins the attempt.
func (w *world) answer(m council.MemberID, b council.Begin) (why string) {
	w.t.Helper()
	n, joined := w.nodes[m], false
	for _, e := range n.agenda.Step(agenda.Said{From: b.Coordinator, Message: agenda.BeginMessage{Begin: b}}, w.now) {
		switch e := e.(type) {
		case agenda.Send:
			if r, ok := e.Message.(agenda.Refusal); ok && r.Begin == b.Hash() {
				why = r.Rule + ": " + r.Reason
			}
		case agenda.Enlist, agenda.Fetch:
			joined = true
		}
	}
	if joined == (why != "") {
		w.t.Fatalf("%s neither joins nor refuses, or both: %q", m, why)
	}
	return why
}

// at gives a Begin other prices, in wei per gas, and the digest that follows.
func at(b council.Begin, deed council.Transaction, fee, tip int64) council.Begin {
	b.Fees.MaxFeePerGas, b.Fees.MaxTipPerGas = big.NewInt(fee), big.NewInt(tip)
	b.Digest = b.Envelope(deed).Digest()
	return b
}

// What a coordinator may choose are the prices: not those at which nothing is mined, and
// not so that what is signed is signed again and again for nothing.
func TestPricesThatAreRefused(t *testing.T) {
	w := newWorld(t, 86)
	id := w.propose("core-1", "pause", "protocol")
	w.run(5*time.Second, w.known(id))
	for _, m := range []council.MemberID{"core-1", "core-2", "community-1"} {
		w.approve(m, id)
	}
	w.run(10*time.Second, never) // each node asks its RPC for the price
	w.approve("community-2", id)
	w.run(100*time.Millisecond, func() bool { p, _ := w.nodes["core-3"].agenda.Proposal(id); return len(p.Ballots) == 4 })
	p, _ := w.nodes["core-3"].agenda.Proposal(id)
	deed := p.Intent.(council.Transaction)
	b := w.beginBy(liar, "core-3", id, 1)
	less := b
	less.Fees.Gas--
	less.Digest = less.Envelope(deed).Digest()
	for name, c := range map[string]struct {
		begin council.Begin
		why   string
	}{
		"one wei":  {at(b, deed, 1, 0), "fees: 1 wei per gas is below the base fee"},
		"too low":  {at(b, deed, 499_999_999, 0), "fees: 499999999 wei per gas is below the base fee, which this node's RPC says is 500000000"},
		"less gas": {less, "begin: begin: fees: gas"},
	} {
		if why := w.answer("core-3", c.begin); !strings.HasPrefix(why, c.why) {
			t.Errorf("%s: %q, want %q", name, why, c.why)
		}
	}
	if why := w.answer("core-3", at(b, deed, 500_000_000, 0)); why != "" {
		t.Errorf("the base fee itself: %s", why)
	}
}

func TestSignedAgainTooSoon(t *testing.T) {
	w := newWorld(t, 87)
	id := w.propose("core-1", "pause", "protocol")
	w.run(5*time.Second, w.known(id))
	for _, m := range []council.MemberID{"core-1", "core-2", "community-1", "community-2"} {
		w.approve(m, id)
	}
	unmined := func(done func() bool) func() bool {
		return func() bool { clear(w.pool); return done() }
	}
	if !w.run(20*time.Second, unmined(func() bool { return w.state("core-3", id) == agenda.StateSigned && w.runs(id) == 0 })) {
		w.fail(id)
	}
	first, _ := w.nodes["core-1"].agenda.Proposal(id)
	deed := first.Intent.(council.Transaction)
	var led council.MemberID
	for _, x := range first.Attempts {
		if x.Number == first.Signed.Attempt {
			led = x.Leader
		}
	}
	signers := first.Signed.Signers
	others := slices.DeleteFunc(slices.Clone(signers), func(m council.MemberID) bool { return m == led })
	judge := others[0]
	fee, tip := first.Tx.GasFeeCap().Int64(), first.Tx.GasTipCap().Int64()
	begin := func(by council.MemberID, fee, tip int64) council.Begin {
		b := w.beginBy(by, judge, id, first.Signed.Attempt+1)
		b.Signers = signers
		return at(b, deed, fee, tip)
	}
	refused := func(when string, b council.Begin, want string) {
		t.Helper()
		if why := w.answer(judge, b); !strings.Contains(why, want) || (why == "") != (want == "") {
			t.Errorf("%s: %q, want %q", when, why, want)
		}
	}
	w.run(60*time.Second, unmined(never))
	refused("after a minute", begin(others[1], 2*fee, 2*tip), "may have it signed again after 1m7.5s")
	w.run(12*time.Second, unmined(never))
	refused("for nothing", begin(others[1], fee+1, tip+1), "does not outbid")
	refused("with the same tip", begin(others[1], 2*fee, tip), "does not outbid")
	refused("by who had it signed", begin(led, 2*fee, 2*tip), "may have it signed again after 2m15s")
	refused("by another", begin(others[1], fee+fee/8, tip+tip/8), "")
}

// A price below the base fee is refused also where this node has no quote: while no price
// within the ceilings is enough, its RPC gives none, and who coordinates could have a
// transaction signed that holds the nonce and that nobody mines.
func TestPricesWithoutAQuote(t *testing.T) {
	w := newWorld(t, 88)
	id := w.propose("core-1", "pause", "protocol")
	w.reverts = id // so there is no quote
	w.run(5*time.Second, w.known(id))
	w.approvedBy(everyone[:4], id)
	w.run(time.Second, func() bool { p, _ := w.nodes["core-3"].agenda.Proposal(id); return len(p.Ballots) == 4 })
	n := w.nodes["core-3"].agenda
	p, _ := n.Proposal(id)
	deed := p.Intent.(council.Transaction)
	b := w.beginBy(liar, "core-3", id, 1)
	head := func(base *big.Int) agenda.Head {
		return agenda.Head{Chain: chainID, Block: w.block, BaseFee: base}
	}
	for _, c := range []struct {
		name     string
		head     agenda.Head
		fee, tip int64
		why      string
	}{
		{"one wei", head(baseFee), 1, 0, "fees: 1 wei per gas is below the base fee, which this node's RPC says is 500000000"},
		{"what was enough before", head(big.NewInt(6e8)), 5e8, 0, "fees: 500000000 wei per gas is below the base fee"},
		{"no base fee", head(nil), 5e8, 0, "base-fee: this node's RPC tells no base fee"},
		{"no block asks for anything", head(new(big.Int)), 1, 0, ""},
	} {
		n.Step(c.head, w.now)
		if why := w.answer("core-3", at(b, deed, c.fee, c.tip)); !strings.HasPrefix(why, c.why) || (why == "") != (c.why == "") {
			t.Errorf("%s: %q, want %q", c.name, why, c.why)
		}
	}
}

// A node that looks at the head more rarely than its chain has blocks judges prices all the
// same, until what it knows of the base fee is old.
func TestBaseFeeOfAFastChain(t *testing.T) {
	w := newWorld(t, 93)
	id := w.propose("core-1", "pause", "protocol")
	w.reverts = id
	w.run(5*time.Second, w.known(id))
	w.approvedBy(everyone[:4], id)
	w.run(time.Second, func() bool { p, _ := w.nodes["core-3"].agenda.Proposal(id); return len(p.Ballots) == 4 })
	n := w.nodes["core-3"].agenda
	p, _ := n.Proposal(id)
	b := w.beginBy(liar, "core-3", id, 1)
	n.Step(agenda.Head{Chain: chainID, Block: w.block, BaseFee: baseFee}, w.now)
	n.Step(agenda.Fetched{Proposal: id, Facts: council.Facts{Chain: chainID, Block: w.block + 20}}, w.now)
	head := w.now
	w.now = head.Add(5*time.Minute + time.Second)
	if why := w.answer("core-3", b); !strings.HasPrefix(why, "base-fee: the base fee that this node's RPC told is of block") {
		t.Errorf("of long ago: %q", why)
	}
	if why := w.answer("core-3", at(b, p.Intent.(council.Transaction), 1, 0)); !strings.HasPrefix(why, "base-fee: ") {
		t.Errorf("of long ago, and too low: %q", why)
	}
	// Its RPC tells the newest block, and does not tell the account at it.
	n.Step(agenda.BaseFee{Chain: chainID, Block: w.block + 20, Fee: baseFee}, w.now)
	if why := w.answer("core-3", at(b, p.Intent.(council.Transaction), 1, 0)); !strings.HasPrefix(why, "fees: 1 wei per gas is below the base fee") {
		t.Errorf("of a block without an account, and too low: %q", why)
	}
	w = newWorld(t, 93)
	id = w.propose("core-1", "pause", "protocol")
	w.reverts = id
	w.run(5*time.Second, w.known(id))
	w.approvedBy(everyone[:4], id)
	w.run(time.Second, func() bool { p, _ := w.nodes["core-3"].agenda.Proposal(id); return len(p.Ballots) == 4 })
	n = w.nodes["core-3"].agenda
	b = w.beginBy(liar, "core-3", id, 1)
	n.Step(agenda.Head{Chain: chainID, Block: w.block, BaseFee: baseFee}, w.now)
	n.Step(agenda.Fetched{Proposal: id, Facts: council.Facts{Chain: chainID, Block: w.block + 20}}, w.now)
	head = w.now
	w.now = head.Add(time.Minute)
	if why := w.answer("core-3", b); why != "" {
		t.Errorf("of a minute ago: %q", why)
	}
}

// held keeps a world's chain from mining anything, until done.
func (w *world) held(d time.Duration, done func() bool) bool {
	w.t.Helper()
	return w.run(d, func() bool { clear(w.pool); return done() })
}

// stuck is a proposal that is signed, has been given higher fees, and is not mined.
func (w *world) stuck() (council.ProposalID, *agenda.Proposal) {
	w.t.Helper()
	id := w.propose("core-1", "pause", "protocol")
	w.run(5*time.Second, w.known(id))
	w.approvedBy(everyone[:4], id)
	p, _ := w.nodes["core-1"].agenda.Proposal(id)
	if !w.held(time.Minute, func() bool { return w.state("core-1", id) == agenda.StateSigned }) {
		w.fail(id)
	}
	first := p.Tx.GasFeeCap()
	if !w.held(10*time.Minute, func() bool {
		return p.Tx.GasFeeCap().Cmp(first) > 0 && !slices.ContainsFunc(everyone, func(m council.MemberID) bool {
			q, _ := w.nodes[m].agenda.Proposal(id)
			return q.Tx.Hash() != p.Tx.Hash() || len(w.nodes[m].agenda.Trying()) > 0
		})
	}) {
		w.t.Fatalf("no higher fees: %s", w.blocked("core-1", id))
	}
	return id, p
}

// instead proposes the same with other ceilings, in the place of a proposal.
func (w *world) instead(old council.ProposalID, fee, tip int64) (council.Transaction, uint64) {
	w.t.Helper()
	deed, seconds, err := w.nodes["core-1"].policy.Charter().Playbook("pause", "protocol", nil)
	if err != nil {
		w.t.Fatal(err)
	}
	deed.Replaces, deed.MaxFeePerGas, deed.MaxTipPerGas = old, big.NewInt(fee), big.NewInt(tip)
	return deed, seconds
}

// What replaces a proposal outbids what was signed of that, also where the price of the day
// is lower, and nobody signs less. Otherwise no pool that holds the one would take the other.
func TestReplacementOutbidsWhatItReplaces(t *testing.T) {
	w := newWorld(t, 89)
	old, p := w.stuck()
	standing := council.FeesOf(p.Tx)
	deed, seconds := w.instead(old, 1000e9, 50e9)
	by := w.put("core-1", deed, seconds)
	w.held(5*time.Second, w.known(by))
	w.approvedBy(everyone[:3], by)
	w.held(15*time.Second, never) // each node asks its RPC for the price, which is lower
	w.approve(everyone[3], by)
	w.held(100*time.Millisecond, func() bool { q, _ := w.nodes["core-3"].agenda.Proposal(by); return len(q.Ballots) == 4 })
	q, _ := w.nodes["core-3"].agenda.Proposal(by)
	deed = q.Intent.(council.Transaction)
	b := w.beginBy(liar, "core-3", by, 9)
	if why := w.answer("core-3", at(b, deed, 2e9, 1e9)); !strings.Contains(why, "does not outbid 4000000000 with 2000000000") {
		t.Errorf("the price of the day: %q", why)
	}
	low := 0
	w.hears = func(_ council.MemberID, m agenda.Message) {
		if r, ok := m.(agenda.Refusal); ok && r.Rule == "fees" {
			low++
		}
	}
	r, _ := w.nodes["core-1"].agenda.Proposal(by)
	if !w.held(2*time.Minute, func() bool { return r.Tx != nil }) {
		t.Fatalf("not signed: %s", w.blocked("core-1", by))
	}
	if low > 0 {
		t.Errorf("%d refusals of prices that a node offers itself", low)
	}
	if f := council.FeesOf(r.Tx); r.Tx.Nonce() != p.Tx.Nonce() || !f.Outbids(standing) {
		t.Errorf("signed at nonce %d with %v; what it replaces has nonce %d and %v", r.Tx.Nonce(), f, p.Tx.Nonce(), standing)
	}
}

// A replacement whose ceilings are too low for that is not proposed where it is known that
// a pool holds what it would replace; one that is on the table all the same, or where no
// pool is known to hold that, is signed at its ceilings and no lower.
func TestReplacementThatCannotOutbid(t *testing.T) {
	w := newWorld(t, 90)
	old, p := w.stuck()
	deed, seconds := w.instead(old, 4e9, 3e9)
	n := w.nodes["core-1"].agenda
	deed.ValidUntil = uint64(w.now.Unix()) + seconds
	p.Where = council.Sighted{Tx: p.Tx.Hash()}
	_, _, err := n.Admit(deed, w.now)
	if err == nil || !strings.Contains(err.Error(), "needs 4400000000 with 2200000000") || !strings.Contains(council.Hint(err), "--max-fee '4400000000 wei' --max-tip '2200000000 wei'") {
		t.Errorf("%v; %s", err, council.Hint(err))
	}
	enough := deed
	enough.MaxFeePerGas = big.NewInt(4_400_000_000)
	if _, _, err := n.Admit(enough, w.now); err != nil {
		t.Errorf("with the ceilings that were named: %v", err)
	}
	// What is to be replaced is at its own ceilings: perhaps no pool holds it any more.
	utmost := p.Intent.(council.Transaction)
	was := p.Tx
	p.Tx = types.NewTx(&types.DynamicFeeTx{Nonce: was.Nonce(), GasFeeCap: utmost.MaxFeePerGas, GasTipCap: utmost.MaxTipPerGas})
	if _, _, err := n.Admit(deed, w.now); err != nil {
		t.Errorf("in the place of one at its ceilings: %v", err)
	}
	p.Tx = was
	p.Where = council.Sighted{}
	by := w.put("core-1", deed, seconds)
	w.held(5*time.Second, w.known(by))
	w.approvedBy(everyone[:4], by)
	r, _ := n.Proposal(by)
	if !w.held(2*time.Minute, func() bool { return r.Tx != nil }) {
		t.Fatalf("not signed: %s", w.blocked("core-1", by))
	}
	if f := council.FeesOf(r.Tx); f.MaxFeePerGas.Cmp(deed.MaxFeePerGas) != 0 || f.MaxTipPerGas.Cmp(deed.MaxTipPerGas) != 0 {
		t.Errorf("signed with %v; its ceilings are %s with %s", f, deed.MaxFeePerGas, deed.MaxTipPerGas)
	}
}

// Where a pool wants more for a transaction, there is something that this node does not
// know of. The next prices are the highest, not those of one small step of many.
func TestTooLowForAPool(t *testing.T) {
	w := newWorld(t, 91)
	id, p := w.stuck()
	deed := p.Intent.(council.Transaction)
	for _, m := range everyone {
		w.step(m, agenda.Seen{Chain: chainID, Tx: p.Tx.Hash(), What: council.WordBroadcast, Err: errors.New("replacement transaction underpriced"), Underpriced: true})
	}
	was := p.Tx.Hash()
	if !w.held(10*time.Minute, func() bool { return p.Tx.Hash() != was }) {
		t.Fatalf("not signed again: %s", w.blocked("core-1", id))
	}
	if f := council.FeesOf(p.Tx); f.MaxFeePerGas.Cmp(deed.MaxFeePerGas) != 0 || f.MaxTipPerGas.Cmp(deed.MaxTipPerGas) != 0 {
		t.Errorf("signed with %v; its ceilings are %s with %s", f, deed.MaxFeePerGas, deed.MaxTipPerGas)
	}
}
