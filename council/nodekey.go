package council

import (
	"crypto/ed25519"
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/crypto"
	"github.com/libp2p/go-libp2p/core/crypto/pb"
	"github.com/libp2p/go-libp2p/core/peer"
)

// NodeKey extracts the Ed25519 public key that a peer id embeds. Ids that carry
// only a hash of their key, or another kind of key, are refused: the roster
// must be enough to check a node's signature offline.
func NodeKey(id string) (ed25519.PublicKey, error) {
	p, err := peer.Decode(id)
	if err != nil {
		return nil, fmt.Errorf("peer id %q: %w", id, err)
	}
	if p.String() != id {
		return nil, fmt.Errorf("peer id %q is not in its canonical form %q", id, p)
	}
	pub, err := p.ExtractPublicKey()
	if err != nil {
		return nil, fmt.Errorf("peer id %q: %w", id, err)
	}
	if pub.Type() != pb.KeyType_Ed25519 {
		return nil, fmt.Errorf("peer id %q: want an Ed25519 key, have %s", id, pub.Type())
	}
	raw, err := pub.Raw()
	if err != nil {
		return nil, fmt.Errorf("peer id %q: %w", id, err)
	}
	return ed25519.PublicKey(raw), nil
}

// NodeSigner signs with the node's Ed25519 key. Purpose separates what is
// signed: a signature for one purpose is worth nothing for another.
type NodeSigner interface {
	SignNode(purpose Purpose, message []byte) ([]byte, error)
}

// Purpose is the domain of a node signature.
type Purpose string

// What node keys sign.
const (
	PurposeFrame    Purpose = "frame"    // one message on the wire
	PurposeFeed     Purpose = "feed"     // one entry of the own feed
	PurposeCard     Purpose = "card"     // the own member card
	PurposeGenesis  Purpose = "genesis"  // the birth record of a key
	PurposeEvidence Purpose = "evidence" // a record of what another member did
	PurposeAck      Purpose = "ack"      // a new share is on disk and its rotation may be committed
	PurposeLock     Purpose = "lock"     // this node signs nothing more under the old share
	PurposeRefusal  Purpose = "refusal"  // this node will never lock for a rotation
	PurposeErasure  Purpose = "erasure"  // the old share is gone from this node

	PurposeHeartbeat Purpose = "heartbeat" // this node is alive
)

// ErrNodeSignature is returned when a node's signature does not verify.
var ErrNodeSignature = errors.New("node signature does not verify")

// NodeDigest is the 32-byte string that a node key signs for a message.
func NodeDigest(purpose Purpose, message []byte) []byte {
	return crypto.Keccak256([]byte("millicent/"+string(purpose)+"/1\x00"), message)
}

// VerifyNode checks a node signature against the key in a peer id.
func VerifyNode(peerID string, purpose Purpose, message, sig []byte) error {
	key, err := NodeKey(peerID)
	if err != nil {
		return err
	}
	if len(sig) != ed25519.SignatureSize || !ed25519.Verify(key, NodeDigest(purpose, message), sig) {
		return ErrNodeSignature
	}
	return nil
}

// NodePrivate is an Ed25519 private key used as a NodeSigner.
type NodePrivate ed25519.PrivateKey

// SignNode implements NodeSigner.
func (k NodePrivate) SignNode(purpose Purpose, message []byte) ([]byte, error) {
	if len(k) != ed25519.PrivateKeySize {
		return nil, errors.New("node key has the wrong length")
	}
	return ed25519.Sign(ed25519.PrivateKey(k), NodeDigest(purpose, message)), nil
}

// String keeps the key out of logs.
func (NodePrivate) String() string { return "[node key]" }

// GoString keeps the key out of %#v.
func (NodePrivate) GoString() string { return "[node key]" }
