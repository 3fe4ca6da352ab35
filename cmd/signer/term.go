package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/spf13/cobra"

	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/internal/rosterfile"
)

func (a *app) termCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "term",
		Short: "Change the council: who leaves, who joins; the address stays",
		Long: `Change the council. A succession is a file that goes from hand to hand, as the first
roster did: one proposes it, at least four members approve of it with their wallets,
and everyone who comes in accepts it: joiners, and members with a new wallet or a new
node. 'roster verify' checks the whole chain.

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

func (a *app) termPropose() *cobra.Command {
	var leave, join, renew []string
	var charter, actions, effective, out string
	var refresh bool
	cmd := &cobra.Command{
		Use:   "propose [--leave ID]... [--join CARD]... [--renew CARD]... [--charter FILE] | --refresh",
		Short: "Make the roster that follows",
		Example: `  signer term propose --leave community-2 --join dana.json --out succession-2.json
  signer term propose --renew core-1.json          a new term or a new wallet
  signer term propose --charter charter-2.yaml
  signer term propose --refresh                    new shares for the same members`,
		Args: cobra.NoArgs,
	}
	after := afterFlag(cmd)
	cmd.RunE = func(_ *cobra.Command, _ []string) error {
		l, err := a.lineage(*after)
		if err != nil {
			return err
		}
		old, err := l.Verify(council.Millicent)
		if err != nil {
			return err
		}
		records := l.First.Addresses
		if n := len(l.Steps); n > 0 {
			records = l.Steps[n-1].Addresses
		}
		s := council.Succession{Roster: council.Roster{Version: old.Version + 1, Threshold: old.Threshold, Charter: old.Charter}}
		if s.Roster.Prev, err = old.Hash(); err != nil {
			return err
		}
		if charter != "" {
			if s.Roster.Charter, err = charterHash(charter, actions); err != nil {
				return err
			}
		}
		if err := compose(&s, old, records, leave, join, renew); err != nil {
			return err
		}
		c := council.Compare(old, s.Roster)
		switch {
		case c.Refreshes() && !refresh:
			return usagef("name who leaves, joins or has a new card, or another charter; --refresh makes the shares anew for the same members", "nothing changes")
		case refresh && !c.Refreshes():
			return usagef("leave --refresh away, or make it a step of its own", "a refresh changes nothing but the shares; here something else changes, too")
		}
		if s.Effective, err = a.takesOver(effective, c, l); err != nil {
			return err
		}
		if err := s.Follows(old, council.Millicent); err != nil {
			return err
		}
		if err := l.Takes(s); err != nil {
			return err
		}
		if out == "" {
			out = fmt.Sprintf("succession-%d.json", s.Roster.Version)
		}
		if _, err := os.Lstat(out); err == nil {
			return council.WithHint(fmt.Errorf("%s is there already; nothing was changed", out), "choose another file with --out, or move it away: it may hold signatures")
		}
		if err := saveSuccession(out, s); err != nil {
			return err
		}
		a.noteAmendment(old, charterFlags{charter, actions})
		return a.showSuccession(s, old, out)
	}
	fs := cmd.Flags()
	fs.StringSliceVar(&leave, "leave", nil, "a member who leaves")
	fs.StringSliceVar(&join, "join", nil, "the card of a member who joins")
	fs.StringSliceVar(&renew, "renew", nil, "a new card of a member who stays")
	fs.BoolVar(&refresh, "refresh", false, "the same members, with new shares: old ones are worth nothing beside them")
	fs.StringVar(&charter, "charter", "", "another charter from then on")
	fs.StringVar(&actions, "actions", "", "its catalogue of actions (default: the one in this program)")
	fs.StringVar(&effective, "effective", "", "when it takes over, such as 2027-01-31T12:00:00Z (default: when the new terms begin, not before now, and after the roster before)")
	fs.StringVar(&out, "out", "", "file to write (default: succession-VERSION.json)")
	return cmd
}

// compose puts the members together: those of old without who leaves, with new
// cards in the place of old ones, and who joins.
func compose(s *council.Succession, old council.Roster, records [][]byte, leave, join, renew []string) error {
	var cards council.SignedRoster
	if err := assemble(&cards, slices.Concat(join, renew)); err != nil {
		return err
	}
	for _, m := range cards.Roster.Members {
		if slices.Contains(leave, string(m.ID)) {
			return usagef("name a member once, in --leave or with a card", "%s would leave and be in the roster", m.ID)
		}
	}
	for _, kind := range []struct {
		flag, hint string
		paths      []string
		known      bool
	}{
		{"--join", "a new card of a member goes with --renew; somebody else needs another id", join, false},
		{"--renew", "the card of somebody new goes with --join", renew, true},
	} {
		for _, p := range kind.paths {
			c, err := rosterfile.ReadCard(p)
			if err != nil {
				return err
			}
			if _, ok := old.Member(c.Member.ID); ok != kind.known {
				return usagef(kind.hint, "%s is not for %s %s", p, kind.flag, c.Member.ID)
			}
		}
	}
	for _, id := range leave {
		if _, ok := old.Member(council.MemberID(id)); !ok {
			return usagef("the roster has "+council.Names(old.IDs()), "%q can't leave: no such member", id)
		}
	}
	type entry struct {
		m      council.Member
		record []byte
	}
	var all []entry
	for i, m := range old.Members {
		if _, renewed := cards.Roster.Member(m.ID); !renewed && !slices.Contains(leave, string(m.ID)) {
			all = append(all, entry{m, records[i]})
		}
	}
	for i, m := range cards.Roster.Members {
		all = append(all, entry{m, cards.Addresses[i]})
	}
	slices.SortFunc(all, func(x, y entry) int { return strings.Compare(string(x.m.ID), string(y.m.ID)) })
	for _, e := range all {
		s.Roster.Members = append(s.Roster.Members, e.m)
		s.Addresses = append(s.Addresses, e.record)
	}
	return nil
}

// takesOver is when the new roster is to be in force.
func (a *app) takesOver(text string, c council.Changes, l council.Lineage) (uint64, error) {
	if text != "" {
		t, err := time.Parse(time.RFC3339, text)
		if err != nil || t.Nanosecond() != 0 || t.Unix() <= 0 {
			return 0, usagef("write it as 2027-01-31T12:00:00Z", "--effective %q is no time", text)
		}
		return uint64(t.Unix()), nil
	}
	when := a.unix()
	if n := len(l.Steps); n > 0 { // which may have a day that is still to come
		when = max(when, l.Steps[n-1].Effective+1)
	}
	for _, m := range slices.Concat(c.Joiners, c.Renewed) {
		when = max(when, m.Term.Start)
	}
	return when, nil
}

func (a *app) termShow() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "show FILE",
		Short: "Check a succession and say whose word is missing",
		Args:  cobra.ExactArgs(1),
	}
	after := afterFlag(cmd)
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		s, old, err := a.succession(args[0], *after)
		if err != nil {
			return err
		}
		return a.showSuccession(s, old, args[0])
	}
	return cmd
}

// succession reads one that may follow the roster before it in the chain. What this
// node's own files have of it already is left out.
func (a *app) succession(path string, after []string) (council.Succession, council.Roster, error) {
	l, err := a.lineage(after)
	if err != nil {
		return council.Succession{}, council.Roster{}, err
	}
	s, err := rosterfile.ReadSuccession(path)
	if err != nil {
		return s, council.Roster{}, err
	}
	if len(after) == 0 {
		l.Steps = slices.DeleteFunc(l.Steps, func(x council.Succession) bool { return x.Roster.Version >= s.Roster.Version })
	}
	old, err := l.Verify(council.Millicent)
	if err != nil {
		return s, old, err
	}
	if err := s.Follows(old, council.Millicent); err != nil {
		return s, old, err
	}
	return s, old, l.Takes(s)
}

// termWord gives a wallet's word on a succession.
func (a *app) termWord(verb, short string, list func(*council.Succession) *[]council.WalletSignature) *cobra.Command {
	var w walletFlags
	var member, charter string
	var start bool
	cmd := &cobra.Command{
		Use:   verb + " FILE --keystore FILE | --clef URL | --signature 0x… --member ID",
		Short: short,
		Long:  short + ".\nWhat you agree to is printed first. The charter on this machine must be the one that\nthe new roster names.",
		Args:  cobra.ExactArgs(1),
	}
	after := afterFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		s, old, err := a.succession(args[0], *after)
		if err != nil {
			return err
		}
		_, own, err := a.rosterPath([]string{args[0]}, charter)
		if err != nil {
			return err
		}
		if err := a.sameCharter(own, s.Roster.Charter); err != nil {
			return err
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
		a.note("%s", whatChanges(s, old))
		a.noteAmendment(old, charterFlags{own.charter, own.actions})
		wal, err := w.wallet(a)
		if err != nil {
			return err
		}
		sig, err := wal.SignTyped(cmd.Context(), doc, from[i].Approver)
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
		if g, err := s.Agreement(old); start && err == nil && g.Complete() == nil {
			return a.begin(cmd, s, charterFlags{charter, own.actions})
		}
		return a.showSuccession(s, old, args[0])
	}
	w.add(cmd)
	cmd.Flags().BoolVar(&start, "begin", false, "if nobody's word is missing any more, give it to this node's daemon, as 'term begin' does")
	cmd.Flags().StringVar(&member, "member", "", "whose word it is (default: this node's member)")
	cmd.Flags().StringVar(&charter, "charter", "", "the charter to compare with (default: this node's)")
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
		return a.showSuccession(all, old, out)
	}
	cmd.Flags().StringVar(&out, "out", "", "file to write")
	if err := cmd.MarkFlagRequired("out"); err != nil {
		panic("signer: " + err.Error())
	}
	return cmd
}

// sameStep reports whether two files ask for signatures of one document.
func sameStep(x, y council.Succession, old council.Roster) (bool, error) {
	var digests [2]common.Hash
	for i, s := range []council.Succession{x, y} {
		doc, err := s.Document(old)
		if err == nil {
			digests[i], err = council.Digest(doc)
		}
		if err != nil {
			return false, err
		}
	}
	return digests[0] == digests[1], nil
}

func saveSuccession(path string, s council.Succession) error {
	b, err := rosterfile.FormatSuccession(s)
	if err != nil {
		return err
	}
	return rosterfile.Save(path, b, 0o644)
}

// whatChanges says in one line each what a succession changes.
func whatChanges(s council.Succession, old council.Roster) string {
	c := council.Compare(old, s.Roster)
	var b strings.Builder
	line := func(what, format string, args ...any) {
		fmt.Fprintf(&b, "%-10s %s\n", what, fmt.Sprintf(format, args...))
	}
	for _, m := range c.Leavers {
		line("leaves", "%s (%s, term until %s)", m.ID, m.Seat, stamp(m.Term.End))
	}
	for _, m := range c.Joiners {
		line("joins", "%s (%s, term %s to %s), wallet %s, node %s", m.ID, m.Seat, stamp(m.Term.Start), stamp(m.Term.End), m.Approver.Hex(), m.Peer)
	}
	for _, m := range c.Renewed {
		line("new term", "%s, %s to %s", m.ID, stamp(m.Term.Start), stamp(m.Term.End))
	}
	for _, m := range c.Rekeyed {
		line("new wallet", "%s, %s", m.ID, m.Approver.Hex())
	}
	for _, m := range c.Rewired {
		line("new node", "%s, %s", m.ID, m.Peer)
	}
	if c.Refreshes() {
		line("refresh", "the same members get new shares of the key")
	}
	if c.Charter {
		line("charter", "%s instead of %s", s.Roster.Charter.Hex(), old.Charter.Hex())
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// noteAmendment says what it takes to go from the charter of a roster to another one,
// where the files of both are on this machine.
func (a *app) noteAmendment(old council.Roster, f charterFlags) {
	if f.charter == "" {
		return
	}
	next, err := loadCharter(f.charter, f.actions)
	if err != nil || next.Hash() == old.Charter {
		return
	}
	c, err := a.load()
	if err != nil {
		return
	}
	now, err := loadCharter(c.Charter, c.Actions)
	if err != nil || now.Hash() != old.Charter {
		if _, now = a.keptCharter(old.Version, old.Charter); now == nil {
			return
		}
	}
	takes := now.Amend(next)
	a.note("%-10s %s ('signer policy diff' shows what changes)", "takes", takes.Text())
}

func (a *app) showSuccession(s council.Succession, old council.Roster, path string) error {
	g, err := s.Agreement(old)
	if err != nil {
		return err
	}
	h, err := s.Roster.Hash()
	if err != nil {
		return err
	}
	c := council.Compare(old, s.Roster)
	type view struct {
		File      string             `json:"file"`
		Hash      common.Hash        `json:"hash"`
		Effective uint64             `json:"effective"` // unix seconds
		Reshares  bool               `json:"reshares"`
		Joiners   []council.Member   `json:"joiners"`
		Leavers   []council.Member   `json:"leavers"`
		Approved  []council.MemberID `json:"approved"`
		Open      []council.MemberID `json:"open"`
		Accepted  []council.MemberID `json:"accepted"`
		Waiting   []council.MemberID `json:"waiting"`
		Complete  bool               `json:"complete"`
		Roster    council.Roster     `json:"roster"`
	}
	done := g.Complete() == nil
	return a.print(view{path, h, s.Effective, c.Reshares(), c.Joiners, c.Leavers, g.Approved, g.Open, g.Accepted, g.Waiting, done, s.Roster}, func(w io.Writer) {
		shares := "stay as they are"
		switch {
		case c.Refreshes():
			shares = "are made anew"
		case c.Reshares():
			shares = "are made anew: who leaves or moves has one, who comes in has none"
		}
		fmt.Fprintf(w, "Roster %d, from %s on\nhash       %s\nfollows    %s\nshares     %s\n\n%s\n\n", s.Roster.Version, instant(s.Effective), h.Hex(), s.Roster.Prev.Hex(), shares, whatChanges(s, old))
		fmt.Fprintf(w, "approved   %d of %d: %s\n", len(g.Approved), g.Want, dash(join(g.Approved)))
		if len(g.Accepted)+len(g.Waiting) > 0 {
			fmt.Fprintf(w, "accepted   %d of %d: %s\n", len(g.Accepted), len(g.Accepted)+len(g.Waiting), dash(join(g.Accepted)))
		}
		switch {
		case done:
			fmt.Fprintf(w, "\nAgreed. Check the chain with 'signer roster verify FIRST … %s', and keep the file.\n", path)
			if len(c.Joiners) > 0 {
				fmt.Fprintln(w, "Who joins puts it under 'successions' in signer.yaml and starts the daemon.")
			}
			fmt.Fprintf(w, "Then one member of the old roster runs 'signer term begin %s'.\n", path)
		case len(g.Approved) < g.Want:
			fmt.Fprintf(w, "\n%d more of %s run 'signer term approve %s'.\n", g.Want-len(g.Approved), join(g.Open), path)
		}
		if len(g.Waiting) > 0 {
			fmt.Fprintf(w, "\nStill to accept: %s, each with 'signer term accept %s'.\n", join(g.Waiting), path)
		}
	})
}

func instant(u uint64) string { return time.Unix(int64(u), 0).UTC().Format(time.RFC3339) }
