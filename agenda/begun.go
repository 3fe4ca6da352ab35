package agenda

import (
	"maps"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/council"
)

// sound reports whether an attempt that a member says it has joined could be one:
// it and the coordinator sign, with as many others as it takes. Less would be
// joined by all whom it names, and others would wait for it.
func (a *Agenda) sound(author council.MemberID, b council.Begun) bool {
	if len(b.Signers) != a.roster.Threshold || !slices.Contains(b.Signers, author) || !slices.Contains(b.Signers, b.Coordinator) {
		return false
	}
	for i, s := range b.Signers {
		if i > 0 && b.Signers[i-1] >= s || a.author(s).ID == "" {
			return false
		}
	}
	return true
}

// leads counts the attempts at a nonce that a member was the first to speak of,
// and that not all have joined.
func (p *Proposal) leads(m council.MemberID, nonce uint64) int {
	n := 0
	for _, at := range p.Attempts {
		if at.Nonce == nonce && at.Failed == "" && len(at.Joined) > 0 && at.Joined[0] == m && len(at.Joined) < len(at.Signers) {
			n++
		}
	}
	return n
}

// begun takes up that a member has joined an attempt.
func (p *Proposal) begun(author council.MemberID, b council.Begun, now time.Time) {
	at := p.attempt(b.Begin)
	if at == nil {
		if len(p.Attempts) >= MaxAttemptsKept {
			if p.leads(author, b.Nonce) >= MaxLoneWords {
				return // or its new words would keep its old ones from being counted
			}
			// What one member alone has spoken of goes first.
			i := slices.IndexFunc(p.Attempts, func(at Attempt) bool { return len(at.Joined) < 2 })
			p.Attempts = slices.Delete(p.Attempts, max(i, 0), max(i, 0)+1)
		}
		p.Attempts = append(p.Attempts, Attempt{Number: b.Attempt, Nonce: b.Nonce, Begin: b.Begin, Signers: b.Signers, Leader: b.Coordinator, Heard: now})
		at = &p.Attempts[len(p.Attempts)-1]
	}
	if !slices.Contains(at.Signers, author) || slices.Contains(at.Joined, author) {
		return
	}
	at.Joined = append(at.Joined, author)
}

// lead is a member that tells of attempts at a nonce.
type lead struct {
	nonce  uint64
	member council.MemberID
}

// came takes up that a member has come to an attempt at a nonce: it says in its feed
// that it has joined it or has given it up. What as many members as sign have come to
// counts, however far it is from what this node knows: one of them is honest, and
// everyone reads the same feeds, so nobody falls behind for good. From there on, each
// may lead anew.
func (a *Agenda) came(l *lane, m council.MemberID, nonce, attempt uint64) {
	x := lead{nonce, m}
	if attempt <= l.came[x] || !l.near(nonce) {
		return
	}
	before := a.common(l, nonce)
	l.came[x] = attempt
	if now := a.common(l, nonce); now > before {
		l.last[nonce] = max(l.last[nonce], now)
		maps.DeleteFunc(l.leads, func(x lead, _ int) bool { return x.nonce == nonce })
	}
}

// common is the highest attempt at a nonce that as many members as sign have come to.
func (a *Agenda) common(l *lane, nonce uint64) uint64 {
	var all []uint64
	for _, m := range a.roster.Members {
		all = append(all, l.came[lead{nonce, m.ID}])
	}
	slices.Sort(all)
	return all[len(all)-a.roster.Threshold]
}

// numbered counts an attempt that a member says it has joined. The next one has a
// higher number, at which everyone draws its coordinator anew and waits for that one
// anew: so whoever raises the number as it likes could choose who is waited for, and
// that it never ends. What this node has joined counts, and what as many as sign have
// come to. Of the rest, a member raises it MaxLeads times, and then again when as many
// have come further. Whose number the others don't follow any more, they learn of when
// it refuses theirs.
func (a *Agenda) numbered(p *Proposal, author council.MemberID, b council.Begun) {
	l := a.laneOf(p)
	if !l.near(b.Nonce) {
		return
	}
	a.came(l, author, b.Nonce, b.Attempt)
	switch {
	case author == a.self:
		l.last[b.Nonce] = max(l.last[b.Nonce], b.Attempt)
	case b.Attempt > l.last[b.Nonce]:
		l.leadBy(lead{b.Nonce, author}, b.Attempt)
	}
}

// leadBy has a member raise the number of the last attempt, if it may lead again.
func (l *lane) leadBy(x lead, attempt uint64) {
	if l.leads[x] < MaxLeads {
		l.leads[x]++
		l.follow(x.nonce, attempt)
	}
}

// failures counts the attempts at a nonce that all their signers had joined and
// that failed.
func (p *Proposal) failures(nonce uint64) int {
	n := 0
	for _, at := range p.Attempts {
		if at.Nonce == nonce && at.Failed != "" && len(at.Joined) == len(at.Signers) {
			n++
		}
	}
	return n
}

// joined counts the attempts at a nonce that a member has joined.
func (p *Proposal) joined(m council.MemberID, nonce uint64) int {
	n := 0
	for _, at := range p.Attempts {
		if at.Nonce == nonce && slices.Contains(at.Joined, m) {
			n++
		}
	}
	return n
}

// running finds an attempt of others that may still bring the signature: all
// its signers have joined it and have time left, or it has only just begun. What
// not all have joined holds nobody up for long, and not again and again.
func (a *Agenda) running(p *Proposal, nonce uint64) bool {
	lone := map[council.MemberID]int{}
	for _, at := range p.Attempts {
		if at.Nonce != nonce || at.Failed != "" || at.Heard.IsZero() || len(at.Joined) == 0 {
			continue
		}
		patience := a.deadline(p, nonce)
		if len(at.Joined) < len(at.Signers) {
			patience = 2 * a.pace.grace(at.Signers)
			who := at.Joined[0]
			if lone[who]++; lone[who] > MaxLoneWords {
				continue
			}
		}
		if !a.due(at.Heard, patience) {
			return true
		}
	}
	return false
}

func (p *Proposal) attempt(begin common.Hash) *Attempt {
	for i := range p.Attempts {
		if p.Attempts[i].Begin == begin {
			return &p.Attempts[i]
		}
	}
	return nil
}

// attemptFailed takes up that a signer has given an attempt up: nobody can
// finish it any more. A suspicion counts once for each attempt and suspect,
// whoever reports it.
func (a *Agenda) attemptFailed(p *Proposal, author council.MemberID, f council.AttemptFailed) {
	l := a.laneOf(p)
	a.parted(p, author, f.Suspects)
	a.came(l, author, f.Nonce, f.Attempt)
	if author == a.self {
		l.ended(f.Nonce, f.Attempt)
	}
	for i := range p.Attempts {
		at := &p.Attempts[i]
		if at.Number != f.Attempt || at.Nonce != f.Nonce || !slices.Contains(at.Signers, author) {
			continue
		}
		if len(at.Joined) > 1 && f.Attempt <= l.last[f.Nonce] && l.near(f.Nonce) {
			// One member's word ends no number, and nobody's word alone raises one.
			l.over[f.Nonce] = max(l.over[f.Nonce], f.Attempt)
		}
		at.dropped = at.dropped || author == at.Leader
		first := at.Failed == ""
		if first {
			at.Failed = f.Reason
		}
		for _, s := range f.Suspects {
			if slices.Contains(at.Signers, s) && !slices.Contains(at.Suspects, s) {
				at.Suspects = append(at.Suspects, s)
				p.doubt[s]++
			}
		}
		if first && len(f.Suspects) == 0 && author != a.self {
			// It may have heard it from another; but not time and again.
			if p.excuses[author]++; p.excuses[author] > MaxExcuses && !slices.Contains(at.Suspects, author) {
				at.Suspects = append(at.Suspects, author)
				p.doubt[author]++
			}
		}
		if a.replaying || author == a.self {
			continue
		}
		// An attempt that all have joined fails by silence or by a lie, and somebody
		// knows whose; one that is refused has its name in the refusal.
		signers, nameless := at.Signers, len(at.Suspects) == 0 && len(at.Joined) == len(at.Signers)
		if t := l.try; t != nil && t.begin.Hash() == at.Begin {
			a.giveUp(l, nil, string(author)+" gave it up: "+quoted(f.Reason))
		}
		if first && nameless {
			// Who gave it up for another's word names nobody, and may be heard
			// first: the one who knows the name is about to be.
			p.listening = a.now.Add(a.pace.hearsay(signers))
		}
	}
}

// at reports whether a chain and a nonce are a proposal's: what else the feeds
// say about its attempts makes no sense.
func (p *Proposal) at(chain, nonce uint64) bool {
	return chain == p.Intent.ChainID() && (p.lane == nil || nonce == 0)
}
