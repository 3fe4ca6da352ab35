package policy

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
	"pgregory.net/rapid"

	"github.com/millicent-one/signer/configs"
	"github.com/millicent-one/signer/council"
)

func TestAmendIsRead(t *testing.T) {
	c := sampleCharter(t)
	if a := c.Amend(edited(t, "threshold: 4 #", "threshold: 5 #")); a.Approvals != 5 || a.Delay != 72*3600 || a.Tightens {
		t.Errorf("the sample asks for %+v", a)
	}
	if c.AmendApprovals() != 5 {
		t.Errorf("the sample asks for %d approvals", c.AmendApprovals())
	}
	silent := edited(t, "amend:\n  approvals: 5\n  delay: 72h\n", "")
	if a := silent.Amend(c); a.Approvals != 4 || a.Delay != 0 || !a.Tightens {
		t.Errorf("to ask for more approvals takes %+v", a)
	}
	if a := silent.Amend(edited(t, "amend:\n  approvals: 5\n  delay: 72h\n", "", "gas: 5000000", "gas: 5000001")); a.Approvals != 4 || a.Delay != DefaultAmendDelay {
		t.Errorf("a charter that does not say asks for %+v", a)
	}
}

// What a change takes, for all that may stand in a charter.
func TestAmend(t *testing.T) {
	const cancel = "  - id: cancel-scheduled\n    effect: allow\n    actions: [timelock-cancel]\n    contracts: [timelock]\n    validity: 72h\n"
	const last = "  - id: deny-all-timelocks\n    effect: deny\n    contracts: [timelock]\n"
	for _, k := range []struct {
		name  string
		pairs []string
		why   string // of what may loosen; "" for what tightens
	}{
		{"a comment", []string{"# Ready actions", "# The ready actions"}, ""},
		{"one more denial", []string{"rules:\n", "rules:\n" + last}, ""},
		{"a denial of more", []string{"    actions: [update-delay]\n", "    actions: [update-delay, unpause]\n"}, ""},
		{"a rule less", []string{cancel, ""}, ""},
		{"one contract less", []string{"actions: [pause]\n    contracts: [protocol, bridge]", "actions: [pause]\n    contracts: [protocol]"}, ""},
		{"an incident", []string{"tip: 5 gwei\n    require: [simulation]\n\n  # Protocol", "tip: 5 gwei\n    require: [simulation, incident]\n\n  # Protocol"}, ""},
		{"a longer delay", []string{"min: 48h", "min: 72h"}, ""},
		{"less gas for a rule and its playbook", []string{"gas: 300000", "gas: 200000"}, ""},
		{"more gas for a playbook", []string{"    gas: 300000\n    fee: 1000 gwei", "    gas: 300001\n    fee: 1000 gwei"}, "playbook pause is new or another one"},
		{"more approvals to change it", []string{"amend:\n  approvals: 5", "amend:\n  approvals: 6"}, ""},
		{"longer until it changes", []string{"  delay: 72h\n", "  delay: 96h\n"}, ""},

		{"fewer approvals to change it", []string{"amend:\n  approvals: 5", "amend:\n  approvals: 4"}, "amend.approvals is lower"},
		{"sooner", []string{"  delay: 72h\n", "  delay: 48h\n"}, "amend.delay is shorter"},
		{"another name", []string{"name: Millicent One Security Council", "name: The Council"}, "name changed"},
		{"another threshold", []string{"threshold: 4 #", "threshold: 5 #"}, "threshold changed"},
		{"one more chain", []string{"    id: 1\n", "    id: 1\n  - name: testnet\n    id: 11155111\n"}, "chains changed"},
		{"a higher ceiling", []string{"gas: 5000000", "gas: 5000001"}, "limits.gas is higher"},
		{"another rule", []string{cancel, strings.ReplaceAll(cancel, "cancel-scheduled", "cancels")}, "charter/cancels is a new rule"},
		{"a shorter delay", []string{"min: 48h", "min: 24h"}, "not shown to allow nothing more"},
		{"any caller of an upgrade", []string{"    via: [timelock]\n", "    via: [timelock, council]\n"}, "not shown to allow nothing more"},
		{"no simulation", []string{"tip: 5 gwei\n    require: [simulation]\n\n  # Protocol", "tip: 5 gwei\n\n  # Protocol"}, "not shown to allow nothing more"},
		{"a denial less", []string{"    actions: [update-delay]\n", "    actions: [unpause]\n"}, "what charter/keep-the-delay denies is not shown"},
	} {
		t.Run(k.name, func(t *testing.T) {
			text := strings.NewReplacer(k.pairs...).Replace(string(configs.Charter))
			if text == string(configs.Charter) {
				t.Fatal("the sample does not hold that")
			}
			next, err := LoadCharter("charter.yaml", []byte(text), sampleActions(t))
			if err != nil {
				t.Fatal(err)
			}
			a := sampleCharter(t).Amend(next)
			switch {
			case k.why == "" && (!a.Tightens || a.Delay != 0 || a.Approvals != 4):
				t.Errorf("takes %+v", a)
			case k.why != "" && (a.Tightens || a.Delay != 72*3600 || a.Approvals != 5 || !strings.Contains(strings.Join(a.Loosens, "\n"), k.why)):
				t.Errorf("takes %+v; want a word of %q", a, k.why)
			}
		})
	}
}

// A rule that goes may leave its calls to one behind it that asks for less.
func TestAmendSeesTheRuleBehind(t *testing.T) {
	strictly := "  - id: strictly\n    effect: allow\n    actions: [pause]\n    contracts: [protocol, bridge]\n    approvals: 6\n"
	before := edited(t, "rules:\n", "rules:\n"+strictly)
	a := before.Amend(sampleCharter(t))
	if a.Tightens || !strings.Contains(fmt.Sprint(a.Loosens), "charter/strictly has decided may fall to") {
		t.Errorf("without the stricter rule before it: %+v", a)
	}
	if a := before.Amend(edited(t, "rules:\n", "rules:\n"+strings.ReplaceAll(strictly, "pause", "unpause"))); a.Tightens {
		t.Error("another rule under its id passes for it")
	}
}

// A member's own policy may ask for a list that no rule of the charter names.
func TestAmendSeesListsOfMembers(t *testing.T) {
	text, err := os.ReadFile("testdata/language.yaml")
	if err != nil {
		t.Fatal(err)
	}
	load := func(list string) *Charter {
		c, err := LoadCharter("charter.yaml", []byte(strings.Replace(string(text), "\nlists:\n", "\nlists:\n"+list, 1)), sampleActions(t))
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	const member = "version: 1\nrules: [{id: mine, effect: deny, actions: [set-order], args: [{name: order.recipient, in_list: shunned}]}]\n"
	const head, stranger, partner = "  - {name: shunned, chain: mainnet, addresses: [", `"0x00000000000000000000000000000000000000F0"`, `"0x00000000000000000000000000000000000000e1"`
	old, next := load(head+stranger+", "+partner+"]}\n"), load(head+stranger+"]}\n")
	judge := func(c *Charter) Decision {
		m, err := LoadMember("policy.yaml", []byte(member), c)
		if err != nil {
			t.Fatal(err)
		}
		return New(c, m).Evaluate(loadCases(t, "testdata/language-cases.yaml").Cases[0].input(t, c))
	}
	if a, b := judge(old), judge(next); a.Allow || a.Rule != "member/mine" || !b.Allow {
		t.Fatalf("the list decides nothing here: %+v, %+v", a, b)
	}
	if a := old.Amend(next); a.Tightens || !slices.Contains(a.Loosens, "the lists changed") {
		t.Errorf("a shorter list: %+v", a)
	}
	if a := old.Amend(load(head + partner + ", " + stranger + "]}\n")); !a.Tightens {
		t.Errorf("a list in another order: %+v", a)
	}
}

// charterTree is a charter file that can be edited.
type charterTree struct{ root *yaml.Node }

func (f charterTree) field(n *yaml.Node, name string) *yaml.Node {
	for i := 0; n != nil && i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == name {
			return n.Content[i+1]
		}
	}
	return nil
}

func (f charterTree) set(n *yaml.Node, name, text string) {
	v := parseNode(text)
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == name {
			n.Content[i+1] = v
			return
		}
	}
	n.Content = append(n.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: name}, v)
}

func (f charterTree) unset(n *yaml.Node, name string) {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == name {
			n.Content = slices.Delete(n.Content, i, i+2)
			return
		}
	}
}

func parseNode(text string) *yaml.Node {
	var doc yaml.Node
	if err := yaml.Unmarshal([]byte(text), &doc); err != nil {
		panic(err)
	}
	return doc.Content[0]
}

func (f charterTree) text() []byte {
	var b bytes.Buffer
	e := yaml.NewEncoder(&b)
	if err := e.Encode(f.root); err != nil {
		panic(err)
	}
	return b.Bytes()
}

// change makes one random change to a charter file.
func (f charterTree) change(t *rapid.T, c *Charter) {
	rules := f.field(f.root, "rules")
	pick := func(of *yaml.Node) int {
		return rapid.IntRange(0, len(of.Content)-1).Draw(t, "which")
	}
	one := func(of ...string) string { return rapid.SampledFrom(of).Draw(t, "what") }
	drawn := func() *yaml.Node { return f.field(parseNode(drawMember(t, c)), "rules") }
	some := func(of []string) string {
		return "[" + strings.Join(rapid.SliceOfNDistinct(rapid.SampledFrom(of), 1, 3, func(s string) string { return s }).Draw(t, "some"), ", ") + "]"
	}
	if len(rules.Content) == 0 {
		return
	}
	r := rules.Content[pick(rules)]
	switch one("drop", "drop", "add", "deny", "deny", "swap", "approvals", "require", "less", "less", "words", "ceiling", "limits", "amend", "watched", "playbooks", "terms", "test", "via", "rename", "protect", "lists") {
	case "drop":
		i := pick(rules)
		rules.Content = slices.Delete(rules.Content, i, i+1)
	case "add", "deny":
		more := drawn()
		if more == nil || len(more.Content) == 0 {
			return
		}
		n := more.Content[pick(more)]
		if rapid.Bool().Draw(t, "as a denial") {
			f.set(n, "effect", "deny")
		}
		f.set(n, "id", fmt.Sprintf("new-%d", rapid.IntRange(0, 5).Draw(t, "id")))
		rules.Content = slices.Insert(rules.Content, rapid.IntRange(0, len(rules.Content)).Draw(t, "where"), n)
	case "swap":
		i, k := pick(rules), pick(rules)
		rules.Content[i], rules.Content[k] = rules.Content[k], rules.Content[i]
	case "approvals":
		f.set(r, "approvals", one("4", "5", "6", "7"))
	case "require":
		f.set(r, "require", one("[]", "[simulation]", "[incident]", "[movements]", "[simulation, incident]"))
	case "less": // one item of a list, such as actions, contracts, args, via
		l := f.field(r, one("actions", "contracts", "args", "via"))
		if l != nil && len(l.Content) > 1 {
			i := pick(l)
			l.Content = slices.Delete(l.Content, i, i+1)
		}
	case "words":
		if rapid.Bool().Draw(t, "contracts") {
			f.set(r, "contracts", some(append(sortedKeys(c.byName), `"*"`)))
		} else {
			f.set(r, "actions", some(append(c.actions.Names(), `"*"`)))
		}
	case "via":
		f.set(r, "via", some(append(sortedKeys(c.byName), councilName)))
	case "ceiling":
		switch one("gas", "fee", "validity") {
		case "gas":
			f.set(r, "gas", one("21000", "100000", "300000", "1000000"))
		case "fee":
			f.set(r, "fee", one("1 gwei", "30 gwei", "500 gwei"))
		default:
			f.set(r, "validity", one("1m", "2h", "24h", "7d"))
		}
	case "limits":
		f.set(f.field(f.root, "limits"), "gas", one("1000000", "5000000", "8000000"))
	case "amend":
		f.set(f.root, "amend", one("{approvals: 4, delay: 24h}", "{approvals: 5, delay: 72h}", "{approvals: 6, delay: 14d}"))
	case "watched":
		f.set(f.root, "watched", some(sortedKeys(c.byName)))
	case "playbooks":
		f.unset(f.root, "playbooks")
	case "terms":
		switch one("delay", "limit", "cooldown", "seats", "none") {
		case "delay":
			f.set(r, "delay", one("1m", "30m"))
		case "limit":
			f.set(r, "limit", one("{count: 1, per: 1h}", "{count: 2, per: 7d}"))
		case "cooldown":
			f.set(r, "cooldown", one("1m", "1h"))
		case "seats":
			f.set(r, "seats", one("{core: 1}", "{core: 2, community: 3}"))
		default:
			for _, x := range []string{"delay", "limit", "cooldown", "seats", "window"} {
				f.unset(r, x)
			}
		}
	case "test":
		f.unset(r, one("args", "when", "require", "approvals"))
	case "rename":
		f.set(r, "id", one("new-0", "new-1"))
	case "protect":
		k := f.field(f.root, "contracts")
		f.set(k.Content[pick(k)], "protected", "true")
	case "lists": // with one that no rule of the charter asks for
		if f.field(f.root, "lists") == nil {
			f.set(f.root, "lists", "[]")
		}
		lists, chain := f.field(f.root, "lists"), f.field(f.field(f.root, "chains").Content[0], "name").Value
		lists.Content = slices.DeleteFunc(lists.Content, func(l *yaml.Node) bool { return f.field(l, "name").Value == "spare" })
		lists.Content = append(lists.Content, parseNode("{name: spare, chain: "+chain+", addresses: "+some([]string{`"0x00000000000000000000000000000000000000F0"`, `"0x00000000000000000000000000000000000000e1"`, `"0x00000000000000000000000000000000000000BA"`})+"}"))
	}
}

// What is said to tighten only allows nothing that was denied, asks for no fewer
// approvals, and lets nothing be signed sooner.
func TestTighteningOnlyTightens(t *testing.T) {
	type subject struct {
		name  string
		text  []byte
		cases []Input
	}
	var subjects []subject
	actions := sampleActions(t)
	for file, charter := range map[string]string{shipped: "../configs/charter.yaml", "testdata/wide-cases.yaml": "testdata/wide.yaml", "testdata/language-cases.yaml": "testdata/language.yaml", "testdata/chain-cases.yaml": "testdata/chain.yaml"} {
		text, err := os.ReadFile(charter)
		if err != nil {
			t.Fatal(err)
		}
		c, err := LoadCharter("charter.yaml", text, actions)
		if err != nil {
			t.Fatal(err)
		}
		s := subject{name: charter, text: text}
		for _, k := range loadCases(t, file).Cases {
			s.cases = append(s.cases, k.input(t, c))
		}
		s.cases = append(s.cases, Input{Intent: council.Statement{Text: "All is well.", ValidUntil: caseNow + 3000}, From: caseFrom, Now: caseNow})
		subjects = append(subjects, s)
	}
	slices.SortFunc(subjects, func(a, b subject) int { return strings.Compare(a.name, b.name) })
	pairs, tighter, bitten := 0, map[string]int{}, 0
	property := func(t *rapid.T) {
		s := rapid.SampledFrom(subjects).Draw(t, "charter")
		f := charterTree{parseNode(string(s.text))}
		old, err := LoadCharter("charter.yaml", s.text, actions)
		if err != nil {
			t.Fatal(err)
		}
		if rapid.Bool().Draw(t, "without expressions") { // with them hardly anything is shown
			rules := f.field(f.root, "rules")
			rules.Content = slices.DeleteFunc(rules.Content, func(r *yaml.Node) bool { return f.field(r, "when") != nil })
		}
		for range rapid.IntRange(0, 4).Draw(t, "changes before") {
			f.change(t, old)
		}
		before := f.text()
		if old, err = LoadCharter("charter.yaml", before, actions); err != nil {
			return
		}
		for range rapid.IntRange(1, 2).Draw(t, "changes") {
			f.change(t, old)
		}
		after := f.text()
		next, err := LoadCharter("charter.yaml", after, actions)
		if err != nil {
			return
		}
		pairs++
		amendment := old.Amend(next)
		if !amendment.Tightens {
			if len(amendment.Loosens) == 0 || amendment.Approvals < old.threshold || amendment.Delay < MinAmendDelay {
				t.Fatalf("takes %+v", amendment)
			}
			return
		}
		tighter[s.name]++
		p, q := New(old, nil), New(next, nil)
		mine := []byte(drawMember(t, old)) // on top of both, if it fits them
		m, unfit := LoadMember("policy.yaml", mine, old)
		n, err := LoadMember("policy.yaml", mine, next)
		fits := unfit == nil && err == nil
		for _, e := range Diff(p, q).Entries {
			if e.Loosens == Yes {
				t.Fatalf("%s\n----\n%s\nshown to tighten, and an example loosens: %+v", before, after, e)
			}
		}
		for _, in := range s.cases {
			a, b := p.Evaluate(in), q.Evaluate(in)
			switch {
			case b.Allow && !a.Allow:
				t.Fatalf("%s\n----\n%s\nallows what %s denies: %s", before, after, a.Rule, a.Reason)
			case b.Allow && (b.Approvals < a.Approvals || b.Seats.Core < a.Seats.Core || b.Seats.Community < a.Seats.Community || b.Delay < a.Delay || b.NotBefore < a.NotBefore):
				t.Fatalf("%s\n----\n%s\nasks for less: %+v instead of %+v", before, after, b, a)
			case a.Allow && b.Allow && a.Sentence != b.Sentence:
				t.Fatalf("changes the sentence: %q, %q", a.Sentence, b.Sentence)
			case a.Allow && !b.Allow:
				bitten++
			}
			if fits && New(next, n).Evaluate(in).Allow && !New(old, m).Evaluate(in).Allow {
				t.Fatalf("%s\n----\n%s\n----\n%s\nallows what this member's policy has denied", before, after, mine)
			}
		}
	}
	if !exercised(t, property, func() bool { return len(tighter) >= 2 && bitten > 0 }) {
		t.Errorf("the property was not exercised: %d pairs; tighter: %v; %d actions forbidden", pairs, tighter, bitten)
	}
	t.Logf("%d pairs; tighter: %v; %d actions forbidden", pairs, tighter, bitten)
}
