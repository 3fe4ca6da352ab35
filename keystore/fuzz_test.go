package keystore

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"filippo.io/age"

	"github.com/millicent-one/signer/council"
)

// FuzzBox reads anything as a file of the keystore, and as a portable secret: what opens
// is the secret that was sealed, under its label, and what does not says what to do, or
// which of three things is wrong.
func FuzzBox(f *testing.F) {
	path := newIdentity(f)
	text, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	ids, err := age.ParseIdentities(bytes.NewReader(text))
	if err != nil {
		f.Fatal(err)
	}
	id := ids[0].(*age.X25519Identity)
	want, secret := label{Kind: kindSecret, Name: "node"}, []byte("a secret")
	good, err := seal(want, secret, id.Recipient())
	if err != nil {
		f.Fatal(err)
	}
	other, err := seal(label{Kind: kindShare, Epoch: 2}, []byte("a share"), id.Recipient())
	if err != nil {
		f.Fatal(err)
	}
	for _, b := range [][]byte{good, other, good[:len(good)/2], append(bytes.Clone(good), '{', '}'), bytes.Replace(good, []byte("node"), []byte("peer"), 1), []byte(`{"format":9}`)} {
		f.Add(false, b)
	}
	toKey, err := sealFile(secret, id.Recipient())
	if err != nil {
		f.Fatal(err)
	}
	toPhrase, err := weak("correct horse").Seal(secret)
	if err != nil {
		f.Fatal(err)
	}
	head := bytes.Index(toKey, []byte("\n--- ")) + len("\n--- ")
	otherSum := slices.Concat(toKey[:head], bytes.Repeat([]byte("A"), 43), toKey[head+43:]) // of the head; 32 bytes in base64
	for _, b := range [][]byte{
		toKey, toPhrase, otherSum, toKey[:len(toKey)-1], toKey[:head+50], toKey[:50], append(bytes.Clone(toKey), 0),
		bytes.Replace(toKey, []byte("-> X25519"), []byte("-> scrypt"), 1),
	} {
		f.Add(true, b)
	}
	f.Fuzz(func(t *testing.T, portable bool, b []byte) {
		var got []byte
		var err error
		if portable {
			got, err = Identity(path).Unseal(b)
		} else {
			var x box
			if x, err = parse("file", b); err == nil {
				got, err = x.open("file", want, id)
			}
		}
		switch {
		case err == nil && !bytes.Equal(got, secret):
			t.Fatalf("opened as %q", got)
		case err == nil:
		case got != nil:
			t.Fatalf("%q in spite of %v", got, err)
		case portable && !errors.Is(err, ErrNotAge) && !errors.Is(err, ErrWrongKey) && !errors.Is(err, ErrDamaged):
			t.Fatalf("what is wrong? %v", err)
		case !portable && err != errNoMatch && council.Hint(err) == "":
			t.Fatalf("no next step: %v", err)
		}
	})
}

// FuzzCurrent puts anything where the keystore says which epoch is current: it is read as
// what Commit has written, or as damaged, with a next step.
func FuzzCurrent(f *testing.F) {
	for _, s := range []string{"1\n", "18446744073709551615\n", "18446744073709551616\n", "1", "", "\n", "01\n", "+1\n", "1_0\n", "1\n\n", "1\n2\n", " 1\n", "-1\n"} {
		f.Add([]byte(s))
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, b []byte) {
		if err := os.WriteFile(filepath.Join(dir, currentFile), b, 0o600); err != nil {
			t.Fatal(err)
		}
		epoch, ok, err := current(dir)
		switch {
		case err == nil && (!ok || fmt.Sprintln(epoch) != string(b)):
			t.Fatalf("%q is read as %d, %t", b, epoch, ok)
		case err != nil && (ok || epoch != 0 || council.Hint(err) == ""):
			t.Fatalf("%q: %d, %t, %v", b, epoch, ok, err)
		}
	})
}
