package keystore

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"filippo.io/age"

	"github.com/millicent-one/signer/council"
)

const (
	masterFile   = "master.json"
	secretPrefix = "secret-"
	jsonSuffix   = ".json"
)

// Store is an unlocked keystore. Its methods may be called from several
// goroutines. It prints as its directory.
type Store struct {
	dir string

	mu     sync.Mutex
	lock   *os.File
	master *age.X25519Identity // nil after Close
}

// Create makes a keystore in dir, which is made if it is missing and must have
// mode 0700. Errors: ErrExists, ErrLocked.
func Create(dir string, u Unlock) (*Store, error) {
	s, err := create(dir, u)
	if err != nil {
		return nil, fmt.Errorf("make keystore: %w", err)
	}
	return s, nil
}

func create(dir string, u Unlock) (_ *Store, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, explain(dir, err)
	}
	if err := checkDir(dir); err != nil {
		return nil, err
	}
	s := &Store{dir: dir}
	if s.lock, err = lock(dir); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_ = release(s.lock)
		}
	}()
	if _, err := os.Stat(filepath.Join(dir, masterFile)); err == nil {
		return nil, council.WithHint(fmt.Errorf("keystore %s: %w", dir, ErrExists), "choose another directory; this one holds a member's secrets")
	}
	if err := sweep(dir); err != nil {
		return nil, err
	}
	to, err := u.recipient()
	if err != nil {
		return nil, err
	}
	if s.master, err = age.GenerateX25519Identity(); err != nil {
		return nil, err
	}
	b, err := seal(label{Kind: kindMaster, Name: u.seal}, []byte(s.master.String()), to)
	if err != nil {
		return nil, err
	}
	if err := replace(dir, masterFile, b); err != nil {
		return nil, err
	}
	return s, syncDir(filepath.Dir(dir)) // the directory itself may be new
}

// Open unlocks the keystore in dir and keeps it for this process until Close.
// Errors: ErrNoKeystore, ErrLocked (a *LockedError with the pid), ErrUnlock,
// ErrAltered; loose modes are refused.
func Open(dir string, u Unlock) (*Store, error) {
	s, err := openStore(dir, u)
	if err != nil {
		return nil, fmt.Errorf("open keystore: %w", err)
	}
	return s, nil
}

func openStore(dir string, u Unlock) (_ *Store, err error) {
	if err := checkDir(dir); err != nil {
		return nil, err
	}
	b, err := read(dir, masterFile)
	if err != nil {
		return nil, missing(dir, err)
	}
	s := &Store{dir: dir}
	if s.lock, err = lock(dir); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_ = release(s.lock)
		}
	}()
	if err := sweep(dir); err != nil {
		return nil, err
	}
	if s.master, err = openMaster(dir, b, u); err != nil {
		return nil, err
	}
	return s, nil
}

// openMaster opens the master identity in the bytes of its file.
func openMaster(dir string, b []byte, u Unlock) (*age.X25519Identity, error) {
	x, err := parse(masterFile, b)
	if err != nil {
		return nil, err
	}
	if u.seal != "" && x.Name != u.seal {
		return nil, council.WithHint(fmt.Errorf("%w: %s is sealed by %s, not by %s", ErrUnlock, dir, x.Name, u.seal), "configure what 'signer init' was given")
	}
	id, err := u.identity()
	if err != nil {
		return nil, err
	}
	secret, err := x.open(masterFile, label{Kind: kindMaster, Name: u.seal}, id)
	if errors.Is(err, errNoMatch) {
		return nil, u.refused(dir)
	}
	if err != nil {
		return nil, err
	}
	master, err := age.ParseX25519Identity(string(secret))
	if err != nil {
		return nil, altered(masterFile) // not err: it may quote the key
	}
	return master, nil
}

// Close gives the directory back. The store is useless afterwards.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.master == nil {
		return nil
	}
	s.master = nil
	_ = s.lock.Truncate(0)
	return release(s.lock)
}

// Dir is where the store lives.
func (s *Store) Dir() string { return s.dir }

// String keeps the master out of logs.
func (s *Store) String() string { return "keystore " + s.dir }

// GoString keeps the master out of %#v.
func (s *Store) GoString() string { return s.String() }

// Put stores a new secret under a name (lower-case letters, digits and inner
// hyphens). Storing the same bytes again is fine; others are refused with
// ErrExists: a node key must not be lost by mistake. See Replace.
func (s *Store) Put(name string, secret []byte) error {
	return s.with("put secret "+name, func() error {
		if err := validName(name); err != nil {
			return err
		}
		have, err := s.secret(name)
		switch {
		case err == nil && bytes.Equal(have, secret):
			return syncDir(s.dir) // an earlier call may have failed just before this
		case err == nil:
			return council.WithHint(ErrExists, "another secret has this name; it is kept")
		case !errors.Is(err, ErrNotFound):
			return err
		}
		return s.putSecret(name, secret)
	})
}

// Replace stores a secret under a name, whatever was there.
func (s *Store) Replace(name string, secret []byte) error {
	return s.with("replace secret "+name, func() error {
		if err := validName(name); err != nil {
			return err
		}
		return s.putSecret(name, secret)
	})
}

// Get returns a secret, or ErrNotFound.
func (s *Store) Get(name string) (secret []byte, err error) {
	err = s.with("get secret "+name, func() error {
		if err := validName(name); err != nil {
			return err
		}
		secret, err = s.secret(name)
		return err
	})
	return secret, err
}

// Delete removes a secret; it is no error if there was none.
func (s *Store) Delete(name string) error {
	return s.with("delete secret "+name, func() error {
		if err := validName(name); err != nil {
			return err
		}
		return remove(s.dir, secretPrefix+name+jsonSuffix)
	})
}

func (s *Store) secret(name string) ([]byte, error) {
	return s.load(secretPrefix+name+jsonSuffix, label{Kind: kindSecret, Name: name})
}

func (s *Store) putSecret(name string, secret []byte) error {
	b, err := seal(label{Kind: kindSecret, Name: name}, secret, s.master.Recipient())
	if err != nil {
		return err
	}
	return replace(s.dir, secretPrefix+name+jsonSuffix, b)
}

// load opens a file of the store that must carry the label want; a want without
// Meta takes the file's.
func (s *Store) load(file string, want label) ([]byte, error) {
	b, err := read(s.dir, file)
	if errors.Is(err, os.ErrNotExist) {
		return nil, council.WithHint(ErrNotFound, "check the data directory; 'signer init' and the key generation put it there")
	}
	if err != nil {
		return nil, explain(s.dir, err)
	}
	x, err := parse(file, b)
	if err != nil {
		return nil, err
	}
	if want.Meta == nil {
		want.Meta = x.Meta
	}
	secret, err := x.open(file, want, s.master)
	if errors.Is(err, errNoMatch) {
		return nil, altered(file) // of another keystore
	}
	return secret, err
}

func (s *Store) with(what string, fn func() error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.master == nil {
		return fmt.Errorf("%s: %w", what, ErrClosed)
	}
	if err := fn(); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// sweep removes what a crash left in the middle of a write.
func sweep(dir string) error {
	files, err := os.ReadDir(dir)
	if err != nil {
		return explain(dir, err)
	}
	for _, f := range files {
		if strings.HasPrefix(f.Name(), tmpPrefix) {
			if err := os.Remove(filepath.Join(dir, f.Name())); err != nil {
				return explain(dir, err)
			}
		}
	}
	return nil
}

func validName(name string) error {
	ok := len(name) > 0 && len(name) <= MaxName
	for i := range len(name) {
		c := name[i]
		ok = ok && (c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' && i > 0 && i < len(name)-1)
	}
	if !ok {
		return fmt.Errorf("name: want 1 to %d lower-case letters, digits and inner hyphens", MaxName)
	}
	return nil
}
