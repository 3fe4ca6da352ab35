package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/spf13/cobra"

	"github.com/millicent-one/signer/api"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/evidence"
)

func (a *app) evidenceCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "evidence",
		Short: "Show and check what convicts a member",
		Long: `Show and check what convicts a member: messages that its node has signed and no
honest node would. A record holds the member's own signatures, so whoever has the
roster can check it, on any machine, without believing the one who brings it.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.evidenceList(), a.evidenceShow(), a.evidenceVerify())
	return cmd
}

func (a *app) evidenceList() *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List what this node holds against members",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.client()
			if err != nil {
				return err
			}
			all, err := c.Evidence(cmd.Context())
			if err != nil {
				return err
			}
			return a.print(append([]api.Evidence{}, all...), func(w io.Writer) {
				if len(all) == 0 {
					fmt.Fprintln(w, "Nothing: no member's node was seen to cheat.")
					return
				}
				rows := [][]string{{"ID", "MEMBER", "KIND", "PROVEN", "SEEN", "WHAT"}}
				for _, e := range all {
					rows = append(rows, []string{oneLine(e.Short), oneLine(string(e.Culprit)), oneLine(e.Kind), yes(e.Proven), clock(e.Seen), oneLine(e.What)})
				}
				table(w, rows)
			})
		},
	}
}

func (a *app) evidenceShow() *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use:   "show ID",
		Short: "Show one record, or write it to a file",
		Long: `Show one record. ID is the beginning of the id. With --out the record is written to
a file, for anyone to check with 'signer evidence verify FILE'.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := misused(api.CheckEvidencePrefix(args[0])); err != nil {
				return err
			}
			c, err := a.client()
			if err != nil {
				return err
			}
			e, err := c.EvidenceRecord(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if out != "" {
				if err := writeNew(out, e.Record); err != nil {
					return err
				}
				with := ""
				if r, err := evidence.Decode(e.Record); err == nil {
					now, err := c.Status(cmd.Context())
					if err != nil {
						return err
					}
					with = fmt.Sprintf("; check it with 'signer evidence verify %s --roster %s'", out, a.rostersFor(r.Roster, now.Roster))
				}
				a.note("wrote %s, %d bytes%s", out, len(e.Record), with)
			}
			return a.print(e, func(w io.Writer) { writeEvidence(w, e) })
		},
	}
	cmd.Flags().StringVar(&out, "out", "", "write the record to this file, which must not be there yet")
	return cmd
}

// writeNew writes a file that is no secret, and never over another. It leaves a whole one,
// or none.
func writeNew(path string, b []byte) (err error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return council.WithHint(fmt.Errorf("%s is there already; nothing was changed", path), "choose another file with --out, or move it away")
	}
	if err != nil {
		return fmt.Errorf("write record: %w", err)
	}
	if _, err = f.Write(b); err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		_ = os.Remove(path) // the next try would find it there
		return council.WithHint(fmt.Errorf("write record: %w", err), "see that the disk has room, or name a file on another with --out")
	}
	return nil
}

func writeEvidence(w io.Writer, e api.Evidence) {
	fmt.Fprintf(w, "%s\n\n", oneLine(e.What))
	rows := [][]string{{"id", e.ID.Hex()}, {"member", oneLine(string(e.Culprit))}, {"kind", oneLine(e.Kind)}, {"proven", yes(e.Proven)}, {"rests on", oneLine(e.Rests)}}
	if e.Session != "" {
		rows = append(rows, []string{"session", oneLine(e.Session)}, []string{"message", oneLine(e.Message)})
	}
	rows = append(rows, []string{"reported", clock(e.Seen) + " by the node of " + oneLine(string(e.Reporter))}, []string{"size", fmt.Sprintf("%d bytes", e.Bytes)})
	table(w, rows)
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// checked is the result of one check.
type checked struct {
	Record  string           `json:"record"` // as it was named
	ID      string           `json:"id,omitempty"`
	Kind    string           `json:"kind,omitempty"`
	Culprit council.MemberID `json:"culprit,omitempty"`
	Proven  bool             `json:"proven"`
	What    string           `json:"what,omitempty"`
	Rests   string           `json:"rests,omitempty"`
	Lacks   *common.Hash     `json:"lacksRoster,omitempty"` // that it names, and nobody gave: it may be true or false
	Error   string           `json:"error,omitempty"`       // the record is not what it claims to be
	Hint    string           `json:"hint,omitempty"`

	reporter council.MemberID
	seen     time.Time
}

func (a *app) evidenceVerify() *cobra.Command {
	var files []string
	cmd := &cobra.Command{
		Use:   "verify FILE|ID...",
		Short: "Check records of evidence, with nothing but the roster",
		Long: `Check records of evidence on this machine, with nothing but the roster: a file that
'signer evidence show ID --out FILE' wrote, or a record of this node by its id, which
is fetched and then checked here. A record of a later roster than the first needs the
successions up to that one, too. The exit code is 0 if all are proven; 2 if all that is
in the way is a roster that was not given; else 1.`,
		Example: "  signer evidence verify core-2.evidence --roster roster.json\n  signer evidence verify core-2.evidence --roster roster.json,succession-2.json",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			rosters, err := a.rostersOf(files)
			if err != nil {
				return err
			}
			results, unproven, unchecked := make([]checked, len(args)), 0, 0
			for i, arg := range args {
				b, err := a.record(cmd, arg)
				if err != nil {
					return err
				}
				switch results[i] = check(arg, b, rosters...); {
				case results[i].Lacks != nil:
					unchecked++
				case !results[i].Proven:
					unproven++
				}
			}
			if err := a.print(results, func(w io.Writer) { writeChecked(w, results) }); err != nil {
				return err
			}
			if unproven > 0 {
				return council.WithHint(fmt.Errorf("not proven: %s of %d", plural(unproven, "record", "records"), len(args)), "what is not proven accuses nobody")
			}
			if unchecked > 0 {
				return usagef(lacksHint, "not checked: %s of %d", plural(unchecked, "record", "records"), len(args))
			}
			return nil
		},
	}
	cmd.Flags().StringSliceVar(&files, "roster", nil, rosterUsage)
	return cmd
}

// record reads a file, or asks the daemon for what is no file.
func (a *app) record(cmd *cobra.Command, arg string) ([]byte, error) {
	f, err := os.Open(arg)
	if errors.Is(err, fs.ErrNotExist) && api.CheckEvidencePrefix(arg) == nil {
		c, err := a.client()
		if err != nil {
			return nil, err
		}
		e, err := c.EvidenceRecord(cmd.Context(), arg)
		return e.Record, err
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, council.WithHint(fmt.Errorf("no record at %s", arg), "name a file that 'signer evidence show ID --out FILE' wrote, or an id that 'signer evidence list' shows")
	}
	if err != nil {
		return nil, fmt.Errorf("read record: %w", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, evidence.MaxRecord+1))
	if err != nil {
		return nil, fmt.Errorf("read record: %w", err)
	}
	return b, nil // the decoder refuses one that is too large
}

func check(name string, b []byte, rosters ...council.Roster) checked {
	out := checked{Record: name}
	r, err := evidence.Decode(b)
	var found evidence.Finding
	if err == nil {
		out.ID, out.Kind, out.Culprit = r.ID().Hex(), r.Kind.String(), r.Culprit
		out.reporter, out.seen = r.Reporter, time.Unix(int64(r.Seen), 0)
		roster, ok := council.RosterByHash(rosters, r.Roster)
		if !ok { // nothing can be said of it
			out.Lacks, out.Hint = &r.Roster, lacksHint
			return out
		}
		found, err = r.Verify(roster)
	}
	if err != nil {
		out.Error, out.Hint = err.Error(), council.Hint(err)
		return out
	}
	out.Proven, out.What, out.Rests = found.Proven, found.What, found.Rests
	return out
}

func writeChecked(w io.Writer, results []checked) {
	for _, r := range results {
		switch {
		case r.Lacks != nil:
			fmt.Fprintf(w, "%s: can't be checked: it names roster %s, which is none of those given\n  hint: %s\n", r.Record, r.Lacks.Hex(), r.Hint)
			continue
		case r.Error != "":
			fmt.Fprintf(w, "%s: FALSE: %s\n", r.Record, oneLine(r.Error))
			if r.Hint != "" {
				fmt.Fprintf(w, "  hint: %s\n", oneLine(r.Hint))
			}
			continue
		case r.Proven:
			fmt.Fprintf(w, "%s: proven: %s\n", r.Record, oneLine(r.What))
		default:
			fmt.Fprintf(w, "%s: reported, not provable offline: %s\n", r.Record, oneLine(r.What))
		}
		fmt.Fprintf(w, "  rests on %s\n  reported %s by the node of %s\n", oneLine(r.Rests), clock(r.seen), oneLine(string(r.reporter)))
	}
}
