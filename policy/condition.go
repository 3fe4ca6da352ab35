package policy

import (
	"fmt"
	"math/big"
	"strings"

	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/internal/strict"
)

var noHash common.Hash

// predicateFile is what a condition asks of a value, as written.
type predicateFile struct {
	Equal     strict.Value[string]   `yaml:"equal"`
	Not       strict.Value[string]   `yaml:"not"`
	In        []strict.Value[string] `yaml:"in"`
	NotIn     []strict.Value[string] `yaml:"not_in"`
	InList    strict.Value[string]   `yaml:"in_list"`
	NotInList strict.Value[string]   `yaml:"not_in_list"`
	Min       strict.Value[string]   `yaml:"min"`
	Max       strict.Value[string]   `yaml:"max"`
	Bits      *bitsFile              `yaml:"bits"`
	Length    *lengthFile            `yaml:"length"`
	Code      []strict.Value[string] `yaml:"code"`
	Any       *elementFile           `yaml:"any"`
	All       *elementFile           `yaml:"all"`
}

type conditionFile struct {
	Name          strict.Value[string] `yaml:"name" strict:"required"` // a parameter, or a field in it: order.recipient
	predicateFile `yaml:",inline"`
}

// elementFile is asked of the items of a list; a name is that of a field in them.
type elementFile struct {
	Name          strict.Value[string] `yaml:"name"`
	predicateFile `yaml:",inline"`
}

type bitsFile struct {
	Mask  strict.Value[string] `yaml:"mask" strict:"required"`
	Equal strict.Value[string] `yaml:"equal" strict:"required"`
}

type lengthFile struct {
	Min strict.Value[int] `yaml:"min"`
	Max strict.Value[int] `yaml:"max"`
}

const predicates = "equal, not, in, not_in, in_list, not_in_list, min, max, bits, length, any, all or code"

// shape checks what needs no type: there is a test, and it fits the effect.
func (f conditionFile) shape(file, path string, allow bool) error {
	return f.predicateFile.shape(file, path, f.Name.V, f.Name.Pos, allow, false)
}

func (f predicateFile) shape(file, path, name string, pos strict.Pos, allow, within bool) error {
	if len(f.Code) > 0 && !allow {
		return f.Code[0].Pos.Errorf(file, path+".code", "remove it; a missing fact must never open what a deny rule closes", "a deny rule can't depend on code")
	}
	if len(f.Code) > 0 && within {
		return f.Code[0].Pos.Errorf(file, path+".code", "put it under all, or name one item's function apart", "code under any: which item's code would be meant is not known before the facts are")
	}
	asked := len(f.In)+len(f.NotIn)+len(f.Code) > 0 || f.Bits != nil || f.Length != nil
	for _, v := range []strict.Value[string]{f.Equal, f.Not, f.InList, f.NotInList, f.Min, f.Max} {
		asked = asked || v.Pos.Set()
	}
	for _, e := range []struct {
		word string
		f    *elementFile
	}{{"any", f.Any}, {"all", f.All}} {
		if e.f == nil {
			continue
		}
		asked = true
		if err := e.f.shape(file, path+"."+e.word, "items of "+name, pos, allow, within || e.word == "any"); err != nil {
			return err
		}
	}
	if !asked {
		return pos.Errorf(file, path, "add "+predicates, "the condition on %q tests nothing", name)
	}
	return nil
}

// lacks names what the condition looks at and a function does not have, and
// what it has in that place.
func (f conditionFile) lacks(fn *Function) (name strict.Value[string], known string, lacking bool) {
	i, steps, ok := fn.locate(f.Name.V)
	if !ok {
		return f.Name, namesOf(fn.Params), true
	}
	t, known, ok := fn.Params[i].typ.field(steps)
	if !ok {
		return f.Name, known, true
	}
	return f.predicateFile.lacks(t)
}

func (f predicateFile) lacks(t *abiType) (name strict.Value[string], known string, lacking bool) {
	for _, e := range []*elementFile{f.Any, f.All} {
		if e == nil || t.elem == nil {
			continue // that it is no list is another mistake
		}
		inner := t.elem
		if e.Name.Pos.Set() {
			var ok bool
			if inner, known, ok = inner.field(strings.Split(e.Name.V, ".")); !ok {
				return e.Name, known, true
			}
		}
		if name, known, lacking := e.lacks(inner); lacking {
			return name, known, true
		}
	}
	return name, "", false
}

func namesOf(list []Parameter) string {
	if len(list) == 0 {
		return "none"
	}
	names := make([]string, len(list))
	for i, p := range list {
		names[i] = p.Name
	}
	return listOf(names)
}

// locate finds the parameter that a path begins with.
func (f *Function) locate(path string) (index int, steps []string, ok bool) {
	name, rest, nested := strings.Cut(path, ".")
	if nested {
		steps = strings.Split(rest, ".")
	}
	index = f.param(name)
	return index, steps, index >= 0
}

// field is the type of a field in a struct, by its path. Where it ends, known
// lists the fields that there are.
func (t *abiType) field(steps []string) (out *abiType, known string, ok bool) {
	for _, s := range steps {
		i := t.index(s)
		if i < 0 {
			return nil, namesOf(t.fields), false
		}
		t = t.fields[i].typ
	}
	return t, "", true
}

// index is the place of a field in a struct; -1 without it.
func (t *abiType) index(name string) int {
	for i, f := range t.fields {
		if f.Name == name {
			return i
		}
	}
	return -1
}

// condition is one test on one argument of one function.
type condition struct {
	param string
	index int
	predicate
}

// conditions compiles the rule's tests for one function, and lists those whose
// parameter it lacks.
func (b *ruleCompiler) conditions(k *Contract, fn *Function) (out []condition, missing []int, err error) {
	for i, f := range b.f.Args {
		if _, _, lacking := f.lacks(fn); lacking {
			missing = append(missing, i)
			continue
		}
		index, steps, _ := fn.locate(f.Name.V)
		c := condition{param: fn.Params[index].Name, index: index}
		r := predicateReader{b: b, names: scope{b.c, k.Chain}, pos: f.Name.Pos}
		if c.predicate, err = r.read(fmt.Sprintf("%s.args[%d]", b.path, i), f.Name.V, steps, f.predicateFile, fn.Params[index].typ); err != nil {
			return nil, nil, err
		}
		out = append(out, c)
	}
	return out, missing, nil
}

// predicateReader compiles one condition.
type predicateReader struct {
	b     *ruleCompiler
	names scope
	pos   strict.Pos // of the condition
}

func (r predicateReader) errorf(pos strict.Pos, path, hint, format string, args ...any) error {
	return pos.Errorf(r.b.file, path, hint, format, args...)
}

// read compiles the tests on the field at steps below a value of type t.
func (r predicateReader) read(path, name string, steps []string, f predicateFile, t *abiType) (predicate, error) {
	p := predicate{names: r.names, deny: !r.b.r.allow}
	for _, s := range steps {
		p.steps = append(p.steps, t.index(s))
		t = t.fields[t.index(s)].typ
	}
	p.field = strings.Join(steps, ".")
	for _, step := range []func(*predicate, string, string, predicateFile, *abiType) error{r.single, r.bounds, r.lists, r.bits, r.length, r.code, r.items} {
		if err := step(&p, path, name, f, t); err != nil {
			return p, err
		}
	}
	return p, nil
}

// single reads equal, not, in and not_in.
func (r predicateReader) single(p *predicate, path, name string, f predicateFile, t *abiType) error {
	for _, l := range []struct {
		word string
		from []strict.Value[string]
		to   *[]value
	}{{"equal", set(f.Equal), &p.in}, {"in", f.In, &p.in}, {"not", set(f.Not), &p.notIn}, {"not_in", f.NotIn, &p.notIn}} {
		if len(l.from) == 0 {
			continue
		}
		if t.kind >= kindList {
			hint := "use any, all or length"
			if t.kind == kindTuple {
				hint = "name one of its fields: " + name + "." + t.fields[0].Name
			}
			return r.errorf(l.from[0].Pos, path+"."+l.word, hint, "%s does not suit type %s", l.word, t.text)
		}
		for _, s := range l.from {
			v, err := readValue(t, s.V, r.names)
			if err != nil {
				return at(r.b.file, s.Pos, path+"."+l.word, err)
			}
			*l.to = append(*l.to, v)
		}
	}
	for _, other := range []struct {
		word string
		is   bool
	}{{"in", len(f.In) > 0}, {"in_list", f.InList.Pos.Set()}} {
		if f.Equal.Pos.Set() && other.is {
			return r.errorf(f.Equal.Pos, path+".equal", "keep one of the two", "equal and %s together", other.word)
		}
	}
	if len(f.In) > 0 && f.InList.Pos.Set() {
		return r.errorf(f.InList.Pos, path+".in_list", "keep one of the two", "in and in_list together")
	}
	return nil
}

func set(v strict.Value[string]) []strict.Value[string] {
	if !v.Pos.Set() {
		return nil
	}
	return []strict.Value[string]{v}
}

// bounds reads min and max.
func (r predicateReader) bounds(p *predicate, path, _ string, f predicateFile, t *abiType) error {
	for _, l := range []struct {
		word string
		from strict.Value[string]
		to   **big.Int
	}{{"min", f.Min, &p.min}, {"max", f.Max, &p.max}} {
		if !l.from.Pos.Set() {
			continue
		}
		if t.kind != kindUint && t.kind != kindInt {
			return r.errorf(l.from.Pos, path+"."+l.word, "use equal, in or not_in", "%s does not suit type %s", l.word, t.text)
		}
		v, err := readValue(t, l.from.V, r.names)
		if err != nil {
			return at(r.b.file, l.from.Pos, path+"."+l.word, err)
		}
		*l.to = v.number()
	}
	if p.min != nil && p.max != nil && p.min.Cmp(p.max) > 0 {
		return r.errorf(f.Min.Pos, path+".min", "swap them", "min is above max")
	}
	return nil
}

// lists reads in_list and not_in_list.
func (r predicateReader) lists(p *predicate, path, _ string, f predicateFile, t *abiType) error {
	for _, l := range []struct {
		word string
		from strict.Value[string]
		to   **addressList
	}{{"in_list", f.InList, &p.inList}, {"not_in_list", f.NotInList, &p.notInList}} {
		if !l.from.Pos.Set() {
			continue
		}
		if t.kind != kindAddress {
			return r.errorf(l.from.Pos, path+"."+l.word, "put it on an address", "%s does not suit type %s", l.word, t.text)
		}
		known := sortedKeys(r.b.c.lists)
		list := r.b.c.lists[l.from.V]
		switch {
		case list == nil && len(known) == 0:
			return r.errorf(l.from.Pos, path+"."+l.word, "add the list to the charter, under lists:", "unknown list %q; the charter has none", l.from.V)
		case list == nil:
			return r.errorf(l.from.Pos, path+"."+l.word, "the charter's lists are "+listOf(known), "unknown list %q%s", l.from.V, mean(l.from.V, known))
		case list.chain != r.names.chain:
			return r.errorf(l.from.Pos, path+"."+l.word, "limit the rule to one chain, and give each chain a list of its own", "list %s is of %s, and the rule speaks of %s, too", list.name, r.b.c.chains[list.chain], r.b.c.chains[r.names.chain])
		}
		*l.to = list
	}
	return nil
}

// bits reads a mask and what is to stand under it.
func (r predicateReader) bits(p *predicate, path, _ string, f predicateFile, t *abiType) error {
	if f.Bits == nil {
		return nil
	}
	if path += ".bits"; t.kind != kindUint && t.kind != kindFixedBytes {
		return r.errorf(f.Bits.Mask.Pos, path, "put it on a uint or on bytes of fixed length", "bits does not suit type %s", t.text)
	}
	p.bits = &bitTest{}
	for _, l := range []struct {
		word string
		from strict.Value[string]
		to   *value
	}{{"mask", f.Bits.Mask, &p.bits.mask}, {"equal", f.Bits.Equal, &p.bits.want}} {
		v, err := readValue(t, l.from.V, r.names)
		if err != nil {
			return at(r.b.file, l.from.Pos, path+"."+l.word, err)
		}
		*l.to = v
	}
	switch {
	case zero(p.bits.mask.word[:]):
		return r.errorf(f.Bits.Mask.Pos, path+".mask", "set the bits that are to be compared", "a mask of zero tests nothing")
	case p.bits.under(&p.bits.want) != p.bits.want.word:
		return r.errorf(f.Bits.Equal.Pos, path+".equal", "clear them, or set them in the mask, too", "equal has bits that the mask does not have, so nothing would ever pass")
	}
	return nil
}

// length reads bounds on the items of a list, or on the bytes of bytes or string.
func (r predicateReader) length(p *predicate, path, _ string, f predicateFile, t *abiType) error {
	if f.Length == nil {
		return nil
	}
	lo, hi := f.Length.Min, f.Length.Max
	pos := lo.Pos
	if !pos.Set() {
		pos = hi.Pos
	}
	if !pos.Set() {
		return r.errorf(r.pos, path+".length", "add min, max or both", "length has no bounds")
	}
	if path += ".length"; t.kind != kindList && t.kind != kindBytes && t.kind != kindString {
		return r.errorf(pos, path, "put it on a list, on bytes or on a string", "length does not suit type %s", t.text)
	}
	p.length = &lengthTest{min: lo.V, max: hi.V, bounded: hi.Pos.Set()}
	switch {
	case lo.V < 0 || hi.V < 0:
		return r.errorf(pos, path, "count from zero", "a length below zero")
	case hi.Pos.Set() && lo.V > hi.V:
		return r.errorf(lo.Pos, path+".min", "swap them", "min is above max")
	}
	return nil
}

// code reads the hashes of code that an address may have.
func (r predicateReader) code(p *predicate, path, _ string, f predicateFile, t *abiType) error {
	for _, s := range f.Code {
		if t.kind != kindAddress {
			return r.errorf(s.Pos, path+".code", "put it on an address", "code does not suit type %s", t.text)
		}
		h, err := parseHash(s.V)
		if err != nil {
			return at(r.b.file, s.Pos, path+".code", err)
		}
		p.code = append(p.code, h)
	}
	return nil
}

// items reads any and all.
func (r predicateReader) items(p *predicate, path, name string, f predicateFile, t *abiType) error {
	for _, l := range []struct {
		word string
		from *elementFile
		to   **predicate
	}{{"any", f.Any, &p.any}, {"all", f.All, &p.all}} {
		if l.from == nil {
			continue
		}
		if t.kind != kindList && t.kind != kindArray {
			return r.errorf(r.pos, path+"."+l.word, "put its tests on "+name+" itself", "%s does not suit type %s", l.word, t.text)
		}
		var steps []string
		if l.from.Name.Pos.Set() {
			steps = strings.Split(l.from.Name.V, ".")
		}
		inner, err := r.read(path+"."+l.word, "item", steps, l.from.predicateFile, t.elem)
		if err != nil {
			return err
		}
		*l.to = &inner
	}
	return nil
}

// queries are the facts that the condition looks at.
func (c *condition) queries(vals []value) []council.Query {
	var out []council.Query
	c.coded(&vals[c.index], c.param, func(_ *predicate, _ string, a common.Address) bool {
		out = append(out, council.Query{Kind: council.QueryCodeHash, Address: a})
		return true
	})
	return out
}
