package keystore

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"
)

func recipientOf(t *testing.T, identity string) string {
	t.Helper()
	b, err := os.ReadFile(identity)
	if err != nil {
		t.Fatal(err)
	}
	ids, err := age.ParseIdentities(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	return ids[0].(*age.X25519Identity).Recipient().String()
}

func TestPortableSecrets(t *testing.T) {
	mine, yours, other := newIdentity(t), newIdentity(t), newIdentity(t)
	both, err := To(recipientOf(t, mine), recipientOf(t, yours))
	if err != nil {
		t.Fatal(err)
	}
	secret := bytes.Repeat([]byte("a secret share "), 9000) // more than one chunk of age
	toKeys, err := both.Seal(secret)
	if err != nil {
		t.Fatal(err)
	}
	toPhrase, err := weak("correct horse").Seal(secret)
	if err != nil {
		t.Fatal(err)
	}
	flip := func(b []byte, at int) []byte {
		b = bytes.Clone(b)
		b[at] ^= 1
		return b
	}
	// otherSign puts another sign of base64 in the place of one: a flipped bit may
	// make none, and then it is no head at all.
	otherSign := func(b []byte, at int) []byte {
		b = bytes.Clone(b)
		if b[at] == 'A' {
			b[at] = 'B'
		} else {
			b[at] = 'A'
		}
		return b
	}
	for name, c := range map[string]struct {
		file []byte
		u    Unlock
		want error
		says string
	}{
		"first recipient":          {toKeys, Identity(mine), nil, ""},
		"second recipient":         {toKeys, Identity(yours), nil, ""},
		"passphrase":               {toPhrase, weak("correct horse"), nil, ""},
		"another identity":         {toKeys, Identity(other), ErrWrongKey, other},
		"wrong passphrase":         {toPhrase, weak("incorrect horse"), ErrWrongKey, "wrong passphrase"},
		"identity for phrase":      {toPhrase, Identity(mine), ErrWrongKey, "sealed by passphrase"},
		"phrase for an identity":   {toKeys, weak("correct horse"), ErrWrongKey, "sealed by identity"},
		"cut in the last chunk":    {toKeys[:len(toKeys)-1], Identity(mine), ErrDamaged, ""},
		"cut at a chunk's end":     {toKeys[:len(toKeys)-70_000], Identity(mine), ErrDamaged, ""},
		"only the head":            {toKeys[:bytes.Index(toKeys, []byte("\n---"))+60], Identity(mine), ErrDamaged, ""},
		"cut in the head":          {toKeys[:50], Identity(mine), ErrNotAge, ""},
		"nothing":                  {nil, Identity(mine), ErrNotAge, ""},
		"something else":           {[]byte("-----BEGIN PGP MESSAGE-----\n"), Identity(mine), ErrNotAge, ""},
		"a bit of the body":        {flip(toKeys, len(toKeys)-9), Identity(mine), ErrDamaged, ""},
		"a bit of the phrase's":    {flip(toPhrase, len(toPhrase)-9), weak("correct horse"), ErrDamaged, ""},
		"a sign of the head's sum": {otherSign(toKeys, bytes.Index(toKeys, []byte("\n---"))+9), Identity(mine), ErrDamaged, ""},
	} {
		got, err := c.u.Unseal(c.file)
		if c.want == nil {
			if err != nil || !bytes.Equal(got, secret) {
				t.Errorf("%s: %d bytes, %v", name, len(got), err)
			}
			continue
		}
		if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) || got != nil {
			t.Errorf("%s: %v, want %v and %q", name, err, c.want, c.says)
		}
		if strings.Contains(err.Error(), "horse") {
			t.Errorf("%s: the passphrase stands in %v", name, err)
		}
	}
}

func TestBadRecipients(t *testing.T) {
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	good := id.Recipient().String()
	for name, list := range map[string][]string{
		"none": nil, "empty": {""}, "cut": {good[:30]}, "two in one": {good + "\n" + good}, "a comment": {"# " + good},
		"the secret half": {id.String()}, "an ssh key": {"ssh-ed25519 AAAA"}, "many": {good, good, good, good, good, good, good, good, good},
	} {
		if _, err := To(list...); err == nil {
			t.Errorf("%s: taken", name)
		} else if strings.Contains(err.Error(), "AGE-SECRET-KEY-1") {
			t.Errorf("%s: the secret stands in %v", name, err)
		}
	}
}

// A reader works beside the process that holds the store, and sees its changes.
func TestLookBesideADaemon(t *testing.T) {
	s, dir, u := made(t)
	if err := errors.Join(s.Put("node", []byte("seed")), s.Stage(1, meta(1), share(1))); err != nil {
		t.Fatal(err)
	}
	r, err := Look(dir, u)
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = r.Current()
	hinted(t, err, ErrNoCurrent)
	if err := s.Commit(1); err != nil {
		t.Fatal(err)
	}
	if b, err := r.Get("node"); string(b) != "seed" || err != nil {
		t.Errorf("node key %q, %v", b, err)
	}
	if n, b, err := r.Current(); n != 1 || string(b) != string(share(1)) || err != nil {
		t.Errorf("current %d, %q, %v", n, b, err)
	}
	if err := errors.Join(s.Stage(2, meta(2), share(2)), s.Commit(2), s.Erase(1)); err != nil {
		t.Fatal(err)
	}
	if n, b, err := r.Current(); n != 2 || string(b) != string(share(2)) || err != nil {
		t.Errorf("current %d, %q, %v", n, b, err)
	}
	if strings.Contains(r.GoString()+r.String(), "AGE") {
		t.Error("the reader prints its key")
	}
	_ = r.Close()
	if _, err := r.Get("node"); !errors.Is(err, ErrClosed) {
		t.Errorf("closed: %v", err)
	}
	_, err = Look(dir, Identity(newIdentity(t)))
	hinted(t, err, ErrUnlock)
	_, err = Look(filepath.Join(t.TempDir(), "none"), u)
	hinted(t, err, ErrNoKeystore)
	if err := s.Put("later", []byte("x")); err != nil {
		t.Errorf("the store after readers came and went: %v", err)
	}
}
