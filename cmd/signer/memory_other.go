//go:build !linux

package main

import (
	"errors"
	"fmt"
	"syscall"

	"github.com/millicent-one/signer/council"
)

// lockMemory turns core dumps off. This system has no way to lock pages only as
// they come into use, and Go reserves far too many to lock them all.
func lockMemory() error {
	if err := noDumps(); err != nil {
		return err
	}
	return council.WithHint(errors.New("memory is not locked on this system"), "turn swap off or encrypt it")
}

// noDumps keeps this process out of core dumps. It may be called again.
func noDumps() error {
	if err := syscall.Setrlimit(syscall.RLIMIT_CORE, &syscall.Rlimit{}); err != nil {
		return council.WithHint(fmt.Errorf("core dumps can't be turned off: %w", err), "run 'ulimit -c 0' before it")
	}
	return nil
}
