package node_test

import (
	"strings"
	"testing"
	"time"

	"github.com/millicent-one/signer/api"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/node"
	"github.com/millicent-one/signer/policy"
)

// A delay is waited for by real nodes: people see until when, a node that is
// started anew knows it still, and then the statement is signed.
func TestCouncilWaitsForADelay(t *testing.T) {
	h := newHouse(t, true)
	own, err := policy.LoadMember("policy.yaml", []byte("version: 1\nrules:\n  - {id: slow, effect: allow, actions: [statement], delay: 1h, seats: {community: 1}}\n"), h.charter)
	if err != nil {
		t.Fatal(err)
	}
	slow := func(c *node.Config) { c.Policy = policy.New(h.charter, own) }
	for _, m := range h.council.Roster.IDs() {
		h.start(m, slow)
	}
	h.ready("core-1")
	r := h.rooms["core-1"]
	preview, err := r.Propose(t.Context(), api.ProposeRequest{Statement: "All is well.", Reason: "a test", Preview: true})
	if err != nil || !strings.HasPrefix(preview.Terms, "member/slow: delay of 1h, an approval of a community seat") || preview.NotBefore.Before(h.now().Add(50*time.Minute)) {
		t.Fatalf("preview %+v, %v", preview, err)
	}
	p, err := r.Propose(t.Context(), api.ProposeRequest{Statement: "All is well.", Reason: "a test"})
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range []council.MemberID{"core-1", "core-2", "core-3", "core-4"} {
		h.approve(m, m, p.ID)
	}
	h.await("core-1", "a seat that is lacking", minute, func(r *room) bool {
		p := r.proposal(t, p.ID)
		return p.State == api.Open && p.Have == 4 && p.Detail == "waits for an approval of a community seat"
	})
	h.approve("community-1", "community-1", p.ID)
	waits := func(r *room) bool {
		p := r.proposal(t, p.ID)
		return p.State == api.Approved && strings.Contains(p.Detail, "signs at the earliest") && strings.Contains(p.Detail, "member/slow asks for a delay of 1h")
	}
	for _, m := range h.council.Roster.IDs() {
		h.await(m, "the delay", minute, waits)
	}
	h.pass(40 * time.Minute)
	h.stop("core-2")
	h.start("core-2", slow)
	h.await("core-2", "the delay, after a restart", minute, func(r *room) bool {
		return waits(r) && r.proposal(t, p.ID).NotBefore.Before(h.now().Add(21*time.Minute))
	})
	h.pass(21 * time.Minute)
	h.await("core-2", "the signature", minute, func(r *room) bool { return r.proposal(t, p.ID).State == api.Signed })
}
