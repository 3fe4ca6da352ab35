package policy

import (
	"fmt"
	"math/big"
	"strconv"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/millicent-one/signer/council"
)

// Action is what an intent means, as this charter reads its bytes. It depends on
// the charter and the intent alone, so every node finds the same.
type Action struct {
	Name     string `json:"name"`     // of the catalogue; "" if it has none
	Class    Class  `json:"class"`    // permissive as soon as one call inside is, or is not known
	Duty     Duty   `json:"duty"`     // of the constitution
	Sentence string `json:"sentence"` // what members read and sign; at most council.MaxSentence bytes of ASCII
	Root     *Call  `json:"call"`     // nil for an intent that is no transaction
}

// Call is one call of the tree.
type Call struct {
	Path     string         `json:"path"` // "" for the outermost, "3.1" for the first in its third
	Via      string         `json:"via"`  // the contract that makes the call; "council" for the council itself
	To       common.Address `json:"to"`
	Contract string         `json:"contract"` // its name in the charter; "" if it has none
	Value    *big.Int       `json:"value"`    // wei
	Selector hexutil.Bytes  `json:"selector"`
	Function string         `json:"function"` // canonical signature; "" if not known
	Args     []Arg          `json:"args"`
	Action   string         `json:"action"`
	Class    Class          `json:"class"`
	Duty     Duty           `json:"duty"`
	Sentence string         `json:"sentence"`
	Refusal  *Refusal       `json:"refusal,omitempty"` // why no rule can allow this call
	Calls    []*Call        `json:"calls,omitempty"`

	contract *Contract
	caller   *Contract // nil for the council
	fn       *Function
	use      use
	values   []value
	unless   string // never, unless the charter names this action
	opaque   string // why the calls inside can't be read
}

// Arg is one decoded argument, written for people.
type Arg struct {
	Name  string `json:"name"`
	Type  string `json:"type"`
	Value string `json:"value"`
}

// Refusal says what is denied, by which rule, and what would make it pass.
type Refusal struct {
	Rule   string `json:"rule"`
	Reason string `json:"reason"`
	Hint   string `json:"hint"`
}

// reader decodes one transaction's tree of calls.
type reader struct {
	c     *Charter
	chain uint64
	count int
}

// read builds the tree of a transaction.
func (c *Charter) read(t council.Transaction) *Call {
	r := &reader{c: c, chain: t.Chain}
	return r.call("", nil, 0, inner{to: t.To, value: t.Value, data: t.Data})
}

func (r *reader) call(path string, caller *Contract, depth int, in inner) *Call {
	r.count++
	c := &Call{Path: path, Via: councilName, To: in.to, Value: in.value, caller: caller,
		contract: r.c.byPlace[place{r.chain, in.to}], Selector: hexutil.Bytes(in.data[:min(4, len(in.data))])}
	if caller != nil {
		c.Via = caller.Name
	}
	if c.contract != nil {
		c.Contract = c.contract.Name
	}
	c.Refusal = r.inspect(c, depth, in)
	for _, k := range c.Calls {
		if k.Class != Restrictive {
			c.Class = Permissive
		} else if c.Class == "" {
			c.Class = Restrictive
		}
		if c.Duty == "" {
			c.Duty = k.Duty
		}
	}
	if c.Class == "" {
		c.Class = Permissive
	}
	c.Sentence = r.sentence(c, in)
	return c
}

// inspect fills in what the bytes say, and returns what no rule could mend.
func (r *reader) inspect(c *Call, depth int, in inner) *Refusal {
	var sel [4]byte
	hasSel := copy(sel[:], in.data) == 4
	if c.contract != nil && hasSel {
		c.fn = c.contract.bySel[sel]
	}
	var wrong error
	if c.fn != nil {
		c.Function = c.fn.Signature
		if c.values, wrong = c.fn.decode(in.data[4:]); wrong == nil {
			r.args(c)
		}
	}
	if ref := r.neverAllowed(c, in, sel, hasSel); ref != nil {
		return ref
	}
	switch {
	case in.to == (common.Address{}):
		return &Refusal{"never/contract-creation", "a transaction to the zero address; creating contracts is outside the council's mandate", "propose a call to a contract of the charter"}
	case len(in.data) == 0 && depth == 0:
		c.Action, c.Class, c.Duty = cancelNonce.name, cancelNonce.class, cancelNonce.duty
		c.use = use{def: cancelNonce}
		return nil
	case c.contract == nil:
		return &Refusal{"default/unknown-contract", in.to.Hex() + " is not a contract of the charter on this chain", "add the contract to the charter, which takes a new roster version"}
	case !hasSel:
		return &Refusal{"decode/selector", fmt.Sprintf("%d bytes of calldata call no function of %s", len(in.data), c.contract.Name), "propose a call to a function of the contract's abi"}
	case c.fn == nil:
		return &Refusal{"decode/selector", fmt.Sprintf("selector 0x%x is not in the abi of %s", sel, c.contract.Name), "add the function to the contract's abi in the charter, once it was compared with the source"}
	case wrong != nil:
		return &Refusal{"decode/calldata", fmt.Sprintf("calldata of %s on %s: %v", c.fn.Signature, c.contract.Name, wrong), "encode the call again with a standard encoder"}
	}
	u, ok := r.c.actions.classify(c.fn, c.values)
	if !ok {
		return &Refusal{"default/unknown-action", fmt.Sprintf("%s is no action of the catalogue", c.fn.Signature), "add an action for it to the charter, then a rule"}
	}
	c.use, c.Action, c.Class, c.Duty = u, u.def.name, u.def.class, u.def.duty
	return r.unwrap(c, depth)
}

// neverAllowed is the never-list, which needs no knowledge of the target.
func (r *reader) neverAllowed(c *Call, in inner, sel [4]byte, hasSel bool) *Refusal {
	if in.value.Sign() != 0 {
		return &Refusal{"never/value-out", fmt.Sprintf("sends %s to %s; the treasury belongs to on-chain governance", showWei(in.value), r.names().label(in.to)), "propose it without value; a transfer needs a governance vote"}
	}
	n, listed := never[sel]
	if !hasSel || !listed {
		return nil
	}
	if n.unlessNamed != "" {
		c.unless = n.unlessNamed
		return nil
	}
	return &Refusal{n.rule, fmt.Sprintf("%s on %s: %s", n.signature, r.names().label(in.to), n.why), "no approval and no policy can make it pass; it needs a governance vote"}
}

// unwrap reads the calls that a call carries.
func (r *reader) unwrap(c *Call, depth int) *Refusal {
	w, ok := wrapperBySig[c.fn.Signature]
	if !ok {
		return nil
	}
	if err := ambiguous(w, c.contract); err != nil {
		c.opaque = err.Error()
		return &Refusal{"decode/wrapper", fmt.Sprintf("%s on %s: %v", c.fn.Signature, c.contract.Name, err), "propose the calls inside one by one; if it is an AccessManager, add another of its functions to the abi in the charter"}
	}
	list, err := w.open(c.To, c.values)
	if err != nil {
		c.opaque = err.Error()
		return &Refusal{"decode/wrapper", fmt.Sprintf("%s on %s: %v", c.fn.Signature, c.contract.Name, err), "propose the calls inside one by one"}
	}
	if len(list) == 0 && w.action != "" {
		return &Refusal{"decode/wrapper", fmt.Sprintf("%s on %s carries no call", c.fn.Signature, c.contract.Name), "propose the calls themselves"}
	}
	for i, in := range list {
		if depth+1 > MaxDepth {
			return &Refusal{"decode/depth", fmt.Sprintf("calls within calls deeper than %d", MaxDepth), "propose the calls inside one by one"}
		}
		if r.count >= MaxCalls {
			return &Refusal{"decode/count", fmt.Sprintf("more than %d calls in one transaction", MaxCalls), "split it into several proposals"}
		}
		caller := c.contract
		if in.same {
			caller = c.caller
		}
		path := strconv.Itoa(i + 1)
		if c.Path != "" {
			path = c.Path + "." + path
		}
		c.Calls = append(c.Calls, r.call(path, caller, depth+1, in))
	}
	return nil
}

func (r *reader) names() scope { return scope{r.c, r.chain} }

func (r *reader) args(c *Call) {
	c.Args = make([]Arg, len(c.values))
	for i, v := range c.values {
		p := c.fn.Params[i]
		c.Args[i] = Arg{Name: p.Name, Type: p.Type, Value: v.show(r.names())}
	}
}

// sentence says what a call does, with what it carries.
func (r *reader) sentence(c *Call, in inner) string {
	calls := ""
	for i, k := range c.Calls {
		if i > 0 {
			calls += "; "
		}
		if len(c.Calls) > 1 {
			calls += fmt.Sprintf("(%d) ", i+1)
		}
		calls += k.Sentence
		if len(calls) > 2*council.MaxSentence {
			break // it will be cut, with the hash of the calldata in its place
		}
	}
	to := r.names().label(c.To)
	s := ""
	switch {
	case c.use.def == cancelNonce:
		s = "Send an empty transaction to " + to + ", which does nothing but use up a nonce"
	case c.use.def != nil && c.opaque == "":
		s = c.use.def.sentence.fill(c.use.fn, c.values, to, calls, r.names())
	case c.fn != nil && c.values != nil:
		s = "Call " + c.fn.Name + "("
		for i, a := range c.Args {
			if i > 0 {
				s += ", "
			}
			s += a.Name + ": " + a.Value
		}
		s += ") on " + to
		if c.opaque != "" {
			s += ", with calls inside that can't be read: " + c.opaque
		}
	case len(in.data) == 0:
		s = "Send an empty call to " + to
	default:
		s = fmt.Sprintf("Call an unknown function 0x%x with %d bytes on %s", []byte(c.Selector), len(in.data), to)
	}
	if c.Value.Sign() != 0 {
		s += ", sending " + showWei(c.Value)
	}
	return s
}

// bounded keeps a sentence within council.MaxSentence. What is cut off is
// replaced by the hash of all of the calldata.
func bounded(s string, data []byte) string {
	if len(s) <= council.MaxSentence {
		return s
	}
	tail := fmt.Sprintf(" ... (cut short; the calldata has keccak256 %s)", crypto.Keccak256Hash(data).Hex())
	return s[:council.MaxSentence-len(tail)] + tail
}

// walk visits the calls, outermost first, until f returns false.
func (c *Call) walk(f func(*Call) bool) bool {
	if !f(c) {
		return false
	}
	for _, k := range c.Calls {
		if !k.walk(f) {
			return false
		}
	}
	return true
}

// where names a call for people.
func (c *Call) where() string {
	if c.Path == "" {
		return ""
	}
	return "call " + c.Path + ": "
}
