package agenda

import (
	"fmt"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/core/types"

	"github.com/millicent-one/signer/council"
)

// The last to hear of a signature can keep it to itself and bring it to the
// chain alone. Then the nonce is used by a transaction that nobody here has seen,
// and it must not look as if the proposal had come to nothing: neither to those
// who have no signature of it, nor to those who have made another one since, with
// other fees and too late.

// seek asks the chain what has used a proposal's nonce, when that may have been a
// signature of it.
func (a *Agenda) seek(p *Proposal) {
	l := a.laneOf(p)
	n, ok := a.usedBy(p)
	if !ok || !l.known || n >= l.nonce || p.settled() || p.Tx != nil && p.lost == 0 {
		return
	}
	if p.lost == 0 { // most of the time the one who has made it is about to say so
		r := l.rows[n]
		if open := r.state == RowDisputed || r.proposal == p.ID && r.state == RowRevealed; !open || !a.due(l.moved, a.timing.Hold) {
			return
		}
		if l.gaps[n] != nil { // it is asked for all
			return
		}
	}
	if a.due(p.sought, a.timing.Remind<<min(p.mute, 6)) {
		p.sought = a.now
		a.do(Find{Chain: l.chain, Nonce: n})
	}
}

// lost learns that a final block has a nonce used by none of the transactions
// that this node follows. Which it is the chain is asked for.
func (a *Agenda) lost(ev Lost) {
	for _, p := range a.proposals {
		if n, ok := a.usedBy(p); ok && n == ev.Nonce && p.Intent.ChainID() == ev.Chain && p.Tx != nil && !p.settled() {
			p.lost, p.sought = ev.Block, time.Time{}
		}
	}
}

// usedBy is the nonce that a signature of the proposal uses, or would use. A
// message has none.
func (a *Agenda) usedBy(p *Proposal) (uint64, bool) {
	switch {
	case p.lane != nil:
		return 0, false
	case p.Tx != nil:
		return p.Tx.Nonce(), true
	}
	n, ok := a.laneOf(p).byID[p.ID]
	return n, ok
}

// settled reports whether a final block has told what became of the proposal.
func (p *Proposal) settled() bool { return p.Fate == council.WordFinal || p.Over != "" }

// found takes up what has used a nonce.
func (a *Agenda) found(ev Found) {
	if a.genesis == nil {
		return
	}
	l, told := a.lane(ev.Chain), false
	for _, id := range a.order {
		p := a.proposals[id]
		if n, ok := a.usedBy(p); !ok || n != ev.Nonce || p.Intent.ChainID() != ev.Chain || p.settled() {
			continue
		}
		if p.Tx != nil && p.lost == 0 {
			a.outrun(p, l, ev)
			continue
		}
		if ev.Err != nil {
			if ev.Unanswered { // it has nothing to say of the nonce: asked again, and later each time
				p.mute++
			} else {
				p.mute = 0
				p.misses++
			}
			if p.once("sought: " + ev.Err.Error()) {
				a.do(Notify{What: "stuck", Proposal: id, Text: fmt.Sprintf("nonce %d is used, and this node's RPC does not say by what: %v", ev.Nonce, ev.Err)})
			}
			if p.lost != 0 && p.misses >= MaxSought {
				a.displaced(p)
			}
			continue
		}
		ok := a.does(l, p, ev.Tx)
		told = told || ok
		switch {
		case ok && p.Tx == nil:
			a.keptBack(p, l, ev.Tx)
		case ok:
			a.counts(p, ev)
		case p.lost != 0:
			a.displaced(p)
		}
	}
	if l.answered(ev) && !told {
		a.findOwner(l, ev)
	}
}

// keptBack tells everyone of a signature that only the chain has known of.
func (a *Agenda) keptBack(p *Proposal, l *lane, tx *types.Transaction) {
	raw, err := tx.MarshalBinary()
	if err != nil {
		return
	}
	a.tellKept(p, tx)
	a.do(Append{council.WordSigned, council.Signed{Proposal: p.ID, Chain: l.chain, Nonce: tx.Nonce(), Tx: raw}})
}

// outrun has the chain followed for another signature than the last that is known, if it is
// in a block before that: one with lower fees, or one that nobody has shown. All do the same,
// and the final block decides.
func (a *Agenda) outrun(p *Proposal, l *lane, ev Found) {
	if ev.Err != nil || ev.Tx.Hash() == p.TxHash() || !a.does(l, p, ev.Tx) || !p.once("outrun by "+ev.Tx.Hash().Hex()) {
		return
	}
	if !slices.Contains(p.txs, ev.Tx.Hash()) {
		a.tellKept(p, ev.Tx)
		p.txs = append(p.txs, ev.Tx.Hash())
	}
	a.do(Broadcast{Chain: ev.Chain, Tx: ev.Tx})
}

// tellKept tells people that somebody has kept a signature.
func (a *Agenda) tellKept(p *Proposal, tx *types.Transaction) {
	// Who made it is not known: one of those who took part in an attempt.
	var who []council.MemberID
	for _, at := range p.Attempts {
		if at.Nonce == tx.Nonce() {
			who = append(who, at.Signers...)
		}
	}
	slices.Sort(who)
	a.do(Notify{What: "kept-back", Proposal: p.ID, Text: fmt.Sprintf("%s: %s is on the chain, and none of %s has shown its signature",
		p.Action.Sentence, tx.Hash().Hex(), council.Names(slices.Compact(who)))})
}

// counts takes a signature of the same for the one that counts: the others' came
// too late.
func (a *Agenda) counts(p *Proposal, ev Found) {
	p.txs = append(p.txs, ev.Tx.Hash())
	for _, what := range []council.Word{map[bool]council.Word{false: council.WordMined, true: council.WordReverted}[ev.Reverted], council.WordFinal} {
		a.seen(Seen{Chain: ev.Chain, Tx: ev.Tx.Hash(), What: what, Block: ev.Block, BlockHash: ev.BlockHash, GasUsed: ev.GasUsed})
	}
}

// displaced ends a proposal whose nonce another transaction has for good:
// whatever was signed for it can never run.
func (a *Agenda) displaced(p *Proposal) {
	a.seen(Seen{Chain: p.Intent.ChainID(), Tx: p.Tx.Hash(), What: council.WordDisplaced, Block: p.lost})
}
