package p2p

import (
	"cmp"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/protocol"

	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/internal/testcouncil"
)

// following is the roster after r: one leaves, another comes.
func following(t *testing.T, r council.Roster, out council.MemberID, in council.Member) council.Roster {
	t.Helper()
	var err error
	if r.Prev, err = r.Hash(); err != nil {
		t.Fatal(err)
	}
	r.Version++
	r.Members = append(slices.DeleteFunc(slices.Clone(r.Members), func(m council.Member) bool { return m.ID == out }), in)
	slices.SortFunc(r.Members, func(x, y council.Member) int { return cmp.Compare(x.ID, y.ID) })
	return r
}

// next has a member's host go on under a roster.
func (w *hosts) next(t *testing.T, who council.MemberID, r council.Roster) *Host {
	t.Helper()
	h, err := w.running[who].Next(Neighbours{Roster: r})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	w.running[who] = h
	return h
}

// connections are the ids of those between two hosts.
func connections(h, other *Host) (ids []string) {
	for _, c := range h.stack.Network().ConnsToPeer(other.stack.ID()) {
		ids = append(ids, c.ID())
	}
	return ids
}

// kept reports whether no connection was lost. There may be one more: a member that has
// none yet dials by itself, and what it dials may be there later than the other's.
func kept(now, before []string) bool {
	return len(before) > 0 && !slices.ContainsFunc(before, func(id string) bool { return !slices.Contains(now, id) })
}

func isUp(who council.MemberID) func(Event) bool {
	return func(e Event) bool { up, ok := e.(PeerUp); return ok && up.Member == who }
}

// Under the next roster who stays and who comes keep their connections, and who leaves
// is a stranger from that moment on.
func TestNext(t *testing.T) {
	w := newHosts(t)
	in := guest(t, dana)
	w.council.NodeKeys[dana] = testcouncil.NodeKey(dana)
	start := func(who council.MemberID) *Host { return w.open(t, who, letting(Guest{Member: in})) }
	a, b, d := start(alice), start(bob), start(dana)
	c := rawMember(t, carol, a) // one that ends no connection by itself
	gone := make(chan struct{}, 64)
	c.Network().Notify(&network.NotifyBundle{DisconnectedF: func(network.Network, network.Conn) { gone <- struct{}{} }})
	if err := c.Connect(t.Context(), target(t, a, "/tcp/")); err != nil {
		t.Fatal(err)
	}
	awaitUp(t, a, bob, carol, dana)
	awaitUp(t, b, alice)
	awaitUp(t, d, alice)
	before := map[*Host][]string{b: connections(a, b), d: connections(a, d)}

	if _, err := a.Next(Neighbours{Roster: following(t, w.council.Roster, alice, in)}); err == nil {
		t.Fatal("goes on under a roster without itself")
	}
	if got := a.Online(); !slices.Equal(got, []council.MemberID{bob, carol, dana}) {
		t.Fatalf("after a roster that is none for it: %v", got)
	}

	first, next := w.council.Roster, following(t, w.council.Roster, carol, in)
	anew := w.next(t, alice, next)
	await(t, "the end of a leaver's connection", gone, func(struct{}) bool { return true })
	_ = c.Connect(t.Context(), target(t, anew, "/tcp/")) // it may find out later that it was refused
	await(t, "a leaver to be refused", anew.Events(), func(e Event) bool {
		r, ok := e.(Refused)
		return ok && r.Peer == c.ID().String() && errors.As(r.Reason, new(*StrangerError))
	})
	for _, h := range []*Host{b, d} {
		if down := awaitDown(t, h, alice); !errors.Is(down.Err, errNext) {
			t.Errorf("%s has lost %s: %v", h.Self(), alice, down.Err)
		}
		awaitUp(t, h, alice)
		if now := connections(anew, h); !kept(now, before[h]) {
			t.Errorf("connections with %s were %v, are %v", h.Self(), before[h], now)
		}
		send(t, h, alice, Frame{Channel: Record, Payload: []byte(h.Self())})
		if f := nextFrame(t, anew); f.From != h.Self() || VerifyFrame(first, f) != nil && h == b {
			t.Fatalf("%+v", f)
		}
	}
	for range a.Frames() { // what nobody has read is gone
	}
	if err := a.Send(t.Context(), bob, Frame{Channel: Record}); !errors.Is(err, ErrClosed) {
		t.Errorf("sends under a roster that is over: %v", err)
	}
	if _, err := a.Next(Neighbours{Roster: next}); !errors.Is(err, ErrClosed) {
		t.Errorf("goes on twice: %v", err)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	if err := anew.Send(t.Context(), carol, Frame{Channel: Record}); err == nil {
		t.Error("something is sent to who has left")
	}
	for _, h := range []*Host{b, d} {
		send(t, anew, h.Self(), Frame{Channel: Record, Payload: []byte("still here")})
		if f := nextFrame(t, h); f.From != alice || string(f.Payload) != "still here" {
			t.Fatalf("%+v", f)
		}
	}
	for _, h := range []*Host{anew, b, d} {
		if n := h.Stats().Misbehaved; n != 0 {
			t.Errorf("%s counts %d offences", h.Self(), n)
		}
		h.Close()
	}
	c.Close()
	noGoroutines(t)
}

// Two nodes that go on at once, as all do when a council rotates, keep the connection
// whichever comes first.
func TestNextAtBothEnds(t *testing.T) {
	w := newCalmHosts(t)
	a, b := w.start(t, alice), w.start(t, bob)
	awaitUp(t, a, bob)
	awaitUp(t, b, alice)
	before := connections(a, b)
	roster := w.council.Roster
	for range farewellBurst / 2 {
		var err error
		if roster.Prev, err = roster.Hash(); err != nil {
			t.Fatal(err)
		}
		roster.Version++
		done := make(chan *Host, 1)
		go func() {
			h, err := b.Next(Neighbours{Roster: roster})
			if err != nil {
				t.Error(err)
			}
			done <- h
		}()
		a = w.next(t, alice, roster)
		b = await(t, "the other", done, func(h *Host) bool { return h != nil })
		t.Cleanup(func() { b.Close() })
		for _, x := range []struct{ from, to *Host }{{a, b}, {b, a}} {
			await(t, "the other end", x.from.Events(), isUp(x.to.Self()))
		}
	}
	said := func(from, to *Host) {
		for from.Send(t.Context(), to.Self(), Frame{Channel: Sync, Payload: []byte("hear me")}) != nil {
			await(t, "the other end once more", from.Events(), isUp(to.Self()))
		}
		nextFrame(t, to)
	}
	said(a, b)
	said(b, a)
	if now := connections(a, b); !kept(now, before) {
		t.Errorf("connections were %v, are %v", before, now)
	}
}

// A member whose node says farewell all the time is hung up on.
func TestFarewellAgainAndAgain(t *testing.T) {
	w := newHosts(t)
	a := w.start(t, alice)
	hold := func(s network.Stream) {}
	raw := rawPeer(t, bob, map[protocol.ID]network.StreamHandler{
		a.protocol("session"): hold, a.protocol("record"): hold, a.protocol("sync"): hold,
		a.protocol("pulse"): func(s network.Stream) {
			if _, err := readGreeting(s); err == nil && a.greeting().write(s) == nil {
				s.Write([]byte{pulseFarewell})
			}
		},
	})
	if err := raw.Connect(t.Context(), target(t, a, "/tcp/")); err != nil {
		t.Fatal(err)
	}
	turns, began := 0, time.Now()
	await(t, "the end of the connection", a.Events(), func(e Event) bool {
		down, ok := e.(PeerDown)
		if ok {
			turns++
		}
		return ok && !errors.Is(down.Err, errNext)
	})
	// The rate allows for more the longer it takes; the one above it is answered by the end.
	if took := time.Since(began); turns > farewellBurst+int(took.Seconds()*farewellRate)+1 {
		t.Errorf("%d farewells in %s", turns, took)
	}
}
