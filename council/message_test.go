package council_test

import (
	"bytes"
	"fmt"
	"math/big"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rlp"

	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/internal/testcouncil"
)

// mailText is the example of EIP-712 itself, whose digest the standard gives.
const mailText = `{
  "types": {
    "EIP712Domain": [{"name": "name", "type": "string"}, {"name": "version", "type": "string"}, {"name": "chainId", "type": "uint256"}, {"name": "verifyingContract", "type": "address"}],
    "Person": [{"name": "name", "type": "string"}, {"name": "wallet", "type": "address"}],
    "Mail": [{"name": "from", "type": "Person"}, {"name": "to", "type": "Person"}, {"name": "contents", "type": "string"}]
  },
  "primaryType": "Mail",
  "domain": {"name": "Ether Mail", "version": "1", "chainId": 1, "verifyingContract": "0xCcCCccccCCCCcCCCCCCcCcCccCcCCCcCcccccccC"},
  "message": {
    "from": {"name": "Cow", "wallet": "0xCD2a3d9F938E13CD947Ec05AbC7FE734Df8DD826"},
    "to": {"name": "Bob", "wallet": "0xbBbBBBBbbBBBbbbBbbBbbbbBBbBbbbbBbBbbBBbB"},
    "contents": "Hello, Bob!"
  }
}`

func mail(chain uint64) council.TypedData {
	return council.TypedData{Chain: chain, Document: []byte(mailText), ValidUntil: 2_000_000_000, Salt: [32]byte{4}, Reason: "r"}
}

// The digests are those of the standards, not only of this program: EIP-712's
// own example, and the "hello" that every wallet's documentation has.
func TestDigestsOfTheStandards(t *testing.T) {
	d, err := mail(1).Digest()
	if err != nil || d.Hex() != "0xbe609aee343fb3c4b28e1df9e632fca64fcfaede20f02e86244efddf30957bd2" {
		t.Errorf("Ether Mail hashes to %s, %v", d, err)
	}
	d, err = council.Statement{Text: "hello", ValidUntil: 1}.Digest()
	if want := crypto.Keccak256Hash([]byte("\x19Ethereum Signed Message:\n5hello")); err != nil || d != want {
		t.Errorf("hello hashes to %s, %v", d, err)
	}
}

func TestDocumentsThatCanBeReadTwice(t *testing.T) {
	swap := func(old, with string) string {
		if !strings.Contains(mailText, old) {
			t.Fatalf("the example has no %s", old)
		}
		return strings.Replace(mailText, old, with, 1)
	}
	list := func(typ, value string) string {
		return strings.Replace(swap(`"name": "contents", "type": "string"`, `"name": "contents", "type": "`+typ+`"`), `"Hello, Bob!"`, value, 1)
	}
	for name, doc := range map[string]string{
		"nothing":             "",
		"no JSON":             "{",
		"a list":              "[]",
		"two documents":       mailText + mailText,
		"a field twice":       swap(`"contents": "Hello, Bob!"`, `"contents": "Hello, Bob!", "contents": "Bye"`),
		"a domain twice":      swap(`"primaryType": "Mail",`, `"primaryType": "Mail", "domain": {},`),
		"other case":          swap(`"primaryType"`, `"primarytype"`),
		"both cases":          swap(`"primaryType": "Mail",`, `"primaryType": "Mail", "PrimaryType": "Person",`),
		"an unknown field":    swap(`"primaryType": "Mail",`, `"primaryType": "Mail", "note": "x",`),
		"a null":              swap(`"Hello, Bob!"`, `null`),
		"a null in a list":    list("string[]", `[null]`),
		"a hidden text":       swap(`"Hello, Bob!"`, `"Hello\u202e!boB"`),
		"a control character": swap(`"Hello, Bob!"`, `"Hello\u001b[2J"`),
		"no field": swap(`,
    "contents": "Hello, Bob!"`, ``),
		"a field too many":      swap(`"contents": "Hello, Bob!"`, `"contents": "Hello, Bob!", "more": "x"`),
		"an unknown type":       swap(`"name": "contents", "type": "string"`, `"name": "contents", "type": "text"`),
		"an unsized integer":    list("uint", `1`),
		"a strange integer":     list("uint7", `1`),
		"a rounded integer":     list("uint256", `9007199254740993`),
		"a fraction":            list("uint256", `1.5`),
		"an exponent":           list("uint256", `1e3`),
		"an empty number":       list("uint256", `""`),
		"a number too large":    list("uint8", `256`),
		"a negative":            list("uint8", `-1`),
		"below a signed type":   list("int8", `-129`),
		"above a signed type":   list("int8", `128`),
		"half a byte":           list("bytes", `"0x123"`),
		"bytes without 0x":      list("bytes", `"12"`),
		"bytes of another size": list("bytes4", `"0x12"`),
		"a short list":          list("string[2]", `["a"]`),
		"lists of lists":        list("string[][]", `[["a"]]`),
		"no list":               list("string[]", `"a"`),
		"a list for a text":     swap(`"Hello, Bob!"`, `["Hello"]`),
		"an odd type name":      swap(`"Person": [`, `"Per son": [`),
		"a type named as one":   swap(`"Person": [`, `"uint256": [], "Person": [`),
		"a field twice in type": swap(`{"name": "to", "type": "Person"}`, `{"name": "from", "type": "Person"}`),
		"a field with more":     swap(`{"name": "to", "type": "Person"}`, `{"name": "to", "type": "Person", "indexed": true}`),
		"another primary type":  swap(`"primaryType": "Mail"`, `"primaryType": "Letter"`),
		"the domain as primary": swap(`"primaryType": "Mail"`, `"primaryType": "EIP712Domain"`),
		"no chain":              strings.Replace(swap(`"chainId": 1, `, ``), `{"name": "chainId", "type": "uint256"}, `, ``, 1),
		"chain zero":            swap(`"chainId": 1`, `"chainId": 0`),
		"a chain and more":      swap(`"chainId": 1`, `"chainId": 1.0`),
		"an unsaid domain type": swap(`{"name": "version", "type": "string"}, `, ``),
		"an unfilled domain":    swap(`"version": "1", `, ``),
		"an unknown domain":     swap(`"version": "1", `, `"version": "1", "planet": "earth", `),
		"another domain order":  swap(`{"name": "name", "type": "string"}, {"name": "version", "type": "string"}`, `{"name": "version", "type": "string"}, {"name": "name", "type": "string"}`),
		"half an address":       swap(`0xCcCCccccCCCCcCCCCCCcCcCccCcCCCcCcccccccC`, `0xCcCC`),
	} {
		in := mail(1)
		in.Document = []byte(doc)
		if err := in.Valid(); err == nil {
			t.Errorf("%s: taken", name)
		} else if council.Hint(err) == "" || len(err.Error()) > 400 {
			t.Errorf("%s: %v (hint %q)", name, err, council.Hint(err))
		}
	}
	if err := mail(5).Valid(); err == nil {
		t.Error("a document for chain 1 was taken for chain 5")
	}
	for name, doc := range map[string]string{
		"numbers":  list("uint256[]", `["115792089237316195423570985008687907853269984665640564039457584007913129639935", "0xff", 7]`),
		"negative": list("int8", `-128`),
		"bytes":    list("bytes4", `"0x12345678"`),
		"pair":     list("Person[2]", `[{"name": "a", "wallet": "0xbBbBBBBbbBBBbbbBbbBbbbbBBbBbbbbBbBbbBBbB"}, {"name": "b", "wallet": "0xbBbBBBBbbBBBbbbBbbBbbbbBBbBbbbbBbBbbBBbB"}]`),
		"truth":    list("bool", `true`),
		"salted": strings.Replace(swap(`{"name": "verifyingContract", "type": "address"}`, `{"name": "salt", "type": "bytes32"}`),
			`"verifyingContract": "0xCcCCccccCCCCcCCCCCCcCcCccCcCCCcCcccccccC"`, `"salt": "0x`+strings.Repeat("ab", 32)+`"`, 1),
	} {
		in := mail(1)
		in.Document = []byte(doc)
		if err := in.Valid(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What a document can make others hold and hash is bounded.
func TestBoundsOfADocument(t *testing.T) {
	doc := func(types, typ, value string) council.TypedData {
		return council.TypedData{Chain: 1, ValidUntil: 1, Document: []byte(`{"types":{"EIP712Domain":[{"name":"chainId","type":"uint256"}],` + types + `"M":[{"name":"v","type":"` + typ + `"}]},
"primaryType":"M","domain":{"chainId":1},"message":{"v":` + value + `}}`)}
	}
	list := func(n int) string { return "[" + strings.TrimSuffix(strings.Repeat("1,", n), ",") + "]" }
	var types, fields strings.Builder
	for i := range council.MaxTypedTypes {
		fmt.Fprintf(&types, `"T%d":[],`, i)
	}
	for i := range council.MaxTypedFields {
		fmt.Fprintf(&fields, `{"name":"f%d","type":"bool"},`, i)
	}
	nested := func(n int) string { return strings.Repeat(`{"n":[`, n) + strings.Repeat(`]}`, n) }
	const node = `"N":[{"name":"n","type":"N[]"}],`
	for name, in := range map[string]council.TypedData{
		"many values": doc("", "uint8[]", list(council.MaxTypedValues)),
		"many types":  doc(types.String(), "bool", "true"),
		"many fields": doc(`"F":[`+strings.TrimSuffix(fields.String(), ",")+`],`, "bool", "true"),
		"deep":        doc(node, "N", nested(council.MaxTypedDepth/2+1)),
		"very deep":   doc(node, "N", nested(1000)),
	} {
		if err := in.Valid(); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	for name, in := range map[string]council.TypedData{
		"values": doc("", "uint8[]", list(council.MaxTypedValues-2)),
		"depth":  doc(node, "N", nested(council.MaxTypedDepth/2)),
	} {
		if err := in.Valid(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Spaces make another proposal of the same document, and never another digest.
func TestDigestIsOfTheMeaning(t *testing.T) {
	x, y := mail(1), mail(1)
	y.Document = []byte(strings.Replace(mailText, `"chainId": 1`, `"chainId":   "0x1"`, 1))
	dx, err := x.Digest()
	if err != nil {
		t.Fatal(err)
	}
	if dy, err := y.Digest(); err != nil || dx != dy {
		t.Errorf("%s and %s, %v", dx, dy, err)
	}
	px, _ := council.Propose(councilID, x)
	if py, err := council.Propose(councilID, y); err != nil || px == py {
		t.Errorf("one proposal for two documents, %v", err)
	}
}

func TestStatementsThatHideSomething(t *testing.T) {
	for name, text := range map[string]string{
		"nothing": "", "no UTF-8": "a\xff", "an escape": "all is well\x1b[2K", "a direction": "pay \u202eecila", "a zero": "a\x00b",
		"too long": strings.Repeat("a", council.MaxStatement+1),
	} {
		if err := (council.Statement{Text: text, ValidUntil: 1}).Valid(); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	if err := (council.Statement{Text: "Líneas\n\tdos — 安全", ValidUntil: 1}).Valid(); err != nil {
		t.Error(err)
	}
}

func TestSignatureOverAMessage(t *testing.T) {
	key, err := crypto.ToECDSA(crypto.Keccak256([]byte("a key")))
	if err != nil {
		t.Fatal(err)
	}
	who := crypto.PubkeyToAddress(key.PublicKey)
	m := council.Statement{Text: "all is well", ValidUntil: 1}
	d, _ := m.Digest()
	raw, err := crypto.Sign(d[:], key)
	if err != nil {
		t.Fatal(err)
	}
	sig, err := council.SealMessage(m, raw, who)
	if err != nil || sig[64] != raw[64]+27 || raw[64] > 1 {
		t.Fatalf("sealed %x from %x, %v", sig, raw, err)
	}
	if err := council.CheckMessage(m, sig, who); err != nil {
		t.Error(err)
	}
	highS := bytes.Clone(sig)
	new(big.Int).Sub(crypto.S256().Params().N, new(big.Int).SetBytes(sig[32:64])).FillBytes(highS[32:64])
	highS[64] = 55 - highS[64]
	other := m
	other.Text += "!"
	for name, err := range map[string]error{
		"v of 0 or 1":     council.CheckMessage(m, raw, who),
		"high s":          council.CheckMessage(m, highS, who),
		"another text":    council.CheckMessage(other, sig, who),
		"another key":     council.CheckMessage(m, sig, common.Address{1}),
		"too short":       council.CheckMessage(m, sig[:64], who),
		"nothing to seal": func() error { _, err := council.SealMessage(m, nil, who); return err }(),
	} {
		if err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

// A Begin for a message says nothing that does not follow from the message.
func TestBeginOfAMessage(t *testing.T) {
	c := testcouncil.New(t)
	roster, err := c.Roster.Hash()
	if err != nil {
		t.Fatal(err)
	}
	g := council.Genesis{Roster: roster, ShareEpoch: 1, Key: common.Address{1}}
	for _, in := range []council.Message{mail(1), council.Statement{Text: "all is well", ValidUntil: 2_000_000_000, Salt: [32]byte{3}}} {
		id, err := council.Propose(g.ID(), in)
		if err != nil {
			t.Fatal(err)
		}
		d, _ := in.Digest()
		good := council.Begin{Council: g.ID(), Epoch: 1, Roster: roster, Proposal: id, Chain: in.ChainID(), Attempt: 1, Digest: d,
			Coordinator: "core-1", Signers: []council.MemberID{"community-1", "core-1", "core-2", "core-3"}}
		if err := good.Check(g.Holding(c.Roster), in); err != nil {
			t.Fatal(err)
		}
		back := good
		back.Fees = council.Fees{MaxFeePerGas: new(big.Int), MaxTipPerGas: new(big.Int)} // as RLP gives nothing
		if err := back.Check(g.Holding(c.Roster), in); err != nil || back.Hash() != good.Hash() {
			t.Errorf("after decoding: %v", err)
		}
		for name, change := range map[string]func(*council.Begin){
			"chain":   func(b *council.Begin) { b.Chain = 5 },
			"nonce":   func(b *council.Begin) { b.Nonce = 1 },
			"gas":     func(b *council.Begin) { b.Fees.Gas = 21_000 },
			"fee":     func(b *council.Begin) { b.Fees.MaxFeePerGas = big.NewInt(1) },
			"tip":     func(b *council.Begin) { b.Fees.MaxTipPerGas = big.NewInt(1) },
			"digest":  func(b *council.Begin) { b.Digest[0] ^= 1 },
			"attempt": func(b *council.Begin) { b.Attempt = 0 },
			"twice":   func(b *council.Begin) { b.Signers = []council.MemberID{"core-1", "core-1", "core-2", "core-3"} },
		} {
			b := good
			change(&b)
			if b.Check(g.Holding(c.Roster), in) == nil {
				t.Errorf("%s: another %s was taken", in.Kind(), name)
			}
		}
	}
}

// Two statements begun by one coordinator are no contradiction; two transactions
// at one nonce are, and so are two Begins of one statement's attempt.
func TestSameAttempt(t *testing.T) {
	paid := council.Fees{Gas: 21_000, MaxFeePerGas: big.NewInt(1), MaxTipPerGas: new(big.Int)}
	x, y := council.ProposalID{1}, council.ProposalID{2}
	begin := func(p council.ProposalID, nonce, attempt uint64, f council.Fees) council.Begin {
		return council.Begin{Proposal: p, Nonce: nonce, Attempt: attempt, Fees: f, Coordinator: "core-1"}
	}
	none := council.Fees{MaxFeePerGas: new(big.Int), MaxTipPerGas: new(big.Int)}
	for name, k := range map[string]struct {
		a, b council.Begin
		want bool
	}{
		"two transactions at one nonce":     {begin(x, 3, 1, paid), begin(y, 3, 1, paid), true},
		"two attempts":                      {begin(x, 3, 1, paid), begin(x, 3, 2, paid), false},
		"two nonces":                        {begin(x, 3, 1, paid), begin(y, 4, 1, paid), false},
		"two messages":                      {begin(x, 0, 1, none), begin(y, 0, 1, council.Fees{}), false},
		"one message twice":                 {begin(x, 0, 1, none), begin(x, 0, 1, council.Fees{}), true},
		"typed data and a transaction at 0": {begin(x, 0, 1, none), begin(y, 0, 1, paid), false},
	} {
		if k.a.SameAttempt(k.b) != k.want || k.b.SameAttempt(k.a) != k.want {
			t.Errorf("%s: want %v", name, k.want)
		}
	}
}

// Entries that were written before there were signatures in them still read,
// and a transaction's entry is the same bytes as ever.
func TestSignedEntryKeepsItsForm(t *testing.T) {
	type before struct {
		Proposal              council.ProposalID
		Chain, Nonce, Attempt uint64
		Signers               []council.MemberID
		Tx                    []byte
	}
	old, err := rlp.EncodeToBytes(before{Chain: 1, Nonce: 2, Attempt: 3, Signers: []council.MemberID{"core-1"}, Tx: []byte{1}})
	if err != nil {
		t.Fatal(err)
	}
	now, err := council.EncodeBody(council.Signed{Chain: 1, Nonce: 2, Attempt: 3, Signers: []council.MemberID{"core-1"}, Tx: []byte{1}})
	if err != nil || !bytes.Equal(old, now) {
		t.Errorf("%s became %s, %v", hexutil.Encode(old), hexutil.Encode(now), err)
	}
	if _, err := council.DecodeBody(council.WordSigned, old); err != nil {
		t.Error(err)
	}
}

// Whatever a member proposes, the strict reading ends in an answer, and a
// document that is taken has one digest.
func FuzzTypedData(f *testing.F) {
	f.Add([]byte(mailText))
	f.Add([]byte(`{"types":{"EIP712Domain":[{"name":"chainId","type":"uint256"}],"A":[]},"primaryType":"A","domain":{"chainId":"1"},"message":{}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := council.ReadTypedData(b)
		if err != nil {
			return
		}
		if again, err := council.ReadTypedData(b); err != nil || again.Digest != d.Digest || d.Digest == (common.Hash{}) {
			t.Errorf("%s, then %s, %v", d.Digest, again.Digest, err)
		}
	})
}
