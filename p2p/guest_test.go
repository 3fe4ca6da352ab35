package p2p

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/internal/testcouncil"
)

const dana council.MemberID = "core-5"

func guest(t *testing.T, id council.MemberID) council.Member {
	return council.Member{ID: id, Seat: council.Core, Term: council.Term{Start: testcouncil.TermStart, End: testcouncil.TermEnd},
		Peer: testcouncil.PeerID(t, testcouncil.NodeKey(id)).String(), Approver: crypto.PubkeyToAddress(testcouncil.Wallet(t, id).PublicKey)}
}

// Who is to join gets a connection from those who expect it and from nobody else.
// When some nodes have the next roster and others don't know of it yet, they still
// reach each other.
func TestGuests(t *testing.T) {
	w := newHosts(t)
	in := guest(t, dana)
	w.council.NodeKeys[dana] = testcouncil.NodeKey(dana)
	start := func(who council.MemberID, change func(*HostConfig)) *Host {
		c := w.config(who)
		change(&c)
		h, err := newHost(context.Background(), c, w.tune)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { h.Close() })
		w.listen[who], w.running[who] = h.ListenAddrs(), h
		return h
	}
	expects := func(c *HostConfig) { c.Guests = []council.Member{in} }
	a := start(alice, expects)
	b := start(bob, func(*HostConfig) {})
	d := start(dana, expects)
	await(t, "the guest", a.Events(), func(e Event) bool { up, ok := e.(PeerUp); return ok && up.Member == dana })
	await(t, "a stranger to be refused", b.Events(), func(e Event) bool {
		r, ok := e.(Refused)
		return ok && errors.As(r.Reason, new(*StrangerError)) && r.Peer == in.Peer
	})
	await(t, "its host", d.Events(), func(e Event) bool { up, ok := e.(PeerUp); return ok && up.Member == alice })
	if err := d.Send(t.Context(), alice, Frame{Channel: Record, Type: 1, Payload: []byte("here")}); err != nil {
		t.Fatal(err)
	}
	if f := <-a.Frames(); f.From != dana || string(f.Payload) != "here" {
		t.Fatalf("%+v", f)
	}

	// Alice has the next roster, in which dana is and carol is not; bob does not.
	first, err := w.council.Roster.Hash()
	if err != nil {
		t.Fatal(err)
	}
	a.Close()
	delete(w.running, alice)
	delete(w.running, dana)
	next := w.council.Roster
	next.Version, next.Prev = 2, first
	next.Members = append(slices.DeleteFunc(slices.Clone(next.Members), func(m council.Member) bool { return m.ID == carol }), in)
	slices.SortFunc(next.Members, func(x, y council.Member) int { return cmp.Compare(x.ID, y.ID) })
	out, _ := w.council.Roster.Member(carol)
	a = start(alice, func(c *HostConfig) { c.Roster, c.Network, c.Guests = next, first, []council.Member{out} })
	await(t, "a node under the roster before", a.Events(), func(e Event) bool { up, ok := e.(PeerUp); return ok && up.Member == bob })
	if err := a.Send(t.Context(), bob, Frame{Channel: Record, Type: 1, Payload: []byte("news")}); err != nil {
		t.Fatal(err)
	}
	if f := <-b.Frames(); f.From != alice || string(f.Payload) != "news" {
		t.Fatalf("%+v", f)
	}
}

// A guest can't take a member's place or key.
func TestNoGuestInAMembersPlace(t *testing.T) {
	c := testcouncil.New(t)
	same := guest(t, dana)
	same.Peer = c.Roster.Members[2].Peer
	for _, g := range []council.Member{guest(t, bob), same} {
		if _, err := (door{c.Roster, []council.Member{g}, common.Hash{}}).seal(alice, c.NodeKeys[alice]); err == nil {
			t.Errorf("%s comes in as %s", g.ID, g.Peer)
		}
	}
}
