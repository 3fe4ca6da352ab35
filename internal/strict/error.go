package strict

import (
	"fmt"

	"go.yaml.in/yaml/v3"

	"github.com/millicent-one/signer/council"
)

// Error is a mistake in a file, with its place. It prints as file:line:col:
// message, the form that editors and terminals make clickable.
type Error struct {
	File  string
	Line  int    // counts from 1
	Col   int    // counts from 1
	Field string // dotted path of the field, as far as known: "rules[2].actions"
	Msg   string
	Hint  string // what to do next; printed by the command on a line of its own
}

func (e *Error) Error() string {
	return fmt.Sprintf("%s:%d:%d: %s", e.File, e.Line, e.Col, e.Msg)
}

// As lets council.Hint find the hint.
func (e *Error) As(target any) bool {
	h, ok := target.(**council.Hinted)
	if !ok || e.Hint == "" {
		return false
	}
	*h = &council.Hinted{Err: e, Hint: e.Hint}
	return true
}

// Pos is a place in a file; both numbers count from 1.
type Pos struct{ Line, Col int }

// Set reports whether the place is known, which is whether the value was there.
func (p Pos) Set() bool { return p.Line > 0 }

// Errorf makes an error at this place.
func (p Pos) Errorf(file, field, hint, format string, args ...any) *Error {
	return &Error{File: file, Line: max(p.Line, 1), Col: max(p.Col, 1), Field: field, Msg: fmt.Sprintf(format, args...), Hint: hint}
}

// At makes an error at a node.
func At(file string, n *yaml.Node, field, hint, format string, args ...any) *Error {
	return PosOf(n).Errorf(file, field, hint, format, args...)
}

// PosOf is the place of a node; the beginning of the file for nil.
func PosOf(n *yaml.Node) Pos {
	if n == nil {
		return Pos{1, 1}
	}
	return Pos{n.Line, n.Column}
}
