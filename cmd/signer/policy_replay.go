package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/spf13/cobra"

	"github.com/millicent-one/signer/api"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/journal"
	"github.com/millicent-one/signer/policy"
)

func (a *app) policyReplay() *cobra.Command {
	var actions string
	var noFacts, all bool
	cmd := &cobra.Command{
		Use:   "replay NEW-CHARTER [NEW-POLICY]",
		Short: "Judge every proposal of the past under a new policy",
		Long: `Judge every proposal of the past under a new policy, each at the moment when it was
proposed, and show what would have come out otherwise. The proposals are asked
from the running node; if none runs they are read from its journal, which is not
changed. The old policy is this node's.

The journal holds no facts, so this is not what the nodes would have said then:
the simulation and the code of contracts are assumed to be as the rules want them,
or with --no-facts to be unknown, and then what asks for them is denied.`,
		Example: "  signer policy replay charter-new.yaml policy.yaml",
		Args:    cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, m, err := policyFiles{}.read(a)
			if err != nil {
				return err
			}
			next := policyFiles{charter: args[0], actions: actions}
			if len(args) > 1 {
				next.policy = args[1]
			}
			nc, nm, err := next.read(a)
			if err != nil {
				return err
			}
			past, key, err := a.past(cmd.Context())
			if err != nil {
				return err
			}
			out := replayed{Facts: "assumed", Proposals: policy.Replay(policy.New(c, m), policy.New(nc, nm), past, key, !noFacts)}
			if noFacts {
				out.Facts = "missing"
			}
			for _, r := range out.Proposals {
				if r.Change.Matters() {
					out.Changed++
				}
			}
			return a.print(out, func(w io.Writer) { writeReplay(w, out, all) })
		},
	}
	fs := cmd.Flags()
	fs.StringVar(&actions, "actions", "", "catalogue of actions of the new charter (default: the one in this program)")
	fs.BoolVar(&noFacts, "no-facts", false, "assume that nothing is known of the chain")
	fs.BoolVar(&all, "all", false, "also list what stays as it is")
	return cmd
}

// replayed is the result of a replay.
type replayed struct {
	Facts     string            `json:"facts"`   // assumed or missing
	Changed   int               `json:"changed"` // proposals whose outcome changes
	Proposals []policy.Replayed `json:"proposals"`
}

// past is what has been proposed, the oldest first, and the council's key: from
// the daemon, or from the journal of one that does not run.
func (a *app) past(ctx context.Context) ([]policy.Past, common.Address, error) {
	c, err := a.client()
	if err != nil {
		return nil, common.Address{}, err
	}
	ps, err := c.Proposals(ctx)
	if errors.Is(err, api.NotReady) && !a.flags["socket"].Changed {
		return a.pastOnDisk()
	}
	if err != nil {
		return nil, common.Address{}, err
	}
	st, err := c.Status(ctx)
	if err != nil {
		return nil, common.Address{}, err
	}
	var key common.Address
	if st.Council != nil {
		key = st.Council.Address
	}
	var out []policy.Past
	for _, p := range slices.Backward(ps) {
		in, err := p.Intent.Intent()
		if err != nil {
			return nil, key, fmt.Errorf("read proposal %s: %w", p.Short, err)
		}
		out = append(out, policy.Past{ID: p.ID, Intent: in, Proposed: uint64(p.Proposed.Unix())})
	}
	return out, key, nil
}

// pastOnDisk reads the journal. It keeps what the daemon keeps: the first entry
// of each proposal, for the council whose key the journal tells of.
func (a *app) pastOnDisk() (out []policy.Past, key common.Address, err error) {
	c, err := a.load()
	if err != nil {
		return nil, key, err
	}
	var id common.Hash
	type opened struct {
		body council.Proposed
		at   uint64
	}
	var all []opened
	err = journal.Read(c.JournalFile(), council.MemberID(c.Member), func(e journal.Entry) error {
		if e.Word != council.WordProposed && e.Word != council.WordKeyMade {
			return nil
		}
		body, err := council.DecodeBody(e.Word, e.Body)
		if err != nil {
			return nil // of a member whose node writes nonsense; the daemon passes over it, too
		}
		switch b := body.(type) {
		case council.KeyMade:
			if id == (common.Hash{}) {
				id, key = b.Genesis.ID(), b.Genesis.Key
			}
		case council.Proposed:
			all = append(all, opened{b, e.Time})
		}
		return nil
	})
	if err != nil {
		return nil, key, err
	}
	seen := map[council.ProposalID]bool{}
	for _, o := range all {
		in, err := council.DecodeIntent(o.body.Intent)
		if err != nil || o.body.Council != id {
			continue
		}
		p, err := council.Propose(id, in)
		if err != nil || seen[p] {
			continue
		}
		seen[p] = true
		out = append(out, policy.Past{ID: p, Intent: in, Proposed: o.at})
	}
	return out, key, nil
}

func writeReplay(w io.Writer, r replayed, all bool) {
	rows := [][]string{{"ID", "PROPOSED", "CHANGE", "OLD", "NEW", "ACTION"}}
	for _, p := range r.Proposals {
		if p.Change == policy.Unchanged && !all {
			continue
		}
		change := string(p.Change)
		if change == "" {
			change = "-"
		}
		rows = append(rows, []string{p.ID.Short(), clock(time.Unix(int64(p.Proposed), 0)), change, ruled(p.Old), ruled(p.New), clip(oneLine(p.Sentence), 100)})
	}
	if len(rows) > 1 {
		table(w, rows)
	}
	for _, p := range r.Proposals {
		if p.Change.Matters() && !p.New.Allow {
			fmt.Fprintf(w, "%s: %s\n  hint: %s\n", p.ID.Short(), oneLine(p.New.Reason), p.New.Hint)
		}
	}
	fmt.Fprintf(w, "%d of %s come out otherwise; facts are %s.\n", r.Changed, plural(len(r.Proposals), "proposal", "proposals"), r.Facts)
}
