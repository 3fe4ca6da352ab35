package council

import "slices"

// MandateNotice is how long before its end a mandate is worth a word, in seconds:
// thirty days are time for a vote, fourteen for cards and approvals.
const MandateNotice = 30 * 24 * 3600

// ShortNotice is likewise for the day from which on too few mandates are left to
// agree on anything: what has to be done before it takes a quarter of a year where
// a constitution wants elections.
const ShortNotice = 90 * 24 * 3600

// Mandates is what lies ahead for the terms of a roster.
type Mandates struct {
	Ended  []Member // in order of their end
	Ending []Member // within MandateNotice, in order of their end
	// Short is when fewer mandates than the threshold remain, in unix seconds: from
	// then on the council can decide nothing, not even on the next roster. Zero when
	// that is not within ShortNotice.
	Short uint64
	Left  int // mandates that remain then
}

// Mandates looks ahead from now (unix seconds).
func (r Roster) Mandates(now uint64) Mandates {
	members := slices.Clone(r.Members)
	slices.SortStableFunc(members, func(x, y Member) int {
		switch {
		case x.Term.End < y.Term.End:
			return -1
		case x.Term.End > y.Term.End:
			return 1
		}
		return 0
	})
	var out Mandates
	for i, m := range members {
		switch {
		case m.Term.End <= now:
			out.Ended = append(out.Ended, m)
		case m.Term.End-now <= MandateNotice:
			out.Ending = append(out.Ending, m)
		case m.Term.End-now > ShortNotice:
			continue
		}
		last := i+1 == len(members) || members[i+1].Term.End > m.Term.End
		if left := len(members) - i - 1; last && left < r.Threshold && out.Short == 0 {
			out.Short, out.Left = m.Term.End, left
		}
	}
	return out
}
