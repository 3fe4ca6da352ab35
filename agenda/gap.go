package agenda

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"

	"github.com/millicent-one/signer/council"
)

// Whoever is the last to make a signature can keep it, and bring it to the chain alone.
// Then a nonce is used, and those who had no part in the attempt can't tell by what: to
// them it may have been any proposal, and what has run must not be signed at the next
// nonce once more. So a used nonce is a gap until this node has seen in a block what has
// used it, or the chain has said so when asked. That a signature of something else at that
// nonce is known does not close it: with one member false there can be two.
//
// A gap holds up only what may have run there. The feeds are not believed in this, neither
// when they tell of attempts at a nonce nor when they tell of none. After a restart the
// gaps follow from what this node has written down of its own sightings, and what it had
// asked for it asks again.

// gap is a nonce that is used; this node does not know by what.
type gap struct {
	since  time.Time // when this process saw that it is used
	asked  time.Time
	misses int   // times that the chain did not say
	why    error // the last time
	tx     *types.Transaction
}

// mark is a nonce that was the next one at some time, by this node's clock.
type mark struct {
	at    time.Time
	nonce uint64
}

// account takes up how many nonces are used. Only the newest gaps are kept and asked for:
// of those below l.dark nothing is known.
func (l *lane) account(now time.Time) {
	maps.DeleteFunc(l.gaps, func(n uint64, _ *gap) bool { return n >= l.nonce }) // a reorganisation
	maps.DeleteFunc(l.took, func(n uint64, followed bool) bool { return n >= l.nonce && !followed })
	l.marks = slices.DeleteFunc(l.marks, func(m mark) bool { return m.nonce > l.nonce }) // it would hide what is used from here on
	if k := len(l.marks); k == 0 || l.marks[k-1].nonce < l.nonce {
		l.marks = append(l.marks, mark{now, l.nonce})
		l.marks = l.marks[max(len(l.marks)-MaxMarks, 0):]
	}
	if l.nonce < l.count {
		l.relight(now)
	}
	for n := l.nonce; n > l.count; n-- {
		if !l.miss(n-1, now) {
			break
		}
	}
	l.count = l.nonce
}

// relight takes back what a higher count, which was false or is undone, has made dark. All
// that is used stays explained, a gap or dark: a lower count may be the false one.
func (l *lane) relight(now time.Time) {
	for l.dark = min(l.dark, l.nonce); l.dark > 0; l.dark-- {
		n := l.dark - 1
		_, known := l.took[n]
		switch _, open := l.gaps[n]; {
		case known || open:
		case len(l.gaps) >= MaxGaps:
			return
		default:
			l.gaps[n] = &gap{since: now}
		}
	}
}

// miss makes a gap of a nonce, unless it is known what has used it. It reports whether
// there was room.
func (l *lane) miss(n uint64, now time.Time) bool {
	if _, ok := l.took[n]; ok {
		return true
	}
	if len(l.gaps) >= MaxGaps {
		lowest := slices.Min(slices.Collect(maps.Keys(l.gaps)))
		if l.dark = max(l.dark, min(lowest, n)+1); n < lowest {
			return false
		}
		delete(l.gaps, lowest)
	}
	l.gaps[n] = &gap{since: now}
	return true
}

// explained takes up what has used a nonce: a transaction of the council's in a block that
// this node has seen and follows, or one that the chain has named when asked. What is dark
// ends where all is known from there on: the blocks of long ago may come after the newest,
// as they do at a node that has just come in.
func (l *lane) explained(n uint64, followed bool) {
	l.took[n] = followed
	delete(l.gaps, n)
	for l.dark > 0 {
		if _, ok := l.took[l.dark-1]; !ok {
			return
		}
		l.dark--
	}
}

// reopened takes that back.
func (l *lane) reopened(n uint64, now time.Time) {
	delete(l.took, n)
	if n < l.count {
		l.miss(n, now)
	}
}

// askGaps asks the chain what has used the nonces that nobody has explained. Most of the
// time a block that this node is about to read does; and a Begin waits for longer than this.
func (a *Agenda) askGaps(l *lane) {
	for _, n := range slices.Sorted(maps.Keys(l.gaps)) {
		g := l.gaps[n]
		switch {
		case g.tx != nil && a.signedAs(g.tx.Hash()) != nil:
			l.explained(n, false)
		case g.tx == nil && a.due(g.since, a.timing.Grace) && a.due(g.asked, a.timing.Remind<<min(g.misses, 6)):
			g.asked = a.now
			a.do(Find{Chain: l.chain, Nonce: n})
		}
	}
}

// signedAs is the proposal of which a transaction is known to be a signature; nil for none.
func (a *Agenda) signedAs(tx common.Hash) *Proposal {
	for _, id := range a.order {
		if p := a.proposals[id]; slices.Contains(p.txs, tx) {
			return p
		}
	}
	return nil
}

// answered takes up what the chain says of a gap. It reports whether that is a transaction.
func (l *lane) answered(ev Found) bool {
	g := l.gaps[ev.Nonce]
	switch {
	case g == nil:
		return false
	case ev.Err != nil:
		g.misses, g.why = g.misses+1, ev.Err
		return false
	}
	g.tx = ev.Tx
	return true
}

// findOwner looks for the open proposal that a transaction nobody has told of was signed
// for, and tells everyone of the signature. It is one of which an attempt at this nonce is
// known, or else the oldest that was on the table before the nonce was used: the same call
// may have run before, as another proposal.
func (a *Agenda) findOwner(l *lane, ev Found) {
	if a.signedAs(ev.Tx.Hash()) != nil {
		return
	}
	since := l.gaps[ev.Nonce].since
	var found *Proposal
	for _, id := range a.order {
		p := a.proposals[id]
		if p.Tx != nil || p.settled() || !a.does(l, p, ev.Tx) {
			continue
		}
		if slices.ContainsFunc(p.Attempts, func(at Attempt) bool { return at.Nonce == ev.Nonce }) {
			found = p
			break
		}
		own, judged := p.Verdicts[a.self]
		if early := judged && own.Block > 0 && own.Block <= ev.Block || !p.JudgedAt.IsZero() && p.JudgedAt.Before(since); early && found == nil {
			found = p
		}
	}
	if found != nil {
		a.keptBack(found, l, ev.Tx)
	}
}

// does reports whether a transaction does what a proposal asks for.
func (a *Agenda) does(l *lane, p *Proposal, tx *types.Transaction) bool {
	deed, ok := p.Intent.(council.Transaction)
	if ok = ok && a.laneOf(p) == l; ok {
		_, ok = a.carriedOut(deed, tx)
	}
	return ok
}

// gapError says that a proposal may have run already.
type gapError struct {
	nonce uint64
	soon  bool // it is about to be known
	text  string
}

func (e *gapError) Error() string { return e.text }

// hadItsRun refuses a proposal that may have run already, or what it replaces: at a nonce
// which is used, this node does not know by what.
func (a *Agenda) hadItsRun(l *lane, p *Proposal) error {
	if len(l.gaps) == 0 && l.dark == 0 {
		return nil
	}
	both := []*Proposal{p}
	if q := a.proposals[replaced(p)]; q != nil && q.Tx == nil {
		both = append(both, q)
	}
	for _, q := range both {
		floor := a.floor(l, q)
		for _, n := range slices.Sorted(maps.Keys(l.gaps)) {
			switch g := l.gaps[n]; {
			case g.tx != nil && a.signedAs(g.tx.Hash()) == nil && a.does(l, q, g.tx):
				return &gapError{nonce: n, text: fmt.Sprintf("nonce %d was used by %s, which does what proposal %s asks for, and nobody has said for which proposal it was signed: wait for those who have signed it", n, g.tx.Hash().Hex(), q.ID.Short())}
			case g.tx != nil || n < floor:
			case g.misses == 0:
				return &gapError{nonce: n, soon: true, text: fmt.Sprintf("nonce %d is used, and this node does not know yet by what", n)}
			default:
				return a.unexplained(l, q, n, fmt.Sprintf("this node's RPCs don't say by what: %v", g.why))
			}
		}
		if floor < l.dark {
			return a.unexplained(l, q, l.dark-1, "this node knows nothing of it and of those before")
		}
	}
	return nil
}

func (a *Agenda) unexplained(l *lane, p *Proposal, n uint64, why string) error {
	return &gapError{nonce: n, text: fmt.Sprintf("nonce %d is used, perhaps by proposal %s, and %s. Name an RPC for chain %d that keeps old states; or look with a block explorer whether it has run, and if not, propose it again in an hour", n, p.ID.Short(), why, l.chain)}
}

// floor is a nonce below which all were used before the proposal can have been signed. It
// was on no table long before its proposer dates it, or before this node has judged it, if
// that is earlier: a false date or a second proposer can make it younger than it is, not
// younger than this node remembers.
func (a *Agenda) floor(l *lane, p *Proposal) (nonce uint64) {
	born := min(p.At, unix(a.now))
	if p.record.judged > 0 {
		born = min(born, p.record.judged)
	}
	born -= min(born, dating)
	for _, m := range l.marks {
		if unix(m.at) < born {
			nonce = max(nonce, m.nonce)
		}
	}
	for _, q := range a.proposals {
		if q.done() && q.record.mined > 0 && q.record.mined < born && a.laneOf(q) == l {
			nonce = max(nonce, q.Where.Nonce+1)
		}
	}
	return nonce
}

// tellGap tells the member, once for each nonce, that an approved proposal does not go on
// for a gap that the chain does not explain.
func (a *Agenda) tellGap(p *Proposal, err error) {
	var g *gapError
	if errors.As(err, &g) && !g.soon && p.once(fmt.Sprintf("gap %d", g.nonce)) {
		a.do(Notify{What: "stuck", Proposal: p.ID, Text: p.Action.Sentence + ": " + g.text})
	}
}
