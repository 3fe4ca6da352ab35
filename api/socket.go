package api

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/millicent-one/signer/council"
)

// ErrInUse means that a living daemon answers on the socket.
var ErrInUse = errors.New("another daemon answers on the socket")

// CheckSocketPath refuses a path that the kernel could not hold. It fails
// early and in words where bind(2) says "invalid argument".
func CheckSocketPath(path string) error {
	if len(path) > MaxSocketPath {
		return council.WithHint(fmt.Errorf("socket path %s has %d bytes; at most %d fit", path, len(path), MaxSocketPath),
			"set 'socket' in signer.yaml to a shorter path, such as /run/signer/signer.sock, or choose a shorter data directory")
	}
	return nil
}

// Listen opens the socket with mode 0600 in a directory that is nobody else's.
// A socket file that a dead daemon left is removed, but only when nobody
// answers on it, and only when it is a socket. Errors: ErrInUse.
func Listen(path string) (net.Listener, error) {
	if err := CheckSocketPath(path); err != nil {
		return nil, err
	}
	if err := checkParent(filepath.Dir(path)); err != nil {
		return nil, err
	}
	switch info, err := os.Lstat(path); {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, fmt.Errorf("open socket: %w", err)
	case info.Mode().Type() != fs.ModeSocket:
		return nil, council.WithHint(fmt.Errorf("open socket: %s is there and is not a socket", path), "move it away, or set another 'socket' in signer.yaml")
	default:
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		var d net.Dialer
		if c, err := d.DialContext(ctx, "unix", path); err == nil {
			c.Close()
			return nil, council.WithHint(fmt.Errorf("open socket %s: %w", path, ErrInUse), "stop the other daemon first; two on one share could sign twice")
		}
	}
	return listenPrivate(path)
}

// listenPrivate binds under another name in the same directory, sets the mode
// and then renames, over a stale socket if there is one.
func listenPrivate(path string) (net.Listener, error) {
	tmp := filepath.Join(filepath.Dir(path), ".n") // shorter than any name that fits
	if err := os.Remove(tmp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("open socket: %w", err)
	}
	l, err := bindPrivate(tmp)
	if err != nil {
		return nil, fmt.Errorf("open socket: %w", err)
	}
	l.SetUnlinkOnClose(false)
	err = os.Chmod(tmp, 0o600)
	if err == nil {
		err = os.Rename(tmp, path)
	}
	if err != nil {
		l.Close()
		os.Remove(tmp)
		return nil, fmt.Errorf("open socket: %w", err)
	}
	return &socket{UnixListener: l, path: path}, nil
}

var masking sync.Mutex // who takes the umask back takes back the own one

// bindPrivate binds with a umask that keeps all others out: a socket listens before its
// mode can be set. The umask is of the whole process; what others in it make meanwhile is
// private, too, and can be used by them as before.
func bindPrivate(path string) (*net.UnixListener, error) {
	masking.Lock()
	defer masking.Unlock()
	defer syscall.Umask(syscall.Umask(0o077))
	return net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
}

// socket takes its file away when it closes.
type socket struct {
	*net.UnixListener
	path string
	once sync.Once
}

func (s *socket) Close() error {
	s.once.Do(func() { os.Remove(s.path) })
	return s.UnixListener.Close()
}

// checkParent refuses a directory of another user, and one that others could write to:
// whoever can rename the socket can stand in for the node. A sticky directory like /tmp
// keeps others than its owner from that. Root can do all that anyway.
func checkParent(dir string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return council.WithHint(fmt.Errorf("open socket: %w", err), "create the directory first, with mode 0700")
	}
	if m := info.Mode(); m.Perm()&0o022 != 0 && m&fs.ModeSticky == 0 {
		return council.WithHint(fmt.Errorf("open socket: directory %s can be written by others (mode %04o)", dir, m.Perm()), "chmod 0700 "+dir)
	}
	if s, ok := info.Sys().(*syscall.Stat_t); ok && s.Uid != 0 && int(s.Uid) != os.Geteuid() {
		return council.WithHint(fmt.Errorf("open socket: directory %s belongs to user %d", dir, s.Uid), "set 'socket' in signer.yaml to a path in a directory of your own, or run this as its owner")
	}
	return nil
}
