package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/network"

	"github.com/millicent-one/signer/internal/testcouncil"
	"github.com/millicent-one/signer/p2p"
)

func TestStranger(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	c := testcouncil.New(t)
	me := c.Roster.Members[0]
	port, err := freePort()
	if err != nil {
		t.Fatal(err)
	}
	m := &member{id: me.ID, port: port}
	h, err := p2p.NewHost(ctx, p2p.HostConfig{
		Self: me.ID, Key: c.NodeKeys[me.ID], Listen: []string{m.address("tcp"), m.address("quic")}, Log: slog.New(slog.DiscardHandler), Neighbours: p2p.Neighbours{Roster: c.Roster},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	for _, how := range []string{"tcp", "quic"} {
		s, err := newStranger(me.Peer, m.address(how))
		if err != nil {
			t.Fatal(err)
		}
		if err := s.dial(ctx); err == nil || errors.Is(err, errLetIn) {
			t.Errorf("over %s: %v", how, err)
		}
	}

	// A door without a guard: the stranger must notice that it was let in.
	open, err := libp2p.New(libp2p.ListenAddrStrings("/ip4/127.0.0.1/tcp/0"), libp2p.DisableRelay(), libp2p.DisableMetrics())
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	open.SetStreamHandler("/millicent/session/1", func(s network.Stream) {
		defer s.Close()
		io.CopyN(s, s, 4)
	})
	s, err := newStranger(open.ID().String(), open.Addrs()[0].String())
	if err != nil {
		t.Fatal(err)
	}
	if err := s.dial(ctx); !errors.Is(err, errLetIn) {
		t.Errorf("served by an open node: %v", err)
	}
	if _, err := newStranger("nobody", m.address("tcp")); err == nil || !strings.Contains(err.Error(), "address of the node") {
		t.Errorf("got %v", err)
	}
}
