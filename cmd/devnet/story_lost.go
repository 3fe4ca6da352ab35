package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/millicent-one/signer/api"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/internal/rosterfile"
)

// loseNode has a machine burn, and the member do what docs/runbook.md says under "A node is
// lost", on another machine. With three others the node that comes back only watches; with the
// fourth it is let in.
func (s *story) loseNode(ctx context.Context) error {
	lost, helper := s.member("core-2"), s.members[0]
	away := s.some("community-2", "core-1", "core-3")
	st, err := helper.client.Status(ctx)
	if err != nil {
		return err
	}
	epoch := st.Council.ShareEpoch
	lost.kill()
	if err := lost.burn(); err != nil {
		return err
	}
	s.say("the node of %s is killed (SIGKILL), and all that it had is gone; there are its backups, and the member's wallet", lost.id)
	if lost.port, err = freePort(); err != nil {
		return err
	}
	if err := s.refound(ctx, lost, helper); err != nil {
		return err
	}
	s.say("a new machine: both samples, edited, and from %s the roster, the charter and the successions; 'roster verify' and 'policy check' find nothing", helper.id)
	if err := s.restore(ctx, lost, epoch); err != nil {
		return err
	}
	if err := each(ctx, away, func(_ context.Context, m *member) error { return m.stop() }); err != nil {
		return err
	}
	if err := lost.start(ctx); err != nil {
		return err
	}
	began := time.Now()
	detail := ""
	if err := s.settled(ctx, lost, "three others, and no leave to sign", func(st api.Status) bool {
		detail = st.Detail
		return st.Roster != nil && st.Roster.Version == uint64(len(s.successions)+1) && st.Phase == api.Watching && strings.HasSuffix(detail, "missed: 3 of 4")
	}); err != nil {
		return err
	}
	out, err := s.types(ctx, lost, nil, "signer status")
	if err != nil {
		return err
	}
	if !strings.Contains(out, detail) {
		return fmt.Errorf("signer status of %s does not say %q:\n%s", lost.id, detail, out)
	}
	s.say("with %s away it signs nothing; signer status says watching: %s", list(names(away)), detail)
	mark := lost.tape.mark()
	if err := away[0].start(ctx); err != nil {
		return err
	}
	if _, err := lost.tape.await(ctx, mark, func(e api.Event) bool { return e.Kind == "caught-up" }); err != nil {
		return fmt.Errorf("wait for %s to be let back: %w", lost.id, err)
	}
	if err := s.settled(ctx, lost, "leave to sign", func(st api.Status) bool { return st.Phase == api.Ready }); err != nil {
		return err
	}
	s.say("%s is back: %s has the feeds of four and is ready, %.1f s after its start", away[0].id, lost.id, time.Since(began).Seconds())
	if err := each(ctx, away[1:], func(ctx context.Context, m *member) error { return m.start(ctx) }); err != nil {
		return err
	}
	if err := s.meet(ctx, s.members); err != nil {
		return err
	}
	if err := s.relocate(ctx, lost); err != nil {
		return err
	}
	if out, err = s.types(ctx, lost, kept(lost, epoch), "signer backup verify FILE", "--identity", s.safe(lost, epoch)+".txt"); err != nil {
		return err
	}
	if !strings.Contains(oneLine(out), "fundable yes") {
		return fmt.Errorf("signer backup verify has not told the council:\n%s", out)
	}
	done, err := s.actOf(ctx, []*member{lost, helper, s.member("community-4"), s.member("core-5")}, lost)
	if err != nil {
		return err
	}
	s.gist = fmt.Sprintf("%s signs again, %s", lost.id, short(done.TxHash.Hex()))
	return nil
}

// burn removes all that a node has had. The member's wallet was never on that machine, and
// the log is for whoever reads this story.
func (m *member) burn() error {
	all, err := os.ReadDir(m.home)
	if err != nil {
		return fmt.Errorf("lose the node of %s: %w", m.id, err)
	}
	for _, e := range all {
		path := filepath.Join(m.home, e.Name())
		if slices.Contains([]string{filepath.Dir(m.keys), m.password(), m.log()}, path) {
			continue
		}
		if err := os.RemoveAll(path); err != nil {
			return fmt.Errorf("lose the node of %s: %w", m.id, err)
		}
	}
	m.successions = nil
	return nil
}

// refound is step 2 there: the files of a node on a new machine, of which the member has
// none any more. What is not the node's own comes from another member.
func (s *story) refound(ctx context.Context, m, from *member) error {
	for line, path := range map[string]string{"signer policy sample signer": m.config(), "signer policy sample policy": filepath.Join(m.home, "policy.yaml")} {
		text, err := s.types(ctx, m, nil, line)
		if err == nil {
			err = os.WriteFile(path, []byte(text), 0o600)
		}
		if err != nil {
			return fmt.Errorf("begin %s: %w", path, err)
		}
	}
	if _, err := newIdentity(m.identity()); err != nil {
		return err
	}
	for _, e := range [][2]string{
		{"\nmember: core-1\n", "\nmember: " + string(m.id) + "\n"},
		{"  - /ip4/0.0.0.0/tcp/4100\n", "  - " + m.address("tcp") + "\n"},
		{"  - /ip4/0.0.0.0/udp/4100/quic-v1\n", "  - " + m.address("quic") + "\n"},
		{"#announce:\n#  - /dns4/signer.example.org/tcp/4100\n", "announce:\n  - " + m.address("tcp") + "\n  - " + m.address("quic") + "\n"},
		{"  #identity-file: /etc/signer/identity.txt\n", "  identity-file: " + m.identity() + "\n"},
	} {
		if err := m.edit(e[0], e[1]); err != nil {
			return err
		}
	}
	if err := m.editConfig(s.ground); err != nil {
		return err
	}
	kept, err := filepath.Glob(filepath.Join(from.home, "successions", "*"))
	if err != nil {
		return fmt.Errorf("look for the successions of %s: %w", from.id, err)
	}
	if err := s.settleIn(m, kept); err != nil {
		return err
	}
	for _, check := range []string{"signer roster verify", "signer policy check"} {
		if _, err := s.types(ctx, m, nil, check); err != nil {
			return err
		}
	}
	return nil
}

// relocate is step 5 there: the node has called all others, which know the old address alone,
// and its card has the new one for the next roster.
func (s *story) relocate(ctx context.Context, m *member) error {
	out, err := s.types(ctx, m, nil, "signer id --renew", append(m.byWallet(), "--out", m.newCard())...)
	if err != nil {
		return err
	}
	for _, how := range []string{"tcp", "quic"} {
		if !strings.Contains(out, m.address(how)) {
			return fmt.Errorf("the new card of %s does not say %s:\n%s", m.id, m.address(how), out)
		}
	}
	s.moved = append(s.moved, m)
	s.say("it is at %s now: it has called all others, who were not told; its new card is for the next roster", m.address("tcp"))
	return nil
}

// newCard is the card that a member has made anew.
func (m *member) newCard() string { return "renewed-" + string(m.id) + ".json" }

// locates holds that a succession says where a member's node is.
func (t *turnover) locates(m *member) error {
	step, err := rosterfile.ReadSuccession(t.file)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(step.Roster.Members, func(x council.Member) bool { return x.ID == m.id })
	if i < 0 {
		return fmt.Errorf("%s is not in roster %d", m.id, t.version)
	}
	at, err := council.OpenAddresses(step.Roster.Members[i], step.Addresses[i])
	if err != nil {
		return err
	}
	for _, a := range at.Addrs {
		if a.String() == m.address("tcp") {
			return nil
		}
	}
	return fmt.Errorf("roster %d has the node of %s at %v; it is at %s", t.version, m.id, at.Addrs, m.address("tcp"))
}

// restore is step 3: the keystore from the backup of the shares in force. That of the
// shares before is worth nothing, and refused.
func (s *story) restore(ctx context.Context, m *member, now uint64) error {
	from := func(epoch uint64) error {
		_, err := s.types(ctx, m, kept(m, epoch), "signer backup restore FILE --identity safe.txt")
		return err
	}
	err := from(now - 1)
	why := fmt.Sprintf("it is of share epoch %d; by the rosters here the council is in epoch %d", now-1, now)
	if !refusedFor(err, why) {
		return fmt.Errorf("the backup of share epoch %d was not refused as it should be (%v)", now-1, err)
	}
	s.say("signer backup restore, of the shares before the rotation: refused, %s", why)
	if err := from(now); err != nil {
		return err
	}
	s.say("signer backup restore, of share epoch %d: the keystore is made anew", now)
	return nil
}
