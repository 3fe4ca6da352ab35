package main

import (
	"context"
	"fmt"
	"time"

	"github.com/millicent-one/signer/api"
)

// warm has the council sign from standby: at rest, at rest with a far RPC, and
// one after the other while the stock refills.
func (b measuring) warm(ctx context.Context, r *report, s *story, far *farRPC, res *results) error {
	if err := s.standBy(ctx, standbyOn, standbyAll); err != nil {
		return err
	}
	for _, phase := range []struct {
		name  string
		delay time.Duration
		to    *[]time.Duration
	}{{"standby", 0, &res.warm}, {"standby, RPC 50 ms away", 50 * time.Millisecond, &res.warmFar}} {
		far.delay.Store(int64(phase.delay))
		for i := range b.signatures {
			if err := s.stocked(ctx); err != nil {
				return err
			}
			p, _, err := s.signature(ctx, s.fours(i), res.count)
			if err != nil {
				return err
			}
			res.count++
			took := time.Duration(p.Timing.Signed) * time.Millisecond
			if !signed(p).Warm {
				res.missed++
			}
			*phase.to = append(*phase.to, took)
			r.say("%s %d of %d: %d ms", phase.name, i+1, b.signatures, took.Milliseconds())
		}
	}
	far.delay.Store(0)
	if err := s.memoryAtRest(ctx, r, &res.rssStocked); err != nil {
		return err
	}
	began := time.Now()
	for i := range b.sustained {
		p, err := s.quick(ctx, s.fours(i), res.count)
		if err != nil {
			return err
		}
		res.count++
		res.refill = append(res.refill, time.Duration(p.Timing.Signed)*time.Millisecond)
		if signed(p).Warm {
			res.refillWarm++
		}
	}
	res.warmRate = perMinute(b.sustained, time.Since(began))
	r.say("%d signatures one after the other: %.0f a minute, %d of them from standby", b.sustained, res.warmRate, res.refillWarm)
	return s.memoryAtRest(ctx, r, &res.rssWarm)
}

// memoryAtRest is memory once all sets are warm and nothing has been signed for a while. Go's
// runtime collects each two minutes at least, and gives back what it then has too much:
// before that, what a process has resident tells most of all when it collected last.
func (s *story) memoryAtRest(ctx context.Context, r *report, to *[]int64) error {
	if err := s.stocked(ctx); err != nil {
		return err
	}
	r.note("all sets are warm; %s of rest", memoryRest)
	select {
	case <-time.After(memoryRest):
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	return s.memory(ctx, to)
}

func perMinute(n int, d time.Duration) float64 { return float64(n) / d.Minutes() }

// memory asks for what each daemon has resident, in KiB.
func (s *story) memory(ctx context.Context, to *[]int64) error {
	for _, x := range s.members {
		kib, err := resident(ctx, x.pid())
		if err != nil {
			return err
		}
		*to = append(*to, kib)
	}
	return nil
}

// fours takes another four of the members each time, as a council does.
func (s *story) fours(i int) []*member {
	allow := make([]*member, 0, len(s.members)) // the strict one would sign less than the others
	for _, m := range s.members {
		if m != s.strict {
			allow = append(allow, m)
		}
	}
	out := make([]*member, 4)
	for k := range out {
		out[k] = allow[(i+k)%len(allow)]
	}
	return out
}

// quick has one more signature made, and waits only until it is mined.
func (s *story) quick(ctx context.Context, m []*member, i int) (api.Proposal, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, budgetAct, fmt.Errorf("signature %d took longer than %s", i+1, budgetAct))
	defer cancel()
	p, err := ask[api.Proposal](ctx, m[0], "propose", s.other(), "--target", "protocol", "--reason", "one of many")
	if err != nil {
		return p, err
	}
	for _, x := range m {
		if _, err := s.until(ctx, x, p.ID, "the proposal", func(p api.Proposal) bool { return judgedBy(p, m) }); err != nil {
			return p, err
		}
	}
	mark := m[3].tape.mark()
	if _, err := s.approve(ctx, p.ID, m...); err != nil {
		return p, err
	}
	if err := m[3].toldMined(ctx, mark, p.ID); err != nil {
		return p, err
	}
	p, err = s.until(ctx, m[3], p.ID, "a block with it", func(p api.Proposal) bool { return p.State == api.Mined || p.State == api.Final || p.State.Done() })
	if err == nil && p.State != api.Mined && p.State != api.Final {
		err = fmt.Errorf("signature %d is %s (%s)", i+1, p.State, p.Detail)
	}
	s.deeds = append(s.deeds, deed{"one of many", p})
	return p, err
}
