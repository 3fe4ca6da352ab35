package policy_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/configs"
	"github.com/millicent-one/signer/council"
)

// The facts are fetched again before signing. What was right when the members
// approved, and is not any more, is named and not signed.
func TestChangedAfterApproval(t *testing.T) {
	code, other := common.HexToHash("0xc0de"), common.HexToHash("0xbad")
	version := common.HexToAddress("0x5555555555555555555555555555555555555555")
	text := bytes.Replace(configs.Charter, []byte("    abi_hash: 0x76b6"), []byte("    code_hash: "+code.Hex()+"\n    implementation: "+version.Hex()+
		"\n    implementation_code: "+code.Hex()+"\n    abi_hash: 0x76b6"), 1)
	text = bytes.Replace(text, []byte("  - id: unpause\n    effect: allow\n    actions: [unpause]\n    contracts: [protocol, bridge]"),
		[]byte("  - id: unpause\n    effect: allow\n    actions: [unpause]\n    contracts: [protocol]"), 1)
	text = bytes.Replace(text, []byte("    tip: 5 gwei\n    require: [simulation]"), []byte("    tip: 5 gwei\n    require: [simulation, code]"), 1)
	s := sceneOf(t, text, "unpause", "protocol", four...)
	protocol := s.in.Intent.(council.Transaction).To
	targetCode := council.Query{Kind: council.QueryCodeHash, Address: protocol}
	behind := council.Query{Kind: council.QueryStorage, Address: protocol, Slot: council.ImplementationSlot}
	behindCode := council.Query{Kind: council.QueryCodeHash, Address: version}
	right := func() map[council.Query]council.Answer {
		return map[council.Query]council.Answer{
			{Kind: council.QuerySimulation}: {OK: true},
			targetCode:                      {Word: code, OK: true},
			behind:                          {Word: common.BytesToHash(version[:]), OK: true},
			behindCode:                      {Word: code, OK: true},
		}
	}
	needs := s.policy.Needs(s.in.Intent)
	if len(needs) != 4 {
		t.Errorf("needs %v", needs)
	}
	s.in.Facts.Answers = right()
	if _, d := s.policy.Authorize(s.in, s.quorum, s.begin); !d.Allow {
		t.Fatalf("at approval: %s: %s", d.Rule, d.Reason)
	}
	for name, c := range map[string]struct {
		change     func(map[council.Query]council.Answer)
		rule, want string
	}{
		"the target's code": {func(a map[council.Query]council.Answer) { a[targetCode] = council.Answer{Word: other, OK: true} },
			"charter/unpause", "the code of protocol is " + other.Hex() + ", and the charter pins " + code.Hex()},
		"the implementation": {func(a map[council.Query]council.Answer) { a[behind] = council.Answer{Word: other, OK: true} },
			"default/implementation", "the implementation of protocol is 0x0000000000000000000000000000000000000bad, and the charter pins 0x5555555555555555555555555555555555555555"},
		"the implementation's code": {func(a map[council.Query]council.Answer) { a[behindCode] = council.Answer{Word: other, OK: true} },
			"default/implementation", "the code of the implementation of protocol is " + other.Hex()},
		"the RPC": {func(a map[council.Query]council.Answer) { delete(a, behind) },
			"default/implementation", "missing fact: ERC-1967 implementation of protocol"},
	} {
		s.in.Facts.Answers = right()
		c.change(s.in.Facts.Answers)
		p, d := s.policy.Authorize(s.in, s.quorum, s.begin)
		if d.Allow || d.Rule != c.rule || !strings.Contains(strings.ToLower(d.Reason), strings.ToLower(c.want)) || d.Hint == "" {
			t.Errorf("%s changed: %v by %s: %s", name, d.Allow, d.Rule, d.Reason)
		}
		if err := p.Check(s.begin.Session(), none, s.begin.Signers, now); err == nil {
			t.Errorf("%s changed, and there is a permit", name)
		}
	}
}
