package policy

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"pgregory.net/rapid"

	"github.com/millicent-one/signer/council"
)

// subjectsOf are the inputs of all cases, with their charters.
func inputsOfCases(t testing.TB) (out []struct {
	name string
	p    *Policy
	in   Input
}) {
	t.Helper()
	for _, k := range []struct {
		file string
		c    *Charter
	}{{shipped, sampleCharter(t)}, {"testdata/wide-cases.yaml", wideCharter(t)}, {"testdata/language-cases.yaml", languageCharter(t)}, {"testdata/chain-cases.yaml", charterOf(t, "testdata/chain.yaml")}} {
		b, err := os.ReadFile(k.file)
		if err != nil {
			t.Fatal(err)
		}
		s, err := LoadCases(k.file, b)
		if err != nil {
			t.Fatal(err)
		}
		for i := range s.file.Cases {
			p, in, err := s.bind(i, k.c, nil)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, struct {
				name string
				p    *Policy
				in   Input
			}{s.file.Cases[i].Name.V, p, in})
		}
	}
	return out
}

// agrees checks that an explanation says what Evaluate says, and that every test
// of every rule has a row of its own.
func agrees(t interface {
	Helper()
	Fatalf(string, ...any)
}, p *Policy, in Input) {
	t.Helper()
	d, x := p.Evaluate(in), p.explain(in)
	if x.Decision != d {
		t.Fatalf("the explanation is of %+v, not of %+v", x.Decision, d)
	}
	if x.Verdict() != d.Allow {
		t.Fatalf("%s by %s, and the explanation says %v:\n%s", map[bool]string{true: "allowed", false: "denied"}[d.Allow], d.Rule, x.Verdict(), x)
	}
	if !d.Allow && !slices.ContainsFunc(x.Missing, func(o Obstacle) bool {
		return o.Rule == d.Rule && strings.HasSuffix(d.Reason, o.Reason) && o.Hint == d.Hint
	}) {
		t.Fatalf("denied by %s (%s), and that is not among the obstacles:\n%s", d.Rule, d.Reason, x)
	}
	check := func(rules []ExplainedRule, refused bool) {
		for _, r := range rules {
			for _, k := range r.Tests {
				if k.What == "rule" {
					t.Fatalf("%s: %s has no row of its own:\n%s", r.Rule, k.Have, x)
				}
			}
			if !refused && r.Effect == "deny" && r.Holds {
				t.Fatalf("%s denies, and yet the call passes:\n%s", r.Rule, x)
			}
		}
		if !refused && !slices.ContainsFunc(rules, func(r ExplainedRule) bool { return r.Effect == "allow" && r.Holds && r.Decides }) {
			t.Fatalf("no rule allows, and yet the call passes:\n%s", x)
		}
	}
	var walk func(c *ExplainedCall)
	walk = func(c *ExplainedCall) {
		check(c.Rules, c.Refusal != nil)
		for _, k := range c.Calls {
			walk(k)
		}
	}
	if x.Call != nil {
		walk(x.Call)
	} else if len(x.Rules) > 0 {
		check(x.Rules, !d.Allow)
	}
	if text := x.String(); !strings.Contains(text, d.Rule) || !printableLines(text) {
		t.Fatalf("not fit for a terminal: %q", text)
	}
}

func printableLines(s string) bool {
	for line := range strings.Lines(s) {
		for _, r := range strings.TrimSuffix(line, "\n") {
			if r < 0x20 || r == 0x7f {
				return false
			}
		}
	}
	return true
}

func TestExplanationAgrees(t *testing.T) {
	all := inputsOfCases(t)
	for _, k := range all {
		t.Run(k.name, func(t *testing.T) { agrees(t, k.p, k.in) })
	}
	allowed, denied := 0, 0
	property := func(t *rapid.T) {
		k := rapid.SampledFrom(all).Draw(t, "case")
		p, in := k.p, k.in
		if rapid.Bool().Draw(t, "member") {
			if m, err := LoadMember("member.yaml", []byte(drawMember(t, p.charter)), p.charter); err == nil {
				p = New(p.charter, m)
			}
		}
		mutate(t, &in)
		agrees(t, p, in)
		if p.Evaluate(in).Allow {
			allowed++
		} else {
			denied++
		}
	}
	if !exercised(t, property, func() bool { return allowed > 0 && denied > 0 }) {
		t.Errorf("%d allowed, %d denied: the property was not exercised", allowed, denied)
	}
}

// mutate changes an input here and there.
func mutate(t *rapid.T, in *Input) {
	any := func(label string) bool { return rapid.IntRange(0, 5).Draw(t, label) == 0 }
	if any("council") {
		in.From = rapid.SampledFrom([]common.Address{{}, {1}, freshAddress}).Draw(t, "from")
	}
	if any("late") {
		in.Now += rapid.Uint64Range(0, 1_000_000).Draw(t, "seconds")
	}
	if any("head") {
		in.Head += rapid.Uint64Range(0, 5).Draw(t, "blocks")
	}
	if any("facts") {
		in.Facts.Answers = nil
	}
	switch k := in.Intent.(type) {
	case council.Transaction:
		if any("gas") {
			k.MaxGas = rapid.Uint64Range(21_000, 20_000_000).Draw(t, "ceiling")
		}
		if any("valid") {
			k.ValidUntil += rapid.Uint64Range(0, 2_000_000).Draw(t, "longer")
		}
		if any("reason") {
			k.Reason = "INC-7"
		}
		if any("chain") {
			k.Chain = rapid.Uint64Range(0, 11).Draw(t, "id")
		}
		if len(k.Data) > 0 && any("bytes") {
			k.Data = slices.Clone(k.Data)
			k.Data[rapid.IntRange(0, len(k.Data)-1).Draw(t, "at")] ^= byte(rapid.IntRange(1, 255).Draw(t, "by"))
		}
		in.Intent = k
	case council.Statement:
		if any("length") {
			k.Text = strings.Repeat("so ", rapid.IntRange(1, 4000).Draw(t, "words"))
		}
		if any("valid") {
			k.ValidUntil += rapid.Uint64Range(0, 2_000_000).Draw(t, "longer")
		}
		in.Intent = k
	}
}

// What Evaluate knows and no row shows is still told.
func TestExplanationNeverSaysLess(t *testing.T) {
	c := sampleCharter(t)
	in := input(transaction(c.byName["bridge"].Address, pack(t, scope{c, 1}, "pause()")))
	other := sampleCharter(t)
	m, err := LoadMember("m", []byte("version: 1"), other)
	if err != nil {
		t.Fatal(err)
	}
	if x := New(c, m).Explain(in); x.Verdict() || x.Missing[0].Rule != "default/policy" {
		t.Errorf("a foreign member's policy: %s", x)
	}
	in.Intent = council.Transaction{}
	if x := New(c, nil).Explain(in); x.Verdict() || x.Missing[0].Rule != "default/intent" {
		t.Errorf("an intent beyond its bounds: %s", x)
	}
}

func TestExplainGolden(t *testing.T) {
	want := []string{"pause", "unpause that reverts", "scheduled too soon", "pause through the timelock", "multicall that pauses and grants a role",
		"revoke admin", "revoke own role", "cancel nonce elsewhere", "treasury transfer", "statement for too long", "permit",
		"reviewed upgrade", "upgrade to other code", "unlist an excluded one", "open target",
		"order with an excluded payer", "recipients with a stranger", "flags", "builds with other code", "grid with a low row", "limit below what is taken off", "a banned guard",
		"before the window", "limit that is used up", "other admin", "unexpected change", "lacks a role", "delay", "expected change"}
	var got strings.Builder
	seen := 0
	named := map[string]bool{}
	for _, k := range inputsOfCases(t) {
		if slices.Contains(want, k.name) && !named[k.name] {
			named[k.name] = true
			seen++
			fmt.Fprintf(&got, "== %s\n%s\n", k.name, k.p.Explain(k.in))
		}
	}
	if seen < len(want) {
		t.Errorf("%d of %d cases are there", seen, len(want))
	}
	golden(t, "testdata/explain.golden", got.String())
}

// golden compares a text with a file, or with -update writes it.
func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("differs from %s; run with -update and read the difference\n%s", file, got)
	}
}
