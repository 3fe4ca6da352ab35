package api

import (
	"net"
	"net/http"
	"sync"
)

// mute are the connections over which nothing was asked yet. A server that is shut
// down would wait for them, and a node that starts anew under the next roster waits
// for its server.
type mute struct {
	mu    sync.Mutex
	conns map[net.Conn]bool
	over  bool
}

func (m *mute) state(c net.Conn, s http.ConnState) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case s != http.StateNew:
		delete(m.conns, c)
	case m.over:
		c.Close()
	default:
		m.conns[c] = true
	}
}

// hangUp closes them, and those that still come.
func (m *mute) hangUp() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.over = true
	for c := range m.conns {
		c.Close()
	}
}
