package node

import (
	"crypto/sha256"
	"maps"
	"sync"

	"github.com/millicent-one/signer/tss"
)

// Sound are the shares that this process has found to be sound, by the hash of their
// bytes. Who makes one node after the other has them share it: when the roster changes,
// the council can sign nothing until they run again, and to read and to audit a share takes
// its time. A share from an earlier process is audited. One whose epoch is over is forgotten.
type Sound struct {
	mu  sync.Mutex
	all map[[sha256.Size]byte]*tss.Share
}

// audited notes a share that was audited, and its bytes.
func (s *Sound) audited(secret []byte, share *tss.Share) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all == nil {
		s.all = map[[sha256.Size]byte]*tss.Share{}
	}
	s.all[sha256.Sum256(secret)] = share
}

// share is the one of these very bytes, or nil if it was not audited.
func (s *Sound) share(secret []byte) *tss.Share {
	if s == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.all[sha256.Sum256(secret)]
}

// forget drops what is no share of this council any more.
func (s *Sound) forget(over func(*tss.Share) bool) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.DeleteFunc(s.all, func(_ [sha256.Size]byte, x *tss.Share) bool { return over(x) })
}
