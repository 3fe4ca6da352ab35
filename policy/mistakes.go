package policy

import (
	"fmt"
	"slices"
	"strings"
)

// mistakes finds what reviewers of charters have learnt to look for, beyond what
// a single rule shows.
func (k *checker) mistakes(c *Charter) {
	if c.limits.gas > maxPooledGas {
		k.add(Warning, c.gasPos, "limits", fmt.Sprintf("lower it to %d, unless a chain of this charter is known to take more", maxPooledGas),
			"a transaction may ask for %d gas, and Ethereum takes none with more than %d since the Osaka fork (EIP-7825): its nonce would wait until it is replaced", c.limits.gas, maxPooledGas)
	}
	r := newReach(New(c, nil))
	for _, ct := range c.contracts {
		k.functions(c, ct)
	}
	for _, x := range c.rules.all {
		switch {
		case x.message != nil:
		case x.allow:
			k.hidden(x)
			k.unseen(r, x)
			k.early(x)
			k.anyProxy(x)
			k.together(c, r, x)
			k.unreached(r, x)
		default:
			k.gaps(c, x)
		}
	}
}

// functions finds entries of an ABI that are not what they look like.
func (k *checker) functions(c *Charter, ct *Contract) {
	for _, f := range ct.order {
		if a, b := swapped(c.actions, f); a != "" {
			k.add(Warning, ct.pos, ct.Name, "compare the order with the contract's source: conditions go by these names", "%s calls %s what the catalogue calls %s", f, a, b)
		}
		if n := natureOf(f); n.alias != nil && n.alias.Signature != f.Signature {
			k.add(Warning, ct.pos, ct.Name, "compare the abi with the contract's source: the chain sees the selector alone", "%s %s", f.Signature, n.text)
		}
		switch f.Name {
		case "fallback", "receive", "constructor":
			k.add(Warning, ct.pos, ct.Name, "remove it; a charter can't allow it, and calldata with its selector would run whatever the contract does with calls that it does not know",
				"%s in its abi is no function that can be called by a selector", f.Signature)
		}
	}
}

// swapped finds a parameter that has the name of another in the catalogue, which
// is what sentences go by.
func swapped(c *Catalogue, f *Function) (name, there string) {
	for _, u := range c.bySig[f.Signature] {
		for i, p := range f.Params {
			if at := u.fn.param(p.Name); u.fn.named && at >= 0 && at != i {
				return p.Name, u.fn.Params[i].Name
			}
		}
	}
	return "", ""
}

// hidden finds a wildcard that reaches wrappers.
func (k *checker) hidden(x *rule) {
	var found []string
	for _, m := range x.keys {
		if w, ok := wrapperBySig[m.fn.Signature]; ok && w.action != "" && x.wild && !x.actions[m.def.name] && !slices.Contains(found, m.def.name) {
			found = append(found, m.def.name)
		}
	}
	if len(found) > 0 {
		k.add(Warning, x.pos, x.label, "name the wrappers that the council needs; the calls inside are judged, but nobody reads a batch as well as one call", "its wildcard allows calls within calls: %s", listOf(found))
	}
}

// unseen finds permissive actions that no node has to have seen succeed. A call
// that comes only inside of wrappers is seen with them.
func (k *checker) unseen(r *reach, x *rule) {
	var found []string
	for _, m := range x.keys {
		if m.def.class != Permissive || x.simulate || slices.Contains(found, m.def.name) {
			continue
		}
		for _, w := range r.ways(m).open {
			if w.g.charter != x {
				continue
			}
			seen := false
			for at := w.h; at.actor != nil; at = at.from {
				seen = seen || at.g.charter.simulate
			}
			if !seen {
				found = append(found, m.def.name)
				break
			}
		}
	}
	if len(found) > 0 {
		k.add(Warning, x.pos, x.label, "add require: [simulation]", "allows the permissive %s without a simulation", listOf(found))
	}
}

// early finds a timelock that may be told not to wait.
func (k *checker) early(x *rule) {
	for _, m := range x.keys {
		if strings.HasPrefix(m.fn.Signature, "schedule(") || strings.HasPrefix(m.fn.Signature, "scheduleBatch(") {
			if least := leastOf(x.bind[m], len(m.fn.Params)-1); least == nil || least.Sign() <= 0 {
				k.add(Warning, x.pos, x.label, "add to args: {name: "+m.fn.Params[len(m.fn.Params)-1].Name+", min: 48h}", "allows %s with any delay", m.def.name)
				return
			}
		}
	}
}

// anyProxy finds upgrades of whatever a proposer names.
func (k *checker) anyProxy(x *rule) {
	for _, m := range x.keys {
		n := natureOf(m.fn)
		if n.what&changesCode == 0 || n.subject < 0 {
			continue
		}
		if !slices.ContainsFunc(x.bind[m], func(c condition) bool { return c.index == n.subject && c.listed() }) {
			k.add(Warning, x.pos, x.label, "add a condition with the proxies that it is meant for", "allows %s of any %s", m.def.name, m.fn.Params[n.subject].Name)
		}
	}
}

// together finds a batch that can carry a grant of power among other calls.
func (k *checker) together(c *Charter, r *reach, x *rule) {
	for _, m := range x.keys {
		w, ok := wrapperBySig[m.fn.Signature]
		if !ok || m.fn.Signature != "multicall(bytes[])" || w.action == "" {
			continue
		}
		on := r.owner[m.fn]
		for _, o := range c.rules.all {
			if !o.allow || o.message != nil {
				continue
			}
			var found []string
			for _, p := range o.keys {
				if r.owner[p.fn] == on && natureOf(p.fn).what&givesPower != 0 && !slices.Contains(found, p.def.name) {
					found = append(found, p.def.name)
				}
			}
			if len(found) > 0 {
				k.add(Warning, x.pos, x.label, "leave one of the two out, or ask for more approvals: among many calls a grant is easily missed", "a multicall of %s can carry %s, which %s allows", on.Name, listOf(found), o.label)
			}
		}
	}
}

// unreached finds a rule that waits for callers who can't come.
func (k *checker) unreached(r *reach, x *rule) {
	if x.direct || x.anyCaller || len(x.keys) == 0 {
		return
	}
	var by []string
	for ct := range x.via {
		if slices.ContainsFunc(r.hops, func(h *hop) bool { return h.actor == ct }) {
			return
		}
		by = append(by, ct.Name)
	}
	slices.Sort(by)
	k.add(Warning, x.pos, x.label, "add a rule for a wrapper of "+listOf(by)+", or remove this one", "unreachable: no rule lets the council call through %s", listOf(by))
}

// gaps finds calls that a deny rule passes over because their parameter has
// another name.
func (k *checker) gaps(c *Charter, x *rule) {
	if len(x.keys) == 0 || len(x.bind[x.keys[0]]) == 0 {
		return
	}
	name := x.bind[x.keys[0]][0].param
	touched := map[*Function]bool{}
	for _, m := range x.keys {
		touched[m.fn] = true
	}
	for _, ct := range c.contracts {
		if !x.anywhere && !slices.ContainsFunc(ct.order, func(f *Function) bool { return touched[f] }) {
			continue
		}
		for _, f := range ct.order {
			for _, d := range c.actions.readings(f) {
				if x.actions[d.name] && !touched[f] {
					k.add(Warning, x.pos, x.label, "name the parameter so in the abi of "+ct.Name+", or write a rule for it", "does not speak of %s on %s, which has no parameter %s", f, ct.Name, name)
				}
			}
		}
	}
}
