package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// growing are the options of 'devnet growth'.
type growing struct {
	runs, signatures, cpus int
	large                  bool
	source, out            string
}

func growthCmd() *cobra.Command {
	var g growing
	cmd := &cobra.Command{
		Use:   "growth",
		Short: "Measure how time and bytes grow with the council",
		Long: `Measure how key generation, arming and firing grow with the number of members and
with the threshold, in time and in bytes: 2 of 3, 4 of 7, 7 of 13, and with --large
11 of 21, once. All parties are in one process and each message takes as long as the
table says. Times and bytes are the median of their runs. The benchmarks are those of
the tss package, built from the sources with the go command.

Writes docs/growth.md and docs/growth.json under --out.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return g.measure(cmd.Context()) },
	}
	fs := cmd.Flags()
	fs.IntVar(&g.runs, "runs", 3, "key generations of each council")
	fs.IntVar(&g.signatures, "signatures", 20, "slots armed, and slots fired, of each kind")
	fs.IntVar(&g.cpus, "cpus", 2, "processors that everything shares")
	fs.BoolVar(&g.large, "large", false, "also 11 of 21, once; making its key takes minutes")
	fs.StringVar(&g.source, "source", ".", "the project's sources, for the benchmarks")
	fs.StringVar(&g.out, "out", ".", "where docs/ is")
	return cmd
}

// grown is one line of growth.json: the median of some runs.
type grown struct {
	Council string  `json:"council"`
	What    string  `json:"what"`     // keygen, arm, fire
	Delay   int     `json:"delay_ms"` // of each message, one way
	Runs    int     `json:"runs"`
	Millis  float64 `json:"ms"`
	Total   float64 `json:"bytes_total"` // sent by all parties, once for each receiver
	Party   float64 `json:"bytes_party"` // on average

	times           []time.Duration // of each run
	totals, parties []uint64
}

func (g growing) measure(ctx context.Context) error {
	if g.runs < 1 || g.signatures < 1 || g.cpus < 1 {
		return fmt.Errorf("%d runs, %d signatures, %d processors: want at least one of each", g.runs, g.signatures, g.cpus)
	}
	where, err := pin(g.cpus)
	if err != nil {
		return err
	}
	r := newReport(os.Stdout)
	r.title("How the council grows, %s", where)
	dir, err := os.MkdirTemp("", "devnet-growth-")
	if err != nil {
		return fmt.Errorf("make a directory: %w", err)
	}
	defer os.RemoveAll(dir)
	bin := filepath.Join(dir, "tss.test")
	r.note("building the benchmarks")
	if err := buildBenchmarks(ctx, g.source, bin); err != nil {
		return err
	}
	var all []grown
	for _, z := range []struct {
		council          string
		runs, signatures int
		only             bool
	}{{"2of3", g.runs, g.signatures, true}, {"4of7", g.runs, g.signatures, true}, {"7of13", g.runs, g.signatures, true}, {"11of21", 1, 1, g.large}} {
		if !z.only {
			continue
		}
		for _, of := range []struct {
			what string
			runs int
		}{{"Keygen", z.runs}, {"Arm", z.signatures}, {"Fire", z.signatures}} {
			name := "BenchmarkGrowth" + of.what
			cmd := exec.CommandContext(ctx, bin, "-test.run", "^$", "-test.bench", "^"+name+"$/^"+z.council+"$", "-test.benchtime", "1x", "-test.count", strconv.Itoa(of.runs), "-test.timeout", "0")
			cmd.Dir, cmd.Env = filepath.Join(g.source, "tss"), os.Environ()
			if z.council == "11of21" {
				cmd.Env = append(cmd.Env, "MILLICENT_BENCH_LARGE=1")
			}
			out, err := cmd.CombinedOutput()
			if err != nil {
				return fmt.Errorf("run %s: %w\n%s", name, err, out)
			}
			rows, err := grownOf(string(out), name)
			if err != nil {
				return err
			}
			for _, x := range rows {
				if x.Runs != of.runs {
					return fmt.Errorf("run %s: %d results of %s; want %d\n%s", name, x.Runs, x.Council, of.runs, out)
				}
				r.say("%-6s %-6s %3d ms on the way: %9.1f ms, %9.1f KiB by all", x.Council, x.What, x.Delay, x.Millis, x.Total/1024)
			}
			all = append(all, rows...)
		}
	}
	return g.write(r, where, all)
}

// buildBenchmarks builds the benchmarks of the tss package.
func buildBenchmarks(ctx context.Context, source, bin string) error {
	build := exec.CommandContext(ctx, "go", "test", "-c", "-o", bin, "./tss")
	build.Dir, build.Env = source, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build the benchmarks of %s: %w\n%s", filepath.Join(source, "tss"), err, out)
	}
	return nil
}

// grownOf reads lines such as
//
//	BenchmarkGrowthFire/4of7/50ms-2  1  331000000 ns/op  9000 B-party/op  36000 B-total/op
//
// one for each run, and makes one row of those that have one name.
func grownOf(out, name string) ([]grown, error) {
	var all []grown
	for line := range strings.Lines(out) {
		f := strings.Fields(line)
		if len(f) < 4 || f[3] != "ns/op" || !strings.HasPrefix(f[0], name+"/") {
			continue
		}
		title := f[0][:max(strings.LastIndexByte(f[0], '-'), 0)]
		if title == "" {
			title = f[0] // one processor: no number behind
		}
		parts := strings.Split(title, "/")
		x := grown{Council: parts[1], What: strings.ToLower(strings.TrimPrefix(name, "BenchmarkGrowth"))}
		if len(parts) > 2 {
			var err error
			if x.Delay, err = strconv.Atoi(strings.TrimSuffix(parts[2], "ms")); err != nil {
				return nil, fmt.Errorf("read %s: %w", name, err)
			}
		}
		var total, party float64
		ns, err := strconv.ParseFloat(f[2], 64)
		if err == nil {
			total, err = metric(line, "B-total/op")
		}
		if err == nil {
			party, err = metric(line, "B-party/op")
		}
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", name, err)
		}
		i := slices.IndexFunc(all, func(y grown) bool { return y.Council == x.Council && y.Delay == x.Delay })
		if i < 0 {
			i, all = len(all), append(all, x)
		}
		all[i].times = append(all[i].times, time.Duration(ns))
		all[i].totals, all[i].parties = append(all[i].totals, uint64(total)), append(all[i].parties, uint64(party))
	}
	for i := range all {
		x := &all[i]
		x.Runs, x.Millis = len(x.times), round(median(x.times).Seconds()*1000)
		x.Total, x.Party = float64(median(x.totals)), float64(median(x.parties))
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("read %s: it has measured nothing\n%s", name, out)
	}
	return all, nil
}

func (g growing) write(r *report, where string, all []grown) error {
	data, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		return fmt.Errorf("encode results: %w", err)
	}
	var page strings.Builder
	fmt.Fprintf(&page, `# How the council grows

Written by `+"`make bench`"+` (`+"`devnet growth`"+`); the numbers are in `+"`growth.json`"+` beside this
page. All parties are in one process, without network, disk or policy, with our
guard before the engine. Keygen is the rounds with pre-parameters at hand; arm is
rounds 1 to 3 of signing, before it is known what is signed; fire is the six rounds
that remain, with each message on its way for as long as the table says. A time is
the median of its runs, and so are the bytes: the engine's messages, counted once for
each receiver.

Measured %s on %s (%s), %s, %s. 11 of 21 is measured once.

| council | what | delay | time | bytes, all parties | bytes, each party | runs |
|---|---|---|---|---|---|---|
`, time.Now().UTC().Format(time.DateOnly), processor(), where, runtime.Version(), runtime.GOOS+"/"+runtime.GOARCH)
	for _, x := range all {
		delay := "–"
		if x.What == "fire" {
			delay = fmt.Sprintf("%d ms", x.Delay)
		}
		fmt.Fprintf(&page, "| %s | %s | %s | %s ms | %.1f KiB | %.1f KiB | %d |\n", strings.Replace(x.Council, "of", " of ", 1), x.What, delay, number(x.Millis), x.Total/1024, x.Party/1024, x.Runs)
	}
	dir := filepath.Join(g.out, "docs")
	for name, b := range map[string][]byte{"growth.json": append(data, '\n'), "growth.md": []byte(page.String())} {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o644); err != nil {
			return fmt.Errorf("write results: %w", err)
		}
	}
	r.note("written: %s", filepath.Join(dir, "{growth.md,growth.json}"))
	return nil
}
