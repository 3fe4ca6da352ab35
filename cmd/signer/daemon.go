package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/params"

	"github.com/millicent-one/signer/agenda"
	"github.com/millicent-one/signer/api"
	"github.com/millicent-one/signer/chain"
	"github.com/millicent-one/signer/configs"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/internal/rosterfile"
	"github.com/millicent-one/signer/journal"
	"github.com/millicent-one/signer/node"
	"github.com/millicent-one/signer/p2p"
	"github.com/millicent-one/signer/policy"
)

// What an emergency transaction is taken to cost at most, when the charter has
// no playbook to say it.
const (
	emergencyGas = 300_000
	emergencyFee = 500 * params.GWei
)

// runDaemon runs this member's node until ctx ends. When another roster has taken
// over, the node is made anew under it, from the same disk, as after a restart: what a
// crash does in the middle of a rotation and what a rotation does take one path. The
// keystore stays open, since nobody may be there to unlock it, and so do the connections.
func (a *app) runDaemon(ctx context.Context, c *configs.Loaded, log *slog.Logger) (err error) {
	unlocked := lockMemory() // before there is a secret in it
	p, err := a.prepare(c)
	if err != nil {
		return err
	}
	d := &household{parts: p, log: log, unix: a.unix}
	defer func() { err = errors.Join(err, d.close()) }()
	if unlocked != nil {
		log.Warn("memory", "err", unlocked, "hint", council.Hint(unlocked))
		d.warnings = append(d.warnings, unlocked.Error())
	}
	for {
		err := d.live(ctx)
		if !errors.Is(err, node.ErrSwitched) {
			return err
		}
		if ctx.Err() != nil {
			return nil
		}
		log.Info("this node starts anew", "why", err)
	}
}

// household is what stays from one roster to the next.
type household struct {
	*parts
	log    *slog.Logger
	unix   func() uint64
	chains []*chain.Client
	dialed bool
	host   *p2p.Host // nil before the first roster

	standing node.Standing // as the last node has left it
	sound    node.Sound
}

func (d *household) close() error {
	var err error
	if d.host != nil {
		err = d.host.Close()
	}
	for _, ch := range d.chains {
		ch.Close()
	}
	return errors.Join(err, d.store.Close())
}

// connect opens the network, or goes on under another roster with what is open: who stays
// need not be dialed again, and meanwhile nobody can sign.
func (d *household) connect(ctx context.Context, network common.Hash, with p2p.Neighbours) error {
	var host *p2p.Host
	var err error
	if d.host == nil {
		host, err = p2p.NewHost(ctx, p2p.HostConfig{Self: d.self(), Network: network, Key: d.key, Listen: d.config.Listen, Log: d.log, Neighbours: with})
	} else {
		host, err = d.host.Next(with)
	}
	if err == nil {
		d.host = host
	}
	return err
}

// live puts the rooms together and runs the node under one roster. What is opened
// first is closed last.
func (d *household) live(ctx context.Context) (err error) {
	c, first := d.config, d.lineage.First.Roster
	closing := func(what interface{ Close() error }) { err = errors.Join(err, what.Close()) }

	// The socket first: a second daemon fails here at the latest, and early.
	socket, err := api.Listen(c.Socket)
	if err != nil {
		return err
	}
	defer socket.Close() // the server has closed it; this is for the ways out before it
	book, err := d.openJournal(first)
	if err != nil {
		return err
	}
	defer closing(book)
	standing, err := d.standing.Again(book, first, council.Millicent)
	if err != nil {
		return err
	}
	d.standing = standing
	at, err := d.stand(standing)
	if err != nil {
		return err
	}
	warnings, err := d.fits(at, standing, d.unix())
	if err != nil {
		return err
	}
	if err := d.keepSuccessions(standing); err != nil { // for people alone: the journal has them
		d.log.Warn("keep successions", "err", err, "hint", council.Hint(err))
		warnings = append(warnings, err.Error())
	}
	by, err := d.judging(at, standing, book)
	if err != nil {
		return err
	}
	if !d.dialed {
		var away []string
		if d.chains, away, err = dialChains(ctx, c, d.log); err != nil {
			return err
		}
		d.dialed, d.warnings = true, append(d.warnings, away...)
	}
	err = d.connect(ctx, book.Network(), p2p.Neighbours{
		Roster: at.roster, Guests: at.guests, Peers: d.overrides(at, standing), Records: d.reachable(at.roster, standing)})
	if errors.Is(err, p2p.ErrClosed) && ctx.Err() != nil {
		return nil // asked to end on the way from one roster to the next
	}
	if err != nil {
		return err
	}
	gas, fee := emergencyCost(by.charter)
	n, err := node.New(node.Config{
		Self: d.self(), Roster: at.roster, First: first, Profile: council.Millicent, Peer: d.peer, Guests: at.guests, Admit: d.host.Admit,
		Charter: by.charter, Policy: by.policy, Texts: []policy.CharterText{by.text, d.text},
		Transport: d.host, Journal: book, Keystore: d.store, Chains: d.chains, Key: d.key, Hooks: hooksOf(c.Hooks), Timing: timingOf(c.Waits),
		Standing: standing, Sound: &d.sound,
		Spare:    c.Keygen.Spare,
		Rehearse: c.Rehearse.Every,
		Standby:  standbyOf(c.Standby),
		Gas:      node.GasMoney{Transactions: c.Gas.Emergencies, Gas: gas, MaxFee: fee},
		Warnings: slices.Concat(warnings, by.warnings, d.warnings), Version: about().Version, Log: d.log,
	})
	if err != nil {
		return err
	}
	d.log.Info("running", "member", c.Member, "roster", at.roster.Version, "listen", d.host.ListenAddrs(), "socket", c.Socket)
	defer func() { d.standing = n.Standing() }()
	return n.Run(ctx, func(ctx context.Context) error { return api.NewServer(n, d.log).Serve(ctx, socket) })
}

// openJournal opens the journal as this member, in the last roster of the files that
// has it, and trusts the first one besides: all feeds begin there.
func (d *household) openJournal(first council.Roster) (*journal.Journal, error) {
	_, mine, _ := d.enrolled()
	network, err := first.Hash()
	if err != nil {
		return nil, err
	}
	book, err := journal.Open(d.config.JournalFile(), journal.Options{Self: d.self(), Key: d.key, Roster: mine, Network: network})
	if err != nil {
		return nil, err
	}
	if err := book.Trust(first); err != nil {
		return nil, errors.Join(err, book.Close())
	}
	return book, nil
}

// keepSuccessions puts the successions that have taken over beside the journal, as
// files for the commands that work without a daemon. One that lies there and is another
// is replaced: those commands would believe it.
func (d *household) keepSuccessions(s node.Standing) error {
	for _, step := range s.Steps {
		path := d.config.SuccessionFile(step.Roster.Version)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return fmt.Errorf("keep succession: %w", err)
		}
		b, err := rosterfile.FormatSuccession(step)
		if err != nil {
			return err
		}
		if wrote, err := keepFile(path, b); err != nil {
			return err
		} else if wrote {
			d.log.Info("kept a succession", "roster", step.Roster.Version, "file", path)
		}
	}
	return nil
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
func emergencyCost(c *policy.Charter) (gas uint64, fee *big.Int) {
	gas, fee = emergencyGas, big.NewInt(emergencyFee)
	most := new(big.Int)
	for _, b := range c.Playbooks() {
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

func standbyOf(s configs.Standby) node.Standby {
	return node.Standby{Depth: s.Depth, TTL: s.TTL, Percent: s.CPU}
}

func timingOf(d configs.Deadlines) agenda.Timing {
	t := agenda.Defaults()
	t.Deadline, t.Grace, t.Retry, t.Rejudge = d.Attempt, d.Grace, d.Retry, d.Rejudge
	t.Rebroadcast, t.Bump, t.Remind, t.Ceremony, t.MaxSkew = d.Rebroadcast, d.Bump, d.Remind, d.Ceremony, d.ClockSkew
	return t
}
