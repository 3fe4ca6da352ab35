package journal

import (
	"bytes"
	"path/filepath"
	"slices"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	bolt "go.etcd.io/bbolt"

	"github.com/millicent-one/signer/council"
)

func exhibit(who council.MemberID, shown bool, subject byte, size int) Exhibit {
	return Exhibit{Culprit: who, Shown: shown, Subject: common.Hash{subject}, Record: bytes.Repeat([]byte{subject}, size)}
}

func keep(t *testing.T, j *Journal, x Exhibit, want bool) {
	t.Helper()
	if added, err := j.KeepExhibit(x); err != nil || added != want {
		t.Errorf("record %x of %s, shown %v: added %v, %v; want %v", x.Subject[0], x.Culprit, x.Shown, added, err, want)
	}
}

func TestExhibitsAreKeptOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.db")
	j := open(t, path, options(t, "core-1"))
	keep(t, j, exhibit("core-2", false, 1, 10), true)
	keep(t, j, exhibit("core-2", false, 1, 11), false) // the same again
	keep(t, j, exhibit("core-2", true, 1, 12), true)   // better than a word
	keep(t, j, exhibit("core-2", true, 1, 13), false)
	keep(t, j, exhibit("core-2", false, 1, 14), false) // a word has nothing to add
	keep(t, j, exhibit("core-3", true, 1, 15), true)   // of another member
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	j = open(t, path, options(t, "core-1"))
	all, err := j.Exhibits()
	if err != nil || len(all) != 2 || len(all[0]) != 12 || len(all[1]) != 15 {
		t.Errorf("after a restart: %d records, %v", len(all), err)
	}
	if _, err := j.KeepExhibit(Exhibit{Culprit: "core-2"}); err == nil {
		t.Error("kept an empty record")
	}
	if _, err := j.KeepExhibit(exhibit("", true, 1, 1)); err == nil {
		t.Error("kept a record of nobody")
	}
}

func TestExhibitsAreBounded(t *testing.T) {
	j := fresh(t, "core-1")
	for i := range byte(MaxExhibits + 3) {
		keep(t, j, exhibit("core-2", true, i+1, 100), i < MaxExhibits)
	}
	keep(t, j, exhibit("core-2", false, 200, 100), true) // words have a share of their own
	keep(t, j, exhibit("core-3", true, 200, 100), true)  // and so has each member
	keep(t, j, exhibit("core-4", true, 1, MaxExhibit-10), true)
	keep(t, j, exhibit("core-4", true, 2, 11), false)
	keep(t, j, exhibit("core-4", true, 3, 10), true)
	// A member whose name begins another's does not use up the other's share.
	keep(t, j, exhibit("core", true, 1, MaxExhibit), true)
	keep(t, j, exhibit("core-1", true, 1, 1), true)
}

// A file that was made before there was evidence gets a place for it.
func TestOlderFileGetsEvidence(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.db")
	j := open(t, path, options(t, "core-1"))
	e := mustAppend(t, j, "before")
	if err := j.db.Update(func(tx *bolt.Tx) error { return tx.DeleteBucket(bEvidence) }); err != nil {
		t.Fatal(err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	j = open(t, path, options(t, "core-1"))
	keep(t, j, exhibit("core-2", true, 1, 10), true)
	if got, err := j.Get("core-1", 1); err != nil || got.Hash() != e.Hash() {
		t.Errorf("what was there: %v", err)
	}
}

// Who is behind gets what it lacks, of what convicts, and nothing of a member of which
// it keeps as many as it may.
func TestDocket(t *testing.T) {
	j := fresh(t, "core-1")
	for _, x := range []Exhibit{exhibit("core-2", true, 1, 10), exhibit("core-2", false, 2, 10), exhibit("core", true, 0, 7), exhibit("core-3", true, 3, 10)} {
		keep(t, j, x, true)
	}
	mine, err := j.Docket()
	if err != nil {
		t.Fatal(err)
	}
	want := []Holding{{"core", common.Hash{}}, {"core-2", common.Hash{1}}, {"core-3", common.Hash{3}}}
	if !slices.Equal(mine, want) {
		t.Fatalf("docket %v", mine)
	}
	for i, n := range []int{7, 10, 10} {
		if b, err := j.Exhibit(mine[i]); err != nil || len(b) != n {
			t.Errorf("%v: %d bytes, %v", mine[i], len(b), err)
		}
	}
	if b, err := j.Exhibit(Holding{"core-2", common.Hash{2}}); b != nil || err != nil {
		t.Errorf("a word is in the docket: %x, %v", b, err)
	}
	if got := Lacking(mine, nil); !slices.Equal(got, want) {
		t.Errorf("lacks %v", got)
	}
	if got := Lacking(mine, mine); len(got) > 0 {
		t.Errorf("lacks %v of the same", got)
	}
	full := []Holding{want[2]}
	for i := range byte(MaxExhibits) {
		full = append(full, Holding{"core-2", common.Hash{100, i}})
	}
	if got := Lacking(mine, full); !slices.Equal(got, want[:1]) {
		t.Errorf("who is full lacks %v", got)
	}
	if got := Lacking(mine, append(full[:MaxExhibits], full[1])); !slices.Equal(got, want[:2]) {
		t.Errorf("the same named twice counts twice: lacks %v", got)
	}
}
