package council

import (
	"encoding/hex"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rlp"
)

// SessionID names one run of a protocol. It commits to everything that the run
// is for, so that a message of another run can't be mistaken for one of this.
type SessionID [32]byte

// Short is the form that logs use.
func (s SessionID) Short() string { return hex.EncodeToString(s[:4]) }

func (s SessionID) String() string { return hex.EncodeToString(s[:]) }

// CeremonyPurpose is what a ceremony session is for.
type CeremonyPurpose string

// The purposes of sessions that sign no intent.
const (
	PurposeKeygen CeremonyPurpose = "keygen"  // makes the key
	PurposeProof  CeremonyPurpose = "proof"   // a test signature that shows a subset's shares fit
	PurposeShare  CeremonyPurpose = "reshare" // gives the key to the next roster in new shares

	PurposeProclaim CeremonyPurpose = "proclaim" // says to the public which roster holds the key
)

// CeremonySession is the id of a session inside a ceremony: purpose, share
// epoch, roster, the parties, and the ceremony's own id.
func CeremonySession(p CeremonyPurpose, epoch uint64, roster common.Hash, parties []MemberID, ceremony common.Hash) SessionID {
	return SessionID(hashRLP("millicent/session/"+string(p)+"/1", struct {
		Epoch    uint64
		Roster   common.Hash
		Parties  []MemberID
		Ceremony common.Hash
	}{epoch, roster, parties, ceremony}))
}

// ArmSession is the id of a slot: the signers make it ready before it is known
// what they sign. It takes a random part from each, in the order of parties, so
// that nobody can make a slot repeat.
func ArmSession(epoch uint64, roster common.Hash, parties []MemberID, randoms []common.Hash) SessionID {
	return SessionID(hashRLP("millicent/session/arm/1", struct {
		Epoch   uint64
		Roster  common.Hash
		Parties []MemberID
		Randoms []common.Hash
	}{epoch, roster, parties, randoms}))
}

// FireSession is the id of the session that fires a slot for a cause: the hash
// of a Begin, or the id of a ceremony's session.
func FireSession(slot SessionID, cause common.Hash) SessionID {
	return SessionID(hashRLP("millicent/session/fire/1", struct {
		Slot  SessionID
		Cause common.Hash
	}{slot, cause}))
}

// hashRLP is keccak256 over a tag and the RLP of v. It panics on a type that RLP
// can't encode, which only a change of this package can bring.
func hashRLP(tag string, v any) common.Hash {
	b, err := rlp.EncodeToBytes(v)
	if err != nil {
		panic("council: hash " + tag + ": " + err.Error())
	}
	return crypto.Keccak256Hash([]byte(tag+"\x00"), b)
}
