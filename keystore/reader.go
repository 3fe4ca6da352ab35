package keystore

import "fmt"

// Reader looks into a keystore without taking it: a daemon may run on it
// meanwhile. Every file is replaced in one step, so what a Reader sees is whole.
// It prints as its directory.
type Reader struct{ store *Store }

// Look unlocks the keystore in dir for reading, and changes nothing. Errors: as
// of Open, but for ErrLocked.
func Look(dir string, u Unlock) (*Reader, error) {
	r, err := look(dir, u)
	if err != nil {
		return nil, fmt.Errorf("look into keystore: %w", err)
	}
	return r, nil
}

func look(dir string, u Unlock) (*Reader, error) {
	if err := checkDir(dir); err != nil {
		return nil, err
	}
	b, err := read(dir, masterFile)
	if err != nil {
		return nil, missing(dir, err)
	}
	master, err := openMaster(dir, b, u)
	if err != nil {
		return nil, err
	}
	return &Reader{&Store{dir: dir, master: master}}, nil
}

// Get returns a secret, or ErrNotFound.
func (r *Reader) Get(name string) ([]byte, error) { return r.store.Get(name) }

// Current returns the share to sign with, or ErrNoCurrent.
func (r *Reader) Current() (epoch uint64, secret []byte, err error) {
	for {
		was, _, err := current(r.store.dir)
		if err != nil {
			return 0, nil, fmt.Errorf("read current share: %w", err)
		}
		epoch, secret, err := r.store.Current()
		if err == nil {
			return epoch, secret, nil
		}
		// The daemon may have gone on to the next epoch in between.
		if is, _, e := current(r.store.dir); e != nil || is == was {
			return 0, nil, err
		}
	}
}

// Close forgets the master identity. The reader is useless afterwards.
func (r *Reader) Close() error {
	r.store.mu.Lock()
	defer r.store.mu.Unlock()
	r.store.master = nil
	return nil
}

func (r *Reader) String() string { return r.store.String() }

// GoString keeps the master out of %#v.
func (r *Reader) GoString() string { return r.store.String() }
