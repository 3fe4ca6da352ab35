package node

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/internal/testcouncil"
	"github.com/millicent-one/signer/keystore"
)

// Only the very bytes that were audited count, and only where they are remembered.
func TestSound(t *testing.T) {
	var nobody *Sound
	nobody.audited([]byte("share"))
	if nobody.has([]byte("share")) {
		t.Error("nothing remembers")
	}
	s := new(Sound)
	if s.has(nil) || s.has([]byte("share")) {
		t.Error("nothing was audited")
	}
	s.audited([]byte("share"))
	if !s.has([]byte("share")) || s.has([]byte("shar")) || s.has(nil) {
		t.Error("not what was audited")
	}
}

// A share that was audited when a node started is not audited again by the next one.
func TestLoadedShareIsSound(t *testing.T) {
	share := testcouncil.SharesOf(t, testcouncil.Size{Threshold: 2, Members: 3})[0]
	secret, err := share.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	pass := filepath.Join(t.TempDir(), "passphrase")
	if err := os.WriteFile(pass, []byte("correct horse"), 0o600); err != nil {
		t.Fatal(err)
	}
	keys, err := keystore.Create(filepath.Join(t.TempDir(), "keys"), keystore.PassphraseFile(pass).WorkFactor(10))
	if err != nil {
		t.Fatal(err)
	}
	defer keys.Close()
	if err := keys.Stage(share.Epoch(), keystore.Meta{Address: share.Address()}, secret); err != nil {
		t.Fatal(err)
	}
	if err := keys.Commit(share.Epoch()); err != nil {
		t.Fatal(err)
	}
	n := &Node{self: share.Self(), keystore: keys, sound: new(Sound), holding: council.Holding{Epoch: share.Epoch()}, log: slog.New(slog.DiscardHandler)}
	if err := n.loadShare(council.Genesis{Key: share.Address()}); err != nil || n.share == nil {
		t.Fatal(err)
	}
	if !n.sound.has(secret) {
		t.Error("it is not remembered")
	}
}
