package node_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/core/types"

	"github.com/millicent-one/signer/api"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/node"
)

// A replacement is taken by a real pool that holds what it replaces, at once, though the
// price of the day is that of the other. One whose ceilings are too low for that is not
// proposed.
func TestReplacementIsTakenByThePool(t *testing.T) {
	t.Parallel()
	h := newHouse(t, true)
	for _, m := range h.council.Roster.IDs() {
		h.start(m, func(c *node.Config) { c.Timing.Bump = time.Hour }) // nothing is signed again while no block comes
	}
	goOn := h.chain.Hold()
	t.Cleanup(goOn)
	voters := []council.MemberID{"core-1", "core-2", "community-1", "community-2"}
	signed := func(id council.ProposalID) (tx *types.Transaction) {
		t.Helper()
		h.judged(id, h.council.Roster.IDs()...)
		for _, m := range voters {
			h.approve(m, m, id)
		}
		return h.pooled("core-1", id)
	}
	old := h.propose("core-1", "pause")
	first := signed(old)

	again := api.ProposeRequest{Playbook: "pause", Target: "protocol", Reason: "a test", Replaces: old.Hex(), MaxFee: api.NewWei(first.GasFeeCap()), MaxTip: api.NewWei(first.GasTipCap())}
	h.await("core-1", "its word that the pool has it", minute, func(*room) bool {
		return slices.ContainsFunc(h.spoken("core-1", string(council.WordBroadcast)), func(e api.Event) bool { return e.Proposal == old && e.Member == "core-1" })
	})
	if _, err := h.rooms["core-1"].Propose(t.Context(), again); err == nil || !strings.Contains(err.Error(), "no pool takes it in the place of proposal "+old.Short()) || !strings.Contains(council.Hint(err), "--max-fee '") {
		t.Errorf("proposed with ceilings that are too low: %v", err)
	}
	again.MaxFee, again.MaxTip = nil, nil
	p, err := h.rooms["core-1"].Propose(t.Context(), again)
	if err != nil {
		t.Fatal(err)
	}
	second := signed(p.ID)
	if second.Nonce() != first.Nonce() || !council.FeesOf(second).Outbids(council.FeesOf(first)) {
		t.Errorf("it has nonce %d and %v; what it replaces has %d and %v", second.Nonce(), council.FeesOf(second), first.Nonce(), council.FeesOf(first))
	}
	if _, _, err := h.eth.TransactionByHash(t.Context(), first.Hash()); err == nil {
		t.Error("the pool holds what is replaced still")
	}
	goOn()
	h.await("core-1", "its final block", minute, inState(t, p.ID, api.Final))
	if s := h.rooms["core-1"].proposal(t, old).State; s != api.Displaced {
		t.Errorf("what it replaces is %s", s)
	}
}
