package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/internal/rosterfile"
)

func (a *app) termPropose() *cobra.Command {
	var leave, join, renew []string
	var f charterFlags
	var effective, out string
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
		if f = a.filled(f); f != (charterFlags{}) {
			if f.charter == "" {
				return usagef("name its charter, too, with --charter", "--actions alone says nothing where no signer.yaml names a charter")
			}
			if s.Roster.Charter, err = charterHash(f.charter, f.actions); err != nil {
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
		if err := c.Rewires(); err != nil {
			return err
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
		a.noteAmendment(s, old, f)
		return a.showSuccession(s, old, out, f)
	}
	fs := cmd.Flags()
	fs.StringSliceVar(&leave, "leave", nil, "a member who leaves")
	fs.StringSliceVar(&join, "join", nil, "the card of a member who joins")
	fs.StringSliceVar(&renew, "renew", nil, "a new card of a member who stays")
	fs.BoolVar(&refresh, "refresh", false, "the same members, with new shares: old ones are worth nothing beside them")
	f.add(cmd, "another charter from then on (default with --actions: this node's)")
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
