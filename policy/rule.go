package policy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/internal/strict"
)

// councilName stands for the council's own address among callers.
const councilName = "council"

// wildcard stands for every action or every contract of the charter.
const wildcard = "*"

type ruleFile struct {
	ID           strict.Value[string]   `yaml:"id" strict:"required"`
	Effect       strict.Value[string]   `yaml:"effect" strict:"required"`
	Actions      []strict.Value[string] `yaml:"actions"`
	Contracts    []strict.Value[string] `yaml:"contracts"`
	Chains       []strict.Value[string] `yaml:"chains"`
	Via          []strict.Value[string] `yaml:"via"`
	Args         []conditionFile        `yaml:"args"`
	When         whenFile               `yaml:"when"`
	Value        strict.Value[string]   `yaml:"value"`
	ceilingsFile `yaml:",inline"`
	Approvals    strict.Value[int]      `yaml:"approvals"`
	Require      []strict.Value[string] `yaml:"require"`
	Roles        []strict.Value[string] `yaml:"roles"`
	MaxLength    strict.Value[int]      `yaml:"max_length"`
	Domain       *domainFile            `yaml:"domain"`
	PrimaryType  strict.Value[string]   `yaml:"primary_type"`
	termsFile    `yaml:",inline"`
}

// rule is one compiled rule. Its names are resolved: bind says for which
// functions of which contracts, read as which action, it speaks.
type rule struct {
	id        string
	label     string // "charter/pause"
	allow     bool
	pos       strict.Pos
	actions   map[string]bool // as named; without the wildcard
	wild      bool            // actions: all
	anywhere  bool            // contracts: all
	via       map[*Contract]bool
	anyCaller bool
	direct    bool // the council itself may be the caller
	bind      map[meaning][]condition
	when      map[meaning]*expression
	cancel    map[uint64]*expression // the same for the built-in cancel-nonce, by chain
	keys      []meaning              // of bind, in file order
	limits    ceilings
	approvals int
	code      bool
	simulate  bool
	moves     bool // the simulation must show what moves
	state     bool // and every change of state, which the proposal must expect
	roles     []roleTerm
	incident  bool
	on        map[uint64]bool // chains; none for all
	// everything marks a deny rule without any condition but its chains.
	everything bool
	message    *wording // of a rule about statements or typed data, which has nothing of the above but limits.validity and approvals
	terms      *terms   // nil for none
}

// meaning is a function of a contract, read as an action.
type meaning struct {
	fn  *Function
	def *def
}

// ruleset is one file's rules, found by what they speak about.
type ruleset struct {
	all    []*rule
	allows map[meaning][]*rule // in file order
	denies map[meaning][]*rule
	narrow bool    // there are allow rules
	words  []*rule // about statements or typed data, in file order
}

// compile resolves the names in a file's rules.
func (c *Charter) compile(file, owner string, list []ruleFile, chains map[string]uint64) (*ruleset, error) {
	set := &ruleset{allows: map[meaning][]*rule{}, denies: map[meaning][]*rule{}}
	if len(list) > MaxRules {
		return nil, list[MaxRules].ID.Pos.Errorf(file, "rules", "join rules that say the same", "%d rules; at most %d", len(list), MaxRules)
	}
	seen := map[string]strict.Pos{}
	exprs := &expressions{chains: map[uint64]*dialect{}, done: map[string]*expression{}}
	for i, f := range list {
		path := fmt.Sprintf("rules[%d]", i)
		if err := validName(f.ID.V); err != nil {
			return nil, at(file, f.ID.Pos, path+".id", err)
		}
		if first, ok := seen[f.ID.V]; ok {
			return nil, f.ID.Pos.Errorf(file, path+".id", "give every rule an id of its own; refusals are reported by it", "duplicate rule %q, first on line %d", f.ID.V, first.Line)
		}
		seen[f.ID.V] = f.ID.Pos
		r := &rule{id: f.ID.V, label: owner + "/" + f.ID.V, pos: f.ID.Pos, approvals: c.threshold, actions: map[string]bool{}, via: map[*Contract]bool{}, bind: map[meaning][]condition{}, when: map[meaning]*expression{}}
		b := ruleCompiler{c: c, file: file, path: path, f: f, r: r, chains: chains, exprs: exprs}
		if err := b.compile(); err != nil {
			return nil, err
		}
		set.add(r)
	}
	return set, nil
}

func (s *ruleset) add(r *rule) {
	s.all = append(s.all, r)
	s.narrow = s.narrow || r.allow
	if r.message != nil || r.everything {
		s.words = append(s.words, r)
	}
	for _, k := range r.keys {
		if r.allow {
			s.allows[k] = append(s.allows[k], r)
		} else {
			s.denies[k] = append(s.denies[k], r)
		}
	}
}

type ruleCompiler struct {
	c         *Charter
	file      string
	path      string
	f         ruleFile
	r         *rule
	chains    map[string]uint64
	contracts []*Contract
	exprs     *expressions
	parsed    *parsed // of when
}

func (b *ruleCompiler) errorf(pos strict.Pos, field, hint, format string, args ...any) error {
	return pos.Errorf(b.file, b.path+"."+field, hint, format, args...)
}

func (b *ruleCompiler) compile() error {
	switch b.f.Effect.V {
	case "allow":
		b.r.allow = true
	case "deny":
	default:
		return b.errorf(b.f.Effect.Pos, "effect", "write allow or deny", "unknown effect %q%s", b.f.Effect.V, mean(b.f.Effect.V, []string{"allow", "deny"}))
	}
	if b.speaksOfMessages() {
		if err := b.readMessage(); err != nil {
			return err
		}
		return b.readObligations()
	}
	if err := b.noMessageTerms(); err != nil {
		return err
	}
	for _, step := range []func() error{b.readActions, b.readContracts, b.readVia, b.readTerms, b.bindArgs, b.readObligations} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func (b *ruleCompiler) readActions() error {
	for i, a := range b.f.Actions {
		field := fmt.Sprintf("actions[%d]", i)
		switch {
		case a.V == wildcard:
			b.r.wild = true
		case b.c.actions.byName[a.V] == nil:
			return b.errorf(a.Pos, field, "known actions: "+listOf(b.c.actions.Names()), "unknown action %q%s", a.V, mean(a.V, b.c.actions.Names()))
		case a.V == cancelNonce.name && b.r.allow:
			return b.errorf(a.Pos, field, "remove it", "cancel-nonce is built in and needs no rule")
		default:
			b.r.actions[a.V] = true
		}
	}
	if len(b.f.Actions) == 0 {
		if b.r.allow {
			return b.errorf(b.f.ID.Pos, "actions", "list the actions by name", "rule %q allows no action", b.r.id)
		}
		b.r.wild = true
	}
	return nil
}

func (b *ruleCompiler) readContracts() error {
	on := map[uint64]bool{}
	b.r.on = on
	for i, ch := range b.f.Chains {
		id, ok := b.chains[ch.V]
		if !ok {
			return b.errorf(ch.Pos, fmt.Sprintf("chains[%d]", i), "the charter's chains are "+listOf(sortedKeys(b.chains)), "unknown chain %q%s", ch.V, mean(ch.V, sortedKeys(b.chains)))
		}
		on[id] = true
	}
	picked := map[*Contract]bool{}
	for i, n := range b.f.Contracts {
		if n.V == wildcard {
			b.r.anywhere = true
			continue
		}
		k, err := b.lookup(n, fmt.Sprintf("contracts[%d]", i))
		if err != nil {
			return err
		}
		if k.protected && b.r.allow {
			return b.errorf(n.Pos, fmt.Sprintf("contracts[%d]", i), "remove it; only a charter without protected: true at the contract can allow calls to it", "rule %q allows calls to %s, which is protected", b.r.id, k.Name)
		}
		picked[k] = true
	}
	if len(b.f.Contracts) == 0 {
		if b.r.allow {
			return b.errorf(b.f.ID.Pos, "contracts", "list the contracts by name", "rule %q allows calls to no contract", b.r.id)
		}
		b.r.anywhere = true
	}
	for _, k := range b.c.contracts {
		if k.protected && b.r.allow {
			continue // no wildcard reaches it
		}
		if (b.r.anywhere || picked[k]) && (len(on) == 0 || on[k.Chain]) {
			b.contracts = append(b.contracts, k)
		}
	}
	return nil
}

func (b *ruleCompiler) lookup(n strict.Value[string], field string) (*Contract, error) {
	if k := b.c.byName[n.V]; k != nil {
		return k, nil
	}
	known := sortedKeys(b.c.byName)
	return nil, b.errorf(n.Pos, field, "the charter's contracts are "+listOf(known), "unknown contract %q%s", n.V, mean(n.V, known))
}

// readVia reads who may make the call. An allow rule that says nothing means
// the council itself; a deny rule that says nothing means anyone.
func (b *ruleCompiler) readVia() error {
	if len(b.f.Via) == 0 {
		b.r.direct, b.r.anyCaller = b.r.allow, !b.r.allow
	}
	for i, n := range b.f.Via {
		if n.V == councilName {
			b.r.direct = true
			continue
		}
		k, err := b.lookup(n, fmt.Sprintf("via[%d]", i))
		if err != nil {
			return err
		}
		b.r.via[k] = true
	}
	return nil
}

// readTerms reads what only an allow rule can say.
func (b *ruleCompiler) readTerms() error {
	if err := b.readRoles(); err != nil {
		return err
	}
	if !b.r.allow {
		for _, t := range []struct {
			name string
			pos  strict.Pos
		}{{"value", b.f.Value.Pos}, {"gas", b.f.Gas.Pos}, {"fee", b.f.Fee.Pos}, {"tip", b.f.Tip.Pos}, {"validity", b.f.Validity.Pos}, {"approvals", b.f.Approvals.Pos}} {
			if t.pos.Set() {
				return b.errorf(t.pos, t.name, "remove it; a deny rule has actions, contracts, chains, via and args", "a deny rule has no %s", t.name)
			}
		}
		if len(b.f.Require) > 0 {
			return b.errorf(b.f.Require[0].Pos, "require", "remove it; a deny rule has actions, contracts, chains, via and args", "a deny rule has no require")
		}
		return nil
	}
	if b.f.Value.Pos.Set() {
		v, err := ParseWei(b.f.Value.V)
		if err != nil {
			return at(b.file, b.f.Value.Pos, b.path+".value", err)
		}
		if v.Sign() != 0 {
			return b.errorf(b.f.Value.Pos, "value", "write value: 0, or leave it out; the treasury belongs to on-chain governance", "value %s: sending value is on the never-list, and no rule can allow it", b.f.Value.V)
		}
	}
	var err error
	if b.r.limits, err = readCeilings(b.file, b.path, b.f.ceilingsFile, b.c.limits); err != nil {
		return err
	}
	if b.f.Approvals.Pos.Set() {
		if b.r.approvals = b.f.Approvals.V; b.r.approvals < b.c.threshold || b.r.approvals > council.MaxMembers {
			return b.errorf(b.f.Approvals.Pos, "approvals", "a rule can ask for more approvals than the charter's threshold, not for fewer", "approvals %d: want %d to %d", b.r.approvals, b.c.threshold, council.MaxMembers)
		}
	}
	for i, n := range b.f.Require {
		field := fmt.Sprintf("require[%d]", i)
		switch n.V {
		case "code":
			b.r.code = true
			for _, k := range b.contracts {
				if k.CodeHash == noHash {
					return b.errorf(n.Pos, field, "add code_hash to the contract", "rule %q requires the code of %s, and the charter does not pin it", b.r.id, k.Name)
				}
			}
		case needSimulation:
			b.r.simulate = true
		case needMovements:
			b.r.simulate, b.r.moves = true, true
		case needStateDiff:
			b.r.simulate, b.r.moves, b.r.state = true, true, true
		case "incident":
			b.r.incident = true
		default:
			known := []string{"code", needSimulation, needMovements, needStateDiff, "incident"}
			return b.errorf(n.Pos, field, "known: "+listOf(known), "unknown requirement %q%s", n.V, mean(n.V, known))
		}
	}
	return nil
}

// bindArgs finds every function that the rule speaks about, and compiles the
// conditions on its arguments.
func (b *ruleCompiler) bindArgs() error {
	for i, f := range b.f.Args {
		if err := f.shape(b.file, fmt.Sprintf("%s.args[%d]", b.path, i), b.r.allow); err != nil {
			return err
		}
	}
	var lacking *Function
	var unmet *mention // of when
	if err := b.parseWhen(); err != nil {
		return err
	}
	found := make([]bool, len(b.f.Args))
	for _, k := range b.contracts {
		for _, fn := range k.order {
			for _, m := range b.meanings(fn) {
				conds, missing, err := b.conditions(k, fn)
				if err != nil {
					return err
				}
				for i := range b.f.Args {
					found[i] = found[i] || !slices.Contains(missing, i)
				}
				if len(missing) > 0 {
					if _, _, has := fn.locate(b.f.Args[missing[0]].Name.V); has || lacking == nil {
						lacking = fn // the nearest miss
					}
					if !b.r.allow {
						continue // a deny rule speaks only of calls that have the argument
					}
					p, known, _ := b.f.Args[missing[0]].lacks(fn)
					return b.errorf(p.Pos, fmt.Sprintf("args[%d].name", missing[0]), "split the rule, or name what all its functions have; here: "+known, "%s of %s has no parameter %q", fn, k.Name, p.V)
				}
				when, unknown, err := b.when(k.Chain, fn)
				if err != nil {
					return err
				}
				if unknown != nil {
					if unmet = unknown; !b.r.allow {
						continue
					}
					return b.errorf(unknown.pos, "when", "split the rule, or ask for what all its functions have; here: "+namesOf(fn.Params), "when: %s of %s has no parameter %q", fn, k.Name, unknown.name)
				}
				b.r.bind[m], b.r.when[m] = conds, when
				b.r.keys = append(b.r.keys, m)
			}
		}
	}
	for i, f := range b.f.Args {
		if !found[i] && lacking != nil {
			p, known, _ := f.lacks(lacking)
			return b.errorf(p.Pos, fmt.Sprintf("args[%d].name", i), fmt.Sprintf("compare with the contract's abi; %s has: %s", lacking.Name, known), "no function of rule %q has a parameter %q", b.r.id, p.V)
		}
	}
	if unmet != nil && len(b.r.keys) == 0 {
		return b.errorf(unmet.pos, "when", "compare with the contract's abi", "when: no function of rule %q has a parameter %q", b.r.id, unmet.name)
	}
	b.r.everything = len(b.f.Args) == 0 && !b.f.When.pos.Set() && !b.r.allow && b.r.anywhere && b.r.anyCaller && b.r.wild
	if len(b.f.Args) == 0 && !b.r.allow && b.r.anywhere && b.r.anyCaller && (b.r.wild || b.r.actions[cancelNonce.name]) {
		return b.bindCancel()
	}
	return nil
}

// mustSee refuses to allow what is known to move value, or says so by its name,
// unless it is seen where to: an emergency may have to take funds out, into the
// treasury. A member's rule only narrows what has passed this.
func (r *rule) mustSee(file, path string) error {
	if !r.allow || r.moves {
		return nil
	}
	for _, m := range r.keys {
		if n := natureOf(m.fn); n.what&movesValue != 0 {
			return r.pos.Errorf(file, path+".require", "add require: ["+needMovements+"], so that nothing passes that is seen to leave a watched address",
				"rule %q allows %s without looking at what moves: it %s", r.id, m.fn.Signature, n.text)
		}
	}
	return nil
}

// meanings are the actions that a call to fn can be, as far as the rule names
// them. Handing over power is reached by name only, and so is revoking a role
// from the council itself, which is renouncing.
func (b *ruleCompiler) meanings(fn *Function) []meaning {
	var out []meaning
	add := func(d *def) {
		if d == nil {
			return
		}
		if b.r.actions[d.name] || b.r.wild && (!b.r.allow || !mustBeNamed[d.name] && natureOf(fn).what&givesPower == 0) {
			out = append(out, meaning{fn, d})
		}
	}
	for _, u := range b.c.actions.bySig[fn.Signature] {
		if len(out) == 0 || out[len(out)-1].def != u.def {
			add(u.def)
		}
	}
	if strings.HasPrefix(fn.Signature, "revokeRole(") {
		add(b.c.actions.byName[renounceRole])
	}
	return out
}

// renounceRole is the action that revoking a role from oneself is read as.
const renounceRole = "renounce-role"

// mean is a suggestion in brackets, or nothing.
func mean(word string, known []string) string {
	if s := strict.Suggest(word, known); s != "" {
		return fmt.Sprintf(" (did you mean %q?)", s)
	}
	return ""
}

func listOf(words []string) string { return strings.Join(words, ", ") }
