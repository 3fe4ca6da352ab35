package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// benchmark is one of the tss package, run so often.
type benchmark struct {
	name  string
	count int
	to    *[]time.Duration
}

// bare runs benchmarks in one process, and what else there is to be run with their
// program.
func (b measuring) bare(ctx context.Context, r *report, all []benchmark, more func(bin string) error) error {
	dir, err := os.MkdirTemp("", "devnet-bench-")
	if err != nil {
		return fmt.Errorf("make a directory: %w", err)
	}
	defer os.RemoveAll(dir)
	bin := filepath.Join(dir, "tss.test")
	r.note("building the bare engine's benchmarks")
	if err := buildBenchmarks(ctx, b.source, bin); err != nil {
		return err
	}
	for _, x := range all {
		cmd := exec.CommandContext(ctx, bin, "-test.run", "^$", "-test.bench", "^"+x.name+"$", "-test.benchtime", "1x", "-test.count", strconv.Itoa(x.count), "-test.timeout", "0")
		cmd.Dir = filepath.Join(b.source, "tss")
		out, err := cmd.CombinedOutput()
		if err != nil {
			return fmt.Errorf("run %s: %w\n%s", x.name, err, out)
		}
		if *x.to, err = timings(string(out), x.name); err != nil {
			return err
		}
		if len(*x.to) != x.count {
			return fmt.Errorf("run %s: %d results; want %d\n%s", x.name, len(*x.to), x.count, out)
		}
		r.say("%s: median %.0f ms of %d", strings.TrimPrefix(x.name, "Benchmark"), median(*x.to).Seconds()*1000, x.count)
	}
	if more == nil {
		return nil
	}
	return more(bin)
}

// arm measures what slots cost.
func (b measuring) arm(ctx context.Context, r *report, bin string, res *results) error {
	cmd := exec.CommandContext(ctx, bin, "-test.run", "^$", "-test.bench", "^BenchmarkArm$", "-test.benchtime", strconv.Itoa(b.signatures)+"x", "-test.timeout", "0")
	cmd.Dir = filepath.Join(b.source, "tss")
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("run BenchmarkArm: %w\n%s", err, out)
	}
	if res.armCPU, err = metric(string(out), "core-s/party"); err != nil {
		return err
	}
	if res.slotMemory, err = metric(string(out), "KiB/party"); err != nil {
		return err
	}
	r.say("a slot costs each of its parties %.2f core-seconds and %.0f KiB", res.armCPU, res.slotMemory)
	return nil
}

// metric finds a number by its unit in what a benchmark has printed.
func metric(out, unit string) (float64, error) {
	f := strings.Fields(out)
	for i := 1; i < len(f); i++ {
		if f[i] == unit {
			return strconv.ParseFloat(f[i-1], 64)
		}
	}
	return 0, fmt.Errorf("read a benchmark: it tells no %s\n%s", unit, out)
}

// timings reads what a benchmark has printed.
func timings(out, name string) ([]time.Duration, error) {
	var all []time.Duration
	for line := range strings.Lines(out) {
		f := strings.Fields(line)
		if len(f) < 4 || f[3] != "ns/op" {
			continue
		}
		if bare, _, _ := strings.Cut(f[0], "-"); bare != name {
			continue
		}
		ns, err := strconv.ParseFloat(f[2], 64)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", name, err)
		}
		all = append(all, time.Duration(ns))
	}
	return all, nil
}

// mean is what the next one takes of things that depend on luck.
func mean(of []time.Duration) time.Duration {
	if len(of) == 0 {
		return 0
	}
	var sum time.Duration
	for _, d := range of {
		sum += d
	}
	return sum / time.Duration(len(of))
}

func median[T int64 | uint64 | time.Duration](of []T) T {
	if len(of) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(of))
	if n := len(s); n%2 == 0 {
		return (s[n/2-1] + s[n/2]) / 2
	}
	return s[len(s)/2]
}
