package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the page of the benchmarks anew from the numbers, with the limits of the sources")

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
	before[0].Limit = "≤ 9" // of another day
	if data, err := json.Marshal(before); err != nil || os.WriteFile(filepath.Join(docs, "bench.json"), data, 0o600) != nil {
		t.Fatalf("write the rows: %v", err)
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
		case r.Limit != (results{}).rows()[i].Limit:
			t.Errorf("%s has the limit %q, which is not the benchmark's", r.Name, r.Limit)
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
	if *update {
		if err := (measuring{out: filepath.Dir(docs), only: []string{"nothing"}}).write(newReport(os.Stdout), results{}); err != nil {
			t.Fatal(err)
		}
	}
	rows, err := readRows(filepath.Join(docs, "bench.json"))
	if err != nil || len(rows) == 0 {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	have, err := os.ReadFile(filepath.Join(docs, "benchmarks.md"))
	if err != nil {
		t.Fatal(err)
	}
	if string(have) != page(rows) {
		t.Error("docs/benchmarks.md is not what 'devnet bench' makes of docs/bench.json: measure again, or run this test with -update")
	}
}

// figures are the rows that the benchmark is to have, and the repository to show.
var figures = strings.Fields(`
	keygen sign_cold preparams daemon_rss demo_wall demo_whole sign_standby sign_standby_speedup
	sign_standby_far_rpc sign_standby_p99 signatures_per_minute arm_cpu slot_memory
	daemon_rss_warm daemon_rss_flat policy_evaluate policy_evaluate_batch reshare switch_gap
	rotation_wall rotations_in_a_row keygen_ceremony sign_engine_guarded frames_per_signature
	bytes_per_signature`)

// What the repository says of its speed has every row, measured, and is within what it
// aims at.
func TestNumbersAreWithinTheirLimits(t *testing.T) {
	have, err := readRows(filepath.Join("..", "..", "docs", "bench.json"))
	if err != nil {
		t.Fatal(err)
	}
	named := func(name string) func(row) bool { return func(r row) bool { return r.Name == name } }
	table, held := results{}.rows(), 0
	if len(have) != len(figures) || len(table) != len(figures) {
		t.Errorf("%d rows, and the benchmark has %d; want %d", len(have), len(table), len(figures))
	}
	for _, name := range figures {
		i, k := slices.IndexFunc(have, named(name)), slices.IndexFunc(table, named(name))
		if i < 0 || k < 0 {
			t.Errorf("%s is missing", name)
			continue
		}
		r := have[i]
		if r.Value <= 0 {
			t.Errorf("%s is %g: it was not measured", name, r.Value)
		}
		if r.Limit != table[k].Limit {
			t.Errorf("%s has the limit %q; the benchmark's is %q", name, r.Limit, table[k].Limit)
		}
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
		if value <= 0 {
			t.Errorf("%s has nothing that its limit %s could be held to", name, r.Limit)
		}
		if unit != "" && unit != r.Unit || sign != "≤" && sign != "≥" {
			t.Errorf("%s: limit %q of %s", r.Name, r.Limit, r.Unit)
		}
		if sign == "≤" && value > limit || sign == "≥" && value < limit {
			t.Errorf("%s is %g; the limit is %s", r.Name, value, r.Limit)
		}
		held++
	}
	if held < 14 {
		t.Errorf("%d rows have a limit", held)
	}
}
