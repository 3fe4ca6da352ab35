package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/millicent-one/signer/api"
	"github.com/millicent-one/signer/council"
)

func netnsCmd() *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use:   "netns",
		Short: "Cut a council's network in two while it changes (Linux, as root)",
		Long: `Cut a council's network in two while it changes: seven real signer processes, each in a
network namespace of its own and with its own address, make a key and sign. Then two
leave and two join, and while the old shares are being locked the line between four and
three of the old nodes is taken down. Neither side comes to have a certificate. When the
line is up again, the council signs under exactly one share epoch.

It needs Linux, root, and the program 'ip'. All namespaces are called dn and the process's
number, and go at the end, also after an interrupt.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return netns(cmd.Context(), o) },
	}
	o.flags(cmd)
	return cmd
}

// cutChapters are the story of 'devnet netns'.
var cutChapters = []step{
	{"seven members in seven network namespaces make one key", budgetKey, (*story).makeKey},
	{"they sign across the wires", budgetAct, (*story).signAcross},
	{"the line is cut while the council changes", budgetCut, (*story).cutInRotation},
}

func netns(ctx context.Context, o options) (err error) {
	w, err := layWires(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	s, life, done, err := o.open(ctx, newReport(os.Stdout))
	if err != nil {
		return err
	}
	held := false
	defer func() { err = errors.Join(err, done(held)) }() // before the wires go
	far, err := newFarRPC(w.uplink(), s.ground.url)
	if err != nil {
		return err
	}
	defer far.close()
	s.ground.rpc, s.wires = far.url, w
	s.settle = func(m *member) error { return w.plug(life, m, sideOf(m.id)) }
	for _, m := range s.members {
		if err := s.settle(m); err != nil {
			return err
		}
	}
	s.note("namespaces %s and %s-…; the chain is at %s", w.name, w.name, far.url)
	if held = s.perform(life, "A council whose network is cut in two while it changes", cutChapters); !held {
		return errTold
	}
	return nil
}

// sideOf is the switch of a member: four of the first seven are in the west.
func sideOf(id council.MemberID) string {
	if slices.Contains([]council.MemberID{"community-1", "community-2", "core-1", "core-2"}, id) {
		return west
	}
	return east
}

// sides parts members by their switch.
func sides(all []*member) (w, e []*member) {
	for _, m := range all {
		if sideOf(m.id) == west {
			w = append(w, m)
		} else {
			e = append(e, m)
		}
	}
	return w, e
}

// signAcross has two of each side approve.
func (s *story) signAcross(ctx context.Context) error {
	w, e := sides(s.members)
	s.say("west: %s; east: %s", addresses(w), addresses(e))
	done, err := s.act(ctx, []*member{w[0], w[1], e[0], e[2]})
	if err == nil {
		s.gist = fmt.Sprintf("%s, signed in %d ms", short(done.TxHash.Hex()), done.Timing.Signed)
	}
	return err
}

func addresses(ms []*member) string {
	out := make([]string, len(ms))
	for i, m := range ms {
		out[i] = string(m.id) + " at " + m.host
	}
	return list(out)
}

// errLate is a cut after which one side had the certificate: too late to show anything.
var errLate = errors.New("the certificate was there before the line was cut")

// cutInRotation has two leave and two join, and cuts the line between four and three of
// the old members while they lock. Should the cut come too late, which a busy machine can
// bring about, the rotation is finished and the next one is cut.
func (s *story) cutInRotation(ctx context.Context) error {
	for try := 1; ; try++ {
		_, e := sides(s.members)
		var leavers []*member
		for _, seat := range []council.Seat{council.Community, council.Core} {
			leavers = append(leavers, e[slices.IndexFunc(e, func(m *member) bool { return m.seat == seat })])
		}
		t, err := s.agreeOnNext(ctx, leavers)
		if err != nil {
			return err
		}
		late := s.cutWhile(ctx, t)
		if late != nil && !errors.Is(late, errLate) {
			return late
		}
		began := time.Now()
		if err := s.wires.heal(ctx); err != nil {
			return err
		}
		commit, err := s.rotated(ctx, t)
		if err != nil {
			return err
		}
		s.say("the line is up: %.1f s later all nine hold one certificate, of ceremony %s, locked by %s", time.Since(began).Seconds(), short(commit.Ceremony.Hex()), list(commit.Locked))
		if err := s.sameAddress(ctx); err != nil {
			return err
		}
		done, err := s.newHands(ctx, t)
		if err != nil {
			return err
		}
		if err := s.strangers(ctx, t); err != nil {
			return err
		}
		switch {
		case late == nil:
			s.gist = fmt.Sprintf("share epoch %d everywhere, %s", commit.ShareEpoch, short(done.TxHash.Hex()))
			return nil
		case try == cutsTried:
			return fmt.Errorf("%w, %d times: try again with nothing else running", late, try)
		}
		s.note("%v; once more", late)
	}
}

// cutWhile begins the rotation, and cuts the line once the first of the old members has
// locked. Five have to, and on neither side there are as many; what crosses the line is
// slow by then, so that no Lock gets over it before the cut.
func (s *story) cutWhile(ctx context.Context, t *turnover) error {
	if err := s.arrive(ctx, t); err != nil {
		return err
	}
	all := slices.Concat(t.old, t.joiners)
	marks := marked(all)
	if err := s.begin(ctx, t); err != nil {
		return err
	}
	s.say("%s start their daemons in the east; %s begins", list(names(t.joiners)), t.stay[0].id)
	if _, _, err := firstToTell(ctx, all, marks, atStage("testing")); err != nil {
		return fmt.Errorf("wait for the test signatures: %w", err)
	}
	if err := s.wires.slow(ctx, slowTrunk); err != nil {
		return err
	}
	who, e, err := firstToTell(ctx, t.old, marks, func(e api.Event) bool { return e.Kind == "locked" })
	if err != nil {
		return fmt.Errorf("wait for the first lock: %w", err)
	}
	if err := s.wires.cut(ctx); err != nil {
		return err
	}
	s.say("%s has locked; %d ms later the line between west and east is down", who.id, time.Since(e.Time).Milliseconds())
	if err := s.wires.fast(ctx); err != nil {
		return err
	}
	return s.apart(ctx, all, marks, t.version)
}

// committed reports whether a node has the certificate of the rotation to a roster.
func committed(st api.Status, version uint64) bool {
	return st.Roster != nil && st.Roster.Version >= version || st.Rotation != nil && st.Rotation.Roster == version && st.Rotation.Commit != nil
}

// apart waits until each side has lost the other, and holds that neither has what
// commits: as long as that is so, four who have not locked may sign as before.
func (s *story) apart(ctx context.Context, all []*member, marks map[council.MemberID]int, version uint64) error {
	w, e := sides(all)
	for _, side := range [][]*member{w, e} {
		for _, m := range side {
			if err := s.settled(ctx, m, "the loss of the other side", func(st api.Status) bool {
				for _, p := range st.Peers {
					if p.Online && !slices.ContainsFunc(side, func(o *member) bool { return o.id == p.Member }) {
						return committed(st, version) // it comes late, and goes on
					}
				}
				return true
			}); err != nil {
				return err
			}
		}
	}
	for _, side := range [][]*member{w, e} {
		var locked, open []*member
		for _, m := range side {
			st, err := m.client.Status(ctx)
			switch {
			case err != nil:
				return err
			case committed(st, version):
				return fmt.Errorf("%s: %w", m.id, errLate)
			case st.Phase == api.Ready:
				open = append(open, m)
			}
			if events, _ := m.tape.since(marks[m.id]); !when(events, func(e api.Event) bool { return e.Kind == "locked" }).IsZero() {
				locked = append(locked, m)
			}
		}
		s.say("%s have lost the others: no certificate; %s locked, %s might sign under the old shares", list(names(side)), list(names(locked)), list(names(open)))
	}
	return nil
}
