package slowlink

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"time"
)

// Config is what a link is made from.
type Config struct {
	Target string        // host:port
	Delay  time.Duration // from one end to the other, in each direction
	Jitter time.Duration // up to so much more, drawn anew each time
}

// Link is a slow way to a target. Its methods may be called from several
// goroutines.
type Link struct {
	cfg  Config
	addr net.Addr
	ctx  context.Context
	stop context.CancelFunc

	mu     sync.Mutex // guards closed, pipes, and additions to work
	closed bool
	pipes  int
	work   sync.WaitGroup
}

func newLink(cfg Config) (*Link, error) {
	if cfg.Delay < 0 || cfg.Jitter < 0 {
		return nil, fmt.Errorf("slow link: delay %s, jitter %s: neither can be negative", cfg.Delay, cfg.Jitter)
	}
	l := &Link{cfg: cfg}
	l.ctx, l.stop = context.WithCancel(context.Background())
	return l, nil
}

// Addr is where to dial.
func (l *Link) Addr() net.Addr { return l.addr }

// Port is the port of Addr.
func (l *Link) Port() int {
	switch a := l.addr.(type) {
	case *net.TCPAddr:
		return a.Port
	case *net.UDPAddr:
		return a.Port
	}
	return 0
}

// Close ends the link and all that goes through it. What is under way is lost.
func (l *Link) Close() error {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	l.stop()
	l.work.Wait()
	return nil
}

// begin runs f as part of the link's work, unless the link is closed.
func (l *Link) begin(f func()) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return false
	}
	l.work.Go(f)
	return true
}

// enter takes one of the places for connections and flows; leave gives it back.
func (l *Link) enter() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || l.pipes >= maxPipes {
		return false
	}
	l.pipes++
	return true
}

func (l *Link) leave() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pipes--
}

// closeAfter closes what would go on waiting when ctx has ended.
func closeAfter(ctx context.Context, all ...io.Closer) {
	<-ctx.Done()
	for _, c := range all {
		c.Close()
	}
}

// due is when something that was sent now arrives.
func (l *Link) due() time.Time {
	d := l.cfg.Delay
	if l.cfg.Jitter > 0 {
		d += rand.N(l.cfg.Jitter)
	}
	return time.Now().Add(d)
}
