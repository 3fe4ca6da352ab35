package agenda

import (
	"fmt"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/council"
)

// Court decides what becomes of sessions in which a member was false, or in which
// members have heard different things: what the agenda is told of their end, and
// when, so that who is to blame is named and nobody else. It sees no message; what
// convicts is made, and checked, with package evidence. Not safe for concurrent use.
type Court struct {
	self     council.MemberID
	hearings map[council.SessionID]*hearing
	order    []council.SessionID            // of the hearings, the oldest first
	opened   map[council.SessionID]struct{} // all there ever were: a hearing is forgotten, its id never
	before   map[common.Hash]bool           // Begins that this node joined before it was last started
}

// hearing is what the court knows of one session.
type hearing struct {
	members []council.MemberID
	begin   *council.Begin   // of the attempt that the session is for; nil for others
	culprit council.MemberID // convicted of something in this session
	over    bool
	shown   bool // the others were shown what this node heard

	pending *Failed // the end of the session, until it is clear who is to blame
	until   time.Time
	waits   int
}

// ShowHeard asks for the broadcasts of a session that this node has heard, of the
// message types before one, to be shown to its other members.
type ShowHeard struct {
	Session council.SessionID
	Before  uint8
	To      []council.MemberID
}

// Report gives the agenda an event.
type Report struct{ Event Event }

// Accused reports that the culprit of an attempt is known.
type Accused struct {
	Begin   council.Begin
	Culprit council.MemberID
	Err     error
}

func (ShowHeard) effect() {}
func (Report) effect()    {}
func (Accused) event()    {}

// NewCourt has heard of no session yet.
func NewCourt(self council.MemberID) *Court {
	return &Court{self: self, hearings: map[council.SessionID]*hearing{}, opened: map[council.SessionID]struct{}{}, before: map[common.Hash]bool{}}
}

// Joined notes an attempt of an earlier life, or of a life that this disk has
// forgotten. A session of it would be run anew with other numbers, and what this node
// says in it would contradict what it said then: an honest node never does that.
func (c *Court) Joined(e Recorded) {
	if b, ok := e.Body.(council.Begun); ok && e.Author == c.self {
		c.before[b.Begin] = true
	}
}

// Twice refuses to join an attempt for a second time.
func (c *Court) Twice(b council.Begin) error {
	if c.before[b.Hash()] {
		return council.WithHint(fmt.Errorf("this node joined attempt %d at nonce %d before it was restarted", b.Attempt, b.Nonce), "begin another attempt")
	}
	return nil
}

// Open takes up a session that begins. It refuses one that was there before, however
// long ago: run again, it would say other things than the first time, and both together
// convict this node. Its id says nothing of when that was, so none is ever forgotten.
func (c *Court) Open(id council.SessionID, members []council.MemberID) error {
	if _, ran := c.opened[id]; ran {
		return council.WithHint(fmt.Errorf("session %s has run before", id.Short()), "begin another attempt")
	}
	if len(c.opened) >= MaxOpened {
		return council.WithHint(fmt.Errorf("this process has begun %d sessions, which is the most that it can tell from new ones", len(c.opened)),
			"start the daemon anew: what it has joined is in its feed, and its slots end with it")
	}
	c.opened[id] = struct{}{}
	c.hearings[id] = &hearing{members: members}
	c.order = append(c.order, id)
	for len(c.order) > MaxHearings {
		i := slices.IndexFunc(c.order, func(id council.SessionID) bool { return c.hearings[id].over && c.hearings[id].pending == nil })
		if i < 0 {
			break
		}
		delete(c.hearings, c.order[i])
		c.order = slices.Delete(c.order, i, i+1)
	}
	return nil
}

// Enlisted notes which attempt a session is for.
func (c *Court) Enlisted(e Enlist) {
	if h := c.hearings[e.Session]; h != nil {
		h.begin = &e.Begin
	}
}

// Close notes that a session runs no more.
func (c *Court) Close(id council.SessionID) {
	if h := c.hearings[id]; h != nil {
		h.over = true
	}
}

// Convicted reports whether somebody is convicted of something in a session.
func (c *Court) Convicted(id council.SessionID) bool {
	h := c.hearings[id]
	return h != nil && h.culprit != ""
}

// Failed takes a session's end without a result.
func (c *Court) Failed(ev Failed) []Effect {
	if h := c.hearings[ev.Session]; h != nil && h.culprit != "" {
		ev = guilty(ev.Session, h.culprit, ev.Err)
	}
	return []Effect{Report{ev}}
}

// Differed takes the end of a session whose members have heard different
// broadcasts, of the types before one. Two frames that differ convict, so each shows
// the others what it heard, and the end is not told before the culprit has had its
// time to come out.
func (c *Court) Differed(ev Failed, before uint8, now time.Time) []Effect {
	h := c.hearings[ev.Session]
	if h == nil || h.culprit != "" {
		return c.Failed(ev)
	}
	h.pending, h.until, h.waits = &ev, now.Add(showWait), 1
	if h.shown {
		return nil
	}
	h.shown = true
	return []Effect{ShowHeard{Session: ev.Session, Before: before, To: slices.DeleteFunc(slices.Clone(h.members), func(m council.MemberID) bool { return m == c.self })}}
}

// Tick tells the ends of sessions whose culprits did not come out in time.
func (c *Court) Tick(now time.Time) []Effect {
	var out []Effect
	for _, id := range c.order {
		h := c.hearings[id]
		switch {
		case h.pending == nil || now.Before(h.until):
		case now.After(h.until.Add(heldUp)) && h.waits < showWaits:
			// This process stood still, and what the others show waits for it.
			h.until, h.waits = now.Add(showWait), h.waits+1
		default:
			out = append(out, Report{*h.pending})
			h.pending = nil
		}
	}
	return out
}

// Wake is when the next Tick is due; zero when nothing waits for time alone.
func (c *Court) Wake() (at time.Time) {
	for _, h := range c.hearings {
		if h.pending != nil && (at.IsZero() || h.until.Before(at)) {
			at = h.until
		}
	}
	return at
}

// Convict takes up that a member is convicted of something in a session, and ends
// that session if it runs or waits here. Nobody ends a session by convicting itself
// in one that it has no part in.
func (c *Court) Convict(id council.SessionID, culprit council.MemberID, why error) []Effect {
	h := c.hearings[id]
	if h == nil || h.culprit != "" || !slices.Contains(h.members, culprit) {
		return nil
	}
	h.culprit = culprit
	var out []Effect
	switch {
	case h.pending != nil:
		h.pending = nil
		out = append(out, Report{guilty(id, culprit, why)})
	case !h.over:
		out = append(out, Abort{id}, Report{guilty(id, culprit, why)})
	}
	if h.begin != nil {
		out = append(out, Report{Accused{*h.begin, culprit, why}})
	}
	return out
}

func guilty(id council.SessionID, who council.MemberID, err error) Failed {
	return Failed{Session: id, Suspects: []council.MemberID{who}, Proven: true, Err: err}
}

// accused writes the culprit of an attempt into the feed, if the attempt was given
// up before it was known. Otherwise the one who gives up first, and blames others,
// would be the one who stays unnamed.
func (a *Agenda) accused(ev Accused) {
	b := ev.Begin
	p, ok := a.proposals[b.Proposal]
	if !ok {
		return
	}
	at := p.attempt(b.Hash())
	if at == nil || at.Failed == "" || slices.Contains(at.Suspects, ev.Culprit) {
		return
	}
	a.do(Append{council.WordAttemptFailed, council.AttemptFailed{
		Proposal: b.Proposal, Chain: b.Chain, Nonce: b.Nonce, Attempt: b.Attempt, Suspects: []council.MemberID{ev.Culprit}, Proven: true, Reason: council.Readable(ev.Err.Error(), council.MaxReason),
	}})
}
