package node

import (
	"fmt"

	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/tss"
)

// publicNumbers are what a node without a share has heard of the old epoch's public numbers, by
// who says so. It takes those that as many old members say as sign together: one
// of them is honest.
type publicNumbers struct {
	said  map[council.MemberID]common.Hash
	known map[common.Hash]*tss.Public
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
	if n.share != nil || !member || n.shift.rotation == nil {
		return nil
	}
	if len(b) > maxPublic {
		return fmt.Errorf("public numbers of %d bytes; at most %d", len(b), maxPublic)
	}
	p, err := tss.UnmarshalPublic(b)
	if err != nil {
		return err
	}
	h := n.holding
	if p.Epoch() != h.Epoch { // one of the two has not heard of a rotation yet
		return nil
	}
	if p.Address() != h.Key || p.Threshold() != h.Roster.Threshold {
		return fmt.Errorf("public numbers of key %s, epoch %d; the council's is %s, epoch %d", p.Address().Hex(), p.Epoch(), h.Key.Hex(), h.Epoch)
	}
	s := &n.shift.public
	if s.said == nil {
		s.said, s.known = map[council.MemberID]common.Hash{}, map[common.Hash]*tss.Public{}
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
