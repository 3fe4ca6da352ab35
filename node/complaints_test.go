package node

import (
	"context"
	"log/slog"
	"testing"

	"github.com/millicent-one/signer/agenda"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/p2p"
)

// logbook keeps the lines of a log, and the numbers in them.
type logbook struct {
	slog.Handler
	lines map[string][]uint64
}

func (l logbook) Enabled(context.Context, slog.Level) bool { return true }

func (l logbook) Handle(_ context.Context, r slog.Record) error {
	count := uint64(0)
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == "count" {
			count = a.Value.Uint64()
		}
		return true
	})
	l.lines[r.Message] = append(l.lines[r.Message], count)
	return nil
}

// Who sends what makes no sense as fast as it can fills no log: there is one line in ten
// seconds for each kind of it, with how many there were.
func TestNonsenseIsLoggedSeldom(t *testing.T) {
	t.Parallel()
	s := newStream(t)
	book := logbook{slog.DiscardHandler, map[string][]uint64{}}
	s.log = slog.New(book)
	nothing := make(chan p2p.Frame)
	send := func(n int, from council.MemberID, kind uint8) {
		for range n {
			s.Node.frames(p2p.Frame{From: from, Channel: p2p.Record, Type: kind, Payload: []byte{0xff}}, nothing)
		}
	}
	lines := func(what string, want ...uint64) {
		t.Helper()
		got := book.lines[what]
		if len(got) != len(want) {
			t.Fatalf("%s: %d lines, of %v", what, len(got), got)
		}
		for i, n := range want {
			if got[i] != n {
				t.Errorf("%s: line %d is about %d of them, want %d", what, i, got[i], n)
			}
		}
	}
	send(200, "core-2", recordEntry)
	send(100, "core-2", recordHello)
	lines("frame refused", 1)
	send(5, "core-3", recordEntry) // another's are another line
	lines("frame refused", 1, 1)
	s.time = s.time.Add(complainEvery)
	send(10, "core-2", recordHello)
	lines("frame refused", 1, 1, 300)
	if n := s.counters.badFrames.Load(); n != 315 {
		t.Errorf("%d are counted", n)
	}

	feed := openFeeds(t, "core-2")
	write(t, feed, 300, 10) // which say nothing that anyone can read
	for s.has("core-2") < 300 {
		s.newTurn()
		if err := s.takeEntries("core-2", s.next(feed, "core-2", 100)); err != nil {
			t.Fatal(err)
		}
		for s.turn() {
		}
	}
	lines("unreadable entry", 1)
	if err := s.read(func(agenda.Recorded) bool { return true }); err != nil {
		t.Fatal(err)
	}
	lines("unreadable entries", 300)
}
