package policy

import (
	"fmt"
	"math/big"
	"slices"
)

// grant are the rules that together allow one call: the charter's, and the
// member's where the member's policy has allow rules.
type grant struct{ charter, member *rule }

func (g grant) rules() []*rule {
	if g.member == nil {
		return []*rule{g.charter}
	}
	return []*rule{g.charter, g.member}
}

// conditions are the tests of all rules of the grant on one call.
func (g grant) conditions(m meaning) []condition {
	var out []condition
	for _, r := range g.rules() {
		out = append(out, r.bind[m]...)
	}
	return out
}

// hop is an allowed call after which another contract acts. The first one of all
// is the council itself.
type hop struct {
	from    *hop
	actor   *Contract // who acts from here on; nil for the council
	m       meaning   // the wrapper that brought it about
	g       grant
	delay   string // why it can't come as a surprise; "" if it can
	depth   int
	ordinal int
}

// reach walks what the rules allow. Whatever it does not understand may hold:
// only a never-list entry, an explicit deny without any condition, and the lack
// of an allow rule close a way.
type reach struct {
	p        *Policy
	owner    map[*Function]*Contract
	meanings []meaning // of all functions of all contracts, in the order of the file
	hops     []*hop
	known    map[meaning]ways
	cut      bool // there are more hops, or more ways, than anybody would write
}

func newReach(p *Policy) *reach {
	r := &reach{p: p, owner: map[*Function]*Contract{}, known: map[meaning]ways{}}
	for _, k := range p.charter.contracts {
		for _, f := range k.order {
			r.owner[f] = k
			for _, d := range p.charter.actions.readings(f) {
				r.meanings = append(r.meanings, meaning{f, d})
			}
		}
	}
	r.walk()
	return r
}

// readings are the actions that some call to the function can be judged as.
func (c *Catalogue) readings(f *Function) []*def {
	var out []*def
	for _, u := range c.bySig[f.Signature] {
		if !slices.Contains(out, u.def) {
			out = append(out, u.def)
		}
	}
	if d := c.byName[renounceRole]; d != nil && len(out) > 0 && takesRole(f) {
		out = append(out, d)
	}
	return out
}

// takesRole reports a function with which the council could take its own role.
func takesRole(f *Function) bool {
	return f.Signature == "revokeRole(bytes32,address)" || f.Signature == "revokeRole(uint64,address)"
}

// walk finds every hop, nearest first.
func (r *reach) walk() {
	type key struct {
		m               meaning
		charter, member *rule
		delayed         bool
	}
	seen := map[key]bool{}
	r.hops = []*hop{{}}
	for at := 0; at < len(r.hops); at++ {
		h := r.hops[at]
		for _, m := range r.meanings {
			c, ok := carrierBySig[m.fn.Signature]
			if !ok || c.same || h.depth >= MaxDepth {
				continue
			}
			for _, g := range r.grants(h, m) {
				next := &hop{from: h, actor: r.owner[m.fn], m: m, g: g, delay: h.delay, depth: h.depth + 1, ordinal: len(r.hops)}
				if next.delay == "" {
					next.delay = r.delay(m, g)
				}
				k := key{m, g.charter, g.member, next.delay != ""}
				if seen[k] {
					continue
				}
				if len(r.hops) == maxHops {
					r.cut = true
					return
				}
				seen[k] = true
				r.hops = append(r.hops, next)
			}
		}
	}
}

// delay says for how long everybody can see a call through a timelock before it
// is made, or "".
func (r *reach) delay(m meaning, g grant) string {
	switch m.fn.Signature {
	case "execute(address,uint256,bytes,bytes32,bytes32)", "executeBatch(address[],uint256[],bytes[],bytes32,bytes32)":
		return "it waits in " + r.owner[m.fn].Name + " already, for as long as it was scheduled for"
	case "schedule(address,uint256,bytes,bytes32,bytes32,uint256)", "scheduleBatch(address[],uint256[],bytes[],bytes32,bytes32,uint256)":
		for _, rule := range g.rules() {
			if least := leastOf(rule.bind[m], 5); least != nil && least.Sign() > 0 {
				return fmt.Sprintf("it is scheduled on %s, at least %s ahead (%s)", r.owner[m.fn].Name, showSeconds(least), r.cite(rule))
			}
		}
	}
	return ""
}

// leastOf is the least number that the conditions leave an argument, or nil.
func leastOf(conds []condition, index int) *big.Int {
	var least *big.Int
	for i := range conds {
		c := &conds[i]
		if c.index != index || c.field != "" {
			continue
		}
		if c.min != nil && (least == nil || c.min.Cmp(least) > 0) {
			least = c.min
		}
		for j := range c.in {
			if v := c.in[j].number(); j == 0 && least == nil || v.Cmp(least) < 0 {
				least = v
			}
		}
	}
	return least
}

// at is a rule with its place: charter/pause (charter.yaml:120).
func (r *reach) at(x *rule) string { return fmt.Sprintf("%s (%s:%d)", x.label, r.file(x), x.pos.Line) }

// cite is the same for use in brackets: charter/pause, charter.yaml:120.
func (r *reach) cite(x *rule) string { return fmt.Sprintf("%s, %s:%d", x.label, r.file(x), x.pos.Line) }

func (r *reach) file(x *rule) string {
	if r.p.member != nil && slices.Contains(r.p.member.rules.all, x) {
		return r.p.member.file
	}
	return r.p.charter.file
}

// grants are the ways in which the rules allow the actor at a hop to make a
// call, for all that can be told without its arguments.
func (r *reach) grants(h *hop, m meaning) []grant {
	k := r.owner[m.fn]
	if h.actor != nil && (h.actor.Chain != k.Chain || !h.reaches(k)) || r.forbidden(m) != "" || r.denied(h, m) != nil {
		return nil
	}
	var out []grant
	for _, a := range r.p.charter.rules.allows[m] {
		if !a.heeds(h.actor) {
			continue
		}
		if r.p.member == nil || !r.p.member.rules.narrow {
			out = append(out, grant{charter: a})
			continue
		}
		for _, b := range r.p.member.rules.allows[m] {
			if b.heeds(h.actor) {
				out = append(out, grant{a, b})
			}
		}
	}
	return out
}

// heeds reports whether the rule speaks of calls by that caller.
func (r *rule) heeds(caller *Contract) bool {
	return r.anyCaller || caller == nil && r.direct || r.via[caller]
}

// reaches reports whether the conditions on the wrapper leave it the target.
func (h *hop) reaches(k *Contract) bool {
	c := carrierBySig[h.m.fn.Signature]
	return c.target < 0 || !excluded(h.g.conditions(h.m), c.target, addressValue(h.m.fn.Params[c.target].typ, k.Address))
}

// excluded reports whether one of the conditions rules the value out. Conditions
// of a kind that is not known here rule nothing out, and so do those on a field of
// a struct and on the items of a list.
func excluded(conds []condition, index int, v value) bool {
	return slices.ContainsFunc(conds, func(c condition) bool {
		switch {
		case c.index != index || c.field != "":
			return false
		case c.inList != nil && !c.inList.holds(v.address()), c.notInList != nil && c.notInList.holds(v.address()):
			return true
		}
		return len(c.in) > 0 && !contains(c.in, &v) || contains(c.notIn, &v)
	})
}

// listed reports a condition that names all that an argument may be.
func (c *condition) listed() bool { return c.field == "" && (len(c.in) > 0 || c.inList != nil) }

// forbidden says by what the never-list closes a call for every caller, or "".
func (r *reach) forbidden(m meaning) string {
	n, listed := never[m.fn.Selector]
	unless := n.unlessNamed
	if m.def.name == renounceRole && takesRole(m.fn) {
		n, listed, unless = forbidden{rule: "never/renounce"}, true, renounceRole
	}
	switch {
	case !listed || unless != "" && r.p.charter.named[unless]:
		return ""
	case unless != "":
		return n.rule + ", since no rule of the charter names " + unless
	}
	return n.rule + ", which no file can change"
}

// denied finds an explicit deny of every such call by the actor.
func (r *reach) denied(h *hop, m meaning) *rule {
	for _, s := range r.p.sets() {
		for _, d := range r.p.charter.actions.readings(m.fn) {
			if d != m.def && m.def.name != renounceRole {
				continue // a call is denied by what it is read as; renouncing by revoking is read as both
			}
			key := meaning{m.fn, d}
			for _, x := range s.denies[key] {
				if x.heeds(h.actor) && covers(x, &rule{keys: []meaning{key}}) {
					return x
				}
			}
		}
	}
	return nil
}

// way is an actor that a rule lets make a call.
type way struct {
	h *hop
	g grant
}

// ways are all ways in which a call can come about. Without any, closed says why.
type ways struct {
	open   []way
	closed string
}

func (r *reach) ways(m meaning) ways {
	w, ok := r.known[m]
	if !ok {
		w = r.findWays(m)
		r.known[m] = w
	}
	return w
}

func (r *reach) findWays(m meaning) (out ways) {
	for _, h := range r.hops {
		for _, g := range r.grants(h, m) {
			if len(out.open) == maxWays {
				r.cut = true
				return out
			}
			out.open = append(out.open, way{h, g})
		}
	}
	if len(out.open) == 0 {
		out.closed = r.closed(m)
	}
	return out
}

// closed says why nothing allows a call.
func (r *reach) closed(m meaning) string {
	if why := r.forbidden(m); why != "" {
		return why
	}
	if x := r.denied(r.hops[0], m); x != nil && x.anyCaller {
		return "denied by " + r.at(x)
	}
	allows := r.p.charter.rules.allows[m]
	if len(allows) == 0 {
		return "no rule allows it"
	}
	if r.p.member != nil && r.p.member.rules.narrow && len(r.p.member.rules.allows[m]) == 0 {
		return "no rule of the member's policy allows it"
	}
	var by []string
	for _, a := range allows {
		for _, k := range r.p.charter.contracts {
			if a.via[k] && !slices.Contains(by, k.Name) {
				by = append(by, k.Name)
			}
		}
	}
	if len(by) == 0 {
		return "every way to it is denied, or a member's policy allows none"
	}
	return fmt.Sprintf("%s asks for a call by %s, and no rule lets the council make one through it", r.at(allows[0]), listOf(by))
}

// actors are the contracts that the rules let act for the council.
func (r *reach) actors() []*Contract {
	var out []*Contract
	for _, h := range r.hops {
		if h.actor != nil && !slices.Contains(out, h.actor) {
			out = append(out, h.actor)
		}
	}
	return out
}
