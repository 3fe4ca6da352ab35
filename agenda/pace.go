package agenda

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/millicent-one/signer/council"
)

// Patience is how long a session waits for the messages of others before their
// silence counts against them. It follows from what was measured, so that a
// silent member is noticed in seconds and a slow line is not taken for silence;
// and from what all nodes see alike, so that they lose it in the right order.
type Patience struct {
	// Join is for all to have joined: some look at facts or blocks first.
	Join time.Duration
	// Round is for the messages of one round. Zero: silence never counts, and whoever
	// ordered the session has a time limit of its own.
	Round time.Duration
	// More is added for each round before. A member that waits for another
	// stands still, and those who have all they need then wait for it: this
	// gives it the time to say first whom it waits for.
	More time.Duration
	// Whole is for all rounds together: a member that is only ever just in time
	// is late in the end. Also, who hears nothing of anyone waits so long: it may
	// be itself that is cut off, and then the others know better.
	Whole time.Duration
	// Effort makes Round at least so many times as long as the longest piece of this
	// party's own work: what takes long here takes others as long, or longer.
	Effort int
	// Notice is when people are told who is waited for, in a session that takes long
	// anyway. Zero: when the silence counts.
	Notice time.Duration
}

// After is the patience of a party whose longest piece of work took so long.
func (p Patience) After(work time.Duration) Patience {
	p.Round = max(p.Round, time.Duration(p.Effort)*work)
	return p
}

// Until is when the messages of a step are late: the first is step 0, and since
// is when they began to be waited for.
func (p Patience) Until(step int, began, since time.Time) time.Time {
	more := p.Round + time.Duration(step)*p.More
	due := since.Add(more)
	if joined := began.Add(p.Join + more); due.Before(joined) {
		due = joined
	}
	if end := began.Add(p.Whole); due.After(end) {
		return end
	}
	return due
}

// pace is what this node has learnt about how fast the council signs. It keeps
// no clock: measurements come in with events.
type pace struct {
	timing Timing
	took   []time.Duration                    // the last signatures, whoever made them
	links  map[council.MemberID]time.Duration // a word and its answer
}

func newPace(t Timing) *pace {
	return &pace{timing: t, links: map[council.MemberID]time.Duration{}}
}

// learn takes up how long a signature took, from when its attempt was heard of.
func (p *pace) learn(took time.Duration) {
	if took <= 0 || took > p.timing.Deadline<<MaxPaceDoublings {
		return // read with its beginning, or long after
	}
	p.took = append(p.took, took)
	p.took = p.took[max(len(p.took)-MaxPaceKept, 0):]
}

// reached takes up the time of a word and its answer on a fresh connection. The
// other end has its say in that, so it counts up to a bound.
func (p *pace) reached(m council.MemberID, rtt time.Duration) { p.links[m] = min(rtt, MaxRTT) }

// slowest is the longest way there and back to any of the members.
func (p *pace) slowest(members []council.MemberID) time.Duration {
	var link time.Duration
	for _, m := range members {
		link = max(link, p.links[m])
	}
	return link
}

// grace is how long the next in rank waits for a coordinator of this set: what
// one of them has heard, the other hears a way later, and answers as late.
func (p *pace) grace(set []council.MemberID) time.Duration {
	return p.timing.Grace + 2*p.slowest(set)
}

// hearsay is how long a word takes at most that was said before another one, by
// somebody else.
func (p *pace) hearsay(members []council.MemberID) time.Duration {
	return p.timing.Grace/5 + p.slowest(members)
}

// patience is what a session of these members gets: for each round half of what
// the slowest of the last signatures took as a whole, and the way there and back
// twice. Should all have become slow at once, it grows with the attempts that
// failed. Nobody can stretch it far: a round gets a third of timing.Deadline at
// most, and all together the deadline.
func (p *pace) patience(members []council.MemberID, failed int, deadline time.Duration) Patience {
	t := p.timing
	round, whole := 2*t.Silence, t.Deadline
	if len(p.took) > 0 {
		slowest := slices.Max(p.took)
		round, whole = max(slowest/2, t.Silence), 8*slowest
	}
	longer := min(failed/2, MaxPaceDoublings)
	round = min((round+2*p.slowest(members))<<longer, t.Deadline/3)
	return Patience{Join: 2 * p.grace(members), Round: round, More: round / 6, Whole: min(max(whole<<longer, 4*round), deadline)}
}

// deadline is how long an attempt at a nonce may take as a whole. It doubles with
// every two that all their signers had joined and that failed, or machines that
// are slow enough would never sign. Numbers of attempts don't count here: one
// member's word can lead them ahead.
func (a *Agenda) deadline(p *Proposal, nonce uint64) time.Duration {
	return a.timing.Deadline << min(p.failures(nonce)/2, MaxPaceDoublings)
}

// Patience is how long a session of this node waits for silent members.
func (a *Agenda) Patience(id council.SessionID, members []council.MemberID) Patience {
	if _, ok := a.ceremonySession(id); ok {
		return a.timing.ceremonial()
	}
	if a.armingSet(id) != nil {
		return Patience{Notice: a.timing.Remind}
	}
	for _, l := range a.every() {
		if l.try != nil && l.try.session == id {
			b := l.try.begin
			p := a.proposals[b.Proposal]
			return a.pace.patience(members, p.failures(b.Nonce), a.deadline(p, b.Nonce))
		}
	}
	return a.pace.patience(members, 0, a.timing.Deadline)
}

// paced learns from a signature that this node has heard of from its beginning.
func (a *Agenda) paced(p *Proposal, s council.Signed) {
	for _, at := range p.Attempts {
		if at.Number == s.Attempt && at.Nonce == s.Nonce && !at.Heard.IsZero() {
			a.pace.learn(a.now.Sub(at.Heard))
		}
	}
}

// stalled gives up an attempt that has waited too long, on account of exactly
// those whose messages are missing.
func (a *Agenda) stalled(ev Stalled) {
	if a.proclaimStalled(ev) || a.ceremonyStalled(ev) {
		return
	}
	for _, l := range a.every() {
		if l.try == nil || l.try.session != ev.Session {
			continue
		}
		var silent []council.MemberID
		for _, m := range ev.Waiting {
			if m != a.self && slices.Contains(l.try.begin.Signers, m) {
				silent = append(silent, m)
			}
		}
		a.giveUp(l, silent, fmt.Sprintf("nothing of %s in %s for %s", council.Names(silent), ev.Round, ev.For.Round(100*time.Millisecond)))
		return
	}
}

// behind reports whether a Begin is for a nonce that this node does not know to
// be free yet, because the coordinator's RPC is a block ahead of its own: then
// the next block tells, and the coordinator is not refused for it. So it is where this
// node is about to know what has used the nonce before.
func (a *Agenda) behind(l *lane, p *Proposal, b council.Begin) bool {
	if !l.known || b.Nonce != l.nonce && b.Nonce != l.nonce+1 || p.Intent.ChainID() != b.Chain {
		return false
	}
	n, err := a.nonceFor(l, p)
	if b.Nonce == l.nonce {
		var g *gapError
		return errors.As(err, &g) && g.soon
	}
	return err != nil || n != b.Nonce
}

// mayHold bounds what is held of one coordinator, so that it can't take the room
// of the others.
func (l *lane) mayHold(from council.MemberID) bool {
	n := 0
	for _, h := range l.held {
		if h.from == from {
			n++
		}
	}
	return n < MaxHeldPerMember && len(l.held) < MaxHeldBegins
}
