package keystore

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// Held is a *LockedError if a process uses the keystore in dir, and nil if none does, or
// if there is no keystore. It takes nothing and writes nothing. Another process that opens
// the keystore in the same instant may be told that it is in use; its next try is not.
func Held(dir string) error {
	f, err := os.Open(filepath.Join(dir, lockFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return explain(dir, err)
	}
	defer func() { _ = release(f) }()
	return take(dir, f, syscall.LOCK_SH)
}
