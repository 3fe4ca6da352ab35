package main

import (
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/millicent-one/signer/api"
	"github.com/millicent-one/signer/council"
)

func (a *app) approveCmd() *cobra.Command {
	return a.voteCmd(council.Approve, &cobra.Command{
		Use:   "approve ID --keystore FILE | --clef URL | --signature 0x…",
		Short: "Approve a proposal with your wallet",
		Long: `Approve a proposal with your wallet. What your own node says it does is shown
first; what the wallet signs is the whole transaction and that sentence. The word
is worth what its signature is worth: any member's node takes and passes it on.`,
	})
}

func (a *app) rejectCmd() *cobra.Command {
	return a.voteCmd(council.Reject, &cobra.Command{
		Use:   "reject ID --reason TEXT --keystore FILE | --clef URL | --signature 0x…",
		Short: "Reject a proposal, or take your approval back",
		Long: `Reject a proposal, or take your approval back; that counts until the transaction's
nonce is reserved, which is when the signing begins.`,
	})
}

func (a *app) voteCmd(word council.Choice, cmd *cobra.Command) *cobra.Command {
	var w walletFlags
	var member, reason string
	var holds time.Duration
	var yes bool
	cmd.Args = cobra.ExactArgs(1)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := misused(api.CheckPrefix(args[0])); err != nil {
			return err
		}
		if word == council.Reject && reason == "" {
			return usagef("add --reason 'what speaks against it'", "no reason")
		}
		if !w.typedData && !w.given() {
			return usagef(walletHint, "no wallet to sign with")
		}
		if holds < 0 || holds > 0 && holds < time.Second || holds > 0 && (w.signature != "" || w.typedData) {
			// The end is part of what is signed, and the signature alone does not say it.
			return usagef("leave it out: the word then ends with the proposal", "--holds %s: want a second or more, and not together with --typed-data or --signature", holds)
		}
		c, err := a.client()
		if err != nil {
			return err
		}
		u, err := c.Ballot(cmd.Context(), api.BallotRequest{Proposal: args[0], Decision: word, Member: council.MemberID(member), Reason: reason, Seconds: uint64(holds / time.Second)})
		if err != nil {
			return err
		}
		if w.typedData {
			return a.document(u.Document)
		}
		p, err := c.Proposal(cmd.Context(), u.Approval.Proposal.Hex())
		if err != nil {
			return err
		}
		if err := samePage(p, u); err != nil {
			return council.WithHint(err, "don't sign; report it")
		}
		wal, err := w.wallet(a)
		if err != nil {
			return err
		}
		if !yes {
			writeProposal(a.err, p, a.now())
			fmt.Fprintf(a.err, "\n%s\n\nCompare on a second device: %s\n", words(u.Approval.Action), u.Digest.Hex())
			fmt.Fprintf(a.err, "The word: %s, which holds until %s\n", u.Approval.Decision, clock(time.Unix(int64(u.Approval.Expires), 0)))
			for _, line := range blind(p, u) {
				fmt.Fprintln(a.err, line)
			}
			if err := a.confirm(fmt.Sprintf("%s as %s?", title(word), oneLine(string(u.Member)))); err != nil {
				return err
			}
		}
		if u.Approval.Sig, err = signed(cmd.Context(), wal, u.Document, u.Wallet); err != nil {
			return err
		}
		p, err = c.Vote(cmd.Context(), u.Approval)
		if err != nil {
			return err
		}
		return a.print(p, func(out io.Writer) {
			done := "approved"
			if word == council.Reject {
				done = "rejected"
			}
			fmt.Fprintf(out, "%s %s %s: %s\n", oneLine(string(u.Member)), done, oneLine(p.Short), words(p.Sentence))
			fmt.Fprintf(out, "%s, %d of %d approvals\n", oneLine(string(p.State)), p.Have, p.Want)
		})
	}
	w.add(cmd)
	fs := cmd.Flags()
	fs.StringVar(&member, "member", "", "whose word it is (default: this node's member)")
	fs.StringVar(&reason, "reason", "", "why; it is signed, too")
	fs.DurationVar(&holds, "holds", 0, "how long the word counts (default: as long as the proposal)")
	addYes(cmd, &yes)
	return cmd
}

// samePage refuses a page that shows something else than the wallet is to sign. The id
// commits to every field of the intent.
func samePage(p api.Proposal, u api.UnsignedApproval) error {
	if p.Sentence != u.Approval.Action {
		return fmt.Errorf("the node shows %q, but asks to sign %q", p.Sentence, u.Approval.Action)
	}
	in, err := p.Intent.Intent()
	if err != nil {
		return fmt.Errorf("the node shows what can't be signed: %w", err)
	}
	shown, err := council.Propose(u.Council, in)
	if err != nil {
		return fmt.Errorf("the node shows what can't be signed: %w", err)
	}
	if shown != u.Approval.Proposal || p.ID != shown {
		return fmt.Errorf("the node shows proposal %s, with what is proposed as %s, but asks to sign %s", p.ID.Hex(), shown.Hex(), u.Approval.Proposal.Hex())
	}
	return nil
}

// blind is what speaks against an approval, or is not known, of what the own node is there
// to find out.
func blind(p api.Proposal, u api.UnsignedApproval) (lines []string) {
	own := slices.IndexFunc(p.Verdicts, func(v api.Verdict) bool { return v.Member == u.Member })
	if own >= 0 && !p.Verdicts[own].Allow {
		lines = append(lines, fmt.Sprintf("Your own node denies it: %s (%s)", oneLine(p.Verdicts[own].Reason), oneLine(p.Verdicts[own].Rule)))
	}
	if u.Approval.Decision != council.Approve {
		return lines
	}
	if own < 0 {
		lines = append(lines, "Your own node has not judged it yet")
	}
	switch {
	case isMessage(p):
	case p.Effects == nil:
		lines = append(lines, "This node has not simulated it: what it would change is not known")
	case p.Effects.Sight == council.SightNone:
		lines = append(lines, "This node could not simulate it: what it would change is not known")
	}
	return lines
}

func title(c council.Choice) string {
	if c == council.Reject {
		return "Reject"
	}
	return "Approve"
}
