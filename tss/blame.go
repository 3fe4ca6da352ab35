package tss

import (
	"errors"
	"fmt"
	"strings"

	engine "github.com/bnb-chain/tss-lib/v2/tss"

	"github.com/millicent-one/signer/council"
)

// BlameError ends a session and says whose doing it may be.
type BlameError struct {
	Suspects []council.MemberID // sorted; never this party itself
	Round    Round              // the round whose messages showed it
	// Proven means that the suspects' own messages convict them: whoever holds
	// their signed frames can repeat the check. Otherwise the suspects are
	// merely those who can have caused it; GG18 can't attribute everything.
	Proven bool
	Err    error
}

func (e *BlameError) Error() string {
	names := make([]string, len(e.Suspects))
	for i, m := range e.Suspects {
		names[i] = string(m)
	}
	verb := "suspected"
	if e.Proven {
		verb = "proven"
	}
	return fmt.Sprintf("%s: %v (%s: %s)", e.Round, e.Err, verb, strings.Join(names, ", "))
}

func (e *BlameError) Unwrap() error { return e.Err }

// ErrTranscript is the cause of a BlameError when two members have heard
// different broadcasts. Publishing the signed frames shows who said two things.
var ErrTranscript = errors.New("members have heard different broadcasts")

// ErrPanic is the cause when the engine panicked on a message that passed the
// guard.
var ErrPanic = errors.New("engine panicked")

// hinted attaches the next step to an error that ends a session.
func hinted(err error) error {
	var b *BlameError
	switch {
	case !errors.As(err, &b):
		return err
	case errors.Is(err, ErrTranscript):
		return council.WithHint(err, "compare the members' signed frames of this session: someone sent different bytes to different members")
	case b.Proven:
		return council.WithHint(err, "start again without the member whose messages were invalid, and have its operator look at the node")
	default:
		return council.WithHint(err, "start again with other parties; if one member is suspected again and again, have its operator look at the node")
	}
}

// blame is a BlameError with one culprit whose own message is the proof.
func (s *Session) blame(from int, r Round, err error) error {
	var b *BlameError
	if errors.As(err, &b) {
		return err
	}
	return &BlameError{Suspects: []council.MemberID{s.members[from]}, Round: r, Proven: true, Err: err}
}

// suspect is a BlameError that proves nothing. Without a name it suspects
// everyone else.
func (s *Session) suspect(r Round, err error, who ...council.MemberID) error {
	if len(who) == 0 {
		for i, m := range s.members {
			if i != s.self {
				who = append(who, m)
			}
		}
	}
	return &BlameError{Suspects: council.Sorted(who), Round: r, Err: err}
}

// engineError translates the engine's error. The engine's culprits are no
// proof, and may name this party itself: where different parties were given
// different data, each blames itself.
func (s *Session) engineError(r Round, e *engine.Error) error {
	cause := e.Cause()
	if cause == nil {
		cause = errors.New("engine gave up without a cause")
	}
	var who []council.MemberID
	seen := map[int]bool{s.self: true}
	for _, c := range e.Culprits() {
		i, ok := s.parties.member(c)
		if !ok {
			i, ok = s.heirs.member(c)
		}
		if ok && !seen[i] {
			seen[i] = true
			who = append(who, s.members[i])
		}
	}
	return s.suspect(r, cause, who...)
}
