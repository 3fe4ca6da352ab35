package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/spf13/cobra"

	"github.com/millicent-one/signer/api"
	"github.com/millicent-one/signer/configs"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/internal/rosterfile"
)

// lineage reads the first roster and the successions since, in order. Without files
// they are those of this node.
func (a *app) lineage(paths []string) (council.Lineage, error) {
	if len(paths) == 0 {
		c, err := a.load()
		if err != nil {
			return council.Lineage{}, council.WithHint(err, "name the council's rosters: the first one, then each succession since")
		}
		paths = rosterFiles(c)
	}
	return readLineage(paths)
}

// rosterFiles are those that signer.yaml names, and after them what the daemon has
// kept of later ones.
func rosterFiles(c *configs.Loaded) []string {
	paths := append([]string{c.Roster}, c.Successions...)
	for {
		next := c.SuccessionFile(uint64(len(paths)) + 1)
		if _, err := os.Lstat(next); err != nil {
			return paths
		}
		paths = append(paths, next)
	}
}

func readLineage(paths []string) (l council.Lineage, err error) {
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

// sound checks that the first roster fits the constitution and is signed by all, and
// that the others follow from it. It gives the last one.
func sound(l council.Lineage) (council.Roster, error) {
	if err := l.First.Roster.Fits(council.Millicent); err != nil { // what is easier to mend comes first
		return council.Roster{}, err
	}
	return l.Verify(council.Millicent)
}

// rostersOf are the rosters that something may have been signed under: of these files,
// the first roster and the successions since, or of this node.
func (a *app) rostersOf(paths []string) ([]council.Roster, error) {
	if len(paths) == 0 {
		c, err := a.load()
		if err != nil {
			return nil, council.WithHint(err, "name the roster with --roster FILE")
		}
		paths = rosterFiles(c)
	}
	l, err := readLineage(paths)
	if err == nil {
		err = l.First.Verify()
	}
	if err == nil && len(l.Steps) > 0 {
		_, err = l.Verify(council.Millicent)
	}
	return rostersIn(l), err
}

// rostersIn lists them, the first one first.
func rostersIn(l council.Lineage) []council.Roster {
	out := []council.Roster{l.First.Roster}
	for _, s := range l.Steps {
		out = append(out, s.Roster)
	}
	return out
}

// named is the roster with a hash; the last one, if none has.
func named(rosters []council.Roster, hash common.Hash) council.Roster {
	if r, ok := council.RosterByHash(rosters, hash); ok {
		return r
	}
	return rosters[len(rosters)-1]
}

// rostersFor are the files that lead to the roster with this hash, as --roster takes them:
// those of this node, or else what they are called, up to the roster in force.
func (a *app) rostersFor(hash common.Hash, now *api.Roster) string {
	if c, err := a.load(); err == nil {
		files := rosterFiles(c)
		if l, err := readLineage(files); err == nil {
			for i, r := range rostersIn(l) {
				if h, err := r.Hash(); err == nil && h == hash {
					return strings.Join(files[:i+1], ",")
				}
			}
		}
	}
	files := []string{"roster.json"}
	for v := uint64(2); now != nil && v <= now.Version; v++ {
		files = append(files, fmt.Sprintf("succession-%d.json", v))
	}
	return strings.Join(files, ",")
}

const lacksHint = "give its succession, too: --roster with the first roster and each succession since, up to the one in force when it was signed, such as roster.json,succession-2.json"

const rosterUsage = "the first roster and the successions since, in order (default: this node's)"

func (a *app) rosterVerify() *cobra.Command {
	var word string
	cmd := &cobra.Command{
		Use:   "verify [FIRST [SUCCESSION...]] [--proclamation FILE]",
		Short: "Check the chain of rosters from the first one, offline",
		Long: `Check the chain of rosters: the first one, signed by all its members, then each
succession in order. Every signature, seat, term and key is checked, and that no
key and no name ever went from one member to another. Compare the hash of the first
roster with the one in the council's birth record.

With --proclamation also what the council's key has signed: that one of these rosters
holds it. Compare that key with the council's address.`,
		Example: "  signer roster verify roster.json succession-2.json succession-3.json",
		RunE: func(_ *cobra.Command, args []string) error {
			l, err := a.lineage(args)
			if err != nil {
				return err
			}
			if _, err := l.Verify(council.Millicent); err != nil {
				return err
			}
			var p *council.Proclamation
			if word != "" {
				if p, err = readProclamation(word, rostersIn(l)); err != nil {
					return err
				}
			}
			return a.showLineage(l, p)
		},
	}
	cmd.Flags().StringVar(&word, "proclamation", "", "what 'signer roster proclamation' has written")
	return cmd
}

func (a *app) showLineage(l council.Lineage, p *council.Proclamation) error {
	type link struct {
		Version   uint64             `json:"version"`
		Hash      common.Hash        `json:"hash"`
		Effective uint64             `json:"effective,omitempty"` // unix seconds
		Joined    []council.MemberID `json:"joined,omitempty"`
		Left      []council.MemberID `json:"left,omitempty"`
		Members   []council.MemberID `json:"members"`
		Key       *common.Address    `json:"key,omitempty"` // that says itself that this roster holds it
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
		if p != nil && p.Roster == h {
			x.Key = &p.Key
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
		if p != nil {
			fmt.Fprintf(w, "The key %s says that roster %d holds it. Compare it with the council's address.\n", p.Key.Hex(), p.Version)
		}
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
