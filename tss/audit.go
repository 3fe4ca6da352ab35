package tss

import (
	"errors"
	"fmt"
	"math/big"
	"slices"

	ecrypto "github.com/bnb-chain/tss-lib/v2/crypto"
	"github.com/bnb-chain/tss-lib/v2/ecdsa/keygen"
	engine "github.com/bnb-chain/tss-lib/v2/tss"
)

// auditTests is the number of Miller-Rabin tests with random bases, beside the
// Baillie-PSW test, for primes that this node found itself, or had sealed.
const auditTests = 5

// Audit checks everything about the share that one member can check alone: that
// the primes are primes, that all numbers fit together, and that the public
// shares of any Threshold members make the public key. The engine's own
// validation looks for nil and no further. It takes some 50 ms.
func (s *Share) Audit() error {
	if err := s.check(); err != nil {
		return err
	}
	if err := checkPrimes(&s.data.LocalPreParams); err != nil {
		return fmt.Errorf("audit share: %w", err)
	}
	return nil
}

// Audit checks everything about the numbers, primality included: for a set that
// lay on a disk. It takes some 50 ms.
func (p *PreParams) Audit() error {
	if p == nil || p.preParams == nil {
		return errors.New("audit pre-parameters: they are missing")
	}
	err := checkPreParams(&p.data)
	if err == nil {
		err = checkPrimes(&p.data)
	}
	if err != nil {
		return fmt.Errorf("audit pre-parameters: %w", err)
	}
	return nil
}

// checkPrimes checks that the secret primes are some. The halves of the Paillier
// primes are not asked for: a modulus of two primes is safe for its owner.
func checkPrimes(d *keygen.LocalPreParams) error {
	for _, p := range []struct {
		name string
		n    *big.Int
	}{
		{"first Paillier prime", d.PaillierSK.P}, {"second Paillier prime", d.PaillierSK.Q},
		{"p", d.P}, {"q", d.Q}, {"2p+1", safeOf(d.P)}, {"2q+1", safeOf(d.Q)},
	} {
		if !p.n.ProbablyPrime(auditTests) {
			return fmt.Errorf("%s is not prime", p.name)
		}
	}
	return nil
}

// check is the part of the audit that is quick enough for every load.
func (s *Share) check() error {
	for _, step := range []func() error{s.checkShape, s.checkModuli, s.checkPoints} {
		if err := step(); err != nil {
			return fmt.Errorf("audit share: %w", err)
		}
	}
	return nil
}

// checkShape checks that the arrays are complete and that the coordinates are
// those of the members.
func (s *Share) checkShape() error {
	self, err := checkMembers(s.members, s.self)
	if err != nil {
		return err
	}
	n := len(s.members)
	d := &s.data
	switch {
	case len(d.Ks) != n || len(d.NTildej) != n || len(d.H1j) != n || len(d.H2j) != n || len(d.BigXj) != n || len(d.PaillierPKs) != n:
		return errors.New("a list has not one entry a member")
	case d.Xi == nil || d.ShareID == nil || d.ECDSAPub == nil:
		return errors.New("a number is missing")
	case slices.Contains(d.Ks, nil) || slices.Contains(d.NTildej, nil) || slices.Contains(d.H1j, nil) || slices.Contains(d.H2j, nil) ||
		slices.Contains(d.BigXj, nil) || slices.Contains(d.PaillierPKs, nil):
		return errors.New("an entry is missing")
	}
	p := s.parties()
	for i, id := range p.sorted {
		if d.Ks[i].Cmp(id.KeyInt()) != 0 {
			return errors.New("coordinates are not those of the members")
		}
	}
	if d.ShareID.Cmp(p.ids[self].KeyInt()) != 0 {
		return errors.New("own coordinate is not that of the member")
	}
	return checkThreshold(s.threshold, n)
}

func checkThreshold(signers, members int) error {
	if signers < 2 || signers > members {
		return fmt.Errorf("threshold %d of %d members", signers, members)
	}
	return nil
}

// checkModuli checks the own secret moduli, that they are the public ones, and
// everyone's public ones.
func (s *Share) checkModuli() error {
	d := &s.data
	if err := checkPreParams(&d.LocalPreParams); err != nil {
		return err
	}
	i := s.index()
	if d.PaillierPKs[i].N == nil || d.PaillierPKs[i].N.Cmp(d.PaillierSK.N) != 0 || d.NTildej[i].Cmp(d.NTildei) != 0 ||
		d.H1j[i].Cmp(d.H1i) != 0 || d.H2j[i].Cmp(d.H2i) != 0 {
		return errors.New("own secret numbers don't belong to the public ones")
	}
	return checkPublicModuli(d)
}

// checkPublicModuli checks everyone's public moduli and bases.
func checkPublicModuli(d *keygen.LocalPartySaveData) error {
	var all []*big.Int
	for j := range d.Ks {
		n, tilde := d.PaillierPKs[j].N, d.NTildej[j]
		if n == nil {
			return errors.New("a Paillier modulus is missing")
		}
		if err := checkModulus("Paillier modulus", n); err != nil {
			return err
		}
		if err := checkModulus("NTilde", tilde); err != nil {
			return err
		}
		if !coprime(n, tilde) {
			return errors.New("two moduli share a factor")
		}
		for _, other := range all {
			if !coprime(other, n) || !coprime(other, tilde) {
				return errors.New("two moduli share a factor")
			}
		}
		all = append(all, n, tilde)
		for _, h := range []*big.Int{d.H1j[j], d.H2j[j]} {
			if h.Cmp(one) <= 0 || h.Cmp(tilde) >= 0 || big.Jacobi(h, tilde) != 1 {
				return errors.New("a base is out of range or no square")
			}
		}
	}
	return nil
}

// complete reports whether all numbers are there. The engine has two answers of
// its own to that, and neither looks at all of them.
func complete(d *keygen.LocalPreParams) bool {
	sk := d.PaillierSK
	return sk != nil && !slices.Contains([]*big.Int{
		sk.N, sk.PhiN, sk.LambdaN, sk.P, sk.Q, d.NTildei, d.H1i, d.H2i, d.Alpha, d.Beta, d.P, d.Q,
	}, nil)
}

// checkPreParams checks one member's secret moduli, all but primality.
func checkPreParams(d *keygen.LocalPreParams) error {
	if !complete(d) {
		return errors.New("a secret number is missing")
	}
	sk := d.PaillierSK
	p, q := safeOf(d.P), safeOf(d.Q)
	for _, n := range []*big.Int{sk.P, sk.Q, p, q} {
		if n.Sign() <= 0 || n.BitLen() != safeBits || n.Bit(0) == 0 {
			return errors.New("a prime has the wrong size")
		}
	}
	want := paillierKey(sk.P, sk.Q)
	group := new(big.Int).Mul(d.P, d.Q)
	product := new(big.Int).Mul(d.Alpha, d.Beta)
	for _, h := range []*big.Int{d.H1i, d.H2i} {
		if h.Cmp(one) <= 0 || h.Cmp(d.NTildei) >= 0 {
			return errors.New("a base is out of range")
		}
	}
	switch {
	case !farFromAll(new(big.Int).Rsh(sk.P, 1), []*big.Int{new(big.Int).Rsh(sk.Q, 1)}, safeBits), !farFromAll(d.P, []*big.Int{d.Q}, safeBits):
		return errors.New("two primes are equal or close")
	case want.N.Cmp(sk.N) != 0 || want.PhiN.Cmp(sk.PhiN) != 0 || want.LambdaN.Cmp(sk.LambdaN) != 0:
		return errors.New("the Paillier modulus is not the product of its primes")
	case new(big.Int).Mul(p, q).Cmp(d.NTildei) != 0:
		return errors.New("NTilde is not (2p+1)(2q+1)")
	case sk.N.BitLen() != modulusBits || d.NTildei.BitLen() != modulusBits:
		return fmt.Errorf("a modulus has not %d bits", modulusBits)
	case !coprime(sk.N, d.NTildei):
		return errors.New("the Paillier modulus and NTilde share a prime")
	case d.Alpha.BitLen() > modulusBits || d.Beta.BitLen() > modulusBits:
		return errors.New("alpha or beta is out of range")
	case d.Alpha.Sign() <= 0 || d.Beta.Sign() <= 0 || product.Mod(product, group).Cmp(one) != 0:
		return errors.New("alpha * beta is not 1")
	case big.Jacobi(d.H1i, p) != 1 || big.Jacobi(d.H1i, q) != 1:
		return errors.New("h1 is no square")
	case new(big.Int).Exp(d.H1i, d.Alpha, d.NTildei).Cmp(d.H2i) != 0:
		return errors.New("h2 is not h1^alpha")
	}
	return nil
}

// checkPoints checks that the secret share belongs to the public one, and the
// public ones.
func (s *Share) checkPoints() error {
	d := &s.data
	if d.Xi.Sign() <= 0 || d.Xi.Cmp(order) >= 0 {
		return errors.New("secret share is out of range")
	}
	if !ecrypto.ScalarBaseMult(engine.S256(), d.Xi).Equals(d.BigXj[s.index()]) {
		return errors.New("secret share does not belong to the own public share")
	}
	return checkPolynomial(d, s.threshold)
}

// checkPolynomial checks that the public shares lie on one polynomial of the
// right degree whose value at zero is the public key; so any threshold of them
// make it.
func checkPolynomial(d *keygen.LocalPartySaveData, threshold int) error {
	for _, p := range append(slices.Clone(d.BigXj), d.ECDSAPub) {
		if !onCurve(p.X(), p.Y()) {
			return errors.New("a public share is not on the curve")
		}
	}
	at := func(x *big.Int) *ecrypto.ECPoint { return interpolate(d.Ks[:threshold], d.BigXj[:threshold], x) }
	if !at(new(big.Int)).Equals(d.ECDSAPub) {
		return errors.New("public shares don't make the public key")
	}
	for j := threshold; j < len(d.Ks); j++ {
		if !at(d.Ks[j]).Equals(d.BigXj[j]) {
			return errors.New("public shares don't lie on one polynomial")
		}
	}
	return nil
}

// interpolate evaluates at x, in the exponent, the polynomial through the
// points (ks, ys). It returns nil where the sum does not exist as a point.
func interpolate(ks []*big.Int, ys []*ecrypto.ECPoint, x *big.Int) *ecrypto.ECPoint {
	var sum *ecrypto.ECPoint
	for i := range ks {
		l := lagrange(ks, i, x)
		if l == nil {
			return nil
		}
		term := ys[i].ScalarMult(l)
		if sum == nil {
			sum = term
			continue
		}
		var err error
		if sum, err = sum.Add(term); err != nil {
			return nil
		}
	}
	return sum
}

// lagrange is the i-th Lagrange coefficient at x over the points ks, modulo the
// order; nil where it is zero or does not exist.
func lagrange(ks []*big.Int, i int, x *big.Int) *big.Int {
	num, den := big.NewInt(1), big.NewInt(1)
	for j := range ks {
		if i != j {
			num.Mul(num, new(big.Int).Sub(x, ks[j])).Mod(num, order)
			den.Mul(den, new(big.Int).Sub(ks[i], ks[j])).Mod(den, order)
		}
	}
	if den.Sign() == 0 || num.Sign() == 0 {
		return nil
	}
	return num.Mul(num, den.ModInverse(den, order)).Mod(num, order)
}
