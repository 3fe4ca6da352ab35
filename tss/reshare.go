package tss

import (
	"errors"
	"fmt"
	"math/big"
	"slices"

	"github.com/bnb-chain/tss-lib/v2/ecdsa/keygen"
	"github.com/bnb-chain/tss-lib/v2/ecdsa/resharing"
	engine "github.com/bnb-chain/tss-lib/v2/tss"

	"github.com/millicent-one/signer/council"
)

// ReshareConfig describes a resharing: as many members of an epoch as sign
// together, the dealers, give the members of the next epoch, the heirs, shares
// of the same key. A member may be on both sides, or on either.
type ReshareConfig struct {
	Session council.SessionID
	Self    council.MemberID
	Dealers []council.MemberID // sorted; as many as the old threshold
	Public  *Public            // of the old epoch

	Members   []council.MemberID // of the next epoch, sorted; all must take part
	Threshold int                // of the next epoch
	Epoch     uint64             // share epoch of the result, above the old one

	Share  *Share     // of a dealer; it is copied, and left as it is
	Params *PreParams // of an heir; consumed
	Seen   Seen       // moduli of aborted attempts and of epochs before the old one; may be nil
}

// NewReshare prepares this party's part in a resharing. At its end Ready carries
// the Share of one that is among Members. The old shares still make the key
// together: they must be erased, and nothing can prove that they were.
//
// All parties hear all broadcasts, so that Broadcasts is equal at all honest
// ones when the session has ended.
func NewReshare(c ReshareConfig) (*Session, error) {
	s, err := newReshare(c)
	if err != nil {
		return nil, fmt.Errorf("prepare resharing: %w", err)
	}
	return s, nil
}

func newReshare(c ReshareConfig) (*Session, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	old := c.Public
	seen := Seen{}
	seen.Add(old.Moduli()...)
	for h := range c.Seen {
		seen.Add(h)
	}
	heir := slices.Contains(c.Members, c.Self)
	var pre keygen.LocalPreParams
	if heir {
		var err error
		if pre, err = c.Params.take(seen); err != nil {
			return nil, err
		}
	}

	all := slices.Clone(c.Dealers)
	for _, m := range c.Members {
		if !slices.Contains(all, m) {
			all = append(all, m)
		}
	}
	all = council.Sorted(all)
	members := slices.Clone(c.Members)
	dealers := side(all, c.Dealers, old.origin)
	heirs := side(all, members, c.Session)
	self := slices.Index(all, c.Self)

	g := newGuard(all, self, c.Threshold-1)
	g.seen = seen
	var err error
	if g.deal, err = newDeal(old, dealers); err != nil {
		return nil, err
	}
	s := newSession(kindReshare, c.Session, all, self, dealers, reshareSteps, g)
	s.heirs = heirs

	params := func(id *engine.PartyID) *engine.ReSharingParameters {
		return engine.NewReSharingParameters(engine.S256(), engine.NewPeerContext(dealers.sorted), engine.NewPeerContext(heirs.sorted),
			id, len(dealers.sorted), old.threshold-1, len(heirs.sorted), c.Threshold-1)
	}
	dealt, inherited := make(chan *keygen.LocalPartySaveData, 1), make(chan *keygen.LocalPartySaveData, 1)
	if c.Share != nil {
		// The engine sets the share that it is given to zero at the end.
		s.party = resharing.NewLocalParty(params(dealers.ids[self]), c.Share.Copy().data, s.out, dealt)
	}
	if heir {
		data := keygen.NewLocalPartySaveData(len(members))
		data.LocalPreParams = pre
		s.heir = resharing.NewLocalParty(params(heirs.ids[self]), data, s.out, inherited)
	}
	s.begin = s.startBoth

	over, share := s.party == nil, (*Share)(nil)
	s.finish = func(ready *Ready) error {
		select {
		case <-dealt:
			over = true
		default:
		}
		select {
		case data := <-inherited:
			share = &Share{epoch: c.Epoch, origin: c.Session, self: c.Self, members: members, threshold: c.Threshold, data: *data}
			share = share.Copy() // the engine keeps pointers to its own
			// The engine adds up what the dealers gave, and does not reduce it.
			share.data.Xi.Mod(share.data.Xi, order)
			if err := share.Audit(); err != nil {
				return s.suspect(ReshareRound4Factors, err)
			}
			if share.Address() != old.Address() {
				return s.suspect(ReshareRound4Factors, errors.New("the shares are of another key"))
			}
		default:
		}
		if over && (!heir || share != nil) {
			s.done = true
			ready.Share = share
		}
		return nil
	}
	return s, nil
}

// check checks what does not need arithmetic.
func (c ReshareConfig) check() error {
	if c.Public == nil {
		return errors.New("the old epoch's public numbers are missing")
	}
	old := c.Public
	if len(c.Members) == 0 || len(c.Dealers) == 0 {
		return errors.New("one side has no members")
	}
	if _, err := checkMembers(c.Members, c.Members[0]); err != nil {
		return fmt.Errorf("the next epoch: %w", err)
	}
	if _, err := checkMembers(c.Dealers, c.Dealers[0]); err != nil {
		return fmt.Errorf("the dealers: %w", err)
	}
	if err := checkThreshold(c.Threshold, len(c.Members)); err != nil {
		return fmt.Errorf("the next epoch: %w", err)
	}
	if len(c.Dealers) != old.threshold {
		return fmt.Errorf("%d dealers; want %d", len(c.Dealers), old.threshold)
	}
	for _, m := range c.Dealers {
		if !slices.Contains(old.members, m) {
			return fmt.Errorf("%s can't deal: it holds no share of epoch %d", m, old.epoch)
		}
	}
	if c.Epoch <= old.epoch {
		return fmt.Errorf("share epoch %d does not follow epoch %d", c.Epoch, old.epoch)
	}
	if c.Session == old.origin {
		return errors.New("the session is the one that made the old shares")
	}
	deals, inherits := slices.Contains(c.Dealers, c.Self), slices.Contains(c.Members, c.Self)
	switch {
	case !deals && !inherits:
		return fmt.Errorf("%s is on neither side", c.Self)
	case deals && c.Share == nil:
		return errors.New("a dealer needs its share")
	case !deals && c.Share != nil:
		return errors.New("who does not deal brings no share")
	case !inherits && c.Params != nil:
		return errors.New("who leaves brings no pre-parameters")
	}
	if c.Share == nil {
		return nil
	}
	if c.Share.self != c.Self || c.Share.Public().Hash() != old.Hash() {
		return fmt.Errorf("the share is not %s's of epoch %d", c.Self, old.epoch)
	}
	return nil
}

// side is one side of a resharing among all its members.
func side(all, seated []council.MemberID, origin council.SessionID) *parties {
	return newParties(all, func(m council.MemberID) *big.Int {
		if !slices.Contains(seated, m) {
			return nil
		}
		return partyKey(origin, m)
	})
}

// startBoth starts the engine's parties of both places.
func (s *Session) startBoth(ready *Ready) error {
	for _, party := range []engine.Party{s.heir, s.party} {
		if party == nil {
			continue
		}
		if err := party.Start(); err != nil {
			return fmt.Errorf("start: %w", s.engineError(s.steps[0][0], err))
		}
		if err := s.drain(ready); err != nil {
			return err
		}
	}
	return nil
}
