package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"

	"github.com/millicent-one/signer/api"
	"github.com/millicent-one/signer/chain"
	"github.com/millicent-one/signer/configs"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/journal"
	"github.com/millicent-one/signer/p2p"
)

// house is what a running daemon holds open: it is opened in this order and
// closed in the other.
type house struct {
	*parts
	socket  net.Listener // before all else that others could see: one daemon, one socket
	journal *journal.Journal
	chains  []*chain.Client
	host    *p2p.Host // last: from here on the others see this node
}

// open opens everything. On an error nothing stays open but the parts.
func open(ctx context.Context, p *parts, log *slog.Logger) (h *house, err error) {
	h = &house{parts: p}
	defer func() {
		if err != nil {
			err = errors.Join(err, h.close())
			h = nil
		}
	}()
	c := p.config
	self, roster := council.MemberID(c.Member), p.roster.Roster
	if h.socket, err = api.Listen(c.Socket); err != nil {
		return h, err
	}
	if h.journal, err = journal.Open(c.JournalFile(), journal.Options{Self: self, Key: p.key, Roster: roster}); err != nil {
		return h, err
	}
	for _, x := range c.Chains {
		if err := h.dial(ctx, x); err != nil {
			return h, err
		}
	}
	peers := map[council.MemberID][]string{}
	for _, x := range c.Peers {
		peers[council.MemberID(x.Member)] = x.Addrs
	}
	h.host, err = p2p.NewHost(ctx, p2p.HostConfig{Self: self, Roster: roster, Key: p.key, Listen: c.Listen, Peers: peers, Records: p.roster.Addresses, Log: log})
	return h, err
}

// dial reaches a chain. One that doesn't answer is no reason to stay away, since
// it may be back before it is needed; one that is another chain is a mistake in
// signer.yaml.
func (h *house) dial(ctx context.Context, x configs.Chain) error {
	cfg := chain.Config{Chain: x.ID, PollInterval: x.Poll, MaxLag: x.MaxLag, FinalityDepth: x.Confirmations, DepthOnly: x.Confirmations > 0}
	for _, u := range x.RPCs {
		cfg.RPCs = append(cfg.RPCs, u.Reveal())
	}
	client, err := chain.New(cfg)
	if err != nil {
		return err
	}
	h.chains = append(h.chains, client)
	err = client.Check(ctx)
	var wrong *chain.WrongChainError
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &wrong):
		return council.WithHint(err, hintOr(err, fmt.Sprintf("correct the RPCs of chain %d in signer.yaml", x.ID)))
	case err != nil:
		h.warnings = append(h.warnings, err.Error())
	}
	return nil
}

// close ends what open began.
func (h *house) close() error {
	var errs []error
	if h.host != nil {
		errs = append(errs, h.host.Close())
	}
	for _, c := range h.chains {
		c.Close()
	}
	if h.journal != nil {
		errs = append(errs, h.journal.Close())
	}
	if h.socket != nil {
		if err := h.socket.Close(); !errors.Is(err, net.ErrClosed) { // the API may have closed it
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
