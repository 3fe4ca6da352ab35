package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/big"

	"github.com/ethereum/go-ethereum/params"

	"github.com/millicent-one/signer/agenda"
	"github.com/millicent-one/signer/api"
	"github.com/millicent-one/signer/chain"
	"github.com/millicent-one/signer/configs"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/journal"
	"github.com/millicent-one/signer/node"
	"github.com/millicent-one/signer/p2p"
)

// What an emergency transaction is taken to cost at most, when the charter has
// no playbook to say it.
const (
	emergencyGas = 300_000
	emergencyFee = 500 * params.GWei
)

// runDaemon puts the rooms together and runs the node until ctx ends. What is
// opened first is closed last.
func (a *app) runDaemon(ctx context.Context, c *configs.Loaded, log *slog.Logger) (err error) {
	unlocked := lockMemory() // before there is a secret in it
	p, err := a.prepare(c)
	if err != nil {
		return err
	}
	closing := func(what interface{ Close() error }) { err = errors.Join(err, what.Close()) }
	defer closing(p.store)

	// The socket first: a second daemon fails here at the latest, and early.
	socket, err := api.Listen(c.Socket)
	if err != nil {
		return err
	}
	defer socket.Close() // the server has closed it; this is for the ways out before it
	book, err := journal.Open(c.JournalFile(), journal.Options{Self: council.MemberID(c.Member), Key: p.key, Roster: p.roster.Roster})
	if err != nil {
		return err
	}
	defer closing(book)
	chains, warnings, err := dialChains(ctx, c, log)
	for _, ch := range chains {
		defer ch.Close()
	}
	if err != nil {
		return err
	}
	peers := map[council.MemberID][]string{}
	for _, o := range c.Peers {
		peers[council.MemberID(o.Member)] = o.Addrs
	}
	host, err := p2p.NewHost(ctx, p2p.HostConfig{
		Self: council.MemberID(c.Member), Roster: p.roster.Roster, Key: p.key, Listen: c.Listen, Peers: peers, Records: p.roster.Addresses, Log: log,
	})
	if err != nil {
		return err
	}
	defer closing(host)
	if unlocked != nil {
		log.Warn("memory", "err", unlocked, "hint", council.Hint(unlocked))
		warnings = append(warnings, unlocked.Error())
	}
	gas, fee := emergencyCost(p)
	n, err := node.New(node.Config{
		Self: council.MemberID(c.Member), Roster: p.roster.Roster, Charter: p.charter, Policy: p.policy,
		Transport: host, Journal: book, Keystore: p.store, Chains: chains, Key: p.key, Hooks: hooksOf(c.Hooks), Timing: timingOf(c.Waits),
		Spare:    c.Keygen.Spare,
		Rehearse: c.Rehearse.Every,
		Standby:  node.Standby{Depth: c.Standby.Depth, TTL: c.Standby.TTL, Percent: c.Standby.CPU},
		Gas:      node.GasMoney{Transactions: c.Gas.Emergencies, Gas: gas, MaxFee: fee},
		Warnings: append(p.warnings, warnings...), Version: about().Version, Log: log,
	})
	if err != nil {
		return err
	}
	log.Info("running", "member", c.Member, "listen", host.ListenAddrs(), "socket", c.Socket)
	return n.Run(ctx, func(ctx context.Context) error { return api.NewServer(n, log).Serve(ctx, socket) })
}

// dialChains opens the RPCs. One that serves another chain is a mistake in the
// file and ends the start; one that does not answer is a warning, since a
// daemon must come back while its RPC is away.
func dialChains(ctx context.Context, c *configs.Loaded, log *slog.Logger) (chains []*chain.Client, warnings []string, err error) {
	for _, ch := range c.Chains {
		cfg := chain.Config{Chain: ch.ID, PollInterval: ch.Poll, FinalityDepth: ch.Confirmations, DepthOnly: ch.Confirmations > 0, MaxLag: ch.MaxLag}
		for _, u := range ch.RPCs {
			cfg.RPCs = append(cfg.RPCs, u.Reveal())
		}
		client, err := chain.New(cfg)
		if err != nil {
			return chains, warnings, err
		}
		chains = append(chains, client)
		var wrong *chain.WrongChainError
		switch err := client.Check(ctx); {
		case errors.As(err, &wrong):
			return chains, warnings, err
		case err != nil:
			log.Warn("chain", "id", ch.ID, "err", err, "hint", council.Hint(err))
			warnings = append(warnings, fmt.Sprintf("at the start no RPC of chain %d answered", ch.ID))
		}
	}
	return chains, warnings, nil
}

// emergencyCost is the dearest playbook at its ceilings: what an emergency may
// cost at most.
func emergencyCost(p *parts) (gas uint64, fee *big.Int) {
	gas, fee = emergencyGas, big.NewInt(emergencyFee)
	most := new(big.Int)
	for _, b := range p.charter.Playbooks() {
		if b.Fee == nil {
			continue
		}
		if cost := new(big.Int).Mul(new(big.Int).SetUint64(b.Gas), b.Fee); cost.Cmp(most) > 0 {
			most, gas, fee = cost, b.Gas, b.Fee
		}
	}
	return gas, fee
}

func hooksOf(hooks []configs.Hook) []node.Hook {
	out := make([]node.Hook, len(hooks))
	for i, h := range hooks {
		out[i] = node.Hook{On: h.On, Exec: h.Exec, Webhook: h.Webhook.Reveal()}
	}
	return out
}

func timingOf(d configs.Deadlines) agenda.Timing {
	t := agenda.Defaults()
	t.Deadline, t.Grace, t.Retry, t.Rejudge = d.Attempt, d.Grace, d.Retry, d.Rejudge
	t.Rebroadcast, t.Bump, t.Remind, t.Ceremony, t.MaxSkew = d.Rebroadcast, d.Bump, d.Remind, d.Ceremony, d.ClockSkew
	return t
}
