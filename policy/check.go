package policy

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/internal/strict"
)

// Severity says how bad a finding is.
type Severity string

// The severities. A note is worth reading once; a warning ought to be mended.
const (
	Note    Severity = "note"
	Warning Severity = "warning"
)

// Finding is something in a charter or a member policy that loads, and that its
// author may not have meant.
type Finding struct {
	File     string   `json:"file"`
	Line     int      `json:"line"`
	Col      int      `json:"col"`
	Severity Severity `json:"severity"`
	Subject  string   `json:"subject"` // rule, contract or playbook
	Message  string   `json:"message"`
	Hint     string   `json:"hint"`
}

// String is file:line:col: severity: subject: message.
func (f Finding) String() string {
	return fmt.Sprintf("%s:%d:%d: %s: %s: %s", f.File, f.Line, f.Col, f.Severity, f.Subject, f.Message)
}

type checker struct {
	file string
	out  []Finding
}

func (k *checker) add(s Severity, pos strict.Pos, subject, hint, format string, args ...any) {
	k.out = append(k.out, Finding{File: k.file, Line: pos.Line, Col: pos.Col, Severity: s, Subject: subject, Message: fmt.Sprintf(format, args...), Hint: hint})
}

// Check looks for what authors regret: wildcards, rules that never come to
// speak, upgrades to any code, contracts that no rule needs. Member may be nil.
func Check(c *Charter, m *Member) []Finding {
	k := &checker{file: c.file}
	k.contracts(c)
	k.rules(c.rules)
	for _, r := range c.rules.all {
		k.terms(c, r)
		k.software(c, r)
	}
	k.playbooks(c)
	k.mistakes(c)
	if m != nil {
		k.file = m.file
		k.rules(m.rules)
		for _, r := range m.rules.all {
			k.software(c, r)
		}
		k.pointless(c, m)
	}
	slices.SortStableFunc(k.out, func(a, b Finding) int {
		if a.File != b.File {
			return 0 // the charter's come first already
		}
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Col, b.Col))
	})
	return k.out
}

func (k *checker) contracts(c *Charter) {
	for _, ct := range c.contracts {
		if !ct.pinned {
			k.add(Warning, ct.pos, ct.Name, "add abi_hash", "its abi is not pinned by a hash")
		}
		if same(ct.Address) {
			k.add(Note, ct.pos, ct.Name, "put in the real address", "%s looks like a placeholder", ct.Address.Hex())
		}
		used := false
		for _, r := range c.rules.all {
			used = used || r.allow && slices.ContainsFunc(r.keys, func(m meaning) bool { return ct.bySel[selOf(m.fn)] == m.fn })
		}
		if !used && !ct.protected {
			k.add(Note, ct.pos, ct.Name, "fine if it is listed so that refusals can name it", "no rule allows any call to it")
		}
	}
}

func selOf(f *Function) (s [4]byte) {
	if f != nil {
		s = f.Selector
	}
	return s
}

// same reports an address of one repeated byte.
func same(a common.Address) bool {
	for _, b := range a {
		if b != a[0] {
			return false
		}
	}
	return true
}

// rules finds rules of one file that never come to speak.
func (k *checker) rules(s *ruleset) {
	for i, r := range s.all {
		if r.message != nil { // about no function
			continue
		}
		if len(r.keys) == 0 {
			k.add(Warning, r.pos, r.label, "compare its actions with the abi of its contracts", "unreachable: none of its contracts has a function of its actions")
			continue
		}
		if r.allow && (r.wild || r.anywhere) {
			k.add(Warning, r.pos, r.label, "list the names, so that a new contract or action is not allowed by accident", "allows by wildcard")
		}
		for _, o := range s.all {
			if !o.allow && r.allow && o.anyCaller && covers(o, r) {
				k.add(Warning, r.pos, r.label, "remove one of the two", "unreachable: %s denies all of it", o.label)
				break
			}
		}
		for _, o := range s.all[:i] {
			if o.allow == r.allow && shadows(o, r) {
				k.add(Warning, r.pos, r.label, "remove it, or put it before the other", "shadowed: %s already %s all of it", o.label, map[bool]string{true: "allows", false: "denies"}[r.allow])
				break
			}
		}
	}
}

// covers reports whether o speaks, without conditions, of all that r does.
func covers(o, r *rule) bool {
	for _, m := range r.keys {
		if conds, ok := o.bind[m]; !ok || len(conds) > 0 || o.when[m] != nil || o.cancel != nil {
			return false
		}
	}
	return true
}

// shadows reports whether the earlier rule o always speaks before r can matter.
func shadows(o, r *rule) bool {
	if !covers(o, r) || o.code || o.simulate || o.incident || len(o.roles) > 0 {
		return false
	}
	if !o.anyCaller {
		if r.anyCaller || r.direct && !o.direct {
			return false
		}
		for v := range r.via {
			if !o.via[v] {
				return false
			}
		}
	}
	if !o.allow {
		return true
	}
	return o.limits.gas >= r.limits.gas && o.limits.fee.Cmp(r.limits.fee) >= 0 && o.limits.tip.Cmp(r.limits.tip) >= 0 && o.limits.validity >= r.limits.validity
}

// upgrades are the actions that bring new code, with its argument's name.
var upgrades = map[string]bool{"upgrade": true, "upgrade-and-call": true, "proxy-upgrade": true, "proxy-upgrade-and-call": true}

// terms finds permissions of a charter that are wider than they look.
func (k *checker) terms(c *Charter, r *rule) {
	if !r.allow {
		return
	}
	said := map[string]bool{}
	once := func(hint, format string, args ...any) {
		if msg := fmt.Sprintf(format, args...); !said[msg] {
			said[msg] = true
			k.add(Warning, r.pos, r.label, hint, "%s", msg)
		}
	}
	for _, m := range r.keys {
		conds := r.bind[m]
		switch {
		case upgrades[m.def.name] && !slices.ContainsFunc(conds, func(c condition) bool { return len(c.code) > 0 }):
			once("add the condition code on the implementation, with the hash of the reviewed build's deployed code", "allows %s to any code", m.def.name)
		case (mustBeNamed[m.def.name] || natureOf(m.fn).what&givesPower != 0 && len(m.fn.Params) > 0) && len(conds) == 0 && r.when[m] == nil:
			once("add conditions on its arguments", "allows %s with any arguments", m.def.name)
		}
		if m.def.class == Restrictive && r.approvals > c.threshold {
			once("leave approvals out: brakes must be fast", "asks for %d approvals for the restrictive %s", r.approvals, m.def.name)
		}
	}
}

// software tells which demands the key itself does not make. Its threshold is a
// fact of the shares; all beyond it is what honest nodes' software refuses.
func (k *checker) software(c *Charter, r *rule) {
	var asks []string
	if r.approvals > c.threshold {
		asks = append(asks, fmt.Sprintf("%d approvals", r.approvals))
	}
	if r.terms != nil && r.terms.seats != (Seats{}) {
		asks = append(asks, r.terms.seats.Approvals())
	}
	if len(asks) > 0 {
		k.add(Note, r.pos, r.label, "good to have, and no more than that: say so to those who rely on it",
			"asks for %s: any %d nodes could sign without it, since the key's threshold is %d; this is enforced by each honest node's software", strings.Join(asks, " and "), c.threshold, c.threshold)
	}
}

// playbooks finds ready actions that would be refused.
func (k *checker) playbooks(c *Charter) {
	for _, p := range c.playbooks {
		for _, target := range p.Targets {
			pl := p.plans[target]
			ok := false
			for _, r := range c.rules.all {
				for _, m := range r.keys {
					ok = ok || r.allow && m.fn == pl.fn && p.Gas <= r.limits.gas && p.Fee.Cmp(r.limits.fee) <= 0 && p.Tip.Cmp(r.limits.tip) <= 0 && p.Validity <= r.limits.validity
				}
			}
			if !ok {
				k.add(Warning, p.pos, "playbook "+p.Name, "compare its function, gas, fee, tip and validity with the rules", "no rule allows it on %s", target)
			}
		}
	}
}

// pointless finds member rules that change nothing.
func (k *checker) pointless(c *Charter, m *Member) {
	for _, r := range m.rules.all {
		if !r.allow {
			continue
		}
		var dead []string
		if w := r.message; w != nil && !slices.ContainsFunc(c.rules.words, func(o *rule) bool { return o.allow && o.message.action == w.action }) {
			dead = append(dead, w.action.name)
		}
		for _, key := range r.keys {
			if len(c.rules.allows[key]) == 0 && !slices.Contains(dead, key.def.name) {
				dead = append(dead, key.def.name)
			}
		}
		if len(dead) > 0 {
			k.add(Note, r.pos, r.label, "a member's policy can't widen the charter", "names what the charter does not allow anyway: %s", strings.Join(dead, ", "))
		}
	}
}
