package policy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/council"
)

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
			"move(address,address,uint256)", "push(address,uint256)", "pull(address,uint256)", "burnFrom(address,uint256)",
			"sweep(address)", "sweep(address,address)", "sweep(address,address,uint256)", "sweepToken(address,uint256,address)",
		}},
		{"never/token-approval", "giving others power over tokens is outside the council's mandate", "", []string{
			"approve(address,uint256)", "approve(address)", "increaseAllowance(address,uint256)", "decreaseAllowance(address,uint256)",
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
			// The same of lending pools and vaults: Morpho, Maker, Balancer, Aave. Compound's
			// allow(address,bool) is what other contracts call something else.
			"setAuthorization(address,bool)", "hope(address)",
			"setRelayerApproval(address,address,bool)", "approveDelegation(address,uint256)",
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
// name; a wildcard does not reach them, nor a charter's own actions whose
// functions are known to give power (effects.go).
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

// forbiddenWords are the words in the name of a struct type by which typed data
// moves or lends what the council holds, or hands on its power. The names are
// those of the contracts that take such signatures, which nobody can choose
// anew: Permit (EIP-2612), PermitSingle and PermitBatch and PermitTransferFrom
// (Permit2), TransferWithAuthorization (EIP-3009), Order and OrderComponents and
// BulkOrder (exchanges), Delegation, Authorization (EIP-7702).
var forbiddenWords = []struct {
	rule, why string
	words     []string
}{
	{"never/token-approval", "giving others power over tokens is outside the council's mandate",
		[]string{"permit", "permits", "permitted", "approve", "approval", "approvals", "allowance", "allowances", "operator", "permissions"}},
	{"never/token-transfer", "moving tokens is outside the council's mandate",
		[]string{"transfer", "transfers", "withdraw", "withdrawal", "withdrawals", "payment", "payments", "send", "spend"}},
	{"never/order", "buying and selling is outside the council's mandate",
		[]string{"order", "orders", "swap", "swaps", "bid", "bids", "ask", "asks", "offer", "offers", "intent", "intents", "trade", "listing"}},
	{"never/delegation", "handing on the council's power by a signature can't be taken back",
		[]string{"delegation", "delegations", "delegate", "authorization", "authorizations", "session"}},
	{"never/wrapped-call", "a call that others make in the council's name has to be a transaction, which is decoded and judged",
		[]string{"safetx", "safemessage", "forwardrequest", "forward", "metatransaction", "operation", "execute", "multicall"}},
}

// forbiddenType looks a struct type's name up in the never-list.
func forbiddenType(name string) (rule, why string, ok bool) {
	words := wordsOf(name)
	for _, f := range forbiddenWords {
		if slices.ContainsFunc(words, func(w string) bool { return slices.Contains(f.words, w) }) {
			return f.rule, f.why, true
		}
	}
	return "", "", false
}

// wordsOf splits a name at capitals and underscores, and gives it as a whole,
// too: PermitTransferFrom is permit, transfer, from and permittransferfrom.
func wordsOf(name string) []string {
	words := []string{strings.ToLower(name)}
	start := 0
	for i := 1; i <= len(name); i++ {
		if i == len(name) || name[i] == '_' || name[i] >= 'A' && name[i] <= 'Z' && (name[i-1] < 'A' || name[i-1] > 'Z') {
			words = append(words, strings.ToLower(strings.Trim(name[start:i], "_0123456789")))
			start = i
		}
	}
	return words
}

// neverSigned is the never-list for messages. Every struct type of a document
// counts, not only the primary one, and so does a field in which a token
// contract looks for whom to trust.
func neverSigned(in council.Message, doc council.TypedDocument) *Refusal {
	if s, ok := in.(council.Statement); ok {
		return disguised(s.Text)
	}
	const hint = "no file can allow this; propose what it is for as a transaction"
	for _, name := range sortedKeys(doc.Types) {
		if rule, why, ok := forbiddenType(name); ok {
			return &Refusal{rule, fmt.Sprintf("typed data with the type %s: %s", name, why), hint}
		}
		for _, f := range doc.Types[name] {
			if w := wordsOf(f.Name); f.Type == "address" && (slices.Contains(w, "spender") || slices.Contains(w, "delegatee") || slices.Contains(w, "delegate")) {
				return &Refusal{"never/token-approval", fmt.Sprintf("typed data with an address %s in the type %s: giving others power over tokens is outside the council's mandate", f.Name, name), hint}
			}
		}
	}
	return nil
}

// disguised refuses a text that stands for something else than what it says. A
// contract that takes the signature of a hash under EIP-191 (the "eth_sign" of
// old) takes one of any text of 32 bytes; wallets read hex as the bytes it
// spells; and a site takes the text of EIP-4361 as its user signing in (its
// grammar, ABNF, does not tell capitals from small letters). Nor does the council state
// what its nodes sign by themselves: whoever checks a roster or a test signature has to
// be able to rely on who wrote the text.
func disguised(text string) *Refusal {
	digits := strings.TrimSpace(text)
	if cut, ok := strings.CutPrefix(strings.ToLower(digits), "0x"); ok {
		digits = cut
	}
	isHex := len(digits) >= 2*common.HashLength && strings.Trim(strings.ToLower(digits), "0123456789abcdef") == ""
	switch {
	case len(text) == common.HashLength:
		return &Refusal{"never/raw-hash", "a text of exactly 32 bytes can be a hash: its signature would hold for whatever the hash is of", "add a character to it, or take one away"}
	case isHex:
		return &Refusal{"never/raw-hash", "a text of nothing but hex digits is no statement: it can be a hash, or bytes that nobody can read", "say in words what it is about"}
	case strings.Contains(strings.Join(strings.Fields(strings.ToLower(text)), " "), "wants you to sign in with your ethereum account"):
		return &Refusal{"never/sign-in", "signing in (EIP-4361) would give a session in the council's name to whoever holds the signature", "no file can allow this"}
	case council.OwnWords(text):
		return &Refusal{"never/own-words", "the text begins as those that nodes sign by themselves, about rosters and tests, and could be taken for one", "begin it in other words"}
	}
	return nil
}
