package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestTimings(t *testing.T) {
	const out = `goos: linux
BenchmarkSignColdEngine-2   	       1	2100000000 ns/op
BenchmarkSignColdEngine-2   	       1	1900000000 ns/op	     12 B/op
BenchmarkSignCold-2         	       1	 900000000 ns/op
PASS
`
	got, err := timings(out, "BenchmarkSignColdEngine")
	if err != nil || !slices.Equal(got, []time.Duration{2100 * time.Millisecond, 1900 * time.Millisecond}) {
		t.Errorf("%v, %v", got, err)
	}
	if m := median(got); m != 2*time.Second {
		t.Errorf("median %s", m)
	}
	if m := median([]uint64{5, 1, 9}); m != 5 {
		t.Errorf("median %d", m)
	}
}

func TestFirstProcessors(t *testing.T) {
	for spans, want := range map[string]string{"0-7": "0,1", "3,5-9": "3,5", "4": "4", "0": "0"} {
		if got, err := firstOf(spans, 2); err != nil || got != want {
			t.Errorf("%s: %q, %v; want %q", spans, got, err, want)
		}
	}
	if _, err := firstOf("x", 2); err == nil {
		t.Error("want an error")
	}
}

func TestTableAndNumbersAgree(t *testing.T) {
	s := []time.Duration{3 * time.Second, 2 * time.Second, 4 * time.Second}
	b := measuring{out: t.TempDir()}
	if err := os.Mkdir(filepath.Join(b.out, "docs"), 0o700); err != nil {
		t.Fatal(err)
	}
	res := results{
		where: "nowhere", bareKeygen: s, keygen: s, ceremony: s, bareSign: s[:1], guardedSign: s, sign: s[1:2], barePrimes: s, primes: s,
		demo: 90 * time.Second, frames: []uint64{7}, bytes: []uint64{2048}, rss: []int64{1024, 48 * 1024},
	}
	if err := b.write(&report{out: new(strings.Builder)}, res); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(b.out, "docs", "bench.json"))
	if err != nil {
		t.Fatal(err)
	}
	var rows []struct {
		Name, Unit             string
		Value, Baseline, Ratio float64
	}
	if err := json.Unmarshal(data, &rows); err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(filepath.Join(b.out, "docs", "benchmarks.md"))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]float64{"keygen": 1, "sign_cold": 2. / 3, "preparams": 1, "daemon_rss": 0.5, "demo_wall": 0.5}
	for _, r := range rows {
		if w, ok := want[r.Name]; ok && round(w) != r.Ratio {
			t.Errorf("%s: ratio %v; want %v", r.Name, r.Ratio, w)
		}
		delete(want, r.Name)
		if !strings.Contains(string(page), "| "+r.Name+" |") {
			t.Errorf("the page lacks %s", r.Name)
		}
	}
	if len(want) > 0 {
		t.Errorf("missing: %v", want)
	}
}
