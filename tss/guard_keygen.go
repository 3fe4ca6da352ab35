package tss

import (
	"errors"
	"fmt"
	"math/big"

	"github.com/bnb-chain/tss-lib/v2/crypto/dlnproof"
	"github.com/bnb-chain/tss-lib/v2/crypto/facproof"
	"github.com/bnb-chain/tss-lib/v2/crypto/modproof"
	"github.com/bnb-chain/tss-lib/v2/crypto/paillier"
	"github.com/bnb-chain/tss-lib/v2/ecdsa/keygen"
)

// keygen1 checks a member's public numbers and notes its commitment.
func (g *guard) keygen1(from int, m *keygen.KGRound1Message) error {
	if err := g.numbers(from, KeygenRound1, m); err != nil {
		return err
	}
	return g.seal(from, KeygenRound1, m.GetCommitment())
}

// publicNumbers are what a member shows of its pre-parameters, in a key
// generation or in a resharing.
type publicNumbers interface {
	GetPaillierN() []byte
	GetNTilde() []byte
	GetH1() []byte
	GetH2() []byte
	UnmarshalDLNProof1() (*dlnproof.Proof, error)
	UnmarshalDLNProof2() (*dlnproof.Proof, error)
}

// numbers checks a member's moduli, the bases h1 and h2, and that their proofs
// can be parsed.
func (g *guard) numbers(from int, r Round, m publicNumbers) error {
	n, err := number("Paillier modulus", m.GetPaillierN(), modulusBytes)
	if err != nil {
		return err
	}
	tilde, err := number("NTilde", m.GetNTilde(), modulusBytes)
	if err != nil {
		return err
	}
	if err := checkModulus("Paillier modulus", n); err != nil {
		return err
	}
	if err := checkModulus("NTilde", tilde); err != nil {
		return err
	}
	if !coprime(n, tilde) {
		return errors.New("the Paillier modulus and NTilde are equal or share a factor")
	}
	if err := g.moduli(from, r, n, tilde); err != nil {
		return err
	}
	if err := g.base(from, r, tilde, m.GetH1(), m.GetH2()); err != nil {
		return err
	}
	for _, proof := range []func() (*dlnproof.Proof, error){m.UnmarshalDLNProof1, m.UnmarshalDLNProof2} {
		if err := dln(proof, tilde); err != nil {
			return err
		}
	}
	g.paillier[from], g.tilde[from] = n, tilde
	return nil
}

// moduli compares a member's moduli with those of everyone else and of the
// past. A shared factor would let one member open what is encrypted for
// another.
func (g *guard) moduli(from int, r Round, n, tilde *big.Int) error {
	for _, mine := range []*big.Int{n, tilde} {
		if g.seen.has(mine) {
			return g.suspects(r, errors.New("modulus has served before"), from)
		}
		for j := range g.members {
			for _, other := range []*big.Int{g.paillier[j], g.tilde[j]} {
				if j != from && other != nil && !coprime(mine, other) {
					return g.suspects(r, errors.New("moduli of two members share a factor"), from, j)
				}
			}
		}
	}
	return nil
}

// base checks h1 and h2: squares in disguise (Jacobi symbol 1, which makes them
// coprime to NTilde), not trivial, and nobody else's. The engine compares them
// as raw bytes, so that h and h+NTilde would differ; the range check closes
// that.
func (g *guard) base(from int, r Round, tilde *big.Int, raw ...[]byte) error {
	var h [2]*big.Int
	for i, b := range raw {
		name := fmt.Sprintf("h%d", i+1)
		v, err := below(name, b, new(big.Int).Sub(tilde, one))
		if err != nil {
			return err
		}
		switch {
		case v.Cmp(one) <= 0:
			return fmt.Errorf("%s is trivial", name)
		case big.Jacobi(v, tilde) != 1:
			return fmt.Errorf("%s is no square modulo NTilde", name)
		}
		h[i] = v
	}
	if h[0].Cmp(h[1]) == 0 {
		return errors.New("h1 and h2 are equal")
	}
	for _, v := range h {
		if j, ok := g.bases[string(v.Bytes())]; ok && j != from {
			return g.suspects(r, errors.New("two members use the same base"), from, j)
		}
	}
	for _, v := range h {
		g.bases[string(v.Bytes())] = from
	}
	return nil
}

// dln checks the form of a discrete-logarithm proof: the engine slices by a
// length prefix that the sender wrote, and raises to T whatever its size.
func dln(parse func() (*dlnproof.Proof, error), tilde *big.Int) error {
	var p *dlnproof.Proof
	err := safely(func() (err error) { p, err = parse(); return err })
	if err != nil {
		return errors.New("discrete-logarithm proof can't be parsed")
	}
	for i := range p.T {
		if p.T[i] == nil || p.T[i].Sign() <= 0 || p.T[i].BitLen() > modulusBits {
			return errors.New("discrete-logarithm proof: T is out of range")
		}
		if p.Alpha[i] == nil || p.Alpha[i].Sign() <= 0 || p.Alpha[i].Cmp(tilde) >= 0 {
			return errors.New("discrete-logarithm proof: alpha is out of range")
		}
	}
	return nil
}

// keygen2Share checks the share: zero, or q, is a point that does not exist.
func (g *guard) keygen2Share(m *keygen.KGRound2Message1) error {
	if _, err := scalar("share", m.GetShare()); err != nil {
		return err
	}
	return factorProof(m.GetFacProof(), g.tilde[g.self])
}

// factorProof checks the sizes of a proof that both factors of N are large. The
// engine raises to V, Sigma, W1 and W2 whatever their size.
func factorProof(parts [][]byte, tilde *big.Int) error {
	if len(parts) != facproof.ProofFacBytesParts {
		return fmt.Errorf("factor proof has %d parts; want %d", len(parts), facproof.ProofFacBytesParts)
	}
	for i, name := range []string{"P", "Q", "A", "B", "T"} {
		if _, err := below("factor proof: "+name, parts[i], tilde); err != nil {
			return err
		}
	}
	for i, f := range []struct {
		name  string
		limit int
	}{{"Sigma", facSigma}, {"Z1", facZBytes}, {"Z2", facZBytes}, {"W1", blindBytes}, {"W2", blindBytes}, {"V", facVBytes}} {
		if _, err := number("factor proof: "+f.name, parts[5+i], f.limit); err != nil {
			return err
		}
	}
	return nil
}

// keygen2Decommit checks the polynomial in the exponent, and the proof that N
// is a product of two primes. v2.0.2 takes a W that shares a factor with N, and
// then believes nearly any N (#323): who sends one can read the others' shares.
func (g *guard) keygen2Decommit(from int, m *keygen.KGRound2Message2) error {
	if err := g.open(from, KeygenRound1, m.GetDeCommitment(), g.threshold+1); err != nil {
		return err
	}
	return modulusProof(m.GetModProof(), g.paillier[from])
}

func modulusProof(parts [][]byte, n *big.Int) error {
	if len(parts) != modproof.ProofModBytesParts {
		return fmt.Errorf("modulus proof has %d parts; want %d", len(parts), modproof.ProofModBytesParts)
	}
	const a, b = modproof.Iterations + 1, modproof.Iterations + 2
	for i, p := range parts {
		switch i {
		case a, b:
			v, err := number("modulus proof: choice", p, modproof.Iterations/8+1)
			if err != nil {
				return err
			}
			if v.BitLen() != modproof.Iterations+1 {
				return errors.New("modulus proof: choices have the wrong length")
			}
		default:
			if _, err := below("modulus proof: number", p, n); err != nil {
				return err
			}
		}
	}
	if n != anyModulus && big.Jacobi(new(big.Int).SetBytes(parts[0]), n) != -1 {
		return errors.New("modulus proof: W has not the Jacobi symbol -1")
	}
	return nil
}

// keygen3 checks the sizes of the Paillier proof.
func (g *guard) keygen3(from int, m *keygen.KGRound3Message) error {
	parts := m.GetPaillierProof()
	if len(parts) != paillier.ProofIters {
		return fmt.Errorf("the Paillier proof has %d parts; want %d", len(parts), paillier.ProofIters)
	}
	for _, p := range parts {
		if _, err := below("Paillier proof: number", p, g.paillier[from]); err != nil {
			return err
		}
	}
	return nil
}
