package policy

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/internal/strict"
)

// domainFile is the EIP-712 domain that a rule is about. Contract is a name from
// the charter or an address.
type domainFile struct {
	Name     strict.Value[string] `yaml:"name"`
	Version  strict.Value[string] `yaml:"version"`
	Chain    strict.Value[string] `yaml:"chain"`
	Contract strict.Value[string] `yaml:"contract"`
}

// wording is what a rule asks of a message. Of an allow rule about typed data
// every field of the domain is set; of a deny rule a zero field means any.
type wording struct {
	action   *def // publish, signData; nil for both
	length   int  // most bytes of a statement
	name     string
	version  string
	chain    uint64
	contract common.Address
	primary  string
}

// about reports whether the rule speaks of a message. A deny rule about all
// there is, everywhere or on the document's chain, does.
func (r *rule) about(action *def, doc council.TypedDocument) bool {
	if r.message == nil {
		return r.everything && (len(r.on) == 0 || r.on[doc.Chain])
	}
	return r.message.misses(action, doc) == ""
}

// speaksOfMessages reports whether the rule names an action that is a message.
func (b *ruleCompiler) speaksOfMessages() bool {
	for _, a := range b.f.Actions {
		if a.V == publish.name || a.V == signData.name {
			return true
		}
	}
	return false
}

// noMessageTerms keeps what only messages have out of other rules.
func (b *ruleCompiler) noMessageTerms() error {
	const hint = "remove it, or name the action "
	switch {
	case b.f.MaxLength.Pos.Set():
		return b.errorf(b.f.MaxLength.Pos, "max_length", hint+publish.name, "only a rule about statements has max_length")
	case b.f.PrimaryType.Pos.Set():
		return b.errorf(b.f.PrimaryType.Pos, "primary_type", hint+signData.name, "only a rule about typed data has primary_type")
	case b.f.Domain != nil:
		return b.errorf(b.f.ID.Pos, "domain", hint+signData.name, "only a rule about typed data has domain, and %q is none", b.f.ID.V)
	}
	return nil
}

// readMessage reads a rule about statements or typed data.
func (b *ruleCompiler) readMessage() error {
	w := &wording{length: council.MaxStatement}
	b.r.message = w
	if len(b.f.Actions) > 1 {
		return b.errorf(b.f.Actions[1].Pos, "actions[1]", "write a rule for each", "a rule about %s or %s names one action", publish.name, signData.name)
	}
	w.action = b.c.actions.byName[b.f.Actions[0].V]
	b.r.actions[w.action.name] = true
	if err := b.noCallTerms(); err != nil {
		return err
	}
	if err := b.readRoles(); err != nil { // which a message can't have
		return err
	}
	if !b.r.allow {
		if b.f.Validity.Pos.Set() || b.f.Approvals.Pos.Set() || b.f.MaxLength.Pos.Set() {
			return b.errorf(b.f.ID.Pos, "effect", "remove validity, approvals and max_length; a deny rule about typed data has domain and primary_type", "a deny rule has no bounds")
		}
	} else if err := b.readTerms(); err != nil {
		return err
	}
	if w.action == publish {
		return b.readStatement(w)
	}
	return b.readTypedData(w)
}

// noCallTerms keeps what only transactions have out of rules about messages.
func (b *ruleCompiler) noCallTerms() error {
	for _, t := range []struct {
		name string
		pos  strict.Pos
	}{{"contracts", first0(b.f.Contracts)}, {"chains", first0(b.f.Chains)}, {"via", first0(b.f.Via)}, {"require", first0(b.f.Require)},
		{"when", b.f.When.pos}, {"value", b.f.Value.Pos}, {"gas", b.f.Gas.Pos}, {"fee", b.f.Fee.Pos}, {"tip", b.f.Tip.Pos}} {
		if t.pos.Set() {
			return b.errorf(t.pos, t.name, "remove it; such a rule has validity, approvals, max_length (statement), domain and primary_type (typed-data)", "a message calls nothing: a rule about it has no %s", t.name)
		}
	}
	if len(b.f.Args) > 0 {
		return b.errorf(b.f.Args[0].Name.Pos, "args", "remove it", "a message calls nothing: a rule about it has no args")
	}
	return nil
}

func first0(list []strict.Value[string]) strict.Pos {
	if len(list) == 0 {
		return strict.Pos{}
	}
	return list[0].Pos
}

func (b *ruleCompiler) readStatement(w *wording) error {
	if b.f.PrimaryType.Pos.Set() {
		return b.errorf(b.f.PrimaryType.Pos, "primary_type", "remove it", "a statement has no primary type")
	}
	if b.f.Domain != nil {
		return b.errorf(b.f.ID.Pos, "domain", "remove it", "a statement has no domain")
	}
	if p := b.f.MaxLength; p.Pos.Set() {
		if w.length = p.V; w.length < 1 || w.length > council.MaxStatement {
			return b.errorf(p.Pos, "max_length", "bytes of UTF-8", "max_length %d: want 1 to %d", w.length, council.MaxStatement)
		}
	}
	return nil
}

func (b *ruleCompiler) readTypedData(w *wording) error {
	if b.f.MaxLength.Pos.Set() {
		return b.errorf(b.f.MaxLength.Pos, "max_length", "remove it", "only a rule about statements has max_length")
	}
	w.primary = b.f.PrimaryType.V
	if rule, why, ok := forbiddenType(w.primary); ok && b.r.allow {
		return b.errorf(b.f.PrimaryType.Pos, "primary_type", "remove the rule; no file can allow this", "%s is on the never-list (%s): %s", w.primary, rule, why)
	}
	f := b.f.Domain
	if f == nil {
		f = &domainFile{}
	}
	if b.r.allow {
		for _, p := range []struct {
			name string
			pos  strict.Pos
		}{{"primary_type", b.f.PrimaryType.Pos}, {"domain.name", f.Name.Pos}, {"domain.version", f.Version.Pos}, {"domain.chain", f.Chain.Pos}, {"domain.contract", f.Contract.Pos}} {
			if !p.pos.Set() {
				return b.errorf(b.f.ID.Pos, p.name, "name it; a signature holds wherever its domain is taken", "rule %q allows typed data of any %s", b.r.id, p.name)
			}
		}
	}
	w.name, w.version = f.Name.V, f.Version.V
	if f.Chain.Pos.Set() {
		id, ok := b.chains[f.Chain.V]
		if !ok {
			return b.errorf(f.Chain.Pos, "domain.chain", "the charter's chains are "+listOf(sortedKeys(b.chains)), "unknown chain %q%s", f.Chain.V, mean(f.Chain.V, sortedKeys(b.chains)))
		}
		w.chain = id
	}
	if !f.Contract.Pos.Set() {
		return nil
	}
	if k := b.c.byName[f.Contract.V]; k != nil {
		if w.chain != 0 && k.Chain != w.chain {
			return b.errorf(f.Contract.Pos, "domain.contract", "name a contract of the domain's chain", "%s is on another chain than the domain", k.Name)
		}
		w.contract = k.Address
		return nil
	}
	a, err := ParseAddress(f.Contract.V)
	if err != nil {
		return b.errorf(f.Contract.Pos, "domain.contract", "give an address, or a contract of the charter: "+listOf(sortedKeys(b.c.byName)), "contract %q is neither an address nor a contract of the charter%s", f.Contract.V, mean(f.Contract.V, sortedKeys(b.c.byName)))
	}
	w.contract = a
	return nil
}

// misses says in which respect a message is not what the rule is about, or "".
func (w *wording) misses(d *def, doc council.TypedDocument) string {
	switch {
	case w.action != nil && w.action != d:
		return "action"
	case d != signData:
		return ""
	case w.name != "" && w.name != doc.Name:
		return "domain's name"
	case w.version != "" && w.version != doc.Version:
		return "domain's version"
	case w.chain != 0 && w.chain != doc.Chain:
		return "domain's chain"
	case w.contract != (common.Address{}) && w.contract != doc.Contract:
		return "domain's contract"
	case w.primary != "" && w.primary != doc.Primary:
		return "primary type"
	}
	return ""
}

// message judges a statement or a document: the never-list, explicit denials,
// the clock, and then the first rule of each file that allows it.
func (p *Policy) message(d Decision, in Input, m council.Message) Decision {
	doc, action := council.TypedDocument{}, publish
	if t, ok := m.(council.TypedData); ok {
		action = signData
		var err error
		if doc, err = council.ReadTypedData(t.Document); err != nil {
			return d.deny("default/intent", err.Error(), council.Hint(err))
		}
	}
	no := func(r *Refusal) Decision { return d.deny(r.Rule, r.Reason, r.Hint) }
	if r := neverSigned(m, doc); r != nil {
		return no(r)
	}
	for _, s := range p.sets() {
		for _, r := range s.words {
			if !r.allow && r.about(action, doc) {
				return no(&Refusal{r.label, "denied: " + d.Sentence, "the rule " + r.label + " would have to be changed"})
			}
		}
	}
	if r := p.timely(in, m, action, doc); r != nil {
		return no(r)
	}
	d.Approvals = p.charter.threshold
	var rules []string
	var asking []*rule
	for i, s := range p.sets() {
		if i > 0 && !s.narrow {
			continue
		}
		r, refusal := s.permits(m, action, doc, in.begun(), i > 0)
		if refusal != nil {
			return no(refusal)
		}
		d.Approvals = max(d.Approvals, r.approvals)
		rules = append(rules, r.label)
		if r.terms != nil {
			asking = append(asking, r)
		}
	}
	d.Allow, d.Rule, d.Reason = true, rules[0], "allowed by "+strings.Join(unique(rules), ", ")
	return d.oblige(asking, in)
}

// timely checks the clock, the chain and the domain, which concern the whole.
func (p *Policy) timely(in Input, m council.Message, action *def, doc council.TypedDocument) *Refusal {
	switch {
	case in.From == (common.Address{}):
		return &Refusal{"default/council", "the council's address is not known", "finish key generation first"}
	case action == signData && p.charter.chains[doc.Chain] == "":
		return &Refusal{"default/chain", fmt.Sprintf("chain %d is not in the charter", doc.Chain), "propose it on a chain of the charter"}
	case action == signData && doc.Salt != (common.Hash{}):
		return &Refusal{"default/typed-data", "the domain has a salt, and rules know none", "use a domain of name, version, chainId and verifyingContract"}
	case m.Expires() <= in.Now:
		return &Refusal{"default/expired", fmt.Sprintf("expired %d seconds ago", in.Now-m.Expires()), "propose it again"}
	}
	return nil
}

// permits finds the first rule of a set that allows the message. Failing that,
// it tells of one that is about such messages, and what it asks.
func (s *ruleset) permits(m council.Message, action *def, doc council.TypedDocument, begun uint64, member bool) (*rule, *Refusal) {
	var near *Refusal
	for _, r := range s.words {
		if !r.allow || r.message.action != action {
			continue
		}
		refusal := r.permitted(m, action, doc, begun)
		if refusal == nil {
			return r, nil
		}
		if near == nil {
			near = refusal
		}
	}
	switch {
	case near != nil:
		return nil, near
	case member:
		return nil, &Refusal{"member/default", fmt.Sprintf("the member's policy has allow rules, and none of them names %s", action.name), "the member would have to allow it in the own policy file"}
	}
	return nil, &Refusal{"default/no-rule", fmt.Sprintf("no rule of the charter allows %s", action.name), "a charter rule would have to allow it; approvals can't"}
}

// permitted says why an allow rule does not allow the message, or nil.
func (r *rule) permitted(m council.Message, action *def, doc council.TypedDocument, begun uint64) *Refusal {
	text, _ := m.(council.Statement)
	switch lack := r.message.misses(action, doc); {
	case lack != "":
		return &Refusal{r.label, "the rule is about another " + lack, "propose it with the domain and primary type of the rule " + r.label}
	case len(text.Text) > r.message.length:
		return &Refusal{r.label, fmt.Sprintf("the text has %d bytes, more than %d", len(text.Text), r.message.length), "say it in fewer words"}
	case m.Expires() > begun && m.Expires()-begun > r.limits.validity+ClockSkew:
		return &Refusal{r.label, fmt.Sprintf("valid for %d seconds, longer than %d", m.Expires()-begun, r.limits.validity), "propose it with an earlier end of validity"}
	}
	return nil
}

// quoted is how much of a text or a document a sentence quotes.
const quoted = 1200

// describeMessage says what a message is. The sentence quotes it, in ASCII, so
// that it reads the same on every screen, and commits by hash to what it leaves
// out; the whole is in the intent that members sign.
func (p *Policy) describeMessage(m council.Message) Action {
	switch t := m.(type) {
	case council.Statement:
		a := Action{Name: publish.name, Class: publish.class, Duty: publish.duty}
		if text := strconv.QuoteToASCII(t.Text); len(text) <= quoted {
			a.Sentence = "Publish the statement " + text
		} else {
			a.Sentence = fmt.Sprintf("Publish a statement of %d bytes (keccak256 %s) that begins %s", len(t.Text), crypto.Keccak256Hash([]byte(t.Text)).Hex(), text[:quoted])
		}
		return a
	case council.TypedData:
		a := Action{Name: signData.name, Class: signData.class, Duty: signData.duty}
		doc, err := council.ReadTypedData(t.Document)
		if err != nil { // Valid has read it
			return a
		}
		on := fmt.Sprintf("chain %d", doc.Chain)
		if name := p.charter.chains[doc.Chain]; name != "" {
			on = fmt.Sprintf("%s (chain %d)", name, doc.Chain)
		}
		a.Sentence = fmt.Sprintf("On %s: sign typed data %s for %s version %s at %s, digest %s: ", on, doc.Primary, short(doc.Name), short(doc.Version),
			scope{p.charter, doc.Chain}.label(doc.Contract), doc.Digest.Hex())
		message := strconv.QuoteToASCII(string(doc.Message))
		message = strings.ReplaceAll(message[1:len(message)-1], `\"`, `"`)
		if len(message) > quoted {
			message = fmt.Sprintf("%s ... (cut short; the document has keccak256 %s)", message[:quoted], crypto.Keccak256Hash(t.Document).Hex())
		}
		a.Sentence += message
		return a
	}
	return Action{}
}

// short quotes a name that a document gives.
func short(s string) string { return clip(strconv.QuoteToASCII(s), 80) }
