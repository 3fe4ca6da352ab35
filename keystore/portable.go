package keystore

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"filippo.io/age"

	"github.com/millicent-one/signer/council"
)

// A portable secret leaves the keystore: one ordinary age file, sealed under a
// passphrase or to age recipients, that any age tool opens.

// What a caller of Unseal branches on.
var (
	ErrWrongKey = errors.New("it does not open")        // another passphrase or identity
	ErrNotAge   = errors.New("it is no age file")       // or its head is damaged
	ErrDamaged  = errors.New("it is damaged, or short") // what is sealed does not authenticate
)

// Recipients are whom a portable secret is sealed to.
type Recipients struct{ list []age.Recipient }

// To reads age recipients (age1…), each the public half of a native key.
func To(recipients ...string) (Recipients, error) {
	var r Recipients
	if n := len(recipients); n == 0 || n > MaxRecipients {
		return r, fmt.Errorf("%d age recipients; want 1 to %d", n, MaxRecipients)
	}
	for _, s := range recipients {
		bad := council.WithHint(fmt.Errorf("%q is not an age recipient", clip(s)), "give what age-keygen calls the public key: age1…")
		if strings.HasPrefix(strings.ToUpper(s), "AGE-SECRET-") {
			// Not shown again: it is the secret half.
			bad = council.WithHint(errors.New("this is the secret half of an age key, not a recipient"), "give the public key; the secret one stays in its file, and now make a new one")
		}
		list, err := age.ParseRecipients(strings.NewReader(s))
		if err != nil || len(list) != 1 {
			return Recipients{}, bad
		}
		r.list = append(r.list, list[0])
	}
	return r, nil
}

func clip(s string) string {
	if len(s) > 80 {
		return s[:80] + "…"
	}
	return s
}

// Seal encrypts a secret to the recipients. The result is an age file.
func (r Recipients) Seal(secret []byte) ([]byte, error) { return sealFile(secret, r.list...) }

// Seal encrypts a secret under the passphrase. The result is an age file.
func (u Unlock) Seal(secret []byte) ([]byte, error) {
	to, err := u.recipient()
	if err != nil {
		return nil, err
	}
	return sealFile(secret, to)
}

func sealFile(secret []byte, to ...age.Recipient) ([]byte, error) {
	if len(secret) == 0 || len(secret) > MaxSecret {
		return nil, fmt.Errorf("seal: a secret of %d bytes; want 1 to %d", len(secret), MaxSecret)
	}
	var out bytes.Buffer
	w, err := age.Encrypt(&out, to...)
	if err == nil {
		_, err = w.Write(secret)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	return out.Bytes(), nil
}

// SealedBy tells how an age file is sealed: SealPassphrase or SealIdentity.
// Errors: ErrNotAge.
func SealedBy(file []byte) (string, error) {
	head, err := age.ExtractHeader(bytes.NewReader(file))
	if err != nil {
		return "", ErrNotAge
	}
	if bytes.Contains(head, []byte("\n-> scrypt ")) {
		return SealPassphrase, nil
	}
	return SealIdentity, nil
}

// Unseal opens what Seal made. Errors: ErrNotAge, ErrWrongKey, ErrDamaged.
func (u Unlock) Unseal(file []byte) ([]byte, error) {
	how, err := SealedBy(file)
	if err != nil {
		return nil, err
	}
	if how != u.seal {
		return nil, fmt.Errorf("%w: it is sealed by %s, not by %s", ErrWrongKey, how, u.seal)
	}
	id, err := u.identity()
	if err != nil {
		return nil, err
	}
	r, err := age.Decrypt(bytes.NewReader(file), id)
	if err != nil {
		var no *age.NoIdentityMatchError
		if !errors.As(err, &no) {
			return nil, ErrDamaged // the head, or the first bytes of the rest
		}
		if how == SealPassphrase {
			return nil, fmt.Errorf("%w: wrong passphrase", ErrWrongKey)
		}
		return nil, fmt.Errorf("%w: %s is not one of the identities that it is sealed to", ErrWrongKey, u.path)
	}
	secret, err := io.ReadAll(io.LimitReader(r, MaxSecret+1))
	if err != nil || len(secret) > MaxSecret {
		return nil, ErrDamaged
	}
	return secret, nil
}
