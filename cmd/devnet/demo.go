package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
)

// options are what the commands share.
type options struct {
	signer   string
	chain    string
	keep     bool
	patience float64
}

func demoCmd() *cobra.Command {
	o := options{keep: os.Getenv("KEEP") == "1"}
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Play the story of a council's first transactions",
		Long: `Play the story of a council's first transactions: seven real signer processes
make one key, sign with four of seven, refuse what is not theirs to do, lose
nodes and get them back. The exit code is 0 only if every step held.

With --keep, or KEEP=1 in the environment, the council goes on running at the
end, also when a step has failed, until an interrupt.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return demo(cmd.Context(), o) },
	}
	o.flags(cmd)
	cmd.Flags().BoolVar(&o.keep, "keep", o.keep, "leave the council running, until an interrupt")
	return cmd
}

func (o *options) flags(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.StringVar(&o.signer, "signer", "", "the signer program (default: beside this one, or on the PATH)")
	fs.StringVar(&o.chain, "chain", "devchain", "devchain, geth, anvil, or the URL of a dev chain")
	fs.Float64Var(&o.patience, "patience", 1, "multiplies the time that each step may take, for a busy machine")
}

// open makes the place and the chain, and the seven members on it. The caller
// calls done with what came of it.
func (o *options) open(ctx context.Context, r *report) (s *story, _ context.Context, done func(held bool) error, err error) {
	if o.patience < 1 {
		return nil, nil, nil, fmt.Errorf("--patience %v: want 1 or more", o.patience)
	}
	signer := o.signer
	if signer == "" {
		signer, err = program("signer")
	} else {
		signer, err = filepath.Abs(signer)
	}
	if err != nil {
		return nil, nil, nil, err
	}
	dir, err := os.MkdirTemp("", "devnet-")
	if err != nil {
		return nil, nil, nil, fmt.Errorf("make a directory: %w", err)
	}
	g, err := openGround(ctx, o.chain, dir)
	if err != nil {
		r.note("logs: %s", dir)
		return nil, nil, nil, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	a, err := newAssembly(dir, signer, g, cancel)
	if err != nil {
		cancel(nil)
		g.close()
		return nil, nil, nil, err
	}
	done = func(held bool) error {
		cancel(nil)
		err := a.close()
		g.close()
		if !held {
			return err
		}
		if rm := os.RemoveAll(dir); err == nil {
			err = rm
		}
		return err
	}
	return &story{assembly: a, report: r, strict: a.member("core-3"), patience: o.patience}, ctx, done, nil
}

func demo(ctx context.Context, o options) error {
	s, life, done, err := o.open(ctx, newReport(os.Stdout))
	if err != nil {
		return err
	}
	held := s.perform(life, "A council of seven signs its first transactions", chapters)
	if o.keep && ctx.Err() == nil {
		s.howToTalk()
		<-ctx.Done()
	}
	if err := done(held); err != nil {
		return fmt.Errorf("end the council: %w", err)
	}
	if !held {
		return errTold
	}
	return nil
}

// howToTalk says how to go on with a council that is kept.
func (s *story) howToTalk() {
	m := s.member("core-1")
	fmt.Fprintf(s.out, "\nThe council goes on running, until an interrupt. Talk to it as core-1:\n\n")
	own := m.program + " --config " + m.config()
	for _, line := range []string{
		own + " status",
		own + " list --all",
		own + " propose pause --target protocol --reason 'to try it'",
		own + " approve ID --keystore " + m.keys + " --password-file " + m.password(),
	} {
		fmt.Fprintln(s.out, "  "+line)
	}
	fmt.Fprintf(s.out, "\nThe others are beside it: %s. The chain: %s (id %d).\n", filepath.Join(s.dir, "core-2")+" …", s.ground.url, s.ground.id)
}
