package policy

import "fmt"

// forbidden is an entry of the never-list.
type forbidden struct {
	rule        string
	signature   string
	why         string
	unlessNamed string // the action that a charter rule must name, one by one, to allow it
}

// never is what no policy file can allow, by selector, so that it also holds
// where the target's ABI is not known or calls the function something else. The
// constitution gives the treasury to on-chain governance; the council has
// nothing to send, to lend or to sign away.
var never = func() map[[4]byte]forbidden {
	m := map[[4]byte]forbidden{}
	for _, g := range []struct {
		rule, why, named string
		signatures       []string
	}{
		{"never/token-transfer", "moving tokens is outside the council's mandate", "", []string{
			"transfer(address,uint256)", "transferFrom(address,address,uint256)",
			"safeTransfer(address,uint256)", "safeTransferFrom(address,address,uint256)",
			"safeTransferFrom(address,address,uint256,bytes)",
			"safeTransferFrom(address,address,uint256,uint256,bytes)",
			"safeBatchTransferFrom(address,address,uint256[],uint256[],bytes)",
			"transferAndCall(address,uint256)", "transferAndCall(address,uint256,bytes)",
			"transferFromAndCall(address,address,uint256)", "transferFromAndCall(address,address,uint256,bytes)",
			"transferWithAuthorization(address,address,uint256,uint256,uint256,bytes32,uint8,bytes32,bytes32)",
			"transferWithAuthorization(address,address,uint256,uint256,uint256,bytes32,bytes)",
			"receiveWithAuthorization(address,address,uint256,uint256,uint256,bytes32,uint8,bytes32,bytes32)",
			"receiveWithAuthorization(address,address,uint256,uint256,uint256,bytes32,bytes)",
			"send(address,uint256,bytes)", "operatorSend(address,address,uint256,bytes,bytes)",
			"transferFrom(address,address,uint160,address)",
			"transferFrom((address,address,uint160,address)[])",
			"permitTransferFrom(((address,uint256),uint256,uint256),(address,uint256),address,bytes)",
			"permitTransferFrom(((address,uint256)[],uint256,uint256),(address,uint256)[],address,bytes)",
			"permitWitnessTransferFrom(((address,uint256),uint256,uint256),(address,uint256),address,bytes32,string,bytes)",
			"permitWitnessTransferFrom(((address,uint256)[],uint256,uint256),(address,uint256)[],address,bytes32,string,bytes)",
			"transfer(address,address,uint256,uint256)", "transfer(address,uint256,uint256)",
			"transferFrom(address,address,uint256,uint256)",
		}},
		{"never/token-approval", "giving others power over tokens is outside the council's mandate", "", []string{
			"approve(address,uint256)", "increaseAllowance(address,uint256)", "decreaseAllowance(address,uint256)",
			"increaseApproval(address,uint256)", "decreaseApproval(address,uint256)", "forceApprove(address,uint256)",
			"setApprovalForAll(address,bool)", "approveAndCall(address,uint256)", "approveAndCall(address,uint256,bytes)",
			"approve(address,uint256,uint256)", "setOperator(address,bool)",
			"approve(address,address,uint160,uint48)", "authorizeOperator(address)",
			"permit(address,address,uint256,uint256,uint8,bytes32,bytes32)",
			"permit(address,address,uint256,uint256,bool,uint8,bytes32,bytes32)",
			"permit(address,address,uint256,uint256,bytes)",
			"permit(address,uint256,uint256,bytes)", "permit(address,uint256,uint256,uint8,bytes32,bytes32)",
			"permit(address,((address,uint160,uint48,uint48),address,uint256),bytes)",
			"permit(address,((address,uint160,uint48,uint48)[],address,uint256),bytes)",
			"permitForAll(address,address,uint256,bool,uint8,bytes32,bytes32)",
		}},
		{"never/renounce", "renouncing power can't be taken back", "renounce-role", []string{
			"renounceRole(bytes32,address)", "renounceRole(uint64,address)",
		}},
		{"never/renounce", "renouncing power can't be taken back", "renounce-ownership", []string{"renounceOwnership()"}},
	} {
		for _, s := range g.signatures {
			f, err := ParseFunction(s)
			if err != nil {
				panic("policy: never-list: " + err.Error())
			}
			if o, ok := m[f.Selector]; ok {
				panic(fmt.Sprintf("policy: never-list: %s and %s have one selector", s, o.signature))
			}
			m[f.Selector] = forbidden{rule: g.rule, signature: s, why: g.why, unlessNamed: g.named}
		}
	}
	return m
}()

// mustBeNamed are the actions that hand over power. A rule allows them only by
// name; a wildcard does not reach them.
var mustBeNamed = map[string]bool{
	"renounce-role": true, "renounce-ownership": true, "transfer-ownership": true,
	"grant-role": true, "manager-grant-role": true, "change-proxy-admin": true, "set-guardian": true,
}

// takesFrom finds the account that a call takes a role from, for the functions
// with which the council could take its own: revoking from oneself is
// renouncing by another name.
func takesFrom(c *Call) (account value, ok bool) {
	if c.fn == nil || c.use.def == nil || c.values == nil {
		return value{}, false
	}
	switch c.fn.Signature {
	case "revokeRole(bytes32,address)", "revokeRole(uint64,address)":
		return c.values[1], true
	}
	return value{}, false
}
