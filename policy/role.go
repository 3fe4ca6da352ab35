package policy

import (
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/millicent-one/signer/council"
)

// roleTerm is a role that whoever makes the call must have at the contract that
// it goes to: the council itself, or the wrapper's contract.
type roleTerm struct {
	kind council.QueryKind
	word common.Hash
	name string
}

// readRoles reads roles as people write them: OpenZeppelin's name, keccak:NAME,
// 32 bytes in hex, or the number of an AccessManager's role.
func (b *ruleCompiler) readRoles() error {
	for i, v := range b.f.Roles {
		field := fmt.Sprintf("roles[%d]", i)
		if b.r.message != nil {
			return b.errorf(v.Pos, "roles", "remove it; such a rule has validity, approvals, max_length (statement), domain and primary_type (typed-data)", "a message calls nothing: a rule about it has no roles")
		}
		if !b.r.allow {
			return b.errorf(v.Pos, "roles", "remove it; a missing fact must never open what a deny rule closes", "a deny rule has no roles")
		}
		t := roleTerm{kind: council.QueryRole, name: v.V}
		text, hashed := strings.CutPrefix(v.V, "keccak:")
		switch {
		case hashed && text != "":
			t.word, t.name = crypto.Keccak256Hash([]byte(text)), text
		case allDigits(v.V):
			n, err := strconv.ParseUint(v.V, 10, 64)
			if err != nil {
				return b.errorf(v.Pos, field, "an AccessManager's roles have 64 bits", "role %s is too large", clip(v.V, 40))
			}
			t.kind, t.word, t.name = council.QueryManagerRole, common.BigToHash(new(big.Int).SetUint64(n)), "role "+v.V
		case strings.HasPrefix(v.V, "0x"):
			h, err := parseHash(v.V)
			if err != nil {
				return at(b.file, v.Pos, b.path+"."+field, err)
			}
			t.word = h
		default:
			found := false
			var known []string
			for h, name := range roleNames {
				known = append(known, name)
				if name == v.V {
					t.word, found = h, true
				}
			}
			if !found {
				slices.Sort(known)
				return b.errorf(v.Pos, field, "write keccak:NAME for a role of your own, or the number of an AccessManager's role", "unknown role %q%s", clip(v.V, 80), mean(v.V, known))
			}
		}
		b.r.roles = append(b.r.roles, t)
	}
	return nil
}

func (t roleTerm) query(c *Call) council.Query {
	q := council.Query{Kind: t.kind, Address: c.To, Slot: t.word}
	if c.caller != nil {
		q.Account = c.caller.Address
	}
	return q
}

// roleName is what the rule calls the role that is asked for.
func (r *rule) roleName(c *Call, q council.Query) string {
	name := q.Slot.Hex()
	for _, t := range r.roles {
		if t.query(c) == q {
			name = t.name
		}
	}
	return name
}

// held says why an answer does not show that the caller has the role, or nil.
func (r *rule) held(c *Call, q council.Query, a council.Answer) *Refusal {
	name := r.roleName(c, q)
	switch {
	case !a.OK:
		return &Refusal{r.label, fmt.Sprintf("%s does not say who has %s: %s", c.Contract, name, printableText(a.Detail)), "compare the contract with the rule: has it roles of this kind?"}
	case a.Word != common.BigToHash(common.Big1):
		return &Refusal{r.label, fmt.Sprintf("%s does not have %s on %s", c.Via, name, c.Contract), "whoever administers the role has to grant it first"}
	}
	return nil
}
