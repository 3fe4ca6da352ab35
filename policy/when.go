package policy

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/millicent-one/signer/internal/strict"
)

// whenFile is an expression as written. It remembers how, so that a mistake
// inside it has a place of its own.
type whenFile struct {
	text  string
	pos   strict.Pos
	block bool   // begins below its own line: | or >
	data  []byte // of the file
}

// UnmarshalStrict implements strict.Unmarshaler.
func (w *whenFile) UnmarshalStrict(n *yaml.Node) error {
	if n.Kind != yaml.ScalarNode || n.Tag == "!!null" {
		return strict.At("", n, "", "write it as text: when: tx.gas < 200000", "when: want a condition")
	}
	w.text, w.pos = strings.TrimRight(n.Value, "\n"), strict.PosOf(n)
	w.block = n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0
	return nil
}

// ownText gives the expressions of a file their file.
func ownText(rules []ruleFile, data []byte) {
	for i := range rules {
		rules[i].When.data = data
	}
}

// at is the place in the file of a character of the expression; line counts from
// 1, column from 0, in characters. YAML folds lines, takes indentation away and
// resolves quotes, so it walks through both texts side by side. Where it loses
// its way, the beginning of the expression has to do.
func (w *whenFile) at(line, column int) strict.Pos {
	lines := bytes.SplitAfter(w.data, []byte("\n"))
	if w.pos.Line > len(lines) {
		return w.pos
	}
	pos := w.pos
	if w.block {
		pos = strict.Pos{Line: pos.Line + 1, Col: 1}
	}
	var src []byte
	for _, l := range lines[pos.Line-1:] {
		src = append(src, l...)
		if len(src) > 4*MaxWhen {
			break
		}
	}
	for range pos.Col - 1 {
		_, n := utf8.DecodeRune(src)
		src = src[n:]
	}
	next := func() {
		r, n := utf8.DecodeRune(src)
		src = src[n:]
		if pos.Col++; r == '\n' {
			pos = strict.Pos{Line: pos.Line + 1, Col: 1}
		}
	}
	quote := byte(0)
	if !w.block && len(src) > 0 && (src[0] == '"' || src[0] == '\'') {
		quote = src[0]
		next()
	}
	space := func(r rune) bool { return r == ' ' || r == '\n' || r == '\r' || r == '\t' }
	row, col := 1, 0
	for _, want := range w.text {
		r, _ := utf8.DecodeRune(src)
		if !space(want) {
			for len(src) > 0 && space(r) {
				next()
				r, _ = utf8.DecodeRune(src)
			}
			if quote == '"' && r == '\\' || quote == '\'' && strings.HasPrefix(string(src), "''") {
				next()
				r, _ = utf8.DecodeRune(src)
			}
			if r != want {
				return w.pos
			}
		}
		if row == line && col == column {
			return pos
		}
		if !space(want) || space(r) && want != '\n' {
			next()
		}
		if col++; want == '\n' {
			row, col = row+1, 0
		}
	}
	return pos
}

// parseWhen reads the rule's expression, if it has one.
func (b *ruleCompiler) parseWhen() (err error) {
	if b.f.When.pos.Set() {
		b.parsed, err = b.exprs.parse(b, &b.f.When)
	}
	return err
}

// when compiles the rule's expression for one function of a contract, or for
// the empty transaction, where fn is nil. Lacking names an argument that the
// expression asks for and the function does not have.
func (b *ruleCompiler) when(chain uint64, fn *Function) (x *expression, lacking *mention, err error) {
	if b.parsed == nil {
		return nil, nil, nil
	}
	if m, ok := b.parsed.lacks(fn); ok {
		return nil, &m, nil
	}
	x, err = b.exprs.compile(b, &b.f.When, b.parsed, chain, fn)
	return x, nil, err
}

// bindCancel binds a deny rule to the built-in cancel-nonce, which has no
// contract and so no chain of its own.
func (b *ruleCompiler) bindCancel() error {
	m := meaning{nil, cancelNonce}
	for _, name := range sortedKeys(b.chains) {
		id := b.chains[name]
		if !b.f.When.pos.Set() || len(b.r.on) > 0 && !b.r.on[id] {
			continue
		}
		x, lacking, err := b.when(id, nil)
		if err != nil || lacking != nil {
			return err
		}
		if b.r.cancel == nil {
			b.r.cancel = map[uint64]*expression{}
		}
		b.r.cancel[id] = x
	}
	b.r.bind[m] = nil
	b.r.keys = append(b.r.keys, m)
	return nil
}

// says evaluates the rule's expression for a call that it speaks of.
func (r *rule) says(e *evaluation, c *Call, m meaning) verdict {
	if m.fn == nil && r.cancel != nil {
		x := r.cancel[e.t.Chain]
		if x == nil {
			return verdict{}
		}
		return e.asks(x, c)
	}
	return e.asks(r.when[m], c)
}

// oneLine is the expression as messages quote it: on one line, bounded, ASCII.
func oneLine(text string) string {
	s := []byte(clip(strings.Join(strings.Fields(text), " "), 240))
	for i, c := range s {
		if c < 0x20 || c > 0x7e {
			s[i] = '?'
		}
	}
	return string(s)
}

// verdict is what an expression says of a call.
type verdict struct {
	holds bool
	fault string // why it says nothing; "" if it does
}

// allows and denies are what a verdict means in a rule of either effect: what
// can't be answered opens nothing.
func (v verdict) allows() bool { return v.holds && v.fault == "" }
func (v verdict) denies() bool { return v.holds || v.fault != "" }

// explain says why an expression does not let an allow rule pass.
func (x *expression) explain(v verdict) (reason, hint string) {
	if v.fault != "" {
		return x.unanswered(v), "propose a call of which it can be answered; what can't be answered is denied"
	}
	return fmt.Sprintf("the condition when: %s (%s) is false", x.text, x.place), "propose it so that the condition holds"
}

func (x *expression) unanswered(v verdict) string {
	if x == nil {
		return "the condition when: can't be answered: " + v.fault
	}
	return fmt.Sprintf("the condition when: %s (%s) can't be answered: %s", x.text, x.place, v.fault)
}
