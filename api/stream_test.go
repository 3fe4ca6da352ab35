package api_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/api"
	"github.com/millicent-one/signer/api/client"
	"github.com/millicent-one/signer/council"
)

func TestEventsFollow(t *testing.T) {
	f := newFake(t)
	later := make(chan struct{})
	f.events = func(ctx context.Context, after uint64, each func(api.Event) error) error {
		for i := after + 1; i <= 4; i++ {
			if i == 4 {
				select {
				case <-later:
				case <-ctx.Done():
					return ctx.Err()
				}
			}
			if err := each(api.Event{ID: i, Kind: "judged", Text: "two\nlines: " + strings.Repeat("ü", int(i))}); err != nil {
				return err
			}
		}
		<-ctx.Done()
		return ctx.Err()
	}
	_, c, stop := serve(t, f)
	var got []uint64
	full := errors.New("enough")
	err := c.Events(t.Context(), 1, func(e api.Event) error {
		got = append(got, e.ID)
		if !strings.HasPrefix(e.Text, "two\nlines: ü") {
			t.Errorf("text %q", e.Text)
		}
		switch len(got) {
		case 2:
			close(later) // the rest comes after the reader has what was there
		case 3:
			return full
		}
		return nil
	})
	if !errors.Is(err, full) || len(got) != 3 || got[0] != 2 || got[2] != 4 {
		t.Fatalf("events %v: %v", got, err)
	}

	ctx, cancel := context.WithCancel(t.Context())
	err = c.Events(ctx, 3, func(api.Event) error { cancel(); return nil })
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("a reader that stops: %v", err)
	}

	// A daemon that stops ends the stream, and the reader learns it.
	err = c.Events(t.Context(), 3, func(api.Event) error { go stop(); return nil })
	if !errors.Is(err, api.NotReady) || council.Hint(err) == "" {
		t.Fatalf("a daemon that stops: %v", err)
	}
}

func TestKeygenStreams(t *testing.T) {
	f := newFake(t)
	g := council.Genesis{Roster: common.Hash{1}, Key: common.Address{2}, Transcript: common.Hash{3}, Sigs: []council.NodeSignature{{Member: "core-1", Sig: []byte{4}}}}
	f.keygen = func(_ context.Context, p func(api.Progress)) (council.Genesis, error) {
		p(api.Progress{Stage: "waiting for members", WaitingFor: []council.MemberID{"core-4"}})
		p(api.Progress{Stage: "round 1", Done: 1, Total: 5})
		return g, nil
	}
	_, c, _ := serve(t, f)
	var seen []api.Progress
	out, err := c.Keygen(t.Context(), func(p api.Progress) { seen = append(seen, p) })
	if err != nil || out.ID() != g.ID() || len(out.Sigs) != 1 || out.Sigs[0].Sig[0] != 4 {
		t.Fatalf("genesis %+v: %v", out, err)
	}
	if len(seen) != 2 || seen[0].WaitingFor[0] != "core-4" || seen[1].Total != 5 {
		t.Fatalf("progress %+v", seen)
	}

	f.set(func(f *fake) {
		f.keygen = func(context.Context, func(api.Progress)) (council.Genesis, error) {
			return council.Genesis{}, api.Failf(api.Conflict, "see 'signer status'", "the council has a key already")
		}
	})
	if _, err := c.Keygen(t.Context(), func(api.Progress) {}); !errors.Is(err, api.Conflict) || council.Hint(err) == "" {
		t.Fatalf("second keygen: %v", err)
	}

	// A reader that goes away ends this node's part.
	ended := make(chan error, 1)
	ctx, cancel := context.WithCancel(t.Context())
	f.set(func(f *fake) {
		f.keygen = func(inner context.Context, p func(api.Progress)) (council.Genesis, error) {
			p(api.Progress{Stage: "waiting for members"})
			<-inner.Done()
			ended <- inner.Err()
			return council.Genesis{}, inner.Err()
		}
	})
	if _, err := c.Keygen(ctx, func(api.Progress) { cancel() }); !errors.Is(err, context.Canceled) {
		t.Fatalf("cancelled: %v", err)
	}
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Fatalf("the node's part ended with %v", err)
	}
}

// A reader in a browser comes back with the number of the last event it saw.
func TestReaderComesBack(t *testing.T) {
	f := newFake(t)
	f.events = func(_ context.Context, after uint64, each func(api.Event) error) error {
		return each(api.Event{ID: after + 1, Kind: "judged"})
	}
	srv := httptest.NewServer(api.NewServer(f, slog.New(slog.DiscardHandler)).Handler())
	defer srv.Close()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, srv.URL+"/v1/events?after=3", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Last-Event-ID", "41")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil || !strings.Contains(string(b), "\nid: 42\nevent: event\ndata: {\"id\":42,") {
		t.Fatalf("%v\n%s", err, b)
	}
}

func TestOuterHintWins(t *testing.T) {
	inner := api.Failf(api.Conflict, "inner hint", "inner")
	p := api.AsProblem(council.WithHint(fmt.Errorf("outer: %w", inner), "outer hint"))
	if p.Kind() != api.Conflict || p.Detail != "outer: inner" || p.Hint != "outer hint" {
		t.Fatalf("%+v", p)
	}
	if p := api.AsProblem(fmt.Errorf("outer: %w", inner)); p.Hint != "inner hint" {
		t.Fatalf("%+v", p)
	}
}

// Who interrupts a request that does something is told that it may be done; of one that
// only asks there is nothing to say.
func TestInterruptedRequestMayBeDone(t *testing.T) {
	for what, want := range map[string]string{"freeze": "it may have been done; see 'signer status'", "status": ""} {
		dir, err := os.MkdirTemp("", "sg") // short enough for a socket
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(dir)
		l, err := net.Listen("unix", filepath.Join(dir, "s"))
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			if c, err := l.Accept(); err == nil {
				defer c.Close()
				c.Read(make([]byte, 1)) // it has come
				cancel()
				<-t.Context().Done()
			}
		}()
		c := client.New(filepath.Join(dir, "s"))
		if what == "freeze" {
			_, err = c.Freeze(ctx, api.FreezeRequest{Reason: "laptop stolen"})
		} else {
			_, err = c.Status(ctx)
		}
		if !errors.Is(err, context.Canceled) || council.Hint(err) != want {
			t.Errorf("%s: %v, hint %q", what, err, council.Hint(err))
		}
	}
}
