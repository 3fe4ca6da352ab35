package main

import (
	"context"
	"fmt"
	"math/big"
	"strings"

	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/api"
	"github.com/millicent-one/signer/contracts"
	"github.com/millicent-one/signer/council"
)

// turnAway is step 2: who is not in the roster does not get past the handshake.
func (s *story) turnAway(ctx context.Context) error {
	door := s.member("core-1")
	card, err := ask[struct{ Member struct{ Peer string } }](ctx, door, "id")
	if err != nil {
		return err
	}
	for _, how := range []string{"tcp", "quic"} {
		x, err := newStranger(card.Member.Peer, door.address(how))
		if err != nil {
			return err
		}
		e, got, err := x.turnedAway(ctx, door)
		if err != nil {
			return fmt.Errorf("over %s: %w", how, err)
		}
		s.say("core-1, over %s: %s", how, strings.Replace(e.Text, "peer "+x.id.String(), "it", 1))
		s.say("what the stranger sees: %s", clip(oneLine(got.Error()), 120))
	}
	s.gist = "over TCP and over QUIC"
	return s.meet(ctx, s.members)
}

// pause is step 3: three approvals sign nothing; the fourth does, with two of
// seven nodes away.
func (s *story) pause(ctx context.Context) error {
	m := s.some("core-1", "core-2", "community-1", "community-2")
	p, err := s.propose(ctx, m[0], "pause", "--target", "protocol", "--reason", "a forged message drains the pool")
	if err != nil {
		return err
	}
	s.say("%s proposes %s: %q; seven nodes allow it", m[0].id, p.Short, brief(p.Sentence))
	for _, v := range p.Verdicts {
		if !v.Allow {
			return fmt.Errorf("%s denies it: %s: %s", v.Member, v.Rule, v.Reason)
		}
	}
	if _, err := s.approve(ctx, p.ID, m[:3]...); err != nil {
		return err
	}
	for _, x := range s.online() {
		if _, err := s.until(ctx, x, p.ID, "the third approval", func(p api.Proposal) bool { return p.Have == 3 }); err != nil {
			return err
		}
	}
	if err := s.untouched(ctx, p.ID, api.Open); err != nil {
		return err
	}
	open, err := ask[[]api.Proposal](ctx, m[3], "list")
	if err != nil {
		return err
	}
	if len(open) != 1 || open[0].ID != p.ID {
		return fmt.Errorf("%s lists %d open proposals; want this one", m[3].id, len(open))
	}
	s.say("%s approve; known everywhere, and %d blocks later: %s, nonce 0, no attempt, no transaction", list(names(m[:3])), quietBlocks, open[0].State)
	away := s.some("core-4", "community-3")
	if err := each(ctx, away, func(_ context.Context, m *member) error { return m.stop() }); err != nil {
		return err
	}
	if err := s.meet(ctx, s.online()); err != nil {
		return err
	}
	s.say("the nodes of %s are stopped; five are left", list(names(away)))
	if _, err := s.approve(ctx, p.ID, m[3]); err != nil {
		return err
	}
	s.say("%s approves as the fourth", m[3].id)
	done, err := s.mined(ctx, "pause protocol", m[3], p.ID)
	if err != nil {
		return err
	}
	if err := s.stands(ctx, s.sites.protocol, true); err != nil {
		return err
	}
	s.say("protocol.paused() is true")
	s.gist = fmt.Sprintf("%s, signed in %d ms", short(done.TxHash.Hex()), done.Timing.Signed)
	return nil
}

// stands checks whether a protocol is paused.
func (s *story) stands(ctx context.Context, at common.Address, want bool) error {
	paused, err := s.ground.paused(ctx, at)
	if err == nil && paused != want {
		err = fmt.Errorf("paused() of %s is %v", at.Hex(), paused)
	}
	return err
}

// helpOut is step 4: an approver's node is gone when the signing begins.
func (s *story) helpOut(ctx context.Context) error {
	m := s.some("core-1", "core-2", "community-1", "core-3")
	dead, last := m[2], m[3]
	p, err := s.propose(ctx, m[0], "unpause", "--target", "protocol", "--reason", "the hole is closed")
	if err != nil {
		return err
	}
	s.say("%s proposes %s: %q; each node has simulated it", m[0].id, p.Short, brief(p.Sentence))
	if _, err := s.approve(ctx, p.ID, m[:3]...); err != nil {
		return err
	}
	for _, x := range s.online() {
		if _, err := s.until(ctx, x, p.ID, "the third approval", func(p api.Proposal) bool { return p.Have == 3 }); err != nil {
			return err
		}
	}
	dead.kill()
	if err := s.meet(ctx, s.online()); err != nil {
		return err
	}
	s.say("%s approve; then the node of %s is killed (SIGKILL)", list(names(m[:3])), dead.id)
	if _, err := s.vote(ctx, "approve", last, m[0], p.ID); err != nil {
		return err
	}
	s.say("%s approves as the fourth, through the node of %s", last.id, m[0].id)
	done, err := s.mined(ctx, "unpause protocol", m[0], p.ID)
	if err != nil {
		return err
	}
	helper := council.MemberID("")
	for _, x := range signed(done).Signers {
		if x.Member == dead.id {
			return fmt.Errorf("%s has signed, though its node is dead", dead.id)
		}
		if x.Assist {
			helper = x.Member
		}
	}
	if helper == "" {
		return fmt.Errorf("nobody assisted: signed by %s", signers(done))
	}
	if err := s.stands(ctx, s.sites.protocol, false); err != nil {
		return err
	}
	if err := dead.start(ctx); err != nil {
		return err
	}
	if err := s.meet(ctx, s.online()); err != nil {
		return err
	}
	if _, err := s.until(ctx, dead, p.ID, "what it missed", func(p api.Proposal) bool { return p.TxHash != nil && *p.TxHash == *done.TxHash }); err != nil {
		return err
	}
	s.say("protocol.paused() is false; %s is back and knows the transaction", dead.id)
	s.gist = fmt.Sprintf("%s assisted for %s, signed in %d ms", helper, dead.id, done.Timing.Signed)
	return nil
}

// refuse is step 5: the treasury is not the council's to spend.
func (s *story) refuse(ctx context.Context) error {
	m := s.some("core-1", "core-2", "community-1", "community-2")
	amount := new(big.Int).Mul(big.NewInt(treasuryAsked), big.NewInt(1e18))
	data := contracts.Treasury().Calldata("transfer", s.sites.deployer.From(), amount)
	before, err := s.ground.read(ctx, contracts.Treasury(), s.sites.treasury, "balanceOf", s.key)
	if err != nil {
		return err
	}
	p, err := s.propose(ctx, m[3], "raw", "--chain", fmt.Sprint(s.ground.id), "--to", s.sites.treasury.Hex(), "--data", "0x"+common.Bytes2Hex(data), "--reason", "a grant that cannot wait")
	if err != nil {
		return err
	}
	s.theft = p.ID
	s.say("%s proposes %s: %q", m[3].id, p.Short, brief(p.Sentence))
	if err := denied(p, s.online()); err != nil {
		return err
	}
	v := p.Verdicts[0]
	s.say("all %d nodes that run refuse it: %s: %s", len(p.Verdicts), v.Rule, brief(v.Reason))
	if err := s.explained(ctx, m[3], p, v.Rule); err != nil {
		return err
	}
	if _, err = s.approve(ctx, p.ID, m...); err != nil {
		return err
	}
	for _, x := range s.online() {
		if _, err := s.until(ctx, x, p.ID, "the fourth approval", func(p api.Proposal) bool { return p.Have == 4 }); err != nil {
			return err
		}
	}
	if err := s.untouched(ctx, p.ID, api.Refused); err != nil {
		return err
	}
	after, err := s.ground.read(ctx, contracts.Treasury(), s.sites.treasury, "balanceOf", s.key)
	if err != nil {
		return err
	}
	if before.(*big.Int).Cmp(after.(*big.Int)) != 0 {
		return fmt.Errorf("the council had %v tokens and has %v", before, after)
	}
	s.say("%s approve it all the same; %d blocks later: refused, nothing signed, nonce still %d, not a token moved", list(names(m)), quietBlocks, len(s.deeds))
	s.gist = fmt.Sprintf("%s, four approvals notwithstanding", v.Rule)
	return nil
}

// denied checks that each of these nodes denies, and says by which rule.
func denied(p api.Proposal, by []*member) error {
	for _, m := range by {
		v, ok := verdict(p, m.id)
		if !ok || v.Allow || v.Rule == "" || v.Reason == "" {
			return fmt.Errorf("the verdict of %s on %s: %+v; want a refusal with rule and reason", m.id, p.Short, v)
		}
	}
	return nil
}

// dissent is step 6: one node's own policy forbids what the charter allows.
func (s *story) dissent(ctx context.Context) error {
	m := s.some("core-1", "core-2", "community-1", "community-2")
	p, err := s.propose(ctx, m[1], "pause", "--target", "bridge", "--reason", "the same hole, on the bridge")
	if err != nil {
		return err
	}
	if err := denied(p, []*member{s.strict}); err != nil {
		return err
	}
	for _, x := range m {
		if v, ok := verdict(p, x.id); !ok || !v.Allow {
			return fmt.Errorf("the verdict of %s on %s: %+v; want it allowed", x.id, p.Short, v)
		}
	}
	v, _ := verdict(p, s.strict.id)
	s.say("%s proposes %s: %q; %s allow it", m[1].id, p.Short, brief(p.Sentence), list(names(m)))
	s.say("the node of %s refuses it by its own policy: %s: %s", s.strict.id, v.Rule, brief(v.Reason))
	if err := s.matrix(ctx, m[1]); err != nil {
		return err
	}
	if _, err := s.vote(ctx, "reject", s.strict, s.strict, p.ID, "--reason", "my node keeps off the bridge"); err != nil {
		return err
	}
	if _, err := s.approve(ctx, p.ID, m...); err != nil {
		return err
	}
	s.say("%s rejects, %s approve", s.strict.id, list(names(m)))
	done, err := s.mined(ctx, "pause bridge", m[3], p.ID)
	if err != nil {
		return err
	}
	for _, x := range signed(done).Signers {
		if x.Member == s.strict.id {
			return fmt.Errorf("%s has signed what its policy forbids", x.Member)
		}
	}
	if err := s.stands(ctx, s.sites.bridge, true); err != nil {
		return err
	}
	s.say("bridge.paused() is true, without %s", s.strict.id)
	s.gist = fmt.Sprintf("%s without %s, signed in %d ms", short(done.TxHash.Hex()), s.strict.id, done.Timing.Signed)
	return nil
}

// oneLine keeps a text that others wrote from breaking the page.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

func clip(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return s
}
