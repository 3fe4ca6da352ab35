package node_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/millicent-one/signer/api"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/node"
	"github.com/millicent-one/signer/policy"
)

// A node whose policy denies everything signs nothing, and does not call itself ready.
func TestDenyingNodeIsNotReady(t *testing.T) {
	h := newHouse(t, true)
	h.startAll()
	const m = council.MemberID("core-1")
	h.ready(m)
	h.stop(m)
	h.start(m, func(c *node.Config) { c.Policy = policy.Denying(c.Charter, "the rules don't fit", "mend them") })
	h.await(m, "its word that it denies", minute, func(r *room) bool {
		s, err := r.Status(t.Context())
		return err == nil && s.Phase == api.Watching && s.Detail == "the rules don't fit; mend them"
	})
	checks, err := h.rooms[m].Doctor(t.Context())
	if err != nil || !slices.ContainsFunc(checks, func(c api.Check) bool {
		return c.Name == "phase" && c.Outcome == api.Warn && strings.Contains(c.Detail, "the rules don't fit")
	}) {
		t.Errorf("the doctor says %+v, %v", checks, err)
	}
}
