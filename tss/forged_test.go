package tss_test

import (
	"crypto/rand"
	"math/big"
	"slices"

	"google.golang.org/protobuf/proto"

	ecommon "github.com/bnb-chain/tss-lib/v2/common"
	ecrypto "github.com/bnb-chain/tss-lib/v2/crypto"
	"github.com/bnb-chain/tss-lib/v2/crypto/dlnproof"
	"github.com/bnb-chain/tss-lib/v2/crypto/facproof"
	"github.com/bnb-chain/tss-lib/v2/crypto/mta"
	"github.com/bnb-chain/tss-lib/v2/crypto/paillier"
	"github.com/bnb-chain/tss-lib/v2/ecdsa/keygen"
	"github.com/bnb-chain/tss-lib/v2/ecdsa/resharing"
	"github.com/bnb-chain/tss-lib/v2/ecdsa/signing"
	engine "github.com/bnb-chain/tss-lib/v2/tss"

	"github.com/millicent-one/signer/internal/forge"
	"github.com/millicent-one/signer/tss"
)

// Forged material with valid proofs: all that the bare engine accepts to the
// end, and what is wrong with it is what the guard alone looks at.

var big1 = big.NewInt(1)

// ring is a ring-Pedersen modulus with two bases, made by someone who knows an
// exponent that takes every unit to 1.
type ring struct{ tilde, exponent, h1 *big.Int }

// honestRing is the own one: its two primes are 2p+1 and 2q+1.
func honestRing(d *keygen.LocalPartySaveData) ring {
	e := new(big.Int).Mul(d.P, d.Q)
	return ring{d.NTildei, e.Lsh(e, 1), d.H1i}
}

// publish puts the ring into a message of a key generation or of a resharing,
// with proofs that each base is a power of the other. What is added to h1 is a
// multiple of the modulus, or nothing.
func (r ring) publish(c engine.MessageContent, surplus *big.Int) {
	var alpha, beta *big.Int
	for beta == nil {
		alpha = random(r.exponent)
		beta = new(big.Int).ModInverse(alpha, r.exponent)
	}
	h1 := new(big.Int).Add(r.h1, surplus)
	h2 := new(big.Int).Exp(r.h1, alpha, r.tilde)
	first := serialized(dlnproof.NewDLNProof(h1, h2, alpha, r.exponent, big1, r.tilde, rand.Reader))
	second := serialized(dlnproof.NewDLNProof(h2, h1, beta, r.exponent, big1, r.tilde, rand.Reader))
	switch m := c.(type) {
	case *keygen.KGRound1Message:
		m.NTilde, m.H1, m.H2, m.Dlnproof_1, m.Dlnproof_2 = r.tilde.Bytes(), h1.Bytes(), h2.Bytes(), first, second
	case *resharing.DGRound2Message1:
		m.NTilde, m.H1, m.H2, m.Dlnproof_1, m.Dlnproof_2 = r.tilde.Bytes(), h1.Bytes(), h2.Bytes(), first, second
	}
}

func serialized(p *dlnproof.Proof) [][]byte {
	b, err := p.Serialize()
	if err != nil {
		panic(err)
	}
	return b
}

var random, prime = forge.Random, forge.Prime

// forge puts mallory's own modulus, made once, into her message.
func (w *world) forge(c engine.MessageContent, made func() *forge.Modulus) {
	if w.forged == nil {
		w.forged = made()
	}
	if _, ok := c.(*keygen.KGRound1Message); ok {
		w.key = &paillier.PrivateKey{PublicKey: paillier.PublicKey{N: w.forged.N}, PhiN: w.forged.Phi}
	}
	d := w.alice
	w.forged.Put(c, w.context, w.receiver, forge.Ring{N: d.NTildei, H1: d.H1i, H2: d.H2i})
}

// ofMany is a modulus of many primes, and the proof by which v2.0.2 is convinced that
// they are two (#323).
func ofMany(bits int) func(*world, engine.MessageContent) {
	return func(w *world, c engine.MessageContent) {
		w.forge(c, func() *forge.Modulus { return forge.OfMany(bits) })
	}
}

// longFactors puts a factor proof with a sigma and answers of these sizes in bytes
// into a message of a key generation or of a resharing.
func longFactors(sigma, v, blind int) func(*world, engine.MessageContent) {
	return func(w *world, c engine.MessageContent) {
		switch m := c.(type) {
		case *keygen.KGRound2Message1:
			m.FacProof = longFactorProof(w, w.context, sigma, v, blind)
		case *resharing.DGRound4Message1:
			m.FacProof = longFactorProof(w, w.receiver, sigma, v, blind)
		}
	}
}

// longFactorProof is a valid proof that mallory's N has no small factor, blinded
// by more than is needed: whoever checks it raises to these numbers.
func longFactorProof(w *world, context []byte, wideSigma, long, blind int) [][]byte {
	d, sk := w.alice, w.mallory.PaillierSK
	mod, s, t := d.NTildei, d.H1i, d.H2i
	pedersen := func(x, y *big.Int) *big.Int { return product(mod, power(s, x, mod), power(t, y, mod)) }
	wide := func(bytes int) *big.Int { // of just as many
		n := random(new(big.Int).Lsh(big1, uint(8*bytes-1)))
		return n.SetBit(n, 8*bytes-1, 1)
	}
	small := new(big.Int).Mul(new(big.Int).Exp(q, big.NewInt(2), nil), sk.P)

	alpha, beta, mu, nu := random(small), random(small), random(mod), random(mod)
	sigma, r, x, y := wide(wideSigma), wide(long), wide(blind), wide(blind)
	cp, cq := pedersen(sk.P, mu), pedersen(sk.Q, nu)
	a, b := pedersen(alpha, x), pedersen(beta, y)
	top := product(mod, power(cq, alpha, mod), power(t, r, mod))
	e := ecommon.RejectionSample(q, ecommon.SHA512_256i_TAGGED(context, sk.N, mod, s, t, cp, cq, a, b, top, sigma))
	v := new(big.Int).Mul(nu, sk.P)
	v.Sub(sigma, v)
	proof := facproof.ProofFac{
		P: cp, Q: cq, A: a, B: b, T: top, Sigma: sigma,
		Z1: linear(e, sk.P, alpha), Z2: linear(e, sk.Q, beta), W1: linear(e, mu, x), W2: linear(e, nu, y), V: linear(e, v, r),
	}
	parts := proof.Bytes()
	return parts[:]
}

// rangeForgery is a valid range proof for k = m under mallory's key, made with
// randomness of mallory's choice; or with the square of her modulus added to the
// ciphertext, which is then the same to all that is checked of it.
type rangeForgery struct {
	m, r, alpha, beta, gamma, rho *big.Int
	above                         bool
}

func (f rangeForgery) apply(w *world, msg *signing.SignRound1Message1) {
	n, d := w.mallory.PaillierSK.N, w.alice
	square, mod := new(big.Int).Mul(n, n), d.NTildei
	gamma := new(big.Int).Add(n, big1)
	c := product(square, power(gamma, f.m, square), power(f.r, n, square))
	if f.above {
		c.Add(c, square)
	}
	z := product(mod, power(d.H1i, f.m, mod), power(d.H2i, f.rho, mod))
	u := product(square, power(gamma, f.alpha, square), power(f.beta, n, square))
	v := product(mod, power(d.H1i, f.alpha, mod), power(d.H2i, f.gamma, mod))
	pk := &paillier.PublicKey{N: n}
	e := ecommon.RejectionSample(q, ecommon.SHA512_256i(append(pk.AsInts(), c, z, u, v)...))
	proof := mta.RangeProofAlice{
		Z: z, U: u, W: v, S: product(n, power(f.r, e, n), f.beta), S1: linear(e, f.m, f.alpha), S2: linear(e, f.rho, f.gamma),
	}
	parts := proof.Bytes()
	msg.C, msg.RangeProofAlice = c.Bytes(), parts[:]
}

// answerForgery is mallory's answer to alice's k, made with a factor, a mask and
// randomness of her choice, and a valid proof; or the same with the square of
// alice's modulus added.
type answerForgery struct {
	x, y, r *big.Int
	above   bool
}

// prove makes the answer and its proof; of a checked answer one that the factor is
// that of a public point.
func (f answerForgery) prove(w *world, point *ecrypto.ECPoint) (answer []byte, proof [][]byte) {
	pk, d := &w.alice.PaillierSK.PublicKey, w.alice
	square := pk.NSquare()
	asked := new(big.Int).SetBytes(w.said[tss.SignRound1Direct].(*signing.SignRound1Message1).GetC())
	c := product(square, power(asked, f.x, square), power(pk.Gamma(), f.y, square))
	c = product(square, c, power(f.r, pk.N, square))
	if f.above {
		c.Add(c, square)
	}
	// As the engine's ProveBob does, it proves nothing about the factor without a point.
	made, err := mta.ProveBobWC(w.context, engine.S256(), pk, d.NTildei, d.H1i, d.H2i, asked, c, f.x, f.y, f.r, point, rand.Reader)
	if err != nil {
		panic(err)
	}
	parts := made.Bytes()
	if point == nil {
		return c.Bytes(), parts[:mta.ProofBobBytesParts]
	}
	return c.Bytes(), parts[:]
}

// weight is mallory's part of the key in a signature of the two.
func (w *world) weight() (secret *big.Int, public *ecrypto.ECPoint) {
	d, i := w.mallory, w.indexes[1]
	secret, all := signing.PrepareForSigning(engine.S256(), i, len(two), d.Xi, d.Ks, d.BigXj)
	return secret, all[i]
}

func power(b, e, mod *big.Int) *big.Int { return new(big.Int).Exp(b, e, mod) }

func product(mod, a, b *big.Int) *big.Int {
	p := new(big.Int).Mul(a, b)
	return p.Mod(p, mod)
}

// linear is e*a + b.
func linear(e, a, b *big.Int) *big.Int {
	p := new(big.Int).Mul(e, a)
	return p.Add(p, b)
}

// publishes does something to the message that shows mallory's moduli, of a key
// generation or of a resharing.
func publishes(f func(*world, engine.MessageContent)) func(*world, engine.MessageContent) {
	return func(w *world, c engine.MessageContent) {
		if _, ok := c.(*keygen.KGRound1Message); ok {
			f(w, c)
		}
		if _, ok := c.(*resharing.DGRound2Message1); ok {
			f(w, c)
		}
	}
}

// forgedNumbers are forgeries of what a member shows of its pre-parameters in
// this round, with valid proofs.
func forgedNumbers(round tss.Round) []forgery {
	zero := new(big.Int)
	return []forgery{
		{name: "modulus with a prime of alice's", round: round, bare: accepts, suspicion: true, does: func(w *world, c engine.MessageContent) {
			w.forge(c, func() *forge.Modulus { return forge.OfTwo(w.alice.PaillierSK.P, w.mallory.PaillierSK.Q) })
		}},
		{name: "one modulus for both", round: round, bare: accepts, does: publishes(func(w *world, c engine.MessageContent) {
			ring{w.mallory.PaillierSK.N, w.mallory.PaillierSK.LambdaN, big.NewInt(4)}.publish(c, zero)
		})},
		{name: "alice's NTilde", round: round, bare: accepts, suspicion: true, does: publishes(func(w *world, c engine.MessageContent) {
			r := honestRing(w.alice)
			r.h1 = product(r.tilde, r.h1, r.h1)
			r.publish(c, zero)
		})},
		{name: "alice's base in another form", round: round, bare: accepts, does: publishes(func(w *world, c engine.MessageContent) {
			r := honestRing(w.mallory)
			r.h1 = w.alice.H1i
			r.publish(c, r.tilde)
		})},
		{name: "even NTilde", round: round, bare: accepts, does: publishes(func(w *world, c engine.MessageContent) {
			p, q := prime(1023), prime(1024)
			n := new(big.Int).Mul(p, q)
			ring{n.Lsh(n, 1), forge.Totient(p, []*big.Int{q}), big.NewInt(9)}.publish(c, zero)
		})},
		{name: "modulus of many primes of 14 bits", round: round, bare: accepts, does: ofMany(14)},
		{name: "NTilde of many primes", round: round, bare: accepts, does: publishes(func(w *world, c engine.MessageContent) {
			n, large, small := forge.Compound(14)
			ring{n, forge.Totient(large, small), big.NewInt(4)}.publish(c, zero)
		})},
		{name: "base that is no square", round: round, bare: accepts, does: publishes(func(w *world, c engine.MessageContent) {
			r := honestRing(w.mallory)
			r.h1 = nonSquare(r.tilde)
			r.publish(c, zero)
		})},
		{name: "discrete-logarithm proof with a long answer", round: round, bare: accepts, does: publishes(func(w *world, c engine.MessageContent) {
			e := new(big.Int).Lsh(honestRing(w.mallory).exponent, 4096)
			proof := c.(interface{ GetDlnproof_1() [][]byte }).GetDlnproof_1()
			proof[200] = plus(proof[200], e)
		})},
	}
}

// forgedKeygen are forgeries of key generation with valid proofs.
func forgedKeygen() []forgery {
	return append(forgedNumbers(tss.KeygenRound1), []forgery{
		{name: "modulus of many primes of 40 bits", round: tss.KeygenRound2Decommit, does: ofMany(40), bare: accepts},
		{name: "factor proof with a long V", round: tss.KeygenRound2Share, bare: accepts, does: longFactors(256, 620, 300)},
		{name: "factor proof with long W", round: tss.KeygenRound2Share, bare: accepts, does: longFactors(256, 600, 360)},
		{name: "factor proof with a long Sigma", round: tss.KeygenRound2Share, bare: accepts, does: longFactors(550, 600, 300)},
		{name: "alice's commitment to a polynomial", round: tss.KeygenRound1, bare: finds, suspicion: true, does: func(w *world, c engine.MessageContent) {
			switch m := c.(type) {
			case *keygen.KGRound1Message:
				m.Commitment = w.said[tss.KeygenRound1].(*keygen.KGRound1Message).GetCommitment()
			case *keygen.KGRound2Message2:
				m.DeCommitment = w.said[tss.KeygenRound2Decommit].(*keygen.KGRound2Message2).GetDeCommitment()
			}
		}},
		{name: "moduli of an aborted attempt", round: tss.KeygenRound1, bare: accepts, suspicion: true, seen: true, does: func(*world, engine.MessageContent) {}},
	}...)
}

// forgedSign are forgeries of signing with valid proofs.
func forgedSign() []forgery {
	ranged := func(f func(n *big.Int) rangeForgery) func(*world, engine.MessageContent) {
		return func(w *world, c engine.MessageContent) {
			if m, ok := c.(*signing.SignRound1Message1); ok {
				f(w.mallory.PaillierSK.N).apply(w, m)
			}
		}
	}
	answers := func(f func(w *world, m *signing.SignRound2Message)) func(*world, engine.MessageContent) {
		return func(w *world, c engine.MessageContent) {
			if m, ok := c.(*signing.SignRound2Message); ok {
				f(w, m)
			}
		}
	}
	// As if it had been blinded by more than is needed. Alice's own order stands in
	// for mallory's choice, which is inside her engine.
	longer := func(w *world, answer []byte) []byte {
		return plus(answer, new(big.Int).Lsh(honestRing(w.alice).exponent, 1000))
	}
	k := func() *big.Int { return random(q) }
	mask := func() *big.Int { return random(new(big.Int).Exp(q, big.NewInt(2), nil)) }
	zero := new(big.Int)
	return []forgery{
		{name: "range proof with S1 = S2", round: tss.SignRound1Direct, bare: accepts, does: ranged(func(n *big.Int) rangeForgery {
			k, a := k(), mask()
			return rangeForgery{m: k, r: random(n), alpha: a, beta: random(n), gamma: a, rho: k}
		})},
		{name: "range proof with S = 1", round: tss.SignRound1Direct, bare: accepts, does: ranged(func(*big.Int) rangeForgery {
			return rangeForgery{m: k(), r: big1, alpha: mask(), beta: big1, gamma: mask(), rho: mask()}
		})},
		{name: "range proof with Z = 1", round: tss.SignRound1Direct, bare: accepts, does: ranged(func(n *big.Int) rangeForgery {
			return rangeForgery{m: zero, r: random(n), alpha: mask(), beta: random(n), gamma: mask(), rho: zero}
		})},
		{name: "range proof with a long answer", round: tss.SignRound1Direct, bare: accepts, does: ranged(func(n *big.Int) rangeForgery {
			return rangeForgery{m: k(), r: random(n), alpha: mask(), beta: random(n), gamma: random(new(big.Int).Lsh(big1, 8*400)), rho: mask()}
		})},
		{name: "ciphertext that is 1", round: tss.SignRound1Direct, bare: accepts, does: ranged(func(n *big.Int) rangeForgery {
			return rangeForgery{m: zero, r: big1, alpha: mask(), beta: random(n), gamma: mask(), rho: mask()}
		})},
		{name: "ciphertext above N^2", round: tss.SignRound1Direct, bare: finds, does: ranged(func(n *big.Int) rangeForgery {
			return rangeForgery{m: k(), r: random(n), alpha: mask(), beta: random(n), gamma: mask(), rho: mask(), above: true}
		})},
		{name: "theta above q", round: tss.SignRound3, bare: accepts, does: func(_ *world, c engine.MessageContent) {
			if m, ok := c.(*signing.SignRound3Message); ok {
				m.Theta = plus(m.Theta, q)
			}
		}},
		{name: "answer that is 1", round: tss.SignRound2, bare: blamesItself, does: answers(func(w *world, m *signing.SignRound2Message) {
			m.C1, m.ProofBob = answerForgery{x: zero, y: zero, r: big1}.prove(w, nil)
		})},
		{name: "answer above N^2", round: tss.SignRound2, bare: finds, does: answers(func(w *world, m *signing.SignRound2Message) {
			m.C1, m.ProofBob = answerForgery{x: k(), y: mask(), r: random(w.alice.PaillierSK.N), above: true}.prove(w, nil)
		})},
		{name: "checked answer above N^2", round: tss.SignRound2, bare: finds, does: answers(func(w *world, m *signing.SignRound2Message) {
			x, point := w.weight()
			m.C2, m.ProofBobWc = answerForgery{x: x, y: mask(), r: random(w.alice.PaillierSK.N), above: true}.prove(w, point)
		})},
		{name: "answer that is alice's modulus", round: tss.SignRound2, bare: finds, does: answers(func(w *world, m *signing.SignRound2Message) {
			m.C1 = w.alice.PaillierSK.N.Bytes()
		})},
		{name: "checked answer with a prime of alice's", round: tss.SignRound2, bare: finds, does: answers(func(w *world, m *signing.SignRound2Message) {
			n := w.alice.PaillierSK.N
			m.C2 = product(new(big.Int).Mul(n, n), new(big.Int).SetBytes(m.C2), w.alice.PaillierSK.P).Bytes()
		})},
		{name: "answer proof with a long S2", round: tss.SignRound2, bare: accepts, does: answers(func(w *world, m *signing.SignRound2Message) {
			m.ProofBob[7] = longer(w, m.ProofBob[7])
		})},
		{name: "answer proof with a long T2", round: tss.SignRound2, bare: accepts, does: answers(func(w *world, m *signing.SignRound2Message) {
			m.ProofBob[9] = longer(w, m.ProofBob[9])
		})},
		{name: "checked answer proof with a long S2", round: tss.SignRound2, bare: accepts, does: answers(func(w *world, m *signing.SignRound2Message) {
			m.ProofBobWc[7] = longer(w, m.ProofBobWc[7])
		})},
		{name: "checked answer proof with a long T2", round: tss.SignRound2, bare: accepts, does: answers(func(w *world, m *signing.SignRound2Message) {
			m.ProofBobWc[9] = longer(w, m.ProofBobWc[9])
		})},
		{name: "alice's commitment to gamma", round: tss.SignRound1, bare: finds, suspicion: true, does: copies(tss.SignRound1, tss.SignRound4)},
		{name: "alice's commitment to V and A", round: tss.SignRound5, bare: finds, suspicion: true, does: copies(tss.SignRound5, tss.SignRound6)},
		{name: "alice's commitment to U and T", round: tss.SignRound7, bare: blamesItself, suspicion: true, does: copies(tss.SignRound7, tss.SignRound8)},
	}
}

// copies says in some rounds what alice has said in them, if she has.
func copies(rounds ...tss.Round) func(*world, engine.MessageContent) {
	return func(w *world, c engine.MessageContent) {
		if r := tss.RoundOf(c); slices.Contains(rounds, r) && w.said[r] != nil {
			proto.Reset(c)
			proto.Merge(c, w.said[r])
		}
	}
}
