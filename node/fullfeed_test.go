package node_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rlp"
	bolt "go.etcd.io/bbolt"

	"github.com/millicent-one/signer/api"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/internal/testcouncil"
	"github.com/millicent-one/signer/journal"
	"github.com/millicent-one/signer/node"
)

// lines counts the lines of a log with one message.
type lines struct {
	slog.Handler
	message string
	n       *atomic.Int64
}

func (l lines) WithAttrs([]slog.Attr) slog.Handler { return l }

func (l lines) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelWarn }

func (l lines) Handle(_ context.Context, r slog.Record) error {
	if r.Message == l.message {
		l.n.Add(1)
	}
	return nil
}

// counted has a node's log counted.
func counted(message string) (*atomic.Int64, func(*node.Config)) {
	n := new(atomic.Int64)
	return n, func(c *node.Config) { c.Log = slog.New(lines{slog.DiscardHandler, message, n}) }
}

// filled has a member's feed count as so long, on the disk of a node that does not run.
func (h *house) filled(at, author council.MemberID, bytes uint64) {
	h.t.Helper()
	db, err := bolt.Open(h.path(at, "journal.db"), 0o600, nil)
	if err != nil {
		h.t.Fatal(err)
	}
	err = db.Update(func(tx *bolt.Tx) error {
		var head struct {
			Seq   uint64
			Hash  common.Hash
			Time  uint64
			Bytes uint64
		}
		b := tx.Bucket([]byte("heads"))
		if err := rlp.DecodeBytes(b.Get([]byte(author)), &head); err != nil {
			return err
		}
		head.Bytes = bytes
		v, err := rlp.EncodeToBytes(head)
		if err != nil {
			return err
		}
		return b.Put([]byte(author), v)
	})
	if err := errors.Join(err, db.Close()); err != nil {
		h.t.Fatal(err)
	}
}

// A node whose feed is full but for its last part says so, takes no proposal and no
// approval any more, signs what the council has agreed on, and can be frozen.
func TestNodeWithAFullFeedSigns(t *testing.T) {
	t.Parallel()
	h := newHouse(t, true)
	const m = council.MemberID("core-1")
	four := []council.MemberID{m, "core-2", "core-3", "core-4"}
	for _, m := range four {
		h.start(m)
	}
	id := h.propose("core-2", "pause")
	h.judged(id, four...)
	for _, who := range four[:3] {
		h.approve("core-2", who, id)
	}
	h.await(m, "three approvals", minute, func(r *room) bool { return r.proposal(t, id).Have == 3 })
	warned := func() (out []string) {
		s, err := h.rooms[m].Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range s.Warnings {
			if strings.Contains(w, "feed of "+string(m)) {
				out = append(out, w)
			}
		}
		return out
	}
	if w := warned(); len(w) > 0 {
		t.Errorf("a feed with room: %q", w)
	}
	h.stop(m)
	h.filled(m, m, journal.MaxFeedBytes-journal.FeedReserve)
	told, log := counted("own feed")
	r := h.start(m, log)
	h.ready(m)
	if w := warned(); len(w) != 1 || !strings.Contains(w[0], "93 % full") {
		t.Errorf("a full feed: %q", w)
	}
	if checks, err := r.Doctor(t.Context()); err != nil || !slices.ContainsFunc(checks, func(c api.Check) bool {
		return c.Name == "feed" && c.Outcome == api.Warn && strings.Contains(c.Detail, "feed of "+string(m)) && strings.Contains(c.Hint, "under another id")
	}) {
		t.Errorf("the doctor: %+v, %v", checks, err)
	}
	refused := func(what string, err error) {
		t.Helper()
		if !errors.Is(err, api.NotReady) || !strings.Contains(err.Error(), "feed is full") || council.Hint(err) == "" {
			t.Errorf("%s: %v", what, err)
		}
	}
	h.connected()
	for range 2 {
		_, err := r.Propose(t.Context(), api.ProposeRequest{Playbook: "unpause", Target: "protocol", Reason: "a test"})
		refused("a proposal", err)
	}
	u, err := r.Ballot(t.Context(), api.BallotRequest{Proposal: id.Hex(), Decision: council.Approve, Member: "core-4"})
	if err != nil {
		t.Fatal(err)
	}
	u.Approval.Sig = testcouncil.Sign(t, u.Document, h.wallet("core-4"))
	_, err = r.Vote(t.Context(), u.Approval)
	refused("an approval", err)

	h.approve("core-2", "core-4", id)
	h.await(m, "finality", minute, inState(t, id, api.Final))
	signed := false
	for _, a := range r.proposal(t, id).Attempts {
		signed = signed || a.State == "signed" && slices.ContainsFunc(a.Signers, func(s api.Signer) bool { return s.Member == m })
	}
	if !signed {
		t.Error("it has not signed")
	}
	if _, err := r.Freeze(t.Context(), api.FreezeRequest{Reason: "laptop stolen"}); err != nil {
		t.Error(err)
	}
	h.await("core-2", "word of the freeze", minute, func(r *room) bool {
		s, err := r.Status(t.Context())
		return err == nil && len(s.Frozen) == 1 && s.Frozen[0].Member == m
	})
	if _, err := r.Thaw(t.Context(), api.FreezeRequest{Reason: "found"}); err != nil {
		t.Error(err)
	}
	h.ready(m)
	if n := told.Load(); n != 1 {
		t.Errorf("%d lines in the log about a full feed", n)
	}
}
