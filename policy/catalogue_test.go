package policy

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/millicent-one/signer/configs"
	"github.com/millicent-one/signer/council"
)

// All that security councils are known to do, by class.
func TestCatalogueIsComplete(t *testing.T) {
	c := sampleActions(t)
	for class, list := range map[Class][]string{
		Restrictive: {"pause()", "pause(address)", "blacklist(address)", "freeze(address)", "cancel(bytes32)",
			"cancel(address[],uint256[],bytes[],bytes32)", "cancel(uint256)", "revokeRole(bytes32,address)"},
		Permissive: {"unpause()", "upgradeTo(address)", "upgradeToAndCall(address,bytes)", "upgrade(address,address)", "upgradeAndCall(address,address,bytes)",
			"changeProxyAdmin(address,address)", "schedule(address,uint256,bytes,bytes32,bytes32,uint256)",
			"scheduleBatch(address[],uint256[],bytes[],bytes32,bytes32,uint256)", "execute(address,uint256,bytes,bytes32,bytes32)",
			"executeBatch(address[],uint256[],bytes[],bytes32,bytes32)", "updateDelay(uint256)", "grantRole(bytes32,address)", "grantRole(uint64,address,uint32)",
			"setGuardian(address)", "transferOwnership(address)", "acceptOwnership()", "unBlacklist(address)"},
	} {
		for _, s := range list {
			uses := c.bySig[s]
			if len(uses) != 1 || uses[0].def.class != class {
				t.Errorf("%s: %d uses", s, len(uses))
			}
		}
	}
	if uses := c.bySig["setTargetClosed(address,bool)"]; len(uses) != 2 || uses[0].def.class == uses[1].def.class {
		t.Error("closing and opening a target are not told apart")
	}
	for _, s := range []string{"multicall(bytes[])", "aggregate3((address,bool,bytes)[])",
		"execTransaction(address,uint256,bytes,uint8,uint256,uint256,uint256,address,address,bytes)", "multiSend(bytes)", "execute(address,bytes)", "relay(address,uint256,bytes)"} {
		if uses := c.bySig[s]; len(uses) != 1 || uses[0].def.class != "" {
			t.Errorf("%s is not a wrapper", s)
		}
	}
}

// Selectors from the contracts' own documentation, against a wrong derivation.
func TestSelectors(t *testing.T) {
	for s, want := range map[string][4]byte{
		"pause()": {0x84, 0x56, 0xcb, 0x59}, "unpause()": {0x3f, 0x4b, 0xa8, 0x3a}, "transfer(address,uint256)": {0xa9, 0x05, 0x9c, 0xbb},
		"upgradeToAndCall(address newImplementation, bytes data)": {0x4f, 0x1e, 0xf2, 0x86}, "many_msg_babbage(bytes1)": {0xa9, 0x05, 0x9c, 0xbb},
		"aggregate3((address target, bool allowFailure, bytes callData)[] calls)": {0x82, 0xad, 0x56, 0xcb},
	} {
		if f := sig(s); f.Selector != want {
			t.Errorf("%s has selector %x; want %x", s, f.Selector, want)
		}
	}
}

func TestNeverListHolds(t *testing.T) {
	for _, s := range []string{"transfer(address,uint256)", "transferFrom(address,address,uint256)", "approve(address,uint256)", "increaseAllowance(address,uint256)",
		"safeTransferFrom(address,address,uint256,bytes)", "setApprovalForAll(address,bool)", "permit(address,address,uint256,uint256,uint8,bytes32,bytes32)",
		"safeBatchTransferFrom(address,address,uint256[],uint256[],bytes)", "renounceRole(bytes32,address)", "renounceOwnership()",
		"move(address,address,uint256)", "push(address,uint256)", "pull(address,uint256)", "approve(address)", "burnFrom(address,uint256)",
		"sweep(address)", "sweep(address,address)", "sweep(address,address,uint256)", "sweepToken(address,uint256,address)",
		"setAuthorization(address,bool)", "hope(address)", "setRelayerApproval(address,address,bool)", "approveDelegation(address,uint256)"} {
		if _, ok := never[sig(s).Selector]; !ok {
			t.Errorf("%s is not on the never-list", s)
		}
	}
}

// No charter allows what is known to move value, or says so by its name: an action for
// it is refused, or a rule that does not ask to see what moves.
func TestMovingValueIsNotAllowedUnseen(t *testing.T) {
	const text = `version: 1
name: Mover
threshold: 4
chains: [{name: mainnet, id: 1}]
limits: {gas: 5000000, fee: 1000 gwei, tip: 50 gwei, validity: 14d}
contracts:
  - {name: vault, chain: mainnet, address: 0x1000000000000000000000000000000000000001, abi: ["%[1]s"]}
actions:
  - {name: mover, class: permissive, duty: emergency, functions: ["%[1]s"], sentence: "Call {contract}"}
rules:
  - {id: moving, effect: allow, actions: [%[2]s], contracts: ["*"], require: [%[3]s]}
`
	stranger := common.HexToAddress("0x5757")
	load := func(signature, action, require string) (*Charter, error) {
		return LoadCharter("charter.yaml", fmt.Appendf(nil, text, signature, action, require), sampleActions(t))
	}
	signatures := []string{ // by name
		"withdrawAll(address)", "redeemFor(address,uint256)", "sweepTokens(address[],address)", "rescueTokens(address,address,uint256)", "recoverERC20(address,uint256)", "emergencyWithdrawToken(address)",
		"collate_propagate_storage(bytes16)", // and by the selector of burn(uint256)
	}
	for _, n := range effectful {
		if n.what == movesValue {
			signatures = append(signatures, n.alias.Signature)
		}
	}
	for _, s := range []string{"move(address,address,uint256)", "push(address,uint256)", "pull(address,uint256)", "approve(address)", "burnFrom(address,uint256)",
		"sweep(address)", "sweep(address,address)", "sweep(address,address,uint256)", "sweepToken(address,uint256,address)",
		"withdraw(address,uint256)", "redeem(uint256,address,address)", "emergencyWithdraw(address)"} {
		if !slices.Contains(signatures, s) {
			t.Errorf("%s is not known to move value", s)
		}
	}
	for _, s := range signatures {
		for _, action := range []string{"mover", `"*"`} {
			for _, require := range []string{"", "simulation"} {
				if _, err := load(s, action, require); err == nil || council.Hint(err) == "" {
					t.Errorf("%s is allowed by %s with require %q", s, action, require)
				}
			}
		}
		c, err := load(s, "mover", "movements")
		if _, listed := never[sig(s).Selector]; listed {
			if err == nil || !strings.Contains(err.Error(), "never-list") {
				t.Errorf("%s: %v", s, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", s, err)
			continue
		}
		fn := c.byName["vault"].order[0]
		vals := make([]value, len(fn.Params))
		for i, p := range fn.Params {
			vals[i] = simplest(p.typ)
		}
		data, err := fn.encode(vals)
		if err != nil {
			t.Fatal(err)
		}
		in := input(transaction(c.byName["vault"].Address, data))
		out := council.Movement{Asset: council.ERC20, From: c.byName["vault"].Address, To: stranger, Amount: common.Big1}
		lent := out
		lent.Grant = true
		into := council.Movement{Asset: council.ERC20, From: stranger, To: c.byName["vault"].Address, Amount: common.Big1}
		for _, k := range []struct {
			a    council.Answer
			want string
		}{
			{council.Answer{OK: true, Sight: council.SightOutcome}, "does not show what moves"},
			{council.Answer{OK: true, Sight: council.SightMoves, Moves: []council.Movement{out}}, "the simulation moves"},
			{council.Answer{OK: true, Sight: council.SightMoves, Moves: []council.Movement{lent}}, "the simulation grants that"},
			{council.Answer{OK: true, Sight: council.SightMoves, Moves: []council.Movement{into}}, ""},
		} {
			in.Facts.Answers[council.Query{Kind: council.QuerySimulation}] = k.a
			if d := New(c, nil).Evaluate(in); d.Allow != (k.want == "") || !strings.Contains(d.Reason, k.want) {
				t.Errorf("%s: %v by %s: %s; want %q", s, d.Allow, d.Rule, d.Reason, k.want)
			}
		}
	}
}

// A charter that names renouncing one by one allows it, and no wildcard does.
func TestRenouncingMustBeNamed(t *testing.T) {
	for _, k := range []struct {
		rule             string
		revoke, renounce bool
	}{
		{"", false, false},
		{"  - {id: x, effect: allow, actions: [\"*\"], contracts: [protocol]}\n", false, false},
		{"  - {id: x, effect: allow, actions: [renounce-role], contracts: [protocol]}\n", true, true},
		{"  - {id: x, effect: allow, actions: [renounce-role], contracts: [protocol]}\n  - {id: y, effect: deny, actions: [revoke-role]}\n", false, true},
		{"  - {id: x, effect: allow, actions: [renounce-role], contracts: [protocol]}\n  - {id: y, effect: deny, actions: [renounce-role]}\n", false, false},
	} {
		c, err := LoadCharter("charter.yaml", []byte(string(configs.Charter)+k.rule), sampleActions(t))
		if err != nil {
			t.Fatal(err)
		}
		for signature, want := range map[string]bool{"revokeRole(bytes32,address)": k.revoke, "renounceRole(bytes32,address)": k.renounce} {
			data := pack(t, scope{c, 1}, signature, "keccak:PAUSER_ROLE", caseFrom.Hex())
			if d := New(c, nil).Evaluate(input(transaction(c.byName["protocol"].Address, data))); d.Allow != want {
				t.Errorf("%q: %s: %v by %s: %s", k.rule, signature, d.Allow, d.Rule, d.Reason)
			}
		}
	}
}

// A catalogue comes from others too: what it may hold is bounded before it is looked at.
func TestCatalogueIsBounded(t *testing.T) {
	const head = "version: 1\nactions:\n"
	action := func(name, functions string) string {
		return fmt.Sprintf("  - {name: %s, class: permissive, duty: oversight, functions: [%s], sentence: Do it}\n", name, functions)
	}
	var functions, actions strings.Builder
	for i := range MaxFunctions + 1 {
		fmt.Fprintf(&functions, "f%d(),", i)
	}
	for i := range MaxActions {
		actions.WriteString(action(fmt.Sprintf("a%d", i), fmt.Sprintf("a%d()", i)))
	}
	for text, want := range map[string]string{
		action("much", functions.String()): `action "much" has 257 functions; at most 256`,
		actions.String():                   "actions; at most 512",
		action("x", "f()") + "  - {? " + strings.Repeat("k", 5_000) + "\n: [" + strings.Repeat("0,", 5_000) + "]}\n": "a key has 5000 bytes",
	} {
		if _, err := (CharterText{Charter: configs.Charter, Actions: []byte(head + text)}).Hash(); err == nil || !strings.Contains(err.Error(), want) || council.Hint(err) == "" {
			t.Errorf("%v; want a word of %q", err, want)
		}
	}
}

// Two catalogues with one hash mean the same.
func TestCatalogueHashIsOfTheMeaning(t *testing.T) {
	const shut = `  - {name: shut, class: restrictive, duty: oversight, functions: ["set(address who, bool closed)"], where: {closed: "true"}, sentence: "Shut {who}"}` + "\n"
	const open = `  - {name: open, class: permissive, duty: oversight, functions: ["set(address of, bool off)"], where: {off: "false"}, sentence: "Open {of}"}` + "\n"
	load := func(actions string) *Catalogue {
		c, err := LoadActions("a.yaml", []byte("version: 1\nactions:\n"+actions))
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	const charter = `{version: 1, name: x, threshold: 4, chains: [{name: a, id: 1}], limits: {gas: 100000, fee: 1 gwei, tip: 1 gwei, validity: 1h},
contracts: [{name: k, chain: a, address: "0x1111111111111111111111111111111111111111", abi: ["set(address,bool)"]}], rules: []}`
	one, two := load(shut+open), load(open+shut)
	if one.Hash() != two.Hash() {
		t.Error("the order of the file is in the hash")
	}
	for _, actions := range []*Catalogue{one, two} {
		c, err := LoadCharter("c.yaml", []byte(charter), actions)
		if err != nil {
			t.Fatal(err)
		}
		if name := c.contracts[0].order[0].Params[0].Name; name != "of" {
			t.Errorf("the parameter is called %s; the lowest action calls it of", name)
		}
	}
	if _, err := LoadActions("a.yaml", []byte("version: 1\nactions:\n"+strings.Replace(open, "Open {of}", "Open {of}|f()", 1))); err == nil || council.Hint(err) == "" {
		t.Errorf("a sentence with a part of another field: %v", err)
	}
}

func TestHashes(t *testing.T) {
	base := sampleCharter(t)
	load := func(text string) *Charter {
		c, err := LoadCharter("x.yaml", []byte(text), sampleActions(t))
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	text := string(configs.Charter)
	crlf := ""
	for _, r := range text {
		if r == '\n' {
			crlf += "\r"
		}
		crlf += string(r)
	}
	if load(crlf).Hash() != base.Hash() {
		t.Error("line endings change the charter's hash")
	}
	if load(edit(t, text, "fee: 200 gwei", "fee: 199 gwei")).Hash() == base.Hash() {
		t.Error("a changed rule leaves the charter's hash")
	}
	actions, err := LoadActions("a.yaml", []byte(edit(t, string(configs.Actions), "Pause {contract}", "Halt {contract}")))
	if err != nil {
		t.Fatal(err)
	}
	other, err := LoadCharter("x.yaml", configs.Charter, actions)
	if err != nil {
		t.Fatal(err)
	}
	if other.Hash() == base.Hash() {
		t.Error("another catalogue leaves the charter's hash, though sentences differ")
	}
	actionsHash := sampleActions(t).Hash()
	if want := common.HexToHash("0xa830e7c54c2679891f006a7230a467b58b86290cb26656fc9ba8ccbc50542558"); actionsHash != want {
		t.Errorf("the catalogue's hash is %s and was %s: rosters name it", actionsHash, want)
	}
	if want := crypto.Keccak256Hash([]byte("millicent/charter/1\x00"), crypto.Keccak256(configs.Charter), actionsHash[:]); base.Hash() != want {
		t.Errorf("hash %s is not as documented: %s", base.Hash(), want)
	}
	m, err := LoadMember("m.yaml", configs.Policy, base)
	if err != nil {
		t.Fatal(err)
	}
	if New(base, nil).Hash() == New(base, m).Hash() || m.Hash() == (common.Hash{}) {
		t.Error("the member's policy leaves the policy's hash")
	}
}
