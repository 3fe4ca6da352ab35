package policy

import (
	"encoding/binary"

	"github.com/ethereum/go-ethereum/common"
)

// carrier is a wrapper from the other side: how to put a call into it. It must
// be the inverse of the wrapper's open.
type carrier struct {
	same   bool // the inner call is made by the wrapper's own caller
	target int  // the argument that is the inner call's target; -1 where it stands in a list
	fill   func(p []Parameter, to common.Address, data []byte) map[int]value
}

var carrierBySig = func() map[string]carrier {
	direct := func(p []Parameter, to common.Address, data []byte) map[int]value {
		return map[int]value{0: addressValue(p[0].typ, to), 1: {typ: p[1].typ}, 2: {typ: p[2].typ, raw: data}}
	}
	batch := func(p []Parameter, to common.Address, data []byte) map[int]value {
		return map[int]value{0: listValue(p[0].typ, addressValue(p[0].typ.elem, to)), 1: listValue(p[1].typ, value{typ: p[1].typ.elem}), 2: listValue(p[2].typ, value{typ: p[2].typ.elem, raw: data})}
	}
	struct1 := func(p []Parameter, to common.Address, data []byte) map[int]value {
		last := len(p) - 1
		t := p[last].typ
		item := value{typ: t.elem}
		for _, f := range t.elem.fields {
			v := value{typ: f.typ}
			switch f.typ.kind {
			case kindAddress:
				v = addressValue(f.typ, to)
			case kindBytes:
				v.raw = data
			}
			item.items = append(item.items, v)
		}
		return map[int]value{last: listValue(t, item)}
	}
	return map[string]carrier{
		"multicall(bytes[])": {same: true, target: -1, fill: func(p []Parameter, _ common.Address, data []byte) map[int]value {
			return map[int]value{0: listValue(p[0].typ, value{typ: p[0].typ.elem, raw: data})}
		}},
		"aggregate((address,bytes)[])":                                       {target: -1, fill: struct1},
		"tryAggregate(bool,(address,bytes)[])":                               {target: -1, fill: struct1},
		"aggregate3((address,bool,bytes)[])":                                 {target: -1, fill: struct1},
		"aggregate3Value((address,bool,uint256,bytes)[])":                    {target: -1, fill: struct1},
		"schedule(address,uint256,bytes,bytes32,bytes32,uint256)":            {fill: direct},
		"execute(address,uint256,bytes,bytes32,bytes32)":                     {fill: direct},
		"relay(address,uint256,bytes)":                                       {fill: direct},
		"scheduleBatch(address[],uint256[],bytes[],bytes32,bytes32,uint256)": {target: -1, fill: batch},
		"executeBatch(address[],uint256[],bytes[],bytes32,bytes32)":          {target: -1, fill: batch},
		"upgradeToAndCall(address,bytes)": {same: true, target: -1, fill: func(p []Parameter, _ common.Address, data []byte) map[int]value {
			return map[int]value{1: {typ: p[1].typ, raw: data}}
		}},
		"upgradeAndCall(address,address,bytes)": {fill: func(p []Parameter, to common.Address, data []byte) map[int]value {
			return map[int]value{0: addressValue(p[0].typ, to), 2: {typ: p[2].typ, raw: data}}
		}},
		"execTransaction(address,uint256,bytes,uint8,uint256,uint256,uint256,address,address,bytes)": {fill: func(p []Parameter, to common.Address, data []byte) map[int]value {
			m := direct(p, to, data)
			m[3], m[6] = value{typ: p[3].typ}, value{typ: p[6].typ}
			return m
		}},
		"multiSend(bytes)": {target: -1, fill: func(p []Parameter, to common.Address, data []byte) map[int]value {
			packed := make([]byte, 85, 85+len(data))
			copy(packed[1:21], to[:])
			binary.BigEndian.PutUint64(packed[77:85], uint64(len(data)))
			return map[int]value{0: {typ: p[0].typ, raw: append(packed, data...)}}
		}},
		"execute(address,bytes)": {fill: func(p []Parameter, to common.Address, data []byte) map[int]value {
			return map[int]value{0: addressValue(p[0].typ, to), 1: {typ: p[1].typ, raw: data}}
		}},
	}
}()

func addressValue(t *abiType, a common.Address) value {
	v := value{typ: t}
	copy(v.word[12:], a[:])
	return v
}

func listValue(t *abiType, items ...value) value { return value{typ: t, items: items} }
