package tss

import (
	"fmt"
	"slices"

	"github.com/bnb-chain/tss-lib/v2/ecdsa/keygen"
	"github.com/bnb-chain/tss-lib/v2/ecdsa/resharing"
	"github.com/bnb-chain/tss-lib/v2/ecdsa/signing"
	engine "github.com/bnb-chain/tss-lib/v2/tss"
)

// Round is the type of a message. Its number is part of the wire format.
type Round uint8

// The message types of key generation, signing and resharing, in protocol order.
const (
	KeygenRound1         Round = 1 // commitment, moduli and their proofs
	KeygenRound2Share    Round = 2 // the receiver's share and a factor proof; direct
	KeygenRound2Decommit Round = 3 // the polynomial in the exponent and a modulus proof
	KeygenRound3         Round = 4 // Paillier proof

	SignRound1Direct Round = 16 // k_i encrypted, with a range proof; direct
	SignRound1       Round = 17 // commitment to gamma_i
	SignRound2       Round = 18 // the answers of both multiplications; direct
	SignRound3       Round = 19 // theta_i
	SignRound4       Round = 20 // gamma_i in the exponent
	SignRound5       Round = 21 // commitment to V_i, A_i
	SignRound6       Round = 22 // V_i, A_i and their proofs
	SignRound7       Round = 23 // commitment to U_i, T_i
	SignRound8       Round = 24 // U_i, T_i
	SignRound9       Round = 25 // s_i, the party's share of the signature
	SignArmed        Round = 26 // no content: the sender is armed, and its stamp says over what

	ReshareRound1         Round = 40 // a dealer's key, engine session and commitment
	ReshareRound2         Round = 41 // an heir's moduli and their proofs
	ReshareRound2Ready    Round = 42 // no content: an heir has heard all dealers
	ReshareRound3Share    Round = 43 // the receiver's part of a dealer's share; direct
	ReshareRound3Decommit Round = 44 // the dealer's polynomial in the exponent
	ReshareRound4Factors  Round = 45 // an heir's factor proof for the receiver; direct
	ReshareRound4Done     Round = 46 // no content: an heir has checked what the dealers sent
)

// The engine's rounds: what is sent in one go, and awaited from everyone before
// the next.
var (
	keygenSteps = [][]Round{{KeygenRound1}, {KeygenRound2Share, KeygenRound2Decommit}, {KeygenRound3}}
	signSteps   = [][]Round{{SignRound1Direct, SignRound1}, {SignRound2}, {SignRound3}, {SignRound4},
		{SignRound5}, {SignRound6}, {SignRound7}, {SignRound8}, {SignRound9}}
	armSteps  = append(slices.Clone(signSteps[:3]), []Round{SignArmed})
	fireSteps = signSteps[3:]

	reshareSteps = [][]Round{{ReshareRound1}, {ReshareRound2, ReshareRound2Ready},
		{ReshareRound3Share, ReshareRound3Decommit}, {ReshareRound4Factors, ReshareRound4Done}}
)

// Broadcast reports whether messages of this type go to everyone in the same
// bytes. It follows from the type alone, never from what a sender says.
func (r Round) Broadcast() bool {
	switch r {
	case KeygenRound2Share, SignRound1Direct, SignRound2, ReshareRound3Share, ReshareRound4Factors:
		return false
	}
	return true
}

// byHeirs reports whether the type is spoken by the members of the next epoch;
// all others of a resharing are by its dealers.
func (r Round) byHeirs() bool {
	switch r {
	case ReshareRound2Ready, ReshareRound2, ReshareRound4Factors, ReshareRound4Done:
		return true
	}
	return false
}

// bare reports whether a message of the type is only a word: it has no content.
func (r Round) bare() bool {
	return r == SignArmed || r == ReshareRound2Ready || r == ReshareRound4Done
}

// Reveals reports whether the message carries this party's part of the
// signature. Until a party sends it, no signature with that party can exist.
func (r Round) Reveals() bool { return r == SignRound9 }

// Heralds reports whether the next message after this one reveals: whoever has
// something to write down before that can begin now, while the others answer.
func (r Round) Heralds() bool { return r == SignRound8 }

func (r Round) String() string {
	switch r {
	case KeygenRound1:
		return "keygen-1"
	case KeygenRound2Share:
		return "keygen-2-share"
	case KeygenRound2Decommit:
		return "keygen-2-decommit"
	case KeygenRound3:
		return "keygen-3"
	case SignRound1Direct:
		return "sign-1-direct"
	case SignRound1, SignRound2, SignRound3, SignRound4, SignRound5, SignRound6, SignRound7, SignRound8, SignRound9:
		return fmt.Sprintf("sign-%d", r-SignRound1+1)
	case SignArmed:
		return "sign-armed"
	case ReshareRound1:
		return "reshare-1"
	case ReshareRound2Ready:
		return "reshare-2-ready"
	case ReshareRound2:
		return "reshare-2"
	case ReshareRound3Share:
		return "reshare-3-share"
	case ReshareRound3Decommit:
		return "reshare-3-decommit"
	case ReshareRound4Factors:
		return "reshare-4-factors"
	case ReshareRound4Done:
		return "reshare-4-done"
	default:
		return fmt.Sprintf("round(%d)", uint8(r))
	}
}

// content is an empty engine message of the type, or nil for an unknown one.
func (r Round) content() engine.MessageContent {
	switch r {
	case KeygenRound1:
		return new(keygen.KGRound1Message)
	case KeygenRound2Share:
		return new(keygen.KGRound2Message1)
	case KeygenRound2Decommit:
		return new(keygen.KGRound2Message2)
	case KeygenRound3:
		return new(keygen.KGRound3Message)
	case SignRound1Direct:
		return new(signing.SignRound1Message1)
	case SignRound1:
		return new(signing.SignRound1Message2)
	case SignRound2:
		return new(signing.SignRound2Message)
	case SignRound3:
		return new(signing.SignRound3Message)
	case SignRound4:
		return new(signing.SignRound4Message)
	case SignRound5:
		return new(signing.SignRound5Message)
	case SignRound6:
		return new(signing.SignRound6Message)
	case SignRound7:
		return new(signing.SignRound7Message)
	case SignRound8:
		return new(signing.SignRound8Message)
	case SignRound9:
		return new(signing.SignRound9Message)
	case ReshareRound1:
		return new(resharing.DGRound1Message)
	case ReshareRound2Ready:
		return new(resharing.DGRound2Message2)
	case ReshareRound2:
		return new(resharing.DGRound2Message1)
	case ReshareRound3Share:
		return new(resharing.DGRound3Message1)
	case ReshareRound3Decommit:
		return new(resharing.DGRound3Message2)
	case ReshareRound4Factors:
		return new(resharing.DGRound4Message1)
	case ReshareRound4Done:
		return new(resharing.DGRound4Message2)
	default:
		return nil
	}
}

// roundOf names the type of an engine message; 0 for one that we don't know.
func roundOf(c engine.MessageContent) Round {
	switch c.(type) {
	case *keygen.KGRound1Message:
		return KeygenRound1
	case *keygen.KGRound2Message1:
		return KeygenRound2Share
	case *keygen.KGRound2Message2:
		return KeygenRound2Decommit
	case *keygen.KGRound3Message:
		return KeygenRound3
	case *signing.SignRound1Message1:
		return SignRound1Direct
	case *signing.SignRound1Message2:
		return SignRound1
	case *signing.SignRound2Message:
		return SignRound2
	case *signing.SignRound3Message:
		return SignRound3
	case *signing.SignRound4Message:
		return SignRound4
	case *signing.SignRound5Message:
		return SignRound5
	case *signing.SignRound6Message:
		return SignRound6
	case *signing.SignRound7Message:
		return SignRound7
	case *signing.SignRound8Message:
		return SignRound8
	case *signing.SignRound9Message:
		return SignRound9
	case *resharing.DGRound1Message:
		return ReshareRound1
	case *resharing.DGRound2Message2:
		return ReshareRound2Ready
	case *resharing.DGRound2Message1:
		return ReshareRound2
	case *resharing.DGRound3Message1:
		return ReshareRound3Share
	case *resharing.DGRound3Message2:
		return ReshareRound3Decommit
	case *resharing.DGRound4Message1:
		return ReshareRound4Factors
	case *resharing.DGRound4Message2:
		return ReshareRound4Done
	default:
		return 0
	}
}
