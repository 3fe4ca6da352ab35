package policy

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/millicent-one/signer/configs"
	"github.com/millicent-one/signer/council"
)

// drawMember writes a random member policy over the contracts and actions of a
// charter. It may not load; then it narrows nothing.
func drawMember(t *rapid.T, c *Charter) string {
	var b strings.Builder
	b.WriteString("version: 1\nrules:\n")
	some := func(of []string, label string) string {
		return strings.Join(rapid.SliceOfNDistinct(rapid.SampledFrom(of), 1, 4, func(s string) string { return s }).Draw(t, label), ", ")
	}
	names := append(sortedKeys(c.byName), `"*"`)
	for i := range rapid.IntRange(0, 4).Draw(t, "rules") {
		fmt.Fprintf(&b, "  - id: r%d\n    effect: %s\n", i, rapid.SampledFrom([]string{"allow", "deny"}).Draw(t, "effect"))
		fmt.Fprintf(&b, "    actions: [%s]\n", some(append(c.actions.Names(), `"*"`), "actions"))
		fmt.Fprintf(&b, "    contracts: [%s]\n", some(names, "contracts"))
		if rapid.Bool().Draw(t, "via") {
			fmt.Fprintf(&b, "    via: [%s]\n", some(append(sortedKeys(c.byName), councilName), "callers"))
		}
	}
	return b.String()
}

// Adding any member policy never allows what the charter alone denies, and
// never asks for fewer approvals.
func TestMemberOnlyNarrows(t *testing.T) {
	type subject struct {
		c     *Charter
		cases []Input
	}
	var subjects []subject
	for file, c := range map[string]*Charter{"testdata/sample-cases.yaml": sampleCharter(t), "testdata/wide-cases.yaml": wideCharter(t)} {
		s := subject{c: c}
		for _, k := range loadCases(t, file).Cases {
			s.cases = append(s.cases, k.input(t, c))
		}
		subjects = append(subjects, s)
	}
	narrowed, kept := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.SampledFrom(subjects).Draw(t, "charter")
		text := drawMember(t, s.c)
		m, err := LoadMember("member.yaml", []byte(text), s.c)
		if err != nil {
			return
		}
		alone, both := New(s.c, nil), New(s.c, m)
		for _, in := range s.cases {
			a, b := alone.Evaluate(in), both.Evaluate(in)
			switch {
			case b.Allow && !a.Allow:
				t.Fatalf("%s\nallows what the charter denies by %s: %s", text, a.Rule, a.Reason)
			case b.Allow && b.Approvals < a.Approvals:
				t.Fatalf("%s\nasks for %d approvals instead of %d", text, b.Approvals, a.Approvals)
			case b.Sentence != a.Sentence:
				t.Fatalf("%s\nchanges the sentence", text)
			case a.Allow && !b.Allow:
				narrowed++
			case b.Allow:
				kept++
			}
		}
	})
	if narrowed == 0 || kept == 0 {
		t.Errorf("the property was not exercised: %d narrowed, %d kept", narrowed, kept)
	}
}

func FuzzLoad(f *testing.F) {
	wide, err := os.ReadFile("testdata/wide.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, b := range [][]byte{configs.Charter, configs.Policy, configs.Actions, wide, []byte("version: 1\nrules: [{id: a, effect: deny, args: [{name: x, in: [1]}]}]")} {
		f.Add(b)
	}
	actions, charter := sampleActions(f), sampleCharter(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		if c, err := LoadCharter("x", b, actions); err == nil {
			Check(c, nil)
			for _, p := range c.Playbooks() {
				c.Playbook(p.Name, p.Targets[0], nil)
			}
		}
		if m, err := LoadMember("x", b, charter); err == nil {
			Check(charter, m)
		}
		LoadActions("x", b)
	})
}

// FuzzEvaluate throws calldata at a charter that allows a lot. Nothing panics,
// and what is allowed is canonical: each call decodes to values that encode to
// the very same bytes, and nothing on the never-list is among them.
func FuzzEvaluate(f *testing.F) {
	c := wideCharter(f)
	for _, k := range loadCases(f, "testdata/wide-cases.yaml").Cases {
		tx := k.input(f, c).Intent.(council.Transaction)
		for i, ct := range c.contracts {
			if ct.Chain == 1 && ct.Address == tx.To {
				f.Add(uint8(i), tx.Data)
			}
		}
	}
	p := New(c, nil)
	f.Fuzz(func(t *testing.T, target uint8, data []byte) {
		ct := c.contracts[int(target)%len(c.contracts)]
		tx := transaction(ct.Address, data)
		tx.Chain, tx.Reason = ct.Chain, "INC-1"
		in := input(tx)
		in.Facts.Chain = ct.Chain
		p.Needs(tx)
		d := p.Evaluate(in)
		if !printable(d.Sentence) && tx.Valid() == nil {
			t.Fatalf("sentence %q", d.Sentence)
		}
		if !d.Allow {
			if d.Reason == "" || d.Hint == "" || d.Rule == "" {
				t.Fatalf("refusal without an explanation: %+v", d)
			}
			return
		}
		canonicalTree(t, c.read(tx), data)
	})
}

// canonicalTree re-encodes what was allowed, from the outside in.
func canonicalTree(t *testing.T, root *Call, data []byte) {
	root.walk(func(k *Call) bool {
		if k.Refusal != nil {
			t.Fatalf("allowed in spite of: %+v", k.Refusal)
		}
		if k.fn == nil {
			t.Fatal("a call that is not decoded is allowed")
		}
		if n, ok := never[k.fn.Selector]; ok && n.unlessNamed == "" {
			t.Fatalf("%s is allowed", n.signature)
		}
		if k == root {
			if again, err := k.fn.encode(k.values); err != nil || string(again) != string(data) {
				t.Fatalf("%x is allowed, and encodes to %x (%v)", data, again, err)
			}
		}
		return true
	})
}
