package p2p

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/net/swarm"
	"golang.org/x/time/rate"

	"github.com/millicent-one/signer/council"
)

// link keeps one member reached. Its goroutine (run) dials until there is a
// connection, greets, and serves until that ends; then again.
type link struct {
	host   *Host
	member council.MemberID
	peer   peer.ID
	boxes  [len(channels)]*outbox
	lanes  [len(channels)]*lane
	wake   chan struct{} // a connection came or went
	haste  chan struct{} // dial now
	beats  *rate.Limiter
	frames *rate.Limiter
	bytes  *rate.Limiter
	bad    *reports
	no     *reports

	farewells *rate.Limiter

	life    context.Context // of the link: the host's, or until it is dismissed
	dismiss context.CancelCauseFunc

	mu       sync.Mutex
	seen     Peer
	instance [16]byte                // of the node greeted
	end      context.CancelCauseFunc // ends the present serving
	settled  chan struct{}           // closed while the member is up
	heldUp   time.Time               // when this process last found itself late
	rtt      time.Duration           // of the last greeting and its answer
}

func newLink(h *Host, m council.Member, p peer.ID) *link {
	l := &link{
		host: h, member: m.ID, peer: p,
		wake: make(chan struct{}, 1), haste: make(chan struct{}, 1),
		beats:     rate.NewLimiter(20, 40),
		frames:    rate.NewLimiter(rate.Limit(h.tune.frameRate), frameBurst),
		bytes:     rate.NewLimiter(byteRate, byteBurst),
		bad:       newReports(5),
		farewells: rate.NewLimiter(farewellRate, farewellBurst),
		no:        newReports(1),
		settled:   make(chan struct{}),
		seen:      Peer{Member: m.ID, Since: time.Now()},
	}
	l.life, l.dismiss = context.WithCancelCause(h.ctx)
	for i := range l.boxes {
		l.boxes[i] = newOutbox()
		l.lanes[i] = newLane(h.tune.replaceAfter)
	}
	return l
}

func (l *link) poke()  { ring(l.wake) }
func (l *link) hurry() { ring(l.haste) }

func ring(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

func (l *link) state() Peer {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.seen
}

func (l *link) run(ctx context.Context) {
	for attempt := 0; ctx.Err() == nil; {
		n, ok := l.reach(ctx, attempt)
		if !ok {
			return
		}
		began := time.Now()
		err := l.serve(ctx)
		if ctx.Err() != nil {
			return
		}
		l.note(err)
		if attempt = n + 1; time.Since(began) > steadyAfter {
			attempt = 0
		}
	}
}

// reach waits until there is a connection, whoever made it, and dials in
// between. It returns the number of attempts that have failed in a row.
func (l *link) reach(ctx context.Context, attempt int) (int, bool) {
	timer := time.NewTimer(l.pause(attempt))
	defer timer.Stop()
	for !l.connected() {
		select {
		case <-ctx.Done():
			return 0, false
		case <-l.wake:
			continue
		case <-l.haste:
		case <-timer.C:
		}
		if err := l.dial(ctx); err != nil {
			l.note(err)
			attempt++
		}
		timer.Reset(l.pause(attempt))
	}
	return attempt, true
}

func (l *link) connected() bool {
	return l.host.stack.Network().Connectedness(l.peer) == network.Connected
}

// pause is the time before an attempt: none to speak of before the first, then
// growing. The member with the lower id goes first and the other gives it a
// start, so that two nodes rarely dial each other in the same moment; when they
// do, both connections stay and either serves.
func (l *link) pause(attempt int) time.Duration {
	if attempt == 0 {
		start := time.Duration(0)
		if l.host.self > l.member {
			start = redialFirst
		}
		return start + rand.N(redialFirst/4)
	}
	d := float64(redialFirst) * math.Pow(redialGrowth, float64(min(attempt-1, 20)))
	d = min(d, float64(redialMax))
	return time.Duration(d * (0.5 + rand.Float64()))
}

func (l *link) dial(ctx context.Context) error {
	addrs := l.host.book.find(l.member)
	if len(addrs) == 0 {
		return council.WithHint(fmt.Errorf("no address of %s is known", l.member), "add it under 'peers' in signer.yaml, or wait for the member to call")
	}
	ctx, cancel := context.WithTimeout(ctx, 2*dialTimeout)
	defer cancel()
	// The backoff is ours alone: libp2p's own would hold up a prompt redial.
	ctx = network.WithForceDirectDial(ctx, "redial")
	l.host.stack.Peerstore().ClearAddrs(l.peer)
	err := l.host.stack.Connect(ctx, peer.AddrInfo{ID: l.peer, Addrs: addrs})
	if err == nil {
		return nil
	}
	return council.WithHint(fmt.Errorf("dial %s: %w", l.member, shortDial(err)), fmt.Sprintf("see whether the node of %s runs and its address is right", l.member))
}

// shortDial turns libp2p's report of many lines into one.
func shortDial(err error) error {
	var d *swarm.DialError
	if !errors.As(err, &d) || len(d.DialErrors) == 0 {
		return err
	}
	var parts []string
	for _, e := range d.DialErrors {
		parts = append(parts, fmt.Sprintf("%s: %v", e.Address, root(e.Cause)))
	}
	slices.Sort(parts)
	return errors.New(strings.Join(parts, "; "))
}

// root is the innermost cause, without the layers that libp2p wraps around it.
func root(err error) error {
	for errors.Unwrap(err) != nil {
		err = errors.Unwrap(err)
	}
	return err
}

// note keeps why the member can't be reached.
func (l *link) note(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.seen.Online {
		l.seen.Err = err
	}
}

var errRestarted = errors.New("its node was started anew")

// serve greets on the present connection, and if that goes well the member is
// up until the connection, the beat or a stream fails.
func (l *link) serve(ctx context.Context) error {
	pulse, theirs, rtt, err := l.greet(ctx)
	if err != nil {
		return err
	}
	defer pulse.Reset()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	defer context.AfterFunc(ctx, func() { pulse.Reset() })()
	l.up(pulse.Conn(), theirs, rtt, end)

	var all sync.WaitGroup
	all.Go(func() { end(l.beat(ctx, pulse)) })
	all.Go(func() { end(l.listen(ctx, pulse)) })
	for i, c := range channels {
		all.Go(func() { end(l.write(ctx, c, l.boxes[i])) })
	}
	all.Wait()
	err = context.Cause(ctx)
	l.down(err)
	if !errors.Is(err, errRestarted) && !errors.Is(err, errNext) {
		l.hangUp(func() { pulse.Conn().Close() }) // whatever broke, broke on it; another one may be there
	}
	return err
}

func (l *link) up(c network.Conn, g greeting, rtt time.Duration, end context.CancelCauseFunc) {
	for _, b := range l.boxes {
		b.set(true)
	}
	l.mu.Lock()
	l.instance, l.end, l.rtt = g.Instance, end, rtt
	l.seen = Peer{Member: l.member, Online: true, Addr: c.RemoteMultiaddr().String(), Since: time.Now()}
	close(l.settled)
	l.mu.Unlock()
	l.host.log.Info("member is up", "member", l.member, "addr", c.RemoteMultiaddr().String())
	l.host.events.tell(PeerUp{Member: l.member, RTT: rtt})
}

func (l *link) down(err error) {
	for _, b := range l.boxes {
		b.set(false)
	}
	l.mu.Lock()
	l.end = nil
	l.seen = Peer{Member: l.member, Since: time.Now(), Err: err}
	l.settled = make(chan struct{})
	l.mu.Unlock()
	if l.host.ctx.Err() != nil {
		return
	}
	l.host.log.Info("member is down", "member", l.member, "err", err)
	l.host.events.tell(PeerDown{Member: l.member, Err: err})
}

// write sends what is in the box. A stream that the other end closed is opened
// again once for each frame; a connection on which none can be opened is given
// up.
func (l *link) write(ctx context.Context, c Channel, box *outbox) error {
	var s network.Stream
	drop := func() {
		if s != nil {
			s.Reset()
			s = nil
		}
	}
	defer drop()
	for {
		p, ok := box.take(ctx)
		if !ok {
			return nil
		}
		for try := 0; ; try++ {
			var err error
			if s == nil {
				if s, err = l.open(ctx, c); err != nil {
					return err
				}
			}
			if err = l.put(ctx, s, p.bytes); err == nil {
				break
			}
			drop()
			if try > 0 || ctx.Err() != nil {
				return fmt.Errorf("send to %s on %s: %w", l.member, c, err)
			}
		}
		l.host.framesOut.Add(1)
		l.host.bytesOut.Add(uint64(len(p.bytes)))
	}
}

func (l *link) open(ctx context.Context, c Channel) (network.Stream, error) {
	ctx, cancel := context.WithTimeout(ctx, l.host.tune.greet)
	defer cancel()
	s, err := l.host.stack.NewStream(network.WithNoDial(ctx, "connected"), l.peer, l.host.protocol(c.String()))
	if err != nil {
		return nil, fmt.Errorf("open %s to %s: %w", c, l.member, err)
	}
	return s, nil
}

// put writes until the other end has taken all, however slow it is: liveness is
// the pulse's business.
func (l *link) put(ctx context.Context, s network.Stream, b []byte) error {
	defer context.AfterFunc(ctx, func() { s.Reset() })()
	_, err := s.Write(b)
	return err
}
