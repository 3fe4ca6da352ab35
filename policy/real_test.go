package policy

import (
	"bytes"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/internal/strict"
)

// realCase is calldata that councils have signed or been offered.
type realCase struct {
	Name       string            `yaml:"name" strict:"required"`
	Source     string            `yaml:"source"` // of the calldata; built here if empty
	To         string            `yaml:"to" strict:"required"`
	Data       string            `yaml:"data"`
	Nest       int               `yaml:"nest"`    // so many multicalls around the data
	Zeros      int               `yaml:"zeros"`   // bytes after the data
	Code       map[string]string `yaml:"code"`    // code hash by address
	Storage    []string          `yaml:"storage"` // words on chain, as ADDRESS:SLOT=WORD
	Simulation string            `yaml:"simulation"`
	Allow      bool              `yaml:"allow"`
	Rule       string            `yaml:"rule" strict:"required"`
	Reason     string            `yaml:"reason" strict:"required"`
	Sentence   string            `yaml:"sentence"`
}

func (k realCase) input(t testing.TB, c *Charter) Input {
	t.Helper()
	to, ok := c.Contract(k.To)
	if !ok {
		t.Fatalf("no contract %s", k.To)
	}
	data := unhex(t, k.Data)
	for range k.Nest {
		data = pack(t, scope{c, 1}, "multicall(bytes[])", [][]byte{data})
	}
	data = append(data, make([]byte, k.Zeros)...)
	f := council.Facts{Chain: 1, Block: caseHead, Answers: map[council.Query]council.Answer{
		{Kind: council.QuerySimulation}: {OK: k.Simulation == "", Detail: k.Simulation},
	}}
	for a, h := range k.Code {
		f.Answers[council.Query{Kind: council.QueryCodeHash, Address: common.HexToAddress(a)}] = council.Answer{Word: common.HexToHash(h)}
	}
	for _, s := range k.Storage {
		x, err := council.ParseExpected(s)
		if err != nil {
			t.Fatal(err)
		}
		f.Answers[council.Query{Kind: council.QueryStorage, Address: x.Account, Slot: x.Slot}] = council.Answer{OK: true, Word: x.Value}
	}
	return Input{From: caseFrom, Now: caseNow, Head: caseHead, Facts: f, Intent: council.Transaction{Chain: 1, To: to.Address, Value: new(big.Int), Data: data,
		MaxGas: 1_000_000, MaxFeePerGas: big.NewInt(1e9), MaxTipPerGas: new(big.Int), ValidUntil: caseNow + 3600}}
}

func realCharter(t testing.TB) *Charter {
	t.Helper()
	b, err := os.ReadFile("testdata/real/charter.yaml")
	if err != nil {
		t.Fatal(err)
	}
	c, err := LoadCharter("charter.yaml", b, sampleActions(t))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func realCases(t testing.TB) map[string][]realCase {
	t.Helper()
	files, err := filepath.Glob("testdata/real/*-cases.yaml")
	if err != nil || len(files) < 12 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	out := map[string][]realCase{}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var f struct {
			Cases []realCase `yaml:"cases" strict:"required"`
		}
		if err := strict.Decode(file, b, &f); err != nil {
			t.Fatal(err)
		}
		out[strings.TrimSuffix(filepath.Base(file), "-cases.yaml")] = f.Cases
	}
	return out
}

func TestRealCases(t *testing.T) {
	c := realCharter(t)
	p := New(c, nil)
	for file, cases := range realCases(t) {
		for _, k := range cases {
			t.Run(file+"/"+k.Name, func(t *testing.T) {
				d := p.Evaluate(k.input(t, c))
				if d.Allow != k.Allow || d.Rule != k.Rule || d.Reason != k.Reason {
					t.Errorf("allow %v by %s: %s\nwant %v by %s: %s", d.Allow, d.Rule, d.Reason, k.Allow, k.Rule, k.Reason)
				}
				if d.Sentence != k.Sentence {
					t.Errorf("sentence\n got %s\nwant %s", d.Sentence, k.Sentence)
				}
				if !d.Allow && d.Hint == "" {
					t.Error("no hint")
				}
			})
		}
	}
}

// One byte more, fewer or other, and nothing that was allowed becomes another
// call that is allowed by chance: it is denied, or it decodes to other arguments
// that encode to the very same bytes.
func TestRealCasesHaveOneEncoding(t *testing.T) {
	c := realCharter(t)
	p := New(c, nil)
	tried := 0
	for _, cases := range realCases(t) {
		for _, k := range cases {
			if !k.Allow || k.Nest > 0 {
				continue
			}
			in := k.input(t, c)
			tx := in.Intent.(council.Transaction)
			ask := func(data []byte) {
				tried++
				tx.Data = data
				in.Intent = tx
				if !p.Evaluate(in).Allow {
					return
				}
				root := c.read(tx)
				if again, err := root.fn.encode(root.values); err != nil || !bytes.Equal(again, data) {
					t.Errorf("%s: %x is allowed and encodes to %x", k.Name, data, again)
				}
			}
			data := tx.Data
			ask(append(bytes.Clone(data), 0))
			ask(append(bytes.Clone(data), make([]byte, 32)...))
			for n := range data {
				ask(data[:n])
				flipped := bytes.Clone(data)
				flipped[n] ^= 1
				ask(flipped)
				flipped[n] ^= 0x81
				ask(flipped)
			}
		}
	}
	if tried < 1000 {
		t.Errorf("%d tries", tried)
	}
}
