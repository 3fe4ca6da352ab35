package p2p

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/netip"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/connmgr"
	lcrypto "github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/gologshim"
	rcmgr "github.com/libp2p/go-libp2p/p2p/host/resource-manager"
	"github.com/libp2p/go-libp2p/p2p/muxer/yamux"
	lconnmgr "github.com/libp2p/go-libp2p/p2p/net/connmgr"
	"github.com/libp2p/go-libp2p/p2p/net/swarm"
	"github.com/libp2p/go-libp2p/p2p/security/noise"
	quic "github.com/libp2p/go-libp2p/p2p/transport/quic"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"
	srate "github.com/libp2p/go-libp2p/x/rate"
	ma "github.com/multiformats/go-multiaddr"
	"go.uber.org/fx"

	"github.com/millicent-one/signer/council"
)

// newStack assembles libp2p from the parts that a council needs. What is off is
// off for a reason: a council knows its seven addresses, so nothing that finds,
// relays or punches is wanted, and each would be a way in.
//
// Serve sets the stream handlers. It runs before the host starts: what a node
// speaks is told to others from the first connection on, and a list that grows
// later would look like another version.
func newStack(key lcrypto.PrivKey, door connmgr.ConnectionGater, serve func(host.Host)) (host.Host, error) {
	resources, err := newResources()
	if err != nil {
		return nil, err
	}
	keeper, err := lconnmgr.NewConnManager(2*council.MaxMembers, maxConns)
	if err != nil {
		return nil, fmt.Errorf("connection manager: %w", err)
	}
	mux := *yamux.DefaultTransport
	mux.MaxStreamWindowSize = streamWindow
	mux.LogOutput = io.Discard

	h, err := libp2p.New(
		libp2p.Identity(key),
		libp2p.UserAgent("millicent-signer"),
		libp2p.ProtocolVersion("millicent/1"),
		libp2p.NoListenAddrs, // listenOn opens them
		libp2p.Transport(tcp.NewTCPTransport, tcp.DisableReuseport(), tcp.WithConnectionTimeout(dialTimeout)),
		libp2p.Transport(quic.NewTransport),
		libp2p.Security(noise.ID, noise.New),
		libp2p.Muxer(yamux.ID, &mux),
		libp2p.ConnectionGater(door),
		libp2p.ResourceManager(resources),
		libp2p.ConnectionManager(keeper),
		libp2p.WithDialTimeout(dialTimeout),
		libp2p.SwarmOpts(swarm.WithDialRanker(kernelFirst)),
		// One member that is down for a week must not look like a network that
		// swallows UDP.
		libp2p.UDPBlackHoleSuccessCounter(nil),
		libp2p.IPv6BlackHoleSuccessCounter(nil),
		libp2p.DisableRelay(),
		libp2p.Ping(false),
		libp2p.DisableMetrics(),
		libp2p.DisableIdentifyAddressDiscovery(),
		libp2p.ForceReachabilityPublic(), // stops AutoNAT from asking
		libp2p.WithFxOption(fx.Invoke(serve)),
	)
	if err != nil {
		return nil, fmt.Errorf("start libp2p: %w", err)
	}
	return h, nil
}

// listenOn opens every address or none: libp2p itself would be content with one
// of them.
func listenOn(h host.Host, addrs []ma.Multiaddr) error {
	sw, ok := h.Network().(*swarm.Swarm)
	if !ok {
		return errors.New("start libp2p: its network is not a swarm")
	}
	for _, a := range addrs {
		if err := sw.AddListenAddr(a); err != nil {
			return listenError(a, err)
		}
	}
	return nil
}

// listenError says what is wrong with an address in the words of the person who
// wrote it.
func listenError(a ma.Multiaddr, err error) error {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return council.WithHint(fmt.Errorf("listen on %s: the port is in use", a),
			"another program, or a second signer, has it: stop that one, or choose another port under 'listen' in signer.yaml")
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return council.WithHint(fmt.Errorf("listen on %s: this machine does not have the address", a),
			"listen on /ip4/0.0.0.0/… and announce the public address in the member card")
	case errors.Is(err, syscall.EACCES):
		return council.WithHint(fmt.Errorf("listen on %s: permission denied", a), "ports below 1024 belong to root: choose a higher one")
	}
	return council.WithHint(fmt.Errorf("listen on %s: %w", a, err), "check the addresses under 'listen' in signer.yaml")
}

// kernelFirst dials TCP at once and QUIC when that takes long: when a process dies,
// its kernel closes TCP connections at once, while QUIC must wait for silence.
// QUIC is for paths that block TCP.
func kernelFirst(addrs []ma.Multiaddr) []network.AddrDelay {
	var tcps, rest []ma.Multiaddr
	for _, a := range addrs {
		if _, err := a.ValueForProtocol(ma.P_TCP); err == nil {
			tcps = append(tcps, a)
		} else {
			rest = append(rest, a)
		}
	}
	const step = 150 * time.Millisecond
	var out []network.AddrDelay
	for i, a := range slices.Concat(tcps, rest) {
		delay := time.Duration(i) * step
		if i >= len(tcps) && len(tcps) > 0 {
			delay += quicAfter
		}
		out = append(out, network.AddrDelay{Addr: a, Delay: delay})
	}
	return out
}

func newResources() (network.ResourceManager, error) {
	system := rcmgr.ResourceLimits{
		Conns: maxConns, ConnsInbound: maxConns, ConnsOutbound: maxConns,
		Streams: maxStreams, StreamsInbound: maxStreams, StreamsOutbound: maxStreams,
		FD: maxDescriptors, Memory: maxMemory,
	}
	strangers := rcmgr.ResourceLimits{
		Conns: maxStrangers, ConnsInbound: maxStrangers, ConnsOutbound: maxStrangers,
		Streams: maxStreams / 4, StreamsInbound: maxStreams / 4, StreamsOutbound: maxStreams / 4,
		FD: maxStrangers, Memory: maxMemory / 4,
	}
	one := rcmgr.ResourceLimits{
		Conns: maxConnsPerPeer, ConnsInbound: maxConnsPerPeer, ConnsOutbound: maxConnsPerPeer,
		Streams: maxStreamsPerPeer, StreamsInbound: maxStreamsPerPeer, StreamsOutbound: maxStreamsPerPeer,
		FD: maxConnsPerPeer, Memory: maxMemoryPerPeer,
	}
	base := rcmgr.DefaultLimits
	libp2p.SetDefaultServiceLimits(&base)
	limits := rcmgr.PartialLimitConfig{System: system, Transient: strangers, PeerDefault: one}.Build(base.Scale(maxMemory, maxDescriptors))
	perIP := []rcmgr.ConnLimitPerSubnet{{PrefixLength: 32, ConnCount: maxConnsPerIP}}
	perNet := []rcmgr.ConnLimitPerSubnet{{PrefixLength: 56, ConnCount: maxConnsPerIP}, {PrefixLength: 48, ConnCount: 4 * maxConnsPerIP}}
	pace := srate.Limit{RPS: dialsPerSecond, Burst: dialBurst}
	m, err := rcmgr.NewResourceManager(rcmgr.NewFixedLimiter(limits),
		rcmgr.WithMetricsDisabled(),
		rcmgr.WithLimitPerSubnet(perIP, perNet),
		rcmgr.WithNetworkPrefixLimit(
			[]rcmgr.NetworkPrefixLimit{{Network: netip.MustParsePrefix("127.0.0.0/8"), ConnCount: math.MaxInt}},
			[]rcmgr.NetworkPrefixLimit{{Network: netip.MustParsePrefix("::1/128"), ConnCount: math.MaxInt}}),
		rcmgr.WithConnRateLimiters(&srate.Limiter{
			NetworkPrefixLimits: []srate.PrefixLimit{{Prefix: netip.MustParsePrefix("127.0.0.0/8")}, {Prefix: netip.MustParsePrefix("::1/128")}},
			SubnetRateLimiter: srate.SubnetLimiter{
				IPv4SubnetLimits: []srate.SubnetLimit{{PrefixLength: 32, Limit: pace}},
				IPv6SubnetLimits: []srate.SubnetLimit{{PrefixLength: 56, Limit: pace}},
				GracePeriod:      time.Minute,
			},
		}))
	if err != nil {
		return nil, fmt.Errorf("resource manager: %w", err)
	}
	return m, nil
}

var hushed sync.Once

// hush keeps two libraries from writing to standard error past the daemon's
// log. Both settings are global to the process; the first host makes them.
func hush(log *slog.Logger) {
	hushed.Do(func() {
		gologshim.SetDefaultHandler(errorsOnly{log.Handler()})
		const sizes = "QUIC_GO_DISABLE_RECEIVE_BUFFER_WARNING" // frames are small: the kernel's default buffers do
		if _, ok := os.LookupEnv(sizes); !ok {
			os.Setenv(sizes, "true")
		}
	})
}

// errorsOnly passes on a library's errors and nothing below.
type errorsOnly struct{ slog.Handler }

func (h errorsOnly) Enabled(ctx context.Context, l slog.Level) bool {
	return l >= slog.LevelError && h.Handler.Enabled(ctx, l)
}
func (h errorsOnly) WithAttrs(a []slog.Attr) slog.Handler { return errorsOnly{h.Handler.WithAttrs(a)} }
func (h errorsOnly) WithGroup(g string) slog.Handler      { return errorsOnly{h.Handler.WithGroup(g)} }
