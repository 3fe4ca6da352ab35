package agenda_test

import (
	"flag"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/millicent-one/signer/agenda"
	"github.com/millicent-one/signer/council"
)

var matrix = flag.Bool("matrix", false, "a node dies at every step of a rotation, not only at some: 'make test-matrix', which takes hours with that of the nodes")

// Each node dies at each step that it takes, and comes back: the rotation ends
// committed for all, or as operators want it. What was not synced is lost. The council
// signs on the way. Where it is only each of so many steps, somebody dies at each kind of
// them in each walk all the same.
func TestDeathAtEveryStepOfTheRotation(t *testing.T) {
	every := 12
	if *matrix {
		every = 1
	}
	all, tolls := walks(t), map[string][]*toll{}
	t.Run("each of so many", func(t *testing.T) {
		for name, k := range all {
			for i, victim := range k.victims(t) {
				x := &toll{victim: victim, first: victim, seed: uint64(1 + i%every), died: steps{}}
				tolls[name] = append(tolls[name], x)
				t.Run(name+"/"+victim, func(t *testing.T) {
					t.Parallel()
					k.diesEverywhere(t, x, every)
				})
			}
		}
	})
	t.Run("each kind", func(t *testing.T) {
		for name, k := range all {
			if slices.ContainsFunc(tolls[name], func(x *toll) bool { return x.met == nil }) {
				continue // that one has failed, or was not to be played
			}
			for _, kind := range k.spared(tolls[name]) {
				t.Run(name+"/"+kind, func(t *testing.T) {
					t.Parallel()
					k.diesAtKind(t, tolls[name], kind)
				})
			}
		}
	})
}

// toll is what came of the deaths of one node in the worlds of one seed.
type toll struct {
	victim string
	first  string // whose operator comes before the others
	seed   uint64
	died   steps // that it has died at
	met    steps // that all nodes take where nobody dies; nil until that was played
}

// spared are the kinds of steps at which nobody has died.
func (k walk) spared(tolls []*toll) []string {
	return slices.DeleteFunc(k.deaths(), func(kind string) bool {
		return slices.ContainsFunc(tolls, func(x *toll) bool { return len(x.died[kind]) > 0 })
	})
}

// diesEverywhere has a node die at every so many of its steps, once in each world. Until
// then they are all the same, so that no step is missed. In the last one it does not come so
// far, and nobody dies.
func (k walk) diesEverywhere(t *testing.T, x *toll, every int) {
	for point := int(x.seed); ; point += every {
		left := point
		at, count, met := k.dies(t, x, func(steps) bool { left--; return left == 0 })
		if at != "" {
			continue
		}
		if x.met = met; count < 20 {
			t.Errorf("only %d steps", count)
		}
		for _, s := range met.lack(k.least) {
			t.Errorf("nobody dies: %s", s)
		}
		for _, kind := range k.deaths() {
			if every == 1 && met[kind][x.victim] && !x.died[kind][x.victim] {
				t.Errorf("it never dies %s", kind)
			}
		}
		return
	}
}

// diesAtKind has a node that takes such a step, in a world where nobody dies, die there.
func (k walk) diesAtKind(t *testing.T, tolls []*toll, kind string) {
	for _, x := range tolls {
		names := slices.Sorted(maps.Keys(x.met[kind]))
		if len(names) == 0 {
			continue
		}
		y := &toll{victim: names[0], first: x.first, seed: x.seed, died: steps{}}
		k.dies(t, y, func(taken steps) bool { return taken[kind] != nil })
		if !y.died[kind][y.victim] {
			t.Fatalf("%s does not die there", y.victim)
		}
		return
	}
	t.Fatal("nobody ever comes to it")
}

// dies plays a world in which a node dies at the first of its steps that is meant, or at
// none. It tells that step, how many the node has taken, and what steps all have.
func (k walk) dies(t *testing.T, x *toll, meant func(steps) bool) (at string, count int, met steps) {
	w, met := k.world(t, x.seed, x.first), steps{}
	w.dies = func(name, step string) bool {
		met.take(w, name, step)
		if name != x.victim || at != "" {
			return false
		}
		count++
		taken := steps{}
		if taken.take(w, name, step); !meant(taken) {
			return false
		}
		at = step
		x.died.take(w, name, step)
		return true
	}
	w.start(eve + upon)
	label := fmt.Sprintf("%s dies at step %d (%s)", x.victim, count, at)
	if how := k.finish(w, label); how != k.ends && (at == "" || k.ends == "committed") {
		t.Fatalf("%s: %s", label, how)
	}
	return at, count, met
}

// start lets the rotation go on for some seconds, while the council signs.
func (w *shift) start(d time.Duration) {
	w.rise()
	if w.desks["core-2"].node != nil {
		w.propose("core-2", w.plans[0])
	}
	for end := w.now.Add(d); w.now.Before(end); {
		w.run(500*time.Millisecond, never)
		w.sign()
	}
}

// again has the operator of core-2 bring the succession once more, if the node has
// died before it could keep it.
func (w *shift) again() {
	d := w.desks["core-2"]
	if d.node == nil {
		w.boot("core-2")
	}
	if len(d.disk.Heard) == 0 {
		w.propose("core-2", w.plans[0])
	}
}

// All nodes lose power at one moment, some before and some after the rotation is
// decided.
func TestPowerCutInTheRotation(t *testing.T) {
	step := 61
	if *matrix {
		step = 1
	}
	for name, k := range walks(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k.losesPower(t, step)
		})
	}
}

func (k walk) losesPower(t *testing.T, step int) {
	for point := min(3, step); ; point += step {
		w, met := k.world(t, 3, "core-2"), steps{} // the same until then
		w.dies = func(name, step string) bool {
			met.take(w, name, step)
			return w.steps >= point
		}
		w.start(eve + upon)
		cut := w.steps >= point
		for _, name := range w.names {
			if w.desks[name].node != nil && cut {
				w.kill(w.desks[name])
			}
		}
		label := fmt.Sprint("power cut at step ", point)
		if how := k.finish(w, label); how != k.ends && (!cut || k.ends == "committed") {
			t.Fatalf("%s: %s", label, how)
		}
		if !cut {
			for _, s := range met.lack(k.least) {
				t.Errorf("the power stays: %s", s)
			}
			return
		}
	}
}

var sides = map[string][]string{
	"4|3": {"community-1", "community-2", "core-1", "core-2", "core-5"},
	"3|4": {"community-1", "community-2", "core-1", "community-4"},
	"5|2": {"community-1", "community-2", "community-3", "core-1", "core-2", "core-5"},
}

var stages = []agenda.RotationStage{agenda.StageProposed, agenda.StageGathering, agenda.StageReady, agenda.StageRunning, agenda.StageStaged, agenda.StageTesting, agenda.StageLocking, agenda.StageCommitted, agenda.StageErased}

// fewer is how many nodes can be at a stage at one moment, by the kind of step, where that
// is not all of them.
var fewer = map[string]map[agenda.RotationStage]int{
	"two for two": {
		agenda.StageReady:     8, // the leader begins at once
		agenda.StageStaged:    7, // who gets a share
		agenda.StageCommitted: 2, // who has no share of before: the others erase that as they switch
		agenda.StageErased:    7, // who has one
	},
	"refresh": {agenda.StageReady: 6, agenda.StageCommitted: 0},
	// No share moves, and who sees enough others locks.
	"charter": {agenda.StageReady: 0, agenda.StageRunning: 0, agenda.StageStaged: 0, agenda.StageTesting: 0, agenda.StageErased: 0},
}

// The network is cut in two as the first, the fifth, or the last node comes to a stage, of
// as many as can be there at once, for longer than a try may take, and is healed.
func TestCutAtEveryStageOfTheRotation(t *testing.T) {
	for kind, s := range kinds(t) {
		for i, stage := range stages {
			most, ok := fewer[kind][stage]
			if !ok {
				most = nodes(s)
			}
			if most == 0 {
				continue
			}
			t.Run(kind+"/"+string(stage), func(t *testing.T) {
				t.Parallel()
				for want := 1; want <= most; want++ {
					if !*matrix && want != 1 && want != 5 && want != most {
						continue
					}
					seed, most := uint64(100*want+i), uint64(50_000) // of some fifty worlds one does
					for ; seed < most && !reaches(newShift(t, seed, s), stage, want); seed += 1000 {
					}
					if seed >= most {
						t.Fatalf("%d nodes are never %s at once", want, stage)
					}
					for name, side := range sides {
						w := newShift(t, seed, s)
						reaches(w, stage, want)
						w.cutFor(fmt.Sprintf("cut %s as %d are %s", name, want, stage), side)
					}
				}
			})
		}
	}
}

// nodes counts who has a part in a step.
func nodes(s council.Succession) int {
	if len(s.Accepts) > 0 {
		return len(s.Roster.Members) + len(leavers)
	}
	return len(s.Roster.Members)
}

// reaches has a rotation go on until so many nodes are at a stage, or none are any more; and
// reports whether they are.
func reaches(w *shift, stage agenda.RotationStage, want int) bool {
	if stage == agenda.StageProposed {
		w.now = time.Unix(shiftDay-10, 0)
	}
	w.boot(w.names...)
	w.propose("core-2", w.plans[0])
	n, most := 0, 0
	w.run(20*time.Second, func() bool {
		n = 0
		for _, name := range w.names {
			if w.stage(name, stage) {
				n++
			}
		}
		most = max(most, n)
		return n >= want || n == 0 && most > 0
	})
	return n >= want
}

// cutFor cuts the network for longer than a try may take.
func (w *shift) cutFor(label string, side []string) {
	w.t.Helper()
	w.split(side...)
	for range 4 {
		w.run(20*time.Second, never)
		w.sign()
	}
	if how := w.settle(label); how != "committed" {
		w.t.Fatalf("%s: %s", label, how)
	}
}

// Who dies between its Ack and the end of the tests says so when it is back, however late
// others hear of it: the next try begins then, and not when this one's time is over.
func TestDeathBetweenAckAndTest(t *testing.T) {
	for _, at := range []string{"after StageShare", "before Prove"} {
		for _, victim := range []string{"community-1", "core-1", "core-5"} { // it leads; it stays; it joins
			for _, alone := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s/%s/alone=%t", at, victim, alone), func(t *testing.T) {
					t.Parallel()
					diesBeforeTests(t, victim, at, alone)
				})
			}
		}
	}
}

func diesBeforeTests(t *testing.T, victim, at string, alone bool) {
	w := newShift(t, 9)
	w.timing.Ceremony = 24 * time.Hour
	w.lone = func(_ string, ev agenda.Event) bool { // nobody gives up for silence alone
		_, silence := ev.(agenda.Stalled)
		return silence
	}
	died := false
	w.dies = func(name, step string) bool {
		now := !died && name == victim && step == at
		died = died || now
		return now
	}
	w.boot(w.names...)
	w.propose("core-2", w.plans[0])
	if !w.run(time.Minute, func() bool { return died }) {
		t.Fatalf("never comes to it\n%s", w.where())
	}
	w.run(5*time.Second, never)
	if alone {
		w.cut = func(x, y string) bool { return x == victim || y == victim }
	}
	w.boot(victim)
	w.run(10*time.Second, never)
	w.heal()
	if !w.run(time.Minute, func() bool { return w.stage("core-1", agenda.StageErased) }) {
		t.Fatalf("does not end\n%s", w.where())
	}
	if how := w.settle("dies between Ack and test"); how != "committed" {
		t.Fatal(how)
	}
}
