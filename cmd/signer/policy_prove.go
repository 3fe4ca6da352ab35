package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/spf13/cobra"

	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/policy"
)

func (a *app) policyProve() *cobra.Command {
	var actions, from string
	var protect []string
	var strict bool
	cmd := &cobra.Command{
		Use:   "prove [CHARTER [POLICY]]",
		Short: "Say what a charter can allow at most",
		Long: `Say what a charter can allow at most, with a member's policy on top of it if one is
given: can any allowed action move value or tokens, grant or transfer power, change
code, give up the council's own power, or reach a protected contract? Nothing is run
and nothing is asked of a chain.

  no       every way is closed, whatever the arguments; the reason says by what
  only if  the rules allow it within bounds, which are listed
  unknown  something is allowed of which too little is known
  yes      an example shows it, and the policy allows the example

Without arguments it looks at the files of this node. The exit code is 1 if an
answer is yes, and with --strict also if one is unknown.`,
		Example: "  signer policy prove charter.yaml\n  signer policy prove charter.yaml policy.yaml --protect treasury --strict",
		Args:    cobra.MaximumNArgs(2),
		RunE: func(_ *cobra.Command, files []string) error {
			files, ch, err := a.named(files, actions)
			if err != nil {
				return err
			}
			var m *policy.Member
			if len(files) > 1 {
				if m, err = loadMember(files[1], ch); err != nil {
					return err
				}
			}
			o := policy.ProveOptions{Protect: protect}
			if from != "" {
				if o.Council, err = policy.ParseAddress(from); err != nil {
					return usagef(council.Hint(err), "--council: %w", err)
				}
			}
			proof, err := policy.Prove(policy.New(ch, m), o)
			if err != nil {
				return err
			}
			if err := a.print(proof, func(w io.Writer) { showProof(w, proof, files) }); err != nil {
				return err
			}
			return judgeProof(proof, strict)
		},
	}
	f := cmd.Flags()
	f.StringVar(&actions, "actions", "", "catalogue of actions (default: the one in this program)")
	f.StringVar(&from, "council", "", "the council's address, for the examples (default: a stand-in)")
	f.StringSliceVar(&protect, "protect", nil, "contracts that nothing may reach, beside those that the charter protects")
	f.BoolVar(&strict, "strict", false, "fail if an answer is unknown, too")
	return cmd
}

// judgeProof is the exit code.
func judgeProof(p policy.Proof, strict bool) error {
	var bad []string
	for _, x := range p.Answers {
		if x.Verdict == policy.VerdictYes || strict && x.Verdict == policy.VerdictUnknown {
			bad = append(bad, fmt.Sprintf("%s: %s", x.Question, x.Verdict))
		}
	}
	if len(bad) == 0 {
		return nil
	}
	return council.WithHint(fmt.Errorf("the charter allows more than it should: %s", strings.Join(bad, ", ")), "narrow the rules that the answers name, or have the members agree that it is meant so")
}

// showProof writes the answers, and how to look at each example.
func showProof(w io.Writer, p policy.Proof, files []string) {
	explain := "signer policy explain --charter " + files[0]
	if len(files) > 1 {
		explain += " --policy " + files[1]
	}
	for i, x := range p.Answers {
		if i > 0 {
			fmt.Fprintln(w)
		}
		fmt.Fprintf(w, "%s  %s\n  %s.\n", strings.ToUpper(string(x.Verdict)), x.Text, x.Reason)
		for _, y := range x.Open {
			showWay(w, y, explain)
		}
	}
}

func showWay(w io.Writer, y policy.Way, explain string) {
	fmt.Fprintf(w, "  - %s: %s of %s %s\n", y.Verdict, y.Function, y.Contract, y.Effect)
	line := func(label, text string) {
		if text != "" {
			fmt.Fprintf(w, "      %-11s %s\n", label, text)
		}
	}
	line("allowed by", strings.Join(y.Rules, " and "))
	line("through", strings.Join(y.Through, ", then "))
	line("only if", strings.Join(y.Bounds, "; "))
	line("left open", strings.Join(y.Free, "; "))
	if y.Example == nil {
		return
	}
	line("example", y.Example.Sentence)
	var facts []string
	for _, n := range y.Example.Needs {
		fact := string(n.Query.Kind)
		if n.Query.Address != (common.Address{}) {
			fact += " of " + n.Query.Address.Hex() + " is " + n.Answer.Word.Hex()
		} else if n.Answer.OK {
			fact += " succeeds"
		}
		facts = append(facts, fact)
	}
	line("with", strings.Join(facts, "; "))
	if t, ok := y.Example.Intent.(council.Transaction); ok {
		line("look at it", fmt.Sprintf("%s --chain %d --to %s --data %s --reason '%s'", explain, t.Chain, t.To.Hex(), y.Example.Data, t.Reason))
	}
}
