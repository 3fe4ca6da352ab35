package node

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"

	"github.com/ethereum/go-ethereum/params"

	"github.com/millicent-one/signer/agenda"
	"github.com/millicent-one/signer/api"
	"github.com/millicent-one/signer/council"
)

// What a raw proposal gets when its proposer names no ceilings. The charter's
// rules have the last word.
const (
	rawGas     = 1_000_000
	rawFee     = 200 * params.GWei
	rawTip     = 5 * params.GWei
	rawSeconds = 24 * 3600
)

// Status implements api.Backend.
func (n *Node) Status(ctx context.Context) (s api.Status, err error) {
	err = n.call(ctx, func() error { s = n.viewStatus(); return nil })
	return s, err
}

// Proposals implements api.Backend.
func (n *Node) Proposals(ctx context.Context) (out []api.Proposal, err error) {
	err = n.call(ctx, func() error {
		all := n.agenda.Proposals()
		for _, p := range slices.Backward(all) {
			out = append(out, n.viewProposal(p))
		}
		return nil
	})
	return out, err
}

// Proposal implements api.Backend.
func (n *Node) Proposal(ctx context.Context, prefix string) (v api.Proposal, err error) {
	err = n.call(ctx, func() error {
		p, err := n.find(prefix)
		if err != nil {
			return err
		}
		v = n.viewProposal(p)
		return nil
	})
	return v, err
}

// find looks a proposal up by the beginning of its id.
func (n *Node) find(prefix string) (*agenda.Proposal, error) {
	if err := api.CheckPrefix(prefix); err != nil {
		return nil, err
	}
	want := strings.TrimPrefix(strings.ToLower(prefix), "0x")
	var found []*agenda.Proposal
	for _, p := range n.agenda.Proposals() {
		if strings.HasPrefix(p.ID.Hex()[2:], want) {
			found = append(found, p)
		}
	}
	switch len(found) {
	case 0:
		return nil, api.Failf(api.NotFound, "'signer list' shows those this node knows", "no proposal begins with %s", prefix)
	case 1:
		return found[0], nil
	}
	return nil, api.Failf(api.Ambiguous, "type more of it", "%d proposals begin with %s", len(found), prefix)
}

// Propose implements api.Backend.
func (n *Node) Propose(ctx context.Context, r api.ProposeRequest) (v api.Proposal, err error) {
	deed, err := n.deed(r)
	if err != nil {
		return v, err
	}
	if err := deed.Valid(); err != nil {
		return v, api.Fail(api.Invalid, "", err)
	}
	if _, ok := n.chains[deed.Chain]; !ok {
		return v, api.Failf(api.Invalid, "name its RPCs under chains: in signer.yaml", "chain %d is not configured at this node", deed.Chain)
	}
	if r.Preview {
		return n.preview(ctx, deed)
	}
	err = n.call(ctx, func() error {
		if n.restoring() {
			return api.Fail(api.NotReady, "", errors.New(n.agenda.Watching()))
		}
		body, id, err := n.agenda.Admit(deed, n.now())
		if errors.Is(err, agenda.ErrNoKey) {
			return api.Fail(api.NotReady, "", err)
		} else if err != nil {
			return api.Fail(api.Invalid, "", err)
		}
		if _, known := n.agenda.Proposal(id); known {
			return api.Failf(api.Conflict, "'signer show' shows it", "proposal %s is known already", id.Short())
		}
		ev, err := n.append(council.WordProposed, body)
		if err != nil {
			return err
		}
		n.step(ev)
		p, ok := n.agenda.Proposal(id)
		if !ok {
			return fmt.Errorf("proposal %s was not taken up", id.Short())
		}
		v = n.viewProposal(p)
		return nil
	})
	return v, err
}

// deed builds the transaction that a request describes.
func (n *Node) deed(r api.ProposeRequest) (council.Transaction, error) {
	var deed council.Transaction
	seconds := uint64(rawSeconds)
	switch {
	case (r.Playbook == "") == (r.Raw == nil):
		return deed, api.Failf(api.Invalid, "name a playbook, or give a raw call", "a proposal is either a playbook or a raw call")
	case r.Raw != nil:
		deed = council.Transaction{
			Chain: r.Raw.Chain, To: r.Raw.To, Value: new(big.Int), Data: r.Raw.Data,
			MaxGas: rawGas, MaxFeePerGas: big.NewInt(rawFee), MaxTipPerGas: big.NewInt(rawTip),
		}
		if r.Raw.Value != nil {
			deed.Value = r.Raw.Value.Int()
		}
	default:
		var err error
		if deed, seconds, err = n.charter.Playbook(r.Playbook, r.Target, r.Params); err != nil {
			return deed, api.Fail(api.NotFound, "", err)
		}
	}
	if r.Seconds != 0 {
		seconds = r.Seconds
	}
	if seconds > council.MaxValidSeconds {
		return deed, api.Failf(api.Invalid, "a year is the most", "%d seconds of validity", seconds)
	}
	deed.ValidUntil = uint64(n.now().Unix()) + seconds
	if r.MaxGas != 0 {
		deed.MaxGas = r.MaxGas
	}
	if r.MaxFee != nil {
		deed.MaxFeePerGas = r.MaxFee.Int()
	}
	if r.MaxTip != nil {
		deed.MaxTipPerGas = r.MaxTip.Int()
	}
	if deed.MaxTipPerGas.Cmp(deed.MaxFeePerGas) > 0 {
		deed.MaxTipPerGas = deed.MaxFeePerGas
	}
	deed.Reason, deed.Replaces = r.Reason, r.Replaces
	if r.Salt != nil {
		deed.Salt = *r.Salt
	} else {
		rand.Read(deed.Salt[:])
	}
	return deed, nil
}

// Ballot implements api.Backend.
func (n *Node) Ballot(ctx context.Context, r api.BallotRequest) (u api.UnsignedApproval, err error) {
	if r.Member == "" {
		r.Member = n.self
	}
	m, ok := n.roster.Member(r.Member)
	if !ok {
		return u, api.Failf(api.NotFound, "'signer status' lists the members", "%s is not in the roster", r.Member)
	}
	err = n.call(ctx, func() error {
		p, err := n.find(r.Proposal)
		if err != nil {
			return err
		}
		ap, _, err := n.agenda.Ballot(p, r.Member, r.Decision, r.Reason, n.now())
		if err != nil {
			return api.Fail(api.Invalid, "", err)
		}
		if until := uint64(n.now().Unix()) + r.Seconds; r.Seconds != 0 && until < ap.Expires {
			ap.Expires = until
		}
		u, err = api.NewUnsignedApproval(n.agenda.Genesis().ID(), m, ap, p.Intent)
		return err
	})
	return u, err
}

// Vote implements api.Backend.
func (n *Node) Vote(ctx context.Context, ap council.Approval) (v api.Proposal, err error) {
	err = n.call(ctx, func() error {
		if n.restoring() {
			return api.Fail(api.NotReady, "", errors.New(n.agenda.Watching()))
		}
		_, word, err := n.agenda.Vote(ap, n.now())
		switch {
		case errors.Is(err, agenda.ErrNoKey):
			return api.Fail(api.NotReady, "", err)
		case errors.Is(err, agenda.ErrTooLate):
			return api.Fail(api.Conflict, "", err)
		case err != nil:
			return api.Fail(api.Invalid, "", err)
		}
		ev, err := n.append(word, council.Voted{Approval: ap})
		if err != nil {
			return err
		}
		n.tellEntry(ev)
		n.step(ev)
		p, _ := n.agenda.Proposal(ap.Proposal)
		v = n.viewProposal(p)
		return nil
	})
	return v, err
}
