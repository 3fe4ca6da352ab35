package policy

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"pgregory.net/rapid"

	"github.com/millicent-one/signer/configs"
	"github.com/millicent-one/signer/council"
)

func prove(t testing.TB, p *Policy, protect ...string) map[string]ProofAnswer {
	t.Helper()
	proof, err := Prove(p, ProveOptions{Council: caseFrom, Protect: protect})
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]ProofAnswer{}
	for _, a := range proof.Answers {
		out[a.Question] = a
		confirmed(t, p, a)
	}
	return out
}

// confirmed checks that every example is allowed, and that a yes has one.
func confirmed(t testing.TB, p *Policy, a ProofAnswer) {
	t.Helper()
	if a.Reason == "" {
		t.Errorf("%s: no reason", a.Question)
	}
	for _, w := range a.Open {
		if w.Example == nil {
			if w.Verdict == VerdictYes || w.Verdict == VerdictOnlyIf {
				t.Errorf("%s: %s by %s without an example", a.Question, w.Verdict, w.Function)
			}
			continue
		}
		if d := p.Evaluate(w.Example.Input()); !d.Allow || d.Sentence != w.Example.Sentence {
			t.Errorf("%s: the example is denied by %s: %s", a.Question, d.Rule, d.Reason)
		}
	}
}

// What the shipped charter can allow at most. Nothing reaches the treasury.
func TestShippedCharterIsProven(t *testing.T) {
	c := sampleCharter(t)
	got := prove(t, New(c, nil))
	for q, want := range map[string]Verdict{"value": VerdictNo, "power": VerdictNo, "code": VerdictOnlyIf, "own-power": VerdictOnlyIf, "protected": VerdictNo} {
		if got[q].Verdict != want {
			t.Errorf("%s: %s; want %s: %s", q, got[q].Verdict, want, got[q].Reason)
		}
	}
	for q, want := range map[string]string{
		"value":     "treasury.transfer(address,uint256): never/token-transfer, which no file can change; treasury.approve(address,uint256): never/token-approval",
		"power":     "protocol.grantRole(bytes32,address): no rule allows it; timelock.updateDelay(uint256): denied by charter/keep-the-delay (charter.yaml:",
		"protected": "no rule allows a call to treasury, by the council or through a wrapper",
		"code":      "only by upgradeToAndCall(address newImplementation, bytes data) of protocol",
	} {
		if !strings.Contains(got[q].Reason, want) {
			t.Errorf("%s: %s\nwant …%s…", q, got[q].Reason, want)
		}
	}
	open := got["code"].Open
	if len(open) != 4 {
		t.Fatalf("%d ways to change code: %+v", len(open), open)
	}
	for _, w := range open {
		bounds := strings.Join(w.Bounds, "; ")
		if !strings.Contains(bounds, "at least 48h ahead (charter/schedule-upgrade, charter.yaml:") && !strings.Contains(bounds, "it waits in timelock already") || !strings.Contains(bounds, "5 members approve; its simulation succeeds") {
			t.Errorf("bounds: %s", bounds)
		}
		if !slices.Contains(w.Free, "newImplementation is any contract, and its code is not pinned") {
			t.Errorf("left open: %v", w.Free)
		}
		if w.Line == 0 || w.File != "charter.yaml" || len(w.Through) != 1 {
			t.Errorf("place: %+v", w)
		}
	}
	// The treasury stays out of reach when nothing but the rules protect it.
	text := edit(t, string(configs.Charter), "    protected: true #", "    #")
	c, err := LoadCharter("charter.yaml", []byte(text), sampleActions(t))
	if err != nil {
		t.Fatal(err)
	}
	if a := prove(t, New(c, nil), "treasury")["protected"]; a.Verdict != VerdictNo {
		t.Errorf("%s: %s", a.Verdict, a.Reason)
	}
	if a := prove(t, New(c, nil))["protected"]; a.Verdict != VerdictUnknown {
		t.Errorf("without a protected contract: %s", a.Verdict)
	}
	if _, err := Prove(New(c, nil), ProveOptions{Protect: []string{"tresury"}}); err == nil || council.Hint(err) == "" {
		t.Errorf("unknown contract: %v", err)
	}
}

// A pinned build closes what the shipped charter leaves open, as far as it goes.
func TestProvePinnedCode(t *testing.T) {
	text := edit(t, string(configs.Charter), "    # - name: newImplementation\n    #   code: [0x…]\n", "      - name: newImplementation\n        code: [0x00000000000000000000000000000000000000000000000000000000000000d1]\n")
	c, err := LoadCharter("charter.yaml", []byte(text), sampleActions(t))
	if err != nil {
		t.Fatal(err)
	}
	a := prove(t, New(c, nil))["code"]
	if a.Verdict != VerdictOnlyIf || !strings.Contains(strings.Join(a.Open[0].Bounds, "; "), "the code at newImplementation is 0x00000000000000000000000000000000000000000000000000000000000000d1") || len(a.Open[0].Free) != 0 {
		t.Errorf("%+v", a)
	}
}

// A member's policy closes ways and never opens any.
func TestProveMember(t *testing.T) {
	c := sampleCharter(t)
	for _, k := range []struct {
		rules string
		code  Verdict
	}{
		{"  - {id: a, effect: deny, actions: [upgrade-and-call]}\n", VerdictNo},
		{"  - {id: a, effect: deny, actions: [upgrade-and-call], contracts: [protocol], args: [{name: data, equal: 0x01}]}\n", VerdictOnlyIf},
		{"  - {id: a, effect: allow, actions: [pause], contracts: [protocol]}\n", VerdictNo},
		{"  - {id: a, effect: allow, actions: [timelock-execute, upgrade-and-call], contracts: [\"*\"], via: [council, timelock]}\n", VerdictOnlyIf},
	} {
		m, err := LoadMember("policy.yaml", []byte("version: 1\nrules:\n"+k.rules), c)
		if err != nil {
			t.Fatal(err)
		}
		if a := prove(t, New(c, m))["code"]; a.Verdict != k.code {
			t.Errorf("%s%s: %s", k.rules, a.Verdict, a.Reason)
		}
	}
}

func TestProveWide(t *testing.T) {
	got := prove(t, New(wideCharter(t), nil), "coin")
	for q, want := range map[string]Verdict{"value": VerdictUnknown, "power": VerdictYes, "code": VerdictYes, "own-power": VerdictYes, "protected": VerdictYes} {
		if got[q].Verdict != want {
			t.Errorf("%s: %s; want %s: %s", q, got[q].Verdict, want, got[q].Reason)
		}
	}
}

// wideWith is the wide charter with other rules.
func wideWith(t testing.TB, rules string) *Charter {
	t.Helper()
	b, err := os.ReadFile("testdata/wide.yaml")
	if err != nil {
		t.Fatal(err)
	}
	head, _, _ := strings.Cut(string(b), "\nrules:\n")
	c, err := LoadCharter("charter.yaml", []byte(head+"\nrules:\n"+rules), sampleActions(t))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// A call can be three contracts away.
func TestProveNested(t *testing.T) {
	const rules = `
  - {id: schedule, effect: allow, actions: [timelock-schedule], contracts: [timelock]}
  - {id: safe, effect: allow, actions: [safe-execute], contracts: [safe], via: [timelock], args: [{name: to, in: [manager, vault]}]}
  - {id: manager, effect: allow, actions: [manager-execute], contracts: [manager], via: [safe]}
  - {id: upgrade, effect: allow, actions: [upgrade], contracts: [vault], via: [manager]}
`
	a := prove(t, New(wideWith(t, rules), nil))["code"]
	if a.Verdict != VerdictYes || len(a.Open) != 1 || len(a.Open[0].Through) != 3 ||
		!strings.HasPrefix(a.Open[0].Through[0], "schedule of timelock, allowed by charter/schedule") || !strings.HasPrefix(a.Open[0].Through[2], "execute of manager") {
		t.Errorf("%s: %+v", a.Reason, a.Open)
	}
	// A wrapper that can't reach the next one closes the way.
	if a := prove(t, New(wideWith(t, strings.Replace(rules, "in: [manager, vault]", "in: [vault]", 1)), nil))["code"]; a.Verdict != VerdictNo || !strings.Contains(a.Reason, "asks for a call by manager, and no rule lets the council make one through it") {
		t.Errorf("%s: %s", a.Verdict, a.Reason)
	}
	// With a delay on the way it is bounded.
	if a := prove(t, New(wideWith(t, strings.Replace(rules, "contracts: [timelock]}", "contracts: [timelock], args: [{name: delay, min: 24h}]}", 1)), nil))["code"]; a.Verdict != VerdictOnlyIf {
		t.Errorf("%s: %s", a.Verdict, a.Reason)
	}
}

// A test that the proof can't satisfy leaves it open, and does not close it.
func TestProveLeavesOpenWhatItCantBuild(t *testing.T) {
	c := wideWith(t, `
  - {id: upgrade, effect: allow, actions: [upgrade], contracts: [vault], fee: 0}
`)
	if a := prove(t, New(c, nil))["code"]; a.Verdict != VerdictUnknown || a.Open[0].Example != nil || !strings.Contains(a.Reason, "no call was found") {
		t.Errorf("%s: %s", a.Verdict, a.Reason)
	}
}

// A charter of as many rules as may be, all for wrappers, is answered within
// bounds, and never with a no that was not looked at.
func TestProveIsBounded(t *testing.T) {
	var rules strings.Builder
	for i := range 500 {
		fmt.Fprintf(&rules, "  - {id: w%d, effect: allow, actions: [safe-execute, timelock-schedule, manager-execute, governor-relay, multisend, pause], contracts: [\"*\"], via: [council, safe, timelock, manager, governor, batcher]}\n", i)
	}
	c := wideWith(t, rules.String())
	for q, a := range prove(t, New(c, nil)) {
		if a.Verdict == VerdictNo {
			t.Errorf("%s: no: %s", q, a.Reason)
		}
	}
	Check(c, nil)
}

func TestProveDocuments(t *testing.T) {
	got := prove(t, New(speaking(t), nil), "protocol")
	if a := got["value"]; a.Verdict != VerdictUnknown || a.Open[0].Example == nil || a.Open[0].Function != "IncidentRecord" {
		t.Errorf("%+v", a)
	}
	if a := got["protected"]; a.Verdict != VerdictYes {
		t.Errorf("%+v", a)
	}
	c := speaking(t)
	for rules, want := range map[string]Verdict{
		"  - {id: a, effect: deny, actions: [typed-data]}\n":                        VerdictNo,
		"  - {id: a, effect: deny, actions: [typed-data], primary_type: Another}\n": VerdictUnknown,
		"  - {id: a, effect: allow, actions: [statement]}\n":                        VerdictNo,
		"  - {id: a, effect: allow, actions: [typed-data], domain: {name: Incident Registry, version: \"1\", chain: mainnet, contract: protocol}, primary_type: IncidentRecord}\n": VerdictUnknown,
	} {
		m, err := LoadMember("policy.yaml", []byte("version: 1\nrules:\n"+rules), c)
		if err != nil {
			t.Fatal(err)
		}
		if a := prove(t, New(c, m))["value"]; a.Verdict != want {
			t.Errorf("%s: %s", rules, a.Verdict)
		}
	}
}

// A deny rule for one caller leaves the others their way, and one with a
// condition leaves what the condition does not meet.
func TestProveDeny(t *testing.T) {
	const allow = "  - {id: up, effect: allow, actions: [upgrade], contracts: [vault]}\n"
	for deny, want := range map[string]Verdict{
		"  - {id: no, effect: deny, actions: [upgrade]}\n":                                                     VerdictNo,
		"  - {id: no, effect: deny, actions: [upgrade], via: [council]}\n":                                     VerdictNo,
		"  - {id: no, effect: deny, actions: [upgrade], via: [timelock]}\n":                                    VerdictYes,
		"  - {id: no, effect: deny, actions: [upgrade], contracts: [admin]}\n":                                 VerdictYes,
		"  - {id: no, effect: deny, chains: [l2]}\n":                                                           VerdictYes,
		"  - {id: no, effect: deny, actions: [upgrade], args: [{name: newImplementation, equal: vault}]}\n":    VerdictYes,
		"  - {id: no, effect: deny, actions: [upgrade], args: [{name: newImplementation, not_in: [vault]}]}\n": VerdictYes,
	} {
		if a := prove(t, New(wideWith(t, allow+deny), nil))["code"]; a.Verdict != want {
			t.Errorf("%s%s: %s", deny, a.Verdict, a.Reason)
		}
	}
}

// mistake is a file of testdata/mistakes: a charter whose first lines say what
// check and prove have to find, in the line that is marked HERE.
func TestMistakes(t *testing.T) {
	files, err := filepath.Glob("testdata/mistakes/*.yaml")
	if err != nil || len(files) < 12 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".yaml"), func(t *testing.T) {
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			c, err := LoadCharter("charter.yaml", b, sampleActions(t))
			if err != nil {
				t.Fatal(err)
			}
			here, said := 0, 0
			lines := strings.Split(string(b), "\n")
			for i, l := range lines {
				if strings.HasSuffix(l, "# HERE") {
					here = i + 1
				}
			}
			answers := prove(t, New(c, nil))
			for _, l := range lines {
				if want, ok := strings.CutPrefix(l, "# check: "); ok {
					said++
					if !slices.ContainsFunc(Check(c, nil), func(f Finding) bool { return f.Line == here && strings.Contains(f.Message, want) && f.Hint != "" }) {
						t.Errorf("check does not say in line %d: %s\n%s", here, want, findings(c, nil))
					}
				}
				if want, ok := strings.CutPrefix(l, "# prove: "); ok {
					said++
					q, verdict, _ := strings.Cut(want, " ")
					a := answers[q]
					if string(a.Verdict) != verdict || a.Verdict == VerdictYes && a.Open[0].Line != here && !strings.Contains(l, "elsewhere") && !reasonNames(c, a, here) {
						t.Errorf("%s: %s, want %s in line %d: %s\n%+v", q, a.Verdict, verdict, here, a.Reason, a.Open)
					}
				}
			}
			if said == 0 {
				t.Error("the file expects nothing")
			}
		})
	}
}

// reasonNames reports whether the answer's way names the marked line, as the
// rule of a wrapper or as the contract of a wrong name.
func reasonNames(c *Charter, a ProofAnswer, line int) bool {
	mark := fmt.Sprintf("(charter.yaml:%d)", line)
	return strings.Contains(strings.Join(append(a.Open[0].Through, a.Open[0].Rules...), " "), mark) ||
		slices.ContainsFunc(c.contracts, func(k *Contract) bool { return k.pos.Line == line && k.Name == a.Open[0].Contract })
}

// Every wrapper has a carrier, which is its inverse.
func TestCarriersAreInverse(t *testing.T) {
	to := common.HexToAddress("0x1000000000000000000000000000000000000001")
	data := []byte{1, 2, 3, 4, 5}
	for _, w := range wrappers {
		c, ok := carrierBySig[w.fn.Signature]
		if !ok {
			t.Errorf("%s can't be filled", w.fn)
			continue
		}
		vals := make([]value, len(w.fn.Params))
		for i, p := range w.fn.Params {
			vals[i] = simplest(p.typ)
		}
		for i, v := range c.fill(w.fn.Params, to, data) {
			vals[i] = v
		}
		b, err := w.fn.encode(vals)
		if err != nil {
			t.Errorf("%s: %v", w.fn, err)
			continue
		}
		if vals, err = w.fn.decode(b[4:]); err != nil {
			t.Fatal(err)
		}
		in, err := w.open(to, vals)
		if err != nil || len(in) != 1 || in[0].to != to || string(in[0].data) != string(data) || in[0].value.Sign() != 0 || in[0].same != c.same {
			t.Errorf("%s: %+v, %v", w.fn, in, err)
		}
		if c.target >= 0 && vals[c.target].address() != to {
			t.Errorf("%s: the target is not argument %d", w.fn, c.target)
		}
	}
}

// drawRules writes a random charter's rules, in which wrappers are often allowed,
// so that calls within calls have a chance.
func drawRules(t *rapid.T, c *Charter) string {
	_, rules, _ := strings.Cut(drawMember(t, c), "rules:\n")
	callers := []string{councilName, "safe", "timelock", "manager", "governor", "batcher", "admin"}
	some := func(of []string, label string) string {
		return strings.Join(rapid.SliceOfNDistinct(rapid.SampledFrom(of), 1, len(of), func(s string) string { return s }).Draw(t, label), ", ")
	}
	if rapid.Bool().Draw(t, "wrappers") {
		rules += fmt.Sprintf("  - {id: wrappers, effect: allow, actions: [%s], contracts: [\"*\"], via: [%s]}\n",
			some([]string{"multicall", "aggregate", "safe-execute", "multisend", "manager-execute", "governor-relay", "timelock-schedule", "timelock-execute", "proxy-upgrade-and-call"}, "carried"), some(callers, "callers"))
	}
	if rapid.Bool().Draw(t, "leaves") {
		rules += fmt.Sprintf("  - {id: leaves, effect: allow, actions: [%s], contracts: [\"*\"], via: [%s]}\n",
			some([]string{"upgrade", "set-guardian", "transfer-ownership", "renounce-role", "revoke-role", "update-delay", "manager-grant-role", "set-limits", "accept-ownership"}, "leaf"), some(callers, "via"))
	}
	if rapid.Bool().Draw(t, "deny") {
		rules += fmt.Sprintf("  - {id: no, effect: deny, actions: [%s], contracts: [\"*\"], via: [%s]%s}\n", some([]string{"upgrade", "set-guardian", "transfer-ownership", "revoke-role"}, "denied"), some(callers, "to"),
			rapid.SampledFrom([]string{"", ", when: tx.gas > 50000"}).Draw(t, "when"))
	}
	return rules
}

// drawCall makes a random call of the charter's functions, within up to three
// wrappers.
func drawCall(t *rapid.T, c *Charter) Input {
	type target struct {
		k *Contract
		f *Function
	}
	var leaves, wraps []target
	for _, k := range c.contracts {
		for _, f := range k.order {
			if k.Chain != 1 {
				continue
			}
			if _, ok := carrierBySig[f.Signature]; ok {
				wraps = append(wraps, target{k, f})
			} else if natureOf(f).what|natureOf(f).open != 0 {
				leaves = append(leaves, target{k, f})
			}
		}
	}
	// Mostly what some rule names: the rest is refused for want of one.
	named := func(list []target) []target {
		some := slices.DeleteFunc(slices.Clone(list), func(x target) bool {
			return !slices.ContainsFunc(c.actions.readings(x.f), func(d *def) bool { return len(c.rules.allows[meaning{x.f, d}]) > 0 })
		})
		if len(some) == 0 || rapid.IntRange(0, 4).Draw(t, "unnamed") == 0 {
			return list
		}
		return some
	}
	leaves, wraps = named(leaves), named(wraps)
	addresses := []common.Address{caseFrom, strangers[0]}
	for _, k := range c.contracts {
		addresses = append(addresses, k.Address)
	}
	encode := func(f *Function, fill map[int]value) []byte {
		vals := make([]value, len(f.Params))
		for i, p := range f.Params {
			vals[i] = simplest(p.typ)
			if p.typ.kind == kindAddress {
				vals[i] = addressValue(p.typ, rapid.SampledFrom(addresses).Draw(t, "address"))
			}
			if v, ok := fill[i]; ok {
				vals[i] = v
			}
		}
		data, err := f.encode(vals)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	x := rapid.SampledFrom(leaves).Draw(t, "leaf")
	data := encode(x.f, nil)
	for range rapid.IntRange(0, 3).Draw(t, "depth") {
		w := rapid.SampledFrom(wraps).Draw(t, "wrapper")
		carry := carrierBySig[w.f.Signature]
		if carry.same && w.k != x.k {
			continue
		}
		data, x = encode(w.f, carry.fill(w.f.Params, x.k.Address, data)), w
	}
	in := input(transaction(x.k.Address, data))
	for _, a := range addresses {
		in.Facts.Answers[council.Query{Kind: council.QueryCodeHash, Address: a}] = council.Answer{Word: common.Hash{31: 0xd1}}
	}
	return in
}

// A no must hold: whatever Evaluate allows on a charter drawn at random, no call
// in it has an effect that the proof denies.
func TestProofIsSound(t *testing.T) {
	b, err := os.ReadFile("testdata/wide.yaml")
	if err != nil {
		t.Fatal(err)
	}
	head, _, _ := strings.Cut(string(b), "\nrules:\n")
	wide, actions := wideCharter(t), sampleActions(t)
	allowed, within, refused := 0, 0, 0
	property := func(t *rapid.T) {
		rules := drawRules(t, wide)
		if rules == "" {
			return
		}
		c, err := LoadCharter("charter.yaml", []byte(head+"\nrules:\n"+rules), actions)
		if err != nil {
			return
		}
		p := New(c, nil)
		proof, err := Prove(p, ProveOptions{Council: caseFrom, Protect: []string{"coin"}})
		if err != nil {
			t.Fatal(err)
		}
		verdict := map[string]Verdict{}
		for _, a := range proof.Answers {
			verdict[a.Question] = a.Verdict
			for _, w := range a.Open {
				if w.Example != nil && !p.Evaluate(w.Example.Input()).Allow {
					t.Fatalf("%s\nan example of %s is denied", rules, a.Question)
				}
			}
		}
		for range 40 {
			in := drawCall(t, c)
			d := p.Evaluate(in)
			if !d.Allow {
				refused++
				continue
			}
			c.read(in.Intent.(council.Transaction)).walk(func(k *Call) bool {
				n := natureOf(k.fn)
				if taken, ok := takesFrom(k); ok && taken.address() != caseFrom {
					n.what &^= losesPower // somebody else's
				}
				if allowed++; k.caller != nil {
					within++
				}
				for _, q := range questions {
					if hit := (n.what|n.open)&q.what != 0 || q.what == 0 && k.Contract == "coin"; hit && verdict[q.name] == VerdictNo {
						t.Fatalf("%s\nallows %s, and the proof says no to %s", rules, d.Sentence, q.name)
					}
				}
				return true
			})
		}
	}
	if !exercised(t, property, func() bool { return allowed > 0 && within > 0 && refused > 0 }) {
		t.Errorf("the property was not exercised: %d calls allowed, %d of them by a contract; %d refusals", allowed, within, refused)
	}
	t.Logf("%d calls allowed, %d of them by a contract; %d refusals", allowed, within, refused)
}

// The proof has to know every term of a rule and of a condition: one that it does
// not know may only ever narrow what an allow rule allows. Whoever adds a field
// has to look at covers (a deny rule with the new term does not cover), excluded,
// leastOf and bounds, and then adds it here.
func TestProofKnowsEveryTerm(t *testing.T) {
	for _, k := range []struct {
		of    any
		known string
	}{
		{rule{}, "id label allow pos actions wild anywhere via anyCaller direct bind keys limits approvals code simulate incident on everything message when cancel moves state roles terms"},
		{condition{}, "param index predicate"},
		{predicate{}, "field steps names deny in notIn inList notInList min max bits length code any all"},
	} {
		typ := reflect.TypeOf(k.of)
		for i := range typ.NumField() {
			if name := typ.Field(i).Name; !slices.Contains(strings.Fields(k.known), name) {
				t.Errorf("%s has the field %s, which the proof does not know", typ.Name(), name)
			}
		}
	}
}

// What may be done only after a while may be done: terms close nothing, and the
// example lives long enough for them.
func TestProveWaits(t *testing.T) {
	for _, terms := range []string{"cooldown: 24h", "limit: {count: 1, per: 7d}", "delay: 2h", "delay: 26h, cooldown: 24h", "seats: {core: 1}", "window: {days: [mon], hours: \"03:00-04:00\"}"} {
		call := "  - {id: up, effect: allow, actions: [upgrade], contracts: [vault], validity: 9d, " + terms + "}\n"
		if a := prove(t, New(wideWith(t, call), nil))["code"]; a.Verdict != VerdictYes {
			t.Errorf("a call, %s: %s", terms, a.Verdict)
		}
		document := edit(t, string(configs.Charter), "rules:\n", "rules:\n  - {id: records, effect: allow, actions: [typed-data], validity: 9d, "+terms+
			", domain: {name: Registry, version: \"1\", chain: mainnet, contract: treasury}, primary_type: Record}\n")
		c, err := LoadCharter("charter.yaml", []byte(document), sampleCharter(t).actions)
		if err != nil {
			t.Fatal(err)
		}
		if a := prove(t, New(c, nil))["protected"]; a.Verdict != VerdictYes {
			t.Errorf("a document, %s: %s", terms, a.Verdict)
		}
	}
}
