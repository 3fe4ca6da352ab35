package journal

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	bolt "go.etcd.io/bbolt"

	"github.com/millicent-one/signer/council"
)

// Exhibit is a record of evidence. What it says and whether it is true is for
// others to know.
type Exhibit struct {
	Culprit council.MemberID
	Shown   bool        // the record convicts by itself; otherwise it is someone's word
	Subject common.Hash // what it is about: one record is kept for each
	Record  []byte
}

// KeepExhibit stores a record, durably, if there is none about the same yet and
// the culprit has not filled its share of the file: one piece convicts, and the
// convicted must not fill the disk with more. What is someone's word alone has a
// share of its own, and gives way to what convicts.
func (j *Journal) KeepExhibit(x Exhibit) (added bool, err error) {
	if err := x.Culprit.Valid(); err != nil {
		return false, fmt.Errorf("keep evidence: culprit: %w", err)
	}
	if len(x.Record) == 0 {
		return false, errors.New("keep evidence: the record is empty")
	}
	if has, err := j.HasExhibit(x); err != nil || has {
		return false, err
	}
	err = j.update("keep evidence", func(tx *bolt.Tx) error {
		b := tx.Bucket(bEvidence)
		prefix := exhibitPrefix(x.Culprit, x.Shown)
		n, size := 0, len(x.Record)
		c := b.Cursor()
		for k, v := c.Seek(prefix); bytes.HasPrefix(k, prefix); k, v = c.Next() {
			n, size = n+1, size+len(v)
		}
		if n >= MaxExhibits || size > MaxExhibit {
			return nil
		}
		if x.Shown {
			if err := b.Delete(append(exhibitPrefix(x.Culprit, false), x.Subject[:]...)); err != nil {
				return err
			}
		}
		added = true
		return b.Put(append(prefix, x.Subject[:]...), x.Record)
	})
	return added && err == nil, err
}

// HasExhibit reports whether a record about the same, and as good, is kept.
func (j *Journal) HasExhibit(x Exhibit) (has bool, err error) {
	err = j.view("look for evidence", func(tx *bolt.Tx) error {
		b := tx.Bucket(bEvidence)
		has = b.Get(append(exhibitPrefix(x.Culprit, true), x.Subject[:]...)) != nil ||
			!x.Shown && b.Get(append(exhibitPrefix(x.Culprit, false), x.Subject[:]...)) != nil
		return nil
	})
	return has, err
}

// Exhibits lists all records, sorted by culprit; those that convict come first.
func (j *Journal) Exhibits() ([][]byte, error) {
	var out [][]byte
	err := j.view("read evidence", func(tx *bolt.Tx) error {
		return tx.Bucket(bEvidence).ForEach(func(_, v []byte) error {
			out = append(out, bytes.Clone(v)) // v lives only as long as the transaction
			return nil
		})
	})
	return out, err
}

// Holding names a record that convicts, and that somebody keeps.
type Holding struct {
	Culprit council.MemberID
	Subject common.Hash
}

// Docket lists the records that convict, by culprit.
func (j *Journal) Docket() ([]Holding, error) {
	var out []Holding
	err := j.view("list evidence", func(tx *bolt.Tx) error {
		return tx.Bucket(bEvidence).ForEach(func(k, _ []byte) error {
			culprit, rest, _ := bytes.Cut(k, []byte{0})
			if x := (Holding{council.MemberID(culprit), common.BytesToHash(rest[1:])}); bytes.HasPrefix(k, exhibitPrefix(x.Culprit, true)) {
				out = append(out, x)
			}
			return nil
		})
	})
	return out, err
}

// Exhibit reads a record of the docket; nil if it is not there.
func (j *Journal) Exhibit(x Holding) (record []byte, err error) {
	err = j.view("read evidence", func(tx *bolt.Tx) error {
		record = bytes.Clone(tx.Bucket(bEvidence).Get(append(exhibitPrefix(x.Culprit, true), x.Subject[:]...)))
		return nil
	})
	return record, err
}

// Lacking are the records of one docket that another lacks and has room for.
func Lacking(mine, theirs []Holding) []Holding {
	has, full := map[Holding]bool{}, map[council.MemberID]int{}
	for _, x := range theirs {
		if !has[x] {
			has[x] = true
			full[x.Culprit]++
		}
	}
	var out []Holding
	for _, x := range mine {
		if !has[x] && full[x.Culprit] < MaxExhibits {
			full[x.Culprit]++
			out = append(out, x)
		}
	}
	return out
}

// exhibitPrefix sorts by culprit, then by what the record is worth; ids contain
// no zero byte.
func exhibitPrefix(culprit council.MemberID, shown bool) []byte {
	class := byte(1)
	if shown {
		class = 0
	}
	return append([]byte(culprit), 0, class)
}
