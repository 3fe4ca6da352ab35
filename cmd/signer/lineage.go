package main

import (
	"fmt"
	"io"

	"github.com/ethereum/go-ethereum/common"
	"github.com/spf13/cobra"

	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/internal/rosterfile"
)

// lineage reads the first roster and the successions since, in order. Without
// files it begins with this node's roster.
func (a *app) lineage(paths []string) (council.Lineage, error) {
	var l council.Lineage
	if len(paths) == 0 {
		c, err := a.load()
		if err != nil {
			return l, council.WithHint(err, "name the council's rosters: the first one, then each succession since")
		}
		paths = []string{c.Roster}
	}
	var err error
	if l.First, err = rosterfile.Read(paths[0]); err != nil {
		return l, err
	}
	for _, p := range paths[1:] {
		s, err := rosterfile.ReadSuccession(p)
		if err != nil {
			return l, err
		}
		l.Steps = append(l.Steps, s)
	}
	return l, nil
}

// lastRoster is the roster at the end of a lineage that holds.
func (a *app) lastRoster(paths []string) (council.Roster, error) {
	l, err := a.lineage(paths)
	if err != nil {
		return council.Roster{}, err
	}
	return l.Verify(council.Millicent)
}

func (a *app) rosterVerify() *cobra.Command {
	return &cobra.Command{
		Use:   "verify [FIRST [SUCCESSION...]]",
		Short: "Check the chain of rosters from the first one, offline",
		Long: `Check the chain of rosters: the first one, signed by all its members, then each
succession in order. Every signature, seat, term and key is checked, and that no
key and no name ever went from one member to another. Compare the hash of the first
roster with the one in the council's birth record.`,
		Example: "  signer roster verify roster.json succession-2.json succession-3.json",
		RunE: func(_ *cobra.Command, args []string) error {
			l, err := a.lineage(args)
			if err != nil {
				return err
			}
			if _, err := l.Verify(council.Millicent); err != nil {
				return err
			}
			return a.showLineage(l)
		},
	}
}

func (a *app) showLineage(l council.Lineage) error {
	type link struct {
		Version   uint64             `json:"version"`
		Hash      common.Hash        `json:"hash"`
		Effective uint64             `json:"effective,omitempty"` // unix seconds
		Joined    []council.MemberID `json:"joined,omitempty"`
		Left      []council.MemberID `json:"left,omitempty"`
		Members   []council.MemberID `json:"members"`
	}
	links := []link{}
	add := func(r council.Roster, old *council.Roster, from uint64) error {
		h, err := r.Hash()
		if err != nil {
			return err
		}
		x := link{Version: r.Version, Hash: h, Effective: from, Members: r.IDs()}
		if old != nil {
			c := council.Compare(*old, r)
			x.Joined, x.Left = ids(c.Joiners), ids(c.Leavers)
		}
		links = append(links, x)
		return nil
	}
	r := l.First.Roster
	err := add(r, nil, 0)
	for _, s := range l.Steps {
		if err == nil {
			err = add(s.Roster, &r, s.Effective)
		}
		r = s.Roster
	}
	if err != nil {
		return err
	}
	return a.print(links, func(w io.Writer) {
		rows := [][]string{{"ROSTER", "FROM", "HASH", "JOINED", "LEFT"}}
		for _, x := range links {
			from := "the beginning"
			if x.Effective > 0 {
				from = instant(x.Effective)
			}
			rows = append(rows, []string{fmt.Sprint(x.Version), from, x.Hash.Hex(), dash(join(x.Joined)), dash(join(x.Left))})
		}
		table(w, rows)
		fmt.Fprintf(w, "\nEvery link holds. The council now: %s.\n", join(r.IDs()))
	})
}

func ids(members []council.Member) []council.MemberID {
	var out []council.MemberID
	for _, m := range members {
		out = append(out, m.ID)
	}
	return out
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
