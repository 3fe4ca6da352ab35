package node_test

import (
	"context"
	"log/slog"
	"sync/atomic"
	"testing"

	"github.com/ethereum/go-ethereum/rlp"

	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/journal"
	"github.com/millicent-one/signer/node"
	"github.com/millicent-one/signer/p2p"
)

// A node that can take nothing of what it is given, as one whose disk is of an earlier
// roster, does not ask for the same again at once: the two would go on for ever.
func TestWhatIsRefusedIsNotAskedForAgain(t *testing.T) {
	h := newHouse(t, true)
	h.start("core-1")
	h.start("core-3")
	peer := h.puppet("core-2")
	h.ready("core-1")
	var good journal.Entry
	if err := rlp.DecodeBytes(h.entry("core-2", council.WordRosterSigned, []byte("one")).Payload, &good); err != nil {
		t.Fatal(err)
	}
	bad := good
	bad.Time++ // and its signature is none
	give := func(kind uint8, v any) {
		t.Helper()
		b, err := rlp.EncodeToBytes(v)
		if err != nil {
			t.Fatal(err)
		}
		h.tell(peer, "core-1", p2p.Frame{To: "core-1", Channel: p2p.Sync, Type: kind, Payload: b})
	}
	give(syncEntries, wireEntries{Entries: []journal.Entry{bad}})
	give(syncEntries, wireEntries{Entries: []journal.Entry{good}})
	// It answers what it took, and nothing before that.
	ctx, cancel := context.WithTimeout(t.Context(), minute)
	defer cancel()
	for {
		select {
		case f := <-peer.Frames():
			var heads wireHeads
			if f.From != "core-1" || f.Channel != p2p.Sync || f.Type != syncHeads {
				continue
			}
			if err := rlp.DecodeBytes(f.Payload, &heads); err != nil {
				t.Fatal(err)
			}
			if !heads.Answer { // it compares by itself, too
				continue
			}
			for _, head := range heads.Heads {
				if head.Author == "core-2" && head.Seq == 1 {
					return
				}
			}
			t.Fatal("it answers what it has refused")
		case <-ctx.Done():
			t.Fatal("it does not answer what it has taken")
		}
	}
}

// tally counts the lines of a log that tell of entries which were not taken.
type tally struct {
	slog.Handler
	lines *atomic.Int64
}

func (t tally) WithAttrs([]slog.Attr) slog.Handler { return t }

func (t tally) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelWarn }

func (t tally) Handle(_ context.Context, r slog.Record) error {
	if r.Message == "entry refused" || r.Message == "forked feed" {
		t.lines.Add(1)
	}
	return nil
}

// A frame of entries that are false, or of forks, is told of once, whatever is in it, and
// of one fork people are told once.
func TestFalseEntriesAreToldOnce(t *testing.T) {
	t.Parallel()
	h := newHouse(t, true)
	var lines atomic.Int64
	h.start("core-1", func(c *node.Config) { c.Log = slog.New(tally{slog.DiscardHandler, &lines}) })
	peer := h.puppet("core-2")
	entry := func(m council.MemberID, text string) (e journal.Entry) {
		t.Helper()
		if err := rlp.DecodeBytes(h.entry(m, council.WordRosterSigned, []byte(text)).Payload, &e); err != nil {
			t.Fatal(err)
		}
		return e
	}
	give := func(all ...journal.Entry) {
		t.Helper()
		b, err := rlp.EncodeToBytes(wireEntries{Entries: all})
		if err != nil {
			t.Fatal(err)
		}
		h.tell(peer, "core-1", p2p.Frame{To: "core-1", Channel: p2p.Sync, Type: syncEntries, Payload: b})
	}
	var altered, forks []journal.Entry
	for i := range 20 {
		e := entry("core-3", "three")
		e.Time += uint64(i) + 1 // and its signature is none
		altered = append(altered, e)
		forks = append(forks, entry("core-4", string(rune('a'+i))))
	}
	give(altered...)
	give(forks[0])
	give(forks[1:]...)
	give(forks[1:]...)
	give(entry("core-2", "the last"))
	h.merged(peer, "core-1", "core-2")
	if n := lines.Load(); n != 3 {
		t.Errorf("%d lines in the log about three frames", n)
	}
	if n := len(h.spoken("core-1", "fork")); n != 1 {
		t.Errorf("%d events about one fork", n)
	}
}

// merged waits until a node says that it has an entry of a member's feed.
func (h *house) merged(peer *p2p.Node, at, author council.MemberID) {
	h.t.Helper()
	for {
		var heads wireHeads
		if err := rlp.DecodeBytes(h.hear(peer, at, syncHeads).Payload, &heads); err != nil {
			h.t.Fatal(err)
		}
		for _, head := range heads.Heads {
			if head.Author == author && head.Seq > 0 {
				return
			}
		}
	}
}
