package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func TestGrownOf(t *testing.T) {
	out := `goos: linux
BenchmarkGrowthFire/4of7/0ms-2         	       1	   9500000 ns/op	      9001 B-party/op	     36004 B-total/op
BenchmarkGrowthFire/4of7/0ms-2         	       1	   6500000 ns/op	      9000 B-party/op	     36000 B-total/op
BenchmarkGrowthFire/4of7/0ms-2         	       1	   6400000 ns/op	      8998 B-party/op	     35992 B-total/op
BenchmarkGrowthFire/4of7/150ms         	       1	 931000000 ns/op	      9000 B-party/op	     36000 B-total/op
PASS
`
	all, err := grownOf(out, "BenchmarkGrowthFire")
	if err != nil {
		t.Fatal(err)
	}
	want := []grown{ // the medians
		{Council: "4of7", What: "fire", Delay: 0, Runs: 3, Millis: 6.5, Total: 36000, Party: 9000},
		{Council: "4of7", What: "fire", Delay: 150, Runs: 1, Millis: 931, Total: 36000, Party: 9000},
	}
	for i := range all {
		all[i].times, all[i].totals, all[i].parties = nil, nil, nil
	}
	if !reflect.DeepEqual(all, want) {
		t.Errorf("%+v", all)
	}
	for _, bad := range []string{"PASS\n", "BenchmarkGrowthFire/4of7/0ms-2 3 x ns/op 1 B-party/op 2 B-total/op\n", "BenchmarkGrowthFire/4of7/0ms-2 3 5 ns/op\n"} {
		if _, err := grownOf(bad, "BenchmarkGrowthFire"); err == nil {
			t.Errorf("%q is read as a result", bad)
		}
	}
}

func TestPageOfGrowth(t *testing.T) {
	g := growing{out: t.TempDir()}
	docs := filepath.Join(g.out, "docs")
	if err := os.Mkdir(docs, 0o700); err != nil {
		t.Fatal(err)
	}
	all := []grown{
		{Council: "4of7", What: "keygen", Runs: 3, Millis: 30_000, Total: 4096, Party: 1024},
		{Council: "4of7", What: "fire", Delay: 50, Runs: 20, Millis: 311.7, Total: 2048, Party: 512},
	}
	if err := g.write(&report{out: new(strings.Builder)}, "nowhere", all); err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(filepath.Join(docs, "growth.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"the median of its runs", "| 4 of 7 | keygen | – | 30000 ms | 4.0 KiB | 1.0 KiB | 3 |", "| 4 of 7 | fire | 50 ms | 311.7 ms | 2.0 KiB | 0.5 KiB | 20 |"} {
		if !strings.Contains(string(page), want) {
			t.Errorf("the page lacks %q:\n%s", want, page)
		}
	}
	data, err := os.ReadFile(filepath.Join(docs, "growth.json"))
	var back []grown
	if err == nil {
		err = json.Unmarshal(data, &back)
	}
	if err != nil || !reflect.DeepEqual(back, all) {
		t.Errorf("%+v, %v", back, err)
	}
}
