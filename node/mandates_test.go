package node_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/millicent-one/signer/internal/testcouncil"
	"github.com/millicent-one/signer/node"
)

// The end of the terms is said a month ahead, and what it would mean.
func TestEndingTermsAreShown(t *testing.T) {
	h := newHouse(t, false)
	for left, says := range map[time.Duration][]string{
		91 * 24 * time.Hour:             nil,
		60 * 24 * time.Hour:             {"from 2100-01-01 on, in 60 days, only 0 of 7 mandates are left"},
		14*24*time.Hour + 2*time.Minute: {"the term of core-1 ends in 14 days, on 2100-01-01", "only 0 of 7 mandates are left, and 4 decide: then the council can sign nothing"},
		time.Hour:                       {"the term of core-1 ends in less than a day"},
		-time.Hour:                      {"the term of core-1 has ended: it can't approve, propose or sign", "mandates are left"},
	} {
		r := h.start("core-1", func(c *node.Config) {
			c.Now = func() time.Time { return time.Unix(testcouncil.TermEnd, 0).Add(-left) }
		})
		s, err := r.Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range says {
			if !slices.ContainsFunc(s.Warnings, func(w string) bool { return strings.Contains(w, want) }) {
				t.Errorf("%s before: no %q in %q", left, want, s.Warnings)
			}
		}
		if says == nil && slices.ContainsFunc(s.Warnings, func(w string) bool { return strings.Contains(w, "term of") || strings.Contains(w, "mandates") }) {
			t.Errorf("%s before: %q", left, s.Warnings)
		}
		h.stop("core-1")
	}
}

// The end of a term is an event, once for each step, also for a node that is
// started anew in between. Nobody has to look at the status for it.
func TestEndingTermsAreToldOnce(t *testing.T) {
	h := newHouse(t, false)
	hooks := make(chan struct{}, 64)
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { hooks <- struct{}{} }))
	defer srv.Close()
	const m = "core-1"
	live := func(left time.Duration) (told int) {
		r := h.start(m, func(c *node.Config) {
			c.Now = func() time.Time { return time.Unix(testcouncil.TermEnd, 0).Add(-left) }
			c.Hooks = []node.Hook{{On: []string{"mandate"}, Webhook: srv.URL}}
		})
		// What is said when a node starts is said before it answers anybody.
		if _, err := r.Status(t.Context()); err != nil {
			t.Fatal(err)
		}
		told = len(h.spoken(m, "mandate"))
		if told > 0 {
			<-hooks // comes of itself, unless the node is stopped before
		}
		h.stop(m)
		return told
	}
	const day = 24 * time.Hour
	for i, step := range []struct {
		left time.Duration
		told int
	}{
		{100 * day, 0}, {89 * day, 1}, {88 * day, 0}, {30 * day, 8}, {29 * day, 0}, {29 * day, 0}, {6 * day, 8}, {5 * day, 0}, {-day, 8}, {-2 * day, 0},
	} {
		if told := live(step.left); told != step.told {
			t.Errorf("life %d, %s before the end: told %d times, want %d", i, step.left, told, step.told)
		}
	}
}

// All terms end on one day, and more hooks want to know than run at once: each is told
// all of it.
func TestEndingTermsReachAllHooks(t *testing.T) {
	h := newHouse(t, false)
	const m, hooks, words = "core-1", 3, 8
	gate, came := make(chan struct{}), make(chan struct{}, 64)
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		<-gate
		came <- struct{}{}
	}))
	defer srv.Close()
	var open sync.Once
	defer open.Do(func() { close(gate) })
	r := h.start(m, func(c *node.Config) {
		c.Now = func() time.Time { return time.Unix(testcouncil.TermEnd, 0).Add(-6 * 24 * time.Hour) }
		for range hooks {
			c.Hooks = append(c.Hooks, node.Hook{On: []string{"mandate"}, Webhook: srv.URL})
		}
	})
	if _, err := r.Status(t.Context()); err != nil { // what is said at the start was said before
		t.Fatal(err)
	}
	if told, failed := len(h.spoken(m, "mandate")), h.spoken(m, "hook-failed"); told != words || len(failed) > 0 {
		t.Fatalf("told %d things; %d notices are lost", told, len(failed))
	}
	open.Do(func() { close(gate) })
	late := time.After(minute)
	for i := range hooks * words {
		select {
		case <-came:
		case <-late:
			t.Fatalf("only %d notices came", i)
		}
	}
}
