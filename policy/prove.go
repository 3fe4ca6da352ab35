package policy

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/council"
)

// Verdict answers one question of a proof.
type Verdict string

// The verdicts, best first. No is a promise: every way is closed. OnlyIf says
// within which bounds the rules allow it, Unknown that something is allowed of
// which too little is known, Yes that an example shows it.
const (
	VerdictNo      Verdict = "no"
	VerdictOnlyIf  Verdict = "only if"
	VerdictUnknown Verdict = "unknown"
	VerdictYes     Verdict = "yes"
)

var verdicts = []Verdict{VerdictNo, VerdictOnlyIf, VerdictUnknown, VerdictYes}

func worse(a, b Verdict) Verdict {
	return verdicts[max(slices.Index(verdicts, a), slices.Index(verdicts, b))]
}

// Proof is what the files allow at most, found without running anything.
type Proof struct {
	Charter common.Hash    `json:"charter"`
	Policy  common.Hash    `json:"policy"`
	Council common.Address `json:"council"` // the caller of all examples
	Answers []ProofAnswer  `json:"answers"`
}

// ProofAnswer is the answer to one question.
type ProofAnswer struct {
	Question string   `json:"question"` // value, power, code, own-power or protected
	Text     string   `json:"text"`
	Verdict  Verdict  `json:"verdict"`
	Reason   string   `json:"reason"`
	Open     []Way    `json:"open"`   // what the rules allow, worst first
	Closed   []Closed `json:"closed"` // calls to listed functions that would do it
}

// Way is one way in which the rules allow it, or may allow it.
type Way struct {
	Verdict  Verdict  `json:"verdict"`
	Contract string   `json:"contract"`
	Function string   `json:"function"` // with its parameters; a primary type for typed data
	Action   string   `json:"action"`
	Effect   string   `json:"effect"`
	Through  []string `json:"through,omitempty"` // the wrappers around it, outermost first, each with its rule
	Rules    []string `json:"rules"`             // that allow the call itself
	File     string   `json:"file"`
	Line     int      `json:"line"`
	Bounds   []string `json:"bounds"` // what has to hold
	Free     []string `json:"free"`   // what is left open
	Example  *Witness `json:"example,omitempty"`
}

// Closed is a function that would do it, and why no call to it is allowed.
type Closed struct {
	Contract string `json:"contract"`
	Function string `json:"function"`
	Why      string `json:"why"`
}

// ProveOptions are what a charter does not say.
type ProveOptions struct {
	Council common.Address // the council's own address; zero for a stand-in
	Protect []string       // contracts that nothing may reach, beside those that the charter marks
}

var standIn = common.HexToAddress("0x00000000000000000000000000000000000000C0")

// Prove answers what the policy can allow at most: can any allowed action move
// value or tokens; grant or transfer power; change code; give up the council's
// own power; reach a contract that is protected? It looks at every function of
// every contract that an allow rule binds, as every action that it can mean, by
// every caller that the wrappers lead to. A no holds for all arguments, facts and
// times; a yes comes with an example that Evaluate allows.
func Prove(p *Policy, o ProveOptions) (Proof, error) {
	if o.Council == (common.Address{}) {
		o.Council = standIn
	}
	v := &prover{p: p, from: o.Council, r: newReach(p)}
	for _, k := range p.charter.contracts {
		if k.protected {
			v.protected = append(v.protected, k)
		}
	}
	for _, name := range o.Protect {
		k, ok := p.charter.byName[name]
		if !ok {
			known := sortedKeys(p.charter.byName)
			return Proof{}, council.WithHint(fmt.Errorf("unknown contract %q%s", clip(name, 80), mean(name, known)), "the charter's contracts are "+listOf(known))
		}
		if !slices.Contains(v.protected, k) {
			v.protected = append(v.protected, k)
		}
	}
	out := Proof{Charter: p.charter.hash, Policy: p.hash, Council: o.Council}
	for _, q := range questions {
		out.Answers = append(out.Answers, v.answer(q))
	}
	return out, nil
}

type question struct {
	name, text string
	what       effect // 0 for the protected contracts
	always     string // what closes the ways that no charter can open
}

var questions = []question{
	{"value", "Can any allowed action move value or tokens?", movesValue,
		"value is refused at every depth (never/value-out), and so are the functions that move or approve tokens, by their selectors, whatever a charter calls them"},
	{"power", "Can any allowed action grant or transfer a role or an ownership?", givesPower, ""},
	{"code", "Can any allowed action change an implementation?", changesCode,
		"contracts are never created, and a delegatecall is never unwrapped"},
	{"own-power", "Can any allowed action give up the council's own power?", losesPower,
		"renouncing needs a rule that names it, and revoking from the council itself is renouncing"},
	{"protected", "Can any allowed action reach a protected contract?", 0, ""},
}

type prover struct {
	p         *Policy
	r         *reach
	from      common.Address
	protected []*Contract
}

func (v *prover) answer(q question) ProofAnswer {
	a := ProofAnswer{Question: q.name, Text: q.text, Verdict: VerdictNo}
	if q.what == 0 && len(v.protected) == 0 {
		a.Reason = "the charter protects no contract; write protected: true at the treasury"
		a.Verdict = VerdictUnknown
		return a
	}
	v.unread(&a, q)
	for _, m := range v.r.meanings {
		v.function(&a, q, m)
	}
	v.documents(&a, q)
	slices.SortStableFunc(a.Open, func(x, y Way) int {
		return cmp.Or(cmp.Compare(slices.Index(verdicts, y.Verdict), slices.Index(verdicts, x.Verdict)), cmp.Compare(x.Line, y.Line))
	})
	for _, w := range a.Open {
		a.Verdict = worse(a.Verdict, w.Verdict)
	}
	if v.p.closed != nil {
		a.Verdict, a.Open = VerdictNo, nil
		a.Reason = v.p.closed.Reason + ", so everything is denied"
		return a
	}
	if v.r.cut && a.Verdict != VerdictYes {
		a.Verdict = VerdictUnknown
		a.Reason = "the rules leave more ways than a proof looks at; name fewer wrappers, contracts and callers"
		return a
	}
	a.Reason = v.reason(a, q)
	return a
}

// unread adds the functions that are no action, so that no rule can name them.
func (v *prover) unread(a *ProofAnswer, q question) {
	for _, k := range v.p.charter.contracts {
		for _, f := range k.order {
			if len(v.p.charter.actions.bySig[f.Signature]) > 0 || q.what != 0 && natureOf(f).what&q.what == 0 || q.what == 0 && !slices.Contains(v.protected, k) {
				continue
			}
			why := v.r.forbidden(meaning{f, &def{}})
			if why == "" {
				why = "no action of the catalogue means it"
			}
			a.Closed = append(a.Closed, Closed{k.Name, f.Signature, why})
		}
	}
}

// function adds what one function, read as one action, has to say to a question.
func (v *prover) function(a *ProofAnswer, q question, m meaning) {
	n := natureOf(m.fn)
	k := v.r.owner[m.fn]
	ways := v.r.ways(m)
	var goals []goal
	switch {
	case q.what == 0:
		goals = v.touches(m, n)
	case n.what&q.what != 0:
		goals = v.goals(m, n)
	}
	if len(goals) > 0 && len(ways.open) == 0 {
		a.Closed = append(a.Closed, Closed{k.Name, m.fn.Signature, ways.closed})
		return
	}
	if len(goals) == 0 {
		if open := n.open&q.what != 0 || q.what == 0 && n.open != 0; open && len(ways.open) > 0 {
			w := v.describe(ways.open[0], m, "nothing is known of its effects: it "+n.text)
			w.Verdict, w.Example = VerdictUnknown, v.witness(ways.open[0], m, n, nil)
			a.Open = append(a.Open, w)
		}
		return
	}
	for _, g := range goals {
		found := v.judge(q, m, n, ways.open, g)
		if len(found) == 0 {
			a.Closed = append(a.Closed, Closed{k.Name, m.fn.Signature, "the conditions of " + v.r.at(ways.open[0].g.charter) + " rule it out"})
		}
		a.Open = append(a.Open, found...)
	}
}

// goal is a harm: these arguments do it, whatever the others are.
type goal struct {
	want map[int]value
	text string
}

// goals are the arguments that make a call have the effect.
func (v *prover) goals(m meaning, n nature) (out []goal) {
	if !takesRole(m.fn) {
		return []goal{{nil, n.text}}
	}
	from := m.fn.Params[1].typ
	if m.def.name == renounceRole {
		return []goal{{map[int]value{1: addressValue(from, v.from)}, "takes a role from the council itself"}}
	}
	// Taken from a contract that acts for the council, a role is the council's loss.
	for _, k := range v.r.actors() {
		if k.Chain == v.r.owner[m.fn].Chain {
			out = append(out, goal{map[int]value{1: addressValue(from, k.Address)}, "takes a role from " + k.Name + ", which acts for the council"})
		}
	}
	return out
}

// touches are the arguments with which a call reaches a protected contract: any,
// if it is a call to it; else those that name it as what the call acts on.
func (v *prover) touches(m meaning, n nature) (out []goal) {
	on := v.r.owner[m.fn]
	for _, k := range v.protected {
		switch {
		case on == k:
			return []goal{{nil, "is a call to " + k.Name}}
		case n.subject >= 0 && on.Chain == k.Chain:
			p := m.fn.Params[n.subject]
			out = append(out, goal{map[int]value{n.subject: addressValue(p.typ, k.Address)}, "acts on " + k.Name + ", by its argument " + p.Name})
		}
	}
	return out
}

// judge finds the worst that the ways allow. The first way without a bound that
// an example shows settles it.
func (v *prover) judge(q question, m meaning, n nature, list []way, to goal) []Way {
	if _, fixed := to.want[n.decisive]; fixed {
		n.decisive = -1
	}
	type candidate struct {
		w    way
		d    Way
		free bool
	}
	var all []candidate
	seen := map[string]bool{}
	for _, w := range list {
		if impossible(w.g.conditions(m), to.want) {
			continue
		}
		d := v.describe(w, m, to.text)
		d.Bounds = v.bounds(q, w, m, n)
		free := len(d.Bounds) == 0
		d.Bounds, d.Free = append(d.Bounds, v.terms(w)...), v.free(q, w, m, n)
		if key := strings.Join(slices.Concat(d.Through, d.Rules, d.Bounds), "|"); !seen[key] {
			seen[key] = true
			all = append(all, candidate{w, d, free})
		}
	}
	slices.SortStableFunc(all, func(a, b candidate) int {
		return map[bool]int{true: 0, false: 1}[a.free] - map[bool]int{true: 0, false: 1}[b.free]
	})
	var out []Way
	for i, c := range all {
		if i == maxShown && !c.free {
			break // the rest is bounded, like what is shown
		}
		if i < maxShown {
			c.d.Example = v.witness(c.w, m, n, to.want)
		}
		switch {
		case c.d.Example == nil:
			c.d.Verdict = VerdictUnknown
			c.d.Effect += "; the rules leave it open, and no call was found that they allow"
		case c.free && v.carriesOut(m):
			c.d.Verdict = VerdictYes
			return []Way{c.d}
		case c.free:
			c.d.Verdict = VerdictUnknown
		default:
			c.d.Verdict = VerdictOnlyIf
		}
		out = append(out, c.d)
	}
	return out
}

// carriesOut reports whether the example's bytes can do what the selector says.
// A function under another's selector has other arguments: too few of them, and
// the call reverts.
func (v *prover) carriesOut(m meaning) bool {
	n := natureOf(m.fn)
	if n.alias == nil || n.alias.Signature == m.fn.Signature {
		return true
	}
	head := func(f *Function) (words int) {
		for _, p := range f.Params {
			words += p.typ.words
		}
		return words
	}
	return head(m.fn) >= head(n.alias) && !slices.ContainsFunc(n.alias.Params, func(p Parameter) bool { return p.typ.dynamic })
}

// impossible reports whether the conditions rule out what is wanted.
func impossible(conds []condition, want map[int]value) bool {
	for i, v := range want {
		if excluded(conds, i, v) {
			return true
		}
	}
	return false
}

func (v *prover) witness(w way, m meaning, n nature, want map[int]value) *Witness {
	return seeker{r: v.r, from: v.from, m: m, w: w, want: want, n: n}.find()
}

func (v *prover) describe(w way, m meaning, text string) Way {
	d := Way{Contract: v.r.owner[m.fn].Name, Function: m.fn.String(), Action: m.def.name, Effect: text, File: v.r.file(w.g.charter), Line: w.g.charter.pos.Line}
	for _, r := range w.g.rules() {
		d.Rules = append(d.Rules, v.r.at(r))
	}
	for h := w.h; h.actor != nil; h = h.from {
		var by []string
		for _, r := range h.g.rules() {
			by = append(by, v.r.at(r))
		}
		d.Through = append(d.Through, fmt.Sprintf("%s of %s, allowed by %s", h.m.fn.Name, h.actor.Name, listOf(by)))
	}
	slices.Reverse(d.Through)
	return d
}
