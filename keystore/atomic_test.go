package keystore

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// A power cut must not leave a name without its bytes, nor a removal undone: the file is
// synced before it gets its name, and the directory after each change of a name. Killing
// the process shows neither, since the kernel keeps what was written.
func TestDurableInOrder(t *testing.T) {
	dir := t.TempDir()
	var done []string
	plainSync, plainRename := syncFile, rename
	defer func() { syncFile, rename = plainSync, plainRename }()
	syncFile = func(f *os.File) error {
		info, err := f.Stat()
		if err != nil {
			return err
		}
		what := fmt.Sprintf("sync a file of %d", info.Size())
		if info.IsDir() {
			what = "sync the directory"
			if _, err := os.Stat(filepath.Join(dir, "a")); err != nil {
				what += " without a"
			}
		}
		done = append(done, what)
		return plainSync(f)
	}
	rename = func(from, to string) error {
		done = append(done, "name "+filepath.Base(to))
		return plainRename(from, to)
	}
	for i, c := range []struct {
		do   func() error
		want []string
	}{
		{func() error { return replace(dir, "a", []byte("bytes")) }, []string{"sync a file of 5", "name a", "sync the directory"}},
		{func() error { return remove(dir, "a") }, []string{"sync the directory without a"}},
		{func() error { return remove(dir, "a") }, []string{"sync the directory without a"}}, // a crash may have come before the first one's
	} {
		done = nil
		if err := c.do(); err != nil || !slices.Equal(done, c.want) {
			t.Errorf("step %d: %q, %v; want %q", i, done, err, c.want)
		}
	}
}
