package agenda_test

import (
	"flag"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/millicent-one/signer/agenda"
	"github.com/millicent-one/signer/council"
)

var matrix = flag.Bool("matrix", false, "a node dies at every step of a rotation, not only at some: 'make test-matrix', which takes two hours with that of the nodes")

// Each node dies at each step that it takes, and comes back: the rotation ends
// committed for all. What was not synced is lost. The council signs on the way.
func TestDeathAtEveryStepOfTheRotation(t *testing.T) {
	every := 12
	if *matrix {
		every = 1
	}
	for kind, step := range kinds(t) {
		for i, victim := range newShift(t, 0, step).names {
			t.Run(kind+"/"+victim, func(t *testing.T) {
				t.Parallel()
				diesEverywhere(t, step, victim, 1+i%every, every)
			})
		}
	}
}

// diesEverywhere has a node die at every so many of its steps, once in each world.
func diesEverywhere(t *testing.T, step council.Succession, victim string, first, every int) {
	for point := first; ; point += every {
		w := newShift(t, uint64(point), step)
		at, count := "", 0
		w.dies = func(name, step string) bool {
			if name != victim || at != "" {
				return false
			}
			if count++; count == point {
				at = step
			}
			return count == point
		}
		w.start()
		label := fmt.Sprintf("dies at step %d (%s)", point, at)
		w.again()
		if how := w.settle(label); how != "committed" {
			t.Fatalf("%s: %s", label, how)
		}
		if at == "" {
			if count < 20 {
				t.Errorf("only %d steps", count)
			}
			return
		}
	}
}

// start lets the rotation go on for some seconds, while the council signs.
func (w *shift) start() {
	w.boot(w.names...)
	if w.desks["core-2"].node != nil {
		w.propose("core-2", w.plans[0])
	}
	for range 12 {
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
		step = 3
	}
	for kind, s := range kinds(t) {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			losesPower(t, s, step)
		})
	}
}

func losesPower(t *testing.T, s council.Succession, step int) {
	for point := 3; ; point += step {
		w := newShift(t, uint64(point), s)
		w.dies = func(string, string) bool { return w.steps >= point }
		w.start()
		cut := w.steps >= point
		for _, name := range w.names {
			if w.desks[name].node != nil && cut {
				w.kill(w.desks[name])
			}
		}
		w.dies = func(string, string) bool { return false }
		label := fmt.Sprint("power cut at step ", point)
		w.again()
		if how := w.settle(label); how != "committed" {
			t.Fatalf("%s: %s", label, how)
		}
		if !cut {
			break
		}
	}
}

var sides = map[string][]string{
	"4|3": {"community-1", "community-2", "core-1", "core-2", "core-5"},
	"3|4": {"community-1", "community-2", "core-1", "community-4"},
	"5|2": {"community-1", "community-2", "community-3", "core-1", "core-2", "core-5"},
}

// The network is cut in two as the first, the fifth, or the last node comes to a stage, for
// longer than a try may take, and is healed. Not all nodes are at each stage at once; but
// the first one comes to each at which a node can be between two steps.
func TestCutAtEveryStageOfTheRotation(t *testing.T) {
	stages := []agenda.RotationStage{agenda.StageProposed, agenda.StageGathering, agenda.StageReady, agenda.StageRunning, agenda.StageStaged, agenda.StageTesting, agenda.StageLocking, agenda.StageCommitted, agenda.StageErased}
	none := map[string][]agenda.RotationStage{
		"charter": {agenda.StageReady, agenda.StageRunning, agenda.StageStaged, agenda.StageTesting, agenda.StageErased}, // no share moves; who sees enough others locks
		"refresh": {agenda.StageCommitted},                                                                               // who switches erases
	}
	wants := []int{1, 5, 9}
	if *matrix {
		wants = []int{1, 2, 3, 4, 5, 6, 7, 8, 9}
	}
	for kind, s := range kinds(t) {
		for name, side := range sides {
			t.Run(kind+"/"+name, func(t *testing.T) {
				t.Parallel()
				for i, stage := range stages {
					if slices.Contains(none[kind], stage) {
						continue
					}
					for _, want := range wants {
						want = min(want, nodes(s))
						switch were := cutAt(t, newShift(t, uint64(100*want+i), s), stage, want, side); {
						case were:
						case want == 1:
							t.Errorf("no node is ever %s", stage)
						default:
							t.Logf("not cut as %d nodes are %s: they never are at once", want, stage)
						}
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

// cutAt cuts the network as so many nodes are at a stage, and reports whether they were.
func cutAt(t *testing.T, w *shift, stage agenda.RotationStage, want int, side []string) bool {
	if stage == agenda.StageProposed {
		w.now = time.Unix(shiftDay-10, 0)
	}
	w.boot(w.names...)
	w.propose("core-2", w.plans[0])
	reached := func() bool {
		n := 0
		for _, name := range w.names {
			if w.stage(name, stage) {
				n++
			}
		}
		return n >= want
	}
	if !w.run(20*time.Second, reached) {
		return false
	}
	w.split(side...)
	for range 4 {
		w.run(20*time.Second, never)
		w.sign()
	}
	label := fmt.Sprintf("cut as %d are %s", want, stage)
	if how := w.settle(label); how != "committed" {
		t.Fatalf("%s: %s", label, how)
	}
	return true
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
