package agenda_test

import (
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

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
