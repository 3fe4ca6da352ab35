package node_test

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/api"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/journal"
)

// A disk that was restored from an old copy has forgotten what its node signed.
// It must learn that from the others before it says or signs anything.
func TestRestoredDiskOnlyWatches(t *testing.T) {
	h := newHouse(t, true)
	h.startAll()
	const m = council.MemberID("core-1")
	h.stop(m)
	old, err := os.ReadFile(h.path(m, "journal.db"))
	if err != nil {
		t.Fatal(err)
	}
	h.start(m)
	id := h.propose("core-2", "pause")
	for _, who := range []council.MemberID{m, "core-2", "core-3", "core-4"} {
		h.approve(who, who, id)
	}
	h.await(m, "finality", minute, inState(t, id, api.Final))
	said := h.rooms[m].seq(t, m)
	for _, who := range h.council.Roster.IDs() { // else it could say something else in the place of what few have heard
		h.await(who, "all that it has said", minute, func(r *room) bool { return r.seq(t, m) >= said })
	}
	h.stop(m)
	if err := os.WriteFile(h.path(m, "journal.db"), old, 0o600); err != nil {
		t.Fatal(err)
	}
	r := h.start(m)
	h.await(m, "recovery", minute, func(r *room) bool {
		s, err := r.Status(t.Context())
		return err == nil && s.Phase == api.Ready && r.proposal(t, id).State == api.Final
	})
	noticed := false
	stop := errors.New("stop")
	_ = r.Events(t.Context(), 0, func(e api.Event) error {
		if e.Kind == "watching" && strings.Contains(e.Text, "own feed") {
			noticed = true
		}
		if e.Kind == "caught-up" {
			return stop
		}
		return nil
	})
	if !noticed {
		t.Error("the node did not notice that its disk is old")
	}
	err = r.book.Reserve(journal.Row{Key: h.genesis.Key, Chain: h.chain.ID(), Nonce: 0, Proposal: council.ProposalID{9}, Attempt: 1, Digest: common.Hash{9}})
	var taken *journal.ConflictError
	if !errors.Is(err, journal.ErrFenced) && !errors.As(err, &taken) {
		t.Errorf("nonce 0 is free again: %v", err)
	}
	// And it takes part in what comes after.
	next := h.propose(m, "unpause")
	for _, who := range []council.MemberID{m, "core-2", "core-3", "core-4"} {
		h.approve(who, who, next)
	}
	h.await(m, "the next transaction", minute, inState(t, next, api.Mined, api.Final))
	forks, err := h.rooms["core-2"].book.Forks()
	if err != nil || len(forks) > 0 {
		t.Errorf("the restored node forked its feed: %v %v", forks, err)
	}
}

// What the chain tells while a node has not caught up is not forgotten.
func TestFinalityReachesANodeThatIsAlone(t *testing.T) {
	h := newHouse(t, true)
	h.startAll()
	id := h.propose("core-1", "pause")
	release := h.chain.Hold() // no node lives to see the finality
	defer release()
	for _, m := range []council.MemberID{"core-1", "core-2", "core-3", "core-4"} {
		h.approve(m, m, id)
	}
	h.await("core-1", "a transaction on its way", minute, func(r *room) bool {
		p := r.proposal(t, id)
		if p.TxHash == nil {
			return false
		}
		_, _, err := h.eth.TransactionByHash(t.Context(), *p.TxHash)
		return err == nil
	})
	if _, err := h.chain.Commit(); err != nil {
		t.Fatal(err)
	}
	h.await("core-1", "a block", minute, inState(t, id, api.Mined))
	h.stop("core-1")
	for _, m := range h.council.Roster.IDs() {
		if m != "core-1" {
			h.stop(m)
		}
	}
	// Alone, with a transaction that becomes final: core-1 may write nothing yet,
	// and sees several blocks go by.
	blocks := func(n uint64) {
		t.Helper()
		if err := h.chain.Wait(t.Context(), h.chain.Head().Number.Uint64()+n); err != nil {
			t.Fatal(err)
		}
	}
	release()
	blocks(3)
	alone := h.start("core-1")
	blocks(3)
	if s := alone.proposal(t, id).State; s == api.Final {
		t.Fatal("it took up finality before it had caught up")
	}
	h.start("core-2")
	h.await("core-1", "finality", minute, inState(t, id, api.Final))
}

// A node whose journal is lost, and has its keystore from a backup, is a holder
// of the share that knows nothing: it watches until four others have told it all,
// also when it is started anew in the middle of that.
func TestKeystoreWithoutAJournal(t *testing.T) {
	h := newHouse(t, true)
	h.startAll()
	const m = council.MemberID("core-1")
	id := h.propose("core-2", "pause")
	for _, who := range []council.MemberID{m, "core-2", "core-3", "core-4"} {
		h.approve("core-2", who, id)
	}
	h.await(m, "finality", minute, inState(t, id, api.Final))
	for _, who := range h.council.Roster.IDs() {
		h.stop(who)
	}
	if err := os.Remove(h.path(m, "journal.db")); err != nil {
		t.Fatal(err)
	}
	watches := func(of string) func(*room) bool {
		return func(r *room) bool {
			s, err := r.Status(t.Context())
			return err == nil && s.Phase == api.Watching && strings.Contains(s.Detail, of)
		}
	}
	h.start(m)
	h.await(m, "its watch", minute, watches("0 of 4"))
	h.start("core-2")
	h.start("core-3")
	h.await(m, "the feeds of two", minute, watches("2 of 4"))
	h.stop(m)
	h.start(m) // its journal is no longer empty
	h.await(m, "the feeds of two, once more", minute, watches("2 of 4"))
	if _, err := h.rooms[m].Propose(t.Context(), api.ProposeRequest{Playbook: "unpause", Target: "protocol", Reason: "a test"}); err == nil {
		t.Error("it proposes before it has caught up")
	}
	h.start("core-4")
	h.start("community-1")
	h.ready(m)
	r := h.rooms[m]
	h.await(m, "the past", minute, inState(t, id, api.Final)) // what the chain says comes when it has caught up
	err := r.book.Reserve(journal.Row{Key: h.genesis.Key, Chain: h.chain.ID(), Nonce: 0, Proposal: council.ProposalID{9}, Attempt: 1, Digest: common.Hash{9}})
	var taken *journal.ConflictError
	if !errors.Is(err, journal.ErrFenced) && !errors.As(err, &taken) {
		t.Errorf("nonce 0 is free again: %v", err)
	}
	next := h.propose(m, "unpause")
	for _, who := range []council.MemberID{m, "core-2", "core-3", "core-4"} {
		h.approve(who, who, next)
	}
	h.await(m, "the next transaction", minute, inState(t, next, api.Mined, api.Final))
	forks, err := h.rooms["core-2"].book.Forks()
	if err != nil || len(forks) > 0 {
		t.Errorf("its feed is forked: %v %v", forks, err)
	}
	h.stop(m)
	h.start(m) // and now it is a node like any other: one other is enough
	h.await(m, "the usual start", minute, func(r *room) bool {
		s, err := r.Status(t.Context())
		return err == nil && (s.Phase == api.Ready || strings.Contains(s.Detail, "of 1"))
	})
}
