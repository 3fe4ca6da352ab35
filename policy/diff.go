package policy

import (
	"fmt"
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
)

// Direction says in which direction a policy moves what the council may do.
type Direction string

// The directions. What can't be shown not to loosen counts as loosening.
const (
	Same       Direction = "none"
	Loosening  Direction = "loosening"
	Tightening Direction = "tightening"
	Both       Direction = "both"
)

// Text says it for people.
func (d Direction) Text() string {
	switch d {
	case Loosening, Tightening:
		return string(d)
	case Both:
		return "loosening and tightening"
	}
	return "no difference: the compiled rules say the same"
}

// Answer to one question about two sets of rules. Yes is shown by an example, no
// by comparing the rules; maybe by neither.
type Answer string

// The answers.
const (
	No    Answer = "no"
	Maybe Answer = "maybe"
	Yes   Answer = "yes"
)

// Difference is what becomes allowed and what forbidden from one policy to the
// next. Examples are the result of a search and need not be all there are; that
// nothing differs is said only where the compiled rules are equal, or each side's
// rules are shown to contain the other's. Rules are compared one call at a time: that
// all expressions of one transaction share a budget, and that a transaction of many
// calls may exceed it under one policy and not under the other, is not looked at.
type Difference struct {
	Direction Direction         `json:"direction"`
	Text      string            `json:"text"`
	Old       common.Hash       `json:"old"` // hash of the policy
	New       common.Hash       `json:"new"`
	Entries   []DifferenceEntry `json:"entries"`
	Amendment *Amendment        `json:"amendment,omitempty"` // what it takes, if the charter is another one
}

// DifferenceEntry is one meaning of one function of one contract, as called by
// one caller; or a kind of message.
type DifferenceEntry struct {
	Kind     string         `json:"kind"` // allowed, forbidden, terms changed
	Action   string         `json:"action"`
	Chain    uint64         `json:"chain,omitempty"`
	To       common.Address `json:"to,omitzero"`
	Contract string         `json:"contract,omitempty"`
	Function string         `json:"function,omitempty"`
	Caller   string         `json:"caller,omitempty"`
	Loosens  Answer         `json:"loosens"`
	Tightens Answer         `json:"tightens"`
	OldRules []string       `json:"oldRules"`
	NewRules []string       `json:"newRules"`
	Examples []Example      `json:"examples"`
}

// Example is a call, or a message, about which the two policies differ.
type Example struct {
	Change Change        `json:"change"`
	Call   string        `json:"call"`           // for people
	With   string        `json:"with,omitempty"` // what is special about it beside the arguments
	Data   hexutil.Bytes `json:"data,omitempty"`
	Old    string        `json:"old"` // the verdict, with the rule
	New    string        `json:"new"`
}

// Diff compares two policies.
func Diff(old, next *Policy) *Difference {
	d := &Difference{Old: old.hash, New: next.hash, Entries: []DifferenceEntry{}}
	for _, s := range subjects(old, next) {
		if e, differs := s.compare(); differs {
			d.Entries = append(d.Entries, e)
		}
	}
	looser := slices.ContainsFunc(d.Entries, func(e DifferenceEntry) bool { return e.Loosens != No })
	tighter := slices.ContainsFunc(d.Entries, func(e DifferenceEntry) bool { return e.Tightens != No })
	d.Direction = map[[2]bool]Direction{{true, false}: Loosening, {false, true}: Tightening, {true, true}: Both, {false, false}: Same}[[2]bool{looser, tighter}]
	d.Text = d.Direction.Text()
	if old.charter.hash != next.charter.hash {
		a := old.charter.Amend(next.charter)
		d.Amendment = &a
	}
	return d
}

// subject is what the rules of both sides are compared on.
type subject struct {
	entry    DifferenceEntry // its names
	old, new region
	try      func(each func(candidate)) // the candidates for examples
}

// region is what one side allows of a subject: what every set allows and none
// denies.
type region struct {
	p      *Policy
	m      meaning // zero for messages and cancel-nonce
	fixed  string  // what counts beside the rules
	sets   []voice
	judge  func(candidate) ruling
	closed bool // the side knows no such thing
}

// voice is the rules of one file that speak of a subject.
type voice struct {
	open   bool // a member's policy without allow rules: all is allowed
	allows []*rule
	denies []*rule
}

// ruling is one side's answer about a candidate.
type ruling struct {
	allow     bool
	approvals int
	rule      string
	reason    string
	besides   string // what the rules ask for besides
}

func (v ruling) String() string {
	if v.allow && v.besides != "" {
		return fmt.Sprintf("allowed by %s, %d approvals, besides %s", v.rule, v.approvals, v.besides)
	}
	if v.allow {
		return fmt.Sprintf("allowed by %s, %d approvals", v.rule, v.approvals)
	}
	return fmt.Sprintf("denied by %s: %s", v.rule, v.reason)
}

// compare finds out how the two regions differ.
func (s *subject) compare() (DifferenceEntry, bool) {
	e := s.entry
	if s.old.empty() && s.new.empty() || s.old.print() == s.new.print() {
		return e, false
	}
	e.OldRules, e.NewRules = s.old.labels(), s.new.labels()
	e.Loosens, e.Tightens = Maybe, Maybe
	if within(s.new, s.old) {
		e.Loosens = No
	}
	if within(s.old, s.new) {
		e.Tightens = No
	}
	if e.Loosens == No && e.Tightens == No {
		return e, false
	}
	e.Examples = []Example{}
	seen := map[Change]bool{}
	s.try(func(c candidate) {
		if len(seen) == 4 {
			return
		}
		a, b := s.old.judge(c), s.new.judge(c)
		how := compareDecisions(Decision{Allow: a.allow, Approvals: a.approvals}, Decision{Allow: b.allow, Approvals: b.approvals})
		if how == Unchanged || seen[how] {
			return
		}
		seen[how] = true
		e.Examples = append(e.Examples, Example{Change: how, Call: c.text, With: c.with, Data: c.data, Old: a.String(), New: b.String()})
	})
	if seen[NowAllowed] || seen[FewerApprovals] {
		e.Loosens = Yes
	}
	if seen[NowForbidden] || seen[MoreApprovals] {
		e.Tightens = Yes
	}
	switch {
	case s.old.empty():
		e.Kind = "allowed"
	case s.new.empty():
		e.Kind = "forbidden"
	default:
		e.Kind = "terms changed"
	}
	return e, true
}

// empty reports a region in which nothing is allowed.
func (g region) empty() bool {
	return g.closed || slices.ContainsFunc(g.sets, func(p voice) bool { return !p.open && len(p.allows) == 0 })
}

// print is the same for two regions of the same rules, whatever they are called.
func (g region) print() string {
	out := fmt.Sprintf("%v %s", g.closed, g.fixed)
	for _, p := range g.sets {
		out += fmt.Sprintf(" set(%v", p.open)
		for _, r := range p.allows {
			out += " allow" + fingerprint(r, g.m)
		}
		var denies []string
		for _, r := range p.denies {
			denies = append(denies, " deny"+fingerprint(r, g.m))
		}
		slices.Sort(denies) // their order does not matter
		out += fmt.Sprint(denies) + ")"
	}
	return out
}

func (g region) labels() []string {
	out := []string{}
	for _, p := range g.sets {
		for _, r := range p.denies {
			out = append(out, "deny "+r.label)
		}
		for _, r := range p.allows {
			out = append(out, r.label)
		}
	}
	return out
}

// subjects lists what can be compared, in the order of the old file and then of
// the new.
func subjects(old, next *Policy) []*subject {
	var out []*subject
	type id struct {
		at       place
		fn, name string
		caller   common.Address
	}
	seen := map[id]bool{}
	for _, p := range []*Policy{old, next} {
		home := map[*Function]*Contract{}
		for _, k := range p.charter.contracts {
			for _, f := range k.order {
				home[f] = k
			}
		}
		for _, r := range p.charter.rules.all {
			if !r.allow || r.message != nil {
				continue
			}
			for _, m := range r.keys {
				k := home[m.fn]
				for _, caller := range r.callers(p.charter, k.Chain) {
					i := id{place{k.Chain, k.Address}, m.fn.Signature, m.def.name, caller}
					if !seen[i] {
						seen[i] = true
						out = append(out, callSubject(old, next, i.at, i.fn, i.name, caller))
					}
				}
			}
		}
	}
	var chains []uint64
	for _, p := range []*Policy{old, next} {
		for _, ch := range sortedChains(p.charter.chains) {
			if !slices.Contains(chains, ch) {
				chains = append(chains, ch)
			}
		}
	}
	for _, ch := range chains {
		out = append(out, cancelSubject(old, next, ch))
	}
	return append(out, messageSubjects(old, next)...)
}

// callers are who may make the calls that an allow rule is about, on a chain; the
// zero address is the council. In the order of the charter's contracts.
func (r *rule) callers(c *Charter, chain uint64) []common.Address {
	var out []common.Address
	if r.direct || r.anyCaller {
		out = append(out, common.Address{})
	}
	for _, k := range c.contracts {
		if k.Chain == chain && (r.via[k] || r.anyCaller) {
			out = append(out, k.Address)
		}
	}
	return out
}

// speaking are the rules of a policy about a meaning, for a caller.
func (p *Policy) speaking(m meaning, caller *Contract) []voice {
	var out []voice
	for i, s := range p.sets() {
		q := voice{open: i > 0 && !s.narrow}
		for _, l := range []struct {
			from []*rule
			to   *[]*rule
		}{{s.allows[m], &q.allows}, {s.denies[m], &q.denies}} {
			for _, r := range l.from {
				if r.anyCaller || caller == nil && r.direct || r.via[caller] {
					*l.to = append(*l.to, r)
				}
			}
		}
		out = append(out, q)
	}
	return out
}

// callRegion is what a policy allows of calls to a function of a contract, read
// as an action, by a caller.
func (p *Policy) callRegion(at place, signature, action string, caller common.Address) region {
	g := region{p: p, closed: true}
	g.judge = func(c candidate) ruling { return p.judgeCall(c, at, caller) }
	k, d := p.charter.byPlace[at], p.charter.actions.byName[action]
	by := p.charter.byPlace[place{at.chain, caller}]
	if k == nil || d == nil || by == nil && caller != (common.Address{}) {
		return g
	}
	i := slices.IndexFunc(k.order, func(f *Function) bool { return f.Signature == signature })
	if i < 0 {
		return g
	}
	g.m = meaning{k.order[i], d}
	g.closed = false
	for _, u := range d.uses {
		if u.fn.Signature == signature {
			for _, w := range u.where {
				g.fixed += fmt.Sprintf("[%d=%x]", w.index, w.value.word)
			}
			g.fixed += "|"
		}
	}
	if n, ok := never[k.order[i].Selector]; ok && n.unlessNamed != "" {
		g.fixed += fmt.Sprint("named ", p.charter.named[n.unlessNamed])
	}
	g.fixed += " code " + k.CodeHash.Hex()
	g.sets = p.speaking(g.m, by)
	if !slices.ContainsFunc(g.sets, func(p voice) bool {
		return slices.ContainsFunc(p.allows, func(r *rule) bool { return r.code })
	}) {
		g.fixed = g.fixed[:len(g.fixed)-len(" code "+k.CodeHash.Hex())]
	}
	if (&Call{}).opens(d) {
		for _, x := range k.pins {
			g.fixed += fmt.Sprintf(" pin %v %s", x.query, x.want.Hex())
		}
	}
	if slices.ContainsFunc(g.sets, func(v voice) bool { return slices.ContainsFunc(v.allows, func(r *rule) bool { return r.simulate }) }) {
		g.fixed += " watched" + p.charter.watchlist(at.chain)
	}
	if g.asks() { // expressions can tell names apart
		g.fixed += fmt.Sprintf(" %q by %q", k.Name, caller)
		if by != nil {
			g.fixed += fmt.Sprintf("%q", by.Name)
		}
	}
	return g
}

// asks reports whether a rule of the region has an expression.
func (g region) asks() bool {
	return slices.ContainsFunc(g.sets, func(v voice) bool {
		return slices.ContainsFunc(slices.Concat(v.allows, v.denies), func(r *rule) bool { return r.when[g.m] != nil })
	})
}

func callSubject(old, next *Policy, at place, signature, action string, caller common.Address) *subject {
	s := &subject{old: old.callRegion(at, signature, action, caller), new: next.callRegion(at, signature, action, caller)}
	s.entry = DifferenceEntry{Action: action, Chain: at.chain, To: at.address, Function: signature, Caller: councilName}
	for _, p := range []*Policy{old, next} { // the new names win
		if k := p.charter.byPlace[at]; k != nil {
			s.entry.Contract = k.Name
		}
		if k := p.charter.byPlace[place{at.chain, caller}]; k != nil && caller != (common.Address{}) {
			s.entry.Caller = k.Name
		}
	}
	s.try = func(each func(candidate)) { s.calls(at, each) }
	return s
}

// judgeCall judges a candidate as made by a caller: this call alone, not what it
// carries.
func (p *Policy) judgeCall(x candidate, at place, caller common.Address) ruling {
	var by *Contract
	depth := 0
	if caller != (common.Address{}) {
		if by, depth = p.charter.byPlace[place{at.chain, caller}], 1; by == nil {
			return ruling{rule: "default/unknown-contract", reason: caller.Hex() + " is not a contract of the charter on this chain"}
		}
	}
	t := x.transaction(at)
	r := &reader{c: p.charter, chain: at.chain}
	path := ""
	if depth > 0 {
		path = "1"
	}
	c := r.call(path, by, depth, inner{to: t.To, value: t.Value, data: t.Data})
	e := &evaluation{p: p, t: t, in: p.Assume(t, caseFrom, caseNow, false)}
	e.in.Facts.Answers = x.facts
	var used [2]*rule
	refusal := e.lifetime()
	if refusal == nil {
		refusal, used = e.refusal(c)
	}
	if refusal != nil {
		return ruling{rule: refusal.Rule, reason: refusal.Reason}
	}
	v := ruling{allow: true, approvals: p.charter.threshold, rule: "built-in/cancel-nonce"}
	if c.use.def == cancelNonce {
		return v
	}
	v.rule = used[0].label
	var asking []*rule
	for _, r := range used {
		if r != nil {
			v.approvals = max(v.approvals, r.approvals)
		}
		if r != nil && r.terms != nil {
			asking = append(asking, r)
		}
	}
	e.in.History = &History{}
	d := (Decision{Allow: true}).oblige(asking, e.in)
	if !d.Allow {
		return ruling{rule: d.Rule, reason: d.Reason}
	}
	v.besides = d.Terms
	return v
}
