package agenda_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/millicent-one/signer/agenda"
)

// A disk that is full when the certificate is to be written makes nobody lose anything:
// the node signs under no epoch, says what to do, asks again, not faster than it may,
// and switches when there is room.
func TestDiskFullWhileSwitching(t *testing.T) {
	w := newShift(t, 9)
	w.boot(w.names...)
	full, asked := true, map[string]int{}
	w.veto = func(name string, e agenda.Effect) bool {
		if _, ok := e.(agenda.SwitchShare); !ok || !full {
			return false
		}
		asked[name]++
		w.later(0, w.desks[name], agenda.ShareSwitched{Err: errors.New("no space left on device")})
		return true
	}
	w.propose("core-2", w.plans[0])
	if !w.run(5*time.Minute, func() bool { return len(asked) == len(w.names) }) {
		t.Fatalf("%d come to switch\n%s", len(asked), w.where())
	}
	clear(asked)
	for range 30 {
		w.run(time.Second, never)
		for _, name := range w.names {
			d := w.desks[name]
			if _, ok := d.node.Signs(); ok || d.gone {
				t.Fatalf("%s signs, or has erased its share, before the certificate is on its disk", name)
			}
			if s := d.node.Status(); len(s.Missing) != 1 || s.Missing[0].Member != d.id || !strings.Contains(s.Missing[0].Do, "disk") {
				t.Fatalf("%s says %s", name, s)
			}
		}
	}
	for name, n := range asked {
		if most := 2 + int(30*time.Second/agenda.Defaults().Retry); n < 2 || n > most {
			t.Errorf("%s asked its disk %d times in half a minute; want 2 to %d", name, n, most)
		}
	}
	full = false
	if how := w.settle("there is room again"); how != "committed" {
		t.Fatal(how)
	}
}

// What happens to the roster is told, so that a hook can bring it to people: once for
// each thing that happens, at every node.
func TestRotationIsTold(t *testing.T) {
	w := newShift(t, 10)
	w.boot(w.names...)
	w.propose("core-2", w.plans[0])
	if how := w.settle("all well"); how != "committed" {
		t.Fatal(how)
	}
	for _, name := range w.names {
		told := map[string]int{}
		for _, n := range w.desks[name].told {
			told[n.What]++
		}
		if told["rotation-proposed"] != 1 || told["rotation-locking"] > 1 || told["rotation-committed"] != 1 || told["rotation-failed"] != 0 {
			t.Errorf("%s tells %v", name, told)
		}
		if told["rotation-locking"] == 0 && name == "core-1" {
			t.Errorf("%s does not tell that the council signs nothing", name)
		}
	}

	w = newShift(t, 11) // a try that fails is told of by all
	w.boot(w.names...)
	spoil := true
	w.veto = func(name string, e agenda.Effect) bool {
		s, ok := e.(agenda.StageShare)
		if !ok || !spoil || name != "core-3" {
			return false
		}
		spoil = false
		w.later(0, w.desks[name], agenda.ShareStaged{Ceremony: s.Rotation.ID(), Err: errors.New("no space left on device")})
		return true
	}
	w.propose("core-2", w.plans[0])
	told := func(name, what, text string) bool {
		for _, n := range w.desks[name].told {
			if n.What == what && strings.Contains(n.Text, text) {
				return true
			}
		}
		return false
	}
	if !w.run(5*time.Minute, func() bool { return told("core-1", "rotation-failed", "no space left on device") }) {
		t.Errorf("core-1 does not tell that the try has failed\n%s", w.where())
	}
}
