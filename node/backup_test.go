package node_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rlp"

	"github.com/millicent-one/signer/api"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/node"
)

// A member's word about the own backup reaches all, survives a restart, and
// makes the address fundable with the seventh.
func TestAddressIsFundableWithSevenBackups(t *testing.T) {
	h := newHouse(t, true)
	h.startAll()
	note := func(m council.MemberID, file byte) api.BackupNote {
		return api.BackupNote{Member: m, Key: h.genesis.Key, ShareEpoch: h.genesis.ShareEpoch, SHA256: common.Hash{file}}
	}
	h.ready("core-1")
	r := h.rooms["core-1"]
	for name, c := range map[string]struct {
		change func(*api.BackupNote)
		kind   error
	}{
		"another member": {func(n *api.BackupNote) { n.Member = "core-2" }, api.Invalid},
		"another key":    {func(n *api.BackupNote) { n.Key[0] ^= 1 }, api.Conflict},
		"another epoch":  {func(n *api.BackupNote) { n.ShareEpoch++ }, api.Conflict},
	} {
		n := note("core-1", 1)
		c.change(&n)
		if _, err := r.NoteBackup(t.Context(), n); !errors.Is(err, c.kind) || council.Hint(err) == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
	h.await("core-1", "the warning", minute, func(r *room) bool {
		return warns(t, r, "the address holds money, and no verified backup is known of community-1")
	})
	ids := h.council.Roster.IDs()
	for i, m := range ids[:6] {
		h.ready(m)
		for range 2 { // a second look at the same file is no news
			if _, err := h.rooms[m].NoteBackup(t.Context(), note(m, byte(i))); err != nil {
				t.Fatal(err)
			}
		}
	}
	last := ids[6]
	for _, m := range []council.MemberID{"core-1", last} { // their words come on roads of their own
		h.await(m, "six backups", minute, func(r *room) bool {
			s, err := r.Status(t.Context())
			return err == nil && s.Backups != nil && !s.Backups.Fundable && slices.Equal(s.Backups.Waiting, []council.MemberID{last}) && len(s.Backups.Made) == 6
		})
	}
	heads, err := r.book.Heads()
	if err != nil {
		t.Fatal(err)
	}
	for _, head := range heads {
		if want := uint64(2); head.Author != last && head.Seq != want {
			t.Errorf("the feed of %s has %d entries, want %d", head.Author, head.Seq, want)
		}
	}
	checks, err := r.Doctor(t.Context())
	if err != nil || !slices.ContainsFunc(checks, func(c api.Check) bool {
		return c.Name == "backups" && c.Outcome == api.Warn && c.Hint != "" && c.Detail == "not fundable, waiting for backups of: "+string(last)
	}) {
		t.Errorf("the doctor says %+v, %v", checks, err)
	}
	h.ready(last)
	if v, err := h.rooms[last].NoteBackup(t.Context(), note(last, 9)); err != nil || !v.Fundable {
		t.Fatalf("the seventh: %+v, %v", v, err)
	}
	fundable := func(r *room) bool {
		s, err := r.Status(t.Context())
		return err == nil && s.Backups != nil && s.Backups.Fundable && len(s.Backups.Waiting) == 0
	}
	h.await("core-1", "a fundable address", minute, fundable)
	h.stop("core-1")
	h.start("core-1")
	h.await("core-1", "a fundable address after a restart", minute, fundable)
}

// The keystore alone is enough for a backup: the birth record lies there, also
// in directories that were made before it did.
func TestBirthRecordLiesBesideTheShare(t *testing.T) {
	h := newHouse(t, true)
	r := h.start("core-1") // its keystore was filled without one
	var g council.Genesis
	b, err := r.keys.Get(node.BirthRecord)
	if err == nil {
		err = rlp.DecodeBytes(b, &g)
	}
	if err != nil || g.ID() != h.genesis.ID() || g.Verify(h.council.Roster) != nil {
		t.Fatalf("birth record %+v, %v", g, err)
	}
}
