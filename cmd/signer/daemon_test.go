package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/millicent-one/signer/api"
	"github.com/millicent-one/signer/api/client"
	"github.com/millicent-one/signer/council"
)

// daemon HOME starts a real one and waits until it says that it runs. It ends
// with the script, in order.
func daemon(ts *testscript.TestScript, _ bool, args []string) {
	ctx, cancel := context.WithCancel(context.Background())
	r, w := io.Pipe()
	done := make(chan int, 1)
	go func() {
		done <- newApp(os.Stdin, io.Discard, w).run(ctx, []string{"--home", ts.MkAbs(args[0]), "run"})
		w.Close()
	}()
	running := make(chan struct{})
	var log strings.Builder // read after done
	var reader sync.WaitGroup
	reader.Go(func() {
		lines, said := bufio.NewScanner(r), false
		for lines.Scan() {
			log.WriteString(lines.Text() + "\n")
			if !said && strings.Contains(lines.Text(), "msg=running") {
				said = true
				close(running)
			}
		}
	})
	ts.Defer(func() {
		cancel()
		code := <-done
		reader.Wait()
		if code != exitOK && code != exitInterrupted {
			ts.Fatalf("the daemon ended with %d:\n%s", code, log.String())
		}
	})
	select {
	case <-running:
	case code := <-done:
		done <- code
		reader.Wait()
		ts.Fatalf("the daemon did not start:\n%s", log.String())
	}
}

// ceremony SOCKET MEMBER takes part in a key generation until MEMBER is named
// as missing.
func ceremony(ts *testscript.TestScript, _ bool, args []string) {
	c := client.New(args[0])
	defer c.Close()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	named := false
	_, err := c.Keygen(ctx, func(p api.Progress) {
		if slices.Contains(p.WaitingFor, council.MemberID(args[1])) {
			named = true
			cancel()
		}
	})
	if !named || !errors.Is(err, context.Canceled) {
		ts.Fatalf("keygen: named %v: %v", named, err)
	}
}
