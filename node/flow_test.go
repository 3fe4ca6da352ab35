package node

import (
	"context"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/rlp"

	"github.com/millicent-one/signer/agenda"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/internal/testcouncil"
	"github.com/millicent-one/signer/journal"
	"github.com/millicent-one/signer/p2p"
)

// sink is a transport that only notes what is sent.
type sink struct {
	p2p.Transport
	sent []p2p.Frame
}

func (s *sink) Send(_ context.Context, _ council.MemberID, f p2p.Frame) error {
	s.sent = append(s.sent, f)
	return nil
}

// frames takes what was sent of a kind on the channel of feeds.
func (s *sink) frames(kind uint8) (out []p2p.Frame) {
	for _, f := range s.sent {
		if f.Channel == p2p.Sync && f.Type == kind {
			out = append(out, f)
		}
	}
	s.sent = nil
	return out
}

// stream is one node, whose turns the test makes, and the feeds of others.
type stream struct {
	*Node
	t    *testing.T
	sink *sink
	time time.Time
}

func newStream(t *testing.T) *stream {
	t.Helper()
	s := &stream{t: t, sink: &sink{}, time: time.Unix(1_800_000_000, 0)}
	s.Node = &Node{
		self: "core-1", roster: testcouncil.New(t).Roster, journal: openFeeds(t, "core-1"), agenda: new(agenda.Agenda), transport: s.sink,
		log: slog.New(slog.DiscardHandler), now: func() time.Time { return s.time }, calls: newCalls(), peers: map[council.MemberID]*peer{},
	}
	return s
}

func openFeeds(t *testing.T, m council.MemberID) *journal.Journal {
	t.Helper()
	c := testcouncil.New(t)
	j, err := journal.Open(filepath.Join(t.TempDir(), "journal.db"), journal.Options{Self: m, Key: c.NodeKeys[m], Roster: c.Roster})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { j.Close() })
	return j
}

// write makes a feed longer by so many entries.
func write(t *testing.T, j *journal.Journal, entries, size int) {
	t.Helper()
	err := j.Together(func(j *journal.Journal) error {
		for range entries {
			if _, err := j.Append(council.WordRosterSigned, make([]byte, size), 1); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// has is how long a member's feed is here.
func (s *stream) has(m council.MemberID) int {
	s.t.Helper()
	heads, err := s.journal.Heads()
	if err != nil {
		s.t.Fatal(err)
	}
	for _, h := range heads {
		if h.Author == m {
			return int(h.Seq)
		}
	}
	return 0
}

// next is the frame with the next entries of a feed, as many as are asked for.
func (s *stream) next(feed *journal.Journal, m council.MemberID, limit int) []byte {
	s.t.Helper()
	es, err := feed.After(m, uint64(s.has(m)), limit)
	if err != nil {
		s.t.Fatal(err)
	}
	return s.encode(entries{Entries: es})
}

func (s *stream) encode(v any) []byte {
	s.t.Helper()
	b, err := rlp.EncodeToBytes(v)
	if err != nil {
		s.t.Fatal(err)
	}
	return b
}

// turn is what the owner has left for its next one.
func (s *stream) turn() (did bool) {
	for _, f := range s.calls.take() {
		f()
		did = true
	}
	return did
}

// A member that brings entries as fast as it can has its share of each turn of the owner,
// and so many a second. None of them is lost: it is asked for more when all is merged.
func TestEntriesComeInTurns(t *testing.T) {
	t.Parallel()
	s := newStream(t)
	feed := openFeeds(t, "core-2")
	const extra = 2 * syncBatch
	write(t, feed, feedBurst+extra, 10)

	s.newTurn()
	if err := s.takeEntries("core-2", s.next(feed, "core-2", syncBatch+1)); err == nil || s.has("core-2") != 0 {
		t.Fatalf("a frame that is too long: %v, %d merged", err, s.has("core-2"))
	}
	for s.has("core-2") < feedBurst {
		before := s.has("core-2")
		if err := s.takeEntries("core-2", s.next(feed, "core-2", syncBatch)); err != nil {
			t.Fatal(err)
		}
		for more := true; more; more = s.turn() {
			if n := s.has("core-2") - before; n > feedTurn {
				t.Fatalf("%d entries in a turn", n)
			}
			before = s.has("core-2")
		}
		if n := len(s.sink.frames(syncHeads)); n != 1 {
			t.Fatalf("after %d entries it asks %d times", s.has("core-2"), n)
		}
		s.newTurn()
	}
	// Now it has brought what it may bring at once. Of what comes some frames are kept.
	for range 2 * feedFrames {
		s.newTurn()
		if err := s.takeEntries("core-2", s.next(feed, "core-2", syncBatch)); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(s.peer("core-2").inflow); s.has("core-2") != feedBurst || n != feedFrames || s.counters.dropped.Load() != feedFrames {
		t.Fatalf("%d entries merged, %d frames wait, %d are dropped", s.has("core-2"), n, s.counters.dropped.Load())
	}
	for s.has("core-2") < feedBurst+extra {
		select {
		case <-s.calls.ring:
		case <-time.After(time.Minute):
			t.Fatalf("it stops after %d entries", s.has("core-2"))
		}
		was, before := s.time, s.has("core-2")
		if s.time = was.Add(100 * time.Millisecond); !s.turn() { // of an earlier turn
			s.time = was
			continue
		}
		if n := s.has("core-2") - before; n > feedRate/10+1 {
			t.Fatalf("%d entries in a tenth of a second", n)
		}
		if len(s.sink.frames(syncHeads)) > 0 {
			if err := s.takeEntries("core-2", s.next(feed, "core-2", syncBatch)); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// What others bring comes in turn: who brings much keeps nobody waiting.
func TestEntriesOfAllComeInTurn(t *testing.T) {
	t.Parallel()
	s := newStream(t)
	flood, other := openFeeds(t, "core-2"), openFeeds(t, "core-3")
	write(t, flood, syncBatch, 10)
	write(t, other, 1, 10)
	s.newTurn()
	for range feedFrames {
		if err := s.takeEntries("core-2", s.next(flood, "core-2", syncBatch)); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.takeEntries("core-3", s.next(other, "core-3", 1)); err != nil {
		t.Fatal(err)
	}
	s.turn()
	if s.turn(); s.has("core-3") != 1 || s.has("core-2") >= syncBatch {
		t.Errorf("after the third turn there are %d entries of the one that brings much, and %d of the other", s.has("core-2"), s.has("core-3"))
	}
}

// Who asks again and again is given the next frame once a turn, and so much a second.
func TestFeedsAreGivenInTurns(t *testing.T) {
	t.Parallel()
	s := newStream(t)
	write(t, s.journal, syncBatch+1, 10)
	asks := func() int {
		s.newTurn()
		for range 20 {
			if err := s.compare("core-2", heads{Answer: true}); err != nil {
				t.Fatal(err)
			}
		}
		return len(s.sink.frames(syncEntries))
	}
	if n := asks(); n != 1 {
		t.Errorf("%d frames in a turn", n)
	}
	if s.turn(); len(s.sink.frames(syncEntries)) != 1 {
		t.Error("what it has asked for last it is not given in the next turn")
	}
	const want = feedBurst / syncBatch
	total := 2
	for n := 1; n > 0 && total <= want; total += n {
		n = asks()
		for s.turn() {
		}
		n += len(s.sink.frames(syncEntries))
	}
	if total != want {
		t.Errorf("%d frames at once; want %d", total, want)
	}
	s.time = s.time.Add(time.Second)
	for len(s.sink.frames(syncEntries)) == 0 {
		if s.turn() {
			continue
		}
		select {
		case <-s.calls.ring:
		case <-time.After(time.Minute):
			t.Fatal("what it waits for it is not given later")
		}
	}
}

// Entries that a peer can't take, as of a feed that is forked, or that fill a frame alone,
// keep no others from it.
func TestOneFeedHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	s := newStream(t)
	long, big := openFeeds(t, "core-2"), openFeeds(t, "core-3")
	write(t, long, syncBatch, 10)
	write(t, big, 1, journal.MaxBody)
	for m, feed := range map[council.MemberID]*journal.Journal{"core-2": long, "core-3": big} {
		es, err := feed.After(m, 0, syncBatch)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range es {
			if _, err := s.journal.Merge(e); err != nil {
				t.Fatal(err)
			}
		}
	}
	given := map[council.MemberID]bool{}
	for range 2 {
		s.newTurn()
		if err := s.compare("core-4", heads{Answer: true}); err != nil {
			t.Fatal(err)
		}
		for _, f := range s.sink.frames(syncEntries) {
			var b entries
			if err := rlp.DecodeBytes(f.Payload, &b); err != nil || len(f.Payload) > p2p.MaxSyncFrame {
				t.Fatalf("%d bytes: %v", len(f.Payload), err)
			}
			for _, e := range b.Entries {
				given[e.Author] = true
			}
		}
	}
	if len(given) != 2 {
		t.Errorf("given: %v", given)
	}
}
