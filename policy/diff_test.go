package policy

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/millicent-one/signer/configs"
)

// edited is the sample charter with texts replaced; pairs of old and new.
func edited(t testing.TB, pairs ...string) *Charter {
	t.Helper()
	text := string(configs.Charter)
	for i := 0; i+1 < len(pairs); i += 2 {
		if !strings.Contains(text, pairs[i]) {
			t.Fatalf("the sample does not hold %q", pairs[i])
		}
		text = strings.Replace(text, pairs[i], pairs[i+1], 1)
	}
	c, err := LoadCharter("charter.yaml", []byte(text), sampleActions(t))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func member(t testing.TB, c *Charter, rules string) *Member {
	t.Helper()
	m, err := LoadMember("policy.yaml", []byte("version: 1\nrules:\n"+rules), c)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func (d *Difference) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s (%s)\n", d.Text, d.Direction)
	for _, e := range d.Entries {
		fmt.Fprintf(&b, "  %s: %s %s on %s by %s: loosens %s, tightens %s; old %v, new %v\n", e.Kind, e.Action, e.Function, e.Contract, e.Caller, e.Loosens, e.Tightens, e.OldRules, e.NewRules)
		for _, x := range e.Examples {
			fmt.Fprintf(&b, "    %s: %s %s\n      old %s\n      new %s\n", x.Change, x.Call, x.With, x.Old, x.New)
		}
	}
	return b.String()
}

func TestDiffGolden(t *testing.T) {
	var got strings.Builder
	show := func(name string, old, next *Policy) {
		fmt.Fprintf(&got, "== %s\n%s\n", name, Diff(old, next))
	}
	plain := sampleCharter(t)
	base := New(plain, nil)
	for _, k := range []struct {
		name  string
		pairs []string
	}{
		{"the same", nil},
		{"a comment", []string{"# Ready actions", "# The ready actions"}},
		{"another name of a rule", []string{"id: pause\n", "id: brakes\n"}},
		{"a shorter delay", []string{"min: 48h", "min: 24h"}},
		{"a longer delay", []string{"min: 48h", "min: 72h"}},
		{"one more role", []string{`"keccak:GUARDIAN_ROLE"]`, `"keccak:GUARDIAN_ROLE", "keccak:FREEZER_ROLE"]`}},
		{"one role for another", []string{`"keccak:GUARDIAN_ROLE"]`, `"keccak:FREEZER_ROLE"]`}},
		{"one contract less", []string{"actions: [pause]\n    contracts: [protocol, bridge]", "actions: [pause]\n    contracts: [protocol]"}},
		{"fewer approvals", []string{"    approvals: 5\n    require: [simulation]\n  - id: execute", "    require: [simulation]\n  - id: execute"}},
		{"no simulation", []string{"tip: 5 gwei\n    require: [simulation]\n\n  # Protocol", "tip: 5 gwei\n\n  # Protocol"}},
		{"an incident", []string{"tip: 5 gwei\n    require: [simulation]\n\n  # Protocol", "tip: 5 gwei\n    require: [simulation, incident]\n\n  # Protocol"}},
		{"a lower fee for the council", []string{"  fee: 1000 gwei\n", "  fee: 999 gwei\n", "    fee: 1000 gwei\n", "    fee: 999 gwei\n", "    fee: 1000 gwei\n", "    fee: 999 gwei\n"}},
		{"a rule less", []string{"  - id: cancel-scheduled\n    effect: allow\n    actions: [timelock-cancel]\n    contracts: [timelock]\n    validity: 72h\n", ""}},
		{"any caller of an upgrade", []string{"    via: [timelock]\n", "    via: [timelock, council]\n"}},
		{"a reviewed build", []string{"        equal: 0x\n", "        equal: 0x\n      - name: newImplementation\n        code: [\"0x00000000000000000000000000000000000000000000000000000000000000d1\"]\n"}},
		{"a denial", []string{"    actions: [update-delay]\n", "    actions: [update-delay, unpause]\n"}},
		{"a denial that changes nothing", []string{"    actions: [update-delay]\n", "    actions: [update-delay, grant-role]\n"}},
		{"longer statements", []string{"max_length: 8192", "max_length: 9000"}},
		{"a kind of document", []string{"  - id: statements\n", "  - id: records\n    effect: allow\n    actions: [typed-data]\n    domain: {name: Registry, version: \"1\", chain: mainnet, contract: protocol}\n    primary_type: Record\n  - id: statements\n"}},
		{"another address", []string{"0x2222222222222222222222222222222222222222", "0x5555555555555555555555555555555555555555"}},
	} {
		show(k.name, base, New(edited(t, k.pairs...), nil))
	}
	denies := "  - {id: no-roles, effect: deny, actions: [revoke-role]}\n"
	only := "  - {id: only, effect: allow, actions: [pause], contracts: [bridge]}\n"
	show("a member's first denial", base, New(plain, member(t, plain, denies)))
	show("a member's denial less", New(plain, member(t, plain, denies)), base)
	show("a member's list of permissions", base, New(plain, member(t, plain, only)))
	golden(t, "testdata/diff.golden", got.String())
}

// What differs for some intent is never called the same, nor the wrong way round.
func TestDiffHidesNothing(t *testing.T) {
	edits := []string{
		"min: 48h", "min: 24h",
		`"keccak:PAUSER_ROLE", `, "",
		"actions: [pause]\n    contracts: [protocol, bridge]", "actions: [pause]\n    contracts: [bridge]",
		"actions: [unpause]\n", "actions: [unpause, upgrade-and-call]\n",
		"  - id: together\n    effect: allow\n    actions: [multicall]\n    contracts: [protocol]\n    validity: 72h\n", "",
		"    via: [timelock]\n", "    via: [timelock, council, protocol]\n",
		"        equal: 0x\n", "        not_in: [0x]\n",
		"    actions: [update-delay]\n", "    actions: [update-delay, unpause]\n",
		"    actions: [update-delay]\n", "    actions: [pause]\n    via: [timelock]\n",
		"max_length: 8192", "max_length: 20",
		"  - id: unpause\n    effect: allow", "  - id: unpause\n    effect: deny",
		"0x2222222222222222222222222222222222222222", "0x5555555555555555555555555555555555555555",
		"    actions: [timelock-cancel]\n", "    actions: [timelock-cancel, update-delay]\n",
		"    approvals: 5\n    require: [simulation]\n  - id: execute", "    approvals: 6\n    require: [simulation]\n  - id: execute",
		"require: [simulation]\n\n  # Protocol", "require: [simulation, incident]\n\n  # Protocol",
	}
	actions, inputs := sampleActions(t), inputsOfCases(t)
	charter := func(t *rapid.T) *Charter {
		text := string(configs.Charter)
		for i := 0; i < len(edits); i += 2 {
			if rapid.IntRange(0, 3).Draw(t, "edit") == 0 {
				text = strings.Replace(text, edits[i], edits[i+1], 1)
			}
		}
		text = strings.NewReplacer("  fee: 200 gwei\n    tip: 5 gwei\n    require", "  require", "effect: deny\n    actions: [unpause]\n    contracts: [protocol, bridge]\n    fee: 200 gwei\n    tip: 5 gwei\n    require: [simulation]", "effect: deny\n    actions: [unpause]").Replace(text)
		c, err := LoadCharter("charter.yaml", []byte(text), actions)
		if err != nil {
			c = sampleCharterOf(actions)
		}
		return c
	}
	policyOf := func(t *rapid.T, c *Charter) *Policy {
		if rapid.Bool().Draw(t, "member") {
			if m, err := LoadMember("m", []byte(drawMember(t, c)), c); err == nil {
				return New(c, m)
			}
		}
		return New(c, nil)
	}
	found := map[Change]int{}
	property := func(t *rapid.T) {
		a := charter(t)
		b := a
		if rapid.Bool().Draw(t, "charters differ") {
			b = charter(t)
		}
		old, next := policyOf(t, a), policyOf(t, b)
		d := Diff(old, next)
		back := Diff(next, old)
		if mirror := map[Direction]Direction{Same: Same, Loosening: Tightening, Tightening: Loosening, Both: Both}; back.Direction != mirror[d.Direction] {
			t.Fatalf("%s one way, %s the other:\n%s\n%s", d.Direction, back.Direction, d, back)
		}
		for _, k := range inputs {
			x, y := old.Evaluate(k.in), next.Evaluate(k.in)
			how := compareDecisions(x, y)
			found[how]++
			switch how {
			case NowAllowed, FewerApprovals:
				if d.Direction != Loosening && d.Direction != Both {
					t.Fatalf("%s: %s, and the whole is called %s:\n%s", k.name, how, d.Direction, d)
				}
			case NowForbidden, MoreApprovals:
				if d.Direction != Tightening && d.Direction != Both {
					t.Fatalf("%s: %s, and the whole is called %s:\n%s", k.name, how, d.Direction, d)
				}
			}
		}
		for _, s := range subjects(old, next) { // what is shown by comparing rules holds for every example
			for _, e := range []struct {
				contained bool
				against   []Change
			}{{within(s.new, s.old), []Change{NowAllowed, FewerApprovals}}, {within(s.old, s.new), []Change{NowForbidden, MoreApprovals}}} {
				if !e.contained {
					continue
				}
				if got, _ := s.compare(); slices.ContainsFunc(got.Examples, func(x Example) bool { return slices.Contains(e.against, x.Change) }) {
					t.Fatalf("shown to be contained, and an example is not:\n%s", d)
				}
			}
		}
	}
	if !exercised(t, property, func() bool { return found[NowAllowed] > 0 && found[NowForbidden] > 0 }) {
		t.Errorf("the property was not exercised: %v", found)
	}
}

func sampleCharterOf(actions *Catalogue) *Charter {
	c, err := LoadCharter("charter.yaml", configs.Charter, actions)
	if err != nil {
		panic(err)
	}
	return c
}

// A term that nobody has told the comparison of makes rules differ.
func TestFingerprintTakesPartInEverything(t *testing.T) {
	c := sampleCharter(t)
	r := c.rules.all[0]
	m := r.keys[0]
	other := *r
	other.id, other.label, other.pos.Line = "x", "y", 7
	if fingerprint(r, m) != fingerprint(&other, m) {
		t.Error("a name makes a difference")
	}
	other.approvals++
	if fingerprint(r, m) == fingerprint(&other, m) {
		t.Error("approvals make none")
	}
	type unknown struct{ f func() }
	var a, b strings.Builder
	writeStruct(&a, reflect.ValueOf(unknown{func() {}}), nil, 0)
	writeStruct(&b, reflect.ValueOf(unknown{func() { _ = c }}), nil, 0)
	if a.String() == b.String() {
		t.Errorf("two functions are called the same: %s", a.String())
	}
}
