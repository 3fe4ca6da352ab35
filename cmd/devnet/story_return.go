package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"

	"github.com/millicent-one/signer/api"
	"github.com/millicent-one/signer/council"
)

// comeBack is step 7: who was away catches up; a signer is killed in the middle
// of a session; and at the end everything is counted.
func (s *story) comeBack(ctx context.Context) error {
	away := s.some("core-4", "community-3")
	if err := each(ctx, away, func(ctx context.Context, m *member) error { return m.start(ctx) }); err != nil {
		return err
	}
	if err := s.meet(ctx, s.members); err != nil {
		return err
	}
	theft, err := s.judged(ctx, away[0], api.Proposal{ID: s.theft}) // who is back judges once it has caught up
	if err != nil {
		return err
	}
	known, err := s.alike(ctx)
	if err != nil {
		return err
	}
	s.say("%s are back: all seven show the same %d proposals, words, verdicts and nonces", list(names(away)), known)
	if err := denied(theft, s.members); err != nil {
		return err
	}
	s.say("they, too, refuse the treasury transfer: seven of seven")
	if err := s.asShown(func() error { return s.killInSession(ctx) }); err != nil {
		return err
	}
	return s.count(ctx)
}

// killInSession kills a signer while it signs, if that comes before the signature does.
func (s *story) killInSession(ctx context.Context) error {
	m := s.some("core-1", "core-2", "community-1", "core-4")
	watcher := m[0]
	name, p, err := s.nextAct(ctx, m[1], "bridge")
	if err != nil {
		return err
	}
	if _, err := s.approve(ctx, p.ID, m[:3]...); err != nil {
		return err
	}
	mark := watcher.tape.mark()
	if _, err := s.approve(ctx, p.ID, m[3]); err != nil {
		return err
	}
	s.say("%s proposes %s: %q; %s approve", m[1].id, p.Short, brief(p.Sentence), list(names(m)))
	joined, err := watcher.tape.await(ctx, mark, func(e api.Event) bool {
		return e.Kind == string(council.WordBegun) && e.Proposal == p.ID && e.Member != watcher.id
	})
	if err != nil {
		return fmt.Errorf("wait for an attempt to begin: %w", err)
	}
	victim := s.member(joined.Member)
	victim.kill()
	after := time.Since(joined.Time)
	s.say("%s %s: killed (SIGKILL) %d ms later", victim.id, joined.Text, after.Milliseconds())
	if err := victim.start(ctx); err != nil {
		return err
	}
	back := time.Now()
	done, err := s.mined(ctx, name, watcher, p.ID)
	if err != nil {
		return err
	}
	with := func(a api.Attempt) bool {
		return slices.ContainsFunc(a.Signers, func(x api.Signer) bool { return x.Member == victim.id })
	}
	worked := signed(done)
	var failed api.Attempt
	for _, a := range done.Attempts {
		if a.Nonce != uint64(len(s.deeds)-1) {
			return fmt.Errorf("attempt %d was at nonce %d; want %d", a.Number, a.Nonce, len(s.deeds)-1)
		}
		if a.State == "failed" && a.Number < worked.Number && with(a) {
			failed = a
		}
	}
	if err := s.stands(ctx, s.sites.bridge, name == "pause bridge"); err != nil {
		return err
	}
	if err := s.meet(ctx, s.members); err != nil {
		return err
	}
	if failed.Number == 0 {
		events, _ := watcher.tape.since(mark)
		told := when(events, func(e api.Event) bool { return e.Kind == "signed" && e.Proposal == p.ID })
		if with(worked) && !told.IsZero() && told.Before(back) {
			return fmt.Errorf("%s died when its part was done: %w", victim.id, errOtherwise)
		}
		return fmt.Errorf("attempts %v; want one with %s that failed, and a later one that worked", states(done), victim.id)
	}
	s.say("so attempt %d ended without a signature (%s); attempt %d, at the same nonce %d, made it", failed.Number, clip(oneLine(failed.Error), 70), worked.Number, worked.Nonce)
	return nil
}

func states(p api.Proposal) []string {
	var out []string
	for _, a := range p.Attempts {
		out = append(out, fmt.Sprintf("%d at nonce %d %s", a.Number, a.Nonce, a.State))
	}
	return out
}

// count checks, at the end, that nothing was signed twice and nothing is lost:
// on the chain, and in every node's books.
func (s *story) count(ctx context.Context) error {
	for _, d := range s.deeds {
		for _, m := range s.members {
			if _, err := s.until(ctx, m, d.ID, "finality", func(p api.Proposal) bool { return p.State == api.Final }); err != nil {
				return err
			}
		}
	}
	known, err := s.alike(ctx)
	if err != nil {
		return err
	}
	if known != len(s.deeds)+1 {
		return fmt.Errorf("%d proposals are known; want %d", known, len(s.deeds)+1)
	}
	all, err := s.ground.transactions(ctx)
	if err != nil {
		return err
	}
	var ours []*types.Transaction
	for _, tx := range all {
		if from, err := sender(tx); err == nil && from == s.key {
			ours = append(ours, tx)
		}
	}
	if len(ours) != len(s.deeds) {
		return fmt.Errorf("the chain holds %d transactions of the council; want %d", len(ours), len(s.deeds))
	}
	for i, tx := range ours {
		if tx.Nonce() != uint64(i) || tx.Hash() != *s.deeds[i].TxHash {
			return fmt.Errorf("transaction %d of the council is %s with nonce %d; want %s", i, tx.Hash().Hex(), tx.Nonce(), s.deeds[i].TxHash.Hex())
		}
	}
	s.say("on chain: %d transactions of the council, nonces 0 to %d, each proposal exactly once", len(ours), len(ours)-1)
	for _, m := range s.members {
		st, err := ask[api.Status](ctx, m, "status")
		if err != nil {
			return err
		}
		if err := s.ledger(m, st.Ledger); err != nil {
			return err
		}
	}
	s.say("in the books of all seven: %d nonces consumed by %d proposals, final; no other pair", len(ours), len(ours))
	s.gist = fmt.Sprintf("nonces 0 to %d, once each", len(ours)-1)
	return nil
}

// ledger compares a node's sign ledger with what has happened.
func (s *story) ledger(m *member, rows []api.LedgerRow) error {
	if len(rows) != len(s.deeds) {
		return fmt.Errorf("the ledger of %s has %d rows: %+v; want %d", m.id, len(rows), rows, len(s.deeds))
	}
	for _, r := range rows {
		if r.Nonce >= uint64(len(s.deeds)) {
			return fmt.Errorf("the ledger of %s knows nonce %d", m.id, r.Nonce)
		}
		d := s.deeds[r.Nonce]
		if r.Proposal != d.ID || r.State != "consumed" || r.TxHash == nil || *r.TxHash != *d.TxHash {
			return fmt.Errorf("the ledger of %s has %s at nonce %d as %s; want %s consumed", m.id, r.Proposal.Short(), r.Nonce, r.State, d.ID.Short())
		}
	}
	return nil
}

// alike waits until all nodes show the same, and then compares once more what
// 'signer list' and 'signer status' print. It returns how many proposals there
// are.
func (s *story) alike(ctx context.Context) (int, error) {
	first := s.members[0]
	glance := time.NewTicker(glanceEvery)
	defer glance.Stop()
	for {
		differ, err := s.compare(func(m *member) ([]api.Proposal, []api.LedgerRow, error) {
			ps, err := m.client.Proposals(ctx)
			if err != nil {
				return nil, nil, err
			}
			st, err := m.client.Status(ctx)
			return ps, st.Ledger, err
		})
		if err != nil && ctx.Err() == nil {
			return 0, err
		}
		if err == nil && differ == "" {
			break
		}
		_, news := first.tape.since(0)
		select {
		case <-news:
		case <-glance.C:
		case <-ctx.Done():
			return 0, fmt.Errorf("wait for all nodes to know the same: %s: %w", differ, context.Cause(ctx))
		}
	}
	known := 0
	differ, err := s.compare(func(m *member) ([]api.Proposal, []api.LedgerRow, error) {
		ps, err := ask[[]api.Proposal](ctx, m, "list", "--all")
		if err != nil {
			return nil, nil, err
		}
		known = len(ps)
		st, err := ask[api.Status](ctx, m, "status")
		return ps, st.Ledger, err
	})
	if err == nil && differ != "" {
		err = fmt.Errorf("%w: %s", errDisagree, differ)
	}
	return known, err
}

// compare looks for the first thing that two nodes tell differently.
func (s *story) compare(look func(*member) ([]api.Proposal, []api.LedgerRow, error)) (string, error) {
	var want map[string]string
	for i, m := range s.members {
		ps, rows, err := look(m)
		if err != nil {
			return "", err
		}
		have := facts(ps, rows)
		if i == 0 {
			want = have
			continue
		}
		for _, key := range slices.Sorted(maps.Keys(union(want, have))) {
			if want[key] != have[key] {
				return fmt.Sprintf("%s: %s has %q, %s has %q", key, s.members[0].id, want[key], m.id, have[key]), nil
			}
		}
	}
	return "", nil
}

func union(a, b map[string]string) map[string]string {
	out := maps.Clone(a)
	maps.Copy(out, b)
	return out
}

// facts are what every node should tell alike of the council's business. How
// far a node's own RPC is with a transaction is not among them, only which it
// is; nor are its own times.
func facts(ps []api.Proposal, rows []api.LedgerRow) map[string]string {
	out := map[string]string{}
	for _, p := range ps {
		tx := common.Hash{}
		if p.TxHash != nil {
			tx = *p.TxHash
		}
		out[p.Short] = fmt.Sprintf("%s by %s, %s, tx %s", p.Sentence, p.Proposer, settled(p.State), tx.Hex())
		for _, w := range p.Approvals {
			out[p.Short+" word of "+string(w.Member)] = fmt.Sprintf("%s %d %s", w.Decision, w.Sequence, w.Reason)
		}
		for _, v := range p.Verdicts {
			out[p.Short+" verdict of "+string(v.Member)] = fmt.Sprintf("%v %s", v.Allow, v.Rule)
		}
		var tries []string
		for _, a := range p.Attempts {
			tries = append(tries, fmt.Sprintf("%d at nonce %d %s", a.Number, a.Nonce, a.State))
		}
		slices.Sort(tries)
		out[p.Short+" attempts"] = strings.Join(tries, ", ")
	}
	for _, r := range rows {
		out[fmt.Sprintf("nonce %d", r.Nonce)] = r.Proposal.Short()
	}
	return out
}

// settled takes the states of a signed transaction together.
func settled(s api.State) api.State {
	switch s {
	case api.Signed, api.Mined, api.Final:
		return api.Signed
	}
	return s
}
