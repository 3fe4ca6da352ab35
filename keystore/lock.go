package keystore

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"github.com/millicent-one/signer/council"
)

const lockFile = "lock"

// lock takes the directory for this process. The kernel lets go of it when the
// process ends, however it ends, so a stale file locks nobody out.
func lock(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, lockFile), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, missing(dir, err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		defer f.Close()
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, explain(dir, fmt.Errorf("lock keystore: %w", err))
		}
		b, _ := io.ReadAll(io.LimitReader(f, 32))
		pid, _ := strconv.Atoi(string(bytes.TrimSpace(b)))
		return nil, council.WithHint(&LockedError{Dir: dir, PID: pid}, "stop that process, or talk to the daemon that runs already")
	}
	// The pid is for people; a lock without it still locks.
	_ = f.Truncate(0)
	_, _ = f.WriteAt(fmt.Appendln(nil, os.Getpid()), 0)
	return f, nil
}
