package forge

import (
	"crypto/rand"
	"math/big"
	"slices"

	"github.com/bnb-chain/tss-lib/v2/crypto/facproof"
	"github.com/bnb-chain/tss-lib/v2/crypto/modproof"
	"github.com/bnb-chain/tss-lib/v2/ecdsa/keygen"
	"github.com/bnb-chain/tss-lib/v2/ecdsa/resharing"
	engine "github.com/bnb-chain/tss-lib/v2/tss"
)

var one = big.NewInt(1)

// Modulus is a Paillier modulus, with all the proofs that go with it.
type Modulus struct {
	N, Phi *big.Int
	p, q   *big.Int // any two factors
	proof  func(context []byte) [modproof.ProofModBytesParts][]byte
}

// OfTwo is a modulus of two primes, with honest proofs.
func OfTwo(p, q *big.Int) *Modulus {
	n := new(big.Int).Mul(p, q)
	return &Modulus{N: n, Phi: Totient(p, []*big.Int{q}), p: p, q: q, proof: func(context []byte) [modproof.ProofModBytesParts][]byte {
		proof, err := modproof.NewProof(context, n, p, q, rand.Reader)
		if err != nil {
			panic(err)
		}
		return proof.Bytes()
	}}
}

// OfMany is a modulus of many primes of so many bits, and one that fills it up, with the
// proof by which the engine is convinced that they are two.
func OfMany(bits int) *Modulus {
	n, large, small := Compound(bits)
	return &Modulus{N: n, Phi: Totient(large, small), p: large, q: new(big.Int).Div(n, large), proof: func(context []byte) [modproof.ProofModBytesParts][]byte {
		proof, _ := ModulusProof(context, large, small)
		return proof.Bytes()
	}}
}

// Ring is what a member has shown of its ring-Pedersen modulus.
type Ring struct{ N, H1, H2 *big.Int }

// Put puts the modulus into a message, or what it takes to prove it: to all in one context,
// and to the receiver of a factor proof, whose ring it is, in that of the receiver.
func (m *Modulus) Put(c engine.MessageContent, own, receiver []byte, ring Ring) {
	switch c := c.(type) {
	case *keygen.KGRound1Message:
		c.PaillierN = m.N.Bytes()
	case *keygen.KGRound2Message1:
		c.FacProof = m.factorProof(own, ring)
	case *keygen.KGRound2Message2:
		c.ModProof = m.modulusProof(own)
	case *resharing.DGRound2Message1:
		c.PaillierN, c.ModProof = m.N.Bytes(), m.modulusProof(own)
	case *resharing.DGRound4Message1:
		c.FacProof = m.factorProof(receiver, ring)
	}
}

func (m *Modulus) modulusProof(context []byte) [][]byte {
	parts := m.proof(context)
	return parts[:]
}

func (m *Modulus) factorProof(context []byte, ring Ring) [][]byte {
	p, err := facproof.NewProof(context, engine.S256(), m.N, ring.N, ring.H1, ring.H2, m.p, m.q, rand.Reader)
	if err != nil {
		panic(err)
	}
	parts := p.Bytes()
	return parts[:]
}

// Compound is a modulus of full length: one large prime, 3 modulo 4, and many
// small ones of a given size.
func Compound(bits int) (n, large *big.Int, small []*big.Int) {
	rest := big.NewInt(1)
	for rest.BitLen() < 1000 {
		if p := Prime(bits); !slices.ContainsFunc(small, func(o *big.Int) bool { return o.Cmp(p) == 0 }) {
			small = append(small, p)
			rest.Mul(rest, p)
		}
	}
	// Anywhere between 2^2047/rest and twice that.
	low := new(big.Int).Lsh(one, 2047)
	low.Div(low, rest).Add(low, one)
	for {
		large = Random(new(big.Int).Sub(low, big.NewInt(4)))
		large.Add(large, low).SetBit(large, 0, 1).SetBit(large, 1, 1)
		if !large.ProbablyPrime(1) {
			continue
		}
		n = new(big.Int).Mul(rest, large)
		if n.BitLen() == 2048 && new(big.Int).ModInverse(n, Totient(large, small)) != nil {
			return n, large, small
		}
	}
}

// Totient is the number of units modulo the product of these primes.
func Totient(large *big.Int, small []*big.Int) *big.Int {
	phi := new(big.Int).Sub(large, one)
	for _, p := range small {
		phi.Mul(phi, new(big.Int).Sub(p, one))
	}
	return phi
}

// Random is any number below another.
func Random(below *big.Int) *big.Int {
	n, err := rand.Int(rand.Reader, below)
	if err != nil {
		panic(err)
	}
	return n
}

// Prime is any prime of so many bits.
func Prime(bits int) *big.Int {
	p, err := rand.Prime(rand.Reader, bits)
	if err != nil {
		panic(err)
	}
	return p
}
