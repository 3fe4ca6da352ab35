package policy

import (
	"encoding/hex"
	"fmt"
	"math/big"
	"os"
	"strings"
	"testing"

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

type caseFile struct {
	Charter string     `yaml:"charter"`
	Cases   []caseYAML `yaml:"cases"`
}

type caseYAML struct {
	Name   string            `yaml:"name" strict:"required"`
	Chain  uint64            `yaml:"chain"`
	To     string            `yaml:"to" strict:"required"`
	Call   string            `yaml:"call"`
	Args   []yaml.Node       `yaml:"args"`
	Data   string            `yaml:"data"`
	Append string            `yaml:"append"`
	Set    map[string]string `yaml:"set"` // offset: bytes
	Value  string            `yaml:"value"`
	Gas    uint64            `yaml:"gas"`
	Fee    string            `yaml:"fee"`
	Tip    string            `yaml:"tip"`
	Valid  string            `yaml:"valid"`
	Reason string            `yaml:"reason"`
	Facts  struct {
		Simulation string            `yaml:"simulation"` // ok, none, or a revert's reason
		Block      uint64            `yaml:"block"`
		Chain      uint64            `yaml:"chain"`
		Code       map[string]string `yaml:"code"`
	} `yaml:"facts"`
	Member    string `yaml:"member"`
	Rule      string `yaml:"rule" strict:"required"`
	Allow     bool   `yaml:"allow"`
	Contains  string `yaml:"contains"`
	Sentence  string `yaml:"sentence"`
	Approvals int    `yaml:"approvals"`
	Class     string `yaml:"class"`
}

// build makes a value of a type from YAML: lists for lists and structs, a
// mapping {call, args} for calldata within bytes.
func build(t testing.TB, typ *abiType, n *yaml.Node, s scope) value {
	t.Helper()
	v := value{typ: typ}
	switch {
	case n.Kind == yaml.SequenceNode:
		for i, c := range n.Content {
			e := typ.elem
			if typ.kind == kindTuple {
				e = typ.fields[i].typ
			}
			v.items = append(v.items, build(t, e, c, s))
		}
		return v
	case n.Kind == yaml.MappingNode:
		var in caseYAML
		if err := n.Decode(&in); err != nil {
			t.Fatal(err)
		}
		v.raw = in.calldata(t, s)
		return v
	}
	v, err := readValue(typ, n.Value, s)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.TrimPrefix(s, "0x"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func (c caseYAML) calldata(t testing.TB, s scope) []byte {
	t.Helper()
	data := unhex(t, c.Data)
	if c.Call != "" {
		f, err := ParseFunction(c.Call)
		if err != nil {
			t.Fatal(err)
		}
		vals := make([]value, len(c.Args))
		for i := range c.Args {
			vals[i] = build(t, f.Params[i].typ, &c.Args[i], s)
		}
		if data, err = f.encode(vals); err != nil {
			t.Fatal(err)
		}
	}
	for at, b := range c.Set {
		var i int
		if _, err := fmt.Sscan(at, &i); err != nil {
			t.Fatal(err)
		}
		copy(data[i:], unhex(t, b))
	}
	return append(data, unhex(t, c.Append)...)
}

func orElse(s, def string) string {
	if s == "" {
		return def
	}
	return s
}

func (c caseYAML) input(t testing.TB, ch *Charter) Input {
	t.Helper()
	if c.Chain == 0 {
		c.Chain = 1
	}
	s := scope{ch, c.Chain}
	address := func(name string) common.Address {
		if name == councilName {
			return caseFrom
		}
		a, ok := s.resolve(name)
		if !ok {
			a = common.HexToAddress(name)
		}
		return a
	}
	wei := func(v, def string) *big.Int {
		w, err := ParseWei(orElse(v, def))
		if err != nil {
			t.Fatal(err)
		}
		return w
	}
	valid, err := ParseSeconds(orElse(c.Valid, "1h"))
	if err != nil {
		t.Fatal(err)
	}
	if c.Gas == 0 {
		c.Gas = 100_000
	}
	tx := council.Transaction{Chain: c.Chain, To: address(c.To), Value: wei(c.Value, "0"), Data: c.calldata(t, s), MaxGas: c.Gas,
		MaxFeePerGas: wei(c.Fee, "50 gwei"), MaxTipPerGas: wei(c.Tip, "1 gwei"), ValidUntil: caseNow + valid, Reason: c.Reason}
	f := council.Facts{Chain: c.Chain, Block: caseHead, Answers: map[council.Query]council.Answer{}}
	if c.Facts.Block != 0 {
		f.Block = c.Facts.Block
	}
	if c.Facts.Chain != 0 {
		f.Chain = c.Facts.Chain
	}
	if sim := orElse(c.Facts.Simulation, "ok"); sim != "none" {
		f.Answers[council.Query{Kind: council.QuerySimulation}] = council.Answer{OK: sim == "ok", Detail: sim}
	}
	for name, h := range c.Facts.Code {
		f.Answers[council.Query{Kind: council.QueryCodeHash, Address: address(name)}] = council.Answer{Word: common.HexToHash(h)}
	}
	return Input{Intent: tx, From: caseFrom, Facts: f, Now: caseNow, Head: caseHead}
}

func loadCases(t testing.TB, file string) caseFile {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var f caseFile
	if err := strict.Decode(file, b, &f); err != nil {
		t.Fatal(err)
	}
	return f
}

func wideCharter(t testing.TB) *Charter {
	t.Helper()
	b, err := os.ReadFile("testdata/wide.yaml")
	if err != nil {
		t.Fatal(err)
	}
	c, err := LoadCharter("testdata/wide.yaml", b, sampleActions(t))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestCases(t *testing.T) {
	total := 0
	for file, ch := range map[string]*Charter{"testdata/sample-cases.yaml": sampleCharter(t), "testdata/wide-cases.yaml": wideCharter(t)} {
		for _, c := range loadCases(t, file).Cases {
			total++
			t.Run(c.Name, func(t *testing.T) {
				var m *Member
				if c.Member != "" {
					var err error
					if m, err = LoadMember("member.yaml", []byte(c.Member), ch); err != nil {
						t.Fatal(err)
					}
				}
				p, in := New(ch, m), c.input(t, ch)
				d := p.Evaluate(in)
				if d.Allow != c.Allow || d.Rule != c.Rule || !strings.Contains(d.Reason, c.Contains) {
					t.Fatalf("allow %v by %s: %s (%s)\nwant %v by %s: …%s…", d.Allow, d.Rule, d.Reason, d.Hint, c.Allow, c.Rule, c.Contains)
				}
				if c.Sentence != "" && d.Sentence != c.Sentence {
					t.Errorf("sentence\n got %s\nwant %s", d.Sentence, c.Sentence)
				}
				if c.Approvals != 0 && d.Approvals != c.Approvals {
					t.Errorf("%d approvals; want %d", d.Approvals, c.Approvals)
				}
				if c.Class != "" && string(d.Class) != c.Class {
					t.Errorf("class %s; want %s", d.Class, c.Class)
				}
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
	if total < 60 {
		t.Errorf("%d cases; want at least 60", total)
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
