package policy

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/millicent-one/signer/internal/strict"
)

// opens reads a window as a rule has it.
func opens(t testing.TB, text string) window {
	t.Helper()
	var f struct {
		Window strict.Value[windowFile] `yaml:"window"`
	}
	if err := strict.Decode("x", []byte("window: "+text), &f); err != nil {
		t.Fatal(err)
	}
	w, err := (&ruleCompiler{}).readWindow(f.Window)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// Monday, 2030-03-18 00:00 UTC.
const monday = uint64(1_900_022_400)

func TestWindowOpens(t *testing.T) {
	const h, d = 3600, daySeconds
	for _, k := range []struct {
		name, window string
		at           uint64
		from, to     uint64 // since monday
	}{
		{"before", "{days: [mon], hours: 08:00-18:00}", 0, 8 * h, 18 * h},
		{"inside", "{days: [mon], hours: 08:00-18:00}", 9 * h, 8 * h, 18 * h},
		{"at its beginning", "{days: [mon], hours: 08:00-18:00}", 8 * h, 8 * h, 18 * h},
		{"at its end", "{days: [mon], hours: 08:00-18:00}", 18 * h, 7*d + 8*h, 7*d + 18*h},
		{"two openings of a day", "[{days: [mon], hours: 08:00-12:00}, {days: [mon], hours: 13:00-18:00}]", 12 * h, 13 * h, 18 * h},
		{"openings that touch", "[{days: [mon], hours: 13:00-18:00}, {days: [mon], hours: 08:00-13:00}]", 12 * h, 8 * h, 18 * h},
		{"past midnight", "{days: [mon], hours: 22:00-06:00}", 26 * h, 22 * h, 30 * h},
		{"past midnight belongs to its day", "{days: [mon], hours: 22:00-06:00}", 1 * h, 22 * h, 30 * h},
		{"from sunday into monday", "{days: [sun], hours: 22:00-06:00}", 6*d + 23*h, 6*d + 22*h, 7*d + 6*h},
		{"the end of it", "{days: [sun], hours: 22:00-06:00}", 7*d + 1*h, 6*d + 22*h, 7*d + 6*h},
		{"whole days", "{days: [sat, sun]}", 0, 5 * d, 7 * d},
		{"from sunday into monday, whole days", "{days: [sun, mon]}", 7*d + 1, 6 * d, 8 * d},
		{"every day", "{hours: 18:00-24:00}", 0, 18 * h, 24 * h},
		{"until midnight", "{hours: 18:00-00:00}", 0, 18 * h, 24 * h},
	} {
		from, to := opens(t, k.window).opening(monday + k.at)
		if from != monday+k.from || to != monday+k.to {
			t.Errorf("%s: open from %s to %s; want %s to %s", k.name, Clock(from), Clock(to), Clock(monday+k.from), Clock(monday+k.to))
		}
	}
}

// What opening says is what looking at each moment finds.
func TestWindowMinuteByMinute(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var w window
		for range rapid.IntRange(1, 4).Draw(t, "spans") {
			from := uint64(rapid.IntRange(0, 7*24*4-1).Draw(t, "from")) * 900
			w.add(from, from+uint64(rapid.IntRange(1, 96).Draw(t, "quarters"))*900)
		}
		if w.join(); len(w.spans) == 1 && w.spans[0] == (span{0, weekSeconds}) {
			return
		}
		open := func(t uint64) bool {
			for _, s := range w.spans {
				if at := (t - monday) % weekSeconds; s.from <= at && at < s.to {
					return true
				}
			}
			return false
		}
		at := monday + weekSeconds + uint64(rapid.IntRange(0, weekSeconds).Draw(t, "at"))
		from, to := w.opening(at)
		if to <= at || from >= to || from > at && open(at) {
			t.Fatalf("at %d it gives %d to %d", at, from, to)
		}
		for x := min(from, at) - min(from, at)%60; x < to; x += 60 {
			if x >= from && !open(x) || x >= at && x < from && open(x) {
				t.Fatalf("at %d it gives %d to %d, and %d is open: %v", at, from, to, x, open(x))
			}
		}
		if open(from-1) || open(to) {
			t.Fatalf("at %d it gives %d to %d, which is not the whole opening", at, from, to)
		}
	})
}
