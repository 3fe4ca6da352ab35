package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
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
			done := b // what is measured is kept, however the next part ends
			done.only = []string{p.name}
			if err := done.write(r, res); err != nil {
				return err
			}
		}
	}
	return nil
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
		{"BenchmarkPreParams", 20 * b.runs, &res.primes}, // the searches depend on luck
		{"BenchmarkPreParamsEngine", 10 * b.runs, &res.barePrimes},
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
	for _, m := range s.founders {
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
