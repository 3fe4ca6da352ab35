package main

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/millicent-one/signer/api"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/internal/rosterfile"
)

func (a *app) rosterProclamation() *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use:   "proclamation [--out FILE]",
		Short: "Show what the council's key has signed about the roster in force",
		Long: `Show what the council's key has signed about the roster in force. After each change of
the roster as many members as sign together sign a text by which the council tells the
public that the new roster holds its key. It is a personal message (EIP-191) and takes
effect nowhere. Publish it; 'signer roster verify --proclamation FILE' and any wallet
tool check it.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := a.askStatus(cmd)
			if err != nil {
				return err
			}
			switch r := s.Roster; {
			case r == nil || r.Proclaimed == nil && r.Unsigned == "":
				return api.Failf(api.NotFound, "the council's birth record is about the first roster; 'signer status' shows the key", "no roster after the first one is in force at this node")
			case r.Proclaimed == nil:
				return api.Failf(api.NotReady, "ask again later; 'signer status' says who is online", "%s", r.Unsigned)
			}
			p := *s.Roster.Proclaimed
			if out != "" {
				b, err := json.MarshalIndent(p, "", "  ")
				if err != nil {
					return err
				}
				if err := writeNew(out, append(b, '\n')); err != nil {
					return err
				}
				a.note("wrote %s; check it with 'signer roster verify roster.json succession-2.json … --proclamation %s'", out, out)
			}
			return a.print(p, func(w io.Writer) { fmt.Fprintf(w, "%s\nsignature 0x%x\n", p.Text(), []byte(p.Signature)) })
		},
	}
	cmd.Flags().StringVar(&out, "out", "", "a file to write, too, which must not be there yet")
	return cmd
}

// readProclamation reads what rosterProclamation has written, and checks it against
// the rosters.
func readProclamation(path string, rosters []council.Roster) (*council.Proclamation, error) {
	p, err := rosterfile.ReadProclamation(path)
	if err != nil {
		return nil, err
	}
	err = p.Verify()
	if err == nil {
		err = p.Covers(named(rosters, p.Roster))
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &p, nil
}
