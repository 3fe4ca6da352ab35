package policy

import (
	"fmt"
	"slices"

	"github.com/millicent-one/signer/council"
)

// Authorize judges the final transaction once more and mints a permit for it.
// The permit is the zero value, which every session refuses, unless the decision
// allows. It needs a proven quorum for this very proposal, under the roster and
// council of begin, unexpired and large enough for the rule; fees within the
// ceilings; and a digest that follows from all of it.
//
// What it can't see are the roster and the genesis behind the hashes:
// council.Begin.Check compares those.
func (p *Policy) Authorize(in Input, q council.Quorum, b council.Begin) (Permit, Decision) {
	d := p.Evaluate(in)
	if !d.Allow {
		return Permit{}, d
	}
	t, ok := in.Intent.(council.Transaction)
	if !ok {
		return Permit{}, d.deny("default/intent", "only a transaction is signed by a council session", "propose a transaction")
	}
	if reason, hint := p.unproven(in, t, q, b, d.Approvals); reason != "" {
		return Permit{}, d.deny("quorum", reason, hint)
	}
	if reason, hint := unbound(t, b); reason != "" {
		return Permit{}, d.deny("begin", reason, hint)
	}
	return Permit{
		digest: b.Digest, session: b.Session(), signers: slices.Clone(b.Signers),
		quorum: q.Hash(), policy: d.Policy, facts: d.Facts,
		expires: min(in.Now+PermitSeconds, q.Expires(), t.ValidUntil),
	}, d
}

// unproven says why the quorum does not carry the transaction, or "".
func (p *Policy) unproven(in Input, t council.Transaction, q council.Quorum, b council.Begin, least int) (reason, hint string) {
	const again = "collect the approvals again"
	if !q.Proven() {
		return "no proven quorum", again
	}
	id, err := council.Propose(b.Council, t)
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
	}
	return "", ""
}

// unbound says why begin is not about this transaction, or "".
func unbound(t council.Transaction, b council.Begin) (reason, hint string) {
	const hint0 = "the coordinator has to begin again"
	if b.Chain != t.Chain {
		return fmt.Sprintf("for chain %d, not %d", b.Chain, t.Chain), hint0
	}
	if err := b.Fees.Within(t); err != nil {
		return err.Error(), "begin again with fees within the approved ceilings, or propose higher ones"
	}
	if len(b.Signers) == 0 || !slices.IsSorted(b.Signers) || len(slices.Compact(slices.Clone(b.Signers))) != len(b.Signers) {
		return "signers are not sorted and distinct", hint0
	}
	if d := b.Envelope(t).Digest(); d != b.Digest {
		return fmt.Sprintf("digest %s does not follow from the transaction; it would be %s", b.Digest.Hex(), d.Hex()), hint0
	}
	return "", ""
}
