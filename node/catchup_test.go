package node

import (
	"log/slog"
	"testing"

	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/journal"
)

// Who starts has to come up to what another names first. Of the own feed all counts that is
// named, also later.
func TestTargetOfAStart(t *testing.T) {
	t.Parallel()
	const writer, peer = council.MemberID("core-3"), council.MemberID("core-2")
	start := func(need int) *stream {
		s := newStream(t)
		s.bulletin, s.log = newBulletin(), slog.New(slog.DiscardHandler)
		s.hold("a test", need)
		s.peer(peer).told, s.peer("core-4").told = true, true
		return s
	}
	names := func(s *stream, who council.MemberID, ends ...journal.Head) {
		t.Helper()
		if err := s.compare(who, heads{Heads: ends, Answer: true}); err != nil {
			t.Fatal(err)
		}
	}
	feed := openFeeds(t, writer)
	write(t, feed, 40, 10)
	take := func(s *stream, n int) {
		t.Helper()
		if err := s.takeEntries(peer, s.next(feed, writer, n)); err != nil {
			t.Fatal(err)
		}
		for s.turn() {
		}
		s.newTurn()
	}
	at := func(m council.MemberID, seq uint64) journal.Head { return journal.Head{Author: m, Seq: seq} }

	s := start(1)
	s.newTurn()
	names(s, peer, at(writer, 10))
	take(s, 9)
	names(s, peer, at(writer, 20))
	if !s.restoring() {
		t.Fatal("it has caught up without the last entry that was named")
	}
	take(s, 3)
	names(s, peer, at(writer, 30)) // always more than it has
	if s.restoring() {
		t.Error("a member that writes on and on keeps it from catching up")
	}

	s = start(1)
	s.newTurn()
	names(s, peer, at(writer, 1))
	names(s, peer, at(writer, 1), at(s.self, 1))
	take(s, 5)
	names(s, peer, at(writer, 1), at(s.self, 1))
	if !s.restoring() {
		t.Error("it has caught up without its own words")
	}
	names(s, peer, at(writer, 1)) // which that one has named
	if !s.restoring() {
		t.Error("its own words are forgotten")
	}

	// Each has a target of its own, and one that counts no more when it is asked anew.
	s = start(2)
	s.newTurn()
	names(s, peer, at(writer, 5))
	take(s, 5)
	names(s, peer, at(writer, 5))
	names(s, "core-4", at(writer, 8))
	if !s.restoring() {
		t.Error("it has caught up with two, and lacks what one has named")
	}
	s.hold("a test, again", 2)
	names(s, peer, at(writer, 20))
	take(s, 5)
	names(s, "core-4", at(writer, 8))
	if !s.restoring() {
		t.Error("an answer from before it asked anew counts")
	}
	take(s, 10)
	names(s, peer, at(writer, 25))
	if s.restoring() {
		t.Error("it has come up to both, and waits on")
	}
}
