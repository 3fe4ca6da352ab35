package policy

import (
	"os"
	"strings"
	"testing"
)

// What the proof does not model closes nothing: not a condition on a field, which
// is about another value than the argument, and not an expression, in a rule of
// either effect.
func TestProofOfConditions(t *testing.T) {
	b, err := os.ReadFile("testdata/wide.yaml")
	if err != nil {
		t.Fatal(err)
	}
	head, _, _ := strings.Cut(string(b), "\nrules:\n")
	head = strings.Replace(head, "\ncontracts:\n", "\nlists:\n  - {name: builds, chain: mainnet, addresses: [\"0x00000000000000000000000000000000000000e1\"]}\ncontracts:\n", 1)
	for _, k := range []struct {
		rules string
		code  Verdict
		bound string
	}{
		{"{id: a, effect: allow, actions: [upgrade], contracts: [vault]}", VerdictYes, ""},
		{"{id: a, effect: allow, actions: [upgrade], contracts: [vault], args: [{name: newImplementation, in_list: builds}]}", VerdictOnlyIf, "newImplementation is on the list builds of 1 addresses (charter/a"},
		{"{id: a, effect: allow, actions: [upgrade], contracts: [vault], args: [{name: newImplementation, not_in_list: builds}]}", VerdictYes, ""},
		{"{id: a, effect: allow, actions: [upgrade], contracts: [vault], when: tx.gas > 21000}", VerdictYes, ""},
		{"{id: a, effect: allow, actions: [upgrade], contracts: [vault], when: tx.gas < 21000}", VerdictUnknown, ""},
		{"{id: a, effect: allow, actions: [upgrade], contracts: [vault]}\n  - {id: b, effect: deny, actions: [upgrade], when: tx.gas < 21000}", VerdictYes, ""},
		{"{id: a, effect: allow, actions: [upgrade], contracts: [vault]}\n  - {id: b, effect: deny, actions: [upgrade], args: [{name: newImplementation, in_list: builds}]}", VerdictYes, ""},
		{"{id: a, effect: allow, actions: [upgrade], contracts: [vault]}\n  - {id: b, effect: deny, actions: [upgrade]}", VerdictNo, ""},
	} {
		c, err := LoadCharter("charter.yaml", []byte(head+"\nrules:\n  - "+k.rules+"\n"), sampleActions(t))
		if err != nil {
			t.Fatal(err)
		}
		a := prove(t, New(c, nil))["code"]
		if a.Verdict != k.code {
			t.Errorf("%s: %s; want %s: %s", k.rules, a.Verdict, k.code, a.Reason)
		}
		if k.bound != "" && !strings.Contains(strings.Join(a.Open[0].Bounds, "; "), k.bound) {
			t.Errorf("%s: bounds %v", k.rules, a.Open[0].Bounds)
		}
	}
}
