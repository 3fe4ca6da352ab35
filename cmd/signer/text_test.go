package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/millicent-one/signer/api"
	"github.com/millicent-one/signer/council"
)

// evil is what somebody writes who wants to speak for the command: lines of its own, a
// clear screen in two ways, letters in another order, and no end.
var evil = "fine\nhint: pay 0x1\r\tnow\x1b[2J\u009b2J\x7f\u202e\u2066\u061c\u2028 " + strings.Repeat("é", 1000)

func TestOneLine(t *testing.T) {
	for in, want := range map[string]string{
		"  a \n\t b\r\nc":          "a b c",
		"a\x1b[2J\u009bb\u202ec":   "a[2Jbc",
		"a\u00a0\u2028 b":          "a b",
		"zwölf\xff":                "zwölf",
		strings.Repeat("é", 300):   strings.Repeat("é", 300),
		strings.Repeat("é\n", 301): strings.TrimSuffix(strings.Repeat("é ", 150), " ") + " …",
	} {
		if got := oneLine(in); got != want {
			t.Errorf("%q became %q, not %q", in, got, want)
		}
	}
}

// What is written in pieces is guarded as if it were in one, and a character in two pieces
// is whole again.
func TestGuard(t *testing.T) {
	text := "a\tü€😀\n\x1b[2J\u009b\r\x7f\u202e\x9b\xffz"
	want := "a\tü€😀\n" + `\u001b[2J\u009b\u000d\u007f\u202e` + "\ufffd\ufffdz"
	for size := 1; size <= len(text); size++ {
		var out bytes.Buffer
		g := &guard{w: &out}
		for b := []byte(text); len(b) > 0; b = b[min(size, len(b)):] {
			if n, err := g.Write(b[:min(size, len(b))]); err != nil || n != min(size, len(b)) {
				t.Fatal(n, err)
			}
		}
		if out.String() != want {
			t.Errorf("in pieces of %d: %q", size, out.String())
		}
	}
}

// hostile is a node that passes on evil texts only.
type hostile struct{ *fakeNode }

// poisoned is v with every text in it evil.
func poisoned[T any](v T, err error) (T, error) {
	poison(reflect.ValueOf(&v).Elem())
	return v, err
}

func poison(v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(evil)
	case reflect.Pointer:
		if !v.IsNil() {
			poison(v.Elem())
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Field(i).CanSet() {
				poison(v.Field(i))
			}
		}
	case reflect.Slice:
		for i := range v.Len() {
			poison(v.Index(i))
		}
	}
}

func (h hostile) Status(ctx context.Context) (api.Status, error) {
	s, err := h.fakeNode.Status(ctx)
	s.Roster.Unsigned, s.Rotation = evil, &api.Rotation{Stage: "gathering", Missing: []api.Need{{}}}
	s.Ledger, s.Attempt = []api.LedgerRow{{}}, &api.Attempt{Number: 1, Error: evil, Suspects: []council.MemberID{""}, Signers: []api.Signer{{}}}
	return poisoned(s, err)
}
func (h hostile) Doctor(ctx context.Context) ([]api.Check, error) {
	return poisoned(h.fakeNode.Doctor(ctx))
}
func (h hostile) Evidence(ctx context.Context) ([]api.Evidence, error) {
	return poisoned(h.fakeNode.Evidence(ctx))
}
func (h hostile) EvidenceRecord(ctx context.Context, id string) (api.Evidence, error) {
	return poisoned(h.fakeNode.EvidenceRecord(ctx, id))
}
func (h hostile) RotationStatus(context.Context) (api.Rotation, error) {
	return poisoned(api.Rotation{Stage: "gathering", Missing: []api.Need{{}}, Commit: &api.Commit{Locked: []council.MemberID{""}}}, nil)
}
func (h hostile) Thaw(context.Context, api.FreezeRequest) ([]api.Freeze, error) {
	return poisoned([]api.Freeze{{}}, nil)
}
func (h hostile) Keygen(_ context.Context, p func(api.Progress)) (council.Genesis, error) {
	p(api.Progress{Stage: evil, WaitingFor: []council.MemberID{council.MemberID(evil)}, Why: evil})
	return council.Genesis{}, api.Fail(api.NotReady, council.WithHint(fmt.Errorf("%s", evil), evil))
}

// Whatever a node passes on from others, it stays in its place on the page: no line of it
// begins as one of the command's own does, and nothing steers the terminal. In JSON it is
// the same text, without a byte that steers.
func TestTextsOfOthersStayInTheirPlace(t *testing.T) {
	n := newFakeNode(t)
	id := n.order[0].Hex()
	n.shows = func(p *api.Proposal) {
		p.Call.Args = []api.Argument{{Name: "x", Label: "x"}}
		p.Call.Inner = []api.Call{{Label: "x"}}
		p.Effects = &api.Effects{Changes: []api.Change{{}}, Moves: []api.Move{{}}}
		p.Attempts = []api.Attempt{{Number: 1, Error: "x", WaitingFor: []council.MemberID{""}}}
		p.Approvals = []api.Word{{}}
		poison(reflect.ValueOf(p).Elem())
	}
	others := newFakeNode(t) // an honest one, where a member proposes that
	statement := others.add(council.Statement{Text: "one", ValidUntil: 2_000_000_000, Reason: "x"}, "Publish it").Hex()
	others.shows = func(p *api.Proposal) { p.Intent.Text = "one\nhint: pay 0x1\r\u202etwo" }
	socket, honest := served(t, hostile{n}), served(t, others)
	exhibit := n.exhibits()[0].ID.Hex()
	for _, c := range []struct{ socket, args string }{
		{socket, "status"}, {socket, "status --ready"}, {socket, "doctor"}, {socket, "list --all"}, {socket, "show " + id},
		{socket, "evidence list"}, {socket, "evidence show " + exhibit}, {socket, "heartbeat"}, {socket, "term status"},
		{socket, "keygen"}, {socket, "key thaw --reason x"}, {honest, "show " + statement},
	} {
		for _, with := range []string{"", "--json "} {
			line := "--socket " + c.socket + " " + with + c.args
			_, out, says := typing(t, "", strings.Fields(line)...)
			if !strings.Contains(out+says, "pay 0x1") {
				t.Errorf("%s does not tell of it:\n%s%s", line, out, says)
			}
			if i := strings.IndexFunc(out+says, council.Hidden); i >= 0 || !utf8.ValidString(out+says) {
				t.Errorf("%s writes %q", line, (out + says)[i:i+8])
			}
			for l := range strings.Lines(out + says) {
				if strings.HasPrefix(strings.TrimSpace(l), "hint: pay") {
					t.Errorf("%s prints a line %q", line, clip(l, 40))
				}
			}
			if with != "" && out != "" && !strings.Contains(decoded(t, out), "pay 0x1\r") {
				t.Errorf("%s is another text: %s", line, clip(decoded(t, out), 100))
			}
		}
	}
}

// decoded is all of a JSON text as it reads.
func decoded(t *testing.T, text string) string {
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Errorf("%v: %s", err, clip(text, 100))
	}
	return fmt.Sprint(v)
}
