package tss

import (
	"errors"
	"fmt"
	"math/big"
	"sync"

	engine "github.com/bnb-chain/tss-lib/v2/tss"
)

var (
	one       = big.NewInt(1)
	fieldSize = engine.S256().Params().P
	orderCube = new(big.Int).Exp(order, big.NewInt(3), nil)
	orderLong = new(big.Int).Exp(order, big.NewInt(7), nil)
)

// anyModulus stands for a modulus that is not known. It lies above all of them,
// so what is out of its range is out of the range of each.
var anyModulus = new(big.Int).Lsh(one, modulusBits)

// number reads a positive number of at most limit bytes in its shortest form,
// which is what the engine writes.
func number(what string, b []byte, limit int) (*big.Int, error) {
	switch {
	case len(b) == 0:
		return nil, fmt.Errorf("%s is missing or zero", what)
	case len(b) > limit:
		return nil, fmt.Errorf("%s has %d bytes; at most %d", what, len(b), limit)
	case b[0] == 0:
		return nil, fmt.Errorf("%s has leading zeros", what)
	}
	return new(big.Int).SetBytes(b), nil
}

// below reads a number in (0, bound).
func below(what string, b []byte, bound *big.Int) (*big.Int, error) {
	n, err := number(what, b, (bound.BitLen()+7)/8)
	if err != nil {
		return nil, err
	}
	if n.Cmp(bound) >= 0 {
		return nil, fmt.Errorf("%s is out of range", what)
	}
	return n, nil
}

// unit reads a number in (1, bound) that has no factor in common with n.
func unit(what string, b []byte, bound, n *big.Int) (*big.Int, error) {
	v, err := below(what, b, bound)
	if err != nil {
		return nil, err
	}
	if v.Cmp(one) == 0 {
		return nil, fmt.Errorf("%s is 1", what)
	}
	if n != anyModulus && !coprime(v, n) {
		return nil, fmt.Errorf("%s has a factor in common with its modulus", what)
	}
	return v, nil
}

// coordinates reads an affine point.
func coordinates(what string, x, y []byte) error {
	px, err := number(what, x, scalarBytes)
	if err != nil {
		return err
	}
	py, err := number(what, y, scalarBytes)
	if err != nil {
		return err
	}
	if !onCurve(px, py) {
		return fmt.Errorf("%s is not on the curve", what)
	}
	return nil
}

// onCurve reports whether x, y is an affine point of secp256k1 (y^2 = x^3 + 7)
// with coordinates in their canonical range; the engine's curve reduces first.
func onCurve(x, y *big.Int) bool {
	if x.Sign() < 0 || y.Sign() < 0 || x.Cmp(fieldSize) >= 0 || y.Cmp(fieldSize) >= 0 {
		return false
	}
	l := new(big.Int).Mul(y, y)
	r := new(big.Int).Mul(x, x)
	r.Mul(r, x).Add(r, big.NewInt(7)).Sub(r, l)
	return r.Mod(r, fieldSize).Sign() == 0
}

func coprime(a, b *big.Int) bool {
	return new(big.Int).GCD(nil, nil, a, b).Cmp(one) == 0
}

// primorial is the product of all odd primes below smallFactor.
var primorial = sync.OnceValue(func() *big.Int {
	p := big.NewInt(1)
	chunk := big.NewInt(1)
	for _, q := range primesBelow(smallFactor) {
		chunk.Mul(chunk, big.NewInt(int64(q)))
		if chunk.BitLen() > 4096 {
			p.Mul(p, chunk)
			chunk.SetInt64(1)
		}
	}
	return p.Mul(p, chunk)
})

// checkModulus checks what every modulus must be, whoever made it: odd (an even
// one makes big.Jacobi panic inside the engine), of exactly the right size, and
// without a small factor.
func checkModulus(what string, n *big.Int) error {
	switch {
	case n.BitLen() != modulusBits:
		return fmt.Errorf("%s has %d bits; want %d", what, n.BitLen(), modulusBits)
	case n.Bit(0) == 0:
		return fmt.Errorf("%s is even", what)
	case !coprime(new(big.Int).Mod(primorial(), n), n):
		return fmt.Errorf("%s has a small factor", what)
	}
	return nil
}

// scalar reads a number in (0, q). Zero, or a multiple of q, makes the engine
// multiply a point by zero, and panic over the result.
func scalar(what string, b []byte) (*big.Int, error) { return below(what, b, order) }

// safely turns a panic of f into an error. The engine's parsers trust length
// prefixes.
func safely(f func() error) (err error) {
	defer func() {
		if recover() != nil {
			err = errors.New("parser panicked")
		}
	}()
	return f()
}
