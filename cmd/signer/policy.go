package main

import (
	"fmt"
	"io"

	"github.com/ethereum/go-ethereum/common"
	"github.com/spf13/cobra"

	"github.com/millicent-one/signer/configs"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/policy"
)

func (a *app) policyCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "policy",
		Short: "Check charter and policy files",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.policyCheck(), policySample(a))
	return cmd
}

func (a *app) policyCheck() *cobra.Command {
	var actions string
	cmd := &cobra.Command{
		Use:   "check [CHARTER [POLICY]...]",
		Short: "Check a charter, and members' policies on top of it",
		Long: `Check a charter, and members' policies on top of it. A mistake is named with file,
line and column. The hash of the charter is what the roster commits to. Without
arguments it checks the files of this node.`,
		Example: "  signer policy check charter.yaml policy.yaml",
		RunE: func(_ *cobra.Command, files []string) error {
			if len(files) == 0 {
				c, err := a.load()
				if err != nil {
					return err
				}
				files, actions = []string{c.Charter, c.Policy}, c.Actions
			}
			ch, err := loadCharter(files[0], actions)
			if err != nil {
				return err
			}
			type line struct {
				File string      `json:"file"`
				Kind string      `json:"kind"`
				Name string      `json:"name"`
				Hash common.Hash `json:"hash"`
			}
			lines := []line{{files[0], "charter", ch.Name(), ch.Hash()}}
			for _, f := range files[1:] {
				m, err := loadMember(f, ch)
				if err != nil {
					return err
				}
				lines = append(lines, line{f, "policy", m.Name(), policy.New(ch, m).Hash()})
			}
			return a.print(lines, func(w io.Writer) {
				var rows [][]string
				for _, l := range lines {
					rows = append(rows, []string{"ok", l.Kind, l.File, l.Hash.Hex(), l.Name})
				}
				table(w, rows)
				if ch.Threshold() != council.Millicent.Threshold {
					fmt.Fprintf(w, "warning: the charter asks for %d members; the constitution asks for %d\n", ch.Threshold(), council.Millicent.Threshold)
				}
			})
		},
	}
	cmd.Flags().StringVar(&actions, "actions", "", "catalogue of actions (default: the one in this program)")
	return cmd
}

func policySample(a *app) *cobra.Command {
	samples := map[string][]byte{"charter": configs.Charter, "policy": configs.Policy, "actions": configs.Actions, "signer": []byte(configs.SignerYAML)}
	return &cobra.Command{
		Use:       "sample charter|policy|actions|signer",
		Short:     "Print a commented sample to start from",
		Args:      cobra.MatchAll(cobra.ExactArgs(1), cobra.OnlyValidArgs),
		ValidArgs: []string{"charter", "policy", "actions", "signer"},
		RunE: func(_ *cobra.Command, args []string) error {
			_, err := a.out.Write(samples[args[0]])
			return err
		},
	}
}
