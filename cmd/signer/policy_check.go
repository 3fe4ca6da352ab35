package main

import (
	"fmt"
	"io"

	"github.com/ethereum/go-ethereum/common"
	"github.com/spf13/cobra"

	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/policy"
)

// checkedFile is a policy file that loads, with what its author may not have
// meant.
type checkedFile struct {
	File     string           `json:"file"`
	Kind     string           `json:"kind"`
	Name     string           `json:"name"`
	Hash     common.Hash      `json:"hash"`
	Findings []policy.Finding `json:"findings"`
}

func (a *app) policyCheck() *cobra.Command {
	var actions string
	var strict bool
	cmd := &cobra.Command{
		Use:   "check [CHARTER [POLICY]...]",
		Short: "Check a charter, and members' policies on top of it",
		Long: `Check a charter, and members' policies on top of it. A mistake is named with file,
line and column, and so is what loads and was perhaps not meant: wildcards, rules
that never come to speak, upgrades to any code. The hash of the charter is what
the roster commits to. Without arguments it checks the files of this node.`,
		Example: "  signer policy check charter.yaml policy.yaml --strict",
		RunE: func(_ *cobra.Command, files []string) error {
			files, ch, err := a.named(files, actions)
			if err != nil {
				return err
			}
			own := policy.Check(ch, nil)
			lines := []checkedFile{lineOf(files[0], "charter", ch.Name(), ch.Hash(), own)}
			for _, f := range files[1:] {
				m, err := loadMember(f, ch)
				if err != nil {
					return err
				}
				lines = append(lines, lineOf(f, "policy", m.Name(), policy.New(ch, m).Hash(), policy.Check(ch, m)[len(own):]))
			}
			warnings := 0
			for _, l := range lines {
				for _, f := range l.Findings {
					if f.Severity != policy.Note {
						warnings++
					}
				}
			}
			few := ch.Threshold() != council.Millicent.Threshold
			if few {
				warnings++
			}
			err = a.print(lines, func(w io.Writer) {
				var rows [][]string
				for _, l := range lines {
					rows = append(rows, []string{"ok", l.Kind, l.File, l.Hash.Hex(), l.Name})
				}
				table(w, rows)
				for _, l := range lines {
					for _, f := range l.Findings {
						fmt.Fprintf(w, "%s\n  hint: %s\n", f, f.Hint)
					}
				}
				if few {
					fmt.Fprintf(w, "warning: the charter asks for %d members; the constitution asks for %d\n", ch.Threshold(), council.Millicent.Threshold)
				}
			})
			if err == nil && strict && warnings > 0 {
				return council.WithHint(fmt.Errorf("%s", plural(warnings, "warning", "warnings")), "mend what they name, or leave out --strict")
			}
			return err
		},
	}
	cmd.Flags().StringVar(&actions, "actions", "", "catalogue of actions (default: the one in this program)")
	cmd.Flags().BoolVar(&strict, "strict", false, "fail on warnings")
	return cmd
}

// lineOf is one line of the check; its findings name the file as it was given.
func lineOf(file, kind, name string, hash common.Hash, found []policy.Finding) checkedFile {
	out := checkedFile{file, kind, name, hash, []policy.Finding{}}
	for _, f := range found {
		f.File = file
		out.Findings = append(out.Findings, f)
	}
	return out
}
