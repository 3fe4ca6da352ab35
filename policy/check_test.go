package policy

import (
	"strings"
	"testing"

	"github.com/millicent-one/signer/configs"
)

func findings(c *Charter, m *Member) string {
	var b strings.Builder
	for _, f := range Check(c, m) {
		if f.Hint == "" {
			b.WriteString("without a hint: ")
		}
		b.WriteString(f.String() + "\n")
	}
	return b.String()
}

func TestCheckSample(t *testing.T) {
	c := sampleCharter(t)
	m, err := LoadMember("policy.yaml", configs.Policy, c)
	if err != nil {
		t.Fatal(err)
	}
	want := `charter.yaml:28:11: note: protocol: 0x1111111111111111111111111111111111111111 looks like a placeholder
charter.yaml:40:11: note: bridge: 0x2222222222222222222222222222222222222222 looks like a placeholder
charter.yaml:47:11: note: timelock: 0x3333333333333333333333333333333333333333 looks like a placeholder
charter.yaml:59:11: note: treasury: 0x4444444444444444444444444444444444444444 looks like a placeholder
charter.yaml:59:11: note: treasury: no rule allows any call to it
charter.yaml:184:9: warning: charter/upgrade-through-timelock: allows upgrade-and-call to any code
`
	if got := findings(c, m); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestCheckFinds(t *testing.T) {
	base := string(configs.Charter)
	for _, k := range []struct{ name, rules, member, want string }{
		{"unreachable", "  - {id: x, effect: allow, actions: [freeze], contracts: [bridge]}\n", "", "charter/x: unreachable: none of its contracts has a function of its actions"},
		{"shadowed", "  - {id: x, effect: allow, actions: [pause], contracts: [bridge], gas: 30000, validity: 1h}\n", "", "charter/x: shadowed: charter/pause already allows all of it"},
		{"denied", "  - {id: x, effect: allow, actions: [update-delay], contracts: [timelock]}\n", "", "charter/x: unreachable: charter/keep-the-delay denies all of it"},
		{"wildcard contract", "  - {id: x, effect: allow, actions: [pause], contracts: [\"*\"]}\n", "", "charter/x: allows by wildcard"},
		{"wildcard action", "  - {id: x, effect: allow, actions: [\"*\"], contracts: [bridge]}\n", "", "charter/x: allows by wildcard"},
		{"role grant", "  - {id: x, effect: allow, actions: [grant-role], contracts: [protocol]}\n", "", "charter/x: allows grant-role with any arguments"},
		{"any code", "  - {id: x, effect: allow, actions: [upgrade-and-call], contracts: [protocol]}\n", "", "charter/x: allows upgrade-and-call to any code"},
		{"slow brake", "  - {id: x, effect: allow, actions: [pause], contracts: [bridge], approvals: 6}\n", "", "charter/x: asks for 6 approvals for the restrictive pause"},
		{"member widens", "", "  - {id: x, effect: allow, actions: [grant-role], contracts: [protocol]}\n", "member/x: names what the charter does not allow anyway: grant-role"},
		{"member shadowed", "", "  - {id: a, effect: deny, actions: [pause]}\n  - {id: x, effect: deny, actions: [pause], contracts: [bridge]}\n", "member/x: shadowed: member/a already denies all of it"},
	} {
		t.Run(k.name, func(t *testing.T) {
			c, err := LoadCharter("charter.yaml", []byte(base+k.rules), sampleActions(t))
			if err != nil {
				t.Fatal(err)
			}
			var m *Member
			if k.member != "" {
				if m, err = LoadMember("policy.yaml", []byte("version: 1\nrules:\n"+k.member), c); err != nil {
					t.Fatal(err)
				}
			}
			if got := findings(c, m); !strings.Contains(got, k.want) || strings.Contains(got, "without a hint") {
				t.Errorf("want …%s…, got\n%s", k.want, got)
			}
		})
	}
}

func TestCheckContractsAndPlaybooks(t *testing.T) {
	text := string(configs.Charter)
	i := strings.Index(text, "    abi_hash:")
	text = text[:i] + text[i+strings.Index(text[i:], "\n")+1:]
	text = edit(t, text, "    fee: 200 gwei\n    tip: 5 gwei\n    validity: 72h", "    fee: 900 gwei\n    tip: 5 gwei\n    validity: 72h")
	c, err := LoadCharter("charter.yaml", []byte(text), sampleActions(t))
	if err != nil {
		t.Fatal(err)
	}
	got := findings(c, nil)
	for _, want := range []string{"warning: protocol: its abi is not pinned by a hash", "warning: playbook unpause: no rule allows it on bridge"} {
		if !strings.Contains(got, want) {
			t.Errorf("want …%s…, got\n%s", want, got)
		}
	}
}
