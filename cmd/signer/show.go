package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/millicent-one/signer/api"
	"github.com/millicent-one/signer/council"
)

func (a *app) listCmd() *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the proposals, the newest first",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.client()
			if err != nil {
				return err
			}
			ps, err := c.Proposals(cmd.Context())
			if err != nil {
				return err
			}
			names := apart(ps)
			if !all {
				ps = slices.DeleteFunc(ps, api.Proposal.Done)
			}
			return a.print(append([]api.Proposal{}, ps...), func(w io.Writer) {
				if len(ps) == 0 {
					fmt.Fprintln(w, "Nothing is open. 'signer list --all' shows what is done.")
					return
				}
				rows := [][]string{{"ID", "STATE", "APPROVALS", "EXPIRES", "ACTION"}}
				for _, p := range ps {
					rows = append(rows, []string{names[p.ID], oneLine(string(p.State)), fmt.Sprintf("%d of %d", p.Have, p.Want), clock(p.Expires), words(p.Sentence)})
				}
				table(w, rows)
			})
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "also those that are done")
	return cmd
}

// apart are the beginnings of ids that tell proposals apart. Eight digits can be had by
// trying: where somebody has, there are two more than it takes.
func apart(ps []api.Proposal) map[council.ProposalID]string {
	const least, more = 8, 2
	ids := make([]string, len(ps))
	for i, p := range ps {
		ids[i] = p.ID.Hex()
	}
	slices.Sort(ids)
	ids = slices.Compact(ids)
	alike := func(i, j int) (n int) { // digits that two have in common
		if i < 0 || j == len(ids) {
			return 0
		}
		for n = 2; n < len(ids[i]) && ids[i][n] == ids[j][n]; n++ {
		}
		return n - 2
	}
	digits := map[string]int{}
	for i, id := range ids {
		digits[id] = least
		if n := max(alike(i-1, i), alike(i, i+1)); n >= least {
			digits[id] = n + 1 + more
		}
	}
	out := map[council.ProposalID]string{}
	for _, p := range ps {
		id := p.ID.Hex()
		out[p.ID] = id[:min(len(id), 2+digits[id])]
	}
	return out
}

func (a *app) showCmd() *cobra.Command {
	var typed, reject, signature bool
	var member, reason string
	cmd := &cobra.Command{
		Use:   "show ID",
		Short: "Show one proposal, as this node reads it",
		Long: `Show one proposal, as this node reads it: what it does, who judged it how, who has
approved, and what came of it. ID is the beginning of the id, as 'signer list' shows it.

--signature prints instead the signature of a statement or of typed data alone:
65 bytes r, s, v in hex, as wallets and libraries take it.

--typed-data prints instead the EIP-712 document of your approval (with --reject:
of your rejection), for any wallet to sign; 'signer approve ID --signature 0x…'
takes the signature, with the same --reason.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := misused(api.CheckPrefix(args[0])); err != nil {
				return err
			}
			c, err := a.client()
			if err != nil {
				return err
			}
			if typed {
				word := council.Approve
				if reject {
					word = council.Reject
				}
				u, err := c.Ballot(cmd.Context(), api.BallotRequest{Proposal: args[0], Decision: word, Member: council.MemberID(member), Reason: reason})
				if err != nil {
					return err
				}
				return a.document(u.Document)
			}
			p, err := c.Proposal(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if signature {
				return a.writeSignature(p)
			}
			return a.print(p, func(w io.Writer) { writeProposal(w, p, a.now()) })
		},
	}
	fs := cmd.Flags()
	fs.BoolVar(&signature, "signature", false, "print the signature of a statement or of typed data")
	fs.BoolVar(&typed, "typed-data", false, "print the EIP-712 document of your approval")
	fs.BoolVar(&reject, "reject", false, "with --typed-data: of your rejection")
	fs.StringVar(&member, "member", "", "with --typed-data: whose word it is (default: this node's member)")
	fs.StringVar(&reason, "reason", "", "with --typed-data: the reason that goes into it")
	return cmd
}

// writeProposal is the page that a member approves by: the meaning first.
func writeProposal(w io.Writer, p api.Proposal, now time.Time) {
	fmt.Fprintf(w, "%s\n\n", words(p.Sentence)) // the whole of it: it is signed
	state := oneLine(string(p.State))
	if p.Detail != "" {
		state += " (" + oneLine(p.Detail) + ")"
	}
	rows := [][]string{{"id", p.ID.Hex()}, {"state", state}}
	add := func(k, v string) {
		if v != "" {
			rows = append(rows, []string{k, v})
		}
	}
	add("class", oneLine(p.Class))
	add("proposed", clock(p.Proposed)+" by "+oneLine(string(p.Proposer)))
	left := p.Expires.Sub(now).Round(time.Second)
	switch {
	case p.Done():
	case left > 0:
		add("expires", clock(p.Expires)+", in "+left.String())
	default:
		add("expires", clock(p.Expires)+", over")
	}
	add("reason", oneLine(p.Reason))
	add("terms", oneLine(p.Terms))
	if !p.NotBefore.IsZero() && !p.Done() {
		add("signs", "at the earliest "+clock(p.NotBefore))
	}
	if p.Replaces != (council.ProposalID{}) {
		add("replaces", p.Replaces.Short())
	}
	if p.Intent.To != nil {
		add("chain", fmt.Sprint(p.Intent.Chain))
		add("to", p.Intent.To.Hex())
		add("value", ether(orZero(p.Intent.Value).Int())+" ETH")
		add("ceilings", fmt.Sprintf("%d gas at %s gwei, tip %s gwei", p.Intent.MaxGas, gwei(p.Intent.MaxFeePerGas), gwei(p.Intent.MaxTipPerGas)))
		add("calldata", fmt.Sprintf("%d bytes %s", len(p.Intent.Data), clip(p.Intent.Data.String(), 74)))
	}
	if p.Digest != nil {
		add("digest", p.Digest.Hex())
	}
	table(w, rows)
	if isMessage(p) {
		writeMessage(w, p)
	}
	if p.Call != nil {
		fmt.Fprintln(w)
		writeCall(w, *p.Call, 0)
	}
	writeEffects(w, p)
	writeVoices(w, p)
	writeDeeds(w, p)
}

func writeCall(w io.Writer, c api.Call, depth int) {
	pad := strings.Repeat("  ", depth)
	to := c.To.Hex()
	if c.Label != "" {
		to = oneLine(c.Label) + " " + to
	}
	fmt.Fprintf(w, "%scall %s\n%s  on %s\n", pad, oneLine(c.Signature), pad, to)
	if c.Value != nil && c.Value.Int().Sign() != 0 {
		fmt.Fprintf(w, "%s  with %s ETH\n", pad, ether(c.Value.Int()))
	}
	for _, x := range c.Args {
		v := clip(words(x.Value), 100)
		if x.Label != "" {
			v = oneLine(x.Label) + " " + v
		}
		fmt.Fprintf(w, "%s  %s %s: %s\n", pad, oneLine(x.Type), oneLine(x.Name), v)
	}
	for _, in := range c.Inner {
		writeCall(w, in, depth+1)
	}
}

// writeVoices says what the nodes judged and what the members said.
func writeVoices(w io.Writer, p api.Proposal) {
	if len(p.Verdicts) > 0 {
		rows := [][]string{{"", ""}, {"NODE", "VERDICT", "RULE", "REASON"}}
		for _, v := range p.Verdicts {
			word := "deny"
			if v.Allow {
				word = "allow"
			}
			rows = append(rows, []string{oneLine(string(v.Member)), word, oneLine(v.Rule), oneLine(v.Reason)})
		}
		table(w, rows)
	}
	if p.Want > 0 {
		fmt.Fprintf(w, "\n%d of %d approvals", p.Have, p.Want)
		if len(p.Missing) > 0 && !p.Done() {
			fmt.Fprintf(w, "; not heard: %s", join(p.Missing))
		}
		fmt.Fprintln(w)
	}
	var rows [][]string
	for _, x := range p.Approvals {
		rows = append(rows, []string{"  " + oneLine(string(x.Member)), oneLine(string(x.Decision)), clock(x.At), oneLine(x.Reason)})
	}
	table(w, rows)
}

// writeDeeds says what came of it.
func writeDeeds(w io.Writer, p api.Proposal) {
	for _, t := range p.Attempts {
		at := fmt.Sprintf("nonce %d, ", t.Nonce)
		if isMessage(p) {
			at = ""
		}
		fmt.Fprintf(w, "\n%sattempt %d: %s", at, t.Number, attemptLine(t))
	}
	if len(p.Attempts) > 0 {
		fmt.Fprintln(w)
	}
	if len(p.Signature) > 0 {
		table(w, [][]string{{"", ""}, {"signature", p.Signature.String()}})
	}
	if p.TxHash == nil {
		return
	}
	rows := [][]string{{"", ""}, {"transaction", p.TxHash.Hex()}}
	if p.Block != 0 {
		rows = append(rows, []string{"block", fmt.Sprint(p.Block)}, []string{"gas used", fmt.Sprint(p.GasUsed)})
	}
	t := p.Timing
	if t.Signed != 0 {
		rows = append(rows, []string{"took", fmt.Sprintf("judged %d ms, approved %d ms, signed %d ms, mined %d ms", t.Judged, t.Approved, t.Signed, t.Mined)})
	}
	table(w, rows)
}

func attemptLine(t api.Attempt) string {
	names := make([]string, len(t.Signers))
	for i, s := range t.Signers {
		names[i] = string(s.Member)
		if s.Assist {
			names[i] += " (assists)"
		}
	}
	out := fmt.Sprintf("%s by %s, led by %s", oneLine(t.State), oneLine(strings.Join(names, ", ")), oneLine(string(t.Coordinator)))
	if t.Millis != 0 {
		out += fmt.Sprintf(", %d ms", t.Millis)
	}
	if len(t.WaitingFor) > 0 {
		out += ", waiting for " + join(t.WaitingFor)
	}
	if t.Error != "" {
		out += ": " + oneLine(t.Error)
	}
	if len(t.Suspects) > 0 {
		out += "; suspected: " + join(t.Suspects)
	}
	return out
}

func orZero(w *api.Wei) *api.Wei {
	if w == nil {
		return new(api.Wei)
	}
	return w
}

func gwei(w *api.Wei) string {
	s := orZero(w).String()
	if len(s) <= 9 {
		s = strings.Repeat("0", 10-len(s)) + s
	}
	return strings.TrimSuffix(strings.TrimRight(s[:len(s)-9]+"."+s[len(s)-9:], "0"), ".")
}
