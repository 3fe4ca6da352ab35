package policy

import (
	"fmt"
	"math/big"
	"slices"
	"strings"

	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/council"
)

// Input is everything that a decision depends on.
type Input struct {
	Intent council.Intent
	From   common.Address // the council's key
	Facts  council.Facts  // of this node's own RPC; may lack what was not asked
	Now    uint64         // unix seconds
	Head   uint64         // number of the newest block that this node knows
	// Since is when the intent was put before the council, in unix seconds; 0: not known,
	// or just now. What it may be valid for counts from there: else what was denied as
	// valid for too long would be allowed once little is left of that, when nobody thinks
	// of it any more.
	Since uint64
	// History is what rules count; nil denies where a rule looks at it.
	History *History
}

// begun is the time from which the validity counts.
func (in Input) begun() uint64 {
	if in.Since == 0 {
		return in.Now
	}
	return min(in.Since, in.Now)
}

// Decision is the answer, and its explanation.
type Decision struct {
	Allow     bool   `json:"allow"`
	Rule      string `json:"rule"`   // that decided: "charter/pause", "member/no-upgrades", "never/token-transfer", "default/…"
	Reason    string `json:"reason"` // why; for an allow, what the rule was asked
	Hint      string `json:"hint"`   // what would make it pass; "" for an allow
	Action    string `json:"action"` // of the catalogue
	Class     Class  `json:"class"`
	Duty      Duty   `json:"duty"`
	Sentence  string `json:"sentence"`
	Approvals int    `json:"approvals"` // the least number that this takes; of an allow
	// What Authorize asks for besides, of an allow; see terms. Times are unix
	// seconds, by the clock of the node that signs.
	Seats     Seats       `json:"seats"`               // that must be among the approvals
	NotBefore uint64      `json:"notBefore,omitempty"` // 0: at any time. May be past; before the quorum is complete, as if it were right now
	Until     uint64      `json:"until,omitempty"`     // when the time that NotBefore begins is over; 0: without end
	Wait      string      `json:"wait,omitempty"`      // which rule NotBefore comes from, and why, when it is still to come
	Delay     uint64      `json:"delay,omitempty"`     // seconds from the complete quorum
	Terms     string      `json:"terms,omitempty"`     // all that is asked, by rule; "" for nothing
	Policy    common.Hash `json:"policy"`
	Facts     common.Hash `json:"facts"`
}

// Evaluate judges an intent. The same input gives the same answer. What is not
// expressly allowed is denied, and so is what can't be decoded, what lacks a
// fact or whose facts are old; an explicit deny wins over every allow; the
// never-list wins over everything.
func (p *Policy) Evaluate(in Input) Decision {
	d := Decision{Class: Permissive, Policy: p.hash, Facts: in.Facts.Hash()}
	a, err := p.Describe(in.Intent)
	if err != nil {
		return d.deny("default/intent", err.Error(), "propose it within the bounds")
	}
	if no := p.closed; no != nil {
		return d.deny(no.Rule, no.Reason, no.Hint)
	}
	d.Action, d.Class, d.Duty, d.Sentence = a.Name, a.Class, a.Duty, a.Sentence
	if t, ok := in.Intent.(council.Transaction); ok {
		return p.transaction(d, in, t, a.Root)
	}
	if m, ok := council.AsMessage(in.Intent); ok {
		return p.message(d, in, m)
	}
	return d.deny("default/intent", "unknown kind of intent", "propose a transaction")
}

func (d Decision) deny(rule, reason, hint string) Decision {
	d.Allow, d.Rule, d.Reason, d.Hint, d.Approvals = false, rule, reason, hint, 0
	d.Seats, d.NotBefore, d.Until, d.Wait, d.Delay, d.Terms = Seats{}, 0, 0, "", 0, ""
	return d
}

func (d Decision) refuse(c *Call, r *Refusal) Decision {
	return d.deny(r.Rule, c.where()+r.Reason, r.Hint)
}

func (p *Policy) transaction(d Decision, in Input, t council.Transaction, root *Call) Decision {
	e := &evaluation{p: p, in: in, t: t}
	// The order only decides which of several reasons is given.
	for _, step := range []func(*Call) *Refusal{e.never, func(c *Call) *Refusal { return c.Refusal }, e.denied} {
		if c, r := first(root, step); r != nil {
			return d.refuse(c, r)
		}
	}
	if r := e.lifetime(); r != nil {
		return d.refuse(root, r)
	}
	d.Approvals = p.charter.threshold
	if root.use.def == cancelNonce {
		if r := e.cancels(root); r != nil {
			return d.refuse(root, r)
		}
		d.Allow, d.Rule, d.Reason = true, "built-in/cancel-nonce", "an empty transaction to the council itself moves nothing"
		return d
	}
	var rules []string
	simulated := false
	var asking []*rule
	if c, r := first(root, func(c *Call) *Refusal {
		used, refusal := e.permitted(c)
		for _, r := range used {
			if r != nil {
				d.Approvals = max(d.Approvals, r.approvals)
				rules = append(rules, r.label)
				simulated = simulated || r.simulate
				if r.terms != nil && !slices.Contains(asking, r) {
					asking = append(asking, r)
				}
			}
		}
		return refusal
	}); r != nil {
		return d.refuse(c, r)
	}
	d.Allow, d.Rule = true, rules[0]
	d.Reason = "allowed by " + strings.Join(unique(rules), ", ")
	if simulated {
		d.Reason += "; " + seen(in.Facts.Answers[council.Query{Kind: council.QuerySimulation}])
	}
	return d.oblige(asking, in)
}

// first finds the first call that step refuses.
func first(root *Call, step func(*Call) *Refusal) (where *Call, refusal *Refusal) {
	root.walk(func(c *Call) bool {
		where, refusal = c, step(c)
		return refusal == nil
	})
	return where, refusal
}

func unique(list []string) []string {
	var out []string
	for _, s := range list {
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

// evaluation is one run of Evaluate.
type evaluation struct {
	p  *Policy
	in Input
	t  council.Transaction

	scene *scene // of the call that an expression was last asked about
	spent uint64 // steps that expressions took

	used []*rule // by which calls pass; for an explanation
}

// judged is the action that a call is judged as.
func (e *evaluation) judged(c *Call) *def {
	if v, ok := takesFrom(c); ok && v.address() == e.in.From {
		if d := e.p.charter.actions.byName[renounceRole]; d != nil {
			return d
		}
	}
	return c.use.def
}

// meanings are what a deny rule can reach a call as: the catalogue's action, and
// the one it is judged as.
func (e *evaluation) meanings(c *Call) []meaning {
	out := []meaning{{c.fn, c.use.def}}
	if d := e.judged(c); d != c.use.def {
		out = append(out, meaning{c.fn, d})
	}
	return out
}

// never is the never-list, at every depth.
func (e *evaluation) never(c *Call) *Refusal {
	if c.Refusal != nil && strings.HasPrefix(c.Refusal.Rule, "never/") {
		return c.Refusal
	}
	unless := c.unless
	if v, ok := takesFrom(c); ok && v.address() == e.in.From {
		unless = renounceRole
	}
	if unless == "" || e.p.charter.named[unless] {
		return nil
	}
	return &Refusal{"never/renounce", "gives away the council's own power: " + c.Sentence, fmt.Sprintf("only a charter that names the action %s can allow it", unless)}
}

// denied looks for an explicit deny.
func (e *evaluation) denied(c *Call) *Refusal {
	for _, s := range e.p.sets() {
		for _, m := range e.meanings(c) {
			for _, r := range s.denies[m] {
				if _, ok := r.speaks(c, m); !ok {
					continue
				}
				v := r.says(e, c, m)
				if !v.denies() {
					continue
				}
				reason := "denied: " + c.Sentence
				if v.fault != "" {
					reason = r.when[m].unanswered(v) + ", so it is denied: " + c.Sentence
				}
				return &Refusal{r.label, reason, "the rule " + r.label + " would have to be changed"}
			}
		}
	}
	return nil
}

// lifetime checks the clock and the chain, which concern the whole.
func (e *evaluation) lifetime() *Refusal {
	switch {
	case e.in.From == (common.Address{}):
		return &Refusal{"default/council", "the council's address is not known", "finish key generation first"}
	case e.p.charter.chains[e.t.Chain] == "":
		return &Refusal{"default/chain", fmt.Sprintf("chain %d is not in the charter", e.t.Chain), "propose it on a chain of the charter"}
	case e.t.ValidUntil <= e.in.Now:
		return &Refusal{"default/expired", fmt.Sprintf("expired %d seconds ago", e.in.Now-e.t.ValidUntil), "propose it again"}
	}
	return nil
}

// cancels judges the built-in cancel-nonce.
func (e *evaluation) cancels(c *Call) *Refusal {
	const rule = "built-in/cancel-nonce"
	if c.To != e.in.From {
		return &Refusal{rule, "an empty transaction to " + c.To.Hex() + ", which is not the council itself", "send it to " + e.in.From.Hex()}
	}
	l := e.p.charter.limits
	l.gas = min(l.gas, MaxCancelGas)
	if reason, hint := l.exceeded(e.t, e.in.begun()); reason != "" {
		return &Refusal{rule, reason, hint}
	}
	return nil
}

// hold reports whether a transaction that was proposed at a time stays within the ceilings.
func (l ceilings) hold(t council.Transaction, begun uint64) bool {
	return t.MaxGas <= l.gas && t.MaxFeePerGas.Cmp(l.fee) <= 0 && t.MaxTipPerGas.Cmp(l.tip) <= 0 && (t.ValidUntil <= begun || t.ValidUntil-begun <= l.validity+ClockSkew)
}

// exceeded says which ceiling a transaction is above, or "".
func (l ceilings) exceeded(t council.Transaction, begun uint64) (reason, hint string) {
	switch {
	case t.MaxGas > l.gas:
		return fmt.Sprintf("gas ceiling %d is above %d", t.MaxGas, l.gas), "propose it with less gas"
	case t.MaxFeePerGas.Cmp(l.fee) > 0:
		return fmt.Sprintf("fee ceiling %s is above %s", showWei(t.MaxFeePerGas), showWei(l.fee)), "propose it with a lower fee ceiling"
	case t.MaxTipPerGas.Cmp(l.tip) > 0:
		return fmt.Sprintf("tip ceiling %s is above %s", showWei(t.MaxTipPerGas), showWei(l.tip)), "propose it with a lower tip ceiling"
	case t.ValidUntil > begun && t.ValidUntil-begun > l.validity+ClockSkew:
		return fmt.Sprintf("valid for %s, longer than %s", showSeconds(new(big.Int).SetUint64(t.ValidUntil-begun)), showSeconds(new(big.Int).SetUint64(l.validity))), "propose it with an earlier end of validity"
	}
	return "", ""
}

// permitted finds the rule of each file by which the call passes, the charter's
// and the member's (nil if it has no say), or the reason why it does not. What the
// charter pins of the contract has to hold besides.
func (e *evaluation) permitted(c *Call) (used [2]*rule, refusal *Refusal) {
	for i, s := range e.p.sets() {
		if i > 0 && !s.narrow {
			continue
		}
		if used[i], refusal = e.allowed(c, s, i > 0); refusal != nil {
			return used, refusal
		}
	}
	return used, e.pinned(c)
}

// allowed finds the first rule of a set that allows the call. Failing that, it
// tells of the rule that came closest.
func (e *evaluation) allowed(c *Call, s *ruleset, member bool) (*rule, *Refusal) {
	m := meaning{c.fn, e.judged(c)}
	var near *rule
	nearest := -1
	for _, r := range s.allows[m] {
		switch stage := r.passes(e, c, m); {
		case stage == stagePassed:
			return r, nil
		case stage > nearest:
			near, nearest = r, stage
		}
	}
	if near != nil {
		return nil, near.explain(e, c, m, nearest)
	}
	by := ""
	if c.caller != nil {
		by = " through " + c.caller.Name
	}
	if member {
		return nil, &Refusal{"member/default", fmt.Sprintf("the member's policy has allow rules, and none of them names %s on %s%s", m.def.name, c.Contract, by), "the member would have to allow it in the own policy file"}
	}
	return nil, &Refusal{"default/no-rule", fmt.Sprintf("no rule of the charter allows %s on %s%s", m.def.name, c.Contract, by), "a charter rule would have to allow it; approvals can't"}
}
