package main

import (
	"context"
	"io"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/millicent-one/signer/api"
	"github.com/millicent-one/signer/council"
)

// served is a made-up node on a socket.
func served(t *testing.T, n api.Backend) (socket string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "sg") // t.TempDir is too long for a socket on some systems
	if err != nil {
		t.Fatal(err)
	}
	socket = filepath.Join(dir, "s")
	l, err := api.Listen(socket)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- api.NewServer(n, slog.New(slog.DiscardHandler)).Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		os.RemoveAll(dir)
	})
	return socket
}

// typing runs a command line, with what is typed where it asks.
func typing(t *testing.T, input string, args ...string) (code int, out, says string) {
	t.Helper()
	in, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	if _, err := io.WriteString(w, input); err != nil {
		t.Fatal(err)
	}
	w.Close()
	var stdout, stderr strings.Builder
	code = newApp(in, &stdout, &stderr).run(t.Context(), args)
	return code, stdout.String(), stderr.String()
}

// A page that shows something else than the wallet is to sign is not asked about.
func TestPageIsWhatIsSigned(t *testing.T) {
	for name, c := range map[string]struct {
		shows func(*api.Proposal)
		says  string
	}{
		"honest":   {nil, "Approve as core-1?"},
		"sentence": {func(p *api.Proposal) { p.Sentence = "On main net: nothing" }, `the node shows "On main net: nothing", but asks to sign`},
		"id":       {func(p *api.Proposal) { p.ID[31] ^= 1 }, "the node shows proposal 0x"},
		"calldata": {func(p *api.Proposal) { p.Intent.Data = []byte{0x3f, 0x4b, 0xa8, 0x3a} }, "the node shows proposal 0x"},
		"ceiling":  {func(p *api.Proposal) { p.Intent.MaxFeePerGas = api.NewWei(big.NewInt(2_000_000_000)) }, "the node shows proposal 0x"},
		"no call":  {func(p *api.Proposal) { p.Intent.To = nil }, "the node shows what can't be signed"},
	} {
		t.Run(name, func(t *testing.T) {
			n := newFakeNode(t)
			n.shows = c.shows
			args := []string{"--socket", served(t, n), "approve", n.order[0].Hex(), "--signature", "0x" + strings.Repeat("1", 130)}
			_, _, says := typing(t, "no\n", args...)
			if !strings.Contains(says, c.says) || (c.shows == nil) != strings.Contains(says, "Type yes") {
				t.Errorf("says %s", says)
			}
			if (c.shows == nil) != !strings.Contains(says, "hint: don't sign; report it") {
				t.Errorf("hints %s", says)
			}
		})
	}
}

// What the own node has not found out is said right above the question, and nothing of it
// where it has.
func TestApprovingBlind(t *testing.T) {
	seen := &api.Effects{OK: true, Sight: council.SightState, Method: "debug_traceCall", Block: 9}
	const unjudged, unseen = "Your own node has not judged it yet\n", "This node has not simulated it: what it would change is not known\n"
	for name, c := range map[string]struct {
		shows func(*api.Proposal)
		word  string
		says  string // below the word, above the question
	}{
		"all is known": {func(p *api.Proposal) { p.Effects = seen }, "approve", ""},
		"no verdict":   {func(p *api.Proposal) { p.Effects, p.Verdicts = seen, p.Verdicts[1:] }, "approve", unjudged},
		"no effects":   {func(*api.Proposal) {}, "approve", unseen},
		"neither":      {func(p *api.Proposal) { p.Verdicts = nil }, "approve", unjudged + unseen},
		"no sight":     {func(p *api.Proposal) { p.Effects = &api.Effects{Sight: council.SightNone} }, "approve", strings.Replace(unseen, "has not simulated", "could not simulate", 1)},
		"denied": {func(p *api.Proposal) {
			p.Effects, p.Verdicts[0] = seen, api.Verdict{Member: "core-1", Rule: "x/y", Reason: "so"}
		}, "approve", "Your own node denies it: so (x/y)\n"},
		"rejects":       {func(p *api.Proposal) { p.Verdicts = nil }, "reject", ""},
		"rejects, too":  {func(p *api.Proposal) { p.Verdicts[0] = api.Verdict{Member: "core-1", Rule: "x/y", Reason: "so"} }, "reject", "Your own node denies it: so (x/y)\n"},
		"not simulated": {nil, "show", "not simulated yet: what it would change is not known\n"},
	} {
		t.Run(name, func(t *testing.T) {
			n := newFakeNode(t)
			n.shows = c.shows
			args := []string{"--socket", served(t, n), c.word, n.order[0].Hex()}
			if c.word == "show" {
				if _, out, _ := typing(t, "", args...); !strings.Contains(out, c.says) {
					t.Errorf("shows %s", out)
				}
				return
			}
			if c.word == "reject" {
				args = append(args, "--reason", "no")
			}
			_, _, says := typing(t, "no\n", append(args, "--signature", "0x"+strings.Repeat("1", 130))...)
			_, says, _ = strings.Cut(says, "\nThe word: "+c.word)
			_, says, _ = strings.Cut(says, "\n")
			says, _, asked := strings.Cut(says, title(council.Choice(c.word))+" as core-1?")
			if !asked || says != c.says {
				t.Errorf("says %q", says)
			}
		})
	}
}
