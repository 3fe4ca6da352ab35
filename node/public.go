package node

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/tss"
)

// publicNumbers are what a node without a share has heard of the old epoch's public numbers, by
// who says so. It takes those that as many old members say as sign together: one
// of them is honest.
type publicNumbers struct {
	said    map[council.MemberID]common.Hash
	known   map[common.Hash]*tss.Public // by their hash, which is that of their bytes
	checked map[council.MemberID]int    // times that what a member said was not known yet, and was checked
	early   map[council.MemberID][]byte // as they came before this node knew of the key
}

// showPublic tells another node the public numbers of the epoch in force. They are no
// secret, and whoever is to receive a share and holds none needs them: who is to join,
// and a member that has lost its own.
func (n *Node) showPublic(to council.MemberID) {
	if n.share == nil || n.shift.rotation == nil {
		return
	}
	b, err := n.share.Public().MarshalBinary()
	if err != nil {
		n.log.Error("encode public numbers", "err", err)
		return
	}
	n.sendSync(to, syncPublic, b)
}

// takePublic hears them.
func (n *Node) takePublic(from council.MemberID, b []byte) error {
	_, member := n.roster.Member(from)
	if n.share != nil || !member {
		return nil
	}
	if len(b) > maxPublic {
		return fmt.Errorf("public numbers of %d bytes; at most %d", len(b), maxPublic)
	}
	if n.shift.rotation == nil { // members say it once, when they meet: perhaps before their feeds are here
		if n.standing.Genesis == nil {
			if n.shift.public.early == nil {
				n.shift.public.early = map[council.MemberID][]byte{}
			}
			n.shift.public.early[from] = bytes.Clone(b)
		}
		return nil
	}
	// The check of the moduli takes long, so it comes last, and not as often as a member
	// likes. Honest members all say the same: that is checked once.
	claim, err := tss.ReadPublicClaim(b)
	if err != nil {
		return err
	}
	h := n.holding
	if claim.Epoch != h.Epoch { // one of the two has not heard of a rotation yet
		return nil
	}
	if claim.Key != h.Key || claim.Threshold != h.Roster.Threshold || !slices.Equal(claim.Members, council.Sorted(h.Roster.IDs())) {
		return fmt.Errorf("public numbers of key %s, epoch %d, %d of %s; the council's is %s, epoch %d, %d of %s", claim.Key.Hex(), claim.Epoch, claim.Threshold,
			council.Names(claim.Members), h.Key.Hex(), h.Epoch, h.Roster.Threshold, council.Names(h.Roster.IDs()))
	}
	s := &n.shift.public
	if s.said == nil {
		s.said, s.known, s.checked = map[council.MemberID]common.Hash{}, map[common.Hash]*tss.Public{}, map[council.MemberID]int{}
	}
	said := crypto.Keccak256Hash(b)
	p := s.known[said]
	if p == nil {
		if s.checked[from] >= maxPublicChecks {
			n.counters.dropped.Add(1)
			return nil
		}
		s.checked[from]++
		if p, err = tss.UnmarshalPublic(b); err != nil {
			return err
		}
	}
	had := n.oldPublic() != nil
	s.said[from] = p.Hash()
	s.known[p.Hash()] = p
	for k := range s.known { // each member keeps one alive
		if s.voices(k) == 0 {
			delete(s.known, k)
		}
	}
	if !had {
		n.prepared()
	}
	return nil
}

// takeEarly hears what came before this node knew of the key.
func (n *Node) takeEarly() {
	early := n.shift.public.early
	n.shift.public.early = nil
	for from, b := range early {
		if err := n.takePublic(from, b); err != nil {
			n.log.Warn("public numbers", "from", from, "err", err)
		}
	}
}

func (s *publicNumbers) voices(h common.Hash) (count int) {
	for _, x := range s.said {
		if x == h {
			count++
		}
	}
	return count
}

// oldPublic are the public numbers that a resharing starts from, or nil.
func (n *Node) oldPublic() *tss.Public {
	if n.share != nil {
		return n.share.Public()
	}
	for h, p := range n.shift.public.known {
		if n.shift.public.voices(h) >= n.roster.Threshold {
			return p
		}
	}
	return nil
}
