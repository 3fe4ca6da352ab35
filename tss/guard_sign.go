package tss

import (
	"errors"
	"fmt"
	"math/big"

	"github.com/bnb-chain/tss-lib/v2/crypto/mta"
	"github.com/bnb-chain/tss-lib/v2/ecdsa/signing"
)

// sign1Direct checks k_i's ciphertext under the sender's N, and the range proof
// modulo this party's NTilde. A ciphertext that shares a factor with N has no
// inverse, which the engine dereferences; S = 1, Z = 1 or S1 = S2 mark a
// degenerate proof (#289).
func (g *guard) sign1Direct(from int, m *signing.SignRound1Message1) error {
	n, tilde := g.paillier[from], g.tilde[g.self]
	square := new(big.Int).Mul(n, n)
	if _, err := unit("ciphertext", m.GetC(), square, n); err != nil {
		return err
	}
	p := m.GetRangeProofAlice()
	if len(p) != mta.RangeProofAliceBytesParts {
		return fmt.Errorf("range proof has %d parts; want %d", len(p), mta.RangeProofAliceBytesParts)
	}
	if _, err := unit("range proof: Z", p[0], tilde, tilde); err != nil {
		return err
	}
	if _, err := unit("range proof: U", p[1], square, n); err != nil {
		return err
	}
	if _, err := unit("range proof: W", p[2], tilde, tilde); err != nil {
		return err
	}
	if _, err := unit("range proof: S", p[3], n, n); err != nil {
		return err
	}
	s1, err := response("range proof: S1", p[4], orderCube)
	if err != nil {
		return err
	}
	s2, err := blinded("range proof: S2", p[5])
	if err != nil {
		return err
	}
	if s1.Cmp(s2) == 0 {
		return errors.New("range proof: S1 and S2 are equal")
	}
	return nil
}

// sign2 checks both answers under this party's own N, and their proofs modulo
// its own NTilde. S1 = 0 modulo q makes the engine multiply the base point by
// zero and panic over the result.
func (g *guard) sign2(m *signing.SignRound2Message) error {
	n := g.paillier[g.self]
	square := new(big.Int).Mul(n, n)
	if _, err := unit("ciphertext C1", m.GetC1(), square, n); err != nil {
		return err
	}
	if _, err := unit("ciphertext C2", m.GetC2(), square, n); err != nil {
		return err
	}
	if k := len(m.GetProofBob()); k != mta.ProofBobBytesParts {
		return fmt.Errorf("answer proof has %d parts; want %d", k, mta.ProofBobBytesParts)
	}
	if k := len(m.GetProofBobWc()); k != mta.ProofBobWCBytesParts {
		return fmt.Errorf("checked answer proof has %d parts; want %d", k, mta.ProofBobWCBytesParts)
	}
	for _, p := range [][][]byte{m.GetProofBob(), m.GetProofBobWc()} {
		if err := g.answer(p, n, square); err != nil {
			return err
		}
	}
	wc := m.GetProofBobWc()
	return coordinates("answer proof: U", wc[mta.ProofBobBytesParts], wc[mta.ProofBobBytesParts+1])
}

func (g *guard) answer(p [][]byte, n, square *big.Int) error {
	tilde := g.tilde[g.self]
	for i, f := range []struct {
		name       string
		bound, mod *big.Int
	}{{"Z", tilde, tilde}, {"Z'", tilde, tilde}, {"T", tilde, tilde}, {"V", square, n}, {"W", tilde, tilde}, {"S", n, n}} {
		if _, err := unit("answer proof: "+f.name, p[i], f.bound, f.mod); err != nil {
			return err
		}
	}
	s1, err := response("answer proof: S1", p[6], orderCube)
	if err != nil {
		return err
	}
	if new(big.Int).Mod(s1, order).Sign() == 0 {
		return errors.New("answer proof: S1 is a multiple of the group order")
	}
	if _, err := blinded("answer proof: S2", p[7]); err != nil {
		return err
	}
	if _, err := response("answer proof: T1", p[8], orderLong); err != nil {
		return err
	}
	_, err = blinded("answer proof: T2", p[9])
	return err
}

// response reads a proof's answer to its challenge: q <= v <= bound.
func response(what string, b []byte, bound *big.Int) (*big.Int, error) {
	v, err := number(what, b, (bound.BitLen()+7)/8)
	if err != nil {
		return nil, err
	}
	if v.Cmp(order) < 0 || v.Cmp(bound) > 0 {
		return nil, fmt.Errorf("%s is out of range", what)
	}
	return v, nil
}

// blinded reads an answer that hides a number modulo NTilde. The engine has no
// upper bound for it, and raises to it.
func blinded(what string, b []byte) (*big.Int, error) {
	v, err := number(what, b, blindBytes)
	if err != nil {
		return nil, err
	}
	if v.Cmp(order) < 0 {
		return nil, fmt.Errorf("%s is out of range", what)
	}
	return v, nil
}

// sign3 checks theta, and when all are there that they don't add up to zero,
// which has no inverse. GG18 can't tell whose theta is false.
func (g *guard) sign3(from int, m *signing.SignRound3Message) error {
	t, err := scalar("theta", m.GetTheta())
	if err != nil {
		return err
	}
	g.theta[from] = t
	if len(g.theta) < len(g.members) {
		return nil
	}
	sum := new(big.Int)
	all := make([]int, 0, len(g.members))
	for i, v := range g.theta {
		sum.Add(sum, v)
		all = append(all, i)
	}
	if sum.Mod(sum, order).Sign() == 0 {
		return g.suspects(SignRound3, errors.New("the sum of all theta is zero"), all...)
	}
	return nil
}

// sign4 checks gamma_i in the exponent and its proof.
func (g *guard) sign4(from int, m *signing.SignRound4Message) error {
	if err := g.open(from, SignRound1, m.GetDeCommitment(), 1); err != nil {
		return err
	}
	if err := coordinates("proof of gamma", m.GetProofAlphaX(), m.GetProofAlphaY()); err != nil {
		return err
	}
	_, err := scalar("proof of gamma", m.GetProofT())
	return err
}

// sign6 checks V_i and A_i and their proofs.
func (g *guard) sign6(from int, m *signing.SignRound6Message) error {
	if err := g.open(from, SignRound5, m.GetDeCommitment(), 2); err != nil {
		return err
	}
	if err := coordinates("proof of A", m.GetProofAlphaX(), m.GetProofAlphaY()); err != nil {
		return err
	}
	if err := coordinates("proof of V", m.GetVProofAlphaX(), m.GetVProofAlphaY()); err != nil {
		return err
	}
	for _, b := range [][]byte{m.GetProofT(), m.GetVProofT(), m.GetVProofU()} {
		if _, err := scalar("proof scalar", b); err != nil {
			return err
		}
	}
	return nil
}

// sign8 checks U_i and T_i.
func (g *guard) sign8(from int, m *signing.SignRound8Message) error {
	return g.open(from, SignRound7, m.GetDeCommitment(), 2)
}

// sign9 checks s_i.
func (g *guard) sign9(m *signing.SignRound9Message) error {
	_, err := scalar("s", m.GetS())
	return err
}
