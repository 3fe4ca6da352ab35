package policy

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/big"
	"slices"

	"github.com/ethereum/go-ethereum/common"
)

// inner is a call that another call carries.
type inner struct {
	to    common.Address
	value *big.Int
	data  []byte
	same  bool // made by the wrapper's own caller, inside the wrapper's own contract
}

// wrapper knows how to unwrap one function. A wrapper with an action of its own
// is transparent: it has no class but that of what it carries.
type wrapper struct {
	fn       *Function
	action   string
	sentence string
	open     func(to common.Address, v []value) ([]inner, error)
}

var errDelegate = errors.New("delegatecall: the called code would act as the wrapper itself")

// wrappers are the calls within calls that are understood.
var wrappers = func() []wrapper {
	list := []wrapper{
		{fn: sig("multicall(bytes[] data)"), action: "multicall", sentence: "Do in one transaction on {contract}: {calls}",
			open: func(to common.Address, v []value) ([]inner, error) {
				var out []inner
				for _, d := range v[0].items {
					out = append(out, inner{to: to, value: new(big.Int), data: d.raw, same: true})
				}
				return out, nil
			}},
		{fn: sig("aggregate((address target, bytes callData)[] calls)"), action: "aggregate", sentence: aggregateText, open: aggregate(0, -1, 1)},
		{fn: sig("tryAggregate(bool requireSuccess, (address target, bytes callData)[] calls)"), action: "aggregate", sentence: aggregateText, open: aggregate(0, -1, 1)},
		{fn: sig("aggregate3((address target, bool allowFailure, bytes callData)[] calls)"), action: "aggregate", sentence: aggregateText, open: aggregate(0, -1, 2)},
		{fn: sig("aggregate3Value((address target, bool allowFailure, uint256 value, bytes callData)[] calls)"), action: "aggregate", sentence: aggregateText, open: aggregate(0, 2, 3)},
		{fn: sig("schedule(address target, uint256 value, bytes data, bytes32 predecessor, bytes32 salt, uint256 delay)"), open: single},
		{fn: sig("execute(address target, uint256 value, bytes payload, bytes32 predecessor, bytes32 salt)"), open: single},
		{fn: sig("scheduleBatch(address[] targets, uint256[] values, bytes[] payloads, bytes32 predecessor, bytes32 salt, uint256 delay)"), open: batch},
		{fn: sig("executeBatch(address[] targets, uint256[] values, bytes[] payloads, bytes32 predecessor, bytes32 salt)"), open: batch},
		{fn: sig("upgradeToAndCall(address newImplementation, bytes data)"),
			open: func(to common.Address, v []value) ([]inner, error) { return setup(to, v[1].raw, true), nil }},
		{fn: sig("upgradeAndCall(address proxy, address implementation, bytes data)"),
			open: func(_ common.Address, v []value) ([]inner, error) { return setup(v[0].address(), v[2].raw, false), nil }},
		{fn: sig("execTransaction(address to, uint256 value, bytes data, uint8 operation, uint256 safeTxGas, uint256 baseGas, uint256 gasPrice, address gasToken, address refundReceiver, bytes signatures)"),
			action: "safe-execute", sentence: "Execute through the Safe {contract}: {calls}", open: safe},
		{fn: sig("multiSend(bytes transactions)"), action: "multisend", sentence: "Do through {contract}: {calls}", open: multiSend},
		{fn: sig("execute(address target, bytes data)"), action: "manager-execute", sentence: "Execute through the access manager {contract}: {calls}",
			open: func(_ common.Address, v []value) ([]inner, error) {
				return []inner{{to: v[0].address(), value: new(big.Int), data: v[1].raw}}, nil
			}},
		{fn: sig("relay(address target, uint256 value, bytes data)"), action: "governor-relay", sentence: "Relay through the governor {contract}: {calls}", open: single},
	}
	return list
}()

const aggregateText = "Do in one transaction through {contract}: {calls}"

var wrapperBySig = func() map[string]wrapper {
	m := map[string]wrapper{}
	for _, w := range wrappers {
		m[w.fn.Signature] = w
	}
	return m
}()

// wrapperBySelector finds what the chain would take a function for.
var wrapperBySelector = func() map[[4]byte]wrapper {
	m := map[[4]byte]wrapper{}
	for _, w := range wrappers {
		m[w.fn.Selector] = w
	}
	return m
}()

func sig(s string) *Function {
	f, err := ParseFunction(s)
	if err != nil {
		panic("policy: " + err.Error())
	}
	return f
}

// single is target, value, data in the first three places.
func single(_ common.Address, v []value) ([]inner, error) {
	return []inner{{to: v[0].address(), value: v[1].number(), data: v[2].raw}}, nil
}

// batch is three lists of equal length in the first three places.
func batch(_ common.Address, v []value) ([]inner, error) {
	n := len(v[0].items)
	if len(v[1].items) != n || len(v[2].items) != n {
		return nil, fmt.Errorf("lists of %d targets, %d values and %d payloads", n, len(v[1].items), len(v[2].items))
	}
	out := make([]inner, n)
	for i := range out {
		out[i] = inner{to: v[0].items[i].address(), value: v[1].items[i].number(), data: v[2].items[i].raw}
	}
	return out, nil
}

// aggregate is a list of structs, the last argument; val is -1 where the struct
// carries no value.
func aggregate(target, val, data int) func(common.Address, []value) ([]inner, error) {
	return func(_ common.Address, v []value) ([]inner, error) {
		var out []inner
		for _, it := range v[len(v)-1].items {
			c := inner{to: it.items[target].address(), value: new(big.Int), data: it.items[data].raw}
			if val >= 0 {
				c.value = it.items[val].number()
			}
			out = append(out, c)
		}
		return out, nil
	}
}

// setup is the call that a proxy makes to its new implementation, in its own
// storage; empty data means none.
func setup(proxy common.Address, data []byte, same bool) []inner {
	if len(data) == 0 {
		return nil
	}
	return []inner{{to: proxy, value: new(big.Int), data: data, same: same}}
}

func safe(_ common.Address, v []value) ([]inner, error) {
	if v[3].number().Sign() != 0 {
		return nil, errDelegate
	}
	if v[6].number().Sign() != 0 {
		return nil, errors.New("the Safe would refund gas to the sender, which is value out")
	}
	return single(common.Address{}, v)
}

// multiSend reads the packed list of Safe's MultiSend: operation (1 byte), to
// (20), value (32), length (32), data.
func multiSend(_ common.Address, v []value) ([]inner, error) {
	var out []inner
	for b := v[0].raw; len(b) > 0; {
		if len(b) < 85 || !zero(b[53:77]) {
			return nil, errors.New("the packed list is cut short")
		}
		n := binary.BigEndian.Uint64(b[77:85])
		if n > uint64(len(b)-85) {
			return nil, errors.New("the packed list is cut short")
		}
		if b[0] != 0 {
			return nil, errDelegate
		}
		out = append(out, inner{to: common.BytesToAddress(b[1:21]), value: new(big.Int).SetBytes(b[21:53]), data: b[85 : 85+n]})
		if b = b[85+n:]; len(out) > MaxCalls {
			break
		}
	}
	return out, nil
}

// managerFunctions are those of OpenZeppelin's AccessManager that no other
// contract with an execute(address,bytes) has.
var managerFunctions = []string{
	"setTargetClosed(address,bool)", "setTargetFunctionRole(address,bytes4[],uint64)", "setTargetAdminDelay(address,uint32)",
	"grantRole(uint64,address,uint32)", "revokeRole(uint64,address)", "renounceRole(uint64,address)", "labelRole(uint64,string)", "hasRole(uint64,address)",
	"schedule(address,bytes,uint48)", "canCall(address,address,bytes4)", "updateAuthority(address,address)", "isTargetClosed(address)",
}

// ambiguous says why a wrapper's function is not enough to know what it does.
// An AccessManager calls the target of execute(address,bytes); an UpgradeExecutor
// (Arbitrum's, through which its council acts) and a DSProxy run the target's
// code as their own.
func ambiguous(w wrapper, k *Contract) error {
	if w.fn.Signature != "execute(address,bytes)" || slices.ContainsFunc(k.order, func(f *Function) bool { return slices.Contains(managerFunctions, f.Signature) }) {
		return nil
	}
	return errors.New("on an UpgradeExecutor or a DSProxy this is a delegatecall, and nothing in the abi shows an AccessManager")
}

// carrying are words in the name of a function that runs the bytes it is given.
var carrying = []string{"execute", "exec", "execution", "call", "calls", "multicall", "batch", "relay", "forward", "delegate", "delegatecall", "invoke", "dispatch", "aggregate", "perform", "run"}

// hidesCalls reports whether a function that nobody can unwrap here has the
// looks of a wrapper: calldata beside a target, a list of calldata, or calldata
// in a function that by its name runs it, such as ERC-7579's
// execute(bytes32,bytes) or a DSProxy's execute(bytes,bytes).
func hidesCalls(f *Function) bool {
	if _, ok := wrapperBySig[f.Signature]; ok {
		return false
	}
	switch f.Signature {
	case "cancel(address[],uint256[],bytes[],bytes32)": // a Governor's cancel carries the calls that will NOT be made
		return false
	}
	var address, data, list bool
	var look func(t *abiType, inList bool)
	look = func(t *abiType, inList bool) {
		switch t.kind {
		case kindAddress:
			address = true
		case kindBytes:
			data, list = true, list || inList
		case kindList, kindArray:
			look(t.elem, true)
		case kindTuple:
			for _, p := range t.fields {
				look(p.typ, inList)
			}
		}
	}
	for _, p := range f.Params {
		look(p.typ, false)
	}
	runs := slices.ContainsFunc(wordsOf(f.Name), func(w string) bool { return slices.Contains(carrying, w) })
	return list || data && (address || runs)
}
