package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/millicent-one/signer/api"
	"github.com/millicent-one/signer/council"
)

// measuring are the options of 'devnet bench'.
type measuring struct {
	options
	runs, signatures, sustained, rotations, cpus int
	only                                         []string
	source, out                                  string
}

// part is one of the measurements, with both of its sides. Each makes what councils it
// needs, so that one can be done without the others.
type part struct {
	name    string
	measure func(measuring, context.Context, *report, *results) error
}

func parts() []part {
	return []part{
		{"policy", measuring.policy},
		{"keygen", measuring.keygen},
		{"signatures", measuring.signing},
		{"rotation", measuring.rotating},
	}
}

func partNames() (out []string) {
	for _, p := range parts() {
		out = append(out, p.name)
	}
	return out
}

// measures reports whether a part is asked for.
func (b measuring) measures(name string) bool {
	return len(b.only) == 0 || slices.Contains(b.only, name)
}

func benchCmd() *cobra.Command {
	var b measuring
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Measure the council against the bare engine",
		Long: `Measure the council against the bare engine: seven real processes here, the engine
alone in one process there, in one run and on the same processors. Councils make a key,
of which the first plays the story for its own time; one signs; one rotates its shares,
again and again, until every seat has been replaced and more. The bare engine's part is
benchmarks of the tss package, built from the sources with the go command.

Writes docs/benchmarks.md and docs/bench.json under --out. It takes three quarters of an
hour or so; nothing else should run meanwhile. With --only, the rows of the other parts
stay as they are there.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return b.measure(cmd.Context()) },
	}
	b.flags(cmd)
	fs := cmd.Flags()
	fs.IntVar(&b.runs, "runs", 3, "key generations of each kind, and reshares of the bare engine")
	fs.IntVar(&b.signatures, "signatures", 20, "signatures of each kind")
	fs.IntVar(&b.sustained, "sustained", 200, "signatures one after the other, from standby")
	fs.IntVar(&b.rotations, "rotations", 10, "rotations in a row; four replace every seat")
	fs.IntVar(&b.cpus, "cpus", 2, "processors that everything shares")
	fs.StringSliceVar(&b.only, "only", nil, "measure these parts alone: "+strings.Join(partNames(), ", "))
	fs.StringVar(&b.source, "source", ".", "the project's sources, for the bare engine's benchmarks")
	fs.StringVar(&b.out, "out", ".", "where docs/ is")
	return cmd
}

func (b measuring) measure(ctx context.Context) error {
	if b.runs < 1 || b.signatures < 1 || b.sustained < 1 || b.cpus < 1 {
		return fmt.Errorf("%d runs, %d and %d signatures, %d processors: want at least one of each", b.runs, b.signatures, b.sustained, b.cpus)
	}
	if b.rotations < 4 {
		return fmt.Errorf("--rotations %d: want at least 4, which replace every seat", b.rotations)
	}
	for _, name := range b.only {
		if !slices.Contains(partNames(), name) {
			return fmt.Errorf("--only %s: want %s", name, strings.Join(partNames(), ", "))
		}
	}
	where, err := pin(b.cpus)
	if err != nil {
		return err
	}
	r := newReport(os.Stdout)
	r.title("Seven processes against the bare engine, %s", where)
	res := results{where: where}
	for _, p := range parts() {
		if b.measures(p.name) {
			if err := p.measure(b, ctx, r, &res); err != nil {
				return fmt.Errorf("measure %s: %w", p.name, err)
			}
		}
	}
	return b.write(r, res)
}

func (b measuring) policy(_ context.Context, r *report, res *results) error {
	if err := res.judge(); err != nil {
		return err
	}
	r.say("the policy judges a plain call in %s, a batch of 20 in %s", median(res.evaluate), median(res.evaluateBatch))
	return nil
}

// keygen has councils make a key; the first plays the whole story.
func (b measuring) keygen(ctx context.Context, r *report, res *results) error {
	err := b.bare(ctx, r, []benchmark{
		{"BenchmarkKeygenEngine", b.runs, &res.bareKeygen},
		{"BenchmarkPreParams", 8 * b.runs, &res.primes}, // the searches depend on luck
		{"BenchmarkPreParamsEngine", 3 * b.runs, &res.barePrimes},
	}, nil)
	if err != nil {
		return err
	}
	for i := range b.runs {
		err := b.council(ctx, r, func(ctx context.Context, s *story) error {
			if i == 0 {
				s.out = r.out // it says itself how far it is
				if !s.play(ctx, chapters, b.patience) {
					return fmt.Errorf("the story did not hold: %w", errTold)
				}
				for _, o := range s.rows {
					res.whole += o.took
					if o.number <= aimDemoSteps {
						res.demo += o.took
					}
				}
			} else if err := s.keyed(ctx, b.patience); err != nil {
				return err
			}
			took, err := s.rounds()
			if err != nil {
				return err
			}
			res.keygen = append(res.keygen, took)
			res.ceremony = append(res.ceremony, s.ceremony)
			r.say("key generation %d of %d: rounds %.1f s, with primes and proofs %.1f s", i+1, b.runs, took.Seconds(), s.ceremony.Seconds())
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// signing has a council sign, from the start and from standby.
func (b measuring) signing(ctx context.Context, r *report, res *results) error {
	err := b.bare(ctx, r, []benchmark{
		{"BenchmarkSignColdEngine", b.signatures, &res.bareSign},
		{"BenchmarkSignCold", b.signatures, &res.guardedSign},
	}, func(bin string) error { return b.arm(ctx, r, bin, res) })
	if err != nil {
		return err
	}
	return b.council(ctx, r, func(ctx context.Context, s *story) error {
		far, err := newFarRPC("127.0.0.1", s.ground.url)
		if err != nil {
			return err
		}
		defer far.close()
		s.ground.rpc = far.url
		if err := s.keyed(ctx, b.patience); err != nil {
			return err
		}
		if err := b.sign(ctx, r, s, res); err != nil {
			return err
		}
		return b.warm(ctx, r, s, far, res)
	})
}

// rotating has a council rotate its shares, again and again.
func (b measuring) rotating(ctx context.Context, r *report, res *results) error {
	if err := b.bare(ctx, r, []benchmark{{"BenchmarkReshareEngine", b.runs, &res.bareReshare}}, nil); err != nil {
		return err
	}
	return b.council(ctx, r, func(ctx context.Context, s *story) error {
		if err := s.keyed(ctx, b.patience); err != nil {
			return err
		}
		return s.rotations(ctx, b.rotations, b.patience, func(i int, p passage, err error) {
			res.rotations++
			if err != nil {
				r.say("rotation %d of %d: the address stays; not measured: %v", i+1, b.rotations, err)
				return
			}
			res.reshare, res.gap, res.waited = append(res.reshare, p.reshare), append(res.gap, p.gap), append(res.waited, p.waited)
			r.say("rotation %d of %d: reshare %.1f s, nobody can sign for %d ms, all told %.1f s", i+1, b.rotations, p.reshare.Seconds(), p.gap.Milliseconds(), p.waited.Seconds())
		})
	})
}

// council opens a council and measures it.
func (b measuring) council(ctx context.Context, r *report, f func(context.Context, *story) error) (err error) {
	quiet := &report{out: io.Discard, began: time.Now()}
	s, life, done, err := b.open(ctx, quiet)
	if err != nil {
		return err
	}
	defer func() {
		if end := done(err == nil); err == nil {
			err = end
		}
		if err != nil {
			r.note("logs: %s", s.dir)
		}
	}()
	return f(life, s)
}

// keyed has the council make its key, in the time that the story gives it.
func (s *story) keyed(ctx context.Context, patience float64) error {
	limit, cancel := context.WithTimeout(ctx, time.Duration(float64(budgetKey)*patience))
	defer cancel()
	return s.makeKey(limit)
}

// rounds is how long the engine's part of the key generation took: from the
// moment when the first node knew that all seven stand ready, until the last
// one had its share on disk.
func (s *story) rounds() (time.Duration, error) {
	var from, to time.Time
	for _, m := range s.members {
		var began, ended time.Time
		events, _ := m.tape.since(0)
		for _, e := range events {
			stage, _, _ := strings.Cut(e.Text, " (")
			switch {
			case e.Kind == "ceremony" && stage == "generating" && began.IsZero():
				began = e.Time
			case e.Kind == "ceremony" && (stage == "confirming" || stage == "proving" || stage == "committing") || e.Kind == "key-made":
				if ended.IsZero() {
					ended = e.Time
				}
			}
		}
		if began.IsZero() || ended.IsZero() {
			return 0, fmt.Errorf("%s has not told of its key generation", m.id)
		}
		if from.IsZero() || began.Before(from) {
			from = began
		}
		if ended.After(to) {
			to = ended
		}
	}
	return to.Sub(from), nil
}

// sign lets the council pause and unpause the protocol until there are enough
// signatures, each from four approvals by the same members, all nodes online.
func (b measuring) sign(ctx context.Context, r *report, s *story, res *results) error {
	for i := range b.signatures {
		p, traffic, err := s.signature(ctx, s.fours(i), res.count)
		if err != nil {
			return err
		}
		res.count++
		took := time.Duration(p.Timing.Signed) * time.Millisecond
		res.sign = append(res.sign, took)
		res.frames = append(res.frames, traffic.FramesOut)
		res.bytes = append(res.bytes, traffic.BytesOut)
		r.say("signature %d of %d: %d ms, %d frames, %.1f KiB", i+1, b.signatures, took.Milliseconds(), traffic.FramesOut, float64(traffic.BytesOut)/1024)
	}
	if err := s.memory(ctx, &res.rss); err != nil {
		return err
	}
	began := time.Now()
	for i := range b.signatures {
		if _, err := s.quick(ctx, s.fours(i), res.count); err != nil {
			return err
		}
		res.count++
	}
	res.coldRate = perMinute(b.signatures, time.Since(began))
	r.say("%d cold signatures one after the other: %.0f a minute", b.signatures, res.coldRate)
	return nil
}

// signature has these members approve one, and waits until all nodes have seen
// its block. It tells what all nodes have sent from the fourth approval on.
func (s *story) signature(ctx context.Context, m []*member, i int) (api.Proposal, api.Traffic, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, budgetAct, fmt.Errorf("signature %d took longer than %s", i+1, budgetAct))
	defer cancel()
	sent := api.Traffic{}
	action := s.other()
	p, err := s.propose(ctx, m[0], action, "--target", "protocol", "--reason", "measurement "+strconv.Itoa(i+1))
	if err != nil {
		return p, sent, err
	}
	if _, err := s.approve(ctx, p.ID, m[:3]...); err != nil {
		return p, sent, err
	}
	for _, x := range s.members {
		if _, err := s.until(ctx, x, p.ID, "the third approval", func(p api.Proposal) bool { return p.Have == 3 }); err != nil {
			return p, sent, err
		}
	}
	before, err := s.traffic(ctx)
	if err != nil {
		return p, sent, err
	}
	mark := m[3].tape.mark()
	if _, err := s.approve(ctx, p.ID, m[3]); err != nil {
		return p, sent, err
	}
	if err := m[3].toldMined(ctx, mark, p.ID); err != nil {
		return p, sent, err
	}
	done, err := s.mined(ctx, action, m[3], p.ID)
	if err != nil {
		return done, sent, err
	}
	for _, x := range s.members {
		if _, err := s.until(ctx, x, p.ID, "a block with it", func(p api.Proposal) bool { return p.State == api.Mined || p.State == api.Final }); err != nil {
			return done, sent, err
		}
	}
	after, err := s.traffic(ctx)
	if err != nil {
		return done, sent, err
	}
	return done, api.Traffic{FramesOut: after.FramesOut - before.FramesOut, BytesOut: after.BytesOut - before.BytesOut}, nil
}

// toldMined waits until the member's daemon says by itself that the proposal is in
// a block: to ask again and again would take time from what is measured.
func (m *member) toldMined(ctx context.Context, mark int, id council.ProposalID) error {
	_, err := m.tape.await(ctx, mark, func(e api.Event) bool { return e.Kind == string(council.WordMined) && e.Proposal == id })
	return err
}

// other is the playbook that the protocol can take next.
func (s *story) other() string {
	s.paused = !s.paused
	if s.paused {
		return "pause"
	}
	return "unpause"
}

// traffic adds up what all nodes have sent.
func (s *story) traffic(ctx context.Context) (api.Traffic, error) {
	var sum api.Traffic
	for _, m := range s.members {
		st, err := m.client.Status(ctx)
		if err != nil {
			return sum, err
		}
		if st.Traffic == nil {
			return sum, fmt.Errorf("%s does not count its frames", m.id)
		}
		sum.FramesOut += st.Traffic.FramesOut
		sum.BytesOut += st.Traffic.BytesOut
	}
	return sum, nil
}

// resident is the memory that a process has, in KiB.
func resident(ctx context.Context, pid int) (int64, error) {
	out, err := exec.CommandContext(ctx, "ps", "-o", "rss=", "-p", strconv.Itoa(pid)).Output()
	if err != nil {
		return 0, fmt.Errorf("ask for the memory of process %d: %w", pid, err)
	}
	kib, err := strconv.ParseInt(strings.TrimSpace(string(out)), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("ask for the memory of process %d: %w", pid, err)
	}
	return kib, nil
}

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
