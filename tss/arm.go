package tss

import (
	"errors"
	"fmt"
	"math/big"

	ecommon "github.com/bnb-chain/tss-lib/v2/common"

	"github.com/millicent-one/signer/council"
)

// ArmConfig describes an arming session.
type ArmConfig struct {
	Session council.SessionID // the slot's id
	Self    council.MemberID
	Signers []council.MemberID // sorted; exactly as many as the share's threshold
	Share   *Share             // not changed: the engine gets a copy
	Expires uint64             // unix seconds; from then on the slot can't be fired
}

// NewArm prepares this party's part in making a signature ready before it is
// known what is signed: rounds 1 to 3, which are nearly all of the work and do
// not depend on the message. At its end Ready carries the Armed slot.
//
// Nothing is given away: of rounds 1 to 3 only theta, the sum of all k*gamma, is
// public, so the signature's R is unknown until the last honest signer opens its
// gamma in round 4, and that it does only in Fire, when its digest is bound.
// This is no presignature, and needs none of the assumptions of one.
//
// The session ends with a message by each party that carries the hash of all
// broadcasts of rounds 1 to 3, so a slot is armed only where all have heard the
// same.
func NewArm(c ArmConfig) (*Session, error) {
	s, err := newArm(c)
	if err != nil {
		return nil, fmt.Errorf("prepare arming: %w", err)
	}
	return s, nil
}

func newArm(c ArmConfig) (*Session, error) {
	if c.Session == (council.SessionID{}) {
		// To a warrant it means no slot: one for a session that signs from the
		// start would fire it.
		return nil, errors.New("slot has no id")
	}
	// The engine keeps this very number and reads it in rounds 5 and 7: until
	// Fire sets it, it stands for no message.
	m := new(big.Int)
	end := make(chan *ecommon.SignatureData, 1)
	s, err := newSigning(kindArm, c.Session, c.Self, c.Signers, c.Share, m, end)
	if err != nil {
		return nil, err
	}
	s.finish = func(ready *Ready) error {
		if s.parked == nil || !s.agreed() {
			return nil
		}
		ready.Armed = newArmed(s, c, m, end)
		s.done = true
		return nil
	}
	return s, nil
}

// agreed reports whether all others have heard in rounds 1 to 3 what this party has.
// A word that came before its time says nothing yet: it is held, and its stamp was
// compared with nothing.
func (s *Session) agreed() bool {
	for i := range s.members {
		if i != s.self && !s.given[slot{SignArmed, i}] {
			return false
		}
	}
	return true
}

// park keeps the own round-4 message back, and tells the others that this party
// is armed. The engine has all it needs for rounds 1 to 3, and is given nothing
// more before the slot is fired: with the others' round-4 messages it would run
// on, over no message, and spoil the slot.
func (s *Session) park(ready *Ready, own Message) error {
	if s.parked != nil {
		return errors.New("engine wrote round 4 twice")
	}
	s.parked = own.Payload
	out := Message{Session: s.id, From: own.From, Round: SignArmed, Transcript: s.TranscriptBefore(SignArmed)}
	s.transcript.hear(SignArmed, s.self, out.Payload)
	ready.Messages = append(ready.Messages, out)
	return nil
}
