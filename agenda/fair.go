package agenda

import (
	"time"

	"github.com/millicent-one/signer/policy"
)

// ripen notes since when a proposal has been approved and its time has come, and
// reports whether it is so.
func (a *Agenda) ripen(p *Proposal) bool {
	ok := a.enough(p) // first: it is asked of all that is open, in each step, and costs little
	if ok {
		ok, _ = a.timely(p, true)
	}
	if !ok {
		p.ripe = time.Time{}
		return false
	}
	if p.ripe.IsZero() {
		p.ripe = a.now
	}
	return true
}

// urgent reports whether a proposal is among those that go first: what restricts
// always is. What permits comes to be when it has waited for long, so that a
// stream of restrictions can't keep it from the nonce for ever; but never twice in
// a row, so that a restriction never waits for more than one other transaction on
// account of it.
func (a *Agenda) urgent(p *Proposal) bool {
	if p.Action.Class == policy.Restrictive {
		return true
	}
	return !p.ripe.IsZero() && a.due(p.ripe, a.timing.Fair) && a.afterRestrictive(p.Intent.ChainID())
}

// afterRestrictive reports whether the last nonce of a chain went to something
// restrictive; or to nobody knows what.
func (a *Agenda) afterRestrictive(chain uint64) bool {
	l, ok := a.lanes[chain]
	if !ok || l.nonce == 0 {
		return false
	}
	p, ok := a.proposals[l.rows[l.nonce-1].proposal]
	return !ok || p.Action.Class == policy.Restrictive
}
