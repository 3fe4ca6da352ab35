package policy

import (
	"fmt"
	"strings"

	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/internal/strict"
)

// addressList is a list of addresses on one chain, which rules ask for by name.
type addressList struct {
	name      string
	chain     uint64
	pos       strict.Pos
	addresses []common.Address // in the order of the file
	has       map[common.Address]bool
}

func (l *addressList) holds(a common.Address) bool { return l.has[a] }

// known are the names of the contracts on a chain, sorted.
func (s scope) known() []string {
	var out []string
	for _, name := range sortedKeys(s.c.byName) {
		if s.c.byName[name].Chain == s.chain {
			out = append(out, name)
		}
	}
	return out
}

// hint tells what may stand for an address, unless one was meant.
func (s scope) hint(text string, err error) string {
	if strings.HasPrefix(text, "0x") {
		return council.Hint(err)
	}
	return "write an address with its checksum, or a contract of the charter on this chain: " + listOf(s.known())
}

// listFile is a list as written. An address may be the name of a contract.
type listFile struct {
	Name      strict.Value[string]   `yaml:"name" strict:"required"`
	Chain     strict.Value[string]   `yaml:"chain" strict:"required"`
	Addresses []strict.Value[string] `yaml:"addresses" strict:"required"`
}

// addLists reads the charter's lists, once its contracts are known.
func (c *Charter) addLists(files []listFile, ids map[string]uint64) error {
	c.lists = map[string]*addressList{}
	if len(files) > MaxLists {
		return files[MaxLists].Name.Pos.Errorf(c.file, "lists", "join lists, or remove those that no rule needs", "%d lists; at most %d", len(files), MaxLists)
	}
	for i, f := range files {
		path := fmt.Sprintf("lists[%d]", i)
		if err := validName(f.Name.V); err != nil {
			return at(c.file, f.Name.Pos, path+".name", err)
		}
		if c.lists[f.Name.V] != nil {
			return f.Name.Pos.Errorf(c.file, path+".name", "every list needs a name of its own", "duplicate list %q", f.Name.V)
		}
		chain, ok := ids[f.Chain.V]
		if !ok {
			return f.Chain.Pos.Errorf(c.file, path+".chain", "the file's chains are "+listOf(sortedKeys(ids)), "unknown chain %q%s", f.Chain.V, mean(f.Chain.V, sortedKeys(ids)))
		}
		l := &addressList{name: f.Name.V, chain: chain, pos: f.Name.Pos, has: map[common.Address]bool{}}
		if err := l.read(c, path, f); err != nil {
			return err
		}
		c.lists[l.name] = l
	}
	return nil
}

func (l *addressList) read(c *Charter, path string, f listFile) error {
	if n := len(f.Addresses); n == 0 || n > MaxListed {
		return f.Name.Pos.Errorf(c.file, path+".addresses", "list at least one address; without any, nothing would be on it and nobody excluded", "list %q has %d addresses; want 1 to %d", l.name, n, MaxListed)
	}
	names := scope{c, l.chain}
	for i, s := range f.Addresses {
		field := fmt.Sprintf("%s.addresses[%d]", path, i)
		a, ok := names.resolve(s.V)
		if !ok {
			var err error
			if a, err = ParseAddress(s.V); err != nil {
				return s.Pos.Errorf(c.file, field, names.hint(s.V, err), "%v", err)
			}
		}
		if l.has[a] {
			return s.Pos.Errorf(c.file, field, "list every address once", "%s is on the list %s twice", names.label(a), l.name)
		}
		l.has[a] = true
		l.addresses = append(l.addresses, a)
	}
	return nil
}
