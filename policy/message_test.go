package policy

import (
	"fmt"
	"strings"
	"testing"

	"github.com/millicent-one/signer/configs"
	"github.com/millicent-one/signer/council"
)

// document is an EIP-712 document about an incident, changed here and there.
func document(change map[string]string) []byte {
	text := `{"types":{"EIP712Domain":[{"name":"name","type":"string"},{"name":"version","type":"string"},{"name":"chainId","type":"uint256"},{"name":"verifyingContract","type":"address"}],
"IncidentRecord":[{"name":"id","type":"uint256"},{"name":"summary","type":"string"}]},
"primaryType":"IncidentRecord",
"domain":{"name":"Incident Registry","version":"1","chainId":1,"verifyingContract":"0x1111111111111111111111111111111111111111"},
"message":{"id":"7","summary":"the bridge was paused"}}`
	for old, with := range change {
		if !strings.Contains(text, old) {
			panic("policy: the test document does not hold " + old)
		}
		text = strings.ReplaceAll(text, old, with)
	}
	return []byte(text)
}

// speaking is the sample charter with a rule for such documents.
func speaking(t testing.TB) *Charter {
	t.Helper()
	text := string(configs.Charter) + `
  - id: incident-records
    effect: allow
    actions: [typed-data]
    domain: {name: Incident Registry, version: "1", chain: mainnet, contract: protocol}
    primary_type: IncidentRecord
    validity: 24h
    approvals: 5
`
	c, err := LoadCharter("charter.yaml", []byte(text), sampleActions(t))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func renamed(to string) map[string]string { return map[string]string{"IncidentRecord": to} }

func TestMessages(t *testing.T) {
	c := speaking(t)
	const hour = 3600
	say := func(text string) council.Intent { return council.Statement{Text: text, ValidUntil: caseNow + hour} }
	sign := func(change map[string]string) council.Intent {
		return council.TypedData{Chain: 1, Document: document(change), ValidUntil: caseNow + hour}
	}
	digest := "0x" + strings.Repeat("ab", 32)
	for _, k := range []struct {
		name   string
		in     council.Intent
		member string
		rule   string
		allow  bool
		least  int
	}{
		{"a statement", say("All is well.\nThe bridge is open again."), "", "charter/statements", true, 4},
		{"a long statement", say(strings.Repeat("a ", 4097)), "", "charter/statements", false, 0},
		{"a statement that lasts", council.Statement{Text: "ok", ValidUntil: caseNow + 8*24*hour}, "", "charter/statements", false, 0},
		{"an expired statement", council.Statement{Text: "ok", ValidUntil: caseNow}, "", "default/expired", false, 0},
		{"a statement the member denies", say("ok"), "- {id: quiet, effect: deny, actions: [statement]}", "member/quiet", false, 0},
		{"a member that denies all", say("ok"), "- {id: nothing, effect: deny}", "member/nothing", false, 0},
		{"a member that denies one chain", say("ok"), "- {id: nothing, effect: deny, chains: [mainnet]}", "charter/statements", true, 4},
		{"a member that denies one contract", say("ok"), "- {id: nothing, effect: deny, contracts: [bridge]}", "charter/statements", true, 4},
		{"a member of few words", say("more than five"), "- {id: short, effect: allow, actions: [statement], max_length: 5}", "member/short", false, 0},
		{"a member of more approvals", say("ok"), "- {id: short, effect: allow, actions: [statement], approvals: 6}", "charter/statements", true, 6},
		{"a member that pauses only", say("ok"), "- {id: brakes, effect: allow, actions: [pause], contracts: [protocol]}", "member/default", false, 0},
		{"32 bytes", say("exactly thirty-two bytes of text"), "", "never/raw-hash", false, 0},
		{"31 bytes", say("xactly thirty-two bytes of text"), "", "charter/statements", true, 4},
		{"a hash in hex", say(digest), "", "never/raw-hash", false, 0},
		{"a hash without 0x", say(digest[2:]), "", "never/raw-hash", false, 0},
		{"a hash in capitals", say(strings.ToUpper(digest)), "", "never/raw-hash", false, 0},
		{"a hash and space", say("  " + digest + "\n"), "", "never/raw-hash", false, 0},
		{"long hex", say(digest + "abcd"), "", "never/raw-hash", false, 0},
		{"a hash within words", say("The transaction is " + digest + "."), "", "charter/statements", true, 4},
		{"signing in", say("example.com wants you to sign in with your Ethereum account:\n0x00"), "", "never/sign-in", false, 0},
		{"a proclamation", say(council.Proclamation{Version: 2}.Text()), "", "never/own-words", false, 0},
		{"a proclamation after a line", say("\n\t\u00a0 " + council.Proclamation{Version: 2}.Text()), "", "never/own-words", false, 0},
		{"a test signature", say(council.TestText(2, [32]byte{}, nil, [32]byte{}) + "and more"), "", "never/own-words", false, 0},
		{"words about a proclamation", say("Read: " + council.Proclamation{Version: 2}.Text()), "", "charter/statements", true, 4},

		{"a record", sign(nil), "", "charter/incident-records", true, 5},
		{"a record that lasts", council.TypedData{Chain: 1, Document: document(nil), ValidUntil: caseNow + 25*hour}, "", "charter/incident-records", false, 0},
		{"another name", sign(map[string]string{"Incident Registry": "Other Registry"}), "", "charter/incident-records", false, 0},
		{"another version", sign(map[string]string{`"version":"1"`: `"version":"2"`}), "", "charter/incident-records", false, 0},
		{"another contract", sign(map[string]string{"0x1111111111111111111111111111111111111111": "0x2222222222222222222222222222222222222222"}), "", "charter/incident-records", false, 0},
		{"another type", sign(renamed("IncidentNote")), "", "charter/incident-records", false, 0},
		{"no contract", sign(map[string]string{`,"verifyingContract":"0x1111111111111111111111111111111111111111"`: "", `,{"name":"verifyingContract","type":"address"}`: ""}), "", "charter/incident-records", false, 0},
		{"a salt", sign(map[string]string{`"0x1111111111111111111111111111111111111111"}`: `"0x1111111111111111111111111111111111111111","salt":"` + digest + `"}`,
			`{"name":"verifyingContract","type":"address"}]`: `{"name":"verifyingContract","type":"address"},{"name":"salt","type":"bytes32"}]`}), "", "default/typed-data", false, 0},
		{"another chain", council.TypedData{Chain: 5, Document: document(map[string]string{`"chainId":1`: `"chainId":5`}), ValidUntil: caseNow + hour}, "", "default/chain", false, 0},
		{"a member that denies its domain", sign(nil), "- {id: no, effect: deny, actions: [typed-data], domain: {name: Incident Registry}}", "member/no", false, 0},
		{"a member that denies another domain", sign(nil), "- {id: no, effect: deny, actions: [typed-data], domain: {name: Other}}", "charter/incident-records", true, 5},
		{"a member that denies the type", sign(nil), "- {id: no, effect: deny, actions: [typed-data], primary_type: IncidentRecord}", "member/no", false, 0},
		{"a member that denies the chain", sign(nil), "- {id: no, effect: deny, chains: [mainnet]}", "member/no", false, 0},
		{"a member that denies statements", sign(nil), "- {id: no, effect: deny, actions: [statement]}", "charter/incident-records", true, 5},
		{"a member that allows statements", sign(nil), "- {id: say, effect: allow, actions: [statement]}", "member/default", false, 0},

		{"EIP-2612", sign(renamed("Permit")), "", "never/token-approval", false, 0},
		{"Permit2, one", sign(renamed("PermitSingle")), "", "never/token-approval", false, 0},
		{"Permit2, many", sign(renamed("PermitBatch")), "", "never/token-approval", false, 0},
		{"Permit2, transfer", sign(renamed("PermitWitnessTransferFrom")), "", "never/token-approval", false, 0},
		{"Permit2, inner", sign(renamed("TokenPermissions")), "", "never/token-approval", false, 0},
		{"EIP-3009", sign(renamed("TransferWithAuthorization")), "", "never/token-transfer", false, 0},
		{"EIP-3009, receive", sign(renamed("ReceiveWithAuthorization")), "", "never/delegation", false, 0},
		{"an order", sign(renamed("Order")), "", "never/order", false, 0},
		{"order components", sign(renamed("OrderComponents")), "", "never/order", false, 0},
		{"many orders", sign(renamed("BulkOrder")), "", "never/order", false, 0},
		{"a Safe transaction", sign(renamed("SafeTx")), "", "never/wrapped-call", false, 0},
		{"a Safe message", sign(renamed("SafeMessage")), "", "never/wrapped-call", false, 0},
		{"EIP-2771", sign(renamed("ForwardRequest")), "", "never/wrapped-call", false, 0},
		{"ERC-4337", sign(renamed("PackedUserOperation")), "", "never/wrapped-call", false, 0},
		{"a delegation", sign(renamed("Delegation")), "", "never/delegation", false, 0},
		{"EIP-7702", sign(renamed("Authorization")), "", "never/delegation", false, 0},
		{"in another case", sign(renamed("PERMIT_ALL")), "", "never/token-approval", false, 0},
		{"a permit deep inside", sign(map[string]string{`"IncidentRecord":[`: `"Permit":[],"IncidentRecord":[`}), "", "never/token-approval", false, 0},
		{"a spender", sign(map[string]string{`{"name":"id","type":"uint256"}`: `{"name":"spender","type":"address"}`, `"id":"7"`: `"spender":"0x2222222222222222222222222222222222222222"`}), "", "never/token-approval", false, 0},
	} {
		t.Run(k.name, func(t *testing.T) {
			var m *Member
			if k.member != "" {
				var err error
				if m, err = LoadMember("policy.yaml", []byte("version: 1\nrules:\n  "+k.member+"\n"), c); err != nil {
					t.Fatal(err)
				}
			}
			p := New(c, m)
			if n := p.Needs(k.in); len(n) > 0 {
				t.Errorf("a message needs %v", n)
			}
			d := p.Evaluate(Input{Intent: k.in, From: caseFrom, Now: caseNow})
			if d.Allow != k.allow || d.Rule != k.rule || d.Approvals != k.least {
				t.Fatalf("allow %v by %s with %d: %s (%s)", d.Allow, d.Rule, d.Approvals, d.Reason, d.Hint)
			}
			if !d.Allow && (d.Reason == "" || d.Hint == "") {
				t.Errorf("a refusal without reason or hint: %+v", d)
			}
			if !printable(d.Sentence) || len(d.Sentence) > council.MaxSentence {
				t.Errorf("sentence is not fit to be signed: %q", d.Sentence)
			}
			if d := p.Evaluate(Input{Intent: k.in, Now: caseNow}); d.Allow {
				t.Error("allowed for a council without a key")
			}
		})
	}
}

// Without a rule that names them, messages are denied, and a wildcard does not
// name them.
func TestMessagesAreDeniedByDefault(t *testing.T) {
	text := strings.Replace(string(configs.Charter), "actions: [statement]\n    max_length: 8192", "actions: [\"*\"]\n    contracts: [\"*\"]", 1)
	c, err := LoadCharter("charter.yaml", []byte(text), sampleActions(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, in := range []council.Intent{council.Statement{Text: "ok", ValidUntil: caseNow + 1}, council.TypedData{Chain: 1, Document: document(nil), ValidUntil: caseNow + 1}} {
		if d := New(c, nil).Evaluate(Input{Intent: in, From: caseFrom, Now: caseNow}); d.Allow || d.Rule != "default/no-rule" {
			t.Errorf("%s: %+v", in.Kind(), d)
		}
	}
}

// What members sign quotes the text; what is too long for it is named by hash.
func TestSentenceOfAMessage(t *testing.T) {
	p := New(speaking(t), nil)
	sentence := func(in council.Intent) string {
		a, err := p.Describe(in)
		if err != nil {
			t.Fatal(err)
		}
		return a.Sentence
	}
	if s := sentence(council.Statement{Text: "All is \"well\".\nÉté", ValidUntil: 1}); s != `Publish the statement "All is \"well\".\n\u00c9t\u00e9"` {
		t.Error(s)
	}
	x, y := strings.Repeat("é", 2000), strings.Repeat("é", 1999)+"e"
	if a, b := sentence(council.Statement{Text: x, ValidUntil: 1}), sentence(council.Statement{Text: y, ValidUntil: 1}); a == b || !strings.Contains(a, "4000 bytes") {
		t.Errorf("%s\n%s", a, b)
	}
	s := sentence(council.TypedData{Chain: 1, Document: document(nil), ValidUntil: 1})
	for _, want := range []string{"On mainnet (chain 1): sign typed data IncidentRecord", `"Incident Registry" version "1"`, "protocol (0x1111", `{"id":"7","summary":"the bridge was paused"}`, "digest 0x"} {
		if !strings.Contains(s, want) {
			t.Errorf("%s lacks %s", s, want)
		}
	}
	many := fmt.Sprintf(`"summary":%q`, strings.Repeat("é", 3000))
	long := council.TypedData{Chain: 1, Document: document(map[string]string{`"summary":"the bridge was paused"`: many}), ValidUntil: 1}
	if s := sentence(long); len(s) > council.MaxSentence || !printable(s) || !strings.Contains(s, "cut short") {
		t.Error(s)
	}
}

// The never-list holds whatever the files say: no charter with a rule for such
// a type loads, and one whose rule was made for a harmless type does not reach
// a forbidden one.
func TestForbiddenTypes(t *testing.T) {
	for _, name := range []string{"Mail", "IncidentRecord", "Reorganisation", "Border", "Ballot", "Attestation", "Borderless", "Taskforce"} {
		if rule, _, ok := forbiddenType(name); ok {
			t.Errorf("%s is forbidden by %s", name, rule)
		}
	}
}
