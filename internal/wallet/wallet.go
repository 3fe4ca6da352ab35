package wallet

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/millicent-one/signer/council"
)

// Wallet signs documents for one person.
type Wallet interface {
	// SignTyped signs the document with the key of address want, and returns
	// 65 bytes r || s || v with v in {27, 28}.
	SignTyped(ctx context.Context, d council.Document, want common.Address) ([]byte, error)
}

// Signature is a Wallet that has signed already, somewhere else.
type Signature string

// SignTyped implements Wallet: it checks the signature.
func (s Signature) SignTyped(_ context.Context, d council.Document, want common.Address) ([]byte, error) {
	digits, ok := strings.CutPrefix(strings.TrimSpace(string(s)), "0x")
	sig, err := hex.DecodeString(digits)
	if !ok || err != nil || len(sig) != crypto.SignatureLength {
		return nil, council.WithHint(errors.New("the signature is not 0x and 130 hex digits"), "give what the wallet printed for the document of --typed-data, in one piece")
	}
	return checked(d, sig, want)
}

// checked verifies a signature and brings v into the form {27, 28}.
func checked(d council.Document, sig []byte, want common.Address) ([]byte, error) {
	digest, err := council.Digest(d)
	if err != nil {
		return nil, err
	}
	who, err := council.Recover(digest, sig)
	if err != nil {
		return nil, council.WithHint(fmt.Errorf("check signature: %w", err), "sign the document of --typed-data again")
	}
	if who != want {
		return nil, council.WithHint(fmt.Errorf("the signature is by %s, not by the member's wallet %s", who.Hex(), want.Hex()),
			"sign with the wallet that the roster names, and exactly the document that --typed-data prints; a word expires and changes with its sequence")
	}
	if sig[64] < 27 {
		sig[64] += 27
	}
	return sig, nil
}
