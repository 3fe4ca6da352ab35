package keystore

import (
	"path/filepath"
	"testing"
)

// What a member waits for at each start: scrypt, once, whatever the number of
// secrets.
func BenchmarkOpenWithPassphrase(b *testing.B) {
	dir := filepath.Join(b.TempDir(), "keys")
	u := weak("phrase").WorkFactor(DefaultWorkFactor)
	s, err := Create(dir, u)
	if err != nil {
		b.Fatal(err)
	}
	_ = s.Close()
	for b.Loop() {
		s, err := Open(dir, u)
		if err != nil {
			b.Fatal(err)
		}
		_ = s.Close()
	}
}

func BenchmarkStage(b *testing.B) {
	s, _, _ := made(b)
	secret := make([]byte, 64<<10)
	for e := uint64(1); b.Loop(); e++ {
		if err := s.Stage(e, meta(e), secret); err != nil {
			b.Fatal(err)
		}
	}
}
