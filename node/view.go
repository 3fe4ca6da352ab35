package node

import (
	"fmt"
	"slices"
	"time"

	"github.com/millicent-one/signer/agenda"
	"github.com/millicent-one/signer/api"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/journal"
	"github.com/millicent-one/signer/p2p"
)

// viewProposal is a proposal as people are shown it.
func (n *Node) viewProposal(p *agenda.Proposal) api.Proposal {
	a := n.agenda
	v := api.Proposal{
		ID: p.ID, Short: p.ID.Short(), State: api.State(a.State(p)), Sentence: p.Action.Sentence, Class: string(p.Action.Class),
		Proposer: p.Proposer, Proposed: at(p.At), Expires: at(p.Intent.Expires()), Reason: p.Intent.Why(),
		Intent: api.NewIntent(p.Intent), Call: viewCall(p.Action), Want: n.roster.Threshold,
		Verdicts: []api.Verdict{}, Approvals: []api.Word{}, Missing: []council.MemberID{}, Attempts: []api.Attempt{},
	}
	if p.Unread != nil {
		v.Detail = "unreadable: " + p.Unread.Error()
	}
	if deed, ok := p.Intent.(council.Transaction); ok {
		v.Replaces = deed.Replaces
	}
	if d, ok := a.Outlook(p); ok {
		v.Want, v.Terms = max(v.Want, d.Approvals), d.Terms
		if d.NotBefore > uint64(n.now().Unix()) {
			v.NotBefore = at(d.NotBefore)
		}
	}
	for _, m := range n.roster.IDs() {
		if j, ok := p.Verdicts[m]; ok {
			v.Verdicts = append(v.Verdicts, api.Verdict{Member: m, Allow: j.Allow, Rule: j.Rule, Reason: j.Reason, At: at(p.Given[m]), Block: j.Block})
		}
		b, ok := p.Ballots[m]
		if !ok {
			v.Missing = append(v.Missing, m)
			continue
		}
		v.Approvals = append(v.Approvals, api.Word{Member: m, Decision: b.Decision, Reason: b.Reason, Sequence: b.Sequence, At: p.Spoken[m], Expires: at(b.Expires)})
		if b.Decision == council.Approve && b.Expires > uint64(n.now().Unix()) {
			v.Have++
		}
	}
	for _, at := range p.Attempts {
		v.Attempts = append(v.Attempts, n.viewAttempt(p, at))
	}
	if r, ok, err := n.book().RowByProposal(p.ID); err == nil && ok {
		nonce := r.Nonce
		v.Nonce = &nonce
	}
	if n.isMessage(p.ID) {
		digest := p.Digest
		v.Digest, v.Signature, v.Instead = &digest, p.Signature, p.Instead
	}
	if p.Tx != nil {
		h, nonce := p.TxHash(), p.Tx.Nonce()
		v.TxHash, v.Nonce = &h, &nonce
		v.Block, v.GasUsed = p.Where.Block, p.Where.GasUsed
	}
	v.Timing = api.Timing{
		Judged: millis(p.ReadAt, p.JudgedAt), Approved: millis(p.ReadAt, p.QuorumAt), Signed: millis(p.QuorumAt, p.SignedAt),
		Mined: millis(p.SignedAt, p.MinedAt), Finalised: millis(p.MinedAt, p.FinalAt),
	}
	if v.Detail == "" {
		v.Detail = n.detail(p, v)
	}
	if f, ok := p.Facts(); ok {
		v.Effects = n.viewEffects(p.Intent, f)
	}
	return v
}

// viewListed is a proposal in the list of all that there have ever been. Of one that is done
// it leaves out what only who looks at that one reads: a list has to fit into an answer.
func (n *Node) viewListed(p *agenda.Proposal) api.Proposal {
	v := n.viewProposal(p)
	if !v.Done() {
		return v
	}
	v.Call, v.Effects = nil, nil
	for i := range v.Verdicts {
		v.Verdicts[i].Reason = ""
	}
	return v
}

// detail says in words who or what a proposal waits for.
func (n *Node) detail(p *agenda.Proposal, v api.Proposal) string {
	switch v.State {
	case api.Open, api.Judging:
		return n.agenda.Lacking(p)
	case api.Approved:
		if why := n.agenda.Watching(); why != "" {
			return "this node only watches: " + why
		}
		return n.agenda.Blocked(p)
	case api.Refused:
		return n.refusal(v.Verdicts)
	case api.Displaced:
		if p.Instead != (council.ProposalID{}) {
			return "the same is signed as proposal " + p.Instead.Short()
		}
	case api.Signed:
		if p.Signature != nil {
			return ""
		}
		return "is on its way to a block"
	}
	return ""
}

// refusal says why a proposal is refused: as this node says, or else as another does, by name.
func (n *Node) refusal(all []api.Verdict) (why string) {
	for _, j := range all {
		switch {
		case j.Allow:
		case j.Member == n.self:
			return j.Rule + ": " + j.Reason
		case why == "":
			why = string(j.Member) + ": " + j.Rule + ": " + j.Reason
		}
	}
	return why
}

func (n *Node) viewAttempt(p *agenda.Proposal, at agenda.Attempt) api.Attempt {
	v := api.Attempt{
		Proposal: p.ID, Chain: p.Intent.ChainID(), Nonce: at.Nonce, Number: at.Number, Coordinator: at.Leader,
		State: "running", Suspects: at.Suspects, Error: at.Failed, Warm: at.Warm, Started: at.Heard, Signers: []api.Signer{},
	}
	for _, m := range at.Signers {
		b, ok := p.Ballots[m]
		v.Signers = append(v.Signers, api.Signer{Member: m, Assist: !ok || b.Decision != council.Approve})
	}
	switch {
	case p.Signed != nil && p.Signed.Attempt == at.Number && slices.Equal(p.Signed.Signers, at.Signers):
		v.State = "signed"
		v.Millis = millis(p.QuorumAt, p.SignedAt)
	case at.Failed != "":
		v.State = "failed"
	case p.Signed != nil: // whoever began it died before anybody could say so
		v.State, v.Error = "failed", fmt.Sprintf("nothing came of it; attempt %d brought the signature", p.Signed.Attempt)
	}
	return v
}

func millis(from, to time.Time) int64 {
	if from.IsZero() || to.IsZero() {
		return 0
	}
	return max(to.Sub(from).Milliseconds(), 1)
}

func at(unix uint64) time.Time { return time.Unix(int64(unix), 0).UTC() }

// Status implements api.Backend.
func (n *Node) viewStatus() api.Status {
	a := n.agenda
	s := api.Status{
		Version: n.version, Member: n.self, Phase: api.Ready, Started: n.started, Charter: n.roster.Charter, Policy: n.policy.Hash(),
		Peers: []api.Peer{}, Chains: []api.Chain{}, Ledger: []api.LedgerRow{}, Spare: n.viewSpare(), Warnings: slices.Clone(n.warnings),
	}
	hash, err := n.roster.Hash()
	if err == nil {
		s.Roster = &api.Roster{Hash: hash, Version: n.roster.Version, Threshold: n.roster.Threshold, Members: n.roster.IDs(), Charter: n.roster.Charter, TermEnds: n.termEnds()}
		s.Roster.Proclaimed, s.Roster.Unsigned = n.viewProclamation()
	}
	g := a.Genesis()
	switch c, running := a.Ceremony(); {
	case running:
		s.Phase, s.Detail = api.Keygen, c.Stage
	case g == nil && !seated(n.roster, n.self, n.peerID):
		s.Phase, s.Detail = api.Watching, "it is to join: the members let it in when its rotation begins, and tell it of the key"
	case g == nil:
		s.Phase, s.Detail = api.AwaitingKeygen, "every member runs 'signer keygen'"
	case a.Watching() != "":
		s.Phase, s.Detail = api.Watching, a.Watching()
	}
	if why, hint := n.policy.Closed(); why != "" && s.Phase == api.Ready {
		s.Phase, s.Detail = api.Watching, why+"; "+hint
	}
	if why := a.Stopped(); why != "" {
		s.Phase, s.Detail = api.Frozen, why
	}
	if why := n.departed(); why != "" {
		s.Phase, s.Detail = api.Over, why
	}
	if r := n.viewRotation(); r.Stage != "" {
		s.Rotation = &r
	}
	if g != nil {
		s.Backups = n.viewBackups()
		s.Council = &api.Council{ID: g.ID(), Address: g.Key, ShareEpoch: n.holding.Epoch, Transcript: g.Transcript}
	}
	for _, m := range n.roster.Members {
		if m.ID == n.self {
			continue
		}
		p := n.peer(m.ID)
		v := api.Peer{Member: m.ID, Online: p.online, Since: p.since, RosterHash: p.roster, Detail: p.detail}
		if p.online && p.version != "" {
			v.Detail = p.version
		}
		if p.skew.Abs() > n.timing.MaxSkew {
			s.Warnings = append(s.Warnings, "the clock of "+string(m.ID)+" is "+p.skew.String()+" off from this node's: check both")
		}
		s.Peers = append(s.Peers, v)
	}
	for _, id := range sortedKeys(n.chains) {
		c := n.viewChain(n.chains[id])
		if !c.Healthy {
			s.Warnings = append(s.Warnings, fmt.Sprintf("chain %d: %s", id, c.Detail))
		}
		s.Chains = append(s.Chains, c)
	}
	s.Warnings = append(s.Warnings, n.feedWarnings()...)
	s.Warnings = append(s.Warnings, n.gasWarnings()...)
	s.Warnings = append(s.Warnings, n.backupWarnings(s)...)
	s.Warnings = append(s.Warnings, n.rehearsalWarnings()...)
	s.Warnings = append(s.Warnings, n.termWarnings()...)
	s.Warnings = append(s.Warnings, n.beatWarnings()...)
	s.Heartbeats = n.viewBeats()
	s.Frozen = n.viewFreezes()
	s.Warnings = append(s.Warnings, n.freezeWarnings(s.Frozen)...)
	s.Ledger = n.viewLedger()
	s.Standby = n.viewStandby()
	if t, ok := n.transport.(interface{ Stats() p2p.Stats }); ok {
		c := t.Stats()
		s.Traffic = &api.Traffic{FramesOut: c.FramesOut, FramesIn: c.FramesIn, BytesOut: c.BytesOut, BytesIn: c.BytesIn}
	}
	for _, id := range a.Trying() {
		if p, ok := a.Proposal(id); ok && len(p.Attempts) > 0 {
			v := n.viewAttempt(p, p.Attempts[len(p.Attempts)-1])
			s.Attempt = &v
		}
	}
	return s
}

// ledgerShown is how many open rows of each chain are shown, and how many rows with what is
// done.
const ledgerShown = 16

// viewLedger shows the ledger by chain and nonce. What holds up a chain comes before all
// else: the rows from its next nonce on that no block has decided. A member may have made
// up many, far ahead; those are left out first.
func (n *Node) viewLedger() []api.LedgerRow {
	rows, err := n.book().Rows()
	if err != nil {
		n.log.Error("read ledger", "err", err)
	}
	show, open, shown := make([]bool, len(rows)), map[uint64]int{}, 0
	for i, r := range rows { // ascending
		w, ok := n.chains[r.Chain]
		if r.State == journal.Consumed || ok && r.Nonce < w.nonce || open[r.Chain] == ledgerShown {
			continue
		}
		show[i] = true
		open[r.Chain]++
		shown++
	}
	for i := len(rows) - 1; i >= 0 && shown < ledgerShown; i-- {
		w, ok := n.chains[rows[i].Chain]
		if !show[i] && (rows[i].State == journal.Consumed || ok && rows[i].Nonce < w.nonce) {
			show[i] = true
			shown++
		}
	}
	out := make([]api.LedgerRow, 0, shown)
	for i, r := range rows {
		if !show[i] {
			continue
		}
		v := api.LedgerRow{Chain: r.Chain, Nonce: r.Nonce, Proposal: r.Proposal, State: r.State.String(), Attempt: r.Attempt}
		if p, ok := n.agenda.Proposal(r.Proposal); ok && p.Tx != nil {
			h := p.TxHash()
			v.TxHash = &h
		}
		out = append(out, v)
	}
	return out
}

func (n *Node) termEnds() time.Time {
	var first uint64
	for _, m := range n.roster.Members {
		if first == 0 || m.Term.End < first {
			first = m.Term.End
		}
	}
	return at(first)
}
