package agenda

import (
	"fmt"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/council"
)

// BeatEvery is how long after its last heartbeat a node gives the next. One that is
// less than BeatApart later than the last is no news to anybody: a member that gives
// them all the time costs the others no signature to check, and no notice. AbsentAfter
// is when a member that was proven alive before is named as absent.
const (
	BeatEvery   = 10 * time.Minute
	BeatApart   = time.Minute
	AbsentAfter = 24 * time.Hour
)

// RollCall is when each member's node was last proven alive, as this node knows
// it: the latest heartbeat of each, and no other, so that it never grows. It is not
// safe for concurrent use.
type RollCall struct {
	self   council.MemberID
	roster council.Roster
	skew   time.Duration // how far another clock may be ahead
	last   map[council.MemberID]council.Heartbeat
	begun  bool // this process has given one
	ahead  map[council.MemberID]bool
}

// NewRollCall makes a roll call of what was kept. What does not verify under the
// roster is left out: it is of an earlier one.
func NewRollCall(self council.MemberID, r council.Roster, skew time.Duration, kept []council.Heartbeat) *RollCall {
	c := &RollCall{self: self, roster: r, skew: skew, last: map[council.MemberID]council.Heartbeat{}, ahead: map[council.MemberID]bool{}}
	for _, h := range kept {
		if h.Verify(r) == nil && h.Time > c.last[h.Member].Time {
			c.last[h.Member] = h
		}
	}
	return c
}

// Due reports whether this node is to give a heartbeat: when it starts, and each
// BeatEvery. After its clock was set back, or when it is started anew within BeatApart,
// it waits, since nobody takes one that is not later than the last; unless that one
// lies so far ahead that nobody has taken it.
func (c *RollCall) Due(now time.Time) bool {
	own, ok := c.last[c.self]
	switch at := time.Unix(int64(own.Time), 0); {
	case !ok || at.After(now.Add(c.skew)):
		return true
	case !c.begun:
		return !now.Before(at.Add(BeatApart))
	default:
		return !now.Before(at.Add(BeatEvery))
	}
}

// Gave notes this node's own heartbeat.
func (c *RollCall) Gave(h council.Heartbeat) {
	c.last[c.self], c.begun = h, true
}

// Take looks at a heartbeat that a member brought, of whomever. It reports whether
// it is news, to be kept. What is false, or dated ahead of this node's clock, is
// refused. So is one that is older than what is known, if its own member brings
// it: its clock or its disk went back. From others an older one is no fault: they
// pass on what they have. Who it is of, and of when, is looked at first: a signature
// is checked of what would be news, and of no other.
func (c *RollCall) Take(h council.Heartbeat, from council.MemberID, now time.Time) (news bool, _ error) {
	if _, ok := c.roster.Member(h.Member); !ok {
		return false, fmt.Errorf("heartbeat: %.40q is not in the roster", string(h.Member))
	}
	have, known := c.last[h.Member]
	by := time.Unix(int64(h.Time), 0).Sub(now)
	ahead := by > c.skew
	switch {
	case ahead && c.ahead[h.Member]:
		return false, &AheadError{Member: h.Member, By: by.Round(time.Second)}
	case ahead || !known:
	case from == h.Member && h.Time < have.Time:
		return false, council.WithHint(fmt.Errorf("heartbeat: %s brings its own of %s again, after that of %s", from, stamp(h.Time), stamp(have.Time)),
			"its clock was set back, or its disk is an old copy")
	case h.Time < have.Time+uint64(BeatApart/time.Second):
		return false, nil
	}
	if err := h.Verify(c.roster); err != nil {
		return false, err
	}
	if ahead {
		c.ahead[h.Member] = true
		return false, &AheadError{Member: h.Member, By: by.Round(time.Second), News: true}
	}
	c.last[h.Member] = h
	delete(c.ahead, h.Member)
	return true, nil
}

// Absent reports whether a heartbeat ends a long absence, or is a member's first.
func (c *RollCall) Absent(h council.Heartbeat) bool {
	return h.Time > c.last[h.Member].Time+uint64(AbsentAfter/time.Second)
}

// Share is what a member's node last said of its share; zero for nothing.
func (c *RollCall) Share(m council.MemberID) council.ShareHealth { return c.last[m].Share }

// AheadError is a heartbeat that is dated ahead of this node's clock.
type AheadError struct {
	Member council.MemberID
	By     time.Duration
	News   bool // the first since its last good one
}

func (e *AheadError) Error() string {
	return fmt.Sprintf("heartbeat: that of %s is dated %s ahead of this node's clock: check both clocks", e.Member, e.By)
}

// Last are the latest heartbeats, in roster order.
func (c *RollCall) Last() []council.Heartbeat {
	var out []council.Heartbeat
	for _, m := range c.roster.IDs() {
		if h, ok := c.last[m]; ok {
			out = append(out, h)
		}
	}
	return out
}

// Ahead are the members whose heartbeats are refused for their date.
func (c *RollCall) Ahead() []council.MemberID {
	var out []council.MemberID
	for _, m := range c.roster.IDs() {
		if c.ahead[m] {
			out = append(out, m)
		}
	}
	return out
}

// Wrong says what the heartbeats show that people should look after.
func (c *RollCall) Wrong(now time.Time, key common.Hash) []string {
	var out []string
	for _, h := range c.Last() {
		switch gone := now.Sub(time.Unix(int64(h.Time), 0)); {
		case gone > AbsentAfter && h.Member != c.self:
			out = append(out, fmt.Sprintf("%s was last proven alive on %s: ask its operator", h.Member, stamp(h.Time)))
		case h.Share == council.ShareDamaged:
			out = append(out, fmt.Sprintf("the share of %s is damaged on its disk: it has to be restored from its backup before that node stops", h.Member))
		case key != common.Hash{} && h.Council != key && h.Council != common.Hash{}:
			out = append(out, fmt.Sprintf("the node of %s works for another key, that of council %s", h.Member, h.Council.Hex()))
		}
	}
	for _, m := range c.Ahead() {
		out = append(out, fmt.Sprintf("heartbeats of %s are dated ahead of this node's clock and are refused: check both clocks", m))
	}
	return out
}

func stamp(unix uint64) string { return time.Unix(int64(unix), 0).UTC().Format(time.DateTime) + "Z" }
