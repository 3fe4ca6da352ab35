package policy

import (
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/internal/strict"
)

// shipped is the table that comes with the charter.
const shipped = "../configs/charter-cases.yaml"

// input is what a case gives to Evaluate.
func (c caseYAML) input(t testing.TB, ch *Charter) Input {
	t.Helper()
	b := caseBuilder{file: c.Name.V, c: &c, ch: ch}
	in, err := b.input()
	if err == nil {
		err = b.well(New(ch, nil), in)
	}
	if err != nil {
		t.Fatal(err)
	}
	return in
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.TrimPrefix(s, "0x"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func loadCases(t testing.TB, file string) caseFile {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	s, err := LoadCases(file, b)
	if err != nil {
		t.Fatal(err)
	}
	return s.file
}

func wideCharter(t testing.TB) *Charter { return charterOf(t, "testdata/wide.yaml") }

func languageCharter(t testing.TB) *Charter { return charterOf(t, "testdata/language.yaml") }

func charterOf(t testing.TB, file string) *Charter {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	c, err := LoadCharter(file, b, sampleActions(t))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestCases(t *testing.T) {
	for file, ch := range map[string]*Charter{shipped: sampleCharter(t), "testdata/wide-cases.yaml": wideCharter(t), "testdata/language-cases.yaml": languageCharter(t), "testdata/chain-cases.yaml": charterOf(t, "testdata/chain.yaml")} {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		s, err := LoadCases(file, b)
		if err != nil {
			t.Fatal(err)
		}
		results, err := s.Judge(ch, nil)
		if err != nil {
			t.Fatal(err)
		}
		if file == shipped && len(results) < 60 {
			t.Errorf("%d cases come with the charter; want at least 60", len(results))
		}
		for i, r := range results {
			t.Run(r.Name, func(t *testing.T) {
				for _, w := range r.Wrong {
					t.Errorf("%s:%d: %s %s; want %s", r.File, r.Line, w.What, w.Got, w.Want)
				}
				p, in, err := s.bind(i, ch, nil)
				if err != nil {
					t.Fatal(err)
				}
				d := r.Decision
				if !d.Allow && (d.Reason == "" || d.Hint == "" || d.Approvals != 0) {
					t.Errorf("a refusal without reason or hint: %+v", d)
				}
				if !printable(d.Sentence) || len(d.Sentence) > council.MaxSentence {
					t.Errorf("sentence is not fit to be signed: %q", d.Sentence)
				}
				if again := p.Evaluate(in); again != d {
					t.Errorf("second answer differs: %+v", again)
				}
				if d.Allow {
					needsSuffice(t, p, in)
				}
			})
		}
	}
}

// needsSuffice checks that Needs asks for all that an allow rests on.
func needsSuffice(t *testing.T, p *Policy, in Input) {
	t.Helper()
	have := map[council.Query]council.Answer{}
	for _, q := range p.Needs(in.Intent) {
		if a, ok := in.Facts.Answers[q]; ok {
			have[q] = a
		}
	}
	in.Facts.Answers = have
	if d := p.Evaluate(in); !d.Allow {
		t.Errorf("with the facts of Needs alone: %s", d.Reason)
	}
}

func printable(s string) bool {
	for i := range len(s) {
		if s[i] < 0x20 || s[i] > 0x7e {
			return false
		}
	}
	return s != ""
}

func TestCasesFailWithAReason(t *testing.T) {
	const table = `charter: sample
cases:
  - name: the bridge can't be paused
    to: bridge
    call: pause()
    rule: default/no-rule
    class: permissive
  - {name: five approvals, to: bridge, call: pause(), allow: true, rule: charter/pause, approvals: 5, sentence: Pause, contains: by member}
  - {name: fine, playbook: pause, to: bridge, allow: true, rule: charter/pause}
`
	s, err := LoadCases("cases.yaml", []byte(table))
	if err != nil {
		t.Fatal(err)
	}
	results, err := s.Judge(sampleCharter(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	got := ""
	for _, r := range results {
		got += fmt.Sprintf("%s:%d %v explained %v\n", r.File, r.Line, r.OK, r.Why != nil)
		for _, w := range r.Wrong {
			got += fmt.Sprintf("  %s: want %s, got %s\n", w.What, w.Want, w.Got)
		}
	}
	want := `cases.yaml:3 false explained true
  verdict: want deny, got allow
  rule: want default/no-rule, got charter/pause
  class: want permissive, got restrictive
cases.yaml:8 false explained true
  reason: want …by member…, got allowed by charter/pause
  sentence: want Pause, got On mainnet (chain 1): Pause bridge (0x2222222222222222222222222222222222222222)
  approvals: want 5, got 4
cases.yaml:9 true explained false
`
	if got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	for _, bad := range []string{"", "charter: x\ncases: []\n"} {
		if _, err := LoadCases("cases.yaml", []byte(bad)); err == nil || council.Hint(err) == "" {
			t.Errorf("%q: %v", bad, err)
		}
	}
	for name, want := range map[string]string{"": "has 3 cases", "fin": `has no case "fin" (did you mean "fine"?)`} {
		if _, err := s.Explain(name, sampleCharter(t), nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("explain %q: %v", name, err)
		}
	}
	if x, err := s.Explain("fine", sampleCharter(t), nil); err != nil || !x.Verdict() {
		t.Errorf("explain fine: %v, %v", x, err)
	}
}

// FuzzLoadCases throws bytes at the loader and at what builds inputs of them.
func FuzzLoadCases(f *testing.F) {
	for _, file := range []string{shipped, "testdata/wide-cases.yaml"} {
		b, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		head, _, _ := strings.Cut(string(b), "cases:")
		for line := range strings.Lines(string(b)) {
			if strings.HasPrefix(line, "  - {") && strings.HasSuffix(line, "}\n") {
				f.Add([]byte(head + "cases:\n" + line))
			}
		}
	}
	c := sampleCharter(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := LoadCases("x", b)
		if err == nil {
			_, err = s.Judge(c, nil)
		}
		var e *strict.Error
		if err != nil && (!errors.As(err, &e) || e.File != "x") {
			t.Fatalf("an error without a place: %v", err)
		}
	})
}
