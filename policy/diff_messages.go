package policy

import (
	"encoding/json"
	"fmt"
	"math/big"
	"strings"

	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/council"
)

// cancelSubject is the built-in cancel-nonce on a chain.
func cancelSubject(old, next *Policy, chain uint64) *subject {
	at := place{chain, caseFrom}
	region := func(p *Policy) region {
		g := region{p: p, closed: p.charter.chains[chain] == ""}
		l := p.charter.limits
		l.gas = min(l.gas, MaxCancelGas)
		m := meaning{nil, cancelNonce}
		allow := &rule{label: "built-in/cancel-nonce", allow: true, direct: true, limits: l, approvals: p.charter.threshold}
		for i, s := range p.sets() {
			v := voice{open: i > 0, denies: s.denies[m]}
			if i == 0 {
				v.allows = []*rule{allow}
			}
			g.sets = append(g.sets, v)
		}
		g.m = m
		g.judge = func(c candidate) ruling { return p.judgeCall(c, at, common.Address{}) }
		return g
	}
	s := &subject{old: region(old), new: region(next)}
	s.entry = DifferenceEntry{Action: cancelNonce.name, Chain: chain, Caller: councilName, Contract: councilName}
	s.try = func(each func(candidate)) {
		base := candidate{gas: 21_000, fee: big.NewInt(1), tip: new(big.Int), validity: 60, text: "an empty transaction to the council itself"}
		each(base)
		for _, g := range []*Policy{old, next} {
			l := g.charter.limits
			l.gas = min(l.gas, MaxCancelGas)
			limitEdges(l, base, each)
		}
	}
	return s
}

// messageSubjects are the statement, and each kind of document that a rule of
// either side is about.
func messageSubjects(old, next *Policy) []*subject {
	out := []*subject{messageSubject(old, next, &wording{action: publish})}
	seen := map[wording]bool{}
	for _, p := range []*Policy{old, next} {
		for _, r := range p.charter.rules.words {
			if !r.allow || r.message.action != signData {
				continue
			}
			w := *r.message
			w.length = 0
			if !seen[w] {
				seen[w] = true
				out = append(out, messageSubject(old, next, &w))
			}
		}
	}
	return out
}

func messageSubject(old, next *Policy, w *wording) *subject {
	doc := council.TypedDocument{Name: w.name, Version: w.version, Chain: w.chain, Contract: w.contract, Primary: w.primary}
	region := func(p *Policy) region {
		g := region{p: p, closed: w.action == signData && p.charter.chains[w.chain] == ""}
		for i, s := range p.sets() {
			v := voice{open: i > 0 && !s.narrow}
			for _, r := range s.words {
				switch {
				case r.allow && r.about(w.action, doc):
					v.allows = append(v.allows, r)
				case !r.allow && r.about(w.action, doc):
					v.denies = append(v.denies, &rule{label: r.label}) // all of the subject
				}
			}
			g.sets = append(g.sets, v)
		}
		g.judge = func(c candidate) ruling {
			d := p.Evaluate(p.Assume(c.message(caseNow+c.validity), caseFrom, caseNow, true))
			return ruling{d.Allow, d.Approvals, d.Rule, d.Reason, d.Terms}
		}
		return g
	}
	s := &subject{old: region(old), new: region(next)}
	s.entry = DifferenceEntry{Action: w.action.name, Chain: w.chain, To: w.contract}
	if w.action == signData {
		s.entry.Function = fmt.Sprintf("%s of %s version %s", w.primary, short(w.name), short(w.version))
		s.entry.Contract = scope{next.charter, w.chain}.label(w.contract)
	}
	s.try = func(each func(candidate)) { s.messages(w, each) }
	return s
}

// messages makes the candidates of a kind of message.
func (s *subject) messages(w *wording, each func(candidate)) {
	var lengths, ends []uint64
	for _, g := range []region{s.old, s.new} {
		for _, v := range g.sets {
			for _, r := range v.allows {
				lengths = append(lengths, uint64(r.message.length), uint64(r.message.length)+1)
				ends = append(ends, r.limits.validity+ClockSkew, r.limits.validity+ClockSkew+1)
			}
		}
	}
	try := func(length, validity uint64, with string) {
		if length > council.MaxStatement || length == common.HashLength {
			return
		}
		c := candidate{validity: validity, with: with}
		if w.action == publish {
			c.text = fmt.Sprintf("a statement of %d bytes", length)
			c.message = func(until uint64) council.Intent {
				return council.Statement{Text: strings.Repeat("so ", int(length/3)) + "yes"[:length%3], ValidUntil: until}
			}
		} else {
			c.text = "a document " + w.primary
			c.message = func(until uint64) council.Intent {
				return council.TypedData{Chain: w.chain, Document: w.document(), ValidUntil: until}
			}
		}
		each(c)
	}
	try(1, 60, "")
	for _, n := range lengths {
		try(n, 60, "")
	}
	for _, v := range ends {
		try(1, v, fmt.Sprintf("valid for %s", showSeconds(new(big.Int).SetUint64(v))))
	}
}

// document is the smallest document that a wording is about.
func (w *wording) document() []byte {
	type field struct {
		Name string `json:"name"`
		Type string `json:"type"`
	}
	b, err := json.Marshal(map[string]any{
		"types": map[string][]field{
			"EIP712Domain": {{"name", "string"}, {"version", "string"}, {"chainId", "uint256"}, {"verifyingContract", "address"}},
			w.primary:      {{"text", "string"}},
		},
		"primaryType": w.primary,
		"domain":      map[string]any{"name": w.name, "version": w.version, "chainId": w.chain, "verifyingContract": w.contract.Hex()},
		"message":     map[string]string{"text": "hello"},
	})
	if err != nil {
		panic("policy: example document: " + err.Error())
	}
	return b
}
