package tss_test

import (
	"context"
	"crypto/rand"
	"errors"
	"math/big"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"

	"github.com/millicent-one/signer/tss"
)

// TestGeneratePreParams makes one real set and checks it by its definition.
func TestGeneratePreParams(t *testing.T) {
	t.Parallel()
	var steps []int
	pre, err := tss.GeneratePreParams(t.Context(), tss.PreParamsOptions{Progress: func(done, total int) {
		if total != 4 {
			t.Errorf("progress of %d", total)
		}
		steps = append(steps, done)
	}})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(steps, []int{0, 1, 2, 3, 4}) {
		t.Errorf("progress %v", steps)
	}
	d := pre.Secrets()
	half := func(p *big.Int) *big.Int { return new(big.Int).Rsh(p, 1) }
	halves := []*big.Int{d.P, d.Q, half(d.PaillierSK.P), half(d.PaillierSK.Q)}
	for i, q := range halves {
		p := new(big.Int).Lsh(q, 1)
		p.SetBit(p, 0, 1)
		if p.BitLen() != 1024 || p.Bit(1022) != 1 || q.BitLen() != 1023 || !q.ProbablyPrime(10) || !p.ProbablyPrime(10) {
			t.Errorf("prime %d is no safe prime of 1024 bits", i)
		}
		for _, other := range halves[:i] {
			if new(big.Int).Sub(q, other).BitLen() < 900 {
				t.Errorf("prime %d is close to another", i)
			}
		}
	}
	if d.PaillierSK.P.Bit(0) == 0 || d.PaillierSK.Q.Bit(0) == 0 {
		t.Error("even Paillier prime")
	}
	if d.PaillierSK.N.BitLen() != 2048 || d.NTildei.BitLen() != 2048 {
		t.Errorf("moduli of %d and %d bits", d.PaillierSK.N.BitLen(), d.NTildei.BitLen())
	}
	if !d.ValidateWithProof() {
		t.Error("the engine doesn't take them")
	}

	b, err := pre.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	got, err := tss.UnmarshalPreParams(b)
	if err != nil {
		t.Fatal(err)
	}
	again, err := got.MarshalBinary()
	if err != nil || !slices.Equal(b, again) {
		t.Errorf("another form after a round trip: %v", err)
	}
	if got.Secrets().H2i.Cmp(d.H2i) != 0 || got.Secrets().PaillierSK.LambdaN.Cmp(d.PaillierSK.LambdaN) != 0 {
		t.Error("other numbers after a round trip")
	}
	if err := got.Audit(); err != nil {
		t.Error(err)
	}
	seen := tss.Seen{}
	if got.Served(seen) {
		t.Error("a fresh set has served already")
	}
	served := tss.Seen{}
	served.Add(tss.ModulusHash(d.NTildei))
	if !got.Served(served) {
		t.Error("a set whose modulus was seen is fresh")
	}
	// The numbers fit together, and one of them is no prime.
	n := got.Secrets()
	for n.PaillierSK.P.Add(n.PaillierSK.P, big.NewInt(2)); n.PaillierSK.P.ProbablyPrime(0); {
		n.PaillierSK.P.Add(n.PaillierSK.P, big.NewInt(2))
	}
	weak, err := tss.PreParamsOf(n).MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	read, err := tss.UnmarshalPreParams(weak)
	if err != nil {
		t.Fatal(err)
	}
	if err := read.Audit(); err == nil {
		t.Error("a Paillier prime that is none passes the audit")
	}
	for i := 0; i < len(b); i += 31 {
		bad := slices.Clone(b)
		bad[i] ^= 4
		if _, err := tss.UnmarshalPreParams(bad); err == nil {
			t.Errorf("byte %d is not checked", i)
		}
	}
}

// TestSafePrimes looks at many small ones, for which the definition is quickly
// checked and every residue comes up.
func TestSafePrimes(t *testing.T) {
	t.Parallel()
	qs, err := tss.SafePrimes(t.Context(), rand.Reader, 160, 40)
	if err != nil {
		t.Fatal(err)
	}
	for i, q := range qs {
		p := new(big.Int).Lsh(q, 1)
		p.SetBit(p, 0, 1)
		if p.BitLen() != 160 || p.Bit(158) != 1 || !q.ProbablyPrime(20) || !p.ProbablyPrime(20) {
			t.Errorf("%s is no safe prime's half", q)
		}
		if slices.ContainsFunc(qs[:i], func(o *big.Int) bool { return o.Cmp(q) == 0 }) {
			t.Errorf("%s twice", q)
		}
	}
}

// TestSieve compares what is struck with the definition: a small prime divides q or 2q+1.
func TestSieve(t *testing.T) {
	t.Parallel()
	start := new(big.Int).Lsh(big.NewInt(1), 1022)
	random, err := rand.Int(rand.Reader, start)
	if err != nil {
		t.Fatal(err)
	}
	start.Add(start, random.SetBit(random, 0, 1))
	struck := tss.Struck(start)
	if len(struck) != tss.SieveWindow {
		t.Fatalf("%d candidates; want %d", len(struck), tss.SieveWindow)
	}
	primes := tss.PrimesBelow(tss.SievePrimes)
	want := func(i int) bool {
		q := new(big.Int).Add(start, big.NewInt(int64(2*i)))
		p := new(big.Int).Lsh(q, 1)
		p.SetBit(p, 0, 1)
		word, rest := new(big.Int), new(big.Int)
		return slices.ContainsFunc(primes, func(r uint32) bool {
			word.SetUint64(uint64(r))
			return rest.Rem(q, word).Sign() == 0 || rest.Rem(p, word).Sign() == 0
		})
	}
	// Those that are left are few: the first and the last of them, and the first and
	// last of all.
	var left, look []int
	for i, gone := range struck {
		if !gone {
			left = append(left, i)
		}
	}
	if len(left) < len(struck)/1000 || len(left) > len(struck)/100 { // 4 C2 exp(-2 gamma) / ln(SievePrimes)^2 = 0.3 % are expected
		t.Fatalf("%d of %d are left", len(left), len(struck))
	}
	for i := range 20 {
		look = append(look, i, len(struck)-1-i)
	}
	look = append(append(look, left[:5]...), left[len(left)-5:]...)
	for _, i := range look {
		if struck[i] != want(i) {
			t.Errorf("q = start + %d: struck %v", 2*i, struck[i])
		}
	}
}

// TestFarApart looks at the bound of FIPS 186-5 from both sides.
func TestFarApart(t *testing.T) {
	t.Parallel()
	q := new(big.Int).Lsh(big.NewInt(1), 1022)
	apart := func(bits uint) bool {
		o := new(big.Int).Add(q, new(big.Int).Lsh(big.NewInt(1), bits))
		return tss.FarFromAll(q, []*big.Int{o}, 1024) && tss.FarFromAll(o, []*big.Int{new(big.Int), q}, 1024)
	}
	if tss.FarFromAll(q, []*big.Int{q}, 1024) || apart(0) || apart(922) || !apart(923) {
		t.Error("the primes p = 2q+1 may be closer than 2^924 to each other, or must be farther apart")
	}
}

func TestPreParamsCancel(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	var calls atomic.Int32
	_, err := tss.GeneratePreParams(ctx, tss.PreParamsOptions{Progress: func(done, total int) { calls.Add(1); cancel() }})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if n := calls.Load(); n != 1 {
		t.Errorf("%d calls after cancelling in the first", n)
	}
	broken := errors.New("no more randomness")
	if _, err := tss.GeneratePreParams(t.Context(), tss.PreParamsOptions{Rand: iotest.ErrReader(broken)}); !errors.Is(err, broken) {
		t.Errorf("broken source: %v", err)
	}
}

// TestAllProcessorsSearch counts who looks for primes: as many as there are processors,
// unless fewer are asked for.
func TestAllProcessorsSearch(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(5))
	for workers, want := range map[int]int{0: 5, 1: 1, 3: 3} {
		ctx, cancel := context.WithCancel(t.Context())
		searching := -1
		_, err := tss.GeneratePreParams(ctx, tss.PreParamsOptions{Rand: noBytes{ctx}, Workers: workers, Progress: func(int, int) {
			searching = startedHere() // all have been started, and none has found anything
			cancel()
		}})
		if !errors.Is(err, context.Canceled) || searching != want {
			t.Errorf("%d workers asked for: %d search; want %d (%v)", workers, searching, want, err)
		}
	}
}

// noBytes waits for its end.
type noBytes struct{ ctx context.Context }

func (s noBytes) Read([]byte) (int, error) {
	<-s.ctx.Done()
	return 0, s.ctx.Err()
}

// startedHere counts the goroutines of the groups that the caller's has started.
func startedHere() int {
	buf := make([]byte, 4<<20)
	all := string(buf[:runtime.Stack(buf, true)])
	me := strings.Fields(all)[1] // it comes first
	return strings.Count(all, "created by sync.(*WaitGroup).Go in goroutine "+me+"\n")
}
