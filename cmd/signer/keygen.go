package main

import (
	"fmt"
	"io"
	"os"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/millicent-one/signer/api"
	"github.com/millicent-one/signer/council"
)

func (a *app) keygenCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "keygen",
		Short: "Take part in making the council's key",
		Long: `Take part in making the council's key. Every member runs this at the same time,
with the daemon running; it names whoever it waits for. No part of the key ever
leaves its node. Interrupting it while it waits for others ends this node's part, and
it can be started again. Once all stand ready the node goes on without it.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.client()
			if err != nil {
				return err
			}
			p := a.newProgress()
			g, err := c.Keygen(cmd.Context(), p.show)
			p.close()
			if err != nil && cmd.Context().Err() != nil {
				return council.WithHint(err, "once all stand ready the node makes the key all the same: see 'signer status'")
			}
			if err != nil {
				return err
			}
			return a.print(api.NewGenesis(g), func(w io.Writer) {
				fmt.Fprintln(w, "The council has a key.")
				table(w, [][]string{{"address", g.Key.Hex()}, {"council", g.ID().Hex()}, {"share epoch", fmt.Sprint(g.ShareEpoch)}, {"signed by", plural(len(g.Sigs), "node", "nodes")}})
				fmt.Fprintln(w, "\nNext, before anybody sends money: 'signer backup create' and 'signer backup verify FILE',\nat every member. The address is fundable once all have: 'signer status' says so, and\nafterwards when the gas money is enough.")
			})
		},
	}
}

// progress shows a ceremony: a bar on a terminal, lines elsewhere.
type progress struct {
	out  io.Writer
	draw io.Writer // where the bar is drawn: it moves the cursor
	tty  bool
	bar  *progressbar.ProgressBar
	of   string // the stage that the bar is for
	last string
}

func (a *app) newProgress() *progress {
	f, ok := a.err.w.(*os.File)
	p := &progress{out: a.err, draw: f, tty: ok && !a.json && term.IsTerminal(int(f.Fd()))}
	if a.json {
		p.out = io.Discard
	}
	return p
}

func (p *progress) show(x api.Progress) {
	x.Stage = oneLine(x.Stage)
	if p.tty && x.Total > 0 && len(x.WaitingFor) == 0 {
		if p.bar == nil || p.of != x.Stage {
			p.close()
			p.of = x.Stage
			p.bar = progressbar.NewOptions(x.Total, progressbar.OptionSetWriter(p.draw), progressbar.OptionSetDescription(x.Stage),
				progressbar.OptionSetWidth(30), progressbar.OptionClearOnFinish())
		}
		p.bar.ChangeMax(x.Total)
		_ = p.bar.Set(x.Done) // a bar that can't be drawn is no reason to end a ceremony
		return
	}
	line := x.Stage
	if x.Total > 0 {
		line += fmt.Sprintf(" %d/%d", x.Done, x.Total)
	}
	if len(x.WaitingFor) > 0 {
		line += ": waiting for " + join(x.WaitingFor)
	}
	if x.Why != "" {
		line += " (" + oneLine(x.Why) + ")"
	}
	// Who is waited for is said again whenever the node says it again, each ten
	// seconds; other lines only when they change.
	if line == p.last && len(x.WaitingFor) == 0 {
		return
	}
	p.close()
	p.last = line
	fmt.Fprintln(p.out, line)
}

func (p *progress) close() {
	if p.bar != nil {
		_ = p.bar.Finish()
		p.bar = nil
	}
}
