package main

import (
	"github.com/spf13/cobra"

	"github.com/millicent-one/signer/configs"
)

func policySchema(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "schema charter|policy|actions|cases",
		Short: "Print the JSON Schema of a file, for editors",
		Long: `Print the JSON Schema (draft 2020-12) of a file that people write. An editor that
speaks YAML completes and checks by it when the file's first line names it:
  # yaml-language-server: $schema=schema/charter.json
The loader checks more than a schema can say: see signer policy check.`,
		Example:   "  signer policy schema charter > schema/charter.json",
		Args:      cobra.MatchAll(cobra.ExactArgs(1), cobra.OnlyValidArgs),
		ValidArgs: []string{"charter", "policy", "actions", "cases"},
		RunE: func(_ *cobra.Command, args []string) error {
			_, err := a.out.Write(configs.Schemas[args[0]])
			return err
		},
	}
}
