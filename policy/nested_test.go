package policy

import (
	"fmt"
	"math"
	"math/big"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/council"
)

// pack encodes a call; addresses may be names.
func pack(t testing.TB, s scope, signature string, args ...any) []byte {
	t.Helper()
	f := sig(signature)
	vals := make([]value, len(args))
	for i, a := range args {
		vals[i] = goValue(t, f.Params[i].typ, a, s)
	}
	b, err := f.encode(vals)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func goValue(t testing.TB, typ *abiType, a any, s scope) value {
	t.Helper()
	switch a := a.(type) {
	case []byte:
		return value{typ: typ, raw: a}
	case [][]byte:
		v := value{typ: typ}
		for _, b := range a {
			v.items = append(v.items, value{typ: typ.elem, raw: b})
		}
		return v
	}
	v, err := readValue(typ, fmt.Sprint(a), s)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func transaction(to common.Address, data []byte) council.Transaction {
	return council.Transaction{Chain: 1, To: to, Value: new(big.Int), Data: data, MaxGas: 100_000, MaxFeePerGas: big.NewInt(1e9),
		MaxTipPerGas: big.NewInt(1e9), ValidUntil: caseNow + 60}
}

func input(tx council.Transaction) Input {
	return Input{Intent: tx, From: caseFrom, Now: caseNow, Head: caseHead, Facts: council.Facts{Chain: 1, Block: caseHead,
		Answers: map[council.Query]council.Answer{{Kind: council.QuerySimulation}: {OK: true}}}}
}

func TestDeepAndWide(t *testing.T) {
	c := sampleCharter(t)
	s, p, protocol := scope{c, 1}, New(c, nil), c.byName["protocol"].Address
	nest := func(n int) []byte {
		data := pack(t, s, "pause()")
		for range n {
			data = pack(t, s, "multicall(bytes[])", [][]byte{data})
		}
		return data
	}
	batch := func(n int) []byte {
		calls := make([][]byte, n)
		for i := range calls {
			calls[i] = pack(t, s, "pause()")
		}
		return pack(t, s, "multicall(bytes[])", calls)
	}
	for _, k := range []struct {
		name  string
		data  []byte
		allow bool
		rule  string
	}{
		{"as deep as may be", nest(MaxDepth), true, "charter/together"},
		{"one deeper", nest(MaxDepth + 1), false, "decode/depth"},
		{"a hundred deep", nest(100), false, "decode/depth"},
		{"as many as may be", batch(MaxCalls - 1), true, "charter/together"},
		{"one more", batch(MaxCalls), false, "decode/count"},
		{"as much calldata as may be, none of it known", make([]byte, council.MaxCalldata), false, "decode/selector"},
		{"a megabyte", make([]byte, 1<<20), false, "default/intent"},
		{"a transfer below the depth of the list", func() []byte {
			data := pack(t, s, "transfer(address,uint256)", "bridge", 1)
			for range MaxDepth {
				data = pack(t, s, "multicall(bytes[])", [][]byte{data})
			}
			return data
		}(), false, "never/token-transfer"},
	} {
		t.Run(k.name, func(t *testing.T) {
			d := p.Evaluate(input(transaction(protocol, k.data)))
			if d.Allow != k.allow || d.Rule != k.rule {
				t.Errorf("allow %v by %s: %s", d.Allow, d.Rule, d.Reason)
			}
			if len(d.Sentence) > council.MaxSentence {
				t.Errorf("sentence has %d bytes", len(d.Sentence))
			}
		})
	}
}

// A sentence that would not fit says so, and commits to what it leaves out.
func TestLongSentence(t *testing.T) {
	c := sampleCharter(t)
	s, p := scope{c, 1}, New(c, nil)
	calls := make([][]byte, 40)
	for i := range calls {
		calls[i] = pack(t, s, "revokeRole(bytes32,address)", "keccak:PAUSER_ROLE", "bridge")
	}
	sentence := func() string {
		a, err := p.Describe(transaction(c.byName["protocol"].Address, pack(t, s, "multicall(bytes[])", calls)))
		if err != nil {
			t.Fatal(err)
		}
		return a.Sentence
	}
	one := sentence()
	if len(one) != council.MaxSentence || !strings.Contains(one, "cut short; the calldata has keccak256 0x") {
		t.Fatalf("%d bytes: %s", len(one), one)
	}
	calls[39] = pack(t, s, "pause()")
	if sentence() == one {
		t.Error("two calls have one sentence")
	}
}

func TestDescribeTree(t *testing.T) {
	c := sampleCharter(t)
	s := scope{c, 1}
	upgrade := pack(t, s, "upgradeToAndCall(address,bytes)", "bridge", []byte{})
	zero := common.Hash{}.Hex()
	tx := transaction(c.byName["timelock"].Address, pack(t, s, "schedule(address,uint256,bytes,bytes32,bytes32,uint256)", "protocol", 0, upgrade, zero, zero, "48h"))
	a, err := New(c, nil).Describe(tx)
	if err != nil {
		t.Fatal(err)
	}
	if a.Name != "timelock-schedule" || a.Class != Permissive || a.Duty != Upgrade || len(a.Root.Calls) != 1 {
		t.Fatalf("%+v", a)
	}
	in := a.Root.Calls[0]
	if in.Path != "1" || in.Via != "timelock" || in.Contract != "protocol" || in.Action != "upgrade-and-call" || in.Function != "upgradeToAndCall(address,bytes)" ||
		len(in.Args) != 2 || in.Args[0].Name != "newImplementation" || !strings.HasPrefix(in.Args[0].Value, "bridge (0x2222") {
		t.Errorf("%+v", in)
	}
	if a.Root.Via != councilName || a.Root.Refusal != nil {
		t.Errorf("%+v", a.Root)
	}
}

func TestDescribeAlwaysHasASentence(t *testing.T) {
	c := sampleCharter(t)
	p := New(c, nil)
	for _, data := range []string{"", "0x01", "0xdeadbeef", "0xa9059cbb", "0x8456cb59ff"} {
		for _, to := range []common.Address{{}, c.byName["treasury"].Address, {9}} {
			a, err := p.Describe(transaction(to, unhex(t, data)))
			if err != nil || !printable(a.Sentence) {
				t.Errorf("%s to %s: %q, %v", data, to, a.Sentence, err)
			}
		}
	}
	for _, in := range []council.Intent{council.Statement{Text: "hello", ValidUntil: 1}, council.TypedData{Chain: 1, Document: document(nil), ValidUntil: 1}} {
		if a, err := p.Describe(in); err != nil || !printable(a.Sentence) {
			t.Errorf("%T: %q, %v", in, a.Sentence, err)
		}
	}
	if _, err := p.Describe(council.Transaction{}); err == nil {
		t.Error("an empty transaction is described")
	}
}

func TestNeeds(t *testing.T) {
	sample, wide := sampleCharter(t), wideCharter(t)
	vault := wide.byName["vault"].Address
	impl := common.HexToAddress("0xd1")
	for _, k := range []struct {
		name string
		c    *Charter
		tx   council.Transaction
		want []council.Query
	}{
		{"pause needs nothing", sample, transaction(sample.byName["protocol"].Address, pack(t, scope{sample, 1}, "pause()")), nil},
		{"unpause needs its simulation", sample, transaction(sample.byName["protocol"].Address, pack(t, scope{sample, 1}, "unpause()")), []council.Query{{Kind: council.QuerySimulation}}},
		{"pinned code", wide, transaction(vault, pack(t, scope{wide, 1}, "unpause()")), []council.Query{{Kind: council.QueryCodeHash, Address: vault}}},
		{"code of an argument", wide, transaction(vault, pack(t, scope{wide, 1}, "upgradeTo(address)", impl.Hex())), []council.Query{{Kind: council.QueryCodeHash, Address: impl}}},
		{"what is denied needs nothing", sample, transaction(sample.byName["treasury"].Address, pack(t, scope{sample, 1}, "transfer(address,uint256)", "bridge", 1)), nil},
	} {
		got := New(k.c, nil).Needs(k.tx)
		if fmt.Sprint(got) != fmt.Sprint(k.want) {
			t.Errorf("%s: %v; want %v", k.name, got, k.want)
		}
	}
}

func TestForeignMemberPolicyDeniesAll(t *testing.T) {
	a, b := sampleCharter(t), sampleCharter(t)
	m, err := LoadMember("policy.yaml", []byte("version: 1"), b)
	if err != nil {
		t.Fatal(err)
	}
	tx := transaction(a.byName["protocol"].Address, pack(t, scope{a, 1}, "pause()"))
	if d := New(a, m).Evaluate(input(tx)); d.Allow || d.Rule != "default/policy" {
		t.Errorf("%+v", d)
	}
	if d := New(b, m).Evaluate(input(tx)); !d.Allow {
		t.Errorf("%+v", d)
	}
}

// Without a head nobody can say that a fact is fresh.
func TestUnknownHead(t *testing.T) {
	c := sampleCharter(t)
	in := input(transaction(c.byName["protocol"].Address, pack(t, scope{c, 1}, "unpause()")))
	if d := New(c, nil).Evaluate(in); !d.Allow {
		t.Fatal(d.Reason)
	}
	in.Head = 0
	if d := New(c, nil).Evaluate(in); d.Allow || !strings.Contains(d.Reason, "stale") {
		t.Errorf("%+v", d)
	}
}

// A fact of a block that the chain does not have yet is no fresh one.
func TestFactFromAhead(t *testing.T) {
	c := sampleCharter(t)
	in := input(transaction(c.byName["protocol"].Address, pack(t, scope{c, 1}, "unpause()")))
	for ahead, allow := range map[uint64]bool{MaxFacts: true, MaxFacts + 1: false, 1e15: false, math.MaxUint64 - caseHead: false} {
		in.Facts.Block = caseHead + ahead
		if d := New(c, nil).Evaluate(in); d.Allow != allow || !allow && (!strings.Contains(d.Reason, "fact from ahead") || d.Hint == "") {
			t.Errorf("%d blocks: %+v", ahead, d)
		}
	}
}
