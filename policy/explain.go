package policy

import (
	"fmt"
	"slices"

	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/council"
)

// Test is one thing that was asked, and how it came out. Have and Want are
// written for people.
type Test struct {
	What string `json:"what"` // "caller", "delay", "gas", "simulation"
	Have string `json:"have"`
	Want string `json:"want"`
	OK   bool   `json:"ok"`
}

// Explanation is the whole tree behind a decision: every call, every rule that
// could speak about it, every test with its outcome. Where Evaluate stops at the
// first reason to deny, it goes on and finds all of them.
type Explanation struct {
	Decision Decision        `json:"decision"` // Evaluate's answer
	Whole    []Test          `json:"whole"`    // what concerns the intent as a whole
	Call     *ExplainedCall  `json:"call,omitempty"`
	Rules    []ExplainedRule `json:"rules,omitempty"` // of an intent that is a message
	Missing  []Obstacle      `json:"missing"`         // all that stands in the way; empty: allowed
}

// Obstacle is one reason to deny, and what would take it away.
type Obstacle struct {
	Call string `json:"call"` // its path; "" for the outermost call, or for the whole
	Refusal
}

// ExplainedCall is one call of the tree, judged for itself.
type ExplainedCall struct {
	Path     string           `json:"path"`
	Via      string           `json:"via"` // who makes the call
	To       common.Address   `json:"to"`
	Contract string           `json:"contract"`
	Function string           `json:"function"`
	Action   string           `json:"action"` // that it is judged as
	Sentence string           `json:"sentence"`
	Pins     []Test           `json:"pins,omitempty"` // what the charter pins of the contract
	Rules    []ExplainedRule  `json:"rules"`
	Refusal  *Refusal         `json:"refusal,omitempty"` // nil: the call passes
	Calls    []*ExplainedCall `json:"calls,omitempty"`
}

// ExplainedRule is one rule that could speak about a call or a message.
type ExplainedRule struct {
	Rule    string `json:"rule"`
	File    string `json:"file"`
	Line    int    `json:"line"`
	Effect  string `json:"effect"` // allow or deny
	Tests   []Test `json:"tests"`
	Terms   []Test `json:"terms,omitempty"` // what it asks for besides, once it decides
	Holds   bool   `json:"holds"`           // all tests came out well: it allows, or it denies
	Decides bool   `json:"decides"`         // the call passes by it, or is refused by it
}

// Verdict is whether the tree as a whole allows. It is Evaluate's answer, found
// another way.
func (x *Explanation) Verdict() bool { return len(x.Missing) == 0 }

// Explain judges an intent as Evaluate does, and tells all.
func (p *Policy) Explain(in Input) *Explanation {
	x := p.explain(in)
	if d := x.Decision; !d.Allow && x.Verdict() { // never say less than Evaluate does
		x.Missing = []Obstacle{{"", Refusal{d.Rule, d.Reason, d.Hint}}}
	}
	return x
}

func (p *Policy) explain(in Input) *Explanation {
	x := &Explanation{Decision: p.Evaluate(in), Missing: []Obstacle{}, Whole: []Test{}}
	a, err := p.Describe(in.Intent)
	if err != nil || p.closed != nil {
		d := x.Decision
		x.Whole = []Test{{What: "intent", Have: d.Reason, Want: d.Hint}}
		x.refuse("", &Refusal{d.Rule, d.Reason, d.Hint})
		return x
	}
	if t, ok := in.Intent.(council.Transaction); ok {
		e := &evaluation{p: p, in: in, t: t}
		x.Whole = e.wholeTests()
		x.refuse("", e.lifetime())
		x.Call = e.tree(a.Root, x)
		x.oblige(e.used, in)
		return x
	}
	if m, ok := council.AsMessage(in.Intent); ok {
		p.explainMessage(x, in, m)
	}
	return x
}

func (x *Explanation) refuse(path string, r *Refusal) {
	if r != nil {
		x.Missing = append(x.Missing, Obstacle{path, *r})
	}
}

// tree explains a call and those inside it.
func (e *evaluation) tree(c *Call, x *Explanation) *ExplainedCall {
	v := &ExplainedCall{Path: c.Path, Via: c.Via, To: c.To, Contract: c.Contract, Function: c.Function, Sentence: c.Sentence, Rules: []ExplainedRule{}}
	if c.use.def != nil {
		v.Action = e.judged(c).name
	}
	var used [2]*rule
	v.Refusal, used = e.refusal(c)
	e.used = append(e.used, used[:]...)
	v.Pins = e.pinTests(c)
	x.refuse(c.Path, v.Refusal)
	e.rules(c, v)
	for _, k := range c.Calls {
		v.Calls = append(v.Calls, e.tree(k, x))
	}
	return v
}

// refusal judges one call for itself, in the order that Evaluate keeps.
func (e *evaluation) refusal(c *Call) (no *Refusal, used [2]*rule) {
	for _, step := range []func(*Call) *Refusal{e.never, func(c *Call) *Refusal { return c.Refusal }, e.denied} {
		if r := step(c); r != nil {
			return r, used
		}
	}
	if c.use.def == cancelNonce {
		return e.cancels(c), used
	}
	used, no = e.permitted(c)
	return no, used
}

// rules lists the rules that could speak about a call: the denials first, and
// of each file the permissions in the order in which they are tried.
func (e *evaluation) rules(c *Call, v *ExplainedCall) {
	if c.use.def == nil || c.Refusal != nil {
		return
	}
	for _, s := range e.p.sets() {
		for _, m := range e.meanings(c) {
			for _, r := range s.denies[m] {
				v.Rules = append(v.Rules, e.p.explained(r, e.tests(r, c, m)))
			}
		}
	}
	if c.use.def == cancelNonce {
		v.Rules = append(v.Rules, ExplainedRule{Rule: "built-in/cancel-nonce", Effect: "allow", Tests: e.cancelTests(c)})
		v.Rules[len(v.Rules)-1].Holds = held(v.Rules[len(v.Rules)-1].Tests)
		decides(v.Rules, v.Refusal)
		return
	}
	m := meaning{c.fn, e.judged(c)}
	for _, s := range e.p.sets() {
		for _, r := range s.allows[m] {
			shown := e.p.explained(r, e.tests(r, c, m))
			shown.Terms = r.termTests(e.in)
			v.Rules = append(v.Rules, shown)
		}
	}
	decides(v.Rules, v.Refusal)
}

// oblige adds what the rules by which everything passes ask for besides.
func (x *Explanation) oblige(used []*rule, in Input) {
	var asking []*rule
	for _, r := range used {
		if r != nil && r.terms != nil && !slices.Contains(asking, r) {
			asking = append(asking, r)
		}
	}
	if d := (Decision{Allow: true}).oblige(asking, in); !d.Allow {
		x.refuse("", &Refusal{d.Rule, d.Reason, d.Hint})
	}
}

// explained is a rule with its tests.
func (p *Policy) explained(r *rule, tests []Test) ExplainedRule {
	v := ExplainedRule{Rule: r.label, File: p.charter.file, Line: r.pos.Line, Effect: "deny", Tests: tests, Holds: held(tests)}
	if r.allow {
		v.Effect = "allow"
	}
	if p.member != nil && slices.Contains(p.member.rules.all, r) {
		v.File = p.member.file
	}
	return v
}

func held(tests []Test) bool {
	return !slices.ContainsFunc(tests, func(t Test) bool { return !t.OK })
}

// decides marks the rule that refused, or of each file the first that allowed.
func decides(rules []ExplainedRule, refusal *Refusal) {
	said := map[string]bool{} // by file
	for i := range rules {
		r := &rules[i]
		if refusal != nil {
			r.Decides = r.Rule == refusal.Rule
			continue
		}
		if r.Effect == "allow" && r.Holds && !said[r.File] {
			r.Decides, said[r.File] = true, true
		}
	}
}

// tests are all that a rule asks of a call: who makes it, with which arguments,
// and of an allow rule within which bounds and on which facts. What a rule asks
// beyond its rows would show as the row "rule".
func (e *evaluation) tests(r *rule, c *Call, m meaning) []Test {
	out := []Test{r.callerTest(c)}
	conds := r.bind[m]
	for i := range conds {
		out = append(out, conds[i].tests(c.values)...)
	}
	if t, ok := e.whenTest(r, c, m); ok {
		out = append(out, t)
	}
	if !r.allow {
		if _, ok := r.speaks(c, m); !ok && held(out) {
			out = append(out, Test{What: "rule", Have: "does not apply", Want: "all that the rule says"})
		}
		return out
	}
	out = append(out, r.limits.tests(e.t, e.in.begun())...)
	if r.incident {
		out = append(out, Test{"incident", quoteOrNone(e.t.Reason), "a reference such as INC-2031-07 in the reason", hasIncident(e.t.Reason)})
	}
	out = append(out, e.factTests(r, c, m)...)
	if stage := r.passes(e, c, m); stage != stagePassed && held(out) {
		why := r.explain(e, c, m, stage)
		out = append(out, Test{What: "rule", Have: why.Reason, Want: why.Hint})
	}
	return out
}

// explainMessage explains a statement or a document.
func (p *Policy) explainMessage(x *Explanation, in Input, m council.Message) {
	doc, action := council.TypedDocument{}, publish
	if t, ok := m.(council.TypedData); ok {
		var err error
		if doc, err = council.ReadTypedData(t.Document); err != nil {
			x.refuse("", &Refusal{"default/intent", err.Error(), council.Hint(err)})
			return
		}
		action = signData
	}
	x.Whole = p.messageTests(in, m, action, doc)
	never := neverSigned(m, doc)
	if never != nil {
		x.Whole = append(x.Whole, Test{What: "never-list", Have: never.Reason, Want: "nothing on the never-list"})
	}
	x.refuse("", never)
	var denied *Refusal
	for _, s := range p.sets() {
		for _, r := range s.words {
			if r.allow {
				continue
			}
			v := p.explained(r, r.messageTests(m, action, doc, in.begun()))
			x.Rules = append(x.Rules, v)
			if denied == nil && r.about(action, doc) {
				denied = &Refusal{r.label, "denied: " + x.Decision.Sentence, "the rule " + r.label + " would have to be changed"}
			}
		}
	}
	x.refuse("", denied)
	x.refuse("", p.timely(in, m, action, doc))
	var used []*rule
	for i, s := range p.sets() {
		for _, r := range s.words {
			if r.allow && r.message.action == action {
				shown := p.explained(r, r.messageTests(m, action, doc, in.begun()))
				shown.Terms = r.termTests(in)
				x.Rules = append(x.Rules, shown)
			}
		}
		if i == 0 || s.narrow {
			r, refusal := s.permits(m, action, doc, in.Now, i > 0)
			x.refuse("", refusal)
			if refusal == nil {
				used = append(used, r)
			}
		}
	}
	x.oblige(used, in)
	var first *Refusal
	if len(x.Missing) > 0 {
		first = &x.Missing[0].Refusal
	}
	decides(x.Rules, first)
}

func quoteOrNone(s string) string {
	if s == "" {
		return "none"
	}
	return fmt.Sprintf("%q", clip(s, 80))
}
