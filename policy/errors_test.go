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
		{"a brake with a delay", "charter", "  - id: pause\n    effect: allow", "  - id: pause\n    delay: 24h\n    effect: allow"},
		{"missing field", "charter", "threshold: 4", "# threshold: 4"},
		{"version", "charter", "version: 1", "version: 2"},
		{"threshold", "charter", "threshold: 4", "threshold: 1"},
		{"amended by three", "charter", "  approvals: 5\n  delay: 72h", "  approvals: 3\n  delay: 72h"},
		{"amended by more than there can be", "charter", "  approvals: 5\n  delay: 72h", "  approvals: 33\n  delay: 72h"},
		{"amended within a day", "charter", "  approvals: 5\n  delay: 72h", "  approvals: 5\n  delay: 23h"},
		{"amended some time", "charter", "  approvals: 5\n  delay: 72h", "  approvals: 5\n  delay: soon"},
		{"amended without approvals", "charter", "  approvals: 5\n  delay: 72h", "  delay: 72h"},
		{"amended without a delay", "charter", "  approvals: 5\n  delay: 72h", "  approvals: 5"},
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
		{"bad implementation", "charter", "      - multicall(bytes[] data)\n", "      - multicall(bytes[] data)\n    implementation: brigde\n"},
		{"implementation is the proxy", "charter", "      - multicall(bytes[] data)\n", "      - multicall(bytes[] data)\n    implementation: protocol\n"},
		{"zero admin", "charter", "      - multicall(bytes[] data)\n", "      - multicall(bytes[] data)\n    admin: 0x0000000000000000000000000000000000000000\n"},
		{"beacon with a wrong checksum", "charter", "      - multicall(bytes[] data)\n", "      - multicall(bytes[] data)\n    beacon: 0xd8da6bf26964af9d7eed9e03e53415d37aa96045\n"},
		{"code of no implementation", "charter", "      - multicall(bytes[] data)\n", "      - multicall(bytes[] data)\n    implementation_code: 0x00000000000000000000000000000000000000000000000000000000000000c0\n"},
		{"bad code of an implementation", "charter", "      - multicall(bytes[] data)\n", "      - multicall(bytes[] data)\n    implementation: bridge\n    implementation_code: 0xc0\n"},
		{"unknown watched contract", "charter", "rules:\n", "watched: [tresury]\nrules:\n"},
		{"watched twice", "charter", "rules:\n", "watched: [treasury, treasury]\nrules:\n"},
		{"unknown role", "charter", "require: [simulation]", "roles: [PAUSR_ROLE]"},
		{"short role", "charter", "require: [simulation]", "roles: [0x01]"},
		{"large role", "charter", "require: [simulation]", "roles: [18446744073709551616]"},
		{"deny with roles", "charter", "    actions: [update-delay]", "    actions: [update-delay]\n    roles: [PAUSER_ROLE]"},
		{"a statement with roles", "charter", "    max_length: 8192", "    roles: [PAUSER_ROLE]"},
		{"deny typed data with roles", "charter", "    effect: allow\n    actions: [statement]\n    max_length: 8192\n    validity: 7d", "    effect: deny\n    actions: [typed-data]\n    roles: [PAUSER_ROLE]"},
		{"rehearsal without a parameter", "charter", "    targets: [timelock]\n    function: cancel\n", "    targets: [timelock]\n    function: cancel\n    rehearse: {di: \"keccak:x\"}\n"},
		{"rehearsal of a bad parameter", "charter", "    targets: [timelock]\n    function: cancel\n", "    targets: [timelock]\n    function: cancel\n    rehearse: {id: x}\n"},
		{"rehearsal without parameters", "charter", "    targets: [protocol, bridge]\n    function: pause\n", "    targets: [protocol, bridge]\n    function: pause\n    rehearse: {id: x}\n"},
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
		{"a wrapper by its name", "charter", "rules:\n", "actions:\n  - name: run\n    class: restrictive\n    duty: oversight\n    functions: [\"execute(bytes32 mode, bytes data)\"]\n    sentence: Run\nrules:\n"},
		{"a protected contract in a rule", "charter", "contracts: [timelock]", "contracts: [treasury]"},
		{"a statement with a target", "charter", "    max_length: 8192", "    contracts: [protocol]"},
		{"a statement with fees", "charter", "    max_length: 8192", "    fee: 1 gwei"},
		{"a statement and more", "charter", "actions: [statement]", "actions: [statement, pause]"},
		{"more and a statement", "charter", "actions: [pause]", "actions: [pause, statement]"},
		{"a statement without end", "charter", "max_length: 8192", "max_length: 16385"},
		{"a statement with a domain", "charter", "    max_length: 8192", "    domain: {name: x}"},
		{"a length for a pause", "charter", "actions: [pause]", "actions: [pause]\n    max_length: 5"},
		{"a domain for a pause", "charter", "actions: [pause]", "actions: [pause]\n    domain: {name: x}"},
		{"typed data of any domain", "charter", "    actions: [statement]\n    max_length: 8192", "    actions: [typed-data]\n    primary_type: Note"},
		{"typed data of any type", "charter", "    actions: [statement]\n    max_length: 8192", "    actions: [typed-data]\n    domain: {name: x, version: \"1\", chain: mainnet, contract: protocol}"},
		{"typed data of an unknown chain", "charter", "    actions: [statement]\n    max_length: 8192", "    actions: [typed-data]\n    primary_type: Note\n    domain: {name: x, version: \"1\", chain: mainet, contract: protocol}"},
		{"typed data of an unknown contract", "charter", "    actions: [statement]\n    max_length: 8192", "    actions: [typed-data]\n    primary_type: Note\n    domain: {name: x, version: \"1\", chain: mainnet, contract: protocoll}"},
		{"typed data with a salt", "charter", "    actions: [statement]\n    max_length: 8192", "    actions: [typed-data]\n    domain: {salt: x}"},
		{"a permit", "charter", "    actions: [statement]\n    max_length: 8192", "    actions: [typed-data]\n    primary_type: PermitTransferFrom\n    domain: {name: x, version: \"1\", chain: mainnet, contract: protocol}"},
		{"deny with a length", "charter", "    effect: allow\n    actions: [statement]", "    effect: deny\n    actions: [statement]"},
		{"language: duplicate list", "language", "  - name: banned", "  - name: partners"},
		{"language: list of an unknown chain", "language", "  - name: banned\n    chain: mainnet", "  - name: banned\n    chain: mainet"},
		{"language: list with a bad name", "language", "  - name: banned", "  - name: Banned"},
		{"language: empty list", "language", "    addresses: [\"0x00000000000000000000000000000000000000BA\"]", "    addresses: []"},
		{"language: address on a list twice", "language", "addresses: [vault,", "addresses: [vault, vault,"},
		{"language: contract of another chain on a list", "language", "addresses: [vault,", "addresses: [registry-l2,"},
		{"language: unknown list", "language", "{name: order.recipient, in_list: partners}", "{name: order.recipient, in_list: partner}"},
		{"language: list on a number", "language", "{name: order.amount, min: 1,", "{name: order.amount, in_list: partners,"},
		{"language: list of another chain", "language", "actions: [set-guards], contracts: [\"*\"]}", "actions: [set-guards], contracts: [\"*\"], args: [{name: guards, any: {in_list: partners}}]}"},
		{"language: in and in_list", "language", "{name: order.recipient, in_list: partners}", "{name: order.recipient, in: [vault], in_list: partners}"},
		{"language: equal and in_list", "language", "{name: order.recipient, in_list: partners}", "{name: order.recipient, equal: vault, in_list: partners}"},
		{"language: unknown field of a struct", "language", "name: order.recipient", "name: order.recipent"},
		{"language: unknown field below a field", "language", "name: order.terms.payer", "name: order.terms.prayer"},
		{"language: field of a number", "language", "name: order.amount", "name: order.amount.low"},
		{"language: unknown field of items", "language", "{name: recipient, not_in_list: banned}", "{name: recipent, not_in_list: banned}"},
		{"language: deny on an unknown field of items", "language", "args: [{name: guards, any: {in_list: banned}}]", "args: [{name: guards, any: {name: x, in_list: banned}}]"},
		{"language: a struct as a whole", "language", "{name: order.recipient, in_list: partners}", "{name: order, equal: 5}"},
		{"language: a list as a whole", "language", "{name: pair, all: {not:", "{name: pair, any: {not: vault}, not_in: [\"0,0\"], all: {not:"},
		{"language: any on a number", "language", "{name: order.amount, min: 1,", "{name: order.amount, any: {equal: 1}, min: 1,"},
		{"language: all of nothing", "language", "all: {in_list: partners}, length", "all: {}, length"},
		{"language: code under any", "language", "{name: implementations, all: {code:", "{name: implementations, any: {code:"},
		{"language: code in a deny rule's all", "language", "any: {in_list: banned}", "all: {code: [\"0x00000000000000000000000000000000000000000000000000000000000000d1\"]}"},
		{"language: bits on an address", "language", "{name: order.terms.payer, not: registry}", "{name: order.terms.payer, bits: {mask: 1, equal: 1}}"},
		{"language: bits outside the mask", "language", "bits: {mask: 0xff, equal: 0x01}", "bits: {mask: 0xff, equal: 0x101}"},
		{"language: empty mask", "language", "bits: {mask: 0xff, equal: 0x01}", "bits: {mask: 0, equal: 0}"},
		{"language: mask without a value", "language", "bits: {mask: 0xff, equal: 0x01}", "bits: {mask: 0xff}"},
		{"language: mask of another length", "language", "bits: {mask: 0xff000000,", "bits: {mask: 0xff0000,"},
		{"language: length without bounds", "language", "length: {min: 2, max: 4}", "length: {}"},
		{"language: length turned round", "language", "length: {min: 2, max: 4}", "length: {min: 5, max: 4}"},
		{"language: length below zero", "language", "length: {min: 2, max: 4}", "length: {min: -2}"},
		{"language: length of an array", "language", "{name: pair, all: {not:", "{name: pair, length: {min: 2}, all: {not:"},
		{"language: when with an unknown argument", "language", "args.keepers.size() ==", "args.keeper.size() =="},
		{"language: when on several lines with an unknown variable", "language", "&& tx.fee + tx.tip", "&& tx.fee + txx.tip"},
		{"language: deny when no function has the argument", "language", "tx.gas / args.guards.size()", "tx.gas / args.guard.size()"},
		{"language: when of a statement", "charter", "    actions: [statement]", "    actions: [statement]\n    when: tx.gas < 5"},
		{"a brake with a window", "charter", "actions: [pause]", "actions: [unpause, pause]\n    window: {days: [mon]}"},
		{"a brake with a limit", "charter", "actions: [revoke-role]", "actions: [revoke-role]\n    limit: {count: 1, per: 7d}"},
		{"a brake with a cool-down", "charter", "actions: [timelock-cancel]", "actions: [timelock-cancel]\n    cooldown: 1h"},
		{"a brake with seats", "charter", "actions: [pause]", "actions: [pause]\n    seats: {core: 1}"},
		{"a brake by wildcard", "charter", "actions: [pause]", "actions: [\"*\"]\n    delay: 1h"},
		{"a wrapper with a delay", "charter", "actions: [multicall]", "actions: [multicall]\n    delay: 1h"},
		{"a deny rule with a window", "charter", "    effect: deny\n", "    effect: deny\n    window: {days: [sat, sun]}\n"},
		{"a window without a time", "charter", "actions: [unpause]", "actions: [unpause]\n    window: {}"},
		{"a window that is empty", "charter", "actions: [unpause]", "actions: [unpause]\n    window: []"},
		{"a window that is a word", "charter", "actions: [unpause]", "actions: [unpause]\n    window: weekdays"},
		{"a window of all week", "charter", "actions: [unpause]", "actions: [unpause]\n    window: [{hours: 00:00-12:00}, {hours: 12:00-24:00}]"},
		{"an unknown day", "charter", "actions: [unpause]", "actions: [unpause]\n    window: {days: [mon, tues]}"},
		{"a day twice", "charter", "actions: [unpause]", "actions: [unpause]\n    window: {days: [mon, mon]}"},
		{"hours without an end", "charter", "actions: [unpause]", "actions: [unpause]\n    window: {hours: 08:00}"},
		{"hours that are none", "charter", "actions: [unpause]", "actions: [unpause]\n    window: {hours: 08:00-24:30}"},
		{"hours of nothing", "charter", "actions: [unpause]", "actions: [unpause]\n    window: {hours: 08:00-08:00}"},
		{"hours from the end", "charter", "actions: [unpause]", "actions: [unpause]\n    window: {hours: 24:00-08:00}"},
		{"an unknown word in a window", "charter", "actions: [unpause]", "actions: [unpause]\n    window: [{day: [mon]}]"},
		{"a limit of nothing", "charter", "actions: [unpause]", "actions: [unpause]\n    limit: {count: 0, per: 7d}"},
		{"a limit of too much", "charter", "actions: [unpause]", "actions: [unpause]\n    limit: {count: 1025, per: 7d}"},
		{"a limit without a time", "charter", "actions: [unpause]", "actions: [unpause]\n    limit: {count: 2}"},
		{"a limit of a bad time", "charter", "actions: [unpause]", "actions: [unpause]\n    limit: {count: 2, per: week}"},
		{"a limit left empty", "charter", "actions: [unpause]", "actions: [unpause]\n    limit:"},
		{"a cool-down without a unit", "charter", "actions: [unpause]", "actions: [unpause]\n    cooldown: 24"},
		{"a delay that outlives the proposal", "charter", "actions: [unpause]", "actions: [unpause]\n    validity: 12h\n    delay: 12h"},
		{"seats of nobody", "charter", "actions: [unpause]", "actions: [unpause]\n    seats: {core: 0}"},
		{"seats of too many", "charter", "actions: [unpause]", "actions: [unpause]\n    seats: {core: 30, community: 3}"},
		{"seats of fewer than none", "charter", "actions: [unpause]", "actions: [unpause]\n    seats: {core: -1, community: 3}"},
		{"an unknown seat", "charter", "actions: [unpause]", "actions: [unpause]\n    seats: {foundation: 1}"},
		{"a statement with a bad delay", "charter", "    max_length: 8192", "    delay: soon"},
		{"alias", "charter", "name: Millicent One Security Council", "name: &n Millicent"},
		{"two documents", "charter", "rules:\n", "---\nrules:\n"},
		{"member: unknown action", "policy", "actions: [grant-role", "actions: [grantrole"},
		{"member: unknown field", "policy", "effect: deny", "effect: deny\n    whenever: always"},
		{"member: duplicate rule", "policy", "rules:\n", "rules:\n  - {id: no-roles, effect: deny}\n"},
		{"member: a brake with a delay", "policy", "rules:\n", "rules:\n  - {id: slow, effect: allow, actions: [pause], contracts: [protocol], delay: 1h}\n"},
		{"member: unknown contract", "policy", "effect: deny", "effect: deny\n    contracts: [vault]"},
		{"actions: unknown class", "actions", "class: restrictive", "class: harmless"},
		{"actions: unknown duty", "actions", "duty: emergency", "duty: fun"},
		{"actions: duplicate", "actions", "name: pause-part", "name: pause"},
		{"actions: overlapping", "actions", "    where: {closed: \"false\"}\n", ""},
		{"actions: unknown place", "actions", "Freeze {account}", "Freeze {acount}"},
		{"actions: unclosed place", "actions", "Freeze {account}", "Freeze {account"},
		{"actions: unprintable", "actions", "Freeze {account}", "Fr\u00e9eze {account}"},
		{"cases: no charter", "cases", "charter: sample", "actions: x.yaml"},
		{"cases: unknown field", "cases", "{name: pause bridge, to: bridge", "{name: pause bridge, too: bridge"},
		{"cases: duplicate", "cases", "{name: pause bridge,", "{name: pause,"},
		{"cases: nothing proposed", "cases", "{name: pause bridge, to: bridge, call: pause(),", "{name: pause bridge,"},
		{"cases: two things proposed", "cases", "{name: pause bridge, to: bridge,", "{name: pause bridge, to: bridge, statement: x,"},
		{"cases: call and data", "cases", "{name: pause bridge, to: bridge,", "{name: pause bridge, to: bridge, data: 0x00,"},
		{"cases: arguments of nothing", "cases", "{name: pause bridge, to: bridge, call: pause(),", "{name: pause bridge, to: bridge, args: [1],"},
		{"cases: parameters of nothing", "cases", "{name: pause bridge, to: bridge,", "{name: pause bridge, to: bridge, params: {id: x},"},
		{"cases: class", "cases", "class: permissive", "class: harmless"},
		{"cases: approvals of a refusal", "cases", "{name: pause timelock,", "{name: pause timelock, approvals: 4,"},
		{"cases: no expectation", "cases", "call: pause(), allow: true, rule: charter/pause}", "call: pause()}"},
		{"cases: unknown contract", "cases", "{name: pause bridge, to: bridge", "{name: pause bridge, to: brigde"},
		{"cases: wrong checksum", "cases", "{name: pause bridge, to: bridge", "{name: pause bridge, to: 0x0000000000000000000000000000000000000BAD"},
		{"cases: bad signature", "cases", "{name: pause bridge, to: bridge, call: pause()", "{name: pause bridge, to: bridge, call: pause"},
		{"cases: number of arguments", "cases", "call: cancel(bytes32), args: [keccak:x], allow", "call: cancel(bytes32), args: [], allow"},
		{"cases: argument", "cases", "call: cancel(bytes32), args: [keccak:x], allow", "call: cancel(bytes32), args: [x], allow"},
		{"cases: a list for a word", "cases", "call: cancel(bytes32), args: [keccak:x], allow", "call: cancel(bytes32), args: [[keccak:x]], allow"},
		{"cases: a call for a word", "cases", "call: cancel(bytes32), args: [keccak:x], allow", "call: cancel(bytes32), args: [{call: pause()}], allow"},
		{"cases: unknown field of a call", "cases", "[[{call: pause(), append: 0xff}]]", "[[{call: pause(), apend: 0xff}]]"},
		{"cases: odd hex", "cases", "data: 0x8456cb,", "data: 0x8456c,"},
		{"cases: place beyond the calldata", "cases", "set: {\"36\":", "set: {\"3600\":"},
		{"cases: place that is no number", "cases", "set: {\"36\":", "set: {\"x\":"},
		{"cases: amount", "cases", "value: 1 wei", "value: 1"},
		{"cases: length of time", "cases", "valid: 80h", "valid: 80"},
		{"cases: time", "cases", "{name: pause bridge, to: bridge,", "{name: pause bridge, to: bridge, now: tomorrow,"},
		{"cases: expected change", "cases", "{name: pause bridge, to: bridge,", "{name: pause bridge, to: bridge, expect: [x],"},
		{"cases: sight", "cases", "{name: pause bridge, to: bridge,", "{name: pause bridge, to: bridge, facts: {sight: all},"},
		{"cases: amount that moves", "cases", "{name: pause bridge, to: bridge,", "{name: pause bridge, to: bridge, facts: {moves: [{from: bridge, to: council, amount: 0}]},"},
		{"cases: who moves", "cases", "{name: pause bridge, to: bridge,", "{name: pause bridge, to: bridge, facts: {moves: [{from: brigde, to: council, amount: 1}]},"},
		{"cases: changed word", "cases", "{name: pause bridge, to: bridge,", "{name: pause bridge, to: bridge, facts: {changes: [x]},"},
		{"cases: a pin that is none", "cases", "{name: pause bridge, to: bridge,", "{name: pause bridge, to: bridge, facts: {implementation: {bridge: council}},"},
		{"cases: history", "cases", "{name: pause bridge, to: bridge,", "{name: pause bridge, to: bridge, history: {signed: {charter/pause: [1]}},"},
		{"cases: history before all time", "cases", "{name: pause bridge, to: bridge,", "{name: pause bridge, to: bridge, history: {complete: 99999d},"},
		{"cases: unknown playbook", "cases", "playbook: pause, to: bridge", "playbook: puase, to: bridge"},
		{"cases: member's policy", "cases", "actions: [revoke-role]}]}\"", "actions: [revoke-rol]}]}\""},
	}
	language, err := os.ReadFile("testdata/language.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var got strings.Builder
	for _, c := range cases {
		text := map[string][]byte{"language": language, "charter": configs.Charter, "policy": configs.Policy, "actions": configs.Actions, "cases": configs.Cases}[c.file]
		broken := []byte(edit(t, string(text), c.old, c.new))
		var err error
		switch c.file {
		case "language":
			_, err = LoadCharter("language.yaml", broken, sampleActions(t))
		case "charter":
			_, err = LoadCharter("charter.yaml", broken, sampleActions(t))
		case "policy":
			_, err = LoadMember("policy.yaml", broken, sampleCharter(t))
		case "actions":
			_, err = LoadActions("actions.yaml", broken)
		case "cases":
			var s *Cases
			if s, err = LoadCases("cases.yaml", broken); err == nil {
				_, err = s.Judge(sampleCharter(t), nil)
			}
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
