package policy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/council"
)

// How far a rule came before it failed; the farthest is the one to tell of.
const (
	stageCaller = iota
	stageArgs
	stageCeiling
	stageIncident
	stageWhen
	stageFacts
	stagePassed
)

// speaks tests what follows from the calldata alone: who calls, with what.
func (r *rule) speaks(c *Call, m meaning) (stage int, ok bool) {
	if !r.anyCaller && !(c.caller == nil && r.direct) && !r.via[c.caller] {
		return stageCaller, false
	}
	conds := r.bind[m]
	for i := range conds {
		cond := &conds[i]
		if !cond.holds(c.values) {
			return stageArgs, false
		}
	}
	return stageCeiling, true
}

// passes tests all of an allow rule, and says how far it came.
func (r *rule) passes(e *evaluation, c *Call, m meaning) (stage int) {
	if stage, ok := r.speaks(c, m); !ok {
		return stage
	}
	switch {
	case !r.limits.hold(e.t, e.in.begun()):
		return stageCeiling
	case r.incident && !hasIncident(e.t.Reason):
		return stageIncident
	}
	if !r.says(e, c, m).allows() {
		return stageWhen
	}
	for _, q := range r.queries(c, m) {
		if a, failed := e.fact(r, q); failed != nil || r.answered(e, c, m, q, a) != nil {
			return stageFacts
		}
	}
	return stagePassed
}

// explain says why a rule did not pass the stage it came to.
func (r *rule) explain(e *evaluation, c *Call, m meaning, stage int) *Refusal {
	switch stage {
	case stageCaller:
		hint := "propose it directly, by the council itself"
		if len(r.via) > 0 {
			var by []string
			for k := range r.via {
				by = append(by, k.Name)
			}
			slices.Sort(by)
			hint = "propose it through " + listOf(by)
		}
		return &Refusal{r.label, fmt.Sprintf("the call is made by %s, which the rule does not name under via", c.Via), hint}
	case stageArgs:
		conds := r.bind[m]
		for i := range conds {
			cond := &conds[i]
			if !cond.holds(c.values) {
				reason, hint := cond.explain(c.values)
				return &Refusal{r.label, reason, hint}
			}
		}
	case stageCeiling:
		reason, hint := r.limits.exceeded(e.t, e.in.begun())
		return &Refusal{r.label, reason, hint}
	case stageIncident:
		return &Refusal{r.label, "the reason names no incident", "propose it with the incident's number in the reason, such as INC-2031-07"}
	case stageWhen:
		reason, hint := r.when[m].explain(r.says(e, c, m))
		return &Refusal{r.label, reason, hint}
	}
	for _, q := range r.queries(c, m) {
		a, failed := e.fact(r, q)
		if failed == nil {
			failed = r.answered(e, c, m, q, a)
		}
		if failed != nil {
			return failed
		}
	}
	return &Refusal{r.label, "the rule does not hold", "compare the transaction with the rule"}
}

// queries are the facts that the rule looks at for this call.
func (r *rule) queries(c *Call, m meaning) []council.Query {
	var out []council.Query
	if r.code {
		out = append(out, council.Query{Kind: council.QueryCodeHash, Address: c.To})
	}
	conds := r.bind[m]
	for i := range conds {
		cond := &conds[i]
		out = append(out, cond.queries(c.values)...)
	}
	for _, t := range r.roles {
		out = append(out, t.query(c))
	}
	if r.simulate {
		out = append(out, council.Query{Kind: council.QuerySimulation})
	}
	return out
}

// fact finds an answer that is there and fresh.
func (e *evaluation) fact(r *rule, q council.Query) (council.Answer, *Refusal) {
	a, ok := e.in.Facts.Answers[q]
	f := e.in.Facts
	what := string(q.Kind)
	if name := slotNames[q.Slot]; q.Kind == council.QueryStorage && name != "" {
		what = name
	}
	if q.Kind != council.QuerySimulation {
		what += " of " + scope{e.p.charter, e.t.Chain}.label(q.Address)
	}
	switch {
	case !ok:
		return a, &Refusal{r.label, "missing fact: " + what, "the node asks its own RPC for it; see doctor if it stays away"}
	case f.Chain != e.t.Chain:
		return a, &Refusal{r.label, fmt.Sprintf("facts of chain %d, not of %d", f.Chain, e.t.Chain), "fetch the facts from the right chain's RPC"}
	case e.in.Head == 0 || f.Block < e.in.Head && e.in.Head-f.Block > MaxFacts:
		return a, &Refusal{r.label, fmt.Sprintf("stale fact: %s is of block %d and the newest known is %d", what, f.Block, e.in.Head), fmt.Sprintf("fetch the facts again; they may be %d blocks old", MaxFacts)}
	case f.Block > e.in.Head && f.Block-e.in.Head > MaxFacts:
		return a, &Refusal{r.label, fmt.Sprintf("fact from ahead: %s is of block %d and the newest known is %d", what, f.Block, e.in.Head), "fetch the facts again; if it stays so, the node's RPCs do not agree on the newest block: see doctor"}
	}
	return a, nil
}

// answered compares an answer with what the rule wants.
func (r *rule) answered(e *evaluation, c *Call, m meaning, q council.Query, a council.Answer) *Refusal {
	switch q.Kind {
	case council.QuerySimulation:
		return r.simulated(e, a)
	case council.QueryRole, council.QueryManagerRole:
		return r.held(c, q, a)
	}
	if r.code && q.Address == c.To && a.Word != c.contract.CodeHash {
		return &Refusal{r.label, fmt.Sprintf("the code of %s is %s, and the charter pins %s", c.Contract, a.Word.Hex(), c.contract.CodeHash.Hex()), "somebody changed the contract: find out who and why; if it is right, pin the new code in the charter"}
	}
	var wrong *Refusal
	conds := r.bind[m]
	for i := range conds {
		cond := &conds[i]
		cond.coded(&c.values[cond.index], cond.param, func(p *predicate, name string, at common.Address) bool {
			if at == q.Address && wrong == nil && !slices.Contains(p.code, a.Word) {
				wrong = &Refusal{r.label, fmt.Sprintf("the code at %s is %s, which the rule does not name", name, a.Word.Hex()), "compare the deployed code with the reviewed build"}
			}
			return wrong == nil
		})
	}
	if wrong != nil {
		return wrong
	}
	return nil
}

// hasIncident looks for a reference such as INC-2031-07.
func hasIncident(reason string) bool {
	for _, w := range strings.FieldsFunc(reason, func(r rune) bool {
		return !(r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-')
	}) {
		if rest, ok := strings.CutPrefix(w, "INC-"); ok && strings.Trim(rest, "-") != "" {
			return true
		}
	}
	return false
}

// printableText makes a text from a node's RPC fit for a terminal.
func printableText(s string) string {
	if s == "" {
		return "no reason given"
	}
	b := []byte(clip(s, 200))
	for i, c := range b {
		if c < 0x20 || c > 0x7e {
			b[i] = '?'
		}
	}
	return string(b)
}
