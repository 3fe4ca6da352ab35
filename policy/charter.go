package policy

import (
	"bytes"
	"fmt"
	"math/big"
	"slices"
	"strings"

	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/internal/strict"
)

// Charter is what the whole council may do. Its hash stands in the roster, so
// no member can read another one unnoticed.
type Charter struct {
	file      string
	name      string
	threshold int
	chains    map[uint64]string
	limits    ceilings
	gasPos    strict.Pos // of their gas
	contracts []*Contract
	byName    map[string]*Contract
	byPlace   map[place]*Contract
	lists     map[string]*addressList
	playbooks []*playbook
	actions   *Catalogue
	rules     *ruleset
	named     map[string]bool // actions that some allow rule names one by one
	watched   map[place]bool  // that nothing may leave; nil: all contracts
	amend     amend
	hash      common.Hash
}

// place is an address on a chain.
type place struct {
	chain   uint64
	address common.Address
}

// Contract is an address that the council knows, with the functions that calls
// to it are decoded by.
type Contract struct {
	Name     string
	Chain    uint64
	Address  common.Address
	CodeHash common.Hash // the code that rules may ask for; zero for none

	pinned    bool // the file carries the ABI's hash
	protected bool // no rule can allow a call to it
	pins      []pin
	pos       strict.Pos
	bySel     map[[4]byte]*Function
	order     []*Function
}

// Functions lists the pinned ABI in the order of the file.
func (c *Contract) Functions() []string {
	out := make([]string, len(c.order))
	for i, f := range c.order {
		out[i] = f.String()
	}
	return out
}

// ceilings bound what one transaction may ask for.
type ceilings struct {
	gas      uint64
	fee, tip *big.Int // wei per gas
	validity uint64   // seconds
}

type ceilingsFile struct {
	Gas      strict.Value[uint64] `yaml:"gas"`
	Fee      strict.Value[string] `yaml:"fee"`
	Tip      strict.Value[string] `yaml:"tip"`
	Validity strict.Value[string] `yaml:"validity"`
}

type contractFile struct {
	Name     strict.Value[string]   `yaml:"name" strict:"required"`
	Chain    strict.Value[string]   `yaml:"chain" strict:"required"`
	Address  strict.Value[string]   `yaml:"address" strict:"required"`
	ABI      []strict.Value[string] `yaml:"abi" strict:"required"`
	ABIHash  strict.Value[string]   `yaml:"abi_hash"`
	CodeHash strict.Value[string]   `yaml:"code_hash"`

	Protected strict.Value[bool] `yaml:"protected"`
	proxyFile `yaml:",inline"`
}

type charterFile struct {
	Version   strict.Value[uint64] `yaml:"version" strict:"required"`
	Name      strict.Value[string] `yaml:"name" strict:"required"`
	Threshold strict.Value[int]    `yaml:"threshold" strict:"required"`
	Chains    []struct {
		Name strict.Value[string] `yaml:"name" strict:"required"`
		ID   strict.Value[uint64] `yaml:"id" strict:"required"`
	} `yaml:"chains" strict:"required"`
	Limits struct {
		Gas      strict.Value[uint64] `yaml:"gas" strict:"required"`
		Fee      strict.Value[string] `yaml:"fee" strict:"required"`
		Tip      strict.Value[string] `yaml:"tip" strict:"required"`
		Validity strict.Value[string] `yaml:"validity" strict:"required"`
	} `yaml:"limits" strict:"required"`
	Contracts []contractFile `yaml:"contracts" strict:"required"`
	Lists     []listFile     `yaml:"lists"`
	Actions   []actionFile   `yaml:"actions"`
	Playbooks []playbookFile `yaml:"playbooks"`
	Rules     []ruleFile     `yaml:"rules" strict:"required"`

	Watched []strict.Value[string]  `yaml:"watched"`
	Amend   strict.Value[amendFile] `yaml:"amend"`
}

// LoadCharter reads the council's charter over a catalogue of actions. Errors
// are *strict.Error with place and hint.
func LoadCharter(file string, data []byte, actions *Catalogue) (*Charter, error) {
	var f charterFile
	if err := strict.Decode(file, data, &f); err != nil {
		return nil, err
	}
	if err := checkVersion(file, f.Version); err != nil {
		return nil, err
	}
	c := &Charter{file: file, name: f.Name.V, threshold: f.Threshold.V, chains: map[uint64]string{},
		byName: map[string]*Contract{}, byPlace: map[place]*Contract{}, named: map[string]bool{}}
	if len(c.name) == 0 || len(c.name) > 128 {
		return nil, f.Name.Pos.Errorf(file, "name", "give the council's name", "name has %d bytes; want 1 to 128", len(c.name))
	}
	if c.threshold < 2 || c.threshold > council.MaxMembers {
		return nil, f.Threshold.Pos.Errorf(file, "threshold", "the constitution asks for 4 of 7", "threshold %d: want 2 to %d", c.threshold, council.MaxMembers)
	}
	if err := c.readAmend(f.Amend); err != nil {
		return nil, err
	}
	ids := map[string]uint64{}
	for i, ch := range f.Chains {
		field := fmt.Sprintf("chains[%d]", i)
		if err := validName(ch.Name.V); err != nil {
			return nil, at(file, ch.Name.Pos, field+".name", err)
		}
		if _, ok := ids[ch.Name.V]; ok || c.chains[ch.ID.V] != "" {
			return nil, ch.Name.Pos.Errorf(file, field, "list every chain once", "duplicate chain %s (%d)", ch.Name.V, ch.ID.V)
		}
		if ch.ID.V == 0 {
			return nil, ch.ID.Pos.Errorf(file, field+".id", "main net is 1", "chain id 0")
		}
		ids[ch.Name.V], c.chains[ch.ID.V] = ch.ID.V, ch.Name.V
	}
	var err error
	top := ceilings{gas: council.MaxGasCeiling, fee: two256, tip: two256, validity: council.MaxValidSeconds}
	if c.limits, err = readCeilings(file, "limits", ceilingsFile(f.Limits), top); err != nil {
		return nil, err
	}
	c.gasPos = f.Limits.Gas.Pos
	if c.actions, err = actions.extend(file, f.Actions); err != nil {
		return nil, err
	}
	if err := c.addContracts(f.Contracts, ids); err != nil {
		return nil, err
	}
	if err := c.addLists(f.Lists, ids); err != nil {
		return nil, err
	}
	ownText(f.Rules, data)
	if c.rules, err = c.compile(file, "charter", f.Rules, ids); err != nil {
		return nil, err
	}
	for i, r := range c.rules.all {
		if err := r.mustSee(file, fmt.Sprintf("rules[%d]", i)); err != nil {
			return nil, err
		}
		for a := range r.actions {
			c.named[a] = c.named[a] || r.allow
		}
	}
	if err := c.addPlaybooks(f.Playbooks); err != nil {
		return nil, err
	}
	if err := c.readWatched(f.Watched); err != nil {
		return nil, err
	}
	c.hash = hashOfCharter(data, actions)
	return c, nil
}

// canonical is the file with line endings normalised.
func canonical(data []byte) []byte {
	return bytes.ReplaceAll(data, []byte("\r\n"), []byte("\n"))
}

func (c *Charter) addContracts(list []contractFile, ids map[string]uint64) error {
	if len(list) > MaxContracts {
		return list[MaxContracts].Name.Pos.Errorf(c.file, "contracts", "remove contracts that no rule needs", "%d contracts; at most %d", len(list), MaxContracts)
	}
	for i, f := range list {
		k, err := c.contract(fmt.Sprintf("contracts[%d]", i), f, ids)
		if err != nil {
			return err
		}
		c.contracts = append(c.contracts, k)
		c.byName[k.Name] = k
		c.byPlace[place{k.Chain, k.Address}] = k
	}
	return c.pinProxies(list)
}

func (c *Charter) contract(path string, f contractFile, ids map[string]uint64) (*Contract, error) {
	if err := validName(f.Name.V); err != nil {
		return nil, at(c.file, f.Name.Pos, path+".name", err)
	}
	if c.byName[f.Name.V] != nil {
		return nil, f.Name.Pos.Errorf(c.file, path+".name", "every contract needs a name of its own", "duplicate contract %q", f.Name.V)
	}
	if f.Name.V == councilName {
		return nil, f.Name.Pos.Errorf(c.file, path+".name", "rename it; under via, council means the council's own address", "the name %q is reserved", councilName)
	}
	chain, ok := ids[f.Chain.V]
	if !ok {
		return nil, f.Chain.Pos.Errorf(c.file, path+".chain", "the file's chains are "+listOf(sortedKeys(ids)), "unknown chain %q%s", f.Chain.V, mean(f.Chain.V, sortedKeys(ids)))
	}
	a, err := ParseAddress(f.Address.V)
	if err != nil {
		return nil, at(c.file, f.Address.Pos, path+".address", err)
	}
	k := &Contract{Name: f.Name.V, Chain: chain, Address: a, pos: f.Name.Pos, protected: f.Protected.V, bySel: map[[4]byte]*Function{}}
	if a == (common.Address{}) {
		return nil, f.Address.Pos.Errorf(c.file, path+".address", "fill in where the contract stands", "the zero address is no contract")
	}
	if o := c.byPlace[place{chain, a}]; o != nil {
		return nil, f.Address.Pos.Errorf(c.file, path+".address", "list every address once for each chain", "%s and %s have the same address %s", o.Name, k.Name, a.Hex())
	}
	if f.CodeHash.Pos.Set() {
		if k.CodeHash, err = parseHash(f.CodeHash.V); err != nil {
			return nil, at(c.file, f.CodeHash.Pos, path+".code_hash", err)
		}
	}
	return k, c.pinABI(path, k, f)
}

// pinABI reads a contract's functions and compares their hash.
func (c *Charter) pinABI(path string, k *Contract, f contractFile) error {
	if len(f.ABI) == 0 || len(f.ABI) > MaxFunctions {
		return f.Name.Pos.Errorf(c.file, path+".abi", "list the functions that the council calls", "%d functions; want 1 to %d", len(f.ABI), MaxFunctions)
	}
	texts := make([]string, len(f.ABI))
	for j, s := range f.ABI {
		field := fmt.Sprintf("%s.abi[%d]", path, j)
		fn, err := ParseFunction(s.V)
		if err != nil {
			return at(c.file, s.Pos, field, err)
		}
		if o := k.bySel[fn.Selector]; o != nil {
			if o.Signature == fn.Signature {
				return s.Pos.Errorf(c.file, field, "list every function once", "duplicate function %s", fn.Signature)
			}
			return s.Pos.Errorf(c.file, field, "a contract can't have both; compare with its source", "%s and %s have the same selector 0x%x", o.Signature, fn.Signature, fn.Selector)
		}
		if uses := c.actions.bySig[fn.Signature]; !fn.named && len(uses) > 0 {
			// Which comes first in the file is not in the catalogue's hash.
			lowest := slices.MinFunc(uses, func(a, b use) int { return strings.Compare(a.def.name, b.def.name) })
			fn.Params, fn.named = lowest.fn.Params, lowest.fn.named
		}
		k.bySel[fn.Selector] = fn
		k.order = append(k.order, fn)
		texts[j] = s.V
	}
	if !f.ABIHash.Pos.Set() {
		return nil
	}
	want, err := parseHash(f.ABIHash.V)
	if err != nil {
		return at(c.file, f.ABIHash.Pos, path+".abi_hash", err)
	}
	have, err := ABIHash(texts)
	if err != nil {
		return err
	}
	if have != want {
		return f.ABIHash.Pos.Errorf(c.file, path+".abi_hash", "somebody changed the functions or the hash; once you have compared the functions with the contract's source, write "+have.Hex(),
			"the functions of %s hash to %s, not to %s", k.Name, have.Hex(), want.Hex())
	}
	k.pinned = true
	return nil
}

// readCeilings reads limits; what is left out is that of top, and nothing may
// be above top.
func readCeilings(file, path string, f ceilingsFile, top ceilings) (ceilings, error) {
	out := top
	const hint = "lower it, or raise the charter's limits"
	if f.Gas.Pos.Set() {
		if out.gas = f.Gas.V; out.gas < 21_000 || out.gas > top.gas {
			return out, f.Gas.Pos.Errorf(file, path+".gas", hint, "gas %d: want 21000 to %d", out.gas, top.gas)
		}
	}
	for _, p := range []struct {
		name string
		f    strict.Value[string]
		top  *big.Int
		to   **big.Int
	}{{"fee", f.Fee, top.fee, &out.fee}, {"tip", f.Tip, top.tip, &out.tip}} {
		if !p.f.Pos.Set() {
			continue
		}
		v, err := ParseWei(p.f.V)
		if err != nil {
			return out, at(file, p.f.Pos, path+"."+p.name, err)
		}
		if v.Cmp(p.top) > 0 {
			return out, p.f.Pos.Errorf(file, path+"."+p.name, hint, "%s %s is above the charter's limit of %s", p.name, p.f.V, showWei(p.top))
		}
		*p.to = v
	}
	if f.Validity.Pos.Set() {
		v, err := ParseSeconds(f.Validity.V)
		if err != nil {
			return out, at(file, f.Validity.Pos, path+".validity", err)
		}
		if v > top.validity {
			return out, f.Validity.Pos.Errorf(file, path+".validity", hint, "validity %s is above the charter's limit of %s", f.Validity.V, showSeconds(new(big.Int).SetUint64(top.validity)))
		}
		out.validity = v
	}
	if out.tip.Cmp(out.fee) > 0 {
		out.tip = out.fee
	}
	return out, nil
}

// Hash is the charter's identity: keccak256 over "millicent/charter/1" and a
// zero byte, the keccak256 of the file with CRLF read as LF, and the hash of the
// catalogue that gives its action names their meaning.
func (c *Charter) Hash() common.Hash { return c.hash }

// Name is the council's name, as the file gives it.
func (c *Charter) Name() string { return c.name }

// Threshold is the least number of approvals for anything.
func (c *Charter) Threshold() int { return c.threshold }

// Rules is how many rules there are.
func (c *Charter) Rules() int { return len(c.rules.all) }

// Chains lists the chains that the council acts on, by id.
func (c *Charter) Chains() map[uint64]string {
	out := make(map[uint64]string, len(c.chains))
	for k, v := range c.chains {
		out[k] = v
	}
	return out
}

// Contracts lists the contracts in the order of the file.
func (c *Charter) Contracts() []*Contract { return slices.Clone(c.contracts) }

// Contract finds a contract by name.
func (c *Charter) Contract(name string) (*Contract, bool) {
	k, ok := c.byName[name]
	return k, ok
}

// Catalogue is the catalogue with the charter's own actions.
func (c *Charter) Catalogue() *Catalogue { return c.actions }

// scope gives names to addresses on one chain.
type scope struct {
	c     *Charter
	chain uint64
}

func (s scope) resolve(name string) (common.Address, bool) {
	k := s.c.byName[name]
	if k == nil || k.Chain != s.chain {
		return common.Address{}, false
	}
	return k.Address, true
}

func (s scope) label(a common.Address) string {
	if k := s.c.byPlace[place{s.chain, a}]; k != nil {
		return k.Name + " (" + a.Hex() + ")"
	}
	return a.Hex()
}
