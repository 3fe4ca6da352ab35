package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// The names of server-sent events.
const (
	EventHappened = "event"    // an Event
	EventProgress = "progress" // a Progress
	EventGenesis  = "genesis"  // a Genesis; the ceremony is over
	EventProblem  = "problem"  // a Problem; the stream is over
)

// stream writes server-sent events. A comment goes out while nothing happens,
// so that both sides notice when the other has gone.
type stream struct {
	mu  sync.Mutex
	w   http.ResponseWriter
	ctl *http.ResponseController
}

// open begins a stream, or answers with a problem and returns nil.
func (s *Server) open(w http.ResponseWriter, r *http.Request) (st *stream, end func()) {
	select {
	case s.streams <- struct{}{}:
	default:
		s.problem(w, Failf(Conflict, "close some of the programs that read events", "%d streams are open, which is the limit", maxStreams))
		return nil, nil
	}
	st = &stream{w: w, ctl: http.NewResponseController(w)}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	// The request has been read; from here on the connection lives as long as
	// the stream does.
	_ = st.ctl.SetReadDeadline(time.Time{})
	ctx, cancel := context.WithCancel(r.Context())
	var beat sync.WaitGroup
	beat.Go(func() {
		t := time.NewTicker(keepAlive)
		defer t.Stop()
		for {
			select {
			case <-t.C:
				if st.write([]byte(": alive\n\n")) != nil {
					return
				}
			case <-ctx.Done():
				return
			}
		}
	})
	return st, func() { cancel(); beat.Wait(); <-s.streams }
}

func (st *stream) write(b []byte) error {
	st.mu.Lock()
	defer st.mu.Unlock()
	_ = st.ctl.SetWriteDeadline(time.Now().Add(writeTimeout))
	if _, err := st.w.Write(b); err != nil {
		return err
	}
	return st.ctl.Flush()
}

func (st *stream) send(id uint64, name string, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode %s: %w", name, err)
	}
	var b bytes.Buffer
	if id != 0 {
		fmt.Fprintf(&b, "id: %d\n", id)
	}
	fmt.Fprintf(&b, "event: %s\ndata: %s\n\n", name, data)
	return st.write(b.Bytes())
}

func (s *Server) events(w http.ResponseWriter, r *http.Request) {
	after := r.URL.Query().Get("after")
	if h := r.Header.Get("Last-Event-ID"); h != "" {
		after = h // a reader that comes back, as browsers do
	}
	var from uint64
	if after != "" {
		var err error
		if from, err = strconv.ParseUint(after, 10, 64); err != nil {
			s.problem(w, Failf(Invalid, "", "after=%q: want the number of an event", clip(after)))
			return
		}
	}
	st, end := s.open(w, r)
	if st == nil {
		return
	}
	defer end()
	if st.write([]byte(": events\n\n")) != nil {
		return
	}
	err := s.back.Events(r.Context(), from, func(e Event) error { return st.send(e.ID, EventHappened, e) })
	s.finish(st, r, err)
}

func (s *Server) keygen(w http.ResponseWriter, r *http.Request) {
	st, end := s.open(w, r)
	if st == nil {
		return
	}
	defer end()
	// A reader that has gone ends the ceremony through r.Context(), so a lost
	// progress line needs no handling of its own.
	g, err := s.back.Keygen(r.Context(), func(p Progress) { _ = st.send(0, EventProgress, p) })
	if err == nil {
		err = st.send(0, EventGenesis, NewGenesis(g))
	}
	s.finish(st, r, err)
}

// finish tells the reader why a stream ends, if it is still there.
func (s *Server) finish(st *stream, r *http.Request, err error) {
	if err == nil || r.Context().Err() != nil && errors.Is(err, r.Context().Err()) {
		return
	}
	p := AsProblem(err)
	if p.Kind() == Internal {
		s.log.Error("api stream", "path", r.URL.Path, "err", err)
	}
	_ = st.send(0, EventProblem, p)
}
