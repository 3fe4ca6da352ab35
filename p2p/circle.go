package p2p

import (
	"errors"
	"fmt"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/millicent-one/signer/council"
)

// circle is who is let in at one moment, and the links to them. It is never changed:
// another one takes its place, and everybody sees either the one or the other.
type circle struct {
	seal   *seal
	links  map[council.MemberID]*link
	byPeer map[peer.ID]*link
}

// Guest is somebody who is let in beside the members of a roster.
type Guest struct {
	Member council.Member
	Record []byte // signed record of where the node is; nil: unknown, or the guest calls by itself
}

// at is the link to the node with this key; nil for a stranger.
func (h *Host) at(p peer.ID) *link { return h.circle.Load().byPeer[p] }

// widen makes the circle of the roster and these guests. Who was in the one before
// keeps the link.
func (h *Host) widen(before *circle, guests []Guest) (*circle, error) {
	d := h.door
	for _, g := range guests {
		d.guests = append(d.guests, g.Member)
	}
	s, err := d.seal(h.self, h.key)
	if err != nil {
		return nil, err
	}
	c := &circle{seal: s, links: map[council.MemberID]*link{}, byPeer: map[peer.ID]*link{}}
	for _, m := range s.roster.Members {
		if m.ID == h.self {
			continue
		}
		p, err := m.PeerID()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", m.ID, err)
		}
		l := before.links[m.ID]
		if l == nil || l.peer != p {
			l = newLink(h, m, p)
		}
		c.links[m.ID], c.byPeer[p] = l, l
	}
	return c, nil
}

// keep has a link work until it is dismissed, or the host is closed.
func (h *Host) keep(l *link) {
	h.stack.ConnManager().Protect(l.peer, protected)
	h.work.begin(func() { l.run(l.life) })
}

// protected is under which name libp2p is told not to close a connection.
const protected = "council"

var errNoGuest = errors.New("is no guest any more")

// Admit lets in these guests beside the roster, and nobody else from now on: who was
// a guest before and is none of them is disconnected. A node that is itself a guest is
// always among them. When it fails, nothing has changed.
//
// Whom to admit is the caller's to prove: the host checks keys and names, not who
// agreed.
func (h *Host) Admit(guests []Guest) error {
	h.letting.Lock()
	defer h.letting.Unlock()
	if h.ctx.Err() != nil {
		return ErrClosed
	}
	before := h.circle.Load()
	next, err := h.widen(before, guests)
	if err != nil {
		return fmt.Errorf("admit guests: %w", err)
	}
	if err := h.book.learnGuests(next.seal.roster, guests); err != nil {
		return fmt.Errorf("admit guests: %w", err)
	}
	h.circle.Store(next) // before the new ones dial: the gater asks it
	for id, l := range next.links {
		if before.links[id] != l {
			h.keep(l)
		}
	}
	for id, l := range before.links {
		if next.links[id] == l {
			continue
		}
		h.log.Info("guest dismissed", "member", id)
		l.dismiss(errNoGuest)
		h.stack.ConnManager().Unprotect(l.peer, protected)
		h.work.begin(func() { h.stack.Network().ClosePeer(l.peer) })
	}
	return nil
}
