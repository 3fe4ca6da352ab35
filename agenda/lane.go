package agenda

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/policy"
)

// lane is one chain's queue: the council's address has one nonce in flight.
type lane struct {
	chain uint64
	known bool // the own RPC has reported
	block uint64
	nonce uint64 // next on chain, at the newest block
	rows  map[uint64]row
	byID  map[council.ProposalID]uint64
	last  map[uint64]uint64 // highest attempt heard of, by nonce
	over  map[uint64]uint64 // highest attempt known to have ended, by nonce
	try   *try
	plan  *Plan
	turn  turn
	held  []heldBegin
}

type row struct {
	proposal council.ProposalID
	state    RowState
}

// turn is since when the same attempt has been possible: the ranks of
// coordinators count from there.
type turn struct {
	proposal council.ProposalID
	attempt  uint64
	set      string
	since    time.Time
}

type heldBegin struct {
	from  council.MemberID
	begin council.Begin
	until time.Time
}

func (a *Agenda) lane(chain uint64) *lane {
	l, ok := a.lanes[chain]
	if !ok {
		l = &lane{chain: chain, rows: map[uint64]row{}, byID: map[council.ProposalID]uint64{}, last: map[uint64]uint64{}, over: map[uint64]uint64{}}
		a.lanes[chain] = l
	}
	return l
}

func (a *Agenda) chains() []uint64 { return slices.Sorted(maps.Keys(a.lanes)) }

// row mirrors a change of the ledger.
func (a *Agenda) row(ev Ledger) {
	l := a.lane(ev.Chain)
	if ev.State == RowFreed {
		if r, ok := l.rows[ev.Nonce]; ok && r.proposal == ev.Proposal {
			delete(l.rows, ev.Nonce)
		}
		delete(l.byID, ev.Proposal)
		return
	}
	if ev.State == RowDisplaced {
		// The displaced proposal is void for ever; the nonce may be another's.
		l.byID[ev.Proposal] = ev.Nonce
		if p, ok := a.proposals[ev.Proposal]; ok {
			p.Over = council.WordDisplaced
		}
		if r, ok := l.rows[ev.Nonce]; ok && r.proposal != ev.Proposal {
			return
		}
	}
	l.rows[ev.Nonce] = row{ev.Proposal, ev.State}
	l.byID[ev.Proposal] = ev.Nonce
}

// counted remembers the highest attempt heard of at a nonce. Numbers that leap
// are no honest node's, and would use the numbers up.
func (l *lane) counted(nonce, attempt uint64) {
	if attempt <= l.last[nonce]+MaxAttemptsKept {
		l.last[nonce] = max(l.last[nonce], attempt)
	}
}

// ended remembers that an attempt is over: nobody can be called to it again.
func (l *lane) ended(nonce, attempt uint64) {
	if l.counted(nonce, attempt); attempt <= l.last[nonce] {
		l.over[nonce] = max(l.over[nonce], attempt)
	}
}

// live finds the lowest nonce, not yet mined, that belongs to a proposal.
func (l *lane) live() (uint64, row, bool) {
	for _, n := range slices.Sorted(maps.Keys(l.rows)) {
		r := l.rows[n]
		if n >= l.nonce && (r.state == RowReserved || r.state == RowRevealed) {
			return n, r, true
		}
	}
	return 0, row{}, false
}

// holder is the proposal that has the nonce in flight; zero for none.
func (l *lane) holder() council.ProposalID {
	_, r, _ := l.live()
	return r.proposal
}

// nonceFor derives the nonce that a proposal would be signed at, or says why it
// can't be signed now.
func (a *Agenda) nonceFor(l *lane, p *Proposal) (uint64, error) {
	if !l.known {
		return 0, fmt.Errorf("this node's RPC for chain %d has not answered yet", l.chain)
	}
	if n, ok := l.byID[p.ID]; ok {
		switch r := l.rows[n]; {
		case r.proposal != p.ID || r.state == RowDisplaced:
			return 0, fmt.Errorf("proposal %s was displaced at nonce %d and is void", p.ID.Short(), n)
		case r.state == RowConsumed || n < l.nonce:
			return 0, fmt.Errorf("proposal %s has already run at nonce %d", p.ID.Short(), n)
		}
		return n, nil
	}
	n, r, held := l.live()
	if deed, ok := p.Intent.(council.Transaction); ok && deed.Replaces != (council.ProposalID{}) {
		if !held || r.proposal != deed.Replaces {
			return 0, fmt.Errorf("proposal %s replaces %s, which holds no nonce", p.ID.Short(), deed.Replaces.Short())
		}
		return n, nil
	}
	if held {
		return 0, fmt.Errorf("nonce %d belongs to proposal %s until it is mined or replaced", n, r.proposal.Short())
	}
	return l.nonce, nil
}

// choice is the attempt that a lane would make next.
type choice struct {
	proposal *Proposal
	nonce    uint64
	attempt  uint64
	set      []council.MemberID // who signs, the coordinator first
}

// candidates lists the proposals that are approved and could have the nonce:
// the one that holds it, or what replaces it; else the restrictive first, then
// the oldest. One that could not go on just now stands behind.
func (a *Agenda) candidates(l *lane) []*Proposal {
	var out []*Proposal
	for _, id := range a.order {
		p := a.proposals[id]
		if p.Intent.ChainID() != l.chain || p.Unread != nil || p.Over != "" || p.done() {
			continue
		}
		if _, ok := p.Intent.(council.Transaction); !ok {
			continue
		}
		if p.Tx != nil && !a.needsBump(p) {
			continue
		}
		if _, err := a.nonceFor(l, p); err != nil || !a.enough(p) {
			continue
		}
		out = append(out, p)
	}
	slices.SortStableFunc(out, func(x, y *Proposal) int {
		switch {
		case a.before(x, y):
			return -1
		case a.before(y, x):
			return 1
		}
		return 0
	})
	return out
}

// next is the first candidate that can be signed now. One that too few nodes
// allow, or too few that are online, is passed over: it must not keep others
// from the nonce.
func (a *Agenda) next(l *lane) (choice, bool) {
	for _, p := range a.candidates(l) {
		nonce, err := a.nonceFor(l, p)
		if err != nil || !a.due(p.held, 0) {
			continue
		}
		if a.running(p, nonce) {
			return choice{}, false
		}
		c := choice{proposal: p, nonce: nonce, attempt: l.last[nonce] + 1}
		var short []council.MemberID
		if c.set, short = a.signers(p, nonce, c.attempt); len(c.set) >= a.roster.Threshold {
			return c, true
		}
		if p.once(fmt.Sprintf("short %d %v", c.attempt, short)) && !a.hopeless(p) {
			a.do(Notify{What: "waiting", Proposal: p.ID, Waiting: short,
				Text: fmt.Sprintf("%s is approved; %d of %d signers are ready", p.Action.Sentence, len(c.set), a.roster.Threshold)})
		}
	}
	return choice{}, false
}

// before orders approved proposals. What replaces goes before what is replaced.
func (a *Agenda) before(x, y *Proposal) bool {
	xr, yr := x.Action.Class == policy.Restrictive, y.Action.Class == policy.Restrictive
	switch {
	case replaces(x, y):
		return true
	case replaces(y, x):
		return false
	case a.now.Before(x.held) != a.now.Before(y.held):
		return a.now.Before(y.held)
	case xr != yr:
		return xr
	case x.At != y.At:
		return x.At < y.At
	}
	return bytes.Compare(x.ID[:], y.ID[:]) < 0
}

func replaces(x, y *Proposal) bool {
	deed, ok := x.Intent.(council.Transaction)
	return ok && deed.Replaces == y.ID
}

func (p *Proposal) done() bool {
	switch p.Fate {
	case council.WordMined, council.WordReverted, council.WordFinal:
		return true
	}
	return false
}

// needsBump reports whether a signed transaction has waited so long that it is
// worth signing it again with higher fees.
func (a *Agenda) needsBump(p *Proposal) bool {
	return p.Tx != nil && !p.done() && !p.SignedAt.IsZero() && a.due(p.SignedAt, a.timing.Bump)
}

// head takes up what the own RPC says about a chain.
func (a *Agenda) head(ev Head) {
	l := a.lane(ev.Chain)
	l.known, l.block, l.nonce = true, ev.Block, ev.Nonce
}

// Trying lists the proposals that this node takes part in signing just now.
func (a *Agenda) Trying() []council.ProposalID {
	var out []council.ProposalID
	for _, c := range a.chains() {
		if t := a.lanes[c].try; t != nil {
			out = append(out, t.begin.Proposal)
		}
	}
	return out
}

// drive moves a lane on: it ends an attempt that takes too long, or finds the
// next proposal and, when it is this node's turn, opens an attempt.
func (a *Agenda) drive(l *lane) {
	a.heldBegins(l)
	if l.try != nil {
		if a.due(l.try.since, a.timing.Deadline) {
			a.giveUp(l, l.try.begin.Signers, "no signature before the deadline")
		}
		return
	}
	if !l.known || a.watching != "" {
		return
	}
	if n, r, ok := l.live(); ok && r.state == RowReserved {
		// No session runs, so nothing was revealed: the reservation is left
		// over from an attempt or a process that died.
		a.do(Free{Chain: l.chain, Nonce: n, Proposal: r.proposal})
		return
	}
	c, ok := a.next(l)
	if !ok {
		l.turn = turn{}
		return
	}
	me := slices.Index(c.set, a.self)
	key := fmt.Sprint(c.set)
	if l.turn.proposal != c.proposal.ID || l.turn.attempt != c.attempt || l.turn.set != key {
		l.turn = turn{c.proposal.ID, c.attempt, key, a.now}
	}
	if me < 0 || !a.due(l.turn.since, time.Duration(me)*a.timing.Grace) || l.plan != nil {
		return
	}
	l.plan = &Plan{Proposal: c.proposal.ID, Deed: c.proposal.Intent.(council.Transaction), Nonce: c.nonce, Attempt: c.attempt, Replaces: c.proposal.Tx}
	a.do(*l.plan)
}

// backoff spaces out attempts that keep failing.
func backoff(attempt uint64) time.Duration {
	if attempt <= 3 {
		return 0
	}
	return min(time.Duration(attempt-3)*500*time.Millisecond, 10*time.Second)
}
