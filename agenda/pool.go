package agenda

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/millicent-one/signer/council"
)

// The pool holds the open messages (typed data and statements). A message has no
// nonce, so none has to wait for another: each has a lane to itself, and several
// are signed side by side. At most MaxPool at once: all nodes count the same
// places in the same order, so that a place at one node is a place at the
// others.

// enterPool gives a message its lane.
func (a *Agenda) enterPool(p *Proposal, m council.Message) {
	digest, err := m.Digest()
	if err != nil { // it was valid a moment ago
		p.Unread = err
		return
	}
	p.Digest = digest
	p.lane = newLane(p.Intent.ChainID())
	p.lane.owner, p.lane.known = p, true
	a.pool = append(a.pool, p.lane)
	a.vie(p)
	for _, q := range a.twins(p) {
		if q.Signature != nil {
			a.forestall(p, q)
			break
		}
	}
}

// vie puts a message among those that its twins look at: those that can be signed, or that
// have the digest for good.
func (a *Agenda) vie(p *Proposal) {
	if a.vies(p) && !slices.Contains(a.digests[p.Digest], p) {
		a.digests[p.Digest] = append(a.digests[p.Digest], p)
	}
}

// vies reports whether a twin of a message has to look at it. One that is over unsigned comes
// back if its signature appears after all, or a row for it.
func (a *Agenda) vies(p *Proposal) bool {
	return p.Over == "" || p.signed() || p.lane.rows[0].proposal == p.ID
}

// retire takes out what needs no lane any more.
func (a *Agenda) retire(l *lane) bool {
	p := l.owner
	if l.try != nil || l.leftover() || !p.signed() && p.Over == "" {
		return false
	}
	if !a.vies(p) {
		left := slices.DeleteFunc(a.digests[p.Digest], func(q *Proposal) bool { return q == p })
		if a.digests[p.Digest] = left; len(left) == 0 {
			delete(a.digests, p.Digest)
		}
	}
	return true
}

// twins are the other proposals with the digest of p that may matter to it.
func (a *Agenda) twins(p *Proposal) []*Proposal {
	var out []*Proposal
	for _, q := range a.digests[p.Digest] {
		if q != p && p.Digest != (common.Hash{}) {
			out = append(out, q)
		}
	}
	return out
}

// laneOf is the lane that a proposal is signed in: a message's own, or that of
// the transaction's chain.
func (a *Agenda) laneOf(p *Proposal) *lane {
	if p.lane != nil {
		return p.lane
	}
	return a.lane(p.Intent.ChainID())
}

// every lists all lanes in which something can happen.
func (a *Agenda) every() []*lane {
	out := make([]*lane, 0, len(a.lanes)+len(a.pool))
	for _, c := range a.chains() {
		out = append(out, a.lanes[c])
	}
	return append(out, a.pool...)
}

// tryOf finds the lane whose attempt a Begin has opened; nil for none.
func (a *Agenda) tryOf(begin common.Hash) *lane {
	for _, l := range a.every() {
		if l.try != nil && l.try.begin.Hash() == begin {
			return l
		}
	}
	return nil
}

// trying counts the messages that this node is signing.
func (a *Agenda) trying() int {
	n := 0
	for _, l := range a.pool {
		if l.try != nil {
			n++
		}
	}
	return n
}

// leftover reports whether a reservation is left over from an attempt or a
// process that died: no session runs, so nothing was revealed.
func (l *lane) leftover() bool {
	_, r, ok := l.live()
	return ok && l.try == nil && r.state == RowReserved
}

// drivePool moves the messages on. What is being signed keeps its place; then
// those come that were tried least, then the oldest. So one whose attempts fail
// goes behind the others, and none is passed over for ever.
func (a *Agenda) drivePool() {
	a.pool = slices.DeleteFunc(a.pool, a.retire)
	a.admitWaiting()
	places := MaxPool
	var waiting []*lane
	for _, l := range slices.Clone(a.pool) {
		if l.try != nil || l.leftover() {
			a.drive(l)
		}
		switch {
		case l.try != nil, len(l.held) > 0:
			places--
		case !l.leftover():
			waiting = append(waiting, l)
		}
	}
	slices.SortFunc(waiting, func(x, y *lane) int {
		p, q := x.owner, y.owner
		return cmp.Or(cmp.Compare(x.last[0], y.last[0]), cmp.Compare(p.At, q.At), bytes.Compare(p.ID[:], q.ID[:]))
	})
	for _, l := range waiting {
		if places <= 0 || !a.enough(l.owner) && !a.running(l.owner, 0) || a.yields(l.owner) {
			l.turn = turn{}
			continue
		}
		if a.running(l.owner, 0) { // by others, as long as they have time
			places--
			continue
		}
		if a.drive(l); l.try != nil || l.turn.proposal == l.owner.ID {
			places--
		}
	}
}

// wait keeps a Begin until this node has a place for it: the coordinator has seen
// another message done a moment before this node has.
func (a *Agenda) wait(l *lane, b council.Begin) {
	if len(l.held) < MaxHeldBegins {
		l.held = append(l.held, heldBegin{b.Coordinator, b, a.now.Add(a.timing.Hold)})
		a.at(a.now.Add(a.timing.Hold))
	}
}

// admitWaiting takes up the Begins that wait, as far as there are places.
func (a *Agenda) admitWaiting() {
	for _, l := range slices.Clone(a.pool) {
		held := l.held
		l.held = nil
		for _, h := range held {
			switch {
			case !a.now.Before(h.until):
				a.refuse(l, h.begin, "busy", fmt.Sprintf("%d messages are being signed, which is the most", MaxPool))
			case l.try == nil && a.trying() < MaxPool:
				a.consider(l.owner, l, h.begin)
			default:
				l.held = append(l.held, h)
				a.at(h.until)
			}
		}
	}
}

// yields reports whether a twin of p goes first: of two approved proposals with
// one digest, the one that was proposed first, as long as it can be signed and
// has not just failed several times.
func (a *Agenda) yields(p *Proposal) bool { return a.ahead(p) != nil }

// ahead is the twin that p yields to; nil for none.
func (a *Agenda) ahead(p *Proposal) *Proposal {
	if p.lane.rows[0].state == RowRevealed { // no other can have the digest here
		return nil
	}
	for _, q := range a.twins(p) {
		first := cmp.Or(cmp.Compare(q.At, p.At), bytes.Compare(q.ID[:], p.ID[:])) < 0
		if !first || q.Over != "" || !a.due(q.held, 0) || !a.enough(q) {
			continue
		}
		if ok, _ := a.timely(q, true); !ok {
			continue
		}
		if set, _ := a.signers(q, 0, q.lane.last[0]+1); len(set) >= a.roster.Threshold {
			return q
		}
	}
	return nil
}

// claim refuses a message whose digest is another proposal's in this node's
// ledger, or has a signature already: one digest, one proposal.
func (a *Agenda) claim(p *Proposal) error {
	if p.Signature != nil {
		return fmt.Errorf("proposal %s is signed already", p.ID.Short())
	}
	for _, q := range a.twins(p) {
		if q.Signature != nil {
			return fmt.Errorf("proposal %s asks for the same signature as %s, which is signed", p.ID.Short(), q.ID.Short())
		}
		if r := q.lane.rows[0]; r.proposal == q.ID && r.state != RowFreed {
			return fmt.Errorf("proposal %s asks for the same signature as %s, which is being signed or may have been", p.ID.Short(), q.ID.Short())
		}
	}
	return nil
}

// messageSigned takes up a finished signature over a message from anyone: it
// proves itself.
func (a *Agenda) messageSigned(p *Proposal, m council.Message, s council.Signed) {
	if p.Signature != nil || s.Chain != m.ChainID() || s.Nonce != 0 || len(s.Tx) > 0 || council.CheckMessage(m, s.Signature, a.genesis.Key) != nil {
		return
	}
	l := p.lane
	p.Signed, p.Signature = &s, s.Signature
	a.vie(p)
	a.revive(p)
	held := false // the digest is another proposal's here, for good
	for _, q := range a.twins(p) {
		a.forestall(q, p)
		held = held || q.lane.rows[0].state == RowRevealed
	}
	if l.try != nil {
		a.overtaken(p, l)
	}
	if a.replaying {
		p.told["signed"] = true
		return
	}
	a.paced(p, s)
	p.SignedAt = a.now
	if r := l.rows[0]; r.state != RowRevealed && !held {
		a.do(Note{Chain: l.chain, Proposal: p.ID, Digest: p.Digest})
		a.row(Ledger{Chain: l.chain, Proposal: p.ID, State: RowRevealed}) // from now on, not only once it is written
	}
	if p.once("signed") {
		a.do(Notify{What: "signed", Proposal: p.ID, Text: p.Action.Sentence})
	}
}

// forestall ends a proposal whose signature exists already: that of another with
// the same digest. People are told, for its approvals came to nothing.
func (a *Agenda) forestall(p, by *Proposal) {
	if p.Signature != nil || p.Over != "" {
		return
	}
	p.Over, p.Instead = council.WordDisplaced, by.ID
	if p.lane.try != nil {
		a.giveUp(p.lane, nil, "the same signature exists as proposal "+by.ID.Short())
	}
	if p.lane.leftover() {
		a.free(p.lane, 0)
	}
	if p.once("displaced") && !a.replaying {
		a.do(Notify{What: "displaced", Proposal: p.ID, Text: fmt.Sprintf("%s: the same is already signed as proposal %s", p.Action.Sentence, by.ID.Short())})
	}
}

// lot is what the draw of signers starts from. Messages share chain and nonce,
// so each is drawn by its own id, which spreads them over the members.
func (a *Agenda) lot(p *Proposal) common.Hash {
	id := a.genesis.ID()
	if p.lane == nil {
		return id
	}
	return crypto.Keccak256Hash([]byte("millicent/rank/message/1\x00"), id[:], p.ID[:])
}
