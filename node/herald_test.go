package node_test

import (
	"testing"

	"github.com/millicent-one/signer/council"
)

// A member passes on successions as often as it likes. The node reads its ledger through
// for one that is news, and not for each.
func TestHeraldsCostLittle(t *testing.T) {
	t.Parallel()
	c := smallCabinet(t)
	c.opens()
	c.turns(c.first, func(r *council.Roster) { r.Members[0].Term.End -= 3600 })
	const m, from = "member-01", "member-02"
	c.start(m)
	c.start(from)
	c.ready(m)
	say := func(what string, times int, least, most uint64) {
		t.Helper()
		s := c.plan
		if what == "false" {
			s.Roster.Version += 7
		}
		weighed, err := c.rooms[m].Heralds(t.Context(), from, s, times)
		if err != nil || weighed < least || weighed > most {
			t.Errorf("%d times one that is %s: it reads its ledger %d times, %v", times, what, weighed, err)
		}
	}
	say("false", 200, 0, 5)
	say("news", 1, 1, 3)
	say("known", 200, 0, 5)
}
