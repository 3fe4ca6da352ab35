package testcouncil

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/tss"
)

// Size is a council of any size, to measure how the protocol grows. One of
// another size than the real one has no roster, only names and shares.
type Size struct{ Threshold, Members int }

// usual is the size of the real one: its shares are those that all tests use.
var usual = Size{council.Millicent.Threshold, len(IDs())}

func (z Size) String() string { return fmt.Sprintf("%dof%d", z.Threshold, z.Members) }

// IDs are the members' names, sorted.
func (z Size) IDs() []council.MemberID {
	if z == usual {
		return IDs()
	}
	ids := make([]council.MemberID, z.Members)
	for i := range ids {
		ids[i] = council.MemberID(fmt.Sprintf("member-%02d", i+1))
	}
	return ids
}

// session is the id of the session that makes the shares of this size.
func (z Size) session() council.SessionID {
	return council.CeremonySession(council.PurposeKeygen, Epoch, common.Hash{byte(z.Threshold), byte(z.Members)}, z.IDs(),
		crypto.Keccak256Hash([]byte("millicent test ceremony of "+z.String())))
}

var sizes struct {
	sync.Mutex
	shares map[Size][]*tss.Share
}

// SharesOf are the shares of one key of a council of any size, in the order of
// IDs, audited and the caller's own. As with Shares, they are made once on a
// machine: seconds for three members, minutes for twenty-one.
func SharesOf(t testing.TB, z Size) []*tss.Share {
	t.Helper()
	if z == usual {
		return Shares(t)
	}
	sizes.Lock()
	defer sizes.Unlock()
	if sizes.shares[z] == nil {
		s, err := cachedShares(t, fmt.Sprintf("shares-%s-%s", z, z.session().Short()), z.session(), z.IDs(), z.Threshold)
		if err != nil {
			t.Fatalf("test shares of %s: %v", strings.Replace(z.String(), "of", " of ", 1), err)
		}
		if sizes.shares == nil {
			sizes.shares = map[Size][]*tss.Share{}
		}
		sizes.shares[z] = s
	}
	return copies(sizes.shares[z])
}

func copies(shares []*tss.Share) []*tss.Share {
	out := make([]*tss.Share, len(shares))
	for i, s := range shares {
		out[i] = s.Copy()
	}
	return out
}
