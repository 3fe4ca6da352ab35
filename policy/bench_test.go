package policy

import (
	"fmt"
	"strings"
	"testing"

	"github.com/millicent-one/signer/configs"
)

// BenchmarkEvaluate judges a plain call and a batch of 20 on a charter of 200
// rules, most of which speak of the same function and fail on its argument.
func BenchmarkEvaluate(b *testing.B) {
	var text strings.Builder
	text.Write(configs.Charter)
	for i := range 191 {
		fmt.Fprintf(&text, "  - {id: bench-%d, effect: %s, actions: [revoke-role], contracts: [protocol], args: [{name: role, equal: \"keccak:R%d\"}]}\n", i, []string{"allow", "deny"}[i%2], i)
	}
	c, err := LoadCharter("charter.yaml", []byte(text.String()), sampleActions(b))
	if err != nil {
		b.Fatal(err)
	}
	if len(c.rules.all) < 200 {
		b.Fatalf("%d rules", len(c.rules.all))
	}
	s, p, to := scope{c, 1}, New(c, nil), c.byName["protocol"].Address
	plain := pack(b, s, "revokeRole(bytes32,address)", "keccak:R190", "bridge")
	calls := make([][]byte, 20)
	for i := range calls {
		calls[i] = plain
	}
	for _, k := range []struct {
		name string
		data []byte
	}{{"plain", plain}, {"batch-20", pack(b, s, "multicall(bytes[])", calls)}} {
		b.Run(k.name, func(b *testing.B) {
			in := input(transaction(to, k.data))
			if d := p.Evaluate(in); !d.Allow {
				b.Fatal(d.Reason)
			}
			b.ReportAllocs()
			for b.Loop() {
				p.Evaluate(in)
			}
		})
	}
}
