package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
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
		bareReshare: s, reshare: s, gap: []time.Duration{300 * time.Millisecond},
		demo: 90 * time.Second, frames: []uint64{7}, bytes: []uint64{2048}, rss: []int64{1024, 48 * 1024}, rssStocked: []int64{50, 40, 60}, rssWarm: []int64{100, 90, 80},
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
	want := map[string]float64{"keygen": 1, "sign_cold": 2. / 3, "preparams": 1, "daemon_rss": 0.5, "daemon_rss_flat": 1.8, "demo_wall": 0.5, "reshare": 1, "switch_gap": 1.5}
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

// What was not measured again stays as an earlier run has left it, in its place.
func TestPartsAreMeasuredAlone(t *testing.T) {
	b := measuring{out: t.TempDir()}
	docs := filepath.Join(b.out, "docs")
	if err := os.Mkdir(docs, 0o700); err != nil {
		t.Fatal(err)
	}
	quiet := &report{out: new(strings.Builder)}
	s := []time.Duration{3 * time.Second}
	if err := b.write(quiet, results{where: "nowhere", bareKeygen: s, keygen: s, bareReshare: s, reshare: s}); err != nil {
		t.Fatal(err)
	}
	before, err := readRows(filepath.Join(docs, "bench.json"))
	if err != nil {
		t.Fatal(err)
	}
	b.only = []string{"rotation"}
	if err := b.write(quiet, results{where: "elsewhere", bareReshare: s, reshare: []time.Duration{6 * time.Second}}); err != nil {
		t.Fatal(err)
	}
	after, err := readRows(filepath.Join(docs, "bench.json"))
	if err != nil {
		t.Fatal(err)
	}
	if len(after) != len(before) {
		t.Fatalf("%d rows; there were %d", len(after), len(before))
	}
	for i, r := range after {
		anew := r.Name == "reshare" || r.Name == "switch_gap" || strings.HasPrefix(r.Name, "rotation")
		switch {
		case r.Name != before[i].Name:
			t.Errorf("row %d is %s; it was %s", i, r.Name, before[i].Name)
		case anew != strings.Contains(r.Measured, "elsewhere"):
			t.Errorf("%s is said to be measured %s", r.Name, r.Measured)
		case !anew && (r.Value != before[i].Value || r.What != before[i].What || !slices.Equal(r.Runs, before[i].Runs)):
			t.Errorf("%s has changed: %+v; it was %+v", r.Name, r, before[i])
		case r.Name == "reshare" && (r.Value != 6 || r.Ratio != 2):
			t.Errorf("reshare is %v, %v times the engine's", r.Value, r.Ratio)
		}
	}
	page, err := os.ReadFile(filepath.Join(docs, "benchmarks.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"| keygen | ", "(nowhere)", "(elsewhere), " + runtime.Version(), ": reshare, switch_gap, "} {
		if !strings.Contains(string(page), want) {
			t.Errorf("the page lacks %q:\n%s", want, page)
		}
	}
}

// The page of the repository is that of its numbers.
func TestPageIsOfTheNumbers(t *testing.T) {
	docs := filepath.Join("..", "..", "docs")
	rows, err := readRows(filepath.Join(docs, "bench.json"))
	if err != nil || len(rows) == 0 {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	have, err := os.ReadFile(filepath.Join(docs, "benchmarks.md"))
	if err != nil {
		t.Fatal(err)
	}
	if string(have) != page(rows) {
		t.Error("docs/benchmarks.md is not what 'devnet bench' makes of docs/bench.json: measure again, or put the two back as one run has left them")
	}
}

// What the repository says of its speed is within what it aims at.
func TestNumbersAreWithinTheirLimits(t *testing.T) {
	rows, err := readRows(filepath.Join("..", "..", "docs", "bench.json"))
	if err != nil {
		t.Fatal(err)
	}
	held := 0
	for _, r := range rows {
		if r.Limit == "" {
			continue
		}
		var sign, unit string
		var limit float64
		if n, err := fmt.Sscanf(r.Limit, "%s %g %s", &sign, &limit, &unit); n < 2 {
			t.Fatalf("%s: limit %q: %v", r.Name, r.Limit, err)
		}
		value := r.Ratio
		if unit != "" {
			value = r.Value
		}
		if unit != "" && unit != r.Unit || sign != "≤" && sign != "≥" {
			t.Errorf("%s: limit %q of %s", r.Name, r.Limit, r.Unit)
		}
		if sign == "≤" && value > limit || sign == "≥" && value < limit {
			t.Errorf("%s is %g; the limit is %s", r.Name, value, r.Limit)
		}
		held++
	}
	if held < 10 {
		t.Errorf("%d rows have a limit", held)
	}
}
