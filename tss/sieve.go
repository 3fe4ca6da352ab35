package tss

import (
	"context"
	"encoding/binary"
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

// striker is two small primes. They share one pass over the words of a number,
// which is most of the work of striking.
type striker struct {
	primes [2]uint32
	back   uint64 // 2^(64*(sieveWords+1)) modulo their product, see residues
}

var strikers = sync.OnceValue(func() []striker {
	primes := primesBelow(sievePrimes)
	out := make([]striker, 0, len(primes)/2)
	for pair := range slices.Chunk(primes, 2) {
		if len(pair) == 2 { // the last one may be alone, and is missed by nobody
			out = append(out, newStriker(pair[0], pair[1]))
		}
	}
	return out
})

func newStriker(a, b uint32) striker {
	s := striker{primes: [2]uint32{a, b}}
	m := s.modulus()
	s.back = -m % m // 2^64
	for range sieveWords {
		_, s.back = bits.Div64(s.back, 0, m)
	}
	return s
}

func (s striker) modulus() uint64 { return uint64(s.primes[0]) * uint64(s.primes[1]) }

// A row of strikers works on one number together: each of their residues waits for
// its last step, so the processor takes a step of the next one meanwhile.
const row = 64

// residues are congruent to the number of these words, the lowest first, modulo both
// primes of each striker, and less than twice their product. Nothing is divided: each
// step adds a word and that multiple of the modulus that makes the sum end in 64 zero
// bits, and drops these; back makes up for what was dropped (Montgomery, "Modular
// Multiplication Without Trial Division", 1985).
func residues(words *[sieveWords]uint64, of []striker, rest *[row]uint64) {
	var modulus, inverse [row]uint64
	for i, s := range of {
		m := s.modulus()
		v := 3*m ^ 2 // the inverse modulo 2^5, and by each step to twice the bits (Newton)
		for range 4 {
			v *= 2 - m*v
		}
		modulus[i], inverse[i] = m, -v
	}
	clear(rest[:])
	for _, w := range words {
		for i := range of {
			low, high := bits.Add64(rest[i], w, 0)
			rest[i] = drop(high, low, modulus[i], inverse[i])
		}
	}
	for i, s := range of {
		high, low := bits.Mul64(rest[i], s.back)
		rest[i] = drop(high, low, modulus[i], inverse[i])
	}
}

// drop takes the low 64 bits out of a number, modulo m; inverse is -1/m modulo 2^64.
func drop(high, low, m, inverse uint64) uint64 {
	up, zero := bits.Mul64(inverse*low, m)
	_, carry := bits.Add64(zero, low, 0)
	return high + up + carry
}

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
// prime.
func (s *sieve) strike(start *big.Int) {
	clear(s.struck[:])
	var words [sieveWords]uint64
	var buf [sieveWords * 8]byte
	start.FillBytes(buf[:])
	for i := range words {
		words[i] = binary.BigEndian.Uint64(buf[len(buf)-8*(i+1):])
	}
	var rest [row]uint64
	for some := range slices.Chunk(strikers(), row) {
		residues(&words, some, &rest)
		for i, pair := range some {
			for _, r := range pair.primes {
				s.strikeMultiples(uint64(r), rest[i]%uint64(r))
			}
		}
	}
}

// strikeMultiples strikes for one prime r, with start = m (mod r).
func (s *sieve) strikeMultiples(r, m uint64) {
	for _, residue := range [...]uint64{0, (r - 1) / 2} {
		// start + 2i = residue (mod r)
		i := residue - m
		if residue < m {
			i += r
		}
		if i%2 == 1 {
			i += r
		}
		for i /= 2; i < uint64(len(s.struck)); i += r {
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
