package agenda

import (
	"bytes"
	"fmt"

	"github.com/millicent-one/signer/council"
)

// nonceFor derives the nonce that a proposal would be signed at, or says why it
// can't be signed now. A message has none: its nonce is 0. Whoever holds the nonce is named
// by its whole id: it may be known from a member's Lock alone, and then no page shows it.
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
			return 0, fmt.Errorf("nonce %d of proposal %s is disputed, or given to a replacement, as members have said at a rotation: it runs no more, unless the chain has it; make a new one with 'signer propose --replaces %s'", n, p.ID.Short(), p.ID.Hex())
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
		return 0, fmt.Errorf("nonce %d belongs to proposal %s until it is mined or replaced", n, r.proposal.Hex())
	}
	if r, ok := l.claimed(l.nonce); ok && r.void() { // its place is nobody's, so live does not find it
		return 0, fmt.Errorf("nonce %d was proposal %s's, of which a signature may exist: until the chain has decided, only what replaces it can have it; 'signer propose cancel-nonce --replaces %s'", l.nonce, r.proposal.Short(), r.proposal.Hex())
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
