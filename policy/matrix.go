package policy

import (
	"bytes"
	"fmt"
	"math/big"
	"strings"

	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/council"
)

// Cell is what one member's policy says to one ready action.
type Cell string

// The cells of a matrix. Some: it depends on the parameters.
const (
	CellAllow Cell = "allow"
	CellSome  Cell = "some"
	CellDeny  Cell = "deny"
)

// Reach says whether enough nodes would take part.
type Reach string

// Whether the threshold is within reach. Open: it hangs on members whose
// policies were not given.
const (
	ReachYes  Reach = "yes"
	ReachNo   Reach = "no"
	ReachOpen Reach = "open"
)

// Matrix says which member's node would take part in which ready action.
type Matrix struct {
	Members   []string    `json:"members"` // whose policies were given, in the order given
	Unknown   int         `json:"unknown"` // members whose policies were not
	Threshold int         `json:"threshold"`
	Rows      []MatrixRow `json:"rows"`
}

// MatrixRow is one playbook on one target, or the statement.
type MatrixRow struct {
	Action    string   `json:"action"`
	Target    string   `json:"target"`
	Charter   Cell     `json:"charter"` // the charter alone
	Cells     []Cell   `json:"cells"`   // one for each member
	Rules     []string `json:"rules"`   // that decided for each member
	Allow     int      `json:"allow"`   // members whose node takes part, at worst
	Approvals int      `json:"approvals"`
	Reach     Reach    `json:"reach"`
	Reason    string   `json:"reason,omitempty"` // why the charter, or the first member, denies
}

// NewMatrix judges every playbook of the charter on every target, and a
// statement, under each member's policy; nil stands for a member without one.
// Size is the number of members of the council. Facts are assumed to be as the
// rules want them; of the parameters that a playbook leaves open all are tried
// that some rule names, up to a bound.
func NewMatrix(c *Charter, names []string, members []*Member, size int) *Matrix {
	x := &Matrix{Members: names, Unknown: max(0, size-len(names)), Threshold: c.threshold, Rows: []MatrixRow{}}
	policies := make([]*Policy, len(members))
	for i, m := range members {
		policies[i] = New(c, m)
	}
	for _, pb := range c.playbooks {
		for _, target := range pb.Targets {
			x.add(pb.Name, target, New(c, nil), policies, c.fillings(pb, target))
		}
	}
	for _, r := range c.rules.words {
		if r.allow && r.message.action == publish {
			say := council.Statement{Text: "A word to the public.", ValidUntil: caseNow + min(3600, r.limits.validity)}
			x.add(publish.name, "-", New(c, nil), policies, []council.Intent{say})
			break
		}
	}
	return x
}

// Reachable reports whether no row is out of reach.
func (x *Matrix) Reachable() bool {
	for _, r := range x.Rows {
		if r.Reach == ReachNo {
			return false
		}
	}
	return true
}

func (x *Matrix) add(action, target string, alone *Policy, members []*Policy, intents []council.Intent) {
	row := MatrixRow{Action: action, Target: target, Cells: []Cell{}, Rules: []string{}}
	var good []council.Intent // what the charter allows at all
	for _, in := range intents {
		d := alone.assumed(in)
		if d.Allow {
			good = append(good, in)
			row.Approvals = max(row.Approvals, d.Approvals)
		} else if row.Reason == "" {
			row.Reason = d.Rule + ": " + d.Reason
		}
	}
	row.Charter = cell(len(good), len(intents))
	if len(good) > 0 {
		row.Reason = ""
	}
	for _, p := range members {
		yes, rule := 0, ""
		for _, in := range good {
			d := p.assumed(in)
			if d.Allow {
				yes++
				row.Approvals = max(row.Approvals, d.Approvals)
			}
			if rule == "" || !d.Allow {
				rule = d.Rule
			}
			if !d.Allow && row.Reason == "" {
				row.Reason = d.Rule + ": " + d.Reason
			}
		}
		k := cell(yes, len(good))
		if k == CellAllow {
			row.Allow++
		}
		row.Cells, row.Rules = append(row.Cells, k), append(row.Rules, rule)
	}
	least := max(x.Threshold, 1)
	switch size := len(members) + x.Unknown; {
	case len(good) == 0 || row.Allow+x.Unknown < least || row.Approvals > size:
		row.Reach = ReachNo
	case row.Allow < least:
		row.Reach = ReachOpen
	default:
		row.Reach = ReachYes
	}
	x.Rows = append(x.Rows, row)
}

func cell(yes, all int) Cell {
	switch {
	case all == 0 || yes == 0:
		return CellDeny
	case yes < all:
		return CellSome
	}
	return CellAllow
}

// assumed judges an intent on facts that are as the rules want them.
func (p *Policy) assumed(in council.Intent) Decision {
	return p.Evaluate(p.Assume(in, caseFrom, caseNow, true))
}

// maxFillings bounds the ways in which a playbook's parameters are filled.
const maxFillings = 64

// fillings makes the transactions of a playbook: one for each way to choose its
// parameters among the values that rules name, and one that no rule names.
func (c *Charter) fillings(pb *playbook, target string) []council.Intent {
	pools := make([][]string, len(pb.Params))
	for i, q := range pb.Params {
		pools[i] = c.namedValues(q)
	}
	var out []council.Intent
	chosen := map[string]string{}
	var fill func(i int)
	fill = func(i int) {
		if len(out) >= maxFillings {
			return
		}
		if i < len(pools) {
			for _, v := range pools[i] {
				chosen[pb.Params[i].Name] = v
				fill(i + 1)
			}
			return
		}
		t, seconds, err := c.Playbook(pb.Name, target, chosen)
		if err != nil { // a type that can't be written
			return
		}
		t.ValidUntil, t.Reason = caseNow+seconds, "INC-0 tried by a tool"
		out = append(out, t)
	}
	fill(0)
	return out
}

// namedValues are values for a parameter: those that rules name for an argument
// of that name and type, as people write them, and last one that none names.
func (c *Charter) namedValues(q Param) []string {
	t, err := elementary(q.Type)
	if err != nil {
		if strings.HasSuffix(q.Type, "[]") {
			return []string{""} // the empty list
		}
		return nil
	}
	pool := newPool(t)
	for _, r := range c.rules.all {
		for _, m := range r.keys {
			for i := range r.bind[m] {
				if cond := &r.bind[m][i]; cond.param == q.Name && cond.field == "" && m.fn.Params[cond.index].Type == q.Type && r.allow {
					pool.good(&cond.predicate)
				}
			}
		}
	}
	var out []string
	for _, v := range pool.list[1:] {
		out = append(out, v.write())
	}
	return append(out, pool.list[0].write())
}

// write is the inverse of readValue, for values of elementary types.
func (v value) write() string {
	if v.typ.kind == kindString {
		return string(v.raw)
	}
	if v.typ.kind == kindBytes {
		return fmt.Sprintf("0x%x", v.raw)
	}
	return v.show(noNames{})
}

// pool collects distinct values of one type, in order.
type pool struct {
	typ  *abiType
	list []value
}

// newPool begins with a value that nobody names.
func newPool(t *abiType) *pool {
	p := &pool{typ: t}
	p.add(fresh(t))
	return p
}

func (p *pool) add(v value) {
	if !contains(p.list, &v) && len(p.list) < maxFillings {
		p.list = append(p.list, v)
	}
}

func (p *pool) number(n *big.Int) {
	if fits(n, p.typ) {
		p.add(numberOf(p.typ, n))
	}
}

// good adds values that the condition names as good.
func (p *pool) good(c *predicate) {
	for _, v := range c.in {
		p.add(v)
	}
	for _, n := range []*big.Int{c.min, c.max} {
		if n != nil {
			p.number(n)
		}
	}
}

// edges adds the values around which the condition changes its mind.
func (p *pool) edges(c *predicate) {
	p.good(c)
	for _, v := range c.notIn {
		p.add(v)
	}
	for _, l := range []*addressList{c.inList, c.notInList} {
		if l != nil {
			p.add(value{typ: p.typ, word: [32]byte(common.LeftPadBytes(l.addresses[0][:], 32))})
		}
	}
	if b := c.bits; b != nil {
		v := value{typ: p.typ, word: b.want.word}
		p.add(v)
		for i := range v.word { // what is under the mask, turned round
			v.word[i] ^= b.mask.word[i]
		}
		p.add(v)
	}
	if l := c.length; l != nil && p.typ.kind < kindList {
		for _, n := range []int{l.min - 1, l.min, l.max, l.max + 1} {
			if n >= 0 && n <= 1024 {
				p.add(value{typ: p.typ, raw: bytes.Repeat([]byte("x"), n)})
			}
		}
	}
	one := big.NewInt(1)
	if c.min != nil {
		p.number(new(big.Int).Sub(c.min, one))
	}
	if c.max != nil {
		p.number(new(big.Int).Add(c.max, one))
	}
}

func numberOf(t *abiType, n *big.Int) value {
	v := value{typ: t}
	new(big.Int).And(n, new(big.Int).Sub(two256, big.NewInt(1))).FillBytes(v.word[:])
	return v
}

// freshAddress is an address that no charter knows.
var freshAddress = common.HexToAddress("0x000000000000000000000000000000000F4E54ad")

// fresh is a plain value of an elementary type.
func fresh(t *abiType) value {
	v := value{typ: t}
	switch t.kind {
	case kindAddress:
		copy(v.word[12:], freshAddress[:])
	case kindUint, kindInt:
		v.word[31] = 1
	case kindFixedBytes:
		for i := range t.size {
			v.word[i] = 0xf5
		}
	case kindBytes:
		v.raw = []byte{}
	case kindString:
		v.raw = []byte("x")
	}
	return v
}
