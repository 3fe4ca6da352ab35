package api

import (
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"

	"github.com/millicent-one/signer/council"
)

// Wei is an amount of wei, a decimal string in JSON. Reading takes 0x, too.
type Wei big.Int

// NewWei copies v; nil stays nil.
func NewWei(v *big.Int) *Wei {
	if v == nil {
		return nil
	}
	return (*Wei)(new(big.Int).Set(v))
}

// Int is the amount; nil stays nil.
func (w *Wei) Int() *big.Int {
	if w == nil {
		return nil
	}
	return new(big.Int).Set((*big.Int)(w))
}

func (w *Wei) String() string { return (*big.Int)(w).String() }

// MarshalText writes decimal digits.
func (w *Wei) MarshalText() ([]byte, error) { return (*big.Int)(w).MarshalText() }

// UnmarshalText reads decimal digits, or hex after 0x; at most 256 bits, not
// negative.
func (w *Wei) UnmarshalText(b []byte) error {
	v, ok := new(big.Int).SetString(string(b), 0)
	if !ok || v.Sign() < 0 || v.BitLen() > 256 {
		return fmt.Errorf("amount %q: want whole wei, in decimal or with 0x", b)
	}
	*w = Wei(*v)
	return nil
}

// Intent is a council.Intent in JSON. Which fields are there depends on Kind.
type Intent struct {
	Kind         council.IntentKind `json:"kind"`
	Chain        uint64             `json:"chain,omitempty"`
	To           *common.Address    `json:"to,omitempty"`
	Value        *Wei               `json:"value,omitempty"` // wei
	Data         hexutil.Bytes      `json:"data,omitempty"`
	MaxGas       uint64             `json:"maxGas,omitempty"`
	MaxFeePerGas *Wei               `json:"maxFeePerGas,omitempty"` // wei
	MaxTipPerGas *Wei               `json:"maxTipPerGas,omitempty"` // wei
	Document     string             `json:"document,omitempty"`     // typed data
	Text         string             `json:"text,omitempty"`         // statement
	ValidUntil   uint64             `json:"validUntil"`             // unix seconds
	Salt         common.Hash        `json:"salt"`
	Replaces     council.ProposalID `json:"replaces,omitzero"`
	Expect       []council.Expected `json:"expect,omitempty"` // of a transaction
	Reason       string             `json:"reason"`
}

// NewIntent is the JSON form of in.
func NewIntent(in council.Intent) Intent {
	switch t := in.(type) {
	case council.Transaction:
		return Intent{Kind: t.Kind(), Chain: t.Chain, To: &t.To, Value: NewWei(t.Value), Data: t.Data, MaxGas: t.MaxGas,
			MaxFeePerGas: NewWei(t.MaxFeePerGas), MaxTipPerGas: NewWei(t.MaxTipPerGas), ValidUntil: t.ValidUntil,
			Salt: t.Salt, Replaces: t.Replaces, Reason: t.Reason, Expect: t.Expect}
	case council.TypedData:
		return Intent{Kind: t.Kind(), Chain: t.Chain, Document: string(t.Document), ValidUntil: t.ValidUntil, Salt: t.Salt, Reason: t.Reason}
	case council.Statement:
		return Intent{Kind: t.Kind(), Text: t.Text, ValidUntil: t.ValidUntil, Salt: t.Salt, Reason: t.Reason}
	}
	return Intent{}
}

// Intent is the value that was sent, checked for its own bounds.
func (i Intent) Intent() (council.Intent, error) {
	var in council.Intent
	switch i.Kind {
	case council.KindTransaction:
		t := council.Transaction{Chain: i.Chain, Value: i.Value.Int(), Data: i.Data, MaxGas: i.MaxGas, MaxFeePerGas: i.MaxFeePerGas.Int(),
			MaxTipPerGas: i.MaxTipPerGas.Int(), ValidUntil: i.ValidUntil, Salt: i.Salt, Replaces: i.Replaces, Reason: i.Reason, Expect: i.Expect}
		if i.To == nil {
			return nil, fmt.Errorf("transaction: no address to call")
		}
		t.To = *i.To
		in = t
	case council.KindTypedData:
		in = council.TypedData{Chain: i.Chain, Document: []byte(i.Document), ValidUntil: i.ValidUntil, Salt: i.Salt, Reason: i.Reason}
	case council.KindStatement:
		in = council.Statement{Text: i.Text, ValidUntil: i.ValidUntil, Salt: i.Salt, Reason: i.Reason}
	default:
		return nil, fmt.Errorf("unknown kind of intent %q", i.Kind)
	}
	if err := in.Valid(); err != nil {
		return nil, err
	}
	return in, nil
}

// Approval is a council.Approval with its signature in hex.
type Approval struct {
	Proposal council.ProposalID `json:"proposal"`
	Decision council.Choice     `json:"decision"`
	Action   string             `json:"action"`
	Roster   common.Hash        `json:"roster"`
	Charter  common.Hash        `json:"charter"`
	Policy   common.Hash        `json:"policy"`
	Sequence uint64             `json:"sequence"`
	Expires  uint64             `json:"expires"` // unix seconds
	Reason   string             `json:"reason"`
	Sig      hexutil.Bytes      `json:"sig,omitempty"` // 65 bytes r || s || v
}

// NewApproval is the JSON form of a.
func NewApproval(a council.Approval) Approval {
	return Approval{Proposal: a.Proposal, Decision: a.Decision, Action: a.Action, Roster: a.Roster, Charter: a.Charter,
		Policy: a.Policy, Sequence: a.Sequence, Expires: a.Expires, Reason: a.Reason, Sig: a.Sig}
}

// Approval is the value that was sent; it is not checked yet.
func (a Approval) Approval() council.Approval {
	return council.Approval{Proposal: a.Proposal, Decision: a.Decision, Action: a.Action, Roster: a.Roster, Charter: a.Charter,
		Policy: a.Policy, Sequence: a.Sequence, Expires: a.Expires, Reason: a.Reason, Sig: a.Sig}
}

// Genesis is a council.Genesis with its id, and its signatures in hex.
type Genesis struct {
	Council    common.Hash     `json:"council"`
	Roster     common.Hash     `json:"roster"`
	ShareEpoch uint64          `json:"shareEpoch"`
	Key        common.Address  `json:"key"`
	Transcript common.Hash     `json:"transcript"`
	Sigs       []NodeSignature `json:"sigs"`
}

// NodeSignature is one node's signature in hex.
type NodeSignature struct {
	Member council.MemberID `json:"member"`
	Sig    hexutil.Bytes    `json:"sig"`
}

// NewGenesis is the JSON form of g.
func NewGenesis(g council.Genesis) Genesis {
	out := Genesis{Council: g.ID(), Roster: g.Roster, ShareEpoch: g.ShareEpoch, Key: g.Key, Transcript: g.Transcript}
	for _, s := range g.Sigs {
		out.Sigs = append(out.Sigs, NodeSignature{s.Member, s.Sig})
	}
	return out
}

// Genesis is the value that was sent; its signatures are not checked.
func (g Genesis) Genesis() council.Genesis {
	out := council.Genesis{Roster: g.Roster, ShareEpoch: g.ShareEpoch, Key: g.Key, Transcript: g.Transcript}
	for _, s := range g.Sigs {
		out.Sigs = append(out.Sigs, council.NodeSignature{Member: s.Member, Sig: s.Sig})
	}
	return out
}

// Unsigned is an UnsignedApproval in JSON. A reader makes Document and digest
// again from the other fields, and compares.
type Unsigned struct {
	Member   council.MemberID `json:"member"`
	Wallet   common.Address   `json:"wallet"` // the approver that has to sign
	Council  common.Hash      `json:"council"`
	Approval Approval         `json:"approval"`
	Intent   Intent           `json:"intent"`
	Document council.Document `json:"document"` // EIP-712, for eth_signTypedData_v4
	Digest   common.Hash      `json:"digest"`
}

// NewUnsigned is the JSON form of u.
func NewUnsigned(u UnsignedApproval) Unsigned {
	return Unsigned{Member: u.Member, Wallet: u.Wallet, Council: u.Council, Approval: NewApproval(u.Approval),
		Intent: NewIntent(u.Intent), Document: u.Document, Digest: u.Digest}
}

// Unsigned makes the document again from the word and the intent, and refuses
// a digest that doesn't follow from them.
func (u Unsigned) Unsigned() (UnsignedApproval, error) {
	in, err := u.Intent.Intent()
	if err != nil {
		return UnsignedApproval{}, err
	}
	out, err := NewUnsignedApproval(u.Council, council.Member{ID: u.Member, Approver: u.Wallet}, u.Approval.Approval(), in)
	if err != nil {
		return UnsignedApproval{}, err
	}
	id, err := council.Propose(u.Council, in)
	switch {
	case err != nil:
		return UnsignedApproval{}, err
	case id != u.Approval.Proposal:
		return UnsignedApproval{}, fmt.Errorf("the node's ballot is for proposal %s, but its intent is %s", u.Approval.Proposal.Short(), id.Short())
	case out.Digest != u.Digest:
		return UnsignedApproval{}, fmt.Errorf("the node says that digest %s is to be signed; from the intent follows %s", u.Digest.Hex(), out.Digest.Hex())
	}
	return out, nil
}
