package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/millicent-one/signer/api"
	"github.com/millicent-one/signer/configs"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/policy"
)

func (a *app) keyCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "key",
		Short: "What to do when a key may be in other hands",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.keyCompromised(), a.keyThaw())
	return cmd
}

// compromised is what the command has done and found.
type compromised struct {
	Frozen []api.Freeze   `json:"frozen"` // all nodes that sign nothing; nil: nothing was done
	Old    string         `json:"oldAddress,omitempty"`
	Grants []policy.Grant `json:"grants"`
	Steps  []string       `json:"steps"`
	Note   string         `json:"note,omitempty"` // why the grants may be others
}

// knows fills in what the charter in force knows of the old address: the daemon's, if
// there is one, and not what signer.yaml happens to name. An emergency waits for no file,
// so what is wrong with one is a note.
func (v *compromised) knows(a *app, c *configs.Loaded, s api.Status) {
	if s.Council != nil {
		v.Old = s.Council.Address.Hex()
	}
	charter, err := loadCharter(c.Charter, c.Actions)
	if s.Roster != nil && (err != nil || charter.Hash() != s.Charter) {
		if _, kept := a.keptCharter(s.Roster.Version, s.Charter); kept != nil {
			charter, err = kept, nil
		} else if err == nil {
			v.Note = fmt.Sprintf("the list is by charter %s of %s; in force is %s: ask another member for that one's list", short(charter.Hash()), c.Charter, short(s.Charter))
		}
	}
	if err != nil {
		v.Note = fmt.Sprintf("there is no list, since the charter can't be read: %v; ask another member for it", err)
		return
	}
	v.Grants = charter.Grants()
}

func (a *app) keyCompromised() *cobra.Command {
	var reason string
	var yes, dry bool
	cmd := &cobra.Command{
		Use:   "compromised --reason TEXT [--yes | --dry-run]",
		Short: "Freeze this node's signing, tell the others, and show what has to be done",
		Long: `Freeze this node's signing, tell all other members why, and show what has to be done.

Use it when this machine, its disk, its backup or its passphrase may be in other
hands. The node goes on to judge, to carry feeds and to follow transactions; it signs
nothing, and what it was signing ends. That holds over restarts until 'signer key thaw'.
It stops this node and no other: the council signs on with any four others. Nobody can
freeze somebody else's node.

What follows are the steps to a new key by the same members, with the list of what the
charter knows of the old address: that has to be given to the new one.`,
		Example: "  signer key compromised --reason 'laptop with the backup stolen'\n  signer key compromised --dry-run",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.load()
			if err != nil {
				return err
			}
			v := compromised{Grants: []policy.Grant{}, Steps: stepsOut}
			if dry {
				s, err := a.askStatus(cmd)
				if err != nil { // it need not run
					s = api.Status{}
				}
				v.knows(a, c, s)
				return a.print(v, func(w io.Writer) { v.write(w) })
			}
			r := api.FreezeRequest{Reason: reason}
			if err := misused(r.Check()); err != nil {
				return err
			}
			cl, err := a.client()
			if err != nil {
				return err
			}
			s, err := cl.Status(cmd.Context())
			if err != nil {
				return unfrozen(c, err)
			}
			v.knows(a, c, s)
			if err := a.typed(yes, "freeze", fmt.Sprintf("The node of %s will sign nothing until 'signer key thaw'.", s.Member), "nothing was frozen"); err != nil {
				return err
			}
			if v.Frozen, err = cl.Freeze(cmd.Context(), r); err != nil {
				return err
			}
			return a.print(v, func(w io.Writer) {
				fmt.Fprintf(w, "The node of %s signs nothing from now on, also after a restart.\n\n", s.Member)
				v.write(w)
			})
		},
	}
	fs := cmd.Flags()
	fs.StringVar(&reason, "reason", "", "what has happened; all members read it")
	addYes(cmd, &yes)
	fs.BoolVar(&dry, "dry-run", false, "show what to do, and freeze nothing")
	cmd.MarkFlagsMutuallyExclusive("yes", "dry-run")
	return cmd
}

// unfrozen says what a node does that could not be asked to freeze: only where no process
// runs on its directory it is known to sign nothing.
func unfrozen(c *configs.Loaded, err error) error {
	const dry = "; 'signer key compromised --dry-run' shows what to do"
	running := stopped(c, err)
	switch {
	case running == nil:
		return council.WithHint(err, "a daemon that is stopped signs nothing: leave it stopped"+dry)
	case errors.Is(running, api.NotReady):
		return council.WithHint(fmt.Errorf("nothing was frozen, and the node may sign: %w", running), council.Hint(running)+"; or end its process, and leave it so"+dry)
	}
	return running
}

// stepsOut lead from a suspicion to a new key.
var stepsOut = []string{
	"Tell the other members on another line than this machine's: call them. 'signer status' shows them who has frozen, and why.",
	"Count. Fewer than four shares in other hands are not the key: the others sign on, and can pause what has to be paused. With four or more every member freezes, and whoever granted the council's powers is asked to take them from the old address at once.",
	"Make a new key, with the same members and seats. Each member takes a clean machine and a new directory: 'signer --home NEW init', 'signer --home NEW id' (whose wallet may be known, too, takes a new wallet), and the roster and 'signer keygen' as at the beginning. No old directory, node key or backup is used again.",
	"Each member seals and verifies a backup of the new share. Only then the new address may be given anything: 'signer status' says fundable.",
	"Give the new address what the list below names, one by one; try one call from it; then take it from the old address. Whoever administers a contract does that; where it is the council itself, the old council signs it, with four nodes that are trusted.",
	"Move the gas money, and publish the new address with a statement of both councils.",
	"Let the old council's open transactions become final, or cancel their nonces. Then stop the old nodes for good, and keep their journals: they are the record.",
	"If it was a false alarm: 'signer key thaw --reason TEXT' on this node.",
}

func (v compromised) write(w io.Writer) {
	for i, s := range v.Steps {
		fmt.Fprintf(w, "%d. %s\n", i+1, s)
	}
	old := v.Old
	if old == "" {
		old = "the council's address"
	}
	fmt.Fprintf(w, "\nWhat the charter knows of %s, and what has to move:\n\n", old)
	if v.Note != "" {
		fmt.Fprintf(w, "%s.\n\n", v.Note)
	}
	for _, g := range v.Grants {
		fmt.Fprintf(w, "%s on %s (chain %d), %s\n", g.Contract, g.ChainName, g.Chain, g.Address.Hex())
		fmt.Fprintf(w, "  may call: %s\n", strings.Join(g.Calls, ", "))
		if len(g.Roles) > 0 {
			fmt.Fprintf(w, "  with the roles: %s\n", strings.Join(g.Roles, ", "))
		}
		fmt.Fprintf(w, "  %s\n", g.Move)
	}
	fmt.Fprintln(w, "\nThe charter lists calls, not who may make them. Look at each contract for more: owners, admins,\nproxies, allow-lists, other chains, and accounts of services that know the address.")
}

func (a *app) keyThaw() *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use:   "thaw --reason TEXT",
		Short: "Let this node sign again: it was a false alarm, or it has been dealt with",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			r := api.FreezeRequest{Reason: reason}
			if err := misused(r.Check()); err != nil {
				return err
			}
			c, err := a.client()
			if err != nil {
				return err
			}
			left, err := c.Thaw(cmd.Context(), r)
			if err != nil {
				return err
			}
			s, err := c.Status(cmd.Context())
			if err != nil {
				return fmt.Errorf("the freeze is lifted; whether the node signs is not known: %w", err)
			}
			return a.print(append([]api.Freeze{}, left...), func(w io.Writer) {
				if s.Phase == api.Ready {
					fmt.Fprintln(w, "This node signs again.")
				} else {
					fmt.Fprintf(w, "This node is frozen no more, and signs nothing all the same: %s.\n", phase(s))
				}
				for _, f := range left {
					fmt.Fprintf(w, "Still frozen: %s, since %s: %s\n", oneLine(string(f.Member)), clock(f.Since), oneLine(f.Reason))
				}
			})
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why it may; all members read it")
	return cmd
}
