package node

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/internal/testcouncil"
	"github.com/millicent-one/signer/journal"
)

// Since when a roster is in force here is written down once.
func TestSinceWhenARosterIsInForce(t *testing.T) {
	const self = council.MemberID("core-1")
	c := testcouncil.New(t)
	j, err := journal.Open(filepath.Join(t.TempDir(), "journal.db"), journal.Options{Self: self, Key: c.NodeKeys[self], Roster: c.Roster})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = j.Close() })
	second := c.Roster
	second.Version++
	third := second
	third.Version++
	rotated := Standing{Switches: make([]council.Switch, 1)}
	for i, x := range []struct {
		standing Standing
		roster   council.Roster
		now      int64
		want     uint64
	}{
		{Standing{}, c.Roster, 1000, 0},
		{rotated, second, 2000, 2000},
		{rotated, second, 3000, 2000},
		{rotated, third, 4000, 4000},
		{rotated, second, 5000, 2000},
	} {
		if have, err := x.standing.since(j, x.roster, time.Unix(x.now, 0)); have != x.want || err != nil {
			t.Errorf("%d: since %d, want %d: %v", i, have, x.want, err)
		}
	}
	if err := j.PutMeta(metaSince(third.Version), []byte{0xff}); err != nil {
		t.Fatal(err)
	}
	if _, err := rotated.since(j, third, time.Unix(6000, 0)); council.Hint(err) == "" {
		t.Errorf("of a damaged journal: %v", err)
	}
}
