package policy

import (
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/millicent-one/signer/internal/strict"
)

// Member is one member's own policy. It can only narrow: its deny rules deny;
// once it has an allow rule, what none of them names is denied, too. Nothing in
// it makes anything pass that the charter does not allow.
type Member struct {
	file  string
	name  string
	rules *ruleset
	hash  common.Hash
	base  *Charter
}

type memberFile struct {
	Version strict.Value[uint64] `yaml:"version" strict:"required"`
	Name    strict.Value[string] `yaml:"name"`
	Rules   []ruleFile           `yaml:"rules"`
}

// LoadMember reads a member's policy over the charter that it narrows. Errors
// are *strict.Error with place and hint.
func LoadMember(file string, data []byte, c *Charter) (*Member, error) {
	var f memberFile
	if err := strict.Decode(file, data, &f); err != nil {
		return nil, err
	}
	if err := checkVersion(file, f.Version); err != nil {
		return nil, err
	}
	chains := map[string]uint64{}
	for id, name := range c.chains {
		chains[name] = id
	}
	ownText(f.Rules, data)
	rules, err := c.compile(file, "member", f.Rules, chains)
	if err != nil {
		return nil, err
	}
	return &Member{file: file, name: f.Name.V, rules: rules, base: c,
		hash: crypto.Keccak256Hash([]byte("millicent/member-policy/1\x00"), crypto.Keccak256(canonical(data)))}, nil
}

// Hash is the policy's identity: keccak256 over "millicent/member-policy/1" and
// a zero byte, and the keccak256 of the file with CRLF read as LF.
func (m *Member) Hash() common.Hash { return m.hash }

// Name is what the member calls the policy; may be empty.
func (m *Member) Name() string { return m.name }
