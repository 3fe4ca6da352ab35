package main

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/millicent-one/signer/council"
)

// lockMemory keeps the share and the slots out of core dumps and swap. Dumps are
// off first: that needs no right. Pages are locked as they come into use
// (MCL_ONFAULT), since Go reserves far more than it uses. What it can't stop is a
// suspended or copied virtual machine.
func lockMemory() error {
	if err := noDumps(); err != nil {
		return err
	}
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_MEMLOCK, &limit); err == nil && limit.Cur < limit.Max {
		limit.Cur = limit.Max
		_ = unix.Setrlimit(unix.RLIMIT_MEMLOCK, &limit) // if not, the next line says so
	}
	// With a limit below what the daemon needs, locking would fail some time
	// later, in the middle of an allocation.
	if err := unix.Getrlimit(unix.RLIMIT_MEMLOCK, &limit); err == nil && limit.Cur < lockNeed {
		return council.WithHint(fmt.Errorf("memory is not locked: the limit is %d MiB, the daemon may need %d", limit.Cur>>20, uint64(lockNeed)>>20),
			"set LimitMEMLOCK=infinity in the service, or turn swap off or encrypt it")
	}
	if err := unix.Mlockall(unix.MCL_CURRENT | unix.MCL_FUTURE | unix.MCL_ONFAULT); err != nil {
		return council.WithHint(fmt.Errorf("memory is not locked: %w", err), "set LimitMEMLOCK=infinity in the service, or turn swap off or encrypt it")
	}
	return nil
}

// noDumps keeps this process out of core dumps. It may be called again.
func noDumps() error {
	err := errors.Join(
		unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0),
		unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}))
	if err != nil {
		return council.WithHint(fmt.Errorf("core dumps can't be turned off: %w", err), "set the limit: 'ulimit -c 0', or LimitCORE=0 in the service")
	}
	return nil
}

// lockNeed is far above what the daemon has ever mapped and touched.
const lockNeed = 4 << 30
