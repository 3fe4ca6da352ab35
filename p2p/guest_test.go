package p2p

import (
	"cmp"
	"errors"
	"slices"
	"testing"
	"time"

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
	w := newCalmHosts(t)
	in := guest(t, dana)
	w.council.NodeKeys[dana] = testcouncil.NodeKey(dana)
	a := w.open(t, alice, letting(Guest{Member: in}))
	b := w.open(t, bob, letting())
	d := w.open(t, dana, letting(Guest{Member: in}))
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
	a = w.open(t, alice, func(c *HostConfig) { c.Roster, c.Network, c.Guests = next, first, []Guest{{Member: out}} })
	await(t, "a node under the roster before", a.Events(), func(e Event) bool { up, ok := e.(PeerUp); return ok && up.Member == bob })
	if err := a.Send(t.Context(), bob, Frame{Channel: Record, Type: 1, Payload: []byte("news")}); err != nil {
		t.Fatal(err)
	}
	if f := <-b.Frames(); f.From != alice || string(f.Payload) != "news" {
		t.Fatalf("%+v", f)
	}
}

// A guest whose node speaks another version is not let in, whether it was expected from
// the start or is admitted later; both sides say so, and name both versions.
func TestGuestOfAnotherVersion(t *testing.T) {
	for name, before := range map[string]bool{"expected": true, "admitted": false} {
		t.Run(name, func(t *testing.T) {
			w := newHosts(t)
			in := guest(t, dana)
			w.council.NodeKeys[dana] = testcouncil.NodeKey(dana)
			var expected []Guest
			if before {
				expected = []Guest{{Member: in}}
			}
			a := w.open(t, alice, letting(expected...))
			w.tune.version = 2
			d := w.open(t, dana, letting(Guest{Member: in}))
			if !before {
				record, err := AddressRecord(w.council.NodeKeys[dana], d.ListenAddrs(), 1)
				if err == nil {
					err = a.Admit([]Guest{{in, record}})
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			for _, side := range []struct {
				h            *Host
				other        council.MemberID
				ours, theirs string
			}{{a, dana, "/millicent/session/1", "/millicent/session/2"}, {d, alice, "/millicent/session/2", "/millicent/session/1"}} {
				e := await(t, string(side.h.Self())+" to refuse "+string(side.other), side.h.Events(), func(e Event) bool {
					if up, ok := e.(PeerUp); ok {
						t.Fatalf("%s lets %s in", side.h.Self(), up.Member)
					}
					r, ok := e.(Refused)
					return ok && r.Member == side.other
				})
				why := e.(Refused).Reason
				v := new(VersionError)
				if !errors.As(why, &v) || v.Member != side.other || council.Hint(why) == "" || !slices.Contains(v.Ours, side.ours) || !slices.Contains(v.Theirs, side.theirs) {
					t.Errorf("%s refuses %s: %v", side.h.Self(), side.other, why)
				}
				if len(side.h.Online()) != 0 {
					t.Errorf("%s has %v online", side.h.Self(), side.h.Online())
				}
			}
			if err := d.Send(t.Context(), alice, Frame{Channel: Record, Type: 1}); err == nil {
				t.Error("the guest can send all the same")
			}
		})
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

// Guests come and go while a host runs: who is admitted gets a connection, and who is
// none any more loses it and is a stranger again.
func TestAdmit(t *testing.T) {
	w := newCalmHosts(t)
	in := guest(t, dana)
	w.council.NodeKeys[dana] = testcouncil.NodeKey(dana)
	start := func(who council.MemberID, guests ...Guest) *Host { return w.open(t, who, letting(guests...)) }
	refused := func(e Event) bool {
		r, ok := e.(Refused)
		return ok && errors.As(r.Reason, new(*StrangerError)) && r.Peer == in.Peer
	}
	a := start(alice)
	d := start(dana, Guest{Member: in})
	await(t, "a stranger to be refused", a.Events(), refused)

	record, err := AddressRecord(w.council.NodeKeys[dana], d.ListenAddrs(), 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Admit([]Guest{{in, record}}); err != nil {
		t.Fatal(err)
	}
	await(t, "the guest", a.Events(), func(e Event) bool { up, ok := e.(PeerUp); return ok && up.Member == dana })
	await(t, "its host", d.Events(), func(e Event) bool { up, ok := e.(PeerUp); return ok && up.Member == alice })
	if err := a.Send(t.Context(), dana, Frame{Channel: Record, Type: 1, Payload: []byte("welcome")}); err != nil {
		t.Fatal(err)
	}
	if f := <-d.Frames(); f.From != alice || string(f.Payload) != "welcome" {
		t.Fatalf("%+v", f)
	}

	thief := guest(t, "core-6")
	thief.Peer = w.council.Roster.Members[2].Peer
	for what, g := range map[string]Guest{"a member's key": {Member: thief}, "a member's name": {Member: guest(t, bob)}, "another's record": {guest(t, "core-6"), record}} {
		if err := a.Admit([]Guest{{in, record}, g}); err == nil {
			t.Errorf("a guest comes in with %s", what)
		}
	}
	for !slices.Equal(a.Online(), []council.MemberID{dana}) { // a machine that stands still loses connections
		await(t, "after what was refused, the guest and nobody else", a.Events(), func(e Event) bool { up, ok := e.(PeerUp); return ok && up.Member == dana })
	}

	if err := a.Admit(nil); err != nil {
		t.Fatal(err)
	}
	await(t, "the farewell", a.Events(), func(e Event) bool { down, ok := e.(PeerDown); return ok && down.Member == dana })
	await(t, "a stranger to be refused again", a.Events(), refused)
	if err := a.Send(t.Context(), dana, Frame{Channel: Record, Type: 1}); err == nil {
		t.Error("something is sent to who is no guest any more")
	}
}

// A frame that a guest has sent in the moment of its dismissal, before the link is cut,
// counts for nothing, and is no offence.
func TestLastFrameOfWhoIsDismissed(t *testing.T) {
	w := newCalmHosts(t)
	in := guest(t, dana)
	w.council.NodeKeys[dana] = testcouncil.NodeKey(dana)
	start := func(who council.MemberID) *Host { return w.open(t, who, letting(Guest{Member: in})) }
	a, d := start(alice), start(dana)
	up := func(h *Host, m council.MemberID) {
		await(t, string(m), h.Events(), func(e Event) bool { up, ok := e.(PeerUp); return ok && up.Member == m })
	}
	up(a, dana)
	up(d, alice)
	say := func(text string) {
		if err := d.Send(t.Context(), alice, Frame{Channel: Record, Type: 1, Payload: []byte(text)}); err != nil {
			t.Fatal(err)
		}
	}
	say("one")
	if f := <-a.Frames(); string(f.Payload) != "one" {
		t.Fatalf("%+v", f)
	}
	before := a.circle.Load()
	l := before.links[dana]
	next, err := a.widen(before, nil)
	if err != nil {
		t.Fatal(err)
	}
	a.circle.Store(next) // as Admit does, which has not come to the link yet
	say("two")
	select {
	case l.lanes[Record-1].turn <- struct{}{}: // free when the stream has been read to its end
	case <-time.After(patience):
		t.Fatal("nobody has read the last frame")
	}
	if n := a.Stats().Misbehaved; n != 0 {
		t.Errorf("%d offences", n)
	}
	select {
	case f := <-a.Frames():
		t.Errorf("takes %q", f.Payload)
	default:
	}
}
