package slowlink

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"time"
)

// UDP opens a slow way to a UDP address. Each address that sends to it gets a
// flow: a socket of its own towards the target, so that answers find back.
func UDP(cfg Config) (*Link, error) {
	l, err := newLink(cfg)
	if err != nil {
		return nil, err
	}
	target, err := net.ResolveUDPAddr("udp", cfg.Target)
	if err != nil {
		return nil, fmt.Errorf("slow link: %w", err)
	}
	near, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return nil, fmt.Errorf("slow link: %w", err)
	}
	l.addr = near.LocalAddr()
	l.begin(func() { closeAfter(l.ctx, near) })
	u := &udp{link: l, near: near, target: target, flows: map[netip.AddrPort]*flow{}}
	l.begin(u.serve)
	return l, nil
}

// udp is a link for datagrams.
type udp struct {
	link   *Link
	near   *net.UDPConn
	target *net.UDPAddr
	mu     sync.Mutex
	flows  map[netip.AddrPort]*flow
}

// flow is what one caller sends, and what is answered to it.
type flow struct {
	caller netip.AddrPort
	far    *net.UDPConn
	there  *queue
	back   *queue
}

func (u *udp) serve() {
	b := make([]byte, maxDatagram)
	for {
		n, caller, err := u.near.ReadFromUDPAddrPort(b)
		if err != nil {
			if u.link.ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
				return
			}
			continue // an answer that could not be delivered
		}
		if f := u.flow(caller); f != nil {
			f.there.offer(parcel{bytes: slices.Clone(b[:n]), due: u.link.due()})
		}
	}
}

// flow finds the flow of a caller, or opens one; nil when there are too many.
func (u *udp) flow(caller netip.AddrPort) *flow {
	u.mu.Lock()
	defer u.mu.Unlock()
	if f, ok := u.flows[caller]; ok {
		return f
	}
	if !u.link.enter() {
		return nil
	}
	far, err := net.DialUDP("udp", nil, u.target)
	if err != nil {
		u.link.leave()
		return nil
	}
	f := &flow{caller: caller, far: far, there: newQueue(), back: newQueue()}
	if !u.link.begin(func() { u.run(f) }) {
		far.Close()
		u.link.leave()
		return nil
	}
	u.flows[caller] = f
	return f
}

// run carries a flow until the target has been silent for long.
func (u *udp) run(f *flow) {
	defer u.link.leave()
	ctx, over := context.WithCancel(u.link.ctx)
	var ways sync.WaitGroup
	ways.Go(func() { closeAfter(ctx, f.far) })
	ways.Go(func() { deliver(ctx, f.there, func(b []byte) { f.far.Write(b) }) })
	ways.Go(func() { deliver(ctx, f.back, func(b []byte) { u.near.WriteToUDPAddrPort(b, f.caller) }) })
	f.listen(ctx, u.link)
	u.mu.Lock()
	delete(u.flows, f.caller)
	u.mu.Unlock()
	over()
	ways.Wait()
}

// listen takes the target's answers. That the target does not listen is no end:
// it may begin to.
func (f *flow) listen(ctx context.Context, l *Link) {
	b := make([]byte, maxDatagram)
	for ctx.Err() == nil {
		f.far.SetReadDeadline(time.Now().Add(flowIdle))
		n, err := f.far.Read(b)
		switch {
		case err == nil:
			f.back.offer(parcel{bytes: slices.Clone(b[:n]), due: l.due()})
		case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, net.ErrClosed):
			return
		}
	}
}

func deliver(ctx context.Context, q *queue, send func([]byte)) {
	for {
		p, ok := q.take(ctx)
		if !ok {
			return
		}
		send(p.bytes)
	}
}
