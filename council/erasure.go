package council

import (
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
)

// Erasure is a member's word that its node has erased its share of an epoch, and
// that backups of it are void. It is attested, not proven: old shares that
// somebody kept still make the key, if there are enough of them.
type Erasure struct {
	Member   MemberID    `json:"member"`
	Council  common.Hash `json:"council"`
	Ceremony common.Hash `json:"ceremony"` // of the rotation that replaced it
	Epoch    uint64      `json:"epoch"`    // share epoch that is erased
	Sig      []byte      `json:"sig"`
}

// Erasure is the statement of a member of the old roster. There is none without
// the proof that the rotation is committed; and none where no share was moved: the one
// at hand is the only one that the member has.
func (s Switch) Erasure(self MemberID) (Erasure, error) {
	if !s.Proven() {
		return Erasure{}, errors.New("erasure: the rotation is not committed")
	}
	if s.rotation.Still() {
		return Erasure{}, fmt.Errorf("erasure: the step to roster %d moved no share; that of epoch %d stays in use", s.after.Roster.Version, s.before.Epoch)
	}
	if _, ok := s.before.Roster.Member(self); !ok {
		return Erasure{}, fmt.Errorf("erasure: %s held no share", self)
	}
	return Erasure{Member: self, Council: s.before.Council, Ceremony: s.ceremony, Epoch: s.before.Epoch}, nil
}

// ID is the hash that is signed.
func (e Erasure) ID() common.Hash {
	e.Sig = nil
	return hashRLP("millicent/erasure/1", e)
}

// Sign signs the statement with the node key of its member.
func (e Erasure) Sign(key NodeSigner) (Erasure, error) {
	id := e.ID()
	sig, err := key.SignNode(PurposeErasure, id[:])
	if err != nil {
		return Erasure{}, fmt.Errorf("sign erasure: %w", err)
	}
	e.Sig = sig
	return e, nil
}

// Verify checks a statement against the rotation that it is about.
func (e Erasure) Verify(s Switch) error {
	want, err := s.Erasure(e.Member)
	if err != nil {
		return err
	}
	if e.ID() != want.ID() {
		return fmt.Errorf("erasure: the statement of %s is about another rotation", e.Member)
	}
	m, _ := s.before.Roster.Member(e.Member)
	id := e.ID()
	if err := VerifyNode(m.Peer, PurposeErasure, id[:], e.Sig); err != nil {
		return fmt.Errorf("erasure: %s: %w", e.Member, err)
	}
	return nil
}
