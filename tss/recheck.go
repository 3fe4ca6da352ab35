package tss

import (
	"errors"
	"fmt"

	"github.com/millicent-one/signer/council"
)

// ErrNotShown is returned by Recheck when what it is given does not show that
// the message is invalid. The message may be, by numbers that only its receiver
// knows.
var ErrNotShown = errors.New("the message is not shown to be invalid")

// Earlier is the type of the sender's own earlier message that one of this type
// is compared with, by its moduli or its commitment; 0 if there is none.
func (r Round) Earlier() Round {
	switch r {
	case KeygenRound2Decommit, KeygenRound3:
		return KeygenRound1
	case ReshareRound3Decommit:
		return ReshareRound1
	case SignRound4:
		return SignRound1
	case SignRound6:
		return SignRound5
	case SignRound8:
		return SignRound7
	}
	return 0
}

// Secret reports whether a message of this type carries a secret that only the
// encryption of its connection protects: its content must not be kept or shown.
func (r Round) Secret() bool { return r == KeygenRound2Share || r == ReshareRound3Share }

// Known reports whether there is such a type.
func (r Round) Known() bool { return r == SignArmed || r.content() != nil }

// Recheck looks at a message as the guard of a session does, but from nothing
// that only a party of the session knows: the message itself, if need be the one
// that Earlier names, by the same sender, and how many sign together. The error
// says what is wrong with the message, and it is the sender's doing alone;
// ErrNotShown if nothing is, as far as that shows. It never returns nil.
//
// What is compared with the receiver's numbers, or with other members', is left
// out: the moduli of a share, and all of a message that carries a secret.
func Recheck(m Message, earlier *Message, threshold int) (err error) {
	defer func() {
		if recover() != nil {
			err = fmt.Errorf("%w: looking at it goes wrong", ErrNotShown)
		}
	}()
	switch {
	case m.Round.Secret():
		return fmt.Errorf("%w: it carries a secret", ErrNotShown)
	case !m.Round.Known(), m.Round.Broadcast() != (m.To == ""):
		// A session drops such a message; it does not blame its sender.
		return fmt.Errorf("%w: it is of no round that there is, or not for whom its type is", ErrNotShown)
	}
	const receiver, sender = 0, 1
	g := newGuard([]council.MemberID{"", m.From}, receiver, threshold-1)
	g.lone = true
	for i := range g.members {
		g.paillier[i], g.tilde[i] = anyModulus, anyModulus
	}
	if earlier != nil {
		if earlier.Round == 0 || earlier.Round != m.Round.Earlier() || earlier.From != m.From || earlier.To != "" {
			return fmt.Errorf("%w: it is not compared with %s of %s", ErrNotShown, earlier.Round, earlier.From)
		}
		if err := g.look(sender, *earlier); err != nil {
			return fmt.Errorf("%w: the earlier one is invalid itself", ErrNotShown)
		}
	}
	err = g.look(sender, m)
	var shared *BlameError
	if err == nil || errors.As(err, &shared) {
		return ErrNotShown
	}
	return err
}

// look decodes and checks one message.
func (g *guard) look(from int, m Message) error {
	c, err := decode(m.Round, m.Payload)
	if err != nil || m.Round == SignArmed {
		return err
	}
	return g.check(from, m.Round, c)
}
