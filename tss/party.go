package tss

import (
	"errors"
	"fmt"
	"math/big"
	"slices"

	"github.com/ethereum/go-ethereum/crypto"

	engine "github.com/bnb-chain/tss-lib/v2/tss"

	"github.com/millicent-one/signer/council"
)

// order is q, the order of secp256k1's group.
var order = engine.S256().Params().N

// partyKey is a member's x-coordinate in the secret sharing of one key
// generation. It depends on the session: the engine derives its own session id
// from the coordinates and from nothing else that changes.
func partyKey(session council.SessionID, m council.MemberID) *big.Int {
	h := crypto.Keccak256([]byte("millicent/party/1\x00"), session[:], []byte(m))
	one := big.NewInt(1)
	k := new(big.Int).SetBytes(h)
	k.Mod(k, new(big.Int).Sub(order, one))
	return k.Add(k, one)
}

// parties are the members as the engine knows them: all of a session, or one
// side of a resharing. The engine sorts by coordinate, we sort by name.
type parties struct {
	ids     []*engine.PartyID // by member; nil for one of the other side
	sorted  engine.SortedPartyIDs
	members []int // member of each engine index
}

// newParties makes the engine's view of members with the given coordinates. Who
// has none is not among them.
func newParties(members []council.MemberID, key func(council.MemberID) *big.Int) *parties {
	p := &parties{ids: make([]*engine.PartyID, len(members))}
	var seated []*engine.PartyID
	for i, m := range members {
		if k := key(m); k != nil {
			p.ids[i] = engine.NewPartyID(string(m), string(m), k)
			seated = append(seated, p.ids[i])
		}
	}
	p.sorted = engine.SortPartyIDs(seated)
	p.members = make([]int, len(p.sorted))
	for i, id := range p.ids {
		if id != nil {
			p.members[id.Index] = i
		}
	}
	return p
}

// member is the member behind a party id of the engine.
func (p *parties) member(id *engine.PartyID) (int, bool) {
	if p == nil || id == nil || id.Index < 0 || id.Index >= len(p.members) {
		return 0, false
	}
	i := p.members[id.Index]
	return i, p.ids[i].KeyInt().Cmp(id.KeyInt()) == 0
}

// params are the engine's parameters of one party.
func (p *parties) params(self, threshold int) *engine.Parameters {
	return engine.NewParameters(engine.S256(), engine.NewPeerContext(p.sorted), p.ids[self], len(p.sorted), threshold)
}

// checkMembers checks that members are valid, sorted and distinct, and finds
// self among them.
func checkMembers(members []council.MemberID, self council.MemberID) (int, error) {
	if n := len(members); n < 2 || n > maxParties {
		return 0, fmt.Errorf("%d members; want 2 to %d", n, maxParties)
	}
	for i, m := range members {
		if err := m.Valid(); err != nil {
			return 0, err
		}
		if i > 0 && members[i-1] >= m {
			return 0, errors.New("members are not sorted and distinct")
		}
	}
	i, ok := slices.BinarySearch(members, self)
	if !ok {
		return 0, fmt.Errorf("%s is not among the members", self)
	}
	return i, nil
}
