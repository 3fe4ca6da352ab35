package configs

import (
	"os"
	"path/filepath"
	"testing"
)

// FuzzLoad reads anything as signer.yaml: what is taken is whole, and no path in it is
// relative any more.
func FuzzLoad(f *testing.F) {
	sample, err := Sample{}.YAML()
	if err != nil {
		f.Fatal(err)
	}
	for _, s := range []string{sample, minimal, "", "member: 007\nchains: [{id: 1, rpcs: [http://localhost:8545]}]\n", "unlock:\n", "waits: {deadline: 1h}\n"} {
		f.Add([]byte(s))
	}
	path := filepath.Join(f.TempDir(), "signer.yaml")
	f.Fuzz(func(t *testing.T, b []byte) {
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		l, err := Load(Options{File: path})
		if err != nil {
			if err.Error() == "" {
				t.Fatal("refused without a reason")
			}
			return
		}
		for _, p := range []string{l.Data, l.Socket, l.Roster, l.KeyDir()} {
			if !filepath.IsAbs(p) {
				t.Fatalf("path %q", p)
			}
		}
		if l.Member == "" || len(l.Listen) == 0 {
			t.Fatalf("taken without a member or an address: %+v", l.Config)
		}
	})
}
