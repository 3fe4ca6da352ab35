package agenda

import (
	"fmt"
	"math/big"
	"time"

	"github.com/millicent-one/signer/council"
)

// The prices of a transaction are all that its coordinator may choose, below the ceilings
// that the members approved. One who means ill must not choose them so that nothing is
// mined: a price that no block takes, or again and again one that is higher by nothing, which
// lets the wait for a higher one begin anew.

// priced says what speaks against the prices of a Begin that would be signed now, or "".
// Its nonce is the one that this node derives.
func (a *Agenda) priced(p *Proposal, b council.Begin) string {
	if q := p.quote; q != nil && a.laneOf(p).close(q.block) && b.Fees.MaxFeePerGas.Cmp(q.base()) < 0 {
		return fmt.Sprintf("%s wei per gas is below the base fee, which this node's RPC says is %s", b.Fees.MaxFeePerGas, q.base())
	}
	if p.Tx == nil {
		return ""
	}
	if old := council.FeesOf(p.Tx); !b.Fees.Outbids(old) {
		return fmt.Sprintf("the proposal is signed, and %s wei per gas with a tip of %s does not outbid %s with %s by a tenth", b.Fees.MaxFeePerGas, b.Fees.MaxTipPerGas, old.MaxFeePerGas, old.MaxTipPerGas)
	}
	// Clocks differ, and so does when each has heard of the signature.
	if wait := a.patienceWith(p, b.Coordinator) * 3 / 4; !p.SignedAt.IsZero() && a.now.Before(p.SignedAt.Add(wait)) {
		return fmt.Sprintf("the proposal was signed %s ago; %s may have it signed again after %s", a.now.Sub(p.SignedAt).Round(time.Second), b.Coordinator, wait)
	}
	return ""
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

// base is the base fee that the quote was made of, in wei per gas; less, if a ceiling has
// cut the quote.
func (q quote) base() *big.Int {
	twice := new(big.Int).Sub(q.fees.MaxFeePerGas, q.fees.MaxTipPerGas)
	return twice.Rsh(twice, 1)
}
