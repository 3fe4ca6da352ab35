package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/millicent-one/signer/api"
	"github.com/millicent-one/signer/configs"
	"github.com/millicent-one/signer/council"
)

// exercise begins the statement of every drill: it says in the council's own name
// that there is nothing behind it.
const exercise = "Exercise of the security council"

func (a *app) drillCmd() *cobra.Command {
	var f proposeFlags
	cmd := &cobra.Command{
		Use:   "drill --reason TEXT",
		Short: "Call the council to an exercise: a harmless statement, signed by four",
		Long: `Call the council to an exercise. What is proposed is a statement that says of itself
that nothing has happened; every member approves it as they would a pause, and four
nodes sign it with the council's key. Members, wallets, nodes, policy and the way of
the signature are tried, no transaction is made, and no gas is spent.

Who answered when is kept in the journal of each node: 'signer drill report ID'.
The shipped charter allows statements; a charter that does not can't be drilled so.`,
		Example: "  signer drill --reason 'monthly exercise'\n  signer drill report 1a2b3c4d",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			r, err := f.request()
			if err != nil {
				return err
			}
			c, err := a.load()
			if err != nil {
				return err
			}
			r.Statement = a.exercise(c)
			return a.propose(cmd, r)
		},
	}
	f.add(cmd.Flags())
	cmd.AddCommand(a.drillReportCmd())
	return cmd
}

// exercise is the text of a drill that begins now.
func (a *app) exercise(c *configs.Loaded) string {
	return fmt.Sprintf("%s, called by %s at %s. Nothing has happened, and nothing follows from this.",
		exercise, c.Member, a.now().UTC().Format("2006-01-02 15:04:05 UTC"))
}

func (a *app) drillReportCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "report ID",
		Short: "Show how long each member and each node took in a drill",
		Long: `Show how long each member and each node took in a drill: from the proposal until the
node had judged it, and until the member's word was read here. The clocks are those of
the nodes. The last column says when the node was last proven alive, drill or not, by
its signed heartbeat ('signer heartbeat'). ID is the beginning of the drill's id.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := misused(api.CheckPrefix(args[0])); err != nil {
				return err
			}
			c, err := a.client()
			if err != nil {
				return err
			}
			p, err := c.Proposal(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if p.Intent.Kind != council.KindStatement || !strings.HasPrefix(p.Intent.Text, exercise) {
				return usagef("'signer list --all' shows the drills", "%s is no drill: %s", p.Short, p.Sentence)
			}
			s, err := c.Status(cmd.Context())
			if err != nil {
				return err
			}
			d := reportDrill(p)
			d.prove(s)
			return a.print(d, func(w io.Writer) { d.write(w) })
		},
	}
}

// drillReport is how a drill went.
type drillReport struct {
	ID       council.ProposalID `json:"id"`
	Called   time.Time          `json:"called"`
	By       council.MemberID   `json:"by"`
	State    api.State          `json:"state"`
	Have     int                `json:"have"`
	Want     int                `json:"want"`
	Members  []drillMember      `json:"members"` // in roster order: those who have answered, then the others
	Quorum   int64              `json:"quorumMillis,omitempty"`
	Signing  int64              `json:"signingMillis,omitempty"` // from the quorum to the signature
	Attempts uint64             `json:"attempts"`
}

// drillMember is one member's part. Times are in milliseconds after the call; nil
// means that nothing came.
type drillMember struct {
	Member   council.MemberID `json:"member"`
	Verdict  bool             `json:"verdict"`                // its node has judged
	Judged   *int64           `json:"judgedMillis,omitempty"` // when that was, if it is known
	Allow    bool             `json:"allow"`
	Answered *int64           `json:"answeredMillis,omitempty"`
	Word     council.Choice   `json:"word,omitempty"`
	Proven   time.Time        `json:"provenAlive,omitzero"` // by its node's latest heartbeat; zero: never
}

func reportDrill(p api.Proposal) drillReport {
	d := drillReport{ID: p.ID, Called: p.Proposed, By: p.Proposer, State: p.State, Have: p.Have, Want: p.Want,
		Quorum: p.Timing.Approved, Signing: p.Timing.Signed}
	for _, a := range p.Attempts { // an attempt may have been begun twice
		d.Attempts = max(d.Attempts, a.Number)
	}
	after := func(t time.Time) *int64 {
		if t.IsZero() {
			return nil
		}
		ms := max(0, t.Sub(p.Proposed).Milliseconds())
		return &ms
	}
	judged := map[council.MemberID]api.Verdict{}
	for _, v := range p.Verdicts {
		judged[v.Member] = v
	}
	row := func(m council.MemberID) drillMember {
		v, ok := judged[m]
		return drillMember{Member: m, Verdict: ok, Judged: after(v.At), Allow: v.Allow}
	}
	for _, w := range p.Approvals {
		m := row(w.Member)
		m.Answered, m.Word = after(w.At), w.Decision
		d.Members = append(d.Members, m)
	}
	for _, m := range p.Missing {
		d.Members = append(d.Members, row(m))
	}
	return d
}

// prove adds when each node was last proven alive.
func (d drillReport) prove(s api.Status) {
	proven := provenAlive(s)
	for i := range d.Members {
		d.Members[i].Proven = proven[d.Members[i].Member]
	}
}

func (d drillReport) write(w io.Writer) {
	fmt.Fprintf(w, "Drill %s, called by %s at %s: %s, %d of %d approvals.\n\n", d.ID.Short(), oneLine(string(d.By)), clock(d.Called), oneLine(string(d.State)), d.Have, d.Want)
	rows := [][]string{{"MEMBER", "NODE JUDGED AFTER", "MEMBER ANSWERED AFTER", "WORD", "NODE PROVEN ALIVE"}}
	var silent, dark []council.MemberID
	for _, m := range d.Members {
		judged, answered, word := "-", "-", oneLine(string(m.Word))
		switch {
		case !m.Verdict:
			dark = append(dark, m.Member)
		case m.Judged == nil:
			judged = "not known"
		default:
			judged = waited(*m.Judged)
		}
		if m.Verdict && !m.Allow {
			judged += " (its policy denies)"
		}
		if m.Answered != nil {
			answered = waited(*m.Answered)
		} else {
			silent = append(silent, m.Member)
		}
		rows = append(rows, []string{oneLine(string(m.Member)), judged, answered, word, clock(m.Proven)})
	}
	table(w, rows)
	fmt.Fprintln(w)
	if d.Quorum > 0 {
		fmt.Fprintf(w, "Enough approvals after %s", waited(d.Quorum))
		if d.Signing > 0 {
			fmt.Fprintf(w, "; the signature %s later, in %s", waited(d.Signing), plural(int(d.Attempts), "attempt", "attempts"))
		}
		fmt.Fprintln(w, ".")
	}
	if len(silent) > 0 {
		fmt.Fprintf(w, "No word from %s: ask whether they were told, and can approve.\n", join(silent))
	}
	if len(dark) > 0 {
		fmt.Fprintf(w, "No verdict from the node of %s: see 'signer status', and 'signer doctor' there.\n", join(dark))
	}
}

// waited is a time in milliseconds, without digits that nobody reads.
func waited(millis int64) string {
	d := time.Duration(millis) * time.Millisecond
	if d >= time.Minute {
		return d.Round(time.Second).String()
	}
	return d.Round(10 * time.Millisecond).String()
}
