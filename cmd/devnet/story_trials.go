package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/millicent-one/signer/api"
	"github.com/millicent-one/signer/council"
)

func trialsCmd() *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use:   "trials",
		Short: "Kill nodes at each step of a rotation, practise, lose a disk, and follow the runbook",
		Long: `Kill nodes at each step of a rotation, practise, lose a disk, and follow the runbook:
seven real signer processes make a key and back it up. Two leave and two join, and at each
step of that from gathering on, as the nodes tell it, one of them is killed with SIGKILL and
started again. The rest is by the words of docs/runbook.md, with every command typed as it
stands under "A drill", "A node is lost", "Compromise", "Term change" and "Another charter": the
council holds a drill, a node whose disk is gone comes back from its backup on another
machine, a node is frozen and replaced without its help, a wallet is renewed, steps are
refused, shares are made anew, the council takes another charter, three nodes are replaced by
the last four, and the same seats make another key. The exit code is 0 only if everything
held.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return trials(cmd.Context(), o) },
	}
	o.flags(cmd)
	return cmd
}

var trialChapters = []step{
	{"seven members make one key, and back it up", budgetKey, (*story).makeKey},
	{"two leave and two join, and a node dies at each step", budgetTrials, (*story).dieInRotation},
	{"the council practises", budgetAct, (*story).practise},
	{"a node is lost, and comes back from its backup", budgetReturn, (*story).loseNode},
	{"a node is frozen, and replaced without its help", budgetTrials, (*story).replaceFrozen},
	{"another wallet, steps that are refused, new shares", budgetTrials, (*story).stayTogether},
	{"another charter: one that four refuse, one that tightens", budgetTrials, (*story).recharter},
	{"three are gone, and the last four commit", budgetTrials, (*story).replaceThree},
	{"four shares may be known: another key", budgetTrials, (*story).startAnew},
}

func trials(ctx context.Context, o options) error {
	s, life, done, err := o.open(ctx, newReport(os.Stdout))
	if err != nil {
		return err
	}
	held := s.perform(life, "A council is put to the test", trialChapters)
	if err := done(held); err != nil {
		return fmt.Errorf("end the council: %w", err)
	}
	if !held {
		return errTold
	}
	return nil
}

// trial is a death in a rotation: the first of some members whose node tells that it is at
// a step.
type trial struct {
	stage string
	of    []*member
}

func (x trial) fits(e api.Event) bool {
	if x.stage == "locking" { // at this node, and not only at others
		return e.Kind == "locked"
	}
	return stageOf(e) == x.stage
}

// misses fits what shows that the step can't come any more.
func (x trial) misses(e api.Event) bool {
	return stageOf(e) == "committed" && slices.Index(stages, x.stage) < slices.Index(stages, "committed")
}

// trialsOf has nobody die at two of the steps. The first of the new roster leads, and is
// never ready and waiting; who joins erases nothing, and so is committed for long enough.
func trialsOf(t *turnover) []trial {
	stay := slices.DeleteFunc(slices.Clone(t.stay), func(m *member) bool { return m == t.next[0] })
	return []trial{
		{"gathering", t.leavers[:1]},
		{"ready", stay[:1]},
		{"running", t.joiners[:1]},
		{"staged", stay[1:2]},
		{"testing", t.next[:1]},
		{"locking", stay[2:]},
		{"committed", t.joiners[1:]},
		{"erased", t.leavers[1:]},
	}
}

// dieInRotation has two leave and two join while a node is killed at each step.
func (s *story) dieInRotation(ctx context.Context) error {
	t, err := s.agreeOnNext(ctx, s.some("community-3", "core-4"))
	if err != nil {
		return err
	}
	if err := s.arrive(ctx, t); err != nil {
		return err
	}
	marks := marked(slices.Concat(t.old, t.joiners))
	began := time.Now()
	if err := s.begin(ctx, t); err != nil {
		return err
	}
	s.say("%s start their daemons; %s begins", list(names(t.joiners)), t.stay[0].id)
	if err := s.killAtEach(ctx, trialsOf(t), marks); err != nil {
		return err
	}
	commit, err := s.rotated(ctx, t)
	if err != nil {
		return err
	}
	took := time.Since(began)
	s.say("all nine hold the one certificate of ceremony %s after %.1f s, locked by %s: roster %d, share epoch %d", short(commit.Ceremony.Hex()), took.Seconds(), list(commit.Locked), t.version, commit.ShareEpoch)
	if err := s.arrived(ctx, t); err != nil {
		return err
	}
	done, err := s.handedOver(ctx, t)
	if err != nil {
		return err
	}
	s.gist = fmt.Sprintf("killed at %d steps, %s again, %s", len(stages), short(s.key.Hex()), short(done.TxHash.Hex()))
	return s.backUp(ctx, commit.ShareEpoch)
}

// killAtEach has all trials wait for their step at once, since a death may lead back to an
// earlier one, until each was really hit.
func (s *story) killAtEach(ctx context.Context, all []trial, marks map[council.MemberID]int) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var telling sync.Mutex
	var work sync.WaitGroup
	hit := make([]bool, len(all))
	for i, x := range all {
		work.Go(func() {
			err := s.killAt(ctx, x, marks, &telling)
			if hit[i] = err == nil; err != nil {
				cancel(err)
			}
		})
	}
	work.Wait()
	var open []string
	for i, x := range all {
		if !hit[i] {
			open = append(open, x.stage)
		}
	}
	if len(open) > 0 {
		return fmt.Errorf("nobody was killed at %s: %w", list(open), context.Cause(ctx))
	}
	return nil
}

// killAt kills a node at a step and starts it again at once. One that had told of another
// step before it died does not count, and the step is waited for once more.
func (s *story) killAt(ctx context.Context, x trial, marks map[council.MemberID]int, telling *sync.Mutex) error {
	for {
		m, e, err := firstToTell(ctx, x.of, marks, func(e api.Event) bool { return x.fits(e) || x.misses(e) })
		if err != nil {
			return err
		}
		if !x.fits(e) {
			return fmt.Errorf("%s has committed, and the step %q never came at %s, or was over too fast", m.id, x.stage, list(names(x.of)))
		}
		d := m.dieOf(e)
		if err := m.start(ctx); err != nil {
			return err
		}
		now := ""
		if err := s.settled(ctx, m, "a word of where it stands", func(st api.Status) bool { now = standing(st); return true }); err != nil {
			return err
		}
		telling.Lock()
		if d.at == x.stage {
			s.say("%s; started again, it is %s", d, now)
		} else {
			s.note("%s, but it was %s by then; started again, it is %s", d, d.at, now)
		}
		telling.Unlock()
		if d.at == x.stage {
			return nil
		}
		marks = marked(x.of)
	}
}

// standing is where a node says that it stands.
func standing(st api.Status) string {
	if st.Rotation == nil || st.Rotation.Stage == "" {
		return fmt.Sprintf("%s, with no rotation", st.Phase)
	}
	return fmt.Sprintf("%s, rotation %s", st.Phase, st.Rotation.Stage)
}

// arrived checks that each node's status says that the rotation is over for it.
func (s *story) arrived(ctx context.Context, t *turnover) error {
	for _, of := range []struct {
		who  []*member
		want string
	}{{t.stay, "ready, rotation erased"}, {t.joiners, "ready, rotation committed"}, {t.leavers, "over, rotation erased"}} {
		for _, m := range of.who {
			st, err := ask[api.Status](ctx, m, "status")
			if err != nil {
				return err
			}
			if got := standing(st); got != of.want {
				return fmt.Errorf("the status of %s says %s (%s); want %s", m.id, got, st.Rotation.Text, of.want)
			}
		}
		s.say("%s: %s", list(names(of.who)), of.want)
	}
	return nil
}
