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

// turnover is one step from a roster to the next: who leaves and who comes, and what
// they have agreed on.
type turnover struct {
	version                           uint64 // of the roster that it leads to
	old, leavers, joiners, stay, next []*member
	gone                              []*member // of the leavers, whose nodes are not there
	file                              string    // the succession
	from                              time.Time // when it may take over
	mark                              int       // on the tape of the one who begins it, before that
}

// changeTerm is step 9: two leave and two join. The shares of the key move to the new
// roster, the address stays, and who has left is a stranger.
func (s *story) changeTerm(ctx context.Context) error {
	t, err := s.agreeOnNext(ctx, s.some("community-3", "core-4"))
	if err != nil {
		return err
	}
	if err := s.arrive(ctx, t); err != nil {
		return err
	}
	victim := s.member("core-2")
	mark := victim.tape.mark()
	began := time.Now()
	if err := s.begin(ctx, t); err != nil {
		return err
	}
	s.say("%s start their daemons; %s begins: the nodes do the rest", list(names(t.joiners)), t.stay[0].id)
	if err := s.killInRotation(ctx, victim, mark); err != nil {
		return err
	}
	commit, err := s.rotated(ctx, t)
	if err != nil {
		return err
	}
	took := time.Since(began)
	s.say("roster %d holds the key after %.1f s, share epoch %d; certificate of ceremony %s, locked by %s", t.version, took.Seconds(), commit.ShareEpoch, short(commit.Ceremony.Hex()), list(commit.Locked))
	done, err := s.handedOver(ctx, t)
	if err != nil {
		return err
	}
	s.gist = fmt.Sprintf("%s again, rotated in %.1f s, %s", short(s.key.Hex()), took.Seconds(), short(done.TxHash.Hex()))
	return nil
}

// handedOver holds that all of the new roster tell the same address, that they sign, and
// that who has left can do nothing and reaches nobody.
func (s *story) handedOver(ctx context.Context, t *turnover) (done api.Proposal, err error) {
	if err := s.sameAddress(ctx); err != nil {
		return done, err
	}
	if done, err = s.newHands(ctx, t); err != nil {
		return done, err
	}
	for _, m := range t.leavers {
		if err := s.powerless(ctx, m, t.stay[0], done.ID); err != nil {
			return done, err
		}
	}
	s.say("the words of %s are refused", list(names(t.leavers)))
	return done, s.strangers(ctx, t)
}

// heir is who follows a member: the next name of the same seat that nobody has had.
func (s *story) heir(of *member) (*member, error) {
	n := 1
	for _, m := range slices.Concat(s.members, s.former) {
		if m.seat == of.seat {
			n++
		}
	}
	name := func() council.MemberID { return council.MemberID(fmt.Sprintf("%s-%d", of.seat, n)) }
	for slices.Contains(names(s.heirs), name()) { // it has yet to come, or never came
		n++
	}
	m, err := s.enter(name(), of.seat, of.env...)
	if err == nil {
		s.heirs = append(s.heirs, m)
	}
	return m, err
}

// agreeOnNext is what people do: cards, a succession, four approvals, acceptances.
func (s *story) agreeOnNext(ctx context.Context, leavers []*member) (*turnover, error) {
	t := &turnover{
		version: uint64(len(s.successions) + 2), old: s.members, leavers: leavers,
		from: time.Now().Add(time.Duration(float64(newTermIn) * s.patience)).UTC().Truncate(time.Second),
	}
	t.file = filepath.Join(s.dir, fmt.Sprintf("succession-%d.json", t.version))
	for _, m := range t.old {
		if !slices.Contains(leavers, m) {
			t.stay = append(t.stay, m)
		}
	}
	for _, gone := range leavers {
		m, err := s.heir(gone)
		if err != nil {
			return nil, err
		}
		t.joiners = append(t.joiners, m)
	}
	t.next = inOrder(slices.Concat(t.stay, t.joiners))
	err := each(ctx, t.joiners, func(ctx context.Context, m *member) error {
		return s.equipFor(ctx, m, t.from.Format(time.RFC3339), t.from.AddDate(2, 0, 0).Format(time.RFC3339))
	})
	if err != nil {
		return nil, err
	}
	propose := []string{"term", "propose", "--out", t.file, "--effective", t.from.Format(time.RFC3339)}
	for _, m := range leavers {
		propose = append(propose, "--leave", string(m.id))
	}
	for _, m := range t.joiners {
		propose = append(propose, "--join", filepath.Join(m.home, "signed-card.json"))
	}
	by := t.stay[:4]
	if _, err := by[0].signer(ctx, propose...); err != nil {
		return nil, err
	}
	for _, m := range by { // from hand to hand
		if _, err := m.signer(ctx, append([]string{"term", "approve", t.file, "--yes"}, m.byWallet()...)...); err != nil {
			return nil, err
		}
	}
	files := append(slices.Clone(s.successions), t.file)
	for _, m := range t.joiners {
		if err := s.settleIn(m, s.successions); err != nil {
			return nil, err
		}
		if _, err := m.signer(ctx, append([]string{"term", "accept", t.file, "--yes"}, m.byWallet()...)...); err != nil {
			return nil, err
		}
	}
	for _, m := range t.joiners {
		if err := s.settleIn(m, files); err != nil {
			return nil, err
		}
	}
	s.successions = files
	s.say("%s leave, %s join: agreed on by %s, accepted by all who come, for %s", list(names(leavers)), list(names(t.joiners)), list(names(by)), t.from.Format(time.TimeOnly))
	return t, nil
}

// arrive has the joiners start their daemons. From here on they are there to be ended,
// whatever comes.
func (s *story) arrive(ctx context.Context, t *turnover) error {
	s.members, s.former = t.next, append(s.former, t.leavers...)
	return each(ctx, t.joiners, func(ctx context.Context, m *member) error { return m.start(ctx) })
}

// begin gives the succession to the node of one who stays.
func (s *story) begin(ctx context.Context, t *turnover) error {
	t.mark = t.stay[0].tape.mark()
	_, err := t.stay[0].signer(ctx, "term", "begin", t.file)
	return err
}

// sameAddress checks that all members of the roster in force are connected and tell the
// address that the council had before.
func (s *story) sameAddress(ctx context.Context) error {
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
	return nil
}

// settleIn gives a joiner what any member has: the first roster, the charter, and the
// successions that lead to its own roster. It may be done again, with more of these.
func (s *story) settleIn(m *member, successions []string) error {
	hand := map[string]string{s.roster: "roster.json", s.charter: "charter.yaml"}
	var named []string
	for _, f := range successions {
		hand[f] = filepath.Base(f)
		named = append(named, filepath.Base(f))
	}
	for from, to := range hand {
		b, err := os.ReadFile(from)
		if err == nil {
			err = os.WriteFile(filepath.Join(m.home, to), b, 0o644)
		}
		if err != nil {
			return fmt.Errorf("hand %s to %s: %w", to, m.id, err)
		}
	}
	line := "#successions: [succession-2.json]"
	if len(m.successions) > 0 {
		line = namedIn(m.successions)
	}
	m.successions = named
	if len(named) == 0 {
		return nil
	}
	return m.edit(line, namedIn(named))
}

// namedIn is the line of signer.yaml that names successions.
func namedIn(files []string) string { return "successions: [" + strings.Join(files, ", ") + "]" }

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
	last := ""
	e, err := victim.tape.await(ctx, mark, func(e api.Event) bool {
		stage := stageOf(e)
		if i := slices.Index(stages, stage); i >= 0 {
			s.progress("rotation: "+stage, i+1, len(stages), stage != last)
			last = stage
		}
		return stage == "locking" || stage == "committed"
	})
	s.clear()
	if err != nil {
		return fmt.Errorf("wait for %s to lock: %w", victim.id, err)
	}
	d := victim.dieOf(e)
	s.say("%s, and started again", d)
	return victim.start(ctx)
}

// stages are the steps of a rotation, as each node tells where it is.
var stages = []string{"gathering", "ready", "running", "staged", "testing", "locking", "committed", "erased"}

// stageOf is the step of a rotation that an event tells; "" if it tells none.
func stageOf(e api.Event) string {
	stage, _, _ := strings.Cut(e.Text, ":")
	switch {
	case e.Kind == "locked":
		return "locking"
	case e.Kind == "rotation-committed":
		return "committed"
	case e.Kind == "rotation" && slices.Contains(stages, stage):
		return stage
	}
	return ""
}

// death is the end of a daemon because of what its node had told.
type death struct {
	of   *member
	told api.Event
	late time.Duration // after that
	at   string        // the step of a rotation that it had told last
}

// dieOf kills a daemon.
func (m *member) dieOf(e api.Event) death {
	d := death{of: m, told: e, late: time.Since(e.Time)}
	m.kill()
	events, _ := m.tape.since(0)
	for _, e := range events {
		if stage := stageOf(e); stage != "" {
			d.at = stage
		}
	}
	return d
}

func (d death) String() string {
	stage := stageOf(d.told) + ": "
	told, _, _ := strings.Cut(strings.TrimPrefix(d.told.Text, stage), "\n")
	return fmt.Sprintf("%s %s%s: killed (SIGKILL) %d ms later", d.of.id, stage, clip(oneLine(told), 60), d.late.Milliseconds())
}

// rotated waits until all are where a rotation ends, and compares what they hold.
func (s *story) rotated(ctx context.Context, t *turnover) (commit api.Commit, err error) {
	for _, m := range t.next {
		if err := s.settled(ctx, m, "the new roster", func(st api.Status) bool {
			return st.Roster != nil && st.Roster.Version == t.version && st.Phase == api.Ready && st.Rotation != nil && st.Rotation.Commit != nil && s.onlyMissing(st.Rotation.Missing, t.gone)
		}); err != nil {
			return commit, err
		}
	}
	here := s.without(t.leavers, t.gone...)
	for _, m := range here {
		if err := s.settled(ctx, m, "the end of its seat", func(st api.Status) bool { return st.Phase == api.Over }); err != nil {
			return commit, err
		}
	}
	for i, m := range slices.Concat(t.next, here) {
		r, err := ask[api.Rotation](ctx, m, "term", "status")
		switch {
		case err != nil:
			return commit, err
		case r.Commit == nil:
			return commit, fmt.Errorf("%s knows of no certificate: %s", m.id, r.Text)
		case i == 0:
			commit = *r.Commit
		case r.Commit.Ceremony != commit.Ceremony || r.Commit.Transcript != commit.Transcript:
			return commit, fmt.Errorf("%w: %s holds the certificate of %s, %s that of %s", errDisagree, t.next[0].id, commit.Ceremony.Hex(), m.id, r.Commit.Ceremony.Hex())
		}
	}
	return commit, nil
}

// onlyMissing reports whether a rotation waits for these members and nobody else.
func (s *story) onlyMissing(needs []api.Need, want []*member) bool {
	return len(needs) == len(want) && !slices.ContainsFunc(needs, func(n api.Need) bool { return !slices.Contains(names(want), n.Member) })
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

// newHands has the new council act: all who joined approve, and sign.
func (s *story) newHands(ctx context.Context, t *turnover) (api.Proposal, error) {
	stay := slices.DeleteFunc(slices.Clone(t.stay), func(m *member) bool { return m == s.strict }) // it signs less than the others
	return s.actOf(ctx, slices.Concat(t.joiners, stay)[:4], t.joiners...)
}

// strangers checks that who has left holds nothing and reaches nobody, and says so
// itself.
func (s *story) strangers(ctx context.Context, t *turnover) error {
	at := t.stay[0]
	for _, m := range t.leavers {
		card, err := ask[struct{ Member struct{ Peer string } }](ctx, m, "id")
		if err != nil {
			return err
		}
		e, err := at.tape.await(ctx, t.mark, func(e api.Event) bool { return e.Kind == "refused" && strings.Contains(e.Text, card.Member.Peer) })
		if err != nil {
			return fmt.Errorf("wait for %s to refuse the node of %s: %w", at.id, m.id, err)
		}
		s.say("the node of %s is refused by %s: %s", m.id, at.id, strings.Replace(e.Text, "peer "+card.Member.Peer, "it", 1))
		if err := m.shareless(ctx); err != nil {
			return err
		}
		st, err := ask[api.Status](ctx, m, "status")
		if err != nil {
			return err
		}
		s.say("%s: its share is gone; its node says: %s", m.id, clip(st.Detail, 90))
		if err := m.stop(); err != nil {
			return err
		}
	}
	return nil
}

// powerless checks that somebody who has left can approve of nothing, through a
// member's node, and holds no share.
func (s *story) powerless(ctx context.Context, m, at *member, id council.ProposalID) error {
	_, err := s.vote(ctx, "approve", m, at, id)
	if !refusedFor(err, "is not in the roster") {
		return fmt.Errorf("%s, who has left, can still approve (%v)", m.id, err)
	}
	return m.shareless(ctx)
}

// shareless checks that there is no share on a member's disk.
func (m *member) shareless(ctx context.Context) error {
	_, err := m.signer(ctx, "share", "audit")
	if !refusedFor(err, "no share is current") {
		return fmt.Errorf("%s, who has left, still holds a share (%v)", m.id, err)
	}
	return nil
}
