package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/millicent-one/signer/council"
)

func (a *app) termCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "term",
		Short: "Change the council: who leaves, who joins; the address stays",
		Long: `Change the council. A succession is a file that goes from hand to hand, as the first
roster did: one proposes it, at least four members approve of it with their wallets,
and everyone who comes in accepts it: joiners, and members with a new wallet. 'roster
verify' checks the whole chain.

Then one member gives it to the own daemon ('term begin'), and the nodes carry it out
by themselves. 'term status' says how far they are. The address stays the same.

Where somebody leaves or joins, the shares of the key are made anew, and all of the new
roster have to be there. Another charter, wallet or term moves no share: five of seven
nodes are enough, and backups stay good. A refresh changes nothing but the shares. A
member that keeps the seat can't move to another node: it leaves, and joins under
another id.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.termPropose(), a.termShow(),
		a.termWord("approve", "Approve of a succession as a member of the roster before", func(s *council.Succession) *[]council.WalletSignature { return &s.Approvals }),
		a.termWord("accept", "Accept a succession as one who comes in with a new key", func(s *council.Succession) *[]council.WalletSignature { return &s.Accepts }),
		a.termMerge(), a.termBegin(), a.termStatus(), a.termAbort(), a.termCommit())
	return cmd
}

// afterFlag names the chain of rosters that a succession follows.
func afterFlag(cmd *cobra.Command) *[]string {
	return cmd.Flags().StringSlice("after", nil, "the first roster and the successions since, in order (default: this node's roster)")
}

func (a *app) termShow() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "show FILE",
		Short: "Check a succession and say whose word is missing",
		Args:  cobra.ExactArgs(1),
	}
	var f charterFlags
	f.add(cmd, "the charter that it brings, to say how many have to approve (default: this node's, if it is that one)")
	after := afterFlag(cmd)
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		s, old, err := a.succession(args[0], *after)
		if err != nil {
			return err
		}
		f = a.filled(f)
		a.noteAmendment(s, old, f)
		return a.showSuccession(s, old, args[0], f)
	}
	return cmd
}

// termWord gives a wallet's word on a succession.
func (a *app) termWord(verb, short string, list func(*council.Succession) *[]council.WalletSignature) *cobra.Command {
	var w walletFlags
	var f charterFlags
	var member string
	var start, yes bool
	cmd := &cobra.Command{
		Use:   verb + " FILE --keystore FILE | --clef URL | --signature 0x… --member ID",
		Short: short,
		Long: short + `.
The words that are there are checked, and what you agree to is printed first. The charter
on this machine must be the one that the new roster names.`,
		Args: cobra.ExactArgs(1),
	}
	after := afterFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		s, old, err := a.succession(args[0], *after)
		if err != nil {
			return err
		}
		_, own, err := a.rosterPath([]string{args[0]}, f)
		if err != nil {
			return err
		}
		// Where the charter stays, what the daemon has kept of it does.
		if _, kept := a.keptCharter(old.Version, s.Roster.Charter); kept == nil || f != (charterFlags{}) {
			if err := a.sameCharter(own, s.Roster.Charter); err != nil {
				return err
			}
		}
		doc, err := s.Document(old)
		if err != nil {
			return err
		}
		if w.typedData {
			return a.document(doc)
		}
		if member == "" {
			member = own.member
		}
		words := list(&s)
		from := old.Members // who may speak, with the wallet that counts
		if words == &s.Accepts {
			from = council.Compare(old, s.Roster).Incoming()
		}
		i := slices.IndexFunc(from, func(m council.Member) bool { return m.ID == council.MemberID(member) })
		if i < 0 {
			return usagef("name yourself with --member: "+join(ids(from)), "%q has nothing to %s here", member, verb)
		}
		*words = without(*words, from[i].ID) // an own one is given anew, whatever it is worth
		so, err := s.Agreement(old)
		if err != nil {
			return err
		}
		h, err := s.Roster.Hash()
		if err != nil {
			return err
		}
		wal, err := w.wallet(a)
		if err != nil {
			return err
		}
		files := charterFlags{own.charter, own.actions}
		a.writeSuccession(a.err, s, old, h, so, files)
		fmt.Fprint(a.err, a.amends(s, old, files))
		question := fmt.Sprintf("%s roster %d, from %s on, as %s?", strings.ToUpper(verb[:1])+verb[1:], s.Roster.Version, instant(s.Effective), from[i].ID)
		if err := a.agree(yes, question); err != nil {
			return err
		}
		sig, err := signed(cmd.Context(), wal, doc, from[i].Approver)
		if err != nil {
			return err
		}
		*words = withSignature(*words, council.WalletSignature{Member: from[i].ID, Sig: sig})
		if _, err := s.Agreement(old); err != nil {
			return err
		}
		if err := saveSuccession(args[0], s); err != nil {
			return err
		}
		takes, _ := a.amendment(s, old, files)
		if g, err := s.Agreement(old); start && err == nil && agreed(g, takes) {
			return a.begin(cmd, s, a.filled(f))
		}
		return a.showSuccession(s, old, args[0], files)
	}
	w.add(cmd)
	addYes(cmd, &yes)
	cmd.Flags().BoolVar(&start, "begin", false, "if nobody's word is missing any more, give it to this node's daemon, as 'term begin' does")
	cmd.Flags().StringVar(&member, "member", "", "whose word it is (default: this node's member)")
	f.add(cmd, "the charter to compare with (default: this node's)")
	return cmd
}

func (a *app) termMerge() *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use:   "merge FILE... --out FILE",
		Short: "Put the words of several copies of one succession together",
		Args:  cobra.MinimumNArgs(2),
	}
	after := afterFlag(cmd)
	cmd.RunE = func(_ *cobra.Command, paths []string) error {
		all, old, err := a.succession(paths[0], *after)
		if err != nil {
			return err
		}
		for _, p := range paths[1:] {
			s, _, err := a.succession(p, *after)
			if err != nil {
				return fmt.Errorf("%s: %w", p, err)
			}
			if same, err := sameStep(all, s, old); err != nil || !same {
				return council.WithHint(fmt.Errorf("%s and %s are different successions", paths[0], p), "compare them with 'signer term show'; all must sign the same one")
			}
			for _, g := range s.Approvals {
				all.Approvals = withSignature(all.Approvals, g)
			}
			for _, g := range s.Accepts {
				all.Accepts = withSignature(all.Accepts, g)
			}
		}
		if _, err := all.Agreement(old); err != nil {
			return err
		}
		if err := saveSuccession(out, all); err != nil {
			return err
		}
		return a.showSuccession(all, old, out, charterFlags{})
	}
	cmd.Flags().StringVar(&out, "out", "", "file to write")
	if err := cmd.MarkFlagRequired("out"); err != nil {
		panic("signer: " + err.Error())
	}
	return cmd
}
