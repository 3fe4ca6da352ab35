package council_test

import (
	"encoding/json"
	"flag"
	"math/big"
	"os"
	"path/filepath"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/internal/testcouncil"
)

var update = flag.Bool("update", false, "write the golden hashes anew; a change of them changes what wallets sign")

func deed() council.Transaction {
	return council.Transaction{
		Chain: 1, To: common.HexToAddress("0x00000000000000000000000000000000000000c0"), Value: big.NewInt(0),
		Data: common.FromHex("0x8456cb59"), MaxGas: 200_000, MaxFeePerGas: big.NewInt(200e9), MaxTipPerGas: big.NewInt(3e9),
		ValidUntil: 2_000_000_000, Salt: [32]byte{1}, Reason: "the bridge is being drained",
	}
}

// expecting is deed with the words that it says it will change.
func expecting() council.Transaction {
	d := deed()
	d.Expect = []council.Expected{
		{Account: d.To, Slot: common.HexToHash("0x01"), Value: common.HexToHash("0x02")},
		{Account: d.To, Slot: common.HexToHash("0x02"), Value: common.HexToHash("0x00")},
	}
	return d
}

var councilID = common.HexToHash("0xc0ffee")

func ballot(t *testing.T) (*testcouncil.Council, council.Ballot) {
	c := testcouncil.New(t)
	return c, council.Ballot{Council: councilID, Roster: c.Roster, Intent: deed(), Sentence: "pause the bridge"}
}

// The golden hashes are what members' wallets sign. They must never change
// without a new domain version.
func TestGoldenHashes(t *testing.T) {
	c, b := ballot(t)
	hash := func(d council.Document) string {
		h, err := council.Digest(d)
		if err != nil {
			t.Fatal(err)
		}
		return h.Hex()
	}
	ap := c.Approve(t, b, "core-1", 7, 1_900_000_000)
	rej := c.Reject(t, b, "core-2", 8, 1_900_000_000)
	typed := council.TypedData{Chain: 1, Document: []byte(`{"a":1}`), ValidUntil: 2_000_000_000, Salt: [32]byte{2}, Reason: "r"}
	statement := council.Statement{Text: "all is well", ValidUntil: 2_000_000_000, Salt: [32]byte{3}}
	g := council.Genesis{Roster: common.HexToHash("0x01"), ShareEpoch: 1, Key: common.HexToAddress("0x02"), Transcript: common.HexToHash("0x03")}
	begin := council.Begin{
		Council: councilID, Epoch: 1, Roster: common.HexToHash("0x01"), Proposal: ap.Proposal, Chain: 1, Nonce: 4, Attempt: 2,
		Fees:   council.Fees{Gas: 60_000, MaxFeePerGas: big.NewInt(30e9), MaxTipPerGas: big.NewInt(1e9)},
		Digest: common.HexToHash("0x05"), Coordinator: "core-1", Signers: []council.MemberID{"community-1", "core-1", "core-2", "core-3"},
	}
	armed := begin
	armed.Slot = council.ArmSession(1, common.HexToHash("0x01"), begin.Signers, []common.Hash{{1}, {2}, {3}, {4}})
	env := council.Envelope{Deed: deed(), Nonce: 4, Fees: begin.Fees}
	have := map[string]string{
		"roster":             hash(c.Roster.Document()),
		"card":               hash(council.CardDocument(c.Roster.Members[0])),
		"transaction":        hash(council.IntentDocument(councilID, deed())),
		"transaction-expect": hash(council.IntentDocument(councilID, expecting())),
		"typed-data":         hash(council.IntentDocument(councilID, typed)),
		"statement":          hash(council.IntentDocument(councilID, statement)),
		"approval":           hash(ap.Document(councilID, b.Intent)),
		"rejection":          hash(rej.Document(councilID, b.Intent)),
		"approval-typed":     hash(ap.Document(councilID, typed)),
		"approval-statement": hash(ap.Document(councilID, statement)),
		"genesis":            g.ID().Hex(),
		"begin":              begin.Hash().Hex(),
		"session":            common.Hash(begin.Session()).Hex(),
		"slot":               common.Hash(armed.Slot).Hex(),
		"fired":              common.Hash(armed.Fired()).Hex(),
		"keygen-session":     common.Hash(council.CeremonySession(council.PurposeKeygen, 1, g.Roster, begin.Signers, councilID)).Hex(),
		"envelope":           env.Digest().Hex(),
	}
	plain := council.Begin{Council: councilID, Epoch: 1, Roster: common.HexToHash("0x01"), Attempt: 1, Coordinator: "core-1", Signers: begin.Signers}
	have["begin-message"] = plain.Hash().Hex()
	for name, m := range map[string]council.Message{"statement-digest": statement, "typed-data-digest": mail(1)} {
		d, err := m.Digest()
		if err != nil {
			t.Fatal(err)
		}
		have[name] = d.Hex()
	}
	next := step(t, c.Roster, turn, []council.MemberID{"core-4"}, newcomer(t, "core-5"))
	succession, err := next.Document(c.Roster)
	if err != nil {
		t.Fatal(err)
	}
	have["succession"] = hash(succession)
	move := newMoving(t)
	ack := move.rotation.Ack(move.transcript)
	sw, err := council.VerifyCertificate(move.holding, council.Millicent, move.certificate(move.rotation, move.locks(move.rotation, false, five...)...))
	if err != nil {
		t.Fatal(err)
	}
	erasure, err := sw.Erasure("core-1")
	if err != nil {
		t.Fatal(err)
	}
	have["rotation"] = move.rotation.ID().Hex()
	have["rotation-session"] = common.Hash(move.rotation.Session()).Hex()
	have["rotation-test"] = council.TestDigest(2, move.rotation.To, stay, move.rotation.ID()).Hex()
	have["ack"] = ack.ID().Hex()
	have["acks"] = ack.Set(move.succession.Roster).Hex()
	have["lock"] = move.lock(move.rotation, "core-1", false, open(4, 1, council.OpenRevealed)).ID().Hex()
	have["lock-last-four"] = move.lock(move.rotation, "core-1", true, open(4, 1, council.OpenRevealed)).ID().Hex()
	have["refusal"] = move.refusal(move.rotation.ID(), "core-1").ID().Hex()
	have["erasure"] = erasure.ID().Hex()
	word, err := sw.After().Proclamation()
	if err != nil {
		t.Fatal(err)
	}
	have["proclamation"] = word.Digest().Hex()
	path := filepath.Join("testdata", "golden.json")
	if *update {
		out, _ := json.MarshalIndent(have, "", "  ")
		if err := os.WriteFile(path, append(out, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{}
	if err := json.Unmarshal(raw, &want); err != nil {
		t.Fatal(err)
	}
	for name, h := range have {
		if want[name] != h {
			t.Errorf("%s hashes to %s; golden is %s", name, h, want[name])
		}
	}
	if len(want) != len(have) {
		t.Errorf("%d golden hashes, %d computed", len(want), len(have))
	}
}

// A wallet gets the document as JSON; what it reads there must hash to what
// this node checks.
func TestDocumentSurvivesJSON(t *testing.T) {
	c, b := ballot(t)
	ap := c.Approve(t, b, "core-1", 1, 1_900_000_000)
	for _, d := range []council.Document{ap.Document(councilID, b.Intent), c.Roster.Document(), council.CardDocument(c.Roster.Members[2])} {
		raw, err := json.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		var back council.Document
		if err := json.Unmarshal(raw, &back); err != nil {
			t.Fatal(err)
		}
		x, err := council.Digest(d)
		if err != nil {
			t.Fatal(err)
		}
		y, err := council.Digest(back)
		if err != nil || x != y {
			t.Errorf("%s: %s became %s (%v)", d.PrimaryType, x, y, err)
		}
	}
}

// Every field of an intent is part of what is approved.
func TestProposalCommitsToEveryField(t *testing.T) {
	base, err := council.Propose(councilID, deed())
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*council.Transaction){
		"chain":    func(d *council.Transaction) { d.Chain = 5 },
		"to":       func(d *council.Transaction) { d.To[0] = 9 },
		"value":    func(d *council.Transaction) { d.Value = big.NewInt(1) },
		"data":     func(d *council.Transaction) { d.Data = append(d.Data, 0) },
		"gas":      func(d *council.Transaction) { d.MaxGas++ },
		"fee":      func(d *council.Transaction) { d.MaxFeePerGas = big.NewInt(201e9) },
		"tip":      func(d *council.Transaction) { d.MaxTipPerGas = big.NewInt(4e9) },
		"until":    func(d *council.Transaction) { d.ValidUntil++ },
		"salt":     func(d *council.Transaction) { d.Salt[31] = 1 },
		"replaces": func(d *council.Transaction) { d.Replaces[0] = 1 },
		"reason":   func(d *council.Transaction) { d.Reason += "." },
		"expect":   func(d *council.Transaction) { d.Expect = expecting().Expect[:1] },
	} {
		d := deed()
		change(&d)
		id, err := council.Propose(councilID, d)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if id == base {
			t.Errorf("changing %s does not change the proposal", name)
		}
	}
	if id, _ := council.Propose(common.HexToHash("0xbad"), deed()); id == base {
		t.Error("another council has the same proposal")
	}
}
