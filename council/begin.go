package council

import (
	"errors"
	"fmt"
	"slices"

	"github.com/ethereum/go-ethereum/common"
)

// Begin opens a signing attempt. It carries its own proof: each signer derives
// nonce, digest and quorum for itself and compares. Nothing in it is free: what
// is not derived is checked or zero.
type Begin struct {
	Council     common.Hash
	Epoch       uint64 // share epoch
	Roster      common.Hash
	Proposal    ProposalID
	Chain       uint64
	Nonce       uint64 // zero for a message
	Attempt     uint64 // counts from 1 for each (chain, nonce); for a message, for each proposal
	Fees        Fees   // zero for a message
	Digest      common.Hash
	Coordinator MemberID
	Slot        SessionID  // armed by these signers, to be fired; zero for none
	Signers     []MemberID // sorted
	Approvals   []Approval
}

// Hash commits to the whole Begin.
func (b Begin) Hash() common.Hash { return hashRLP("millicent/begin/1", b) }

// Session is the id of the session that signs from the start, without a slot.
func (b Begin) Session() SessionID { return SessionID(hashRLP("millicent/session/sign/1", b.Hash())) }

// Fired is the id of the session that fires the slot; zero when none is named.
func (b Begin) Fired() SessionID {
	if b.Slot == (SessionID{}) {
		return SessionID{}
	}
	return FireSession(b.Slot, b.Hash())
}

// Envelope is the transaction that this Begin asks to sign.
func (b Begin) Envelope(deed Transaction) Envelope {
	return Envelope{Deed: deed, Nonce: b.Nonce, Fees: b.Fees}
}

// Check compares the Begin with what this node knows, all but the quorum and a
// transaction's nonce, which need more than values.
func (b Begin) Check(h Holding, in Intent) error {
	r := h.Roster
	roster, err := r.Hash()
	if err != nil {
		return err
	}
	id, err := Propose(h.Council, in)
	if err != nil {
		return err
	}
	switch {
	case b.Council != h.Council:
		return errors.New("begin: for another council")
	case b.Epoch != h.Epoch:
		return fmt.Errorf("begin: for share epoch %d; in force is %d", b.Epoch, h.Epoch)
	case b.Roster != roster:
		return errors.New("begin: for another roster")
	case b.Proposal != id:
		return fmt.Errorf("begin: for proposal %s, not %s", b.Proposal.Short(), id.Short())
	case b.Attempt == 0:
		return errors.New("begin: attempts count from 1")
	case len(b.Signers) != r.Threshold:
		return fmt.Errorf("begin: %d signers; want %d", len(b.Signers), r.Threshold)
	case len(b.Approvals) > len(r.Members): // each costs the checking of a signature
		return fmt.Errorf("begin: %d approvals of %d members", len(b.Approvals), len(r.Members))
	case !slices.Contains(b.Signers, b.Coordinator):
		return fmt.Errorf("begin: coordinator %s is not among the signers", b.Coordinator)
	}
	if !ordered(b.Signers) {
		return errors.New("begin: signers are not sorted and distinct")
	}
	for _, s := range b.Signers {
		if _, ok := r.Member(s); !ok {
			return fmt.Errorf("begin: signer %s is not in the roster", s)
		}
	}
	if err := b.Binds(in); err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	return nil
}
