package journal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rlp"
	bolt "go.etcd.io/bbolt"

	"github.com/millicent-one/signer/council"
)

// Row is a proposal's hold on one nonce of one key on one chain. Reserve and
// Displace read Key, Chain, Nonce, Proposal, Attempt and Digest; the rest is what
// the ledger knows.
type Row struct {
	Key      common.Address     `json:"key"`
	Chain    uint64             `json:"chain"`
	Nonce    uint64             `json:"nonce"`
	Proposal council.ProposalID `json:"proposal"`
	Attempt  uint64             `json:"attempt"` // highest reserved here, from 1; 0: this node knows the row from others
	Digest   common.Hash        `json:"digest"`  // of that attempt

	State   State              `json:"state"`
	Digests []Mark             `json:"digests"`         // every one reserved, in order
	By      council.ProposalID `json:"by"`              // that displaced it
	Mined   *Mined             `json:"mined,omitempty"` // what the chain made of the nonce
}

// Reserve gives a nonce to a proposal before a session for it starts. For a pair
// that the ledger knows it adds the attempt and its digest (a retry, a fee bump)
// and leaves the state. It refuses, with *ConflictError, a nonce that is another
// proposal's or mined, and a proposal that has another nonce, is displaced or
// mined; and, with ErrFenced, a nonce that this node may have forgotten.
func (j *Journal) Reserve(r Row) error {
	if err := r.complete(); err != nil {
		return fmt.Errorf("reserve: %w", err)
	}
	return j.update("reserve", func(tx *bolt.Tx) error {
		return changeSlot(tx, r, func(s *slot) error {
			if err := r.fenced(tx); err != nil {
				return err
			}
			return s.reserve(r)
		})
	})
}

// Reveal records that the message with this node's part of a signature over
// digest is about to leave. The digest must have been reserved for the pair. Only
// after Reveal has returned nil may the message be sent.
func (j *Journal) Reveal(key common.Address, chain, nonce uint64, p council.ProposalID, digest common.Hash) error {
	r := Row{Key: key, Chain: chain, Nonce: nonce, Proposal: p, Digest: digest}
	return j.update("reveal", func(tx *bolt.Tx) error {
		return changeSlot(tx, r, func(s *slot) error { return s.reveal(r) })
	})
}

// Free undoes a reservation whose session ended before it revealed anything.
// Errors: ErrNoRow, ErrRevealed.
func (j *Journal) Free(key common.Address, chain, nonce uint64, p council.ProposalID) error {
	r := Row{Key: key, Chain: chain, Nonce: nonce, Proposal: p}
	return j.update("free", func(tx *bolt.Tx) error {
		return changeSlot(tx, r, func(s *slot) error {
			marks, err := s.free(r)
			if err != nil {
				return err
			}
			return forget(tx, p, slotKey(key, chain, nonce), marks)
		})
	})
}

// Displace gives the nonce of old to by, which the council approved as its
// replacement: old is void for ever and by is reserved. It may be called again
// for by's later attempts. Old need not be revealed here, nor known at all: this
// node may have had no part in its signature. But if it has run at another nonce, or has
// a place there that no block has given to another, it refuses: the two must never both
// run. If by is freed, the nonce stays closed to all but another replacement of old.
func (j *Journal) Displace(old council.ProposalID, by Row) error {
	if err := by.complete(); err != nil {
		return fmt.Errorf("displace: %w", err)
	}
	if old == by.Proposal || old == (council.ProposalID{}) {
		return fmt.Errorf("displace: %w", by.conflict(old, "a proposal can't replace itself or nothing"))
	}
	return j.update("displace", func(tx *bolt.Tx) error {
		return changeSlot(tx, by, func(s *slot) error {
			if err := by.fenced(tx); err != nil {
				return err
			}
			if err := loses(tx, s, old, by); err != nil {
				return err
			}
			return s.displace(old, by)
		})
	})
}

// Consume records that the chain mined proposal p with this nonce, in tx at
// block. The zero proposal stands for a transaction that no proposal explains. A
// reservation of another proposal for the nonce is freed by it. What others have claimed
// for p at other nonces is dropped: it runs nowhere else, and such a nonce, of which it
// tells, is nobody's on its account. Calling it again for the same proposal updates tx and block.
// *ConflictError if p holds another nonce here: free that row first, if it is only
// reserved.
func (j *Journal) Consume(key common.Address, chain, nonce uint64, p council.ProposalID, txHash common.Hash, block uint64) (dropped []uint64, err error) {
	r := Row{Key: key, Chain: chain, Nonce: nonce, Proposal: p}
	err = j.update("consume", func(tx *bolt.Tx) (err error) {
		if dropped, err = dropClaims(tx, r); err != nil {
			return err
		}
		return changeSlot(tx, r, func(s *slot) error {
			freed, err := s.consume(r, Mined{Proposal: p, Tx: txHash, Block: block})
			if err != nil || freed == nil {
				return err
			}
			return forget(tx, freed.Proposal, slotKey(key, chain, nonce), freed.Marks)
		})
	})
	if err != nil {
		return nil, err
	}
	return dropped, nil
}

// Reopen takes back Consume after a reorganisation: the row is revealed again.
// (One that had been displaced before it was mined is displaced again.)
func (j *Journal) Reopen(key common.Address, chain, nonce uint64, p council.ProposalID) error {
	r := Row{Key: key, Chain: chain, Nonce: nonce, Proposal: p}
	return j.update("reopen", func(tx *bolt.Tx) error {
		return changeSlot(tx, r, func(s *slot) error { return s.reopen(r) })
	})
}

// RowByProposal finds the nonce of a proposal.
func (j *Journal) RowByProposal(p council.ProposalID) (row Row, ok bool, err error) {
	err = j.view("read ledger", func(tx *bolt.Tx) error {
		v := tx.Bucket(bProposals).Get(p[:])
		if len(v) != slotKeySize {
			return nil
		}
		s, err := slotAt(tx, v)
		if err != nil {
			return err
		}
		row, ok = s.row(v, p), true
		return nil
	})
	return row, ok, err
}

// RowByNonce finds who holds a nonce: the mined proposal, else the candidate,
// else the last one displaced. ok is false for a nonce that is free.
func (j *Journal) RowByNonce(key common.Address, chain, nonce uint64) (row Row, ok bool, err error) {
	err = j.view("read ledger", func(tx *bolt.Tx) error {
		k := slotKey(key, chain, nonce)
		s, err := slotAt(tx, k)
		if err != nil || s.empty() {
			return err
		}
		ok = true
		if len(s.Mined) > 0 {
			row = s.row(k, s.Mined[0].Proposal)
		} else {
			row = s.row(k, s.Occupants[len(s.Occupants)-1].Proposal)
		}
		return nil
	})
	return row, ok, err
}

// Rows lists the whole ledger by key, chain, nonce and, within a nonce, time.
func (j *Journal) Rows() ([]Row, error) {
	var out []Row
	err := j.view("read ledger", func(tx *bolt.Tx) error {
		return tx.Bucket(bSlots).ForEach(func(k, v []byte) error {
			var s slot
			if err := rlp.DecodeBytes(v, &s); err != nil {
				return err
			}
			for _, o := range s.Occupants {
				out = append(out, s.row(k, o.Proposal))
			}
			if len(s.Mined) > 0 && s.Mined[0].Proposal == (council.ProposalID{}) {
				out = append(out, s.row(k, council.ProposalID{}))
			}
			return nil
		})
	})
	return out, err
}

// changeSlot loads r's slot, lets fn change it, and keeps slot and indexes in
// step. It refuses a proposal that is elsewhere before fn sees the slot.
func changeSlot(tx *bolt.Tx, r Row, fn func(*slot) error) error {
	k := slotKey(r.Key, r.Chain, r.Nonce)
	s, err := slotAt(tx, k)
	if err != nil {
		return err
	}
	if err := elsewhere(tx, r, r.Proposal); err != nil {
		return err
	}
	if err := fn(s); err != nil {
		return err
	}
	if s.empty() {
		return tx.Bucket(bSlots).Delete(k)
	}
	for _, o := range s.Occupants {
		if err := index(tx, o.Proposal, k); err != nil {
			return err
		}
		for _, m := range o.Marks {
			if err := claimDigest(tx, r, m.Digest, o.Proposal); err != nil {
				return err
			}
		}
	}
	if err := noteNonce(tx, r.Key, r.Chain, r.Nonce); err != nil {
		return err
	}
	v, err := rlp.EncodeToBytes(s)
	if err != nil {
		return fmt.Errorf("encode slot: %w", err)
	}
	return tx.Bucket(bSlots).Put(k, v)
}

// elsewhere refuses a proposal that holds another nonce or a digest.
func elsewhere(tx *bolt.Tx, r Row, p council.ProposalID) error {
	v := tx.Bucket(bProposals).Get(p[:])
	if v == nil || string(v) == string(slotKey(r.Key, r.Chain, r.Nonce)) {
		return nil
	}
	c := &ConflictError{Key: r.Key, Chain: r.Chain, Nonce: r.Nonce, Proposal: p, Holder: p, Reason: "the proposal is in the ledger as a message without a nonce"}
	if len(v) == slotKeySize {
		c.Reason = fmt.Sprintf("the proposal has nonce %d on chain %d", binary.BigEndian.Uint64(v[28:]), binary.BigEndian.Uint64(v[20:]))
	}
	return council.WithHint(c, "a proposal runs once: make a new one with 'signer propose'")
}

// loses refuses to displace a proposal at a slot while its place is another, where it
// has run or still may. That a member has claimed this slot for it as well makes no
// difference, until a block has given the place to another.
func loses(tx *bolt.Tx, at *slot, old council.ProposalID, by Row) error {
	if v := tx.Bucket(bProposals).Get(old[:]); at.find(old) != nil && len(v) == slotKeySize {
		place, err := slotAt(tx, v)
		if err != nil {
			return err
		}
		if len(place.Mined) > 0 && place.Mined[0].Proposal != old {
			return nil
		}
	}
	return elsewhere(tx, by, old)
}

// dropClaims removes what others alone have claimed for a proposal at nonces that are not
// r's, and tells which those are. One of them may be all that the index knows of.
func dropClaims(tx *bolt.Tx, r Row) (nonces []uint64, err error) {
	if r.Proposal == (council.ProposalID{}) {
		return nil, nil
	}
	own := slotKey(r.Key, r.Chain, r.Nonce)
	chain := own[:slotKeySize-8]
	claims := map[string]*slot{}
	c := tx.Bucket(bSlots).Cursor()
	for k, v := c.Seek(chain); bytes.HasPrefix(k, chain); k, v = c.Next() {
		s := new(slot)
		if err := rlp.DecodeBytes(v, s); err != nil {
			return nil, fmt.Errorf("read ledger: %w", err)
		}
		if o := s.find(r.Proposal); o != nil && o.claimed() && len(s.Mined) == 0 && !bytes.Equal(k, own) {
			s.Occupants = slices.DeleteFunc(s.Occupants, func(o occupant) bool { return o.Proposal == r.Proposal })
			claims[string(k)] = s
		}
	}
	for _, k := range slices.Sorted(maps.Keys(claims)) {
		if err := errors.Join(forget(tx, r.Proposal, []byte(k), nil), putSlot(tx, []byte(k), claims[k])); err != nil {
			return nil, err
		}
		nonces = append(nonces, binary.BigEndian.Uint64([]byte(k[slotKeySize-8:])))
	}
	return nonces, nil
}

// index notes the place that a proposal has. The first stays: another is what a member
// has claimed for it beside that.
func index(tx *bolt.Tx, p council.ProposalID, at []byte) error {
	if tx.Bucket(bProposals).Get(p[:]) != nil {
		return nil
	}
	return tx.Bucket(bProposals).Put(p[:], at)
}

// forget removes a proposal that is freed at a place from the indexes. If it has another
// place, it keeps that.
func forget(tx *bolt.Tx, p council.ProposalID, at []byte, marks []Mark) error {
	for _, m := range marks {
		if err := tx.Bucket(bDigests).Delete(m.Digest[:]); err != nil {
			return err
		}
	}
	if !bytes.Equal(tx.Bucket(bProposals).Get(p[:]), at) {
		return nil
	}
	return tx.Bucket(bProposals).Delete(p[:])
}

func (s *slot) row(key []byte, p council.ProposalID) Row {
	r := Row{
		Key:      common.BytesToAddress(key[:20]),
		Chain:    binary.BigEndian.Uint64(key[20:]),
		Nonce:    binary.BigEndian.Uint64(key[28:]),
		Proposal: p,
		State:    Consumed, // if it is not an occupant, it is the unexplained transaction
	}
	if len(s.Mined) > 0 {
		m := s.Mined[0]
		r.Mined = &m
	}
	if o := s.find(p); o != nil {
		r.State, r.By, r.Attempt, r.Digests = s.state(o), o.By, o.Attempt, o.Marks
		for _, m := range o.Marks {
			if m.Attempt == o.Attempt {
				r.Digest = m.Digest
			}
		}
	}
	return r
}

// complete checks that a request names everything.
func (r Row) complete() error {
	switch {
	case r.Key == (common.Address{}), r.Chain == 0:
		return errors.New("row without key or chain")
	case r.Proposal == (council.ProposalID{}), r.Digest == (common.Hash{}):
		return errors.New("row without proposal or digest")
	case r.Attempt == 0:
		return errors.New("row without attempt; attempts count from 1")
	}
	return nil
}

func (r Row) conflict(holder council.ProposalID, reason string) error {
	return council.WithHint(&ConflictError{Key: r.Key, Chain: r.Chain, Nonce: r.Nonce, Proposal: r.Proposal, Holder: holder, Reason: reason},
		"wait until the nonce is settled, or propose a replacement for what holds it")
}

func (r Row) missing() error {
	return fmt.Errorf("nonce %d on chain %d for proposal %s: %w", r.Nonce, r.Chain, r.Proposal.Short(), ErrNoRow)
}

const slotKeySize = common.AddressLength + 8 + 8

func slotKey(key common.Address, chain, nonce uint64) []byte {
	k := make([]byte, 0, slotKeySize)
	k = append(k, key[:]...)
	k = binary.BigEndian.AppendUint64(k, chain)
	return binary.BigEndian.AppendUint64(k, nonce)
}

func slotAt(tx *bolt.Tx, key []byte) (*slot, error) {
	s := new(slot)
	if v := tx.Bucket(bSlots).Get(key); v != nil {
		if err := rlp.DecodeBytes(v, s); err != nil {
			return nil, fmt.Errorf("read ledger: %w", err)
		}
	}
	return s, nil
}
