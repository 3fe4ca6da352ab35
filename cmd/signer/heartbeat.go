package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/millicent-one/signer/api"
	"github.com/millicent-one/signer/council"
)

func (a *app) heartbeatCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "heartbeat",
		Short: "Show when each member's node was last proven alive",
		Long: `Show when each member's node was last proven alive. Each node signs a word every ten
minutes: who it is, the roster it works under, its share epoch, the time, its version,
and whether its share on the disk is sound. Nodes pass these on, and keep the latest
of each.

A heartbeat can be taken away and checked by anyone who has the roster. It proves that
the node key has signed it; its time is that node's own, though no node takes one that
lies ahead of its own clock.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := a.askStatus(cmd)
			if err != nil {
				return err
			}
			return a.print(append([]api.Heartbeat{}, s.Heartbeats...), func(w io.Writer) { writeHeartbeats(w, s) })
		},
	}
	cmd.AddCommand(a.heartbeatShow(), a.heartbeatVerify())
	return cmd
}

func (a *app) askStatus(cmd *cobra.Command) (api.Status, error) {
	c, err := a.client()
	if err != nil {
		return api.Status{}, err
	}
	return c.Status(cmd.Context())
}

// provenAlive is when each member was last proven alive.
func provenAlive(s api.Status) map[council.MemberID]time.Time {
	out := map[council.MemberID]time.Time{}
	for _, h := range s.Heartbeats {
		out[h.Member] = h.At
	}
	return out
}

func writeHeartbeats(w io.Writer, s api.Status) {
	rows := [][]string{{"MEMBER", "PROVEN ALIVE", "SHARE", "EPOCH", "SIGNS", "VERSION"}}
	known := map[council.MemberID]bool{}
	for _, h := range s.Heartbeats {
		known[h.Member] = true
		rows = append(rows, []string{oneLine(string(h.Member)), clock(h.At), oneLine(h.Share), fmt.Sprint(h.ShareEpoch), yes(h.Signs), oneLine(h.Version)})
	}
	if s.Roster != nil {
		for _, m := range s.Roster.Members {
			if !known[m] {
				rows = append(rows, []string{string(m), clock(time.Time{}), "-", "-", "-", ""})
			}
		}
	}
	table(w, rows)
}

func (a *app) heartbeatShow() *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use:   "show MEMBER --out FILE",
		Short: "Write a member's latest heartbeat to a file, for anyone to check",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if out == "" {
				return usagef("say where to with --out FILE; 'signer heartbeat' lists them", "no file")
			}
			s, err := a.askStatus(cmd)
			if err != nil {
				return err
			}
			for _, h := range s.Heartbeats {
				if string(h.Member) != args[0] {
					continue
				}
				if err := writeNew(out, h.Record); err != nil {
					return err
				}
				with := "roster.json"
				if beat, err := council.DecodeHeartbeat(h.Record); err == nil {
					with = a.rostersFor(beat.Roster, s.Roster)
				}
				a.note("wrote %s, %d bytes; check it with 'signer heartbeat verify %s --roster %s'", out, len(h.Record), out, with)
				return a.print(h, func(io.Writer) {})
			}
			return api.Failf(api.NotFound, "'signer heartbeat' lists those whose node was ever proven alive", "this node has no heartbeat of %s", args[0])
		},
	}
	cmd.Flags().StringVar(&out, "out", "", "the file, which must not be there yet")
	return cmd
}

// heartbeatView is a heartbeat that was checked.
type heartbeatView struct {
	File       string           `json:"file"`
	Member     council.MemberID `json:"member"`
	At         time.Time        `json:"at"`
	Version    string           `json:"version"`
	ShareEpoch uint64           `json:"shareEpoch"`
	Share      string           `json:"share"`
	Signs      bool             `json:"signs"`
}

func (a *app) heartbeatVerify() *cobra.Command {
	var files []string
	cmd := &cobra.Command{
		Use:   "verify FILE",
		Short: "Check a heartbeat, with nothing but the roster",
		Args:  cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			rosters, err := a.rostersOf(files)
			if err != nil {
				return err
			}
			h, err := readHeartbeat(args[0])
			if err == nil {
				if roster, ok := council.RosterByHash(rosters, h.Roster); ok {
					err = h.Verify(roster)
				} else {
					err = usagef(lacksHint, "can't be checked: it names roster %s, which is none of those given", h.Roster.Hex())
				}
			}
			if err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			v := heartbeatView{args[0], h.Member, time.Unix(int64(h.Time), 0).UTC(), h.Version, h.Epoch, h.Share.String(), h.Signs}
			return a.print(v, func(w io.Writer) {
				fmt.Fprintf(w, "The node of %s was alive at %s, by its own clock.\n\n", v.Member, clock(v.At))
				table(w, [][]string{{"share", v.Share}, {"share epoch", fmt.Sprint(v.ShareEpoch)}, {"signs", yes(v.Signs)}, {"version", oneLine(v.Version)},
					{"rests on", "the node key in the roster, and that node's clock"}})
			})
		},
	}
	cmd.Flags().StringSliceVar(&files, "roster", nil, rosterUsage)
	return cmd
}

func readHeartbeat(path string) (council.Heartbeat, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return council.Heartbeat{}, council.WithHint(errors.New("there is no such file"), "name one that 'signer heartbeat show MEMBER --out FILE' wrote")
	}
	if err != nil {
		return council.Heartbeat{}, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, council.MaxHeartbeat+1))
	if err != nil {
		return council.Heartbeat{}, err
	}
	return council.DecodeHeartbeat(b)
}
