package agenda

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"

	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/policy"
)

// Rules can ask for time: a window, a delay, a cool-down, a limit (policy/term.go).
// Until it has come a proposal is no candidate for its lane, so that others pass
// it, and it is looked at again when the time is there.
//
// What the terms rest on comes from the feeds, so a restart changes nothing and
// all nodes find much the same: since when the approvals are complete, from the
// `complete` entries; when proposals were signed, from the `signed` entries. A node
// goes by its own entry, or by the fourth-earliest of all members' entries if that
// is earlier: of four members one is honest, so it is never earlier than some
// honest node knew. So one that was away does not begin to count when it comes
// back, and three that lie about the time gain nothing.

// foresight is how long before its time a proposal's facts and fees are asked for.
const foresight = time.Minute

// record is what a proposal's terms rest on.
type record struct {
	counts    []string                              // the rules that count a signature over it
	asked     *policy.Decision                      // the last of this node's that allows: what the rules ask for
	since     uint64                                // this process: since when the approvals are complete; 0 while they are not
	completes map[council.MemberID]council.Complete // the last of each member
	complete  repeats                               // this node's of these
	verdicts  repeats                               // and its verdicts
	learnt    uint64                                // when this node learnt of the signature; 0 for not known
	stamps    map[council.MemberID]uint64           // each member's first entry about it, by its clock
	begun     uint64                                // when this node last joined an attempt
	early     map[council.MemberID]int              // attempts that a member found too early
	judged    uint64                                // when this node first judged it; 0 while it has not
	mined     uint64                                // when this node first saw it in a block; 0 while it is in none
}

func newRecord(counts []string) record {
	return record{counts: counts, completes: map[council.MemberID]council.Complete{}, stamps: map[council.MemberID]uint64{}, early: map[council.MemberID]int{}}
}

// timed reports whether the rules ask for more than approvals, as far as this node
// knows. A brake's never do: nobody can find one too early.
func (p *Proposal) timed() bool { return p.record.asked != nil && p.record.asked.Terms != "" }

// agreed is the own time, or what the members' times say for sure if that is
// earlier; 0 without an own time.
func (a *Agenda) agreed(own uint64, all []uint64) uint64 {
	if slices.Sort(all); own > 0 && len(all) >= a.roster.Threshold {
		return min(own, all[a.roster.Threshold-1])
	}
	return own
}

// stamp takes up when a member says that it had the signature.
func (a *Agenda) stamp(p *Proposal, author council.MemberID, at uint64, s council.Signed) {
	if !p.proves(s) {
		return
	}
	if p.record.learnt == 0 && !a.replaying {
		p.record.learnt = unix(a.now)
	}
	if _, member := a.roster.Member(author); !member {
		return // four who have left could date it back; without their word it is later, if anything
	}
	if _, ok := p.record.stamps[author]; !ok {
		p.record.stamps[author] = at
	}
}

// proves reports whether an entry holds the signature, or one of them, that this
// node has checked.
func (p *Proposal) proves(s council.Signed) bool {
	if p.Signature != nil {
		return bytes.Equal(p.Signature, s.Signature)
	}
	tx := new(types.Transaction)
	return p.Tx != nil && tx.UnmarshalBinary(s.Tx) == nil && slices.Contains(p.txs, tx.Hash())
}

// pin writes down when this node has learnt of a signature that rules count, if it
// did not make it: the time must be the same after a restart.
func (a *Agenda) pin(p *Proposal) {
	if len(p.record.counts) == 0 || !p.signed() {
		return
	}
	if own, ok := p.record.stamps[a.self]; ok {
		if p.record.learnt == 0 {
			p.record.learnt = own
		}
		return
	}
	if p.record.learnt == 0 {
		p.record.learnt = unix(a.now)
	}
	if p.Signed != nil && p.once("pinned") {
		a.do(Append{council.WordSigned, *p.Signed})
	}
}

// countedAt is the time at which a proposal counts as signed. What this node is
// signing counts from when it joined, and what it has revealed its part of counts
// even if the signature never appeared here: others may have it. So does what others
// had revealed before this roster took over.
func (a *Agenda) countedAt(p *Proposal) (uint64, bool) {
	now := unix(a.now)
	if p.signed() {
		own := p.record.learnt
		if own == 0 {
			own = now
		}
		all := make([]uint64, 0, len(p.record.stamps))
		for _, at := range p.record.stamps {
			all = append(all, at)
		}
		return a.agreed(own, all), true
	}
	l := a.laneOf(p)
	if l.try != nil && l.try.begin.Proposal == p.ID {
		return unix(l.try.since), true
	}
	if a.revealed(p) {
		if p.record.begun == 0 {
			return now, true
		}
		return p.record.begun, true
	}
	nonce := l.nonce
	if n, ok := l.byID[p.ID]; ok {
		nonce = n
	}
	switch {
	case p.Over == "" && a.running(p, nonce):
		return now, true
	case a.rumoured(p):
		return a.latest(p), true
	}
	return 0, false
}

// revealed reports whether this node has given away its part of a signature of p, or
// has seen what it has signed. What others have said of it at a rotation is no such
// thing: a row that is made up must not save a proposal what it has to wait for.
func (a *Agenda) revealed(p *Proposal) bool {
	l := a.laneOf(p)
	n, ok := l.byID[p.ID]
	r := l.rows[n]
	return ok && r.proposal == p.ID && !r.hearsay && (r.state == RowRevealed || r.state == RowConsumed)
}

// rumoured reports whether members have said at a rotation that there may be a
// signature of p.
func (a *Agenda) rumoured(p *Proposal) bool {
	l := a.laneOf(p)
	n, ok := l.byID[p.ID]
	r := l.rows[n]
	return ok && r.proposal == p.ID && r.hearsay && r.state == RowRevealed || a.disputed(p)
}

// latest is the last moment at which what was told at a rotation can have been signed:
// before this roster took over, and before it expired. It may have been earlier, so it
// opens nothing; and it is one time for good, so that a row which is made up holds up
// others no longer than a signature would.
func (a *Agenda) latest(p *Proposal) uint64 {
	at := min(unix(a.now), p.Intent.Expires())
	if a.since > 0 {
		at = min(at, a.since)
	}
	return at
}

// history is what the policy may look at for a proposal. With claims it also
// counts what will be signed before it: older ones under the same rule that could
// be begun now. So nodes that choose at the same moment choose alike.
func (a *Agenda) history(p *Proposal, claims bool) *policy.History {
	return &policy.History{Signed: a.counted(p, claims), Quorum: a.completeSince(p), Again: a.again(p)}
}

// again reports whether the signature is there already, or may be.
func (a *Agenda) again(p *Proposal) bool { return p.signed() || a.revealed(p) }

// History is what the policy may look at for an intent that nobody has proposed.
func (a *Agenda) History(in council.Intent) *policy.History {
	return &policy.History{Signed: a.counted(&Proposal{Intent: in, record: newRecord(a.policy.Counts(in))}, false)}
}

func (a *Agenda) counted(p *Proposal, claims bool) map[string][]uint64 {
	if len(p.record.counts) == 0 {
		return nil
	}
	out := map[string][]uint64{}
	for _, id := range a.order {
		q := a.proposals[id]
		if id == p.ID || !slices.ContainsFunc(q.record.counts, func(r string) bool { return slices.Contains(p.record.counts, r) }) {
			continue
		}
		at, ok := a.countedAt(q)
		if !ok && claims && a.claims(q, p) {
			at, ok = unix(a.now), true
		}
		if !ok {
			continue
		}
		for _, r := range q.record.counts {
			out[r] = append(out[r], at)
		}
	}
	for r, times := range out {
		slices.Sort(times)
		out[r] = times[max(len(times)-policy.MaxHistory, 0):]
	}
	return out
}

// claims reports whether q goes before p under a rule that counts both.
func (a *Agenda) claims(q, p *Proposal) bool {
	if cmp.Or(cmp.Compare(q.At, p.At), bytes.Compare(q.ID[:], p.ID[:])) >= 0 || q.Over != "" || q.Unread != nil || !a.due(q.held, 0) || !a.enough(q) {
		return false
	}
	if ok, _ := a.timely(q, false); !ok {
		return false
	}
	set, _ := a.signers(q, 0, 1) // how many, not who
	return len(set) >= a.roster.Threshold
}

// Outlook is what the rules ask of a proposal at this moment; ok is false when
// this node does not know. It looks at the facts at hand, however old: those that
// it is signed by are fetched when its time has come.
func (a *Agenda) Outlook(p *Proposal) (d policy.Decision, ok bool) {
	switch {
	case p.record.asked == nil && p.Verdict != nil && p.Verdict.Allow:
		return *p.Verdict, true // nobody has proposed it yet
	case p.record.asked == nil:
		return policy.Decision{}, false
	case p.record.asked.Terms == "":
		return *p.record.asked, true
	}
	return a.terms(p, false), true
}

func (a *Agenda) terms(p *Proposal, claims bool) policy.Decision {
	in := a.input(p, a.laneOf(p))
	if claims {
		in.History = a.history(p, true)
	}
	if p.facts != nil {
		in.Head = p.facts.Block
	}
	return a.policy.Evaluate(in)
}

// timely reports whether the time for a proposal has come, by this node's clock
// and by all that are off by MaxSkew at most: else the first in time would call
// the others to what they find too early. If not, it says what is waited for, and
// asks for a Tick.
func (a *Agenda) timely(p *Proposal, claims bool) (ok bool, why string) {
	asked := p.record.asked
	switch {
	case a.again(p):
		return true, ""
	case asked == nil: // a node that denies knows of no terms
		return p.Verdict != nil, "this node has not judged it yet"
	case !p.timed():
		return true, ""
	}
	d := a.terms(p, claims)
	if !d.Allow {
		a.at(a.now.Add(a.timing.Rejudge))
		return false, d.Reason
	}
	from := time.Unix(int64(d.NotBefore), 0).Add(a.timing.MaxSkew)
	to := time.Unix(int64(d.Until), 0)
	switch {
	case d.NotBefore > 0 && a.now.Before(from):
		a.at(from)
		if d.Wait == "" { // it has only just begun
			return false, "begins in a moment, when no clock is behind any more"
		}
		return false, fmt.Sprintf("signs at the earliest %s: rule %s", policy.Clock(d.NotBefore), d.Wait)
	case d.Until > 0 && !a.now.Before(to.Add(-a.timing.MaxSkew)):
		a.at(to)
		return false, "its window closes at " + policy.Clock(d.Until)
	}
	return true, ""
}

// pending says what the terms of an approved proposal wait for, or "".
func (a *Agenda) pending(p *Proposal) string {
	if ok, why := a.timely(p, false); !ok {
		return why
	}
	if ok, _ := a.timely(p, true); !ok {
		return "waits for another proposal that its rules count, which goes first"
	}
	return ""
}

// distant reports whether it is too soon to ask for the facts by which a proposal
// will be signed.
func (a *Agenda) distant(p *Proposal) bool {
	if !p.timed() || a.again(p) {
		return false
	}
	d := a.terms(p, false)
	return d.Allow && d.NotBefore > unix(a.now.Add(foresight))
}

// tooEarly says why this node can't sign a proposal yet, or "".
func (a *Agenda) tooEarly(p *Proposal) string {
	if !p.timed() {
		return ""
	}
	if d := a.terms(p, false); d.Allow && d.NotBefore > unix(a.now) {
		return fmt.Sprintf("not before %s: %s", policy.Clock(d.NotBefore), d.Wait)
	}
	return ""
}

// tooSoonFor takes up that a signer finds an attempt too early. All who hear it
// give its clock time to catch up, those, too, who know already that the attempt
// is over.
func (a *Agenda) tooSoonFor(who council.MemberID, begin common.Hash) {
	for _, p := range a.proposals {
		if at := p.attempt(begin); p.timed() && at != nil && slices.Contains(at.Signers, who) {
			p.record.early[who]++
			a.rest(p.ID)
		}
	}
}

// excused reports whether a member that found an attempt too early is not to be
// suspected for it: its clock may be behind, or it has not read what this node
// has. One that says so time and again keeps the others from signing.
func (a *Agenda) excused(id council.ProposalID, who council.MemberID) bool {
	p, ok := a.proposals[id]
	return ok && p.timed() && p.record.early[who] <= MaxEarlyWords
}

// rest has a proposal wait that was too early for somebody: longer each time, as
// long as that may be an honest clock.
func (a *Agenda) rest(id council.ProposalID) {
	p, ok := a.proposals[id]
	if !ok || !p.timed() {
		return
	}
	n := 0
	for _, words := range p.record.early {
		n = max(n, words)
	}
	if n <= MaxEarlyWords {
		p.held = a.now.Add(a.timing.Hold << n)
	}
}

// tellTerms tells people once what an approved proposal waits for.
func (a *Agenda) tellTerms(p *Proposal) {
	if !p.timed() || !a.enough(p) {
		return
	}
	if d := a.terms(p, false); d.Allow && d.NotBefore > unix(a.now) && p.once("terms "+d.Wait) {
		a.do(Notify{What: "waiting", Proposal: p.ID, Text: fmt.Sprintf("%s is approved; signs at the earliest %s: rule %s", p.Action.Sentence, policy.Clock(d.NotBefore), d.Wait)})
	}
}

// Lacking says which approvals an open proposal waits for.
func (a *Agenda) Lacking(p *Proposal) string {
	const some = "waits for approvals"
	if p.record.asked == nil || p.record.asked.Seats == (policy.Seats{}) {
		return some
	}
	n, have := 0, policy.Seats{}
	for _, m := range a.roster.Members {
		if b, ok := p.Ballots[m.ID]; !ok || b.Decision != council.Approve || b.Expires <= unix(a.now) {
			continue
		}
		n++
		switch m.Seat {
		case council.Core:
			have.Core++
		case council.Community:
			have.Community++
		}
	}
	want := p.record.asked.Seats
	lacks := policy.Seats{Core: max(want.Core-have.Core, 0), Community: max(want.Community-have.Community, 0)}.Approvals()
	switch {
	case lacks == "":
		return some
	case n < max(a.roster.Threshold, p.record.asked.Approvals):
		return some + ", among them " + lacks
	}
	return "waits for " + lacks
}
