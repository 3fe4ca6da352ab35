package keystore

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/millicent-one/signer/council"
)

const (
	currentFile = "current"
	sharePrefix = "share-"
)

// State is where an epoch's share stands.
type State string

// The states of a share. An erased one is not there.
const (
	Staged     State = "staged"     // on disk, not in use
	InUse      State = "current"    // the one to sign with
	Superseded State = "superseded" // still on disk; to be erased once the rotation is certified
)

// Epoch is one share as seen without unlocking.
type Epoch struct {
	Epoch uint64 `json:"epoch"`
	State State  `json:"state"`
	Meta
}

// Stage stores the share of an epoch beside the current one. Staging the same
// bytes again is fine, other bytes are refused with ErrExists, an epoch that is
// not above the current one with ErrPast.
func (s *Store) Stage(epoch uint64, meta Meta, secret []byte) error {
	return s.with(fmt.Sprintf("stage share of epoch %d", epoch), func() error {
		l := label{Kind: kindShare, Epoch: epoch, Meta: &meta}
		switch have, err := s.load(shareFile(epoch), label{Kind: kindShare, Epoch: epoch}); {
		case err == nil:
			x, err := describeShare(s.dir, epoch)
			if err != nil {
				return err
			}
			if x.Meta != meta || !bytes.Equal(have, secret) {
				return council.WithHint(ErrExists, "another share of this epoch is stored and kept; a new ceremony needs a new epoch")
			}
			return syncDir(s.dir) // an earlier call may have failed just before this
		case !errors.Is(err, ErrNotFound):
			return err
		}
		at, ok, err := current(s.dir)
		if err != nil {
			return err
		}
		if ok && epoch <= at {
			return council.WithHint(fmt.Errorf("%w: epoch %d is current", ErrPast, at), "a share that was replaced or erased does not come back")
		}
		b, err := seal(l, secret, s.master.Recipient())
		if err != nil {
			return err
		}
		return replace(s.dir, shareFile(epoch), b)
	})
}

// Commit makes a staged epoch the current one; the one before is superseded.
// Errors: ErrNotStaged, ErrPast for an epoch below the current one, ErrAltered
// for a share that does not open.
func (s *Store) Commit(epoch uint64) error {
	return s.with(fmt.Sprintf("commit share of epoch %d", epoch), func() error {
		at, ok, err := current(s.dir)
		if err != nil {
			return err
		}
		if ok && epoch < at {
			return council.WithHint(fmt.Errorf("%w: epoch %d is current", ErrPast, at), "the current epoch never goes back")
		}
		if _, err := s.load(shareFile(epoch), label{Kind: kindShare, Epoch: epoch}); errors.Is(err, ErrNotFound) {
			return council.WithHint(ErrNotStaged, "finish the ceremony that makes the share first")
		} else if err != nil {
			return err
		}
		if ok && epoch == at {
			return syncDir(s.dir)
		}
		return replace(s.dir, currentFile, currentText(epoch))
	})
}

// Erase removes the share of an epoch, in whatever state. It is no error if it
// was gone. The bytes are not overwritten: see the package's documentation.
func (s *Store) Erase(epoch uint64) error {
	return s.with(fmt.Sprintf("erase share of epoch %d", epoch), func() error {
		return remove(s.dir, shareFile(epoch))
	})
}

// Current returns the share to sign with, or ErrNoCurrent.
func (s *Store) Current() (epoch uint64, secret []byte, err error) {
	err = s.with("read current share", func() error {
		at, ok, err := current(s.dir)
		if err != nil {
			return err
		}
		if !ok {
			return council.WithHint(ErrNoCurrent, "a new council makes its shares with 'signer keygen'; who joins one gets a share by its rotation ('signer term status')")
		}
		b, err := s.load(shareFile(at), label{Kind: kindShare, Epoch: at})
		if errors.Is(err, ErrNotFound) {
			return council.WithHint(fmt.Errorf("%w: the one of epoch %d was erased", ErrNoCurrent, at), "this node no longer holds a part of the key; it can judge and approve")
		}
		epoch, secret = at, b
		return err
	})
	return epoch, secret, err
}

// Share returns the share of an epoch in whatever state, or ErrNotFound.
func (s *Store) Share(epoch uint64) (secret []byte, meta Meta, err error) {
	err = s.with(fmt.Sprintf("read share of epoch %d", epoch), func() error {
		if secret, err = s.load(shareFile(epoch), label{Kind: kindShare, Epoch: epoch}); err != nil {
			return err
		}
		x, err := describeShare(s.dir, epoch)
		meta = x.Meta
		return err
	})
	return secret, meta, err
}

// Epochs lists the shares on disk in ascending order.
func (s *Store) Epochs() (out []Epoch, err error) {
	err = s.with("list shares", func() error {
		out, err = epochs(s.dir)
		return err
	})
	return out, err
}

// Staged lists the epochs that are on disk and not yet in use.
func (s *Store) Staged() ([]Epoch, error) {
	all, err := s.Epochs()
	return slices.DeleteFunc(all, func(e Epoch) bool { return e.State != Staged }), err
}

func describeShare(dir string, epoch uint64) (Epoch, error) {
	file := shareFile(epoch)
	b, err := read(dir, file)
	if err != nil {
		return Epoch{}, err
	}
	x, err := parse(file, b)
	if err != nil {
		return Epoch{}, err
	}
	if x.Kind != kindShare || x.Epoch != epoch || x.Meta == nil {
		return Epoch{}, altered(file)
	}
	return Epoch{Epoch: epoch, Meta: *x.Meta}, nil
}

// epochs reads which shares there are and where each stands.
func epochs(dir string) ([]Epoch, error) {
	at, ok, err := current(dir)
	if err != nil {
		return nil, err
	}
	files, err := os.ReadDir(dir)
	if err != nil {
		return nil, missing(dir, err)
	}
	var out []Epoch
	for _, f := range files {
		n, is := epochOf(f.Name())
		if !is {
			continue
		}
		e, err := describeShare(dir, n)
		if errors.Is(err, os.ErrNotExist) {
			continue // erased meanwhile
		}
		if err != nil {
			return nil, err
		}
		switch {
		case !ok || n > at:
			e.State = Staged
		case n == at:
			e.State = InUse
		default:
			e.State = Superseded
		}
		out = append(out, e)
	}
	slices.SortFunc(out, func(a, b Epoch) int {
		if a.Epoch < b.Epoch {
			return -1
		}
		return 1
	})
	return out, nil
}

// current reads which epoch is current; ok is false before the first Commit.
func current(dir string) (epoch uint64, ok bool, err error) {
	b, err := read(dir, currentFile)
	if errors.Is(err, os.ErrNotExist) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, explain(dir, err)
	}
	epoch, err = strconv.ParseUint(strings.TrimSuffix(string(b), "\n"), 10, 64)
	if err != nil || !bytes.Equal(b, currentText(epoch)) {
		return 0, false, damaged(currentFile)
	}
	return epoch, true, nil
}

// currentText is what the file says, in the one way to write it.
func currentText(epoch uint64) []byte { return fmt.Appendln(nil, epoch) }

func shareFile(epoch uint64) string {
	return sharePrefix + strconv.FormatUint(epoch, 10) + jsonSuffix
}

func epochOf(file string) (uint64, bool) {
	digits, ok := strings.CutPrefix(file, sharePrefix)
	if !ok {
		return 0, false
	}
	digits, ok = strings.CutSuffix(digits, jsonSuffix)
	n, err := strconv.ParseUint(digits, 10, 64)
	return n, ok && err == nil && file == shareFile(n)
}
