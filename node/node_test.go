package node_test

import (
	"math/big"
	"slices"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"

	"github.com/millicent-one/signer/api"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/tss"
)

func gwei(n int64) *big.Int  { return new(big.Int).Mul(big.NewInt(n), big.NewInt(1e9)) }
func ether(n int64) *big.Int { return new(big.Int).Mul(big.NewInt(n), big.NewInt(1e18)) }

func callMsg(to common.Address, data []byte) ethereum.CallMsg {
	return ethereum.CallMsg{To: &to, Data: data}
}

// minute is how long a test waits for what takes seconds on an idle machine.
const minute = 5 * time.Minute

func TestCouncilPauses(t *testing.T) {
	h := newHouse(t, true)
	h.startAll()
	for _, m := range h.council.Roster.IDs() {
		h.await(m, "a ready node", minute, func(r *room) bool {
			s, err := r.Status(t.Context())
			return err == nil && s.Phase == api.Ready && len(s.Chains) == 1 && s.Chains[0].Balance != nil
		})
	}
	id := h.propose("core-1", "pause")
	for _, m := range []council.MemberID{"core-1", "core-2", "community-1"} {
		h.approve(m, m, id)
	}
	h.await("core-4", "seven verdicts", minute, func(r *room) bool { p := r.proposal(t, id); return len(p.Verdicts) == 7 && p.Have == 3 })
	p := h.rooms["core-4"].proposal(t, id)
	if p.State != api.Open || p.Nonce != nil || h.paused() {
		t.Fatalf("after three approvals: %+v", p)
	}
	for _, v := range p.Verdicts {
		if v.At.Before(p.Proposed) || v.At.After(h.now()) {
			t.Errorf("%s judged at %s what was proposed at %s", v.Member, v.At, p.Proposed)
		}
	}
	h.approve("community-2", "community-2", id)
	for _, m := range h.council.Roster.IDs() {
		h.await(m, "finality", minute, inState(t, id, api.Final))
	}
	for _, m := range h.council.Roster.IDs() {
		// A session that stays in the table is one that can't be started later.
		if open, err := h.rooms[m].Sessions(t.Context()); err != nil || open != 0 {
			t.Errorf("%s: %d sessions after the signature (%v)", m, open, err)
		}
	}
	p = h.rooms["core-3"].proposal(t, id)
	if !h.paused() {
		t.Fatal("the protocol runs on")
	}
	tx, _, err := h.eth.TransactionByHash(t.Context(), *p.TxHash)
	if err != nil {
		t.Fatal(err)
	}
	from, err := types.Sender(types.LatestSignerForChainID(tx.ChainId()), tx)
	if err != nil || from != h.genesis.Key || tx.Type() != types.DynamicFeeTxType || tx.Nonce() != 0 {
		t.Errorf("transaction of %s, type %d, nonce %d (%v)", from, tx.Type(), tx.Nonce(), err)
	}
}

func TestNodeDiesInMidSessionAndComesBack(t *testing.T) {
	h := newHouse(t, true)
	h.startAll()
	id := h.propose("core-1", "pause")
	for _, m := range []council.MemberID{"core-1", "core-2", "core-3", "core-4"} {
		h.approve(m, m, id)
	}
	h.await("community-1", "an attempt", minute, func(r *room) bool { return len(r.proposal(t, id).Attempts) > 0 })
	first := h.rooms["community-1"].proposal(t, id).Attempts[0]
	victim := first.Signers[1].Member
	h.stop(victim)
	watcher := council.MemberID("community-1")
	if victim == watcher {
		watcher = "community-2"
	}
	h.await(watcher, "a transaction", minute, inState(t, id, api.Mined, api.Final))
	p := h.rooms[watcher].proposal(t, id)
	if *p.Nonce != first.Nonce {
		t.Errorf("nonce %d; the first attempt was for %d", *p.Nonce, first.Nonce)
	}
	h.start(victim)
	h.await(victim, "what it missed", minute, inState(t, id, api.Mined, api.Final))
	// The council goes on with the next nonce.
	next := h.propose(victim, "unpause")
	for _, m := range []council.MemberID{"core-1", "core-2", "core-3", "core-4"} {
		h.approve(m, m, next)
	}
	h.await(watcher, "the next transaction", minute, inState(t, next, api.Mined, api.Final))
	if q := h.rooms[watcher].proposal(t, next); *q.Nonce != first.Nonce+1 {
		t.Errorf("the next proposal got nonce %d", *q.Nonce)
	}
	if h.paused() {
		t.Error("still paused")
	}
}

func TestSevenNodesMakeAKey(t *testing.T) {
	h := newHouse(t, false)
	h.startAll()
	ids := h.council.Roster.IDs()
	kept := set(t) // core-1 has made its primes ahead
	if err := h.rooms["core-1"].keys.PutSpare(kept); err != nil {
		t.Fatal(err)
	}
	type result struct {
		g   council.Genesis
		err error
	}
	results := make(chan result, len(ids))
	var stages []string
	for i, m := range ids {
		r := h.rooms[m]
		go func() {
			g, err := r.Keygen(t.Context(), func(p api.Progress) {
				if i == 0 && !slices.Contains(stages, p.Stage) {
					stages = append(stages, p.Stage)
				}
			})
			results <- result{g, err}
		}()
	}
	var first council.Genesis
	for range ids {
		r := <-results
		if r.err != nil {
			t.Fatal(r.err)
		}
		if first.Key == (common.Address{}) {
			first = r.g
		}
		if r.g.ID() != first.ID() {
			t.Fatalf("two birth records: %s and %s", r.g.Key, first.Key)
		}
	}
	if err := first.Verify(h.council.Roster); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"pre-parameters", "generating", "proving"} {
		if !slices.Contains(stages, want) {
			t.Errorf("progress names %v; %q is missing", stages, want)
		}
	}
	_, secret, err := h.rooms["core-1"].keys.Current()
	if err != nil {
		t.Fatal(err)
	}
	share, err := tss.UnmarshalShare(secret)
	if err != nil {
		t.Fatal(err)
	}
	spare, err := tss.UnmarshalPreParams(kept)
	if err != nil {
		t.Fatal(err)
	}
	seen := tss.Seen{}
	if seen.Add(share.Moduli()...); !spare.Served(seen) {
		t.Error("the ceremony did not take the spare set")
	}
	if have, err := h.rooms["core-1"].keys.HasSpare(); have || err != nil {
		t.Errorf("the spare set is still there (%v)", err)
	}
	// A restart finds the share and the record.
	h.stop("core-1")
	h.start("core-1")
	h.await("core-1", "the key", minute, func(r *room) bool {
		s, err := r.Status(t.Context())
		return err == nil && s.Council != nil && s.Council.Address == first.Key && s.Phase == api.Ready
	})
}
