package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/millicent-one/signer/api/client"
	"github.com/millicent-one/signer/council"
)

// program is the command as a process of its own.
func program(ts *testscript.TestScript, args ...string) *exec.Cmd {
	var path string
	for _, dir := range filepath.SplitList(ts.Getenv("PATH")) {
		if p := filepath.Join(dir, "signer"); path == "" {
			if _, err := os.Stat(p); err == nil {
				path = p
			}
		}
	}
	cmd := exec.Command(path, args...)
	cmd.Dir, cmd.Env = ts.MkAbs("."), append(os.Environ(), "SIGNER_HOME="+ts.Getenv("SIGNER_HOME"), "PATH="+ts.Getenv("PATH"))
	return cmd
}

// fifo FILE makes a pipe with a name, which blocks who opens it.
func fifo(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(syscall.Mkfifo(ts.MkAbs(args[0]), 0o600))
}

// interrupted FIFO TEXT ARGS... runs a command line, interrupts it when it has opened the
// pipe, and gives it the text then.
func interrupted(ts *testscript.TestScript, neg bool, args []string) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var says strings.Builder
	code := make(chan int, 1)
	go func() { code <- newApp(os.Stdin, io.Discard, &says).run(ctx, args[2:]) }()
	opened := make(chan *os.File, 1)
	go func() {
		w, err := os.OpenFile(ts.MkAbs(args[0]), os.O_WRONLY, 0) // waits for who reads
		if err == nil {
			opened <- w
		}
	}()
	select {
	case w := <-opened:
		cancel()
		_, err := io.WriteString(w, args[1]+"\n")
		ts.Check(errors.Join(err, w.Close()))
	case c := <-code:
		ts.Fatalf("it asks for nothing, exit code %d: %s", c, says.String())
	}
	if c := <-code; (c == exitInterrupted) == neg {
		ts.Fatalf("exit code %d: %s", c, says.String())
	}
}

// hung ARGS... runs a command line until it says that it begins, and interrupts it, where
// nothing can, until it ends.
func hung(ts *testscript.TestScript, _ bool, args []string) {
	cmd := program(ts, args...)
	r, err := cmd.StderrPipe()
	ts.Check(err)
	ts.Check(cmd.Start())
	line, err := bufio.NewReader(r).ReadString('\n') // it listens for interrupts
	if err != nil || !strings.HasPrefix(line, "Roster 1") {
		ts.Fatalf("says %q, %v", line, err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	again, limit := time.NewTicker(20*time.Millisecond), time.After(time.Minute)
	defer again.Stop()
	for {
		ts.Check(ignoreDone(cmd.Process.Signal(os.Interrupt)))
		select {
		case err := <-ended:
			if s := cmd.ProcessState.Sys().(syscall.WaitStatus); !s.Signaled() || s.Signal() != syscall.SIGINT {
				ts.Fatalf("ended with %v", err)
			}
			return
		case <-again.C:
		case <-limit:
			ts.Check(cmd.Process.Kill())
			<-ended
			ts.Fatalf("no interrupt ends it")
		}
	}
}

func ignoreDone(err error) error {
	if errors.Is(err, os.ErrProcessDone) {
		return nil
	}
	return err
}

// unread HOME runs a daemon whose log nobody reads, asks it, and ends it.
func unread(ts *testscript.TestScript, _ bool, args []string) {
	r, w, err := os.Pipe()
	ts.Check(err)
	ts.Check(r.Close())
	cmd := program(ts, "--home", ts.MkAbs(args[0]), "run")
	cmd.Stdout, cmd.Stderr = w, w
	ts.Check(cmd.Start())
	ts.Check(w.Close())
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	c := client.New(filepath.Join(ts.Getenv("SHORT"), "s"))
	defer c.Close()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	for {
		if _, err := c.Status(ctx); err == nil {
			break
		}
		select {
		case err := <-ended:
			ts.Fatalf("it ended: %v", err)
		case <-ctx.Done():
			ts.Check(cmd.Process.Kill())
			ts.Fatalf("it never answers")
		case <-again.C:
		}
	}
	ts.Check(cmd.Process.Signal(syscall.SIGTERM))
	if err := <-ended; cmd.ProcessState.ExitCode() != exitOK && cmd.ProcessState.ExitCode() != exitInterrupted {
		ts.Fatalf("it ended: %v", err)
	}
}

// late is a wallet whose owner has changed their mind when it has signed.
type late struct{ cancel func() }

func (l late) SignTyped(context.Context, council.Document, common.Address) ([]byte, error) {
	l.cancel()
	return []byte{1}, nil
}

func TestLateSignatureIsNotTaken(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	if sig, err := signed(ctx, late{func() {}}, council.Document{}, common.Address{}); err != nil || !bytes.Equal(sig, []byte{1}) {
		t.Errorf("%x, %v", sig, err)
	}
	if sig, err := signed(ctx, late{cancel}, council.Document{}, common.Address{}); !errors.Is(err, context.Canceled) || sig != nil {
		t.Errorf("%x, %v", sig, err)
	}
}
