package tss

import (
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
)

// Seen are the hashes of all moduli of earlier epochs and of aborted attempts.
// A modulus must never serve twice: who kept the factors, or learnt them from
// an attempt that failed, could use them against the next key.
type Seen map[common.Hash]struct{}

// Add puts hashes, as Share.Moduli and Session.Moduli give them, into the set.
func (s Seen) Add(hashes ...common.Hash) {
	for _, h := range hashes {
		s[h] = struct{}{}
	}
}

func (s Seen) has(n *big.Int) bool {
	_, ok := s[modulusHash(n)]
	return ok
}

func modulusHash(n *big.Int) common.Hash {
	return crypto.Keccak256Hash([]byte("millicent/modulus/1\x00"), n.Bytes())
}

// Moduli are the hashes of all moduli of this key generation or resharing heard
// so far, own ones included, for the Seen set of the next: an attempt that is
// aborted burns them. Nil for a signing session.
func (s *Session) Moduli() []common.Hash {
	if s.kind != kindKeygen && s.kind != kindReshare {
		return nil
	}
	var out []common.Hash
	for i := range s.members {
		for _, n := range []*big.Int{s.guard.paillier[i], s.guard.tilde[i]} {
			if n != nil {
				out = append(out, modulusHash(n))
			}
		}
	}
	return out
}
