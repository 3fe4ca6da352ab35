package main

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/spf13/cobra"

	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/internal/rosterfile"
)

func (a *app) rosterCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "roster",
		Short: "Assemble, sign and show the roster",
		Long: `The roster says who the council is: seven members with their seats, terms, nodes
and wallets, and the charter that they act under. It is made from member cards,
and counts once every member's wallet has signed it. One file can go from hand
to hand, or each signs a copy and 'roster merge' puts them together.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.rosterNew(), a.rosterSign(), a.rosterShow(), a.rosterMerge(), a.rosterVerify(), a.rosterProclamation())
	return cmd
}

// charterHash is what the roster commits to, and how many have to agree.
func charterHash(path, actions string) (common.Hash, error) {
	c, err := loadCharter(path, actions)
	if err != nil {
		return common.Hash{}, err
	}
	if c.Threshold() != council.Millicent.Threshold {
		return common.Hash{}, council.WithHint(fmt.Errorf("charter %s asks for %d members; the constitution asks for %d", path, c.Threshold(), council.Millicent.Threshold), "set 'threshold' in the charter")
	}
	seats := 0
	for _, n := range council.Millicent.Seats {
		seats += n
	}
	if c.AmendApprovals() > seats {
		return common.Hash{}, council.WithHint(fmt.Errorf("charter %s asks for %d approvals to be changed, and the council has %d seats: it could never be changed", path, c.AmendApprovals(), seats), "lower 'amend.approvals' in the charter")
	}
	return c.Hash(), nil
}

func (a *app) rosterNew() *cobra.Command {
	var charter, actions, out string
	cmd := &cobra.Command{
		Use:     "new CARD... --charter FILE",
		Short:   "Make a roster from the seven members' cards",
		Example: "  signer roster new cards/*.json --charter charter.yaml --out roster.json",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, cards []string) error {
			f := a.filled(charterFlags{charter, actions})
			h, err := charterHash(f.charter, f.actions)
			if err != nil {
				return err
			}
			s := council.SignedRoster{Roster: council.Roster{Version: 1, Threshold: council.Millicent.Threshold, Charter: h}}
			if err := assemble(&s, cards); err != nil {
				return err
			}
			if err := s.Roster.Fits(council.Millicent); err != nil {
				return err
			}
			if err := a.termsLast(s.Roster); err != nil {
				return err
			}
			if _, err := os.Lstat(out); err == nil {
				return council.WithHint(fmt.Errorf("%s is there already; nothing was changed", out), "choose another file with --out, or move it away: it may hold signatures")
			}
			if err := saveRoster(out, s); err != nil {
				return err
			}
			return a.showRoster(s, out)
		},
	}
	cmd.Flags().StringVar(&charter, "charter", "", "the council's charter")
	cmd.Flags().StringVar(&actions, "actions", "", actionsUsage)
	cmd.Flags().StringVar(&out, "out", "roster.json", "file to write")
	if err := cmd.MarkFlagRequired("charter"); err != nil {
		panic("signer: " + err.Error())
	}
	return cmd
}

// assemble puts the members of the cards into the roster. Each card is checked.
func assemble(s *council.SignedRoster, paths []string) error {
	cards := make([]council.Card, len(paths))
	from := map[council.MemberID]string{}
	for i, p := range paths {
		c, err := rosterfile.ReadCard(p)
		if err != nil {
			return err
		}
		if len(c.ApproverSig) == 0 {
			return council.WithHint(fmt.Errorf("%s: the wallet of %s has not signed the card", p, c.Member.ID), string(c.Member.ID)+" signs it with 'signer id --keystore FILE', --clef or --signature")
		}
		if err := c.Verify(); err != nil {
			return council.WithHint(fmt.Errorf("%s: %w", p, err), hintOr(err, "ask the member for the card again; it was changed after it was signed"))
		}
		if first, ok := from[c.Member.ID]; ok {
			return council.WithHint(fmt.Errorf("%s and %s are both cards of %s", first, p, c.Member.ID), "give each member's card once")
		}
		from[c.Member.ID] = p
		cards[i] = c
	}
	slices.SortFunc(cards, func(x, y council.Card) int { return strings.Compare(string(x.Member.ID), string(y.Member.ID)) })
	for _, c := range cards {
		s.Roster.Members = append(s.Roster.Members, c.Member)
		s.Addresses = append(s.Addresses, c.Addresses)
	}
	return nil
}

func hintOr(err error, hint string) string {
	if h := council.Hint(err); h != "" {
		return h
	}
	return hint
}

// termsLast refuses a roster with a term that is over. One that is still to
// begin is no mistake in a roster that is prepared ahead; the key ceremony
// waits for it.
func (a *app) termsLast(r council.Roster) error {
	for _, m := range r.Members {
		if m.Term.End <= a.unix() {
			return r.InForce(a.unix())
		}
	}
	if err := r.InForce(a.unix()); err != nil {
		a.note("note: %v", err)
	}
	return nil
}

func (a *app) rosterSign() *cobra.Command {
	var w walletFlags
	var f charterFlags
	var member string
	var yes bool
	cmd := &cobra.Command{
		Use:   "sign [FILE] --keystore FILE | --clef URL | --signature 0x… --member ID",
		Short: "Sign the roster with your wallet",
		Long: `Sign the roster with your wallet. The signatures that are there are checked, and what
you agree to is printed first. The charter on this machine must be the one that the
roster names.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			path, own, err := a.rosterPath(args, f)
			if err != nil {
				return err
			}
			s, err := rosterfile.Read(path)
			if err != nil {
				return err
			}
			if err := s.Roster.Fits(council.Millicent); err != nil {
				return err
			}
			if err := a.termsLast(s.Roster); err != nil {
				return err
			}
			if err := a.sameCharter(own, s.Roster.Charter); err != nil {
				return err
			}
			if w.typedData {
				return a.document(s.Roster.Document())
			}
			if member == "" {
				member = own.member
			}
			m, ok := s.Roster.Member(council.MemberID(member))
			if !ok {
				return usagef("name your seat with --member", "member %q is not in the roster, which has %s", member, join(s.Roster.IDs()))
			}
			s.Sigs = without(s.Sigs, m.ID) // an own one is made anew, whatever it is worth
			missing, err := signedBy(s)
			if err != nil {
				return err
			}
			wal, err := w.wallet(a)
			if err != nil {
				return err
			}
			if err := writeRoster(a.err, s, missing); err != nil {
				return err
			}
			if err := a.agree(yes, fmt.Sprintf("Sign roster %d as %s?", s.Roster.Version, m.ID)); err != nil {
				return err
			}
			sig, err := signed(cmd.Context(), wal, s.Roster.Document(), m.Approver)
			if err != nil {
				return err
			}
			s.Sigs = withSignature(s.Sigs, council.WalletSignature{Member: m.ID, Sig: sig})
			if err := saveRoster(path, s); err != nil {
				return err
			}
			return a.showRoster(s, path)
		},
	}
	w.add(cmd)
	addYes(cmd, &yes)
	cmd.Flags().StringVar(&member, "member", "", "whose signature it is (default: this node's member)")
	f.add(cmd, "the charter to compare with (default: this node's)")
	return cmd
}

// own is what this node's configuration knows.
type own struct{ member, charter, actions string }

// sameCharter refuses to sign for another charter than the one on this machine.
func (a *app) sameCharter(o own, named common.Hash) error {
	if o.charter == "" {
		return usagef("give --charter FILE; you would sign for a charter that you have not seen", "no charter to compare with the roster")
	}
	h, err := charterHash(o.charter, o.actions)
	if err != nil {
		return err
	}
	if h != named {
		return council.WithHint(fmt.Errorf("the roster names charter %s; %s has %s", short(named), o.charter, short(h)), "compare the charter and its catalogue of actions with the other members' before you sign anything; if they are in other files, name those with --charter and --actions")
	}
	return nil
}

// rosterPath finds the roster: as an argument, or by this node's configuration. A charter
// that is given goes before that of the configuration.
func (a *app) rosterPath(args []string, f charterFlags) (string, own, error) {
	c, err := a.load()
	if err != nil {
		if len(args) == 0 || a.config != "" || a.home != "" {
			return "", own{}, err
		}
		return args[0], own{charter: f.charter, actions: f.actions}, nil // any machine can sign
	}
	o := own{member: c.Member, charter: cmp.Or(f.charter, c.Charter), actions: cmp.Or(f.actions, c.Actions)}
	if len(args) == 1 {
		return args[0], o, nil
	}
	return c.Roster, o, nil
}

// withSignature adds or replaces a member's signature, in member order.
func withSignature(sigs []council.WalletSignature, s council.WalletSignature) []council.WalletSignature {
	sigs = append(without(sigs, s.Member), s)
	slices.SortFunc(sigs, func(x, y council.WalletSignature) int { return strings.Compare(string(x.Member), string(y.Member)) })
	return sigs
}

// without leaves a member's signatures out.
func without(sigs []council.WalletSignature, m council.MemberID) []council.WalletSignature {
	return slices.DeleteFunc(slices.Clone(sigs), func(o council.WalletSignature) bool { return o.Member == m })
}

func saveRoster(path string, s council.SignedRoster) error {
	b, err := rosterfile.Format(s)
	if err != nil {
		return err
	}
	return rosterfile.Save(path, b, 0o644)
}

func (a *app) rosterMerge() *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use:   "merge FILE... --out FILE",
		Short: "Put the signatures of several copies of one roster together",
		Args:  cobra.MinimumNArgs(2),
		RunE: func(_ *cobra.Command, paths []string) error {
			all, err := rosterfile.Read(paths[0])
			if err != nil {
				return err
			}
			want, err := all.Roster.Hash()
			if err != nil {
				return err
			}
			for _, p := range paths[1:] {
				s, err := rosterfile.Read(p)
				if err != nil {
					return err
				}
				h, err := s.Roster.Hash()
				if err != nil {
					return err
				}
				if h != want {
					return council.WithHint(fmt.Errorf("%s is roster %s, %s is roster %s", paths[0], short(want), p, short(h)), "compare them with 'signer roster show'; the members must sign the same one")
				}
				for _, sig := range s.Sigs {
					all.Sigs = withSignature(all.Sigs, sig)
				}
			}
			if _, err := signedBy(all); err != nil {
				return err
			}
			if err := saveRoster(out, all); err != nil {
				return err
			}
			return a.showRoster(all, out)
		},
	}
	cmd.Flags().StringVar(&out, "out", "", "file to write")
	if err := cmd.MarkFlagRequired("out"); err != nil {
		panic("signer: " + err.Error())
	}
	return cmd
}

func (a *app) rosterShow() *cobra.Command {
	return &cobra.Command{
		Use:   "show [FILE]",
		Short: "Check the roster and say what is missing",
		Long:  "Check every signature in the roster, print it as a table, and say whose\nsignature is missing. A wrong signature, a wrong size and a term that is over are errors.",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			path, _, err := a.rosterPath(args, charterFlags{})
			if err != nil {
				return err
			}
			s, err := rosterfile.Read(path)
			if err != nil {
				return err
			}
			if err := a.showRoster(s, path); err != nil {
				return err
			}
			if err := s.Roster.Fits(council.Millicent); err != nil {
				return err
			}
			return a.termsLast(s.Roster)
		},
	}
}

// signedBy checks each signature that is there and says who is missing.
func signedBy(s council.SignedRoster) (missing []council.MemberID, err error) {

	for _, m := range s.Roster.Members {
		if !slices.ContainsFunc(s.Sigs, func(g council.WalletSignature) bool { return g.Member == m.ID }) {
			missing = append(missing, m.ID)
		}
	}
	if len(missing) == 0 {
		return nil, s.Verify()
	}
	h, err := s.Roster.Hash()
	if err != nil {
		return nil, err
	}
	for _, g := range s.Sigs {
		m, ok := s.Roster.Member(g.Member)
		if !ok {
			return nil, fmt.Errorf("roster: signed by %s, who is not in it", g.Member)
		}
		if who, err := council.Recover(h, g.Sig); err != nil {
			return nil, fmt.Errorf("roster: signature of %s: %w", g.Member, err)
		} else if who != m.Approver {
			return nil, council.WithHint(fmt.Errorf("roster: signature of %s is by %s, not by its wallet %s", g.Member, who.Hex(), m.Approver.Hex()),
				"the member signed another version of this roster, or with another wallet: sign again")
		}
	}
	for i, m := range s.Roster.Members {
		if _, err := council.OpenAddresses(m, s.Addresses[i]); err != nil {
			return nil, fmt.Errorf("roster: %s: %w", m.ID, err)
		}
	}
	return missing, nil
}

func (a *app) showRoster(s council.SignedRoster, path string) error {
	missing, err := signedBy(s)
	if err != nil {
		return err
	}
	h, err := s.Roster.Hash()
	if err != nil {
		return err
	}
	var page strings.Builder
	if err := writeRoster(&page, s, missing); err != nil {
		return err
	}
	type view struct {
		File     string             `json:"file"`
		Hash     common.Hash        `json:"hash"`
		Complete bool               `json:"complete"`
		Missing  []council.MemberID `json:"missing"`
		Roster   council.Roster     `json:"roster"`
	}
	return a.print(view{path, h, len(missing) == 0, append([]council.MemberID{}, missing...), s.Roster}, func(w io.Writer) {
		fmt.Fprint(w, page.String())
		if len(missing) > 0 {
			fmt.Fprintf(w, "\nNot yet signed by %s. Each of them runs 'signer roster sign %s'.\n", join(missing), path)
		} else {
			fmt.Fprintf(w, "\nSigned by all %d. Next: everybody puts it into place, starts 'signer run', and runs 'signer keygen'.\n", len(s.Roster.Members))
		}
	})
}

// writeRoster is the page that a member signs by.
func writeRoster(w io.Writer, s council.SignedRoster, missing []council.MemberID) error {
	h, err := s.Roster.Hash()
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "Roster %d, %d of %d decide\nhash     %s\ncharter  %s\n\n", s.Roster.Version, s.Roster.Threshold, len(s.Roster.Members), h.Hex(), s.Roster.Charter.Hex())
	rows := [][]string{{"MEMBER", "SEAT", "TERM", "WALLET", "NODE", "SIGNED"}}
	for _, m := range s.Roster.Members {
		signed := "yes"
		if slices.Contains(missing, m.ID) {
			signed = "-"
		}
		rows = append(rows, []string{string(m.ID), string(m.Seat), stamp(m.Term.Start) + " to " + stamp(m.Term.End), m.Approver.Hex(), m.Peer, signed})
	}
	table(w, rows)
	return nil
}

func short(h common.Hash) string { return h.Hex()[:10] }
