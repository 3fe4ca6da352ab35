package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/big"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/spf13/cobra"

	"github.com/millicent-one/signer/api"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/policy"
)

// explainFlags write a transaction, and say what is known of the chain.
type explainFlags struct {
	files                                    policyFiles
	to, data, value, reason, fee, tip, named string
	council                                  string
	chain, gas                               uint64
	validFor                                 time.Duration
	noFacts                                  bool
}

func (a *app) policyExplain() *cobra.Command {
	var f explainFlags
	cmd := &cobra.Command{
		Use:   "explain ID | CASES --case NAME | --to ADDRESS --data 0x…",
		Short: "Show the whole tree behind a decision, and what would make it pass",
		Long: `Show the whole tree behind a decision: each call, each rule that could speak about
it, each test with what it found and what it wants, which rule decided, and what
would make it pass.

What is explained is a proposal of the running node, by the beginning of its id;
a case of a table of cases (see 'signer policy test'); or a transaction given by
--to, --data, --value and --chain. The last two need no node.

An open proposal is explained by the node: by the policy that it has in force, on
facts that it fetches from its own RPC now. One that is signed or over is explained
here, by the files, and so is everything else, and a proposal with --charter, --policy
or --no-facts: the simulation and the code of contracts are then assumed to be as the
rules want them, or with --no-facts to be unknown. A case brings its own.`,
		Example: `  signer policy explain 0x4f5e9a31
  signer policy explain --charter charter.yaml --to 0x2222222222222222222222222222222222222222 --data 0x8456cb59`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			x, err := a.explain(cmd.Context(), f, args)
			if err != nil {
				return err
			}
			return a.print(x.tree, func(w io.Writer) {
				fmt.Fprint(w, x.text)
				if x.said != "" {
					fmt.Fprintf(w, "\n%s\n", x.said)
				}
			})
		},
	}
	f.files.add(cmd)
	fs := cmd.Flags()
	fs.StringVar(&f.named, "case", "", "the case to explain, by its name")
	fs.Uint64Var(&f.chain, "chain", 0, "chain id (default: the charter's, if it has one)")
	fs.StringVar(&f.to, "to", "", "the contract to call: an address, or a name of the charter")
	fs.StringVar(&f.data, "data", "", "calldata in hex")
	fs.StringVar(&f.value, "value", "0", "value to send, such as '0.1 ether'")
	fs.Uint64Var(&f.gas, "max-gas", 100_000, "ceiling of gas")
	fs.StringVar(&f.fee, "max-fee", "50 gwei", "ceiling for each gas")
	fs.StringVar(&f.tip, "max-tip", "1 gwei", "ceiling of the tip for each gas")
	fs.DurationVar(&f.validFor, "valid-for", time.Hour, "how long the council may act on it")
	fs.StringVar(&f.reason, "reason", "", "the proposer's reason")
	fs.StringVar(&f.council, "council", "0x00000000000000000000000000000000000000C0", "the council's address, for a call that is about it")
	fs.BoolVar(&f.noFacts, "no-facts", false, "assume that nothing is known of the chain")
	return cmd
}

// explained is a tree, in both forms, and what the node itself says about it.
type explained struct {
	tree       any
	text, said string
}

func explainedBy(x *policy.Explanation, err error) (explained, error) {
	if err != nil {
		return explained{}, err
	}
	return explained{tree: x, text: x.String()}, nil
}

// explain finds out what is asked for.
func (a *app) explain(ctx context.Context, f explainFlags, args []string) (explained, error) {
	switch {
	case len(args) == 1 && f.to != "":
		return explained{}, usagef("give an id or a file, or --to and --data", "%s and --to together", args[0])
	case len(args) == 0 && f.to == "":
		return explained{}, usagef("give the beginning of a proposal's id, a file of cases, or --to and --data", "nothing to explain")
	case len(args) == 0:
		return explainedBy(a.explainRaw(f))
	case isID(args[0]):
		return a.explainProposal(ctx, f, args[0])
	}
	s, ch, m, err := readCases(args[0], f.files)
	if err != nil {
		return explained{}, err
	}
	return explainedBy(s.Explain(f.named, ch, m))
}

// isID reports whether a word is the beginning of a proposal's id.
func isID(s string) bool {
	digits := strings.TrimPrefix(s, "0x")
	_, err := hex.DecodeString(digits + strings.Repeat("0", len(digits)%2))
	return err == nil && len(digits) >= api.MinPrefix
}

func (a *app) explainRaw(f explainFlags) (*policy.Explanation, error) {
	ch, m, err := f.files.read(a)
	if err != nil {
		return nil, err
	}
	t := council.Transaction{Chain: f.chain, MaxGas: f.gas, Reason: f.reason, ValidUntil: a.unix() + uint64(f.validFor/time.Second)}
	if k, ok := ch.Contract(f.to); ok {
		t.To = k.Address
		if t.Chain == 0 {
			t.Chain = k.Chain
		}
	} else if t.To, err = policy.ParseAddress(f.to); err != nil {
		return nil, usage{fmt.Errorf("--to: %w", err)}
	}
	if chains := ch.Chains(); t.Chain == 0 && len(chains) == 1 {
		for id := range chains {
			t.Chain = id
		}
	}
	if t.Chain == 0 {
		return nil, usagef("give --chain", "the charter has %d chains", len(ch.Chains()))
	}
	for _, w := range []struct {
		flag, text string
		to         **big.Int
	}{{"--value", f.value, &t.Value}, {"--max-fee", f.fee, &t.MaxFeePerGas}, {"--max-tip", f.tip, &t.MaxTipPerGas}} {
		if *w.to, err = policy.ParseWei(w.text); err != nil {
			return nil, usage{fmt.Errorf("%s: %w", w.flag, err)}
		}
	}
	if t.Data, err = calldata(f.data); err != nil {
		return nil, err
	}
	from, err := policy.ParseAddress(f.council)
	if err != nil {
		return nil, usage{fmt.Errorf("--council: %w", err)}
	}
	p := policy.New(ch, m)
	return p.Explain(p.Assume(t, from, a.unix(), !f.noFacts)), nil
}

// explainProposal asks the node. What is signed or over, and what is to be explained
// by other files, is explained here.
func (a *app) explainProposal(ctx context.Context, f explainFlags, id string) (explained, error) {
	c, err := a.client()
	if err != nil {
		return explained{}, err
	}
	if f.files == (policyFiles{}) && !f.noFacts {
		x, err := c.Explain(ctx, id)
		if err == nil {
			said := fmt.Sprintf("by the node of %s", oneLine(string(x.Member)))
			if x.Block > 0 {
				said += fmt.Sprintf(", on the facts of block %d", x.Block)
			}
			return explained{x.Tree, x.Text, said}, nil
		}
		if !errors.Is(err, api.Conflict) {
			return explained{}, err
		}
	}
	p, err := c.Proposal(ctx, id)
	if err != nil {
		return explained{}, err
	}
	in, err := p.Intent.Intent()
	if err != nil {
		return explained{}, fmt.Errorf("read proposal %s: %w", p.Short, err)
	}
	st, err := c.Status(ctx)
	if err != nil {
		return explained{}, err
	}
	ch, m, err := f.files.read(a)
	if err != nil {
		return explained{}, err
	}
	var from common.Address
	if st.Council != nil {
		from = st.Council.Address
	}
	now := a.unix()
	if p.Done() || in.Expires() <= now {
		now = uint64(p.Proposed.Unix()) // as it was judged, not as an old one is
	}
	by := policy.New(ch, m)
	x, err := explainedBy(by.Explain(by.Assume(in, from, now, !f.noFacts)), nil)
	x.said = fmt.Sprintf("on assumed facts; the node of %s has not judged it yet", st.Member)
	for _, v := range p.Verdicts {
		if v.Member == st.Member {
			x.said = fmt.Sprintf("on assumed facts; the node of %s, on its own: %s by %s: %s", oneLine(string(st.Member)), verdictWord(v.Allow), oneLine(v.Rule), oneLine(v.Reason))
		}
	}
	return x, err
}
