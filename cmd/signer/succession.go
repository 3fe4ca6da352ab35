package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/internal/rosterfile"
	"github.com/millicent-one/signer/policy"
)

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

// amendment is what it takes to go from the charter of a roster to that of a succession.
// It is known where the files of both are on this machine; else the approvals are the most
// that the charter in force may ask for, as far as that one is here.
func (a *app) amendment(s council.Succession, old council.Roster, f charterFlags) (takes policy.Amendment, known bool) {
	takes.Approvals = old.Threshold
	if s.Roster.Charter == old.Charter {
		return takes, true
	}
	c, err := a.load()
	if err != nil {
		return takes, false
	}
	named := func(f charterFlags, h common.Hash) *policy.Charter {
		if ch, err := loadCharter(f.charter, f.actions); err == nil && ch.Hash() == h {
			return ch
		}
		return nil
	}
	own := charterFlags{c.Charter, c.Actions}
	now, next := named(own, old.Charter), named(own, s.Roster.Charter)
	if now == nil {
		_, now = a.keptCharter(old.Version, old.Charter)
	}
	if f.charter != "" && next == nil {
		next = named(f, s.Roster.Charter)
	}
	switch {
	case now == nil:
		return takes, false
	case next == nil:
		takes.Approvals = max(takes.Approvals, now.AmendApprovals())
		return takes, false
	}
	return now.Amend(next), true
}

// amends says what it takes, if another charter comes and the files say it.
func (a *app) amends(s council.Succession, old council.Roster, f charterFlags) string {
	if takes, known := a.amendment(s, old, f); known && s.Roster.Charter != old.Charter {
		return fmt.Sprintf("%-10s %s ('signer policy diff' shows what changes)\n", "takes", takes.Text())
	}
	return ""
}

// noteAmendment tells it beside the result.
func (a *app) noteAmendment(s council.Succession, old council.Roster, f charterFlags) {
	if line := a.amends(s, old, f); line != "" {
		a.note("%s", strings.TrimSuffix(line, "\n"))
	}
}

// agreed reports whether nobody's word is missing, approvals for another charter included.
func agreed(g council.Agreement, takes policy.Amendment) bool {
	return g.Complete() == nil && len(g.Approved) >= takes.Approvals
}

func (a *app) showSuccession(s council.Succession, old council.Roster, path string, f charterFlags) error {
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
		Want      int                `json:"want"` // approvals; at most, while the charter that it brings is not here
		Open      []council.MemberID `json:"open"`
		Accepted  []council.MemberID `json:"accepted"`
		Waiting   []council.MemberID `json:"waiting"`
		Complete  bool               `json:"complete"`
		Roster    council.Roster     `json:"roster"`
	}
	args := path // of the commands that bring the step on
	if c.Charter {
		args += " --charter FILE"
		if a.otherActions(f) {
			args += " --actions FILE"
		}
	}
	takes, _ := a.amendment(s, old, f)
	done, want := agreed(g, takes), takes.Approvals
	return a.print(view{path, h, s.Effective, c.Reshares(), c.Joiners, c.Leavers, g.Approved, want, g.Open, g.Accepted, g.Waiting, done, s.Roster}, func(w io.Writer) {
		a.writeSuccession(w, s, old, h, g, f)
		switch {
		case done:
			fmt.Fprintf(w, "\nAgreed. Check the chain with 'signer roster verify FIRST … %s', and keep the file.\n", path)
			if len(c.Joiners) > 0 {
				fmt.Fprintln(w, "Who joins puts it under 'successions' in signer.yaml and starts the daemon.")
			}
			fmt.Fprintf(w, "Then one member of the old roster runs 'signer term begin %s'.\n", args)
		case len(g.Approved) < want:
			fmt.Fprintf(w, "\n%d more of %s run 'signer term approve %s'.\n", want-len(g.Approved), join(g.Open), args)
		}
		if len(g.Waiting) > 0 {
			fmt.Fprintf(w, "\nStill to accept: %s, each with 'signer term accept %s'.\n", join(g.Waiting), args)
		}
	})
}

// writeSuccession is the page that a member gives a word by: what the step is, and who has
// agreed so far.
func (a *app) writeSuccession(w io.Writer, s council.Succession, old council.Roster, h common.Hash, g council.Agreement, f charterFlags) {
	c := council.Compare(old, s.Roster)
	shares := "stay as they are"
	switch {
	case c.Refreshes():
		shares = "are made anew"
	case c.Reshares():
		shares = "are made anew: who leaves or moves has one, who comes in has none"
	}
	takes, known := a.amendment(s, old, f)
	fmt.Fprintf(w, "Roster %d, from %s on\nhash       %s\nfollows    %s\nshares     %s\n\n%s\n\n", s.Roster.Version, instant(s.Effective), h.Hex(), s.Roster.Prev.Hex(), shares, whatChanges(s, old))
	fmt.Fprintf(w, "approved   %d of %d: %s\n", len(g.Approved), takes.Approvals, dash(join(g.Approved)))
	if !known {
		fmt.Fprintf(w, "takes      %s; with both charters here (--charter FILE for the new one) it is known\n", takesUnknown(takes.Approvals, old.Threshold))
	}
	if len(g.Accepted)+len(g.Waiting) > 0 {
		fmt.Fprintf(w, "accepted   %d of %d: %s\n", len(g.Accepted), len(g.Accepted)+len(g.Waiting), dash(join(g.Accepted)))
	}
}

// otherActions reports whether the charter's catalogue of actions is another one than
// commands take by themselves at the nodes.
func (a *app) otherActions(f charterFlags) bool {
	if f.actions == "" {
		return false
	}
	c, err := a.load()
	return err != nil || f.actions != c.Actions // on any machine: none is taken
}

// takesUnknown says of how many approvals is known only within which bounds they are.
func takesUnknown(most, least int) string {
	if most > least {
		return fmt.Sprintf("%d approvals, or %d if it is shown to tighten only", most, least)
	}
	return fmt.Sprintf("%d approvals, or more if the charter in force asks for them", least)
}

func instant(u uint64) string { return time.Unix(int64(u), 0).UTC().Format(time.RFC3339) }
