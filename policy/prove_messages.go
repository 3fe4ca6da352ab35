package policy

import (
	"slices"

	"github.com/millicent-one/signer/council"
)

// documents adds what typed data has to say to a question. A statement calls
// nothing and no contract takes it for consent: never/raw-hash and never/sign-in
// see to that. What a contract does with a signature over a document nobody can
// tell from the charter.
func (v *prover) documents(a *ProofAnswer, q question) {
	for _, r := range v.p.charter.rules.words {
		if !r.allow || r.message.action != signData {
			continue
		}
		w := r.message
		// An allow rule names all that another rule can ask of a document but its
		// content, so what speaks of this one speaks of all that the rule is about.
		doc := council.TypedDocument{Name: w.name, Version: w.version, Chain: w.chain, Contract: w.contract, Primary: w.primary}
		label := scope{v.p.charter, w.chain}.label(w.contract)
		if x := v.deniedDocument(doc); x != nil {
			a.Closed = append(a.Closed, Closed{label, w.primary, "denied by " + v.r.at(x)})
			continue
		}
		grants := []grant{{charter: r}}
		if m := v.p.member; m != nil && m.rules.narrow {
			grants = nil
			for _, b := range m.rules.words {
				if b.allow && b.message.misses(signData, doc) == "" {
					grants = append(grants, grant{r, b})
				}
			}
		}
		for _, g := range grants {
			d := Way{Verdict: VerdictUnknown, Contract: label, Function: w.primary, Action: signData.name, File: v.r.file(r), Line: r.pos.Line,
				Effect: "is typed data, and what the contract does with its signature is not known", Example: v.document(g)}
			for _, x := range g.rules() {
				d.Rules = append(d.Rules, v.r.at(x))
			}
			if q.what == 0 && d.Example != nil && slices.ContainsFunc(v.protected, func(k *Contract) bool { return k.Chain == w.chain && k.Address == w.contract }) {
				d.Verdict, d.Effect = VerdictYes, "is a signature for a protected contract"
			}
			a.Open = append(a.Open, d)
		}
	}
}

// deniedDocument finds an explicit deny of such documents.
func (v *prover) deniedDocument(doc council.TypedDocument) *rule {
	for _, s := range v.p.sets() {
		for _, r := range s.words {
			if !r.allow && r.about(signData, doc) {
				return r
			}
		}
	}
	return nil
}

// document makes typed data that rules are about, and keeps it if Evaluate allows
// it.
func (v *prover) document(g grant) *Witness {
	w, validity := g.charter.message, g.charter.limits.validity
	for _, r := range g.rules() {
		validity = min(validity, r.limits.validity)
	}
	t := council.TypedData{Chain: w.chain, Document: w.document(), Reason: exampleReason}
	for _, lasts := range exampleLives(validity) {
		t.ValidUntil = exampleNow + lasts
		in := Input{Intent: t, History: &History{}, From: v.from, Now: exampleNow, Head: exampleHead}
		if d := v.p.Evaluate(in); d.Allow {
			return &Witness{Intent: t, To: w.contract, Sentence: d.Sentence, Rule: d.Rule, Approvals: d.Approvals, input: in}
		}
	}
	return nil
}
