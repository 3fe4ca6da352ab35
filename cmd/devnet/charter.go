package main

import (
	"fmt"
	"strings"
	"text/template"

	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/configs"
	"github.com/millicent-one/signer/policy"
)

// charterFor is the charter of this council, over contracts that exist.
func charterFor(chain uint64, s *sites) ([]byte, error) {
	var b strings.Builder
	err := charterText.Execute(&b, map[string]any{
		"Chain": chain, "Protocol": s.protocol, "Bridge": s.bridge, "Timelock": s.timelock, "Treasury": s.treasury,
	})
	if err != nil {
		return nil, fmt.Errorf("write charter: %w", err)
	}
	catalogue, err := policy.LoadActions("actions.yaml", configs.Actions)
	if err != nil {
		return nil, err
	}
	if _, err := policy.LoadCharter("charter.yaml", []byte(b.String()), catalogue); err != nil {
		return nil, fmt.Errorf("write charter: %w", err)
	}
	return []byte(b.String()), nil
}

var charterText = template.Must(template.New("charter").Funcs(template.FuncMap{
	"address": func(a common.Address) string { return a.Hex() },
	// abi writes the list of a contract's functions, and the hash that pins it.
	"abi": func(functions ...string) (string, error) {
		hash, err := policy.ABIHash(functions)
		if err != nil {
			return "", err
		}
		return "    abi:\n      - " + strings.Join(functions, "\n      - ") + "\n    abi_hash: " + hash.Hex(), nil
	},
}).Parse(`# The charter of a council that lives for as long as the demo runs.
version: 1
name: Council of the dev chain
threshold: 4

chains:
  - name: devnet
    id: {{.Chain}}

limits:
  gas: 2000000
  fee: 1000 gwei
  tip: 50 gwei
  validity: 14d

contracts:
  - name: protocol
    chain: devnet
    address: {{address .Protocol}}
{{abi "pause()" "unpause()" "upgradeToAndCall(address newImplementation, bytes data)"}}
  - name: bridge
    chain: devnet
    address: {{address .Bridge}}
{{abi "pause()" "unpause()"}}
  - name: timelock
    chain: devnet
    address: {{address .Timelock}}
{{abi "schedule(address target, uint256 value, bytes data, bytes32 predecessor, bytes32 salt, uint256 delay)" "execute(address target, uint256 value, bytes payload, bytes32 predecessor, bytes32 salt)" "cancel(bytes32 id)"}}
  # Known so that a refusal can name it. The treasury belongs to governance.
  - name: treasury
    chain: devnet
    address: {{address .Treasury}}
{{abi "transfer(address to, uint256 amount)" "approve(address spender, uint256 amount)"}}

playbooks:
  - name: pause
    summary: Stop a contract at once
    targets: [protocol, bridge]
    function: pause
    gas: 300000
    fee: 1000 gwei
    tip: 50 gwei
    validity: 24h
  - name: unpause
    summary: Start a contract again, once the incident is over
    targets: [protocol, bridge]
    function: unpause
    gas: 300000
    fee: 200 gwei
    tip: 5 gwei
    validity: 72h
  - name: cancel
    summary: Stop an operation that waits in the timelock
    targets: [timelock]
    function: cancel
    gas: 200000
    fee: 1000 gwei
    tip: 50 gwei
    validity: 24h

rules:
  # Brakes take four approvals and nothing else.
  - id: pause
    effect: allow
    actions: [pause]
    contracts: [protocol, bridge]
    validity: 72h
  - id: cancel-scheduled
    effect: allow
    actions: [timelock-cancel]
    contracts: [timelock]
    validity: 72h
  # Starting again: the member's own node must have seen it succeed.
  - id: unpause
    effect: allow
    actions: [unpause]
    contracts: [protocol, bridge]
    fee: 200 gwei
    tip: 5 gwei
    require: [simulation]
  # Upgrades go through the timelock, with two days for everybody to look.
  - id: schedule-upgrade
    effect: allow
    actions: [timelock-schedule]
    contracts: [timelock]
    args:
      - name: delay
        min: 48h
    fee: 200 gwei
    tip: 5 gwei
    approvals: 5
    require: [simulation]
  - id: execute-upgrade
    effect: allow
    actions: [timelock-execute]
    contracts: [timelock]
    fee: 200 gwei
    tip: 5 gwei
    approvals: 5
    require: [simulation]
  - id: upgrade-through-timelock
    effect: allow
    actions: [upgrade-and-call]
    contracts: [protocol]
    via: [timelock]
    args:
      - name: data
        equal: 0x
    approvals: 5
  # What the council has to say to the public.
  - id: statements
    effect: allow
    actions: [statement]
    max_length: 8192
    validity: 7d
`))

// strictPolicy is what one member adds for the own node.
const strictPolicy = `# This node keeps its hands off the bridge, whatever the charter allows.
version: 1
name: hands off the bridge
rules:
  - id: hands-off-the-bridge
    effect: deny
    actions: [pause, unpause]
    contracts: [bridge]
`
