package api

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/millicent-one/signer/council"
)

// Whatever the umask of the process is, nobody else can connect between bind and chmod.
func TestSocketIsBoundPrivate(t *testing.T) {
	dir, err := os.MkdirTemp("", "sg") // short enough for a socket
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	defer syscall.Umask(syscall.Umask(0))
	l, err := bindPrivate(filepath.Join(dir, "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if info, err := os.Lstat(filepath.Join(dir, "s")); err != nil || info.Mode().Perm()&0o077 != 0 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if was := syscall.Umask(0); was != 0 {
		t.Errorf("it leaves umask %o", was)
	}
}

// The owner of a directory can put another socket into it, whatever its mode is.
func TestSocketInADirectoryOfAnotherUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give a directory away")
	}
	dir := t.TempDir()
	if err := os.Chown(dir, 65532, -1); err != nil {
		t.Skip(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	err := checkParent(dir)
	if err == nil || !strings.Contains(err.Error(), "belongs to user 65532") || council.Hint(err) == "" {
		t.Errorf("taken: %v", err)
	}
}
