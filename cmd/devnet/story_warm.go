package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/millicent-one/signer/api"
)

// The standby of the demo's daemons: off while the story needs signatures that
// take long enough to be disturbed, then on, as fast as the machine can.
const (
	standbyOff = "SIGNER_STANDBY_DEPTH=0"
	standbyOn  = "SIGNER_STANDBY_DEPTH=1"
	standbyAll = "SIGNER_STANDBY_CPU=100"
)

// fireWarm is step 8: the council makes its signatures ready ahead of time, and
// the fourth approval becomes one in milliseconds.
func (s *story) fireWarm(ctx context.Context) error {
	if err := s.standBy(ctx, standbyOn, standbyAll); err != nil {
		return err
	}
	s.say("seven daemons anew, with standby")
	return s.asShown(func() error { return s.warmAct(ctx) })
}

// warmAct is an act of a council that has all sets warm.
func (s *story) warmAct(ctx context.Context) error {
	if err := s.stocked(ctx); err != nil {
		return err
	}
	st, err := ask[api.Status](ctx, s.members[0], "status")
	if err != nil {
		return err
	}
	s.say("%d of %d sets of signers are warm, %d slots at %s, in memory alone", st.Standby.Ready, st.Standby.Sets, st.Standby.Slots, st.Member)
	m := s.some("core-1", "core-2", "community-1", "community-2")
	done, err := s.act(ctx, m)
	if err != nil {
		return err
	}
	if a := signed(done); !a.Warm {
		err := fmt.Errorf("attempt %d was not fired from standby", a.Number)
		if len(done.Attempts) > 1 { // who was to begin came late, and another one began, too
			err = fmt.Errorf("%w: %w", err, errOtherwise)
		}
		return err
	}
	cold := s.coldest()
	s.say("%s: signed from standby in %d ms; the cold ones took %d ms at best", s.deeds[len(s.deeds)-1].name, done.Timing.Signed, cold)
	s.gist = fmt.Sprintf("%s, signed in %d ms; cold %d ms", short(done.TxHash.Hex()), done.Timing.Signed, cold)
	return nil
}

// coldest is the shortest time that a signature from the start has taken, in
// milliseconds.
func (s *story) coldest() int64 {
	var best int64
	for _, d := range s.deeds {
		if t := d.Timing.Signed; !signed(d.Proposal).Warm && (best == 0 || t < best) {
			best = t
		}
	}
	return best
}

// standBy starts all daemons anew with these settings of standby.
func (s *story) standBy(ctx context.Context, settings ...string) error {
	for _, m := range s.members {
		m.env = settings
	}
	return s.startAgain(ctx, s.members)
}

// stocked waits until every set of signers is warm, as every node sees it.
func (s *story) stocked(ctx context.Context) error {
	last := -1
	for _, m := range s.members {
		off := false
		err := s.status(ctx, m, "all sets of signers to be warm", func(st api.Status) bool {
			if st.Standby == nil {
				off = true
				return true
			}
			s.progress("making signatures ready", st.Standby.Ready, st.Standby.Sets, last < 0)
			last = st.Standby.Ready
			return st.Phase == api.Ready && st.Standby.Ready == st.Standby.Sets
		})
		if err == nil && off {
			err = errors.New("standby is off at " + string(m.id))
		}
		if err != nil {
			return err
		}
	}
	return nil
}
