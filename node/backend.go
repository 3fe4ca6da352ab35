package node

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"

	"github.com/ethereum/go-ethereum/params"

	"github.com/millicent-one/signer/agenda"
	"github.com/millicent-one/signer/api"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/journal"
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
func (n *Node) Status(ctx context.Context) (api.Status, error) {
	return ask(ctx, n, func() (api.Status, error) { return n.viewStatus(), nil })
}

// Proposals implements api.Backend.
func (n *Node) Proposals(ctx context.Context) ([]api.Proposal, error) {
	return ask(ctx, n, func() (out []api.Proposal, _ error) {
		for _, p := range slices.Backward(n.agenda.Proposals()) {
			out = append(out, n.viewListed(p))
		}
		return out, nil
	})
}

// Proposal implements api.Backend.
func (n *Node) Proposal(ctx context.Context, prefix string) (api.Proposal, error) {
	return ask(ctx, n, func() (v api.Proposal, _ error) {
		p, err := n.find(prefix)
		if err != nil {
			return v, err
		}
		return n.viewProposal(p), nil
	})
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
	if open := slices.DeleteFunc(slices.Clone(found), n.done); len(open) > 0 { // what is done makes the id of an open one no longer
		found = open
	}
	switch len(found) {
	case 0:
		return nil, api.Failf(api.NotFound, "'signer list' shows those this node knows", "no proposal begins with %s", prefix)
	case 1:
		return found[0], nil
	}
	var ids []council.ProposalID
	for _, p := range found {
		ids = append(ids, p.ID)
	}
	return nil, n.ambiguous(prefix, ids)
}

// done reports whether nothing more comes of a proposal.
func (n *Node) done(p *agenda.Proposal) bool {
	return api.Proposal{State: api.State(n.agenda.State(p)), Intent: api.Intent{Kind: p.Intent.Kind()}}.Done()
}

// ambiguous names the proposals whose ids begin so, and what tells them apart: anyone can
// make one whose id begins like another's.
func (n *Node) ambiguous(prefix string, ids []council.ProposalID) error {
	var each []string
	for i, id := range ids {
		if i == listed {
			each = append(each, fmt.Sprintf("and %d more", len(ids)-i))
			break
		}
		what := id.Hex()
		if p, ok := n.agenda.Proposal(id); ok {
			what += fmt.Sprintf(" (of %s: %s)", p.Proposer, council.Readable(p.Action.Sentence, listedText))
		}
		each = append(each, what)
	}
	return api.Failf(api.Ambiguous, "type more of it", "%d proposals begin with %s: %s", len(ids), prefix, strings.Join(each, "; "))
}

// Propose implements api.Backend.
func (n *Node) Propose(ctx context.Context, r api.ProposeRequest) (v api.Proposal, err error) {
	var old council.ProposalID
	if r.Replaces != "" {
		if old, err = ask(ctx, n, func() (council.ProposalID, error) { return n.replaced(r.Replaces) }); err != nil {
			return v, err
		}
	}
	in, err := n.intent(r, old)
	if err != nil {
		return v, err
	}
	if err := in.Valid(); err != nil {
		return v, api.Fail(api.Invalid, err)
	}
	if _, ok := n.chains[in.ChainID()]; !ok && in.Kind() == council.KindTransaction {
		return v, api.Failf(api.Invalid, "name its RPCs under chains: in signer.yaml", "chain %d is not configured at this node", in.ChainID())
	}
	if r.Preview {
		return n.preview(ctx, in)
	}
	return ask(ctx, n, func() (v api.Proposal, _ error) {
		if n.restoring() {
			return v, api.Fail(api.NotReady, errors.New(n.agenda.Watching()))
		}
		body, id, err := n.agenda.Admit(in, n.now())
		if errors.Is(err, agenda.ErrNoKey) {
			return v, api.Fail(api.NotReady, err)
		} else if err != nil {
			return v, api.Fail(api.Invalid, err)
		}
		if _, known := n.agenda.Proposal(id); known {
			return v, api.Failf(api.Conflict, "'signer show' shows it", "proposal %s is known already", id.Short())
		}
		ev, err := n.append(council.WordProposed, body)
		if err != nil {
			return v, err
		}
		n.step(ev)
		p, ok := n.agenda.Proposal(id)
		if !ok {
			return v, fmt.Errorf("proposal %s was not taken up", id.Short())
		}
		return n.viewProposal(p), nil
	})
}

// replaced is the proposal that another one is to replace, by its id or the beginning. It
// need not be one that this node knows: a nonce may be held by one of which it has heard
// at a rotation alone. A whole id is taken as it is.
func (n *Node) replaced(prefix string) (id council.ProposalID, err error) {
	if err := api.CheckPrefix(prefix); err != nil {
		return id, err
	}
	want := strings.TrimPrefix(strings.ToLower(prefix), "0x")
	if len(want) == 2*len(id) {
		return id, id.UnmarshalText([]byte("0x" + want))
	}
	rows, err := n.book().Rows()
	if err != nil {
		return id, err
	}
	found := map[council.ProposalID]bool{}
	for _, p := range n.agenda.Proposals() {
		found[p.ID] = true
	}
	for _, r := range rows {
		found[r.Proposal] = true
	}
	delete(found, council.ProposalID{}) // of a transaction that is nobody's
	maps.DeleteFunc(found, func(id council.ProposalID, _ bool) bool { return !strings.HasPrefix(id.Hex()[2:], want) })
	ids := slices.SortedFunc(maps.Keys(found), func(a, b council.ProposalID) int { return bytes.Compare(a[:], b[:]) })
	over := func(id council.ProposalID) bool {
		p, known := n.agenda.Proposal(id)
		return known && n.done(p)
	}
	if open := slices.DeleteFunc(slices.Clone(ids), over); len(open) > 0 {
		ids = open
	}
	switch len(ids) {
	case 0:
	case 1:
		return ids[0], nil
	default:
		return id, n.ambiguous(prefix, ids)
	}
	return id, api.Failf(api.NotFound, "'signer status' shows who holds a nonce, and 'signer list' the proposals", "no proposal begins with %s, and none that holds a nonce", prefix)
}

// intent builds what a request describes, which is to replace old, if that is one.
func (n *Node) intent(r api.ProposeRequest, old council.ProposalID) (council.Intent, error) {
	if err := r.Check(); err != nil {
		return nil, err
	}
	if r.Statement == "" && r.TypedData == "" {
		return n.deed(r, old)
	}
	if len(r.Expect) > 0 {
		return nil, api.Failf(api.Invalid, "leave out the expected changes", "a message changes no state")
	}
	if r.Replaces != "" || r.MaxGas != 0 || r.MaxFee != nil || r.MaxTip != nil {
		return nil, api.Failf(api.Invalid, "leave out replaces and the ceilings", "a message has no nonce and no fees")
	}
	until, salt, err := n.lasting(r, rawSeconds)
	if err != nil {
		return nil, err
	}
	if r.Statement != "" {
		return council.Statement{Text: r.Statement, ValidUntil: until, Salt: salt, Reason: r.Reason}, nil
	}
	doc, err := council.ReadTypedData([]byte(r.TypedData))
	if err != nil {
		return nil, api.Fail(api.Invalid, err)
	}
	return council.TypedData{Chain: doc.Chain, Document: []byte(r.TypedData), ValidUntil: until, Salt: salt, Reason: r.Reason}, nil
}

// lasting reads for how long the council may act, and what tells the proposal
// from others like it.
func (n *Node) lasting(r api.ProposeRequest, seconds uint64) (until uint64, salt [32]byte, err error) {
	if r.Seconds != 0 {
		seconds = r.Seconds
	}
	if seconds > council.MaxValidSeconds {
		return 0, salt, api.Failf(api.Invalid, "a year is the most", "%d seconds of validity", seconds)
	}
	if r.Salt != nil {
		salt = *r.Salt
	} else {
		rand.Read(salt[:])
	}
	return uint64(n.now().Unix()) + seconds, salt, nil
}

// deed builds the transaction that a request describes.
func (n *Node) deed(r api.ProposeRequest, old council.ProposalID) (council.Transaction, error) {
	var deed council.Transaction
	seconds := uint64(rawSeconds)
	switch {
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
			return deed, api.Fail(n.unplayed(r), err)
		}
	}
	var err error
	if deed.ValidUntil, deed.Salt, err = n.lasting(r, seconds); err != nil {
		return deed, err
	}
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
	deed.Reason, deed.Replaces, deed.Expect = r.Reason, old, council.SortExpected(r.Expect)
	return deed, nil
}

// unplayed says what is wrong with a request that no transaction could be made of: the
// charter has not got that playbook, or not on that target; or it has, and the request
// lacks what it needs, or gives what it can't use.
func (n *Node) unplayed(r api.ProposeRequest) api.Kind {
	for _, p := range n.charter.Playbooks() {
		if p.Name == r.Playbook && (r.Target == "" || slices.Contains(p.Targets, r.Target)) {
			return api.Invalid
		}
	}
	return api.NotFound
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
	return ask(ctx, n, func() (u api.UnsignedApproval, _ error) {
		p, err := n.find(r.Proposal)
		if err != nil {
			return u, err
		}
		ap, _, err := n.agenda.Ballot(p, r.Member, r.Decision, r.Reason, n.now())
		if err != nil {
			return u, unheard(err)
		}
		if until := uint64(n.now().Unix()) + r.Seconds; r.Seconds != 0 && until < ap.Expires {
			ap.Expires = until
		}
		u, err = api.NewUnsignedApproval(n.agenda.Genesis().ID(), m, ap, p.Intent)
		return u, err
	})
}

// Vote implements api.Backend.
func (n *Node) Vote(ctx context.Context, ap council.Approval) (api.Proposal, error) {
	return ask(ctx, n, func() (v api.Proposal, err error) {
		lost := n.together(func() error {
			err = n.vote(ap)
			return nil
		})
		if err = errors.Join(err, lost); err != nil {
			return v, err
		}
		p, _ := n.agenda.Proposal(ap.Proposal)
		return n.viewProposal(p), nil
	})
}

func (n *Node) vote(ap council.Approval) error {
	if n.restoring() {
		return api.Fail(api.NotReady, errors.New(n.agenda.Watching()))
	}
	read := n.now()
	_, word, err := n.agenda.Vote(ap, read)
	if err != nil {
		return unheard(err)
	}
	ev, err := n.record(word, council.Voted{Approval: ap}, func(e journal.Entry) { n.publishVote(e, ap.Proposal) })
	if err != nil {
		return err
	}
	ev.Read = read
	n.tellEntry(ev)
	n.step(ev)
	return nil
}

// unheard gives its kind to the error of a word that the agenda does not take.
func unheard(err error) error {
	kind := api.Invalid
	switch {
	case errors.Is(err, agenda.ErrNoKey):
		kind = api.NotReady
	case errors.Is(err, agenda.ErrUnknown):
		kind = api.NotFound
	case errors.Is(err, agenda.ErrTooLate):
		kind = api.Conflict
	}
	return api.Fail(kind, err)
}
