package main

import (
	"cmp"
	"fmt"
	"io"

	"github.com/ethereum/go-ethereum/common"
	"github.com/spf13/cobra"

	"github.com/millicent-one/signer/api"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/internal/rosterfile"
	"github.com/millicent-one/signer/policy"
)

func (a *app) termBegin() *cobra.Command {
	var f charterFlags
	cmd := &cobra.Command{
		Use:   "begin FILE",
		Short: "Give an agreed succession to this node's daemon: the nodes carry it out",
		Long: `Give an agreed succession to this node's daemon. It checks it, passes it on to all
other nodes, and from then on all of them work for it, also after a restart. One
member does this; who joins starts the own daemon with the file under 'successions'
in signer.yaml. A step that moves no share is carried out by five of the seven nodes as
soon as its day has come, and the others follow.

The shares move as soon as the day has come, all members of the new roster are there
and four of the old. 'signer term status' says how far it is and who is waited for.
Until the last steps the council signs as before; then the new roster does, and the
address is the same. Nobody has to restart a daemon.

A succession that changes the charter needs its text, which goes along: give it with
--charter. The nodes pass it on to each other, keep it, and work by it from then on.
How many approvals it takes, and how long the nodes wait, the charter in force says
('signer policy diff').`,
		Example: "  signer term begin succession-2.json\n  signer term begin succession-3.json --charter charter-3.yaml",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := rosterfile.ReadSuccession(args[0])
			if err != nil {
				return err
			}
			return a.begin(cmd, s, a.filled(f))
		},
	}
	f.add(cmd, "the charter's file, if it is another one from then on (default: this node's, if it is that one)")
	return cmd
}

// charterFlags name a charter's file and its catalogue of actions.
type charterFlags struct{ charter, actions string }

func (f *charterFlags) add(cmd *cobra.Command, what string) {
	cmd.Flags().StringVar(&f.charter, "charter", "", what)
	cmd.Flags().StringVar(&f.actions, "actions", "", actionsUsage)
}

const actionsUsage = "its catalogue of actions (default: the one that signer.yaml names, else the one in this program)"

// filled completes what was given of another charter by this node's: a new text goes with
// the catalogue in use, and a new catalogue with the text.
func (a *app) filled(f charterFlags) charterFlags {
	if f == (charterFlags{}) {
		return f
	}
	if c, err := a.load(); err == nil { // else on any machine
		f.charter, f.actions = cmp.Or(f.charter, c.Charter), cmp.Or(f.actions, c.Actions)
	}
	return f
}

// text is the charter's text for a succession that names it: of the file that was
// given, or of this node's own if it is the one; else none.
func (a *app) text(f charterFlags, named common.Hash) (t policy.CharterText, err error) {
	if f.charter != "" {
		if t, err = readCharterText(f.charter, f.actions); err != nil {
			return t, err
		}
		c, err := loadCharterText(t, f.charter, f.actions)
		if err == nil && c.Hash() != named {
			err = council.WithHint(fmt.Errorf("the succession names charter %s; %s has %s", short(named), f.charter, short(c.Hash())), "give the file that the members have approved of, and its --actions")
		}
		return t, err
	}
	c, err := a.load()
	if err != nil {
		return t, nil // on any machine with a socket
	}
	t, err = readCharterText(c.Charter, c.Actions)
	if err != nil {
		return policy.CharterText{}, nil
	}
	if h, err := t.Hash(); err != nil || h != named {
		return policy.CharterText{}, nil
	}
	return t, nil
}

// begin hands a succession to the daemon, with its charter's text.
func (a *app) begin(cmd *cobra.Command, s council.Succession, f charterFlags) error {
	t, err := a.text(f, s.Roster.Charter)
	if err != nil {
		return err
	}
	c, err := a.client()
	if err != nil {
		return err
	}
	r, err := c.BeginRotation(cmd.Context(), s, api.CharterText{Charter: string(t.Charter), Actions: string(t.Actions)})
	if err != nil {
		return err
	}
	return a.showRotation(r)
}

func (a *app) termStatus() *cobra.Command {
	return &cobra.Command{
		Use:   "status",
		Short: "Say how far the rotation of shares is, who is waited for, and what each should do",
		Long: `Say how far the rotation of shares is at this node, who is waited for, and what
each should do.

  proposed    agreed on; its day has not come
  gathering   waits for nodes: all of the new roster, and four of the old; where no
              share is moved, for five
  ready       all are there
  running     new shares are being made
  staged      this node's new share is on its disk
  testing     the new shares sign a test
  locking     old nodes stop signing with their old shares
  committed   the new roster holds the key
  erased      and this node's old share is gone
  aborted     enough members refuse; the old roster holds the key
  timed out   the last try took too long; another follows
  stopped     this node's disk has failed; it goes on when the daemon is started again`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.client()
			if err != nil {
				return err
			}
			r, err := c.RotationStatus(cmd.Context())
			if err != nil {
				return err
			}
			return a.showRotation(r)
		},
	}
}

func (a *app) termAbort() *cobra.Command {
	var x api.RefuseRequest
	var yes bool
	cmd := &cobra.Command{
		Use:   "abort --reason TEXT [--roster HASH]",
		Short: "Refuse a succession that is agreed on, for good",
		Long: `Refuse a succession that is agreed on. The refusal is signed and can't be taken back:
this node will never lock for it. As many refusals as sign together end it for all,
and the council goes on under the old roster. A node that has locked for it can't
refuse it any more, and neither can anybody once so many have locked that an abort
can't come about.

Where several are agreed on, --roster says which: the hash of the roster that it leads
to, as 'signer term show' prints it, or its first digits, eight at least. Without it
you are told which there are.`,
		Example: "  signer term abort --reason 'the wrong day'\n  signer term abort --reason 'the other one first' --roster 0x5f3a91c2",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := misused(x.Check()); err != nil {
				return err
			}
			c, err := a.client()
			if err != nil {
				return err
			}
			what := "the succession"
			if x.Roster != "" {
				what += " to the roster " + x.Roster
			}
			if err := a.typed(yes, "abort", fmt.Sprintf("This node refuses %s for good.", what), "nothing was done"); err != nil {
				return err
			}
			r, err := c.AbortRotation(cmd.Context(), x)
			if err != nil {
				return err
			}
			return a.showRotation(r)
		},
	}
	cmd.Flags().StringVar(&x.Reason, "reason", "", "why; all members read it")
	cmd.Flags().StringVar(&x.Roster, "roster", "", "which, by the hash of its roster, if several are agreed on")
	addYes(cmd, &yes)
	return cmd
}

// lastFourAssumes is what an operator has to know before four locks commit.
const lastFourAssumes = `A rotation is committed by the locks of five old members, so that it stays safe with
one malicious member. With --last-four the locks of four commit it. That is safe only
if NONE of the four is malicious, and if none of the other three old nodes has locked
for another rotation or refused this one, nor ever will: two rosters could hold the
key else, or a new one and the old. Use it when the other old nodes are lost for good,
on each of the four that are left.`

func (a *app) termCommit() *cobra.Command {
	var four, yes bool
	cmd := &cobra.Command{
		Use:   "commit --last-four",
		Short: "Let the locks of four commit the rotation, when no other old node is left",
		Long:  "Let the locks of four commit the rotation that this node has locked for.\n\n" + lastFourAssumes,
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !four {
				return usagef("add --last-four; with five locks a rotation commits by itself", "nothing to commit")
			}
			c, err := a.client()
			if err != nil {
				return err
			}
			if err := a.typed(yes, "last-four", lastFourAssumes, "nothing was done"); err != nil {
				return err
			}
			r, err := c.CommitWithFour(cmd.Context())
			if err != nil {
				return err
			}
			return a.showRotation(r)
		},
	}
	cmd.Flags().BoolVar(&four, "last-four", false, "four locks are enough; see what that assumes")
	addYes(cmd, &yes)
	return cmd
}

func (a *app) showRotation(r api.Rotation) error {
	return a.print(r, func(w io.Writer) { writeRotation(w, r) })
}

func writeRotation(w io.Writer, r api.Rotation) {
	if r.Stage == "" {
		fmt.Fprintln(w, "No rotation of shares is under way, as far as this node knows.")
		return
	}
	fmt.Fprintf(w, "Roster %d: %s\n%s\n", r.Roster, oneLine(r.Stage), words(r.Text))
	if c := r.Commit; c != nil {
		locks := join(c.Locked)
		if c.LastFour {
			locks += " (the last four)"
		}
		fmt.Fprintln(w)
		table(w, [][]string{{"ceremony", c.Ceremony.Hex()}, {"transcript", c.Transcript.Hex()}, {"share epoch", fmt.Sprint(c.ShareEpoch)}, {"locked by", locks}})
	}
	if len(r.Missing) == 0 {
		return
	}
	rows := [][]string{{"", ""}, {"WAITS FOR", "NEXT"}}
	for _, n := range r.Missing {
		rows = append(rows, []string{oneLine(string(n.Member)), oneLine(n.Do)})
	}
	table(w, rows)
}
