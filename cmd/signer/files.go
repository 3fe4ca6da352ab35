package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/internal/strict"
)

// readPublic reads a file that is no secret.
func readPublic(path, what, hint string) ([]byte, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, council.WithHint(fmt.Errorf("no %s at %s", what, path), hint)
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", what, err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, strict.MaxBytes+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", what, err)
	}
	return b, nil // the loader refuses one that is too large
}

// ask reads a secret: without echo from a terminal, else one line of standard
// input.
func (a *app) ask(prompt string) ([]byte, error) {
	a.secret()
	if fd := int(a.in.Fd()); term.IsTerminal(fd) {
		shown, err := term.GetState(fd)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", prompt, err)
		}
		fmt.Fprint(a.err, prompt+": ")
		b, err := await(a.ctx, func() ([]byte, error) { return term.ReadPassword(fd) })
		fmt.Fprintln(a.err)
		if a.ctx.Err() != nil {
			_ = term.Restore(fd, shown) // the one who reads is left waiting, and does it no more
		}
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", prompt, err)
		}
		return b, nil
	}
	line, err := a.line()
	if a.ctx.Err() != nil {
		return nil, a.ctx.Err()
	}
	if err != nil {
		return nil, council.WithHint(fmt.Errorf("read %s: %w", prompt, err), "run it in a terminal, or give a file: see --help")
	}
	return []byte(line), nil
}

// secret keeps what is asked for, and what it opens, out of core dumps.
func (a *app) secret() {
	if err := noDumps(); err != nil {
		a.note("warning: %v", err)
	}
}

// await waits for f, or for the interrupt: a read from a terminal or a pipe can't be
// broken off. It is left behind then, and the process ends.
func await[T any](ctx context.Context, f func() (T, error)) (T, error) {
	type result struct {
		v   T
		err error
	}
	done := make(chan result, 1)
	go func() {
		v, err := f()
		done <- result{v, err}
	}()
	var r result
	select {
	case r = <-done:
	case <-ctx.Done():
	}
	if err := ctx.Err(); err != nil {
		return *new(T), err
	}
	return r.v, r.err
}

// Read reads standard input until the command is interrupted.
func (a *app) Read(p []byte) (int, error) {
	b, err := await(a.ctx, func() ([]byte, error) {
		own := make([]byte, len(p)) // p may be somebody else's by then
		n, err := a.in.Read(own)
		return own[:n], err
	})
	defer clear(b)
	return copy(p, b), err
}

// line reads one line of standard input, byte by byte: what follows is for the
// next question.
func (a *app) line() (string, error) {
	var b strings.Builder
	one := make([]byte, 1)
	for b.Len() < 4096 {
		n, err := a.Read(one)
		if n == 1 && one[0] == '\n' {
			break
		}
		b.Write(one[:n])
		if err != nil {
			if errors.Is(err, io.EOF) && b.Len() > 0 {
				break
			}
			return "", err
		}
	}
	return strings.TrimSuffix(b.String(), "\r"), nil
}

// typed asks a person to type a word before something that can't be taken back.
// Undone says what was not done without it.
func (a *app) typed(yes bool, word, what, undone string) error {
	if yes {
		return nil
	}
	fmt.Fprintf(a.err, "%s\nType %s to go on:\n", what, word)
	line, err := a.line()
	if err == nil && strings.TrimSpace(line) == word {
		return nil
	}
	if a.ctx.Err() != nil {
		return a.ctx.Err()
	}
	return council.WithHint(errors.New(undone), "type the word "+word+", or give --yes")
}

// confirm asks a person to type yes.
func (a *app) confirm(question string) error {
	fmt.Fprintf(a.err, "%s Type yes to go on: ", question)
	line, err := a.line()
	if !term.IsTerminal(int(a.in.Fd())) {
		fmt.Fprintln(a.err)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("read answer: %w", err)
	}
	if strings.TrimSpace(line) != "yes" {
		return council.WithHint(errors.New("not confirmed; nothing was signed"), "type yes, or give --yes where no person can answer")
	}
	return nil
}

// agree is confirm, unless the command line has said yes.
func (a *app) agree(yes bool, question string) error {
	if yes {
		return nil
	}
	return a.confirm("\n" + question)
}

// addYes gives a command the flag that answers its question.
func addYes(cmd *cobra.Command, yes *bool) { cmd.Flags().BoolVar(yes, "yes", false, "don't ask") }

// table writes aligned columns.
func table(w io.Writer, rows [][]string) {
	b := bufio.NewWriter(w)
	t := tabwriter.NewWriter(b, 0, 4, 2, ' ', 0)
	for _, r := range rows {
		fmt.Fprintln(t, strings.TrimRight(strings.Join(r, "\t"), "\t "))
	}
	t.Flush()
	b.Flush()
}

// day reads a date or a time; a date is midnight UTC.
func day(s string) (uint64, error) {
	for _, layout := range []string{time.DateOnly, time.RFC3339} {
		if t, err := time.Parse(layout, s); err == nil && t.Unix() > 0 {
			return uint64(t.Unix()), nil
		}
	}
	return 0, fmt.Errorf("%q is not a date; want 2026-01-31 or 2026-01-31T12:00:00Z", s)
}

func stamp(u uint64) string { return time.Unix(int64(u), 0).UTC().Format(time.DateOnly) }

// clock is a time for people: short, in UTC.
func clock(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.UTC().Format("2006-01-02 15:04:05Z")
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

func join[T ~string](list []T) string {
	all := make([]string, len(list))
	for i, v := range list {
		all[i] = oneLine(string(v))
	}
	return strings.Join(all, ", ")
}
