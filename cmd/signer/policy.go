package main

import (
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/millicent-one/signer/configs"
	"github.com/millicent-one/signer/policy"
)

func (a *app) policyCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "policy",
		Short: "Check, explain, test and compare charter and policy files",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(policySample(a))
	cmd.AddCommand(policySchema(a))
	cmd.AddCommand(a.policyCheck())
	cmd.AddCommand(a.policyExplain())
	cmd.AddCommand(a.policyTest())
	cmd.AddCommand(a.policyProve())
	cmd.AddCommand(a.policyDiff())
	cmd.AddCommand(a.policyMatrix())
	cmd.AddCommand(a.policyReplay())
	return cmd
}

func policySample(a *app) *cobra.Command {
	samples := map[string][]byte{"charter": configs.Charter, "cases": configs.Cases, "policy": configs.Policy, "actions": configs.Actions, "signer": []byte(configs.SignerYAML)}
	return &cobra.Command{
		Use:       "sample charter|cases|policy|actions|signer",
		Short:     "Print a commented sample to start from",
		Args:      cobra.MatchAll(cobra.ExactArgs(1), cobra.OnlyValidArgs),
		ValidArgs: []string{"charter", "cases", "policy", "actions", "signer"},
		RunE: func(_ *cobra.Command, args []string) error {
			_, err := a.out.Write(samples[args[0]])
			return err
		},
	}
}

// policyFiles are the files that a policy is read from. Without a charter they
// are this node's.
type policyFiles struct{ charter, policy, actions string }

func (f *policyFiles) add(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.StringVar(&f.charter, "charter", "", "the charter, or sample for the one in this program (default: this node's)")
	fs.StringVar(&f.policy, "policy", "", "a member's policy on top (default: this node's, or none with --charter)")
	fs.StringVar(&f.actions, "actions", "", "catalogue of actions (default: the one in this program)")
}

// read loads them. The member's policy may be nil.
func (f policyFiles) read(a *app) (*policy.Charter, *policy.Member, error) {
	if f.charter == "" {
		c, err := a.load()
		if err != nil {
			return nil, nil, err
		}
		if f.charter, f.actions = c.Charter, c.Actions; f.policy == "" {
			f.policy = c.Policy
		}
	}
	ch, err := readCharter(f.charter, f.actions)
	if err != nil || f.policy == "" {
		return ch, nil, err
	}
	m, err := loadMember(f.policy, ch)
	return ch, m, err
}

// named reads the charter that stands first among files; without any, the files
// are this node's.
func (a *app) named(files []string, actions string) ([]string, *policy.Charter, error) {
	if len(files) == 0 {
		c, err := a.load()
		if err != nil {
			return nil, nil, err
		}
		files, actions = []string{c.Charter, c.Policy}, c.Actions
	}
	ch, err := readCharter(files[0], actions)
	return files, ch, err
}

// readCharter is loadCharter, and knows the charter in this program by name.
func readCharter(path, actions string) (*policy.Charter, error) {
	if path != policy.SampleCharter {
		return loadCharter(path, actions)
	}
	cat, err := policy.LoadActions("actions.yaml", configs.Actions)
	if err != nil {
		return nil, err
	}
	return policy.LoadCharter("charter.yaml", configs.Charter, cat)
}

// beside is a path that a file gives, relative to that file.
func beside(file, path string) string {
	if path == "" || path == policy.SampleCharter || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(filepath.Dir(file), path)
}

func verdictWord(allow bool) string {
	if allow {
		return "allow"
	}
	return "deny"
}

// ruled is a verdict in a table: the word and the rule.
func ruled(d policy.Decision) string { return fmt.Sprintf("%s by %s", verdictWord(d.Allow), d.Rule) }
