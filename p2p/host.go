package p2p

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	ma "github.com/multiformats/go-multiaddr"

	"github.com/millicent-one/signer/council"
)

// HostConfig is what a Host is made from.
type HostConfig struct {
	Self council.MemberID
	// Network is what frames and greetings are bound to: the hash of the council's
	// first roster. Zero stands for that of Roster.
	Network common.Hash
	Key     council.NodePrivate
	Listen  []string     // multiaddresses, TCP or QUIC; port 0 takes a free one
	Log     *slog.Logger // nil: silent
	Neighbours
}

// Neighbours are who a host keeps reached, and where they are.
type Neighbours struct {
	Roster council.Roster
	// Guests get a connection as members do: who is to join while a rotation of
	// shares is under way, and who has left, until it has heard of it. See Admit.
	Guests  []Guest
	Peers   map[council.MemberID][]string // local addresses of members; they win over records
	Records [][]byte                      // signed address records; the highest sequence number of each member wins
}

// Host is a Transport over libp2p, under one roster.
type Host struct {
	self    council.MemberID
	door    door // without its guests, who come and go
	key     council.NodePrivate
	log     *slog.Logger
	line    *line
	stack   host.Host // of the line
	book    *book
	tune    tuning
	letting sync.Mutex // one at a time changes who is let in
	circle  atomic.Pointer[circle]
	frames  chan Frame
	events  *eventQueue
	strange *reports

	ctx  context.Context
	stop context.CancelCauseFunc
	work work
	over chan struct{}

	framesOut, framesIn, bytesOut, bytesIn, refused, misbehaved atomic.Uint64
}

var _ Transport = (*Host)(nil)

// tuning is what tests turn.
type tuning struct {
	version      int
	pulseEvery   time.Duration
	pulseLost    time.Duration
	pulseLostTCP time.Duration
	frameRate    float64
	greet        time.Duration // for the greeting on a new connection
	replaceAfter time.Duration // see lane.enter
}

var defaults = tuning{version: 1, pulseEvery: pulseEvery, pulseLost: pulseLost, pulseLostTCP: pulseLostTCP, frameRate: frameRate, greet: greetTimeout, replaceAfter: replaceAfter}

func (t tuning) protocol(name string) protocol.ID {
	return protocol.ID(fmt.Sprintf("/millicent/%s/%d", name, t.version))
}

// NewHost starts the node's network and from then on keeps every member of the
// roster reached. It runs until Close, or until ctx ends; so does each host that comes
// of it by Next.
func NewHost(ctx context.Context, cfg HostConfig) (*Host, error) {
	return newHost(ctx, cfg, defaults)
}

func newHost(ctx context.Context, cfg HostConfig, tune tuning) (_ *Host, err error) {
	log := cfg.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	hush(log)
	w := &line{ctx: ctx, tune: tune}
	rand.Read(w.instance[:])
	h, err := w.host(cfg.Self, cfg.Network, cfg.Key, log, cfg.Neighbours)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			h.stop(err)
			h.events.close()
		}
	}()
	key, id, err := identity(cfg.Key)
	if err != nil {
		return nil, err
	}
	var listen []ma.Multiaddr
	for _, a := range cfg.Listen {
		m, err := address(a, id)
		if err != nil {
			return nil, fmt.Errorf("listen: %w", err)
		}
		listen = append(listen, m)
	}
	if err := w.open(key, h); err != nil {
		return nil, err
	}
	if err := listenOn(w.stack, listen); err != nil {
		return nil, errors.Join(err, h.Close())
	}
	h.begin()
	return h, nil
}

// host makes a host that does not have the line yet.
func (w *line) host(self council.MemberID, network common.Hash, key council.NodePrivate, log *slog.Logger, with Neighbours) (*Host, error) {
	h := &Host{
		self: self, door: door{roster: with.Roster, network: network}, key: key, log: log,
		line: w, stack: w.stack, book: newBook(), tune: w.tune,
		frames: make(chan Frame, inboxFrames), strange: newReports(10), over: make(chan struct{}),
	}
	h.ctx, h.stop = context.WithCancelCause(w.ctx)
	first, err := h.widen(&circle{}, with.Guests)
	if err == nil {
		err = h.book.fill(first.seal.roster, with)
	}
	if err != nil {
		h.stop(err)
		return nil, err
	}
	h.circle.Store(first)
	h.events = newEventQueue()
	return h, nil
}

// begin has all links work.
func (h *Host) begin() {
	for _, l := range h.circle.Load().links {
		h.keep(l)
	}
	context.AfterFunc(h.ctx, func() { h.Close() })
}

func (h *Host) protocol(name string) protocol.ID { return h.tune.protocol(name) }

// protocols are all that another node must speak.
func (h *Host) protocols() []protocol.ID {
	return []protocol.ID{h.protocol("pulse"), h.protocol("session"), h.protocol("record"), h.protocol("sync")}
}

func (h *Host) isMember(p peer.ID) bool { return h.at(p) != nil }

func (h *Host) refuseStranger(p peer.ID, addr string) {
	h.refused.Add(1)
	if n := h.strange.one(); n > 0 {
		why := &StrangerError{Peer: p.String(), Version: h.door.roster.Version}
		h.log.Warn("refused a peer that is not in the roster", "peer", p.String(), "addr", addr, "count", n)
		h.events.tell(Refused{Peer: p.String(), Addr: addr, Reason: why, Count: n})
	}
}

// Self implements Transport.
func (h *Host) Self() council.MemberID { return h.self }

// Frames implements Transport.
func (h *Host) Frames() <-chan Frame { return h.frames }

// Events implements Transport.
func (h *Host) Events() <-chan Event { return h.events.out }

// Send implements Transport.
func (h *Host) Send(ctx context.Context, to council.MemberID, f Frame) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if h.ctx.Err() != nil {
		return ErrClosed
	}
	c := h.circle.Load()
	b, err := c.seal.pack(to, f)
	if err != nil {
		return fmt.Errorf("send: %w", err)
	}
	return sendError(to, c.links[to].boxes[f.Channel-1].put(parcel{bytes: prefixed(b)}))
}

// sendError names the member and the next step.
func sendError(to council.MemberID, err error) error {
	switch {
	case errors.Is(err, ErrOffline):
		return council.WithHint(fmt.Errorf("send to %s: %w", to, err), fmt.Sprintf("see whether the node of %s runs and its address is right", to))
	case errors.Is(err, ErrQueueFull):
		return council.WithHint(fmt.Errorf("send to %s: %w", to, err), fmt.Sprintf("the node of %s reads slowly or its line is slow; send again later", to))
	}
	return err
}

// Online implements Transport.
func (h *Host) Online() []council.MemberID {
	var ids []council.MemberID
	for id, l := range h.circle.Load().links {
		if l.state().Online {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// Peer is what a host knows of one member's node.
type Peer struct {
	Member council.MemberID
	Online bool
	Addr   string    // at the other end, when online
	Since  time.Time // of the present state
	Err    error     // the last trouble while offline; nil when online
}

// Peers lists all other members in roster order, with why the missing ones
// can't be reached.
func (h *Host) Peers() []Peer {
	var out []Peer
	c := h.circle.Load()
	for _, id := range c.seal.roster.IDs() {
		if l := c.links[id]; l != nil {
			out = append(out, l.state())
		}
	}
	return out
}

// ListenAddrs are the multiaddresses that this node listens on, ports resolved,
// and 0.0.0.0 resolved to the machine's interfaces.
func (h *Host) ListenAddrs() []string {
	addrs, err := h.stack.Network().InterfaceListenAddresses()
	if err != nil {
		addrs = h.stack.Network().ListenAddresses()
	}
	out := make([]string, len(addrs))
	for i, a := range addrs {
		out[i] = a.String()
	}
	return out
}

// Learn takes a signed address record of a member, as it arrives from others.
// News is false for one that is not newer than what is known; the member is
// dialed at its new address at once.
func (h *Host) Learn(envelope []byte) (news bool, err error) {
	c := h.circle.Load()
	who, news, err := h.book.learn(c.seal.roster, envelope)
	if l := c.links[who]; news && l != nil {
		l.hurry()
	}
	return news, err
}

// Stats counts frames, bytes and incidents since the start.
func (h *Host) Stats() Stats {
	return Stats{
		FramesOut: h.framesOut.Load(), FramesIn: h.framesIn.Load(),
		BytesOut: h.bytesOut.Load(), BytesIn: h.bytesIn.Load(),
		Refused: h.refused.Load(), Misbehaved: h.misbehaved.Load(),
	}
}

// Close implements Transport. Frames still queued are dropped. The connections end, too,
// unless another host has them by Next.
func (h *Host) Close() error {
	if !h.work.close(func() {}) {
		<-h.over
		return nil
	}
	h.stop(ErrClosed)
	err := h.line.close()
	h.end()
	return err
}

// end waits for the last of the host's work.
func (h *Host) end() {
	h.work.all.Wait()
	h.events.close()
	close(h.frames)
	close(h.over)
}
