package agenda

import (
	"fmt"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/policy"
)

// proclaimSet are the signers of a try that this node leads: of the sets with it one
// that has been tried least, by whomever, and of those one whose members have failed
// together least. So none is chosen for ever, and the honest come to a set of their
// own: nobody but its members can have it tried.
func (a *Agenda) proclaimSet(all []council.MemberID) (best []council.MemberID) {
	x := a.proclaim
	others := slices.DeleteFunc(slices.Clone(all), func(m council.MemberID) bool { return m == a.self })
	k := a.roster.Threshold - 1
	if choose(len(others), k) > MaxSets { // those to blame least by themselves
		slices.SortStableFunc(others, func(m, o council.MemberID) int {
			return a.atOdds([]council.MemberID{a.self, m}) - a.atOdds([]council.MemberID{a.self, o})
		})
		return council.Sorted(append(others[:k:k], a.self))
	}
	tried, odds := 0, 0
	combine(others, k, func(set []council.MemberID) {
		set = council.Sorted(append(set, a.self))
		t, n := x.heard[setKey(set)], a.atOdds(set)
		if n >= convictedDoubt {
			t += convictedDoubt
		}
		if best == nil || t < tried || t == tried && n < odds {
			best, tried, odds = set, t, n
		}
	})
	return best
}

// atOdds counts how often the members of a set have failed together; a conviction
// outweighs that.
func (a *Agenda) atOdds(set []council.MemberID) (n int) {
	for i, m := range set {
		for _, o := range set[:i] {
			n += a.proclaim.parted[pairOf(m, o)]
		}
		if a.convicted[m] {
			n += convictedDoubt
		}
	}
	return n
}

func pairOf(m, o council.MemberID) [2]council.MemberID {
	return [2]council.MemberID{min(m, o), max(m, o)}
}

// proclaimReady takes up a member's part of the next session's id.
func (a *Agenda) proclaimReady(from council.MemberID, m ProclaimReady) {
	if m.Roster == a.hash && m.Random != (common.Hash{}) {
		a.proclaim.ready[from] = m.Random
	}
}

// proclaimPeer says to a node that has just come what it may have missed.
func (a *Agenda) proclaimPeer() {
	a.proclaim.said, a.proclaim.pause = time.Time{}, a.timing.Retry
}

// proclaimBegin takes up a try that a member leads, this node included. Whoever hears
// it leads none until it can be over: the signers are not to be called twice.
func (a *Agenda) proclaimBegin(from council.MemberID, m ProclaimBegin) {
	x := a.proclaim
	if !a.proclaims() || m.Roster != a.hash || len(m.Signers) != a.roster.Threshold || len(m.Parts) != len(m.Signers) || !slices.Contains(m.Signers, from) {
		return
	}
	for i, s := range m.Signers {
		if in, ok := a.roster.Member(s); !ok || !in.Term.Holds(unix(a.now)) || i > 0 && m.Signers[i-1] >= s {
			return
		}
	}
	if x.led[from] >= MaxProclaimed {
		return
	}
	x.led[from]++
	x.heard[setKey(m.Signers)]++
	for _, s := range m.Signers { // those parts are spent
		delete(x.ready, s)
	}
	x.turn = time.Time{}
	if _, done := x.done[a.roster.Version]; done || x.try != nil {
		return
	}
	i := slices.Index(m.Signers, a.self)
	if i < 0 {
		if until := a.now.Add(a.timing.Deadline); until.After(x.rest) {
			x.rest = until
		}
		return
	}
	if a.watching != "" || a.still(a.self) || x.part == (common.Hash{}) || m.Parts[i] != x.part {
		return
	}
	permit, err := policy.NewProclamationPermit(a.Holding(), m.Signers, mix(m.Parts))
	if err != nil { // the roster has a hash, or this node would not work under it
		return
	}
	x.part = common.Hash{}
	x.tries++
	x.try = &proclaimTry{session: permit.Session(), signers: m.Signers, since: a.now}
	a.do(Proclaim{Permit: permit, Signers: m.Signers})
}

// proclaimSigned takes up what a session of this node has brought.
func (a *Agenda) proclaimSigned(ev Signed) bool {
	t := a.proclaim.try
	if t == nil || t.session != ev.Session {
		return false
	}
	p, err := a.Holding().Proclamation()
	if err == nil {
		p, err = p.Seal(ev.Signature)
	}
	if err != nil {
		a.endProclaim(t.signers, err.Error())
		return true
	}
	a.proclaim.try = nil
	a.proclaimed(p)
	a.do(Append{council.WordRosterSigned, council.RosterSigned{Proclamation: p}})
	return true
}

// proclaimed takes up a proclamation from anyone: it proves itself. Of each roster the
// first one stays; the others say the same.
func (a *Agenda) proclaimed(p council.Proclamation) {
	x := a.proclaim
	h := a.Holding()
	if _, have := x.done[p.Version]; have || p.Council != h.Council || p.Key != h.Key || p.Verify() != nil {
		return
	}
	x.done[p.Version] = p
	if a.replaying || p.Version != a.roster.Version {
		return
	}
	if x.try != nil { // others were faster
		a.do(Abort{Session: x.try.session})
		x.try = nil
	}
	a.do(Notify{What: "roster-signed", Text: fmt.Sprintf("the council's key says that roster %d holds it: 0x%x", p.Version, []byte(p.Signature))})
}

// proclaimFailed learns that a session has ended without a signature.
func (a *Agenda) proclaimFailed(ev Failed) bool {
	t := a.proclaim.try
	if t == nil || t.session != ev.Session {
		return false
	}
	a.endProclaim(ev.Suspects, fmt.Sprintf("%v%s", ev.Err, blame(ev)))
	return true
}

// proclaimStalled gives a session up that has waited too long for some.
func (a *Agenda) proclaimStalled(ev Stalled) bool {
	t := a.proclaim.try
	if t == nil || t.session != ev.Session {
		return false
	}
	a.endProclaim(ev.Waiting, fmt.Sprintf("nothing of %s in %s", council.Names(ev.Waiting), ev.Round))
	return true
}

// proclaimWithout gives a session up whose member has gone, or forgotten it.
func (a *Agenda) proclaimWithout(m council.MemberID, what string) {
	delete(a.proclaim.ready, m)
	if t := a.proclaim.try; t != nil && slices.Contains(t.signers, m) {
		a.endProclaim([]council.MemberID{m}, fmt.Sprintf("the node of %s %s", m, what))
	}
}

// endProclaim ends the try of this node. Who can't tell whose fault it was counts it
// against all of them.
func (a *Agenda) endProclaim(suspects []council.MemberID, why string) {
	x := a.proclaim
	t := x.try
	if len(suspects) == 0 {
		suspects = t.signers
	}
	for i, m := range t.signers {
		for _, o := range t.signers[:i] {
			if slices.Contains(suspects, m) || slices.Contains(suspects, o) {
				x.parted[pairOf(m, o)]++
			}
		}
	}
	x.try, x.failed = nil, why
	x.rest = a.now.Add(min(a.timing.Retry<<min(x.tries, 10), 6*a.timing.Remind))
	a.do(Abort{Session: t.session})
}
