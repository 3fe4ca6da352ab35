package tss

import (
	"errors"
	"fmt"
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"google.golang.org/protobuf/proto"

	engine "github.com/bnb-chain/tss-lib/v2/tss"

	"github.com/millicent-one/signer/council"
)

// Session is one party's run of one protocol. It is not safe for concurrent
// use, has no goroutine that outlives a call, and keeps no clock.
//
// An error ends it: Start and Step return that error from then on, and the
// engine is never touched again.
type Session struct {
	kind    kind
	id      council.SessionID
	members []council.MemberID
	self    int
	parties *parties // of a resharing: the dealers
	heirs   *parties // the other side of a resharing
	steps   [][]Round

	party  engine.Party // of a resharing: as a dealer; nil for one that is none
	heir   engine.Party // this party as a member of the next epoch
	out    chan engine.Message
	begin  func(*Ready) error // makes the first messages
	finish func(*Ready) error // looks whether there is a result, and takes it
	parked []byte             // when arming: the own round-4 message, kept back

	guard      *guard
	transcript *transcript
	taken      map[slot]common.Hash // what each sender said first
	held       map[slot]held        // taken, and not yet given to the engine
	given      map[slot]bool

	step    int
	started bool
	done    bool
	dead    error
}

type kind uint8

const (
	kindKeygen kind = iota + 1
	kindSign
	kindArm  // rounds 1 to 3 of a signature
	kindFire // rounds 4 to 9 of one that was armed
	kindReshare
)

// slot is the place of one message in the protocol.
type slot struct {
	round Round
	from  int
}

// held is a decoded message that waits for its round.
type held struct {
	content    engine.MessageContent
	payload    []byte
	transcript common.Hash
}

func newSession(k kind, id council.SessionID, members []council.MemberID, self int, p *parties, steps [][]Round, g *guard) *Session {
	s := &Session{
		kind: k, id: id, members: members, self: self, parties: p, steps: steps, guard: g,
		out:   make(chan engine.Message, outbound(steps, len(members))),
		taken: map[slot]common.Hash{},
		held:  map[slot]held{},
		given: map[slot]bool{},
	}
	s.transcript = newTranscript(id, members, steps, s.speaks)
	s.begin = s.startEngine
	return s
}

// outbound is room for all that a party writes in these steps: the engine never
// blocks on it.
func outbound(steps [][]Round, parties int) int { return len(steps) * (parties + 1) }

// ID is the session's id.
func (s *Session) ID() council.SessionID { return s.id }

// String names the session and shows nothing else of it.
func (s *Session) String() string { return "session " + s.id.Short() }

// GoString is String.
func (s *Session) GoString() string { return s.String() }

// Self is the party whose session it is.
func (s *Session) Self() council.MemberID { return s.members[s.self] }

// Members are the parties of the session, sorted.
func (s *Session) Members() []council.MemberID { return append([]council.MemberID(nil), s.members...) }

// Rounds are all types of message in the session's protocol, in order.
func (s *Session) Rounds() []Round { return slices.Concat(s.steps...) }

// Start runs the first round. Messages that Step was given before are taken
// into account.
func (s *Session) Start() (Ready, error) {
	switch {
	case s.dead != nil:
		return Ready{}, s.dead
	case s.started:
		return Ready{}, errors.New("session was started before")
	}
	return s.run(func(ready *Ready) error {
		begin := s.begin
		s.started, s.begin = true, nil
		if err := begin(ready); err != nil {
			return err
		}
		return s.pump(ready)
	})
}

func (s *Session) startEngine(ready *Ready) error {
	if err := s.party.Start(); err != nil {
		return fmt.Errorf("start: %w", s.engineError(s.steps[0][0], err))
	}
	return s.drain(ready)
}

// Step takes one message. What does not belong here is dropped with a reason in
// Ready; what belongs here and is invalid ends the session with a *BlameError.
// A message that is early is kept until its round; only the first of a sender
// for a round counts.
func (s *Session) Step(m Message) (Ready, error) {
	if s.dead != nil {
		return Ready{}, s.dead
	}
	at, err := s.admit(m)
	if err != nil {
		return Ready{Dropped: err}, nil
	}
	return s.run(func(ready *Ready) error {
		content, err := decode(m.Round, m.Payload)
		if err != nil {
			return s.blame(at.from, m.Round, err)
		}
		s.held[at] = held{content, m.Payload, m.Transcript}
		if !s.started {
			return nil
		}
		return s.pump(ready)
	})
}

// admit checks where a message belongs, and claims its slot.
func (s *Session) admit(m Message) (slot, error) {
	from := -1
	for i, id := range s.members {
		if id == m.From && i != s.self {
			from = i
		}
	}
	switch {
	case m.Session != s.id:
		return slot{}, ErrForeign
	case from < 0:
		return slot{}, ErrStranger
	case !s.expects(m.Round):
		return slot{}, ErrOtherRound
	case !s.speaks(m.Round, from):
		return slot{}, ErrStranger
	case m.Round.Broadcast() && m.To != "", !m.Round.Broadcast() && m.To != s.members[s.self], !s.awaits(m.Round, from):
		return slot{}, ErrMisrouted
	}
	at := slot{m.Round, from}
	mark := crypto.Keccak256Hash(m.Transcript[:], m.Payload)
	switch first, ok := s.taken[at]; {
	case ok && first == mark:
		return slot{}, ErrDuplicate
	case ok:
		return slot{}, ErrConflict
	case s.done:
		return slot{}, ErrSessionOver
	}
	s.taken[at] = mark
	return at, nil
}

func (s *Session) expects(r Round) bool {
	for _, step := range s.steps {
		for _, e := range step {
			if e == r {
				return true
			}
		}
	}
	return false
}

// run is the only way to the engine: it turns an error or a panic into the
// session's death, and lets nothing out that was made in the same call.
func (s *Session) run(f func(*Ready) error) (ready Ready, err error) {
	defer func() {
		if p := recover(); p != nil {
			// What panicked may print secrets; its type is enough to find it.
			err = s.suspect(s.Round(), fmt.Errorf("%w (%T)", ErrPanic, p))
		}
		if err != nil {
			ready, err = Ready{}, hinted(fmt.Errorf("session %s: %w", s.id.Short(), err))
			s.dead = err
		}
		if s.dead != nil || s.done {
			s.forget()
		}
	}()
	err = f(&ready)
	return ready, err
}

// forget lets go of the engine and of all that has secrets in it: a session that
// is over may be kept for its name, its transcript and its moduli. What the
// engine wrote and nobody took, such as a part of the signature, goes with it.
func (s *Session) forget() {
	s.party, s.heir, s.out, s.held, s.parked = nil, nil, nil, nil, nil
	s.begin, s.finish = nil, nil
}

// pump gives the engine what is held for the current step, and goes on to the
// next step when all parties' messages are in.
func (s *Session) pump(ready *Ready) error {
	for !s.done {
		missing := false
		for _, r := range s.steps[s.step] {
			if missing && s.heirs != nil {
				break // a dealer goes on by the second of the two, and must have heard the first
			}
			for from := range s.members {
				at := slot{r, from}
				if !s.awaits(r, from) || s.given[at] {
					continue
				}
				h, ok := s.held[at]
				if !ok {
					missing = true
					continue
				}
				delete(s.held, at)
				if err := s.deliver(ready, at, h); err != nil {
					return err
				}
			}
		}
		if missing {
			return nil
		}
		s.step++
		if s.step == len(s.steps) && !s.done {
			return s.suspect(s.lastRound(), errors.New("engine has finished without a result"))
		}
	}
	return nil
}

// deliver checks one message and gives it to the engine.
func (s *Session) deliver(ready *Ready, at slot, h held) error {
	if at.from == s.self { // from one of its two places to the other
		s.given[at] = true
		return s.hand(ready, at, h)
	}
	if h.transcript != s.TranscriptBefore(at.round) {
		if s.step == 0 { // nothing was said before: the stamp follows from the session's id
			return s.blame(at.from, at.round, errors.New("message of the first round carries the transcript of another session"))
		}
		return s.suspect(at.round, fmt.Errorf("%w: %s's differ from this party's", ErrTranscript, s.members[at.from]))
	}
	if at.round == SignArmed { // its stamp is all that it says
		s.transcript.hear(at.round, at.from, h.payload)
		s.given[at] = true
		return s.finish(ready)
	}
	if err := s.guard.check(at.from, at.round, h.content); err != nil {
		return s.blame(at.from, at.round, err)
	}
	s.transcript.hear(at.round, at.from, h.payload)
	s.given[at] = true
	return s.hand(ready, at, h)
}

// hand gives a message to the engine.
func (s *Session) hand(ready *Ready, at slot, h held) error {
	routing := engine.MessageRouting{From: s.table(at.round).ids[at.from], IsBroadcast: at.round.Broadcast()}
	if !routing.IsBroadcast {
		routing.To = []*engine.PartyID{s.receivers().ids[s.self]}
	}
	msg := engine.NewMessage(routing, h.content, engine.NewMessageWrapper(routing, h.content))
	for _, party := range s.listeners(at.round, at.from) {
		if _, err := party.Update(msg); err != nil {
			return s.engineError(at.round, err)
		}
		if err := s.drain(ready); err != nil {
			return err
		}
	}
	return s.finish(ready)
}

// drain takes what the engine has written. The engine writes on the caller's
// goroutine, after its own have joined, so that nothing can come later.
func (s *Session) drain(ready *Ready) error {
	for {
		select {
		case m := <-s.out:
			if err := s.send(ready, m); err != nil {
				return err
			}
		default:
			return nil
		}
	}
}

// send makes a Message of one that the engine wrote.
func (s *Session) send(ready *Ready, m engine.Message) error {
	parsed, ok := m.(engine.ParsedMessage)
	if !ok {
		return errors.New("engine wrote a message without content")
	}
	c := parsed.Content()
	r := roundOf(c)
	payload, err := proto.Marshal(c)
	if err != nil {
		return fmt.Errorf("encode %s: %w", r, err)
	}
	out := Message{Session: s.id, From: s.members[s.self], Round: r, Transcript: s.TranscriptBefore(r), Payload: payload}
	switch to := m.GetTo(); {
	case s.kind == kindArm && r == SignRound4:
		return s.park(ready, out)
	case r == 0 || m.IsBroadcast() != r.Broadcast() || !r.Broadcast() && len(to) != 1:
		return fmt.Errorf("engine wrote a message of an unexpected kind (%s)", r)
	case !r.Broadcast():
		i, ok := s.receivers().member(to[0])
		if !ok || i == s.self && !s.awaits(r, i) {
			return fmt.Errorf("engine wrote a message to an unexpected party (%s)", r)
		}
		if i == s.self {
			return s.keep(r, payload)
		}
		out.To = s.members[i]
	default:
		if err := s.guard.own(r, c); err != nil {
			return fmt.Errorf("own message: %w", err)
		}
		s.transcript.hear(r, s.self, payload)
		if s.awaits(r, s.self) {
			if err := s.keep(r, payload); err != nil {
				return err
			}
		}
	}
	ready.Messages = append(ready.Messages, out)
	ready.Reveals = ready.Reveals || r.Reveals()
	return nil
}

// Round is the earliest round that is not complete; 0 before Start and after
// the end.
func (s *Session) Round() Round {
	if !s.started || s.done {
		return 0
	}
	for _, r := range s.steps[min(s.step, len(s.steps)-1)] {
		if len(s.missing(r)) > 0 {
			return r
		}
	}
	return s.lastRound()
}

// Waiting names the parties whose messages of the current step are missing.
func (s *Session) Waiting() []council.MemberID {
	if !s.started || s.done || s.dead != nil {
		return nil
	}
	late := map[council.MemberID]bool{}
	for _, r := range s.steps[s.step] {
		for _, m := range s.missing(r) {
			late[m] = true
		}
	}
	var out []council.MemberID
	for _, m := range s.members {
		if late[m] {
			out = append(out, m)
		}
	}
	return out
}

// Done reports whether the session has delivered its result.
func (s *Session) Done() bool { return s.done }

func (s *Session) missing(r Round) []council.MemberID {
	var out []council.MemberID
	for i, m := range s.members {
		at := slot{r, i}
		// What is held was said: it waits here, for another's message of the step.
		if _, held := s.held[at]; i != s.self && s.awaits(r, i) && !s.given[at] && !held {
			out = append(out, m)
		}
	}
	return out
}

func (s *Session) lastRound() Round {
	last := s.steps[len(s.steps)-1]
	return last[len(last)-1]
}
