package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/millicent-one/signer/api"
)

// stayTogether is docs/runbook.md, "Where nobody leaves or joins" and "When it waits": another
// wallet, steps that four refuse, and new shares for the same members.
func (s *story) stayTogether(ctx context.Context) error {
	for _, part := range []func(*story, context.Context) error{(*story).renewWallet, (*story).refuseWhoNeverCame, (*story).refuseOneOfTwo, (*story).refresh} {
		if err := part(s, ctx); err != nil {
			return err
		}
	}
	return nil
}

// changeWallet gives a member another wallet. Old are the flags with which it signed before.
func (m *member) changeWallet() (old []string, err error) {
	kept := m.password() + "-before"
	if err := os.Rename(m.password(), kept); err != nil {
		return nil, fmt.Errorf("keep the password of %s: %w", m.id, err)
	}
	old = []string{"--keystore", m.keys, "--password-file", kept}
	if err := m.makeWallet(); err != nil {
		return nil, fmt.Errorf("make another wallet of %s: %w", m.id, err)
	}
	return old, nil
}

// renewWallet has a member take another wallet while two nodes are away. What was open is
// approved anew.
func (s *story) renewWallet(ctx context.Context) error {
	m := s.members[0]
	others := s.without(s.members, m)
	by, away := others[:4], others[4:]
	name, p, err := s.nextAct(ctx, m, "protocol")
	if err != nil {
		return err
	}
	if _, err := s.approve(ctx, p.ID, m, by[0]); err != nil {
		return err
	}
	before := m.wallet
	old, err := m.changeWallet()
	if err != nil {
		return err
	}
	card := m.newCard()
	if _, err := s.types(ctx, m, put{"0x…": m.wallet.Hex()}, "signer id --renew --approver 0x…", append(m.byWallet(), "--out", card)...); err != nil {
		return err
	}
	t := s.stillTurn("")
	out, err := s.types(ctx, by[0], put{"CARD": card}, "signer term propose --renew CARD")
	if err != nil {
		return err
	}
	if want := "new wallet " + string(m.id) + ", " + m.wallet.Hex(); !strings.Contains(out, want) {
		return fmt.Errorf("signer term propose does not say %q:\n%s", want, out)
	}
	if err := s.approveStep(ctx, filepath.Base(t.file), by...); err != nil {
		return err
	}
	if _, err := s.answers(ctx, m, "yes", t.named(), "signer term accept succession-2.json", m.byWallet()...); err != nil {
		return err
	}
	if err := each(ctx, away, func(_ context.Context, m *member) error { return m.stop() }); err != nil {
		return err
	}
	if _, err := s.types(ctx, by[0], t.named(), "signer term begin succession-2.json"); err != nil {
		return err
	}
	inForce := func(all []*member) error {
		for _, o := range all {
			if err := s.settled(ctx, o, "roster "+fmt.Sprint(t.version), func(st api.Status) bool {
				return st.Roster != nil && st.Roster.Version == t.version && st.Phase == api.Ready
			}); err != nil {
				return err
			}
		}
		return nil
	}
	if err := inForce(s.online()); err != nil {
		return err
	}
	if err := each(ctx, away, func(ctx context.Context, m *member) error { return m.start(ctx) }); err != nil {
		return err
	}
	if err := inForce(s.members); err != nil {
		return err
	}
	s.successions = append(s.successions, t.file)
	s.say("%s has another wallet by roster %d: five nodes have locked, %s follow when they are back", m.id, t.version, list(names(away)))
	if err := s.meet(ctx, s.members); err != nil {
		return err
	}
	if err := m.edit(before.Hex(), m.wallet.Hex()); err != nil { // 'approver'
		return err
	}
	if _, err := s.until(ctx, by[0], p.ID, "the loss of its approvals", func(p api.Proposal) bool { return p.State == api.Open && p.Have == 0 }); err != nil {
		return err
	}
	_, err = ask[api.Proposal](ctx, m, append([]string{"approve", p.ID.Hex(), "--yes"}, old...)...)
	if want := "holds wallet " + before.Hex() + ", not the member's " + m.wallet.Hex(); !refusedFor(err, want) {
		return fmt.Errorf("the old wallet of %s still approves (%v)", m.id, err)
	}
	if _, err := s.approve(ctx, p.ID, m, by[0], by[1], by[2]); err != nil {
		return err
	}
	done, err := s.mined(ctx, name, by[0], p.ID)
	if err != nil {
		return err
	}
	s.say("%s had lost its approvals; the old wallet is refused, the new one approves", done.Short)
	return nil
}

// stillTurn is a step in which nobody leaves or joins. Its file has the name that the program
// gives it, unless it is to have another.
func (s *story) stillTurn(name string) *turnover {
	t := &turnover{version: uint64(len(s.successions) + 2), old: s.members, stay: s.members, next: s.members}
	if name == "" {
		name = fmt.Sprintf("succession-%d.json", t.version)
	}
	t.file = filepath.Join(s.dir, name)
	return t
}

// named puts the file of the succession in for that of the runbook.
func (t *turnover) named() put { return put{"succession-2.json": filepath.Base(t.file)} }

// aborted waits until all see that a step was refused for good.
func (s *story) aborted(ctx context.Context) error {
	for _, m := range s.members {
		if err := s.settled(ctx, m, "the end of the step", func(st api.Status) bool {
			return st.Rotation != nil && st.Rotation.Stage == "aborted" && st.Phase == api.Ready
		}); err != nil {
			return err
		}
	}
	return nil
}

// refuseWhoNeverCame has a step wait for a node that never comes, and four refuse it.
func (s *story) refuseWhoNeverCame(ctx context.Context) error {
	leaver := s.member("community-2")
	by := s.without(s.members, leaver)[:4]
	t, p, err := s.composed(ctx, leaver, s.without(s.members, leaver))
	if err != nil {
		return err
	}
	ghost := t.joiners[0]
	if err := s.settleIn(ghost, s.successions); err != nil {
		return err
	}
	if err := s.approveStep(ctx, filepath.Base(t.file), by...); err != nil {
		return err
	}
	if _, err := s.answers(ctx, ghost, "yes", p, "signer term accept succession-2.json", ghost.byWallet()...); err != nil {
		return err
	}
	if _, err := s.types(ctx, by[0], p, "signer term begin succession-2.json"); err != nil {
		return err
	}
	for _, m := range s.members {
		if err := s.settled(ctx, m, "a word of who is missing", func(st api.Status) bool {
			return st.Rotation != nil && st.Rotation.Stage == "gathering" && st.Rotation.Roster == t.version &&
				slices.ContainsFunc(st.Rotation.Missing, func(n api.Need) bool { return n.Member == ghost.id })
		}); err != nil {
			return err
		}
	}
	out, err := s.types(ctx, by[1], nil, "signer term status")
	if err != nil {
		return err
	}
	if !regexp.MustCompile(`(?m)^` + string(ghost.id) + ` `).MatchString(out) {
		return fmt.Errorf("signer term status does not name %s:\n%s", ghost.id, out)
	}
	for i, m := range by {
		if i == 3 {
			if err := s.settled(ctx, by[0], "three refusals", func(st api.Status) bool {
				return st.Rotation != nil && st.Rotation.Stage != "aborted" && strings.Contains(st.Rotation.Text, "3 refusals of 4")
			}); err != nil {
				return err
			}
		}
		if _, err := s.answers(ctx, m, "abort", put{"…": "gone-for-good"}, "signer term abort --reason …"); err != nil {
			return err
		}
	}
	if err := s.aborted(ctx); err != nil {
		return err
	}
	s.say("a step waits for %s, whose node never comes, and says so; %s refuse it, and it is over for all", ghost.id, list(names(by)))
	return nil
}

var rosterHash = regexp.MustCompile(`(?m)^hash +(0x[0-9a-f]{64})$`)

// hashShown is what a step is refused by: the first eight digits of the hash that 'signer term
// show' prints for it.
func (s *story) hashShown(ctx context.Context, m *member, t *turnover) (string, error) {
	out, err := s.types(ctx, m, t.named(), "signer term show succession-2.json")
	if err != nil {
		return "", err
	}
	found := rosterHash.FindStringSubmatch(out)
	if found == nil {
		return "", fmt.Errorf("signer term show prints no hash:\n%s", out)
	}
	return short(found[1]), nil
}

// refuseOneOfTwo has two steps agreed on whose day is to come. Four refuse first one by its
// hash, and then the other.
func (s *story) refuseOneOfTwo(ctx context.Context) error {
	by := s.members[:4]
	day := time.Now().Add(time.Hour).UTC().Format(time.RFC3339)
	wallet, refresh := s.stillTurn("later-wallet.json"), s.stillTurn("later-refresh.json")
	m := by[3]
	keys, address := m.keys, m.wallet
	old, err := m.changeWallet()
	if err != nil {
		return err
	}
	next := m.byWallet()
	if _, err := s.types(ctx, m, put{"0x…": m.wallet.Hex()}, "signer id --renew --approver 0x…", append(next, "--out", "later.json")...); err != nil {
		return err
	}
	if _, err := s.types(ctx, by[0], put{"CARD": "later.json"}, "signer term propose --renew CARD", "--effective", day, "--out", filepath.Base(wallet.file)); err != nil {
		return err
	}
	if _, err := s.answers(ctx, m, "yes", wallet.named(), "signer term accept succession-2.json", next...); err != nil {
		return err
	}
	// The old one is good until that day.
	if err := os.Rename(old[3], m.password()); err != nil {
		return fmt.Errorf("take back the password of %s: %w", m.id, err)
	}
	m.keys, m.wallet = keys, address
	if _, err := s.types(ctx, by[1], nil, "signer term propose --refresh", "--effective", day, "--out", filepath.Base(refresh.file)); err != nil {
		return err
	}
	for _, t := range []*turnover{wallet, refresh} {
		if err := s.approveStep(ctx, filepath.Base(t.file), by...); err != nil {
			return err
		}
		for _, m := range by { // so that each knows of both
			if _, err := s.types(ctx, m, t.named(), "signer term begin succession-2.json"); err != nil {
				return err
			}
		}
	}
	if _, err := s.answers(ctx, by[0], "abort", put{"…": "the-other-first"}, "signer term abort --reason …"); !refusedFor(err, "several steps are agreed on") {
		return fmt.Errorf("one of two steps was refused without a name (%v)", err)
	}
	hash, err := s.hashShown(ctx, by[0], wallet)
	if err != nil {
		return err
	}
	for _, m := range by {
		if _, err := s.answers(ctx, m, "abort", put{"…": "the-other-first", "0x…": hash}, "signer term abort --reason … --roster 0x…"); err != nil {
			return err
		}
	}
	for _, m := range by { // and nobody has to say which is left
		if _, err := s.answers(ctx, m, "abort", put{"…": "not-wanted"}, "signer term abort --reason …"); err != nil {
			return err
		}
	}
	if err := s.aborted(ctx); err != nil {
		return err
	}
	s.say("two steps are agreed on for %s: without a name none is refused; %s refuse the one by its hash, then the other", day, list(names(by)))
	return nil
}

// refresh has the members make new shares, since one node was out of sight and is clean.
func (s *story) refresh(ctx context.Context) error {
	seen := s.members[len(s.members)-1]
	others := s.without(s.members, seen)
	if _, err := s.types(ctx, seen, nil, "signer key compromised --reason 'laptop stolen'", "--yes"); err != nil {
		return err
	}
	if err := s.seenFrozen(ctx, seen, others); err != nil {
		return err
	}
	if _, err := s.types(ctx, seen, put{"…": "mended"}, "signer key thaw --reason …"); err != nil {
		return err
	}
	t := s.stillTurn("refresh.json") // another file: that of the step that was refused is there
	if _, err := s.types(ctx, others[0], nil, "signer term propose --refresh"); !refusedFor(err, "is there already") {
		return fmt.Errorf("the file of a step that was refused is gone (%v)", err)
	}
	if _, err := s.types(ctx, others[0], nil, "signer term propose --refresh", "--out", filepath.Base(t.file)); err != nil {
		return err
	}
	if err := s.approveStep(ctx, filepath.Base(t.file), others[:4]...); err != nil {
		return err
	}
	began := time.Now()
	t.mark = others[0].tape.mark()
	if _, err := s.types(ctx, others[0], t.named(), "signer term begin succession-2.json"); err != nil {
		return err
	}
	commit, err := s.rotated(ctx, t)
	if err != nil {
		return err
	}
	s.successions = append(slices.Clone(s.successions), t.file)
	s.say("%s thaws its node; all seven make new shares, share epoch %d, after %.1f s", seen.id, commit.ShareEpoch, time.Since(began).Seconds())
	if err := s.sameAddress(ctx); err != nil {
		return err
	}
	if err := s.backUp(ctx, commit.ShareEpoch); err != nil {
		return err
	}
	done, err := s.actOf(ctx, append([]*member{seen}, s.without(others, s.strict)[:3]...), seen)
	if err != nil {
		return err
	}
	s.gist = fmt.Sprintf("three steps refused, share epoch %d, %s", commit.ShareEpoch, short(done.TxHash.Hex()))
	return nil
}
