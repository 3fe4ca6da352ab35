package policy

import (
	"fmt"
	"maps"
	"math/big"
	"reflect"
	"slices"
	"strings"

	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/internal/strict"
)

// amend is what a charter asks of those who change it.
type amend struct {
	approvals int
	delay     uint64 // seconds
	pos       strict.Pos
}

type amendFile struct {
	Approvals strict.Value[int]    `yaml:"approvals" strict:"required"`
	Delay     strict.Value[string] `yaml:"delay" strict:"required"`
}

// readAmend reads how the charter may be changed.
func (c *Charter) readAmend(f strict.Value[amendFile]) error {
	c.amend = amend{approvals: c.threshold, delay: DefaultAmendDelay}
	if !f.Pos.Set() {
		return nil
	}
	a := amend{approvals: f.V.Approvals.V, pos: f.Pos}
	if a.approvals < c.threshold || a.approvals > council.MaxMembers {
		return f.V.Approvals.Pos.Errorf(c.file, "amend.approvals", "a change of the charter takes at least the charter's threshold, and no more than there are members", "approvals %d: want %d to %d", a.approvals, c.threshold, council.MaxMembers)
	}
	var err error
	if a.delay, err = ParseSeconds(f.V.Delay.V); err != nil {
		return at(c.file, f.V.Delay.Pos, "amend.delay", err)
	}
	if a.delay < MinAmendDelay {
		return f.V.Delay.Pos.Errorf(c.file, "amend.delay", "those who did not approve of it must have the time to notice", "delay %s: want at least %s", f.V.Delay.V, lasting(MinAmendDelay))
	}
	c.amend = a
	return nil
}

// AmendApprovals is how many members must approve of another charter that may allow
// what this one does not.
func (c *Charter) AmendApprovals() int { return c.amend.approvals }

// Amendment is what it takes to put another charter in the place of this one.
type Amendment struct {
	Approvals int      `json:"approvals"` // members that must approve of the succession
	Delay     uint64   `json:"delay"`     // seconds, from when a node first hears of it; 0: at once
	Tightens  bool     `json:"tightens"`  // it is shown that nothing becomes allowed, nor easier
	Loosens   []string `json:"loosens"`   // why it is not shown, in the order of the file; nil if it is
}

// Text says it for people.
func (a Amendment) Text() string {
	if a.Tightens {
		return fmt.Sprintf("it only tightens: it takes effect at once, with %d approvals", a.Approvals)
	}
	return fmt.Sprintf("it may loosen: it takes effect at the earliest %s after the nodes have heard of it, with %d approvals", lasting(a.Delay), a.Approvals)
}

// Amend says what it takes to go from this charter to the next one. A change that is
// shown to tighten only takes the threshold, and no delay; any other what this charter
// asks for.
//
// It is a proof and no search: each rule that allows has to be inside the rule of the
// same id before, in the same order; each denial has to be inside one that is there
// still; and what the rules rest on (chains, contracts, lists, actions) has to be the same. So
// there are changes that tighten and can't be shown to. They wait, as loosening does.
func (c *Charter) Amend(next *Charter) Amendment {
	x := amending{old: c, next: next, before: c.places(), after: next.places()}
	x.compare()
	if len(x.why) == 0 {
		return Amendment{Approvals: c.threshold, Tightens: true}
	}
	return Amendment{Approvals: c.amend.approvals, Delay: c.amend.delay, Loosens: x.why}
}

// amending compares two charters. Each has its own contracts and functions, which are
// told by where they stand.
type amending struct {
	old, next     *Charter
	before, after map[*Function]place
	why           []string
}

// places says on which contract each function stands.
func (c *Charter) places() map[*Function]place {
	out := map[*Function]place{}
	for _, k := range c.contracts {
		for _, f := range k.order {
			out[f] = place{k.Chain, k.Address}
		}
	}
	return out
}

func (x *amending) add(format string, args ...any) {
	x.why = append(x.why, fmt.Sprintf(format, args...))
}

func (x *amending) compare() {
	x.grounds()
	x.bounds()
	x.denials()
	x.permissions()
	x.expressions()
}

// grounds are what the words of the rules mean, and what sentences are made of.
func (x *amending) grounds() {
	o, n := x.old, x.next
	for _, k := range []struct {
		what string
		same bool
	}{
		{"the council's name", o.name == n.name},
		{"the threshold", o.threshold == n.threshold},
		{"the chains", maps.Equal(o.chains, n.chains)},
		{"the lists", written(o.lists) == written(n.lists)}, // members' own policies may ask for any
		{"the actions of the catalogue", o.actions.Hash() == n.actions.Hash()},
		{"the contracts, their functions or what is pinned of them", slices.EqualFunc(o.contracts, n.contracts, sameContract)},
	} {
		if !k.same {
			x.add("%s changed", k.what)
		}
	}
	for _, p := range n.playbooks {
		i := slices.IndexFunc(o.playbooks, func(q *playbook) bool { return q.Name == p.Name })
		if i < 0 || !samePlaybook(o.playbooks[i], p) {
			x.add("playbook %s is new or another one", p.Name)
		}
	}
	for _, name := range sortedKeys(n.named) {
		if n.named[name] && !o.named[name] {
			x.add("%s is named by a rule that allows", name)
		}
	}
}

// samePlaybook reports that two playbooks are the same, but that the next one may have
// lower ceilings.
func samePlaybook(o, n *playbook) bool {
	low := func(x, y *big.Int) bool { return x == y || x != nil && y != nil && x.Cmp(y) <= 0 }
	if n.Gas > o.Gas || n.Validity > o.Validity || !low(n.Fee, o.Fee) || !low(n.Tip, o.Tip) {
		return false
	}
	lower := *n
	lower.Gas, lower.Validity, lower.Fee, lower.Tip = o.Gas, o.Validity, o.Fee, o.Tip
	return written(lower) == written(*o)
}

// sameContract reports that two contracts are the same, but that the next one may be
// protected.
func sameContract(o, n *Contract) bool {
	return o.Name == n.Name && o.Chain == n.Chain && o.Address == n.Address && o.CodeHash == n.CodeHash && o.pinned == n.pinned && (n.protected || !o.protected) &&
		written(o.pins) == written(n.pins) && slices.EqualFunc(o.order, n.order, func(f, g *Function) bool {
		return f.Signature == g.Signature && slices.EqualFunc(f.Params, g.Params, func(p, q Parameter) bool { return p.Name == q.Name && p.typ.written() == q.typ.written() })
	})
}

// bounds are what holds of everything.
func (x *amending) bounds() {
	o, n := x.old, x.next
	for _, k := range []struct {
		what string
		up   bool
	}{
		{"limits.gas", n.limits.gas > o.limits.gas},
		{"limits.fee", n.limits.fee.Cmp(o.limits.fee) > 0},
		{"limits.tip", n.limits.tip.Cmp(o.limits.tip) > 0},
		{"limits.validity", n.limits.validity > o.limits.validity},
	} {
		if k.up {
			x.add("%s is higher", k.what)
		}
	}
	if n.amend.approvals < o.amend.approvals {
		x.add("amend.approvals is lower")
	}
	if n.amend.delay < o.amend.delay {
		x.add("amend.delay is shorter")
	}
	if n.watched != nil { // nil watches all
		if o.watched == nil {
			x.add("watched names some contracts, and before all were watched")
		}
		for p := range o.watched {
			if !n.watched[p] {
				x.add("watched lacks %s", scope{o, p.chain}.label(p.address))
			}
		}
	}
}

// key is a meaning by where its function stands.
type key struct {
	at         place
	fn, action string
}

func keyOf(places map[*Function]place, m meaning) key {
	if m.fn == nil {
		return key{action: m.def.name}
	}
	return key{places[m.fn], m.fn.Signature, m.def.name}
}

func keysOf(r *rule, places map[*Function]place) map[key]meaning {
	out := map[key]meaning{}
	for _, m := range r.keys {
		out[keyOf(places, m)] = m
	}
	return out
}

// denials: all that was denied by a rule is denied by a rule.
func (x *amending) denials() {
	for _, r := range x.old.rules.all {
		if !r.allow && !slices.ContainsFunc(x.next.rules.all, func(o *rule) bool { return !o.allow && x.denied(r, o) }) {
			x.add("what %s denies is not shown to be denied still", r.label)
		}
	}
}

// denied reports that the old denial r speaks of nothing that the new one o does not.
func (x *amending) denied(r, o *rule) bool {
	if r.message != nil || r.everything {
		same := r.everything == o.everything && (r.message == nil) == (o.message == nil) && maps.Equal(r.on, o.on)
		if !same || r.message != nil && fingerprint(r, meaning{}) != fingerprint(o, meaning{}) {
			return false
		}
	}
	if !callersWithin(r, o) {
		return false
	}
	have := keysOf(o, x.after)
	for k, m := range keysOf(r, x.before) {
		n, ok := have[k]
		if !ok || m.fn == nil && !maps.Equal(r.on, o.on) || !implies(r, o, m, n) {
			return false
		}
	}
	return true
}

// callersWithin reports that whoever r is about o is about.
func callersWithin(r, o *rule) bool {
	if o.anyCaller {
		return true
	}
	named := callers(o)
	for p := range callers(r) {
		if !named[p] {
			return false
		}
	}
	return !r.anyCaller && (o.direct || !r.direct)
}

// permissions: each rule that allows is inside the one of the same id, and they stand
// in the same order. The first rule that fits says how many approvals a call takes and
// what else is asked; so where one has gone, or fits less, those behind it may ask for
// no less than it did.
func (x *amending) permissions() {
	allowing := func(s *ruleset) (out []*rule) {
		return slices.DeleteFunc(slices.Clone(s.all), func(r *rule) bool { return !r.allow })
	}
	before, after := allowing(x.old.rules), allowing(x.next.rules)
	left := make([]bool, len(before)) // the same as they were
	from := make([]int, len(after))
	last := -1
	for i, r := range after {
		k := slices.IndexFunc(before, func(o *rule) bool { return o.label == r.label })
		switch from[i] = k; {
		case k < 0:
			x.add("%s is a new rule that allows", r.label)
		case k < last:
			x.add("%s stands in another order", r.label)
		case !x.allowed(r, before[k]):
			x.add("%s is not shown to allow nothing more than before", r.label)
		default:
			last, left[k] = k, x.spell(r, x.after) == x.spell(before[k], x.before)
		}
	}
	for k, o := range before {
		if left[k] {
			continue
		}
		for i, r := range after {
			if from[i] > k && x.meet(o, r) && (o.terms != nil || o.approvals > r.approvals) {
				x.add("what %s has decided may fall to %s, which asks for less", o.label, r.label)
			}
		}
	}
}

// allowed reports that the new rule r allows nothing that the old one o does not, and
// asks for no less.
func (x *amending) allowed(r, o *rule) bool {
	if r.approvals < o.approvals || !callersWithin(r, o) {
		return false
	}
	if r.message != nil || o.message != nil {
		return implies(r, o, meaning{}, meaning{})
	}
	have := keysOf(o, x.before)
	for k, m := range keysOf(r, x.after) {
		if was, ok := have[k]; !ok || !implies(r, o, m, was) {
			return false
		}
	}
	return true
}

// meet reports that an old and a new rule can both be about one call or message.
func (x *amending) meet(o, r *rule) bool {
	if o.message != nil && r.message != nil {
		return o.message.action == r.message.action
	}
	have := keysOf(r, x.after)
	for k := range keysOf(o, x.before) {
		if _, ok := have[k]; ok {
			return true
		}
	}
	return false
}

// spell writes all of a rule, the same for two that say the same.
func (x *amending) spell(r *rule, places map[*Function]place) string {
	var b strings.Builder
	fmt.Fprint(&b, r.label, r.allow, r.everything, r.anyCaller, r.direct)
	var by []string
	for p := range callers(r) {
		by = append(by, fmt.Sprintf("%d/%s", p.chain, p.address))
	}
	slices.Sort(by)
	fmt.Fprint(&b, by)
	fmt.Fprint(&b, slices.Sorted(maps.Keys(r.on)))
	for _, m := range r.keys {
		k := keyOf(places, m)
		fmt.Fprintf(&b, " %d/%s.%s as %s%s", k.at.chain, k.at.address, k.fn, k.action, fingerprint(r, m))
	}
	if len(r.keys) == 0 {
		b.WriteString(fingerprint(r, meaning{}))
	}
	return b.String()
}

// callers are the contracts whose calls a rule names under via.
func callers(r *rule) map[place]bool {
	out := map[place]bool{}
	for k := range r.via {
		out[place{k.Chain, k.Address}] = true
	}
	return out
}

// expressions share a budget: in one transaction, what one of them costs another may
// lack, and then it can't be answered. So where there are any, of all that can spend of
// it or be passed over for the lack of it nothing may change.
func (x *amending) expressions() {
	asks := func(r *rule) bool {
		if r.cancel != nil {
			return true
		}
		for _, e := range r.when {
			if e != nil {
				return true
			}
		}
		return false
	}
	spells := func(c *Charter, places map[*Function]place) (out []string, any bool) {
		for _, r := range c.rules.all {
			if any = any || asks(r); r.allow || asks(r) {
				out = append(out, x.spell(r, places))
			}
		}
		return out, any
	}
	o, some := spells(x.old, x.before)
	n, more := spells(x.next, x.after)
	if (some || more) && !slices.Equal(o, n) {
		x.add("there are expressions (when), whose budget all rules share; with them only rules that deny, without one, can be shown to tighten")
	}
}

// written is the same for two values that are the same, as far as they can be read.
func written(v any) string {
	var b strings.Builder
	writeValue(&b, reflect.ValueOf(v), 0)
	return b.String()
}
