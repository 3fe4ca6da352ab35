package main

import (
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/policy"
)

// testedCases is what came of one file.
type testedCases struct {
	File    string              `json:"file"`
	Charter string              `json:"charter"`
	Passed  int                 `json:"passed"`
	Failed  int                 `json:"failed"`
	Cases   []policy.CaseResult `json:"cases"`
}

func (a *app) policyTest() *cobra.Command {
	var files policyFiles
	var quiet bool
	cmd := &cobra.Command{
		Use:   "test CASES...",
		Short: "Run tables of cases against the charters that they name",
		Long: `Run tables of cases against the charters that they name: what is proposed, and
what the policy has to say. 'signer policy sample cases' prints the table that
comes with the sample charter, with an explanation of its words. The exit code is
1 if a case fails; each that does is shown with its line and the whole tree.`,
		Example: "  signer policy test charter-cases.yaml",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			var all []testedCases
			failed := 0
			for _, f := range args {
				s, ch, m, err := readCases(f, files)
				if err != nil {
					return err
				}
				results, err := s.Judge(ch, m)
				if err != nil {
					return err
				}
				t := testedCases{File: f, Charter: ch.Hash().Hex(), Cases: results}
				for i := range results {
					if results[i].File = f; results[i].OK {
						t.Passed++
					} else {
						t.Failed++
					}
				}
				failed += t.Failed
				all = append(all, t)
			}
			if err := a.print(all, func(w io.Writer) { writeTested(w, all, quiet) }); err != nil {
				return err
			}
			if failed > 0 {
				return council.WithHint(fmt.Errorf("%s failed", plural(failed, "case", "cases")), "mend the charter, or the case; 'signer policy explain CASES --case NAME' shows one alone")
			}
			return nil
		},
	}
	fs := cmd.Flags()
	fs.StringVar(&files.charter, "charter", "", "test this charter instead of the one that the file names")
	fs.StringVar(&files.policy, "policy", "", "a member's policy on top, instead of the one that the file names")
	fs.StringVar(&files.actions, "actions", "", "catalogue of actions (default: the one in this program)")
	fs.BoolVar(&quiet, "quiet", false, "leave out the explanations")
	return cmd
}

// readCases reads a table, its charter and its member's policy, which may be nil.
// What flags name goes before what the table names.
func readCases(file string, f policyFiles) (*policy.Cases, *policy.Charter, *policy.Member, error) {
	b, err := readPublic(file, "table of cases", "begin one with 'signer policy sample cases'")
	if err != nil {
		return nil, nil, nil, err
	}
	s, err := policy.LoadCases(filepath.Base(file), b)
	if err != nil {
		return nil, nil, nil, err
	}
	for _, x := range []struct {
		flag *string
		said string
	}{{&f.charter, s.Charter()}, {&f.policy, s.Policy()}, {&f.actions, s.Actions()}} {
		if *x.flag == "" {
			*x.flag = beside(file, x.said)
		}
	}
	ch, err := readCharter(f.charter, f.actions)
	if err != nil || f.policy == "" {
		return s, ch, nil, err
	}
	m, err := loadMember(f.policy, ch)
	return s, ch, m, err
}

func writeTested(w io.Writer, all []testedCases, quiet bool) {
	for _, t := range all {
		for _, c := range t.Cases {
			if c.OK {
				continue
			}
			fmt.Fprintf(w, "%s:%d: %s\n", c.File, c.Line, c.Name)
			for _, m := range c.Wrong {
				fmt.Fprintf(w, "  %s: want %s\n  %s   got %s\n", m.What, m.Want, strings.Repeat(" ", len(m.What)-1), m.Got)
			}
			if quiet {
				continue
			}
			for line := range strings.Lines(c.Why.String()) {
				fmt.Fprintln(w, strings.TrimRight("  | "+line, " \n"))
			}
			fmt.Fprintln(w)
		}
		fmt.Fprintf(w, "%s: %d passed, %d failed\n", t.File, t.Passed, t.Failed)
	}
}
