package tss_test

import (
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/bnb-chain/tss-lib/v2/crypto/commitments"
	"github.com/bnb-chain/tss-lib/v2/crypto/paillier"
	"github.com/bnb-chain/tss-lib/v2/ecdsa/keygen"
	"github.com/bnb-chain/tss-lib/v2/ecdsa/signing"
	engine "github.com/bnb-chain/tss-lib/v2/tss"

	"github.com/millicent-one/signer/internal/forge"
	"github.com/millicent-one/signer/tss"
)

// forgery is what mallory does to the messages of one session. The same
// forgeries are tried on the bare engine and on ours.
type forgery struct {
	name  string
	round tss.Round // where ours must notice
	does  func(w *world, c engine.MessageContent)
	bare  outcome // what the engine alone makes of it

	suspicion bool // ours suspects and does not convict
	seen      bool // ours knows mallory's moduli from an earlier attempt
}

// outcome of the bare engine.
type outcome string

const (
	dies         outcome = "dies"           // the process is gone
	accepts      outcome = "accepts"        // to the end of the protocol, or until mallory is asked for more
	blamesItself outcome = "blames alice"   // the honest party blames itself
	finds        outcome = "blames mallory" // later than ours, and with nothing to show
)

// world is what mallory knows, and what the forger of two members' material may.
type world struct {
	alice, mallory *keygen.LocalPartySaveData
	old            *keygen.LocalPartySaveData // mallory's share, in a resharing
	indexes        [2]int                     // of alice and mallory in it
	context        []byte                     // of mallory's proofs
	receiver       []byte                     // of her factor proof for alice, in a resharing
	key            *paillier.PrivateKey       // mallory's, as far as it is for the Paillier proof
	forged         *forge.Modulus
	said           map[tss.Round]engine.MessageContent // by alice
	points         [][]byte                            // an opening that was prepared earlier
}

// hear notes what alice says.
func (w *world) hear(c engine.MessageContent) { w.said[tss.RoundOf(c)] = c }

// within sets the engine's session that mallory's proofs are made for.
func (w *world) within(ssid []byte) *world {
	of := func(member int) []byte {
		return append(slices.Clone(ssid), big.NewInt(int64(w.indexes[member])).Bytes()...)
	}
	w.receiver, w.context = of(0), of(1)
	return w
}

// changes is what mallory's forgery makes of a session's messages on the wire.
func (w *world) changes(t testing.TB, f forgery) func(*tss.Message) {
	return func(m *tss.Message) {
		rewrite(t, m, func(c engine.MessageContent) {
			if m.From == honest {
				w.hear(c)
				return
			}
			f.does(w, c)
		})
	}
}

func newWorld(shares []*tss.Share) *world {
	alice, mallory := shares[0].Data(), shares[1].Data()
	ssid, indexes := forge.EngineSession(shares[0].Origin(), two)
	w := &world{
		alice: alice, mallory: mallory, key: mallory.PaillierSK,
		indexes: [2]int(indexes), said: map[tss.Round]engine.MessageContent{},
	}
	return w.within(ssid)
}

// signWorld is the same in a signature, in which the engine's session is another.
func signWorld(shares []*tss.Share) *world { return newWorld(shares).within(shares[0].EngineSession()) }

var q = tss.Order

// sealed is the commitment to the parts of an opening.
func sealed(parts [][]byte) []byte {
	d := make([]*big.Int, len(parts))
	for i := range parts {
		d[i] = new(big.Int).SetBytes(parts[i])
	}
	return commitments.NewHashCommitmentWithRandomness(d[0], d[1:]...).C.Bytes()
}

// content is what a member has said in a round of a recording.
func content(log []entry, from councilID, r tss.Round) engine.MessageContent {
	i := slices.IndexFunc(log, func(e entry) bool { return e.m.From == from && e.m.Round == r })
	c, err := tss.Decode(r, slices.Clone(log[i].m.Payload))
	if err != nil {
		panic(err)
	}
	return c
}

func keygenForgeries(log []entry) []forgery {
	// The opening is known from the recording before it is committed to.
	opening := content(log, mallory, tss.KeygenRound2Decommit).(*keygen.KGRound2Message2).GetDeCommitment()
	return []forgery{
		{name: "even Paillier modulus", round: tss.KeygenRound1, does: func(_ *world, c engine.MessageContent) {
			if m, ok := c.(*keygen.KGRound1Message); ok {
				m.PaillierN[len(m.PaillierN)-1] &^= 1
			}
		}, bare: dies},
		{name: "length prefix of -1 in a discrete-logarithm proof", round: tss.KeygenRound1, does: func(_ *world, c engine.MessageContent) {
			if m, ok := c.(*keygen.KGRound1Message); ok {
				m.Dlnproof_1[0] = []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
			}
		}, bare: dies},
		{name: "share of zero", round: tss.KeygenRound2Share, does: func(_ *world, c engine.MessageContent) {
			if m, ok := c.(*keygen.KGRound2Message1); ok {
				m.Share = q.Bytes()
			}
		}, bare: dies},
		{name: "short opening", round: tss.KeygenRound2Decommit, does: func(_ *world, c engine.MessageContent) {
			switch m := c.(type) {
			case *keygen.KGRound1Message:
				m.Commitment = sealed(opening[:3])
			case *keygen.KGRound2Message2:
				m.DeCommitment = m.DeCommitment[:3]
			}
		}, bare: dies},
	}
}

func signForgeries() []forgery {
	return []forgery{
		{name: "ciphertext without an inverse", round: tss.SignRound1Direct, does: func(w *world, c engine.MessageContent) {
			if m, ok := c.(*signing.SignRound1Message1); ok {
				m.C = w.mallory.PaillierSK.N.Bytes()
			}
		}, bare: dies},
		{name: "answer proof with S1 = 0 modulo q", round: tss.SignRound2, does: func(_ *world, c engine.MessageContent) {
			if m, ok := c.(*signing.SignRound2Message); ok {
				m.ProofBobWc[6] = new(big.Int).Mul(q, q).Bytes()
			}
		}, bare: dies},
		{name: "theta that makes the sum zero", round: tss.SignRound3, does: func(w *world, c engine.MessageContent) {
			if m, ok := c.(*signing.SignRound3Message); ok {
				theta := w.said[tss.SignRound3].(*signing.SignRound3Message).GetTheta()
				m.Theta = new(big.Int).Sub(q, new(big.Int).SetBytes(theta)).Bytes()
			}
		}, bare: dies, suspicion: true},
		{name: "proof of gamma with T = q", round: tss.SignRound4, does: func(_ *world, c engine.MessageContent) {
			if m, ok := c.(*signing.SignRound4Message); ok {
				m.ProofT = q.Bytes()
			}
		}, bare: dies},
		{name: "proof of A with T = q", round: tss.SignRound6, does: func(_ *world, c engine.MessageContent) {
			if m, ok := c.(*signing.SignRound6Message); ok {
				m.ProofT = q.Bytes()
			}
		}, bare: dies},
		{name: "proof of V with T = q", round: tss.SignRound6, does: func(_ *world, c engine.MessageContent) {
			if m, ok := c.(*signing.SignRound6Message); ok {
				m.VProofT = q.Bytes()
			}
		}, bare: dies},
		{name: "proof of V with U = q", round: tss.SignRound6, does: func(_ *world, c engine.MessageContent) {
			if m, ok := c.(*signing.SignRound6Message); ok {
				m.VProofU = q.Bytes()
			}
		}, bare: dies},
		{name: "points off the curve", round: tss.SignRound8, does: func(w *world, c engine.MessageContent) {
			switch m := c.(type) {
			case *signing.SignRound7Message:
				w.points = [][]byte{{1}, {2}, {3}, {4}, {5}}
				m.Commitment = sealed(w.points)
			case *signing.SignRound8Message:
				m.DeCommitment = w.points
			}
		}, bare: blamesItself},
	}
}

// TestForgeries runs each forgery against a session of ours, and against the bare
// engine in a process of its own.
func TestForgeries(t *testing.T) {
	t.Parallel()
	shares := pair(t)
	dir := childFiles(t)
	for _, f := range append(keygenForgeries(pairOnce.keygen), forgedKeygen()...) {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			if got := bareEngine(t, dir, "keygen", f.name); got != f.bare {
				t.Errorf("bare engine: %s; want %s", got, f.bare)
			}
			s := generators(t, pairOnce.session, two)[0]
			if f.seen {
				s = wary(t)
			}
			f.blamed(t, against(t, s, pairOnce.keygen, newWorld(shares).changes(t, f)))
		})
	}
	for i, f := range append(signForgeries(), forgedSign()...) {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			if got := bareEngine(t, dir, "sign", f.name); got != f.bare {
				t.Errorf("bare engine: %s; want %s", got, f.bare)
			}
			change := signWorld(shares).changes(t, f)
			n := network{liar: mallory, errs: map[councilID]error{}, change: func(m *tss.Message, _ councilID) { change(m) }}
			results, err := n.run(signers(t, shares, two, ceremonyOf(20+i)))
			if err != nil {
				t.Fatal(err)
			}
			f.blamed(t, n.errs[honest])
			if results[0].Signature != nil {
				t.Error("ours signed")
			}
		})
	}
}

// blamed checks how alice's session has died: of this forgery, in its round, and
// with mallory's name.
func (f forgery) blamed(t *testing.T, died error) {
	t.Helper()
	b := blamed(t, died)
	if b.Round != f.round || !slices.Equal(b.Suspects, []councilID{mallory}) {
		t.Errorf("ours: %v", b)
	}
	if b.Proven == f.suspicion {
		t.Errorf("ours: proven is %v: %v", b.Proven, b)
	}
	if strings.HasPrefix(b.Err.Error(), "message ") {
		t.Errorf("ours has not looked into it: %v", b)
	}
}
