package council

import (
	"errors"
	"fmt"
	"slices"

	"github.com/ethereum/go-ethereum/common"
)

// Begin opens a signing attempt. It carries its own proof: each signer derives
// nonce, digest and quorum for itself and compares.
type Begin struct {
	Council     common.Hash
	Epoch       uint64 // share epoch
	Roster      common.Hash
	Proposal    ProposalID
	Chain       uint64
	Nonce       uint64
	Attempt     uint64 // counts from 1 for each (chain, nonce)
	Fees        Fees
	Digest      common.Hash
	Coordinator MemberID
	Signers     []MemberID // sorted
	Approvals   []Approval
}

// Hash commits to the whole Begin.
func (b Begin) Hash() common.Hash { return hashRLP("millicent/begin/1", b) }

// Session is the id of the signing session that this Begin opens.
func (b Begin) Session() SessionID { return SessionID(hashRLP("millicent/session/sign/1", b.Hash())) }

// Envelope is the transaction that this Begin asks to sign.
func (b Begin) Envelope(deed Transaction) Envelope {
	return Envelope{Deed: deed, Nonce: b.Nonce, Fees: b.Fees}
}

// Check compares the Begin with what this node knows, all but the quorum and
// the nonce, which need more than values.
func (b Begin) Check(g Genesis, r Roster, deed Transaction) error {
	roster, err := r.Hash()
	if err != nil {
		return err
	}
	id, err := Propose(g.ID(), deed)
	if err != nil {
		return err
	}
	switch {
	case b.Council != g.ID():
		return errors.New("begin: for another council")
	case b.Epoch != g.ShareEpoch:
		return fmt.Errorf("begin: for share epoch %d; in force is %d", b.Epoch, g.ShareEpoch)
	case b.Roster != roster:
		return errors.New("begin: for another roster")
	case b.Proposal != id:
		return fmt.Errorf("begin: for proposal %s, not %s", b.Proposal.Short(), id.Short())
	case b.Chain != deed.Chain:
		return fmt.Errorf("begin: for chain %d, not %d", b.Chain, deed.Chain)
	case b.Attempt == 0:
		return errors.New("begin: attempts count from 1")
	case len(b.Signers) != r.Threshold:
		return fmt.Errorf("begin: %d signers; want %d", len(b.Signers), r.Threshold)
	case !slices.Contains(b.Signers, b.Coordinator):
		return fmt.Errorf("begin: coordinator %s is not among the signers", b.Coordinator)
	}
	for i, s := range b.Signers {
		if i > 0 && b.Signers[i-1] >= s {
			return errors.New("begin: signers are not sorted and distinct")
		}
		if _, ok := r.Member(s); !ok {
			return fmt.Errorf("begin: signer %s is not in the roster", s)
		}
	}
	if err := b.Fees.Within(deed); err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	if d := b.Envelope(deed).Digest(); d != b.Digest {
		return fmt.Errorf("begin: digest %s does not follow from the proposal; it would be %s", b.Digest.Hex(), d.Hex())
	}
	return nil
}
