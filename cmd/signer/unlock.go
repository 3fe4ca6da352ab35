package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"

	lcrypto "github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/millicent-one/signer/configs"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/keystore"
)

// nodeKeyName is the name of the node's key in the keystore: an Ed25519 seed.
const nodeKeyName = "node-key"

// unlock says how to open the keystore. With fresh, a new passphrase is asked
// for twice.
func (a *app) unlock(u configs.Unlock, fresh bool) keystore.Unlock {
	a.secret()
	switch {
	case u.Identity != "":
		return keystore.Identity(u.Identity)
	case u.Passphrase != "":
		return keystore.PassphraseFile(u.Passphrase)
	}
	return keystore.Passphrase(func() ([]byte, error) {
		first, err := a.ask("passphrase of the node's keystore")
		if err != nil || !fresh {
			return first, err
		}
		second, err := a.ask("the same passphrase again")
		if err != nil {
			return nil, err
		}
		defer clear(second)
		if !bytes.Equal(first, second) {
			return nil, council.WithHint(errors.New("the two passphrases differ"), "give the same passphrase twice; nothing was written")
		}
		return first, nil
	})
}

// openKeys opens the keystore and takes the node's key out. The caller closes
// the store.
func (a *app) openKeys(c *configs.Loaded) (*keystore.Store, council.NodePrivate, error) {
	s, err := keystore.Open(c.KeyDir(), a.unlock(c.Unlock, false))
	if err != nil {
		return nil, nil, err
	}
	key, err := nodeKey(s)
	if err != nil {
		return nil, nil, errors.Join(err, s.Close())
	}
	return s, key, nil
}

// nodeKey takes the node's key out of an open store.
func nodeKey(s interface{ Get(string) ([]byte, error) }) (council.NodePrivate, error) {
	seed, err := s.Get(nodeKeyName)
	if err != nil {
		return nil, err
	}
	defer clear(seed)
	if len(seed) != ed25519.SeedSize {
		return nil, fmt.Errorf("node key has %d bytes; want %d", len(seed), ed25519.SeedSize)
	}
	return council.NodePrivate(ed25519.NewKeyFromSeed(seed)), nil
}

// newNodeKey draws a key and keeps it in the store.
func newNodeKey(s *keystore.Store) (council.NodePrivate, error) {
	seed := make([]byte, ed25519.SeedSize)
	defer clear(seed)
	if _, err := rand.Read(seed); err != nil {
		return nil, fmt.Errorf("draw node key: %w", err)
	}
	if err := s.Put(nodeKeyName, seed); err != nil {
		return nil, err
	}
	return council.NodePrivate(ed25519.NewKeyFromSeed(seed)), nil
}

// peerID is the libp2p identity of a node key.
func peerID(k council.NodePrivate) (string, error) {
	pub, err := lcrypto.UnmarshalEd25519PublicKey(ed25519.PrivateKey(k).Public().(ed25519.PublicKey))
	if err != nil {
		return "", fmt.Errorf("peer id: %w", err)
	}
	id, err := peer.IDFromPublicKey(pub)
	if err != nil {
		return "", fmt.Errorf("peer id: %w", err)
	}
	return id.String(), nil
}
