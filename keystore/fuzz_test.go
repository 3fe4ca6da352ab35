package keystore

import (
	"bytes"
	"testing"

	"filippo.io/age"

	"github.com/millicent-one/signer/council"
)

// FuzzBox reads anything as a file of the keystore: what opens under a label is the
// secret that was sealed under it, and what does not says what to do.
func FuzzBox(f *testing.F) {
	id, err := age.GenerateX25519Identity()
	if err != nil {
		f.Fatal(err)
	}
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
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		x, err := parse("file", b)
		var got []byte
		if err == nil {
			got, err = x.open("file", want, id)
		}
		switch {
		case err == nil && !bytes.Equal(got, secret):
			t.Fatalf("opened as %q", got)
		case err != nil && err != errNoMatch && council.Hint(err) == "":
			t.Fatalf("no next step: %v", err)
		}
	})
}
