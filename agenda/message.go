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
	tagCold    = 6
	tagCall    = 7
	tagAnswer  = 8
	tagArm     = 9
	tagStock   = 10

	tagHerald         = 11
	tagRotationReady  = 12
	tagRotationBegin  = 13
	tagRotationFailed = 14
	tagDossier        = 15
	tagCertificate    = 16
	tagAbort          = 17
	tagErasure        = 18

	tagProclaimReady = 19
	tagProclaimBegin = 20
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
	Random   common.Hash // this node's part of the ceremony's id; zero: it takes part no more
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

// Cold tells the signers of an attempt that this node lacks the slot which the
// Begin names: all run the same attempt from the start, under its other id.
type Cold struct {
	Chain uint64
	Begin common.Hash
}

// ArmCall asks the other members of a set to make one more slot ready. Have is
// what the leader has; the rest is of no use.
type ArmCall struct {
	Signers []council.MemberID
	Call    common.Hash // names the call; the leader's part of the slot's id
	Have    []council.SessionID
}

// ArmAnswer takes part in a call. Random is this node's part of the slot's id;
// zero means not now.
type ArmAnswer struct {
	Signers []council.MemberID
	Call    common.Hash
	Random  common.Hash
	Have    []council.SessionID
}

// ArmBegin carries all parts, in the order of the signers, and starts the
// engine.
type ArmBegin struct {
	Signers []council.MemberID
	Randoms []common.Hash
}

// Stock tells for which sets of signers the sender has a slot: a bit for each,
// in the order in which combine lists them.
type Stock struct{ Ready []byte }

func (BeginMessage) tag() uint8   { return tagBegin }
func (Refusal) tag() uint8        { return tagRefusal }
func (Ready) tag() uint8          { return tagReady }
func (ConfirmMessage) tag() uint8 { return tagConfirm }
func (Proof) tag() uint8          { return tagProof }
func (Cold) tag() uint8           { return tagCold }
func (ArmCall) tag() uint8        { return tagCall }
func (ArmAnswer) tag() uint8      { return tagAnswer }
func (ArmBegin) tag() uint8       { return tagArm }
func (Stock) tag() uint8          { return tagStock }

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
	case tagCold:
		return messageAs[Cold](b)
	case tagCall:
		return messageAs[ArmCall](b)
	case tagAnswer:
		return messageAs[ArmAnswer](b)
	case tagArm:
		return messageAs[ArmBegin](b)
	case tagStock:
		return messageAs[Stock](b)
	case tagHerald:
		return messageAs[Herald](b)
	case tagRotationReady:
		return messageAs[RotationReady](b)
	case tagRotationBegin:
		return messageAs[RotationBegin](b)
	case tagRotationFailed:
		return messageAs[RotationFailed](b)
	case tagDossier:
		return messageAs[Dossier](b)
	case tagCertificate:
		return messageAs[CertificateMessage](b)
	case tagAbort:
		return messageAs[AbortMessage](b)
	case tagErasure:
		return messageAs[ErasureMessage](b)
	case tagProclaimReady:
		return messageAs[ProclaimReady](b)
	case tagProclaimBegin:
		return messageAs[ProclaimBegin](b)
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
