package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/millicent-one/signer/api"
	"github.com/millicent-one/signer/council"
)

// replaceThree is the end of step 4 under "Compromise", and "It is locking, and old nodes are
// gone for good": three go at once, and the locks of the last four commit.
func (s *story) replaceThree(ctx context.Context) error {
	gone := s.members[4:]
	t, err := s.agreeOnNext(ctx, gone)
	if err != nil {
		return err
	}
	t.gone = gone
	for _, m := range gone {
		m.kill()
	}
	s.say("the nodes of %s are gone; nobody asks them", list(names(gone)))
	if err := s.arrive(ctx, t); err != nil {
		return err
	}
	if err := s.begin(ctx, t); err != nil {
		return err
	}
	for _, m := range t.stay {
		if err := s.settled(ctx, m, "four locks", func(st api.Status) bool {
			return st.Rotation != nil && st.Rotation.Stage == "locking" && strings.HasPrefix(st.Rotation.Text, "4 of 5 locks")
		}); err != nil {
			return err
		}
	}
	s.say("the four that are left have locked, and wait for a fifth lock")
	for i, m := range t.stay {
		if i == len(t.stay)-1 {
			if err := s.settled(ctx, m, "three words", func(st api.Status) bool {
				return st.Rotation != nil && st.Rotation.Commit == nil && strings.Contains(st.Rotation.Text, "; given on "+council.Names(names(t.stay[:i])))
			}); err != nil {
				return err
			}
			s.say("signer term commit --last-four, on three of them: committed is nothing")
		}
		if _, err := s.types(ctx, m, nil, "signer term commit --last-four"); !refusedFor(err, "That is safe only") {
			return fmt.Errorf("%s was not told what the last four assume (%v)", m.id, err)
		}
		if _, err := s.answers(ctx, m, "last-four", nil, "signer term commit --last-four"); err != nil {
			return err
		}
	}
	commit, err := s.rotated(ctx, t)
	if err != nil {
		return err
	}
	if !commit.LastFour {
		return errors.New("the certificate does not say that it is by the last four")
	}
	s.say("on the fourth: roster %d holds the key, locked by %s, and the certificate says that they are the last four", t.version, list(commit.Locked))
	if err := s.sameAddress(ctx); err != nil {
		return err
	}
	if err := s.backUp(ctx, commit.ShareEpoch); err != nil {
		return err
	}
	done, err := s.newHands(ctx, t)
	if err != nil {
		return err
	}
	for _, m := range gone {
		if _, err := s.vote(ctx, "approve", m, t.stay[0], done.ID); !refusedFor(err, "is not in the roster") {
			return fmt.Errorf("%s, who has gone, can still approve (%v)", m.id, err)
		}
	}
	s.gist = fmt.Sprintf("%s for %s, %s", list(names(t.joiners)), list(names(gone)), short(done.TxHash.Hex()))
	return nil
}
