package p2p

import (
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"github.com/millicent-one/signer/council"
)

func TestGarbageOnTheWire(t *testing.T) {
	w := newHosts(t)
	sealOf := func(who council.MemberID, r council.Roster) *seal {
		s, err := newSeal(who, w.council.NodeKeys[who], r)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	pack := func(s *seal, f Frame) []byte {
		b, err := s.pack(alice, f)
		if err != nil {
			t.Fatal(err)
		}
		return prefixed(b)
	}
	other := w.council.Roster
	other.Charter[0]++
	good := pack(sealOf(bob, w.council.Roster), Frame{Channel: Session, Payload: []byte("good")})
	announce := func(n uint32) []byte { return binary.BigEndian.AppendUint32(nil, n) }
	cases := map[string]struct {
		bytes []byte
		err   error
		says  string
	}{
		"not a frame":          {bytes: prefixed([]byte("GET / HTTP/1.1")), says: "decode frame"},
		"length zero":          {bytes: announce(0), says: "length zero"},
		"length too large":     {bytes: announce(MaxSessionFrame + 1), err: ErrTooLarge, says: "1048577"},
		"length of 4 GiB":      {bytes: announce(1<<32 - 1), err: ErrTooLarge},
		"text":                 {bytes: []byte("hello, is this the council?"), err: ErrTooLarge},
		"of another member":    {bytes: pack(sealOf(carol, w.council.Roster), Frame{Channel: Session}), says: "claims to be from core-1"},
		"on another channel":   {bytes: pack(sealOf(bob, w.council.Roster), Frame{Channel: Record}), says: "came on session"},
		"under another roster": {bytes: pack(sealOf(bob, other), Frame{Channel: Session}), err: council.ErrNodeSignature},
		"with a bit flipped":   {bytes: append(append([]byte(nil), good[:len(good)-1]...), good[len(good)-1]^1), err: council.ErrNodeSignature},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			a := newHosts(t).start(t, alice)
			s := rawStream(t, rawMember(t, bob, a), a, Session)
			if _, err := s.Write(append(append([]byte(nil), good...), c.bytes...)); err != nil {
				t.Fatal(err)
			}
			err := awaitMisbehaved(t, a, bob)
			if !strings.Contains(err.Error(), "community-2 on session") || !strings.Contains(err.Error(), c.says) || (c.err != nil && !errors.Is(err, c.err)) {
				t.Fatal(err)
			}
			closedByOther(t, s)
			if f := nextFrame(t, a); string(f.Payload) != "good" {
				t.Fatalf("the frame before is %+v", f)
			}
			if n := a.Stats().Misbehaved; n != 1 {
				t.Fatalf("%d incidents", n)
			}
		})
	}
}

func TestGarbageDoesNotSpread(t *testing.T) {
	w := newHosts(t)
	a, c := w.start(t, alice), w.start(t, carol)
	awaitUp(t, a, carol)
	awaitUp(t, c, alice)
	bad := rawMember(t, bob, a)
	for range 5 {
		s := rawStream(t, bad, a, Session)
		s.Write([]byte("garbage, and then some"))
		closedByOther(t, s)
	}
	send(t, c, alice, Frame{Channel: Session, Payload: []byte("all is well")})
	if f := nextFrame(t, a); f.From != carol {
		t.Fatalf("got %+v", f)
	}
}
