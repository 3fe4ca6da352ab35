package policy

import (
	"fmt"
	"strings"
)

// String is the explanation as a page: the answer, the calls with their rules and
// tests, and what would make it pass.
func (x *Explanation) String() string {
	var b strings.Builder
	d := x.Decision
	switch {
	case !d.Allow:
		fmt.Fprintf(&b, "denied by %s: %s\n", d.Rule, d.Reason)
	case strings.HasPrefix(d.Reason, "allowed by "):
		by, more, _ := strings.Cut(d.Reason, "; ")
		fmt.Fprintf(&b, "%s, with %d approvals\n", by, d.Approvals)
		if more != "" {
			fmt.Fprintf(&b, "%s\n", more)
		}
	default:
		fmt.Fprintf(&b, "allowed by %s, with %d approvals: %s\n", d.Rule, d.Approvals, d.Reason)
	}
	if d.Sentence != "" {
		fmt.Fprintf(&b, "%s\n", d.Sentence)
	}
	if len(x.Whole) > 0 {
		b.WriteString("\nthe whole\n")
		writeTests(&b, "  ", x.Whole)
	}
	if x.Call != nil {
		x.Call.write(&b, "")
	}
	for _, r := range x.Rules {
		b.WriteString("\n")
		r.write(&b, "")
	}
	if len(x.Missing) > 0 {
		b.WriteString("\nto make it pass\n")
		for _, o := range x.Missing {
			where := ""
			if o.Call != "" {
				where = "call " + o.Call + ": "
			}
			fmt.Fprintf(&b, "  %s%s (%s)\n", where, o.Hint, o.Rule)
		}
	}
	return b.String()
}

func (c *ExplainedCall) write(b *strings.Builder, pad string) {
	name := "call"
	if c.Path != "" {
		name += " " + c.Path
	}
	what, on := c.Function, c.Contract
	if what == "" {
		what = "of no known function"
	}
	if on == "" {
		on = c.To.Hex()
	}
	fmt.Fprintf(b, "\n%s%s %s on %s, made by %s", pad, name, what, on, c.Via)
	if c.Action != "" {
		fmt.Fprintf(b, ", judged as %s", c.Action)
	}
	b.WriteString("\n")
	if r := c.Refusal; r != nil {
		fmt.Fprintf(b, "%s  refused by %s: %s\n", pad, r.Rule, r.Reason)
	}
	writeTests(b, pad+"  ", c.Pins)
	for _, r := range c.Rules {
		r.write(b, pad+"  ")
	}
	for _, k := range c.Calls {
		k.write(b, pad+"  ")
	}
}

func (r ExplainedRule) write(b *strings.Builder, pad string) {
	at := ""
	if r.Line > 0 {
		at = fmt.Sprintf(" (%s:%d)", r.File, r.Line)
	}
	word := map[string]map[bool]string{"allow": {true: "allows", false: "does not allow"}, "deny": {true: "denies", false: "does not apply"}}[r.Effect][r.Holds]
	mark := " "
	if r.Decides {
		mark = ">"
	}
	fmt.Fprintf(b, "%s%s %s%s %s\n", pad, mark, r.Rule, at, word)
	writeTests(b, pad+"    ", r.Tests)
	if len(r.Terms) > 0 {
		fmt.Fprintf(b, "%s    besides\n", pad)
		writeTests(b, pad+"      ", r.Terms)
	}
}

// widest bounds the columns of a page of tests.
const widest = 46

func writeTests(b *strings.Builder, pad string, tests []Test) {
	what, have := 0, 0
	for _, t := range tests {
		what, have = max(what, min(len(t.What), widest)), max(have, min(len(t.Have), widest))
	}
	for _, t := range tests {
		ok := "ok"
		if !t.OK {
			ok = "no"
		}
		fmt.Fprintf(b, "%s%s  %-*s  %-*s  want %s\n", pad, ok, what, t.What, have, t.Have, t.Want)
	}
}
