package policy

import (
	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/council"
)

// assumedHead is the block that is assumed to be the newest, and the facts' own.
const assumedHead = 1

// Assume makes the input for judging an intent without a chain: at a time (unix
// seconds), for a council whose key is from. With facts, those rules that speak of
// the intent find what they want, as far as one answer can please them; of several
// wanted codes at one address the first counts. What a rule can want otherwise
// stays unknown, and so denies; without facts, all of it does. With facts nothing
// was signed before.
func (p *Policy) Assume(in council.Intent, from common.Address, now uint64, facts bool) Input {
	f := council.Facts{Chain: in.ChainID(), Block: assumedHead, Answers: map[council.Query]council.Answer{}}
	if t, ok := in.(council.Transaction); ok && facts && t.Valid() == nil {
		p.assumeFacts(f, t)
	}
	out := Input{Intent: in, From: from, Now: now, Head: assumedHead, Facts: f}
	if facts {
		out.History = &History{} // nothing was signed before, and nobody has approved
	}
	return out
}

// assumeFacts adds to facts what rules want and is not there.
func (p *Policy) assumeFacts(f council.Facts, t council.Transaction) {
	p.assumeWell(f, t)
	p.applicable(p.charter.read(t), func(r *rule, c *Call, m meaning) { r.assume(f, c, m) })
}

// assumeWell adds what has one answer that is well: the simulation shows what the
// proposal expects and nothing else, callers have the roles that are asked for, and
// behind proxies stands what the charter pins.
func (p *Policy) assumeWell(f council.Facts, t council.Transaction) {
	pins := map[council.Query]council.Answer{}
	for _, k := range p.charter.contracts {
		if k.Chain == t.Chain {
			for _, x := range k.pins {
				pins[x.query] = council.Answer{Word: x.want, OK: true}
			}
		}
	}
	for _, q := range p.Needs(t) {
		if _, known := f.Answers[q]; known {
			continue
		}
		if a, ok := pins[q]; ok {
			f.Answers[q] = a
		}
		switch q.Kind {
		case council.QuerySimulation:
			f.Answers[q] = council.Answer{OK: true, Detail: "assumed", Sight: council.SightState, Accounts: expected(t.Expect)}
		case council.QueryRole, council.QueryManagerRole:
			f.Answers[q] = council.Answer{OK: true, Word: common.BigToHash(common.Big1)}
		}
	}
}

// expected are the changes that a proposal expects, as a simulation shows them.
func expected(list []council.Expected) []council.AccountChange {
	var out []council.AccountChange
	for _, x := range list {
		if n := len(out); n == 0 || out[n-1].Address != x.Account {
			out = append(out, council.AccountChange{Address: x.Account})
		}
		k := &out[len(out)-1]
		before := common.Hash{}
		if x.Value == before {
			before[31] = 1
		}
		k.Slots = append(k.Slots, council.SlotChange{Slot: x.Slot, Before: before, After: x.Value})
	}
	return out
}

func (r *rule) assume(f council.Facts, c *Call, m meaning) {
	code := func(at common.Address, h common.Hash) {
		q := council.Query{Kind: council.QueryCodeHash, Address: at}
		if _, known := f.Answers[q]; !known {
			f.Answers[q] = council.Answer{Word: h}
		}
	}
	if r.code {
		code(c.To, c.contract.CodeHash)
	}
	conds := r.bind[m]
	for i := range conds {
		conds[i].coded(&c.values[conds[i].index], conds[i].param, func(p *predicate, _ string, at common.Address) bool {
			code(at, p.code[0])
			return true
		})
	}
}
