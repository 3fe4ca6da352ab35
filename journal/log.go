package journal

import (
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	bolt "go.etcd.io/bbolt"
	"golang.org/x/mod/sumdb/tlog"
)

// Proof shows that a commitment is in the log at a place. It says nothing about
// what was committed to; an Opening does.
type Proof struct {
	Index int64            `json:"index"` // arrival index, from 0
	Size  int64            `json:"size"`  // of the tree the proof is for
	Leaf  common.Hash      `json:"leaf"`  // the commitment
	Path  tlog.RecordProof `json:"path"`
}

// Opening reveals what a leaf commits to.
type Opening struct {
	Salt  [32]byte `json:"salt"`
	Entry Entry    `json:"entry"`
}

// Leaf is the commitment that the opening belongs to.
func (o Opening) Leaf() (common.Hash, error) { return record(o).leaf() }

// leaf commits to the whole entry with its signature. The salt has 32 random
// bytes, so nobody can find an entry out by trying.
func (r record) leaf() (common.Hash, error) {
	b, err := EncodeEntry(r.Entry)
	if err != nil {
		return common.Hash{}, fmt.Errorf("commit to entry: %w", err)
	}
	return crypto.Keccak256Hash([]byte("millicent/leaf/1\x00"), r.Salt[:], b), nil
}

// Tree is the size and the root hash of the log as it is now.
func (j *Journal) Tree() (tlog.Tree, error) {
	var t tlog.Tree
	err := j.view("read log", func(tx *bolt.Tx) (err error) {
		t.N = int64(count(tx))
		t.Hash, err = tlog.TreeHash(t.N, reader(tx))
		return err
	})
	return t, err
}

// Stand tells one state of the log from every other; the zero one is of an empty log.
type Stand struct {
	size int64
	root tlog.Hash
}

// Stand is that of the log as it is now.
func (j *Journal) Stand() (Stand, error) {
	t, err := j.Tree()
	if err != nil || t.N == 0 {
		return Stand{}, err
	}
	return Stand{t.N, t.Hash}, nil
}

// Prove shows that the entry with an arrival index is in the log of a size.
func (j *Journal) Prove(index, size int64) (Proof, error) {
	p := Proof{Index: index, Size: size}
	err := j.view("prove entry", func(tx *bolt.Tx) (err error) {
		if err := inTree(tx, index+1, size); err != nil {
			return err
		}
		r, err := recordAt(tx, uint64(index))
		if err != nil {
			return err
		}
		if p.Leaf, err = r.leaf(); err != nil {
			return err
		}
		p.Path, err = tlog.ProveRecord(size, index, reader(tx))
		return err
	})
	return p, err
}

// Opening gives the opening of a leaf. To hand it out is to publish the entry.
func (j *Journal) Opening(index int64) (Opening, error) {
	var o Opening
	err := j.view("open leaf", func(tx *bolt.Tx) error {
		if index < 0 {
			return fmt.Errorf("entry with index %d: %w", index, ErrNotFound)
		}
		r, err := recordAt(tx, uint64(index))
		o = Opening(r)
		return err
	})
	return o, err
}

// ProveConsistency shows that the log of size later continues the log of size
// earlier and changed nothing in it.
func (j *Journal) ProveConsistency(earlier, later int64) (tlog.TreeProof, error) {
	var p tlog.TreeProof
	err := j.view("prove consistency", func(tx *bolt.Tx) (err error) {
		if err := inTree(tx, earlier, later); err != nil {
			return err
		}
		p, err = tlog.ProveTree(later, earlier, reader(tx))
		return err
	})
	return p, err
}

// VerifyProof checks a proof against a tree that the verifier trusts.
func VerifyProof(t tlog.Tree, p Proof) error {
	if p.Size != t.N {
		return fmt.Errorf("proof is for a log of %d entries, not of %d", p.Size, t.N)
	}
	if p.Index < 0 || p.Index >= p.Size {
		return fmt.Errorf("proof: no index %d in a log of %d entries", p.Index, p.Size)
	}
	if err := tlog.CheckRecord(p.Path, t.N, t.Hash, p.Index, tlog.RecordHash(p.Leaf[:])); err != nil {
		return fmt.Errorf("proof: %w", err)
	}
	return nil
}

// VerifyOpening checks that an opening is what a proven leaf commits to. The
// entry's own signature is Entry.Verify's business.
func VerifyOpening(leaf common.Hash, o Opening) error {
	l, err := o.Leaf()
	if err != nil {
		return err
	}
	if l != leaf {
		return errors.New("opening: the entry is not the one committed to")
	}
	return nil
}

// VerifyConsistency checks a proof that one tree continues another.
func VerifyConsistency(earlier, later tlog.Tree, p tlog.TreeProof) error {
	if earlier.N < 1 || earlier.N > later.N {
		return fmt.Errorf("consistency: a log of %d entries can't continue one of %d", later.N, earlier.N)
	}
	if err := tlog.CheckTree(p, later.N, later.Hash, earlier.N, earlier.Hash); err != nil {
		return fmt.Errorf("consistency: %w", err)
	}
	return nil
}

func inTree(tx *bolt.Tx, n, size int64) error {
	if have := int64(count(tx)); n < 1 || n > size || size > have {
		return fmt.Errorf("%d of %d: %w: the log has %d entries", n, size, ErrNotFound, have)
	}
	return nil
}

// growTree stores the hashes that a new leaf completes.
func growTree(tx *bolt.Tx, index uint64, leaf common.Hash) error {
	hashes, err := tlog.StoredHashes(int64(index), leaf[:], reader(tx))
	if err != nil {
		return fmt.Errorf("grow log: %w", err)
	}
	b := tx.Bucket(bTree)
	b.FillPercent = 0.95 // keys only ever grow
	at := uint64(tlog.StoredHashIndex(0, int64(index)))
	for i, h := range hashes {
		if err := b.Put(u64(at+uint64(i)), h[:]); err != nil {
			return err
		}
	}
	return nil
}

func reader(tx *bolt.Tx) tlog.HashReader {
	b := tx.Bucket(bTree)
	return tlog.HashReaderFunc(func(at []int64) ([]tlog.Hash, error) {
		out := make([]tlog.Hash, len(at))
		for i, n := range at {
			v := b.Get(u64(uint64(n)))
			if len(v) != tlog.HashSize {
				return nil, fmt.Errorf("hash %d of the log: %w", n, ErrNotFound)
			}
			out[i] = tlog.Hash(v)
		}
		return out, nil
	})
}

func newSalt() (s [32]byte) {
	_, _ = rand.Read(s[:]) // never fails: the program ends first (crypto/rand)
	return s
}
