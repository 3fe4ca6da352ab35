package policy

import (
	"fmt"
	"slices"

	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/internal/strict"
)

// proxyFile is what the charter pins of a contract that is a proxy (ERC-1967).
type proxyFile struct {
	Implementation     strict.Value[string] `yaml:"implementation"`
	ImplementationCode strict.Value[string] `yaml:"implementation_code"`
	Admin              strict.Value[string] `yaml:"admin"`
	Beacon             strict.Value[string] `yaml:"beacon"`
}

// pin is one word on chain that the charter knows. Every call that is not
// restrictive rests on the pins of the contract that it goes to, whatever its
// rule says: behind a proxy that somebody has turned, the same calldata does
// something else. A brake does not: a proxy that was turned is what it is for.
type pin struct {
	query council.Query
	want  common.Hash
	what  string // in words: "implementation"
}

// proxied is the label of refusals by a pin.
var proxied = &rule{label: "default/implementation"}

// pinProxies reads the pins, once all contracts have their names.
func (c *Charter) pinProxies(list []contractFile) error {
	for i, f := range list {
		k, path := c.contracts[i], fmt.Sprintf("contracts[%d]", i)
		slot := func(v strict.Value[string], field string) (common.Address, error) {
			if !v.Pos.Set() {
				return common.Address{}, nil
			}
			a, ok := scope{c, k.Chain}.resolve(v.V)
			if !ok {
				var err error
				if a, err = ParseAddress(v.V); err != nil {
					return a, v.Pos.Errorf(c.file, path+"."+field, "give the address with its checksum, or the name of a contract of the charter on the same chain", "%v", err)
				}
			}
			if a == (common.Address{}) || a == k.Address {
				return a, v.Pos.Errorf(c.file, path+"."+field, "read the proxy's slot at a block explorer, and compare with the reviewed build", "%s of %s can't be %s", field, k.Name, a.Hex())
			}
			return a, nil
		}
		implementation, err := slot(f.Implementation, "implementation")
		if err != nil {
			return err
		}
		admin, err := slot(f.Admin, "admin")
		if err != nil {
			return err
		}
		beacon, err := slot(f.Beacon, "beacon")
		if err != nil {
			return err
		}
		if f.Beacon.Pos.Set() {
			k.pin(council.Query{Kind: council.QueryStorage, Address: k.Address, Slot: council.BeaconSlot}, addressWord(beacon), "beacon")
		}
		switch {
		case f.Implementation.Pos.Set() && f.Beacon.Pos.Set():
			k.pin(council.Query{Kind: council.QueryBeacon, Address: beacon}, addressWord(implementation), "implementation")
		case f.Implementation.Pos.Set():
			k.pin(council.Query{Kind: council.QueryStorage, Address: k.Address, Slot: council.ImplementationSlot}, addressWord(implementation), "implementation")
		}
		if f.Admin.Pos.Set() {
			k.pin(council.Query{Kind: council.QueryStorage, Address: k.Address, Slot: council.AdminSlot}, addressWord(admin), "admin")
		}
		if code := f.ImplementationCode; code.Pos.Set() {
			if !f.Implementation.Pos.Set() {
				return code.Pos.Errorf(c.file, path+".implementation_code", "add implementation", "implementation_code without implementation: whose code is it?")
			}
			h, err := parseHash(code.V)
			if err != nil {
				return at(c.file, code.Pos, path+".implementation_code", err)
			}
			k.pin(council.Query{Kind: council.QueryCodeHash, Address: implementation}, h, "code of the implementation")
		}
	}
	return nil
}

func (k *Contract) pin(q council.Query, want common.Hash, what string) {
	k.pins = append(k.pins, pin{q, want, what})
}

func addressWord(a common.Address) common.Hash { return common.BytesToHash(a[:]) }

// opens reports whether a call, read as an action, is more than a brake.
func (c *Call) opens(d *def) bool {
	if d.class == "" { // a wrapper
		return c.Class != Restrictive
	}
	return d.class != Restrictive
}

// rests lists the pins that a call rests on, in whichever way it may be read.
func (c *Charter) rests(k *Call) []pin {
	if k.contract == nil || len(k.contract.pins) == 0 || k.use.def == nil || !slices.ContainsFunc(c.readings(k), k.opens) {
		return nil
	}
	return k.contract.pins
}

// rested lists the pins that a call rests on, as it is judged.
func (e *evaluation) rested(c *Call) []pin {
	if c.contract == nil || c.use.def == nil || !c.opens(e.judged(c)) {
		return nil
	}
	return c.contract.pins
}

// pinned compares what stands behind a proxy with what the charter pins.
func (e *evaluation) pinned(c *Call) *Refusal {
	for _, p := range e.rested(c) {
		if no := e.pin(c, p); no != nil {
			return no
		}
	}
	return nil
}

func (e *evaluation) pin(c *Call, p pin) *Refusal {
	a, failed := e.fact(proxied, p.query)
	switch {
	case failed != nil:
		return failed
	case p.query.Kind == council.QueryBeacon && !a.OK:
		return &Refusal{proxied.label, fmt.Sprintf("the beacon of %s does not say its implementation: %s", c.Contract, printableText(a.Detail)), "compare the beacon with the charter"}
	case a.Word == p.want:
		return nil
	}
	return &Refusal{proxied.label, fmt.Sprintf("the %s of %s is %s, and the charter pins %s", p.what, c.Contract, e.pinText(c, p, a.Word), e.pinText(c, p, p.want)),
		"somebody changed what stands behind the proxy: find out who and why; if it is right, pin the new one in the charter"}
}

// pinText writes the answer to a pin's question.
func (e *evaluation) pinText(c *Call, p pin, word common.Hash) string {
	if p.query.Kind == council.QueryCodeHash {
		return word.Hex()
	}
	return scope{e.p.charter, c.contract.Chain}.word(word)
}

// word shows a word that ought to hold an address.
func (s scope) word(h common.Hash) string {
	if a := common.BytesToAddress(h[12:]); addressWord(a) == h {
		return s.label(a)
	}
	return h.Hex()
}
