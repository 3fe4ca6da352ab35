package node

import (
	"context"

	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/agenda"
	"github.com/millicent-one/signer/api"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/policy"
)

// preview decodes and judges an intent, and tells nobody.
func (n *Node) preview(ctx context.Context, in council.Intent) (v api.Proposal, err error) {
	g, err := ask(ctx, n, func() (*council.Genesis, error) { return n.agenda.Genesis(), nil })
	if err != nil {
		return v, err
	}
	if g == nil {
		return v, api.Fail(api.NotReady, agenda.ErrNoKey)
	}
	past, err := ask(ctx, n, func() (*policy.History, error) { return n.agenda.History(in), nil })
	if err != nil {
		return v, err
	}
	facts, err := n.factsFor(ctx, in, g.Key)
	if err != nil {
		return v, err
	}
	d := n.policy.Evaluate(policy.Input{Intent: in, From: g.Key, Facts: facts, Now: uint64(n.now().Unix()), Head: facts.Block, History: past})
	now := uint64(n.now().Unix())
	p := &agenda.Proposal{Intent: in, Proposer: n.self, At: now, Verdict: &d, Verdicts: map[council.MemberID]council.Judged{
		n.self: {Allow: d.Allow, Rule: d.Rule, Reason: d.Reason, Block: facts.Block},
	}, Given: map[council.MemberID]uint64{n.self: now}}
	if p.ID, err = council.Propose(g.ID(), in); err != nil {
		return v, api.Fail(api.Invalid, err)
	}
	p.Action, p.Unread = n.policy.Describe(in)
	effects := n.previewEffects(ctx, in, g.Key, facts)
	v, err = ask(ctx, n, func() (api.Proposal, error) { return n.viewProposal(p), nil })
	v.Effects = effects
	return v, err
}

// previewEffects shows what a transaction would do also where no rule asks for
// it. A node whose RPC can't say shows nothing.
func (n *Node) previewEffects(ctx context.Context, in council.Intent, key common.Address, f council.Facts) *api.Effects {
	q := council.Query{Kind: council.QuerySimulation}
	if _, known := f.Answers[q]; !known && in.Kind() == council.KindTransaction {
		short, cancel := context.WithTimeout(ctx, fetchTimeout)
		defer cancel()
		var err error
		if f, err = n.chains[in.ChainID()].client.Facts(short, key, in, []council.Query{q}); err != nil {
			n.log.Debug("simulate for a preview", "err", err)
		}
	}
	return n.viewEffects(in, f)
}

// viewCall is the decoded tree of calls.
func viewCall(a policy.Action) *api.Call {
	if a.Root == nil {
		return nil
	}
	v := viewOne(a.Root)
	return &v
}

func viewOne(c *policy.Call) api.Call {
	v := api.Call{To: c.To, Label: c.Contract, Signature: c.Function, Args: []api.Argument{}}
	if c.Value != nil && c.Value.Sign() > 0 {
		v.Value = api.NewWei(c.Value)
	}
	for _, a := range c.Args {
		v.Args = append(v.Args, api.Argument{Name: a.Name, Type: a.Type, Value: a.Value})
	}
	for _, i := range c.Calls {
		v.Inner = append(v.Inner, viewOne(i))
	}
	return v
}
