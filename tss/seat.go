package tss

import (
	"errors"

	engine "github.com/bnb-chain/tss-lib/v2/tss"
)

// In a resharing the engine's parties sit on two sides: the dealers of the old
// epoch, as many as sign together, and the heirs, the members of the next. A
// member that stays and deals has a place on both, and what one of them says to
// the other never leaves the session. Every broadcast goes to all members of the
// session, whichever side it is for, so that all keep one transcript. Elsewhere
// there is one side, and nobody hears oneself.

// table is the side that speaks in a round.
func (s *Session) table(r Round) *parties {
	if r.byHeirs() {
		return s.heirs
	}
	return s.parties
}

// receivers are the side that direct messages are for.
func (s *Session) receivers() *parties {
	if s.heirs != nil {
		return s.heirs
	}
	return s.parties
}

// speaks reports whether a member says anything in a round.
func (s *Session) speaks(r Round, from int) bool { return s.table(r).ids[from] != nil }

// awaits reports whether this party must hear a member in a round before it can
// go on.
func (s *Session) awaits(r Round, from int) bool {
	switch {
	case !s.speaks(r, from):
		return false
	case from == s.self:
		return len(s.listeners(r, from)) > 0
	default:
		return r.Broadcast() || s.receivers().ids[s.self] != nil
	}
}

// listeners are the engine's parties of this member that a message is given to.
func (s *Session) listeners(r Round, from int) []engine.Party {
	if s.heirs == nil {
		if from == s.self {
			return nil
		}
		return []engine.Party{s.party}
	}
	var out []engine.Party
	own := from == s.self
	if (r == ReshareRound2Ready || r == ReshareRound4Done) && s.party != nil {
		out = append(out, s.party)
	}
	if r != ReshareRound2Ready && s.heir != nil && !(own && r.byHeirs()) {
		out = append(out, s.heir)
	}
	return out
}

// keep holds an own message for the other place of this party.
func (s *Session) keep(r Round, payload []byte) error {
	content, err := decode(r, payload)
	if err != nil {
		return err
	}
	at := slot{r, s.self}
	if _, twice := s.held[at]; twice || s.given[at] {
		return errors.New("engine wrote a message twice")
	}
	s.held[at] = held{content: content, payload: payload}
	return nil
}
