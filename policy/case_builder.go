package policy

import (
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"strconv"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"go.yaml.in/yaml/v3"

	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/internal/strict"
)

// caseBuilder makes a case's intent and facts by a charter.
type caseBuilder struct {
	file string
	path string
	c    *caseYAML
	ch   *Charter
	now  uint64 // unix seconds
}

func (b *caseBuilder) errorf(pos strict.Pos, field, hint, format string, args ...any) error {
	return pos.Errorf(b.file, b.path+"."+field, hint, format, args...)
}

func (b *caseBuilder) at(pos strict.Pos, field string, err error) error {
	return at(b.file, pos, b.path+"."+field, err)
}

// chain is the one that the case names, else that of the contract it calls, else
// the charter's with the lowest id.
func (b *caseBuilder) chain() uint64 {
	if b.c.Chain.V != 0 {
		return b.c.Chain.V
	}
	if k := b.ch.byName[b.c.To.V]; k != nil {
		return k.Chain
	}
	return sortedChains(b.ch.chains)[0]
}

// input is what the case gives to Evaluate.
func (b *caseBuilder) input() (Input, error) {
	c := b.c
	if err := b.clock(); err != nil {
		return Input{}, err
	}
	in := Input{From: caseFrom, Now: b.now, Head: caseHead}
	chain := b.chain()
	valid := uint64(3600)
	if c.Valid.Pos.Set() {
		var err error
		if valid, err = ParseSeconds(c.Valid.V); err != nil {
			return in, b.at(c.Valid.Pos, "valid", err)
		}
	}
	var err error
	switch {
	case c.Statement.Pos.Set():
		in.Intent = council.Statement{Text: c.Statement.V, ValidUntil: b.now + valid, Reason: c.Reason.V}
	case c.TypedData.Pos.Set():
		in.Intent = council.TypedData{Chain: chain, Document: []byte(c.TypedData.V), ValidUntil: b.now + valid, Reason: c.Reason.V}
	default:
		if in.Intent, err = b.transaction(chain, valid); err != nil {
			return in, err
		}
	}
	if t, ok := in.Intent.(council.Transaction); ok {
		chain = t.Chain
	}
	if in.Facts, err = b.facts(chain, in.Intent); err == nil {
		in.History, err = b.history()
	}
	return in, err
}

func (b *caseBuilder) transaction(chain, valid uint64) (council.Transaction, error) {
	c := b.c
	t := council.Transaction{Chain: chain, Value: new(big.Int), MaxGas: 100_000, MaxFeePerGas: big.NewInt(50e9), MaxTipPerGas: big.NewInt(1e9)}
	if c.Playbook.Pos.Set() {
		params := map[string]string{}
		for _, k := range sortedKeys(c.Params) {
			params[k] = c.Params[k].V
		}
		made, seconds, err := b.ch.Playbook(c.Playbook.V, c.To.V, params)
		if err != nil {
			return t, b.at(c.Playbook.Pos, "playbook", err)
		}
		t = made
		if !c.Valid.Pos.Set() {
			valid = seconds
		}
	} else {
		to, err := b.address(c.To, "to", chain)
		if err != nil {
			return t, err
		}
		t.To = to
		if t.Data, err = b.calldata(c, scope{b.ch, chain}, "", 0); err != nil {
			return t, err
		}
	}
	var err error
	if t.Expect, err = b.expected(c.Expect, "expect"); err != nil {
		return t, err
	}
	t.ValidUntil, t.Reason = b.now+valid, c.Reason.V
	if c.Gas.Pos.Set() {
		t.MaxGas = c.Gas.V
	}
	for _, a := range []struct {
		name string
		from strict.Value[string]
		to   **big.Int
	}{{"value", c.Value, &t.Value}, {"fee", c.Fee, &t.MaxFeePerGas}, {"tip", c.Tip, &t.MaxTipPerGas}} {
		if !a.from.Pos.Set() {
			continue
		}
		v, err := ParseWei(a.from.V)
		if err != nil {
			return t, b.at(a.from.Pos, a.name, err)
		}
		*a.to = v
	}
	return t, nil
}

// address reads a contract's name, an address, or council.
func (b *caseBuilder) address(s strict.Value[string], field string, chain uint64) (common.Address, error) {
	if s.V == councilName {
		return caseFrom, nil
	}
	if a, ok := (scope{b.ch, chain}).resolve(s.V); ok {
		return a, nil
	}
	if !strings.HasPrefix(s.V, "0x") {
		return common.Address{}, b.errorf(s.Pos, field, "name a contract of the charter on chain "+strconv.FormatUint(chain, 10)+", an address, or council", "unknown contract %q%s", clip(s.V, 80), mean(s.V, sortedKeys(b.ch.byName)))
	}
	text := s.V
	if common.IsHexAddress(text) && text == strings.ToLower(text) { // no checksum was written; a case moves no money
		text = common.HexToAddress(text).Hex()
	}
	a, err := ParseAddress(text)
	if err != nil {
		return a, b.at(s.Pos, field, err)
	}
	return a, nil
}

// calldata encodes a call, and spoils it where the case says so.
func (b *caseBuilder) calldata(c *caseYAML, s scope, path string, depth int) ([]byte, error) {
	if depth > MaxDepth+1 {
		return nil, b.errorf(c.Call.Pos, path+"args", "write the calldata in hex", "calls within calls deeper than %d", MaxDepth+1)
	}
	data, err := b.hex(c.Data, path+"data")
	if err != nil {
		return nil, err
	}
	if c.Call.Pos.Set() {
		f, err := ParseFunction(c.Call.V)
		if err != nil {
			return nil, b.at(c.Call.Pos, path+"call", err)
		}
		if len(c.Args) != len(f.Params) {
			return nil, b.errorf(c.Call.Pos, path+"args", "give as many as the function takes", "%d arguments for %s", len(c.Args), f)
		}
		vals := make([]value, len(c.Args))
		for i := range c.Args {
			if vals[i], err = b.value(f.Params[i].typ, &c.Args[i], s, fmt.Sprintf("%sargs[%d]", path, i), depth); err != nil {
				return nil, err
			}
		}
		if data, err = f.encode(vals); err != nil {
			return nil, b.at(c.Call.Pos, path+"args", err)
		}
	}
	for _, at := range sortedKeys(c.Set) {
		v := c.Set[at]
		i, err := strconv.Atoi(at)
		bytes, bad := b.hex(v, path+"set")
		switch {
		case err != nil:
			return nil, b.errorf(v.Pos, path+"set", "write the place as a number that counts bytes from 0", "place %q is no number", clip(at, 40))
		case bad != nil:
			return nil, bad
		case i < 0 || i+len(bytes) > len(data):
			return nil, b.errorf(v.Pos, path+"set", fmt.Sprintf("the calldata has %d bytes", len(data)), "place %d lies outside the calldata", i)
		}
		copy(data[i:], bytes)
	}
	tail, err := b.hex(c.Append, path+"append")
	return append(data, tail...), err
}

func (b *caseBuilder) hex(s strict.Value[string], field string) ([]byte, error) {
	out, err := hex.DecodeString(strings.TrimPrefix(s.V, "0x"))
	if err != nil || s.V != "" && !strings.HasPrefix(s.V, "0x") {
		return nil, b.errorf(s.Pos, field, "write 0x and an even number of hex digits", "%q is not hex", clip(s.V, 80))
	}
	return out, nil
}

// value makes a value of a type: lists are for lists and structs, a mapping
// {call, args} is for calldata within bytes.
func (b *caseBuilder) value(typ *abiType, n *yaml.Node, s scope, path string, depth int) (value, error) {
	v := value{typ: typ}
	wrong := func(format string, args ...any) (value, error) {
		return v, b.errorf(strict.PosOf(n), path, "a list or a struct is written as a list, calldata within bytes as {call: …, args: […]}", format, args...)
	}
	switch n.Kind {
	case yaml.SequenceNode:
		want := -1
		switch typ.kind {
		case kindList:
		case kindArray:
			want = typ.size
		case kindTuple:
			want = len(typ.fields)
		default:
			return wrong("a list for a value of type %s", typ.text)
		}
		if want >= 0 && len(n.Content) != want {
			return wrong("%d values for %s; want %d", len(n.Content), typ.text, want)
		}
		for i, k := range n.Content {
			e := typ.elem
			if typ.kind == kindTuple {
				e = typ.fields[i].typ
			}
			it, err := b.value(e, k, s, fmt.Sprintf("%s[%d]", path, i), depth)
			if err != nil {
				return v, err
			}
			v.items = append(v.items, it)
		}
		return v, nil
	case yaml.MappingNode:
		if typ.kind != kindBytes {
			return wrong("a call for a value of type %s", typ.text)
		}
		var in struct {
			Call   strict.Value[string]            `yaml:"call"`
			Args   []yaml.Node                     `yaml:"args"`
			Data   strict.Value[string]            `yaml:"data"`
			Append strict.Value[string]            `yaml:"append"`
			Set    map[string]strict.Value[string] `yaml:"set"`
		}
		if err := strict.Sub(n, &in); err != nil {
			var e *strict.Error
			if !errors.As(err, &e) {
				return v, b.at(strict.PosOf(n), path, err)
			}
			e.File, e.Field = b.file, b.path+"."+path+"."+e.Field
			return v, e
		}
		var err error
		v.raw, err = b.calldata(&caseYAML{Call: in.Call, Args: in.Args, Data: in.Data, Append: in.Append, Set: in.Set}, s, path+".", depth+1)
		return v, err
	case yaml.ScalarNode:
	default:
		return wrong("no value of type %s", typ.text)
	}
	text := n.Value
	if typ.kind == kindAddress && text == councilName {
		text = caseFrom.Hex()
	}
	v, err := readValue(typ, text, s)
	if err != nil {
		return v, b.at(strict.PosOf(n), path, err)
	}
	return v, nil
}

// facts are what the case says the chain says. What it does not mention is well:
// the simulation runs, and the facts are of the newest block.
func (b *caseBuilder) facts(chain uint64, in council.Intent) (council.Facts, error) {
	w := b.c.Facts
	f := council.Facts{Chain: chain, Block: caseHead, Answers: map[council.Query]council.Answer{}}
	if w.Block != 0 {
		f.Block = w.Block
	}
	if w.Chain != 0 {
		f.Chain = w.Chain
	}
	if w.Simulation != "none" {
		ok := w.Simulation == "" || w.Simulation == "ok"
		a := council.Answer{OK: ok, Detail: w.Simulation}
		if err := b.shown(&a, in, chain); err != nil {
			return f, err
		}
		f.Answers[council.Query{Kind: council.QuerySimulation}] = a
	}
	for _, name := range sortedKeys(w.Code) {
		v := w.Code[name]
		at, err := b.address(strict.Value[string]{V: name, Pos: v.Pos}, "facts.code", chain)
		if err != nil {
			return f, err
		}
		h, err := parseHash(v.V)
		if err != nil {
			return f, b.at(v.Pos, "facts.code", err)
		}
		f.Answers[council.Query{Kind: council.QueryCodeHash, Address: at}] = council.Answer{Word: h}
	}
	return f, b.pins(f, chain)
}
