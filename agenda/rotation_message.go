package agenda

import (
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/millicent-one/signer/council"
)

// Herald passes on a succession: it proves itself.
type Herald struct{ Succession council.Succession }

// RotationReady tells that this node can take part in a try at a succession.
type RotationReady struct {
	Succession common.Hash
	Old, New   bool        // what this node is: a member with another node has one for each
	Random     common.Hash // this node's part of the next try's id; zero while it is not prepared
}

// RotationBegin opens a try. Parts are the random parts of all new members, in the
// order of the roster, then those of the dealers.
type RotationBegin struct {
	Rotation council.Rotation
	Parts    []common.Hash
}

// RotationFailed tells that a try has failed at this node.
type RotationFailed struct {
	Ceremony common.Hash
	Suspects []council.MemberID
	Reason   string
}

// AckWord is an Ack as one member gives it.
type AckWord struct {
	Transcript common.Hash
	Signature  council.NodeSignature
}

// Dossier is all that a node knows of a try: what becomes its certificate, or the
// end of it. Each part proves itself, whoever brings it.
type Dossier struct {
	Rotation council.Rotation
	Acks     []AckWord
	Tests    []council.TestSignature
	Locks    []council.Lock
	Refusals []council.Refusal // of the try, or of the succession
}

// CertificateMessage passes on a certificate.
type CertificateMessage struct{ Certificate council.Certificate }

// AbortMessage passes on an abort certificate.
type AbortMessage struct{ Abort council.AbortCertificate }

// ErasureMessage passes on a statement of erasure.
type ErasureMessage struct{ Erasure council.Erasure }

func (Herald) tag() uint8             { return tagHerald }
func (RotationReady) tag() uint8      { return tagRotationReady }
func (RotationBegin) tag() uint8      { return tagRotationBegin }
func (RotationFailed) tag() uint8     { return tagRotationFailed }
func (Dossier) tag() uint8            { return tagDossier }
func (CertificateMessage) tag() uint8 { return tagCertificate }
func (AbortMessage) tag() uint8       { return tagAbort }
func (ErasureMessage) tag() uint8     { return tagErasure }

// mix makes a try's random part of those of its parties.
func mix(parts []common.Hash) common.Hash {
	var all []byte
	for _, p := range parts {
		all = append(all, p[:]...)
	}
	return crypto.Keccak256Hash([]byte("millicent/rotation-random/1\x00"), all)
}
