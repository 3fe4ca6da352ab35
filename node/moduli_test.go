package node

import (
	"encoding/binary"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/agenda"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/internal/testcouncil"
	"github.com/millicent-one/signer/journal"
)

// A node takes part in a ceremony only if it can remember the moduli of it, and knows
// those of all before; and no share is staged whose moduli it has not written down.
func TestNoCeremonyWithoutRoomForItsModuli(t *testing.T) {
	const self = council.MemberID("core-1")
	c := testcouncil.New(t)
	j, err := journal.Open(filepath.Join(t.TempDir(), "journal.db"), journal.Options{Self: self, Key: c.NodeKeys[self], Roster: c.Roster})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = j.Close() })
	n := &Node{self: self, roster: c.Roster, journal: j, log: slog.New(slog.DiscardHandler), now: time.Now}
	members := c.Roster.IDs()

	used := make([]common.Hash, maxModuli-2*len(members)+1)
	for i := range used {
		binary.BigEndian.PutUint64(used[i][:], uint64(i))
	}
	if err := n.remember(used[1:]); err != nil {
		t.Fatal(err)
	}
	if seen, err := n.unserved(len(members)); err != nil || len(seen) != len(used)-1 {
		t.Fatalf("with room for one more: %d moduli, %v", len(seen), err)
	}
	if err := n.remember(used[:1]); err != nil {
		t.Fatal(err)
	}
	refuses := func(why string) {
		t.Helper()
		drawn, _ := n.drawKey(agenda.DrawKey{Session: council.SessionID{1}, Members: members, Epoch: 1})[0].(agenda.Failed)
		for what, err := range map[string]error{
			"a key generation": drawn.Err,
			"a resharing":      n.reshare(agenda.Reshare{Rotation: council.Rotation{Dealers: members[:4]}, Roster: c.Roster}),
		} {
			if err == nil || !strings.Contains(err.Error(), why) || council.Hint(err) == "" {
				t.Errorf("%s: %v", what, err)
			}
		}
	}
	refuses("no room")
	n.birth.share = testcouncil.Shares(t)[0]
	if err := n.stage(agenda.Stage{Epoch: 1}); err == nil {
		t.Error("stages a share whose moduli it can't remember")
	}
	if seen, err := n.moduli(); err != nil || len(seen) != len(used) {
		t.Errorf("then remembers %d moduli of %d, %v", len(seen), len(used), err)
	}
	if err := j.PutMeta(metaModuli, []byte("a damaged list")); err != nil {
		t.Fatal(err)
	}
	refuses("read the moduli")
	if err := n.remember(used[:1]); err == nil {
		t.Error("writes over what it can't read")
	}
}
