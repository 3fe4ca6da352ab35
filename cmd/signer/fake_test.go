package main

import (
	"context"
	"encoding/json"
	"math/big"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/api"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/evidence"
	"github.com/millicent-one/signer/internal/testcouncil"
)

// fakeNode is a node of core-1 with one open proposal. It checks votes as a
// node does, and signs nothing.
type fakeNode struct {
	t       *testing.T
	roster  council.Roster
	council *api.Council // nil before key generation

	mu      sync.Mutex
	ballots map[council.ProposalID]council.Ballot
	order   []council.ProposalID
	votes   map[council.ProposalID][]council.Approval
	frozen  string

	rotation api.Rotation

	shows func(*api.Proposal) // changes what it says of proposals
}

func newFakeNode(t *testing.T) *fakeNode {
	n := &fakeNode{t: t, roster: testcouncil.New(t).Roster, ballots: map[council.ProposalID]council.Ballot{}, votes: map[council.ProposalID][]council.Approval{}}
	n.add(n.intent(1, []byte{0x84, 0x56, 0xcb, 0x59}, "a forged\nmessage"), "On main net: pause the protocol")
	return n
}

func (n *fakeNode) intent(salt byte, data []byte, reason string) council.Transaction {
	return council.Transaction{Chain: 1, To: common.HexToAddress("0x52908400098527886E0F7030069857D2E4169EE7"), Value: new(big.Int), Data: data, MaxGas: 100_000,
		MaxFeePerGas: big.NewInt(50_500_000_000), MaxTipPerGas: big.NewInt(1), ValidUntil: 4_000_000_000, Salt: [32]byte{salt}, Reason: reason}
}

func (n *fakeNode) add(in council.Intent, sentence string) council.ProposalID {
	b := council.Ballot{Council: common.Hash{7}, Roster: n.roster, Intent: in, Sentence: sentence}
	id, err := council.Propose(b.Council, in)
	if err != nil {
		n.t.Error(err)
	}
	n.ballots[id] = b
	n.order = append(n.order, id)
	return id
}

func (n *fakeNode) view(id council.ProposalID) api.Proposal {
	b := n.ballots[id]
	in := b.Intent
	p := api.Proposal{ID: id, Short: id.Short(), State: api.Open, Sentence: b.Sentence, Class: "restrictive", Proposer: "core-2", Proposed: time.Unix(1_700_000_000, 0),
		Expires: time.Unix(int64(in.Expires()), 0), Reason: in.Why(), Intent: api.NewIntent(in), Want: 4,
		Verdicts: []api.Verdict{{Member: "core-1", Allow: true, Rule: "charter/pause", Reason: "allowed", At: time.Unix(1_700_000_002, 0)}, {Member: "core-2", Rule: "member/quiet-hours", Reason: "not at\nnight"}}}
	switch t := in.(type) {
	case council.Transaction:
		p.Call = &api.Call{To: t.To, Label: "protocol", Signature: "pause()"}
		if len(t.Expect) > 0 {
			p.Effects = &api.Effects{OK: true, Sight: council.SightState, Method: "debug_traceCall", Gas: 50_000, Block: 9, Unmet: t.Expect, Hidden: 3,
				Changes: []api.Change{{What: "storage", Text: "storage 0x01 of protocol: 0 becomes 1"}, {What: "nonce", Text: "nonce of council: 0 becomes 1", Expected: true}},
				Moves:   []api.Move{{Watched: true, Text: "5 wei from treasury to 0x07"}, {Text: "6 wei from 0x08 to 0x07"}}}
		}
	case council.Message:
		digest, err := t.Digest()
		if err != nil {
			n.t.Error(err)
		}
		p.Digest, p.Attempts = &digest, []api.Attempt{{Number: 1, State: "running", Coordinator: "core-1"}}
		if strings.Contains(in.Why(), "signed") {
			p.State, p.Signature = api.Signed, append(make([]byte, 64), 27)
		}
	}
	last := map[council.MemberID]council.Approval{}
	for _, a := range n.votes[id] {
		m, err := b.Verify(a, 1_900_000_000)
		if err != nil {
			n.t.Error(err)
		}
		last[m.ID] = a
	}
	for _, m := range n.roster.IDs() {
		a, ok := last[m]
		if !ok {
			p.Missing = append(p.Missing, m)
			continue
		}
		p.Approvals = append(p.Approvals, api.Word{Member: m, Decision: a.Decision, Reason: a.Reason, Sequence: a.Sequence, At: time.Unix(1_800_000_000, 0)})
		if a.Decision == council.Approve {
			p.Have++
		}
	}
	if n.shows != nil {
		n.shows(&p)
	}
	return p
}

func (n *fakeNode) find(prefix string) (council.ProposalID, error) {
	var found []council.ProposalID
	for _, id := range n.order {
		if strings.HasPrefix(id.Hex(), prefix) {
			found = append(found, id)
		}
	}
	if len(found) != 1 {
		return council.ProposalID{}, api.Failf(api.NotFound, "'signer list' shows the ids", "no proposal begins with %s", prefix)
	}
	return found[0], nil
}

func (n *fakeNode) Status(context.Context) (api.Status, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	var r *api.Rotation
	if n.rotation.Stage != "" {
		r = &n.rotation
	}
	roster := &api.Roster{Version: 1, Threshold: 4, Members: n.roster.IDs(), Charter: n.roster.Charter}
	if n.rotation.Commit != nil {
		p := proclaimed(n.t, n.roster)
		roster.Proclaimed = &p
	}
	return api.Status{Rotation: r, Member: "core-1", Phase: api.AwaitingKeygen, Council: n.council, Detail: "waiting for core-4", Started: time.Now(),
		Peers:    []api.Peer{{Member: "core-2", Online: true}, {Member: "core-3", RosterHash: &common.Hash{0xab}}},
		Chains:   []api.Chain{{ID: 1, Detail: "RPC 1 serves chain 5", Balance: api.NewWei(big.NewInt(1_500_000_000_000_000_000))}},
		Warnings: []string{"the balance pays for no emergency"}, Heartbeats: n.heartbeats(),
		Standby: &api.Standby{Depth: 1, Sets: 35, Ready: 15, Own: 12, Slots: 13, Arming: 2,
			Members: map[council.MemberID]int{"core-1": 10, "core-2": 9, "core-3": 0}},
		Roster: roster}, nil
}

// heartbeats are one of core-2, as the made-up node has it.
func (n *fakeNode) heartbeats() []api.Heartbeat {
	hash, err := n.roster.Hash()
	if err != nil {
		n.t.Error(err)
	}
	h, err := council.Heartbeat{Member: "core-2", Roster: hash, Council: common.Hash{7}, Epoch: 1, Time: 1_800_000_000, Version: "v1.2", Share: council.ShareSound, Signs: true}.Sign(testcouncil.NodeKey("core-2"))
	if err != nil {
		n.t.Error(err)
	}
	b, err := council.EncodeHeartbeat(h)
	if err != nil {
		n.t.Error(err)
	}
	return []api.Heartbeat{{Member: h.Member, At: time.Unix(int64(h.Time), 0), Version: h.Version, ShareEpoch: h.Epoch, Share: h.Share.String(), Signs: h.Signs, Record: b}}
}

func (n *fakeNode) Doctor(context.Context) ([]api.Check, error) {
	return []api.Check{{Name: "rpc 1", Outcome: api.Bad, Detail: "serves chain 5, not 1", Hint: "correct its URL"}, {Name: "clock", Outcome: api.OK, Detail: "40 ms off"}}, nil
}

func (n *fakeNode) Propose(_ context.Context, r api.ProposeRequest) (api.Proposal, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	switch {
	case r.Raw != nil && r.Raw.Chain != 1:
		return api.Proposal{}, api.Failf(api.Invalid, "name its RPCs under chains: in signer.yaml", "chain %d is not configured at this node", r.Raw.Chain)
	case r.Raw != nil:
		in := n.intent(2, r.Raw.Data, r.Reason)
		in.Expect = council.SortExpected(r.Expect)
		return n.view(n.add(in, "On main net: an unknown call")), nil
	case r.Statement != "":
		in := council.Statement{Text: r.Statement, ValidUntil: 2_000_000_000, Salt: [32]byte{byte(len(n.order))}, Reason: r.Reason}
		if err := in.Valid(); err != nil {
			return api.Proposal{}, api.Fail(api.Invalid, err)
		}
		return n.view(n.add(in, "Publish the statement")), nil
	case r.TypedData != "":
		in := council.TypedData{Chain: 1, Document: []byte(r.TypedData), ValidUntil: 2_000_000_000, Reason: r.Reason}
		if err := in.Valid(); err != nil {
			return api.Proposal{}, api.Fail(api.Invalid, err)
		}
		return n.view(n.add(in, "Sign typed data")), nil
	case r.Playbook != "pause":
		return api.Proposal{}, api.Failf(api.NotFound, "the charter knows pause", "no playbook %q", r.Playbook)
	}
	return n.view(n.add(n.intent(3, nil, r.Reason), "On main net: pause "+r.Target+" "+r.Params["who"])), nil
}

func (n *fakeNode) Proposals(context.Context) (out []api.Proposal, err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, id := range slices.Backward(n.order) {
		out = append(out, n.view(id))
	}
	return out, nil
}

func (n *fakeNode) Proposal(_ context.Context, prefix string) (api.Proposal, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	id, err := n.find(prefix)
	if err != nil {
		return api.Proposal{}, err
	}
	return n.view(id), nil
}

// Explain says how the made-up node came to allow what is open.
func (n *fakeNode) Explain(_ context.Context, prefix string) (api.Explanation, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	id, err := n.find(prefix)
	if err != nil {
		return api.Explanation{}, err
	}
	if v := n.view(id); v.State != api.Open {
		return api.Explanation{}, api.Failf(api.Conflict, "", "proposal %s is %s", v.Short, v.State)
	}
	return api.Explanation{Member: "core-1", Block: 77, Text: "allowed by charter/pause\n", Tree: json.RawMessage(`{"decision":{"allow":true},"fake":true}`)}, nil
}

func (n *fakeNode) Ballot(_ context.Context, r api.BallotRequest) (api.UnsignedApproval, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	id, err := n.find(r.Proposal)
	if err != nil {
		return api.UnsignedApproval{}, err
	}
	if r.Member == "" {
		r.Member = "core-1"
	}
	m, ok := n.roster.Member(r.Member)
	if !ok {
		return api.UnsignedApproval{}, api.Failf(api.NotFound, "", "%s is not a member", r.Member)
	}
	b := n.ballots[id]
	roster, err := n.roster.Hash()
	if err != nil {
		return api.UnsignedApproval{}, err
	}
	seq := uint64(1)
	for _, a := range n.votes[id] {
		if who, err := b.Verify(a, 1_900_000_000); err == nil && who.ID == r.Member {
			seq = a.Sequence + 1
		}
	}
	return api.NewUnsignedApproval(b.Council, m, council.Approval{Proposal: id, Decision: r.Decision, Action: b.Sentence, Roster: roster,
		Charter: n.roster.Charter, Sequence: seq, Expires: b.Intent.Expires(), Reason: r.Reason}, b.Intent)
}

func (n *fakeNode) Vote(_ context.Context, a council.Approval) (api.Proposal, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	b, ok := n.ballots[a.Proposal]
	if !ok {
		return api.Proposal{}, api.Failf(api.NotFound, "", "no such proposal")
	}
	if _, err := b.Verify(a, 1_900_000_000); err != nil {
		return api.Proposal{}, api.Fail(api.Invalid, err)
	}
	n.votes[a.Proposal] = append(n.votes[a.Proposal], a)
	return n.view(a.Proposal), nil
}

// exhibits are what the made-up node holds against core-2.
func (n *fakeNode) exhibits() []api.Evidence {
	var out []api.Evidence
	for _, r := range testRecords(n.t, n.roster) {
		b, err := evidence.Encode(r)
		if err != nil {
			n.t.Error(err)
		}
		f, err := r.Verify(n.roster)
		if err != nil {
			n.t.Error(err)
		}
		out = append(out, api.Evidence{ID: r.ID(), Short: r.Short(), Kind: r.Kind.String(), Culprit: r.Culprit, Session: r.Session.String(), Message: "sign-5",
			Proven: f.Proven, What: f.What, Rests: f.Rests, Reporter: r.Reporter, Seen: time.Unix(int64(r.Seen), 0), Bytes: len(b), Record: b})
	}
	return out
}

func (n *fakeNode) Evidence(context.Context) ([]api.Evidence, error) {
	all := n.exhibits()
	for i := range all {
		all[i].Record = nil
	}
	return all, nil
}

func (n *fakeNode) EvidenceRecord(_ context.Context, prefix string) (api.Evidence, error) {
	for _, e := range n.exhibits() {
		if strings.HasPrefix(e.ID.Hex(), prefix) {
			return e, nil
		}
	}
	return api.Evidence{}, api.Failf(api.NotFound, "'signer evidence list' shows those this node has", "no evidence begins with %s", prefix)
}

func (n *fakeNode) Keygen(_ context.Context, p func(api.Progress)) (council.Genesis, error) {
	p(api.Progress{Stage: "waiting for members", WaitingFor: []council.MemberID{"core-3", "core-4"}, Why: "offline"})
	p(api.Progress{Stage: "round 1", Done: 1, Total: 5})
	p(api.Progress{Stage: "round 1", Done: 1, Total: 5})
	h, err := n.roster.Hash()
	return council.Genesis{Roster: h, Key: common.HexToAddress("0x8617E340B3D01FA5F11F306F4090FD50E238070D")}, err
}

func (n *fakeNode) NoteBackup(_ context.Context, b api.BackupNote) (api.Backups, error) {
	return api.Backups{Waiting: []council.MemberID{"core-2"}, Made: []api.Backup{{Member: b.Member, SHA256: b.SHA256}}}, nil
}

func (n *fakeNode) Freeze(_ context.Context, r api.FreezeRequest) ([]api.Freeze, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.frozen != "" {
		return nil, api.Failf(api.Conflict, "'signer key thaw' lifts it", "this node is frozen already: %s", n.frozen)
	}
	n.frozen = r.Reason
	return []api.Freeze{{Member: "core-1", Reason: r.Reason}}, nil
}

func (n *fakeNode) Thaw(context.Context, api.FreezeRequest) ([]api.Freeze, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.frozen == "" {
		return nil, api.Failf(api.Conflict, "", "this node is not frozen")
	}
	n.frozen = ""
	return nil, nil
}

func (n *fakeNode) RotationStatus(context.Context) (api.Rotation, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.rotation, nil
}

func (n *fakeNode) BeginRotation(_ context.Context, s council.Succession, t api.CharterText) (api.Rotation, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	text := "all have to be there"
	if t.Charter != "" && t.Actions != "" {
		text += ", with the text of its charter"
	}
	n.rotation = api.Rotation{Stage: "gathering", Roster: s.Roster.Version, Text: text, Missing: []api.Need{{Member: "core-4", Do: "start the node"}}}
	return n.rotation, nil
}

func (n *fakeNode) AbortRotation(_ context.Context, r api.RefuseRequest) (api.Rotation, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.rotation.Stage == "" {
		return n.rotation, api.Failf(api.Conflict, "see 'signer term status'", "nothing was refused: there is nothing to abort")
	}
	n.rotation.Stage, n.rotation.Text, n.rotation.Missing = "aborted", "enough members refuse: "+r.Reason+", roster "+r.Roster, nil
	return n.rotation, nil
}

func (n *fakeNode) CommitWithFour(context.Context) (api.Rotation, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.rotation = api.Rotation{Stage: "committed", Roster: 2, Text: "roster 2 holds the key",
		Commit: &api.Commit{Ceremony: common.Hash{1}, Transcript: common.Hash{2}, ShareEpoch: 2, Locked: []council.MemberID{"core-1", "core-2"}, LastFour: true}}
	return n.rotation, nil
}

func (n *fakeNode) Events(ctx context.Context, _ uint64, _ func(api.Event) error) error {
	<-ctx.Done()
	return ctx.Err()
}
