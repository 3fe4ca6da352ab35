package policy

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"math/big"
	"strconv"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/millicent-one/signer/council"
)

// value is one decoded argument. Which field is filled follows from the kind.
type value struct {
	typ   *abiType
	word  [32]byte // one-word types, as on the wire
	raw   []byte   // bytes and string
	items []value  // list, array, tuple
}

func (v value) address() common.Address { return common.BytesToAddress(v.word[:]) }

// number is the integer, of address and bool as well; negative for a negative intN.
func (v value) number() *big.Int {
	n := new(big.Int).SetBytes(v.word[:])
	if v.typ.kind == kindInt && n.Bit(255) == 1 {
		n.Sub(n, two256)
	}
	return n
}

func (v *value) equal(o *value) bool {
	return v.word == o.word && bytes.Equal(v.raw, o.raw)
}

var two256 = new(big.Int).Lsh(big.NewInt(1), 256)

// names resolves what people write for an address, and labels one for them.
type names interface {
	resolve(name string) (common.Address, bool)
	label(a common.Address) string
}

// show renders an argument for people: bounded, printable ASCII, the same
// everywhere.
func (v value) show(n names) string {
	switch v.typ.kind {
	case kindAddress:
		return n.label(v.address())
	case kindBool:
		return strconv.FormatBool(v.word[31] == 1)
	case kindUint, kindInt:
		return v.number().String()
	case kindFixedBytes:
		return "0x" + hex.EncodeToString(v.word[:v.typ.size])
	case kindBytes:
		if len(v.raw) <= 32 {
			return "0x" + hex.EncodeToString(v.raw)
		}
		return fmt.Sprintf("%d bytes (keccak256 %s)", len(v.raw), crypto.Keccak256Hash(v.raw).Hex())
	case kindString:
		if len(v.raw) <= 96 {
			return strconv.QuoteToASCII(string(v.raw))
		}
		return fmt.Sprintf("text of %d bytes (keccak256 %s)", len(v.raw), crypto.Keccak256Hash(v.raw).Hex())
	}
	open, end := "[", "]"
	if v.typ.kind == kindTuple {
		open, end = "(", ")"
	}
	parts := make([]string, 0, min(len(v.items), 9))
	for i, it := range v.items {
		if i == 8 {
			parts = append(parts, fmt.Sprintf("and %d more", len(v.items)-i))
			break
		}
		parts = append(parts, it.show(n))
	}
	return open + strings.Join(parts, ", ") + end
}

// roleNames are OpenZeppelin's, for display beside the hash.
var roleNames = func() map[common.Hash]string {
	m := map[common.Hash]string{{}: "DEFAULT_ADMIN_ROLE"}
	for _, r := range []string{"PAUSER_ROLE", "UNPAUSER_ROLE", "PROPOSER_ROLE", "EXECUTOR_ROLE", "CANCELLER_ROLE",
		"TIMELOCK_ADMIN_ROLE", "UPGRADER_ROLE", "MINTER_ROLE", "BURNER_ROLE", "GUARDIAN_ROLE", "FREEZER_ROLE"} {
		m[crypto.Keccak256Hash([]byte(r))] = r
	}
	return m
}()

// readValue reads an argument as people write it in files and on the command
// line. Addresses may be names of contracts; whole numbers may have a unit of
// wei or of time; bytes32 may be keccak:TEXT; lists are separated by commas.
func readValue(t *abiType, s string, n names) (value, error) {
	v := value{typ: t}
	bad := func(want string) (value, error) {
		return v, council.WithHint(fmt.Errorf("%q is no %s", clip(s, 80), t.text), "write "+want)
	}
	switch t.kind {
	case kindAddress:
		a, ok := n.resolve(s)
		if !ok {
			var err error
			if a, err = ParseAddress(s); err != nil {
				return v, err
			}
		}
		copy(v.word[12:], a[:])
	case kindBool:
		if s != "true" && s != "false" {
			return bad("true or false")
		}
		if s == "true" {
			v.word[31] = 1
		}
	case kindUint, kindInt:
		i, ok := readNumber(s)
		if !ok || !fits(i, t) {
			return bad("a whole number that fits, such as 12, 0x0c, 2 gwei or 48h")
		}
		new(big.Int).And(i, new(big.Int).Sub(two256, big.NewInt(1))).FillBytes(v.word[:])
	case kindFixedBytes:
		if text, ok := strings.CutPrefix(s, "keccak:"); ok && t.size == 32 && text != "" {
			v.word = crypto.Keccak256Hash([]byte(text))
			return v, nil
		}
		b, err := hex.DecodeString(strings.TrimPrefix(s, "0x"))
		if err != nil || !strings.HasPrefix(s, "0x") || len(b) != t.size {
			return bad(fmt.Sprintf("0x and %d hex digits", 2*t.size))
		}
		copy(v.word[:], b)
	case kindBytes:
		b, err := hex.DecodeString(strings.TrimPrefix(s, "0x"))
		if err != nil || !strings.HasPrefix(s, "0x") {
			return bad("0x and an even number of hex digits")
		}
		v.raw = b
	case kindString:
		v.raw = []byte(s)
	case kindList, kindArray:
		if t.elem.kind >= kindBytes {
			return v, council.WithHint(fmt.Errorf("a value of type %s can't be written here", t.text), "propose this call with raw calldata")
		}
		var parts []string
		if strings.TrimSpace(s) != "" {
			parts = strings.Split(s, ",")
		}
		if t.kind == kindArray && len(parts) != t.size {
			return bad(fmt.Sprintf("%d values with commas between", t.size))
		}
		for _, p := range parts {
			it, err := readValue(t.elem, strings.TrimSpace(p), n)
			if err != nil {
				return v, err
			}
			v.items = append(v.items, it)
		}
	default:
		return v, council.WithHint(fmt.Errorf("a value of type %s can't be written here", t.text), "propose this call with raw calldata")
	}
	return v, nil
}

// readNumber reads decimal, 0x hex, an amount of wei, or a length of time.
func readNumber(s string) (*big.Int, bool) {
	if h, ok := strings.CutPrefix(s, "0x"); ok {
		if h == "" || len(h) > 64 || strings.Trim(h, "0123456789abcdefABCDEF") != "" {
			return nil, false
		}
		return new(big.Int).SetString(h, 16)
	}
	if d := strings.TrimPrefix(s, "-"); allDigits(d) && len(d) <= 80 {
		return new(big.Int).SetString(s, 10)
	}
	if w, err := ParseWei(s); err == nil {
		return w, true
	}
	if t, err := ParseSeconds(s); err == nil {
		return new(big.Int).SetUint64(t), true
	}
	return nil, false
}

func fits(i *big.Int, t *abiType) bool {
	if t.kind == kindUint {
		return i.Sign() >= 0 && i.BitLen() <= t.size
	}
	limit := new(big.Int).Lsh(big.NewInt(1), uint(t.size-1))
	return i.Cmp(limit) < 0 && i.Cmp(new(big.Int).Neg(limit)) >= 0
}
