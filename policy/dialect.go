package policy

import (
	"fmt"
	"math/big"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/cost"
	"cel.dev/cel-go/common/env"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/overloads"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"

	"github.com/millicent-one/signer/council"
)

// standard is what expressions have of CEL's own library. There is no clock, no
// regular expression, no fraction and no dynamic type among it.
var standard = &env.LibrarySubset{
	IncludeMacros: []string{operators.All, operators.Exists, operators.ExistsOne, operators.Map, operators.Filter},
	IncludeFunctions: func() (list []*env.Function) {
		for _, name := range []string{operators.LogicalAnd, operators.LogicalOr, operators.LogicalNot, operators.Conditional, operators.NotStrictlyFalse,
			operators.Less, operators.LessEquals, operators.Greater, operators.GreaterEquals,
			operators.Add, operators.Subtract, operators.Multiply, operators.Divide, operators.Modulo, operators.Negate,
			operators.In, operators.Index, "size", "contains", "startsWith", "endsWith"} {
			list = append(list, env.NewFunction(name))
		}
		return list
	}(),
}

// dialect makes the language of one chain.
func (x *expressions) dialect(c *Charter, chain uint64) (*dialect, error) {
	if d := x.chains[chain]; d != nil {
		return d, nil
	}
	d := &dialect{types: newProvider(), names: scope{c, chain}}
	opts := []cel.EnvOption{
		cel.CustomTypeAdapter(adapter{}), cel.CustomTypeProvider(d.types),
		cel.StdLib(cel.StdLibSubset(standard)),
		cel.ASTValidators(cel.ValidateHomogeneousAggregateLiterals()),
		cel.ParserRecursionLimit(MaxWhenDepth), cel.ParserExpressionSizeLimit(MaxWhen),
		cel.Variable("call", types.NewObjectType("call")), cel.Variable("tx", types.NewObjectType("tx")),
	}
	for _, op := range []string{operators.Equals, operators.NotEquals} {
		opts = append(opts, cel.Function(op, equality(op)...))
	}
	for _, t := range []*types.Type{celUint, celInt} {
		for _, op := range []string{operators.Less, operators.LessEquals, operators.Greater, operators.GreaterEquals} {
			opts = append(opts, cel.Function(op, infix(op, t, t, types.BoolType), infix(op, t, types.IntType, types.BoolType)))
		}
		for _, op := range []string{operators.Add, operators.Subtract, operators.Multiply, operators.Divide, operators.Modulo} {
			opts = append(opts, cel.Function(op, infix(op, t, t, t), infix(op, t, types.IntType, t)))
		}
	}
	opts = append(opts, cel.Function(operators.Negate, cel.Overload("negate_int256", []*cel.Type{celInt}, celInt)))
	for _, f := range literalFunctions {
		opts = append(opts, cel.Function(f, conversions(f)...))
	}
	var err error
	if d.base, err = cel.NewCustomEnv(opts...); err != nil {
		return nil, fmt.Errorf("expressions: %w", err)
	}
	x.chains[chain] = d
	return d, nil
}

func infix(op string, a, b, result *types.Type) cel.FunctionOpt {
	return cel.Overload(fmt.Sprintf("%s_%s_%s", strings.Trim(op, "_"), a.TypeName(), b.TypeName()), []*cel.Type{a, b}, result)
}

// equality is declared type by type, where CEL's own takes any two values of one
// type: so a literal can be compared with a uint256, and structs and lists,
// whose equality nobody should guess at, with nothing.
func equality(op string) []cel.FunctionOpt {
	var out []cel.FunctionOpt
	for _, t := range []*types.Type{types.BoolType, types.IntType, types.StringType, types.BytesType, celAddress, celUint, celInt} {
		out = append(out, infix(op, t, t, types.BoolType))
	}
	return append(out, infix(op, celUint, types.IntType, types.BoolType), infix(op, celInt, types.IntType, types.BoolType))
}

// conversions make a value of a number, or of a text: the loader puts a value in
// the place of each text, so that there is nothing left to run.
func conversions(function string) []cel.FunctionOpt {
	result := map[string]*types.Type{"uint256": celUint, "int256": celInt, "address": celAddress, "hex": types.BytesType, "keccak": types.BytesType}[function]
	out := []cel.FunctionOpt{cel.Overload(function+"_text", []*cel.Type{types.StringType}, result, cel.UnaryBinding(func(ref.Val) ref.Val {
		return types.NewErr("%s of a text that does not stand in the rule", function)
	}))}
	if result != celUint && result != celInt {
		return out
	}
	for _, from := range []*types.Type{types.IntType, celUint, celInt} {
		out = append(out, cel.Overload(function+"_"+from.TypeName(), []*cel.Type{from}, result, cel.UnaryBinding(func(v ref.Val) ref.Val {
			switch v := v.(type) {
			case types.Int:
				return newNumber(result, big.NewInt(int64(v)))
			case number:
				return newNumber(result, v.n)
			}
			return types.NewErr("no number")
		})))
	}
	return out
}

// sizes bounds how long the things are that the calldata brings.
type sizes struct{}

// EstimateSize implements cost.Estimator.
func (sizes) EstimateSize(n cost.AstNode) *cost.SizeEstimate {
	if n.ComputedSize() != nil {
		return nil
	}
	size := cost.RangedSizeEstimate(0, council.MaxCalldata)
	if n.Type().Kind() == types.ListKind {
		size = cost.RangedSizeEstimate(0, council.MaxCalldata/32)
	}
	return &size
}

// EstimateCallCost implements cost.Estimator.
func (sizes) EstimateCallCost(string, string, *cost.AstNode, []cost.AstNode) *cost.CallEstimate {
	return nil
}

// Counting the characters of a text takes as many steps as comparing it, where
// CEL takes it for one.
var (
	countedEstimates = func() (out []cost.Option) {
		for _, id := range []string{overloads.SizeString, overloads.SizeStringInst} {
			out = append(out, cost.OverloadCostEstimate(id, func(e cost.Estimator, target *cost.AstNode, args []cost.AstNode) *cost.CallEstimate {
				of := target
				if of == nil {
					of = &args[0]
				}
				return cost.NewCallEstimate(cost.EstimateSize(e, *of).MultiplyByCostFactor(0.1), nil)
			}))
		}
		return out
	}()
	countedSteps = func() (out []cost.TrackerOption) {
		for _, id := range []string{overloads.SizeString, overloads.SizeStringInst} {
			out = append(out, cost.OverloadTracker(id, func(args []ref.Val, _ ref.Val) *uint64 {
				s, _ := args[0].(types.String)
				n := 1 + uint64(len(s))/10
				return &n
			}))
		}
		return out
	}()
)

// provider knows the structs: args of each function, the structs in it, call
// and tx.
type provider struct {
	fields map[string][]field // by type
	args   map[string]string  // types of args, by function
}

func newProvider() *provider {
	return &provider{fields: map[string][]field{"call": callFields, "tx": txFields}, args: map[string]string{}}
}

// argsOf is the type of args for a function.
func (p *provider) argsOf(f *Function) *types.Type {
	if f == nil {
		f = &Function{}
	}
	key := f.String()
	if p.args[key] == "" {
		p.args[key] = p.structure(fmt.Sprintf("args%d", len(p.args)+1), f.Params)
	}
	return types.NewObjectType(p.args[key])
}

// structure declares a struct and the structs in it.
func (p *provider) structure(name string, params []Parameter) string {
	list := make([]field, len(params))
	for i, m := range params {
		list[i] = field{m.Name, p.typeOf(name+"."+m.Name, m.typ), func(v any) ref.Val { return v.(*items).at(i) }}
	}
	p.fields[name] = list
	return name
}

func (p *provider) typeOf(name string, t *abiType) *types.Type {
	switch t.kind {
	case kindUint:
		return celUint
	case kindInt:
		return celInt
	case kindAddress:
		return celAddress
	case kindBool:
		return types.BoolType
	case kindFixedBytes, kindBytes:
		return types.BytesType
	case kindString:
		return types.StringType
	case kindTuple:
		return types.NewObjectType(p.structure(name, t.fields))
	}
	return types.NewListType(p.typeOf(name+".item", t.elem))
}

// FindStructType implements types.Provider.
func (p *provider) FindStructType(name string) (*types.Type, bool) {
	if _, ok := p.fields[name]; !ok {
		return nil, false
	}
	return types.NewTypeTypeWithParam(types.NewObjectType(name)), true
}

// FindStructFieldNames implements types.Provider.
func (p *provider) FindStructFieldNames(name string) ([]string, bool) {
	list, ok := p.fields[name]
	out := make([]string, len(list))
	for i, f := range list {
		out[i] = f.name
	}
	return out, ok
}

// FindStructFieldType implements types.Provider.
func (p *provider) FindStructFieldType(name, of string) (*types.FieldType, bool) {
	for _, f := range p.fields[name] {
		if f.name != of {
			continue
		}
		return &types.FieldType{Type: f.typ, IsSet: func(any) bool { return true }, GetFrom: func(v any) (any, error) {
			out := f.get(v)
			if err, ok := out.(*types.Err); ok {
				return nil, err
			}
			return out, nil
		}}, true
	}
	return nil, false
}

// FindIdent implements types.Provider; there are no names beside the variables.
func (p *provider) FindIdent(string) (ref.Val, bool) { return nil, false }

// EnumValue implements types.Provider.
func (p *provider) EnumValue(name string) ref.Val { return types.NewErr("no name %s", name) }

// NewValue implements types.Provider; expressions make no structs.
func (p *provider) NewValue(name string, _ map[string]ref.Val) ref.Val {
	return types.NewErr("no value of %s can be made", name)
}

// adapter passes our values on as they are.
type adapter struct{}

// NativeToValue implements types.Adapter.
func (adapter) NativeToValue(v any) ref.Val {
	if out, ok := v.(ref.Val); ok {
		return out
	}
	return types.DefaultTypeAdapter.NativeToValue(v)
}
