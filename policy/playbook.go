package policy

import (
	"errors"
	"fmt"
	"math/big"
	"slices"

	"go.yaml.in/yaml/v3"

	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/internal/strict"
)

// Playbook is a ready action of the charter: what to call where, with which
// arguments, and up to which cost. It saves a member from hex in an emergency.
type Playbook struct {
	Name     string   `json:"name"`
	Summary  string   `json:"summary"`
	Targets  []string `json:"targets"`  // contracts that it is written for
	Function string   `json:"function"` // signature on the first target
	Params   []Param  `json:"params"`   // what the proposer has to give, in order
	Gas      uint64   `json:"gas"`
	Fee      *big.Int `json:"fee"`      // wei per gas, ceiling
	Tip      *big.Int `json:"tip"`      // wei per gas, ceiling
	Validity uint64   `json:"validity"` // seconds
}

// Param is an argument that a playbook leaves open.
type Param struct {
	Name string `json:"name"`
	Type string `json:"type"`
}

type playbookFile struct {
	Name         strict.Value[string]               `yaml:"name" strict:"required"`
	Summary      strict.Value[string]               `yaml:"summary"`
	Targets      []strict.Value[string]             `yaml:"targets" strict:"required"`
	Function     strict.Value[string]               `yaml:"function" strict:"required"`
	Args         map[string]strict.Value[blankFile] `yaml:"args"`
	Rehearse     map[string]strict.Value[string]    `yaml:"rehearse"`
	ceilingsFile `yaml:",inline"`
}

// blankFile is a fixed argument: a value, or the calldata of another call.
type blankFile struct {
	text string
	call *callFile
}

type callFile struct {
	On       strict.Value[string]               `yaml:"on" strict:"required"`
	Function strict.Value[string]               `yaml:"function" strict:"required"`
	Args     map[string]strict.Value[blankFile] `yaml:"args"`
}

// UnmarshalStrict implements strict.Unmarshaler.
func (b *blankFile) UnmarshalStrict(n *yaml.Node) error {
	switch n.Kind {
	case yaml.ScalarNode:
		b.text = n.Value
		return nil
	case yaml.MappingNode:
		b.call = &callFile{}
		return strict.Sub(n, b.call)
	}
	return errors.New("want a value, or a call with on, function and args")
}

type playbook struct {
	Playbook
	plans    map[string]*plan // by target
	rehearse map[string]string
	pos      strict.Pos
}

// plan is a call with blanks.
type plan struct {
	on    *Contract
	fn    *Function
	blank []blank
}

// blank is how one argument comes about.
type blank struct {
	fixed *value
	call  *plan // its calldata
	param string
}

func (c *Charter) addPlaybooks(list []playbookFile) error {
	if len(list) > MaxPlaybooks {
		return list[MaxPlaybooks].Name.Pos.Errorf(c.file, "playbooks", "remove what nobody rehearses", "%d playbooks; at most %d", len(list), MaxPlaybooks)
	}
	for i, f := range list {
		p := &playbook{plans: map[string]*plan{}, pos: f.Name.Pos}
		path := fmt.Sprintf("playbooks[%d]", i)
		if err := validName(f.Name.V); err != nil {
			return at(c.file, f.Name.Pos, path+".name", err)
		}
		if slices.ContainsFunc(c.playbooks, func(o *playbook) bool { return o.Name == f.Name.V }) {
			return f.Name.Pos.Errorf(c.file, path+".name", "give the playbook another name", "duplicate playbook %q", f.Name.V)
		}
		l, err := readCeilings(c.file, path, f.ceilingsFile, c.limits)
		if err != nil {
			return err
		}
		p.Playbook = Playbook{Name: f.Name.V, Summary: f.Summary.V, Gas: l.gas, Fee: l.fee, Tip: l.tip, Validity: l.validity}
		for j, t := range f.Targets {
			field := fmt.Sprintf("%s.targets[%d]", path, j)
			k := c.byName[t.V]
			if k == nil || p.plans[t.V] != nil {
				known := sortedKeys(c.byName)
				return t.Pos.Errorf(c.file, field, "name each of the charter's contracts at most once: "+listOf(known), "unknown contract %q%s", t.V, mean(t.V, known))
			}
			pl, err := c.plan(path, k, f.Function, f.Args, 0)
			if err != nil {
				return err
			}
			params := pl.params()
			if j > 0 && !slices.Equal(params, p.Params) {
				return t.Pos.Errorf(c.file, field, "write a playbook of its own for it", "playbook %q needs other parameters on %s than on %s", p.Name, t.V, p.Targets[0])
			}
			for i, q := range params {
				if slices.ContainsFunc(params[:i], func(o Param) bool { return o.Name == q.Name }) {
					return f.Name.Pos.Errorf(c.file, path+".args", "give one of the two a fixed value under args", "playbook %q has two parameters %q", p.Name, q.Name)
				}
			}
			p.plans[t.V], p.Params = pl, params
			p.Targets = append(p.Targets, t.V)
			if j == 0 {
				p.Function = pl.fn.String()
			}
		}
		if len(p.Targets) == 0 {
			return f.Name.Pos.Errorf(c.file, path+".targets", "list at least one contract", "playbook %q has no target", p.Name)
		}
		c.playbooks = append(c.playbooks, p)
		if err := c.readRehearsal(path, p, f.Rehearse); err != nil {
			return err
		}
	}
	return nil
}

// plan resolves a call of a playbook against a contract's ABI.
func (c *Charter) plan(path string, k *Contract, function strict.Value[string], args map[string]strict.Value[blankFile], depth int) (*plan, error) {
	fn, err := k.function(function.V)
	if err != nil {
		return nil, at(c.file, function.Pos, path+".function", err)
	}
	if n, ok := never[fn.Selector]; ok && n.unlessNamed == "" {
		return nil, function.Pos.Errorf(c.file, path+".function", "remove the playbook; no policy can allow it", "%s is on the never-list: %s", fn.Signature, n.why)
	}
	for _, name := range sortedKeys(args) {
		if fn.param(name) < 0 {
			v := args[name]
			return nil, v.Pos.Errorf(c.file, path+".args."+name, "name a parameter of the function", "%s has no parameter %q", fn, name)
		}
	}
	p := &plan{on: k, fn: fn, blank: make([]blank, len(fn.Params))}
	for i, q := range fn.Params {
		f, given := args[q.Name]
		switch {
		case !given:
			p.blank[i].param = q.Name
		case f.V.call != nil:
			if q.typ.kind != kindBytes || depth == MaxDepth {
				return nil, f.Pos.Errorf(c.file, path+".args."+q.Name, "only a parameter of type bytes can carry a call", "%s can't carry a call", q.Type)
			}
			on := c.byName[f.V.call.On.V]
			if on == nil {
				known := sortedKeys(c.byName)
				return nil, f.V.call.On.Pos.Errorf(c.file, path+".args."+q.Name+".on", "the charter's contracts are "+listOf(known), "unknown contract %q%s", f.V.call.On.V, mean(f.V.call.On.V, known))
			}
			if p.blank[i].call, err = c.plan(path+".args."+q.Name, on, f.V.call.Function, f.V.call.Args, depth+1); err != nil {
				return nil, err
			}
		default:
			v, err := readValue(q.typ, f.V.text, scope{c, k.Chain})
			if err != nil {
				return nil, at(c.file, f.Pos, path+".args."+q.Name, err)
			}
			p.blank[i].fixed = &v
		}
	}
	return p, nil
}

// function finds a function of the contract by name or signature.
func (c *Contract) function(s string) (*Function, error) {
	var found []*Function
	full, _ := ParseFunction(s)
	for _, f := range c.order {
		if f.Name == s || full != nil && f.Signature == full.Signature {
			found = append(found, f)
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return nil, council.WithHint(fmt.Errorf("%s has no function %q", c.Name, clip(s, 80)), "functions of "+c.Name+": "+listOf(c.Functions()))
	}
	return nil, council.WithHint(fmt.Errorf("%s has %d functions named %s", c.Name, len(found), s), "write the whole signature")
}

func (p *plan) params() []Param {
	var out []Param
	for i, b := range p.blank {
		if b.param != "" {
			out = append(out, Param{b.param, p.fn.Params[i].Type})
		}
		if b.call != nil {
			out = append(out, b.call.params()...)
		}
	}
	return out
}

// fill encodes the call with the proposer's parameters.
func (p *plan) fill(c *Charter, given map[string]string) ([]byte, error) {
	vals := make([]value, len(p.blank))
	for i, b := range p.blank {
		q := p.fn.Params[i]
		switch {
		case b.fixed != nil:
			vals[i] = *b.fixed
		case b.call != nil:
			data, err := b.call.fill(c, given)
			if err != nil {
				return nil, err
			}
			vals[i] = value{typ: q.typ, raw: data}
		default:
			v, err := readValue(q.typ, given[b.param], scope{c, p.on.Chain})
			if err != nil {
				return nil, council.WithHint(fmt.Errorf("parameter %s: %w", q.Name, err), council.Hint(err))
			}
			vals[i] = v
		}
	}
	return p.fn.encode(vals)
}

// Playbooks lists the playbooks in the order of the file.
func (c *Charter) Playbooks() []Playbook {
	out := make([]Playbook, len(c.playbooks))
	for i, p := range c.playbooks {
		out[i] = p.Playbook
		out[i].Targets, out[i].Params = slices.Clone(p.Targets), slices.Clone(p.Params)
		out[i].Fee, out[i].Tip = new(big.Int).Set(p.Fee), new(big.Int).Set(p.Tip)
	}
	return out
}

// Playbook makes the transaction of a playbook, without salt, reason and end of
// validity, and says for how many seconds it should be valid. Params are given
// as people write them. Target may be empty when the playbook has one.
func (c *Charter) Playbook(name, target string, params map[string]string) (council.Transaction, uint64, error) {
	none := func(hint, format string, args ...any) (council.Transaction, uint64, error) {
		return council.Transaction{}, 0, council.WithHint(fmt.Errorf(format, args...), hint)
	}
	i := slices.IndexFunc(c.playbooks, func(p *playbook) bool { return p.Name == name })
	if i < 0 {
		known := make([]string, len(c.playbooks))
		for i, p := range c.playbooks {
			known[i] = p.Name
		}
		return none("the charter's playbooks are "+listOf(known), "unknown playbook %q%s", clip(name, 80), mean(name, known))
	}
	p := c.playbooks[i]
	if target == "" && len(p.Targets) == 1 {
		target = p.Targets[0]
	}
	pl := p.plans[target]
	if pl == nil {
		return none("targets of "+name+": "+listOf(p.Targets), "playbook %s has no target %q%s", name, clip(target, 80), mean(target, p.Targets))
	}
	var known, missing []string
	for _, q := range p.Params {
		known = append(known, q.Name)
		if _, ok := params[q.Name]; !ok {
			missing = append(missing, q.Name+" ("+q.Type+")")
		}
	}
	for _, k := range sortedKeys(params) {
		if !slices.Contains(known, k) {
			return none("parameters of "+name+": "+listOf(known), "playbook %s has no parameter %q%s", name, clip(k, 80), mean(k, known))
		}
	}
	if len(missing) > 0 {
		return none("give each as name=value", "playbook %s needs %s", name, listOf(missing))
	}
	data, err := pl.fill(c, params)
	if err != nil {
		return council.Transaction{}, 0, err
	}
	return council.Transaction{Chain: pl.on.Chain, To: pl.on.Address, Value: new(big.Int), Data: data, MaxGas: p.Gas,
		MaxFeePerGas: new(big.Int).Set(p.Fee), MaxTipPerGas: new(big.Int).Set(p.Tip)}, p.Validity, nil
}
