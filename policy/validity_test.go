package policy

import (
	"strings"
	"testing"

	"github.com/millicent-one/signer/council"
)

// What a proposal may be valid for counts from when it was put before the council: what is
// denied as valid for too long is not allowed once little is left. Where that time is not
// known, or is said to be ahead, it is now.
func TestValidityCountsFromTheProposal(t *testing.T) {
	const day = 24 * 3600
	c := sampleCharter(t)
	p := New(c, nil)
	deed := transaction(c.byName["protocol"].Address, pack(t, scope{c, 1}, "pause()"))
	cancel := transaction(caseFrom, nil)
	const brakes, statements = 3 * day, 7 * day // by their rules in the sample charter
	for name, k := range map[string]struct {
		in   council.Intent
		most uint64
	}{
		"a call":       {deed, brakes},
		"cancel-nonce": {cancel, c.limits.validity},
		"a statement":  {council.Statement{Text: "All is well.", ValidUntil: caseNow + 60}, statements},
	} {
		for _, s := range []struct {
			since uint64
			allow bool
		}{
			{0, true},
			{caseNow, true},
			{caseNow + 9*day, true},
			{caseNow + 60 - k.most, true},
			{caseNow + 60 - k.most - ClockSkew, true},
			{caseNow + 60 - k.most - ClockSkew - 1, false},
			{caseNow - 365*day, false},
		} {
			in := input(deed)
			in.Intent, in.Since = k.in, s.since
			d := p.Evaluate(in)
			if d.Allow != s.allow || !s.allow && !strings.Contains(d.Reason, "valid for ") {
				t.Errorf("%s, proposed at %d: %v by %s: %s", name, s.since, d.Allow, d.Rule, d.Reason)
			}
			if tree := p.Explain(in).String(); !s.allow && !strings.Contains(tree, "no  validity") {
				t.Errorf("%s, explained: %s", name, tree)
			}
		}
	}
}
