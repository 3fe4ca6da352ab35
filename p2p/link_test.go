package p2p

import (
	"testing"
	"time"
)

// Between two attempts there is more and more time, up to a bound, and no two nodes that
// lost each other in one moment come back in one.
func TestPauseGrows(t *testing.T) {
	l := &link{host: &Host{self: alice}, member: bob}
	other := &link{host: &Host{self: bob}, member: alice}
	for range 100 {
		if d := l.pause(0); d >= redialFirst/4 {
			t.Fatalf("the first attempt waits %s", d)
		}
		if d := other.pause(0); d < redialFirst || d >= redialFirst+redialFirst/4 {
			t.Fatalf("the other's first attempt waits %s", d)
		}
	}
	want := redialFirst
	for attempt := 1; attempt < 40; attempt++ {
		least, most := time.Duration(1<<62), time.Duration(0)
		for range 400 {
			d := l.pause(attempt)
			least, most = min(least, d), max(most, d)
		}
		if least < want/2 || most > want*3/2 {
			t.Fatalf("attempt %d waits %s to %s, around %s", attempt, least, most, want)
		}
		if most-least < want/2 {
			t.Errorf("attempt %d waits %s to %s: two nodes would meet again and again", attempt, least, most)
		}
		want = min(time.Duration(float64(want)*redialGrowth), redialMax)
	}
	if want != redialMax {
		t.Errorf("it grows to %s", want)
	}
}
