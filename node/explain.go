package node

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/agenda"
	"github.com/millicent-one/signer/api"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/policy"
)

// Explain implements api.Backend.
func (n *Node) Explain(ctx context.Context, prefix string) (v api.Explanation, _ error) {
	type open struct {
		intent council.Intent
		key    common.Address
	}
	x, err := ask(ctx, n, func() (x open, _ error) {
		p, err := n.find(prefix)
		if err != nil {
			return x, err
		}
		g := n.agenda.Genesis()
		if g == nil {
			return x, api.Fail(api.NotReady, agenda.ErrNoKey)
		}
		switch s := n.agenda.State(p); s {
		case agenda.StateJudging, agenda.StateOpen, agenda.StateApproved, agenda.StateSigning, agenda.StateRefused:
		default:
			return x, api.Failf(api.Conflict, "'signer policy explain' with --charter explains it on assumed facts", "proposal %s is %s: what this node would find now is not what it was judged by", p.ID.Short(), s)
		}
		return open{p.Intent, g.Key}, nil
	})
	if err != nil {
		return v, err
	}
	facts, err := n.factsFor(ctx, x.intent, x.key)
	if err != nil {
		return v, err
	}
	in, err := ask(ctx, n, func() (in policy.Input, _ error) {
		p, err := n.find(prefix)
		if err == nil {
			in = n.agenda.Input(p, facts, n.now())
		}
		return in, err
	})
	if err != nil {
		return v, err
	}
	tree := n.policy.Explain(in)
	v = api.Explanation{Member: n.self, Block: facts.Block, Text: tree.String()}
	if v.Tree, err = json.Marshal(tree); err != nil {
		return v, fmt.Errorf("encode explanation: %w", err)
	}
	return v, nil
}

// factsFor asks the own RPC now for what the policy must know of an intent.
func (n *Node) factsFor(ctx context.Context, in council.Intent, key common.Address) (council.Facts, error) {
	if in.Kind() != council.KindTransaction { // no fact bears on a message
		return council.Facts{}, nil
	}
	chain, ok := n.chains[in.ChainID()]
	if !ok {
		return council.Facts{}, api.Failf(api.NotReady, "add it under chains: in signer.yaml", "this node has no RPC for chain %d", in.ChainID())
	}
	short, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	f, err := chain.client.Facts(short, key, in, n.policy.Needs(in))
	if err != nil {
		return f, api.Fail(api.Upstream, err)
	}
	return f, nil
}
