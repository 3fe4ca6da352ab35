package journal

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rlp"
	bolt "go.etcd.io/bbolt"

	"github.com/millicent-one/signer/council"
)

// horizon is what is known about the nonces of one key on one chain. Both
// numbers are one above the nonce, so that zero means none.
type horizon struct {
	Seen  uint64
	Fence uint64
}

// NoteNonce remembers that a nonce was mentioned somewhere: in a feed, in a
// Begin, on the chain. Rows of the ledger are noted by themselves, but not what others
// claim at a rotation: see HighestRow.
func (j *Journal) NoteNonce(key common.Address, chain, nonce uint64) error {
	if have, ok, err := j.HighestNonceSeen(key, chain); err != nil || ok && have >= nonce {
		return err
	}
	return j.update("note nonce", func(tx *bolt.Tx) error { return noteNonce(tx, key, chain, nonce) })
}

// HighestNonceSeen is the highest nonce that NoteNonce or the ledger saw; ok is
// false if there was none. What others alone have claimed does not count.
func (j *Journal) HighestNonceSeen(key common.Address, chain uint64) (nonce uint64, ok bool, err error) {
	err = j.view("read nonces", func(tx *bolt.Tx) error {
		h, err := horizonOf(tx, key, chain)
		if h.Seen > 0 {
			nonce, ok = h.Seen-1, true
		}
		return err
	})
	return nonce, ok, err
}

// HighestRow is the highest nonce up to and including most that has a row, whoever tells
// of it; ok is false if there is none.
func (j *Journal) HighestRow(key common.Address, chain, most uint64) (nonce uint64, ok bool, err error) {
	err = j.view("read ledger", func(tx *bolt.Tx) error {
		c, want := tx.Bucket(bSlots).Cursor(), slotKey(key, chain, most)
		k, _ := c.Seek(want)
		switch {
		case k == nil:
			k, _ = c.Last()
		case !bytes.Equal(k, want):
			k, _ = c.Prev()
		}
		if first := slotKey(key, chain, 0); bytes.Compare(k, first) >= 0 {
			nonce, ok = (&slot{}).row(k, council.ProposalID{}).Nonce, true
		}
		return nil
	})
	return nonce, ok, err
}

// Fence makes Reserve and Displace refuse every nonce up to and including nonce,
// for good: for a node that can't know what its share signed before its disk was
// lost. A fence only ever moves up.
func (j *Journal) Fence(key common.Address, chain, nonce uint64) error {
	return j.update("fence nonces", func(tx *bolt.Tx) error {
		h, err := horizonOf(tx, key, chain)
		if err != nil {
			return err
		}
		h.Fence = max(h.Fence, above(nonce))
		h.Seen = max(h.Seen, h.Fence)
		return putHorizon(tx, key, chain, h)
	})
}

// Fenced is the highest nonce that Fence has closed; ok is false if there is none.
func (j *Journal) Fenced(key common.Address, chain uint64) (nonce uint64, ok bool, err error) {
	err = j.view("read nonces", func(tx *bolt.Tx) error {
		h, err := horizonOf(tx, key, chain)
		if h.Fence > 0 {
			nonce, ok = h.Fence-1, true
		}
		return err
	})
	return nonce, ok, err
}

// PutMeta stores a note of the node under a name.
func (j *Journal) PutMeta(name string, value []byte) error {
	if len(name) == 0 || len(name) > MaxMetaName || len(value) > MaxMetaValue {
		return fmt.Errorf("put meta: name of %d bytes and value of %d; at most %d and %d", len(name), len(value), MaxMetaName, MaxMetaValue)
	}
	return j.update("put meta", func(tx *bolt.Tx) error {
		return tx.Bucket(bMeta).Put([]byte(name), value)
	})
}

// Meta reads a note; ok is false if there is none.
func (j *Journal) Meta(name string) (value []byte, ok bool, err error) {
	err = j.view("read meta", func(tx *bolt.Tx) error {
		if v := tx.Bucket(bMeta).Get([]byte(name)); v != nil {
			value, ok = append([]byte{}, v...), true // v lives only as long as the transaction
		}
		return nil
	})
	return value, ok, err
}

func (r Row) fenced(tx *bolt.Tx) error {
	h, err := horizonOf(tx, r.Key, r.Chain)
	if err != nil {
		return err
	}
	if above(r.Nonce) <= h.Fence {
		return council.WithHint(fmt.Errorf("nonce %d on chain %d: %w of %d", r.Nonce, r.Chain, ErrFenced, h.Fence-1),
			"this node may have signed for the nonce before its disk was restored: let other members sign this one")
	}
	return nil
}

func noteNonce(tx *bolt.Tx, key common.Address, chain, nonce uint64) error {
	h, err := horizonOf(tx, key, chain)
	if err != nil || h.Seen >= above(nonce) {
		return err
	}
	h.Seen = above(nonce)
	return putHorizon(tx, key, chain, h)
}

// above is nonce + 1; the highest nonce of all stays where it is (EIP-2681 does
// not let it be used).
func above(nonce uint64) uint64 { return max(nonce+1, nonce) }

func horizonOf(tx *bolt.Tx, key common.Address, chain uint64) (horizon, error) {
	var h horizon
	v := tx.Bucket(bNonces).Get(horizonKey(key, chain))
	if v == nil {
		return h, nil
	}
	if err := rlp.DecodeBytes(v, &h); err != nil {
		return h, fmt.Errorf("read nonces: %w", err)
	}
	return h, nil
}

func putHorizon(tx *bolt.Tx, key common.Address, chain uint64, h horizon) error {
	v, err := rlp.EncodeToBytes(h)
	if err != nil {
		return fmt.Errorf("encode nonces: %w", err)
	}
	return tx.Bucket(bNonces).Put(horizonKey(key, chain), v)
}

func horizonKey(key common.Address, chain uint64) []byte {
	return binary.BigEndian.AppendUint64(append([]byte{}, key[:]...), chain)
}
