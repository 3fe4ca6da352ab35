package journal

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/millicent-one/signer/council"
)

func TestReadChangesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.db")
	if err := Read(path, "core-1", nil); err == nil || council.Hint(err) == "" {
		t.Errorf("no file: %v", err)
	}
	if _, err := os.Stat(path); err == nil {
		t.Fatal("reading has made a file")
	}
	j := open(t, path, options(t, "core-1"))
	want := []Entry{mustAppend(t, j, "one"), mustAppend(t, j, "two")}
	if err := Read(path, "core-1", nil); !errors.Is(err, ErrLocked) {
		t.Errorf("a file in use: %v", err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var got []Entry
	if err := Read(path, "core-1", func(e Entry) error { got = append(got, e); return nil }); err != nil {
		t.Fatal(err)
	}
	if len(got) != 2 || got[0].Hash() != want[0].Hash() || got[1].Hash() != want[1].Hash() {
		t.Errorf("read %v", got)
	}
	if after, err := os.ReadFile(path); err != nil || !bytes.Equal(before, after) {
		t.Errorf("reading has changed the file (%v)", err)
	}
	stop := errors.New("enough")
	if err := Read(path, "core-1", func(Entry) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("the reader's own error: %v", err)
	}
	if err := Read(path, "core-2", nil); err == nil || !strings.Contains(err.Error(), "it is the journal of core-1") {
		t.Errorf("another member's: %v", err)
	}
}
