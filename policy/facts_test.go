package policy

import (
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/council"
)

// factsCharter has contracts behind each sort of proxy, and a rule for each
// demand on facts. Version and admin stand for what the charter pins.
const factsCharter = `version: 1
name: facts
threshold: 4
chains: [{name: mainnet, id: 1}, {name: l2, id: 10}]
limits: {gas: 5000000, fee: 1000 gwei, tip: 50 gwei, validity: 14d}
contracts:
  - {name: proxy, chain: mainnet, address: 0x1000000000000000000000000000000000000001, implementation: version, admin: 0x1000000000000000000000000000000000000009,
     abi: ["pause()", "unpause()", "upgradeTo(address)", "multicall(bytes[])", "acceptOwnership()"]}
  - {name: beaconed, chain: mainnet, address: 0x1000000000000000000000000000000000000002, beacon: 0x1000000000000000000000000000000000000008, implementation: version, abi: ["unpause()"]}
  - {name: plain, chain: mainnet, address: 0x1000000000000000000000000000000000000003, abi: ["unpause()", "acceptOwnership()", "setGuardian(address)", "unBlacklist(address)"]}
  - {name: treasury, chain: mainnet, address: 0x1000000000000000000000000000000000000004, abi: ["pause()"]}
  - {name: timelock, chain: mainnet, address: 0x1000000000000000000000000000000000000005, abi: ["execute(address,uint256,bytes,bytes32,bytes32)"]}
  - {name: manager, chain: mainnet, address: 0x1000000000000000000000000000000000000006, abi: ["unpause()"]}
  - {name: version, chain: mainnet, address: 0x1000000000000000000000000000000000000007, abi: ["pause()"]}
%s
rules:
  - {id: brake, effect: allow, actions: [pause, multicall], contracts: [proxy]}
  - {id: start, effect: allow, actions: [unpause, upgrade], contracts: [proxy, beaconed]}
  - {id: simulated, effect: allow, actions: [unpause], contracts: [plain], require: [simulation]}
  - {id: moving, effect: allow, actions: [accept-ownership], contracts: [plain], require: [movements]}
  - {id: pinned, effect: allow, actions: [set-guardian], contracts: [plain], require: [state-diff]}
  - {id: roled, effect: allow, actions: [unblacklist], contracts: [plain], roles: [PAUSER_ROLE, "keccak:MY_ROLE"], via: [council, timelock]}
  - {id: through, effect: allow, actions: [timelock-execute], contracts: [timelock]}
  - {id: managed, effect: allow, actions: [unpause], contracts: [manager], roles: [5]}
`

func readFactsCharter(t *testing.T, more string) *Charter {
	t.Helper()
	c, err := LoadCharter("facts.yaml", fmt.Appendf(nil, factsCharter, more), sampleActions(t))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func byte20(b byte) common.Address {
	a := common.HexToAddress("0x1000000000000000000000000000000000000000")
	a[19] = b
	return a
}

// A permissive call rests on what stands behind its proxy, in each sort of
// proxy. A brake does not: it is for the day on which that has changed.
func TestProxyPins(t *testing.T) {
	c := readFactsCharter(t, "")
	p, s := New(c, nil), scope{c, 1}
	store := func(at byte, slot common.Hash) council.Query {
		return council.Query{Kind: council.QueryStorage, Address: byte20(at), Slot: slot}
	}
	impl, admin, beacon := store(1, council.ImplementationSlot), store(1, council.AdminSlot), store(2, council.BeaconSlot)
	behind := council.Query{Kind: council.QueryBeacon, Address: byte20(8)}
	right := map[council.Query]council.Answer{
		impl: {Word: addressWord(byte20(7)), OK: true}, admin: {Word: addressWord(byte20(9)), OK: true},
		beacon: {Word: addressWord(byte20(8)), OK: true}, behind: {Word: addressWord(byte20(7)), OK: true},
	}
	both := []council.Query{impl, admin}
	for _, k := range []struct {
		name string
		to   byte
		data []byte
		need []council.Query // for which a wrong answer denies
	}{
		{"unpause", 1, pack(t, s, "unpause()"), both},
		{"upgrade", 1, pack(t, s, "upgradeTo(address)", "version"), both},
		{"unpause in a multicall", 1, pack(t, s, "multicall(bytes[])", [][]byte{pack(t, s, "pause()"), pack(t, s, "unpause()")}), both},
		{"behind a beacon", 2, pack(t, s, "unpause()"), []council.Query{beacon, behind}},
		{"pause", 1, pack(t, s, "pause()"), nil},
		{"pause in a multicall", 1, pack(t, s, "multicall(bytes[])", [][]byte{pack(t, s, "pause()")}), nil},
	} {
		tx := transaction(byte20(k.to), k.data)
		in := input(tx)
		got := p.Needs(tx)
		if len(got) != len(k.need) || slices.ContainsFunc(k.need, func(q council.Query) bool { return !slices.Contains(got, q) }) {
			t.Errorf("%s needs %v; want %v", k.name, got, k.need)
		}
		set := func(change map[council.Query]*council.Answer) Decision {
			in.Facts.Answers = map[council.Query]council.Answer{}
			for q, a := range right {
				in.Facts.Answers[q] = a
			}
			for q, a := range change {
				if delete(in.Facts.Answers, q); a != nil {
					in.Facts.Answers[q] = *a
				}
			}
			return p.Evaluate(in)
		}
		if d := set(nil); !d.Allow {
			t.Errorf("%s: %s: %s", k.name, d.Rule, d.Reason)
		}
		for _, q := range []council.Query{impl, admin, beacon, behind} {
			for _, wrong := range []*council.Answer{nil, {Word: addressWord(byte20(66)), OK: true}, {Word: common.Hash{1}, OK: true}} {
				d := set(map[council.Query]*council.Answer{q: wrong})
				if denies := slices.Contains(k.need, q); d.Allow == denies || denies && d.Rule != proxied.label || denies && d.Hint == "" {
					t.Errorf("%s with %v of %s: %v by %s: %s", k.name, wrong, q.Slot.Hex(), d.Allow, d.Rule, d.Reason)
				}
			}
		}
		in.Head = caseHead + MaxFacts + 1
		if d := set(nil); d.Allow == (len(k.need) > 0) {
			t.Errorf("%s on old facts: %v by %s: %s", k.name, d.Allow, d.Rule, d.Reason)
		}
		in.Head = caseHead
	}
	in := input(transaction(byte20(2), pack(t, s, "unpause()")))
	in.Facts.Answers = map[council.Query]council.Answer{beacon: right[beacon], behind: {Detail: "eth_call: no reason given"}}
	if d := p.Evaluate(in); d.Allow || !strings.Contains(d.Reason, "beacon of beaconed does not say") {
		t.Errorf("%+v", d)
	}
}

func TestRoles(t *testing.T) {
	c := readFactsCharter(t, "")
	p, s := New(c, nil), scope{c, 1}
	yes := council.Answer{Word: common.BigToHash(common.Big1), OK: true}
	role := func(name string, account common.Address) council.Query {
		v, err := readValue(sig("f(bytes32)").Params[0].typ, "keccak:"+name, s)
		if err != nil {
			t.Fatal(err)
		}
		return council.Query{Kind: council.QueryRole, Address: byte20(3), Slot: v.word, Account: account}
	}
	direct := transaction(byte20(3), pack(t, s, "unBlacklist(address)", "version"))
	through := transaction(byte20(5), pack(t, s, "execute(address,uint256,bytes,bytes32,bytes32)", "plain", 0, direct.Data, "keccak:a", "keccak:b"))
	managed := transaction(byte20(6), pack(t, s, "unpause()"))
	for _, k := range []struct {
		name string
		tx   council.Transaction
		need []council.Query
		want string
	}{
		{"the council's", direct, []council.Query{role("PAUSER_ROLE", common.Address{}), role("MY_ROLE", common.Address{})}, "council does not have"},
		{"the wrapper's", through, []council.Query{role("PAUSER_ROLE", byte20(5)), role("MY_ROLE", byte20(5))}, "timelock does not have"},
		{"by number", managed, []council.Query{{Kind: council.QueryManagerRole, Address: byte20(6), Slot: common.BigToHash(big.NewInt(5))}}, "council does not have role 5 on manager"},
	} {
		got := p.Needs(k.tx)
		if len(got) != len(k.need) || slices.ContainsFunc(k.need, func(q council.Query) bool { return !slices.Contains(got, q) }) {
			t.Errorf("%s: needs %v; want %v", k.name, got, k.need)
		}
		in := input(k.tx)
		all := func() {
			for _, q := range k.need {
				in.Facts.Answers[q] = yes
			}
		}
		if all(); !p.Evaluate(in).Allow {
			t.Errorf("%s: %+v", k.name, p.Evaluate(in))
		}
		for _, q := range k.need {
			in.Facts.Answers[q] = council.Answer{OK: true}
			if d := p.Evaluate(in); d.Allow || !strings.Contains(d.Reason, k.want) || d.Hint == "" {
				t.Errorf("%s, without: %+v", k.name, d)
			}
			in.Facts.Answers[q] = council.Answer{Word: yes.Word}
			if d := p.Evaluate(in); d.Allow || !strings.Contains(d.Reason, "does not say who has") {
				t.Errorf("%s, no answer: %+v", k.name, d)
			}
			delete(in.Facts.Answers, q)
			if d := p.Evaluate(in); d.Allow || !strings.Contains(d.Reason, "missing fact") {
				t.Errorf("%s, not asked: %+v", k.name, d)
			}
			all()
		}
	}
}

// What a simulation must show, and what it must not.
func TestSimulationEffects(t *testing.T) {
	all, some := readFactsCharter(t, ""), readFactsCharter(t, "watched: [treasury, timelock]")
	s := scope{all, 1}
	stranger, token := common.HexToAddress("0x5757"), common.HexToAddress("0x70")
	slot := func(n int64) common.Hash { return common.BigToHash(big.NewInt(n)) }
	move := func(asset council.Asset, from common.Address) council.Movement {
		m := council.Movement{Asset: asset, From: from, To: stranger, Amount: big.NewInt(5)}
		if asset != council.Ether {
			m.Token = token
		}
		return m
	}
	changed := func(a common.Address, slots ...council.SlotChange) council.AccountChange {
		return council.AccountChange{Address: a, BalanceBefore: big.NewInt(9), BalanceAfter: big.NewInt(9), Slots: slots}
	}
	own := changed(caseFrom)
	own.NonceBefore, own.NonceAfter = 3, 4
	twice := own
	twice.NonceAfter = 5
	poorer := changed(byte20(4))
	poorer.BalanceAfter = big.NewInt(8)
	strangerPoorer := changed(stranger)
	strangerPoorer.BalanceAfter = big.NewInt(8)
	gas := own
	gas.BalanceAfter = big.NewInt(8)
	richer := own
	richer.BalanceAfter = big.NewInt(10)
	code := changed(stranger)
	code.CodeAfter = common.Hash{1}
	one := council.SlotChange{Slot: slot(1), Before: slot(0), After: slot(7)}
	expect := []council.Expected{{Account: byte20(3), Slot: slot(1), Value: slot(7)}}

	unpause := pack(t, s, "unpause()")
	accept := pack(t, s, "acceptOwnership()")
	guard := pack(t, s, "setGuardian(address)", "version")
	ok := func(sight council.Sight, moves []council.Movement, accounts ...council.AccountChange) council.Answer {
		return council.Answer{OK: true, Sight: sight, Detail: "the method", Moves: moves, Accounts: accounts}
	}
	moves := func(m ...council.Movement) []council.Movement { return m }
	state, moving, outcome := council.SightState, council.SightMoves, council.SightOutcome
	for _, k := range []struct {
		name   string
		data   []byte
		expect []council.Expected
		c      *Charter
		a      council.Answer
		want   string // of the refusal; "" for an allow
	}{
		{"outcome is enough for simulation", unpause, nil, all, ok(outcome, nil), ""},
		{"as before there was a sight", unpause, nil, all, ok("", nil), ""},
		{"nothing could be seen", unpause, nil, all, council.Answer{Sight: council.SightNone, Detail: "too large"}, "can't be judged: too large"},
		{"nothing could be seen, and it says OK", unpause, nil, all, ok(council.SightNone, nil), "can't be judged"},
		{"a revert", unpause, nil, all, council.Answer{Sight: outcome, Detail: "eth_call: EnforcedPause()"}, "the simulation reverts: eth_call: EnforcedPause()"},
		{"ether of a contract", unpause, nil, all, ok(moving, moves(move(council.Ether, byte20(4)))), "the simulation moves 5 wei from treasury (0x1000000000000000000000000000000000000004) to 0x0000000000000000000000000000000000005757"},
		{"tokens of a contract", unpause, nil, all, ok(moving, moves(move(council.ERC20, byte20(1)))), "moves 5 of token 0x0000000000000000000000000000000000000070 from proxy"},
		{"a collectible of the council", unpause, nil, all, ok(moving, moves(move(council.ERC721, caseFrom))), "moves number 0 of token 0x0000000000000000000000000000000000000070 from council"},
		{"an unread batch", unpause, nil, all, ok(moving, moves(council.Movement{Asset: council.ERC1155, From: byte20(4), To: stranger})), "an amount that can't be read"},
		{"the second movement", unpause, nil, all, ok(moving, moves(move(council.Ether, stranger), move(council.ERC1155, byte20(2)))), "from beaconed"},
		{"what others move", unpause, nil, all, ok(moving, moves(move(council.ERC20, stranger))), ""},
		{"an unwatched contract", unpause, nil, some, ok(moving, moves(move(council.ERC20, byte20(1)))), ""},
		{"a watched contract", unpause, nil, some, ok(moving, moves(move(council.ERC20, byte20(5)))), "from timelock"},
		{"the council is always watched", unpause, nil, some, ok(moving, moves(move(council.ERC20, caseFrom))), "from council"},
		{"a balance that falls", unpause, nil, all, ok(state, nil, own, poorer), "takes value from treasury"},
		{"a stranger's balance that falls", unpause, nil, all, ok(state, nil, own, strangerPoorer), ""},
		{"state changes are shown, not judged", unpause, nil, all, ok(state, nil, own, changed(byte20(3), one)), ""},
		{"pinned in the proposal, and not seen", unpause, expect, all, ok(moving, nil), "does not show the changes of state"},
		{"pinned in the proposal, and so", unpause, expect, all, ok(state, nil, own, changed(byte20(3), one)), ""},
		{"pinned in the proposal, and otherwise", unpause, expect, all, ok(state, nil, changed(byte20(2), one)), "does not expect a change: storage 0x0000000000000000000000000000000000000000000000000000000000000001 of beaconed"},

		{"movements not seen", accept, nil, all, ok(outcome, nil), "does not show what moves: the method"},
		{"movements seen", accept, nil, all, ok(moving, nil), ""},

		{"state not seen", guard, expect, all, ok(moving, nil), "does not show the changes of state"},
		{"nothing changes, nothing expected", guard, nil, all, ok(state, nil, own), ""},
		{"a change that nobody expects", guard, nil, all, ok(state, nil, own, changed(byte20(3), one)), "does not expect a change"},
		{"the change that was expected", guard, expect, all, ok(state, nil, own, changed(byte20(3), one)), ""},
		{"another value", guard, expect, all, ok(state, nil, own, changed(byte20(3), council.SlotChange{Slot: slot(1), After: slot(8)})), "does not expect a change"},
		{"one more", guard, expect, all, ok(state, nil, own, changed(byte20(3), one, council.SlotChange{Slot: council.ImplementationSlot, After: slot(8)})), "storage ERC-1967 implementation of plain"},
		{"an expected change stays away", guard, expect, all, ok(state, nil, own), "a change that does not happen"},
		{"a nonce that leaps", guard, expect, all, ok(state, nil, twice, changed(byte20(3), one)), "nonce of council"},
		{"gas that is paid for", guard, expect, all, ok(state, nil, gas, changed(byte20(3), one)), ""},
		{"the council gets value", guard, expect, all, ok(state, nil, richer, changed(byte20(3), one)), "balance of council"},
		{"new code", guard, expect, all, ok(state, nil, own, code, changed(byte20(3), one)), "code of 0x0000000000000000000000000000000000005757: none becomes"},
		{"value out, though the words are right", guard, expect, all, ok(state, moves(move(council.Ether, byte20(4))), own, changed(byte20(3), one)), "moves 5 wei from treasury"},
	} {
		tx := transaction(byte20(3), k.data)
		tx.Expect = k.expect
		in := input(tx)
		in.Facts.Answers[council.Query{Kind: council.QuerySimulation}] = k.a
		d := New(k.c, nil).Evaluate(in)
		if d.Allow != (k.want == "") || !strings.Contains(d.Reason, k.want) || !d.Allow && d.Hint == "" {
			t.Errorf("%s: %v by %s: %s", k.name, d.Allow, d.Rule, d.Reason)
		}
		if d.Allow && !strings.Contains(d.Reason, "simulation") {
			t.Errorf("%s: the reason does not say what was seen: %s", k.name, d.Reason)
		}
		delete(in.Facts.Answers, council.Query{Kind: council.QuerySimulation})
		if d := New(k.c, nil).Evaluate(in); d.Allow {
			t.Errorf("%s: allowed without a simulation", k.name)
		}
	}
}

// A member can ask for more than the charter does.
func TestMemberAsksForMore(t *testing.T) {
	c := readFactsCharter(t, "")
	m, err := LoadMember("member.yaml", []byte("version: 1\nrules:\n  - {id: careful, effect: allow, actions: [unpause], contracts: [plain], require: [state-diff], roles: [PAUSER_ROLE]}\n"), c)
	if err != nil {
		t.Fatal(err)
	}
	in := input(transaction(byte20(3), pack(t, scope{c, 1}, "unpause()")))
	in.Facts.Answers[council.Query{Kind: council.QuerySimulation}] = council.Answer{OK: true, Sight: council.SightOutcome}
	if d := New(c, nil).Evaluate(in); !d.Allow {
		t.Errorf("%+v", d)
	}
	if d := New(c, m).Evaluate(in); d.Allow || d.Rule != "member/careful" {
		t.Errorf("%+v", d)
	}
	if got := New(c, m).Needs(in.Intent); len(got) != 2 {
		t.Errorf("needs %v", got)
	}
}

func TestRehearsals(t *testing.T) {
	const playbooks = `playbooks:
  - {name: stop, targets: [proxy, treasury], function: pause}
  - {name: forgive, targets: [plain], function: unBlacklist, rehearse: {account: version}}
  - {name: guard, targets: [plain], function: setGuardian}
  - {name: start, targets: [plain], function: unpause}
  - {name: resume, targets: [plain], function: unpause, rehearse: {}}
`
	c := readFactsCharter(t, playbooks)
	var got []string
	for _, r := range c.Rehearsals() {
		deed, _, err := c.Playbook(r.Playbook, r.Target, map[string]string{"account": "version"})
		if r.Playbook != "forgive" {
			deed, _, err = c.Playbook(r.Playbook, r.Target, nil)
		}
		if err != nil || fmt.Sprint(deed) != fmt.Sprint(r.Deed) {
			t.Errorf("%s on %s: %v (%v)", r.Playbook, r.Target, r.Deed, err)
		}
		got = append(got, fmt.Sprint(r.Playbook, " ", r.Target, " ", r.Must))
	}
	if want := []string{"stop proxy true", "stop treasury true", "forgive plain true", "start plain false", "resume plain true"}; !slices.Equal(got, want) {
		t.Errorf("%v; want %v", got, want)
	}
}

// Calldata that means nothing at a contract with pins rests on nothing, and is denied
// like any other.
func TestNoMeaningAtAProxy(t *testing.T) {
	c := charterOf(t, "testdata/chain.yaml")
	proxy, ok := c.Contract("proxy")
	if !ok {
		t.Fatal("the charter has no proxy")
	}
	p := New(c, nil)
	for _, data := range [][]byte{{1, 2, 3, 4}, {1}, append(selectorOf(t, "pause()"), 1)} {
		tx := transaction(proxy.Address, data)
		if need := p.Needs(tx); len(need) > 0 {
			t.Errorf("%x asks for %v", data, need)
		}
		if d := p.Evaluate(input(tx)); d.Allow {
			t.Errorf("%x is allowed", data)
		}
	}
}

// selectorOf are the first bytes of a call.
func selectorOf(t *testing.T, signature string) []byte {
	f, err := ParseFunction(signature)
	if err != nil {
		t.Fatal(err)
	}
	return f.Selector[:]
}

// A grant is told as what it is, in figures or as all of a token.
func TestGrantsInWords(t *testing.T) {
	token, from, to := common.HexToAddress("0x01"), common.HexToAddress("0x02"), common.HexToAddress("0x03")
	all := new(big.Int).Sub(new(big.Int).Lsh(common.Big1, 160), common.Big1)
	for want, m := range map[string]council.Movement{
		"may move 5 of token vault":    {Asset: council.ERC20, Amount: big.NewInt(5)},
		"may move all of token vault":  {Asset: council.ERC20, Amount: all},
		"may move number 7 of token":   {Asset: council.ERC721, ID: common.BigToHash(big.NewInt(7)), Amount: common.Big1},
		"may move all of token vault ": {Asset: council.ERC1155},
	} {
		m.Token, m.From, m.To, m.Grant = token, from, to, true
		got := Move{Movement: m, TokenLabel: "vault", FromLabel: "treasury"}.String()
		if !strings.Contains(got, want) || !strings.HasPrefix(got, to.Hex()) || !strings.HasSuffix(got, "from treasury ("+from.Hex()+")") {
			t.Errorf("%s; want %q", got, want)
		}
	}
}
