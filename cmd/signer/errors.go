package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/millicent-one/signer/api"
	"github.com/millicent-one/signer/council"
)

// Exit codes. Scripts and health checks rely on them.
const (
	exitOK          = 0
	exitFailed      = 1
	exitUsage       = 2
	exitNotReady    = 3   // no daemon, or one that can't do this yet
	exitInterrupted = 130 // as shells say it
)

// usage marks a wrong command line.
type usage struct{ error }

func (u usage) Unwrap() error { return u.error }

// usagef makes one.
func usagef(hint, format string, args ...any) error {
	return usage{council.WithHint(fmt.Errorf(format, args...), hint)}
}

// misused marks what was refused before anything was asked of a daemon.
func misused(err error) error {
	if err == nil {
		return nil
	}
	return usage{err}
}

// asksJSON reports whether a command line has --json in it, for when it could not be read.
func asksJSON(args []string) bool {
	if i := slices.Index(args, "--"); i >= 0 {
		args = args[:i]
	}
	return slices.Contains(args, "--json") || slices.Contains(args, "--json=true")
}

// failure is an error in JSON.
type failure struct {
	Error string `json:"error"`
	Kind  string `json:"kind,omitempty"`
	Hint  string `json:"hint,omitempty"`
	Code  int    `json:"exitCode"`
}

// fail prints an error, and its next step on a line of its own.
func (a *app) fail(ctx context.Context, err error) int {
	f := failure{Error: err.Error(), Hint: council.Hint(err), Code: exitFailed}
	var p *api.Problem
	var u usage
	if errors.As(err, &p) {
		f.Kind = string(p.Kind())
	}
	switch {
	case errors.As(err, &u): // also of a problem that was seen before anything was asked
		f.Code = exitUsage
		f.Error, _, _ = strings.Cut(f.Error, "\n") // cobra adds its own suggestions below
	case p != nil && p.Kind() == api.NotReady:
		f.Code = exitNotReady
	case p != nil: // no interrupt, whatever it is about
	case errors.Is(err, context.Canceled) && ctx.Err() != nil:
		f.Error, f.Code = "interrupted", exitInterrupted
	}
	if a.json {
		b, e := json.Marshal(f)
		if e == nil {
			fmt.Fprintf(a.err, "%s\n", b)
			return f.Code
		}
	}
	if p != nil { // a daemon's, with what others have told it
		f.Error, f.Hint = words(f.Error), words(f.Hint)
	}
	fmt.Fprintf(a.err, "signer: error: %s\n", f.Error)
	if f.Hint != "" {
		fmt.Fprintf(a.err, "hint: %s\n", f.Hint)
	}
	return f.Code
}

// unknownCommand recognises cobra's own complaints, which have no type.
func unknownCommand(err error) bool {
	for _, s := range []string{"unknown command", "required flag(s)", "accepts ", "invalid argument", "requires at least", "if any flags in the group", "at least one of the flags in the group"} {
		if strings.HasPrefix(err.Error(), s) {
			return true
		}
	}
	return false
}
