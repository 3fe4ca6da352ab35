package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/millicent-one/signer/api"
)

// tighten is step 10: the council takes away from itself what it could do. That needs
// no new shares, only locks; and what is shown to tighten needs no time.
func (s *story) tighten(ctx context.Context) error {
	text, err := os.ReadFile(s.charter)
	if err != nil {
		return fmt.Errorf("read charter: %w", err)
	}
	// The bridge is let go by governance from now on; the council only stops it.
	rule := []byte("    actions: [unpause]\n    contracts: [protocol, bridge]\n")
	if !bytes.Contains(text, rule) {
		return fmt.Errorf("the charter has no rule to narrow")
	}
	next, file := filepath.Join(s.dir, "charter-3.yaml"), filepath.Join(s.dir, "succession-3.json")
	text = bytes.Replace(text, rule, []byte("    actions: [unpause]\n    contracts: [protocol]\n"), 1)
	if err := os.WriteFile(next, text, 0o644); err != nil {
		return fmt.Errorf("write charter: %w", err)
	}
	by := s.some("core-1", "core-2", "community-1", "community-2")
	if _, err := by[0].signer(ctx, "term", "propose", "--charter", next, "--out", file); err != nil {
		return err
	}
	for _, m := range by { // from hand to hand
		if _, err := m.signer(ctx, append([]string{"term", "approve", file, "--yes", "--charter", next}, m.byWallet()...)...); err != nil {
			return err
		}
	}
	s.say("the council will not start the bridge again: a charter that only tightens, approved of by %s", list(names(by)))
	began := time.Now()
	if _, err := by[0].signer(ctx, "term", "begin", file, "--charter", next); err != nil {
		return err
	}
	for _, m := range s.members {
		if err := s.settled(ctx, m, "the new charter", func(st api.Status) bool {
			return st.Roster != nil && st.Roster.Version == 3 && st.Phase == api.Ready
		}); err != nil {
			return err
		}
	}
	took := time.Since(began)
	r, err := ask[api.Rotation](ctx, by[0], "term", "status")
	if err != nil {
		return err
	}
	if r.Commit == nil || r.Commit.ShareEpoch != 2 {
		return fmt.Errorf("%s tells of %+v; want a certificate that leaves the shares as they are", by[0].id, r.Commit)
	}
	s.say("roster 3 works under it after %d ms: locked by %s, no new shares; the nodes have passed the text on", took.Milliseconds(), list(r.Commit.Locked))
	if err := s.meet(ctx, s.members); err != nil {
		return err
	}
	p, err := s.propose(ctx, by[1], "unpause", "--target", "bridge", "--reason", "is it still allowed?")
	if err != nil {
		return err
	}
	if err := denied(p, s.online()); err != nil {
		return err
	}
	for _, v := range p.Verdicts { // and not because a node denies everything
		if v.Rule != "default/no-rule" && v.Member != s.strict.id {
			return fmt.Errorf("%s refuses it by %s; want that no rule allows it any more", v.Member, v.Rule)
		}
	}
	s.say("%s proposes to start the bridge: all %d nodes refuse it: %s", by[1].id, len(p.Verdicts), p.Verdicts[0].Rule)
	s.gist = fmt.Sprintf("five locks, no new shares, %d ms", took.Milliseconds())
	return nil
}
