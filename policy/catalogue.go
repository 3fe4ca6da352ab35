package policy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/internal/strict"
)

// Class says in which direction an action moves the network.
type Class string

// The classes. A restrictive action stops or takes away and must be fast; a
// permissive one starts, changes or gives, and may be slow.
const (
	Restrictive Class = "restrictive"
	Permissive  Class = "permissive"
)

// Duty is the duty of the constitution that an action serves.
type Duty string

// The duties of the security council.
const (
	Oversight     Duty = "oversight"
	Upgrade       Duty = "upgrade"
	Emergency     Duty = "emergency"
	Communication Duty = "communication"
)

// def is one action of the catalogue.
type def struct {
	name     string
	class    Class // "" for a wrapper: it takes the class of what it wraps
	duty     Duty
	uses     []use
	sentence template
}

// use is one function that means the action, as far as where holds.
type use struct {
	def   *def
	fn    *Function
	where []fixed
}

// fixed is an argument with the one value for which a function means an action.
type fixed struct {
	index int
	value value
}

func (u use) holds(vals []value) bool {
	for i := range u.where {
		w := &u.where[i]
		if !vals[w.index].equal(&w.value) {
			return false
		}
	}
	return true
}

// overlaps reports whether some call would mean both.
func (u use) overlaps(o use) bool {
	for _, a := range u.where {
		for _, b := range o.where {
			if a.index == b.index && !a.value.equal(&b.value) {
				return false
			}
		}
	}
	return true
}

// Catalogue is the list of actions that a council can speak about. What it does
// not hold, no rule can name and no policy allows.
type Catalogue struct {
	actions []*def
	byName  map[string]*def
	bySig   map[string][]use
}

// actionFile is one action as written.
type actionFile struct {
	Name      strict.Value[string]            `yaml:"name" strict:"required"`
	Class     strict.Value[string]            `yaml:"class" strict:"required"`
	Duty      strict.Value[string]            `yaml:"duty" strict:"required"`
	Functions []strict.Value[string]          `yaml:"functions" strict:"required"`
	Where     map[string]strict.Value[string] `yaml:"where"`
	Sentence  strict.Value[string]            `yaml:"sentence" strict:"required"`
}

type actionsFile struct {
	Version strict.Value[uint64] `yaml:"version" strict:"required"`
	Actions []actionFile         `yaml:"actions" strict:"required"`
}

// LoadActions reads a catalogue. The wrappers, cancel-nonce, statement and
// typed-data, which are code, are part of every catalogue. Errors are
// *strict.Error with place and hint.
func LoadActions(file string, data []byte) (*Catalogue, error) {
	var f actionsFile
	if err := strict.Decode(file, data, &f); err != nil {
		return nil, err
	}
	if err := checkVersion(file, f.Version); err != nil {
		return nil, err
	}
	return builtins().extend(file, f.Actions)
}

func checkVersion(file string, v strict.Value[uint64]) error {
	if v.V != 1 {
		return v.Pos.Errorf(file, "version", "this program reads version 1; use the release that wrote the file, or write version: 1", "version %d is not known", v.V)
	}
	return nil
}

// builtins are the actions that code has to know.
func builtins() *Catalogue {
	c := &Catalogue{byName: map[string]*def{}, bySig: map[string][]use{}}
	for _, w := range wrappers {
		d := c.byName[w.action]
		if d == nil && w.action != "" {
			t, err := parseTemplate(w.sentence)
			if err != nil {
				panic("policy: built-in sentence: " + err.Error())
			}
			d = &def{name: w.action, sentence: t}
			c.byName[d.name] = d
			c.actions = append(c.actions, d)
		}
		if d != nil {
			u := use{def: d, fn: w.fn}
			d.uses = append(d.uses, u)
			c.bySig[w.fn.Signature] = append(c.bySig[w.fn.Signature], u)
		}
	}
	for _, d := range []*def{cancelNonce, publish, signData} {
		c.byName[d.name] = d
		c.actions = append(c.actions, d)
	}
	return c
}

// cancelNonce uses up a nonce with an empty transaction to the council itself.
var cancelNonce = &def{name: "cancel-nonce", class: Restrictive, duty: Oversight}

// publish and signData are what messages are: a public statement, and an EIP-712
// document. They call nothing, so no function means them.
var (
	publish  = &def{name: "statement", class: Permissive, duty: Communication}
	signData = &def{name: "typed-data", class: Permissive, duty: Oversight}
)

// extend returns the catalogue with more actions; none may replace another.
func (c *Catalogue) extend(file string, list []actionFile) (*Catalogue, error) {
	out := &Catalogue{actions: slices.Clone(c.actions), byName: map[string]*def{}, bySig: map[string][]use{}}
	for k, v := range c.byName {
		out.byName[k] = v
	}
	for k, v := range c.bySig {
		out.bySig[k] = slices.Clone(v)
	}
	if n := len(out.actions) + len(list); n > MaxActions {
		return nil, strict.At(file, nil, "actions", "remove what the council does not need", "%d actions; at most %d", n, MaxActions)
	}
	for i, a := range list {
		if err := out.add(file, fmt.Sprintf("actions[%d]", i), a); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (c *Catalogue) add(file, path string, a actionFile) error {
	if err := validName(a.Name.V); err != nil {
		return at(file, a.Name.Pos, path+".name", err)
	}
	if _, ok := c.byName[a.Name.V]; ok {
		return a.Name.Pos.Errorf(file, path+".name", "give the action another name", "duplicate action %q", a.Name.V)
	}
	d := &def{name: a.Name.V, class: Class(a.Class.V), duty: Duty(a.Duty.V)}
	if d.class != Restrictive && d.class != Permissive {
		return a.Class.Pos.Errorf(file, path+".class", "restrictive stops or takes away; permissive starts, changes or gives", "unknown class %q", a.Class.V)
	}
	if !slices.Contains([]Duty{Oversight, Upgrade, Emergency, Communication}, d.duty) {
		return a.Duty.Pos.Errorf(file, path+".duty", "the constitution knows oversight, upgrade, emergency and communication", "unknown duty %q", a.Duty.V)
	}
	t, err := parseTemplate(a.Sentence.V)
	if err != nil {
		return at(file, a.Sentence.Pos, path+".sentence", council.WithHint(err, templateHint))
	}
	d.sentence = t
	if n := len(a.Functions); n > MaxFunctions {
		return a.Name.Pos.Errorf(file, path+".functions", "list the functions that the council calls", "action %q has %d functions; at most %d", d.name, n, MaxFunctions)
	}
	for i, s := range a.Functions {
		if err := c.addUse(file, fmt.Sprintf("%s.functions[%d]", path, i), d, a, s); err != nil {
			return err
		}
	}
	if len(d.uses) == 0 {
		return a.Name.Pos.Errorf(file, path+".functions", "list at least one signature", "action %q has no function", d.name)
	}
	c.byName[d.name] = d
	c.actions = append(c.actions, d)
	return nil
}

func (c *Catalogue) addUse(file, path string, d *def, a actionFile, s strict.Value[string]) error {
	f, err := ParseFunction(s.V)
	if err != nil {
		return at(file, s.Pos, path, err)
	}
	if n, ok := never[f.Selector]; ok && n.unlessNamed == "" {
		return s.Pos.Errorf(file, path, "remove it; no file can allow this", "%s is on the never-list: %s", f.Signature, n.why)
	}
	if n, ok := never[f.Selector]; ok && n.unlessNamed != d.name {
		return s.Pos.Errorf(file, path, "name the action "+n.unlessNamed, "%s can only be the action %s", f.Signature, n.unlessNamed)
	}
	if w, ok := wrapperBySelector[f.Selector]; ok && w.fn.Signature != f.Signature {
		return s.Pos.Errorf(file, path, "compare it with the contract's source; the chain sees the selector alone", "%s has the selector of %s, which carries calls", f.Signature, w.fn.Signature)
	}
	if hidesCalls(f) {
		return s.Pos.Errorf(file, path, "use a call that can be unwrapped, such as a timelock's or a multicall's",
			"%s looks like a wrapper, and what it carries can't be unwrapped", f.Signature)
	}
	if err := d.sentence.fits(f); err != nil {
		return at(file, a.Sentence.Pos, path, council.WithHint(err, templateHint))
	}
	u := use{def: d, fn: f}
	for _, name := range sortedKeys(a.Where) {
		v := a.Where[name]
		i := f.param(name)
		if i < 0 {
			return v.Pos.Errorf(file, path, "name a parameter of the signature", "%s has no parameter %q", f, name)
		}
		val, err := readValue(f.Params[i].typ, v.V, noNames{})
		if err != nil {
			return at(file, v.Pos, path, err)
		}
		if f.Params[i].typ.kind >= kindBytes {
			return v.Pos.Errorf(file, path, "use a parameter of a plain type", "%s is not a plain value", f.Params[i].Type)
		}
		u.where = append(u.where, fixed{i, val})
	}
	for _, o := range c.bySig[f.Signature] {
		if u.overlaps(o) {
			return s.Pos.Errorf(file, path, "remove one, or tell them apart by where", "%s already means the action %q", f.Signature, o.def.name)
		}
	}
	d.uses = append(d.uses, u)
	c.bySig[f.Signature] = append(c.bySig[f.Signature], u)
	return nil
}

// Names lists the actions, sorted.
func (c *Catalogue) Names() []string { return sortedKeys(c.byName) }

// Hash commits to the meaning of the catalogue: names, classes, duties,
// signatures and sentences, but not to the layout of the file.
func (c *Catalogue) Hash() common.Hash {
	lines := make([]string, 0, len(c.actions))
	for _, d := range c.actions {
		var line strings.Builder
		fmt.Fprintf(&line, "%s|%s|%s|%s", d.name, d.class, d.duty, d.sentence.text)
		for _, u := range d.uses {
			line.WriteString("|" + u.fn.String())
			for _, w := range u.where {
				fmt.Fprintf(&line, "[%d=%x]", w.index, w.value.word)
			}
		}
		lines = append(lines, line.String())
	}
	slices.Sort(lines)
	return crypto.Keccak256Hash([]byte("millicent/actions/1\x00" + strings.Join(lines, "\n")))
}

// classify finds what a call to f with these arguments means.
func (c *Catalogue) classify(f *Function, vals []value) (use, bool) {
	for _, u := range c.bySig[f.Signature] {
		if u.holds(vals) {
			return u, true
		}
	}
	return use{}, false
}

// at gives an error of the values below a place in a file, keeping its hint.
func at(file string, pos strict.Pos, field string, err error) error {
	return pos.Errorf(file, field, council.Hint(err), "%v", err)
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// noNames knows no contract.
type noNames struct{}

func (noNames) resolve(string) (common.Address, bool) { return common.Address{}, false }
func (noNames) label(a common.Address) string         { return a.Hex() }
