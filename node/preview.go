package node

import (
	"context"

	"github.com/millicent-one/signer/agenda"
	"github.com/millicent-one/signer/api"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/policy"
)

// preview decodes and judges a deed, and tells nobody.
func (n *Node) preview(ctx context.Context, deed council.Transaction) (v api.Proposal, err error) {
	var g *council.Genesis
	if err := n.call(ctx, func() error { g = n.agenda.Genesis(); return nil }); err != nil {
		return v, err
	}
	if g == nil {
		return v, api.Fail(api.NotReady, "", agenda.ErrNoKey)
	}
	short, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	facts, err := n.chains[deed.Chain].client.Facts(short, g.Key, deed, n.policy.Needs(deed))
	if err != nil {
		return v, api.Fail(api.Upstream, "", err)
	}
	d := n.policy.Evaluate(policy.Input{Intent: deed, From: g.Key, Facts: facts, Now: uint64(n.now().Unix()), Head: facts.Block})
	p := &agenda.Proposal{Intent: deed, Proposer: n.self, At: uint64(n.now().Unix()), Verdict: &d, Verdicts: map[council.MemberID]council.Judged{
		n.self: {Allow: d.Allow, Rule: d.Rule, Reason: d.Reason, Block: facts.Block},
	}}
	if p.ID, err = council.Propose(g.ID(), deed); err != nil {
		return v, api.Fail(api.Invalid, "", err)
	}
	p.Action, p.Unread = n.policy.Describe(deed)
	err = n.call(ctx, func() error { v = n.viewProposal(p); return nil })
	return v, err
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
