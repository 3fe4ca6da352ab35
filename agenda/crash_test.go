package agenda_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/millicent-one/signer/council"
)

// A node dies before any one thing that it does in the ceremony; what it has
// sent is lost with it, or not. When it is back, all seven have one key or
// none has; and if none, they make one.
func TestDeathAtEveryStepOfTheCeremony(t *testing.T) {
	ends := map[bool]int{}
	for _, victim := range []council.MemberID{"community-1", "core-1", "core-4"} { // of the first subset, of both, of the second
		for _, lost := range []bool{false, true} {
			for seed := range uint64(1) {
				for point := 1; ; point++ {
					w := newWard(t, seed)
					w.lost = lost
					at, count := "", 0
					w.dies = func(m council.MemberID, step string) bool {
						if m != victim {
							return false
						}
						if count++; count == point {
							at = step
						}
						return count == point
					}
					w.keygen()
					w.pass(3 * time.Second)
					if at == "" {
						if point < 20 {
							t.Fatalf("only %d steps", point-1)
						}
						break
					}
					w.recover(t, fmt.Sprintf("%s, seed %d, lost %v, died at step %d (%s)", victim, seed, lost, point, at), ends, victim)
				}
			}
		}
	}
	t.Logf("ended with a key: %d, without: %d", ends[true], ends[false])
	if ends[true] == 0 || ends[false] == 0 {
		t.Error("one of the two ends was never seen")
	}
}

// All seven lose power at the same moment.
func TestPowerCutAtEveryStepOfTheCeremony(t *testing.T) {
	ends := map[bool]int{}
	for seed := range uint64(2) {
		for point := 1; ; point += 3 {
			w := newWard(t, seed)
			w.lost = true
			at, count := "", 0
			w.dies = func(_ council.MemberID, step string) bool {
				if count++; count == point {
					at = step
				}
				return count >= point
			}
			w.keygen()
			w.pass(3 * time.Second)
			if at == "" {
				break
			}
			for _, m := range everyone {
				if w.beds[m].agenda != nil {
					w.die(m)
				}
			}
			w.settle()
			w.recover(t, fmt.Sprintf("seed %d, power cut at step %d (%s)", seed, point, at), ends, everyone...)
		}
	}
	t.Logf("ended with a key: %d, without: %d", ends[true], ends[false])
	if ends[true] == 0 || ends[false] == 0 {
		t.Error("one of the two ends was never seen")
	}
}

// Several nodes die, one after the other and in one ceremony after the other,
// and some disks are full at the wrong moment.
func TestManyDeaths(t *testing.T) {
	ends := map[bool]int{}
	deaths, full := 0, 0
	for seed := range uint64(150) {
		w := newWard(t, seed)
		w.lost = seed%2 == 0
		left := 5
		w.dies = func(council.MemberID, string) bool {
			if left == 0 || w.rnd2.IntN(150) > 0 {
				return false
			}
			left--
			deaths++
			return true
		}
		w.fails = func() bool {
			if w.rnd2.IntN(8) > 0 {
				return false
			}
			full++
			return true
		}
		for range 4 {
			w.keygen()
			w.pass(3 * time.Second)
			for _, m := range everyone {
				if w.beds[m].agenda == nil {
					w.wakeUp(m)
					w.settle()
				}
			}
		}
		w.dies = func(council.MemberID, string) bool { return false }
		w.fails = func() bool { return false }
		for _, m := range everyone { // as the message says
			if b := w.beds[m]; b.agenda == nil || strings.Contains(b.ended, "make the share current") {
				if b.agenda != nil {
					w.die(m)
				}
				w.wakeUp(m)
				w.settle()
			}
		}
		w.recover(t, fmt.Sprint("seed ", seed), ends)
	}
	t.Logf("%d deaths, %d full disks; ended with a key: %d, without: %d", deaths, full, ends[true], ends[false])
	if ends[true] == 0 || deaths < 150 || full < 20 {
		t.Error("too little has happened")
	}
}

// A node that has the signed record and not the share must not throw the share
// away in a new ceremony: it may be the only one that has the record, and would
// come back with a key of which nobody has a share.
func TestHalfMadeKeyIsNotThrownAway(t *testing.T) {
	w := newWard(t, 1)
	w.lost = true
	full := false
	w.dies = func(m council.MemberID, step string) bool { return m != "core-1" && step == "before agenda.Commit" }
	w.fails = func() bool { return full }
	full = true
	w.keygen()
	w.pass(3 * time.Second)
	if b := w.beds["core-1"]; b.made == nil || b.using != nil || b.agenda.Genesis() != nil {
		t.Fatalf("core-1 has record %v, share %v", b.made, b.using)
	}
	w.dies = func(m council.MemberID, step string) bool {
		return m == "core-1" && step == "after the old share is discarded"
	}
	full = false
	for _, m := range everyone {
		if m != "core-1" {
			w.wakeUp(m)
			w.settle()
		}
	}
	w.keygen()
	w.pass(3 * time.Second)
	if b := w.beds["core-1"]; b.agenda == nil || !strings.Contains(b.ended, "start this node anew") {
		t.Fatalf("core-1 took part again; it says %q", b.ended)
	}
	w.die("core-1")
	w.recover(t, "half made", map[bool]int{}, "core-1")
	if g, err := w.whole(); err != nil || g == nil {
		t.Errorf("ended with %v, %v", g, err)
	}
}
