package council

import (
	"fmt"
	"math/big"
	"slices"
	"strconv"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/common/math"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/signer/core/apitypes"
)

// The EIP-712 domain. Chain and salt are present where they mean something: an
// approval is for one chain and one council; a roster and a card come before
// there is a council.
const (
	DomainName    = "Millicent Security Council"
	DomainVersion = "1"
)

type typeSet = apitypes.Types

// Document is an EIP-712 document ready for a wallet: its JSON is what
// eth_signTypedData_v4, Ledger, cast and Clef take.
type Document = apitypes.TypedData

var transactionType = []apitypes.Type{
	{Name: "chain", Type: "uint256"},
	{Name: "to", Type: "address"},
	{Name: "value", Type: "uint256"},
	{Name: "data", Type: "bytes"},
	{Name: "maxGas", Type: "uint64"},
	{Name: "maxFeePerGas", Type: "uint256"},
	{Name: "maxTipPerGas", Type: "uint256"},
	{Name: "validUntil", Type: "uint64"},
	{Name: "salt", Type: "bytes32"},
	{Name: "replaces", Type: "bytes32"},
	{Name: "reason", Type: "string"},
}

// expectedType is a storage word that a transaction will have written.
var expectedType = []apitypes.Type{
	{Name: "account", Type: "address"},
	{Name: "slot", Type: "bytes32"},
	{Name: "value", Type: "bytes32"},
}

var typedDataType = []apitypes.Type{
	{Name: "chain", Type: "uint256"},
	{Name: "document", Type: "string"},
	{Name: "validUntil", Type: "uint64"},
	{Name: "salt", Type: "bytes32"},
	{Name: "reason", Type: "string"},
}

var statementType = []apitypes.Type{
	{Name: "text", Type: "string"},
	{Name: "validUntil", Type: "uint64"},
	{Name: "salt", Type: "bytes32"},
	{Name: "reason", Type: "string"},
}

var memberType = []apitypes.Type{
	{Name: "id", Type: "string"},
	{Name: "seat", Type: "string"},
	{Name: "peer", Type: "string"},
	{Name: "approver", Type: "address"},
	{Name: "termStart", Type: "uint64"},
	{Name: "termEnd", Type: "uint64"},
}

var rosterType = []apitypes.Type{
	{Name: "version", Type: "uint64"},
	{Name: "threshold", Type: "uint64"},
	{Name: "members", Type: "Member[]"},
	{Name: "charter", Type: "bytes32"},
	{Name: "prev", Type: "bytes32"},
}

func approvalType(intent string) []apitypes.Type {
	return []apitypes.Type{
		{Name: "decision", Type: "string"},
		{Name: "action", Type: "string"},
		{Name: "intent", Type: intent},
		{Name: "proposal", Type: "bytes32"},
		{Name: "roster", Type: "bytes32"},
		{Name: "charter", Type: "bytes32"},
		{Name: "policy", Type: "bytes32"},
		{Name: "sequence", Type: "uint64"},
		{Name: "expires", Type: "uint64"},
		{Name: "reason", Type: "string"},
	}
}

// typed leaves out the list of expected changes where there is none, so that a
// wallet shows it only where it says something.
func (t Transaction) typed() (string, typeSet, map[string]any) {
	types, message := typeSet{"Transaction": transactionType}, map[string]any{
		"chain":        u64(t.Chain),
		"to":           t.To.Hex(),
		"value":        amount(t.Value),
		"data":         hexutil.Encode(t.Data),
		"maxGas":       u64(t.MaxGas),
		"maxFeePerGas": amount(t.MaxFeePerGas),
		"maxTipPerGas": amount(t.MaxTipPerGas),
		"validUntil":   u64(t.ValidUntil),
		"salt":         hexutil.Encode(t.Salt[:]),
		"replaces":     t.Replaces.Hex(),
		"reason":       t.Reason,
	}
	if len(t.Expect) > 0 {
		list := make([]any, len(t.Expect))
		for i, e := range t.Expect {
			list[i] = map[string]any{"account": e.Account.Hex(), "slot": e.Slot.Hex(), "value": e.Value.Hex()}
		}
		types["Transaction"] = append(slices.Clone(transactionType), apitypes.Type{Name: "expect", Type: "Expected[]"})
		types["Expected"], message["expect"] = expectedType, list
	}
	return "Transaction", types, message
}

func (t TypedData) typed() (string, typeSet, map[string]any) {
	return "TypedData", typeSet{"TypedData": typedDataType}, map[string]any{
		"chain":      u64(t.Chain),
		"document":   string(t.Document),
		"validUntil": u64(t.ValidUntil),
		"salt":       hexutil.Encode(t.Salt[:]),
		"reason":     t.Reason,
	}
}

func (s Statement) typed() (string, typeSet, map[string]any) {
	return "Statement", typeSet{"Statement": statementType}, map[string]any{
		"text":       s.Text,
		"validUntil": u64(s.ValidUntil),
		"salt":       hexutil.Encode(s.Salt[:]),
		"reason":     s.Reason,
	}
}

func (m Member) typed() map[string]any {
	return map[string]any{
		"id":        string(m.ID),
		"seat":      string(m.Seat),
		"peer":      m.Peer,
		"approver":  m.Approver.Hex(),
		"termStart": u64(m.Term.Start),
		"termEnd":   u64(m.Term.End),
	}
}

// Document is the roster as a member's wallet shows it.
func (r Roster) Document() Document {
	members := make([]any, len(r.Members))
	for i, m := range r.Members {
		members[i] = m.typed()
	}
	return document(domain{}, "Roster", typeSet{"Roster": rosterType, "Member": memberType}, map[string]any{
		"version":   u64(r.Version),
		"threshold": u64(uint64(r.Threshold)),
		"members":   members,
		"charter":   r.Charter.Hex(),
		"prev":      r.Prev.Hex(),
	})
}

// Hash is the EIP-712 digest of the roster: what members sign, and the roster's
// name everywhere else.
func (r Roster) Hash() (common.Hash, error) { return Digest(r.Document()) }

// IntentDocument is the intent alone, under the council's domain; its digest is
// the ProposalID.
func IntentDocument(council common.Hash, in Intent) Document {
	primary, types, message := in.typed()
	return document(domain{chain: in.ChainID(), council: council}, primary, types, message)
}

// Propose computes the id of an intent for a council.
func Propose(council common.Hash, in Intent) (ProposalID, error) {
	if err := in.Valid(); err != nil {
		return ProposalID{}, err
	}
	h, err := Digest(IntentDocument(council, in))
	return ProposalID(h), err
}

type domain struct {
	chain   uint64
	council common.Hash
}

func document(d domain, primary string, types typeSet, message map[string]any) Document {
	fields := []apitypes.Type{{Name: "name", Type: "string"}, {Name: "version", Type: "string"}}
	dom := apitypes.TypedDataDomain{Name: DomainName, Version: DomainVersion}
	if d.chain != 0 {
		fields = append(fields, apitypes.Type{Name: "chainId", Type: "uint256"})
		dom.ChainId = (*math.HexOrDecimal256)(new(big.Int).SetUint64(d.chain))
	}
	if d.council != (common.Hash{}) {
		fields = append(fields, apitypes.Type{Name: "salt", Type: "bytes32"})
		dom.Salt = d.council.Hex()
	}
	types["EIP712Domain"] = fields
	return Document{Types: types, PrimaryType: primary, Domain: dom, Message: message}
}

// Digest is the EIP-712 digest of a document: keccak256(0x19 0x01 || domain
// separator || struct hash).
func Digest(d Document) (common.Hash, error) {
	b, _, err := apitypes.TypedDataAndHash(d)
	if err != nil {
		return common.Hash{}, fmt.Errorf("hash %s: %w", d.PrimaryType, err)
	}
	return common.BytesToHash(b), nil
}

// Recover finds the wallet that signed a digest. Signatures are 65 bytes r || s
// || v with v in {0, 1, 27, 28}; the high-s twin of a signature is refused.
func Recover(digest common.Hash, sig []byte) (common.Address, error) {
	if len(sig) != crypto.SignatureLength {
		return common.Address{}, fmt.Errorf("signature has %d bytes; want %d", len(sig), crypto.SignatureLength)
	}
	s := append([]byte(nil), sig...)
	if s[64] >= 27 {
		s[64] -= 27
	}
	if !crypto.ValidateSignatureValues(s[64], new(big.Int).SetBytes(s[:32]), new(big.Int).SetBytes(s[32:64]), true) {
		return common.Address{}, fmt.Errorf("signature values are out of range or in the high-s form")
	}
	pub, err := crypto.SigToPub(digest[:], s)
	if err != nil {
		return common.Address{}, fmt.Errorf("recover signer: %w", err)
	}
	return crypto.PubkeyToAddress(*pub), nil
}

func u64(v uint64) string { return strconv.FormatUint(v, 10) }

func amount(v *big.Int) string {
	if v == nil {
		return "0"
	}
	return v.String()
}
