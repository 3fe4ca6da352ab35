package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/millicent-one/signer/api"
	"github.com/millicent-one/signer/policy"
)

// recharter is docs/runbook.md, "Another charter": a draft that loosens waits, and four refuse
// it; one that only tightens takes over at once, without two of the nodes.
func (s *story) recharter(ctx context.Context) error {
	if err := s.refuseLooser(ctx); err != nil {
		return err
	}
	return s.takeStricter(ctx)
}

// agreeOnCharter is steps 2 and 3: one proposes, all of them approve, and each sees whose word
// is missing.
func (s *story) agreeOnCharter(ctx context.Context, x *amended, by []*member, more ...string) error {
	change := fmt.Sprintf("charter    %s instead of %s", x.hash.Hex(), x.was.Hex())
	if err := s.says(ctx, by[0], x.files(), change, "signer term propose --charter charter-2.yaml", more...); err != nil {
		return err
	}
	for i, m := range by {
		if _, err := s.answers(ctx, m, "yes", x.files(), "signer term approve succession-2.json --charter charter-2.yaml", m.byWallet()...); err != nil {
			return err
		}
		missing := "\nAgreed."
		if left := len(by) - 1 - i; left > 0 {
			missing = fmt.Sprintf("\n%d more of ", left)
		}
		if err := s.says(ctx, m, x.files(), missing, "signer term show succession-2.json --charter charter-2.yaml"); err != nil {
			return err
		}
	}
	return nil
}

var beginsAt = regexp.MustCompile(`agreed on; begins (\d{4}-\d\d-\d\d \d\d:\d\d UTC) at the earliest`)

// waitsFor holds that a status of a rotation names a time to wait until, and none before this.
func waitsFor(text string, earliest time.Time) bool {
	found := beginsAt.FindStringSubmatch(text)
	if found == nil {
		return false
	}
	at, err := time.Parse("2006-01-02 15:04 MST", found[1])
	return err == nil && !at.Before(earliest.Truncate(time.Minute))
}

// refuseLooser has a charter wait that would allow more. All nodes say until when, and so have
// its text; four refuse it.
func (s *story) refuseLooser(ctx context.Context) error {
	by := s.members[:4]
	x, err := s.amend(ctx, by[0], looser, "looser.yaml", s.stillTurn("looser.json"))
	if err != nil {
		return err
	}
	if err := s.says(ctx, by[0], x.files(), "\nIt may loosen: it takes effect at the earliest 3d after the nodes have heard of it, with 4 approvals.\n", "signer policy diff charter.yaml charter-2.yaml"); err != nil {
		return err
	}
	if err := s.agreeOnCharter(ctx, x, by, "--out", filepath.Base(x.file)); err != nil {
		return err
	}
	earliest := time.Now().Add(policy.DefaultAmendDelay * time.Second)
	if _, err := s.types(ctx, by[0], x.files(), "signer term begin succession-2.json --charter charter-2.yaml"); err != nil {
		return err
	}
	for _, m := range s.members { // who lacks the text knows of no delay
		if err := s.settled(ctx, m, "the time to read the charter", func(st api.Status) bool {
			return st.Rotation != nil && st.Rotation.Roster == x.version && waitsFor(st.Rotation.Text, earliest)
		}); err != nil {
			return err
		}
	}
	out, err := s.types(ctx, by[1], nil, "signer term status")
	if err != nil {
		return err
	}
	if !waitsFor(out, earliest) {
		return fmt.Errorf("signer term status does not say until when it waits:\n%s", out)
	}
	s.say("a charter that loosens: all nodes have the text, and signer term status says %q", beginsAt.FindString(out))
	hash, err := s.hashShown(ctx, by[1], x.turnover)
	if err != nil {
		return err
	}
	for _, m := range by {
		if _, err := s.answers(ctx, m, "abort", put{"…": "too-soon", "0x…": hash}, "signer term abort --reason … --roster 0x…"); err != nil {
			return err
		}
	}
	if err := s.aborted(ctx); err != nil {
		return err
	}
	s.say("%s refuse it by its hash, and it is over for all", list(names(by)))
	return nil
}

// takeStricter has what the council says to the public take five approvals from now on. Two
// nodes are away meanwhile.
func (s *story) takeStricter(ctx context.Context) error {
	by, away := s.members[:4], s.members[5:]
	t := s.stillTurn("")
	x, err := s.amend(ctx, by[0], stricter, fmt.Sprintf("charter-%d.yaml", t.version), t)
	if err != nil {
		return err
	}
	if err := s.studied(ctx, by[0], x); err != nil {
		return err
	}
	if err := s.agreeOnCharter(ctx, x, by); err != nil {
		return err
	}
	word, err := s.propose(ctx, by[0], "statement", "--text", "All is well.", "--reason", "users ask")
	if err != nil {
		return err
	}
	if word, err = s.approve(ctx, word.ID, by[:2]...); err != nil {
		return err
	}
	if word.Want != 4 {
		return fmt.Errorf("%s wants %d approvals under the charter before; want 4", word.Short, word.Want)
	}
	st, err := by[0].client.Status(ctx)
	if err != nil {
		return err
	}
	epoch := st.Council.ShareEpoch
	if err := each(ctx, away, func(_ context.Context, m *member) error { return m.stop() }); err != nil {
		return err
	}
	began := time.Now()
	if _, err := s.types(ctx, by[0], x.files(), "signer term begin succession-2.json --charter charter-2.yaml"); err != nil {
		return err
	}
	if err := s.workUnder(ctx, x, s.online()); err != nil {
		return err
	}
	took := time.Since(began)
	r, err := reads[api.Rotation](ctx, s, by[1], nil, "signer term status")
	if err != nil {
		return err
	}
	if r.Commit == nil || r.Commit.ShareEpoch != epoch || len(r.Commit.Locked) != 5 {
		return fmt.Errorf("%s tells of %+v; want a certificate by five that leaves the shares as they are", by[1].id, r.Commit)
	}
	if err := each(ctx, away, func(ctx context.Context, m *member) error { return m.start(ctx) }); err != nil {
		return err
	}
	if err := s.workUnder(ctx, x, s.members); err != nil {
		return err
	}
	s.successions = append(slices.Clone(s.successions), x.file)
	s.say("one that only tightens: in force after %.1f s, locked by %s; %s were away, and got its text from the others", took.Seconds(), list(r.Commit.Locked), list(names(away)))
	if err := s.sameAddress(ctx); err != nil {
		return err
	}
	if err := s.putInPlace(ctx, x, word); err != nil {
		return err
	}
	if err := s.sayWithFive(ctx, by, word); err != nil {
		return err
	}
	s.gist = fmt.Sprintf("a looser one refused, %s in force after %.1f s", short(x.hash.Hex()), took.Seconds())
	return nil
}

// workUnder waits until these members' nodes work by the charter.
func (s *story) workUnder(ctx context.Context, x *amended, all []*member) error {
	for _, m := range all {
		if err := s.settled(ctx, m, "the new charter", func(st api.Status) bool {
			return st.Roster != nil && st.Roster.Version == x.version && st.Charter == x.hash && st.Phase == api.Ready
		}); err != nil {
			return err
		}
	}
	return nil
}

// putInPlace is step 5: each node warns of the file of before, until its owner has put the
// one in force in its place, and has started the daemon anew. A statement is open meanwhile.
// One member's policy has become one that does not fit.
func (s *story) putInPlace(ctx context.Context, x *amended, open api.Proposal) error {
	const before = "signer.yaml names charter "
	kept := func(m *member) string {
		return filepath.Join(m.home, "charters", fmt.Sprintf("charter-%d.yaml", x.version))
	}
	for _, m := range s.members {
		out, err := s.types(ctx, m, nil, "signer status")
		if err != nil {
			return err
		}
		for _, want := range []string{
			fmt.Sprintf(", version %d, 4 of 7, ", x.version),
			s.key.Hex(),
			fmt.Sprintf("warning: %s%s; the one in force is %s, of roster %d, kept in %s: name that under 'charter'\n", before, short(x.was.Hex()), short(x.hash.Hex()), x.version, kept(m)),
		} {
			if !strings.Contains(out, want) {
				return fmt.Errorf("signer status of %s does not say %q:\n%s", m.id, want, out)
			}
		}
		text, err := os.ReadFile(kept(m))
		if err != nil {
			return fmt.Errorf("read what %s has kept: %w", m.id, err)
		}
		if !bytes.Equal(text, x.text) {
			return fmt.Errorf("%s has kept another text than %s", m.id, x.name)
		}
	}
	first, namer, misfit := s.members[0], s.members[1], s.members[2]
	if err := s.says(ctx, first, nil, x.was.Hex(), "signer policy check"); err != nil { // by the file that is named
		return err
	}
	moves, err := reads[struct{ Note string }](ctx, s, first, nil, "signer key compromised --dry-run")
	if err != nil {
		return err
	}
	if moves.Note != "" { // by the charter in force
		return fmt.Errorf("signer key compromised at %s: %s", first.id, moves.Note)
	}
	for _, m := range s.without(s.members, namer) {
		if err := os.WriteFile(filepath.Join(m.home, "charter.yaml"), x.text, 0o644); err != nil {
			return fmt.Errorf("put the charter of %s in place: %w", m.id, err)
		}
	}
	if err := namer.edit("\ncharter: charter.yaml\n", "\ncharter: "+kept(namer)+"\n"); err != nil {
		return err
	}
	s.charter = filepath.Join(s.dir, x.name)
	own := filepath.Join(misfit.home, "policy.yaml")
	good, err := os.ReadFile(own)
	if err == nil {
		err = os.WriteFile(own, []byte("version: 1\nrules:\n  - {id: hands-off, effect: deny, actions: [pause], contracts: [vault]}\n"), 0o600)
	}
	if err != nil {
		return fmt.Errorf("rewrite the policy of %s: %w", misfit.id, err)
	}
	if err := s.startAgain(ctx, s.members); err != nil {
		return err
	}
	why := "the member's policy does not fit the charter in force, so everything is denied"
	for _, m := range s.members {
		phase := api.Ready
		if m == misfit {
			phase = api.Watching
		}
		if err := s.settled(ctx, m, "what its files make of it", func(st api.Status) bool {
			return st.Phase == phase && strings.HasPrefix(st.Detail, why) == (m == misfit)
		}); err != nil {
			return err
		}
		out, err := s.types(ctx, m, nil, "signer status")
		if err != nil {
			return err
		}
		if strings.Contains(out, before) {
			return fmt.Errorf("%s warns still:\n%s", m.id, out)
		}
		if strings.Contains(out, why) != (m == misfit) {
			return fmt.Errorf("signer status of %s; %s alone is to say %q:\n%s", m.id, misfit.id, why, out)
		}
	}
	if _, err := s.types(ctx, misfit, nil, "signer policy check"); !refusedFor(err, "vault") {
		return fmt.Errorf("signer policy check finds nothing in the policy of %s (%v)", misfit.id, err)
	}
	allows := func(want bool) func(api.Proposal) bool {
		return func(p api.Proposal) bool {
			v, ok := verdict(p, misfit.id)
			return ok && v.Allow == want
		}
	}
	if _, err := s.until(ctx, first, open.ID, "a refusal by "+string(misfit.id), allows(false)); err != nil {
		return err
	}
	s.say("all had warned of the old file, and said where the new one lies; put in place, no node warns; that of %s, whose policy does not fit, says so, and denies everything", misfit.id)
	if err := os.WriteFile(own, good, 0o600); err != nil {
		return fmt.Errorf("mend the policy of %s: %w", misfit.id, err)
	}
	for _, m := range []*member{first, namer, misfit} {
		if err := s.says(ctx, m, nil, x.hash.Hex(), "signer policy check"); err != nil {
			return err
		}
	}
	if err := s.startAgain(ctx, []*member{misfit}); err != nil {
		return err
	}
	if err := s.workUnder(ctx, x, s.members); err != nil {
		return err
	}
	_, err = s.until(ctx, first, open.ID, "a word for it by "+string(misfit.id), allows(true))
	return err
}

// sayWithFive has a statement signed that was open before: it has lost its approvals, and
// takes five now.
func (s *story) sayWithFive(ctx context.Context, four []*member, open api.Proposal) error {
	everywhere := func(have int) error {
		for _, m := range s.members {
			if _, err := s.until(ctx, m, open.ID, fmt.Sprintf("%d approvals of 5", have), func(p api.Proposal) bool {
				return p.State == api.Open && p.Have == have && p.Want == 5 && judgedBy(p, s.members)
			}); err != nil {
				return err
			}
		}
		return nil
	}
	if err := everywhere(0); err != nil {
		return err
	}
	if _, err := s.approve(ctx, open.ID, four...); err != nil {
		return err
	}
	if err := everywhere(4); err != nil {
		return err
	}
	if err := s.untouched(ctx, open.ID, api.Open); err != nil {
		return err
	}
	fifth := s.strict
	if _, err := s.approve(ctx, open.ID, fifth); err != nil {
		return err
	}
	p, err := s.until(ctx, fifth, open.ID, "the signed statement", func(p api.Proposal) bool { return len(p.Signature) > 0 })
	if err != nil {
		return err
	}
	if err := s.proven(ctx, fifth, p); err != nil {
		return err
	}
	s.say("%s had lost its two approvals; under the new charter four sign nothing, and %s, the fifth, does: %q by the council's key", p.Short, fifth.id, p.Intent.Text)
	return nil
}
