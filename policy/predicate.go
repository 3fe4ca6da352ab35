package policy

import (
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/common"
)

// predicate is what a condition asks of a value. All tests that are set must
// hold. None of them looks at facts but code, which only allow rules have.
type predicate struct {
	field  string // the path below the value that is looked at; "" for itself
	steps  []int  // the same, as places of fields
	names  names
	deny   bool    // stands in a deny rule
	in     []value // equal is an in of one
	notIn  []value
	inList *addressList
	// notInList is asked of an address, as inList.
	notInList *addressList
	min, max  *big.Int
	bits      *bitTest
	length    *lengthTest
	code      []common.Hash // of the contract at the address
	any, all  *predicate    // of the items of a list or an array
}

type bitTest struct{ mask, want value }

// under is the part of a value that the mask shows.
func (b *bitTest) under(v *value) (out [32]byte) {
	for i := range out {
		out[i] = v.word[i] & b.mask.word[i]
	}
	return out
}

// lengthTest counts the items of a list, or the bytes of bytes or string.
type lengthTest struct {
	min, max int
	bounded  bool // max is set
}

func (l *lengthTest) of(v *value) int {
	if v.typ.kind == kindList {
		return len(v.items)
	}
	return len(v.raw)
}

func (l *lengthTest) holds(v *value) bool {
	n := l.of(v)
	return n >= l.min && (!l.bounded || n <= l.max)
}

// at is the value that the predicate looks at.
func (p *predicate) at(v *value) *value {
	for _, s := range p.steps {
		v = &v.items[s]
	}
	return v
}

// called is how messages call that value.
func (p *predicate) called(name string) string {
	if p.field == "" {
		return name
	}
	return p.field + " of " + name
}

// holds tests a value, as far as the calldata tells. It says nothing, since of
// many rules only the one that came closest is told of.
func (p *predicate) holds(v *value) bool {
	v = p.at(v)
	switch {
	case len(p.in) > 0 && !contains(p.in, v), contains(p.notIn, v):
		return false
	case p.inList != nil && !p.inList.holds(v.address()), p.notInList != nil && p.notInList.holds(v.address()):
		return false
	case p.min != nil && v.number().Cmp(p.min) < 0, p.max != nil && v.number().Cmp(p.max) > 0:
		return false
	case p.bits != nil && p.bits.under(v) != p.bits.want.word, p.length != nil && !p.length.holds(v):
		return false
	case p.any != nil && !p.some(v):
		return false
	}
	return p.all == nil || p.every(v)
}

// some looks for an item that passes.
func (p *predicate) some(v *value) bool {
	for i := range v.items {
		if p.any.holds(&v.items[i]) {
			return true
		}
	}
	return false
}

// every tests all items. Of an empty list nothing is known, and that must open
// nothing: it fails an allow rule, and a deny rule takes it as denied. So does a
// list of more contracts than a node could ask the code of.
func (p *predicate) every(v *value) bool {
	if len(v.items) == 0 {
		return p.deny
	}
	if p.all.asksCode() && len(v.items) > MaxCoded {
		return false
	}
	for i := range v.items {
		if !p.all.holds(&v.items[i]) {
			return false
		}
	}
	return true
}

func (p *predicate) asksCode() bool {
	return len(p.code) > 0 || p.all != nil && p.all.asksCode()
}

// coded visits the addresses whose code is asked for, until f returns false.
func (p *predicate) coded(v *value, name string, f func(p *predicate, name string, a common.Address) bool) bool {
	if !p.asksCode() {
		return true
	}
	v, name = p.at(v), p.called(name)
	if len(p.code) > 0 && !f(p, name, v.address()) {
		return false
	}
	if p.all != nil {
		for i := range v.items {
			if !p.all.coded(&v.items[i], item(i, name), f) {
				return false
			}
		}
	}
	return true
}

func item(i int, of string) string { return fmt.Sprintf("item %d of %s", i+1, of) }

const (
	otherArgument = "propose it with another argument"
	namedArgument = "propose it with an argument that the rule names"
)

// explain says why a value does not pass, and what would.
func (p *predicate) explain(v *value, name string) (reason, hint string) {
	v, name = p.at(v), p.called(name)
	is := func(format string, args ...any) string {
		return fmt.Sprintf("%s is %s, ", name, v.show(p.names)) + fmt.Sprintf(format, args...)
	}
	switch {
	case len(p.in) == 1 && !contains(p.in, v):
		return is("not %s", p.in[0].show(p.names)), "propose it with the argument that the rule names"
	case len(p.in) > 1 && !contains(p.in, v):
		return is("which is not among the %d the rule names", len(p.in)), namedArgument
	case contains(p.notIn, v):
		return is("which the rule excludes"), otherArgument
	case p.inList != nil && !p.inList.holds(v.address()):
		return is("which is not on the list %s", p.inList.name), "propose it with an address on the list " + p.inList.name + "; to add one takes a new charter"
	case p.notInList != nil && p.notInList.holds(v.address()):
		return is("which is on the list %s", p.notInList.name), otherArgument
	case p.min != nil && v.number().Cmp(p.min) < 0:
		return is("below the least of %s", p.min), "propose it with a larger argument"
	case p.max != nil && v.number().Cmp(p.max) > 0:
		return is("above the most of %s", p.max), "propose it with a smaller argument"
	case p.bits != nil && p.bits.under(v) != p.bits.want.word:
		return is("whose bits under %s are not %s", p.bits.mask.bits(), p.bits.want.bits()), "propose it with the bits that the rule names"
	case p.length != nil && !p.length.holds(v):
		if n := p.length.of(v); n < p.length.min {
			return fmt.Sprintf("%s has a length of %d, below the least of %d", name, n, p.length.min), "propose it with a longer argument"
		}
		return fmt.Sprintf("%s has a length of %d, above the most of %d", name, p.length.of(v), p.length.max), "propose it with a shorter argument"
	}
	return p.explainItems(v, name)
}

func (p *predicate) explainItems(v *value, name string) (reason, hint string) {
	if (p.any != nil || p.all != nil) && len(v.items) == 0 {
		return name + " is empty, and the rule asks something of its items", "propose it with at least one item"
	}
	if p.any != nil && !p.some(v) {
		reason, hint = p.any.explain(&v.items[0], item(0, name))
		if n := len(v.items); n > 1 {
			reason = fmt.Sprintf("none of the %d items of %s passes: %s", n, name, reason)
		}
		return reason, hint
	}
	if p.all != nil {
		if p.all.asksCode() && len(v.items) > MaxCoded {
			return fmt.Sprintf("%s has %d items, and the code of at most %d can be asked for", name, len(v.items), MaxCoded), "split it into several proposals"
		}
		for i := range v.items {
			if !p.all.holds(&v.items[i]) {
				return p.all.explain(&v.items[i], item(i, name))
			}
		}
	}
	return name + " does not pass", otherArgument
}

// bits writes a word in hex, as masks are written.
func (v value) bits() string {
	if v.typ.kind == kindUint {
		return fmt.Sprintf("0x%x", v.number())
	}
	return v.show(noNames{})
}

func (c *condition) holds(vals []value) bool { return c.predicate.holds(&vals[c.index]) }

func (c *condition) explain(vals []value) (reason, hint string) {
	return c.predicate.explain(&vals[c.index], c.param)
}

// contains looks a value up.
func contains(list []value, v *value) bool {
	for i := range list {
		if list[i].equal(v) {
			return true
		}
	}
	return false
}
