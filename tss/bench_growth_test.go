package tss_test

import (
	"context"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/internal/testcouncil"
	"github.com/millicent-one/signer/tss"
)

// growthLarge, when set, also measures the largest council: its key alone takes
// minutes to make the first time.
const growthLarge = "MILLICENT_BENCH_LARGE"

// growth are the councils that are compared: how time and bytes grow with the
// number of members and with the threshold.
func growth() []testcouncil.Size {
	all := []testcouncil.Size{{Threshold: 2, Members: 3}, {Threshold: 4, Members: 7}, {Threshold: 7, Members: 13}}
	if os.Getenv(growthLarge) != "" {
		all = append(all, testcouncil.Size{Threshold: 11, Members: 21})
	}
	return all
}

// BenchmarkGrowthKeygen is the rounds of a key generation by all members in one
// process, with primes that were found before.
func BenchmarkGrowthKeygen(b *testing.B) {
	for _, z := range growth() {
		b.Run(z.String(), func(b *testing.B) {
			shares, ids := testcouncil.SharesOf(b, z), z.IDs()
			var c carrier
			for i := 0; b.Loop(); i++ {
				sessions := make([]*tss.Session, len(ids))
				for k, m := range ids {
					var err error
					if sessions[k], err = tss.NewKeygen(tss.KeygenConfig{
						Session: council.SessionID{byte(i), 1}, Self: m, Members: ids, Threshold: z.Threshold, Epoch: 1, Params: shares[k].OwnPreParams(),
					}); err != nil {
						b.Fatal(err)
					}
				}
				c.carry(b, sessions)
			}
			c.report(b)
		})
	}
}

// BenchmarkGrowthArm makes one slot: rounds 1 to 3 by as many members as the
// threshold asks for.
func BenchmarkGrowthArm(b *testing.B) {
	for _, z := range growth() {
		b.Run(z.String(), func(b *testing.B) {
			shares := testcouncil.SharesOf(b, z)[:z.Threshold]
			var c carrier
			for i := 0; b.Loop(); i++ {
				c.carry(b, armers(b, shares, z.IDs()[:z.Threshold], slotOf(i)))
			}
			c.report(b)
		})
	}
}

// BenchmarkGrowthFire is the rest of the signature once its digest is known:
// rounds 4 to 9, with each message on its way for as long as the name says. The
// six rounds follow one another, so six delays are the least there can be.
func BenchmarkGrowthFire(b *testing.B) {
	for _, z := range growth() {
		for _, delay := range []time.Duration{0, 50 * time.Millisecond, 150 * time.Millisecond} {
			b.Run(fmt.Sprintf("%s/%dms", z, delay.Milliseconds()), func(b *testing.B) {
				shares, ids := testcouncil.SharesOf(b, z)[:z.Threshold], z.IDs()[:z.Threshold]
				c := carrier{delay: delay}
				for i := 0; b.Loop(); i++ {
					b.StopTimer() // how long arming takes is measured above
					sessions := fireAll(b, armed(b, shares, ids, slotOf(i)), permit(ids, ceremonyOf(i)))
					b.StartTimer()
					c.carry(b, sessions)
				}
				c.report(b)
			})
		}
	}
}

// slotOf names a slot; zero would be none.
func slotOf(i int) council.SessionID { return council.SessionID(ceremonyOf(i + 1)) }

// carrier carries the messages of sessions, each of which runs on a goroutine of
// its own as in the daemon, and counts their bytes.
type carrier struct {
	delay   time.Duration // from sender to receiver
	mu      sync.Mutex
	sent    uint64 // bytes, by all parties, counted once for each receiver
	runs    int
	parties int
}

// carry runs one session of all parties to its end.
func (c *carrier) carry(b *testing.B, sessions []*tss.Session) []testcouncil.Result {
	b.Helper()
	ctx, cancel := context.WithCancelCause(b.Context())
	defer cancel(nil)
	inbox := make([]chan tss.Message, len(sessions))
	for i := range inbox {
		inbox[i] = make(chan tss.Message, 16*len(sessions)) // all that a session can be sent
	}
	results := make([]testcouncil.Result, len(sessions))
	post := func(from int, m tss.Message) {
		for i, s := range sessions {
			if i == from || m.To != "" && m.To != s.Self() {
				continue
			}
			c.mu.Lock()
			c.sent += uint64(len(m.Payload) + len(m.Transcript))
			c.mu.Unlock()
			if c.delay == 0 {
				inbox[i] <- m
				continue
			}
			time.AfterFunc(c.delay, func() { inbox[i] <- m })
		}
	}
	var all sync.WaitGroup
	for i, s := range sessions {
		all.Go(func() {
			ready, err := s.Start()
			for {
				if err == nil {
					err = ready.Dropped
				}
				if err != nil {
					cancel(fmt.Errorf("%s: %w", s.Self(), err))
					return
				}
				for _, m := range ready.Messages {
					post(i, m)
				}
				if s.Done() {
					results[i] = testcouncil.Result{Share: ready.Share, Signature: ready.Signature, Armed: ready.Armed}
					return
				}
				select {
				case <-ctx.Done():
					return
				case m := <-inbox[i]:
					ready, err = s.Step(m)
				}
			}
		})
	}
	all.Wait()
	if err := context.Cause(ctx); err != nil {
		b.Fatal(err)
	}
	c.runs, c.parties = c.runs+1, len(sessions)
	return results
}

// report adds what a run has sent, framing not included.
func (c *carrier) report(b *testing.B) {
	total := float64(c.sent) / float64(c.runs)
	b.ReportMetric(total, "B-total/op")
	b.ReportMetric(total/float64(c.parties), "B-party/op")
}
