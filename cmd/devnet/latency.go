package main

import (
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"sync/atomic"
	"time"
)

// farRPC stands before a chain's RPC, at an address of this machine, and answers as late
// as one that is far away.
type farRPC struct {
	url    string
	delay  atomic.Int64 // nanoseconds, of each answer
	server *http.Server
}

func newFarRPC(at, to string) (*farRPC, error) {
	target, err := url.Parse(to)
	if err != nil {
		return nil, fmt.Errorf("stand before an RPC: %w", err)
	}
	l, err := net.Listen("tcp4", net.JoinHostPort(at, "0"))
	if err != nil {
		return nil, fmt.Errorf("stand before an RPC: %w", err)
	}
	f := &farRPC{url: "http://" + l.Addr().String()}
	// Who asks sees the errors; a question that its asker has given up is none.
	pass := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }, ErrorLog: log.New(io.Discard, "", 0)}
	f.server = &http.Server{ReadHeaderTimeout: chainTime, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if d := time.Duration(f.delay.Load()); d > 0 {
			select {
			case <-time.After(d):
			case <-r.Context().Done():
				return
			}
		}
		pass.ServeHTTP(w, r)
	})}
	go func() { _ = f.server.Serve(l) }() // ends with close
	return f, nil
}

func (f *farRPC) close() { _ = f.server.Close() }
