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
	if err := take(dir, f, syscall.LOCK_EX); err != nil {
		f.Close()
		return nil, err
	}
	// The pid is for people; a lock without it still locks.
	_ = f.Truncate(0)
	_, _ = f.WriteAt(fmt.Appendln(nil, os.Getpid()), 0)
	return f, nil
}

// take locks the file, or names the process that has it.
func take(dir string, f *os.File, how int) error {
	err := syscall.Flock(int(f.Fd()), how|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		b, _ := io.ReadAll(io.LimitReader(f, 32))
		pid, _ := strconv.Atoi(string(bytes.TrimSpace(b)))
		return council.WithHint(&LockedError{Dir: dir, PID: pid}, "stop that process, or talk to the daemon that runs already")
	}
	if err != nil {
		return explain(dir, fmt.Errorf("lock keystore: %w", err))
	}
	return nil
}

// release gives the directory back. Closing alone would not, at once: a child that this
// process is about to start has every open file for a moment, and with it the lock.
func release(f *os.File) error {
	return errors.Join(syscall.Flock(int(f.Fd()), syscall.LOCK_UN), f.Close())
}
