package policy

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"go.yaml.in/yaml/v3"

	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/internal/strict"
)

// The council's address in all cases, and the moment at which they are judged.
var (
	caseFrom = common.HexToAddress("0x00000000000000000000000000000000000000C0")
	caseNow  = uint64(1_900_000_000)
	caseHead = uint64(1000)
)

// SampleCharter is what a file of cases names to be about the charter that this
// program ships.
const SampleCharter = "sample"

// caseFile is a table of cases: what is proposed, and what a policy has to say.
type caseFile struct {
	Charter strict.Value[string] `yaml:"charter" strict:"required"` // path, relative to the file; or "sample"
	Actions strict.Value[string] `yaml:"actions"`                   // path; "" for the catalogue of this program
	Policy  strict.Value[string] `yaml:"policy"`                    // path of a member's policy; "" for none
	Cases   []caseYAML           `yaml:"cases" strict:"required"`
}

type caseYAML struct {
	Name      strict.Value[string]            `yaml:"name" strict:"required"`
	Chain     strict.Value[uint64]            `yaml:"chain"` // default: the charter's first
	To        strict.Value[string]            `yaml:"to"`    // contract, address, or council
	Call      strict.Value[string]            `yaml:"call"`
	Args      []yaml.Node                     `yaml:"args"`
	Data      strict.Value[string]            `yaml:"data"`
	Append    strict.Value[string]            `yaml:"append"`
	Set       map[string]strict.Value[string] `yaml:"set"` // offset: bytes
	Playbook  strict.Value[string]            `yaml:"playbook"`
	Params    map[string]strict.Value[string] `yaml:"params"`
	Statement strict.Value[string]            `yaml:"statement"`
	TypedData strict.Value[string]            `yaml:"typed_data"` // the document's JSON
	Value     strict.Value[string]            `yaml:"value"`
	Gas       strict.Value[uint64]            `yaml:"gas"`
	Fee       strict.Value[string]            `yaml:"fee"`
	Tip       strict.Value[string]            `yaml:"tip"`
	Valid     strict.Value[string]            `yaml:"valid"`
	Reason    strict.Value[string]            `yaml:"reason"`
	Facts     struct {
		Simulation string                          `yaml:"simulation"` // ok, none, or a revert's reason
		Block      uint64                          `yaml:"block"`
		Chain      uint64                          `yaml:"chain"`
		Code       map[string]strict.Value[string] `yaml:"code"`
		pinsFile   `yaml:",inline"`
		Lacks      []strict.Value[string] `yaml:"lacks"` // roles that callers do not have
		Sight      strict.Value[string]   `yaml:"sight"` // outcome, moves or state; default: state
		Moves      []moveFile             `yaml:"moves"`
		Changes    []strict.Value[string] `yaml:"changes"` // account:slot=value; default: what the proposal expects
	} `yaml:"facts"`
	Now       strict.Value[string]   `yaml:"now"` // such as 2031-07-01 09:30, in UTC
	Expect    []strict.Value[string] `yaml:"expect"`
	History   historyFile            `yaml:"history"`
	Member    strict.Value[string]   `yaml:"member"` // the text of a member's policy, instead of the file's
	Rule      string                 `yaml:"rule" strict:"required"`
	Allow     bool                   `yaml:"allow"`
	Contains  string                 `yaml:"contains"` // in the reason
	Sentence  string                 `yaml:"sentence"`
	Approvals int                    `yaml:"approvals"`
	Class     string                 `yaml:"class"`
}

// Cases is a table of cases that has been read.
type Cases struct {
	name string
	file caseFile
}

// LoadCases reads a table of cases. Errors are *strict.Error with place and hint;
// what only the charter can tell (names, functions, arguments) Judge finds.
func LoadCases(file string, data []byte) (*Cases, error) {
	s := &Cases{name: file}
	if err := strict.Decode(file, data, &s.file); err != nil {
		return nil, err
	}
	seen := map[string]int{}
	for i := range s.file.Cases {
		c := &s.file.Cases[i]
		if first, ok := seen[c.Name.V]; ok {
			return nil, c.Name.Pos.Errorf(file, fmt.Sprintf("cases[%d].name", i), "give every case a name of its own; failures are reported by it", "duplicate case %q, first on line %d", c.Name.V, first)
		}
		seen[c.Name.V] = c.Name.Pos.Line
		if err := c.shape(file, fmt.Sprintf("cases[%d]", i)); err != nil {
			return nil, err
		}
	}
	if len(s.file.Cases) == 0 {
		return nil, s.file.Charter.Pos.Errorf(file, "cases", "see 'signer policy sample cases'", "no cases")
	}
	return s, nil
}

// Charter, Actions and Policy are the files that the table names, as it writes
// them; relative paths are relative to the table. Charter may be SampleCharter,
// and the other two may be "".
func (s *Cases) Charter() string { return s.file.Charter.V }

// Actions is the catalogue's path.
func (s *Cases) Actions() string { return s.file.Actions.V }

// Policy is the member policy's path.
func (s *Cases) Policy() string { return s.file.Policy.V }

// Len is the number of cases.
func (s *Cases) Len() int { return len(s.file.Cases) }

// shape checks what needs no charter: one thing is proposed.
func (c *caseYAML) shape(file, path string) error {
	const one = "give one of to, playbook, statement and typed_data"
	kinds := 0
	for _, p := range []strict.Pos{c.To.Pos, c.Playbook.Pos, c.Statement.Pos, c.TypedData.Pos} {
		if p.Set() {
			kinds++
		}
	}
	if c.Playbook.Pos.Set() && c.To.Pos.Set() {
		kinds-- // the playbook's target
	}
	switch {
	case kinds != 1:
		return c.Name.Pos.Errorf(file, path, one, "case %q proposes %d things; want one", c.Name.V, kinds)
	case c.Call.Pos.Set() && c.Data.Pos.Set():
		return c.Data.Pos.Errorf(file, path+".data", "keep one of the two", "call and data together")
	case len(c.Args) > 0 && !c.Call.Pos.Set():
		return c.Name.Pos.Errorf(file, path+".args", "add call: with the function's signature", "case %q has arguments and no function", c.Name.V)
	case len(c.Params) > 0 && !c.Playbook.Pos.Set():
		return c.Name.Pos.Errorf(file, path+".params", "add playbook: with its name", "case %q has parameters and no playbook", c.Name.V)
	case c.Class != "" && c.Class != string(Restrictive) && c.Class != string(Permissive):
		return c.Name.Pos.Errorf(file, path+".class", "write restrictive or permissive", "unknown class %q", c.Class)
	case c.Approvals != 0 && !c.Allow:
		return c.Name.Pos.Errorf(file, path+".approvals", "add allow: true, or remove approvals", "case %q wants approvals of a refusal", c.Name.V)
	}
	return nil
}

// CaseResult is what came of one case.
type CaseResult struct {
	Name     string       `json:"name"`
	File     string       `json:"file"`
	Line     int          `json:"line"`
	OK       bool         `json:"ok"`
	Wrong    []Mismatch   `json:"wrong,omitempty"`
	Decision Decision     `json:"decision"`
	Why      *Explanation `json:"why,omitempty"` // of a case that failed
}

// Mismatch is an expectation that was not met.
type Mismatch struct {
	What string `json:"what"` // verdict, rule, reason, sentence, approvals, class
	Want string `json:"want"`
	Got  string `json:"got"`
}

// Judge runs all cases against a charter, with a member's policy or nil on top.
// An error is a mistake in the table, a *strict.Error; a case that fails is none.
func (s *Cases) Judge(ch *Charter, m *Member) ([]CaseResult, error) {
	out := make([]CaseResult, len(s.file.Cases))
	for i := range s.file.Cases {
		c := &s.file.Cases[i]
		p, in, err := s.bind(i, ch, m)
		if err != nil {
			return nil, err
		}
		r := CaseResult{Name: c.Name.V, File: s.name, Line: c.Name.Pos.Line, Decision: p.Evaluate(in)}
		r.Wrong = c.compare(r.Decision)
		if r.OK = len(r.Wrong) == 0; !r.OK {
			r.Why = p.Explain(in)
		}
		out[i] = r
	}
	return out, nil
}

// Explain explains the case of that name; "" for the only one.
func (s *Cases) Explain(name string, ch *Charter, m *Member) (*Explanation, error) {
	i := slices.IndexFunc(s.file.Cases, func(c caseYAML) bool { return c.Name.V == name })
	if name == "" && len(s.file.Cases) == 1 {
		i = 0
	}
	if i < 0 {
		var known []string
		for _, c := range s.file.Cases {
			known = append(known, c.Name.V)
		}
		if name == "" {
			return nil, council.WithHint(fmt.Errorf("%s has %d cases", s.name, len(known)), "name the one to explain")
		}
		return nil, council.WithHint(fmt.Errorf("%s has no case %q%s", s.name, clip(name, 80), mean(name, known)), "the names stand behind 'name:' in the file")
	}
	p, in, err := s.bind(i, ch, m)
	if err != nil {
		return nil, err
	}
	return p.Explain(in), nil
}

// bind makes a case's policy and what it gives to Evaluate.
func (s *Cases) bind(i int, ch *Charter, m *Member) (*Policy, Input, error) {
	c := &s.file.Cases[i]
	b := caseBuilder{file: s.name, path: fmt.Sprintf("cases[%d]", i), c: c, ch: ch}
	in, err := b.input()
	if err == nil && c.Member.Pos.Set() {
		var bad error
		if m, bad = LoadMember("member", []byte(c.Member.V), ch); bad != nil {
			err = b.errorf(c.Member.Pos, "member", council.Hint(bad), "the policy within: %v", bad)
		}
	}
	p := New(ch, m)
	if err == nil {
		err = b.well(p, in)
	}
	return p, in, err
}

// compare lists what is not as the case wants it.
func (c *caseYAML) compare(d Decision) (out []Mismatch) {
	differ := func(ok bool, what, want, got string) {
		if !ok {
			out = append(out, Mismatch{what, want, got})
		}
	}
	verdict := map[bool]string{true: "allow", false: "deny"}
	differ(d.Allow == c.Allow, "verdict", verdict[c.Allow], verdict[d.Allow])
	differ(d.Rule == c.Rule, "rule", c.Rule, d.Rule)
	differ(strings.Contains(d.Reason, c.Contains), "reason", "…"+c.Contains+"…", d.Reason)
	differ(c.Sentence == "" || d.Sentence == c.Sentence, "sentence", c.Sentence, d.Sentence)
	differ(c.Approvals == 0 || d.Approvals == c.Approvals, "approvals", strconv.Itoa(c.Approvals), strconv.Itoa(d.Approvals))
	differ(c.Class == "" || string(d.Class) == c.Class, "class", c.Class, string(d.Class))
	return out
}
