package main

import (
	"reflect"
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
