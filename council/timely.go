package council

import (
	"fmt"
	"time"
)

// Timely refuses a succession that is dated back: its day lies before this node
// first saw it (unix seconds, by its own clock), and without those whose mandate had
// ended by then, too few approve of it. An approval shows no date, so four members
// could choose a day on which they still had a mandate, long after. One whose
// mandate lasts when the succession is seen gains nothing by that; so a file that
// took its time from hand to hand is not refused for it.
//
// Ask it before taking part in a rotation. Who brings a certificate of one that is
// done, or checks a lineage, was not there: they rest on those who were.
func (s Succession) Timely(old Roster, seen uint64) error {
	if s.Effective >= seen {
		return nil
	}
	g, err := s.Agreement(old)
	if err != nil {
		return err
	}
	var ended []MemberID
	for _, id := range g.Approved {
		if m, _ := old.Member(id); m.Term.End <= seen {
			ended = append(ended, id)
		}
	}
	if len(g.Approved)-len(ended) >= g.Want {
		return nil
	}
	day := func(unix uint64) string { return time.Unix(int64(unix), 0).UTC().Format(time.DateTime) }
	return WithHint(fmt.Errorf("succession: it is to take over on %s, before this node first saw it on %s, and by then only %d of %d approvals were by members with a mandate; those of %s had ended",
		day(s.Effective), day(seen), len(g.Approved)-len(ended), g.Want, Names(ended)),
		"propose it anew with a day that lies ahead, and have it approved by members whose mandate lasts")
}
