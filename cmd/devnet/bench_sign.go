package main

import (
	"context"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/millicent-one/signer/api"
	"github.com/millicent-one/signer/council"
)

// sign lets the council pause and unpause the protocol until there are enough
// signatures, each from four approvals by the same members, all nodes online.
func (b measuring) sign(ctx context.Context, r *report, s *story, res *results) error {
	for i := range b.signatures {
		p, traffic, err := s.signature(ctx, s.fours(i), res.count)
		if err != nil {
			return err
		}
		res.count++
		took := time.Duration(p.Timing.Signed) * time.Millisecond
		res.sign = append(res.sign, took)
		res.frames = append(res.frames, traffic.FramesOut)
		res.bytes = append(res.bytes, traffic.BytesOut)
		r.say("signature %d of %d: %d ms, %d frames, %.1f KiB", i+1, b.signatures, took.Milliseconds(), traffic.FramesOut, float64(traffic.BytesOut)/1024)
	}
	if err := s.memory(ctx, &res.rss); err != nil {
		return err
	}
	began := time.Now()
	for i := range b.signatures {
		if _, err := s.quick(ctx, s.fours(i), res.count); err != nil {
			return err
		}
		res.count++
	}
	res.coldRate = perMinute(b.signatures, time.Since(began))
	r.say("%d cold signatures one after the other: %.0f a minute", b.signatures, res.coldRate)
	return nil
}

// signature has these members approve one, and waits until all nodes have seen
// its block. It tells what all nodes have sent from the fourth approval on.
func (s *story) signature(ctx context.Context, m []*member, i int) (api.Proposal, api.Traffic, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, budgetAct, fmt.Errorf("signature %d took longer than %s", i+1, budgetAct))
	defer cancel()
	sent := api.Traffic{}
	action := s.other()
	p, err := s.propose(ctx, m[0], action, "--target", "protocol", "--reason", "measurement "+strconv.Itoa(i+1))
	if err != nil {
		return p, sent, err
	}
	if _, err := s.approve(ctx, p.ID, m[:3]...); err != nil {
		return p, sent, err
	}
	for _, x := range s.members {
		if _, err := s.until(ctx, x, p.ID, "the third approval", func(p api.Proposal) bool { return p.Have == 3 }); err != nil {
			return p, sent, err
		}
	}
	before, err := s.traffic(ctx)
	if err != nil {
		return p, sent, err
	}
	mark := m[3].tape.mark()
	if _, err := s.approve(ctx, p.ID, m[3]); err != nil {
		return p, sent, err
	}
	if err := m[3].toldMined(ctx, mark, p.ID); err != nil {
		return p, sent, err
	}
	done, err := s.mined(ctx, action, m[3], p.ID)
	if err != nil {
		return done, sent, err
	}
	for _, x := range s.members {
		if _, err := s.until(ctx, x, p.ID, "a block with it", func(p api.Proposal) bool { return p.State == api.Mined || p.State == api.Final }); err != nil {
			return done, sent, err
		}
	}
	after, err := s.traffic(ctx)
	if err != nil {
		return done, sent, err
	}
	return done, api.Traffic{FramesOut: after.FramesOut - before.FramesOut, BytesOut: after.BytesOut - before.BytesOut}, nil
}

// toldMined waits until the member's daemon says by itself that the proposal is in
// a block: to ask again and again would take time from what is measured.
func (m *member) toldMined(ctx context.Context, mark int, id council.ProposalID) error {
	_, err := m.tape.await(ctx, mark, func(e api.Event) bool { return e.Kind == string(council.WordMined) && e.Proposal == id })
	return err
}

// other is the playbook that the protocol can take next.
func (s *story) other() string {
	s.paused = !s.paused
	if s.paused {
		return "pause"
	}
	return "unpause"
}

// traffic adds up what all nodes have sent.
func (s *story) traffic(ctx context.Context) (api.Traffic, error) {
	var sum api.Traffic
	for _, m := range s.members {
		st, err := m.client.Status(ctx)
		if err != nil {
			return sum, err
		}
		if st.Traffic == nil {
			return sum, fmt.Errorf("%s does not count its frames", m.id)
		}
		sum.FramesOut += st.Traffic.FramesOut
		sum.BytesOut += st.Traffic.BytesOut
	}
	return sum, nil
}

// resident is the memory that a process has, in KiB.
func resident(ctx context.Context, pid int) (int64, error) {
	out, err := exec.CommandContext(ctx, "ps", "-o", "rss=", "-p", strconv.Itoa(pid)).Output()
	if err != nil {
		return 0, fmt.Errorf("ask for the memory of process %d: %w", pid, err)
	}
	kib, err := strconv.ParseInt(strings.TrimSpace(string(out)), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("ask for the memory of process %d: %w", pid, err)
	}
	return kib, nil
}
