package policy

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"slices"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/interpreter"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/internal/strict"
)

// expression is a compiled when: of a rule, for one function or for any.
type expression struct {
	text  string // on one line
	place string // file:line:col
	prog  cel.Program

	source string // as written
	means  string // the parameters and addresses that its names stand for
}

// expressions compiles the expressions of one file. What an expression means
// depends on the chain, whose contracts it names, and on the function, whose
// arguments it asks for; one that asks for none is compiled once for a chain.
type expressions struct {
	chains map[uint64]*dialect
	done   map[string]*expression
}

// parsed is an expression before its names have types.
type parsed struct {
	args []mention // parameters that it asks for, in order, each once
}

type mention struct {
	name string
	pos  strict.Pos
}

// dialect is the language on one chain.
type dialect struct {
	base  *cel.Env
	types *provider
	names scope
}

const whenHint = "variables: args.NAME; call.to, call.contract, call.via, call.depth; tx.chain, tx.gas, tx.fee, tx.tip, tx.valid_for, tx.reason; " +
	"numbers are written as 5 to the right of an operator, or as uint256(\"2 gwei\"); addresses as address(\"protocol\"); bytes as hex(\"0x…\") or keccak(\"PAUSER_ROLE\")"

// parse reads an expression, and finds out which arguments it asks for.
func (x *expressions) parse(b *ruleCompiler, w *whenFile) (*parsed, error) {
	if len(w.text) > MaxWhen || strings.TrimSpace(w.text) == "" {
		return nil, b.errorf(w.pos, "when", "split it into several rules, or use args", "when has %d bytes; want 1 to %d", len(strings.TrimSpace(w.text)), MaxWhen)
	}
	d, err := x.dialect(b.c, 0)
	if err != nil {
		return nil, err
	}
	tree, iss := d.base.Parse(w.text)
	if err := d.mistake(b, w, iss); err != nil {
		return nil, err
	}
	p := &parsed{}
	return p, p.look(b, w, tree.NativeRep())
}

// look walks the tree for what the types don't refuse, and for the arguments.
func (p *parsed) look(b *ruleCompiler, w *whenFile, rep *ast.AST) error {
	var wrong error
	fail := func(id int64, hint, format string, args ...any) {
		if wrong == nil {
			at := rep.SourceInfo().GetStartLocation(id)
			wrong = b.errorf(w.at(at.Line(), at.Column()), "when", hint, "when: "+format, args...)
		}
	}
	ast.PreOrderVisit(rep.Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		switch e.Kind() {
		case ast.SelectKind:
			s := e.AsSelect()
			if s.Operand().Kind() != ast.IdentKind || s.Operand().AsIdent() != "args" || slices.ContainsFunc(p.args, func(m mention) bool { return m.name == s.FieldName() }) {
				break
			}
			from := rep.SourceInfo().GetStartLocation(s.Operand().ID())
			p.args = append(p.args, mention{s.FieldName(), w.at(from.Line(), from.Column())})
		case ast.LiteralKind:
			switch e.AsLiteral().(type) {
			case types.Double:
				fail(e.ID(), "write whole numbers; amounts as uint256(\"0.5 ether\")", "no fractions")
			case types.Uint:
				fail(e.ID(), "write it without the u", "whole numbers have no suffix")
			}
		case ast.StructKind, ast.MapKind:
			fail(e.ID(), "compare the fields one by one", "structs and maps are not made here")
		case ast.ComprehensionKind:
			for _, v := range []string{e.AsComprehension().IterVar(), e.AsComprehension().IterVar2()} {
				if slices.Contains([]string{"args", "call", "tx"}, v) {
					fail(e.ID(), "give the item another name, such as x", "%s is the name of something else", v)
				}
			}
		case ast.CallKind:
			c := e.AsCall()
			if !slices.Contains(literalFunctions, c.FunctionName()) || len(c.Args()) != 1 {
				break
			}
			switch a := c.Args()[0]; {
			case a.Kind() == ast.LiteralKind:
			case c.FunctionName() == "int256" || c.FunctionName() == "uint256": // of a number, which the checker sees to
			default:
				fail(a.ID(), "write out the text, in quotes", "%s takes a text that stands in the rule", c.FunctionName())
			}
		}
	}))
	return wrong
}

// lacks names an argument that a function does not have; of the empty
// transaction, where f is nil, all of them.
func (p *parsed) lacks(f *Function) (m mention, lacking bool) {
	for _, m := range p.args {
		if f == nil || f.param(m.name) < 0 {
			return m, true
		}
	}
	return m, false
}

// literalFunctions make values of texts.
var literalFunctions = []string{"uint256", "int256", "address", "hex", "keccak"}

// literal makes a value of a text, which is done when the file is loaded.
func (d *dialect) literal(function, text string) (ref.Val, error) {
	kinds := map[string]*abiType{"uint256": {kind: kindUint, size: 256, text: "uint256"}, "int256": {kind: kindInt, size: 256, text: "int256"},
		"address": {kind: kindAddress, text: "address"}, "hex": {kind: kindBytes, text: "bytes"}}
	t, ok := kinds[function]
	if !ok {
		return types.Bytes(crypto.Keccak256([]byte(text))), nil
	}
	v, err := readValue(t, text, d.names)
	if err != nil {
		return nil, err
	}
	return celValue(&v), nil
}

// mistake gives the first issue that CEL reports its place in the file.
func (d *dialect) mistake(b *ruleCompiler, w *whenFile, iss *cel.Issues) error {
	if iss == nil || iss.Err() == nil {
		return nil
	}
	list := iss.Errors()
	if len(list) == 0 {
		return b.errorf(w.pos, "when", whenHint, "when: %v", iss.Err())
	}
	msg := strings.TrimSuffix(strings.TrimPrefix(list[0].Message, "Syntax error: "), " (in container '')")
	msg, _, _ = strings.Cut(msg, " expecting {") // and a dozen of tokens
	return b.errorf(w.at(list[0].Location.Line(), list[0].Location.Column()), "when", whenHint, "when: %s", oneLine(msg))
}

// compile gives an expression types for one function, bounds what it may cost
// and makes it ready to run.
func (x *expressions) compile(b *ruleCompiler, w *whenFile, p *parsed, chain uint64, fn *Function) (*expression, error) {
	key := fmt.Sprintf("%s|%d", b.path, chain)
	if len(p.args) > 0 {
		key += "|" + fn.String()
	}
	if e := x.done[key]; e != nil {
		return e, nil
	}
	if len(x.done) >= MaxPrograms {
		return nil, b.errorf(w.pos, "when", "name the actions and contracts that are meant, or use args", "the conditions of this file are about more than %d functions", MaxPrograms)
	}
	d, err := x.dialect(b.c, chain)
	if err != nil {
		return nil, err
	}
	env, err := d.base.Extend(cel.Variable("args", d.types.argsOf(fn)))
	if err != nil {
		return nil, b.errorf(w.pos, "when", whenHint, "when: %v", err)
	}
	checked, iss := env.Compile(w.text)
	if err := d.mistake(b, w, iss); err != nil {
		return nil, err
	}
	if checked.OutputType() != cel.BoolType {
		return nil, b.errorf(w.pos, "when", "compare it with something, so that it is true or false", "when: is of type %s", checked.OutputType())
	}
	means, err := d.readLiterals(b, w, checked)
	if err != nil {
		return nil, err
	}
	for _, m := range p.args {
		if i := fn.param(m.name); i >= 0 {
			means += fmt.Sprintf(" %s=%d %s", m.name, i, fn.Params[i].typ.written())
		}
	}
	cost, err := env.EstimateCost(checked, sizes{}, countedEstimates...)
	if err != nil {
		return nil, b.errorf(w.pos, "when", whenHint, "when: %v", err)
	}
	if cost.Max > MaxWhenEstimate {
		return nil, b.errorf(w.pos, "when", "don't walk through a list within a list, and bound what is joined; or use args with any and all", "when: could cost %s steps; at most %d", steps(cost.Max), MaxWhenEstimate)
	}
	prog, err := env.Program(checked, cel.EvalOptions(cel.OptOptimize, cel.OptTrackCost), cel.CostLimit(MaxWhenCost), cel.CostTrackerOptions(countedSteps...))
	if err != nil {
		return nil, b.errorf(w.pos, "when", whenHint, "when: %v", err)
	}
	e := &expression{text: oneLine(w.text), place: fmt.Sprintf("%s:%d:%d", b.file, w.pos.Line, w.pos.Col), prog: prog, source: w.text, means: means}
	x.done[key] = e
	return e, nil
}

func steps(n uint64) string {
	if n == math.MaxUint64 {
		return "any number of"
	}
	return fmt.Sprint(n)
}

// readLiterals puts values in the place of the texts that stand for them, and
// lists the addresses among them.
func (d *dialect) readLiterals(b *ruleCompiler, w *whenFile, checked *cel.Ast) (means string, wrong error) {
	rep := checked.NativeRep()
	ast.PostOrderVisit(rep.Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		if e.Kind() != ast.CallKind || wrong != nil {
			return
		}
		c := e.AsCall()
		if !slices.Contains(literalFunctions, c.FunctionName()) || c.Args()[0].Kind() != ast.LiteralKind {
			return
		}
		text, ok := c.Args()[0].AsLiteral().(types.String)
		if !ok {
			return
		}
		v, err := d.literal(c.FunctionName(), string(text))
		if err != nil {
			from := rep.SourceInfo().GetStartLocation(c.Args()[0].ID())
			hint := council.Hint(err)
			if c.FunctionName() == "address" {
				hint = d.names.hint(string(text), err)
			}
			wrong = b.errorf(w.at(from.Line(), from.Column()), "when", hint, "when: %v", err)
			return
		}
		if a, ok := v.(account); ok {
			means += " " + a.a.Hex()
		}
		e.SetKindCase(ast.NewExprFactory().NewLiteral(e.ID(), v))
	}))
	return means, wrong
}

// scene is what an expression sees: one call of one transaction.
type scene struct {
	e    *evaluation
	call *Call
	args ref.Val
	self ref.Val // call and tx
}

func newScene(e *evaluation, c *Call) *scene {
	s := &scene{e: e, call: c, args: structure{of: &items{from: c.values}}}
	s.self = structure{of: s}
	return s
}

// ResolveName implements cel.Activation.
func (s *scene) ResolveName(name string) (any, bool) {
	switch name {
	case "args":
		return s.args, true
	case "call", "tx":
		return s.self, true
	}
	return nil, false
}

// Parent implements cel.Activation.
func (s *scene) Parent() cel.Activation { return nil }

// asks evaluates an expression for a call; nil, for a rule without one, holds.
// All expressions of one evaluation share a budget.
func (e *evaluation) asks(x *expression, c *Call) verdict {
	if x == nil {
		return verdict{holds: true}
	}
	if e.spent >= MaxWhenTotal {
		return verdict{fault: "the conditions of all rules together cost too much for this transaction"}
	}
	if e.scene == nil || e.scene.call != c {
		e.scene = newScene(e, c)
	}
	out, det, err := x.prog.Eval(e.scene)
	spent := uint64(MaxWhenCost)
	if cost := det.ActualCost(); cost != nil {
		spent = *cost
	}
	e.spent += spent
	if err != nil {
		if cancelled := (interpreter.EvalCancelledError{}); errors.As(err, &cancelled) {
			return verdict{fault: fmt.Sprintf("it costs more than %d steps", MaxWhenCost)}
		}
		return verdict{fault: oneLine(err.Error())}
	}
	b, ok := out.(types.Bool)
	if !ok {
		return verdict{fault: "it is neither true nor false"}
	}
	return verdict{holds: bool(b)}
}

// field reads one field of call or tx.
type field struct {
	name string
	typ  *types.Type
	get  func(any) ref.Val
}

var callFields = []field{
	{"to", celAddress, func(v any) ref.Val { return account{a: v.(*scene).call.To} }},
	{"contract", types.StringType, func(v any) ref.Val { return types.String(v.(*scene).call.Contract) }},
	{"via", types.StringType, func(v any) ref.Val { return types.String(v.(*scene).call.Via) }},
	{"depth", types.IntType, func(v any) ref.Val {
		if p := v.(*scene).call.Path; p != "" {
			return types.Int(1 + strings.Count(p, "."))
		}
		return types.Int(0)
	}},
}

// Chain is an int: EIP-2294 keeps chain ids below 2^63.
var txFields = []field{
	{"chain", types.IntType, func(v any) ref.Val {
		if id := v.(*scene).e.t.Chain; id <= math.MaxInt64 {
			return types.Int(id)
		}
		return types.NewErr("chain id above 2^63")
	}},
	{"gas", celUint, func(v any) ref.Val { return number{n: new(big.Int).SetUint64(v.(*scene).e.t.MaxGas), typ: celUint} }},
	{"fee", celUint, func(v any) ref.Val { return newNumber(celUint, v.(*scene).e.t.MaxFeePerGas) }},
	{"tip", celUint, func(v any) ref.Val { return newNumber(celUint, v.(*scene).e.t.MaxTipPerGas) }},
	{"valid_for", celUint, func(v any) ref.Val {
		e := v.(*scene).e
		left := uint64(0)
		if e.t.ValidUntil > e.in.Now {
			left = e.t.ValidUntil - e.in.Now
		}
		return number{n: new(big.Int).SetUint64(left), typ: celUint}
	}},
	{"reason", types.StringType, func(v any) ref.Val { return types.String(v.(*scene).e.t.Reason) }},
}

var _ strict.Unmarshaler = (*whenFile)(nil)
