package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/policy"
)

func (a *app) policyMatrix() *cobra.Command {
	var actions string
	var size int
	cmd := &cobra.Command{
		Use:   "matrix [CHARTER MEMBER=POLICY...]",
		Short: "Show which member's node would take part in which ready action",
		Long: `Show which member's node would take part in which ready action, and whether the
threshold is within reach for each: four nodes have to allow it. A member without
a policy file of its own is MEMBER=none; of members who are not named nothing is
known. Facts are assumed to be as the rules want them. Without arguments it shows
this node's member alone. The exit code is 1 if an action is out of reach.`,
		Example: "  signer policy matrix charter.yaml core-1=none core-2=core-2.yaml",
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				c, err := a.load()
				if err != nil {
					return err
				}
				args, actions = []string{c.Charter, c.Member + "=" + c.Policy}, c.Actions
			}
			ch, err := readCharter(args[0], actions)
			if err != nil {
				return err
			}
			var names []string
			var members []*policy.Member
			for _, arg := range args[1:] {
				name, file, ok := strings.Cut(arg, "=")
				if !ok || name == "" || file == "" {
					return usagef("write it as core-2=core-2.yaml, or core-2=none", "%q names no member and file", arg)
				}
				for _, o := range names {
					if o == name {
						return usagef("name each member once", "%s is named twice", name)
					}
				}
				var m *policy.Member
				if file != "none" {
					if m, err = loadMember(file, ch); err != nil {
						return err
					}
				}
				names, members = append(names, name), append(members, m)
			}
			x := policy.NewMatrix(ch, names, members, max(size, len(names)))
			if err := a.print(x, func(w io.Writer) { writeMatrix(w, x) }); err != nil {
				return err
			}
			if !x.Reachable() {
				return council.WithHint(fmt.Errorf("%d nodes are out of reach for an action of the charter", x.Threshold), "talk to the members whose policies deny it, or change the charter")
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&actions, "actions", "", "catalogue of actions (default: the one in this program)")
	cmd.Flags().IntVar(&size, "members", seatsOf(council.Millicent), "members of the council")
	return cmd
}

func writeMatrix(w io.Writer, x *policy.Matrix) {
	head := append([]string{"ACTION", "TARGET", "CHARTER"}, x.Members...)
	rows := [][]string{append(head, "NODES", "APPROVALS", "REACH")}
	for _, r := range x.Rows {
		row := []string{r.Action, r.Target, string(r.Charter)}
		for _, c := range r.Cells {
			row = append(row, string(c))
		}
		approvals := "-"
		if r.Approvals > 0 {
			approvals = fmt.Sprint(r.Approvals)
		}
		rows = append(rows, append(row, fmt.Sprintf("%d of %d", r.Allow, x.Threshold), approvals, string(r.Reach)))
	}
	table(w, rows)
	if x.Unknown > 0 {
		fmt.Fprintf(w, "Not known: the policies of %s.\n", plural(x.Unknown, "member", "members"))
	}
	for _, r := range x.Rows {
		if r.Reason == "" {
			continue
		}
		what := r.Action
		if r.Target != "-" {
			what += " on " + r.Target
		}
		fmt.Fprintf(w, "%s: %s\n", what, oneLine(r.Reason))
	}
}

// seatsOf counts the members of a council.
func seatsOf(p council.Profile) int {
	n := 0
	for _, k := range p.Seats {
		n += k
	}
	return n
}
