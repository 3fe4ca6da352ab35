package policy

import (
	"fmt"
	"strings"
)

// tests asks for an argument, one row for each thing that its condition asks.
func (c *condition) tests(vals []value) []Test {
	return c.predicate.tests(&vals[c.index], c.param)
}

// tests has one row for each test that is set, and stands beside holds.
func (p *predicate) tests(v *value, name string) []Test {
	v = p.at(v)
	if p.field != "" {
		name += "." + p.field
	}
	role := name == "role"
	show := func(v *value) string {
		if role {
			return v.form("role", p.names)
		}
		return v.show(p.names)
	}
	var out []Test
	add := func(have string, ok bool, format string, args ...any) {
		out = append(out, Test{name, have, fmt.Sprintf(format, args...), ok})
	}
	shown := func(list []value) []string {
		var out []string
		for i := range list {
			out = append(out, show(&list[i]))
		}
		return out
	}
	if len(p.in) > 0 {
		add(show(v), contains(p.in, v), "%s", oneOf(shown(p.in)))
	}
	if len(p.notIn) > 0 {
		add(show(v), !contains(p.notIn, v), "not %s", oneOf(shown(p.notIn)))
	}
	if p.inList != nil {
		add(show(v), p.inList.holds(v.address()), "on the list %s", p.inList.name)
	}
	if p.notInList != nil {
		add(show(v), !p.notInList.holds(v.address()), "not on the list %s", p.notInList.name)
	}
	if p.min != nil {
		add(show(v), v.number().Cmp(p.min) >= 0, "at least %s", p.min)
	}
	if p.max != nil {
		add(show(v), v.number().Cmp(p.max) <= 0, "at most %s", p.max)
	}
	if p.bits != nil {
		add(v.bits(), p.bits.under(v) == p.bits.want.word, "%s under the mask %s", p.bits.want.bits(), p.bits.mask.bits())
	}
	if l := p.length; l != nil {
		want := fmt.Sprintf("a length of at least %d", l.min)
		if l.bounded {
			want = fmt.Sprintf("a length of %d to %d", l.min, l.max)
		}
		add(fmt.Sprintf("a length of %d", l.of(v)), l.holds(v), "%s", want)
	}
	if p.any != nil {
		add(show(v), p.some(v), "an item of which: %s", p.any.want())
	}
	if p.all != nil {
		have := show(v)
		for i := range v.items {
			if !p.all.holds(&v.items[i]) {
				have, _ = p.all.explain(&v.items[i], item(i, name))
				break
			}
		}
		if len(v.items) > MaxCoded && p.all.asksCode() {
			have = fmt.Sprintf("%d items, and the code of at most %d can be asked for", len(v.items), MaxCoded)
		}
		add(have, p.every(v), "items, of each of which: %s", p.all.want())
	}
	return out
}

// want says in words what a predicate asks of an item.
func (p *predicate) want() string {
	var parts []string
	it := "it"
	if p.field != "" {
		it = p.field
	}
	add := func(format string, args ...any) { parts = append(parts, it+" is "+fmt.Sprintf(format, args...)) }
	shown := func(list []value) []string {
		var out []string
		for i := range list {
			out = append(out, list[i].show(p.names))
		}
		return out
	}
	if len(p.in) > 0 {
		add("%s", oneOf(shown(p.in)))
	}
	if len(p.notIn) > 0 {
		add("not %s", oneOf(shown(p.notIn)))
	}
	if p.inList != nil {
		add("on the list %s", p.inList.name)
	}
	if p.notInList != nil {
		add("not on the list %s", p.notInList.name)
	}
	if p.min != nil {
		add("at least %s", p.min)
	}
	if p.max != nil {
		add("at most %s", p.max)
	}
	if p.bits != nil {
		add("%s under the mask %s", p.bits.want.bits(), p.bits.mask.bits())
	}
	if l := p.length; l != nil && l.bounded {
		add("%d to %d long", l.min, l.max)
	} else if l != nil {
		add("at least %d long", l.min)
	}
	if len(p.code) > 0 {
		add("a contract of reviewed code")
	}
	if p.any != nil {
		add("a list with an item of which: %s", p.any.want())
	}
	if p.all != nil {
		add("a list, of each item of which: %s", p.all.want())
	}
	return strings.Join(parts, " and ")
}

// whenTest asks for the rule's expression. It is asked with a budget of its own:
// that an explanation asks more than a decision must not change the answers.
func (e *evaluation) whenTest(r *rule, c *Call, m meaning) (Test, bool) {
	x := r.when[m]
	if m.fn == nil {
		x = r.cancel[e.t.Chain]
	}
	if x == nil {
		return Test{}, false
	}
	alone := &evaluation{p: e.p, in: e.in, t: e.t}
	v := r.says(alone, c, m)
	t := Test{What: "when", Have: fmt.Sprint(v.holds), Want: x.text, OK: v.allows()}
	if !r.allow {
		t.OK = v.denies()
	}
	if v.fault != "" {
		t.Have = "can't be answered: " + v.fault
	}
	return t, true
}
