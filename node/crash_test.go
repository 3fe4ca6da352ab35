package node_test

import (
	"context"
	"runtime"
	"slices"
	"testing"

	"github.com/millicent-one/signer/api"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/internal/testcouncil"
	"github.com/millicent-one/signer/journal"
	"github.com/millicent-one/signer/node"
)

// diesAt ends a node's owner in the middle of a step, as a crash would: nothing
// of what follows is done. What is on disk stays, what is in memory is gone.
func diesAt(step string, died chan<- struct{}) func(*node.Config) {
	return func(c *node.Config) {
		c.Between(func(at string) {
			if at == step {
				close(died)
				runtime.Goexit()
			}
		})
	}
}

// makeKey has members take part in a ceremony; what becomes of each is sent.
func (h *house) makeKey(ms []council.MemberID) <-chan error {
	ended := make(chan error, len(ms))
	for _, m := range ms {
		r := h.rooms[m]
		go func() {
			_, err := r.Keygen(context.WithoutCancel(h.t.Context()), func(api.Progress) {})
			ended <- err
		}()
	}
	return ended
}

// Nodes die in the middle of a real ceremony. The first one ends it for all, and
// nobody has a key. In the next one, two die when the key is there and their
// shares are not, or are and nobody knows; when they are back all seven have the
// same key.
func TestKeyIsWholeOrNotThereAfterCrashes(t *testing.T) {
	if testing.Short() {
		t.Skip("two real ceremonies")
	}
	h := newHouse(t, false)
	ids := testcouncil.IDs()
	drawn := make(chan struct{})
	for _, m := range ids {
		if m == "core-2" {
			h.start(m, diesAt("drawn", drawn))
			continue
		}
		h.start(m)
	}
	ended := h.makeKey(ids)
	<-drawn
	h.stop("core-2")
	h.start("core-2")
	for range ids {
		if err := <-ended; err == nil {
			t.Fatal("a key was made without core-2")
		}
	}
	for _, m := range ids {
		s, err := h.rooms[m].Status(t.Context())
		if err != nil || s.Council != nil {
			t.Fatalf("%s has %+v (%v)", m, s.Council, err)
		}
	}

	record, current := make(chan struct{}), make(chan struct{})
	h.stop("core-1")
	h.start("core-1", diesAt("record signed", record))
	h.stop("community-3")
	h.start("community-3", diesAt("share current", current))
	h.makeKey(ids)
	<-record
	<-current
	for _, m := range []council.MemberID{"core-1", "community-3"} {
		h.stop(m)
		h.start(m)
	}
	var first *api.Council
	for _, m := range ids {
		h.ready(m)
		s, err := h.rooms[m].Status(t.Context())
		switch {
		case err != nil:
			t.Fatal(err)
		case first == nil:
			first = s.Council
		}
		if s.Council == nil || *s.Council != *first {
			t.Fatalf("%s has %+v, %s has %+v", ids[0], first, m, s.Council)
		}
		all, err := h.rooms[m].keys.Epochs()
		if err != nil || len(all) != 1 || all[0].State != "current" || all[0].Address != first.Address {
			t.Errorf("%s holds %+v (%v)", m, all, err)
		}
	}
	// Every feed tells of the key, those of the two that died included.
	h.await("core-4", "seven words", minute, func(r *room) bool {
		heads, err := r.book.Heads()
		return err == nil && !slices.ContainsFunc(heads, func(x journal.Head) bool { return x.Seq == 0 }) && len(heads) == len(ids)
	})
}
