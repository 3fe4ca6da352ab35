package node_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/millicent-one/signer/api"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/journal"
)

// A freeze holds over restarts, all others see it, the council signs on without that
// node, and only its own operator lifts it.
func TestFreezeHolds(t *testing.T) {
	h := newHouse(t, true)
	h.startAll()
	const m = council.MemberID("core-1")
	h.ready(m)
	if _, err := h.rooms[m].Thaw(t.Context(), api.FreezeRequest{Reason: "nothing"}); !errors.Is(err, api.Conflict) {
		t.Errorf("thawed: %v", err)
	}
	if _, err := h.rooms[m].Freeze(t.Context(), api.FreezeRequest{Reason: " "}); !errors.Is(err, api.Invalid) {
		t.Errorf("without a reason: %v", err)
	}
	if all, err := h.rooms[m].Freeze(t.Context(), api.FreezeRequest{Reason: "laptop stolen"}); err != nil || len(all) != 1 || all[0].Member != m {
		t.Fatalf("%+v, %v", all, err)
	}
	if _, err := h.rooms[m].Freeze(t.Context(), api.FreezeRequest{Reason: "again"}); !errors.Is(err, api.Conflict) || !strings.Contains(err.Error(), "laptop stolen") {
		t.Errorf("frozen twice: %v", err)
	}
	frozen := func(r *room) bool {
		s, err := r.Status(t.Context())
		return err == nil && len(s.Frozen) == 1 && s.Frozen[0].Member == m && s.Frozen[0].Reason == "laptop stolen" &&
			slices.ContainsFunc(s.Warnings, func(w string) bool { return strings.Contains(w, "the node of core-1 signs nothing since") })
	}
	for _, who := range h.council.Roster.IDs() {
		h.await(who, "the word of it", minute, frozen)
	}
	checks, err := h.rooms["core-2"].Doctor(t.Context())
	if err != nil || !slices.ContainsFunc(checks, func(c api.Check) bool {
		return c.Name == "freeze" && c.Outcome == api.Warn && strings.Contains(c.Detail, "core-1 signs nothing") && strings.Contains(c.Hint, "call that member")
	}) {
		t.Errorf("the doctor says %+v, %v", checks, err)
	}
	h.stop(m)
	h.start(m)
	// Before it has heard from anyone, and after.
	if s, err := h.rooms[m].Status(t.Context()); err != nil || s.Phase != api.Frozen || s.Detail != "laptop stolen" {
		t.Errorf("after a restart: %+v, %v", s.Phase, err)
	}
	h.await(m, "what it has missed", minute, func(*room) bool { return len(h.spoken(m, "caught-up")) > 0 })
	if s, err := h.rooms[m].Status(t.Context()); err != nil || s.Phase != api.Frozen {
		t.Errorf("after it has caught up: %+v, %v", s.Phase, err)
	}
	id := h.propose("core-2", "pause")
	for _, who := range []council.MemberID{m, "core-2", "core-3", "core-4"} {
		h.approve("core-2", who, id)
	}
	h.await("core-2", "the signature of the others", minute, inState(t, id, api.Signed, api.Mined, api.Final))
	if p := h.rooms["core-2"].proposal(t, id); slices.ContainsFunc(p.Attempts, func(x api.Attempt) bool {
		return slices.ContainsFunc(x.Signers, func(s api.Signer) bool { return s.Member == m })
	}) {
		t.Errorf("it was asked: %+v", p.Attempts)
	}
	if _, err := h.rooms[m].Thaw(t.Context(), api.FreezeRequest{Reason: "found it"}); err != nil {
		t.Fatal(err)
	}
	h.await("core-2", "the end of it", minute, func(r *room) bool { s, err := r.Status(t.Context()); return err == nil && len(s.Frozen) == 0 })
	h.stop(m)
	h.start(m)
	h.ready(m)
}

// A node that is alone, and may write to no feed yet, can be frozen; the others hear
// of it when it has caught up.
func TestFreezeWhileCatchingUp(t *testing.T) {
	h := newHouse(t, true)
	const m = council.MemberID("core-1")
	h.start(m)
	if _, err := h.rooms[m].Freeze(t.Context(), api.FreezeRequest{Reason: "just in case"}); err != nil {
		t.Fatal(err)
	}
	if _, err := h.rooms[m].Thaw(t.Context(), api.FreezeRequest{Reason: "too early"}); !errors.Is(err, api.NotReady) || council.Hint(err) == "" {
		t.Errorf("thawed while nobody could hear of it: %v", err)
	}
	h.stop(m)
	h.start(m)
	h.start("core-2")
	h.await("core-2", "the word of it", minute, func(r *room) bool {
		s, err := r.Status(t.Context())
		return err == nil && len(s.Frozen) == 1 && s.Frozen[0].Member == m && s.Frozen[0].Reason == "just in case"
	})
}

// A thief of the node key lifts no freeze that the node knows from its own feed alone:
// neither while the entries come from others, to a disk that is new or an old copy, nor
// after a start without a note.
func TestFreezeOfTheFeedIsNoted(t *testing.T) {
	const m = council.MemberID("core-1")
	for name, loaded := range map[string]bool{"brought by others": false, "found in the journal": true} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t, true)
			h.start(m)
			h.stop(m)
			// write is what somebody with the node key appends to a copy of the journal.
			write := func(at string, word council.Word, body any) journal.Entry {
				t.Helper()
				j, err := journal.Open(at, journal.Options{Self: m, Key: h.council.NodeKeys[m], Roster: h.council.Roster})
				if err != nil {
					t.Fatal(err)
				}
				defer j.Close()
				b, err := council.EncodeBody(body)
				if err != nil {
					t.Fatal(err)
				}
				e, err := j.Append(word, b, uint64(h.now().Unix()))
				if err != nil {
					t.Fatal(err)
				}
				return e
			}
			other := h.path(m, "journal.db")
			if !loaded {
				b, err := os.ReadFile(other)
				if err == nil {
					other = filepath.Join(t.TempDir(), "journal.db")
					err = os.WriteFile(other, b, 0o600)
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			frozen := write(other, council.WordFrozen, council.Frozen{Reason: "laptop stolen"})
			still := func(when string) {
				t.Helper()
				if s, err := h.rooms[m].Status(t.Context()); err != nil || s.Phase != api.Frozen || s.Detail != "laptop stolen" {
					t.Errorf("%s: phase %v, %q, %v", when, s.Phase, s.Detail, err)
				}
				if _, err := h.rooms[m].Freeze(t.Context(), api.FreezeRequest{Reason: "again"}); !errors.Is(err, api.Conflict) {
					t.Errorf("%s: frozen again: %v", when, err)
				}
			}
			if loaded {
				h.start(m)
				h.stop(m)
				write(other, council.WordThawed, council.Thawed{Reason: "never mind"})
				h.start(m)
				still("after the thief's entry")
				return
			}
			thawed := write(other, council.WordThawed, council.Thawed{Reason: "never mind"})
			h.start(m)
			if err := h.rooms[m].Merge(t.Context(), "core-2", frozen, thawed); err != nil {
				t.Fatal(err)
			}
			still("after the thief's entry")
			h.stop(m)
			h.start(m)
			still("after a start anew")
		})
	}
}
