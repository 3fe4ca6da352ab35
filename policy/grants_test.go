package policy

import (
	"slices"
	"strings"
	"testing"

	"github.com/millicent-one/signer/configs"
)

func TestGrants(t *testing.T) {
	text := strings.Replace(string(configs.Charter), "  - id: revoke-guardian\n    effect: allow\n", "  - id: revoke-guardian\n    effect: allow\n    roles: [\"keccak:GUARDIAN_ADMIN\"]\n", 1)
	c, err := LoadCharter("charter.yaml", []byte(text), sampleActions(t))
	if err != nil {
		t.Fatal(err)
	}
	grants := c.Grants()
	if len(grants) != len(c.Contracts())-1 || slices.ContainsFunc(grants, func(g Grant) bool { return g.Contract == "treasury" }) {
		t.Fatalf("%d grants of %d contracts, of which the treasury is none", len(grants), len(c.Contracts()))
	}
	p, bridge := grants[0], grants[1]
	if p.Contract != "protocol" || p.ChainName != "mainnet" || p.Chain != 1 || len(p.Calls) != 7 || !strings.HasPrefix(p.Move, "grantRole") || len(p.Roles) != 1 || p.Roles[0] != "GUARDIAN_ADMIN" {
		t.Errorf("%+v", p)
	}
	if bridge.Contract != "bridge" || len(bridge.Roles) != 0 || !strings.HasPrefix(bridge.Move, "whatever lets") {
		t.Errorf("%+v", bridge)
	}
}

// What the never-list refuses is no grant, whatever contract lists it.
func TestGrantsLeaveOutTheForbidden(t *testing.T) {
	text := strings.Replace(string(configs.Charter), "    protected: true", "   ", 1)
	if text == string(configs.Charter) {
		t.Fatal("no contract is protected")
	}
	c, err := LoadCharter("charter.yaml", []byte(text), sampleActions(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range c.Grants() {
		if len(g.Calls) == 0 || slices.ContainsFunc(g.Calls, func(s string) bool { return strings.HasPrefix(s, "transfer(") || strings.HasPrefix(s, "approve(") }) {
			t.Errorf("%s: %v", g.Contract, g.Calls)
		}
	}
}
