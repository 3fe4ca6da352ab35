package policy

import (
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/internal/strict"
)

var noHash common.Hash

type conditionFile struct {
	Name  strict.Value[string]   `yaml:"name" strict:"required"`
	Equal strict.Value[string]   `yaml:"equal"`
	In    []strict.Value[string] `yaml:"in"`
	NotIn []strict.Value[string] `yaml:"not_in"`
	Min   strict.Value[string]   `yaml:"min"`
	Max   strict.Value[string]   `yaml:"max"`
	Code  []strict.Value[string] `yaml:"code"`
}

// shape checks what needs no type: there is a test, and it fits the effect.
func (f conditionFile) shape(file, path string, allow bool) error {
	if !f.Equal.Pos.Set() && !f.Min.Pos.Set() && !f.Max.Pos.Set() && len(f.In)+len(f.NotIn)+len(f.Code) == 0 {
		return f.Name.Pos.Errorf(file, path, "add equal, in, not_in, min, max or code", "the condition on %q tests nothing", f.Name.V)
	}
	if len(f.Code) > 0 && !allow {
		return f.Code[0].Pos.Errorf(file, path+".code", "remove it; a missing fact must never open what a deny rule closes", "a deny rule can't depend on code")
	}
	return nil
}

// condition is one test on one argument of one function. All tests that are
// set must hold.
type condition struct {
	name     string
	index    int
	in       []value // equal is an in of one
	notIn    []value
	min, max *big.Int
	code     []common.Hash // of the contract at the address argument
	names    names
}

// conditions compiles the rule's tests for one function, and lists those whose
// parameter it lacks.
func (b *ruleCompiler) conditions(k *Contract, fn *Function) (out []condition, missing []int, err error) {
	n := scope{b.c, k.Chain}
	for i, f := range b.f.Args {
		at := fn.param(f.Name.V)
		if at < 0 {
			missing = append(missing, i)
			continue
		}
		c := condition{name: f.Name.V, index: at, names: n}
		if err := c.read(b, fmt.Sprintf("args[%d]", i), f, fn.Params[at].typ); err != nil {
			return nil, nil, err
		}
		out = append(out, c)
	}
	return out, missing, nil
}

func (c *condition) read(b *ruleCompiler, path string, f conditionFile, t *abiType) error {
	path = b.path + "." + path
	if t.kind >= kindList {
		return f.Name.Pos.Errorf(b.file, path, "conditions take single values; a call with a list must be allowed or denied as a whole", "parameter %q is of type %s", f.Name.V, t.text)
	}
	one := func(s strict.Value[string]) (value, error) {
		v, err := readValue(t, s.V, c.names)
		if err != nil {
			return v, at(b.file, s.Pos, path, err)
		}
		return v, nil
	}
	for _, l := range []struct {
		from []strict.Value[string]
		to   *[]value
	}{{f.In, &c.in}, {f.NotIn, &c.notIn}} {
		for _, s := range l.from {
			v, err := one(s)
			if err != nil {
				return err
			}
			*l.to = append(*l.to, v)
		}
	}
	if f.Equal.Pos.Set() {
		if len(c.in) > 0 {
			return f.Equal.Pos.Errorf(b.file, path+".equal", "keep one of the two", "equal and in together")
		}
		v, err := one(f.Equal)
		if err != nil {
			return err
		}
		c.in = []value{v}
	}
	for _, l := range []struct {
		name string
		from strict.Value[string]
		to   **big.Int
	}{{"min", f.Min, &c.min}, {"max", f.Max, &c.max}} {
		if !l.from.Pos.Set() {
			continue
		}
		if t.kind != kindUint && t.kind != kindInt {
			return l.from.Pos.Errorf(b.file, path+"."+l.name, "use equal, in or not_in", "%s does not suit type %s", l.name, t.text)
		}
		v, err := one(l.from)
		if err != nil {
			return err
		}
		*l.to = v.number()
	}
	if c.min != nil && c.max != nil && c.min.Cmp(c.max) > 0 {
		return f.Min.Pos.Errorf(b.file, path+".min", "swap them", "min is above max")
	}
	for _, s := range f.Code {
		if t.kind != kindAddress {
			return s.Pos.Errorf(b.file, path+".code", "put it on an address", "code does not suit type %s", t.text)
		}
		h, err := parseHash(s.V)
		if err != nil {
			return at(b.file, s.Pos, path+".code", err)
		}
		c.code = append(c.code, h)
	}
	return nil
}

// holds tests the argument. It says nothing, since of many rules only the one
// that came closest is told of.
func (c *condition) holds(vals []value) bool {
	v := &vals[c.index]
	return (len(c.in) == 0 || contains(c.in, v)) && !contains(c.notIn, v) &&
		(c.min == nil || v.number().Cmp(c.min) >= 0) && (c.max == nil || v.number().Cmp(c.max) <= 0)
}

// explain says why the argument does not pass, and what would.
func (c *condition) explain(vals []value) (reason, hint string) {
	v := vals[c.index]
	switch {
	case len(c.in) == 1 && !contains(c.in, &v):
		return fmt.Sprintf("%s is %s, not %s", c.name, v.show(c.names), c.in[0].show(c.names)), "propose it with the argument that the rule names"
	case len(c.in) > 1 && !contains(c.in, &v):
		return fmt.Sprintf("%s is %s, which is not among the %d the rule names", c.name, v.show(c.names), len(c.in)), "propose it with an argument that the rule names"
	case contains(c.notIn, &v):
		return fmt.Sprintf("%s is %s, which the rule excludes", c.name, v.show(c.names)), "propose it with another argument"
	case c.min != nil && v.number().Cmp(c.min) < 0:
		return fmt.Sprintf("%s is %s, below the least of %s", c.name, v.number(), c.min), "propose it with a larger argument"
	}
	return fmt.Sprintf("%s is %s, above the most of %s", c.name, v.number(), c.max), "propose it with a smaller argument"
}

func contains(list []value, v *value) bool {
	for i := range list {
		if list[i].equal(v) {
			return true
		}
	}
	return false
}

// queries are the facts that the condition looks at.
func (c *condition) queries(vals []value) []council.Query {
	if len(c.code) == 0 {
		return nil
	}
	return []council.Query{{Kind: council.QueryCodeHash, Address: vals[c.index].address()}}
}
