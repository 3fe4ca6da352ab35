package chain

import (
	"bytes"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"sync"

	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rpc"
)

// knownErrors are the custom errors that a council meets most: those of
// OpenZeppelin's access control, pausing, proxies, timelock and tokens. Each
// argument is one word.
var knownErrors = []string{
	"AccessControlUnauthorizedAccount(address,bytes32)",
	"AccessControlBadConfirmation()",
	"OwnableUnauthorizedAccount(address)",
	"EnforcedPause()",
	"ExpectedPause()",
	"InvalidInitialization()",
	"NotInitializing()",
	"UUPSUnauthorizedCallContext()",
	"UUPSUnsupportedProxiableUUID(bytes32)",
	"ERC1967InvalidImplementation(address)",
	"ERC1967NonPayable()",
	"AddressEmptyCode(address)",
	"FailedCall()",
	"TimelockUnexpectedOperationState(bytes32,bytes32)",
	"TimelockInsufficientDelay(uint256,uint256)",
	"TimelockUnauthorizedCaller(address)",
	"ERC20InsufficientBalance(address,uint256,uint256)",
	"ERC20InsufficientAllowance(address,uint256,uint256)",
}

var errorsBySelector = sync.OnceValue(func() map[[4]byte]string {
	m := make(map[[4]byte]string, len(knownErrors))
	for _, sig := range knownErrors {
		m[[4]byte(crypto.Keccak256([]byte(sig)))] = sig
	}
	return m
})

// Reason puts what a reverting call returned into words: the text of
// require(…), the kind of a panic, a known custom error with its arguments, or
// at least the selector. It is one line, bounded, and safe to print.
func Reason(data []byte) string {
	if len(data) == 0 {
		return "no reason given"
	}
	if s, err := abi.UnpackRevert(data); err == nil {
		if s = plain(s, maxReason); s == "" {
			return "no reason given" // or none that can be shown
		}
		return s
	}
	if len(data) < 4 {
		return "reason " + hexutil.Encode(data)
	}
	sig, ok := errorsBySelector()[[4]byte(data)]
	if !ok {
		return fmt.Sprintf("custom error %s with %d bytes of arguments", hexutil.Encode(data[:4]), len(data)-4)
	}
	name, types, _ := strings.Cut(strings.TrimSuffix(sig, ")"), "(")
	var args []string
	for rest := data[4:]; types != "" && len(rest) >= 32; rest = rest[32:] {
		var typ string
		typ, types, _ = strings.Cut(types, ",")
		args = append(args, word(typ, rest[:32]))
	}
	return name + "(" + strings.Join(args, ", ") + ")"
}

func word(typ string, b []byte) string {
	switch typ {
	case "address":
		return common.BytesToAddress(b).Hex()
	case "uint256":
		return new(big.Int).SetBytes(b).String()
	}
	return hexutil.Encode(b)
}

// reverted looks whether an RPC's error is the outcome of the call rather than
// the RPC's own trouble, and gives it as an answer.
func (e *endpoint) reverted(err error) (*RevertError, bool) {
	var je rpc.Error
	if !errors.As(err, &je) {
		return nil, false
	}
	var de rpc.DataError
	if errors.As(err, &de) {
		if s, ok := de.ErrorData().(string); ok {
			if b, err := hexutil.Decode(s); err == nil && (len(b) > 0 || je.ErrorCode() == codeReverted) {
				return &RevertError{Reason: Reason(b), Data: bytes.Clone(b)}, true
			}
		}
	}
	text := e.clean(je.Error())
	if je.ErrorCode() == codeReverted || outcome(text) {
		return &RevertError{Reason: text}, true
	}
	return nil, false
}

// codeReverted is what go-ethereum and those who follow it give for a revert.
const codeReverted = 3

// outcome knows the words in which clients say that the machine itself stopped:
// each would be said again at any other RPC.
func outcome(text string) bool {
	text = strings.ToLower(text)
	for _, w := range []string{"revert", "insufficient funds", "insufficient balance", "out of gas", "outofgas", "gas required exceeds",
		"invalid opcode", "invalid jump", "stack underflow", "stack limit", "write protection", "intrinsic gas", "vm execution error"} {
		if strings.Contains(text, w) {
			return true
		}
	}
	return false
}
