package policy

import (
	"fmt"
	"math/big"
	"slices"
	"strconv"

	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/council"
)

// What a rule asks, row by row. Each function here stands beside one that
// answers yes or no (speaks, holds, exceeded, answered, misses) and must agree
// with it; TestExplanationAgrees holds them together.

// callerTest asks who makes the call.
func (r *rule) callerTest(c *Call) Test {
	t := Test{What: "caller", Have: c.Via, OK: r.anyCaller || c.caller == nil && r.direct || r.via[c.caller]}
	if r.anyCaller {
		t.Want = "anyone"
		return t
	}
	var by []string
	for k := range r.via {
		by = append(by, k.Name)
	}
	slices.Sort(by)
	if r.direct {
		by = append([]string{councilName}, by...)
	}
	t.Want = oneOf(by)
	return t
}

// oneOf lists what would do, and bounds the list.
func oneOf(list []string) string {
	const most = 8
	switch n := len(list); {
	case n == 1:
		return list[0]
	case n > most:
		return fmt.Sprintf("one of %s and %d more", listOf(list[:most]), n-most)
	}
	return "one of " + listOf(list)
}

// tests compares a transaction with the ceilings.
func (l ceilings) tests(t council.Transaction, begun uint64) []Test {
	out := []Test{
		{"gas", strconv.FormatUint(t.MaxGas, 10), "at most " + strconv.FormatUint(l.gas, 10), t.MaxGas <= l.gas},
		{"fee", showWei(t.MaxFeePerGas), "at most " + showWei(l.fee), t.MaxFeePerGas.Cmp(l.fee) <= 0},
		{"tip", showWei(t.MaxTipPerGas), "at most " + showWei(l.tip), t.MaxTipPerGas.Cmp(l.tip) <= 0},
	}
	return append(out, validityTest(t.ValidUntil, begun, l.validity))
}

func validityTest(until, begun, most uint64) Test {
	v := Test{What: "validity", Have: "over", Want: "at most " + showSeconds(new(big.Int).SetUint64(most)), OK: true}
	if until > begun {
		v.Have = showSeconds(new(big.Int).SetUint64(until - begun))
		v.OK = until-begun <= most+ClockSkew
	}
	return v
}

// factTests asks for the facts that the rule looks at, and for what they show.
func (e *evaluation) factTests(r *rule, c *Call, m meaning) []Test {
	var out []Test
	for _, q := range r.queries(c, m) {
		a, failed := e.fact(r, q)
		if q.Kind == council.QuerySimulation {
			out = append(out, e.simulationTests(r, a, failed)...)
			continue
		}
		t := Test{What: "code-hash of " + (scope{e.p.charter, e.t.Chain}).label(q.Address), OK: true}
		switch q.Kind {
		case council.QueryRole, council.QueryManagerRole:
			t.What, t.Have, t.Want = "role "+r.roleName(c, q), "held by "+c.Via, "held by "+c.Via
		default:
			t.Have, t.Want = a.Word.Hex(), oneOf(r.wantedCode(c, m, q.Address))
		}
		if failed == nil {
			failed = r.answered(e, c, m, q, a)
		}
		if failed != nil {
			t.Have, t.OK = failed.Reason, false
		}
		out = append(out, t)
	}
	return out
}

// simulationTests has a row for each thing that the simulation has to show.
func (e *evaluation) simulationTests(r *rule, a council.Answer, failed *Refusal) []Test {
	var out []Test
	for _, s := range r.sights(e, a) {
		t := Test{What: s.what, Want: s.want, OK: true}
		no := failed
		if no == nil {
			no = s.judge()
		}
		if no != nil {
			t.Have, t.OK = no.Reason, false
		} else {
			t.Have = s.have()
		}
		out = append(out, t)
		if failed != nil {
			break // without an answer there is one thing to say
		}
	}
	return out
}

// pinTests asks what the charter pins of the contract that a call goes to.
func (e *evaluation) pinTests(c *Call) []Test {
	var out []Test
	for _, p := range e.rested(c) {
		t := Test{What: p.what + " of " + c.Contract, Have: e.pinText(c, p, p.want), OK: true}
		t.Want = t.Have
		if no := e.pin(c, p); no != nil {
			t.Have, t.OK = no.Reason, false
		}
		out = append(out, t)
	}
	return out
}

// wantedCode lists the code hashes that would do at an address.
func (r *rule) wantedCode(c *Call, m meaning, at common.Address) []string {
	var out []string
	if r.code && at == c.To {
		out = append(out, c.contract.CodeHash.Hex())
	}
	conds := r.bind[m]
	for i := range conds {
		conds[i].coded(&c.values[conds[i].index], conds[i].param, func(p *predicate, _ string, a common.Address) bool {
			for _, h := range p.code {
				if a == at {
					out = append(out, h.Hex())
				}
			}
			return true
		})
	}
	return unique(out)
}

// wholeTests asks what lifetime asks.
func (e *evaluation) wholeTests() []Test {
	name := e.p.charter.chains[e.t.Chain]
	return e.p.clockTests(e.in, fmt.Sprintf("chain %d", e.t.Chain), name != "")
}

func (p *Policy) clockTests(in Input, chain string, known bool) []Test {
	var names []string
	for _, id := range sortedChains(p.charter.chains) {
		names = append(names, fmt.Sprintf("chain %d", id))
	}
	until := Test{What: "end", Have: "over", Want: "in the future", OK: in.Intent.Expires() > in.Now}
	if until.OK {
		until.Have = "in " + showSeconds(new(big.Int).SetUint64(in.Intent.Expires()-in.Now))
	}
	return []Test{
		{"council", in.From.Hex(), "a key", in.From != (common.Address{})},
		{"chain", chain, oneOf(names), known},
		until,
	}
}

func sortedChains(m map[uint64]string) []uint64 {
	out := make([]uint64, 0, len(m))
	for id := range m {
		out = append(out, id)
	}
	slices.Sort(out)
	return out
}

// cancelTests asks what cancels asks.
func (e *evaluation) cancelTests(c *Call) []Test {
	l := e.p.charter.limits
	l.gas = min(l.gas, MaxCancelGas)
	return append([]Test{{"to", c.To.Hex(), "the council itself, " + e.in.From.Hex(), c.To == e.in.From}}, l.tests(e.t, e.in.begun())...)
}

// messageTests of the whole ask what timely asks.
func (p *Policy) messageTests(in Input, m council.Message, action *def, doc council.TypedDocument) []Test {
	if action == publish {
		out := p.clockTests(in, "none", true)
		return append(out[:1:1], out[2]) // a statement is for no chain
	}
	out := p.clockTests(in, fmt.Sprintf("chain %d", doc.Chain), p.charter.chains[doc.Chain] != "")
	return append(out, Test{"salt", doc.Salt.Hex(), "none", doc.Salt == (common.Hash{})})
}

// messageTests of a rule ask what about, or permitted, asks.
func (r *rule) messageTests(m council.Message, action *def, doc council.TypedDocument, begun uint64) []Test {
	var out []Test
	w := r.message
	if w == nil { // a deny rule about everything
		if len(r.on) > 0 {
			out = append(out, Test{"chain", fmt.Sprint(doc.Chain), "a chain that the rule names", r.on[doc.Chain]})
		}
		return out
	}
	if w.action != nil && !r.allow {
		out = append(out, Test{"action", action.name, w.action.name, w.action == action})
	}
	if action == signData {
		for _, t := range []struct{ what, have, want string }{
			{"domain's name", doc.Name, w.name}, {"domain's version", doc.Version, w.version}, {"primary type", doc.Primary, w.primary},
		} {
			if t.want != "" {
				out = append(out, Test{t.what, short(t.have), short(t.want), t.have == t.want})
			}
		}
		if w.chain != 0 {
			out = append(out, Test{"domain's chain", fmt.Sprint(doc.Chain), fmt.Sprint(w.chain), doc.Chain == w.chain})
		}
		if w.contract != (common.Address{}) {
			out = append(out, Test{"domain's contract", doc.Contract.Hex(), w.contract.Hex(), doc.Contract == w.contract})
		}
	}
	if !r.allow {
		return out
	}
	if text, ok := m.(council.Statement); ok {
		out = append(out, Test{"length", fmt.Sprintf("%d bytes", len(text.Text)), fmt.Sprintf("at most %d bytes", w.length), len(text.Text) <= w.length})
	}
	out = append(out, validityTest(m.Expires(), begun, r.limits.validity))
	if refusal := r.permitted(m, action, doc, begun); refusal != nil && held(out) {
		out = append(out, Test{What: "rule", Have: refusal.Reason, Want: refusal.Hint})
	}
	return out
}
