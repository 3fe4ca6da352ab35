package agenda_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/millicent-one/signer/agenda"
	"github.com/millicent-one/signer/council"
)

// walk is a way that a rotation can take. It is played again and again, with a fault at
// another step of it each time.
type walk struct {
	plan council.Succession
	away []council.MemberID                  // gone before it begins; they come back when it is over
	ends string                              // how, where there is no fault
	asks func(w *shift, first string) func() // what operators do for that
	// least is by how many nodes a step is taken, where there is no fault. So the faults come
	// at these steps, too, however long the rotation takes.
	least map[string]int
}

const (
	eve      = 4 * time.Second // before the day; a walk begins then
	upon     = 6 * time.Second // after it; all is over by then, where there is no fault
	proposed = "while proposed"
)

// walks are those by each kind of step, by name.
func walks(t testing.TB) map[string]walk {
	out := map[string]walk{}
	for kind, s := range kinds(t) {
		out[kind] = walk{plan: s, ends: "committed", least: map[string]int{
			proposed: nodes(s), "after Keep Heard": nodes(s), "after Keep Try": 7, "before Reshare": 7, "after StageShare": 7, "before Prove": 7, "after Keep Grounds": 5, "after WriteLock": 5, "after SwitchShare": nodes(s), "after EraseShare": 7,
		}}
	}
	// Who hears of five Locks first joins nothing, and nothing is erased.
	out["charter"] = walk{plan: charters(t), ends: "committed", least: map[string]int{
		proposed: 7, "after Keep Heard": 7, "after Keep Try": 5, "after StageShare": 5, "after Keep Grounds": 5, "after WriteLock": 5, "after SwitchShare": 7,
	}}
	two := twoForTwo(t, newShift(t, 0).holding.Roster)
	out["abort of shares"] = walk{plan: two, ends: "aborted", asks: refusal(func(d *desk) bool { return len(d.share) > 0 }), least: map[string]int{
		proposed: 9, "after StageShare": 1, "after WriteRefusal": 4, "after Keep Abort": 9, "after DropShare": 1,
	}}
	out["abort of Locks"] = walk{plan: two, ends: "aborted", asks: refusal((*desk).locked), least: map[string]int{
		proposed: 9, "after StageShare": 7, "after WriteLock": 1, "after WriteRefusal": 4, "after Keep Abort": 9, "after DropShare": 7,
	}}
	out["abort of a charter"] = walk{plan: charters(t), ends: "aborted", asks: refusal((*desk).locked), least: map[string]int{
		proposed: 7, "after StageShare": 5, "after WriteLock": 1, "after WriteRefusal": 4, "after Keep Abort": 7, "after DropShare": 5,
	}}
	out["last four"] = walk{plan: threeForThree(t), away: trio, ends: "committed", asks: lastFour, least: map[string]int{
		proposed: 7, "after StageShare": 7, "before Prove": 7, "after WriteLock": 4, "after WriteLock of the last four": 4, "after SwitchShare": 7, "after EraseShare": 4,
	}}
	out["last four of a charter"] = walk{plan: charters(t), away: trio, ends: "committed", asks: lastFour, least: map[string]int{
		proposed: 4, "after StageShare": 4, "after WriteLock of the last four": 4, "after SwitchShare": 4,
	}}
	return out
}

// deaths are the kinds of steps at which some node has to die: those of least, and between
// each write of them and its sync.
func (k walk) deaths() (out []string) {
	for step := range k.least {
		out = append(out, step)
		if write, is := strings.CutPrefix(step, "after "); is {
			out = append(out, "before sync of "+write)
		}
	}
	slices.Sort(out)
	return out
}

// refusal has the operators of four refuse the step as soon as one node has come far
// enough, those first whose nodes have not locked, and before all others that of first. Each
// says it once more when its node was dead.
func refusal(far func(d *desk) bool) func(w *shift, first string) func() {
	return func(w *shift, first string) func() {
		var four []*desk
		asked := map[string]int{}
		return func() {
			if len(four) == 0 && slices.ContainsFunc(w.names, func(name string) bool { return far(w.desks[name]) }) {
				four = w.refusers(first)
			}
			for _, d := range four {
				if d.node != nil && asked[d.name] != d.life && len(d.disk.Aborts) == 0 && d.disk.Certificate == nil {
					asked[d.name] = d.life
					w.give(d, agenda.AbortWanted{Reason: "a test"})
				}
			}
		}
	}
}

// refusers are as many nodes as can end a step, if there are: they run, hold a share and
// have not locked. The first of them is first, if it is one.
func (w *shift) refusers(first string) (out []*desk) {
	for _, name := range append([]string{first}, w.names...) {
		d := w.desks[name]
		if _, held := w.holding.Roster.Member(d.id); held && d.node != nil && !d.locked() && !slices.Contains(out, d) {
			out = append(out, d)
		}
	}
	if n := w.holding.Roster.AbortQuorum(); len(out) >= n {
		return out[:n]
	}
	return nil
}

// lastFour has each operator say last-four as soon as it may, and once more when its node
// was dead.
func lastFour(w *shift, _ string) func() {
	asked := map[string]int{}
	return func() {
		for _, name := range w.names {
			d := w.desks[name]
			if d.node != nil && asked[name] != d.life && d.node.LastFourable() == nil {
				asked[name] = d.life
				w.give(d, agenda.LastFourWanted{})
			}
		}
	}
}

// victims are the nodes that are there from the first moment on.
func (k walk) victims(t testing.TB) []string {
	return slices.DeleteFunc(newShift(t, 0, k.plan).names, func(name string) bool { return slices.Contains(k.away, council.MemberID(name)) })
}

// world is a walk before its first step. The operator of first comes before the others.
func (k walk) world(t testing.TB, seed uint64, first string) *shift {
	w := newShift(t, seed, k.plan)
	w.now = time.Unix(shiftDay, 0).Add(-eve)
	for _, m := range k.away {
		w.desks[string(m)].stays = true
	}
	if k.asks != nil {
		w.asks = k.asks(w, first)
	}
	return w
}

// finish plays a world to its end, whatever has happened in it.
func (k walk) finish(w *shift, label string) (how string) {
	w.t.Helper()
	w.dies = func(string, string) bool { return false }
	if k.ends == "aborted" { // the fault may have some lock that were to refuse
		how = w.resolve(label)
	} else {
		w.again()
		how = w.settle(label)
	}
	if len(k.away) == 0 {
		return how
	}
	w.asks = func() {}
	for _, m := range k.away {
		w.desks[string(m)].stays = false
	}
	if again := w.settle(label + ", and the others come back"); again != how {
		w.t.Fatalf("%s: %s, and when the others come back %s", label, how, again)
	}
	return how
}

// steps are those that nodes have taken, by the step and the node.
type steps map[string]map[string]bool

// take has a node take a step.
func (s steps) take(w *shift, name, step string) {
	if w.now.Before(time.Unix(shiftDay, 0)) && w.stage(name, agenda.StageProposed) {
		s.add(name, proposed)
	}
	s.add(name, step)
}

func (s steps) add(name, step string) {
	if s[step] == nil {
		s[step] = map[string]bool{}
	}
	s[step][name] = true
}

// lack says which steps too few nodes have taken.
func (s steps) lack(least map[string]int) (out []string) {
	for _, step := range slices.Sorted(maps.Keys(least)) {
		if n := len(s[step]); n < least[step] {
			out = append(out, fmt.Sprintf("%s: %d nodes of %d", step, n, least[step]))
		}
	}
	return out
}
