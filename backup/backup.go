package backup

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rlp"

	"github.com/millicent-one/signer/council"
)

// Format is the version of what is sealed. A later one is refused.
const Format = 1

const kind = "millicent backup"

// ErrNotBackup means that the file opens and holds something else.
var ErrNotBackup = errors.New("what is sealed is no backup of a signer")

// Backup is what a member needs to come back after the disk is lost. It is
// secret, and prints as nothing.
type Backup struct {
	Member  council.MemberID
	Epoch   uint64 // of the share
	Made    uint64 // unix seconds
	Genesis council.Genesis
	Share   []byte // as tss.Share.MarshalBinary gives it
	NodeKey []byte // Ed25519 seed
}

// String keeps the secrets out of logs.
func (Backup) String() string { return "[backup]" }

// GoString keeps the secrets out of %#v.
func (Backup) GoString() string { return "[backup]" }

// Format keeps the secrets out of every other verb.
func (Backup) Format(f fmt.State, _ rune) { io.WriteString(f, "[backup]") }

// MarshalJSON keeps the secrets out of JSON.
func (Backup) MarshalJSON() ([]byte, error) { return []byte(`"[backup]"`), nil }

// envelope is the sealed form.
type envelope struct {
	Kind    string
	Version uint64
	Sum     common.Hash // keccak256 of Body
	Body    rlp.RawValue
}

// Encode gives the bytes to be sealed. They are secret.
func (b Backup) Encode() ([]byte, error) {
	body, err := rlp.EncodeToBytes(b)
	if err != nil {
		return nil, fmt.Errorf("encode backup: %w", err)
	}
	out, err := rlp.EncodeToBytes(envelope{kind, Format, crypto.Keccak256Hash(body), body})
	if err != nil {
		return nil, fmt.Errorf("encode backup: %w", err)
	}
	return out, nil
}

// Decode reads what Encode gave. What the parts are worth is for Check to say.
// Errors: ErrNotBackup.
func Decode(raw []byte) (Backup, error) {
	var b Backup
	if len(raw) > maxBody {
		return b, fmt.Errorf("read backup: %w", ErrNotBackup)
	}
	if err := checkHead(raw); err != nil {
		return b, fmt.Errorf("read backup: %w", err)
	}
	var e envelope
	if err := rlp.DecodeBytes(raw, &e); err != nil {
		return b, fmt.Errorf("read backup: %w", damaged())
	}
	if e.Sum != crypto.Keccak256Hash(e.Body) {
		return b, fmt.Errorf("read backup: %w", damaged())
	}
	if err := rlp.DecodeBytes(e.Body, &b); err != nil { // the error may quote bytes
		return Backup{}, fmt.Errorf("read backup: %w", damaged())
	}
	return b, nil
}

// checkHead reads kind and version alone: of a later version nothing else is
// known.
func checkHead(raw []byte) error {
	list, rest, err := rlp.SplitList(raw)
	if err != nil || len(rest) > 0 {
		return ErrNotBackup
	}
	name, list, err := rlp.SplitString(list)
	if err != nil || string(name) != kind {
		return ErrNotBackup
	}
	version, _, err := rlp.SplitUint64(list)
	if err != nil || version < 1 {
		return damaged()
	}
	if version > Format {
		return council.WithHint(fmt.Errorf("it has format %d and this program knows format %d", version, Format),
			"use the program version that wrote it, or a later one")
	}
	return nil
}

func damaged() error {
	return council.WithHint(errors.New("its content is damaged"), makeAnother)
}

// Sum is how a sealed backup is named among the members: SHA-256 of the file.
func Sum(file []byte) common.Hash { return sha256.Sum256(file) }
