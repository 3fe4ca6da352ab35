package main

import (
	"fmt"
	"io"
	"maps"
	"math/big"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/millicent-one/signer/api"
	"github.com/millicent-one/signer/council"
)

func (a *app) statusCmd() *cobra.Command {
	var ready bool
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show how this node stands",
		Long: `Show how this node stands. The exit code is 0 when the daemon answers and 3 when
it does not, so that it can serve as a health check. With --ready it is 3 also
while the node can't sign: before it has a key, while it only watches or is frozen,
and while it lacks rules that fit and so denies everything.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.client()
			if err != nil {
				return err
			}
			s, err := c.Status(cmd.Context())
			if err != nil {
				return err
			}
			if err := a.print(s, func(w io.Writer) { writeStatus(w, s, a.now()) }); err != nil {
				return err
			}
			if ready && s.Phase != api.Ready {
				return notReady(s)
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&ready, "ready", false, "exit with 3 unless the node is ready to sign")
	return cmd
}

// notReady says why this node does not sign, and where it is said what to do.
func notReady(s api.Status) error {
	hint := "'signer doctor' says what to do"
	switch s.Phase {
	case api.AwaitingKeygen, api.Keygen:
		hint = "every member runs 'signer keygen' once"
	case api.Frozen:
		hint = "'signer key thaw' lifts it if it was a false alarm"
	}
	return api.Failf(api.NotReady, hint, "this node is not ready: %s", phase(s))
}

// phase is how a node stands, and why.
func phase(s api.Status) string {
	if s.Detail == "" {
		return oneLine(string(s.Phase))
	}
	return fmt.Sprintf("%s (%s)", oneLine(string(s.Phase)), words(s.Detail))
}

func writeStatus(w io.Writer, s api.Status, now time.Time) {
	fmt.Fprintf(w, "%s: %s\n", oneLine(string(s.Member)), phase(s))
	rows := [][]string{{"up", now.Sub(s.Started).Round(time.Second).String()}}
	if s.Council != nil {
		rows = append(rows, []string{"council", s.Council.Address.Hex()}, []string{"council id", s.Council.ID.Hex()}, []string{"share epoch", fmt.Sprint(s.Council.ShareEpoch)})
	}
	if s.Backups != nil {
		rows = append(rows, []string{"fundable", fundable(*s.Backups)})
	}
	if s.Spare != "" {
		rows = append(rows, []string{"spare", spareWords[s.Spare]})
	}
	if s.Roster != nil {
		rows = append(rows, []string{"roster", fmt.Sprintf("%s, version %d, %d of %d, first term ends %s", s.Roster.Hash.Hex(), s.Roster.Version, s.Roster.Threshold, len(s.Roster.Members), s.Roster.TermEnds.UTC().Format(time.DateOnly))})
		switch {
		case s.Roster.Proclaimed != nil:
			rows = append(rows, []string{"proclaimed", "the council's key says that this roster holds it; 'signer roster proclamation' shows it"})
		case s.Roster.Unsigned != "":
			rows = append(rows, []string{"proclaimed", "no: " + oneLine(s.Roster.Unsigned)})
		}
	}
	if r := s.Rotation; r != nil {
		rows = append(rows, []string{"rotation", fmt.Sprintf("to roster %d: %s%s", r.Roster, oneLine(r.Stage), waits(*r))})
	}
	rows = append(rows, []string{"charter", s.Charter.Hex()}, []string{"policy", s.Policy.Hex()})
	table(w, rows)

	proven := provenAlive(s)
	rows = [][]string{{"", "", ""}, {"PEER", "STATE", "SINCE", "PROVEN ALIVE", ""}}
	for _, p := range s.Peers {
		state, detail := "offline", oneLine(p.Detail)
		if p.Online {
			state = "online"
		}
		if p.RosterHash != nil {
			detail = "another roster: " + short(*p.RosterHash)
		}
		rows = append(rows, []string{oneLine(string(p.Member)), state, clock(p.Since), clock(proven[p.Member]), detail})
	}
	table(w, rows)

	rows = [][]string{{"", "", ""}, {"CHAIN", "RPC", "HEAD", "NONCE", "BALANCE", "EMERGENCIES", ""}}
	for _, c := range s.Chains {
		health, head, balance := "ok", "-", "unknown"
		if !c.Healthy {
			health = "bad"
		}
		if c.Head != 0 {
			head = fmt.Sprintf("%d, %ds old", c.Head, c.LagSeconds)
		}
		if c.Balance != nil {
			balance = ether(c.Balance.Int()) + " ETH"
		}
		rows = append(rows, []string{fmt.Sprint(c.ID), health, head, fmt.Sprint(c.Nonce), balance, fmt.Sprint(c.Emergencies), oneLine(c.Detail)})
	}
	table(w, rows)

	if y := s.Standby; y != nil {
		fmt.Fprintf(w, "\nstandby: %d of %d sets of signers are warm; this node holds %s%s\n", y.Ready, y.Sets, plural(y.Slots, "slot", "slots"), arming(y))
		rows = [][]string{{"MEMBER", "WARM SETS"}}
		for _, m := range slices.Sorted(maps.Keys(y.Members)) {
			rows = append(rows, []string{oneLine(string(m)), fmt.Sprint(y.Members[m])})
		}
		table(w, rows)
	}
	if len(s.Ledger) > 0 {
		rows = [][]string{{"", "", ""}, {"CHAIN", "NONCE", "PROPOSAL", "STATE", "ATTEMPT"}}
		for _, r := range s.Ledger {
			rows = append(rows, []string{fmt.Sprint(r.Chain), fmt.Sprint(r.Nonce), r.Proposal.Hex(), oneLine(r.State), fmt.Sprint(r.Attempt)})
		}
		table(w, rows)
	}
	if t := s.Attempt; t != nil {
		fmt.Fprintf(w, "\nsigning %s, attempt %d: %s\n", t.Proposal.Short(), t.Number, attemptLine(*t))
	}
	for _, x := range s.Warnings {
		fmt.Fprintf(w, "\nwarning: %s", words(x))
	}
	if len(s.Warnings) > 0 {
		fmt.Fprintln(w)
	}
}

// waits names who a rotation waits for.
func waits(r api.Rotation) string {
	if len(r.Missing) == 0 {
		return ""
	}
	var who []council.MemberID
	for _, n := range r.Missing {
		who = append(who, n.Member)
	}
	return ", waits for " + join(who) + ": see 'signer term status'"
}

// spareWords say how far the pre-parameters for the next ceremony are.
var spareWords = map[api.Spare]string{
	api.SpareNone:   "none; pre-parameters are made when the node has nothing else to do, or in the ceremony",
	api.SpareMaking: "pre-parameters for the next ceremony are in the making",
	api.SpareSealed: "pre-parameters for the next ceremony are sealed in the keystore",
}

func arming(y *api.Standby) string {
	if y.Arming == 0 {
		return ""
	}
	if len(y.Silent) > 0 {
		return fmt.Sprintf(", makes %d more and waits for %s", y.Arming, join(y.Silent))
	}
	return fmt.Sprintf(", makes %d more", y.Arming)
}

// ether writes wei as ether with at most six decimals.
func ether(wei *big.Int) string {
	f := new(big.Rat).SetFrac(wei, big.NewInt(1_000_000_000_000_000_000))
	return f.FloatString(6)
}

func (a *app) doctorCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "doctor",
		Short: "Check everything, and say what to do about what is wrong",
		Long:  "Check everything that can be checked from here: files, peers, RPCs, clocks, money.\nThe exit code is 1 when a check fails.",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			own := a.ownChecks()
			var checks []api.Check
			c, err := a.client()
			if err == nil {
				if checks, err = c.Doctor(cmd.Context()); err == nil {
					own = append(own, a.inForceHere(cmd.Context(), c)...)
				}
			}
			if err != nil {
				own = append(own, api.Check{Name: "daemon", Outcome: api.Bad, Detail: err.Error(), Hint: hintOr(err, "start it with 'signer run'")})
			}
			checks = append(own, checks...)
			bad := 0
			for _, x := range checks {
				if x.Outcome == api.Bad {
					bad++
				}
			}
			if err := a.print(checks, func(w io.Writer) { writeChecks(w, checks) }); err != nil {
				return err
			}
			if bad > 0 {
				return fmt.Errorf("%s failed", plural(bad, "check", "checks"))
			}
			return nil
		},
	}
}

func writeChecks(w io.Writer, checks []api.Check) {
	for _, c := range checks {
		fmt.Fprintf(w, "%-4s  %s: %s\n", oneLine(string(c.Outcome)), oneLine(c.Name), words(c.Detail))
		if c.Hint != "" && c.Outcome != api.OK {
			fmt.Fprintf(w, "      hint: %s\n", words(c.Hint))
		}
	}
}
