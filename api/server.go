package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/millicent-one/signer/council"
)

// Server answers on the socket for a Backend.
type Server struct {
	back    Backend
	log     *slog.Logger
	streams chan struct{} // one token for each open stream
}

// NewServer makes a server; Serve starts it.
func NewServer(back Backend, log *slog.Logger) *Server {
	return &Server{back: back, log: log, streams: make(chan struct{}, maxStreams)}
}

// Serve answers until ctx ends, and returns when every handler has. It closes
// the listener.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	h := &http.Server{
		Handler:           s.Handler(),
		ReadHeaderTimeout: readTimeout,
		ReadTimeout:       readTimeout,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelWarn), // of a handler that panics, say
		BaseContext:       func(net.Listener) context.Context { return ctx },
	}
	unasked := &mute{conns: map[net.Conn]bool{}}
	h.ConnState = unasked.state
	done := make(chan error, 1)
	go func() {
		<-ctx.Done()
		// Streams end by ctx, which is their base context; what is left are
		// short requests.
		grace, stop := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
		defer stop()
		unasked.hangUp()
		err := h.Shutdown(grace)
		if err != nil {
			err = h.Close()
		}
		done <- err
	}()
	err := h.Serve(l)
	cancel()
	if e := <-done; errors.Is(err, http.ErrServerClosed) {
		err = e
	}
	if err != nil {
		return fmt.Errorf("serve api: %w", err)
	}
	return nil
}

// answer is what a route does: its result is sent as JSON, its error as a
// problem.
type answer func(r *http.Request) (any, error)

// Handler is the API without its socket.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	for _, r := range s.routes() {
		mux.Handle(r.pattern, s.plain(r.answer))
	}
	mux.HandleFunc("GET /v1/events", s.events)
	mux.HandleFunc("POST /v1/keygen", s.keygen)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		s.problem(w, Failf(NotFound, "this daemon speaks /v1 only; its paths are listed in docs/api.md", "%s %s: no such path", r.Method, r.URL.Path))
	})
	return s.private(mux)
}

// Host is the name by which a client calls the daemon: a socket has none.
const Host = "signer"

// private refuses what a page in a browser sends. A page can't open a socket; but a port
// that somebody has forwarded to it looks to a browser like a site, and to a page like its
// own, once its name leads there.
func (s *Server) private(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := r.Host
		if name, _, err := net.SplitHostPort(host); err == nil {
			host = name
		}
		ip := net.ParseIP(strings.Trim(host, "[]"))
		switch {
		case len(r.Header.Values("Origin")) > 0:
			s.problem(w, Failf(Invalid, "use 'signer', api/client or curl", "a page in a browser has no business here"))
		case host != Host && host != "localhost" && (ip == nil || !ip.IsLoopback()):
			s.problem(w, Failf(Invalid, "call it "+Host+" or localhost", "this daemon is not called %q", council.Readable(host, 64)))
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// plain wraps a route that answers once.
func (s *Server) plain(f answer) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, MaxBody)
		ctx, cancel := context.WithTimeout(r.Context(), requestTimeout)
		defer cancel()
		out, err := f(r.WithContext(ctx))
		if err != nil {
			s.problem(w, err)
			return
		}
		s.send(w, http.StatusOK, "application/json", out)
	})
}

// problem sends an error. A fault of the node's own is logged as well, since
// nobody may be reading the answer.
func (s *Server) problem(w http.ResponseWriter, err error) {
	p := AsProblem(err)
	if p.Kind() == Internal {
		s.log.Error("api request", "err", err)
	}
	s.send(w, p.Status, "application/problem+json", p)
}

func (s *Server) send(w http.ResponseWriter, status int, kind string, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		s.log.Error("api answer", "err", err)
		status, kind = http.StatusInternalServerError, "application/problem+json"
		b, _ = json.Marshal(AsProblem(fmt.Errorf("encode answer: %w", err)))
	}
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Cache-Control", "no-store")
	// A reader that stops reading doesn't hold the handler; not every writer
	// has deadlines (a recorder in a test has none), and then none is needed.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(writeTimeout))
	w.WriteHeader(status)
	if _, err := w.Write(append(b, '\n')); err != nil {
		s.log.Debug("api answer was not taken", "err", err)
	}
}

// body reads one JSON value with known fields only. A browser can't send this
// content type to another origin without asking first.
func body(r *http.Request, v any) error {
	if ct, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";"); ct != "application/json" {
		return Failf(Invalid, "send Content-Type: application/json", "body has content type %q", ct)
	}
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	err := d.Decode(v)
	if err == nil {
		if _, err = d.Token(); errors.Is(err, io.EOF) {
			return nil
		}
		err = errors.New("more than one JSON value")
	}
	if big := (*http.MaxBytesError)(nil); errors.As(err, &big) {
		err = fmt.Errorf("more than %d bytes", big.Limit)
	}
	return Fail(Invalid, council.WithHint(fmt.Errorf("read body: %w", err), "the request may come from another version of signer; compare 'signer version' with the daemon's"))
}
