package policy

import (
	"slices"
	"strings"

	"github.com/ethereum/go-ethereum/common"
)

// Grant is what a contract of the charter lets the council's address do. With
// another key it has to be given to another address.
type Grant struct {
	Contract  string         `json:"contract"`
	Chain     uint64         `json:"chain"`
	ChainName string         `json:"chainName"`
	Address   common.Address `json:"address"`
	Calls     []string       `json:"calls"` // functions, as the charter lists them
	Roles     []string       `json:"roles"` // that the charter's rules ask for
	Move      string         `json:"move"`  // how it is moved, as far as the functions show
}

// Grants lists them in the charter's order. The charter knows functions and not who
// may call them: what the council holds beside that is for its operators to know.
func (c *Charter) Grants() []Grant {
	var out []Grant
	for _, k := range c.contracts {
		if k.protected {
			continue // no rule lets the council call it
		}
		g := Grant{Contract: k.Name, Chain: k.Chain, ChainName: c.chains[k.Chain], Address: k.Address, Calls: []string{}, Roles: c.rolesAt(k)}
		names := map[string]bool{}
		for _, f := range k.order {
			if x, is := never[f.Selector]; is && x.unlessNamed == "" {
				continue // it is listed so that it can be refused by its name
			}
			text := f.String()
			g.Calls = append(g.Calls, text)
			name, _, _ := strings.Cut(text, "(")
			names[name] = true
		}
		if len(g.Calls) == 0 && len(k.order) > 0 {
			continue
		}
		switch {
		case names["grantRole"] || names["revokeRole"] || names["renounceRole"]:
			g.Move = "grantRole to the new address, by the admin of each role; try a call; then revokeRole from the old"
		case names["acceptOwnership"]:
			g.Move = "transferOwnership to the new address, by the owner; then acceptOwnership by the new council"
		case names["transferOwnership"]:
			g.Move = "transferOwnership to the new address, by the owner; it can't be taken back: check the address twice"
		default:
			g.Move = "whatever lets the old address make these calls: name the new one there, and take the old one out"
		}
		out = append(out, g)
	}
	return out
}

// rolesAt are the roles that rules ask for, of whoever calls the contract.
func (c *Charter) rolesAt(k *Contract) []string {
	roles := []string{}
	for _, r := range c.rules.all {
		if !slices.ContainsFunc(r.keys, func(m meaning) bool { return slices.Contains(k.order, m.fn) }) {
			continue
		}
		for _, t := range r.roles {
			if !slices.Contains(roles, t.name) {
				roles = append(roles, t.name)
			}
		}
	}
	return roles
}
