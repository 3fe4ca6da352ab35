package agenda

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/millicent-one/signer/council"
)

// Reminder is a word about the end of a mandate that this node has said. It is kept
// on disk, so that each is said once, however often the node is started anew.
type Reminder struct {
	Member council.MemberID // empty: about the day from which on too few mandates are left
	End    uint64           // unix seconds: that end, or that day
	Days   uint64           // how many days before it the step lies that was reached; 0: it has come
}

// Steps, in days before the end, at which something is said.
var (
	mandateSteps = []uint64{0, 1, 7, 14, council.MandateNotice / day}
	shortSteps   = []uint64{0, 1, 7, 14, council.MandateNotice / day, council.ShortNotice / day}
)

const day = 24 * 3600

// Remind compares the terms of a roster with what was said before, at a time in
// unix seconds. It gives what is to be said now, and what will have been said then:
// that is to be on the disk BEFORE anybody hears of it. What was said for mandates
// that the roster no longer has is dropped, and so is what the clock, as it stands
// now, could not have known for another day: it was wrong then.
func Remind(r council.Roster, said []Reminder, now uint64) (words []Notify, next []Reminder) {
	last := func(m council.MemberID, end uint64) *Reminder {
		i := slices.IndexFunc(said, func(x Reminder) bool { return x.Member == m && x.End == end })
		if i < 0 || reached(end, said[i].Days) > now+day {
			return nil
		}
		return &said[i]
	}
	remind := func(m council.MemberID, end uint64, steps []uint64, text string) {
		was := last(m, end)
		i := slices.IndexFunc(steps, func(days uint64) bool { return reached(end, days) <= now })
		switch {
		case was != nil && (i < 0 || was.Days <= steps[i]):
			next = append(next, *was)
		case i >= 0:
			next = append(next, Reminder{Member: m, End: end, Days: steps[i]})
			words = append(words, Notify{What: "mandate", Text: text})
		}
	}
	ahead := r.Mandates(now)
	if ahead.Short > 0 {
		remind("", ahead.Short, shortSteps, TooFew(ahead, r, now))
	}
	for _, m := range slices.Concat(ahead.Ended, ahead.Ending) {
		remind(m.ID, m.Term.End, mandateSteps, EndOfTerm(m, now))
	}
	slices.SortFunc(next, func(x, y Reminder) int { return cmp.Or(cmp.Compare(x.Member, y.Member), cmp.Compare(x.End, y.End)) })
	return words, next
}

// reached is when a step is reached; the beginning of all time for an end that lies
// closer to it.
func reached(end, days uint64) uint64 { return end - min(end, days*day) }

// EndOfTerm says that a member's term has ended, or when it will.
func EndOfTerm(m council.Member, now uint64) string {
	if m.Term.End <= now {
		return fmt.Sprintf("the term of %s has ended: it can't approve, propose or sign; rotate the seat", m.ID)
	}
	return fmt.Sprintf("the term of %s ends %s, on %s", m.ID, in(m.Term.End-now), date(m.Term.End))
}

// TooFew says from when on the council can decide nothing, and what that means.
// Ask it only when Short is set.
func TooFew(m council.Mandates, r council.Roster, now uint64) string {
	if m.Short <= now {
		return fmt.Sprintf("since %s only %d of %d mandates are left, and %d decide: the council can sign nothing, stop nothing, and agree on no next roster; what its address may do has to be taken from it, by whoever granted it, and given to a new council",
			date(m.Short), m.Left, len(r.Members), r.Threshold)
	}
	return fmt.Sprintf("from %s on, %s, only %d of %d mandates are left, and %d decide: then the council can sign nothing, stop nothing, and not even agree on the next roster; agree on it before, with 'signer term propose'",
		date(m.Short), in(m.Short-now), m.Left, len(r.Members), r.Threshold)
}

// in says how long it is until something, in whole days.
func in(seconds uint64) string {
	switch days := seconds / day; days {
	case 0:
		return "in less than a day"
	case 1:
		return "in a day"
	default:
		return fmt.Sprintf("in %d days", days)
	}
}

func date(unix uint64) string { return time.Unix(int64(unix), 0).UTC().Format(time.DateOnly) }
