package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/millicent-one/signer/council"
)

// rotations has the council rotate again and again, the eldest of each kind of seat
// leaving. Each time the address is the same, and who has left is a stranger; in the end
// the last council signs, and nobody of the first can.
func (s *story) rotations(ctx context.Context, n int, patience float64, each func(i int, p passage, err error)) error {
	first := slices.Clone(s.members)
	for i := range n {
		step, cancel := context.WithTimeoutCause(ctx, time.Duration(float64(budgetTerm)*patience), fmt.Errorf("rotation %d of %d has used up its budget", i+1, n))
		p, err := s.rotation(step)
		cancel()
		if err != nil && !errors.Is(err, errRetried) {
			return fmt.Errorf("rotation %d of %d: %w", i+1, n, err)
		}
		each(i, p, err)
	}
	last, cancel := context.WithTimeoutCause(ctx, time.Duration(float64(budgetAct)*patience), errors.New("the last act has used up its budget"))
	defer cancel()
	return s.succeeded(last, first, n)
}

// rotation is one of them, measured.
func (s *story) rotation(ctx context.Context) (p passage, err error) {
	t, err := s.agreeOnNext(ctx, []*member{s.eldest(council.Community), s.eldest(council.Core)})
	if err != nil {
		return p, err
	}
	if err := s.arrive(ctx, t); err != nil {
		return p, err
	}
	marks := marked(slices.Concat(t.old, t.joiners))
	from := later(time.Now(), t.from)
	if err := s.begin(ctx, t); err != nil {
		return p, err
	}
	if _, err := s.rotated(ctx, t); err != nil {
		return p, err
	}
	if err := s.sameAddress(ctx); err != nil {
		return p, err
	}
	if err := s.strangers(ctx, t); err != nil {
		return p, err
	}
	return t.passed(marks, council.Millicent.Threshold, from)
}

// eldest is the member of a kind of seat that came in first: names are counted up.
func (s *story) eldest(seat council.Seat) (out *member) {
	for _, m := range s.members {
		if m.seat == seat && (out == nil || len(m.id) < len(out.id) || len(m.id) == len(out.id) && strings.Compare(string(m.id), string(out.id)) < 0) {
			out = m
		}
	}
	return out
}

// succeeded has the last council sign, and holds that nobody of the first is in it or can
// do anything more. Their connections were refused when they left.
func (s *story) succeeded(ctx context.Context, first []*member, n int) error {
	if staying := slices.DeleteFunc(slices.Clone(first), func(m *member) bool { return !slices.Contains(s.members, m) }); len(staying) > 0 {
		return fmt.Errorf("after %d rotations %s are still there: four or more replace every seat", n, list(names(staying)))
	}
	done, err := s.act(ctx, s.members[:4])
	if err != nil {
		return err
	}
	for _, m := range first {
		if err := s.powerless(ctx, m, s.members[0], done.ID); err != nil {
			return err
		}
	}
	s.say("after %d rotations the council of %s signs for %s; the words of all seven of the first are refused, and their shares are gone", n, list(names(s.members)), short(s.key.Hex()))
	return nil
}
