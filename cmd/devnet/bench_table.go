package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// results are the raw measurements.
type results struct {
	where                        string
	bareKeygen, keygen, ceremony []time.Duration
	bareSign, guardedSign, sign  []time.Duration
	barePrimes, primes           []time.Duration
	demo                         time.Duration
	frames, bytes                []uint64 // for each signature, all nodes together
	rss, rssWarm                 []int64  // KiB, one for each daemon

	warm, warmFar, refill []time.Duration // from standby
	missed, refillWarm    int             // signatures that found no slot; of refill, that found one
	coldRate, warmRate    float64         // signatures a minute
	armCPU, slotMemory    float64         // core-seconds and KiB for each slot at each party
	count                 int             // signatures so far

	evaluate, evaluateBatch []time.Duration // by the policy, in this process
}

// Aims, for what has no bare engine to be compared with.
const (
	aimDemo = 180 // seconds
	aimRSS  = 96  // MiB

	aimSpeedup = 50
	aimRSSWarm = 128 // MiB
)

// row is one line of bench.json. Ratio is value / baseline; a row without a
// baseline has neither.
type row struct {
	Name     string  `json:"name"`
	Value    float64 `json:"value"`
	Unit     string  `json:"unit"`
	Baseline float64 `json:"baseline,omitempty"`
	Ratio    float64 `json:"ratio,omitempty"`

	what, against, limit string
}

func newRow(name string, value float64, unit string, baseline float64, what, against, limit string) row {
	r := row{Name: name, Value: round(value), Unit: unit, Baseline: round(baseline), what: what, against: against, limit: limit}
	if baseline > 0 {
		r.Ratio = round(value / baseline)
	}
	return r
}

func ratio(a, b float64) float64 {
	if b == 0 {
		return 0
	}
	return a / b
}

// quantile is the value below which a share of all lies.
func quantile(of []time.Duration, share float64) time.Duration {
	if len(of) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(of))
	return s[min(int(share*float64(len(s))), len(s)-1)]
}

// round keeps four digits behind the point: more would be noise.
func round(x float64) float64 { return float64(int64(x*10_000+0.5)) / 10_000 }

func (r results) rows() []row {
	seconds := func(d []time.Duration) float64 { return median(d).Seconds() }
	ms := func(d []time.Duration) float64 { return median(d).Seconds() * 1000 }
	us := func(d []time.Duration) float64 { return median(d).Seconds() * 1e6 }
	return []row{
		newRow("keygen", seconds(r.keygen), "s", seconds(r.bareKeygen), fmt.Sprintf("rounds of key generation by seven processes, shares on disk (median of %d)", len(r.keygen)), "bare engine, seven parties in one process", "≤ 1.15"),
		newRow("sign_cold", ms(r.sign), "ms", ms(r.bareSign), fmt.Sprintf("fourth approval read → signature verified (median of %d)", len(r.sign)), "bare engine, four parties in one process", "≤ 1.15"),
		newRow("preparams", ms(r.primes), "ms", ms(r.barePrimes), fmt.Sprintf("one member's pre-parameters (median of %d)", len(r.primes)), fmt.Sprintf("the engine's generator (median of %d)", len(r.barePrimes)), "≤ 0.05"),
		newRow("daemon_rss", float64(slices.Max(append(slices.Clone(r.rss), 0)))/1024, "MiB", aimRSS, fmt.Sprintf("resident memory of the largest of seven daemons, after %d signatures", len(r.sign)), "the aim", "≤ 1"),
		newRow("demo_wall", r.demo.Seconds(), "s", aimDemo, "the whole story of `devnet demo`", "the limit", "≤ 1"),
		newRow("sign_standby", ms(r.warm), "ms", ms(r.bareSign), fmt.Sprintf("fourth approval read → signature verified, fired from standby (median of %d; %d found no slot)", len(r.warm), r.missed), "bare engine, cold, four parties in one process", "≤ 40 ms"),
		newRow("sign_standby_speedup", ratio(ms(r.bareSign), ms(r.warm)), "times", aimSpeedup, "the bare engine's cold signature over ours from standby", "the aim", "≥ 1"),
		newRow("sign_standby_far_rpc", ms(r.warmFar), "ms", ms(r.warm), fmt.Sprintf("likewise with each RPC answer 50 ms late (median of %d)", len(r.warmFar)), "with the RPC near", ""),
		newRow("sign_standby_p99", quantile(r.refill, 0.99).Seconds()*1000, "ms", 0, fmt.Sprintf("likewise one after the other while slots refill (99th percentile of %d; %d found a slot)", len(r.refill), r.refillWarm), "", ""),
		newRow("signatures_per_minute", r.warmRate, "a minute", r.coldRate, "sustained with standby; one nonce in flight and a block each second", "sustained without standby", ""),
		newRow("arm_cpu", r.armCPU, "core-s", 0, "to make one slot, for each of its four parties", "", ""),
		newRow("slot_memory", r.slotMemory, "KiB", 0, "of one slot at each of its parties", "", ""),
		newRow("daemon_rss_warm", float64(slices.Max(append(slices.Clone(r.rssWarm), 0)))/1024, "MiB", aimRSSWarm, fmt.Sprintf("resident memory of the largest daemon after %d signatures, all sets warm", r.count), "the aim", "≤ 1"),
		newRow("policy_evaluate", us(r.evaluate), "us", aimEvaluate, fmt.Sprintf("the policy judges a plain call; the last of %d rules allows it (median of %d)", ruleCount, len(r.evaluate)), "the aim", "≤ 1"),
		newRow("policy_evaluate_batch", us(r.evaluateBatch), "us", aimBatch, fmt.Sprintf("likewise a multicall of 20 calls (median of %d)", len(r.evaluateBatch)), "the aim", "≤ 1"),
		newRow("keygen_ceremony", seconds(r.ceremony), "s", 0, "all of `signer keygen`: primes, rounds, confirmation, two test signatures", "", ""),
		newRow("sign_engine_guarded", ms(r.guardedSign), "ms", ms(r.bareSign), fmt.Sprintf("four parties in one process, with our guard before the engine (median of %d)", len(r.guardedSign)), "bare engine", ""),
		newRow("frames_per_signature", float64(median(r.frames)), "frames", 0, "sent by all seven nodes from the fourth approval until all have seen the block", "", ""),
		newRow("bytes_per_signature", float64(median(r.bytes))/1024, "KiB", 0, "likewise", "", ""),
	}
}

// write puts the table and the numbers into docs/.
func (b measuring) write(r *report, res results) error {
	rows := res.rows()
	data, err := json.MarshalIndent(rows, "", "  ")
	if err != nil {
		return fmt.Errorf("encode results: %w", err)
	}
	dir := filepath.Join(b.out, "docs")
	for _, f := range []struct {
		name string
		data []byte
	}{{"bench.json", append(data, '\n')}, {"benchmarks.md", []byte(page(rows, res, b))}} {
		if err := os.WriteFile(filepath.Join(dir, f.name), f.data, 0o644); err != nil {
			return fmt.Errorf("write results: %w", err)
		}
	}
	for _, x := range rows {
		line := fmt.Sprintf("%-22s %10s %s", x.Name, number(x.Value), x.Unit)
		if x.Baseline > 0 {
			line += fmt.Sprintf(", baseline %s, ratio %s", number(x.Baseline), number(x.Ratio))
		}
		r.say("%s", line)
	}
	r.note("written: %s", filepath.Join(dir, "{benchmarks.md,bench.json}"))
	return nil
}

func number(x float64) string {
	switch {
	case x == 0:
		return "–"
	case x < 10:
		return fmt.Sprintf("%.3g", x)
	case x < 1000:
		return fmt.Sprintf("%.1f", x)
	}
	return fmt.Sprintf("%.0f", x)
}

// page is docs/benchmarks.md.
func page(rows []row, res results, b measuring) string {
	var out strings.Builder
	fmt.Fprintf(&out, `# Benchmarks

Written by `+"`make bench`"+` (`+"`devnet bench`"+`), which measures both sides of each ratio
in one run: seven real `+"`signer`"+` processes over libp2p on loopback, and the bare engine
(tss-lib) in one process without network, disk, guard or policy. The numbers are
in `+"`bench.json`"+` beside this page.

Measured %s on %s (%s), %s, %s.

| name | what | value | against | baseline | ratio | aim |
|---|---|---|---|---|---|---|
`, time.Now().UTC().Format(time.DateOnly), processor(), res.where, runtime.Version(), runtime.GOOS+"/"+runtime.GOARCH)
	for _, r := range rows {
		base, ratio := "–", "–"
		if r.Baseline > 0 {
			base, ratio = number(r.Baseline)+" "+r.Unit, number(r.Ratio)
		}
		fmt.Fprintf(&out, "| %s | %s | %s %s | %s | %s | %s | %s |\n", r.Name, r.what, number(r.Value), r.Unit, dash(r.against), base, ratio, dash(r.limit))
	}
	fmt.Fprintf(&out, `
How to read it:

- **keygen** begins when the first node knows that all seven stand ready and ends
  when the last one has its share sealed on disk; the bare engine's part is the
  same rounds with pre-parameters at hand. What a person waits for is
  keygen_ceremony.
- **sign_cold** is what the node that was given the fourth approval reports: from
  reading it, through fees, facts, the policy's second look and the ledger's
  fsync, to a signature that go-ethereum's own code has verified. All seven nodes
  and the dev chain share the processors with the four that sign.
- **sign_standby** is the same from standby, with all 35 sets of signers warm; the
  four that approve are others each time.
- **policy_evaluate** is one decision in the process that measures: decoding, the
  sentence, the never-list and all rules. Nearly all of the rules speak of the very
  function and fail on its argument.
- **daemon_rss** of all seven: %s MiB; **daemon_rss_warm**: %s MiB.

All runs, in seconds: key generation %s (bare %s); signatures %s (bare %s); from
standby %s; with a far RPC %s.
`, spread(res.rss), spread(res.rssWarm), series(res.keygen), series(res.bareKeygen), series(res.sign), series(res.bareSign), series(res.warm), series(res.warmFar))
	return out.String()
}

func dash(s string) string {
	if s == "" {
		return "–"
	}
	return s
}

func spread(kib []int64) string {
	var out []string
	for _, x := range slices.Sorted(slices.Values(kib)) {
		out = append(out, fmt.Sprintf("%.0f", float64(x)/1024))
	}
	return strings.Join(out, ", ")
}

func series(d []time.Duration) string {
	var out []string
	for _, x := range d {
		out = append(out, fmt.Sprintf("%.3f", x.Seconds()))
	}
	return strings.Join(out, " ")
}

// processor names the processor, where the system tells.
func processor() string {
	b, err := os.ReadFile("/proc/cpuinfo")
	if err == nil {
		for line := range strings.Lines(string(b)) {
			if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == "model name" {
				return strings.TrimSpace(value)
			}
		}
	}
	return "an unnamed processor"
}
