package policy

import (
	"fmt"
	"os"
	"slices"
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
		if rapid.IntRange(0, 4).Draw(t, "expression") == 0 {
			fmt.Fprintf(&b, "    when: %q\n", rapid.SampledFrom(plainExpressions).Draw(t, "plain"))
		}
	}
	for i := range rapid.IntRange(0, 4).Draw(t, "rules with conditions") {
		drawConditioned(t, &b, c, i)
	}
	return b.String()
}

var plainExpressions = []string{"tx.gas > 0", "tx.gas / 0 == 1", "call.depth == 0", `call.via == "council"`, `tx.fee <= uint256("20 gwei")`, `tx.reason.contains("INC-")`, "tx.valid_for * tx.valid_for * tx.fee * tx.fee * tx.fee > 0"}

// drawConditioned writes a rule about one function, with conditions and an
// expression that suit its types.
func drawConditioned(t *rapid.T, b *strings.Builder, c *Charter, i int) {
	k := rapid.SampledFrom(c.contracts).Draw(t, "contract")
	fn := rapid.SampledFrom(k.order).Draw(t, "function")
	uses := c.actions.bySig[fn.Signature]
	if len(uses) == 0 || len(fn.Params) == 0 {
		return
	}
	allow := rapid.Bool().Draw(t, "allow")
	fmt.Fprintf(b, "  - id: c%d\n    effect: %s\n    actions: [%s]\n    contracts: [%s]\n", i, map[bool]string{true: "allow", false: "deny"}[allow], uses[0].def.name, k.Name)
	p := rapid.SampledFrom(fn.Params).Draw(t, "parameter")
	if path, tests := drawTests(t, c, p.typ, allow); tests != "" {
		fmt.Fprintf(b, "    args: [{name: %s%s, %s}]\n", p.Name, path, tests)
	}
	if rapid.Bool().Draw(t, "with expression") {
		fmt.Fprintf(b, "    when: %q\n", drawExpression(t, "args."+p.Name, p.typ, 0))
	}
}

// drawTests writes tests on a value of a type, and the path of the field in it.
func drawTests(t *rapid.T, c *Charter, typ *abiType, allow bool) (path, tests string) {
	for typ.kind == kindTuple {
		f := rapid.SampledFrom(typ.fields).Draw(t, "field")
		path, typ = path+"."+f.Name, f.typ
	}
	one := func(of ...string) string { return rapid.SampledFrom(of).Draw(t, "test") }
	zeros := "0x" + strings.Repeat("00", typ.size)
	switch typ.kind {
	case kindList, kindArray:
		sub, tests := drawTests(t, c, typ.elem, allow)
		if tests == "" {
			return path, ""
		}
		name := ""
		if sub != "" {
			name = "name: " + sub[1:] + ", "
		}
		return path, one("any", "all") + ": {" + name + tests + "}"
	case kindUint:
		return path, one("equal: 1", "not: 1", "in: [0, 1]", "not_in: [0]", "min: 1", "max: 10", "bits: {mask: 0x3, equal: 0x1}", "min: 1, not: 5, max: 7")
	case kindInt:
		return path, one("min: -5", "max: 5", "not: 0")
	case kindAddress:
		tests := []string{"equal: " + rapid.SampledFrom(sortedKeys(c.byName)).Draw(t, "named"), `not: "0x0000000000000000000000000000000000000000"`}
		for _, l := range sortedKeys(c.lists) {
			tests = append(tests, "in_list: "+l, "not_in_list: "+l)
		}
		if allow {
			tests = append(tests, `code: ["0x00000000000000000000000000000000000000000000000000000000000000d1"]`)
		}
		return path, one(tests...)
	case kindFixedBytes:
		return path, one("equal: "+zeros, "not: "+zeros, "bits: {mask: 0x01"+strings.Repeat("00", typ.size-1)+", equal: "+zeros+"}")
	case kindBytes, kindString:
		return path, one("length: {max: 40}", "length: {min: 1}", "not: 0x00")
	}
	return path, one("equal: true", "not: true")
}

// drawExpression writes an expression about a value, some of which fail.
func drawExpression(t *rapid.T, of string, typ *abiType, depth int) string {
	one := func(list ...string) string {
		return strings.ReplaceAll(rapid.SampledFrom(list).Draw(t, "expression"), "IT", of)
	}
	switch typ.kind {
	case kindTuple:
		f := rapid.SampledFrom(typ.fields).Draw(t, "field")
		return drawExpression(t, of+"."+f.Name, f.typ, depth)
	case kindList, kindArray:
		x := fmt.Sprintf("x%d", depth)
		item := drawExpression(t, x, typ.elem, depth+1)
		return one("IT.all("+x+", "+item+")", "IT.exists("+x+", "+item+")", "size(IT) > 1", "IT.filter("+x+", "+item+").size() == 1", strings.ReplaceAll(item, x, of+"[0]"))
	case kindUint, kindInt:
		return one("IT > 1", "IT - 5 < 100", "IT * IT >= 0", "10 + 5 > 1 && IT % 2 == 0", "IT / IT == 1")
	case kindAddress:
		return one("IT == call.to", `IT != address("0x0000000000000000000000000000000000000000")`)
	case kindBool:
		return one("IT", "!IT")
	case kindString:
		return one("IT.size() < 10", `IT + IT != ""`, `IT.startsWith("a")`)
	}
	return one("size(IT) > 4", `IT == hex("0x00")`, `IT + hex("0x") == IT`)
}

// Adding any member policy never allows what the charter alone denies, and
// never asks for fewer approvals.
func TestMemberOnlyNarrows(t *testing.T) {
	type subject struct {
		c     *Charter
		cases []Input
	}
	var subjects []subject
	for file, c := range map[string]*Charter{shipped: sampleCharter(t), "testdata/wide-cases.yaml": wideCharter(t), "testdata/language-cases.yaml": languageCharter(t), "testdata/chain-cases.yaml": charterOf(t, "testdata/chain.yaml")} {
		s := subject{c: c}
		for _, k := range loadCases(t, file).Cases {
			s.cases = append(s.cases, k.input(t, c))
		}
		subjects = append(subjects, s)
	}
	narrowed, kept, loaded, drawn := 0, 0, 0, 0
	property := func(t *rapid.T) {
		s := rapid.SampledFrom(subjects).Draw(t, "charter")
		text := drawMember(t, s.c)
		m, err := LoadMember("member.yaml", []byte(text), s.c)
		if drawn++; err != nil {
			return
		}
		if strings.Contains(text, "args") {
			loaded++
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
	}
	if !exercised(t, property, func() bool { return narrowed > 0 && kept > 0 && loaded >= drawn/10 }) {
		t.Errorf("the property was not exercised: %d narrowed, %d kept, %d of %d policies with conditions", narrowed, kept, loaded, drawn)
	}
	t.Logf("%d narrowed, %d kept, %d of %d policies with conditions", narrowed, kept, loaded, drawn)
}

// exercised checks a property with as many draws as it takes until all has happened that it
// is about: a hundred may be short of some.
func exercised(t *testing.T, property func(*rapid.T), enough func() bool) bool {
	t.Helper()
	for range 5 {
		if rapid.Check(t, property); t.Failed() || enough() {
			break
		}
	}
	return enough()
}

// drawTerms puts terms on a rule, as the loader would let its author do; nil for
// none.
func drawTerms(t *rapid.T) *terms {
	x := &terms{}
	sometimes := func(label string) bool { return rapid.IntRange(0, 2).Draw(t, label) == 0 }
	if sometimes("window") {
		from := uint64(rapid.IntRange(0, weekSeconds-1).Draw(t, "from"))
		x.window.add(from, from+uint64(rapid.IntRange(1, 5*daySeconds).Draw(t, "length")))
		x.window.join()
	}
	if sometimes("limit") {
		x.count, x.per = rapid.IntRange(1, 3).Draw(t, "count"), uint64(rapid.IntRange(1, 5000).Draw(t, "per"))
	}
	if sometimes("cooldown") {
		x.cooldown = uint64(rapid.IntRange(1, 5000).Draw(t, "seconds"))
	}
	if sometimes("delay") {
		x.delay = uint64(rapid.IntRange(1, 5000).Draw(t, "wait"))
	}
	if sometimes("seats") {
		x.seats = Seats{rapid.IntRange(0, 4).Draw(t, "core"), rapid.IntRange(0, 3).Draw(t, "community")}
	}
	if x.text = x.describe(); x.text == "" {
		return nil
	}
	return x
}

// Terms only take away: what is denied without them is denied with them, and what
// passes takes no fewer approvals. Nothing that only restricts ever waits.
func TestTermsOnlyTakeAway(t *testing.T) {
	type subject struct {
		bare, timed *Charter
		cases       []Input
	}
	var subjects []subject
	for _, s := range []struct {
		file string
		load func(testing.TB) *Charter
	}{{shipped, sampleCharter}, {"testdata/wide-cases.yaml", wideCharter}} {
		x := subject{bare: s.load(t), timed: s.load(t)}
		for _, k := range loadCases(t, s.file).Cases {
			x.cases = append(x.cases, k.input(t, x.bare))
		}
		x.cases = append(x.cases, Input{Intent: council.Statement{Text: "All is well.", ValidUntil: caseNow + 3000}, From: caseFrom, Now: caseNow})
		subjects = append(subjects, x)
	}
	denied, waits, kept := 0, 0, 0
	property := func(t *rapid.T) {
		s := rapid.SampledFrom(subjects).Draw(t, "charter")
		h := &History{Signed: map[string][]uint64{}}
		if rapid.Bool().Draw(t, "complete") {
			h.Quorum = caseNow - uint64(rapid.IntRange(0, 5000).Draw(t, "ago"))
		}
		h.Again = rapid.IntRange(0, 9).Draw(t, "again") == 0
		for i, r := range s.timed.rules.all {
			r.terms, r.approvals = nil, s.bare.rules.all[i].approvals
			if brake, _ := (&ruleCompiler{c: s.timed, r: r}).brake(); !r.allow || brake != "" {
				continue
			}
			if r.terms = drawTerms(t); r.terms == nil {
				continue
			}
			r.approvals = max(r.approvals, r.terms.seats.Sum())
			ago := rapid.SliceOfN(rapid.IntRange(-100, 6000), 0, 4).Draw(t, "signed")
			for _, a := range ago {
				h.Signed[r.label] = append(h.Signed[r.label], caseNow-uint64(a))
			}
			slices.Sort(h.Signed[r.label])
		}
		bare, timed := New(s.bare, nil), New(s.timed, nil)
		for _, in := range s.cases {
			a := bare.Evaluate(in)
			if rapid.IntRange(0, 4).Draw(t, "history") > 0 {
				in.History = h
			}
			b := timed.Evaluate(in)
			switch {
			case b.Allow && !a.Allow:
				t.Fatalf("with %s it allows what %s denies: %s", b.Terms, a.Rule, a.Reason)
			case b.Allow && (b.Approvals < a.Approvals || b.Approvals < b.Seats.Sum()):
				t.Fatalf("it asks for %d approvals instead of %d, with seats %+v", b.Approvals, a.Approvals, b.Seats)
			case a.Sentence != b.Sentence || a.Class != b.Class:
				t.Fatal("terms change what is said")
			case a.Class == Restrictive && (a.Allow != b.Allow || b.Terms != ""):
				t.Fatalf("a brake waits: %+v", b)
			case b.NotBefore > in.Now && (b.Wait == "" || b.NotBefore >= in.Intent.Expires()):
				t.Fatalf("it waits until %d: %+v", b.NotBefore, b)
			case b.Until != 0 && b.Until <= max(b.NotBefore, in.Now):
				t.Fatalf("it is over before it begins: %+v", b)
			case a.Allow && !b.Allow:
				denied++
			case b.NotBefore > in.Now:
				waits++
			case b.Allow && b.Terms != "":
				kept++
			}
		}
	}
	if !exercised(t, property, func() bool { return denied > 0 && waits > 0 && kept > 0 }) {
		t.Errorf("the property was not exercised: %d denied, %d wait, %d kept", denied, waits, kept)
	}
}

func FuzzLoad(f *testing.F) {
	wide, err := os.ReadFile("testdata/wide.yaml")
	if err != nil {
		f.Fatal(err)
	}
	language, err := os.ReadFile("testdata/language.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, b := range [][]byte{configs.Charter, configs.Policy, configs.Actions, wide, language, []byte("version: 1\nrules: [{id: a, effect: deny, args: [{name: x, in: [1]}]}]")} {
		f.Add(b)
	}
	actions, charter := sampleActions(f), sampleCharter(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		if c, err := LoadCharter("x", b, actions); err == nil {
			Check(c, nil)
			if _, err := Prove(New(c, nil), ProveOptions{}); err != nil {
				t.Fatal(err)
			}
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
func FuzzEvaluate(f *testing.F) { fuzzEvaluate(f, wideCharter(f), "testdata/wide-cases.yaml") }

// FuzzConditions does the same at a charter of conditions and expressions.
func FuzzConditions(f *testing.F) {
	fuzzEvaluate(f, languageCharter(f), "testdata/language-cases.yaml")
}

func fuzzEvaluate(f *testing.F, c *Charter, cases string) {
	for _, k := range loadCases(f, cases).Cases {
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
		agrees(t, p, in)
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
