package keystore

import (
	"bytes"
	"errors"
	"fmt"
	"os"

	"filippo.io/age"

	"github.com/millicent-one/signer/council"
)

// How a master identity can be sealed.
const (
	SealPassphrase = "passphrase"
	SealIdentity   = "identity"
)

// Unlock is how the member opens the store. It holds no secret itself: the
// passphrase is asked for, and files are read, when Create or Open need them.
type Unlock struct {
	seal       string
	path       string
	passphrase func() ([]byte, error)
	work       int
}

// Passphrase asks for the passphrase by prompt, once per Create or Open.
func Passphrase(prompt func() ([]byte, error)) Unlock {
	return Unlock{seal: SealPassphrase, passphrase: prompt, work: DefaultWorkFactor}
}

// PassphraseFile reads the passphrase from a file of mode 0600 or stricter, one
// line. The line's end does not count.
func PassphraseFile(path string) Unlock {
	u := Passphrase(func() ([]byte, error) { return readPassphrase(path) })
	u.path = path
	return u
}

// Identity uses an age identity file of mode 0600 or stricter, as age-keygen
// writes it, with one native key in it.
func Identity(path string) Unlock { return Unlock{seal: SealIdentity, path: path} }

// WorkFactor changes how hard Create makes the guessing of a passphrase: log2 of
// scrypt's N, 1 to MaxWorkFactor. Anything below the default is for tests. The
// file remembers it.
func (u Unlock) WorkFactor(logN int) Unlock {
	u.work = logN
	return u
}

func readPassphrase(path string) ([]byte, error) {
	b, err := readPrivate(path, MaxPassphrase+2)
	if err != nil {
		return nil, named("passphrase file", path, err)
	}
	return b, nil
}

// ask gives the passphrase as it goes into scrypt.
func (u Unlock) ask() (string, error) {
	if u.passphrase == nil {
		return "", council.WithHint(errors.New("no way to ask for the passphrase"), "give a passphrase file")
	}
	b, err := u.passphrase()
	if err != nil {
		return "", err
	}
	defer clear(b)
	p := bytes.TrimRight(b, "\r\n")
	switch {
	case len(p) == 0:
		return "", council.WithHint(errors.New("the passphrase is empty"), "write one line with a passphrase")
	case len(p) > MaxPassphrase:
		return "", council.WithHint(fmt.Errorf("the passphrase has more than %d bytes", MaxPassphrase), "choose a shorter one")
	case bytes.ContainsAny(p, "\r\n\x00"):
		return "", council.WithHint(errors.New("the passphrase has more than one line"), "write it on one line")
	}
	return string(p), nil
}

// recipient is what Create seals the master to.
func (u Unlock) recipient() (age.Recipient, error) {
	switch u.seal {
	case SealPassphrase:
		if u.work < 1 || u.work > MaxWorkFactor {
			return nil, fmt.Errorf("work factor %d: want 1 to %d", u.work, MaxWorkFactor)
		}
		p, err := u.ask()
		if err != nil {
			return nil, err
		}
		r, err := age.NewScryptRecipient(p)
		if err != nil {
			return nil, err
		}
		r.SetWorkFactor(u.work)
		return r, nil
	case SealIdentity:
		id, err := u.readIdentity()
		if err != nil {
			return nil, err
		}
		switch id := id.(type) {
		case *age.X25519Identity:
			return id.Recipient(), nil
		case *age.HybridIdentity:
			return id.Recipient(), nil
		}
		return nil, u.noIdentity()
	}
	return nil, errNoUnlock()
}

// identity is what Open opens the master with.
func (u Unlock) identity() (age.Identity, error) {
	switch u.seal {
	case SealPassphrase:
		p, err := u.ask()
		if err != nil {
			return nil, err
		}
		id, err := age.NewScryptIdentity(p)
		if err != nil {
			return nil, err
		}
		id.SetMaxWorkFactor(MaxWorkFactor)
		return id, nil
	case SealIdentity:
		return u.readIdentity()
	}
	return nil, errNoUnlock()
}

// readIdentity keeps the parser's errors to itself: they may quote the key.
func (u Unlock) readIdentity() (age.Identity, error) {
	b, err := readPrivate(u.path, MaxIdentity)
	if err != nil {
		return nil, named("age identity", u.path, err)
	}
	defer clear(b)
	ids, err := age.ParseIdentities(bytes.NewReader(b))
	if err != nil || len(ids) != 1 {
		return nil, u.noIdentity()
	}
	return ids[0], nil
}

func (u Unlock) noIdentity() error {
	return council.WithHint(fmt.Errorf("%s is not an age identity file with one native key", u.path), "make one with: age-keygen -o "+u.path)
}

// refused says in the member's words that the unlocking failed.
func (u Unlock) refused(dir string) error {
	if u.seal == SealIdentity {
		return council.WithHint(fmt.Errorf("%w: %s is not the age identity that %s was made with", ErrUnlock, u.path, dir), "use the identity file that it was made with; if that is lost and there is a backup, name another in signer.yaml, move "+dir+" away and run 'signer backup restore'")
	}
	return council.WithHint(fmt.Errorf("%w: wrong passphrase for %s", ErrUnlock, dir), "try again; if the passphrase is lost and there is a backup, move "+dir+" away and run 'signer backup restore'; without one the member leaves and comes back as another, with a new node")
}

func errNoUnlock() error {
	return council.WithHint(errors.New("no passphrase and no age identity is configured"), "configure a passphrase file or an age identity")
}

func named(what, path string, err error) error {
	if errors.Is(err, os.ErrNotExist) {
		err = council.WithHint(err, "make "+path+", or name the right file in signer.yaml")
	}
	return fmt.Errorf("%s: %w", what, explain(path, err))
}
