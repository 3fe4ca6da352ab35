package keystore

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/millicent-one/signer/council"
)

// The spare is one secret that is made ahead of time and serves once: a set of
// pre-parameters for the next ceremony. A spare that was taken out is gone from
// the disk, so that no crash and no second process can bring it back.

const spareFile = "spare.json"

// PutSpare keeps a spare. Another one that is there stays, and the new one is
// refused with ErrExists.
func (s *Store) PutSpare(secret []byte) error {
	return s.with("put spare", func() error {
		if have, err := s.hasSpare(); err != nil {
			return err
		} else if have {
			return council.WithHint(ErrExists, "a spare is kept already; it is used first")
		}
		b, err := seal(label{Kind: kindSpare}, secret, s.master.Recipient())
		if err != nil {
			return err
		}
		return replace(s.dir, spareFile, b)
	})
}

// TakeSpare removes the spare, durably, and then returns it. When it can't be
// removed it is not returned. Errors: ErrNotFound, and of a spare that does not
// open, which stays (see DropSpare), ErrAltered.
func (s *Store) TakeSpare() (secret []byte, err error) {
	err = s.with("take spare", func() error {
		b, err := s.load(spareFile, label{Kind: kindSpare})
		if err != nil {
			return err
		}
		if err := remove(s.dir, spareFile); err != nil {
			return err
		}
		secret = b
		return nil
	})
	return secret, err
}

// DropSpare removes the spare unseen, whatever it is; it is no error if there
// was none.
func (s *Store) DropSpare() error {
	return s.with("drop spare", func() error { return remove(s.dir, spareFile) })
}

// HasSpare reports whether there is a spare. Whether it opens is seen when it is
// taken.
func (s *Store) HasSpare() (have bool, err error) {
	err = s.with("look for spare", func() error {
		have, err = s.hasSpare()
		return err
	})
	return have, err
}

func (s *Store) hasSpare() (bool, error) {
	_, err := os.Lstat(filepath.Join(s.dir, spareFile))
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look for %s: %w", spareFile, explain(s.dir, err))
	}
	return true, nil
}
