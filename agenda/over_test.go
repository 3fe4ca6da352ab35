package agenda_test

import (
	"math/big"
	"slices"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/crypto"

	"github.com/millicent-one/signer/agenda"
	"github.com/millicent-one/signer/council"
)

// An attempt that has brought its signature is over, for those who were in it and for
// those who hear of it, whatever the first who tells of it says of its number: called
// to it once more, for the same fees or for higher ones, nobody joins. A higher one, for
// higher fees, goes its way.
func TestSignedAttemptIsOver(t *testing.T) {
	for name, c := range map[string]struct {
		tells bool   // a member that has no part in it, before the signers can
		of    uint64 // the number that it says
	}{
		"the signers tell": {}, "told as of no attempt": {true, 0}, "told as of one that never was": {true, 99},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 509)
			id := w.attempting()
			var b council.Begin
			for _, s := range w.sessions {
				b = s.begin
			}
			outside := everyone[slices.IndexFunc(everyone, func(m council.MemberID) bool { return !slices.Contains(b.Signers, m) })]
			if c.tells {
				p, _ := w.nodes[outside].agenda.Proposal(id)
				w.step(outside, w.append(w.nodes[outside], council.WordSigned, council.Signed{
					Proposal: id, Chain: b.Chain, Nonce: b.Nonce, Attempt: c.of, Signers: b.Signers, Tx: w.sealed(b, p),
				}))
			}
			unmined := func(done func(*agenda.Proposal) bool) func() bool {
				return func() bool {
					clear(w.pool)
					return !slices.ContainsFunc(everyone, func(m council.MemberID) bool {
						p, _ := w.nodes[m].agenda.Proposal(id)
						return p.Tx == nil || !done(p)
					})
				}
			}
			if !w.run(20*time.Second, unmined(func(*agenda.Proposal) bool { return true })) {
				w.fail(id)
			}
			if w.attempts != 1 {
				t.Fatalf("signed after %d attempts; the test is about the first", w.attempts)
			}
			called := func(m council.MemberID, b council.Begin, rule string) {
				t.Helper()
				refused := ""
				for _, e := range w.nodes[m].agenda.Step(agenda.Said{From: b.Coordinator, Message: agenda.BeginMessage{Begin: b}}, w.now) {
					if s, ok := e.(agenda.Send); ok {
						if r, ok := s.Message.(agenda.Refusal); ok {
							refused = r.Rule
						}
					}
				}
				if refused != rule || len(w.nodes[m].agenda.Trying()) > 0 {
					t.Errorf("%s, called to attempt %d, which has brought its signature: %q", m, b.Attempt, refused)
				}
			}
			others := slices.DeleteFunc(slices.Clone(b.Signers), func(m council.MemberID) bool { return m == b.Coordinator })
			for _, m := range others {
				called(m, b, "fees")
			}
			w.run(agenda.Defaults().Bump*7/8, unmined(func(*agenda.Proposal) bool { return false }))
			p, _ := w.nodes[outside].agenda.Proposal(id)
			again := b // by another, when the fees may rise, and before they do
			again.Coordinator, again.Fees.MaxFeePerGas, again.Fees.MaxTipPerGas = others[0], twice(b.Fees.MaxFeePerGas), twice(b.Fees.MaxTipPerGas)
			again.Digest = again.Envelope(p.Intent.(council.Transaction)).Digest()
			for _, m := range []council.MemberID{b.Coordinator, others[1], others[2]} {
				called(m, again, "attempt")
			}
			if !c.tells { // then its number is as good as it gets for who was not there
				again.Signers = council.Sorted([]council.MemberID{b.Coordinator, others[0], others[1], outside})
				called(outside, again, "attempt")
			}
			if !w.run(10*time.Minute, unmined(func(p *agenda.Proposal) bool { return p.Tx.GasFeeCap().Cmp(b.Fees.MaxFeePerGas) > 0 })) {
				t.Errorf("no higher fees: %s", w.blocked(b.Coordinator, id))
			}
		})
	}
}

func twice(x *big.Int) *big.Int { return new(big.Int).Lsh(x, 1) }

// sealed is the transaction that a Begin is for, with the council's signature.
func (w *world) sealed(b council.Begin, p *agenda.Proposal) []byte {
	w.t.Helper()
	sig, err := crypto.Sign(b.Digest[:], w.key)
	if err != nil {
		w.t.Fatal(err)
	}
	tx, err := b.Envelope(p.Intent.(council.Transaction)).Signed(sig, w.genesis.Key)
	if err != nil {
		w.t.Fatal(err)
	}
	raw, err := tx.MarshalBinary()
	if err != nil {
		w.t.Fatal(err)
	}
	return raw
}
