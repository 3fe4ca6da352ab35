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

// lane is one chain's queue: the council's address has one nonce in flight. A
// message has a lane of its own (pool.go), in which all is at nonce 0, and the
// row stands for its digest.
type lane struct {
	chain uint64
	owner *Proposal // the message whose lane it is; nil for a chain's
	known bool      // the own RPC has reported
	block uint64
	nonce uint64    // next on chain, at the newest block
	moved time.Time // when that last changed
	rows  map[uint64]row
	byID  map[council.ProposalID]uint64
	last  map[uint64]uint64 // highest attempt heard of, by nonce
	over  map[uint64]uint64 // highest attempt known to have ended, by nonce
	came  map[lead]uint64   // highest attempt that a member has spoken of in its feed; see Agenda.came
	leads map[lead]int      // see numbered
	took  map[uint64]bool   // nonces of which it is known what has used them; true where this node follows that
	gaps  map[uint64]*gap   // the others that are used: the newest
	dark  uint64            // above those that are not kept; see gap
	count uint64            // the nonces below are in one of these
	marks []mark
	try   *try
	plan  *Plan
	turn  turn
	held  []heldBegin // for proposals that are not known yet, or for a place in the pool
}

type row struct {
	proposal council.ProposalID
	state    RowState
	hearsay  bool // see Ledger
	freeing  bool // asked for, and not answered yet
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
		l = newLane(chain)
		a.lanes[chain] = l
	}
	return l
}

func newLane(chain uint64) *lane {
	return &lane{chain: chain, rows: map[uint64]row{}, byID: map[council.ProposalID]uint64{}, last: map[uint64]uint64{}, over: map[uint64]uint64{}, came: map[lead]uint64{}, leads: map[lead]int{}, took: map[uint64]bool{}, gaps: map[uint64]*gap{}}
}

func (a *Agenda) chains() []uint64 { return slices.Sorted(maps.Keys(a.lanes)) }

// row mirrors a change of the ledger.
func (a *Agenda) row(ev Ledger) {
	l := a.lane(ev.Chain)
	p, known := a.proposals[ev.Proposal]
	if known && (ev.Chain == 0 || !ev.Hearsay) { // a claim stands where it was made
		l = a.laneOf(p)
	}
	if ev.State == RowConsumed && ev.Proposal != (council.ProposalID{}) {
		l.explained(ev.Nonce)
	}
	if ev.State == RowFreed {
		if r, ok := l.rows[ev.Nonce]; ok && r.proposal == ev.Proposal {
			delete(l.rows, ev.Nonce)
		}
		if at, ok := l.byID[ev.Proposal]; ok && at == ev.Nonce {
			delete(l.byID, ev.Proposal)
		}
		l.keepLost(ev.Nonce)
		return
	}
	if _, has := l.byID[ev.Proposal]; !has || !ev.Hearsay { // a claim does not move what has a nonce
		l.byID[ev.Proposal] = ev.Nonce
	}
	if ev.State == RowDisplaced && known && a.laneOf(p) == l && l.byID[p.ID] == ev.Nonce {
		p.Over = council.WordDisplaced // void for ever
	}
	next := row{proposal: ev.Proposal, state: ev.State, hearsay: ev.Hearsay}
	if r, ok := l.rows[ev.Nonce]; ok && r.proposal != ev.Proposal && next.void() {
		return // the nonce may be another's
	}
	l.rows[ev.Nonce] = next
}

// void reports whether the row's proposal runs no more, and its nonce is for a
// replacement of it alone.
func (r row) void() bool { return r.state == RowDisplaced || r.state == RowDisputed }

// claimed is whose a nonce is, if it is anybody's. What a member has claimed at a
// rotation for a proposal that has run at another nonce, by a final block, is nothing:
// it runs nowhere else.
func (l *lane) claimed(n uint64) (row, bool) {
	r, ok := l.rows[n]
	if at, has := l.byID[r.proposal]; ok && has && at != n {
		if ran := l.rows[at]; ran.proposal == r.proposal && ran.state == RowConsumed {
			return row{}, false
		}
	}
	return r, ok
}

// free asks for a reservation to be given back, once: a second answer would come
// when the nonce may be reserved again.
func (a *Agenda) free(l *lane, nonce uint64) {
	r := l.rows[nonce]
	if r.freeing {
		return
	}
	r.freeing = true
	l.rows[nonce] = r
	a.do(Free{Chain: l.chain, Nonce: nonce, Proposal: r.proposal})
}

// follow raises the number of the last attempt at a nonce on one member's word: by
// steps, if it is far ahead. Numbers that leap would use the numbers up.
func (l *lane) follow(nonce, attempt uint64) {
	l.last[nonce] = max(l.last[nonce], min(attempt, l.last[nonce]+MaxAttemptsKept))
}

// ended remembers that this node has given an attempt up: it can't be called to it
// again.
func (l *lane) ended(nonce, attempt uint64) {
	l.last[nonce] = max(l.last[nonce], attempt)
	l.over[nonce] = max(l.over[nonce], attempt)
}

// live finds the lowest nonce, not yet mined, that belongs to a proposal. What is only
// hearsay counts where it follows on what is known, see ahead.
func (l *lane) live() (uint64, row, bool) {
	for _, n := range slices.Sorted(maps.Keys(l.rows)) {
		r, ok := l.claimed(n)
		if ok && n >= l.nonce && (r.state == RowReserved || r.state == RowRevealed) && !(r.hearsay && l.ahead(n)) {
			return n, r, true
		}
	}
	return 0, row{}, false
}

// ahead reports whether there is a nonce before this one that is neither used nor
// anybody's. The council has one nonce in flight, so a row from there is none that an
// honest member has told of: it is made up, and must not close the chain.
func (l *lane) ahead(n uint64) bool {
	for at := l.nonce; at < n; at++ {
		if _, ok := l.claimed(at); !ok {
			return true
		}
	}
	return false
}

// holder is the proposal that has the nonce in flight; zero for none.
func (l *lane) holder() council.ProposalID {
	_, r, _ := l.live()
	return r.proposal
}

// nonceFor derives the nonce that a proposal would be signed at, or says why it
// can't be signed now. A message has none: its nonce is 0.
func (a *Agenda) nonceFor(l *lane, p *Proposal) (uint64, error) {
	if l.owner != nil {
		return 0, a.claim(p)
	}
	if !l.known {
		return 0, fmt.Errorf("this node's RPC for chain %d has not answered yet", l.chain)
	}
	n, err := a.derive(l, p)
	switch {
	case err != nil:
		return 0, err
	case p.Tx == nil:
		return n, a.hadItsRun(l, p)
	case p.Tx.Nonce() < l.nonce, p.done(): // whatever place this node's ledger has for it, or none
		return 0, fmt.Errorf("proposal %s has already run at nonce %d", p.ID.Short(), p.Tx.Nonce())
	case p.Tx.Nonce() != n:
		return 0, fmt.Errorf("proposal %s is signed at nonce %d, and next is %d", p.ID.Short(), p.Tx.Nonce(), n)
	}
	return n, nil
}

// derive gives a proposal its place in the lane.
func (a *Agenda) derive(l *lane, p *Proposal) (uint64, error) {
	old := replaced(p)
	if q := a.proposals[old]; q != nil && q.done() {
		return 0, fmt.Errorf("proposal %s replaces %s, which has run at nonce %d: propose it as an action of its own", p.ID.Short(), old.Short(), q.Where.Nonce)
	}
	if n, ok := l.byID[p.ID]; ok {
		switch r := l.rows[n]; {
		case r.state == RowDisputed:
			return 0, fmt.Errorf("nonce %d of proposal %s is disputed, or given to a replacement, as members have said at a rotation: it runs no more, unless the chain has it; make a new one with 'signer propose --replaces %s'", n, p.ID.Short(), p.ID.Short())
		case r.proposal != p.ID || r.state == RowDisplaced:
			return 0, fmt.Errorf("proposal %s was displaced at nonce %d and is void", p.ID.Short(), n)
		case r.state == RowConsumed || n < l.nonce || p.done(): // what became of it may be known before the new head
			return 0, fmt.Errorf("proposal %s has already run at nonce %d", p.ID.Short(), n)
		case r.hearsay && l.ahead(n):
			return 0, fmt.Errorf("proposal %s has nonce %d, as a member has said at a rotation, and next is %d: wait for the chain, or make a new one with 'signer propose'", p.ID.Short(), n, l.nonce)
		}
		return n, nil
	}
	if old != (council.ProposalID{}) {
		return a.succeed(l, p, old)
	}
	if n, r, held := l.live(); held {
		return 0, fmt.Errorf("nonce %d belongs to proposal %s until it is mined or replaced", n, r.proposal.Short())
	}
	if r, ok := l.claimed(l.nonce); ok && r.void() { // its place is nobody's, so live does not find it
		return 0, fmt.Errorf("nonce %d was proposal %s's, of which a signature may exist: until the chain has decided, only what replaces it can have it; 'signer propose cancel-nonce --replaces %s'", l.nonce, r.proposal.Short(), r.proposal.Short())
	}
	return l.nonce, nil
}

// succeed derives the nonce of a replacement: the place of what it replaces, and no
// other. Both must never run. So it is nowhere, if that has run or could have, at a place
// that the chain has passed; and what members have claimed at a rotation counts for
// nothing against a place that this node knows of.
func (a *Agenda) succeed(l *lane, p *Proposal, old council.ProposalID) (uint64, error) {
	nowhere := fmt.Errorf("proposal %s replaces %s, which holds no nonce", p.ID.Short(), old.Short())
	n, ok := a.place(l, old)
	if !ok {
		return 0, nowhere
	}
	if n < l.nonce {
		switch by, known := a.spent(l, n); {
		case !known:
			return 0, fmt.Errorf("proposal %s replaces %s, which had nonce %d: that is used, and no final block has told yet by what", p.ID.Short(), old.Short(), n)
		case by == old:
			return 0, fmt.Errorf("proposal %s replaces %s, which has run at nonce %d: propose it as an action of its own", p.ID.Short(), old.Short(), n)
		}
		n = l.nonce // if a member has claimed that for it as well
		if r := l.rows[n]; r.proposal != old {
			return 0, nowhere
		}
	}
	switch r, held := l.claimed(n); {
	case held && !r.void() && r.proposal != old:
		return 0, nowhere
	case !held || r.void(): // another replacement was given back, or two members claim it
		if n != l.nonce {
			return 0, nowhere
		}
	default:
		if at, _, live := l.live(); !live || at != n {
			return 0, nowhere
		}
	}
	return n, nil
}

// place is the nonce of a proposal, as far as this node knows: that of its signature,
// what this node has given it, or else the first that a member has claimed for it.
func (a *Agenda) place(l *lane, id council.ProposalID) (uint64, bool) {
	if p := a.proposals[id]; p != nil && p.Tx != nil && a.laneOf(p) == l {
		return p.Tx.Nonce(), true
	}
	n, ok := l.byID[id]
	return n, ok
}

// disputed reports whether the place of a proposal is nobody's, as members have said at a
// rotation: it runs no more, unless the chain has it.
func (a *Agenda) disputed(p *Proposal) bool {
	l := a.laneOf(p)
	n, ok := l.byID[p.ID]
	return ok && l.rows[n].state == RowDisputed
}

// spent is the proposal that has used a nonce, by a final block.
func (a *Agenda) spent(l *lane, n uint64) (council.ProposalID, bool) {
	if r := l.rows[n]; r.state == RowConsumed {
		return r.proposal, true
	}
	for id, p := range a.proposals {
		if p.Fate == council.WordFinal && p.Where.Nonce == n && a.laneOf(p) == l {
			return id, true
		}
	}
	return council.ProposalID{}, false
}

// replaced is what a proposal is to replace; zero for nothing.
func replaced(p *Proposal) council.ProposalID {
	deed, _ := p.Intent.(council.Transaction)
	return deed.Replaces
}

// keepLost remembers whose place a nonce was that is given back: as on the disk, only
// another replacement of that can have it.
func (l *lane) keepLost(nonce uint64) {
	if _, ok := l.rows[nonce]; ok {
		return
	}
	var lost council.ProposalID
	for id, n := range l.byID {
		if n == nonce && (lost == (council.ProposalID{}) || bytes.Compare(id[:], lost[:]) < 0) {
			lost = id
		}
	}
	if lost != (council.ProposalID{}) {
		l.rows[nonce] = row{proposal: lost, state: RowDisplaced}
	}
}

// choice is the attempt that a lane would make next.
type choice struct {
	proposal *Proposal
	nonce    uint64
	attempt  uint64
	set      []council.MemberID // who signs, the coordinator first
}

// candidates lists the proposals that are approved and could have the nonce:
// the one that holds it, or what replaces it; else the restrictive first (but
// see urgent), then the oldest. One that could not go on just now stands behind.
func (a *Agenda) candidates(l *lane) []*Proposal {
	var out []*Proposal
	order := a.order
	if l.owner != nil {
		order = []council.ProposalID{l.owner.ID}
	}
	for _, id := range order {
		p := a.proposals[id]
		if p.lane != nil && p.lane != l || p.Intent.ChainID() != l.chain || p.Unread != nil || p.Over != "" || p.done() {
			continue
		}
		if p.Tx != nil && !a.needsBump(p) {
			continue
		}
		ripe := a.ripen(p)
		if _, err := a.nonceFor(l, p); err != nil || !ripe {
			if ripe {
				a.tellGap(p, err)
			}
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
		if a.running(p, nonce) || !a.due(p.listening, 0) {
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
	xr, yr := a.urgent(x), a.urgent(y)
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

func replaces(x, y *Proposal) bool { return replaced(x) == y.ID }

// signed reports whether the signature exists. For a message that is the end.
func (p *Proposal) signed() bool { return p.Tx != nil || p.Signature != nil }

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
	if ev.Nonce != l.nonce {
		l.moved = a.now
	}
	l.known, l.block, l.nonce = true, ev.Block, ev.Nonce
	l.account(a.now)
}

// Trying lists the proposals that this node takes part in signing just now.
func (a *Agenda) Trying() []council.ProposalID {
	var out []council.ProposalID
	for _, l := range a.every() {
		if l.try != nil {
			out = append(out, l.try.begin.Proposal)
		}
	}
	return out
}

// Signers is who signs a proposal that is approved, as far as this node can tell:
// the signers of the attempt that it takes part in, or of the next one. It is nil
// for a proposal that can't be signed now, or is.
func (a *Agenda) Signers(id council.ProposalID) []council.MemberID {
	p, ok := a.proposals[id]
	if !ok || p.signed() || !a.enough(p) {
		return nil
	}
	l := a.laneOf(p)
	if l.try != nil {
		if l.try.begin.Proposal == id {
			return l.try.begin.Signers
		}
		return nil
	}
	nonce, err := a.nonceFor(l, p)
	if err != nil {
		return nil
	}
	if set, _ := a.signers(p, nonce, l.last[nonce]+1); len(set) >= a.roster.Threshold {
		return set
	}
	return nil
}

// drive moves a lane on: it ends an attempt that takes too long, or finds the
// next proposal and, when it is this node's turn, opens an attempt.
func (a *Agenda) drive(l *lane) {
	if l.owner == nil {
		a.heldBegins(l)
	}
	if l.try != nil {
		switch {
		case l.known && l.try.begin.Nonce < l.nonce && a.due(l.moved, a.timing.Hold):
			// By none of this attempt's signers, or one would have said so.
			a.giveUp(l, nil, "the nonce has been used")
		case a.due(l.try.since, a.deadline(a.proposals[l.try.begin.Proposal], l.try.begin.Nonce)):
			a.giveUp(l, l.try.begin.Signers, "no signature before the deadline")
		}
		return
	}
	if !l.known || a.watching != "" {
		return
	}
	if n, _, _ := l.live(); l.leftover() {
		a.free(l, n)
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
	if me < 0 || !a.due(l.turn.since, time.Duration(me)*a.pace.grace(c.set)) || l.plan != nil {
		return
	}
	if l.owner != nil { // it costs nothing
		a.open(l, c, council.Fees{})
		return
	}
	if q := c.proposal.quote; q != nil && c.proposal.Tx == nil && q.block+policy.MaxFacts >= l.block {
		c.proposal.quote = nil // the next attempt asks again
		a.open(l, c, q.fees)
		return
	}
	l.plan = &Plan{Proposal: c.proposal.ID, Deed: c.proposal.Intent.(council.Transaction), Nonce: c.nonce, Attempt: c.attempt, Replaces: c.proposal.Tx}
	a.do(*l.plan)
}

// backoff spaces out attempts that keep failing, by how many this node has joined:
// their numbers are not only its own doing.
func backoff(joined int) time.Duration {
	return min(time.Duration(max(joined-3, 0))*500*time.Millisecond, 10*time.Second)
}
