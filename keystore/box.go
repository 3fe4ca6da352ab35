package keystore

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"filippo.io/age"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rlp"

	"github.com/millicent-one/signer/council"
)

// Meta is what is known about a share without unlocking it.
type Meta struct {
	Address common.Address `json:"address"` // of the council's key
	Roster  common.Hash    `json:"roster"`  // the share's holders
}

// label is the readable part of a file.
type label struct {
	Format int    `json:"format"`
	Kind   string `json:"kind"`
	Name   string `json:"name,omitempty"`  // of a secret; of the master: how it is sealed
	Epoch  uint64 `json:"epoch,omitempty"` // of a share
	Meta   *Meta  `json:"meta,omitempty"`  // of a share
}

// The kinds of files.
const (
	kindMaster = "master"
	kindSecret = "secret"
	kindShare  = "share"
	kindSpare  = "spare"
)

// box is one file: a label and a secret sealed with a copy of the label.
type box struct {
	label
	Sealed []byte `json:"sealed"`
}

// content is what is sealed.
type content struct {
	Label  []byte
	Secret []byte
}

// bytes is the label's canonical form.
func (l label) bytes() ([]byte, error) { return json.Marshal(l) }

// seal makes a file's bytes.
func seal(l label, secret []byte, to age.Recipient) ([]byte, error) {
	if len(secret) == 0 || len(secret) > MaxSecret {
		return nil, fmt.Errorf("seal: a secret of %d bytes; want 1 to %d", len(secret), MaxSecret)
	}
	l.Format = Format
	lb, err := l.bytes()
	if err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	plain, err := rlp.EncodeToBytes(content{Label: lb, Secret: secret})
	if err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	var out bytes.Buffer
	w, err := age.Encrypt(&out, to)
	if err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	if _, err := w.Write(plain); err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	b, err := json.MarshalIndent(box{l, out.Bytes()}, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	return append(b, '\n'), nil
}

// parse reads a file without opening what is sealed.
func parse(name string, b []byte) (box, error) {
	var v struct {
		Format int `json:"format"`
	}
	if err := json.Unmarshal(b, &v); err != nil || v.Format < 1 {
		return box{}, damaged(name)
	}
	if v.Format > Format {
		return box{}, council.WithHint(fmt.Errorf("%s has format %d and this program knows format %d", name, v.Format, Format),
			"use the program version that wrote it, or a later one")
	}
	var x box
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&x); err != nil {
		return box{}, damaged(name)
	}
	if _, err := d.Token(); err != io.EOF {
		return box{}, damaged(name)
	}
	return x, nil
}

// errNoMatch is for a key that does not fit, as opposed to a file that is bad.
var errNoMatch = errors.New("no match")

// open opens a box that must carry the label want.
func (x box) open(name string, want label, with age.Identity) ([]byte, error) {
	want.Format = Format
	wb, err := want.bytes()
	if err != nil {
		return nil, err
	}
	if lb, err := x.bytes(); err != nil || !bytes.Equal(lb, wb) {
		return nil, altered(name)
	}
	r, err := age.Decrypt(bytes.NewReader(x.Sealed), with)
	if err != nil {
		var no *age.NoIdentityMatchError
		if errors.As(err, &no) {
			return nil, errNoMatch
		}
		return nil, altered(name)
	}
	plain, err := io.ReadAll(io.LimitReader(r, MaxFile))
	if err != nil {
		return nil, altered(name)
	}
	var c content
	if err := rlp.DecodeBytes(plain, &c); err != nil || !bytes.Equal(c.Label, wb) {
		return nil, altered(name)
	}
	return c.Secret, nil
}

func damaged(name string) error {
	return council.WithHint(fmt.Errorf("%s is not a keystore file, or damaged", name), "restore it from a backup")
}

func altered(name string) error {
	return council.WithHint(fmt.Errorf("%s: %w", name, ErrAltered), "restore it from a backup, and find out who can write there")
}
