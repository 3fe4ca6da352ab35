package policy

import (
	"fmt"
	"slices"

	"github.com/millicent-one/signer/council"
)

// Authorize judges the final transaction, or the message, once more and mints a
// permit for it.
// The permit is the zero value, which every session refuses, unless the decision
// allows. It needs a proven quorum for this very proposal, under the roster and
// council of begin, unexpired, large enough for the rule and with the seats that
// it asks for; the time for it (a refusal by "early" has NotBefore set, and
// speaks against nobody); fees within the ceilings; and a digest that follows from
// all of it.
//
// What it can't see are the roster and the genesis behind the hashes:
// council.Begin.Check compares those.
func (p *Policy) Authorize(in Input, q council.Quorum, b council.Begin) (Permit, Decision) {
	d := p.Evaluate(in)
	if !d.Allow {
		return Permit{}, d
	}
	if reason, hint := p.unproven(in, q, b, d); reason != "" {
		return Permit{}, d.deny("quorum", reason, hint)
	}
	if d.NotBefore > in.Now {
		return Permit{}, d.early()
	}
	if reason, hint := unbound(in.Intent, b); reason != "" {
		return Permit{}, d.deny("begin", reason, hint)
	}
	return Permit{
		digest: b.Digest, session: b.Session(), slot: b.Slot, fired: b.Fired(), signers: slices.Clone(b.Signers),
		quorum: q.Hash(), policy: d.Policy, facts: d.Facts,
		expires: min(in.Now+PermitSeconds, q.Expires(), in.Intent.Expires()),
	}, d
}

// unproven says why the quorum does not carry the intent, or "".
func (p *Policy) unproven(in Input, q council.Quorum, b council.Begin, d Decision) (reason, hint string) {
	const again = "collect the approvals again"
	least := d.Approvals
	if !q.Proven() {
		return "no proven quorum", again
	}
	id, err := council.Propose(b.Council, in.Intent)
	switch have := len(q.Members()); {
	case err != nil:
		return err.Error(), "propose it within the bounds"
	case id != b.Proposal || id != q.Proposal():
		return "the approvals are for another proposal", again
	case q.Council() != b.Council:
		return "the approvals are for another council", again
	case q.Roster() != b.Roster:
		return "the approvals are of another roster", "approve again under the roster in force"
	case q.Expires() <= in.Now:
		return fmt.Sprintf("the approvals expired %d seconds ago", in.Now-q.Expires()), again
	case have < least:
		return fmt.Sprintf("%d approvals; the rule asks for %d", have, least), fmt.Sprintf("%d more members have to approve", least-have)
	case d.Seats.Lacking(q) != (Seats{}):
		lacks := d.Seats.Lacking(q).Approvals()
		return "the approvals lack " + lacks, "it still takes " + lacks
	}
	return "", ""
}

// unbound says why begin is not about this intent, or "".
func unbound(in council.Intent, b council.Begin) (reason, hint string) {
	const hint0 = "the coordinator has to begin again"
	if t, ok := in.(council.Transaction); ok {
		if err := b.Fees.Within(t); err != nil {
			return err.Error(), "begin again with fees within the approved ceilings, or propose higher ones"
		}
	}
	if len(b.Signers) == 0 || !slices.IsSorted(b.Signers) || len(slices.Compact(slices.Clone(b.Signers))) != len(b.Signers) {
		return "signers are not sorted and distinct", hint0
	}
	if err := b.Binds(in); err != nil {
		return err.Error(), hint0
	}
	return "", ""
}
