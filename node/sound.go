package node

import (
	"crypto/sha256"
	"sync"
)

// Sound are the shares that this process has found to be sound, by the hash of their
// bytes. Who makes one node after the other has them share it: when the roster changes,
// the council can sign nothing until they run again, and an audit takes its time. A share
// from an earlier process is audited.
type Sound struct {
	mu  sync.Mutex
	all map[[sha256.Size]byte]bool
}

// audited notes the bytes of a share that was audited.
func (s *Sound) audited(share []byte) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all == nil {
		s.all = map[[sha256.Size]byte]bool{}
	}
	s.all[sha256.Sum256(share)] = true
}

// has reports whether a share of these very bytes was.
func (s *Sound) has(share []byte) bool {
	if s == nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.all[sha256.Sum256(share)]
}
