package policy

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/internal/strict"
)

// Two compiled rules are compared by all that is in them, found by reflection:
// a term that is added to the language takes part without a word here, and one
// that can't be compared makes its rules differ. What is left out is what a rule
// is called, where it stands, and what is compared by itself.
var (
	ruleNames   = []string{"id", "label", "pos", "allow", "actions", "wild", "anywhere", "via", "anyCaller", "direct", "bind", "keys", "on", "everything", "when", "cancel"}
	ruleTerms   = []string{"limits", "approvals", "code", "simulate", "moves", "state", "incident", "message", "terms"} // that implies understands
	conditions  = []string{"names", "field"}
	testsOfArgs = []string{"in", "notIn", "min", "max", "code"} // that implies understands
)

// fingerprint is the same for two rules that ask the same of calls with a meaning.
func fingerprint(r *rule, m meaning) string {
	var b strings.Builder
	b.WriteString("{")
	writeStruct(&b, reflect.ValueOf(r).Elem(), ruleNames, 0)
	writeWhen(&b, r, m)
	writeConditions(&b, r.bind[m])
	b.WriteString("}")
	return b.String()
}

func writeConditions(b *strings.Builder, conds []condition) {
	for i := range conds {
		fmt.Fprintf(b, " if %d{", conds[i].index)
		writeStruct(b, reflect.ValueOf(&conds[i].predicate).Elem(), conditions, 0)
		b.WriteString("}")
	}
}

// sameTerms reports whether two rules ask the same for besides.
func sameTerms(a, b *terms) bool {
	if a == nil || b == nil {
		return a == b
	}
	var x, y strings.Builder
	writeStruct(&x, reflect.ValueOf(a).Elem(), nil, 0)
	writeStruct(&y, reflect.ValueOf(b).Elem(), nil, 0)
	return x.String() == y.String()
}

// writeWhen writes a rule's expression: its text, and what the names in it stand
// for. What call.contract and call.via are called stands with the region.
func writeWhen(b *strings.Builder, r *rule, m meaning) {
	write := func(x *expression) {
		if x != nil {
			fmt.Fprintf(b, " when %q %q", x.source, x.means)
		}
	}
	write(r.when[m])
	if m.fn != nil {
		return
	}
	for _, id := range slices.Sorted(maps.Keys(r.cancel)) {
		fmt.Fprintf(b, " chain %d", id)
		write(r.cancel[id])
	}
}

// written is a type with the names of its fields, which expressions go by.
func (t *abiType) written() string {
	out := t.text
	for ; t != nil; t = t.elem {
		for _, f := range t.fields {
			out += " " + f.Name + ":" + f.typ.written()
		}
	}
	return out
}

// rest is what a rule asks beyond what implies understands.
func rest(r *rule, m meaning) string {
	var b strings.Builder
	writeStruct(&b, reflect.ValueOf(r).Elem(), slices.Concat(ruleNames, ruleTerms), 0)
	writeWhen(&b, r, m)
	return b.String()
}

func restOf(c *condition) string {
	var b strings.Builder
	writeStruct(&b, reflect.ValueOf(&c.predicate).Elem(), slices.Concat(conditions, testsOfArgs), 0)
	return b.String()
}

func writeStruct(b *strings.Builder, v reflect.Value, without []string, depth int) {
	t := v.Type()
	for i := range t.NumField() {
		if name := t.Field(i).Name; !slices.Contains(without, name) {
			b.WriteString(" " + name + "=")
			writeValue(b, v.Field(i), depth+1)
		}
	}
}

var (
	posType      = reflect.TypeFor[strict.Pos]()
	namesType    = reflect.TypeFor[names]()
	contractType = reflect.TypeFor[*Contract]()
	functionType = reflect.TypeFor[*Function]()
	defType      = reflect.TypeFor[*def]()
	abiTypeType  = reflect.TypeFor[*abiType]()
	listType     = reflect.TypeFor[*addressList]()
)

// writeValue writes a value so that equal texts mean equal values. What it can't
// read it writes by its place in memory, which is never equal to another's.
func writeValue(b *strings.Builder, v reflect.Value, depth int) {
	if depth > 32 {
		b.WriteString("…deep")
		fmt.Fprintf(b, "%p", b)
		return
	}
	switch v.Type() {
	case posType, namesType:
		return
	case contractType:
		if !v.IsNil() {
			fmt.Fprintf(b, "contract %d ", v.Elem().FieldByName("Chain").Uint())
			writeValue(b, v.Elem().FieldByName("Address"), depth+1)
			writeValue(b, v.Elem().FieldByName("CodeHash"), depth+1)
		}
		return
	case functionType:
		if !v.IsNil() {
			b.WriteString(v.Elem().FieldByName("Signature").String())
		}
		return
	case defType:
		if !v.IsNil() {
			fmt.Fprintf(b, "%s/%s", v.Elem().FieldByName("name").String(), v.Elem().FieldByName("class").String())
		}
		return
	case listType:
		if l, ok := listOfAddresses(v); ok {
			b.WriteString(l)
		}
		return
	case abiTypeType:
		if !v.IsNil() {
			b.WriteString(v.Elem().FieldByName("text").String())
		}
		return
	}
	switch v.Kind() {
	case reflect.Bool:
		fmt.Fprint(b, v.Bool())
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		fmt.Fprint(b, v.Int())
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		fmt.Fprint(b, v.Uint())
	case reflect.String:
		fmt.Fprintf(b, "%q", v.String())
	case reflect.Slice, reflect.Array:
		b.WriteString("[")
		for i := range v.Len() {
			writeValue(b, v.Index(i), depth+1)
			b.WriteString(",")
		}
		b.WriteString("]")
	case reflect.Map:
		var lines []string
		for it := v.MapRange(); it.Next(); {
			var one strings.Builder
			writeValue(&one, it.Key(), depth+1)
			one.WriteString(":")
			writeValue(&one, it.Value(), depth+1)
			lines = append(lines, one.String())
		}
		slices.Sort(lines)
		fmt.Fprint(b, lines)
	case reflect.Struct:
		b.WriteString("{")
		writeStruct(b, v, nil, depth)
		b.WriteString("}")
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			b.WriteString("nil")
			return
		}
		to := v.Elem()
		if p := to.Type().PkgPath(); v.Kind() == reflect.Pointer && p != reflect.TypeFor[rule]().PkgPath() && p != "math/big" && p != "" {
			fmt.Fprintf(b, "opaque %x", v.Pointer())
			return
		}
		writeValue(b, to, depth+1)
	default: // func, chan, unsafe pointer
		fmt.Fprintf(b, "opaque %v", v)
	}
}

// listOfAddresses writes a list as what is on it.
func listOfAddresses(v reflect.Value) (string, bool) {
	if v.IsNil() {
		return "", false
	}
	var all []string
	for i, l := 0, v.Elem().FieldByName("addresses"); i < l.Len(); i++ {
		var one strings.Builder
		writeValue(&one, l.Index(i), 0)
		all = append(all, one.String())
	}
	slices.Sort(all)
	return fmt.Sprintf("list of chain %d %v", v.Elem().FieldByName("chain").Uint(), all), true
}

// within reports that everything that a allows b allows too, with no more
// approvals asked by b than by a. False means that it is not shown.
func within(a, b region) bool {
	if a.empty() {
		return true
	}
	if b.closed || a.fixed != b.fixed || a.p.charter.threshold < b.p.charter.threshold {
		return false
	}
	var denies voice // all of a
	for _, v := range a.sets {
		denies.denies = append(denies.denies, v.denies...)
	}
	for _, v := range b.sets { // what a allows, all its files allow; one inside is enough
		if !slices.ContainsFunc(a.sets, func(o voice) bool { return allowsWithin(o, v, a.m, b.m) }) || !deniesWithin(v, denies, b.m, a.m) {
			return false
		}
	}
	return true
}

// allowsWithin: each permission of a is inside one of b. The first that fits says
// how many approvals a call takes, so none of b up to there may ask for more;
// but for those that stand in the same place in both.
func allowsWithin(a, b voice, am, bm meaning) bool {
	if b.open {
		return true
	}
	if a.open {
		return false
	}
	same := 0
	for same < len(a.allows) && same < len(b.allows) && fingerprint(a.allows[same], am) == fingerprint(b.allows[same], bm) {
		same++
	}
	for _, r := range a.allows[same:] {
		inside := slices.ContainsFunc(b.allows[:same], func(o *rule) bool { return implies(r, o, am, bm) })
		most := 0
		for _, o := range b.allows[same:] {
			if o.terms != nil && !sameTerms(r.terms, o.terms) {
				break // it may decide before those behind it
			}
			if most = max(most, o.approvals); implies(r, o, am, bm) && r.approvals >= most {
				inside = true
				break
			}
		}
		if !inside {
			return false
		}
	}
	return true
}

// deniesWithin: each denial of a is inside one of b.
func deniesWithin(a, b voice, am, bm meaning) bool {
	for _, r := range a.denies {
		if !slices.ContainsFunc(b.denies, func(o *rule) bool { return implies(r, o, am, bm) }) {
			return false
		}
	}
	return true
}

// implies reports that rule r speaks of nothing that o does not speak of, for the
// same caller. False means that it is not shown.
func implies(r, o *rule, rm, om meaning) bool {
	if rest(r, rm) != rest(o, om) || r.allow != o.allow {
		return false
	}
	if r.allow {
		if r.limits.validity > o.limits.validity || o.code && !r.code || o.simulate && !r.simulate || o.moves && !r.moves || o.state && !r.state || o.incident && !r.incident {
			return false
		}
		if o.terms != nil && !sameTerms(r.terms, o.terms) {
			return false
		}
		if r.message == nil && (r.limits.gas > o.limits.gas || r.limits.fee.Cmp(o.limits.fee) > 0 || r.limits.tip.Cmp(o.limits.tip) > 0) {
			return false
		}
		if (r.message == nil) != (o.message == nil) || r.message != nil && !r.message.inside(o.message) {
			return false
		}
	}
	mine := r.bind[rm]
	for i := range o.bind[om] {
		want := &o.bind[om][i]
		if !slices.ContainsFunc(mine, func(c condition) bool { return c.inside(want) }) {
			return false
		}
	}
	return true
}

// inside reports that each message that w is about o is about.
func (w *wording) inside(o *wording) bool {
	a, b := *w, *o
	if a.length > b.length {
		return false
	}
	a.length, b.length = 0, 0
	return a.action == b.action && a.name == b.name && a.version == b.version && a.chain == b.chain && a.contract == b.contract && a.primary == b.primary
}

// inside reports that each argument that passes c passes o.
func (c *condition) inside(o *condition) bool {
	if c.index != o.index || restOf(c) != restOf(o) {
		return false
	}
	if len(o.code) > 0 {
		if len(c.code) == 0 || slices.ContainsFunc(c.code, func(h common.Hash) bool { return !slices.Contains(o.code, h) }) {
			return false
		}
	}
	passes := func(k *condition, v *value) bool {
		p := k.predicate
		p.steps = nil // the values in it are of the field
		return p.holds(v)
	}
	if len(c.in) > 0 {
		for i := range c.in {
			if passes(c, &c.in[i]) && !passes(o, &c.in[i]) {
				return false
			}
		}
		return true
	}
	if len(o.in) > 0 {
		return false
	}
	for i := range o.notIn {
		if passes(c, &o.notIn[i]) {
			return false
		}
	}
	return (o.min == nil || c.min != nil && c.min.Cmp(o.min) >= 0) && (o.max == nil || c.max != nil && c.max.Cmp(o.max) <= 0)
}
