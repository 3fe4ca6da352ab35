package policy

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/millicent-one/signer/configs"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/internal/strict"
)

var update = flag.Bool("update", false, "write the golden files anew")

// edit replaces the first old by new, and must find it.
func edit(t *testing.T, s, old, new string) string {
	t.Helper()
	if !strings.Contains(s, old) {
		t.Fatalf("the sample does not hold %q", old)
	}
	return strings.Replace(s, old, new, 1)
}

func TestLoaderMessages(t *testing.T) {
	cases := []struct{ name, file, old, new string }{
		{"broken yaml", "charter", "name: Millicent One Security Council", "name: [Millicent"},
		{"unknown field", "charter", "    gas: 300000", "    gass: 300000"},
		{"delay is no field", "charter", "  - id: pause\n    effect: allow", "  - id: pause\n    delay: 24h\n    effect: allow"},
		{"missing field", "charter", "threshold: 4", "# threshold: 4"},
		{"version", "charter", "version: 1", "version: 2"},
		{"threshold", "charter", "threshold: 4", "threshold: 1"},
		{"duplicate rule", "charter", "- id: cancel-scheduled", "- id: pause"},
		{"duplicate contract", "charter", "- name: bridge\n", "- name: protocol\n"},
		{"duplicate address", "charter", "address: 0x2222222222222222222222222222222222222222", "address: 0x1111111111111111111111111111111111111111"},
		{"duplicate function", "charter", "      - unpause()", "      - pause()"},
		{"duplicate chain", "charter", "    id: 1\n", "    id: 1\n  - name: mainnet\n    id: 2\n"},
		{"reserved contract name", "charter", "- name: bridge\n", "- name: council\n"},
		{"bad name", "charter", "- name: bridge\n", "- name: Bridge\n"},
		{"unknown action", "charter", "actions: [pause]", "actions: [puase]"},
		{"unknown contract in rule", "charter", "contracts: [timelock]", "contracts: [timelok]"},
		{"unknown contract in playbook", "charter", "targets: [protocol, bridge]", "targets: [protocol, brigde]"},
		{"unknown chain", "charter", "chain: mainnet", "chain: mainet"},
		{"unknown effect", "charter", "effect: allow", "effect: alow"},
		{"unknown requirement", "charter", "require: [simulation]", "require: [simulaton]"},
		{"unknown argument", "charter", "- name: delay\n", "- name: dealy\n"},
		{"unknown playbook argument", "charter", "      predecessor: 0x", "      predecesor: 0x"},
		{"unknown playbook function", "charter", "    function: pause\n", "    function: halt\n"},
		{"empty condition", "charter", "      - name: delay\n        min: 48h", "      - name: delay"},
		{"range on an address", "charter", "      - name: data\n        equal: 0x", "      - name: newImplementation\n        min: 3"},
		{"bad argument", "charter", "equal: 0x\n", "equal: 0x1\n"},
		{"bad address", "charter", "0x2222222222222222222222222222222222222222", "0x222222222222222222222222222222222222222"},
		{"wrong checksum", "charter", "0x2222222222222222222222222222222222222222", "0xd8da6bf26964af9d7eed9e03e53415d37aa96045"},
		{"zero address", "charter", "0x2222222222222222222222222222222222222222", "0x0000000000000000000000000000000000000000"},
		{"bad unit", "charter", "fee: 200 gwei", "fee: 200 gwie"},
		{"no unit", "charter", "fee: 200 gwei", "fee: 200"},
		{"bad time", "charter", "validity: 24h", "validity: 24 hours"},
		{"above the limit", "charter", "fee: 200 gwei", "fee: 2000 gwei"},
		{"too few approvals", "charter", "approvals: 5", "approvals: 3"},
		{"value", "charter", "    contracts: [protocol, bridge]\n    validity", "    contracts: [protocol, bridge]\n    value: 1 ether\n    validity"},
		{"code without a pin", "charter", "require: [simulation]", "require: [code]"},
		{"changed abi", "charter", "      - cancel(bytes32 id)\n", ""},
		{"bad signature", "charter", "      - cancel(bytes32 id)\n", "      - cancel(bytes33 id)\n"},
		{"unsized type", "charter", "updateDelay(uint256 newDelay)", "updateDelay(uint newDelay)"},
		{"deny with terms", "charter", "    actions: [update-delay]", "    actions: [update-delay]\n    approvals: 5"},
		{"allow of nothing", "charter", "    actions: [timelock-cancel]\n", ""},
		{"cancel-nonce needs no rule", "charter", "actions: [pause]", "actions: [cancel-nonce]"},
		{"playbook on the never-list", "charter", "    targets: [protocol, bridge]\n    function: pause", "    targets: [treasury]\n    function: transfer"},
		{"charter allows a transfer", "charter", "rules:\n", "actions:\n  - name: pay\n    class: permissive\n    duty: oversight\n    functions: [\"transfer(address to, uint256 amount)\"]\n    sentence: Pay\nrules:\n"},
		{"charter renames an action", "charter", "rules:\n", "actions:\n  - name: stop\n    class: restrictive\n    duty: oversight\n    functions: [unpause()]\n    sentence: Stop\nrules:\n"},
		{"a wrapper that nobody unwraps", "charter", "rules:\n", "actions:\n  - name: forward\n    class: restrictive\n    duty: oversight\n    functions: [\"forward(address to, bytes data)\"]\n    sentence: Forward\nrules:\n"},
		{"alias", "charter", "name: Millicent One Security Council", "name: &n Millicent"},
		{"two documents", "charter", "rules:\n", "---\nrules:\n"},
		{"member: unknown action", "policy", "actions: [grant-role", "actions: [grantrole"},
		{"member: unknown field", "policy", "effect: deny", "effect: deny\n    when: always"},
		{"member: duplicate rule", "policy", "rules:\n", "rules:\n  - {id: no-roles, effect: deny}\n"},
		{"member: unknown contract", "policy", "effect: deny", "effect: deny\n    contracts: [vault]"},
		{"actions: unknown class", "actions", "class: restrictive", "class: harmless"},
		{"actions: unknown duty", "actions", "duty: emergency", "duty: fun"},
		{"actions: duplicate", "actions", "name: pause-part", "name: pause"},
		{"actions: overlapping", "actions", "    where: {closed: \"false\"}\n", ""},
		{"actions: unknown place", "actions", "Freeze {account}", "Freeze {acount}"},
		{"actions: unclosed place", "actions", "Freeze {account}", "Freeze {account"},
		{"actions: unprintable", "actions", "Freeze {account}", "Fr\u00e9eze {account}"},
	}
	var got strings.Builder
	for _, c := range cases {
		text := map[string][]byte{"charter": configs.Charter, "policy": configs.Policy, "actions": configs.Actions}[c.file]
		broken := []byte(edit(t, string(text), c.old, c.new))
		var err error
		switch c.file {
		case "charter":
			_, err = LoadCharter("charter.yaml", broken, sampleActions(t))
		case "policy":
			_, err = LoadMember("policy.yaml", broken, sampleCharter(t))
		case "actions":
			_, err = LoadActions("actions.yaml", broken)
		}
		var e *strict.Error
		if !errors.As(err, &e) {
			t.Errorf("%s: no error with a place: %v", c.name, err)
			continue
		}
		if council.Hint(err) == "" {
			t.Errorf("%s: no hint: %v", c.name, err)
		}
		fmt.Fprintf(&got, "%s\n  %s\n  hint: %s\n", c.name, err, council.Hint(err))
	}
	const golden = "testdata/loader-messages.golden"
	if *update {
		if err := os.WriteFile(golden, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got.String() != string(want) {
		t.Errorf("messages differ from %s; run with -update and read the difference\n%s", golden, got.String())
	}
}
