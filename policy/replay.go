package policy

import (
	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/council"
)

// Past is a proposal as the journal holds it.
type Past struct {
	ID       council.ProposalID
	Intent   council.Intent
	Proposed uint64 // unix seconds
}

// Replayed is what a new policy would have said to a proposal.
type Replayed struct {
	ID       council.ProposalID `json:"id"`
	Proposed uint64             `json:"proposed"` // unix seconds
	Sentence string             `json:"sentence"` // by the new charter
	Old      Decision           `json:"old"`
	New      Decision           `json:"new"`
	Change   Change             `json:"change"`
}

// Change is how one answer differs from another.
type Change string

// The changes, from the old answer to the new.
const (
	Unchanged      Change = ""
	NowAllowed     Change = "allowed"         // was denied
	NowForbidden   Change = "forbidden"       // was allowed
	MoreApprovals  Change = "more approvals"  // both allow
	FewerApprovals Change = "fewer approvals" // both allow
	OtherRule      Change = "other rule"      // the same answer for another reason
	OtherSentence  Change = "other sentence"  // the same answer, and members would read something else
)

// Matters reports whether the outcome itself changes, not only what is said of it.
func (c Change) Matters() bool {
	return c == NowAllowed || c == NowForbidden || c == MoreApprovals || c == FewerApprovals
}

// Replay judges proposals of the past under an old and a new policy, each at the
// moment when it was proposed. The journal holds no facts: with assume both
// policies find what their rules want, without it they find nothing, and what
// rests on facts is denied.
func Replay(old, next *Policy, past []Past, key common.Address, assume bool) []Replayed {
	out := make([]Replayed, 0, len(past))
	for _, p := range past {
		judge := func(by *Policy) Decision { return by.Evaluate(by.Assume(p.Intent, key, p.Proposed, assume)) }
		r := Replayed{ID: p.ID, Proposed: p.Proposed, Old: judge(old), New: judge(next)}
		r.Sentence, r.Change = r.New.Sentence, compareDecisions(r.Old, r.New)
		out = append(out, r)
	}
	return out
}

func compareDecisions(a, b Decision) Change {
	switch {
	case b.Allow && !a.Allow:
		return NowAllowed
	case a.Allow && !b.Allow:
		return NowForbidden
	case a.Allow && b.Approvals > a.Approvals:
		return MoreApprovals
	case a.Allow && b.Approvals < a.Approvals:
		return FewerApprovals
	case a.Sentence != b.Sentence:
		return OtherSentence
	case a.Rule != b.Rule || !a.Allow && a.Reason != b.Reason:
		return OtherRule
	}
	return Unchanged
}
