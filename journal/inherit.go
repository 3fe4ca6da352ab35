package journal

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rlp"
	bolt "go.etcd.io/bbolt"

	"github.com/millicent-one/signer/council"
)

// Inherit takes over what the members that locked for a rotation have in their
// ledgers, beside what is here already. It can be repeated.
//
//   - a row goes on as it is: nobody else gets its place;
//   - a disputed one stands as displaced: its place is given to nobody but an
//     approved replacement, until a block has decided, and its proposal runs nowhere;
//   - so does a displaced one, also where this node has not heard of what replaces it;
//   - a freed one is given back, if it is only reserved here, too.
//
// A reservation of this node's that the union contradicts is given back. What this
// node has revealed itself stays, whatever the union says.
func (j *Journal) Inherit(key common.Address, in council.Inheritance) error {
	return j.update("inherit ledger", func(tx *bolt.Tx) error {
		for _, r := range in.Freed {
			if err := giveUp(tx, key, r.Place, r.Proposal); err != nil {
				return err
			}
		}
		for _, r := range in.Displaced { // before what has their places now
			if err := inherit(tx, key, r.OpenRow, true); err != nil {
				return err
			}
		}
		for _, r := range in.Rows {
			if err := inherit(tx, key, r.OpenRow, false); err != nil {
				return err
			}
		}
		for _, r := range in.Disputed {
			if err := inherit(tx, key, r.OpenRow, true); err != nil {
				return err
			}
		}
		return nil
	})
}

// giveUp frees a reservation, if there is one.
func giveUp(tx *bolt.Tx, key common.Address, at council.Place, p council.ProposalID) error {
	if at.Digest != (common.Hash{}) {
		c, err := messageAt(tx, at.Digest, p)
		if errors.Is(err, ErrNoRow) || err == nil && c.State != Reserved {
			return nil
		}
		if err != nil {
			return err
		}
		return forget(tx, p, at.Digest[:], []Mark{{Digest: at.Digest}})
	}
	r := Row{Key: key, Chain: at.Chain, Nonce: at.Nonce, Proposal: p}
	k := slotKey(key, at.Chain, at.Nonce)
	s, err := slotAt(tx, k)
	if err != nil {
		return err
	}
	marks, err := s.free(r)
	if errors.Is(err, ErrNoRow) || errors.Is(err, ErrRevealed) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := forget(tx, p, k, marks); err != nil {
		return err
	}
	return putSlot(tx, k, s)
}

func putSlot(tx *bolt.Tx, k []byte, s *slot) error {
	if s.empty() {
		return tx.Bucket(bSlots).Delete(k)
	}
	v, err := rlp.EncodeToBytes(s)
	if err != nil {
		return fmt.Errorf("encode slot: %w", err)
	}
	return tx.Bucket(bSlots).Put(k, v)
}

// inherit puts one row of another's ledger into this one.
func inherit(tx *bolt.Tx, key common.Address, r council.OpenRow, disputed bool) error {
	state := Reserved
	switch {
	case disputed:
		state = Displaced
	case r.State == council.OpenRevealed:
		state = Revealed
	}
	// The place that the proposal has here, if it is another one: it is given back where it
	// is only reserved; where it has run by a final block, it is nothing that it is claimed
	// to run elsewhere, too.
	if held := tx.Bucket(bProposals).Get(r.Proposal[:]); len(held) == slotKeySize {
		place, err := slotAt(tx, held)
		if err != nil {
			return err
		}
		was := (&slot{}).row(held, r.Proposal)
		if was.Chain != r.Place.Chain || was.Nonce != r.Place.Nonce {
			if len(place.Mined) > 0 && place.Mined[0].Proposal == r.Proposal {
				return nil
			}
			if err := giveUp(tx, was.Key, council.Place{Chain: was.Chain, Nonce: was.Nonce}, r.Proposal); err != nil {
				return err
			}
		}
	}
	k := slotKey(key, r.Place.Chain, r.Place.Nonce)
	if r.Place.Digest != (common.Hash{}) {
		k = r.Place.Digest[:]
	}
	// What it has here is more than a reservation, and behind a reservation elsewhere is
	// no signature: no row that nobody could give back.
	if held := tx.Bucket(bProposals).Get(r.Proposal[:]); state == Reserved && held != nil && !bytes.Equal(held, k) {
		return nil
	}
	if r.Place.Digest != (common.Hash{}) {
		return inheritMessage(tx, r, state)
	}
	s, err := slotAt(tx, k)
	if err != nil {
		return err
	}
	if len(s.Mined) > 0 {
		return nil // a block has decided
	}
	// What replaces a proposal that is displaced here already has the place rightly.
	replaces := r.State == council.OpenDisplaced && s.displaced(r.Proposal)
	if cur := s.current(); cur != nil && cur.Proposal != r.Proposal && cur.State == Reserved && !replaces {
		if err := giveUp(tx, key, r.Place, cur.Proposal); err != nil {
			return err
		}
		if s, err = slotAt(tx, k); err != nil {
			return err
		}
	}
	switch o, cur := s.find(r.Proposal), s.current(); {
	case o != nil && o.State != Displaced && disputed:
		o.State = Displaced
	case o != nil && o.State == Reserved:
		o.State = state
	case o != nil:
	case cur != nil && state != Displaced: // what this node has revealed itself
		s.Occupants = append([]occupant{{Proposal: r.Proposal, State: Displaced}}, s.Occupants...)
	case cur != nil:
		s.Occupants = append([]occupant{{Proposal: r.Proposal, State: state}}, s.Occupants...)
	default:
		s.Occupants = append(s.Occupants, occupant{Proposal: r.Proposal, State: state, Claimed: true})
	}
	if err := index(tx, r.Proposal, k); err != nil {
		return err
	}
	return putSlot(tx, k, s) // and no NoteNonce: one that is made up could be the highest of all
}

// inheritMessage does the same for a digest, which is one proposal's for ever. Of
// two that claim it the first stays, revealed: the text is signed for nobody else.
func inheritMessage(tx *bolt.Tx, r council.OpenRow, state State) error {
	c, ok, err := claimAt(tx, r.Place.Digest)
	if err != nil {
		return err
	}
	if ok && (c.State == 0 || c.Proposal != r.Proposal && c.State != Reserved) {
		return nil
	}
	if ok && c.Proposal != r.Proposal {
		if err := giveUp(tx, common.Address{}, r.Place, c.Proposal); err != nil {
			return err
		}
		c = claim{}
	}
	if state == Displaced {
		state = Revealed
	}
	c.Proposal, c.State = r.Proposal, max(c.State, state)
	if err := index(tx, r.Proposal, r.Place.Digest[:]); err != nil {
		return err
	}
	return putClaim(tx, r.Place.Digest, c)
}
