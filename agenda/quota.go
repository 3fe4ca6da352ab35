package agenda

import (
	"fmt"
	"time"

	"github.com/millicent-one/signer/council"
)

// quota is what a member has used of the proposals that it may make: MaxProposed places at
// once, and one more each ProposeEvery seconds. It counts by the member's own feed and the
// times in it, in their order, so that all nodes leave out the same, also after a restart.
// Times that go back give nothing. But they are the member's own: it can begin with the first
// second of its term and go on to the last, and so have at once what the whole term gives.
// That is the most, whatever it writes: MaxProposed and, in a year, 4380 places more, which
// hold some 20 MiB.
type quota struct {
	used   uint64 // seconds, of MaxProposed times ProposeEvery
	newest uint64 // unix seconds, by the member's clock
	told   bool   // that nothing is left
}

// places is what a proposal takes, by its encoded intent: one, and one more for each 4 KiB.
func places(encoded []byte) uint64 { return 1 + uint64(len(encoded))>>12 }

// wait is what has to pass, in seconds of the member's clock, until it may make another
// proposal, that takes so many places.
func (q quota) wait(at, places uint64) uint64 {
	q.pass(at)
	return max(q.used+places*ProposeEvery, MaxProposed*ProposeEvery) - MaxProposed*ProposeEvery
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

// allot counts a proposal of a member, and reports whether it may make it. People hear of
// the first that it may not.
func (a *Agenda) allot(m council.MemberID, at, places uint64) bool {
	q := a.quotas[m]
	q.pass(at)
	w := q.wait(at, places)
	if w == 0 {
		q.used += places * ProposeEvery
	} else if !q.told {
		q.told = true
		if !a.replaying {
			a.do(Notify{What: "flood", Waiting: []council.MemberID{m}, Text: fmt.Sprintf("%s has made %d proposals, or fewer large ones, the most at once: what it proposes within the next %v of its clock is left out; ask it whether that is its own doing",
				m, MaxProposed, time.Duration(w)*time.Second)})
		}
	}
	a.quotas[m] = q
	return w == 0
}
