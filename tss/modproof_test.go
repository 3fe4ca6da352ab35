package tss_test

import (
	"crypto/rand"
	"math/big"
	"testing"

	ecommon "github.com/bnb-chain/tss-lib/v2/common"
	"github.com/bnb-chain/tss-lib/v2/crypto/modproof"

	"github.com/millicent-one/signer/tss"
)

// forgeModulusProof makes a proof that v2.0.2 accepts for an N that is no
// product of two primes: N = p*m with p = 3 modulo 4 and m of many small primes.
// W is 0 modulo m and 1 modulo p. With b = 1 throughout, both sides of the
// fourth-root equation vanish modulo m, and modulo p either Y or -Y has a root.
func forgeModulusProof(session []byte, p *big.Int, small []*big.Int) (*modproof.ProofMod, *big.Int) {
	one := big.NewInt(1)
	n, phi, m := new(big.Int).Set(p), new(big.Int).Sub(p, one), big.NewInt(1)
	for _, r := range small {
		n.Mul(n, r)
		m.Mul(m, r)
		phi.Mul(phi, new(big.Int).Sub(r, one))
	}
	// W = m * (1/m mod p): 0 modulo m, 1 modulo p.
	lift := new(big.Int).Mul(m, new(big.Int).ModInverse(m, p))
	w := new(big.Int).Mod(lift, n)
	root := new(big.Int).Add(p, one)
	root.Rsh(root, 2)
	root.Mul(root, root) // a^root is a fourth root of a square a modulo p
	inverse := new(big.Int).ModInverse(n, phi)

	pf := &modproof.ProofMod{W: w, A: new(big.Int).Lsh(one, 80), B: new(big.Int).Lsh(one, 80)}
	var ys []*big.Int
	for i := range modproof.Iterations {
		in := append([]*big.Int{w, n}, make([]*big.Int, i)...)
		copy(in[2:], ys)
		y := ecommon.RejectionSample(n, ecommon.SHA512_256i_TAGGED(session, in...))
		ys = append(ys, y)
		pf.B.SetBit(pf.B, i, 1)
		a := new(big.Int).Mod(y, p)
		if big.Jacobi(a, p) != 1 {
			a.Sub(p, a)
			pf.A.SetBit(pf.A, i, 1)
		}
		x := a.Exp(a, root, p)
		pf.X[i] = x.Mul(x, lift).Mod(x, n)
		pf.Z[i] = new(big.Int).Exp(y, inverse, n)
	}
	return pf, n
}

// TestForgedModulusProof shows that the engine believes the forgery, and that
// the guard doesn't (tss-lib #323).
func TestForgedModulusProof(t *testing.T) {
	t.Parallel()
	prime := func(bits int, ok func(*big.Int) bool) *big.Int {
		for {
			p, err := rand.Prime(rand.Reader, bits)
			if err != nil {
				t.Fatal(err)
			}
			if ok(p) {
				return p
			}
		}
	}
	session := []byte("a session")
	// N is coprime to phi(N) but for a chance of 2^-30 or so.
	p := prime(320, func(p *big.Int) bool { return p.Bit(1) == 1 })
	var small []*big.Int
	for range 5 {
		small = append(small, prime(40, func(*big.Int) bool { return true }))
	}
	pf, n := forgeModulusProof(session, p, small)
	if !pf.Verify(session, n) {
		t.Fatal("the engine doesn't believe the forgery; is it a newer version?")
	}
	parts := pf.Bytes()
	if err := tss.ModulusProof(parts[:], n); err == nil {
		t.Fatal("the guard believes the forgery")
	}
}
