package tss_test

import (
	"math/big"
	"slices"
	"testing"

	"github.com/bnb-chain/tss-lib/v2/crypto/commitments"
	"github.com/bnb-chain/tss-lib/v2/ecdsa/keygen"
	"github.com/bnb-chain/tss-lib/v2/ecdsa/signing"
	engine "github.com/bnb-chain/tss-lib/v2/tss"

	"github.com/millicent-one/signer/tss"
)

// forgery is what mallory does to the messages of one session. The same
// forgeries are tried on the bare engine and on ours.
type forgery struct {
	name  string
	round tss.Round // where ours must notice
	does  func(w *world, c engine.MessageContent)
	bare  outcome // what the engine alone makes of it
}

// outcome of the bare engine.
type outcome string

const (
	dies         outcome = "dies"         // the process is gone
	blamesItself outcome = "blames alice" // the honest party blames itself
)

// world is what mallory knows.
type world struct {
	paillier *big.Int // own modulus
	theta    *big.Int // alice's
	points   [][]byte // an opening that was prepared earlier
}

var q = tss.Order

// sealed is the commitment to the parts of an opening.
func sealed(parts [][]byte) []byte {
	d := make([]*big.Int, len(parts))
	for i := range parts {
		d[i] = new(big.Int).SetBytes(parts[i])
	}
	return commitments.NewHashCommitmentWithRandomness(d[0], d[1:]...).C.Bytes()
}

func keygenForgeries(log []entry) []forgery {
	// The opening is known from the recording before it is committed to.
	var opening [][]byte
	for _, e := range log {
		if e.m.From == mallory && e.m.Round == tss.KeygenRound2Decommit {
			c, err := tss.Decode(e.m.Round, e.m.Payload)
			if err != nil {
				panic(err)
			}
			opening = c.(*keygen.KGRound2Message2).GetDeCommitment()
		}
	}
	return []forgery{
		{"even Paillier modulus", tss.KeygenRound1, func(_ *world, c engine.MessageContent) {
			if m, ok := c.(*keygen.KGRound1Message); ok {
				m.PaillierN[len(m.PaillierN)-1] &^= 1
			}
		}, dies},
		{"length prefix of -1 in a discrete-logarithm proof", tss.KeygenRound1, func(_ *world, c engine.MessageContent) {
			if m, ok := c.(*keygen.KGRound1Message); ok {
				m.Dlnproof_1[0] = []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
			}
		}, dies},
		{"share of zero", tss.KeygenRound2Share, func(_ *world, c engine.MessageContent) {
			if m, ok := c.(*keygen.KGRound2Message1); ok {
				m.Share = q.Bytes()
			}
		}, dies},
		{"short opening", tss.KeygenRound2Decommit, func(_ *world, c engine.MessageContent) {
			switch m := c.(type) {
			case *keygen.KGRound1Message:
				m.Commitment = sealed(opening[:3])
			case *keygen.KGRound2Message2:
				m.DeCommitment = m.DeCommitment[:3]
			}
		}, dies},
	}
}

func signForgeries() []forgery {
	return []forgery{
		{"ciphertext without an inverse", tss.SignRound1Direct, func(w *world, c engine.MessageContent) {
			if m, ok := c.(*signing.SignRound1Message1); ok {
				m.C = w.paillier.Bytes()
			}
		}, dies},
		{"answer proof with S1 = 0 modulo q", tss.SignRound2, func(_ *world, c engine.MessageContent) {
			if m, ok := c.(*signing.SignRound2Message); ok {
				m.ProofBobWc[6] = new(big.Int).Mul(q, q).Bytes()
			}
		}, dies},
		{"theta that makes the sum zero", tss.SignRound3, func(w *world, c engine.MessageContent) {
			if m, ok := c.(*signing.SignRound3Message); ok {
				m.Theta = new(big.Int).Sub(q, w.theta).Bytes()
			}
		}, dies},
		{"proof of gamma with T = q", tss.SignRound4, func(_ *world, c engine.MessageContent) {
			if m, ok := c.(*signing.SignRound4Message); ok {
				m.ProofT = q.Bytes()
			}
		}, dies},
		{"proof of A with T = q", tss.SignRound6, func(_ *world, c engine.MessageContent) {
			if m, ok := c.(*signing.SignRound6Message); ok {
				m.ProofT = q.Bytes()
			}
		}, dies},
		{"proof of V with T = q", tss.SignRound6, func(_ *world, c engine.MessageContent) {
			if m, ok := c.(*signing.SignRound6Message); ok {
				m.VProofT = q.Bytes()
			}
		}, dies},
		{"proof of V with U = q", tss.SignRound6, func(_ *world, c engine.MessageContent) {
			if m, ok := c.(*signing.SignRound6Message); ok {
				m.VProofU = q.Bytes()
			}
		}, dies},
		{"points off the curve", tss.SignRound8, func(w *world, c engine.MessageContent) {
			switch m := c.(type) {
			case *signing.SignRound7Message:
				w.points = [][]byte{{1}, {2}, {3}, {4}, {5}}
				m.Commitment = sealed(w.points)
			case *signing.SignRound8Message:
				m.DeCommitment = w.points
			}
		}, blamesItself},
	}
}

// TestForgeries runs each forgery against two of our sessions, and against the
// bare engine in a process of its own.
func TestForgeries(t *testing.T) {
	t.Parallel()
	shares := pair(t)
	dir := childFiles(t)
	for _, f := range keygenForgeries(pairOnce.keygen) {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			if got := bareEngine(t, dir, "keygen", f.name); got != f.bare {
				t.Errorf("bare engine: %s; want %s", got, f.bare)
			}
			g := keygenGuard(t)
			for _, e := range pairOnce.keygen {
				c, err := tss.Decode(e.m.Round, slices.Clone(e.m.Payload))
				if err != nil {
					t.Fatal(err)
				}
				if e.m.From == honest {
					if err := g.Own(e.m.Round, c); err != nil {
						t.Fatal(err)
					}
					continue
				}
				f.does(&world{}, c)
				err = g.Check(1, e.m.Round, c)
				if (err != nil) != (e.m.Round == f.round) {
					t.Errorf("%s: %v", e.m.Round, err)
				}
				if err != nil {
					break
				}
			}
		})
	}
	for i, f := range signForgeries() {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			if got := bareEngine(t, dir, "sign", f.name); got != f.bare {
				t.Errorf("bare engine: %s; want %s", got, f.bare)
			}
			w := &world{paillier: shares[1].Data().PaillierSK.N}
			n := network{liar: mallory, errs: map[councilID]error{}, change: func(m *tss.Message, to councilID) {
				rewrite(t, m, func(c engine.MessageContent) {
					if th, ok := c.(*signing.SignRound3Message); ok && m.From == honest {
						w.theta = new(big.Int).SetBytes(th.GetTheta())
					}
					if m.From == mallory {
						f.does(w, c)
					}
				})
			}}
			results, err := n.run(signers(t, shares, two, ceremonyOf(20+i)))
			if err != nil {
				t.Fatal(err)
			}
			b := blamed(t, n.errs[honest])
			if b.Round != f.round || !slices.Equal(b.Suspects, []councilID{mallory}) {
				t.Errorf("ours: %v", b)
			}
			if proven := f.round != tss.SignRound3; b.Proven != proven {
				t.Errorf("ours: proven is %v: %v", b.Proven, b)
			}
			if results[0].Signature != nil {
				t.Error("ours signed")
			}
		})
	}
}
