package keystore

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"

	"github.com/millicent-one/signer/council"
)

// What a caller branches on.
var (
	ErrLocked     = errors.New("keystore is in use by another process") // see LockedError
	ErrNoKeystore = errors.New("there is no keystore")
	ErrExists     = errors.New("exists already")          // Create, Put, Stage: something else is there
	ErrUnlock     = errors.New("keystore stays locked")   // wrong passphrase, wrong identity
	ErrNotFound   = errors.New("not in the keystore")     // Get, Share
	ErrNoCurrent  = errors.New("no share is current")     // Current, before the first Commit or after Erase
	ErrNotStaged  = errors.New("no share is staged")      // Commit
	ErrPast       = errors.New("the epoch has passed")    // Stage, Commit
	ErrAltered    = errors.New("the file was altered")    // whatever opens it
	ErrClosed     = errors.New("the keystore was closed") // everything after Close
)

// LockedError names the process that uses the keystore.
type LockedError struct {
	Dir string
	PID int // 0 if it could not be read
}

func (e *LockedError) Error() string {
	if e.PID == 0 {
		return fmt.Sprintf("keystore %s is in use by another process", e.Dir)
	}
	return fmt.Sprintf("keystore %s is in use by process %d", e.Dir, e.PID)
}

// Is makes errors.Is(err, ErrLocked) hold.
func (e *LockedError) Is(target error) bool { return target == ErrLocked }

// explain adds the next step where the cause is the disk.
func explain(dir string, err error) error {
	switch {
	case err == nil || council.Hint(err) != "":
		return err
	case diskFull(err):
		return council.WithHint(err, "free some space on the disk of "+dir+" and try again; what was stored before is untouched")
	case errors.Is(err, fs.ErrPermission):
		return council.WithHint(err, "run the program as the owner of "+dir)
	}
	return err
}

func diskFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG)
}

// loose refuses a mode that lets others in.
func loose(path string, mode fs.FileMode) error {
	if mode.Perm()&0o077 == 0 {
		return nil
	}
	want := "600"
	if mode.IsDir() {
		want = "700"
	}
	return council.WithHint(fmt.Errorf("%s has mode %#o, others can reach it", path, mode.Perm()), strings.Join([]string{"run: chmod", want, path}, " "))
}
