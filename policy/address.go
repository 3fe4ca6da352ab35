package policy

import (
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/council"
)

// ParseAddress reads an address with its EIP-55 checksum. The checksum is not
// optional: one mistyped digit in a charter is somebody else's contract.
func ParseAddress(s string) (common.Address, error) {
	digits, ok := strings.CutPrefix(s, "0x")
	b, err := hex.DecodeString(digits)
	if !ok || err != nil || len(b) != common.AddressLength {
		return common.Address{}, council.WithHint(fmt.Errorf("address %q is not 0x and 40 hex digits", clip(s, 80)), "copy the whole address from the block explorer")
	}
	a := common.BytesToAddress(b)
	if want := a.Hex(); s != want {
		return common.Address{}, council.WithHint(fmt.Errorf("address %s has a wrong checksum; with these digits it is %s", s, want),
			"compare every digit with the source before you take over the corrected form")
	}
	return a, nil
}

// parseHash reads 0x and 64 hex digits.
func parseHash(s string) (common.Hash, error) {
	digits, ok := strings.CutPrefix(s, "0x")
	b, err := hex.DecodeString(digits)
	if !ok || err != nil || len(b) != common.HashLength {
		return common.Hash{}, council.WithHint(fmt.Errorf("hash %q is not 0x and 64 hex digits", clip(s, 80)), "copy the whole hash")
	}
	return common.BytesToHash(b), nil
}

// clip bounds a text in a message.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return s[:n] + "..."
}

// validName says what is wrong with a name that people type, or nil.
func validName(s string) error {
	ok := len(s) > 0 && len(s) <= 48
	for i := range len(s) {
		c := s[i]
		ok = ok && (c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' && i > 0 && i < len(s)-1)
	}
	if !ok {
		return council.WithHint(fmt.Errorf("name %q: want lower-case letters, digits and inner hyphens, at most 48", clip(s, 80)), "rename it, such as bridge-l2")
	}
	return nil
}
