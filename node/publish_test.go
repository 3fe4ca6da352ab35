package node_test

import (
	"context"
	"slices"
	"sync"
	"testing"

	"github.com/ethereum/go-ethereum/rlp"

	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/journal"
	"github.com/millicent-one/signer/node"
	"github.com/millicent-one/signer/p2p"
)

// order writes down to whom a node's own approval goes, one after the other.
type order struct {
	p2p.Transport
	self council.MemberID

	mu sync.Mutex
	to []council.MemberID
}

func (o *order) Send(ctx context.Context, to council.MemberID, f p2p.Frame) error {
	var e journal.Entry
	if f.Channel == p2p.Record && rlp.DecodeBytes(f.Payload, &e) == nil && e.Word == council.WordApproved && e.Author == o.self {
		o.mu.Lock()
		o.to = append(o.to, to)
		o.mu.Unlock()
	}
	return o.Transport.Send(ctx, to, f)
}

func (o *order) all() []council.MemberID {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.to)
}

// The approval that lets a council sign goes to those who will sign before it
// goes to anyone else: the others' work with it must not hold up the signature.
func TestSignersHearOfTheLastApprovalFirst(t *testing.T) {
	t.Parallel()
	h := newHouse(t, true)
	all := h.council.Roster.IDs()
	last := all[6]
	o := &order{self: last}
	for _, m := range all[:6] {
		h.start(m)
	}
	h.start(last, func(c *node.Config) { o.Transport, c.Transport = c.Transport, o })
	for _, m := range all {
		h.ready(m)
	}
	h.connected()
	id := h.propose(all[0], "pause")
	h.judged(id, all...)
	voters := []council.MemberID{all[2], all[4], all[5]}
	for _, m := range voters {
		h.approve(m, m, id)
	}
	h.await(last, "three approvals, and the council's nonce", minute, func(r *room) bool {
		p, err := r.Proposal(t.Context(), id.Hex())
		if err != nil || p.Have != 3 {
			return false
		}
		s, err := r.Status(t.Context())
		return err == nil && len(s.Chains) == 1 && s.Chains[0].Balance != nil
	})
	h.approve(last, last, id)
	h.await(last, "its approval on its way to six", minute, func(*room) bool { return len(o.all()) == 6 })
	to := o.all()
	first := slices.Clone(to[:3])
	slices.Sort(first)
	if want := council.Sorted(voters); !slices.Equal(first, want) {
		t.Errorf("it went to %s first; want %s, who sign", council.Names(to[:3]), council.Names(want))
	}
}
