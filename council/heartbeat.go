package council

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rlp"
)

// ShareHealth is what a node has found when it last looked at its share. The
// numbers are part of the format.
type ShareHealth uint8

// The states of a share.
const (
	ShareNone    ShareHealth = 1 // the node holds none
	ShareSound   ShareHealth = 2 // the one on the disk opens, and is the one that the node signs with
	ShareDamaged ShareHealth = 3 // the one on the disk is lost, damaged or another: the node signs only until it stops
)

func (h ShareHealth) String() string {
	switch h {
	case ShareNone:
		return "none"
	case ShareSound:
		return "sound"
	case ShareDamaged:
		return "damaged"
	}
	return fmt.Sprintf("health %d", uint8(h))
}

// Heartbeat is a node's word that it is alive, and in which state. It can be kept
// and shown to others: whoever has the roster can check it. What it proves is that
// the node key has signed it; the time is the node's own, and a node takes none
// that lies ahead of its clock.
type Heartbeat struct {
	Member  MemberID
	Roster  common.Hash // that the node works under
	Council common.Hash // its id; zero before there is a key
	Epoch   uint64      // of its share; zero before there is a key
	Time    uint64      // unix seconds, by the node's clock; later than in every one before
	Version string      // of the software
	Share   ShareHealth
	Signs   bool // it takes part in signatures: it does not only watch, and is not frozen
	Sig     []byte
}

// ID is the hash that is signed.
func (h Heartbeat) ID() common.Hash {
	h.Sig = nil
	return hashRLP("millicent/heartbeat/1", h)
}

// Sign signs the heartbeat with the node key of its member.
func (h Heartbeat) Sign(key NodeSigner) (Heartbeat, error) {
	if err := h.valid(); err != nil {
		return Heartbeat{}, err
	}
	id := h.ID()
	sig, err := key.SignNode(PurposeHeartbeat, id[:])
	if err != nil {
		return Heartbeat{}, fmt.Errorf("sign heartbeat: %w", err)
	}
	h.Sig = sig
	return h, nil
}

func (h Heartbeat) valid() error {
	strange := func(r rune) bool { return r < ' ' || r > '~' } // it is printed on terminals
	switch {
	case h.Time == 0 || h.Time > maxHeartbeatTime:
		return fmt.Errorf("heartbeat: time %d is outside 1 to %d", h.Time, uint64(maxHeartbeatTime))
	case len(h.Version) > MaxVersion || strings.ContainsFunc(h.Version, strange):
		return fmt.Errorf("heartbeat: the version is no line of at most %d plain characters", MaxVersion)
	case h.Share < ShareNone || h.Share > ShareDamaged:
		return fmt.Errorf("heartbeat: a share's health can't be %d", uint8(h.Share))
	case (h.Council == common.Hash{}) != (h.Epoch == 0):
		return errors.New("heartbeat: it names a council without a share epoch, or the other way round")
	case h.Epoch == 0 && (h.Share != ShareNone || h.Signs):
		return errors.New("heartbeat: there is no share before there is a key")
	}
	return nil
}

// maxHeartbeatTime is in the year 2242.
const maxHeartbeatTime = 1<<33 - 1

// Verify checks the heartbeat against the roster that it names.
func (h Heartbeat) Verify(r Roster) error {
	if err := h.Member.Valid(); err != nil {
		return fmt.Errorf("heartbeat: %w", err)
	}
	if err := h.valid(); err != nil {
		return fmt.Errorf("%s: %w", h.Member, err)
	}
	hash, err := r.Hash()
	if err != nil {
		return err
	}
	if hash != h.Roster {
		return WithHint(fmt.Errorf("heartbeat: %s gave it under roster %s; this one is %s", h.Member, h.Roster.Hex(), hash.Hex()),
			"check it against the roster of that time")
	}
	m, ok := r.Member(h.Member)
	if !ok {
		return fmt.Errorf("heartbeat: %s is not in the roster", h.Member)
	}
	id := h.ID()
	if err := VerifyNode(m.Peer, PurposeHeartbeat, id[:], h.Sig); err != nil {
		return fmt.Errorf("heartbeat: %s: %w", h.Member, err)
	}
	return nil
}

// EncodeHeartbeat is the canonical form, in which heartbeats are kept and shown.
func EncodeHeartbeat(h Heartbeat) ([]byte, error) {
	b, err := rlp.EncodeToBytes(h)
	if err != nil {
		return nil, fmt.Errorf("encode heartbeat: %w", err)
	}
	return b, nil
}

// DecodeHeartbeat reads what EncodeHeartbeat wrote and nothing else. Whether it is
// true is for Verify.
func DecodeHeartbeat(b []byte) (Heartbeat, error) {
	if len(b) > MaxHeartbeat {
		return Heartbeat{}, fmt.Errorf("decode heartbeat: %d bytes; at most %d", len(b), MaxHeartbeat)
	}
	var h Heartbeat
	if err := rlp.DecodeBytes(b, &h); err != nil {
		return Heartbeat{}, WithHint(fmt.Errorf("decode heartbeat: %w", err), "take a file that 'signer heartbeat show MEMBER --out FILE' wrote, whole and unchanged")
	}
	if len(h.Sig) != ed25519.SignatureSize {
		return Heartbeat{}, fmt.Errorf("decode heartbeat: signature of %d bytes; want %d", len(h.Sig), ed25519.SignatureSize)
	}
	return h, h.valid()
}
