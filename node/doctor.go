package node

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/millicent-one/signer/api"
	"github.com/millicent-one/signer/council"
)

// Doctor implements api.Backend.
func (n *Node) Doctor(ctx context.Context) ([]api.Check, error) {
	s, err := n.Status(ctx)
	if err != nil {
		return nil, err
	}
	var out []api.Check
	add := func(name string, o api.Outcome, detail, hint string) {
		out = append(out, api.Check{Name: name, Outcome: o, Detail: detail, Hint: hint})
	}
	switch s.Phase {
	case api.Over:
		add("phase", api.OK, "over: "+s.Detail, "")
		return out, nil // the council is no business of this node any more
	case api.Ready:
		add("phase", api.OK, "ready: judges, approves and signs", "")
	case api.Watching:
		add("phase", api.Warn, "only watches: "+s.Detail, "wait, or mend what it names")
	case api.Frozen:
		add("phase", api.Bad, "frozen, signs nothing: "+s.Detail, "see docs/runbook.md, 'Compromise'; 'signer key thaw' lifts it if it was a false alarm")
	default:
		add("phase", api.Warn, string(s.Phase)+": "+s.Detail, "every member runs 'signer keygen' once")
	}
	if err := n.roster.InForce(uint64(n.now().Unix())); err != nil {
		add("terms", api.Warn, err.Error(), council.Hint(err))
	} else {
		add("terms", api.OK, "all hold; the first ends "+n.termEnds().Format(time.DateOnly), "")
	}
	online := 1
	var away []council.MemberID
	for _, p := range s.Peers {
		if p.Online {
			online++
		} else {
			away = append(away, p.Member)
		}
		if p.RosterHash != nil {
			add("roster of "+string(p.Member), api.Bad, "it holds roster "+p.RosterHash.Hex(), "compare roster files; all seven must be the same")
		}
	}
	switch {
	case online < n.roster.Threshold:
		add("members", api.Bad, fmt.Sprintf("%d of %d nodes can be reached; away: %s", online, len(n.roster.Members), council.Names(away)), "nothing can be signed with fewer than the threshold: check network, firewall and the addresses under peers:")
	case len(away) > 0:
		add("members", api.Warn, fmt.Sprintf("%d of %d nodes can be reached; away: %s", online, len(n.roster.Members), council.Names(away)), "ask their operators")
	default:
		add("members", api.OK, "all nodes can be reached", "")
	}
	if r := s.Rotation; r != nil && len(r.Missing) > 0 {
		for _, m := range r.Missing {
			add("rotation to roster "+fmt.Sprint(r.Roster), api.Warn, r.Stage+": waits for "+string(m.Member), m.Do)
		}
	}
	if c, ok := n.backupCheck(s); ok {
		out = append(out, c)
	}
	if c, ok := spareCheck(s); ok {
		out = append(out, c)
	}
	n.chainChecks(ctx, s, add)
	frozen := n.freezeWarnings(s.Frozen)
	for _, w := range frozen {
		add("freeze", api.Warn, w, "call that member; docs/runbook.md, 'Compromise', says what the council does; it ends when its operator says 'signer key thaw'")
	}
	full, err := ask(ctx, n, func() ([]string, error) { return n.feedWarnings(), nil })
	if err != nil {
		return nil, err
	}
	for _, w := range full {
		add("feed", api.Warn, w, "find out why that member writes so much; a new roster can leave it out, or take it in under another id")
	}
	for _, w := range s.Warnings {
		if slices.Contains(frozen, w) || slices.Contains(full, w) {
			continue
		}
		add("warning", api.Warn, w, "mend what it names; it goes away by itself then")
	}
	if n.restoring() {
		add("restore", api.Warn, "catching up with the others", "keep this node running while four others are online")
	}
	return out, nil
}

func (n *Node) chainChecks(ctx context.Context, s api.Status, add func(string, api.Outcome, string, string)) {
	for _, c := range s.Chains {
		w := n.chains[c.ID]
		for _, h := range w.client.Survey(ctx) {
			name := fmt.Sprintf("rpc %s (chain %d)", h.Host, c.ID)
			switch err := h.Warning(); {
			case err != nil:
				add(name, api.Bad, err.Error(), cmp.Or(council.Hint(err), "see that the RPC runs and can be reached from this machine, or name another under chains:"))
			case time.Until(time.Unix(int64(h.Head.Time), 0)) > n.timing.MaxSkew:
				add(name, api.Bad, fmt.Sprintf("its head is %s in this node's future", time.Until(time.Unix(int64(h.Head.Time), 0)).Round(time.Second)), "set this machine's clock (NTP)")
			default:
				add(name, api.OK, fmt.Sprintf("head %d, %s old, answered in %s", h.Head.Number, max(h.Age, 0).Round(time.Second), h.Latency.Round(time.Millisecond)), "")
			}
		}
		switch {
		case c.Balance == nil:
		case c.LowBalance:
			add(fmt.Sprintf("gas money on chain %d", c.ID), api.Bad, fmt.Sprintf("%s wei pay for %d emergency transactions at their ceiling", c.Balance, c.Emergencies), "send ether to the council's address")
		default:
			add(fmt.Sprintf("gas money on chain %d", c.ID), api.OK, fmt.Sprintf("%d emergency transactions at their ceiling", c.Emergencies), "")
		}
	}
}
