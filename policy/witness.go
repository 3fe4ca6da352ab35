package policy

import (
	"math/big"
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/millicent-one/signer/council"
)

// Witness is an intent that Evaluate allows, with what it has to be told.
type Witness struct {
	Intent    council.Intent `json:"intent"`
	To        common.Address `json:"to"`
	Data      hexutil.Bytes  `json:"data"`
	Sentence  string         `json:"sentence"`
	Rule      string         `json:"rule"`
	Approvals int            `json:"approvals"`
	Needs     []Known        `json:"needs"` // facts under which it is allowed

	input Input
}

// Known is one fact of an example.
type Known struct {
	Query  council.Query  `json:"query"`
	Answer council.Answer `json:"answer"`
}

// Input is what Evaluate was asked; it allows it.
func (x *Witness) Input() Input { return x.input }

const (
	exampleNow  = 1_900_000_000 // unix seconds
	exampleHead = 1_000_000

	exampleReason = "INC-0 example"
)

// strangers are addresses that no charter has heard of.
var strangers = []common.Address{
	common.BytesToAddress(crypto.Keccak256([]byte("somebody"))[12:]),
	common.BytesToAddress(crypto.Keccak256([]byte("somebody else"))[12:]),
}

// seeker builds an intent for a way, and keeps it only if Evaluate allows it and
// it makes the very call that was looked for. What the arguments must be is
// given by want; for the rest, the worst is tried first and then the edges of
// the rule's conditions.
type seeker struct {
	r    *reach
	from common.Address
	m    meaning
	w    way
	want map[int]value
	n    nature
}

func (x seeker) find() *Witness {
	k := x.r.owner[x.m.fn]
	codes := map[common.Address][]common.Hash{}
	var found *Witness
	tries := 0
	x.arguments(x.m, x.w.g, x.want, codes, func(data []byte) bool {
		x.wrap(x.w.h, k, data, codes, func(to *Contract, data []byte) bool {
			tries++
			found = x.try(to, data, codes)
			return found != nil || tries >= maxTries
		})
		return found != nil || tries >= maxTries
	})
	return found
}

// wrap puts a call into the hops that lead to it, from the inside out.
func (x seeker) wrap(h *hop, k *Contract, data []byte, codes map[common.Address][]common.Hash, yield func(*Contract, []byte) bool) bool {
	if h.actor == nil {
		return yield(k, data)
	}
	want := carrierBySig[h.m.fn.Signature].fill(h.m.fn.Params, k.Address, data)
	return x.arguments(h.m, h.g, want, codes, func(data []byte) bool {
		return x.wrap(h.from, h.actor, data, codes, yield)
	})
}

// arguments yields calldata for a call that the conditions of its rules leave
// open, until yield is satisfied.
func (x seeker) arguments(m meaning, g grant, want map[int]value, codes map[common.Address][]common.Hash, yield func([]byte) bool) bool {
	conds := g.conditions(m)
	choices := make([][]value, len(m.fn.Params))
	for i, p := range m.fn.Params {
		if v, ok := want[i]; ok {
			choices[i] = []value{v}
			continue
		}
		choices[i] = candidates(m, i, p.typ, conds, x.r.beside(m, i, p.typ), m == x.m && i == x.n.decisive)
	}
	vals := make([]value, len(choices))
	for i, p := range m.fn.Params {
		vals[i] = simplest(p.typ)
	}
	for i := range choices {
		choices[i] = holding(conds, vals, i, choices[i])
	}
	left := maxTries
	var pick func(int) bool
	pick = func(i int) bool {
		if i < len(choices) {
			for _, v := range choices[i] {
				if vals[i] = v; pick(i + 1) {
					return true
				}
			}
			return false
		}
		if left--; left < 0 {
			return true
		}
		for j := range conds {
			if !conds[j].holds(vals) {
				return false
			}
		}
		data, err := m.fn.encode(vals)
		if err != nil {
			return false
		}
		for j := range conds {
			c := &conds[j]
			c.coded(&vals[c.index], c.param, func(p *predicate, _ string, a common.Address) bool {
				codes[a] = append(slices.Clone(p.code), codes[a]...)
				return true
			})
		}
		return yield(data)
	}
	return pick(0)
}

// holding keeps the values that pass the conditions on their argument; all of
// them, if none does.
func holding(conds []condition, vals []value, index int, choices []value) []value {
	var out []value
	vals = slices.Clone(vals)
	for _, v := range choices {
		vals[index] = v
		if !slices.ContainsFunc(conds, func(c condition) bool { return c.index == index && !c.holds(vals) }) {
			out = append(out, v)
		}
	}
	if len(out) == 0 {
		return choices
	}
	return out
}

// candidates are values worth trying for an argument.
func candidates(m meaning, index int, t *abiType, conds []condition, beside []value, decisive bool) []value {
	var out []value
	add := func(v value) {
		if !excluded(conds, index, v) && !slices.ContainsFunc(out, func(o value) bool { return sameValue(o, v) }) {
			out = append(out, v)
		}
	}
	for _, u := range m.def.uses {
		for _, w := range u.where {
			if u.fn.Signature == m.fn.Signature && w.index == index {
				return []value{w.value}
			}
		}
	}
	if decisive && t.kind == kindAddress {
		for _, a := range strangers {
			add(addressValue(t, a))
		}
	}
	for i := range conds {
		c := &conds[i]
		if c.index != index {
			continue
		}
		if t.kind >= kindList {
			c.vary(someOf(t), add)
			continue
		}
		p := newPool(t)
		p.edges(&c.predicate)
		for _, v := range p.list[1:] {
			add(v)
		}
	}
	for _, v := range beside {
		add(v)
	}
	add(simplest(t))
	switch t.kind {
	case kindAddress:
		for _, a := range strangers {
			add(addressValue(t, a))
		}
	case kindUint, kindInt, kindBool:
		add(numberOf(t, big.NewInt(1)))
	case kindFixedBytes:
		v := value{typ: t}
		for i := range t.size {
			v.word[i] = 0x5a
		}
		add(v)
	case kindBytes, kindString:
		add(value{typ: t, raw: []byte("x")})
	case kindList:
		add(listValue(t, simplest(t.elem)))
	}
	return out
}

// beside are values that the deny rules about a call just leave alone.
func (r *reach) beside(m meaning, index int, t *abiType) (out []value) {
	for _, s := range r.p.sets() {
		for _, x := range s.denies[m] {
			for i := range x.bind[m] {
				c := &x.bind[m][i]
				if c.index != index || c.field != "" || t.kind >= kindList {
					continue
				}
				out = append(out, c.notIn...)
				for _, b := range []struct {
					edge *big.Int
					step int64
				}{{c.min, -1}, {c.max, 1}} {
					if b.edge == nil {
						continue
					}
					if n := new(big.Int).Add(b.edge, big.NewInt(b.step)); fits(n, t) {
						out = append(out, numberOf(t, n))
					}
				}
			}
		}
	}
	return out
}

// simplest is the plainest value of a type. An address is a stranger's: the zero
// address is refused by too many contracts to make a good example.
func simplest(t *abiType) value {
	v := value{typ: t}
	switch t.kind {
	case kindAddress:
		return addressValue(t, strangers[0])
	case kindTuple:
		for _, f := range t.fields {
			v.items = append(v.items, simplest(f.typ))
		}
	case kindArray:
		for range t.size {
			v.items = append(v.items, simplest(t.elem))
		}
	}
	return v
}

// someOf is the plainest value of a type, a list of it with an item.
func someOf(t *abiType) value {
	if t.kind == kindList {
		return listValue(t, someOf(t.elem))
	}
	v := simplest(t)
	for i := range v.items {
		v.items[i] = someOf(v.items[i].typ)
	}
	return v
}

func sameValue(a, b value) bool {
	return a.equal(&b) && slices.EqualFunc(a.items, b.items, sameValue)
}

// try asks Evaluate.
func (x seeker) try(to *Contract, data []byte, codes map[common.Address][]common.Hash) *Witness {
	l := ceilings{gas: council.MaxGasCeiling, fee: two256, tip: two256, validity: council.MaxValidSeconds}
	narrow := func(g grant) {
		for _, r := range g.rules() {
			l.gas, l.validity = min(l.gas, r.limits.gas), min(l.validity, r.limits.validity)
			if r.limits.fee.Cmp(l.fee) < 0 {
				l.fee = r.limits.fee
			}
		}
	}
	narrow(x.w.g)
	for h := x.w.h; h.actor != nil; h = h.from {
		narrow(h.g)
	}
	fee := big.NewInt(1)
	if l.fee.Cmp(fee) > 0 {
		fee = new(big.Int).Set(l.fee)
		if g := big.NewInt(1e9); fee.Cmp(g) > 0 {
			fee = g
		}
	}
	tx := council.Transaction{Chain: to.Chain, To: to.Address, Value: new(big.Int), Data: data, MaxGas: min(l.gas, 1_000_000),
		MaxFeePerGas: fee, MaxTipPerGas: new(big.Int), ValidUntil: exampleNow + min(l.validity, 3600), Reason: exampleReason}
	made := false
	x.r.p.charter.read(tx).walk(func(c *Call) bool {
		made = made || c.fn == x.m.fn && c.use.def != nil
		return true
	})
	if !made {
		return nil
	}
	in := Input{Intent: tx, History: &History{}, From: x.from, Now: exampleNow, Head: exampleHead, Facts: council.Facts{Chain: to.Chain, Block: exampleHead, Time: exampleNow, Answers: map[council.Query]council.Answer{}}}
	var needs []Known
	x.r.p.assumeWell(in.Facts, tx)
	for _, q := range x.r.p.Needs(tx) {
		a, known := in.Facts.Answers[q]
		if q.Kind == council.QueryCodeHash && !known {
			a = council.Answer{Word: x.code(to.Chain, q.Address, codes)}
		}
		in.Facts.Answers[q] = a
		needs = append(needs, Known{q, a})
	}
	for _, lasts := range exampleLives(l.validity) {
		tx.ValidUntil = exampleNow + lasts
		in.Intent = tx
		if d := x.r.p.Evaluate(in); d.Allow {
			return &Witness{Intent: tx, To: tx.To, Data: data, Sentence: d.Sentence, Rule: d.Rule, Approvals: d.Approvals, Needs: needs, input: in}
		}
	}
	return nil
}

// exampleLives is for how many seconds an example is tried to be valid: for an
// hour, and, since rules may have it wait, for as long as they let it live.
func exampleLives(most uint64) []uint64 { return []uint64{min(most, 3600), most} }

// code is what the charter pins at an address, or the code of an unknown build.
func (x seeker) code(chain uint64, a common.Address, codes map[common.Address][]common.Hash) common.Hash {
	if k := x.r.p.charter.byPlace[place{chain, a}]; k != nil && k.CodeHash != noHash {
		return k.CodeHash
	}
	for _, h := range codes[a] {
		return h
	}
	return crypto.Keccak256Hash([]byte("a build that nobody has reviewed"))
}
