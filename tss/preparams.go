package tss

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"math/big"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/ethereum/go-ethereum/rlp"

	"github.com/bnb-chain/tss-lib/v2/crypto/paillier"
	"github.com/bnb-chain/tss-lib/v2/ecdsa/keygen"

	"github.com/millicent-one/signer/council"
)

// PreParams are one member's secret numbers for one key generation: a Paillier
// key, and a ring-Pedersen modulus with its bases. They take a while to find
// and depend on nothing, so they are made ahead. They serve once: NewKeygen
// consumes them.
type PreParams struct{ *preParams }

type preParams struct {
	data keygen.LocalPreParams
	used atomic.Bool
}

// PreParamsOptions say how to search.
type PreParamsOptions struct {
	Rand     io.Reader             // crypto/rand.Reader if nil
	Workers  int                   // goroutines; all processors if 0
	Progress func(done, total int) // called after each prime found, of 4; may be nil
}

// GeneratePreParams searches four safe primes of 1024 bits. It takes a second
// or two on two processors, and returns soon after ctx is cancelled, with its
// error.
func GeneratePreParams(ctx context.Context, o PreParamsOptions) (*PreParams, error) {
	if o.Rand == nil {
		o.Rand = rand.Reader
	}
	if o.Workers <= 0 {
		o.Workers = runtime.GOMAXPROCS(0)
	}
	if o.Progress == nil {
		o.Progress = func(int, int) {}
	}
	o.Rand = &lockedReader{r: o.Rand}
	found, err := safePrimes(ctx, o, safeBits, 4)
	if err != nil {
		return nil, fmt.Errorf("search safe primes: %w", err)
	}
	pre, err := assemble(o.Rand, found)
	if err != nil {
		return nil, fmt.Errorf("make pre-parameters: %w", err)
	}
	return &PreParams{&preParams{data: *pre}}, nil
}

// safePrimes finds the halves q of `count` safe primes p = 2q+1 of a given size,
// no two of them close to each other.
func safePrimes(ctx context.Context, o PreParamsOptions, bits, count int) ([]*big.Int, error) {
	ctx, cancel := context.WithCancel(ctx)
	type result struct {
		q   *big.Int
		err error
	}
	results := make(chan result)
	var workers sync.WaitGroup
	for range o.Workers {
		workers.Go(func() {
			s := &sieve{bits: bits, rand: o.Rand}
			for {
				q, err := s.window(ctx)
				if q == nil && err == nil {
					continue
				}
				select {
				case results <- result{q, err}:
				case <-ctx.Done():
					return
				}
				if err != nil {
					return
				}
			}
		})
	}
	defer workers.Wait()
	defer cancel()

	var found []*big.Int
	o.Progress(0, count)
	for len(found) < count {
		select {
		case r := <-results:
			if r.err != nil {
				return nil, r.err
			}
			if !farFromAll(r.q, found, bits) {
				continue
			}
			found = append(found, r.q)
			o.Progress(len(found), count)
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return found, nil
}

// farFromAll keeps the factors of a modulus apart, by FIPS 186-5's bound:
// Fermat's method finds two that are close.
func farFromAll(q *big.Int, others []*big.Int, bits int) bool {
	for _, o := range others {
		if new(big.Int).Sub(q, o).BitLen()+1 <= bits-gapBits {
			return false
		}
	}
	return true
}

// assemble makes the engine's pre-parameters of four Sophie Germain primes, as
// its own prepare.go does: h1 is a random square modulo NTilde, h2 = h1^alpha,
// and beta = 1/alpha modulo the order of the squares.
func assemble(random io.Reader, q []*big.Int) (*keygen.LocalPreParams, error) {
	p1, q1, p, q2 := safeOf(q[0]), safeOf(q[1]), q[2], q[3]
	tilde := new(big.Int).Mul(safeOf(p), safeOf(q2))
	group := new(big.Int).Mul(p, q2)
	root, err := randomUnit(random, tilde)
	if err != nil {
		return nil, err
	}
	h1 := root.Mul(root, root)
	h1.Mod(h1, tilde)
	for {
		alpha, err := randomUnit(random, tilde)
		if err != nil {
			return nil, err
		}
		beta := new(big.Int).ModInverse(alpha, group)
		if beta == nil {
			continue
		}
		pre := &keygen.LocalPreParams{
			PaillierSK: paillierKey(p1, q1),
			NTildei:    tilde,
			H1i:        h1,
			H2i:        new(big.Int).Exp(h1, alpha, tilde),
			Alpha:      alpha,
			Beta:       beta,
			P:          p,
			Q:          q2,
		}
		return pre, checkPreParams(pre)
	}
}

func safeOf(q *big.Int) *big.Int {
	p := new(big.Int).Lsh(q, 1)
	return p.Add(p, one)
}

// paillierKey derives a Paillier key from its primes.
func paillierKey(p, q *big.Int) *paillier.PrivateKey {
	p1, q1 := new(big.Int).Sub(p, one), new(big.Int).Sub(q, one)
	phi := new(big.Int).Mul(p1, q1)
	gcd := new(big.Int).GCD(nil, nil, p1, q1)
	return &paillier.PrivateKey{
		PublicKey: paillier.PublicKey{N: new(big.Int).Mul(p, q)},
		LambdaN:   new(big.Int).Div(phi, gcd),
		PhiN:      phi,
		P:         p,
		Q:         q,
	}
}

func randomUnit(random io.Reader, n *big.Int) (*big.Int, error) {
	for {
		v, err := rand.Int(random, n)
		if err != nil {
			return nil, err
		}
		if v.Sign() > 0 && coprime(v, n) {
			return v, nil
		}
	}
}

// moduli are the public moduli.
func (p *PreParams) moduli() (n, tilde *big.Int) { return p.data.PaillierSK.N, p.data.NTildei }

// Served reports whether a modulus of the set is among those of earlier
// attempts: then it must not serve again.
func (p *PreParams) Served(seen Seen) bool {
	n, tilde := p.moduli()
	return seen.has(n) || seen.has(tilde)
}

// take hands out the numbers, once, and not if they served an earlier attempt.
func (p *PreParams) take(seen Seen) (keygen.LocalPreParams, error) {
	if p == nil || p.preParams == nil {
		return keygen.LocalPreParams{}, errors.New("pre-parameters are missing")
	}
	if err := checkPreParams(&p.data); err != nil {
		return keygen.LocalPreParams{}, err
	}
	if p.Served(seen) {
		return keygen.LocalPreParams{}, council.WithHint(errors.New("pre-parameters served an earlier attempt"), "make new ones")
	}
	if p.used.Swap(true) {
		return keygen.LocalPreParams{}, council.WithHint(errors.New("pre-parameters have been used"),
			"make new ones: a second session with the same numbers could give them away")
	}
	return clonePreParams(p.data), nil
}

// String keeps the numbers out of logs.
func (PreParams) String() string { return "[pre-parameters]" }

// GoString keeps the numbers out of %#v.
func (PreParams) GoString() string { return "[pre-parameters]" }

// Format keeps the numbers out of every other verb.
func (PreParams) Format(f fmt.State, _ rune) { io.WriteString(f, "[pre-parameters]") }

// MarshalJSON keeps the numbers out of JSON.
func (PreParams) MarshalJSON() ([]byte, error) { return []byte(`"[pre-parameters]"`), nil }

const preParamsKind = "millicent pre-parameters"

type preParamsV1 struct {
	PaillierP, PaillierQ, P, Q, H1, Alpha, Beta *big.Int
}

// MarshalBinary is the stored form. It is secret.
func (p *PreParams) MarshalBinary() ([]byte, error) {
	if p.preParams == nil {
		return nil, errors.New("pre-parameters are missing")
	}
	if err := checkPreParams(&p.data); err != nil {
		return nil, err
	}
	d := &p.data
	return seal(preParamsKind, 1, preParamsV1{d.PaillierSK.P, d.PaillierSK.Q, d.P, d.Q, d.H1i, d.Alpha, d.Beta})
}

// UnmarshalPreParams reads what MarshalBinary wrote. It checks how the numbers
// fit together; that the primes are primes is checked when the share is.
func UnmarshalPreParams(b []byte) (*PreParams, error) {
	var v preParamsV1
	if len(b) > maxPreParams {
		return nil, fmt.Errorf("read pre-parameters: %d bytes; at most %d", len(b), maxPreParams)
	}
	body, err := unseal(preParamsKind, 1, b)
	if err != nil {
		return nil, fmt.Errorf("read pre-parameters: %w", err)
	}
	if err := rlp.DecodeBytes(body, &v); err != nil {
		return nil, fmt.Errorf("read pre-parameters: %w", err)
	}
	for _, n := range []*big.Int{v.PaillierP, v.PaillierQ, safeOf(v.P), safeOf(v.Q)} {
		if n.BitLen() != safeBits {
			return nil, errors.New("read pre-parameters: a prime has the wrong size")
		}
	}
	if v.Alpha.BitLen() > modulusBits || v.H1.BitLen() > modulusBits {
		return nil, errors.New("read pre-parameters: a number is out of range")
	}
	tilde := new(big.Int).Mul(safeOf(v.P), safeOf(v.Q))
	p := &PreParams{&preParams{data: keygen.LocalPreParams{
		PaillierSK: paillierKey(v.PaillierP, v.PaillierQ),
		NTildei:    tilde,
		H1i:        v.H1,
		H2i:        new(big.Int).Exp(v.H1, v.Alpha, tilde),
		Alpha:      v.Alpha,
		Beta:       v.Beta,
		P:          v.P,
		Q:          v.Q,
	}}}
	if err := checkPreParams(&p.data); err != nil {
		return nil, fmt.Errorf("read pre-parameters: %w", err)
	}
	return p, nil
}

// lockedReader lets several workers read from one source.
type lockedReader struct {
	mu sync.Mutex
	r  io.Reader
}

func (l *lockedReader) Read(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.r.Read(b)
}
