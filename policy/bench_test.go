package policy

import (
	"fmt"
	"strings"
	"testing"

	"github.com/millicent-one/signer/configs"
)

// hardQuestions are a plain call and a batch of 20 on a charter of 200 rules, most
// of which speak of the same function and fail on its argument.
func hardQuestions(t testing.TB, condition string) (p *Policy, plain, batch Input) {
	t.Helper()
	var text strings.Builder
	text.Write(configs.Charter)
	have := sampleCharter(t).Rules()
	for i := have; i < 200; i++ {
		fmt.Fprintf(&text, "  - {id: bench-%d, effect: %s, actions: [revoke-role], contracts: [protocol], %s}\n", i, []string{"deny", "allow"}[i%2], fmt.Sprintf(condition, i))
	}
	c, err := LoadCharter("charter.yaml", []byte(text.String()), sampleActions(t))
	if err != nil {
		t.Fatal(err)
	}
	if c.Rules() != 200 {
		t.Fatalf("%d rules", c.Rules())
	}
	s, to := scope{c, 1}, c.byName["protocol"].Address
	call := pack(t, s, "revokeRole(bytes32,address)", "keccak:R199", "bridge")
	calls := make([][]byte, 20)
	for i := range calls {
		calls[i] = call
	}
	return New(c, nil), input(transaction(to, call)), input(transaction(to, pack(t, s, "multicall(bytes[])", calls)))
}

// What a decision may allocate: it is made again on each new head, for every
// open proposal.
func TestEvaluateAllocatesLittle(t *testing.T) {
	p, plain, batch := hardQuestions(t, onArgument)
	for _, k := range []struct {
		name string
		in   Input
		most float64
	}{{"plain", plain, 100}, {"batch of 20", batch, 2000}} {
		if d := p.Evaluate(k.in); !d.Allow {
			t.Fatal(d.Reason)
		}
		if n := testing.AllocsPerRun(20, func() { p.Evaluate(k.in) }); n > k.most {
			t.Errorf("%s: %.0f allocations; at most %.0f", k.name, n, k.most)
		}
	}
}

// The same question, as a condition and as an expression.
const (
	onArgument   = `args: [{name: role, equal: "keccak:R%d"}]`
	inExpression = `when: 'args.role == keccak("R%d") && tx.fee <= uint256("100 gwei")'`
)

// BenchmarkEvaluate judges them.
func BenchmarkEvaluate(b *testing.B) { benchmarkEvaluate(b, onArgument) }

// BenchmarkEvaluateWhen does so with expressions in place of conditions.
func BenchmarkEvaluateWhen(b *testing.B) { benchmarkEvaluate(b, inExpression) }

func benchmarkEvaluate(b *testing.B, condition string) {
	p, plain, batch := hardQuestions(b, condition)
	for _, k := range []struct {
		name string
		in   Input
	}{{"plain", plain}, {"batch-20", batch}} {
		b.Run(k.name, func(b *testing.B) {
			if d := p.Evaluate(k.in); !d.Allow {
				b.Fatal(d.Reason)
			}
			b.ReportAllocs()
			for b.Loop() {
				p.Evaluate(k.in)
			}
		})
	}
}
