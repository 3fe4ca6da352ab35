package policy

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/millicent-one/signer/council"
)

// Policy is a charter with one member's narrowing on top.
type Policy struct {
	charter *Charter
	member  *Member // nil for none
	hash    common.Hash
	closed  *Refusal // denies everything, and why; nil: does not
}

// New puts a member's policy on top of the charter; member may be nil. A member
// policy that was loaded over another charter makes a policy that denies
// everything, since its rules speak of other contracts.
func New(charter *Charter, member *Member) *Policy {
	p := &Policy{charter: charter, member: member}
	h := common.Hash{}
	if member != nil {
		h = member.hash
		if member.base != charter {
			p.closed = &Refusal{"default/policy", "the member's policy was loaded over another charter", "load both again"}
		}
	}
	p.hash = crypto.Keccak256Hash([]byte("millicent/policy/1\x00"), charter.hash[:], h[:])
	return p
}

// Denying is a policy that denies everything: of a node that lacks what it would have
// to judge by, its charter or its member's own rules. Sentences are still the charter's.
func Denying(charter *Charter, why, hint string) *Policy {
	return &Policy{charter: charter, closed: &Refusal{"default/policy", why, hint},
		hash: crypto.Keccak256Hash([]byte("millicent/policy/closed/1\x00"), charter.hash[:], []byte(why))}
}

// Closed says why this policy denies everything, and what to do about it; why is empty if
// it does not.
func (p *Policy) Closed() (why, hint string) {
	if p.closed == nil {
		return "", ""
	}
	return p.closed.Reason, p.closed.Hint
}

// Hash commits to the charter and to the member's policy.
func (p *Policy) Hash() common.Hash { return p.hash }

// Charter is the charter underneath.
func (p *Policy) Charter() *Charter { return p.charter }

// Describe reads an intent by the charter. It always finds a sentence for a
// valid intent, also for one that Evaluate denies: what can't be decoded is said
// to be unknown. The error is that of an intent beyond its own bounds.
func (p *Policy) Describe(in council.Intent) (Action, error) {
	if t, ok := in.(council.Transaction); ok {
		if err := t.Valid(); err != nil {
			return Action{}, err
		}
		return p.describe(t, p.charter.read(t)), nil
	}
	if m, ok := council.AsMessage(in); ok {
		if err := m.Valid(); err != nil {
			return Action{}, err
		}
		return p.describeMessage(m), nil
	}
	return Action{}, fmt.Errorf("intent of unknown type %T", in)
}

func (p *Policy) describe(t council.Transaction, root *Call) Action {
	on := fmt.Sprintf("chain %d", t.Chain)
	if name := p.charter.chains[t.Chain]; name != "" {
		on = fmt.Sprintf("%s (chain %d)", name, t.Chain)
	}
	root.walk(func(c *Call) bool { c.Sentence = bounded(c.Sentence, t.Data); return true })
	return Action{Name: root.Action, Class: root.Class, Duty: root.Duty, Root: root, Sentence: bounded("On "+on+": "+root.Sentence, t.Data)}
}

// Needs lists what must be known before Evaluate can allow the intent, sorted.
// It does not depend on time or on who the council is.
func (p *Policy) Needs(in council.Intent) []council.Query {
	t, ok := in.(council.Transaction)
	if !ok || t.Valid() != nil {
		return nil
	}
	need := map[council.Query]bool{}
	root := p.charter.read(t)
	root.walk(func(c *Call) bool {
		for _, pin := range p.charter.rests(c) {
			need[pin.query] = true
		}
		return true
	})
	p.applicable(root, func(r *rule, c *Call, m meaning) {
		for _, q := range r.queries(c, m) {
			need[q] = true
		}
	})
	out := make([]council.Query, 0, len(need))
	for q := range need {
		out = append(out, q)
	}
	slices.SortFunc(out, func(a, b council.Query) int {
		if c := strings.Compare(string(a.Kind), string(b.Kind)); c != 0 {
			return c
		}
		if c := bytes.Compare(a.Address[:], b.Address[:]); c != 0 {
			return c
		}
		if c := bytes.Compare(a.Slot[:], b.Slot[:]); c != 0 {
			return c
		}
		return a.Account.Cmp(b.Account)
	})
	return out
}

// applicable visits the allow rules that the calls of a tree can be judged by, as
// far as that follows from the calldata alone.
func (p *Policy) applicable(root *Call, visit func(r *rule, c *Call, m meaning)) {
	root.walk(func(c *Call) bool {
		if c.Refusal != nil || c.use.def == nil {
			return true
		}
		for _, d := range p.charter.readings(c) {
			m := meaning{c.fn, d}
			for _, s := range p.sets() {
				for _, r := range s.allows[m] {
					if _, ok := r.speaks(c, m); ok {
						visit(r, c, m)
					}
				}
			}
		}
		return true
	})
}

// sets are the rules that all have a say.
func (p *Policy) sets() []*ruleset {
	if p.member == nil {
		return []*ruleset{p.charter.rules}
	}
	return []*ruleset{p.charter.rules, p.member.rules}
}

// readings are the actions that a call may be judged as: the catalogue's, or
// renouncing, where a role may turn out to be taken from the council itself.
func (c *Charter) readings(k *Call) []*def {
	defs := []*def{k.use.def}
	if _, ok := takesFrom(k); ok {
		if d := c.actions.byName[renounceRole]; d != nil {
			defs = append(defs, d)
		}
	}
	return defs
}
