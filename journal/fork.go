package journal

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rlp"
	bolt "go.etcd.io/bbolt"
)

// Fork is a pair of entries that no honest node signs both of: two for one
// place, or a second one that does not follow the first it claims to follow.
type Fork struct {
	A, B Entry // A came first
}

// Verify convicts: it checks, with nothing but the author's peer id and the
// network, that both entries are signed and contradict each other.
func (f Fork) Verify(peer string, network common.Hash) error {
	for _, e := range []Entry{f.A, f.B} {
		if err := e.Verify(peer, network); err != nil {
			return fmt.Errorf("fork: %w", err)
		}
	}
	switch {
	case f.A.Author != f.B.Author:
		return errors.New("fork: the entries have different authors")
	case f.A.Seq == f.B.Seq && f.A.Hash() != f.B.Hash():
		return nil
	case f.A.Seq+1 == f.B.Seq && f.B.Prev != f.A.Hash():
		return nil
	}
	return errors.New("fork: the entries fit into one feed")
}

// Forks lists the evidence, sorted by author and place.
func (j *Journal) Forks() ([]Fork, error) {
	var out []Fork
	err := j.view("read forks", func(tx *bolt.Tx) error {
		return tx.Bucket(bForks).ForEach(func(_, v []byte) error {
			var f Fork
			if err := rlp.DecodeBytes(v, &f); err != nil {
				return err
			}
			out = append(out, f)
			return nil
		})
	})
	return out, err
}

// keepFork stores the first evidence for each place, MaxForks for an author: one
// piece convicts, and the convicted must not fill the disk with more.
func keepFork(tx *bolt.Tx, f Fork) error {
	b := tx.Bucket(bForks)
	key := feedKey(f.B.Author, f.B.Seq)
	if b.Get(key) != nil {
		return nil
	}
	prefix := append([]byte(f.B.Author), 0)
	n := 0
	c := b.Cursor()
	for k, _ := c.Seek(prefix); bytes.HasPrefix(k, prefix); k, _ = c.Next() {
		n++
	}
	if n >= MaxForks {
		return nil
	}
	v, err := rlp.EncodeToBytes(f)
	if err != nil {
		return fmt.Errorf("encode fork: %w", err)
	}
	return b.Put(key, v)
}
