package node

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// A quarter of the time is a quarter of it, however long the steps are and however many
// ask for one.
func TestGovernorKeepsToItsShare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const share, each = 0.25, 40
		g := newGovernor(share)
		began := time.Now()
		var busy atomic.Int64 // nanoseconds in steps, of which there is one at a time
		var working atomic.Int32
		done := make(chan error)
		for worker := range 3 {
			go func() {
				var err error
				for i := range each {
					took := time.Duration(1+(7*i+worker)%13) * 50 * time.Millisecond
					err = errors.Join(err, g.do(t.Context(), func() {
						if working.Add(1) > 1 {
							t.Error("two steps at once")
						}
						time.Sleep(took)
						busy.Add(int64(took))
						working.Add(-1)
					}))
					if all, sum := time.Since(began), busy.Load(); float64(sum) > share*float64(all)+float64(took) {
						t.Errorf("%s of %s were taken", time.Duration(sum), all)
					}
				}
				done <- err
			}()
		}
		for range 3 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		// The rest after the last step is still owed; nothing else was waited for.
		if got := float64(busy.Load()) / float64(time.Since(began)); got < share || got > share*1.02 {
			t.Errorf("%.3f of the time was taken; want %.2f", got, share)
		}
	})
}

// Live work that begins between two steps holds the next one until all of it has ended.
func TestGovernorWaitsForLiveWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGovernor(1)
		step := func() { time.Sleep(time.Second) }
		if err := g.do(t.Context(), step); err != nil {
			t.Fatal(err)
		}
		g.begin()
		g.begin()
		done := make(chan error, 1)
		var ended time.Time
		go func() {
			done <- g.do(t.Context(), func() {
				if ended.IsZero() || time.Now().Before(ended) {
					t.Error("a step beside live work")
				}
			})
		}()
		time.Sleep(time.Hour)
		g.end()
		time.Sleep(time.Hour) // one of the two goes on
		ended = time.Now()
		g.end()
		if err := <-done; err != nil || time.Since(ended) > 0 {
			t.Errorf("%v, %s after the live work", err, time.Since(ended))
		}
	})
}

// Live work that begins while a step rests is seen, too: the rest is over first.
func TestGovernorLooksAgainAfterItsRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGovernor(0.5)
		if err := g.do(t.Context(), func() { time.Sleep(time.Minute) }); err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		var ended atomic.Bool
		go func() {
			done <- g.do(t.Context(), func() {
				if !ended.Load() {
					t.Error("a step beside live work")
				}
			})
		}()
		synctest.Wait() // it rests
		g.begin()
		time.Sleep(time.Hour)
		ended.Store(true)
		g.end()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// Whoever ends need not wait: for live work, for the rest, or for another's step.
func TestGovernorEndsWithItsContext(t *testing.T) {
	for what, hold := range map[string]func(*governor){
		"live work":      func(g *governor) { g.begin() },
		"a rest":         func(g *governor) { g.do(context.Background(), func() { time.Sleep(time.Hour) }) },
		"another's step": func(g *governor) { <-g.turn },
	} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newGovernor(0.01)
				hold(g)
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				began := time.Now()
				err := g.do(ctx, func() { t.Error("a step after the end") })
				if !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != time.Minute {
					t.Errorf("%v after %s", err, time.Since(began))
				}
			})
		})
	}
}
