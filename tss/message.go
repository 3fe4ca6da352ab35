package tss

import (
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"google.golang.org/protobuf/proto"

	engine "github.com/bnb-chain/tss-lib/v2/tss"

	"github.com/millicent-one/signer/council"
)

// Message is one protocol message. From must be who the connection says it is;
// the session believes it.
type Message struct {
	Session    council.SessionID
	From       council.MemberID
	To         council.MemberID // "" for everyone
	Round      Round
	Transcript common.Hash // TranscriptBefore(Round) at the sender
	Payload    []byte      // the engine's protobuf message; which one follows from Round
}

// Ready is what a step of the session has brought about.
type Ready struct {
	// Messages are to be sent, in this order.
	Messages []Message
	// Reveals says that Messages carry this party's part of the signature: the
	// ledger's `revealed` row must be on stable storage BEFORE they are sent,
	// and before Signature is used.
	Reveals bool
	// Signature is set once, at the end of a signing session: low-s, and checked
	// against the share's public key.
	Signature *Signature
	// Share is set once, at the end of a key generation or, for a member of the
	// next epoch, of a resharing, and has passed its Audit. It must be on stable
	// storage before the session's end is confirmed.
	Share *Share
	// Armed is set once, at the end of an arming session.
	Armed *Armed
	// Dropped says why the message given to Step was not taken; nil if it was.
	// The session is unharmed.
	Dropped error
}

// Why a message was dropped.
var (
	ErrForeign     = errors.New("message is of another session")
	ErrStranger    = errors.New("message is not by another party of the session")
	ErrMisrouted   = errors.New("message has the wrong audience for its type")
	ErrOtherRound  = errors.New("message is of no round of this protocol")
	ErrDuplicate   = errors.New("message was heard before")
	ErrConflict    = errors.New("message differs from an earlier one by its sender for the same round")
	ErrSessionOver = errors.New("session is complete")
)

// Signature is an ECDSA signature over secp256k1 in its low-s form.
type Signature struct {
	R, S [32]byte
	V    byte // 0 or 1
}

// Bytes is r || s || v, 65 bytes, v in {0, 1}, as go-ethereum has it.
func (s Signature) Bytes() []byte {
	b := make([]byte, 0, 65)
	b = append(b, s.R[:]...)
	b = append(b, s.S[:]...)
	return append(b, s.V)
}

// decode reads a payload as the engine's message of a type. Unknown fields are
// refused: they would travel in the transcript without meaning anything.
func decode(r Round, payload []byte) (engine.MessageContent, error) {
	if r.bare() && len(payload) > 0 {
		return nil, errors.New("message has content; it is only a word")
	}
	if r == SignArmed { // the engine has no such message
		return nil, nil
	}
	c := r.content()
	if c == nil {
		return nil, ErrOtherRound
	}
	if n, limit := len(payload), r.MaxPayload(); n > limit {
		return nil, fmt.Errorf("message has %d bytes; at most %d", n, limit)
	}
	if err := proto.Unmarshal(payload, c); err != nil {
		return nil, errors.New("message is no protobuf of its type")
	}
	if len(c.ProtoReflect().GetUnknown()) > 0 {
		return nil, errors.New("message has unknown fields")
	}
	if !c.ValidateBasic() || len(payload) == 0 && !r.bare() { // the engine lets an empty factor proof pass here
		return nil, errors.New("message lacks a field")
	}
	return c, nil
}
