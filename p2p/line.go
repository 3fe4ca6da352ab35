package p2p

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	lcrypto "github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
)

// line is what stays of a node's network from one roster to the next: the sockets, and the
// connections with those who stay. One host at a time has it, and all that others say
// goes to that one.
type line struct {
	stack    host.Host
	ctx      context.Context
	instance [16]byte // drawn when the process begins to listen
	tune     tuning
	now      atomic.Pointer[Host]
	work     work // what belongs to no single host
}

// work is goroutines that somebody waits for.
type work struct {
	mu     sync.Mutex
	closed bool
	all    sync.WaitGroup
}

// begin runs f, unless no more is begun.
func (w *work) begin(f func()) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return false
	}
	w.all.Go(f)
	return true
}

// close has nothing more begin. The first to close it does as well what has to be done
// in the same moment; for all others first is false.
func (w *work) close(as func()) (first bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return false
	}
	w.closed = true
	as()
	return true
}

// open starts libp2p for its first host.
func (w *line) open(key lcrypto.PrivKey, h *Host) (err error) {
	w.now.Store(h) // before anybody can ask
	door := &gater{
		member:  func(p peer.ID) bool { return w.now.Load().isMember(p) },
		refused: func(p peer.ID, addr string) { w.now.Load().refuseStranger(p, addr) },
	}
	if w.stack, err = newStack(key, door, w.serve); err != nil {
		return err
	}
	h.stack = w.stack
	w.stack.Network().Notify(&network.NotifyBundle{ConnectedF: w.poke, DisconnectedF: w.poke})
	return nil
}

func (w *line) serve(stack host.Host) {
	for _, c := range channels {
		stack.SetStreamHandler(w.tune.protocol(c.String()), func(s network.Stream) {
			w.hand(s, func(l *link) {
				defer context.AfterFunc(l.life, func() { s.Reset() })()
				defer s.Reset()
				l.receive(c, s)
			})
		})
	}
	stack.SetStreamHandler(w.tune.protocol("pulse"), func(s network.Stream) {
		if !w.work.begin(func() { w.meet(s) }) {
			s.Reset()
		}
	})
}

// hand has the host of now do something with a stream, as part of its work.
func (w *line) hand(s network.Stream, do func(*link)) {
	for {
		h := w.now.Load()
		l := h.at(s.Conn().RemotePeer())
		switch {
		case l != nil && h.work.begin(func() { do(l) }):
			return
		case l == nil, w.now.Load() == h: // a stranger by now, or the end
			s.Reset()
			return
		}
	}
}

// meet reads the greeting on a new pulse stream. Whoever is host when it is read answers:
// a node that goes on under the next roster in between hangs up on nobody.
func (w *line) meet(s network.Stream) {
	s.SetDeadline(time.Now().Add(w.tune.greet))
	g, err := readGreeting(s)
	if err != nil {
		l := w.now.Load().at(s.Conn().RemotePeer())
		if r := new(brokenRule); l != nil && errors.As(err, &r) {
			l.misbehave(fmt.Errorf("%s: %w", l.member, err))
		}
		s.Reset()
		return
	}
	w.hand(s, func(l *link) {
		defer s.Reset()
		l.answer(s, g)
	})
}

// poke tells a link that a connection has come or gone. One with nobody's node was let
// in for a circle that ended in the same moment.
func (w *line) poke(_ network.Network, c network.Conn) {
	if l := w.now.Load().at(c.RemotePeer()); l != nil {
		l.poke()
		return
	}
	w.work.begin(func() { c.Close() })
}

// close ends all connections, and waits for what belongs to no single host.
func (w *line) close() error {
	w.work.close(func() {})
	err := w.stack.Close()
	w.work.all.Wait()
	if err != nil {
		return fmt.Errorf("close libp2p: %w", err)
	}
	return nil
}

// errNext ends the links of a node that goes on under the next roster, at both ends.
var errNext = errors.New("its node goes on under the next roster")

// Next has the node go on under another roster. The new host takes over the sockets, and
// the connections with those who are in it, too; it greets them anew. Everybody else is
// a stranger from this moment on. To others it looks as if the node had been started anew:
// PeerDown, then PeerUp. What was on its way is gone, or comes late. The host h is closed
// then, which is no end of the new one. When Next fails, nothing has changed.
func (h *Host) Next(with Neighbours) (*Host, error) {
	h.letting.Lock()
	defer h.letting.Unlock()
	next, err := h.line.host(h.self, h.network(), h.key, h.log, with)
	if err != nil {
		return nil, fmt.Errorf("next roster: %w", err)
	}
	if !h.work.close(func() { h.line.now.Store(next) }) {
		next.stop(ErrClosed)
		next.events.close()
		return nil, ErrClosed
	}
	h.stop(errNext)
	h.line.work.begin(h.end)
	next.begin()
	for p := range h.circle.Load().byPeer {
		if !next.isMember(p) {
			h.stack.ConnManager().Unprotect(p, protected)
		}
	}
	for _, c := range h.stack.Network().Conns() {
		if !next.isMember(c.RemotePeer()) {
			h.line.work.begin(func() { c.Close() })
		}
	}
	return next, nil
}
