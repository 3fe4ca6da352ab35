package policy

import (
	"fmt"
	"math/big"
	"reflect"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
	"github.com/ethereum/go-ethereum/common"
)

// The types that CEL lacks. Every uintN is a uint256 and every intN an int256,
// as every one of them fits; arithmetic that leaves the type is an error.
var (
	celUint    = types.NewObjectType("uint256", traits.ComparerType|traits.AdderType|traits.SubtractorType|traits.MultiplierType|traits.DividerType|traits.ModderType)
	celInt     = types.NewObjectType("int256", traits.ComparerType|traits.AdderType|traits.SubtractorType|traits.MultiplierType|traits.DividerType|traits.ModderType|traits.NegatorType)
	celAddress = types.NewObjectType("address")
	celStruct  = types.NewObjectType("struct")
)

// opaque answers what no expression can ask of our values.
type opaque struct{}

func (opaque) ConvertToNative(t reflect.Type) (any, error) {
	return nil, fmt.Errorf("no conversion to %v", t)
}

func (opaque) ConvertToType(t ref.Type) ref.Val {
	return types.NewErr("no conversion to %s", t.TypeName())
}

// number is a uint256 or an int256.
type number struct {
	opaque
	n   *big.Int // never changed
	typ *types.Type
}

var (
	minInt256 = new(big.Int).Neg(new(big.Int).Lsh(big.NewInt(1), 255))
	maxInt256 = new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 255), big.NewInt(1))
)

// newNumber refuses what the type can't hold.
func newNumber(typ *types.Type, n *big.Int) ref.Val {
	if typ == celUint && (n.Sign() < 0 || n.Cmp(two256) >= 0) || typ == celInt && (n.Cmp(minInt256) < 0 || n.Cmp(maxInt256) > 0) {
		return types.NewErr("%s overflow", typ.TypeName())
	}
	return number{n: n, typ: typ}
}

func (a number) Type() ref.Type { return a.typ }
func (a number) Value() any     { return a.n }

// with finds the other operand, which may be a literal.
func (a number) with(o ref.Val, f func(b *big.Int) ref.Val) ref.Val {
	switch o := o.(type) {
	case number:
		if o.typ == a.typ {
			return f(o.n)
		}
	case types.Int:
		return f(big.NewInt(int64(o)))
	}
	return types.NewErr("%s with %s", a.typ.TypeName(), o.Type().TypeName())
}

func (a number) Equal(o ref.Val) ref.Val {
	return a.with(o, func(b *big.Int) ref.Val { return types.Bool(a.n.Cmp(b) == 0) })
}

func (a number) Compare(o ref.Val) ref.Val {
	return a.with(o, func(b *big.Int) ref.Val { return types.Int(a.n.Cmp(b)) })
}

func (a number) Add(o ref.Val) ref.Val {
	return a.with(o, func(b *big.Int) ref.Val { return newNumber(a.typ, new(big.Int).Add(a.n, b)) })
}

func (a number) Subtract(o ref.Val) ref.Val {
	return a.with(o, func(b *big.Int) ref.Val { return newNumber(a.typ, new(big.Int).Sub(a.n, b)) })
}

func (a number) Multiply(o ref.Val) ref.Val {
	return a.with(o, func(b *big.Int) ref.Val { return newNumber(a.typ, new(big.Int).Mul(a.n, b)) })
}

// Divide rounds towards zero, as Solidity does.
func (a number) Divide(o ref.Val) ref.Val {
	return a.with(o, func(b *big.Int) ref.Val {
		if b.Sign() == 0 {
			return types.NewErr("division by zero")
		}
		return newNumber(a.typ, new(big.Int).Quo(a.n, b))
	})
}

func (a number) Modulo(o ref.Val) ref.Val {
	return a.with(o, func(b *big.Int) ref.Val {
		if b.Sign() == 0 {
			return types.NewErr("division by zero")
		}
		return newNumber(a.typ, new(big.Int).Rem(a.n, b))
	})
}

func (a number) Negate() ref.Val { return newNumber(a.typ, new(big.Int).Neg(a.n)) }

// account is an address.
type account struct {
	opaque
	a common.Address
}

func (a account) Type() ref.Type { return celAddress }
func (a account) Value() any     { return a.a }
func (a account) Equal(o ref.Val) ref.Val {
	b, ok := o.(account)
	return types.Bool(ok && a.a == b.a)
}

// structure is a struct, and so are args, call and tx; its fields are read by
// the getters that the provider hands out.
type structure struct {
	opaque
	of any // *items or *scene
}

func (s structure) Type() ref.Type { return celStruct }
func (s structure) Value() any     { return s.of }
func (s structure) Equal(o ref.Val) ref.Val {
	return types.NewErr("structs are compared field by field")
}

// items are the values in a struct, a list or the arguments of a call. Each is
// converted once, when it is first asked for: however an expression walks, what
// it converts is never more than the calldata.
type items struct {
	from []value
	made []ref.Val
}

func (x *items) at(i int) ref.Val {
	if x.made == nil {
		x.made = make([]ref.Val, len(x.from))
	}
	if x.made[i] == nil {
		x.made[i] = celValue(&x.from[i])
	}
	return x.made[i]
}

// sequence is a list or an array.
type sequence struct {
	opaque
	*items
}

func (s sequence) Type() ref.Type { return types.ListType }
func (s sequence) Value() any     { return s }
func (s sequence) Size() ref.Val  { return types.Int(len(s.from)) }

func (s sequence) Equal(o ref.Val) ref.Val { return types.NewErr("lists are compared item by item") }
func (s sequence) Add(o ref.Val) ref.Val   { return types.NewErr("lists are not joined") }

func (s sequence) Get(i ref.Val) ref.Val {
	n, ok := i.(types.Int)
	if !ok || n < 0 || int64(n) >= int64(len(s.from)) {
		return types.NewErr("no item %v in a list of %d", i.Value(), len(s.from))
	}
	return s.at(int(n))
}

func (s sequence) Contains(o ref.Val) ref.Val {
	for i := range s.from {
		switch eq := types.Equal(s.at(i), o); {
		case types.IsError(eq):
			return eq
		case eq == types.True:
			return types.True
		}
	}
	return types.False
}

func (s sequence) Iterator() traits.Iterator { return &cursor{items: s.items} }

type cursor struct {
	opaque
	items *items
	next  int
}

func (c *cursor) Type() ref.Type          { return types.IteratorType }
func (c *cursor) Value() any              { return c }
func (c *cursor) Equal(o ref.Val) ref.Val { return types.Bool(o == ref.Val(c)) }
func (c *cursor) HasNext() ref.Val        { return types.Bool(c.next < len(c.items.from)) }
func (c *cursor) Next() ref.Val {
	if c.next >= len(c.items.from) {
		return nil
	}
	c.next++
	return c.items.at(c.next - 1)
}

// celValue is a decoded argument as expressions see it. Bytes are not copied; no
// room is left behind them for anybody to append to.
func celValue(v *value) ref.Val {
	switch v.typ.kind {
	case kindUint:
		return number{n: v.number(), typ: celUint}
	case kindInt:
		return number{n: v.number(), typ: celInt}
	case kindAddress:
		return account{a: v.address()}
	case kindBool:
		return types.Bool(v.word[31] == 1)
	case kindFixedBytes:
		return types.Bytes(v.word[:v.typ.size:v.typ.size])
	case kindBytes:
		return types.Bytes(v.raw[:len(v.raw):len(v.raw)])
	case kindString:
		return types.String(v.raw)
	case kindTuple:
		return structure{of: &items{from: v.items}}
	}
	return sequence{items: &items{from: v.items}}
}
