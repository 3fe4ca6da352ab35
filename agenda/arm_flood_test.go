package agenda_test

import (
	"slices"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/agenda"
	"github.com/millicent-one/signer/council"
)

// armFlood is the liar as a leader of sets: it calls in all of them, again and again,
// begins wherever all have pledged themselves, and joins nothing.
type armFlood struct {
	*world
	calls map[common.Hash]*floodCall
	begun int
}

type floodCall struct {
	set     []council.MemberID
	answers map[council.MemberID]common.Hash
}

func (f *armFlood) callAll() {
	for _, x := range everyone {
		for _, y := range everyone {
			for _, z := range everyone {
				if set := []council.MemberID{x, y, z, liar}; x < y && y < z && !slices.Contains(set[:3], liar) {
					c, id := &floodCall{council.Sorted(set), map[council.MemberID]common.Hash{}}, noise()
					c.answers[liar] = id
					f.calls[id] = c
					f.says(agenda.ArmCall{Signers: c.set, Call: id})
				}
			}
		}
	}
	f.after(500*time.Millisecond, f.callAll)
}

// answered begins a call that everyone in the set has answered.
func (f *armFlood) answered(from council.MemberID, m agenda.Message) {
	answer, ok := m.(agenda.ArmAnswer)
	c := f.calls[answer.Call]
	if !ok || c == nil || answer.Random == (common.Hash{}) {
		return
	}
	c.answers[from] = answer.Random
	if len(c.answers) < len(c.set) {
		return
	}
	begin := agenda.ArmBegin{Signers: c.set}
	for _, m := range c.set {
		begin.Randoms = append(begin.Randoms, c.answers[m])
	}
	f.begun++
	f.after(f.delay(), func() { f.says(begin) })
}

// most is how many of the liar's slots any member makes. It has pledged itself to nobody,
// so whatever is made with it is of its own calls.
func (f *armFlood) most() (most int) {
	at := map[council.MemberID]int{}
	for _, x := range f.armings {
		for m := range x.joined {
			if slices.Contains(x.signers, liar) {
				at[m]++
				most = max(most, at[m])
			}
		}
	}
	return most
}

// A leader that wants more than its share of slots, and never joins one, has a few under
// way at each member; the council signs meanwhile, and all sets without it become warm.
func TestFloodOfArmCalls(t *testing.T) {
	w := newWarmWorld(t, 237, 1)
	w.nodes[liar].up = false // its daemon is the test's
	f := &armFlood{world: w, calls: map[common.Hash]*floodCall{}}
	w.hears = f.answered
	f.callAll()
	most := 0
	until := func(d time.Duration, done func() bool) bool {
		return w.run(d, func() bool {
			most = max(most, f.most())
			return done()
		})
	}
	until(20*time.Second, func() bool { return false })
	if f.begun <= agenda.MaxArming || most != agenda.MaxArming {
		t.Errorf("%d slots were begun, and %d were made at once; want all of %d", f.begun, most, agenda.MaxArming)
	}
	id := w.propose("core-1", "pause", "protocol")
	for _, m := range everyone[3:] {
		until(time.Second, func() bool { _, ok := w.nodes[m].agenda.Proposal(id); return ok })
		w.approve(m, id)
	}
	if !until(20*time.Second, w.minedBy(id)) {
		w.fail(id)
	}
	if !until(5*time.Minute, func() bool { return w.nodes["core-1"].agenda.Warm().Ready == 15 }) {
		t.Errorf("%d sets are warm; 15 could be", w.nodes["core-1"].agenda.Warm().Ready)
	}
	if most != agenda.MaxArming {
		t.Errorf("%d slots of one leader were made at once", most)
	}
}
