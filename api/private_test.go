package api_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/millicent-one/signer/api"
)

// A page in a browser that reaches the socket by a forwarded port gets nothing.
func TestPagesAreRefused(t *testing.T) {
	asked := false
	f := newFake(t)
	f.status = func(context.Context) (api.Status, error) { asked = true; return api.Status{}, nil }
	h := api.NewServer(f, slog.New(slog.DiscardHandler)).Handler()
	for _, c := range []struct {
		host, origin string
		ok           bool
	}{
		{"signer", "", true}, {"localhost", "", true}, {"localhost:8080", "", true}, {"127.0.0.1:8080", "", true}, {"[::1]:8080", "", true}, {"[::1]", "", true},
		{"evil.example", "", false}, {"evil.example:8080", "", false}, {"signer.evil.example", "", false}, {"10.0.0.1", "", false}, {"", "", false},
		{"signer", "http://evil.example", false}, {"localhost:8080", "http://localhost:8080", false}, {"localhost", "null", false},
	} {
		for _, path := range []string{"/v1/status", "/v1/events", "/v1/nothing"} {
			asked = false
			r := httptest.NewRequest(http.MethodGet, path, nil)
			r.Host = c.host
			if c.origin != "" {
				r.Header.Set("Origin", c.origin)
			}
			if c.ok && path != "/v1/status" {
				continue
			}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if c.ok != (w.Code == http.StatusOK) || c.ok != asked || !c.ok && w.Code != http.StatusBadRequest {
				t.Errorf("host %q, origin %q, %s: %d %s", c.host, c.origin, path, w.Code, w.Body)
			}
		}
	}
}

// A fault of the daemon is in its log at the usual level.
func TestPanicIsLogged(t *testing.T) {
	f := newFake(t)
	f.status = func(context.Context) (api.Status, error) { panic("a fault") }
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	log, out := io.Pipe()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- api.NewServer(f, slog.New(slog.NewTextHandler(out, &slog.HandlerOptions{Level: slog.LevelWarn}))).Serve(ctx, l)
		out.Close()
	}()
	go func() {
		h := &http.Client{Transport: &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return net.Dial("unix", l.Addr().String()) }}}
		if res, err := h.Get("http://" + api.Host + "/v1/status"); err == nil {
			res.Body.Close()
		}
		h.CloseIdleConnections()
		cancel()
	}()
	said, err := io.ReadAll(log)
	if err := errors.Join(err, <-done); err != nil || !strings.Contains(string(said), "a fault") {
		t.Errorf("the log says %q, %v", said, err)
	}
}
