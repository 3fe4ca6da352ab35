package policy

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/millicent-one/signer/council"
)

type kind uint8

const (
	kindUint kind = iota
	kindInt
	kindAddress
	kindBool
	kindFixedBytes
	kindBytes
	kindString
	kindList  // T[]
	kindArray // T[n]
	kindTuple
)

// abiType is the shape of one parameter. It exists beside go-ethereum's type
// because the strict decoder has to know the one canonical layout before it
// lets a general decoder near the bytes.
type abiType struct {
	kind    kind
	size    int // bits of an integer, bytes of bytesN, length of an array
	elem    *abiType
	fields  []Parameter
	dynamic bool
	words   int // in the head: 1 for a dynamic type
	text    string
}

// Parameter is one parameter of a function, or one field of a struct.
type Parameter struct {
	Name string // as in the signature; "arg1" where it has none
	Type string
	typ  *abiType
}

// Function is one entry of a pinned ABI.
type Function struct {
	Name      string
	Signature string // canonical: no names, no spaces
	Selector  [4]byte
	Params    []Parameter

	named bool // the signature gave names
	args  abi.Arguments
}

// ParseFunction reads a signature as Solidity and block explorers print it,
// with or without names: "pause()", "upgradeToAndCall(address impl, bytes data)",
// "aggregate3((address target, bool allowFailure, bytes callData)[] calls)".
func ParseFunction(s string) (*Function, error) {
	if len(s) > MaxSignature {
		return nil, fmt.Errorf("signature has %d bytes; at most %d", len(s), MaxSignature)
	}
	p := &sigParser{rest: s}
	f, err := p.function()
	if err != nil {
		return nil, council.WithHint(fmt.Errorf("signature %q: %w", s, err), "write it as in the contract's source, such as pause() or grantRole(bytes32 role, address account)")
	}
	return f, nil
}

type sigParser struct{ rest string }

func (p *sigParser) space() { p.rest = strings.TrimLeft(p.rest, " ") }

func (p *sigParser) eat(c byte) bool {
	p.space()
	if p.rest == "" || p.rest[0] != c {
		return false
	}
	p.rest = p.rest[1:]
	return true
}

func (p *sigParser) word() string {
	p.space()
	n := 0
	for n < len(p.rest) && (isLetter(p.rest[n]) || n > 0 && p.rest[n] >= '0' && p.rest[n] <= '9') {
		n++
	}
	w := p.rest[:n]
	p.rest = p.rest[n:]
	return w
}

func isLetter(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || c == '$'
}

func (p *sigParser) function() (*Function, error) {
	f := &Function{Name: p.word()}
	if f.Name == "" {
		return nil, errors.New("no function name")
	}
	if !p.eat('(') {
		return nil, errors.New("no opening bracket after the name")
	}
	var err error
	if f.Params, f.named, err = p.params(1, true); err != nil {
		return nil, err
	}
	if p.space(); p.rest != "" {
		return nil, fmt.Errorf("unexpected %q after the signature", p.rest)
	}
	words := 0
	for i, a := range f.Params {
		words += a.typ.words
		t, err := a.typ.geth()
		if err != nil {
			return nil, err
		}
		f.args = append(f.args, abi.Argument{Name: fmt.Sprintf("a%d", i), Type: t})
	}
	if words > MaxWords {
		return nil, fmt.Errorf("parameters take %d words; at most %d", words, MaxWords)
	}
	m := abi.NewMethod(f.Name, f.Name, abi.Function, "", false, false, f.args, nil)
	f.Signature = m.Sig
	copy(f.Selector[:], m.ID)
	return f, nil
}

// params reads a parameter list up to its closing bracket.
func (p *sigParser) params(depth int, empty bool) (list []Parameter, named bool, err error) {
	if p.eat(')') {
		if !empty {
			return nil, false, errors.New("a struct without fields")
		}
		return nil, false, nil
	}
	seen := map[string]bool{}
	for {
		t, err := p.typ(depth)
		if err != nil {
			return nil, false, err
		}
		name := p.word()
		if name == "calldata" || name == "memory" || name == "payable" {
			name = p.word()
		}
		named = named || name != ""
		if name == "" {
			name = "arg" + strconv.Itoa(len(list)+1)
		}
		if seen[name] {
			return nil, false, fmt.Errorf("two parameters are named %s", name)
		}
		seen[name] = true
		list = append(list, Parameter{Name: name, Type: t.text, typ: t})
		if len(list) > MaxParameters {
			return nil, false, fmt.Errorf("more than %d parameters", MaxParameters)
		}
		if p.eat(')') {
			return list, named, nil
		}
		if !p.eat(',') {
			return nil, false, fmt.Errorf("want a comma or a closing bracket before %q", p.rest)
		}
	}
}

func (p *sigParser) typ(depth int) (*abiType, error) {
	if depth > MaxTypeDepth {
		return nil, fmt.Errorf("types nested deeper than %d", MaxTypeDepth)
	}
	var t *abiType
	if p.eat('(') {
		fields, _, err := p.params(depth+1, false)
		if err != nil {
			return nil, err
		}
		t = &abiType{kind: kindTuple, fields: fields}
		names := make([]string, len(fields))
		for i, f := range fields {
			names[i] = f.Type
			t.dynamic = t.dynamic || f.typ.dynamic
			t.words += f.typ.words
		}
		if t.dynamic {
			t.words = 1
		}
		t.text = "(" + strings.Join(names, ",") + ")"
	} else {
		var err error
		if t, err = elementary(p.word()); err != nil {
			return nil, err
		}
	}
	for p.eat('[') {
		if depth++; depth > MaxTypeDepth {
			return nil, fmt.Errorf("types nested deeper than %d", MaxTypeDepth)
		}
		end := strings.IndexByte(p.rest, ']')
		if end < 0 {
			return nil, errors.New("no closing square bracket")
		}
		n := p.rest[:end]
		p.rest = p.rest[end+1:]
		if n == "" {
			t = &abiType{kind: kindList, elem: t, dynamic: true, words: 1, text: t.text + "[]"}
			continue
		}
		size, err := strconv.Atoi(n)
		if err != nil || size < 1 || size > MaxArray || strconv.Itoa(size) != n {
			return nil, fmt.Errorf("array length %q: want 1 to %d", n, MaxArray)
		}
		t = &abiType{kind: kindArray, size: size, elem: t, dynamic: t.dynamic, words: size * t.words, text: t.text + "[" + n + "]"}
		if t.dynamic {
			t.words = 1
		}
		if t.words > MaxWords {
			return nil, fmt.Errorf("%s takes more than %d words", t.text, MaxWords)
		}
	}
	return t, nil
}

// elementary reads a type without brackets.
func elementary(s string) (*abiType, error) {
	t := &abiType{words: 1, text: s}
	base := strings.TrimRight(s, "0123456789")
	n, _ := strconv.Atoi(s[len(base):])
	t.size = n
	exact := s == base || strconv.Itoa(n) == s[len(base):]
	switch {
	case s == "address":
		t.kind, t.size = kindAddress, 160
	case s == "bool":
		t.kind = kindBool
	case s == "string":
		t.kind, t.dynamic = kindString, true
	case s == "bytes":
		t.kind, t.dynamic = kindBytes, true
	case base == "uint" && exact && n >= 8 && n <= 256 && n%8 == 0:
		t.kind = kindUint
	case base == "int" && exact && n >= 8 && n <= 256 && n%8 == 0:
		t.kind = kindInt
	case base == "bytes" && exact && n >= 1 && n <= 32:
		t.kind = kindFixedBytes
	case s == "uint" || s == "int":
		return nil, fmt.Errorf("type %s has no size; write %s256", s, s)
	default:
		return nil, fmt.Errorf("unknown type %q", s)
	}
	return t, nil
}

// geth builds go-ethereum's type of the same shape.
func (t *abiType) geth() (abi.Type, error) {
	name, parts := t.marshal()
	g, err := abi.NewType(name, "", parts)
	if err != nil {
		return abi.Type{}, fmt.Errorf("type %s: %w", t.text, err)
	}
	return g, nil
}

func (t *abiType) marshal() (string, []abi.ArgumentMarshaling) {
	switch t.kind {
	case kindList:
		n, parts := t.elem.marshal()
		return n + "[]", parts
	case kindArray:
		n, parts := t.elem.marshal()
		return fmt.Sprintf("%s[%d]", n, t.size), parts
	case kindTuple:
		parts := make([]abi.ArgumentMarshaling, len(t.fields))
		for i, f := range t.fields {
			n, sub := f.typ.marshal()
			parts[i] = abi.ArgumentMarshaling{Name: fmt.Sprintf("f%d", i), Type: n, Components: sub}
		}
		return "tuple", parts
	}
	return t.text, nil
}

// param finds a parameter by name.
func (f *Function) param(name string) int {
	return slices.IndexFunc(f.Params, func(p Parameter) bool { return p.Name == name })
}

// String is the signature with its names.
func (f *Function) String() string {
	parts := make([]string, len(f.Params))
	for i, p := range f.Params {
		parts[i] = p.Type
		if f.named {
			parts[i] += " " + p.Name
		}
	}
	return f.Name + "(" + strings.Join(parts, ", ") + ")"
}

// ABIHash pins an ABI: keccak256 over the canonical signatures, sorted, each
// ended by a newline. The names of parameters don't count.
func ABIHash(signatures []string) (common.Hash, error) {
	lines := make([]string, len(signatures))
	for i, s := range signatures {
		f, err := ParseFunction(s)
		if err != nil {
			return common.Hash{}, err
		}
		lines[i] = f.Signature + "\n"
	}
	slices.Sort(lines)
	return crypto.Keccak256Hash([]byte(strings.Join(lines, ""))), nil
}
