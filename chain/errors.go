package chain

import (
	"errors"
	"fmt"
	"math/big"
	"strings"

	"github.com/ethereum/go-ethereum/common"
)

// Why a broadcast was refused. A caller branches on these with errors.Is.
var (
	ErrNonceUsed   = errors.New("the nonce is used by another transaction")
	ErrUnderpriced = errors.New("the fees are too low to enter the pool or to replace what is there")
	ErrNoFunds     = errors.New("the council's address can't pay for gas and value")
)

// Fault is what went wrong at one RPC.
type Fault struct {
	Host string
	Err  error
}

func (f Fault) Error() string { return f.Host + ": " + f.Err.Error() }
func (f Fault) Unwrap() error { return f.Err }

func joinFaults(fs []Fault) string {
	parts := make([]string, len(fs))
	for i, f := range fs {
		parts[i] = f.Error()
	}
	return strings.Join(parts, "; ")
}

func unwrapFaults(fs []Fault) []error {
	out := make([]error, len(fs))
	for i, f := range fs {
		out[i] = f
	}
	return out
}

// UnreachableError says that no RPC of a chain gave an answer.
type UnreachableError struct {
	Chain  uint64
	Action string // what was asked
	Faults []Fault
}

func (e *UnreachableError) Error() string {
	return fmt.Sprintf("%s on chain %d: no RPC answered: %s", e.Action, e.Chain, joinFaults(e.Faults))
}

// Unwrap gives the faults.
func (e *UnreachableError) Unwrap() []error { return unwrapFaults(e.Faults) }

// WrongChainError says that an RPC serves another chain.
type WrongChainError struct {
	Host      string
	Want, Got uint64
}

func (e *WrongChainError) Error() string {
	return fmt.Sprintf("RPC %s serves chain %d, not %d", e.Host, e.Got, e.Want)
}

// RevertError says that a call would revert.
type RevertError struct {
	Reason string // for people
	Data   []byte // what the contract returned
}

func (e *RevertError) Error() string { return "the call reverts: " + e.Reason }

// CeilingError says that the chain wants more than the members approved.
type CeilingError struct {
	What          string // gas, fee per gas, tip per gas
	Need, Ceiling *big.Int
}

func (e *CeilingError) Error() string {
	return fmt.Sprintf("%s: %s needed, the approved ceiling is %s", e.What, e.Need, e.Ceiling)
}

// RefusedError says that no RPC took a transaction. It unwraps to ErrNonceUsed,
// ErrUnderpriced or ErrNoFunds where an RPC said so.
type RefusedError struct {
	Tx     common.Hash
	Faults []Fault
}

func (e *RefusedError) Error() string {
	return fmt.Sprintf("broadcast %s: no RPC took it: %s", e.Tx.Hex(), joinFaults(e.Faults))
}

// Unwrap gives the faults.
func (e *RefusedError) Unwrap() []error { return unwrapFaults(e.Faults) }
