package tss_test

import (
	"crypto/rand"
	"math/big"
	"testing"

	"github.com/millicent-one/signer/internal/forge"
	"github.com/millicent-one/signer/tss"
)

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
	pf, n := forge.ModulusProof(session, p, small)
	if !pf.Verify(session, n) {
		t.Fatal("the engine doesn't believe the forgery; is it a newer version?")
	}
	parts := pf.Bytes()
	if err := tss.ModulusProof(parts[:], n); err == nil {
		t.Fatal("the guard believes the forgery")
	}
}
