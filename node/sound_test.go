package node

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/internal/testcouncil"
	"github.com/millicent-one/signer/keystore"
	"github.com/millicent-one/signer/tss"
)

// Only the very bytes that were audited count, only where they are remembered, and only
// until their epoch is over.
func TestSound(t *testing.T) {
	share := testcouncil.SharesOf(t, testcouncil.Size{Threshold: 2, Members: 3})[0]
	var nobody *Sound
	nobody.audited([]byte("share"), share)
	nobody.forget(func(*tss.Share) bool { return true })
	if nobody.share([]byte("share")) != nil {
		t.Error("nothing remembers")
	}
	s := new(Sound)
	if s.share(nil) != nil || s.share([]byte("share")) != nil {
		t.Error("nothing was audited")
	}
	s.audited([]byte("share"), share)
	if s.share([]byte("share")) != share || s.share([]byte("shar")) != nil || s.share(nil) != nil {
		t.Error("not what was audited")
	}
	s.forget(func(x *tss.Share) bool { return x.Epoch() < share.Epoch() })
	if s.share([]byte("share")) != share {
		t.Error("forgotten before its epoch is over")
	}
	s.forget(func(x *tss.Share) bool { return x.Epoch() <= share.Epoch() })
	if s.share([]byte("share")) != nil {
		t.Error("remembered after its epoch is over")
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
	if n.sound.share(secret) != n.share {
		t.Error("it is not remembered")
	}
}
