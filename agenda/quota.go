package agenda

import (
	"fmt"
	"time"

	"github.com/millicent-one/signer/council"
)

// quota is what a member has used of the proposals that it may make: MaxProposed at once,
// and one more each ProposeEvery seconds. It counts by the member's own feed and the times
// in it, in their order, so that all nodes leave out the same, also after a restart. Times
// that go back give nothing, and those ahead end with the term: whatever a member writes,
// it has no more than its term is long.
type quota struct {
	used   uint64 // seconds, of MaxProposed times ProposeEvery
	newest uint64 // unix seconds, by the member's clock
	told   bool   // that nothing is left
}

// wait is what has to pass, in seconds of the member's clock, until it may make another
// proposal.
func (q quota) wait(at uint64) uint64 {
	q.pass(at)
	return max(q.used+ProposeEvery, MaxProposed*ProposeEvery) - MaxProposed*ProposeEvery
}

func (q *quota) pass(at uint64) {
	if at > q.newest {
		q.used -= min(q.used, at-q.newest)
		q.newest = at
	}
	if q.used <= MaxProposed*ProposeEvery/2 {
		q.told = false
	}
}

// grant counts a proposal of a member, and reports whether it may make it. People hear of
// the first that it may not.
func (a *Agenda) grant(m council.MemberID, at uint64) bool {
	q := a.quotas[m]
	q.pass(at)
	w := q.wait(at)
	if w == 0 {
		q.used += ProposeEvery
	} else if !q.told {
		q.told = true
		if !a.replaying {
			a.do(Notify{What: "flood", Waiting: []council.MemberID{m}, Text: fmt.Sprintf("%s has made %d proposals, the most at once: what it proposes within the next %v of its clock is left out; ask it whether that is its own doing",
				m, MaxProposed, time.Duration(w)*time.Second)})
		}
	}
	a.quotas[m] = q
	return w == 0
}
