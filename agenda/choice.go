package agenda

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/millicent-one/signer/council"
)

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
	from := a.active
	if l.owner != nil {
		from = []*Proposal{l.owner}
	}
	for _, p := range from {
		if p.lane != nil && p.lane != l || p.Intent.ChainID() != l.chain || p.Unread != nil || p.Over != "" || p.done() {
			continue
		}
		if p.Tx != nil && !a.needsBump(p) {
			continue
		}
		if !a.ripen(p) {
			continue
		}
		if _, err := a.nonceFor(l, p); err != nil {
			a.tellGap(p, err)
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
