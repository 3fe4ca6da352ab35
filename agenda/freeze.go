package agenda

import (
	"cmp"
	"fmt"
	"time"

	"github.com/millicent-one/signer/council"
)

// Freeze is a member's word that its node signs nothing, until its operator lifts
// it.
type Freeze struct {
	Member council.MemberID
	Since  uint64 // unix seconds, by the member's clock
	Reason string
}

// FreezeTold is how long nothing is told of a member's freezing after it was told of:
// one that freezes and thaws in turn must not keep the hooks from what matters.
const FreezeTold = time.Hour

// freezeTold is what people were last told of a member's node.
type freezeTold struct {
	frozen bool
	at     time.Time // zero: not in this process
}

// A freeze stops the node of the member that gives it, and no other: nobody can
// freeze somebody else, so one captured member can't keep the council from acting.
// What the others do with the word is not to call that node any more, since it
// would refuse.

// Stop keeps this node from signing, for its operator's reason, and ends what it is
// signing. The node has written it down: no entry of any feed lifts it, for whoever
// has the node key can write those. Empty lifts it.
func (a *Agenda) Stop(reason string, now time.Time) []Effect {
	a.now, a.stopped = now, reason
	if reason != "" {
		a.stopped = readable(reason)
		a.halt(a.stopped)
	}
	out := a.out
	a.out = nil
	return out
}

// Stopped is why this node signs nothing: for the reason that it was stopped for,
// or because its own feed, which a new disk has from the others, says so.
func (a *Agenda) Stopped() string {
	if a.stopped != "" {
		return a.stopped
	}
	return a.freezes[a.self].Reason
}

// Freezes are the members whose nodes sign nothing, in roster order.
func (a *Agenda) Freezes() []Freeze {
	var out []Freeze
	for _, m := range a.roster.IDs() {
		if f, ok := a.freezes[m]; ok {
			out = append(out, f)
		}
	}
	return out
}

// FreezeOf is what a member's feed says of that, if its node signs nothing.
func (a *Agenda) FreezeOf(m council.MemberID) (Freeze, bool) { f, ok := a.freezes[m]; return f, ok }

// Froze reports whether a member's feed says that its node signs nothing.
func (a *Agenda) Froze(m council.MemberID) bool { _, ok := a.freezes[m]; return ok }

// still reports whether a member's node signs nothing.
func (a *Agenda) still(m council.MemberID) bool {
	return a.Froze(m) || m == a.self && a.stopped != ""
}

// froze takes up a member's word. Only the author's own node is meant by it.
func (a *Agenda) froze(e Recorded, f council.Frozen) {
	if e.Seq < a.freezing[e.Author] {
		return
	}
	a.freezing[e.Author] = e.Seq
	first := !a.Froze(e.Author)
	a.freezes[e.Author] = Freeze{Member: e.Author, Since: e.At, Reason: readable(f.Reason)}
	if a.replaying || !first {
		return
	}
	if e.Author == a.self {
		a.halt(a.Stopped())
	} else {
		a.withoutPeer(e.Author, "has frozen its signing")
		a.standbyWithout(e.Author, true)
	}
}

func (a *Agenda) thawed(e Recorded, t council.Thawed) {
	if e.Seq < a.freezing[e.Author] {
		return
	}
	a.freezing[e.Author] = e.Seq
	if !a.Froze(e.Author) {
		return
	}
	delete(a.freezes, e.Author)
	a.thaws[e.Author] = readable(t.Reason)
}

// tellFreezes tells people whose node signs nothing, and whose does again: of each
// member once in FreezeTold. What is as it was told by then is not told.
func (a *Agenda) tellFreezes() {
	for _, m := range a.roster.IDs() {
		f, frozen := a.freezes[m]
		was := a.freezeTold[m]
		if frozen == was.frozen {
			continue
		}
		if next := was.at.Add(FreezeTold); !was.at.IsZero() && a.now.Before(next) {
			a.at(next)
			continue
		}
		a.freezeTold[m] = freezeTold{frozen, a.now}
		if !frozen {
			a.do(Notify{What: "thawed", Text: fmt.Sprintf("the node of %s signs again: %s", m, a.thaws[m])})
			continue
		}
		text := fmt.Sprintf("the node of %s signs nothing from now on: %s", m, f.Reason)
		if left := len(a.roster.Members) - len(a.freezes); left < a.roster.Threshold {
			text += fmt.Sprintf("; only %d of %d nodes are not frozen, and %d sign: the council can sign nothing", left, len(a.roster.Members), a.roster.Threshold)
		}
		a.do(Notify{What: "frozen", Text: text})
	}
}

// halt ends all that this node is signing, and destroys its slots.
func (a *Agenda) halt(reason string) {
	for _, l := range a.every() {
		if l.try != nil {
			a.giveUp(l, []council.MemberID{a.self}, "this node is frozen: "+reason)
		}
	}
	if a.proclaim.try != nil {
		a.endProclaim([]council.MemberID{a.self}, "this node is frozen: "+reason)
	}
	a.dropStandby()
}

// readable is a reason as it may be shown; never empty, for that would mean that
// there is none.
func readable(reason string) string {
	return cmp.Or(council.Readable(reason, council.MaxReason), "no reason given")
}
