package p2p

import (
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/control"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
	"golang.org/x/time/rate"
)

// gater is the door: libp2p asks it before every dial and right after every
// handshake, when the other end has proven its key and nothing else has been
// said. Only nodes of the roster pass, in both directions.
type gater struct {
	member  func(peer.ID) bool
	refused func(p peer.ID, addr string)
}

func (g *gater) InterceptPeerDial(p peer.ID) bool                 { return g.member(p) }
func (g *gater) InterceptAddrDial(p peer.ID, _ ma.Multiaddr) bool { return g.member(p) }

// InterceptAccept lets everyone come as far as the handshake: before it there
// is only an address. The resource manager bounds how many do.
func (g *gater) InterceptAccept(network.ConnMultiaddrs) bool { return true }

func (g *gater) InterceptSecured(_ network.Direction, p peer.ID, a network.ConnMultiaddrs) bool {
	if g.member(p) {
		return true
	}
	g.refused(p, a.RemoteMultiaddr().String())
	return false
}

func (g *gater) InterceptUpgraded(c network.Conn) (bool, control.DisconnectReason) {
	return g.member(c.RemotePeer()), 0
}

// reports bounds how often the same trouble is told, and counts what was not.
type reports struct {
	mu     sync.Mutex
	limit  *rate.Limiter
	untold uint64
}

func newReports(burst int) *reports {
	return &reports{limit: rate.NewLimiter(rate.Every(reportEvery/time.Duration(burst)), burst)}
}

// one counts an incident; it returns how many to report now, or 0.
func (r *reports) one() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.untold++
	if !r.limit.Allow() {
		return 0
	}
	n := r.untold
	r.untold = 0
	return n
}
