package tss

import (
	"fmt"
	"math/big"
	"slices"

	"github.com/bnb-chain/tss-lib/v2/ecdsa/keygen"

	"github.com/millicent-one/signer/council"
)

// KeygenConfig describes a key generation.
type KeygenConfig struct {
	Session   council.SessionID
	Self      council.MemberID
	Members   []council.MemberID // sorted; all must take part
	Threshold int                // members that sign; 4 for the Millicent council
	Epoch     uint64             // share epoch of the result
	Params    *PreParams         // consumed
	Seen      Seen               // moduli of earlier epochs and aborted attempts; may be nil
}

// NewKeygen prepares this party's part in making a new key. At its end Ready
// carries the Share.
func NewKeygen(c KeygenConfig) (*Session, error) {
	s, err := newKeygen(c)
	if err != nil {
		return nil, fmt.Errorf("prepare key generation: %w", err)
	}
	return s, nil
}

func newKeygen(c KeygenConfig) (s *Session, err error) {
	self, err := checkMembers(c.Members, c.Self)
	if err != nil {
		return nil, err
	}
	if c.Threshold < 2 || c.Threshold > len(c.Members) {
		return nil, fmt.Errorf("threshold %d of %d members", c.Threshold, len(c.Members))
	}
	pre, err := c.Params.take(c.Seen)
	if err != nil {
		return nil, err
	}
	members := slices.Clone(c.Members)
	p := newParties(members, func(m council.MemberID) *big.Int { return partyKey(c.Session, m) })
	g := newGuard(members, self, c.Threshold-1)
	g.seen = c.Seen
	s = newSession(kindKeygen, c.Session, members, self, p, keygenSteps, g)
	end := make(chan *keygen.LocalPartySaveData, 1)
	s.finish = func(ready *Ready) error {
		select {
		case data := <-end:
			share := &Share{
				epoch: c.Epoch, origin: c.Session, self: c.Self, members: members, threshold: c.Threshold, data: *data,
			}
			share = share.Copy() // the engine keeps pointers to its own
			if err := share.Audit(); err != nil {
				return s.suspect(KeygenRound3, err)
			}
			s.done = true
			ready.Share = share
		default:
		}
		return nil
	}
	// The engine is told the number of signers less one.
	s.party = keygen.NewLocalParty(p.params(self, c.Threshold-1), s.out, end, pre)
	return s, nil
}
