package policy

import (
	"errors"
	"fmt"
	"math/big"
	"os"
	"strings"
	"testing"

	"cel.dev/cel-go/common/types"
	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/internal/strict"
)

// memberWhen is a member's policy of one rule about a function of the charter in
// testdata/language.yaml.
func memberWhen(effect, action, when string) string {
	return fmt.Sprintf("version: 1\nrules:\n  - id: it\n    effect: %s\n    actions: [%s]\n    contracts: [registry]\n    when: %s\n", effect, action, when)
}

// A mistake in an expression is shown where it stands, however it is quoted.
func TestWhenPlaces(t *testing.T) {
	c := languageCharter(t)
	for _, k := range []struct{ name, when, place string }{
		{"plain", `tx.gas < 5 && tx.gass < 5`, "7:27: when: undefined field 'gass'"},
		{"single quotes", `'tx.reason == "it''s" && tx.gass < 5'`, "7:38: when: undefined field 'gass'"},
		{"double quotes", `"tx.reason == \"é\" && tx.gass < 5"`, "7:36: when: undefined field 'gass'"},
		{"literal block", "|\n      tx.gas < 5 &&\n        tx.gass < 5", "9:11: when: undefined field 'gass'"},
		{"folded block", ">-\n      tx.gas < 5 &&\n      tx.gass < 5", "9:9: when: undefined field 'gass'"},
		{"folded plain", "tx.gas < 5 &&\n         tx.gass < 5", "8:12: when: undefined field 'gass'"},
		{"folded quotes", "\"tx.gas < 5 &&\n         tx.gass < 5\"", "8:12: when: undefined field 'gass'"},
		{"block with indentation of its own", "|2\n        tx.gas < 5 &&\n        tx.gass < 5", "9:11: when: undefined field 'gass'"},
		{"blank line", "|\n      tx.gas < 5 &&\n\n      tx.gass < 5", "10:9: when: undefined field 'gass'"},
		{"syntax", `tx.gas < `, "7:19: when: mismatched input"},
		{"argument", `args.limit > args.limits`, "7:24: when: setLimit(uint256 limit, int256 shift) of registry has no parameter \"limits\""},
	} {
		_, err := LoadMember("p.yaml", []byte(memberWhen("allow", "set-limit", k.when)), c)
		if err == nil || !strings.HasPrefix(err.Error(), "p.yaml:"+k.place) {
			t.Errorf("%s: %v; want %s", k.name, err, k.place)
		}
	}
}

// What no expression may do is refused when the file is loaded.
func TestWhenRefused(t *testing.T) {
	c := languageCharter(t)
	long := strings.Repeat("tx.gas < 5 && ", 100) + "true"
	deep := strings.Repeat("(", 60) + "true" + strings.Repeat(")", 60)
	var out strings.Builder
	for _, k := range []struct{ name, action, when string }{
		{"nothing", "set-limit", `""`},
		{"a mapping", "set-limit", `{a: b}`},
		{"a number", "set-limit", `args.limit`},
		{"wrong types", "set-limit", `args.limit == "5"`},
		{"a literal to the left", "set-limit", `5 < args.limit`},
		{"a fraction", "set-limit", `args.limit < 0.5`},
		{"an unsigned literal", "set-limit", `tx.chain == 5u`},
		{"an amount without unit that is no number", "set-limit", `args.limit < uint256("2 gweii")`},
		{"an amount that does not fit", "set-limit", `args.limit < uint256("-1")`},
		{"an unknown contract", "set-keepers", `args.keepers[0] == address("valut")`},
		{"a contract of another chain", "set-keepers", `args.keepers[0] == address("registry-l2")`},
		{"a wrong checksum", "set-keepers", `args.keepers[0] == address("0x00000000000000000000000000000000000000E1")`},
		{"hex that is none", "set-mode", `args.mode == hex("0x0")`},
		{"a text that the call brings", "set-mode", `args.mode == keccak(args.note)`},
		{"an address out of the call's text", "set-mode", `call.to == address(args.note)`},
		{"a list against a list", "set-keepers", `args.keepers == args.keepers`},
		{"a mixed list", "set-limit", `[1, "a"].size() == 2`},
		{"a regular expression", "set-mode", `args.note.matches("(a+)+$")`},
		{"a clock", "set-limit", `timestamp("2031-01-01T00:00:00Z") < now`},
		{"an environment", "set-limit", `os.getenv("HOME") == ""`},
		{"a struct out of nothing", "set-limit", `tx{gas: args.limit}.gas == args.limit`},
		{"a map", "set-limit", `size({"a": 1}) == 1`},
		{"a list in a list", "set-keepers", `args.keepers.all(k, args.weights.all(w, w > 0 && k != address("vault")))`},
		{"a name taken", "set-keepers", `args.keepers.all(tx, tx != address("vault"))`},
		{"too long", "set-limit", long},
		{"too deep", "set-limit", deep},
		{"no end", "set-limit", `"\"abc == 5"`},
	} {
		_, err := LoadMember("p.yaml", []byte(memberWhen("allow", k.action, "'"+strings.ReplaceAll(k.when, "'", "''")+"'")), c)
		if strings.HasPrefix(k.when, `"`) || strings.HasPrefix(k.when, "{") {
			_, err = LoadMember("p.yaml", []byte(memberWhen("allow", k.action, k.when)), c)
		}
		var e *strict.Error
		if !errors.As(err, &e) || council.Hint(err) == "" {
			t.Errorf("%s: no error with place and hint: %v", k.name, err)
			continue
		}
		fmt.Fprintf(&out, "%s\n  %s\n  hint: %s\n", k.name, err, council.Hint(err))
	}
	const golden = "testdata/when-messages.golden"
	if *update {
		if err := os.WriteFile(golden, []byte(out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if out.String() != string(want) {
		t.Errorf("messages differ from %s; run with -update and read the difference\n%s", golden, out.String())
	}
}

// languagePolicy is the charter of the language with a member's rule on top.
func languagePolicy(t *testing.T, c *Charter, text string) *Policy {
	t.Helper()
	m, err := LoadMember("p.yaml", []byte(text), c)
	if err != nil {
		t.Fatal(err)
	}
	return New(c, m)
}

// keepers is a call with lists as long as wished.
func keepers(t *testing.T, c *Charter, n int) Input {
	t.Helper()
	f := c.byName["registry"].bySel[sig("setKeepers(address[],uint256[])").Selector]
	list, weights := value{typ: f.Params[0].typ}, value{typ: f.Params[1].typ}
	for i := range n {
		a := value{typ: f.Params[0].typ.elem}
		copy(a.word[12:], common.BigToAddress(big.NewInt(int64(i+1))).Bytes())
		w := value{typ: f.Params[1].typ.elem}
		w.word[31] = 1
		list.items, weights.items = append(list.items, a), append(weights.items, w)
	}
	if n > 0 {
		copy(list.items[0].word[12:], c.byName["vault"].Address.Bytes())
	}
	data, err := f.encode([]value{list, weights})
	if err != nil {
		t.Fatal(err)
	}
	return input(transaction(c.byName["registry"].Address, data))
}

// An expression that passed the estimate and still costs too much is stopped:
// an allow rule does not pass, and a deny rule denies.
func TestWhenIsStopped(t *testing.T) {
	c := languageCharter(t)
	// Some hundred steps for each of up to two thousand keepers.
	dear := "'args.keepers.all(k, " + strings.TrimSuffix(strings.Repeat(`k != address("registry") && `, 32), " && ") + ")'"
	for _, effect := range []string{"allow", "deny"} {
		p := languagePolicy(t, c, memberWhen(effect, "set-keepers", dear))
		few, many := p.Evaluate(keepers(t, c, 3)), p.Evaluate(keepers(t, c, 1900))
		if few.Allow != (effect == "allow") {
			t.Errorf("%s: few keepers: %+v", effect, few)
		}
		if many.Allow || many.Rule != "member/it" || !strings.Contains(many.Reason, "it costs more than 100000 steps") {
			t.Errorf("%s: many keepers: allow %v by %s: %s", effect, many.Allow, many.Rule, many.Reason)
		}
	}
	p := languagePolicy(t, c, memberWhen("deny", "set-keepers", "args.weights[7] > 5"))
	if d := p.Evaluate(keepers(t, c, 3)); d.Allow || !strings.Contains(d.Reason, "index out of bounds: 7") {
		t.Errorf("%+v", d)
	}
	if d := p.Evaluate(keepers(t, c, 8)); !d.Allow {
		t.Errorf("%+v", d)
	}
}

// A long text is not counted for nothing, and a value is made once however
// often it is asked for.
func TestWhenLongTexts(t *testing.T) {
	c := languageCharter(t)
	f := c.byName["registry"].bySel[sig("setMode(bytes32,bool,string)").Selector]
	data, err := f.encode([]value{{typ: f.Params[0].typ}, {typ: f.Params[1].typ}, {typ: f.Params[2].typ, raw: []byte(strings.Repeat("x", 100_000))}})
	if err != nil {
		t.Fatal(err)
	}
	in := input(transaction(c.byName["registry"].Address, data))
	for _, k := range []struct {
		when  string
		fault string
		spent uint64
	}{
		{"args.note.size() == 100000", "", 10_000},
		{"size(args.note) == 100000", "", 10_000},
		{`args.note.contains("y")`, "", 1_000},
		{"[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11].all(x, args.note.size() > x)", "it costs more than 100000 steps", MaxWhenCost},
	} {
		p := languagePolicy(t, c, memberWhen("deny", "set-mode", "'"+k.when+"'"))
		e := &evaluation{p: p, in: in, t: in.Intent.(council.Transaction)}
		call := c.read(e.t)
		v := p.member.rules.all[0].says(e, call, meaning{call.fn, call.use.def})
		if v.fault != k.fault || e.spent < k.spent || e.spent > 2*k.spent {
			t.Errorf("%s: %+v in %d steps", k.when, v, e.spent)
		}
	}
	if _, err := LoadMember("p.yaml", []byte(memberWhen("deny", "set-keepers", "'args.keepers.all(k, tx.reason.size() > 5)'")), c); err == nil {
		t.Error("a text counted for each keeper is not refused")
	}
	scene := newScene(&evaluation{}, c.read(in.Intent.(council.Transaction)))
	args := scene.args.(structure).of.(*items)
	if allocs := testing.AllocsPerRun(10, func() { args.at(2) }); allocs > 0 {
		t.Errorf("%v allocations for a text that was asked for before", allocs)
	}
	b := args.at(0).(types.Bytes)
	if cap(b) != len(b) {
		t.Error("bytes leave room behind them")
	}
}

// Arithmetic is exact, and what leaves the type is an error and no number.
func TestWhenNumbers(t *testing.T) {
	c := languageCharter(t)
	const most = "115792089237316195423570985008687907853269984665640564039457584007913129639935"
	const most256, least256 = "57896044618658097711785492504343953926634992332820282019728792003956564819967", "-57896044618658097711785492504343953926634992332820282019728792003956564819968"
	for _, k := range []struct {
		when         string
		limit, shift string
		holds        bool
		fault        string
	}{
		{"args.limit + 1 > 0", most, "0", false, "uint256 overflow"},
		{"args.limit * 2 > 0", most, "0", false, "uint256 overflow"},
		{"args.limit - 1 < args.limit", "0", "0", false, "uint256 overflow"},
		{"args.limit / 2 * 2 + 1 == args.limit", most, "0", true, ""},
		{"args.limit / args.limit == 1", "0", "0", false, "division by zero"},
		{"args.limit % 10 == 5", most, "0", true, ""},
		{"args.limit % 0 == 5", most, "0", false, "division by zero"},
		{"args.limit == uint256(\"" + most + "\")", most, "0", true, ""},
		{"args.limit != uint256(\"" + most + "\")", most, "0", false, ""},
		{"args.limit < -1", "0", "0", false, ""},
		{"args.shift + 1 > 0", "0", most256, false, "int256 overflow"},
		{"args.shift - 1 < 0", "0", least256, false, "int256 overflow"},
		{"-args.shift > 0", "0", least256, false, "int256 overflow"},
		{"args.shift / -1 > 0", "0", least256, false, "int256 overflow"},
		{"args.shift / 2 == -3 && args.shift % 2 == -1", "0", "-7", true, ""},
		{"uint256(args.shift) > 0", "0", "-7", false, "uint256 overflow"},
		{"int256(args.limit) > 0", most, "0", false, "int256 overflow"},
		{"int256(args.limit) + args.shift == -2", "5", "-7", true, ""},
		{"uint256(5) == args.limit && int256(-7) == args.shift", "5", "-7", true, ""},
		{"uint256(\"48h\") == args.limit", "172800", "0", true, ""},
		{"[args.limit, uint256(\"2\")].exists_one(x, x == 2)", "5", "0", true, ""},
		{"args.limit in [uint256(\"2\"), uint256(\"5\")]", "5", "0", true, ""},
		{"9223372036854775807 + tx.chain > 0", "5", "0", false, "integer overflow"},
		{"tx.gas == 100000 && tx.fee == uint256(\"1 gwei\") && tx.tip == tx.fee && tx.valid_for == 60 && tx.reason == \"\"", "5", "0", true, ""},
		{"call.to == address(\"registry\") && call.contract == \"registry\" && call.via == \"council\" && call.depth == 0", "5", "0", true, ""},
	} {
		p := languagePolicy(t, c, memberWhen("allow", "set-limit", "'"+k.when+"'"))
		in := input(transaction(c.byName["registry"].Address, pack(t, scope{c, 1}, "setLimit(uint256,int256)", k.limit, k.shift)))
		e := &evaluation{p: p, in: in, t: in.Intent.(council.Transaction)}
		call := c.read(e.t)
		if v := p.member.rules.all[0].says(e, call, meaning{call.fn, call.use.def}); v.holds != k.holds || v.fault != k.fault {
			t.Errorf("%s at %s, %s: %+v", k.when, k.limit, k.shift, v)
		}
	}
}

// All expressions of an evaluation share a budget, so that no file and no
// calldata makes a node think for long.
func TestWhenBudget(t *testing.T) {
	c := languageCharter(t)
	var text strings.Builder
	text.WriteString("version: 1\nrules:\n")
	for i := range 100 {
		fmt.Fprintf(&text, "  - {id: r%d, effect: deny, actions: [set-keepers], when: 'args.keepers.exists(k, k == address(\"registry\")) && args.weights.all(w, w == %d)'}\n", i, i)
	}
	d := languagePolicy(t, c, text.String()).Evaluate(keepers(t, c, 1900))
	if d.Allow || !strings.Contains(d.Reason, "the conditions of all rules together cost too much") {
		t.Errorf("%+v", d)
	}
	if d := languagePolicy(t, c, text.String()).Evaluate(keepers(t, c, 3)); !d.Allow {
		t.Errorf("%+v", d)
	}
}

// A deny rule with an expression reaches the empty transaction that cancels a
// nonce, unless it asks for arguments, and never a message.
func TestWhenAndTheEmptyTransaction(t *testing.T) {
	c := languageCharter(t)
	cancel := input(transaction(caseFrom, nil))
	for _, k := range []struct {
		rule  string
		allow bool
	}{
		{"{id: it, effect: deny, when: 'tx.fee >= uint256(\"1 gwei\")'}", false},
		{"{id: it, effect: deny, when: 'tx.fee > uint256(\"1 gwei\")'}", true},
		{"{id: it, effect: deny, when: 'size(args.keepers) < 5'}", true},
		{"{id: it, effect: deny, chains: [l2], when: 'tx.gas > 0'}", true},
	} {
		if d := languagePolicy(t, c, "version: 1\nrules: ["+k.rule+"]").Evaluate(cancel); d.Allow != k.allow {
			t.Errorf("%s: %+v", k.rule, d)
		}
	}
	p := New(sampleCharter(t), nil)
	m, err := LoadMember("p.yaml", []byte("version: 1\nrules: [{id: it, effect: deny, when: 'tx.gas >= 0'}]"), p.charter)
	if err != nil {
		t.Fatal(err)
	}
	in := Input{Intent: council.Statement{Text: "all is well", ValidUntil: caseNow + 60}, From: caseFrom, Now: caseNow}
	if d := New(p.charter, m).Evaluate(in); !d.Allow {
		t.Errorf("a deny rule about transactions reaches a statement: %+v", d)
	}
}

// FuzzWhen loads and runs any expression; whatever it is, it ends soon and
// nothing panics, and what allows is true.
func FuzzWhen(f *testing.F) {
	for _, s := range []string{
		"true", "args.limit < 5", `args.limit + uint256("2 ether") > 7 || args.shift % 3 == 1`, `[1,2,3].map(x, x * 2).filter(x, x > 2).size() == 2`,
		`tx.reason + tx.reason + "a" == "aa"`, `call.to == address("registry") ? call.depth == 0 : call.via == "council"`, `hex("0x00") + hex("0x01") == hex("0x0001")`,
		`args.shift / 0 == 1`, `-args.shift * args.shift > 0`, `[[1],[2]].exists(x, x[0] == 2)`, `{"a": 1}["a"] == 1`, `uint256(args.shift) == 1`, `int256(uint256("9")) == 9`, "9223372036854775807 + 1 > 0",
		`[1,2,3,4,5,6,7,8].all(a, [1,2,3,4,5,6,7,8].all(b, [1,2,3,4,5,6,7,8].all(c, [1,2,3,4,5,6,7,8].all(d, a + b + c + d > 0))))`,
		`tx.reason.contains("\u0000") && tx.reason.endsWith(call.contract)`, `"\xff" == tx.reason`, "args.limit..x", "tx[0]", "args['limit'] == 5", "type(1) == int", "has(args.limit)",
	} {
		f.Add(s, []byte{1})
	}
	c := languageCharter(f)
	fn := c.byName["registry"].bySel[sig("setLimit(uint256,int256)").Selector]
	f.Fuzz(func(t *testing.T, when string, word []byte) {
		text := memberWhen("allow", "set-limit", "'"+strings.ReplaceAll(strings.ReplaceAll(when, "'", "''"), "\n", " ")+"'")
		m, err := LoadMember("p.yaml", []byte(text), c)
		if err != nil {
			if council.Hint(err) == "" && !strings.Contains(err.Error(), "UTF-8") {
				t.Fatalf("no hint: %v", err)
			}
			return
		}
		vals := []value{{typ: fn.Params[0].typ}, {typ: fn.Params[1].typ}}
		copy(vals[0].word[:], word)
		copy(vals[1].word[:], word)
		data, err := fn.encode(vals)
		if err != nil {
			t.Fatal(err)
		}
		in := input(transaction(c.byName["registry"].Address, data))
		p := New(c, m)
		d := p.Evaluate(in)
		if again := p.Evaluate(in); again != d {
			t.Fatalf("two answers: %+v and %+v", d, again)
		}
		if d.Allow && !New(c, nil).Evaluate(in).Allow {
			t.Fatalf("%s widens the charter", when)
		}
		e := &evaluation{p: p, in: in, t: in.Intent.(council.Transaction)}
		call := c.read(e.t)
		v := m.rules.all[0].says(e, call, meaning{call.fn, call.use.def})
		if e.spent > MaxWhenCost+MaxWhenEstimate {
			t.Fatalf("%s took %d steps", when, e.spent)
		}
		if d.Allow && !v.allows() {
			t.Fatalf("%s is %+v and allows", when, v)
		}
	})
}
