package policy

import (
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/council"
)

func TestPlaybooksAreAllowed(t *testing.T) {
	c := sampleCharter(t)
	p := New(c, nil)
	given := map[string]string{"newImplementation": "0x5555555555555555555555555555555555555555", "salt": "keccak:x", "id": "keccak:y"}
	for _, b := range c.Playbooks() {
		for _, target := range b.Targets {
			params := map[string]string{}
			for _, q := range b.Params {
				params[q.Name] = given[q.Name]
			}
			tx, validity, err := c.Playbook(b.Name, target, params)
			if err != nil {
				t.Errorf("%s on %s: %v", b.Name, target, err)
				continue
			}
			if validity != b.Validity || tx.ValidUntil != 0 || tx.Value.Sign() != 0 || tx.MaxGas != b.Gas {
				t.Errorf("%s: %+v", b.Name, tx)
			}
			tx.ValidUntil = caseNow + validity
			if d := p.Evaluate(input(tx)); !d.Allow {
				t.Errorf("%s on %s is denied by %s: %s", b.Name, target, d.Rule, d.Reason)
			}
		}
	}
}

func TestPlaybookUpgrade(t *testing.T) {
	c := sampleCharter(t)
	tx, _, err := c.Playbook("upgrade", "", map[string]string{"newImplementation": "bridge", "salt": "keccak:x"})
	if err != nil {
		t.Fatal(err)
	}
	s := scope{c, 1}
	want := pack(t, s, "schedule(address,uint256,bytes,bytes32,bytes32,uint256)", "protocol", 0,
		pack(t, s, "upgradeToAndCall(address,bytes)", "bridge", []byte{}), common.Hash{}.Hex(), "keccak:x", "172800")
	if string(tx.Data) != string(want) || tx.To != c.byName["timelock"].Address || tx.Chain != 1 {
		t.Errorf("%x\nwant %x", tx.Data, want)
	}
}

func TestPlaybookErrors(t *testing.T) {
	c := sampleCharter(t)
	for _, k := range []struct {
		name, target string
		params       map[string]string
		want, hint   string
	}{
		{"puase", "protocol", nil, `unknown playbook "puase" (did you mean "pause"?)`, "the charter's playbooks are pause, unpause, upgrade, execute-upgrade, cancel"},
		{"pause", "brige", nil, `playbook pause has no target "brige" (did you mean "bridge"?)`, "targets of pause: protocol, bridge"},
		{"pause", "", nil, `playbook pause has no target ""`, "targets of pause: protocol, bridge"},
		{"cancel", "", nil, `playbook cancel needs id (bytes32)`, "name=value"},
		{"cancel", "", map[string]string{"id": "keccak:x", "di": "1"}, `playbook cancel has no parameter "di" (did you mean "id"?)`, "parameters of cancel: id"},
		{"cancel", "", map[string]string{"id": "0x12"}, `parameter id: "0x12" is no bytes32`, "write 0x and 64 hex digits"},
		{"upgrade", "", map[string]string{"newImplementation": "0xd8da6bf26964af9d7eed9e03e53415d37aa96045", "salt": "keccak:x"}, "parameter newImplementation: address 0xd8da6bf26964af9d7eed9e03e53415d37aa96045 has a wrong checksum; with these digits it is 0xd8dA6BF26964aF9D7eEd9e03E53415D37aA96045", "compare every digit"},
	} {
		_, _, err := c.Playbook(k.name, k.target, k.params)
		if err == nil || err.Error() != k.want || !strings.Contains(council.Hint(err), k.hint) {
			t.Errorf("%s: %v (%s)\nwant %s (…%s…)", k.name, err, council.Hint(err), k.want, k.hint)
		}
	}
}
