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
			undisturbed(t, func() error { return overASlowLine(t, x.listen, x.open, delay) })
		})
	}
}

// overASlowLine fails with what may also happen to hosts that stand still meanwhile.
func overASlowLine(t *testing.T, listen string, open func(slowlink.Config) (*slowlink.Link, error), delay time.Duration) error {
	t.Helper()
	w := newHosts(t)
	w.listen[alice], w.listen[bob] = []string{fmt.Sprintf(listen, 0)}, []string{fmt.Sprintf(listen, 0)}
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
	link, err := open(slowlink.Config{Target: "127.0.0.1:" + strings.Split(b.ListenAddrs()[0], "/")[4], Delay: delay})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { link.Close() })
	a := start(alice, map[council.MemberID][]string{bob: {fmt.Sprintf(listen, link.Port())}})
	for _, h := range []*Host{a, b} {
		e := await(t, string(h.Self())+" sees the other", h.Events(), func(e Event) bool { _, ok := e.(PeerUp); return ok })
		if rtt := e.(PeerUp).RTT; rtt < 2*delay {
			t.Errorf("%s measures %s there and back", h.Self(), rtt)
		}
	}
	across := func(from, to *Host, number uint8) error {
		began := time.Now()
		if err := from.Send(context.Background(), to.Self(), Frame{Channel: Record, Type: number}); err != nil {
			return err
		}
		select {
		case f := <-to.Frames():
			if f.Type != number || time.Since(began) < delay {
				t.Errorf("frame %d arrived after %s", f.Type, time.Since(began))
			}
			return nil
		case e := <-a.Events():
			return fmt.Errorf("alice is told %+v", e)
		case <-time.After(patience):
			return fmt.Errorf("waited %s for frame %d of %s in vain", patience, number, from.Self())
		}
	}
	for i := range uint8(4) { // for longer than the beat would wait for an answer
		if err := across(a, b, i+1); err != nil {
			return err
		}
		if err := across(b, a, i+1); err != nil {
			return err
		}
	}
	select {
	case e := <-a.Events():
		return fmt.Errorf("alice is told %+v", e)
	default:
		return nil
	}
}
