package policy

import (
	"fmt"
	"strings"

	"github.com/ethereum/go-ethereum/common"
)

// template is the sentence of an action: words with places for the contract,
// for arguments by name, and for the calls inside.
type template struct {
	text  string
	parts []part
}

type part struct {
	words string // literal, when slot is empty
	slot  string // "contract", "calls" or a parameter's name
	form  string // "", "time", "amount" or "role"
}

// parseTemplate reads "Grant {role:role} to {account} on {contract}".
func parseTemplate(s string) (template, error) {
	t := template{text: s}
	if s == "" || len(s) > MaxTemplate {
		return t, fmt.Errorf("sentence has %d bytes; want 1 to %d", len(s), MaxTemplate)
	}
	for _, r := range s {
		if r < 0x20 || r > 0x7e {
			return t, fmt.Errorf("sentence holds %+q; want printable ASCII, so that it reads the same on every screen", r)
		}
		if r == '|' { // it parts the fields under the catalogue's hash
			return t, fmt.Errorf("sentence holds '|', which is kept for the catalogue's hash")
		}
	}
	for rest := s; rest != ""; {
		words, after, found := strings.Cut(rest, "{")
		if strings.Contains(words, "}") {
			return t, fmt.Errorf("sentence: a closing brace without an opening one")
		}
		if words != "" {
			t.parts = append(t.parts, part{words: words})
		}
		if !found {
			break
		}
		slot, next, closed := strings.Cut(after, "}")
		if !closed || strings.Contains(slot, "{") {
			return t, fmt.Errorf("sentence: {%s is not closed", clip(slot, 40))
		}
		name, form, _ := strings.Cut(slot, ":")
		switch form {
		case "", "time", "amount", "role":
		default:
			return t, fmt.Errorf("sentence: {%s}: form %q: want time, amount or role", clip(slot, 40), form)
		}
		t.parts = append(t.parts, part{slot: name, form: form})
		rest = next
	}
	return t, nil
}

const templateHint = "write it in the manner of: Grant {role:role} to {account} on {contract}"

// fits checks that every place can be filled from f.
func (t template) fits(f *Function) error {
	for _, p := range t.parts {
		if p.slot == "" || p.slot == "contract" || p.slot == "calls" {
			continue
		}
		i := f.param(p.slot)
		if i < 0 {
			return fmt.Errorf("sentence names {%s}, which %s does not have", p.slot, f)
		}
		k := f.Params[i].typ.kind
		if (p.form == "time" || p.form == "amount") && k != kindUint || p.form == "role" && (k != kindFixedBytes || f.Params[i].typ.size != 32) && k != kindUint {
			return fmt.Errorf("sentence: {%s:%s} does not suit type %s", p.slot, p.form, f.Params[i].Type)
		}
	}
	return nil
}

// fill writes the sentence. Positions of arguments are those of f, the
// catalogue's reading of the function; vals are in the same order.
func (t template) fill(f *Function, vals []value, contract, calls string, n names) string {
	var b strings.Builder
	listed := false
	for _, p := range t.parts {
		switch {
		case p.slot == "":
			b.WriteString(p.words)
		case p.slot == "contract":
			b.WriteString(contract)
		case p.slot == "calls":
			listed = true
			b.WriteString(calls)
		default:
			b.WriteString(vals[f.param(p.slot)].form(p.form, n))
		}
	}
	if !listed && calls != "" {
		b.WriteString(": " + calls)
	}
	return b.String()
}

func (v value) form(form string, n names) string {
	switch {
	case form == "time":
		return showSeconds(v.number())
	case form == "amount":
		return showWei(v.number())
	case form == "role" && v.typ.kind == kindFixedBytes:
		if name, ok := roleNames[common.Hash(v.word)]; ok {
			return name + " (" + common.Hash(v.word).Hex() + ")"
		}
	}
	return v.show(n)
}
