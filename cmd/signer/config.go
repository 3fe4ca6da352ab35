package main

import (
	"io"

	"github.com/spf13/cobra"
)

func (a *app) configCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Check and show signer.yaml",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(&cobra.Command{
		Use:   "show",
		Short: "Show each value in force, and where it comes from",
		Long: `Show each value in force, and where it comes from. A flag wins over the environment
(SIGNER_LOG_LEVEL for log.level), that over the file, that over the default.
Secrets in addresses are not shown.`,
		Args: cobra.NoArgs,
		RunE: func(_ *cobra.Command, _ []string) error {
			c, err := a.load()
			if err != nil {
				return err
			}
			return a.print(c.Rows(), func(w io.Writer) {
				rows := [][]string{{"KEY", "VALUE", "SOURCE"}}
				for _, r := range c.Rows() {
					rows = append(rows, []string{r.Key, r.Value, r.Source})
				}
				table(w, rows)
			})
		},
	})
	return cmd
}
