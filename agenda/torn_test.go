package agenda_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/millicent-one/signer/agenda"
	"github.com/millicent-one/signer/council"
)

// torn draws which nodes don't hear which others: some pairs in neither
// direction, some in one. Four that hear each other are left, or nobody could
// ever sign.
func torn(rnd *rand.Rand, share float64) map[[2]council.MemberID]bool {
	cut := map[[2]council.MemberID]bool{}
	whole := map[council.MemberID]bool{}
	for _, i := range rnd.Perm(7)[:4] {
		whole[everyone[i]] = true
	}
	for i, x := range everyone {
		for _, y := range everyone[:i] {
			if whole[x] && whole[y] || rnd.Float64() >= share {
				continue
			}
			switch rnd.IntN(4) {
			case 0:
				cut[[2]council.MemberID{x, y}] = true
			case 1:
				cut[[2]council.MemberID{y, x}] = true
			default:
				cut[[2]council.MemberID{x, y}], cut[[2]council.MemberID{y, x}] = true, true
			}
		}
	}
	return cut
}

// compare is what nodes do every ten seconds: each exchanges feeds with the next
// that it hears.
func (w *world) compare(turn int) {
	for i, m := range everyone {
		for k := range 6 {
			o := everyone[(i+1+(turn+k)%6)%7]
			if !w.cut[[2]council.MemberID{m, o}] && !w.cut[[2]council.MemberID{o, m}] {
				w.exchange(m, o)
				break
			}
		}
	}
	w.after(10*time.Second, func() { w.compare(turn + 1) })
}

// Nodes that disagree about who is online still find four who can sign, without
// trying all sets there are.
func TestTornNetworkConverges(t *testing.T) {
	most, sum, runs := 0, 0, 0
	for seed := range uint64(30) {
		rnd := rand.New(rand.NewPCG(seed, 3))
		cut := torn(rnd, []float64{0.2, 0.5, 0.9}[seed%3])
		w := buildWorld(t, 2000+seed, int(seed%2), cut, agenda.Timing{})
		w.compare(0)
		id := w.propose(everyone[rnd.IntN(7)], "pause", "protocol")
		w.run(time.Minute, w.known(id))
		for _, m := range everyone {
			if _, ok := w.nodes[m].agenda.Proposal(id); ok {
				w.approve(m, id)
			}
		}
		began := w.now
		if !w.run(10*time.Minute, w.minedBy(id)) {
			t.Logf("seed %d: cut %v", seed, cut)
			w.fail(id)
		}
		t.Logf("seed %d: %d links cut; %d attempts in %s", seed, len(cut), w.attempts, w.now.Sub(began).Round(time.Second))
		most, sum, runs = max(most, w.attempts), sum+w.attempts, runs+1
		// Each failed attempt finds a pair that is apart; there are 21.
		if w.attempts > 21 {
			t.Errorf("seed %d: %d attempts for one signature", seed, w.attempts)
		}
		w.run(30*time.Second, func() bool { return false })
		if w.runs(id) != 1 {
			t.Errorf("seed %d: ran %d times", seed, w.runs(id))
		}
	}
	t.Logf("%d attempts in %d runs, at most %d", sum, runs, most)
}
