package council

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/ethereum/go-ethereum/accounts"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
)

// Message is an intent that is signed just as it is: a TypedData document or a
// Statement. It has no nonce and no fees, and no coordinator can add anything.
// Its digest is what tells it from other deeds: whoever has a signature over a
// digest has it for every proposal with that digest.
type Message interface {
	Intent
	// Digest is what the council's key signs.
	Digest() (common.Hash, error)
}

// AsMessage reports whether an intent is a message.
func AsMessage(in Intent) (Message, bool) {
	switch m := in.(type) { // by value: a pointer to one is no intent that anyone judges
	case TypedData:
		return m, true
	case Statement:
		return m, true
	}
	return nil, false
}

// Digest is the hash of EIP-191's personal message (version 0x45): wallets and
// explorers verify it as what `personal_sign` makes.
func (s Statement) Digest() (common.Hash, error) {
	if err := s.Valid(); err != nil {
		return common.Hash{}, err
	}
	return common.BytesToHash(accounts.TextHash([]byte(s.Text))), nil
}

// Digest is the EIP-712 digest of the document.
func (t TypedData) Digest() (common.Hash, error) {
	d, err := ReadTypedData(t.Document)
	if err != nil {
		return common.Hash{}, err
	}
	return d.Digest, nil
}

// SealMessage brings an engine's signature over a message (65 bytes r || s || v,
// v in {0, 1}) into the form in which wallets give it, with v in {27, 28}, and
// checks it.
func SealMessage(m Message, sig []byte, key common.Address) ([]byte, error) {
	out := bytes.Clone(sig)
	if len(out) == crypto.SignatureLength && out[64] < 27 {
		out[64] += 27
	}
	return out, CheckMessage(m, out, key)
}

// CheckMessage checks a finished signature over a message: 65 bytes r || s || v,
// low s, v in {27, 28}, by key. There is one form, so that two nodes that hold
// the same signature hold the same bytes.
func CheckMessage(m Message, sig []byte, key common.Address) error {
	digest, err := m.Digest()
	if err != nil {
		return err
	}
	if len(sig) != crypto.SignatureLength || sig[64] != 27 && sig[64] != 28 {
		return fmt.Errorf("signature: want %d bytes r || s || v with v of 27 or 28", crypto.SignatureLength)
	}
	who, err := Recover(digest, sig)
	if err != nil {
		return err
	}
	if who != key {
		return fmt.Errorf("signature recovers to %s, not to the council's %s", who.Hex(), key.Hex())
	}
	return nil
}

// DigestFor derives what this Begin asks to sign for an intent: of a transaction
// with the Begin's nonce and fees, of a message by itself.
func (b Begin) DigestFor(in Intent) (common.Hash, error) {
	if t, ok := in.(Transaction); ok {
		return b.Envelope(t).Digest(), nil
	}
	if m, ok := AsMessage(in); ok {
		return m.Digest()
	}
	return common.Hash{}, fmt.Errorf("intent of unknown type %T", in)
}

// Binds checks what a Begin says about its intent: chain, fees, and a digest
// that follows from all of it. What a message has no use for must be zero, so
// that no part of a Begin is anybody's free choice.
func (b Begin) Binds(in Intent) error {
	if b.Chain != in.ChainID() {
		return fmt.Errorf("for chain %d, not %d", b.Chain, in.ChainID())
	}
	switch t := in.(type) {
	case Transaction:
		if err := b.Fees.Within(t); err != nil {
			return err
		}
	default:
		if b.Nonce != 0 || !b.Fees.none() {
			return fmt.Errorf("a %s has neither nonce nor fees", in.Kind())
		}
	}
	d, err := b.DigestFor(in)
	if err != nil {
		return err
	}
	if d != b.Digest {
		return fmt.Errorf("digest %s does not follow from the proposal; it would be %s", b.Digest.Hex(), d.Hex())
	}
	return nil
}

// OfMessage reports whether a Begin is for a message: a transaction's has fees.
func (b Begin) OfMessage() bool { return b.Fees.none() }

// SameAttempt reports whether two Begins are for one attempt, so that one
// coordinator can honestly have signed only one of them. All messages are at
// nonce 0, and each counts attempts of its own.
func (b Begin) SameAttempt(o Begin) bool {
	if b.Chain != o.Chain || b.Nonce != o.Nonce || b.Attempt != o.Attempt {
		return false
	}
	return b.Proposal == o.Proposal || !b.OfMessage() && !o.OfMessage()
}

// ordered reports whether signers are sorted and distinct.
func ordered(signers []MemberID) bool {
	return slices.IsSorted(signers) && len(slices.Compact(slices.Clone(signers))) == len(signers)
}
