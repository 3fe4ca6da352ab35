package agenda

import (
	"fmt"
	"maps"
	"math/big"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"

	"github.com/millicent-one/signer/council"
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
	base  *big.Int  // the base fee, in wei per gas; nil if the own RPC tells none
	based uint64    // as of this block
	heard time.Time // when it was told
	top   uint64    // above all nonces at which a transaction is known to be signed
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
		l.explained(ev.Nonce, true)
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
	if l.rows[ev.Nonce] = next; l.owner != nil {
		a.vie(l.owner)
	}
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

// near reports whether words about attempts at a nonce may matter. Of those far below the
// next one nothing can come any more, and honest nodes are at none far above it. Before
// the own RPC has reported, what is signed tells how far the chain is at least.
func (l *lane) near(nonce uint64) bool {
	next := max(l.nonce, l.top)
	return (nonce <= next || nonce-next <= MaxNonces) && !l.past(nonce)
}

// Reach is the highest nonce of a chain about which words of members may matter: see near.
func (a *Agenda) Reach(chain uint64) uint64 {
	next := uint64(0)
	if l, ok := a.lanes[chain]; ok {
		next = max(l.nonce, l.top)
	}
	return max(next, next+MaxNonces)
}

func (l *lane) past(nonce uint64) bool { return nonce < l.nonce && l.nonce-nonce > MaxNonces }

// forget drops what members have said of attempts at nonces that are past.
func (l *lane) forget() {
	maps.DeleteFunc(l.last, func(n uint64, _ uint64) bool { return l.past(n) })
	maps.DeleteFunc(l.over, func(n uint64, _ uint64) bool { return l.past(n) })
	maps.DeleteFunc(l.came, func(x lead, _ uint64) bool { return l.past(x.nonce) })
	maps.DeleteFunc(l.leads, func(x lead, _ int) bool { return l.past(x.nonce) })
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

// ended remembers that an attempt of this node is over, with a signature or without:
// it can't be called to it again.
func (l *lane) ended(nonce, attempt uint64) {
	l.last[nonce] = max(l.last[nonce], attempt)
	l.over[nonce] = max(l.over[nonce], attempt)
}

// brought remembers that an attempt has brought its signature, as the first who tells of
// that says: nobody is called to it any more, but to a higher one, for higher fees. One
// member's word raises no number, so it ends none that is still to come.
func (l *lane) brought(s council.Signed) {
	if s.Attempt <= l.last[s.Nonce] {
		l.over[s.Nonce] = max(l.over[s.Nonce], s.Attempt)
	}
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

// signed reports whether the signature exists. For a message that is the end.
func (p *Proposal) signed() bool { return p.Tx != nil || p.Signature != nil }

// TxHash names the transaction that counts: the one that this node has seen in a block, or
// else the last that was signed. Several can be signed at one nonce, and what is mined need
// not be the one with the highest fees. It is zero while there is none.
func (p *Proposal) TxHash() common.Hash {
	switch {
	case p.done():
		return p.Where.Tx
	case p.Tx != nil:
		return p.Tx.Hash()
	}
	return common.Hash{}
}

// Txs are all transactions that are known to be signed for the proposal, at the nonce of Tx.
// Any of them may be mined.
func (p *Proposal) Txs() []common.Hash { return slices.Clone(p.txs) }

// also keeps a signature with lower fees than the one that is known.
func (p *Proposal) also(tx *types.Transaction) {
	if tx.Nonce() == p.Tx.Nonce() && !slices.Contains(p.txs, tx.Hash()) {
		p.txs = append(p.txs, tx.Hash())
	}
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
	if ev.Nonce != l.nonce {
		l.moved = a.now
	}
	l.known, l.block, l.nonce = true, ev.Block, ev.Nonce
	a.baseFee(BaseFee{ev.Chain, ev.Block, ev.BaseFee})
	l.account(a.now)
	l.forget()
	a.forgetAhead(l)
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
	if p := c.proposal; p.Tx != nil && !a.due(p.SignedAt, a.patienceWith(p, a.self)) {
		return // by another, until then
	}
	if l.owner != nil { // it costs nothing
		a.open(l, c, council.Fees{})
		return
	}
	if q := c.proposal.quote; q != nil && c.proposal.Tx == nil && l.close(q.block) && a.enters(l, c.nonce, q.fees) {
		c.proposal.quote = nil // the next attempt asks again
		a.open(l, c, q.fees)
		return
	}
	l.plan = a.planFor(l, c)
	a.do(*l.plan)
}

// backoff spaces out attempts that keep failing, by how many this node has joined:
// their numbers are not only its own doing.
func backoff(joined int) time.Duration {
	return min(time.Duration(max(joined-3, 0))*500*time.Millisecond, 10*time.Second)
}
