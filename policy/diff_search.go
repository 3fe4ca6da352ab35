package policy

import (
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"

	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/council"
)

// maxCandidates bounds the search for examples of one subject.
const maxCandidates = 2048

// candidate is a call or a message that both sides are asked about.
type candidate struct {
	data     []byte
	gas      uint64
	fee, tip *big.Int // wei
	validity uint64   // seconds
	reason   string
	facts    map[council.Query]council.Answer
	message  func(until uint64) council.Intent // of a message

	text string // the call, for people
	with string // what is special beside the arguments
}

const inIncident = "INC-0 tried by a tool"

func (c candidate) transaction(at place) council.Transaction {
	return council.Transaction{Chain: at.chain, To: at.address, Value: new(big.Int), Data: c.data, MaxGas: c.gas, MaxFeePerGas: c.fee,
		MaxTipPerGas: c.tip, ValidUntil: caseNow + c.validity, Reason: c.reason}
}

// calls makes the candidates for a function. From each rule of either side comes
// a call that it is about; then one thing at a time is changed to each value at
// which some rule of either side changes its mind. So what shows only in two such
// changes together is not found.
func (s *subject) calls(at place, each func(candidate)) {
	side := s.new
	if side.closed {
		side = s.old
	}
	fn := side.m.fn
	rules, of := s.rules()
	conds := make([][]*condition, len(fn.Params)) // by argument
	for i, r := range rules {
		list := r.bind[of[i].m]
		for j := range list {
			conds[list[j].index] = append(conds[list[j].index], &list[j])
		}
	}
	pools := make([][]value, len(fn.Params))
	for i, q := range fn.Params {
		pools[i] = s.pool(i, q.typ, conds[i], fn)
	}
	left := maxCandidates
	give := func(vals []value, c candidate) {
		data, err := fn.encode(vals)
		if err != nil || left == 0 {
			return
		}
		left--
		c.data, c.text = data, callText(fn, vals, scope{side.p.charter, at.chain})
		for _, g := range []region{s.old, s.new} {
			g.p.assumeFacts(council.Facts{Answers: c.facts}, c.transaction(at))
		}
		each(c)
	}
	for i, r := range rules {
		if left == 0 {
			return
		}
		vals := make([]value, len(pools))
		for j := range pools {
			vals[j] = pools[j][0]
			list := r.bind[of[i].m]
			for k := range pools[j] {
				vals[j] = pools[j][k]
				if !slices.ContainsFunc(list, func(c condition) bool { return c.index == j && !c.holds(vals) }) {
					break
				}
			}
		}
		base := s.base(r, of[i], at, vals)
		give(vals, base)
		for j := range pools {
			for _, v := range pools[j] {
				other := slices.Clone(vals)
				other[j] = v
				give(other, s.base(r, of[i], at, other))
			}
		}
		s.bounds(rules, base, func(c candidate) { give(vals, c) })
		s.facts(rules, of, at, vals, base, func(c candidate) { give(vals, c) })
	}
}

// rules are those of both sides, with the side that each is of. Those that stand
// on one side only come first: there the difference is.
func (s *subject) rules() (rules []*rule, of []region) {
	known := [2]map[string]bool{{}, {}}
	type one struct {
		r     *rule
		side  int
		print string
	}
	var all []one
	sides := []region{s.old, s.new}
	for i, g := range sides {
		for _, v := range g.sets {
			for _, r := range slices.Concat(v.allows, v.denies) {
				o := one{r, i, fingerprint(r, g.m)}
				known[i][o.print] = true
				all = append(all, o)
			}
		}
	}
	for _, shared := range []bool{false, true} {
		for _, o := range all {
			if known[1-o.side][o.print] == shared {
				rules, of = append(rules, o.r), append(of, sides[o.side])
			}
		}
	}
	return rules, of
}

// pool is what an argument is tried with.
func (s *subject) pool(i int, t *abiType, conds []*condition, fn *Function) []value {
	if t.kind >= kindList {
		return variants(plain(t, fn, s), conds)
	}
	p := newPool(t)
	if _, wraps := wrapperBySig[fn.Signature]; wraps {
		p.list = nil
		p.add(plain(t, fn, s))
	}
	for _, c := range conds {
		p.edges(&c.predicate)
	}
	for _, g := range []region{s.old, s.new} {
		if g.m.def == nil {
			continue
		}
		for _, u := range g.m.def.uses {
			for _, w := range u.where {
				if u.fn.Signature == fn.Signature && w.index == i {
					p.add(w.value)
				}
			}
		}
	}
	switch t.kind {
	case kindBool:
		p.add(numberOf(t, big.NewInt(1)))
	case kindUint, kindInt:
		p.number(new(big.Int))
	case kindAddress:
		self := value{typ: t}
		copy(self.word[12:], caseFrom[:])
		p.add(fresh(t))
		p.add(self)
	case kindBytes:
		p.add(value{typ: t, raw: []byte{}})
		p.add(value{typ: t, raw: []byte{0}})
	}
	return p.list
}

// variants are values of a list or a struct: the base, and changes of it around
// which the conditions change their mind.
func variants(base value, conds []*condition) []value {
	out := []value{base}
	add := func(v value) {
		if len(out) < maxFillings && !slices.ContainsFunc(out, func(o value) bool { return sameValue(o, v) }) {
			out = append(out, v)
		}
	}
	for _, c := range conds {
		c.predicate.vary(base, add)
	}
	return out
}

// vary makes changes of a value in what the predicate looks at.
func (p *predicate) vary(base value, add func(value)) {
	var at func(v value, steps []int, add func(value))
	at = func(v value, steps []int, add func(value)) {
		if len(steps) > 0 {
			at(v.items[steps[0]], steps[1:], func(n value) {
				v.items = slices.Clone(v.items)
				v.items[steps[0]] = n
				add(v)
			})
			return
		}
		if v.typ.kind < kindList {
			q := newPool(v.typ)
			q.edges(p)
			for _, n := range q.list {
				add(n)
			}
			return
		}
		p.varyItems(v, add)
	}
	at(base, p.steps, add)
}

func (p *predicate) varyItems(v value, add func(value)) {
	if v.typ.kind == kindTuple || len(v.items) == 0 {
		return
	}
	item := v.items[0]
	of := func(n int, it value) value {
		return value{typ: v.typ, items: slices.Repeat([]value{it}, n)}
	}
	list := v.typ.kind == kindList
	if list {
		add(of(0, item))
		add(of(2, item))
	}
	if l := p.length; l != nil && list {
		for _, n := range []int{l.min - 1, l.min, l.max, l.max + 1} {
			if n >= 0 && n <= maxFillings {
				add(of(n, item))
			}
		}
	}
	for _, q := range []*predicate{p.any, p.all} {
		if q == nil {
			continue
		}
		q.vary(item, func(it value) {
			add(of(len(v.items), it))
			if list {
				add(of(1, it))
				add(value{typ: v.typ, items: []value{item, it}})
			}
		})
	}
}

// plain is a value of any type with which a wrapper can be unwrapped: one call to
// a contract of the charter.
func plain(t *abiType, fn *Function, s *subject) value {
	v := fresh(t)
	side := s.new
	if side.closed {
		side = s.old
	}
	k := side.p.charter.contracts[0]
	switch t.kind {
	case kindAddress:
		copy(v.word[12:], k.Address[:])
	case kindUint, kindInt:
		v.word[31] = 0
	case kindBytes:
		v.raw = innocent(k, side.p.charter)
		if fn.Name == "multiSend" {
			packed := append([]byte{0}, k.Address[:]...)
			packed = append(packed, wordOf(0)...)
			packed = append(packed, wordOf(len(v.raw))...)
			v.raw = append(packed, v.raw...)
		}
	case kindList:
		v.items = []value{plain(t.elem, fn, s)}
	case kindArray:
		for range t.size {
			v.items = append(v.items, plain(t.elem, fn, s))
		}
	case kindTuple:
		for _, f := range t.fields {
			v.items = append(v.items, plain(f.typ, fn, s))
		}
	}
	return v
}

// innocent is calldata for a contract: of a function without parameters if it has
// one.
func innocent(k *Contract, c *Charter) []byte {
	for _, f := range k.order {
		if len(f.Params) == 0 && len(c.actions.bySig[f.Signature]) > 0 {
			return f.Selector[:]
		}
	}
	return k.order[0].Selector[:]
}

// base is a call that is well within a rule.
func (s *subject) base(r *rule, g region, at place, vals []value) candidate {
	c := candidate{gas: 100_000, fee: big.NewInt(1e9), tip: new(big.Int), validity: 60, reason: inIncident, facts: map[council.Query]council.Answer{}}
	for _, side := range []region{s.old, s.new} {
		for _, v := range side.sets {
			for _, o := range v.allows {
				c.gas, c.validity = min(c.gas, o.limits.gas), min(c.validity, o.limits.validity)
				if o.limits.fee.Cmp(c.fee) < 0 && o.limits.fee.Sign() > 0 {
					c.fee = o.limits.fee
				}
			}
		}
	}
	f := council.Facts{Answers: c.facts}
	for _, side := range []region{g, s.old, s.new} {
		if k := side.p.charter.byPlace[at]; k != nil {
			t := c.transaction(at)
			if t.Data, _ = side.m.fn.encode(vals); t.Valid() == nil {
				side.p.assumeWell(f, t)
			}
		}
	}
	own := &Call{To: at.address, contract: g.p.charter.byPlace[at], values: vals}
	r.assume(f, own, g.m)
	for _, side := range []region{s.old, s.new} { // the others get what is left
		for _, v := range side.sets {
			for _, o := range v.allows {
				o.assume(f, &Call{To: at.address, contract: side.p.charter.byPlace[at], values: vals}, side.m)
			}
		}
	}
	return c
}

// bounds varies gas, fee, tip, validity and reason.
func (s *subject) bounds(rules []*rule, base candidate, each func(candidate)) {
	seen := map[string]bool{}
	for _, r := range rules {
		if l := r.limits; r.allow && !seen[fmt.Sprint(l)] {
			seen[fmt.Sprint(l)] = true
			limitEdges(l, base, each)
		}
	}
	c := base
	c.reason, c.with = "", "without an incident in the reason"
	each(c)
}

// limitEdges varies a candidate at and just above each ceiling.
func limitEdges(l ceilings, base candidate, each func(candidate)) {
	one := big.NewInt(1)
	for _, gas := range []uint64{l.gas, l.gas + 1} {
		if gas >= 21_000 && gas <= council.MaxGasCeiling {
			c := base
			c.gas, c.with = gas, fmt.Sprintf("with a gas ceiling of %d", gas)
			each(c)
		}
	}
	for _, fee := range []*big.Int{l.fee, new(big.Int).Add(l.fee, one)} {
		if fee.Sign() > 0 && fee.BitLen() <= 256 {
			c := base
			c.fee, c.with = fee, "with a fee ceiling of "+showWei(fee)
			each(c)
		}
	}
	for _, tip := range []*big.Int{l.tip, new(big.Int).Add(l.tip, one)} {
		if tip.BitLen() <= 256 {
			c := base
			c.tip, c.with = tip, "with a tip ceiling of "+showWei(tip)
			if c.fee.Cmp(tip) < 0 {
				c.fee = tip
			}
			each(c)
		}
	}
	for _, v := range []uint64{l.validity + ClockSkew, l.validity + ClockSkew + 1} {
		c := base
		c.validity, c.with = v, fmt.Sprintf("valid for %s", showSeconds(new(big.Int).SetUint64(v)))
		each(c)
	}
}

// facts varies what the chain says.
func (s *subject) facts(rules []*rule, of []region, at place, vals []value, base candidate, each func(candidate)) {
	answer := func(q council.Query, a council.Answer, with string) {
		c := base
		c.facts, c.with = maps.Clone(base.facts), with
		c.facts[q] = a
		each(c)
	}
	answer(council.Query{Kind: council.QuerySimulation}, council.Answer{Detail: "x", Sight: council.SightOutcome}, "where the simulation reverts")
	answer(council.Query{Kind: council.QuerySimulation}, council.Answer{OK: true, Sight: council.SightOutcome}, "where the simulation shows nothing but that it runs")
	answer(council.Query{Kind: council.QuerySimulation}, council.Answer{OK: true, Sight: council.SightState, Accounts: []council.AccountChange{{Address: freshAddress, NonceAfter: 1}}}, "where the simulation shows a change that nobody expects")
	for _, g := range []region{s.old, s.new} {
		if k := g.p.charter.byPlace[at]; k != nil {
			for _, x := range k.pins {
				answer(x.query, council.Answer{Word: x.want, OK: true}, fmt.Sprintf("where the %s is %s", x.what, x.want.Hex()))
				answer(x.query, council.Answer{Word: common.Hash{0xf5}, OK: true}, "where the "+x.what+" is another one")
			}
		}
	}
	for q := range base.facts {
		if q.Kind == council.QueryRole || q.Kind == council.QueryManagerRole {
			answer(q, council.Answer{OK: true}, "where the caller lacks the role "+q.Slot.Hex())
		}
	}
	code := func(a common.Address, h common.Hash) {
		answer(council.Query{Kind: council.QueryCodeHash, Address: a}, council.Answer{Word: h}, "where the code of "+a.Hex()+" is "+h.Hex())
	}
	other := common.Hash{0xf5}
	for i, r := range rules {
		if k := of[i].p.charter.byPlace[at]; r.code && k != nil {
			code(at.address, k.CodeHash)
			code(at.address, other)
		}
		conds := r.bind[of[i].m]
		for j := range conds {
			conds[j].coded(&vals[conds[j].index], conds[j].param, func(p *predicate, _ string, a common.Address) bool {
				for _, h := range append(slices.Clone(p.code), other) {
					code(a, h)
				}
				return true
			})
		}
	}
}

// callText writes a call for people.
func callText(fn *Function, vals []value, n names) string {
	parts := make([]string, len(vals))
	for i, v := range vals {
		parts[i] = fn.Params[i].Name + ": " + v.show(n)
	}
	return fn.Name + "(" + strings.Join(parts, ", ") + ")"
}
