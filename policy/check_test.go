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
	want := `charter.yaml:39:11: note: protocol: 0x1111111111111111111111111111111111111111 looks like a placeholder
charter.yaml:51:11: note: bridge: 0x2222222222222222222222222222222222222222 looks like a placeholder
charter.yaml:58:11: note: timelock: 0x3333333333333333333333333333333333333333 looks like a placeholder
charter.yaml:69:11: note: treasury: 0x4444444444444444444444444444444444444444 looks like a placeholder
charter.yaml:183:9: note: charter/schedule-upgrade: asks for 5 approvals: any 4 nodes could sign without it, since the key's threshold is 4; this is enforced by each honest node's software
charter.yaml:194:9: note: charter/execute-upgrade: asks for 5 approvals: any 4 nodes could sign without it, since the key's threshold is 4; this is enforced by each honest node's software
charter.yaml:202:9: warning: charter/upgrade-through-timelock: allows upgrade-and-call to any code
charter.yaml:202:9: note: charter/upgrade-through-timelock: asks for 5 approvals: any 4 nodes could sign without it, since the key's threshold is 4; this is enforced by each honest node's software
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
		{"quorum of software", "  - {id: x, effect: allow, actions: [unpause], contracts: [bridge], approvals: 6, seats: {core: 2}}\n", "", "note: charter/x: asks for 6 approvals and approvals of 2 core seats: any 4 nodes could sign without it, since the key's threshold is 4; this is enforced by each honest node's software"},
		{"seats of software", "  - {id: x, effect: allow, actions: [statement], seats: {community: 1}}\n", "", "note: charter/x: asks for an approval of a community seat: any 4 nodes"},
		{"member's quorum of software", "", "  - {id: x, effect: allow, actions: [pause], contracts: [bridge], approvals: 5}\n", "note: member/x: asks for 5 approvals: any 4 nodes"},
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

// A rule with an expression may be false: it covers nothing.
func TestCheckWhen(t *testing.T) {
	c, err := LoadCharter("charter.yaml", []byte(string(configs.Charter)+`
  - {id: x, effect: deny, actions: [pause], contracts: [bridge], when: tx.gas > 5}
  - {id: y, effect: deny, actions: [pause], contracts: [bridge]}
  - {id: z, effect: deny, when: tx.gas > 5}
  - {id: v, effect: deny, chains: [mainnet]}
`), sampleActions(t))
	if err != nil {
		t.Fatal(err)
	}
	got := findings(c, nil)
	if strings.Contains(got, "charter/x already") || strings.Contains(got, "charter/z already") || strings.Contains(got, "charter/z denies") || !strings.Contains(got, "charter/pause: unreachable: charter/v denies all of it") {
		t.Errorf("got\n%s", got)
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
