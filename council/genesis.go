package council

import (
	"fmt"

	"github.com/ethereum/go-ethereum/common"
)

// NodeSignature is one node's signature with its owner's name.
type NodeSignature struct {
	Member MemberID `json:"member"`
	Sig    []byte   `json:"sig"`
}

// Genesis is the birth record of the council's key, signed by the nodes of all
// members at the end of key generation. Its hash is the council id.
type Genesis struct {
	Roster     common.Hash     `json:"roster"`
	ShareEpoch uint64          `json:"shareEpoch"`
	Key        common.Address  `json:"key"`
	Transcript common.Hash     `json:"transcript"` // of all broadcasts of the key generation, as every node saw them
	Sigs       []NodeSignature `json:"sigs"`
}

// ID is the council id: the hash of the record without its signatures.
func (g Genesis) ID() common.Hash {
	return hashRLP("millicent/genesis/1", struct {
		Roster     common.Hash
		ShareEpoch uint64
		Key        common.Address
		Transcript common.Hash
	}{g.Roster, g.ShareEpoch, g.Key, g.Transcript})
}

// Sign makes this node's signature over the record.
func (g Genesis) Sign(self MemberID, key NodeSigner) (NodeSignature, error) {
	id := g.ID()
	sig, err := key.SignNode(PurposeGenesis, id[:])
	if err != nil {
		return NodeSignature{}, fmt.Errorf("sign genesis: %w", err)
	}
	return NodeSignature{Member: self, Sig: sig}, nil
}

// VerifySignature checks one node's signature over the record.
func (g Genesis) VerifySignature(r Roster, s NodeSignature) error {
	m, ok := r.Member(s.Member)
	if !ok {
		return fmt.Errorf("genesis: %s is not in the roster", s.Member)
	}
	id := g.ID()
	if err := VerifyNode(m.Peer, PurposeGenesis, id[:], s.Sig); err != nil {
		return fmt.Errorf("genesis: %s: %w", s.Member, err)
	}
	return nil
}

// Verify checks that the nodes of all members of r signed the record.
func (g Genesis) Verify(r Roster) error {
	h, err := r.Hash()
	if err != nil {
		return err
	}
	if g.Roster != h {
		return fmt.Errorf("genesis: made by roster %s, not %s", g.Roster.Hex(), h.Hex())
	}
	seen := map[MemberID]bool{}
	for _, s := range g.Sigs {
		if seen[s.Member] {
			return fmt.Errorf("genesis: %s signed twice", s.Member)
		}
		seen[s.Member] = true
		if err := g.VerifySignature(r, s); err != nil {
			return err
		}
	}
	for _, m := range r.Members {
		if !seen[m.ID] {
			return fmt.Errorf("genesis: the signature of %s is missing", m.ID)
		}
	}
	return nil
}
