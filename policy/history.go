package policy

import (
	"fmt"
	"math"
	"slices"

	"github.com/millicent-one/signer/council"
)

// History is what a node knows of the past, as far as rules count it. All times
// are unix seconds. Like facts it is a value that comes in, so that a decision can
// be repeated; a rule that needs it denies without it.
type History struct {
	// Signed holds, by the label of each rule with a limit or a cool-down
	// ("charter/unpause"), when other proposals were signed that the rule counts
	// (Policy.Counts); ascending, the newest MaxHistory at most. A proposal counts
	// once, however often its fees were raised. What is being signed counts, too,
	// and so does what may have been: or several at a time would pass.
	Signed map[string][]uint64
	// Quorum is since when this proposal has had all the approvals that its rules
	// ask for, without a break; 0 while it lacks some.
	Quorum uint64
	// Again is set when this proposal has its signature already, or may have it,
	// and what is asked for is the same deed at the same nonce: higher fees, or an
	// attempt that broke off. Its terms of time were met when it came so far. To
	// ask them once more would leave the nonce blocked, and a brake would have to
	// wait behind it.
	Again bool
}

// Counts lists the rules with a limit or a cool-down that count a signature over
// the intent: all that speak of a call in it, or of the message, whichever rule
// has allowed it in the end. That follows from the charter, the member's policy
// and the bytes alone, so a node finds the same after a restart.
func (p *Policy) Counts(in council.Intent) []string {
	var out []string
	add := func(r *rule) {
		if r.allow && r.terms.counts() && !slices.Contains(out, r.label) {
			out = append(out, r.label)
		}
	}
	if t, ok := in.(council.Transaction); ok {
		if t.Valid() != nil || !slices.ContainsFunc(p.sets(), (*ruleset).counts) {
			return nil
		}
		p.applicable(p.charter.read(t), func(r *rule, _ *Call, _ meaning) { add(r) })
	}
	if m, ok := council.AsMessage(in); ok && m.Valid() == nil {
		doc, action := council.TypedDocument{}, publish
		if t, ok := m.(council.TypedData); ok {
			action = signData
			var err error
			if doc, err = council.ReadTypedData(t.Document); err != nil {
				return nil
			}
		}
		for _, s := range p.sets() {
			for _, r := range s.words {
				if r.message != nil && r.about(action, doc) {
					add(r)
				}
			}
		}
	}
	slices.Sort(out)
	return out
}

// counts reports whether any of the rules looks at signatures of the past.
func (s *ruleset) counts() bool {
	return slices.ContainsFunc(s.all, func(r *rule) bool { return r.terms.counts() })
}

// signed gives the times that count for a rule.
func (h *History) signed(r *rule) ([]uint64, *Refusal) {
	const hint = "the node counts the signatures in its own journal; see doctor"
	if h == nil {
		return nil, &Refusal{r.label, "missing history: " + r.terms.text + " can't be judged without it", hint}
	}
	times := h.Signed[r.label]
	if len(times) > MaxHistory || !slices.IsSorted(times) {
		return nil, &Refusal{r.label, fmt.Sprintf("a history of %d signatures that is unsorted or longer than %d", len(times), MaxHistory), hint}
	}
	return times, nil
}

// later is t + d, or the end of time.
func later(t, d uint64) uint64 {
	if t > math.MaxInt64-d {
		return math.MaxInt64
	}
	return t + d
}
