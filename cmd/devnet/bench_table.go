package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
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
	demo, whole                  time.Duration // the first steps of the story, and all of it
	frames, bytes                []uint64      // for each signature, all nodes together
	rss, rssStocked, rssWarm     []int64       // KiB, one for each daemon; the last two before and after a long row of signatures

	warm, warmFar, refill []time.Duration // from standby
	missed, refillWarm    int             // signatures that found no slot; of refill, that found one
	coldRate, warmRate    float64         // signatures a minute
	armCPU, slotMemory    float64         // core-seconds and KiB for each slot at each party
	count                 int             // signatures so far

	evaluate, evaluateBatch []time.Duration // by the policy, in this process

	bareReshare, reshare, gap, waited []time.Duration // of rotations
	rotations                         int             // that were carried out
}

// Aims, for what has no bare engine to be compared with.
const (
	aimDemo      = 180 // seconds
	aimDemoSteps = 7   // of the story, from the first
	aimRSS       = 96  // MiB
	aimGap       = 200 // milliseconds

	aimSpeedup = 50
	aimRSSWarm = 128 // MiB
)

// row is one line of bench.json. Ratio is value / baseline; a row without a
// baseline has neither. Runs are what the two are the median of, or what else there
// is to the value.
type row struct {
	Name         string    `json:"name"`
	Value        float64   `json:"value"`
	Unit         string    `json:"unit"`
	Baseline     float64   `json:"baseline,omitempty"`
	Ratio        float64   `json:"ratio,omitempty"`
	What         string    `json:"what"`
	Against      string    `json:"against,omitempty"`
	Limit        string    `json:"limit,omitempty"`
	Measured     string    `json:"measured"` // the day and the machine
	Runs         []float64 `json:"runs,omitempty"`
	BaselineRuns []float64 `json:"baseline_runs,omitempty"`

	part string // of the measurements
}

func newRow(part, name string, value float64, unit string, baseline float64, what, against, limit string) row {
	r := row{Name: name, Value: round(value), Unit: unit, Baseline: round(baseline), What: what, Against: against, Limit: limit, part: part}
	if baseline > 0 {
		r.Ratio = round(value / baseline)
	}
	return r
}

// of adds all runs, in units of one.
func (r row) of(one time.Duration, runs, baseline []time.Duration) row {
	r.Runs, r.BaselineRuns = in(one, runs), in(one, baseline)
	return r
}

func in(one time.Duration, all []time.Duration) (out []float64) {
	for _, d := range all {
		out = append(out, round(float64(d)/float64(one)))
	}
	return out
}

// memoryRow is what the largest of several processes has, in MiB; kib is of all.
func memoryRow(name string, kib []int64, aim float64, what string) row {
	r := newRow("signatures", name, float64(slices.Max(append(slices.Clone(kib), 0)))/1024, "MiB", aim, what, "the aim", "≤ 1")
	for _, x := range slices.Sorted(slices.Values(kib)) {
		r.Runs = append(r.Runs, round(float64(x)/1024))
	}
	return r
}

func mib(kib []int64) float64 { return float64(median(kib)) / 1024 }

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

// rows are all lines, in the order of the page; those of parts that were not measured
// are empty.
func (r results) rows() []row {
	seconds := func(d []time.Duration) float64 { return median(d).Seconds() }
	ms := func(d []time.Duration) float64 { return median(d).Seconds() * 1000 }
	us := func(d []time.Duration) float64 { return median(d).Seconds() * 1e6 }
	return []row{
		newRow("keygen", "keygen", seconds(r.keygen), "s", seconds(r.bareKeygen), fmt.Sprintf("rounds of key generation by seven processes, shares on disk (median of %d)", len(r.keygen)), "bare engine, seven parties in one process", "≤ 1.15").of(time.Second, r.keygen, r.bareKeygen),
		newRow("signatures", "sign_cold", ms(r.sign), "ms", ms(r.bareSign), fmt.Sprintf("fourth approval read → signature verified (median of %d)", len(r.sign)), "bare engine, four parties in one process", "≤ 1.15").of(time.Millisecond, r.sign, r.bareSign),
		newRow("keygen", "preparams", mean(r.primes).Seconds()*1000, "ms", mean(r.barePrimes).Seconds()*1000, fmt.Sprintf("one member's pre-parameters (mean of %d)", len(r.primes)), fmt.Sprintf("the engine's generator (mean of %d)", len(r.barePrimes)), "≤ 0.05").of(time.Millisecond, r.primes, r.barePrimes),
		memoryRow("daemon_rss", r.rss, aimRSS, fmt.Sprintf("resident memory of the largest of seven daemons, after %d signatures", len(r.sign))),
		newRow("keygen", "demo_wall", r.demo.Seconds(), "s", aimDemo, fmt.Sprintf("the first %d steps of `devnet demo`", aimDemoSteps), "the limit", "≤ 1"),
		newRow("keygen", "demo_whole", r.whole.Seconds(), "s", 0, fmt.Sprintf("all %d steps of it, with standby and a rotation", len(chapters)), "", ""),
		newRow("signatures", "sign_standby", ms(r.warm), "ms", ms(r.bareSign), fmt.Sprintf("fourth approval read → signature verified, fired from standby (median of %d; %d found no slot)", len(r.warm), r.missed), "bare engine, cold, four parties in one process", "≤ 40 ms").of(time.Millisecond, r.warm, nil),
		newRow("signatures", "sign_standby_speedup", ratio(ms(r.bareSign), ms(r.warm)), "times", aimSpeedup, "the bare engine's cold signature over ours from standby", "the aim", "≥ 1"),
		newRow("signatures", "sign_standby_far_rpc", ms(r.warmFar), "ms", ms(r.warm), fmt.Sprintf("likewise with each RPC answer 50 ms late (median of %d)", len(r.warmFar)), "with the RPC near", "≤ 40 ms").of(time.Millisecond, r.warmFar, nil),
		newRow("signatures", "sign_standby_p99", quantile(r.refill, 0.99).Seconds()*1000, "ms", 0, fmt.Sprintf("likewise one after the other while slots refill (99th percentile of %d; %d found a slot)", len(r.refill), r.refillWarm), "", ""),
		newRow("signatures", "signatures_per_minute", r.warmRate, "a minute", r.coldRate, "sustained with standby; one nonce in flight and a block each second", "sustained without standby", ""),
		newRow("signatures", "arm_cpu", r.armCPU, "core-s", 0, "to make one slot, for each of its four parties", "", ""),
		newRow("signatures", "slot_memory", r.slotMemory, "KiB", 0, "of one slot at each of its parties", "", ""),
		memoryRow("daemon_rss_warm", r.rssWarm, aimRSSWarm, fmt.Sprintf("resident memory of the largest daemon after %d signatures, all sets warm", r.count)),
		newRow("signatures", "daemon_rss_flat", mib(r.rssWarm), "MiB", mib(r.rssStocked), fmt.Sprintf("resident memory of the middle one of seven daemons after %d more signatures from standby, all sets warm and at rest", len(r.refill)), "before them, all sets warm and at rest, too", "≤ 1.25"),
		newRow("policy", "policy_evaluate", us(r.evaluate), "us", aimEvaluate, fmt.Sprintf("the policy judges a plain call; the last of %d rules allows it (median of %d)", ruleCount, len(r.evaluate)), "the aim", "≤ 1"),
		newRow("policy", "policy_evaluate_batch", us(r.evaluateBatch), "us", aimBatch, fmt.Sprintf("likewise a multicall of 20 calls (median of %d)", len(r.evaluateBatch)), "the aim", "≤ 1"),
		newRow("rotation", "reshare", seconds(r.reshare), "s", seconds(r.bareReshare), fmt.Sprintf("new shares for 7 members, 2 of them new, by the processes of both rosters: the first node in the try → the last share sealed on disk (median of %d)", len(r.reshare)), "bare engine, 4 dealers and 7 receivers in one process", "≤ 1.25").of(time.Second, r.reshare, r.bareReshare),
		newRow("rotation", "switch_gap", ms(r.gap), "ms", aimGap, fmt.Sprintf("fewer than 4 old nodes may sign → 4 new ones can sign together (median of %d)", len(r.gap)), "the aim", "≤ 2000 ms").of(time.Millisecond, r.gap, nil),
		newRow("rotation", "rotation_wall", seconds(r.waited), "s", 0, fmt.Sprintf("`signer term begin`, or the hour of the change → all 7 hold the key under the new roster (median of %d)", len(r.waited)), "", "").of(time.Second, r.waited, nil),
		newRow("rotation", "rotations_in_a_row", float64(r.rotations), "rotations", 0, "every seat replaced, the address the same; the last council signs, nobody of the first can", "", ""),
		newRow("keygen", "keygen_ceremony", seconds(r.ceremony), "s", 0, "all of `signer keygen`: primes, rounds, confirmation, two test signatures", "", ""),
		newRow("signatures", "sign_engine_guarded", ms(r.guardedSign), "ms", ms(r.bareSign), fmt.Sprintf("four parties in one process, with our guard before the engine (median of %d)", len(r.guardedSign)), "bare engine", ""),
		newRow("signatures", "frames_per_signature", float64(median(r.frames)), "frames", 0, "sent by all seven nodes from the fourth approval until all have seen the block", "", ""),
		newRow("signatures", "bytes_per_signature", float64(median(r.bytes))/1024, "KiB", 0, "likewise", "", ""),
	}
}

// write puts the table and the numbers into docs/. Rows of parts that were not measured
// stay as they are there.
func (b measuring) write(r *report, res results) error {
	dir := filepath.Join(b.out, "docs")
	kept, err := readRows(filepath.Join(dir, "bench.json"))
	if err != nil {
		return err
	}
	now := fmt.Sprintf("%s on %s (%s), %s, %s", time.Now().UTC().Format(time.DateOnly), processor(), res.where, runtime.Version(), runtime.GOOS+"/"+runtime.GOARCH)
	var rows []row
	for _, x := range res.rows() {
		if i := slices.IndexFunc(kept, func(k row) bool { return k.Name == x.Name }); b.measures(x.part) {
			x.Measured = now
			r.say("%s", x)
		} else if i >= 0 {
			limit := x.Limit // is no measurement
			x = kept[i]
			x.Limit = limit
		} else {
			continue
		}
		rows = append(rows, x)
	}
	data, err := json.MarshalIndent(rows, "", "  ")
	if err != nil {
		return fmt.Errorf("encode results: %w", err)
	}
	for _, f := range []struct {
		name string
		data []byte
	}{{"bench.json", append(data, '\n')}, {"benchmarks.md", []byte(page(rows))}} {
		if err := os.WriteFile(filepath.Join(dir, f.name), f.data, 0o644); err != nil {
			return fmt.Errorf("write results: %w", err)
		}
	}
	r.note("written: %s", filepath.Join(dir, "{benchmarks.md,bench.json}"))
	return nil
}

// readRows reads what an earlier run has written; nothing if there is none.
func readRows(path string) (rows []row, err error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err == nil {
		err = json.Unmarshal(data, &rows)
	}
	if err != nil {
		return nil, fmt.Errorf("read the results of an earlier run, %s: %w", path, err)
	}
	return rows, nil
}

// String is the row for a terminal.
func (r row) String() string {
	line := fmt.Sprintf("%-22s %10s %s", r.Name, number(r.Value), r.Unit)
	if r.Baseline > 0 {
		line += fmt.Sprintf(", baseline %s, ratio %s", number(r.Baseline), number(r.Ratio))
	}
	return line
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
func page(rows []row) string {
	var out strings.Builder
	out.WriteString(`# Benchmarks

Written by ` + "`make bench`" + ` (` + "`devnet bench`" + `), which measures both sides of each ratio
in one run: seven real ` + "`signer`" + ` processes over libp2p on loopback, and the bare engine
(tss-lib) in one process without network, disk, guard or policy. The numbers are
in ` + "`bench.json`" + ` beside this page.

`)
	days := measured(rows)
	for _, day := range slices.Sorted(maps.Keys(days)) {
		which := ""
		if len(days) > 1 {
			which = ": " + strings.Join(days[day], ", ")
		}
		fmt.Fprintf(&out, "Measured %s%s.\n\n", day, which)
	}
	out.WriteString(`| name | what | value | against | baseline | ratio | aim |
|---|---|---|---|---|---|---|
`)
	for _, r := range rows {
		base, ratio := "–", "–"
		if r.Baseline > 0 {
			base, ratio = number(r.Baseline)+" "+r.Unit, number(r.Ratio)
		}
		fmt.Fprintf(&out, "| %s | %s | %s %s | %s | %s | %s | %s |\n", r.Name, r.What, number(r.Value), r.Unit, dash(r.Against), base, ratio, dash(r.Limit))
	}
	out.WriteString(`
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
  members take turns to approve, in six fours.
- **sign_standby_p99** and the first number of **signatures_per_minute** are of one row of
  signatures, with ` + "`standby.cpu: 100`" + `: slots are made again as fast as the processors
  can, not within the 25 percent of a configuration that says nothing else. The percentile
  is of all of them, those that found no slot and ran from the start included.
- **preparams** is a search that depends on luck: four safe primes, each found after a
  number of tries that is spread geometrically. So it is told by the mean of many, and
  all runs stand below.
- **reshare** begins when the first node is in the try and ends when the last of the
  seven has its new share sealed on disk. In it are the rounds between nine processes
  (five who stay, two who leave, two who come), the guard, the audit of each new share
  and the disk; pre-parameters are at hand on both sides. Not in it are the gathering
  before, and Acks, test signatures and Locks after. What a person waits for is
  rotation_wall.
- **switch_gap** is the time in which no signature can be made. It begins when the
  fourth of the seven old nodes stops signing, which is before its Lock is on disk:
  three are left. It ends when four nodes of the new roster run under it, have caught up
  with the others' feeds, and are connected each with each. Both are told by the nodes
  themselves.
- **policy_evaluate** is one decision in the process that measures: decoding, the
  sentence, the never-list and all rules. Nearly all of the rules speak of the very
  function and fail on its argument.
- **daemon_rss** and **daemon_rss_warm** are of the largest of seven; all of them stand below.
  The first is of daemons that keep no slots, the second of daemons that keep all of them,
  so the two don't show whether memory grows with the signatures.
- **daemon_rss_flat** shows that: the middle one of the seven before and after the row of
  **sign_standby_p99**, the same processes and both times with all 35 sets warm. They have
  signed 40 times from standby when the row begins, and six times as often when it ends.
  The record has grown by then, and its pages on the disk are mapped and count as theirs,
  so the ratio is not 1.

All runs, in the unit of their row:

`)
	for _, r := range rows {
		if len(r.Runs) == 0 {
			continue
		}
		fmt.Fprintf(&out, "- %s: %s", r.Name, series(r.Runs))
		if len(r.BaselineRuns) > 0 {
			fmt.Fprintf(&out, "; baseline: %s", series(r.BaselineRuns))
		}
		out.WriteString("\n")
	}
	return out.String()
}

// measured lists the rows by when and where they were measured.
func measured(rows []row) map[string][]string {
	out := map[string][]string{}
	for _, r := range rows {
		out[r.Measured] = append(out[r.Measured], r.Name)
	}
	return out
}

func dash(s string) string {
	if s == "" {
		return "–"
	}
	return s
}

func series(all []float64) string {
	var out []string
	for _, x := range all {
		out = append(out, number(x))
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
