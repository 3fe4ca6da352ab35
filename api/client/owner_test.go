package client

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/millicent-one/signer/api"
	"github.com/millicent-one/signer/council"
)

// A socket of another user is not dialled, nor one behind a link that is another user's; one
// of root's is.
func TestSocketOfAnotherUser(t *testing.T) {
	dir, err := os.MkdirTemp("", "api") // t.TempDir is too long for a socket on some systems
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	path, link := filepath.Join(dir, "s"), filepath.Join(dir, "l")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	came := make(chan struct{}, 10)
	go func() {
		for c, err := l.Accept(); err == nil; c, err = l.Accept() {
			came <- struct{}{}
			c.Close()
		}
	}()
	asks := func(path string, self int) error {
		c := New(path)
		defer c.Close()
		c.self = self
		_, err := c.Status(t.Context())
		return err
	}
	mine, other := os.Geteuid(), os.Geteuid()+1
	if mine == 0 { // whose sockets all trust
		mine, other = 12345, 12346
		for _, p := range []string{path, link, dir} {
			if err := os.Lchown(p, mine, -1); err != nil {
				t.Skip(err)
			}
		}
	}
	for _, p := range []string{path, link} {
		err := asks(p, other)
		if !errors.Is(err, api.NotReady) || errors.Is(err, ErrNoDaemon) || !strings.Contains(err.Error(), "belongs to user") || !strings.Contains(council.Hint(err), "of your own") {
			t.Errorf("%s says %v", p, err)
		}
		if len(came) != 0 {
			t.Fatalf("%s was dialled", p)
		}
		for _, self := range []int{mine, 0} { // and root, as it is in a directory of its owner's
			if err := asks(p, self); !errors.Is(err, api.NotReady) || !strings.Contains(err.Error(), "in the middle of an answer") {
				t.Errorf("%s, for %d: %v", p, self, err)
			}
			<-came
		}
	}
	if os.Geteuid() == 0 { // an own link leads to it
		if err := os.Lchown(link, other, -1); err != nil {
			t.Fatal(err)
		}
		if err := asks(link, other); err == nil || !strings.Contains(err.Error(), "belongs to user") {
			t.Errorf("behind an own link: %v", err)
		}
	}
	if err := os.Chmod(dir, 0o1777); err != nil {
		t.Fatal(err)
	}
	if err := asks(path, 0); err == nil || !strings.Contains(err.Error(), "belongs to user") {
		t.Errorf("root, where all may write: %v", err)
	}
	if os.Geteuid() == 0 {
		if err := errors.Join(os.Lchown(path, 0, -1), os.Chmod(dir, 0o700)); err != nil {
			t.Fatal(err)
		}
		if err := asks(path, other); err == nil || !strings.Contains(err.Error(), "in the middle of an answer") {
			t.Errorf("root's: %v", err)
		}
	}
	if err := asks(filepath.Join(dir, "none"), other); !errors.Is(err, ErrNoDaemon) {
		t.Errorf("none: %v", err)
	}
}
