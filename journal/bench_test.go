package journal

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/millicent-one/signer/council"
)

// What a signature waits for: both include the fsync.

func BenchmarkAppend(b *testing.B) {
	j := open(b, filepath.Join(b.TempDir(), "journal.db"), options(b, "core-1"))
	body := make([]byte, 2000)
	for b.Loop() {
		if _, err := j.Append(council.WordApproved, body, t0); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkReserveReveal(b *testing.B) {
	j := open(b, filepath.Join(b.TempDir(), "journal.db"), options(b, "core-1"))
	for n := uint64(0); b.Loop(); n++ {
		r := row(n, fmt.Sprint("p", n), 1)
		if err := j.Reserve(r); err != nil {
			b.Fatal(err)
		}
		if err := j.Reveal(r.Key, r.Chain, r.Nonce, r.Proposal, r.Digest); err != nil {
			b.Fatal(err)
		}
	}
}
