package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/millicent-one/signer/api"
	"github.com/millicent-one/signer/council"
)

// changeTerm is step 9: two leave and two join. The shares of the key move to the new
// roster, the address stays, and who has left is a stranger.
func (s *story) changeTerm(ctx context.Context) error {
	old := s.members
	leavers := s.some("community-3", "core-4")
	joiners, file, err := s.agreeOnNext(ctx, leavers)
	if err != nil {
		return err
	}
	var stay []*member
	for _, m := range old {
		if !slices.Contains(leavers, m) {
			stay = append(stay, m)
		}
	}
	next := slices.Concat(stay, joiners)
	slices.SortFunc(next, func(x, y *member) int { return strings.Compare(string(x.id), string(y.id)) })
	// From here on they are there to be ended, whatever comes.
	s.members, s.former = next, leavers
	if err := each(ctx, joiners, func(ctx context.Context, m *member) error { return m.start(ctx) }); err != nil {
		return err
	}
	victim := s.member("core-2")
	mark := victim.tape.mark()
	began := time.Now()
	if _, err := s.member("core-1").signer(ctx, "term", "begin", file); err != nil {
		return err
	}
	s.say("%s start their daemons; core-1 begins: the nodes do the rest", list(names(joiners)))
	if err := s.killInRotation(ctx, victim, mark); err != nil {
		return err
	}
	commit, err := s.rotated(ctx, next, leavers)
	if err != nil {
		return err
	}
	took := time.Since(began)
	s.say("roster 2 holds the key after %.1f s, share epoch %d; certificate of ceremony %s, locked by %s", took.Seconds(), commit.ShareEpoch, short(commit.Ceremony.Hex()), list(commit.Locked))
	if err := s.meet(ctx, s.members); err != nil {
		return err
	}
	before := s.key
	if err := s.sameKey(ctx); err != nil {
		return err
	}
	if s.key != before {
		return fmt.Errorf("the new council's address is %s; it was %s", s.key.Hex(), before.Hex())
	}
	s.say("all seven of the new roster tell the same address as before: %s", s.key.Hex())
	done, err := s.newHands(ctx, joiners)
	if err != nil {
		return err
	}
	if err := s.strangers(ctx, leavers, done.ID); err != nil {
		return err
	}
	s.gist = fmt.Sprintf("%s again, rotated in %.1f s, %s", short(s.key.Hex()), took.Seconds(), short(done.TxHash.Hex()))
	return nil
}

// agreeOnNext is what people do: cards, a succession, four approvals, two acceptances.
func (s *story) agreeOnNext(ctx context.Context, leavers []*member) (joiners []*member, file string, err error) {
	start := time.Now().Add(newTermIn).UTC().Truncate(time.Second)
	for _, x := range []struct {
		id   council.MemberID
		seat council.Seat
	}{{"community-4", council.Community}, {"core-5", council.Core}} {
		m, err := s.enter(x.id, x.seat, s.members[0].env...)
		if err != nil {
			return nil, "", err
		}
		joiners = append(joiners, m)
	}
	err = each(ctx, joiners, func(ctx context.Context, m *member) error {
		return s.equipFor(ctx, m, start.Format(time.RFC3339), start.AddDate(2, 0, 0).Format(time.RFC3339))
	})
	if err != nil {
		return nil, "", err
	}
	file = filepath.Join(s.dir, "succession-2.json")
	propose := []string{"term", "propose", "--out", file}
	for _, m := range leavers {
		propose = append(propose, "--leave", string(m.id))
	}
	for _, m := range joiners {
		propose = append(propose, "--join", filepath.Join(m.home, "signed-card.json"))
	}
	by := s.some("core-1", "core-2", "core-3", "community-1")
	if _, err := by[0].signer(ctx, propose...); err != nil {
		return nil, "", err
	}
	for _, m := range by { // from hand to hand
		if _, err := m.signer(ctx, append([]string{"term", "approve", file}, m.byWallet()...)...); err != nil {
			return nil, "", err
		}
	}
	for _, m := range joiners {
		if err := s.settleIn(m); err != nil {
			return nil, "", err
		}
		if _, err := m.signer(ctx, append([]string{"term", "accept", file}, m.byWallet()...)...); err != nil {
			return nil, "", err
		}
	}
	signed, err := os.ReadFile(file)
	if err != nil {
		return nil, "", fmt.Errorf("read the succession: %w", err)
	}
	for _, m := range joiners {
		if err := os.WriteFile(filepath.Join(m.home, "succession-2.json"), signed, 0o644); err != nil {
			return nil, "", fmt.Errorf("hand the succession to %s: %w", m.id, err)
		}
		if err := m.edit("#successions: [succession-2.json]", "successions: [succession-2.json]"); err != nil {
			return nil, "", err
		}
	}
	s.say("%s leave, %s join: agreed on by %s, accepted by both, for %s", list(names(leavers)), list(names(joiners)), list(names(by)), start.Format(time.TimeOnly))
	return joiners, file, nil
}

// settleIn gives a joiner what any member has: the first roster and the charter.
func (s *story) settleIn(m *member) error {
	for from, to := range map[string]string{s.roster: "roster.json", s.charter: "charter.yaml"} {
		b, err := os.ReadFile(from)
		if err == nil {
			err = os.WriteFile(filepath.Join(m.home, to), b, 0o644)
		}
		if err != nil {
			return fmt.Errorf("hand %s to %s: %w", to, m.id, err)
		}
	}
	return nil
}

// edit changes a line of signer.yaml, as a person with an editor would.
func (m *member) edit(old, new string) error {
	b, err := os.ReadFile(m.config())
	if err != nil {
		return fmt.Errorf("read signer.yaml: %w", err)
	}
	if n := bytes.Count(b, []byte(old)); n != 1 {
		return fmt.Errorf("edit signer.yaml of %s: %q stands there %d times; want once", m.id, old, n)
	}
	if err := os.WriteFile(m.config(), bytes.Replace(b, []byte(old), []byte(new), 1), 0o600); err != nil {
		return fmt.Errorf("write signer.yaml: %w", err)
	}
	return nil
}

// killInRotation kills a node that holds an old share and gets a new one, once the
// old shares are being locked, and starts it again.
func (s *story) killInRotation(ctx context.Context, victim *member, mark int) error {
	stages := []string{"gathering", "ready", "running", "staged", "testing", "locking"}
	last := ""
	e, err := victim.tape.await(ctx, mark, func(e api.Event) bool {
		stage, _, _ := strings.Cut(e.Text, ":")
		if i := slices.Index(stages, stage); e.Kind == "rotation" && i >= 0 {
			s.progress("rotation: "+stage, i+1, len(stages), stage != last)
			last = stage
		}
		return e.Kind == "rotation" && stage == "locking" || e.Kind == "rotation-committed"
	})
	s.clear()
	if err != nil {
		return fmt.Errorf("wait for %s to lock: %w", victim.id, err)
	}
	victim.kill()
	s.say("%s %s: killed (SIGKILL) %d ms later, and started again", victim.id, clip(oneLine(e.Text), 60), time.Since(e.Time).Milliseconds())
	return victim.start(ctx)
}

// rotated waits until all are where a rotation ends, and compares what they hold.
func (s *story) rotated(ctx context.Context, next, leavers []*member) (commit api.Commit, err error) {
	for _, m := range next {
		if err := s.settled(ctx, m, "the new roster", func(st api.Status) bool {
			return st.Roster != nil && st.Roster.Version == 2 && st.Phase == api.Ready && st.Rotation != nil && st.Rotation.Commit != nil && len(st.Rotation.Missing) == 0
		}); err != nil {
			return commit, err
		}
	}
	for _, m := range leavers {
		if err := s.settled(ctx, m, "the end of its seat", func(st api.Status) bool { return st.Phase == api.Over }); err != nil {
			return commit, err
		}
	}
	for i, m := range slices.Concat(next, leavers) {
		r, err := ask[api.Rotation](ctx, m, "term", "status")
		switch {
		case err != nil:
			return commit, err
		case r.Commit == nil:
			return commit, fmt.Errorf("%s knows of no certificate: %s", m.id, r.Text)
		case i == 0:
			commit = *r.Commit
		case r.Commit.Ceremony != commit.Ceremony || r.Commit.Transcript != commit.Transcript:
			return commit, fmt.Errorf("%w: %s holds the certificate of %s, %s that of %s", errDisagree, next[0].id, commit.Ceremony.Hex(), m.id, r.Commit.Ceremony.Hex())
		}
	}
	return commit, nil
}

// settled is status for a node that may be on its way from one roster to the next.
func (s *story) settled(ctx context.Context, m *member, what string, fits func(api.Status) bool) error {
	glance := time.NewTicker(glanceEvery)
	defer glance.Stop()
	for {
		st, err := m.client.Status(ctx)
		switch {
		case err == nil && fits(st):
			return nil
		case err != nil && !errors.Is(err, api.NotReady) && ctx.Err() == nil:
			return fmt.Errorf("wait for %s at %s: %w", what, m.id, err)
		}
		_, news := m.tape.since(0)
		select {
		case <-news:
		case <-glance.C:
		case <-ctx.Done():
			now := "no answer"
			if st.Rotation != nil {
				now = fmt.Sprintf("%s (%s), rotation %s: %s, waits for %v", st.Phase, st.Detail, st.Rotation.Stage, st.Rotation.Text, st.Rotation.Missing)
			}
			return fmt.Errorf("wait for %s at %s: %s: %w", what, m.id, now, context.Cause(ctx))
		}
	}
}

// newHands has the new council act: both who joined approve, and sign.
func (s *story) newHands(ctx context.Context, joiners []*member) (api.Proposal, error) {
	by := slices.Concat(joiners, s.some("core-1", "community-2"))
	p, err := s.propose(ctx, joiners[0], "unpause", "--target", "protocol", "--reason", "the second hole is closed")
	if err != nil {
		return p, err
	}
	s.say("%s proposes %s: %q; %s approve", joiners[0].id, p.Short, brief(p.Sentence), list(names(by)))
	if _, err := s.approve(ctx, p.ID, by...); err != nil {
		return p, err
	}
	done, err := s.mined(ctx, "unpause protocol", by[0], p.ID)
	if err != nil {
		return p, err
	}
	for _, m := range joiners {
		if !slices.ContainsFunc(signed(done).Signers, func(x api.Signer) bool { return x.Member == m.id }) {
			return p, fmt.Errorf("%s has approved and not signed: %s", m.id, signers(done))
		}
	}
	return done, s.stands(ctx, s.sites.protocol, false)
}

// strangers checks that who has left holds nothing, says nothing and reaches nobody.
func (s *story) strangers(ctx context.Context, leavers []*member, id council.ProposalID) error {
	at := s.member("core-1")
	for _, m := range leavers {
		card, err := ask[struct{ Member struct{ Peer string } }](ctx, m, "id")
		if err != nil {
			return err
		}
		e, err := at.tape.await(ctx, 0, func(e api.Event) bool { return e.Kind == "refused" && strings.Contains(e.Text, card.Member.Peer) })
		if err != nil {
			return fmt.Errorf("wait for %s to refuse the node of %s: %w", at.id, m.id, err)
		}
		s.say("the node of %s is refused by %s: %s", m.id, at.id, strings.Replace(e.Text, "peer "+card.Member.Peer, "it", 1))
		_, err = s.vote(ctx, "approve", m, at, id)
		var refused *commandError
		if !errors.As(err, &refused) || !strings.Contains(refused.stderr, "is not in the roster") {
			return fmt.Errorf("%s, who has left, can still approve (%v)", m.id, err)
		}
		if _, err := m.signer(ctx, "share", "audit"); !errors.As(err, &refused) {
			return fmt.Errorf("%s, who has left, still holds a share (%v)", m.id, err)
		}
		st, err := ask[api.Status](ctx, m, "status")
		if err != nil {
			return err
		}
		s.say("%s: its wallet's word is refused, its share is gone; its node says: %s", m.id, clip(st.Detail, 90))
		if err := m.stop(); err != nil {
			return err
		}
	}
	return nil
}
