package forge

import (
	"math/big"

	ecommon "github.com/bnb-chain/tss-lib/v2/common"
	"github.com/bnb-chain/tss-lib/v2/crypto/modproof"
)

// ModulusProof makes a proof that v2.0.2 of the engine accepts for an N that is no
// product of two primes: N = p*m with p = 3 modulo 4 and m of many small primes.
// W is 0 modulo m and 1 modulo p. With b = 1 throughout, both sides of the
// fourth-root equation vanish modulo m, and modulo p either Y or -Y has a root.
func ModulusProof(session []byte, p *big.Int, small []*big.Int) (*modproof.ProofMod, *big.Int) {
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
