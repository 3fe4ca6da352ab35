package node_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/millicent-one/signer/internal/testcouncil"
	"github.com/millicent-one/signer/node"
)

// The end of the terms is said a month ahead, and what it would mean.
func TestEndingTermsAreShown(t *testing.T) {
	h := newHouse(t, false)
	for left, says := range map[time.Duration][]string{
		31 * 24 * time.Hour:             nil,
		14*24*time.Hour + 2*time.Minute: {"the term of core-1 ends in 14 days, on 2100-01-01", "from 2100-01-01 on only 0 of 7 mandates are left"},
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
