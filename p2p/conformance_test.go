package p2p

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/internal/testcouncil"
)

// TestConformance holds both transports to the same promises.
func TestConformance(t *testing.T) {
	promises := []struct {
		name string
		test func(t *testing.T, w world)
	}{
		{"delivers every field", deliversEveryField},
		{"keeps order", keepsOrder},
		{"names the true sender", namesTheTrueSender},
		{"refuses what is addressed wrongly", refusesWrongAddress},
		{"bounds the size", boundsTheSize},
		{"slows a sender down and loses nothing", slowsDown},
		{"knows who is offline", knowsOffline},
		{"comes back", comesBack},
		{"goes on under the next roster", goesOn},
		{"closes", closes},
	}
	for kind, build := range worlds {
		t.Run(kind, func(t *testing.T) {
			for _, p := range promises {
				t.Run(p.name, func(t *testing.T) { p.test(t, build(t)) })
			}
		})
	}
}

func pair(t *testing.T, w world) (a, b Transport) {
	t.Helper()
	a, b = w.start(t, alice), w.start(t, bob)
	awaitUp(t, a, bob)
	awaitUp(t, b, alice)
	return a, b
}

func deliversEveryField(t *testing.T, w world) {
	ids := []council.MemberID{alice, bob, carol}
	var all []Transport
	for _, id := range ids {
		all = append(all, w.start(t, id))
	}
	for _, tr := range all {
		awaitUp(t, tr, slices.DeleteFunc(slices.Clone(ids), func(m council.MemberID) bool { return m == tr.Self() })...)
	}
	roster := testcouncil.New(t).Roster
	for _, from := range all {
		for _, to := range all {
			if from == to {
				continue
			}
			for _, c := range channels {
				want := Frame{Channel: c, Session: council.SessionID{1, 2}, Type: 200, Transcript: common.Hash{3}, Payload: []byte("round one")}
				if c == Session {
					want.To = to.Self()
				}
				send(t, from, to.Self(), want)
				got := nextFrame(t, to)
				if err := VerifyFrame(roster, got); err != nil {
					t.Fatalf("as evidence: %v", err)
				}
				if got.From != from.Self() || got.To != want.To || got.Channel != c || got.Session != want.Session || got.Type != want.Type ||
					got.Transcript != want.Transcript || !bytes.Equal(got.Payload, want.Payload) {
					t.Fatalf("sent %+v, got %+v", want, got)
				}
			}
		}
	}
}

func keepsOrder(t *testing.T, w world) {
	a, b := pair(t, w)
	const each = 100
	for i := range each {
		for _, c := range channels {
			send(t, a, bob, Frame{Channel: c, Type: uint8(i), Payload: payload(i * 20)})
		}
	}
	var next [len(channels)]int
	for range each * len(channels) {
		f := nextFrame(t, b)
		n := &next[f.Channel-1]
		if int(f.Type) != *n || len(f.Payload) != *n*20 {
			t.Fatalf("frame %d of %s came as number %d", f.Type, f.Channel, *n)
		}
		*n++
	}
}

func namesTheTrueSender(t *testing.T, w world) {
	a, b := pair(t, w)
	send(t, a, bob, Frame{From: carol, Channel: Session, Sig: []byte("carol, really")})
	if f := nextFrame(t, b); f.From != alice {
		t.Fatalf("frame of %s, sent by %s", f.From, alice)
	}
}

func refusesWrongAddress(t *testing.T, w world) {
	a, _ := pair(t, w)
	for what, err := range map[string]error{
		"to oneself":         a.Send(context.Background(), alice, Frame{Channel: Session}),
		"to a stranger":      a.Send(context.Background(), "mallory", Frame{Channel: Session}),
		"for somebody else":  a.Send(context.Background(), bob, Frame{Channel: Session, To: carol}),
		"on no channel":      a.Send(context.Background(), bob, Frame{Payload: []byte("x")}),
		"on another channel": a.Send(context.Background(), bob, Frame{Channel: 4}),
	} {
		if err == nil {
			t.Errorf("a frame %s was sent", what)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := a.Send(ctx, bob, Frame{Channel: Session}); !errors.Is(err, context.Canceled) {
		t.Errorf("a frame was sent after its context ended: %v", err)
	}
}

func boundsTheSize(t *testing.T, w world) {
	a, b := pair(t, w)
	for _, c := range channels {
		room := c.Max() - 170 // a little more than the other fields take
		for {
			if _, err := EncodeFrame(Frame{From: alice, Channel: c, Payload: payload(room + 1), Sig: payload(64)}); err != nil {
				break
			}
			room++
		}
		if err := a.Send(context.Background(), bob, Frame{Channel: c, Payload: payload(room + 1)}); !errors.Is(err, ErrTooLarge) || council.Hint(err) == "" {
			t.Fatalf("one byte too many on %s: %v", c, err)
		}
		send(t, a, bob, Frame{Channel: c, Payload: payload(room)})
		if f := nextFrame(t, b); len(f.Payload) != room {
			t.Fatalf("%d bytes of %d on %s", len(f.Payload), room, c)
		}
	}
}

// slowsDown sends to a node that nobody reads from until the queue is full, and
// then reads: what was accepted arrives, whole and in order.
func slowsDown(t *testing.T, w world) {
	a, b := pair(t, w)
	sent := 0
	full := func() bool {
		err := a.Send(context.Background(), bob, Frame{Channel: Session, Session: council.SessionID{byte(sent >> 8), byte(sent)}, Payload: payload(60 << 10)})
		switch {
		case err == nil:
			sent++
			return false
		case !errors.Is(err, ErrQueueFull) || council.Hint(err) == "":
			t.Fatal(err)
		}
		return true
	}
	for deadline := time.Now().Add(patience); !full(); {
		if time.Now().After(deadline) {
			t.Fatal("the queue takes without end")
		}
	}
	if err := a.Send(context.Background(), bob, Frame{Channel: Record}); err != nil {
		t.Fatalf("one channel's queue is full, another's is not: %v", err)
	}
	for n := 0; n < sent; {
		f := nextFrame(t, b)
		if f.Channel != Session {
			continue
		}
		if f.Session != (council.SessionID{byte(n >> 8), byte(n)}) {
			t.Fatalf("frame %d is missing; got %s", n, f.Session.Short())
		}
		n++
	}
}

func knowsOffline(t *testing.T, w world) {
	a := w.start(t, alice)
	if err := a.Send(context.Background(), bob, Frame{Channel: Session}); !errors.Is(err, ErrOffline) || council.Hint(err) == "" {
		t.Fatal(err)
	}
	if got := a.Online(); len(got) != 0 {
		t.Fatalf("online: %v", got)
	}
	w.start(t, bob)
	awaitUp(t, a, bob)
	if got := a.Online(); !slices.Equal(got, []council.MemberID{bob}) {
		t.Fatalf("online: %v", got)
	}
}

func comesBack(t *testing.T, w world) {
	a, b := pair(t, w)
	for round := range 3 {
		send(t, a, bob, Frame{Channel: Session, Type: uint8(round)})
		if f := nextFrame(t, b); int(f.Type) != round {
			t.Fatalf("round %d: got a frame of type %d", round, f.Type)
		}
		w.kill(t, bob)
		if d := awaitDown(t, a, bob); d.Err == nil {
			t.Fatal("down without a reason")
		}
		if err := a.Send(context.Background(), bob, Frame{Channel: Session}); !errors.Is(err, ErrOffline) {
			t.Fatalf("send to a node that is gone: %v", err)
		}
		b = w.start(t, bob)
		awaitUp(t, b, alice)
		awaitUp(t, a, bob)
		send(t, b, alice, Frame{Channel: Record, Payload: []byte("here again")})
		if f := nextFrame(t, a); string(f.Payload) != "here again" {
			t.Fatalf("got %+v", f)
		}
	}
}

// goesOn has a node end and another one take its place, under another roster: the others
// see it go and come, and nobody has done anything wrong.
func goesOn(t *testing.T, w world) {
	a, b := pair(t, w)
	for i := range 3 {
		send(t, b, alice, Frame{Channel: Record, Type: uint8(i)}) // may be lost, and may come late
		anew := w.next(t, alice)
		if d := awaitDown(t, b, alice); d.Err == nil {
			t.Fatal("down without a reason")
		}
		awaitUp(t, b, alice)
		awaitUp(t, anew, bob)
		if err := a.Send(context.Background(), bob, Frame{Channel: Session}); !errors.Is(err, ErrClosed) {
			t.Fatalf("send under a roster that is over: %v", err)
		}
		for range a.Events() {
		}
		for range a.Frames() {
		}
		send(t, anew, bob, Frame{Channel: Sync, Type: uint8(i)})
		if f := nextFrame(t, b); f.From != alice || int(f.Type) != i {
			t.Fatalf("got %+v", f)
		}
		send(t, b, alice, Frame{Channel: Session, Type: uint8(i)})
		await(t, "what was said to the new one", anew.Frames(), func(f Frame) bool { return f.Channel == Session && int(f.Type) == i })
		a = anew
	}
	for _, tr := range []Transport{a, b} {
		if s := tr.(interface{ Stats() Stats }).Stats(); s.Misbehaved != 0 {
			t.Errorf("%s counts %d offences", tr.Self(), s.Misbehaved)
		}
	}
}

func closes(t *testing.T, w world) {
	a, b := pair(t, w)
	for range 100 {
		send(t, a, bob, Frame{Channel: Sync, Payload: payload(10 << 10)}) // more than b's reader, who is none, takes
	}
	for _, tr := range []Transport{b, a} {
		done := make(chan error, 2)
		for range 2 {
			go func() { done <- tr.Close() }()
		}
		for range 2 {
			if err := await(t, "close", done, func(error) bool { return true }); err != nil {
				t.Fatal(err)
			}
		}
		for range tr.Frames() {
		}
		for range tr.Events() {
		}
		if err := tr.Send(context.Background(), carol, Frame{Channel: Session}); !errors.Is(err, ErrClosed) {
			t.Fatalf("send after close: %v", err)
		}
	}
	noGoroutines(t)
}
