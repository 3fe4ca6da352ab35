package main

import (
	"cmp"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/millicent-one/signer/policy"
)

func (a *app) policyDiff() *cobra.Command {
	var actions, oldActions string
	var member, oldMember string
	cmd := &cobra.Command{
		Use:   "diff OLD NEW",
		Short: "Show what a new charter allows that the old one forbids, and the reverse",
		Long: `Show what a new charter allows that the old one forbids, and the reverse, with
example calls. Each meaning of each function of each contract is compared for each
caller, and so are cancel-nonce, statements and kinds of documents.

Examples are found by a search around the values at which rules change their mind;
there may be others. That nothing differs is said only where the compiled rules
are equal, or each side's are shown to contain the other's. What can't be shown
not to loosen counts as loosening. For two charters it says what the nodes will ask for
before the new one takes over: how many approvals, and how long they wait. Calls are compared one at a time: that the
expressions (when) of all calls of a transaction share a budget is not looked at.

With --member the policy of a member is put on both, and with --old-member another
one on the old; so a change of a member's policy is compared with the same charter
given twice. So is a change of the catalogue of actions, which --actions names for the new
charter and --old-actions for the old one.`,
		Example: `  signer policy diff charter.yaml charter-new.yaml
  signer policy diff charter.yaml charter.yaml --old-member policy.yaml --member policy-new.yaml
  signer policy diff charter.yaml charter.yaml --actions actions-new.yaml`,
		Args: cobra.ExactArgs(2),
		RunE: func(_ *cobra.Command, args []string) error {
			if oldMember == "" {
				oldMember = member
			}
			// What is in force is read over the catalogue in force: one on both would hide
			// that it changes.
			if c, err := a.load(); err == nil {
				actions, oldActions = cmp.Or(actions, c.Actions), cmp.Or(oldActions, c.Actions)
			} else {
				oldActions = cmp.Or(oldActions, actions)
			}
			var both [2]*policy.Policy
			for i, f := range []policyFiles{{args[0], oldMember, oldActions}, {args[1], member, actions}} {
				ch, m, err := f.read(a)
				if err != nil {
					return err
				}
				both[i] = policy.New(ch, m)
			}
			d := policy.Diff(both[0], both[1])
			return a.print(d, func(w io.Writer) { writeDiff(w, d) })
		},
	}
	fs := cmd.Flags()
	fs.StringVar(&member, "member", "", "a member's policy to put on both")
	fs.StringVar(&oldMember, "old-member", "", "a member's policy to put on the old charter instead")
	fs.StringVar(&actions, "actions", "", "catalogue of actions of the new charter (default: the one that signer.yaml names, else the one in this program)")
	fs.StringVar(&oldActions, "old-actions", "", "catalogue of actions of the old charter (default: this node's; without a signer.yaml, that of the new one)")
	return cmd
}

func writeDiff(w io.Writer, d *policy.Difference) {
	defer writeAmendment(w, d.Amendment)
	if len(d.Entries) == 0 {
		fmt.Fprintln(w, d.Text)
		return
	}
	for _, e := range d.Entries {
		what := e.Action
		if e.Function != "" {
			what += ", " + e.Function
		}
		if e.Contract != "" {
			what += " on " + e.Contract
		}
		if e.Caller != "" {
			what += ", made by " + e.Caller
		}
		fmt.Fprintf(w, "%s: %s\n", e.Kind, what)
		rows := [][]string{{"  old rules", orNone(e.OldRules)}, {"  new rules", orNone(e.NewRules)}, {"  loosens", string(e.Loosens)}, {"  tightens", string(e.Tightens)}}
		table(w, rows)
		for _, x := range e.Examples {
			call := x.Call
			if x.With != "" {
				call += ", " + x.With
			}
			fmt.Fprintf(w, "  %s: %s\n    old: %s\n    new: %s\n", x.Change, call, x.Old, x.New)
		}
		if len(e.Examples) == 0 && (e.Loosens == policy.Maybe || e.Tightens == policy.Maybe) {
			fmt.Fprintln(w, "  no example was found; compare the rules")
		}
		fmt.Fprintln(w)
	}
	fmt.Fprintf(w, "As a whole: %s.\n", d.Text)
}

// writeAmendment says what it takes to put the new charter in the place of the old.
func writeAmendment(w io.Writer, a *policy.Amendment) {
	if a == nil {
		return
	}
	fmt.Fprintf(w, "\nThis change of the charter needs a succession ('signer term propose --charter').\n%s.\n", capital(a.Text()))
	for i, why := range a.Loosens {
		if i == 0 {
			fmt.Fprintln(w, "That it only tightens can't be shown:")
		}
		fmt.Fprintln(w, "  "+why)
	}
}

func capital(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

func orNone(list []string) string {
	const most = 8
	switch n := len(list); {
	case n == 0:
		return "none"
	case n > most:
		return fmt.Sprintf("%s and %d more", strings.Join(list[:most], ", "), n-most)
	}
	return strings.Join(list, ", ")
}
