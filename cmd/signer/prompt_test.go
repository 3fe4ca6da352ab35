package main

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/millicent-one/signer/internal/testcouncil"
)

// promptly runs what asks, interrupts it and gives its answer, which has a minute to come.
func promptly[T any](t *testing.T, cancel func(), f func() T) T {
	t.Helper()
	done := make(chan T, 1)
	go func() { done <- f() }()
	cancel()
	select {
	case v := <-done:
		return v
	case <-time.After(time.Minute):
		t.Fatal("it waits on after the interrupt")
		panic("not here")
	}
}

// asking is an app whose standard input has nothing yet; enter gives it what is typed.
func asking(t *testing.T) (a *app, cancel func(), enter *os.File) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close() }) // and with it who still reads
	a = newApp(r, io.Discard, io.Discard)
	a.ctx, cancel = context.WithCancel(t.Context())
	return a, cancel, w
}

// An interrupt ends each prompt, and what is typed after it counts for nothing.
func TestInterruptEndsThePrompt(t *testing.T) {
	for name, f := range map[string]func(*app) error{
		"secret":  func(a *app) error { _, err := a.ask("passphrase"); return err },
		"word":    func(a *app) error { return a.typed(false, "freeze", "It will sign nothing.", "nothing was frozen") },
		"yes":     func(a *app) error { return a.confirm("Approve?") },
		"a whole": func(a *app) error { _, err := io.ReadAll(a); return err },
	} {
		t.Run(name, func(t *testing.T) {
			a, cancel, _ := asking(t)
			if err := promptly(t, cancel, func() error { return f(a) }); !errors.Is(err, context.Canceled) {
				t.Errorf("says %v", err)
			}
			a, cancel, enter := asking(t)
			if _, err := enter.WriteString("freeze\nyes\n"); err != nil {
				t.Fatal(err)
			}
			cancel()
			if err := f(a); !errors.Is(err, context.Canceled) {
				t.Errorf("with an answer it says %v", err)
			}
		})
	}
}

// An init that is interrupted while it asks makes no node.
func TestInterruptedInit(t *testing.T) {
	a, _, _ := asking(t)
	home := filepath.Join(t.TempDir(), "home")
	ctx, cancel := context.WithCancel(t.Context())
	wallet := "0x52908400098527886E0F7030069857D2E4169EE7"
	code := promptly(t, cancel, func() int {
		return a.run(ctx, []string{"--home", home, "init", "--member", string(testcouncil.IDs()[0]), "--seat", "core", "--approver", wallet,
			"--term-start", "2020-01-01", "--term-end", "2100-01-01"})
	})
	if code != exitInterrupted {
		t.Errorf("exit code %d", code)
	}
	for _, name := range []string{"signer.yaml", "card.json", "keys/master.json", "policy.yaml"} {
		if _, err := os.Lstat(filepath.Join(home, name)); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
