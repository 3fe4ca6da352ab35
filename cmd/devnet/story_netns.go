package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
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
line is up again, the council signs under exactly one share epoch. Two more leave and
join, and the line between three and four of the old nodes is taken down while the new
shares are being made: nobody locks. When it is up again, they are made.

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
	{"the line is cut while the old shares are locked", budgetCut, (*story).cutInLocking},
	{"the line is cut while the new shares are made", budgetCut, (*story).cutInRunning},
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

// sideOf is the switch that a member comes in at: four of the first seven are in the west.
func sideOf(id council.MemberID) string {
	if slices.Contains([]council.MemberID{"community-1", "community-2", "core-1", "core-2"}, id) {
		return west
	}
	return east
}

// signAcross has two of each side approve.
func (s *story) signAcross(ctx context.Context) error {
	w, e := s.wires.sides(s.members)
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

// cut is where a rotation has the line taken down, and between how many of the old members.
type cut struct {
	stage      string // locking or running
	west, east int
}

// Five locks commit, and on neither side of these cuts there are as many. In the second one
// the side with four old shares is not that of the member who begins.
func (s *story) cutInLocking(ctx context.Context) error {
	return s.cutInRotation(ctx, cut{"locking", 4, 3})
}

func (s *story) cutInRunning(ctx context.Context) error {
	return s.cutInRotation(ctx, cut{"running", 3, 4})
}

// errLate is a cut after which one side had gone on to what it is to prevent: too late to
// show anything.
var errLate = errors.New("the step was over before the line was cut")

// cutInRotation has two leave and two join, and cuts the line between old members at a
// step. Should the cut come too late, which a busy machine can bring about, the rotation is
// finished and the next one is cut.
func (s *story) cutInRotation(ctx context.Context, c cut) error {
	for try := 1; ; try++ {
		if err := s.wires.part(ctx, s.members, c.west); err != nil {
			return err
		}
		_, e := s.wires.sides(s.members)
		var leavers []*member
		for _, seat := range []council.Seat{council.Community, council.Core} {
			leavers = append(leavers, e[slices.IndexFunc(e, func(m *member) bool { return m.seat == seat })])
		}
		t, err := s.agreeOnNext(ctx, leavers)
		if err != nil {
			return err
		}
		late := s.cutWhile(ctx, t, c)
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

// cutWhile begins the rotation, and cuts the line once the first node tells of the step.
func (s *story) cutWhile(ctx context.Context, t *turnover, c cut) error {
	if err := s.arrive(ctx, t); err != nil {
		return err
	}
	all := slices.Concat(t.old, t.joiners)
	marks := marked(all)
	if err := s.begin(ctx, t); err != nil {
		return err
	}
	s.say("%s start their daemons in the east; %s begins", list(names(t.joiners)), t.stay[0].id)
	who, e, err := s.reach(ctx, all, marks, c)
	if err != nil {
		return fmt.Errorf("wait for the step %s: %w", c.stage, err)
	}
	if err := s.wires.cut(ctx); err != nil {
		return err
	}
	told, _, _ := strings.Cut(e.Text, "\n")
	s.say("%s tells: %s; %d ms later the line between west and east is down", who.id, clip(oneLine(told), 60), time.Since(e.Time).Milliseconds())
	if err := s.wires.fast(ctx); err != nil {
		return err
	}
	if w, e := s.wires.sides(t.old); len(w) != c.west || len(e) != c.east {
		return fmt.Errorf("the line was cut %d|%d; want %d|%d", len(w), len(e), c.west, c.east)
	}
	return s.apart(ctx, all, marks, t.version, c)
}

// reach waits until the first node tells of the step. What crosses the line is slow from the
// step before on, so that what the cut is to keep apart does not get over it before.
func (s *story) reach(ctx context.Context, all []*member, marks map[council.MemberID]int, c cut) (*member, api.Event, error) {
	before := map[string][]string{"locking": {"testing"}, "running": {"gathering", "ready"}}[c.stage]
	if _, _, err := firstToTell(ctx, all, marks, atStage(before...)); err != nil {
		return nil, api.Event{}, err
	}
	if err := s.wires.slow(ctx, slowTrunk); err != nil {
		return nil, api.Event{}, err
	}
	return firstToTell(ctx, all, marks, trial{stage: c.stage}.fits)
}

// committed reports whether a node has the certificate of the rotation to a roster.
func committed(st api.Status, version uint64) bool {
	return st.Roster != nil && st.Roster.Version >= version || st.Rotation != nil && st.Rotation.Roster == version && st.Rotation.Commit != nil
}

// apart waits until each side has lost the other, and holds that neither has what
// commits: as long as that is so, four who have not locked may sign as before. Where the
// new shares were not made, nobody has locked.
func (s *story) apart(ctx context.Context, all []*member, marks map[council.MemberID]int, version uint64, c cut) error {
	w, e := s.wires.sides(all)
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
		if c.stage == "running" && len(locked) > 0 {
			return fmt.Errorf("%s: %w", list(names(locked)), errLate)
		}
		s.say("%s have lost the others: no certificate; %s locked, %s might sign under the old shares", list(names(side)), list(names(locked)), list(names(open)))
	}
	return nil
}
