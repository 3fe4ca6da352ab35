package policy

import (
	"bytes"
	"math/big"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"pgregory.net/rapid"

	"github.com/millicent-one/signer/council"
)

// drawType makes a random type, as text.
func drawType(t *rapid.T, depth int) string {
	plain := []string{"address", "bool", "uint8", "uint40", "uint256", "int24", "int256", "bytes1", "bytes4", "bytes32", "bytes", "string"}
	if depth == 0 {
		return rapid.SampledFrom(plain).Draw(t, "type")
	}
	switch rapid.IntRange(0, 4).Draw(t, "shape") {
	case 0:
		return drawType(t, depth-1) + "[]"
	case 1:
		return drawType(t, depth-1) + "[2]"
	case 2:
		return "(" + drawType(t, depth-1) + "," + drawType(t, depth-1) + ")"
	}
	return rapid.SampledFrom(plain).Draw(t, "type")
}

func drawValue(t *rapid.T, typ *abiType) value {
	v := value{typ: typ}
	switch typ.kind {
	case kindBytes, kindString:
		v.raw = rapid.SliceOfN(rapid.Byte(), 0, 70).Draw(t, "bytes")
	case kindList, kindArray:
		n := typ.size
		if typ.kind == kindList {
			n = rapid.IntRange(0, 3).Draw(t, "length")
		}
		for range n {
			v.items = append(v.items, drawValue(t, typ.elem))
		}
	case kindTuple:
		for _, f := range typ.fields {
			v.items = append(v.items, drawValue(t, f.typ))
		}
	case kindFixedBytes:
		copy(v.word[:], rapid.SliceOfN(rapid.Byte(), typ.size, typ.size).Draw(t, "word"))
	case kindBool:
		v.word[31] = byte(rapid.IntRange(0, 1).Draw(t, "bool"))
	default:
		b := rapid.SliceOfN(rapid.Byte(), typ.size/8, typ.size/8).Draw(t, "word")
		if typ.kind == kindInt && b[0]&0x80 != 0 {
			copy(v.word[:], bytes.Repeat([]byte{0xff}, 32))
		}
		copy(v.word[32-len(b):], b)
	}
	return v
}

// Encoding and decoding are inverse, and go-ethereum agrees with every byte
// (decode compares). Any single changed bit either is refused or gives another
// canonical encoding, which go-ethereum then confirms.
func TestCodecAgreesWithGethOnRandomTypes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 3).Draw(t, "params")
		types := make([]string, n)
		for i := range types {
			types[i] = drawType(t, 2)
		}
		f, err := ParseFunction("f(" + strings.Join(types, ",") + ")")
		if err != nil {
			t.Fatal(err)
		}
		vals := make([]value, n)
		for i := range vals {
			vals[i] = drawValue(t, f.Params[i].typ)
		}
		data, err := f.encode(vals)
		if err != nil {
			t.Fatal(err)
		}
		args := data[4:]
		got, err := f.decode(args)
		if err != nil {
			t.Fatalf("%s: %v", f.Signature, err)
		}
		if !bytes.Equal(encodeSequence(got), args) {
			t.Fatalf("%s: decoded to other values", f.Signature)
		}
		if _, err := f.decode(append(bytes.Clone(args), make([]byte, 32)...)); err == nil {
			t.Fatalf("%s: a trailing word is accepted", f.Signature)
		}
		if len(args) > 0 {
			i := rapid.IntRange(0, len(args)*8-1).Draw(t, "bit")
			args[i/8] ^= 1 << (i % 8)
			if got, err := f.decode(args); err == nil && !bytes.Equal(encodeSequence(got), args) {
				t.Fatalf("%s: a changed bit decodes to what encodes otherwise", f.Signature)
			}
		}
	})
}

// Overlapping offsets are how a few kilobytes are made to unpack to gigabytes.
// The walk refuses them before go-ethereum sees a byte.
func TestOverlappingOffsetsAreCheap(t *testing.T) {
	f := sig("f(uint256[][][] x)")
	n := 1000
	var data []byte
	data = append(data, wordOf(32)...)
	for range 3 {
		data = append(data, wordOf(n)...)
		for range n {
			data = append(data, wordOf(32*n)...)
		}
	}
	if allocs := testing.AllocsPerRun(1, func() {
		if _, err := f.decode(data); err == nil {
			t.Error("overlapping offsets are accepted")
		}
	}); allocs > 5000 {
		t.Errorf("%v allocations to refuse %d bytes", allocs, len(data))
	}
}

func TestSignatures(t *testing.T) {
	for s, want := range map[string]string{
		"f()": "f()", " f ( uint256 a , bytes calldata b ) ": "f(uint256,bytes)", "g((address to, uint8[2][] x)[] calls)": "g((address,uint8[2][])[])", "$_x1(bytes32)": "$_x1(bytes32)",
	} {
		f, err := ParseFunction(s)
		if err != nil || f.Signature != want {
			t.Errorf("%q: %v, %v; want %s", s, f, err, want)
		}
	}
	for _, s := range []string{"", "f", "f(", "f(uint256", "f(uint256,)", "f(,)", "f())", "f(uint)", "f(uint7)", "f(uint08)", "f(uint264)", "f(bytes0)", "f(bytes33)", "f(bytes01)", "f(tuple)", "f(())",
		"f(uint8[0])", "f(uint8[65])", "f(uint8[02])", "f(uint8[-1])", "f(uint8[)", "f(uint8 a, uint8 a)", "f(uint8[64][64][64])", "f(uint8[][][][][])", "1f()", "f() view",
		"f(" + strings.Repeat("uint8,", 40) + "uint8)", strings.Repeat("f", MaxSignature+1), "f(ufixed128x18)", "f(function)", "é()"} {
		if f, err := ParseFunction(s); err == nil {
			t.Errorf("%q is read as %s", s, f)
		} else if council.Hint(err) == "" && len(s) < MaxSignature {
			t.Errorf("%q: no hint", s)
		}
	}
}

func TestUnits(t *testing.T) {
	ether := new(big.Int).Exp(big.NewInt(10), big.NewInt(18), nil)
	for s, want := range map[string]*big.Int{"0": new(big.Int), "1 wei": big.NewInt(1), "2 gwei": big.NewInt(2e9), "0.5 ether": new(big.Int).Div(ether, big.NewInt(2)),
		"1 ether": ether, "0.000000001 gwei": big.NewInt(1), "1.5  gwei": big.NewInt(15e8)} {
		if v, err := ParseWei(s); err != nil || v.Cmp(want) != 0 {
			t.Errorf("%q is %v, %v; want %v", s, v, err, want)
		}
	}
	for _, s := range []string{"", "1", "-1 wei", "1gwei", "1 eth", "0.5 wei", "1. gwei", ".5 gwei", "1e3 wei", "0x1 wei", "1 gwei 2", "1.0000000001 gwei", strings.Repeat("9", 70) + " ether"} {
		if v, err := ParseWei(s); err == nil || council.Hint(err) == "" {
			t.Errorf("%q is read as %v (%v)", s, v, err)
		}
	}
	for s, want := range map[string]uint64{"90s": 90, "30m": 1800, "24h": 86400, "7d": 604800, "1h30m": 5400} {
		if v, err := ParseSeconds(s); err != nil || v != want {
			t.Errorf("%q is %v, %v; want %v", s, v, err, want)
		}
	}
	for _, s := range []string{"", "0s", "-1h", "24", "1.5s", "1w", "400d", "99999999d", "d", "1d2h"} {
		if v, err := ParseSeconds(s); err == nil || council.Hint(err) == "" {
			t.Errorf("%q is read as %v (%v)", s, v, err)
		}
	}
	for want, v := range map[string]*big.Int{"0 wei": new(big.Int), "1 wei": big.NewInt(1), "2 gwei": big.NewInt(2e9), "1.5 gwei": big.NewInt(15e8), "0.5 ether": new(big.Int).Div(ether, big.NewInt(2)), "1000000001 wei": big.NewInt(1e9 + 1)} {
		got := showWei(v)
		back, err := ParseWei(got)
		if err != nil || back.Cmp(v) != 0 {
			t.Errorf("%v is shown as %q, which reads as %v", v, got, back)
		}
		if want != "1000000001 wei" && got != want {
			t.Errorf("%v is shown as %q; want %q", v, got, want)
		}
	}
}

func TestAddresses(t *testing.T) {
	const good = "0xd8dA6BF26964aF9D7eEd9e03E53415D37aA96045"
	if a, err := ParseAddress(good); err != nil || a != common.HexToAddress(good) {
		t.Error(err)
	}
	for _, s := range []string{"", "0x", good[2:], strings.ToLower(good), "0X" + good[2:], strings.ToUpper(good[2:]), good + "0", "0x" + strings.Repeat("g", 40)} {
		if a, err := ParseAddress(s); err == nil || council.Hint(err) == "" {
			t.Errorf("%q is read as %s", s, a)
		}
	}
}
