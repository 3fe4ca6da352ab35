package council

import (
	"errors"
	"fmt"
	"math/big"
	"unicode/utf8"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rlp"
)

// ProposalID is the EIP-712 digest of an intent under the council's domain.
// Two proposals of the same deed differ by the intent's salt.
type ProposalID common.Hash

// Hex is the id with its 0x prefix.
func (p ProposalID) Hex() string { return common.Hash(p).Hex() }

// Short is the form people type: 0x and eight digits.
func (p ProposalID) Short() string { return p.Hex()[:10] }

func (p ProposalID) String() string { return p.Hex() }

// MarshalText and UnmarshalText make the id readable in JSON.
func (p ProposalID) MarshalText() ([]byte, error) { return common.Hash(p).MarshalText() }

// UnmarshalText reads the 0x form.
func (p *ProposalID) UnmarshalText(b []byte) error { return (*common.Hash)(p).UnmarshalText(b) }

// Intent is what the council is asked to do: a Transaction, a TypedData
// document, or a Statement. There is no fourth kind; in particular there is no
// raw hash.
type Intent interface {
	// Kind names the sort of intent on the wire and for people.
	Kind() IntentKind
	// ChainID is the chain the intent is meant for; 0 for a statement.
	ChainID() uint64
	// Expires is when the council's consent ends, in unix seconds.
	Expires() uint64
	// Why is the proposer's reason.
	Why() string
	// Valid checks the intent's own bounds.
	Valid() error

	typed() (primary string, types typeSet, message map[string]any)
}

// IntentKind is the tag of an intent on the wire.
type IntentKind string

// The kinds of intent.
const (
	KindTransaction IntentKind = "transaction"
	KindTypedData   IntentKind = "typed-data"
	KindStatement   IntentKind = "statement"
)

// Transaction is an EIP-1559 transaction without its nonce and its exact fees:
// the members consent to the deed and to ceilings; the nodes fill in the rest.
type Transaction struct {
	Chain        uint64         `json:"chain"`
	To           common.Address `json:"to"`
	Value        *big.Int       `json:"value"` // wei
	Data         []byte         `json:"data"`
	MaxGas       uint64         `json:"maxGas"`
	MaxFeePerGas *big.Int       `json:"maxFeePerGas"` // wei; the ceiling for fee bumps, too
	MaxTipPerGas *big.Int       `json:"maxTipPerGas"` // wei
	ValidUntil   uint64         `json:"validUntil"`   // unix seconds; binds the council, not the chain
	Salt         [32]byte       `json:"salt"`
	Replaces     ProposalID     `json:"replaces"` // the proposal whose revealed nonce this one takes over; zero for none
	Reason       string         `json:"reason"`

	// Expect is what the deed will have changed in storage, by account and slot:
	// nil, or the words that a member compares with the own node's simulation.
	// A policy can demand that nothing else changes.
	Expect []Expected `json:"expect,omitempty" rlp:"optional"`
}

// TypedData is an EIP-712 document that the council's key is to sign.
type TypedData struct {
	Chain      uint64   `json:"chain"`
	Document   []byte   `json:"document"` // EIP-712 JSON, exactly as signed
	ValidUntil uint64   `json:"validUntil"`
	Salt       [32]byte `json:"salt"`
	Reason     string   `json:"reason"`
}

// Statement is a public text (EIP-191 personal message).
type Statement struct {
	Text       string   `json:"text"`
	ValidUntil uint64   `json:"validUntil"`
	Salt       [32]byte `json:"salt"`
	Reason     string   `json:"reason"`
}

func (Transaction) Kind() IntentKind  { return KindTransaction }
func (t Transaction) ChainID() uint64 { return t.Chain }
func (t Transaction) Expires() uint64 { return t.ValidUntil }
func (t Transaction) Why() string     { return t.Reason }
func (TypedData) Kind() IntentKind    { return KindTypedData }
func (t TypedData) ChainID() uint64   { return t.Chain }
func (t TypedData) Expires() uint64   { return t.ValidUntil }
func (t TypedData) Why() string       { return t.Reason }
func (Statement) Kind() IntentKind    { return KindStatement }
func (Statement) ChainID() uint64     { return 0 }
func (s Statement) Expires() uint64   { return s.ValidUntil }
func (s Statement) Why() string       { return s.Reason }

// Valid checks bounds: a present chain, non-negative amounts below 2^256, a
// tip within the fee, calldata within MaxCalldata.
func (t Transaction) Valid() error {
	switch {
	case t.Chain == 0:
		return errors.New("transaction: chain id is 0")
	case t.MaxGas < 21_000 || t.MaxGas > MaxGasCeiling:
		return fmt.Errorf("transaction: gas ceiling %d: want 21000 to %d", t.MaxGas, MaxGasCeiling)
	case len(t.Data) > MaxCalldata:
		return fmt.Errorf("transaction: %d bytes of calldata; at most %d", len(t.Data), MaxCalldata)
	}
	for _, a := range []struct {
		name string
		v    *big.Int
	}{{"value", t.Value}, {"max fee per gas", t.MaxFeePerGas}, {"max tip per gas", t.MaxTipPerGas}} {
		if a.v == nil || a.v.Sign() < 0 || a.v.BitLen() > 256 {
			return fmt.Errorf("transaction: %s is missing, negative or above 2^256", a.name)
		}
	}
	if t.MaxFeePerGas.Sign() == 0 {
		return errors.New("transaction: max fee per gas is 0")
	}
	if t.MaxTipPerGas.Cmp(t.MaxFeePerGas) > 0 {
		return errors.New("transaction: max tip per gas is above max fee per gas")
	}
	if err := validExpect(t.Expect); err != nil {
		return err
	}
	return bounds(t.ValidUntil, t.Reason)
}

// Valid checks bounds, and that the document can be read in one way only and is
// for the intent's chain.
func (t TypedData) Valid() error {
	d, err := ReadTypedData(t.Document)
	if err != nil {
		return err
	}
	if d.Chain != t.Chain {
		return fmt.Errorf("typed data: the document is for chain %d, the proposal for chain %d", d.Chain, t.Chain)
	}
	return bounds(t.ValidUntil, t.Reason)
}

// Valid checks bounds. The text is shown to members in a terminal and to the
// public anywhere, so nothing in it may hide or repaint what it says.
func (s Statement) Valid() error {
	if s.Text == "" {
		return errors.New("statement: no text")
	}
	if err := validText("statement", s.Text, MaxStatement); err != nil {
		return err
	}
	return bounds(s.ValidUntil, s.Reason)
}

// bounds checks what all intents share.
func bounds(validUntil uint64, reason string) error {
	if validUntil == 0 {
		return errors.New("intent: no end of validity")
	}
	return validText("reason", reason, MaxReason)
}

// validText checks a text that people will read in a terminal: bounded, UTF-8,
// and without characters that could hide or repaint what stands there.
func validText(what, s string, limit int) error {
	if len(s) > limit {
		return fmt.Errorf("%s: %d bytes; at most %d", what, len(s), limit)
	}
	if !utf8.ValidString(s) {
		return fmt.Errorf("%s: not UTF-8", what)
	}
	for _, r := range s {
		if Hidden(r) {
			return fmt.Errorf("%s: character that can't be seen, %U", what, r)
		}
	}
	return nil
}

// wireIntent is the RLP form: a tag and the tagged body.
type wireIntent struct {
	Kind IntentKind
	Body rlp.RawValue
}

// EncodeIntent gives the canonical RLP bytes of an intent.
func EncodeIntent(in Intent) ([]byte, error) {
	body, err := rlp.EncodeToBytes(in)
	if err != nil {
		return nil, fmt.Errorf("encode intent: %w", err)
	}
	return rlp.EncodeToBytes(wireIntent{Kind: in.Kind(), Body: body})
}

// DecodeIntent reads what EncodeIntent wrote, and nothing else: RLP is strict,
// so the same intent has one encoding.
func DecodeIntent(b []byte) (Intent, error) {
	var w wireIntent
	if err := rlp.DecodeBytes(b, &w); err != nil {
		return nil, fmt.Errorf("decode intent: %w", err)
	}
	var in Intent
	var err error
	switch w.Kind {
	case KindTransaction:
		in, err = decodeAs[Transaction](w.Body)
	case KindTypedData:
		in, err = decodeAs[TypedData](w.Body)
	case KindStatement:
		in, err = decodeAs[Statement](w.Body)
	default:
		return nil, fmt.Errorf("decode intent: unknown kind %q", string(w.Kind))
	}
	if err != nil {
		return nil, fmt.Errorf("decode intent: %w", err)
	}
	if err := in.Valid(); err != nil {
		return nil, err
	}
	return in, nil
}

func decodeAs[T Intent](b []byte) (Intent, error) {
	var v T
	if err := rlp.DecodeBytes(b, &v); err != nil {
		return nil, err
	}
	return v, nil
}
