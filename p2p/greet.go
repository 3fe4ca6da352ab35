package p2p

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rlp"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/protocol"
	ma "github.com/multiformats/go-multiaddr"
	"github.com/multiformats/go-multistream"

	"github.com/millicent-one/signer/council"
)

// greeting opens a pulse stream, in both directions.
type greeting struct {
	Instance [16]byte    // drawn when the node starts
	Roster   common.Hash // the roster in force at the node
}

func (g greeting) write(w io.Writer) error {
	b, err := rlp.EncodeToBytes(g)
	if err != nil {
		return fmt.Errorf("encode greeting: %w", err)
	}
	_, err = w.Write(prefixed(b))
	return err
}

func readGreeting(r io.Reader) (greeting, error) {
	b, err := readPrefixed(r, maxGreeting, nil)
	if err != nil {
		return greeting{}, fmt.Errorf("read greeting: %w", err)
	}
	var g greeting
	if err := rlp.DecodeBytes(b, &g); err != nil {
		return greeting{}, &brokenRule{fmt.Errorf("decode greeting: %w", err)}
	}
	return g, nil
}

// greet opens the pulse stream and checks that the other node speaks our
// protocols and holds our roster. It also measures how long the answer takes.
func (l *link) greet(ctx context.Context) (network.Stream, greeting, time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, l.host.tune.greet)
	defer cancel()
	h := l.host
	s, err := h.stack.NewStream(network.WithNoDial(ctx, "connected"), l.peer, h.protocol("pulse"))
	if err != nil {
		if err = l.misfit(err); errors.As(err, new(*VersionError)) {
			l.linger(ctx)
		}
		l.hangUp(func() { h.stack.Network().ClosePeer(l.peer) })
		return nil, greeting{}, 0, err
	}
	fail := func(err error) (network.Stream, greeting, time.Duration, error) {
		s.Reset()
		l.hangUp(func() { s.Conn().Close() })
		return nil, greeting{}, 0, err
	}
	if l.missing() {
		err := l.refuse(s.Conn(), l.versionError())
		l.linger(ctx)
		return fail(err)
	}
	began := time.Now()
	s.SetDeadline(began.Add(l.host.tune.greet))
	if err := h.greeting().write(s); err != nil {
		return fail(fmt.Errorf("greet %s: %w", l.member, err))
	}
	g, err := readGreeting(s)
	if err != nil {
		if b := new(brokenRule); errors.As(err, &b) {
			l.misbehave(err)
		}
		return fail(fmt.Errorf("greet %s: %w", l.member, err))
	}
	if g.Roster != h.network() {
		return fail(l.refuse(s.Conn(), l.rosterError(g)))
	}
	s.SetDeadline(time.Time{})
	return s, g, time.Since(began), nil
}

func (h *Host) greeting() greeting { return greeting{Instance: h.line.instance, Roster: h.network()} }

// network is what greetings name; it is the same in every circle.
func (h *Host) network() common.Hash { return h.circle.Load().seal.hash }

// linger keeps a connection that is refused for its version open for a moment,
// so that the other node finds out for itself and can name us in turn.
func (l *link) linger(ctx context.Context) {
	t := time.NewTimer(lingerAfter)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

func (l *link) rosterError(g greeting) error {
	return &RosterError{Member: l.member, Ours: l.host.network(), Theirs: g.Roster}
}

// misfit turns libp2p's refusal of a protocol into a *VersionError.
func (l *link) misfit(err error) error {
	if !errors.Is(err, multistream.ErrNotSupported[protocol.ID]{}) {
		return fmt.Errorf("greet %s: %w", l.member, err)
	}
	var c network.Conn
	if cs := l.host.stack.Network().ConnsToPeer(l.peer); len(cs) > 0 {
		c = cs[0]
	}
	return l.refuse(c, l.versionError())
}

// missing reports whether the other node has told its protocols and ours are
// not all among them.
func (l *link) missing() bool {
	known, err := l.host.stack.Peerstore().GetProtocols(l.peer)
	if err != nil || len(known) == 0 {
		return false
	}
	for _, p := range l.host.protocols() {
		if !slices.Contains(known, p) {
			return true
		}
	}
	return false
}

func (l *link) versionError() *VersionError {
	e := &VersionError{Member: l.member}
	for _, p := range l.host.protocols() {
		e.Ours = append(e.Ours, string(p))
	}
	known, _ := l.host.stack.Peerstore().GetProtocols(l.peer)
	e.Theirs = readable(known)
	return e
}

// readable are the protocols of a council among those that another node has named, as
// people may be shown them.
func readable(known []protocol.ID) (out []string) {
	for _, p := range known {
		if strings.HasPrefix(string(p), "/millicent/") && len(p) <= 64 && len(out) < maxTheirs {
			out = append(out, council.Readable(string(p), len(p)))
		}
	}
	slices.Sort(out)
	return out
}

// refuse counts and reports a member whose node does not fit this one.
func (l *link) refuse(c network.Conn, why error) error {
	hint := "agree on one version of the signer; the older node is to be updated"
	if r := new(RosterError); errors.As(why, &r) {
		hint = "compare 'signer roster show' on both nodes; the one that is behind takes the roster in force"
	}
	l.host.refused.Add(1)
	if n := l.no.one(); n > 0 {
		addr := ""
		if c != nil {
			addr = c.RemoteMultiaddr().String()
		}
		l.host.log.Warn("refused a member's node", "member", l.member, "err", why)
		l.host.events.tell(Refused{Member: l.member, Peer: l.peer.String(), Addr: addr, Reason: council.WithHint(why, hint), Count: n})
	}
	return council.WithHint(why, hint)
}

// met is told of every greeting that comes in. A new instance while the old one
// counts as up means that the node was killed and is back, before the beat could
// tell.
func (l *link) met(g greeting, on network.Conn) {
	l.mu.Lock()
	end, stale := l.end, l.end != nil && l.instance != g.Instance
	l.mu.Unlock()
	if !stale {
		return
	}
	end(errRestarted)
	for _, c := range l.host.stack.Network().ConnsToPeer(l.peer) {
		if c.ID() != on.ID() {
			c.Close()
		}
	}
}

// hangUp closes connections, unless this link has ended: then they are another's business.
func (l *link) hangUp(now func()) {
	if l.life.Err() == nil {
		now()
	}
}

// What is said on a pulse stream after the greetings. The other end of a beat returns it,
// or says farewell: its node goes on under the next roster, and wants to be greeted anew
// on the same connection.
const (
	pulseBeat     = 1
	pulseFarewell = 2
)

// beat sends one byte at a time; listen expects them back.
func (l *link) beat(ctx context.Context, s network.Stream) error {
	due := time.Now()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
		if now := time.Now(); now.Sub(due) > heldUp {
			l.mu.Lock()
			l.heldUp = now
			l.mu.Unlock()
		}
		s.SetWriteDeadline(time.Now().Add(l.silence(s)))
		if _, err := s.Write([]byte{pulseBeat}); err != nil {
			return l.lost(s, err)
		}
		due = time.Now().Add(l.host.tune.pulseEvery)
		timer.Reset(l.host.tune.pulseEvery)
	}
}

func (l *link) listen(ctx context.Context, s network.Stream) error {
	var b [1]byte
	for deaf := 0; ctx.Err() == nil; {
		// QUIC, too, needs the longer to recover the longer nothing ran.
		began, wait := time.Now(), l.silence(s)<<deaf
		s.SetReadDeadline(began.Add(wait))
		_, err := io.ReadFull(s, b[:])
		switch {
		case err == nil && b[0] == pulseFarewell:
			if !l.farewells.Allow() {
				return fmt.Errorf("connection to %s ended: it says farewell again and again", l.member)
			}
			return errNext
		case err == nil:
			deaf = 0
		case deaf < maxDeaf && timedOut(err) && l.late(began, began.Add(wait)):
			deaf++
		default:
			return l.lost(s, err)
		}
	}
	return nil
}

// late reports whether this process itself was held up since began: by how late
// it learns that the deadline has passed, or by how late its own beat was. A node
// that was not running has not heard the others, and that says nothing of them.
func (l *link) late(began, deadline time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return time.Since(deadline) > heldUp || l.heldUp.After(began)
}

func timedOut(err error) bool {
	t := interface{ Timeout() bool }(nil)
	return errors.As(err, &t) && t.Timeout()
}

// silence is how long a member may be silent. On TCP the beat looks only for
// frozen hosts and dead lines, and can wait out a machine that is busy; on QUIC
// it looks for dead processes, too. A beat on a long line is as late as the line
// is long.
func (l *link) silence(s network.Stream) time.Duration {
	if _, err := s.Conn().RemoteMultiaddr().ValueForProtocol(ma.P_TCP); err == nil {
		return l.host.tune.pulseLostTCP
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.host.tune.pulseLost + min(2*l.rtt, l.host.tune.greet)
}

func (l *link) lost(s network.Stream, err error) error {
	if timedOut(err) {
		return fmt.Errorf("no sign of life of %s for %s", l.member, l.silence(s))
	}
	return fmt.Errorf("connection to %s ended: %w", l.member, root(err))
}

// answer is the other end of serve, to a greeting that has come: it greets back and
// returns the beat. When its node goes on under the next roster, it says farewell in
// place of the beat, and leaves it to the other end to be done with the stream: a reset
// would look like a connection that broke.
func (l *link) answer(s network.Stream, g greeting) {
	if err := l.host.greeting().write(s); err != nil {
		return
	}
	if g.Roster != l.host.network() {
		l.refuse(s.Conn(), l.rosterError(g)) // the other end may hang up before our own greeting is answered
		s.SetDeadline(time.Now().Add(l.host.tune.greet))
		io.ReadFull(s, make([]byte, 1)) // lets the answer arrive before the stream goes
		return
	}
	l.met(g, s.Conn())
	l.poke()
	var mu sync.Mutex
	var last bool
	say := func(b byte) (err error) {
		mu.Lock()
		defer mu.Unlock()
		if !last {
			last = b == pulseFarewell
			_, err = s.Write([]byte{b})
		}
		return err
	}
	defer context.AfterFunc(l.life, func() {
		if !errors.Is(context.Cause(l.life), errNext) || say(pulseFarewell) != nil {
			s.Reset()
			return
		}
		time.AfterFunc(l.host.tune.greet, func() { s.Reset() })
	})()
	var b [1]byte
	for {
		s.SetDeadline(time.Now().Add(4 * l.host.tune.pulseLostTCP))
		if _, err := io.ReadFull(s, b[:]); err != nil {
			return
		}
		if l.beats.Wait(l.life) != nil {
			io.Copy(io.Discard, s)
			return
		}
		if say(pulseBeat) != nil {
			return
		}
	}
}
