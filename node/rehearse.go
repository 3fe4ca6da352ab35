package node

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/policy"
)

// rehearsal is how a playbook on one target fared when it was last tried.
type rehearsal struct {
	policy.Rehearsal
	fault string // why it would revert; "" when it would not, or was never tried
}

func newRehearsals(c *policy.Charter) []rehearsal {
	var out []rehearsal
	for _, r := range c.Rehearsals() {
		out = append(out, rehearsal{Rehearsal: r})
	}
	return out
}

// rehearseAlways tries the charter's ready actions from time to time, so that a
// member learns on a quiet day that the brake would not hold: a role was
// revoked, a contract replaced, a ceiling set too low. Only the own RPCs are
// asked, one question at a time, and not by all members in the same second.
func (n *Node) rehearseAlways(ctx context.Context) {
	pause := rand.N(min(n.rehearseEvery, firstRehearsal)) + 1
	for {
		t := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			t.Stop()
			return
		case <-t.C:
		}
		if n.key() == (common.Address{}) {
			pause = min(n.rehearseEvery, firstRehearsal)
			continue
		}
		n.rehearse(ctx)
		pause = n.rehearseEvery*9/10 + rand.N(n.rehearseEvery/5+1)
	}
}

// rehearse tries all once. What can't be asked now keeps its last result: that
// an RPC is away is told elsewhere.
func (n *Node) rehearse(ctx context.Context) {
	for i, r := range n.charter.Rehearsals() {
		w, ok := n.chains[r.Deed.Chain]
		if !ok {
			continue
		}
		short, cancel := context.WithTimeout(ctx, fetchTimeout)
		a, err := w.client.Rehearse(short, n.key(), r.Deed)
		cancel()
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			n.log.Debug("rehearse", "playbook", r.Playbook, "target", r.Target, "err", err)
		case a.OK:
			n.calls.post(func() { n.rehearsed(i, "") })
		default:
			n.calls.post(func() { n.rehearsed(i, a.Detail) })
		}
	}
}

// rehearsed notes a result, and tells when it is another than before.
func (n *Node) rehearsed(i int, fault string) {
	r := &n.rehearsals[i]
	if r.fault == fault {
		return
	}
	r.fault = fault
	text := r.warning()
	switch {
	case fault == "":
		text = "playbook " + r.Playbook + " on " + r.Target + " would run again"
	case r.Must:
		n.log.Warn("rehearsal", "playbook", r.Playbook, "target", r.Target, "why", fault)
	}
	n.tell("rehearsal", council.ProposalID{}, n.self, text)
}

func (r rehearsal) warning() string {
	return "playbook " + r.Playbook + " on " + r.Target + " would revert now: " + r.fault
}

func (n *Node) rehearsalWarnings() []string {
	var out []string
	for _, r := range n.rehearsals {
		if r.Must && r.fault != "" {
			out = append(out, r.warning())
		}
	}
	return out
}
