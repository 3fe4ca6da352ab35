package tss

import (
	"context"
	"io"
	"math/big"
	"math/bits"
	"slices"
	"sync"
)

// primesBelow lists the odd primes below n (Eratosthenes).
func primesBelow(n int) []uint32 {
	composite := make([]bool, n/2) // index i stands for 2i+1
	var out []uint32
	for i := 1; i < len(composite); i++ {
		if composite[i] {
			continue
		}
		p := 2*i + 1
		out = append(out, uint32(p))
		for j := p * p / 2; j < len(composite); j += p {
			composite[j] = true
		}
	}
	return out
}

var strikers = sync.OnceValue(func() []uint32 { return primesBelow(sievePrimes) })

// sieve looks for safe primes: p = 2q+1 with p and q prime. It strikes all odd
// q of a window where q or 2q+1 has a small factor, before any candidate is
// worth an exponentiation (Wiener, "Safe Prime Generation with a Combined
// Sieve", 2003).
type sieve struct {
	bits   int // of p
	rand   io.Reader
	struck [sieveWindow / 2]bool
}

// window looks at one window at a random place for one safe prime, and returns
// its q; nil if there is none. One prime a window: two would be neighbours.
func (s *sieve) window(ctx context.Context) (*big.Int, error) {
	start, err := s.start()
	if err != nil {
		return nil, err
	}
	s.strike(start)
	q, p := new(big.Int), new(big.Int)
	for i := range s.struck {
		if s.struck[i] {
			continue
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		q.Add(start, p.SetInt64(int64(2*i)))
		if q.BitLen() != s.bits-1 {
			return nil, nil // the window ran over the top
		}
		if !fermat(q) {
			continue
		}
		p.Lsh(q, 1)
		p.Add(p, one)
		if fermat(p) && q.ProbablyPrime(primeTests) {
			// p needs no tests of its own (Pocklington): the prime q divides p-1
			// and is larger than the root of p, 2^(p-1) = 1 modulo p, and
			// 2^((p-1)/q) - 1 = 3 is no factor of p, or the sieve had struck it.
			return q, nil
		}
	}
	return nil, nil
}

// primeTests is the number of Miller-Rabin tests with random bases, beside the
// Baillie-PSW test, that a new q has to pass.
const primeTests = 30

// start is a random odd number with one bit less than p. Its two highest bits
// are set, so that the product of two such p has the full length.
func (s *sieve) start() (*big.Int, error) {
	n := s.bits - 1
	buf := make([]byte, (n+7)/8)
	if _, err := io.ReadFull(s.rand, buf); err != nil {
		return nil, err
	}
	q := new(big.Int).SetBytes(buf)
	q.Rsh(q, uint(len(buf)*8-n))
	q.SetBit(q, n-1, 1).SetBit(q, n-2, 1).SetBit(q, 0, 1)
	return q, nil
}

// strike marks each index i where q = start+2i or 2q+1 is a multiple of a small
// prime. Two primes share one pass over the words of start, which is most of
// the work.
func (s *sieve) strike(start *big.Int) {
	clear(s.struck[:])
	words := slices.Clone(start.Bits())
	slices.Reverse(words)
	for pair := range slices.Chunk(strikers(), 2) {
		modulus := uint64(1)
		for _, r := range pair {
			modulus *= uint64(r)
		}
		m := residue(words, modulus)
		for _, r := range pair {
			s.strikeMultiples(uint64(r), m%uint64(r))
		}
	}
}

// residue is the number of these words, the highest first, modulo m < 2^46.
func residue(words []big.Word, m uint64) uint64 {
	var rest uint64
	for _, w := range words {
		if bits.UintSize == 64 {
			_, rest = bits.Div64(rest, uint64(w), m)
		} else {
			_, rest = bits.Div64(rest>>32, rest<<32|uint64(w), m)
		}
	}
	return rest
}

// strikeMultiples strikes for one prime r, with start = m (mod r).
func (s *sieve) strikeMultiples(r, m uint64) {
	half := (r + 1) / 2 // the inverse of 2 modulo r
	for _, residue := range [...]uint64{0, (r - 1) / 2} {
		// start + 2i = residue (mod r)
		for i := (residue + r - m) * half % r; i < uint64(len(s.struck)); i += r {
			s.struck[i] = true
		}
	}
}

// fermat reports whether 2^(n-1) = 1 modulo n, which all odd primes satisfy and
// nearly no composite does.
func fermat(n *big.Int) bool {
	e := new(big.Int).Sub(n, one)
	return e.Exp(big.NewInt(2), e, n).Cmp(one) == 0
}
