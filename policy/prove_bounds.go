package policy

import (
	"fmt"
	"slices"
	"strings"
)

// bounds are what keeps the effect from being whatever a proposer likes.
func (v *prover) bounds(q question, w way, m meaning, n nature) (out []string) {
	if q.what == 0 || q.what == movesValue {
		return nil // neither a delay nor a destination makes these the council's business
	}
	if w.h.delay != "" {
		out = append(out, w.h.delay)
	}
	index := n.decisive
	if takesRole(m.fn) {
		index = 0 // whose it is has been settled; which role is the rest
	}
	if index < 0 || m.fn.Params[index].typ.kind >= kindBytes {
		return out
	}
	name := m.fn.Params[index].Name
	for _, r := range w.g.rules() {
		for i := range r.bind[m] {
			c := &r.bind[m][i]
			if c.index != index || c.field != "" {
				continue
			}
			if len(c.code) > 0 {
				out = append(out, fmt.Sprintf("the code at %s is %s (%s)", name, among(len(c.code), c.code[0].Hex(), "pinned hashes"), v.r.cite(r)))
			}
			if len(c.in) > 0 {
				out = append(out, fmt.Sprintf("%s is %s (%s)", name, among(len(c.in), c.in[0].show(c.names), "listed values"), v.r.cite(r)))
			}
			if c.inList != nil {
				out = append(out, fmt.Sprintf("%s is on the list %s of %d addresses (%s)", name, c.inList.name, len(c.inList.addresses), v.r.cite(r)))
			}
			if c.min != nil && c.min.Sign() > 0 {
				out = append(out, fmt.Sprintf("%s is at least %s (%s)", name, c.min, v.r.cite(r)))
			}
		}
	}
	return out
}

func among(n int, first, many string) string {
	if n == 1 {
		return first
	}
	return fmt.Sprintf("one of %d %s", n, many)
}

// terms are what the rules ask for besides.
func (v *prover) terms(w way) []string {
	approvals, simulate, incident := v.p.charter.threshold, false, false
	var roles []string
	moves, state := false, false
	var besides []string
	add := func(g grant) {
		for _, r := range g.rules() {
			approvals, simulate, incident = max(approvals, r.approvals), simulate || r.simulate, incident || r.incident
			moves, state = moves || r.moves, state || r.state
			if r.terms != nil {
				besides = append(besides, r.terms.text+" ("+v.r.cite(r)+")")
			}
			for _, t := range r.roles {
				roles = append(roles, t.name)
			}
		}
	}
	add(w.g)
	for h := w.h; h.actor != nil; h = h.from {
		add(h.g)
	}
	out := []string{fmt.Sprintf("%d members approve", approvals)}
	if simulate {
		out = append(out, "its simulation succeeds")
	}
	switch {
	case state:
		out = append(out, "its simulation shows all changes of state, and no other than the proposal expects")
	case moves:
		out = append(out, "its simulation shows what moves")
	}
	if len(roles) > 0 {
		out = append(out, "who calls has "+listOf(unique(roles)))
	}
	out = append(out, unique(besides)...)
	if incident {
		out = append(out, "its reason names an incident")
	}
	return out
}

// free is what the rules leave open, and a reader would want closed.
func (v *prover) free(q question, w way, m meaning, n nature) (out []string) {
	if n.decisive < 0 {
		return nil
	}
	name := m.fn.Params[n.decisive].Name
	conds := w.g.conditions(m)
	on := func(f func(c condition) bool) bool {
		return slices.ContainsFunc(conds, func(c condition) bool { return c.index == n.decisive && c.field == "" && f(c) })
	}
	code := on(func(c condition) bool { return len(c.code) > 0 })
	switch listed := on(func(c condition) bool { return c.listed() }); {
	case q.what == changesCode && !code && listed:
		out = append(out, "the code at "+name+" is not pinned")
	case q.what == changesCode && !code:
		out = append(out, name+" is any contract, and its code is not pinned")
	case q.what&(givesPower|losesPower) != 0 && !listed && !code && m.fn.Params[n.decisive].typ.kind == kindAddress:
		out = append(out, name+" is anybody")
	}
	return out
}

// reason is the answer in words.
func (v *prover) reason(a ProofAnswer, q question) string {
	count := map[Verdict]int{}
	for _, w := range a.Open {
		count[w.Verdict]++
	}
	switch a.Verdict {
	case VerdictYes:
		w := a.Open[0]
		return fmt.Sprintf("%s of %s %s, and %s allows it", w.Function, w.Contract, w.Effect, listOf(w.Rules))
	case VerdictUnknown:
		w := a.Open[0]
		return fmt.Sprintf("%s of %s is allowed by %s: %s", w.Function, w.Contract, listOf(w.Rules), w.Effect)
	case VerdictOnlyIf:
		var parts []string
		for _, w := range a.Open {
			s := fmt.Sprintf("%s of %s", w.Function, w.Contract)
			if !slices.Contains(parts, s) {
				parts = append(parts, s)
			}
		}
		return fmt.Sprintf("only by %s, each way within the bounds below", strings.Join(parts, "; "))
	}
	var parts []string
	by := map[string][]string{}
	var order []string
	for _, c := range a.Closed {
		if by[c.Why] == nil {
			order = append(order, c.Why)
		}
		by[c.Why] = append(by[c.Why], c.Contract+"."+c.Function)
	}
	for _, why := range order {
		parts = append(parts, fmt.Sprintf("%s: %s", strings.Join(unique(by[why]), ", "), why))
	}
	if q.always != "" {
		parts = append(parts, q.always)
	}
	rest := "no other function that a rule allows does it"
	if q.what == 0 {
		var names []string
		for _, k := range v.protected {
			names = append(names, k.Name)
		}
		rest = "no rule allows a call to " + listOf(names) + ", by the council or through a wrapper, and none that acts on it by an argument"
	}
	parts = append(parts, rest, "what the charter does not list (a contract, a function, a fallback) is refused")
	return strings.Join(parts, "; ")
}
