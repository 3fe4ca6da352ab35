package rosterfile

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/council"
)

// blob is bytes as 0x and hex.
type blob []byte

func (b blob) MarshalText() ([]byte, error) { return []byte("0x" + hex.EncodeToString(b)), nil }

func (b *blob) UnmarshalText(text []byte) error {
	digits, ok := strings.CutPrefix(string(text), "0x")
	if !ok {
		return errors.New("want 0x and hex digits")
	}
	out, err := hex.DecodeString(digits)
	if err != nil {
		return errors.New("want 0x and an even number of hex digits")
	}
	*b = out
	return nil
}

// word is 32 bytes as 0x and 64 hex digits.
type word common.Hash

func (w word) MarshalText() ([]byte, error) { return common.Hash(w).MarshalText() }

func (w *word) UnmarshalText(text []byte) error {
	var b blob
	if err := b.UnmarshalText(text); err != nil || len(b) != common.HashLength {
		return errors.New("want 0x and 64 hex digits")
	}
	*w = word(b)
	return nil
}

// account is an address with its EIP-55 checksum, which is not optional: one
// mistyped digit is somebody else's wallet.
type account common.Address

func (a account) MarshalText() ([]byte, error) { return []byte(common.Address(a).Hex()), nil }

func (a *account) UnmarshalText(text []byte) error {
	var b blob
	if err := b.UnmarshalText(text); err != nil || len(b) != common.AddressLength {
		return council.WithHint(fmt.Errorf("address is not 0x and 40 hex digits"), "copy the whole address from the wallet")
	}
	*a = account(b)
	if want := common.Address(*a).Hex(); string(text) != want {
		return council.WithHint(fmt.Errorf("address %s has a wrong checksum; with these digits it is %s", text, want),
			"compare every digit with the wallet before you take over the corrected form")
	}
	return nil
}

// moment is unix seconds as RFC 3339 in UTC.
type moment uint64

func (m moment) MarshalText() ([]byte, error) {
	return []byte(time.Unix(int64(m), 0).UTC().Format(time.RFC3339)), nil
}

func (m *moment) UnmarshalText(text []byte) error {
	t, err := time.Parse(time.RFC3339, string(text))
	if err != nil || t.Unix() < 0 || t.Nanosecond() != 0 {
		return errors.New("want a time in whole seconds, such as 2026-01-31T00:00:00Z")
	}
	*m = moment(t.Unix())
	return nil
}
