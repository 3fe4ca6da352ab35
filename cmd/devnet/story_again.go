package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/millicent-one/signer/api"
)

// nextAct has a member propose to pause a target, the protocol or the bridge, or to unpause
// it if it is paused.
func (s *story) nextAct(ctx context.Context, by *member, target string) (name string, p api.Proposal, err error) {
	at := s.sites.protocol
	if target == "bridge" {
		at = s.sites.bridge
	}
	paused, err := s.ground.paused(ctx, at)
	if err != nil {
		return "", p, err
	}
	word, why := "pause", "a hole is found"
	if paused {
		word, why = "unpause", "the hole is closed"
	}
	p, err = s.propose(ctx, by, word, "--target", target, "--reason", why)
	return word + " " + target, p, err
}

// act has members do nextAct on the protocol, until it is mined.
func (s *story) act(ctx context.Context, by []*member) (api.Proposal, error) {
	name, p, err := s.nextAct(ctx, by[0], "protocol")
	if err != nil {
		return p, err
	}
	for _, m := range by { // who denied for want of a fact has judged again
		if _, err := s.until(ctx, m, p.ID, "its node's leave", func(p api.Proposal) bool { v, _ := verdict(p, m.id); return v.Allow }); err != nil {
			return p, err
		}
	}
	if _, err := s.approve(ctx, p.ID, by...); err != nil {
		return p, err
	}
	s.say("%s proposes %s: %q; %s approve", by[0].id, p.Short, brief(p.Sentence), list(names(by)))
	done, err := s.mined(ctx, name, by[len(by)-1], p.ID) // whose node has read the last approval first
	if err != nil {
		return p, err
	}
	return done, s.stands(ctx, s.sites.protocol, name == "pause protocol")
}

// actOf has members act until a signature has been made in which these take part. Who was
// silent in an attempt that failed is left out of the next one.
func (s *story) actOf(ctx context.Context, by []*member, part ...*member) (done api.Proposal, err error) {
	err = s.asShown(func() error {
		if done, err = s.act(ctx, by); err != nil {
			return err
		}
		if err = hasSigned(done, part...); err != nil && len(done.Attempts) > 1 {
			err = fmt.Errorf("%w: %w", err, errOtherwise)
		}
		return err
	})
	return done, err
}

// errOtherwise is an act that the council has done rightly, but not as it is to be shown: on
// a busy machine a signature can come too early for it, or another attempt can make it.
var errOtherwise = errors.New("it came out otherwise than it was to be shown")

// asShown plays an act again, if it came out otherwise.
func (s *story) asShown(act func() error) error {
	for try := 1; ; try++ {
		err := act()
		if !errors.Is(err, errOtherwise) || try == actTries {
			return err
		}
		s.note("%s; once more", oneLine(err.Error()))
	}
}

// startAgain ends the daemons of these members and starts them, until all nodes are connected.
func (s *story) startAgain(ctx context.Context, these []*member) error {
	if err := each(ctx, these, func(_ context.Context, m *member) error { return m.stop() }); err != nil {
		return err
	}
	if err := each(ctx, these, func(ctx context.Context, m *member) error { return m.start(ctx) }); err != nil {
		return err
	}
	return s.meet(ctx, s.members)
}
