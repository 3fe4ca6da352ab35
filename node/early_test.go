package node

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/p2p"
	"github.com/millicent-one/signer/tss"
)

func earlyFrame(from council.MemberID, session, size int, r tss.Round) p2p.Frame {
	id := council.SessionID{}
	copy(id[:], fmt.Sprintf("%032d", session))
	return p2p.Frame{Session: id, From: from, Type: uint8(r), Payload: make([]byte, size)}
}

func roundsOf(all []p2p.Frame) []tss.Round {
	var out []tss.Round
	for _, m := range all {
		out = append(out, tss.Round(m.Type))
	}
	return out
}

// A traitor that sends frames of sessions that will never be, as many and as
// large as it likes, costs the others nothing.
func TestFloodOfSessionsCostsTheOthersNothing(t *testing.T) {
	e := newEarly()
	rnd := rand.New(rand.NewPCG(1, 1))
	first := []tss.Round{tss.SignRound1Direct, tss.SignRound1}
	for _, from := range []council.MemberID{"core-1", "core-2"} {
		for _, r := range first {
			if n := e.keep(earlyFrame(from, 7, 2000, r)); n != 0 {
				t.Fatalf("%d frames dropped for %s's", n, from)
			}
		}
	}
	// The traitor knows the session, too, and puts its word in before the flood.
	e.keep(earlyFrame("mallory", 7, 10, tss.SignRound1))
	dropped := 0
	for i := range 20_000 {
		dropped += e.keep(earlyFrame("mallory", 1000+i, rnd.IntN(200_000), tss.Round(rnd.IntN(256))))
		s := e.senders["mallory"]
		if s.bytes > maxEarlyBytes || len(s.sessions) > maxEarly {
			t.Fatalf("frame %d: %d bytes of %d sessions are kept", i, s.bytes, len(s.sessions))
		}
	}
	kept := 0
	for _, x := range e.senders["mallory"].sessions {
		kept += len(x.frames)
	}
	if dropped+kept != 20_001 {
		t.Errorf("%d frames dropped and %d kept of 20001", dropped, kept)
	}
	got := e.take(earlyFrame("", 7, 0, 0).Session)
	if want := slices.Concat(first, first); !slices.Equal(roundsOf(got), want) || got[0].From != "core-1" || got[2].From != "core-2" {
		t.Errorf("of the honest ones' frames are left: %v; want %v", roundsOf(got), want)
	}
	if len(e.take(got[0].Session)) > 0 || e.senders["core-1"].bytes != 0 {
		t.Error("what was taken is still there")
	}
}

// Within one session the first frames of each type count, however many follow.
func TestEarlyKeepsWhatCameFirst(t *testing.T) {
	e := newEarly()
	for i := range 5 {
		m := earlyFrame("core-1", 1, 10, tss.SignRound1)
		m.Payload[0] = byte(i)
		if n, want := e.keep(m), min(max(i-1, 0), 1); n != want {
			t.Errorf("copy %d: %d dropped; want %d", i, n, want)
		}
	}
	// One session can't push itself out, nor be larger than the room.
	for r := range 100 {
		e.keep(earlyFrame("core-1", 1, 100_000, tss.Round(100+r)))
	}
	if n := e.keep(earlyFrame("core-1", 2, maxEarlyBytes, 1)); n != 1 {
		t.Errorf("a frame larger than all the room: %d dropped", n)
	}
	got := e.take(earlyFrame("", 1, 0, 0).Session)
	if len(got) != 2+10 || got[0].Payload[0] != 0 || got[1].Payload[0] != 1 || got[2].Type != 100 {
		t.Errorf("%d frames are left: %v", len(got), roundsOf(got))
	}
	// The next session has all the room again; then newer ones push out older.
	for i := range maxEarly + 3 {
		e.keep(earlyFrame("core-1", 10+i, 10, 1))
	}
	if len(e.take(earlyFrame("", 12, 0, 0).Session)) != 0 || len(e.take(earlyFrame("", 13, 0, 0).Session)) != 1 {
		t.Error("it is not the oldest that went")
	}
}
