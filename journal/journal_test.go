package journal

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	bolt "go.etcd.io/bbolt"

	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/internal/testcouncil"
)

const t0 = 1_800_000_000 // a moment within all terms

func TestMain(m *testing.M) {
	if job := os.Getenv("JOURNAL_TEST_CHILD"); job != "" {
		if err := child(job, os.Getenv("JOURNAL_TEST_FILE")); err != nil {
			fmt.Fprintln(os.Stderr, "child:", err)
			os.Exit(3)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func options(t testing.TB, self council.MemberID) Options {
	t.Helper()
	c := testcouncil.New(t)
	return Options{Self: self, Key: c.NodeKeys[self], Roster: c.Roster}
}

func open(t testing.TB, path string, o Options) *Journal {
	t.Helper()
	j, err := Open(path, o)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(func() { _ = j.Close() })
	return j
}

// fresh is a new journal of a member. It does not fsync: only crash tests need it.
func fresh(t testing.TB, self council.MemberID) *Journal {
	t.Helper()
	j := open(t, filepath.Join(t.TempDir(), "journal.db"), options(t, self))
	j.db.NoSync = true
	return j
}

func mustAppend(t testing.TB, j *Journal, text string) Entry {
	t.Helper()
	e, err := j.Append(council.WordProposed, []byte(text), t0)
	if err != nil {
		t.Fatalf("append: %v", err)
	}
	return e
}

// hinted checks that a person who sees err is told what to do.
func hinted(t *testing.T, err error, texts ...string) {
	t.Helper()
	if err == nil {
		t.Fatal("no error")
	}
	if council.Hint(err) == "" {
		t.Errorf("no hint on: %v", err)
	}
	all := err.Error() + " | " + council.Hint(err)
	for _, s := range texts {
		if !strings.Contains(all, s) {
			t.Errorf("%q does not mention %q", all, s)
		}
	}
}

func TestSecondOpenerIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.db")
	o := options(t, "core-1")
	j := open(t, path, o)
	_, err := Open(path, o)
	if !errors.Is(err, ErrLocked) {
		t.Fatalf("second opener: %v", err)
	}
	hinted(t, err, "another signer daemon")
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	open(t, path, o)
}

func TestLooseModeIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.db")
	o := options(t, "core-1")
	_ = open(t, path, o).Close()
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("made with mode %v, %v", info.Mode(), err)
	}
	for _, mode := range []os.FileMode{0o640, 0o604, 0o660} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		_, err := Open(path, o)
		hinted(t, err, "chmod 600 "+path, fmt.Sprintf("%#o", mode))
	}
}

func TestNewerFormatIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.db")
	o := options(t, "core-1")
	j := open(t, path, o)
	err := j.db.Update(func(tx *bolt.Tx) error { return tx.Bucket(bHeader).Put(kFormat, u64(Format+6)) })
	if err != nil {
		t.Fatal(err)
	}
	_ = j.Close()
	_, err = Open(path, o)
	hinted(t, err, fmt.Sprintf("format %d", Format+6), fmt.Sprintf("knows format %d", Format))
}

func TestForeignFilesAreRefused(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "journal.db")
	o := options(t, "core-1")
	_ = open(t, path, o).Close()

	t.Run("another member's", func(t *testing.T) {
		_, err := Open(path, options(t, "core-2"))
		hinted(t, err, "journal of core-1, not of core-2")
	})
	t.Run("another council's", func(t *testing.T) {
		other := o
		other.Roster.Charter = common.Hash{9}
		_, err := Open(path, other)
		hinted(t, err, "belongs to the council that began with roster")
	})
	t.Run("another node key", func(t *testing.T) {
		other := o
		other.Key = testcouncil.NodeKey("core-2")
		_, err := Open(path, other)
		hinted(t, err, "not the one that the roster names for core-1")
	})
	t.Run("not in the roster", func(t *testing.T) {
		other := o
		other.Self = "core-9"
		_, err := Open(path, other)
		hinted(t, err, "core-9")
	})
	t.Run("text", func(t *testing.T) {
		text := filepath.Join(dir, "text")
		if err := os.WriteFile(text, []byte(strings.Repeat("dear diary\n", 4000)), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := Open(text, o)
		hinted(t, err, "not a journal", "move it away", "an older copy is worse than none")
	})
	t.Run("another database", func(t *testing.T) {
		other := filepath.Join(dir, "other.db")
		db, err := bolt.Open(other, 0o600, nil)
		if err != nil {
			t.Fatal(err)
		}
		_ = db.Close()
		_, err = Open(other, o)
		hinted(t, err, "not a journal")
	})
	t.Run("a part is missing", func(t *testing.T) {
		path := filepath.Join(dir, "part.db")
		j := open(t, path, o)
		if err := j.db.Update(func(tx *bolt.Tx) error { return tx.DeleteBucket(bForks) }); err != nil {
			t.Fatal(err)
		}
		_ = j.Close()
		_, err := Open(path, o)
		hinted(t, err, "missing", "move it away", "an older copy is worse than none")
	})
	t.Run("a directory", func(t *testing.T) {
		_, err := Open(dir, o)
		hinted(t, err, "not a file")
	})
}

func TestLaterRosterKeepsTheNetwork(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.db")
	o := options(t, "core-1")
	first := open(t, path, o)
	network := first.Network()
	_ = first.Close()

	later := o
	later.Roster.Version, later.Roster.Prev = 2, network
	j := open(t, path, later)
	if j.Network() != network {
		t.Fatal("the network changed with the roster")
	}
	_, err := Open(filepath.Join(t.TempDir(), "new.db"), later)
	hinted(t, err, "council's first roster")
	later.Network = network
	if got := open(t, filepath.Join(t.TempDir(), "new.db"), later).Network(); got != network {
		t.Fatalf("network %s, want %s", got, network)
	}
}

func TestAbandonedCreationIsCleanedUp(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.db")
	if err := os.WriteFile(path+".new-17", []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	open(t, path, options(t, "core-1"))
	left, err := filepath.Glob(path + "*")
	if err != nil || len(left) != 1 {
		t.Fatalf("left: %v, %v", left, err)
	}
}

func TestDoubtfulCommitStopsEverything(t *testing.T) {
	j := fresh(t, "core-1")
	e := mustAppend(t, j, "before")
	j.doubt(1 << 30) // a transaction that the file does not show: nothing happened
	mustAppend(t, j, "still fine")
	j.doubt(0) // one that it shows, though the commit failed
	if _, err := j.Append(council.WordProposed, nil, t0); !errors.Is(err, ErrBroken) {
		t.Errorf("append: %v", err)
	}
	if err := j.Reserve(row(1, "a", 1)); !errors.Is(err, ErrBroken) {
		t.Errorf("reserve: %v", err)
	}
	_, err := j.Get(e.Author, e.Seq)
	if !errors.Is(err, ErrBroken) {
		t.Errorf("get: %v", err)
	}
	hinted(t, err, "start the daemon again")
}

func TestMeta(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.db")
	o := options(t, "core-1")
	j := open(t, path, o)
	if _, ok, err := j.Meta("watching"); ok || err != nil {
		t.Fatalf("empty: %v, %v", ok, err)
	}
	if err := j.PutMeta("watching", []byte("yes")); err != nil {
		t.Fatal(err)
	}
	_ = j.Close()
	v, ok, err := open(t, path, o).Meta("watching")
	if err != nil || !ok || string(v) != "yes" {
		t.Fatalf("after restart: %q, %v, %v", v, ok, err)
	}
	if err := j.PutMeta(strings.Repeat("x", MaxMetaName+1), nil); err == nil {
		t.Error("a long name was taken")
	}
	if err := j.PutMeta("x", make([]byte, MaxMetaValue+1)); err == nil {
		t.Error("a long value was taken")
	}
}

// A killed process does not show a missing fsync, only a lost machine does; so
// look at the switch itself.
func TestJournalSyncs(t *testing.T) {
	j := open(t, filepath.Join(t.TempDir(), "journal.db"), options(t, "core-1"))
	if j.db.NoSync || j.db.NoGrowSync {
		t.Error("commits are not synced")
	}
}

// The journal is used from several goroutines: what each was told is there.
func TestManyAtOnce(t *testing.T) {
	a, b := fresh(t, "core-1"), fresh(t, "core-2")
	var theirs []Entry
	for range 20 {
		theirs = append(theirs, mustAppend(t, b, "theirs"))
	}
	var won atomic.Int32
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i, e := range theirs {
				if _, err := a.Merge(e); err != nil {
					t.Error(err)
				}
				if _, err := a.Append(council.WordJudged, fmt.Append(nil, g, i), t0); err != nil {
					t.Error(err)
				}
				if err := a.Reserve(row(uint64(i), fmt.Sprint(g, "/", i), 1)); err == nil {
					won.Add(1)
				}
				if _, err := a.Heads(); err != nil {
					t.Error(err)
				}
				if err := a.Trust(options(t, "core-1").Roster); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if n, err := a.Len(); n != 100 || err != nil {
		t.Errorf("%d entries, %v", n, err)
	}
	if won.Load() != 20 {
		t.Errorf("%d proposals got 20 nonces", won.Load())
	}
}
