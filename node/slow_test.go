package node_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/millicent-one/signer/api"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/internal/slowlink"
	"github.com/millicent-one/signer/node"
	"github.com/millicent-one/signer/p2p"
)

// far is one way to a member at the other end of the world, and then some.
const far = 300 * time.Millisecond

// distant are the members behind the slow line; two of the four that approve.
var distant = []council.MemberID{"core-2", "community-2"}

// signsAt checks that the council signs over the slow line, with the distant
// members among the signers, and that nobody takes distance for silence.
func (h *house) signsAt(watcher council.MemberID) {
	h.t.Helper()
	for _, m := range h.council.Roster.IDs() {
		h.ready(m)
		h.await(m, "everyone", minute, func(r *room) bool {
			s, err := r.Status(h.t.Context())
			return err == nil && !slices.ContainsFunc(s.Peers, func(p api.Peer) bool { return !p.Online })
		})
	}
	for _, playbook := range []string{"pause", "unpause"} {
		began := time.Now()
		p := h.sign(watcher, playbook)
		h.t.Logf("%s: signed %d ms after the quorum, in a block after %s; %d attempts", playbook, p.Timing.Signed, time.Since(began).Round(time.Millisecond), len(p.Attempts))
		last := p.Attempts[len(p.Attempts)-1]
		for _, m := range distant {
			for _, at := range p.Attempts {
				if slices.Contains(at.Suspects, m) {
					h.t.Errorf("%s: attempt %d suspects %s, which is only far away: %s", playbook, at.Number, m, at.Error)
				}
			}
			if !slices.ContainsFunc(last.Signers, func(s api.Signer) bool { return s.Member == m }) {
				h.t.Errorf("%s did not sign: %+v", m, last.Signers)
			}
		}
		if p.Timing.Signed < 9*far.Milliseconds() {
			h.t.Errorf("%s: signed in %d ms; nine rounds can't be that fast over this line", playbook, p.Timing.Signed)
		}
	}
}

func TestDistantMembersSign(t *testing.T) {
	h := newHouse(t, true)
	for _, m := range distant {
		h.net.Add(p2p.Fault{From: m, Delay: far})
		h.net.Add(p2p.Fault{To: m, Delay: far})
	}
	for _, m := range h.council.Roster.IDs() {
		// This network does not measure itself, as the real one does.
		h.start(m, func(c *node.Config) { c.Timing.Grace = 3 * far })
	}
	h.signsAt("core-1")
}

// The same over real connections: a distant member is reached through a proxy
// that delays, and reaches the others through proxies of its own.
func TestDistantMembersSignOverRealConnections(t *testing.T) {
	for _, kind := range []string{"tcp", "quic"} {
		t.Run(kind, func(t *testing.T) {
			h := newHouse(t, true)
			hosts := h.hosts(kind)
			for _, m := range h.council.Roster.IDs() {
				h.start(m, func(c *node.Config) { c.Transport = hosts[m] })
			}
			h.signsAt("core-1")
		})
	}
}

// hosts are a libp2p host for each member, and the slow links to and from the
// distant ones; the others reach each other over TCP without delay.
func (h *house) hosts(kind string) map[council.MemberID]*p2p.Host {
	h.t.Helper()
	const tcp, quic = "/ip4/127.0.0.1/tcp/%d", "/ip4/127.0.0.1/udp/%d/quic-v1"
	slow, open := tcp, slowlink.TCP
	if kind == "quic" {
		slow, open = quic, slowlink.UDP
	}
	ids := h.council.Roster.IDs()
	all := map[council.MemberID]*p2p.Host{}
	port := map[string]map[council.MemberID]int{"tcp": {}, "udp": {}}
	for _, m := range ids {
		host, err := p2p.NewHost(h.t.Context(), p2p.HostConfig{
			Self: m, Key: h.council.NodeKeys[m], Listen: []string{fmt.Sprintf(tcp, 0), fmt.Sprintf(quic, 0)}, Neighbours: p2p.Neighbours{Roster: h.council.Roster},
		})
		if err != nil {
			h.t.Fatal(err)
		}
		h.t.Cleanup(func() { host.Close() })
		all[m] = host
		for _, a := range host.ListenAddrs() {
			at, part := 0, strings.Split(a, "/") // "", ip4, 127.0.0.1, tcp or udp, port
			if _, err := fmt.Sscan(part[4], &at); err != nil {
				h.t.Fatalf("%s: %v", a, err)
			}
			port[part[3]][m] = at
		}
	}
	for _, m := range ids {
		for _, to := range ids {
			if m == to {
				continue
			}
			addr := fmt.Sprintf(tcp, port["tcp"][to])
			if slices.Contains(distant, m) || slices.Contains(distant, to) {
				link, err := open(slowlink.Config{Target: fmt.Sprintf("127.0.0.1:%d", port[strings.Split(slow, "/")[3]][to]), Delay: far, Jitter: far / 10})
				if err != nil {
					h.t.Fatal(err)
				}
				h.t.Cleanup(func() { link.Close() })
				addr = fmt.Sprintf(slow, link.Port())
			}
			rec, err := p2p.AddressRecord(h.council.NodeKeys[to], []string{addr}, 1)
			if err != nil {
				h.t.Fatal(err)
			}
			if _, err := all[m].Learn(rec); err != nil {
				h.t.Fatal(err)
			}
		}
	}
	return all
}
