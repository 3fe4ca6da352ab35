package p2p

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/internal/slowlink"
)

// Over a line of 300 ms in each direction two hosts find each other, measure the
// line, and lose nothing; the beat does not take it for a dead one.
func TestHostsOverASlowLine(t *testing.T) {
	const delay = 300 * time.Millisecond
	for kind, x := range map[string]struct {
		listen string
		open   func(slowlink.Config) (*slowlink.Link, error)
	}{
		"tcp":  {"/ip4/127.0.0.1/tcp/%d", slowlink.TCP},
		"quic": {"/ip4/127.0.0.1/udp/%d/quic-v1", slowlink.UDP},
	} {
		t.Run(kind, func(t *testing.T) {
			w := newHosts(t)
			w.listen[alice], w.listen[bob] = []string{fmt.Sprintf(x.listen, 0)}, []string{fmt.Sprintf(x.listen, 0)}
			start := func(who council.MemberID, peers map[council.MemberID][]string) *Host {
				cfg := w.config(who)
				cfg.Peers = peers
				h, err := newHost(context.Background(), cfg, w.tune)
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { h.Close() })
				return h
			}
			b := start(bob, nil) // does not know where alice is, so all goes through the link
			link, err := x.open(slowlink.Config{Target: "127.0.0.1:" + strings.Split(b.ListenAddrs()[0], "/")[4], Delay: delay})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { link.Close() })
			a := start(alice, map[council.MemberID][]string{bob: {fmt.Sprintf(x.listen, link.Port())}})
			for _, h := range []*Host{a, b} {
				e := await(t, string(h.Self())+" sees the other", h.Events(), func(e Event) bool { _, ok := e.(PeerUp); return ok })
				if rtt := e.(PeerUp).RTT; rtt < 2*delay {
					t.Errorf("%s measures %s there and back", h.Self(), rtt)
				}
			}
			for i := range 4 { // for longer than the beat would wait for an answer
				began := time.Now()
				send(t, a, bob, Frame{Channel: Record, Type: uint8(i + 1)})
				if f := nextFrame(t, b); f.Type != uint8(i+1) || time.Since(began) < delay {
					t.Errorf("frame %d arrived after %s", f.Type, time.Since(began))
				}
				send(t, b, alice, Frame{Channel: Record, Type: uint8(i + 1)})
				nextFrame(t, a)
			}
			select {
			case e := <-a.Events():
				t.Errorf("alice is told %+v", e)
			default:
			}
		})
	}
}
