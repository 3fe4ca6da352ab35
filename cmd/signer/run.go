package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/millicent-one/signer/api"
	"github.com/millicent-one/signer/configs"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/keystore"
	"github.com/millicent-one/signer/node"
	"github.com/millicent-one/signer/policy"
)

func (a *app) runCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Start this node's daemon",
		Long: `Start this node's daemon, in the foreground; an interrupt ends it in order. It
refuses to start with a file that is broken, open to others, or not what the
members signed for, and beside another daemon on the same directory.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.load()
			if err != nil {
				return err
			}
			// A daemon outlives who reads its log. The signal is not ignored, since the
			// programs that it runs would be born so.
			signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
			return a.runDaemon(cmd.Context(), c, newLog(a.err, c.Log))
		},
	}
	fs := cmd.Flags()
	fs.StringSlice("listen", nil, "where this node listens")
	fs.String("roster", "", "the signed roster")
	fs.String("charter", "", "the council's charter")
	fs.String("policy", "", "this member's own policy")
	fs.String("passphrase-file", "", "unlock with the passphrase in this file")
	fs.String("identity", "", "unlock with this age identity file")
	for flag, key := range map[string]string{"listen": "listen", "roster": "roster", "charter": "charter", "policy": "policy",
		"passphrase-file": "unlock.passphrase-file", "identity": "unlock.identity-file"} {
		a.bind(fs, flag, key)
	}
	return cmd
}

// newLog makes the daemon's log as signer.yaml asks for it.
func newLog(w io.Writer, l configs.Log) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(l.Level)); err != nil {
		level = slog.LevelInfo // configs has checked it
	}
	o := &slog.HandlerOptions{Level: level}
	if l.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, o))
	}
	return slog.New(slog.NewTextHandler(w, o))
}

// parts are what a daemon needs and a person can get wrong: everything of them
// is checked before anything of the node runs.
type parts struct {
	config   *configs.Loaded
	store    *keystore.Store // locked against a second daemon
	key      council.NodePrivate
	peer     string             // of the key
	lineage  council.Lineage    // from the first roster to the one in which this node comes in
	text     policy.CharterText // of signer.yaml's charter
	charter  *policy.Charter    // that it says
	member   []byte             // the member's policy as it was read
	warnings []string
}

func (p *parts) self() council.MemberID { return council.MemberID(p.config.Member) }

// prepare reads and checks the daemon's files. The caller closes the store.
func (a *app) prepare(c *configs.Loaded) (p *parts, err error) {
	if err := api.CheckSocketPath(c.Socket); err != nil {
		return nil, err
	}
	if err := looseDir(c.Data); err != nil {
		return nil, err
	}
	p = &parts{config: c}
	if p.text, err = readCharterText(c.Charter, c.Actions); err != nil {
		return nil, err
	}
	if p.charter, err = loadCharterText(p.text, c.Charter, c.Actions); err != nil {
		return nil, err
	}
	if p.member, err = readMember(c.Policy); err != nil {
		return nil, err
	}
	if p.lineage, err = readLineage(append([]string{c.Roster}, c.Successions...)); err != nil {
		return nil, err
	}
	first := p.lineage.First
	if _, err := sound(p.lineage); err != nil {
		return nil, err
	}
	me, _, ok := p.enrolled()
	if !ok {
		return nil, council.WithHint(fmt.Errorf("member %s of signer.yaml is not in the roster, which has %s", c.Member, join(first.Roster.IDs())),
			"set 'member' to the name of your seat; who has joined later names what led there under 'successions'")
	}
	// A journal knows better what is in force. Where there is none yet, nothing is
	// made before these files are known to fit.
	if _, err := os.Lstat(c.JournalFile()); errors.Is(err, fs.ErrNotExist) {
		p.peer = me.Peer
		none := node.Standing{First: first.Roster}
		at, err := p.stand(none)
		if err == nil {
			_, err = p.fits(at, none, a.unix())
		}
		if err == nil {
			_, err = p.judging(at, none, nil)
		}
		if err != nil {
			return nil, err
		}
	}
	if p.store, p.key, err = a.openKeys(c); err != nil {
		return nil, err
	}
	p.peer, err = peerID(p.key)
	if err == nil && p.peer != me.Peer {
		err = council.WithHint(fmt.Errorf("this directory holds node %s; the roster has %s for %s", p.peer, me.Peer, me.ID), "use the directory that the member card was made in")
	}
	if err != nil {
		return nil, errors.Join(err, p.store.Close())
	}
	return p, nil
}
