package slowlink

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"time"
)

// TCP opens a slow way to a TCP address.
func TCP(cfg Config) (*Link, error) {
	l, err := newLink(cfg)
	if err != nil {
		return nil, err
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("slow link: %w", err)
	}
	l.addr = ln.Addr()
	l.begin(func() { closeAfter(l.ctx, ln) })
	l.begin(func() { l.accept(ln) })
	return l, nil
}

func (l *Link) accept(ln net.Listener) {
	for {
		c, err := ln.Accept()
		if err != nil {
			if l.ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
				return
			}
			continue // the caller went away before it was taken
		}
		if !l.enter() {
			c.Close()
			continue
		}
		if !l.begin(func() {
			defer l.leave()
			l.connect(c.(*net.TCPConn))
		}) {
			l.leave()
			c.Close()
		}
	}
}

// connect carries one connection until both directions have ended or one broke.
func (l *Link) connect(near *net.TCPConn) {
	d := net.Dialer{Timeout: dialTimeout}
	c, err := d.DialContext(l.ctx, "tcp", l.cfg.Target)
	if err != nil {
		near.SetLinger(0) // the caller sees a refusal, not an empty answer
		near.Close()
		return
	}
	far := c.(*net.TCPConn)
	ctx, broken := context.WithCancel(l.ctx)
	var both, closer sync.WaitGroup
	closer.Go(func() { closeAfter(ctx, near, far) })
	both.Go(func() { l.carry(ctx, broken, far, near) })
	both.Go(func() { l.carry(ctx, broken, near, far) })
	both.Wait()
	broken()
	closer.Wait()
}

// carry is one direction of a connection.
func (l *Link) carry(ctx context.Context, broken func(), to, from *net.TCPConn) {
	q := newQueue()
	var reader sync.WaitGroup
	reader.Go(func() { l.read(ctx, broken, q, from) })
	defer reader.Wait()
	for {
		p, ok := q.take(ctx)
		switch {
		case !ok:
			return
		case p.end:
			to.CloseWrite()
			return
		}
		if _, err := to.Write(p.bytes); err != nil {
			broken()
			return
		}
	}
}

// read puts what comes under way, in order: nothing is due before what came
// before it.
func (l *Link) read(ctx context.Context, broken func(), q *queue, from *net.TCPConn) {
	b := make([]byte, chunk)
	var last time.Time
	for {
		n, err := from.Read(b)
		due := l.due()
		if due.Before(last) {
			due = last
		}
		last = due
		if n > 0 && !q.put(ctx, parcel{bytes: slices.Clone(b[:n]), due: due}) {
			return
		}
		switch {
		case errors.Is(err, io.EOF):
			q.put(ctx, parcel{end: true, due: due})
			return
		case err != nil:
			broken()
			return
		}
	}
}
