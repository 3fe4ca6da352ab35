package policy

import (
	"fmt"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/council"
)

func (x *Matrix) String() string {
	var b strings.Builder
	for _, r := range x.Rows {
		fmt.Fprintf(&b, "%s %s: charter %s; %v by %v; %d nodes, %d approvals, %s; %s\n", r.Action, r.Target, r.Charter, r.Cells, r.Rules, r.Allow, r.Approvals, r.Reach, r.Reason)
	}
	return b.String()
}

func TestMatrix(t *testing.T) {
	c := edited(t, "rules:\n", `  - name: revoke
    targets: [protocol]
    function: revokeRole
    validity: 24h
  - name: grant
    targets: [protocol]
    function: grantRole
rules:
`)
	names := []string{"a", "b", "c", "d", "e"}
	noBridge := member(t, c, "  - {id: no-bridge, effect: deny, contracts: [bridge]}\n")
	members := []*Member{
		nil, noBridge, noBridge,
		member(t, c, "  - {id: pauser, effect: deny, actions: [revoke-role], args: [{name: role, equal: \"keccak:PAUSER_ROLE\"}]}\n"),
		member(t, c, "  - {id: slow, effect: allow, actions: [pause, unpause, revoke-role, timelock-cancel], contracts: [protocol, bridge, timelock], approvals: 6}\n  - {id: say, effect: allow, actions: [statement]}\n"),
	}
	x := NewMatrix(c, names, members, 6)
	want := `pause protocol: charter allow; [allow allow allow allow allow] by [charter/pause charter/pause charter/pause charter/pause charter/pause]; 5 nodes, 6 approvals, yes; 
pause bridge: charter allow; [allow deny deny allow allow] by [charter/pause member/no-bridge member/no-bridge charter/pause charter/pause]; 3 nodes, 6 approvals, open; member/no-bridge: denied: Pause bridge (0x2222222222222222222222222222222222222222)
unpause protocol: charter allow; [allow allow allow allow allow] by [charter/unpause charter/unpause charter/unpause charter/unpause charter/unpause]; 5 nodes, 6 approvals, yes; 
unpause bridge: charter allow; [allow deny deny allow allow] by [charter/unpause member/no-bridge member/no-bridge charter/unpause charter/unpause]; 3 nodes, 6 approvals, open; member/no-bridge: denied: Unpause bridge (0x2222222222222222222222222222222222222222)
upgrade timelock: charter allow; [allow allow allow allow deny] by [charter/schedule-upgrade charter/schedule-upgrade charter/schedule-upgrade charter/schedule-upgrade member/default]; 4 nodes, 5 approvals, yes; member/default: the member's policy has allow rules, and none of them names timelock-schedule on timelock
execute-upgrade timelock: charter allow; [allow allow allow allow deny] by [charter/execute-upgrade charter/execute-upgrade charter/execute-upgrade charter/execute-upgrade member/default]; 4 nodes, 5 approvals, yes; member/default: the member's policy has allow rules, and none of them names timelock-execute on timelock
cancel timelock: charter allow; [allow allow allow allow allow] by [charter/cancel-scheduled charter/cancel-scheduled charter/cancel-scheduled charter/cancel-scheduled charter/cancel-scheduled]; 5 nodes, 6 approvals, yes; 
revoke protocol: charter some; [allow allow allow some allow] by [charter/revoke-guardian charter/revoke-guardian charter/revoke-guardian member/pauser charter/revoke-guardian]; 4 nodes, 6 approvals, yes; member/pauser: denied: Revoke PAUSER_ROLE (0x65d7a28e3265b37a6474929f336521b332c1681b933f6cb9f3376673440d862a) from 0x000000000000000000000000000000000F4e54Ad on protocol (0x1111111111111111111111111111111111111111)
grant protocol: charter deny; [deny deny deny deny deny] by [    ]; 0 nodes, 0 approvals, no; default/no-rule: no rule of the charter allows grant-role on protocol
statement -: charter allow; [allow allow allow allow allow] by [charter/statements charter/statements charter/statements charter/statements charter/statements]; 5 nodes, 4 approvals, yes; 
`
	if got := x.String(); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	if x.Reachable() {
		t.Error("a playbook that the charter denies is called reachable")
	}
	if r := NewMatrix(c, names, members, 5).Rows[1]; r.Reach != ReachNo {
		t.Errorf("three of five known members reach four: %+v", r)
	}
	if x := NewMatrix(sampleCharter(t), nil, nil, 7); !x.Reachable() || x.Rows[0].Reach != ReachOpen || x.Unknown != 7 {
		t.Errorf("of nobody is anything known: %+v", x)
	}
}

func TestReplay(t *testing.T) {
	c := sampleCharter(t)
	old := New(c, nil)
	next := New(edited(t, "min: 48h", "min: 72h", "    actions: [update-delay]", "    actions: [cancel-nonce]", "actions: [revoke-role]", "actions: [grant-role]",
		"    contracts: [protocol, bridge]\n    validity: 72h", "    contracts: [protocol, bridge]\n    validity: 72h\n    approvals: 5"), nil)
	s := scope{c, 1}
	tx := func(name, signature string, args ...any) council.Intent {
		in := transaction(c.byName[name].Address, pack(t, s, signature, args...))
		in.ValidUntil = caseNow + 60
		return in
	}
	empty := transaction(caseFrom, nil)
	past := []Past{
		{council.ProposalID{1}, tx("bridge", "pause()"), caseNow},
		{council.ProposalID{2}, tx("bridge", "pause()"), caseNow + 100}, // proposed when it was too late
		{council.ProposalID{3}, tx("protocol", "revokeRole(bytes32,address)", "keccak:PAUSER_ROLE", "bridge"), caseNow},
		{council.ProposalID{4}, tx("protocol", "grantRole(bytes32,address)", "keccak:PAUSER_ROLE", "bridge"), caseNow},
		{council.ProposalID{5}, tx("protocol", "unpause()"), caseNow},
		{council.ProposalID{6}, council.Statement{Text: "hello", ValidUntil: caseNow + 60}, caseNow},
		{council.ProposalID{7}, empty, caseNow},
		{council.ProposalID{8}, tx("timelock", "updateDelay(uint256)", 1), caseNow},
	}
	show := func(assume bool) string {
		var b strings.Builder
		for _, r := range Replay(old, next, past, caseFrom, assume) {
			fmt.Fprintf(&b, "%d %q %v by %s, %v by %s\n", r.ID[0], r.Change, r.Old.Allow, r.Old.Rule, r.New.Allow, r.New.Rule)
		}
		return b.String()
	}
	want := `1 "more approvals" true by charter/pause, true by charter/pause
2 "" false by default/expired, false by default/expired
3 "forbidden" true by charter/revoke-guardian, false by default/no-rule
4 "allowed" false by default/no-rule, true by charter/revoke-guardian
5 "" true by charter/unpause, true by charter/unpause
6 "" true by charter/statements, true by charter/statements
7 "forbidden" true by built-in/cancel-nonce, false by charter/keep-the-delay
8 "other rule" false by charter/keep-the-delay, false by default/no-rule
`
	if got := show(true); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	if got := show(false); got != strings.Replace(want, `5 "" true by charter/unpause, true`, `5 "" false by charter/unpause, false`, 1) {
		t.Errorf("without facts\n%s", got)
	}
	if got := Replay(old, old, past, common.Address{}, true); got[0].New.Rule != "default/council" || got[0].Change != Unchanged {
		t.Errorf("without a key: %+v", got[0])
	}
}

// What Assume assumes is enough wherever the rest of a rule holds.
func TestAssume(t *testing.T) {
	missed := 0
	for _, k := range inputsOfCases(t) {
		real := k.p.Evaluate(k.in)
		assumed := k.p.Assume(k.in.Intent, k.in.From, k.in.Now, true)
		if k.in.History != nil && k.in.History.Quorum != 0 {
			assumed.History = k.in.History // since when it is approved nobody assumes
		}
		d := k.p.Evaluate(assumed)
		if real.Allow && !d.Allow {
			t.Errorf("%s: allowed on its facts, and on assumed ones denied by %s: %s", k.name, d.Rule, d.Reason)
		}
		if strings.Contains(d.Reason, "missing fact") {
			t.Errorf("%s: %s", k.name, d.Reason)
		}
		if strings.Contains(real.Reason, "fact") && d.Allow {
			missed++
		}
	}
	if missed == 0 {
		t.Error("no case hangs on a fact")
	}
}
