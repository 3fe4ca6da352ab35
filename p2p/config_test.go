package p2p

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"

	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/internal/testcouncil"
)

// freeAddrs finds n TCP addresses on loopback that were free a moment ago.
func freeAddrs(t *testing.T, n int) [][]string {
	t.Helper()
	var out [][]string
	for range n {
		l, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		_, port, err := net.SplitHostPort(l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, []string{"/ip4/127.0.0.1/tcp/" + port})
	}
	return out
}

func TestPortInUse(t *testing.T) {
	w := newHosts(t)
	a := w.start(t, alice)
	for _, addr := range a.ListenAddrs() {
		cfg := w.config(bob)
		cfg.Listen = []string{"/ip4/127.0.0.1/tcp/0", addr}
		h, err := NewHost(context.Background(), cfg)
		if err == nil {
			h.Close()
			t.Fatalf("%s is listened on twice", addr)
		}
		if !strings.Contains(err.Error(), addr+": the port is in use") || !strings.Contains(council.Hint(err), "second signer") {
			t.Errorf("%v (%s)", err, council.Hint(err))
		}
	}
	a.Close()
	noGoroutines(t)
}

func TestBadConfig(t *testing.T) {
	c := testcouncil.New(t)
	base := func() HostConfig {
		return HostConfig{Self: alice, Key: c.NodeKeys[alice], Listen: []string{"/ip4/127.0.0.1/tcp/0"}, Neighbours: Neighbours{Roster: c.Roster}}
	}
	record, err := AddressRecord(testcouncil.NodeKey("mallory"), []string{"/ip4/127.0.0.1/tcp/1"}, 1)
	if err != nil {
		t.Fatal(err)
	}
	for says, change := range map[string]func(*HostConfig){
		"mallory is not in roster":                      func(h *HostConfig) { h.Self = "mallory" },
		"not the one that the roster has for community": func(h *HostConfig) { h.Key = c.NodeKeys[bob] },
		"wrong length":                                  func(h *HostConfig) { h.Key = h.Key[:32] },
		"roster version is 0":                           func(h *HostConfig) { h.Roster = council.Roster{} },
		"addresses of mallory: not in roster":           func(h *HostConfig) { h.Peers = map[council.MemberID][]string{"mallory": {"/ip4/1.2.3.4/tcp/1"}} },
		"addresses of community-2: address \"10.0.0.1:4100\"": func(h *HostConfig) {
			h.Peers = map[council.MemberID][]string{bob: {"10.0.0.1:4100"}}
		},
		"neither TCP nor QUIC": func(h *HostConfig) { h.Listen = []string{"/ip4/127.0.0.1/tcp/0/ws"} },
		"does not have":        func(h *HostConfig) { h.Listen = []string{"/ip4/203.0.113.7/tcp/0"} },
		"address record: peer": func(h *HostConfig) { h.Records = [][]byte{record} },
	} {
		cfg := base()
		change(&cfg)
		h, err := NewHost(context.Background(), cfg)
		if err == nil {
			h.Close()
			t.Errorf("want an error that says %q", says)
			continue
		}
		if !strings.Contains(err.Error(), says) {
			t.Errorf("%v; want %q", err, says)
		}
		if strings.Contains(err.Error(), string(c.NodeKeys[alice][:8])) {
			t.Errorf("the error shows a key")
		}
	}
	noGoroutines(t)
}

func TestContextEndsHost(t *testing.T) {
	w := newHosts(t)
	ctx, cancel := context.WithCancel(context.Background())
	h, err := NewHost(ctx, w.config(alice))
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	for range h.Frames() {
	}
	noGoroutines(t)
}

func TestAddressRecord(t *testing.T) {
	c := testcouncil.New(t)
	m, _ := c.Roster.Member(bob)
	make := func(seq uint64, addrs ...string) []byte {
		b, err := AddressRecord(c.NodeKeys[bob], addrs, seq)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	first := make(5, "/dns4/signer.example.org/tcp/4100", "/ip6/2001:db8::1/udp/4100/quic-v1/p2p/"+m.Peer)
	pr, err := council.OpenAddresses(m, first)
	if err != nil {
		t.Fatal(err)
	}
	if len(pr.Addrs) != 2 || pr.Addrs[1].String() != "/ip6/2001:db8::1/udp/4100/quic-v1" || pr.Seq != 5 {
		t.Fatalf("record: %+v", pr)
	}
	b := newBook()
	at := func() string {
		var s []string
		for _, a := range b.find(bob) {
			s = append(s, a.String())
		}
		return strings.Join(s, " ")
	}
	for _, step := range []struct {
		record []byte
		news   bool
		at     string
	}{
		{first, true, "/dns4/signer.example.org/tcp/4100 /ip6/2001:db8::1/udp/4100/quic-v1"},
		{make(4, "/ip4/1.2.3.4/tcp/1"), false, "/dns4/signer.example.org/tcp/4100 /ip6/2001:db8::1/udp/4100/quic-v1"},
		{make(5, "/ip4/1.2.3.4/tcp/1"), false, "/dns4/signer.example.org/tcp/4100 /ip6/2001:db8::1/udp/4100/quic-v1"},
		{make(6, "/ip4/1.2.3.4/tcp/1"), true, "/ip4/1.2.3.4/tcp/1"},
	} {
		if _, news, err := b.learn(c.Roster, step.record); err != nil || news != step.news || at() != step.at {
			t.Fatalf("news %v, at %s, %v; want %v, %s", news, at(), err, step.news, step.at)
		}
	}
	if err := b.set(m, []string{"/ip4/10.0.0.9/tcp/2"}); err != nil {
		t.Fatal(err)
	}
	if _, _, err := b.learn(c.Roster, make(7, "/ip4/1.2.3.5/tcp/1")); err != nil || at() != "/ip4/10.0.0.9/tcp/2" {
		t.Fatalf("the local address does not win: %s, %v", at(), err)
	}
	forged := append([]byte(nil), first...)
	forged[len(forged)-1] ^= 1
	if _, _, err := b.learn(c.Roster, forged); err == nil {
		t.Error("a forged record is taken")
	}
	stranger, err := AddressRecord(testcouncil.NodeKey("mallory"), []string{"/ip4/1.2.3.4/tcp/1"}, 9)
	if err != nil {
		t.Fatal(err)
	}
	if s := new(StrangerError); func() bool { _, _, err := b.learn(c.Roster, stranger); return !errors.As(err, &s) }() {
		t.Error("a stranger's record is taken")
	}
	for _, addrs := range [][]string{nil, {"nonsense"}, {"/ip4/1.2.3.4"}, {"/ip4/1.2.3.4/udp/1"}, {"/unix/tmp"}, {"/ip4/1.2.3.4/tcp/1/p2p/" + c.Roster.Members[0].Peer}} {
		if _, err := AddressRecord(c.NodeKeys[bob], addrs, 1); err == nil || council.Hint(err) == "" {
			t.Errorf("%v: %v", addrs, err)
		}
	}
}

func TestDialsByName(t *testing.T) {
	w := newHosts(t)
	a := w.start(t, alice)
	_, port, ok := strings.Cut(a.ListenAddrs()[0], "/tcp/")
	if !ok {
		_, port, _ = strings.Cut(a.ListenAddrs()[1], "/tcp/")
	}
	cfg := w.config(bob)
	cfg.Peers = map[council.MemberID][]string{alice: {"/dns4/localhost/tcp/" + port}}
	b, err := NewHost(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	awaitUp(t, b, alice)
}
