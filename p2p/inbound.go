package p2p

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"golang.org/x/time/rate"
)

// lane makes the streams of one member on one channel follow each other: a new
// one is read when the old one has ended, so that order survives a reopened
// stream.
type lane struct {
	replaceAfter time.Duration

	turn    chan struct{}
	waiting atomic.Int32
	admit   *rate.Limiter
	mu      sync.Mutex
	current network.Stream
}

func newLane(replaceAfter time.Duration) *lane {
	return &lane{replaceAfter: replaceAfter, turn: make(chan struct{}, 1), admit: rate.NewLimiter(streamRate, streamBurst)}
}

// enter waits for the turn of s; false when it does not come. The stream before
// gets a moment to end by itself, as its last frames may still be in buffers.
func (n *lane) enter(ctx context.Context, s network.Stream) bool {
	if n.waiting.Add(1) > 2 {
		n.waiting.Add(-1)
		return false
	}
	defer n.waiting.Add(-1)
	if n.admit.Wait(ctx) != nil {
		return false
	}
	patience := time.NewTimer(n.replaceAfter)
	defer patience.Stop()
	for {
		select {
		case n.turn <- struct{}{}:
			n.set(s)
			return true
		case <-patience.C:
			n.cut()
		case <-ctx.Done():
			return false
		}
	}
}

func (n *lane) set(s network.Stream) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.current = s
}

func (n *lane) cut() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.current != nil {
		n.current.Reset()
	}
}

func (n *lane) leave() {
	n.set(nil)
	<-n.turn
}

// receive reads the frames of one stream. It holds at most one that nobody has
// taken; the stream's window then fills and the sender waits.
func (l *link) receive(c Channel, s network.Stream) {
	h := l.host
	n := l.lanes[c-1]
	if !n.enter(l.life, s) {
		return
	}
	defer n.leave()
	for first := true; ; first = false {
		b, err := readPrefixed(s, c.Max(), s.SetReadDeadline)
		if err != nil {
			if r := new(brokenRule); errors.As(err, &r) {
				l.misbehave(fmt.Errorf("%s on %s: %w", l.member, c, err))
			}
			return
		}
		if l.frames.Wait(l.life) != nil || l.bytes.WaitN(l.life, len(b)) != nil {
			return
		}
		// Who is let in and what a frame is worth is asked of one circle: a member that
		// has just been dismissed is none of the next, and has done nothing wrong.
		in := h.circle.Load()
		if in.links[l.member] != l {
			return
		}
		f, err := in.seal.open(l.member, c, b)
		if err != nil {
			l.misbehave(fmt.Errorf("%s on %s: %w", l.member, c, err))
			return
		}
		if first {
			l.settle(l.life)
		}
		select {
		case h.frames <- f:
			h.framesIn.Add(1)
			h.bytesIn.Add(uint64(len(b) + 4))
		case <-l.life.Done():
			return
		}
	}
}

// settle waits until this node counts the sender as up, so that an answer to its
// first frame can be sent. The greetings of both directions cross, and one may
// be a little late; a sender that is gone already is not waited for long.
func (l *link) settle(ctx context.Context) {
	l.mu.Lock()
	settled := l.settled
	l.mu.Unlock()
	t := time.NewTimer(settleAfter)
	defer t.Stop()
	select {
	case <-settled:
	case <-t.C:
	case <-ctx.Done():
	}
}

// misbehave counts and reports what no honest node does.
func (l *link) misbehave(err error) {
	l.host.misbehaved.Add(1)
	if n := l.bad.one(); n > 0 {
		l.host.log.Warn("member misbehaved", "member", l.member, "err", err, "count", n)
		l.host.events.tell(Misbehaved{Member: l.member, Err: err, Count: n})
	}
}
