package agenda

import (
	"fmt"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/council"
)

// The prices of a transaction are all that its coordinator may choose, below the ceilings
// that the members approved. One who means ill must not choose them so that nothing is
// mined: a price that no block takes, or again and again one that is higher by nothing, which
// lets the wait for a higher one begin anew.

// priced says what speaks against the prices of a Begin that would be signed now, or "".
// Its nonce is the one that this node derives.
func (a *Agenda) priced(p *Proposal, b council.Begin) string {
	l := a.laneOf(p)
	if why := a.belowBase(l, b.Fees); why != "" {
		return why
	}
	if old := a.standing(l, b.Nonce); old != nil && !b.Fees.Outbids(*old) && !a.atCeilings(p, b.Fees) {
		return fmt.Sprintf("nonce %d is signed for, and %s wei per gas with a tip of %s does not outbid %s with %s by a tenth", b.Nonce, b.Fees.MaxFeePerGas, b.Fees.MaxTipPerGas, old.MaxFeePerGas, old.MaxTipPerGas)
	}
	if p.Tx == nil {
		return ""
	}
	// Clocks differ, and so does when each has heard of the signature.
	if wait := a.patienceWith(p, b.Coordinator) * 3 / 4; !p.SignedAt.IsZero() && a.now.Before(p.SignedAt.Add(wait)) {
		return fmt.Sprintf("the proposal was signed %s ago; %s may have it signed again after %s", a.now.Sub(p.SignedAt).Round(time.Second), b.Coordinator, wait)
	}
	return ""
}

// baseFee takes up what the own RPC says that the newest block asks for.
func (a *Agenda) baseFee(ev BaseFee) {
	if l, known := a.lanes[ev.Chain]; known && l.known && ev.Block >= l.based {
		l.base, l.based, l.heard = ev.Fee, ev.Block, a.now
	}
}

// baseless says why this node can't tell a price from one at which nothing is mined, or "". A
// base fee is good for as long as there is no newer block; and for a while longer, since a
// node looks at the head less often than fast chains have blocks, and asks for facts at
// those in between.
func (a *Agenda) baseless(l *lane) string {
	switch {
	case l.base == nil:
		return "this node's RPC tells no base fee, so no price can be told from one at which nothing is mined"
	case !l.close(l.based) && a.now.Sub(l.heard) > baseAge:
		return fmt.Sprintf("the base fee that this node's RPC told is of block %d, and there is block %d", l.based, l.block)
	}
	return ""
}

// belowBase says why no block may take a price, or "".
func (a *Agenda) belowBase(l *lane, f council.Fees) string {
	if why := a.baseless(l); why != "" {
		return why
	}
	if f.MaxFeePerGas.Cmp(l.base) < 0 {
		return fmt.Sprintf("%s wei per gas is below the base fee, which this node's RPC says is %s", f.MaxFeePerGas, l.base)
	}
	return ""
}

// standing is what a pool may hold at a nonce: the highest fee and the highest tip of all
// that is known to be signed there, of one proposal and of those that replace it. Pools
// differ in which of these they hold, and each wants its own outbid. It is nil for nothing.
func (a *Agenda) standing(l *lane, nonce uint64) *council.Fees {
	var most *council.Fees
	for _, q := range a.proposals {
		if q.Tx == nil || q.Tx.Nonce() != nonce || a.laneOf(q) != l {
			continue
		}
		f := council.FeesOf(q.Tx)
		if most != nil {
			f = f.Highest(*most)
		}
		most = &f
	}
	return most
}

// atCeilings reports whether these are the highest prices that may be signed for a proposal
// which has no signature yet. Its ceilings may be too low to outbid what it replaces; but a
// pool that does not hold that, as it pays for more gas than there is money for, takes it.
func (a *Agenda) atCeilings(p *Proposal, f council.Fees) bool {
	deed, ok := p.Intent.(council.Transaction)
	return ok && p.Tx == nil && f.MaxFeePerGas.Cmp(deed.MaxFeePerGas) == 0 && f.MaxTipPerGas.Cmp(deed.MaxTipPerGas) == 0
}

// enters reports whether pools would take these prices at a nonce, as far as this node knows.
func (a *Agenda) enters(l *lane, nonce uint64, f council.Fees) bool {
	old := a.standing(l, nonce)
	return a.belowBase(l, f) == "" && (old == nil || f.Outbids(*old))
}

// planFor asks for the prices of an attempt. They are the ceilings where less has been too
// low for a pool, or where even the ceilings do not outbid what is to be replaced.
func (a *Agenda) planFor(l *lane, c choice) *Plan {
	p := c.proposal
	deed := p.Intent.(council.Transaction)
	plan := &Plan{Proposal: p.ID, Deed: deed, Nonce: c.nonce, Attempt: c.attempt, Outbid: a.standing(l, c.nonce)}
	if plan.Outbid != nil {
		outbids := deed.Ceilings().Outbids(*plan.Outbid)
		plan.AtCeilings = p.Tx == nil && !outbids || p.Tx != nil && outbids && p.underpriced == p.Tx.Hash()
	}
	return plan
}

// outbidden refuses a replacement whose ceilings can't outbid what a pool is known to hold.
func (a *Agenda) outbidden(in council.Intent) error {
	deed, ok := in.(council.Transaction)
	q := a.proposals[deed.Replaces]
	if !ok || q == nil || q.Tx == nil || q.Where.Tx == (common.Hash{}) || q.done() {
		return nil
	}
	old := a.standing(a.laneOf(q), q.Tx.Nonce())
	room, _ := q.Intent.(council.Transaction)
	if deed.Ceilings().Outbids(*old) || !room.Ceilings().Outbids(*old) { // that it is at its own ceilings keeps nobody from trying
		return nil
	}
	least := old.Next()
	return council.WithHint(fmt.Errorf("no pool takes it in the place of proposal %s: its ceilings are %s wei per gas with a tip of %s, and it needs %s with %s",
		q.ID.Short(), deed.MaxFeePerGas, deed.MaxTipPerGas, least.MaxFeePerGas, least.MaxTipPerGas),
		fmt.Sprintf("propose it with --max-fee '%s wei' --max-tip '%s wei', or higher: what is to be replaced may be signed again meanwhile", least.MaxFeePerGas, least.MaxTipPerGas))
}

// patienceWith is how long a signed transaction may wait for a block before a member may
// have it signed again: twice as long for who has had it signed last. So whoever holds
// it up has one turn, and then it is another's.
func (a *Agenda) patienceWith(p *Proposal, coordinator council.MemberID) time.Duration {
	if coordinator == p.led {
		return 2 * a.timing.Bump
	}
	return a.timing.Bump
}
