package main

import (
	"errors"
	"os"
	"os/exec"
	"syscall"
	"testing"
)

func sleeper(t *testing.T) *process {
	t.Helper()
	p, err := startProcess(exec.Command("sleep", "600"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.kill)
	return p
}

func TestProcessEnds(t *testing.T) {
	p := sleeper(t)
	if p.expected() {
		t.Error("its end is expected before anyone asked")
	}
	if err := p.stop(); err != nil {
		t.Fatal(err)
	}
	if !p.expected() {
		t.Error("its end was asked for, and is not expected")
	}
	q := sleeper(t)
	q.kill()
	var exit *exec.ExitError
	if !errors.As(q.err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Errorf("ended by %v", q.err)
	}
	if err := q.stop(); err != nil { // it is gone; its number may be another's
		t.Error(err)
	}
}

// A child has a process group of its own: an interrupt at the terminal does not
// reach it past this process.
func TestProcessGroup(t *testing.T) {
	p := sleeper(t)
	group, err := syscall.Getpgid(p.cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	own, err := syscall.Getpgid(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if group == own || group != p.cmd.Process.Pid {
		t.Errorf("group %d; this process is in %d", group, own)
	}
}

func TestPortsDiffer(t *testing.T) {
	seen := map[int]bool{}
	for range 16 {
		port, err := freePort()
		if err != nil {
			t.Fatal(err)
		}
		if seen[port] || port < firstPort || port > lastPort {
			t.Errorf("port %d", port)
		}
		seen[port] = true
	}
}
