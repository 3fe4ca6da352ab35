package agenda

import (
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rlp"

	"github.com/millicent-one/signer/council"
)

// Message is what nodes tell each other besides feed entries and engine frames.
type Message interface{ tag() uint8 }

// Tags of messages on the wire. They are never reused.
const (
	tagBegin   = 1
	tagRefusal = 2
	tagReady   = 3
	tagConfirm = 4
	tagProof   = 5
)

// BeginMessage opens a signing attempt.
type BeginMessage struct{ Begin council.Begin }

// Refusal tells the coordinator and the other signers that this node does not
// join an attempt, and why.
type Refusal struct {
	Begin   common.Hash
	Chain   uint64
	Nonce   uint64
	Attempt uint64 // the highest attempt this node knows of at that nonce
	Rule    string
	Reason  string
}

// Ready tells that this node takes part in the key ceremony.
type Ready struct {
	Roster   common.Hash
	Charter  common.Hash
	Random   common.Hash // this node's part of the ceremony's id
	Prepared bool        // it has its pre-parameters: the engine may start
}

// ConfirmMessage is a node's signature over the birth record that it computed.
type ConfirmMessage struct {
	Ceremony  common.Hash
	Genesis   council.Genesis // without signatures
	Signature council.NodeSignature
}

// Proof is a finished test signature of one subset.
type Proof struct {
	Ceremony  common.Hash
	Signers   []council.MemberID
	Signature []byte
}

func (BeginMessage) tag() uint8   { return tagBegin }
func (Refusal) tag() uint8        { return tagRefusal }
func (Ready) tag() uint8          { return tagReady }
func (ConfirmMessage) tag() uint8 { return tagConfirm }
func (Proof) tag() uint8          { return tagProof }

// EncodeMessage gives the tag and the RLP bytes of a message.
func EncodeMessage(m Message) (uint8, []byte, error) {
	b, err := rlp.EncodeToBytes(m)
	if err != nil {
		return 0, nil, fmt.Errorf("encode %T: %w", m, err)
	}
	return m.tag(), b, nil
}

// DecodeMessage reads what EncodeMessage wrote.
func DecodeMessage(tag uint8, b []byte) (Message, error) {
	switch tag {
	case tagBegin:
		return messageAs[BeginMessage](b)
	case tagRefusal:
		return messageAs[Refusal](b)
	case tagReady:
		return messageAs[Ready](b)
	case tagConfirm:
		return messageAs[ConfirmMessage](b)
	case tagProof:
		return messageAs[Proof](b)
	}
	return nil, fmt.Errorf("unknown message tag %d", tag)
}

func messageAs[T Message](b []byte) (Message, error) {
	var v T
	if err := rlp.DecodeBytes(b, &v); err != nil {
		return nil, fmt.Errorf("decode %T: %w", v, err)
	}
	return v, nil
}
