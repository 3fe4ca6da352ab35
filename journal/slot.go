package journal

import (
	"fmt"
	"slices"

	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/council"
)

// State is where a row of the ledger stands.
type State uint8

// The states of a row.
const (
	Reserved  State = 1 // a session may run; nothing of a signature has left this node
	Revealed  State = 2 // a signature may exist somewhere; never freed
	Consumed  State = 3 // the chain has mined it
	Displaced State = 4 // lost its nonce to another; void for ever
)

func (s State) String() string {
	switch s {
	case Reserved:
		return "reserved"
	case Revealed:
		return "revealed"
	case Consumed:
		return "consumed"
	case Displaced:
		return "displaced"
	}
	return fmt.Sprintf("state %d", uint8(s))
}

// MarshalText makes the state readable in JSON.
func (s State) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Mark is one digest that a row was reserved for: a retry or a fee bump adds one.
type Mark struct {
	Digest   common.Hash `json:"digest"`
	Attempt  uint64      `json:"attempt"`
	Revealed bool        `json:"revealed"` // this node's share of a signature over it may have left
}

// Mined is what became of a nonce on chain.
type Mined struct {
	Proposal council.ProposalID `json:"proposal"` // zero: a transaction that no proposal here explains
	Tx       common.Hash        `json:"tx"`
	Block    uint64             `json:"block"`
}

// occupant is a proposal's hold on a nonce. Its state is reserved, revealed or
// displaced; consumed follows from the slot's Mined.
type occupant struct {
	Proposal council.ProposalID
	State    State
	By       council.ProposalID // that displaced it
	Attempt  uint64             // highest
	Marks    []Mark
	Claimed  bool `rlp:"optional"` // by members at a rotation, and no block has had it here since
}

// claimed reports whether others alone have said so: this node has neither reserved the
// slot for it nor displaced it, nor has a block.
func (o *occupant) claimed() bool {
	return o.Claimed && o.Attempt == 0 && o.By == (council.ProposalID{})
}

// slot is one (key, chain, nonce). At most the last occupant is not displaced.
// The methods are the rules of the ledger, free of any file; a method that
// returns an error leaves the slot unusable.
type slot struct {
	Occupants []occupant
	Mined     []Mined // none or one
}

func (s *slot) find(p council.ProposalID) *occupant {
	i := slices.IndexFunc(s.Occupants, func(o occupant) bool { return o.Proposal == p })
	if i < 0 {
		return nil
	}
	return &s.Occupants[i]
}

// displaced reports whether a proposal has lost this slot before.
func (s *slot) displaced(p council.ProposalID) bool {
	o := s.find(p)
	return o != nil && o.State == Displaced
}

// current is the occupant that may sign, or nil.
func (s *slot) current() *occupant {
	if n := len(s.Occupants); n > 0 && s.Occupants[n-1].State != Displaced {
		return &s.Occupants[n-1]
	}
	return nil
}

func (s *slot) empty() bool { return len(s.Occupants) == 0 && len(s.Mined) == 0 }

// state is an occupant's state as seen from outside.
func (s *slot) state(o *occupant) State {
	switch {
	case len(s.Mined) == 0:
		return o.State
	case s.Mined[0].Proposal == o.Proposal:
		return Consumed
	}
	return Displaced
}

// reserve gives the slot to a proposal or notes its next attempt.
func (s *slot) reserve(r Row) error {
	if len(s.Mined) > 0 {
		return r.conflict(s.Mined[0].Proposal, "the chain has already used this nonce")
	}
	if err := s.void(r); err != nil {
		return err
	}
	cur := s.current()
	switch {
	case cur == nil && len(s.Occupants) == 0:
		s.Occupants = append(s.Occupants, occupant{Proposal: r.Proposal, State: Reserved})
		cur = &s.Occupants[0]
	case cur == nil:
		last := s.Occupants[len(s.Occupants)-1]
		return r.conflict(last.Proposal, fmt.Sprintf("signatures of the displaced proposal %s may exist; only a proposal that replaces it can have the nonce", last.Proposal.Short()))
	case cur.Proposal != r.Proposal:
		return r.conflict(cur.Proposal, fmt.Sprintf("the nonce is %s for proposal %s", cur.State, cur.Proposal.Short()))
	}
	return cur.note(r)
}

// void refuses a proposal that lost this slot before.
func (s *slot) void(r Row) error {
	if o := s.find(r.Proposal); s.displaced(r.Proposal) {
		return r.conflict(o.By, "the proposal was displaced and is void; make a new one")
	}
	return nil
}

// note records the digest of an attempt.
func (o *occupant) note(r Row) error {
	o.Attempt = max(o.Attempt, r.Attempt)
	if i := o.mark(r.Digest); i >= 0 {
		o.Marks[i].Attempt = max(o.Marks[i].Attempt, r.Attempt)
		return nil
	}
	if len(o.Marks) >= MaxDigests {
		return r.conflict(o.Proposal, fmt.Sprintf("%d digests were reserved for this nonce already", MaxDigests))
	}
	o.Marks = append(o.Marks, Mark{Digest: r.Digest, Attempt: r.Attempt})
	return nil
}

func (o *occupant) mark(d common.Hash) int {
	return slices.IndexFunc(o.Marks, func(m Mark) bool { return m.Digest == d })
}

// reveal records that this node's share of a signature over digest may leave.
func (s *slot) reveal(r Row) error {
	if len(s.Mined) > 0 {
		return r.conflict(s.Mined[0].Proposal, "the chain has already used this nonce")
	}
	cur := s.current()
	if cur == nil || cur.Proposal != r.Proposal {
		return r.missing()
	}
	i := cur.mark(r.Digest)
	if i < 0 {
		return r.conflict(cur.Proposal, fmt.Sprintf("digest %s was not reserved", r.Digest.TerminalString()))
	}
	cur.State, cur.Marks[i].Revealed = Revealed, true
	return nil
}

// free undoes a reservation and returns what was reserved.
func (s *slot) free(r Row) ([]Mark, error) {
	o := s.find(r.Proposal)
	if o == nil {
		return nil, r.missing()
	}
	if o.State != Reserved {
		return nil, council.WithHint(fmt.Errorf("nonce %d of proposal %s is %s: %w", r.Nonce, r.Proposal.Short(), s.state(o), ErrRevealed),
			"a signature may exist: let the proposal be mined, or propose one that replaces it")
	}
	marks := o.Marks
	s.Occupants = s.Occupants[:len(s.Occupants)-1] // only the last can be reserved
	return marks, nil
}

// displace voids old and reserves the slot for r. It is also right where this
// node has no row for old: its signature can exist without this node.
func (s *slot) displace(old council.ProposalID, r Row) error {
	if len(s.Mined) > 0 {
		return r.conflict(s.Mined[0].Proposal, "the chain has already used this nonce")
	}
	if err := s.void(r); err != nil {
		return err
	}
	cur, was := s.current(), s.find(old)
	switch {
	case len(s.Occupants) == 0:
		s.Occupants = append(s.Occupants, occupant{Proposal: old, State: Displaced})
		was = &s.Occupants[0]
	case was == nil:
		holder := s.Occupants[len(s.Occupants)-1].Proposal
		return r.conflict(holder, fmt.Sprintf("the nonce belongs to proposal %s, not to %s which is to be replaced", holder.Short(), old.Short()))
	case cur == was:
		was.State = Displaced
	case cur == nil:
	case cur.Proposal == r.Proposal && was.By == r.Proposal:
		return cur.note(r)
	default:
		return r.conflict(cur.Proposal, fmt.Sprintf("the nonce is %s for proposal %s, which is the one to replace", cur.State, cur.Proposal.Short()))
	}
	was.By = r.Proposal
	s.Occupants = append(s.Occupants, occupant{Proposal: r.Proposal, State: Reserved})
	return s.current().note(r)
}

// consume records what the chain decided. The chain is right even where it
// mined a proposal that was displaced here, or one that this node never signed.
// A candidate that is only reserved loses its row, which is returned: nothing of
// it has left, and it may try another nonce.
func (s *slot) consume(r Row, m Mined) (freed *occupant, err error) {
	if len(s.Mined) > 0 && s.Mined[0].Proposal != m.Proposal {
		return nil, r.conflict(s.Mined[0].Proposal, "the ledger says another transaction has used this nonce; if a reorganisation undid it, reopen the nonce first")
	}
	s.Mined = []Mined{m}
	cur := s.current()
	if cur != nil && cur.State == Reserved && cur.Proposal != m.Proposal {
		lost := *cur
		freed, cur = &lost, nil
		s.Occupants = s.Occupants[:len(s.Occupants)-1]
	}
	if m.Proposal == (council.ProposalID{}) {
		return freed, nil
	}
	switch o := s.find(m.Proposal); {
	case o != nil && o.State == Reserved:
		o.State, o.Claimed = Revealed, false // it was mined, so its signature exists
	case o != nil:
		o.Claimed = false
	case cur == nil:
		s.Occupants = append(s.Occupants, occupant{Proposal: m.Proposal, State: Revealed})
	default: // two signatures for one nonce exist; a reorganisation must not give the slot two candidates
		s.Occupants = slices.Insert(s.Occupants, len(s.Occupants)-1, occupant{Proposal: m.Proposal, State: Displaced})
	}
	return freed, nil
}

// reopen takes back what a reorganisation undid: every row stands again where it
// stood, the mined one at revealed.
func (s *slot) reopen(r Row) error {
	if len(s.Mined) == 0 || s.Mined[0].Proposal != r.Proposal {
		return r.missing()
	}
	s.Mined = nil
	return nil
}
