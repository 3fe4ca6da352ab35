package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/millicent-one/signer/api"
)

// terminal is a pseudo terminal: what is typed, and where it is read.
func terminal(t *testing.T) (typed, read *os.File) {
	typed, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skip(err)
	}
	if err := unix.IoctlSetPointerInt(int(typed.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Skip(err)
	}
	n, err := unix.IoctlGetInt(int(typed.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Skip(err)
	}
	read, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skip(err)
	}
	return typed, read
}

// A terminal shows again what is typed when a prompt for a secret was interrupted, and the
// process is in no core dump once it has asked for one.
func TestInterruptRestoresTheTerminal(t *testing.T) {
	typed, read := terminal(t)
	t.Cleanup(func() { typed.Close() }) // and with it who still reads
	shows := func() bool {
		s, err := unix.IoctlGetTermios(int(read.Fd()), unix.TCGETS)
		if err != nil {
			t.Fatal(err)
		}
		return s.Lflag&unix.ECHO != 0
	}
	if !shows() {
		t.Fatal("it shows nothing at the start")
	}
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 1, 0, 0, 0); err != nil {
		t.Fatal(err)
	}
	a := newApp(read, io.Discard, io.Discard)
	var cancel context.CancelFunc
	a.ctx, cancel = context.WithCancel(t.Context())
	err := promptly(t, func() {
		for shows() {
			runtime.Gosched()
		}
		cancel()
	}, func() error { _, err := a.ask("passphrase"); return err })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("says %v", err)
	}
	if !shows() {
		t.Error("it shows no more what is typed")
	}
	if dumpable, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0); err != nil || dumpable != 0 {
		t.Errorf("dumpable %d, %v", dumpable, err)
	}
}

// The bar of a ceremony moves the cursor of a terminal, which texts can't.
func TestBarIsDrawn(t *testing.T) {
	typed, read := terminal(t)
	defer typed.Close()
	defer read.Close()
	p := newApp(read, io.Discard, read).newProgress()
	p.show(api.Progress{Stage: "round\r1\x1b[2J", Done: 1, Total: 5})
	p.close()
	b := make([]byte, 4096)
	n, err := typed.Read(b)
	if shown := string(b[:n]); err != nil || !strings.Contains(shown, "\r") || !strings.Contains(shown, "round 1[2J") || strings.Contains(shown, `\u`) {
		t.Errorf("shows %q, %v", shown, err)
	}
}

// Who opens a wallet by a file with its password is in no core dump either.
func TestOpenedWalletIsInNoDump(t *testing.T) {
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 1, 0, 0, 0); err != nil {
		t.Fatal(err)
	}
	f := walletFlags{keyFile: "w", passwordFile: "password"}
	if _, err := f.wallet(newApp(nil, io.Discard, io.Discard)); err != nil {
		t.Fatal(err)
	}
	if dumpable, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0); err != nil || dumpable != 0 {
		t.Errorf("dumpable %d, %v", dumpable, err)
	}
}
