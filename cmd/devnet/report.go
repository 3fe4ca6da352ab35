package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// report prints the story: a heading for each step, a line for each thing that
// happened, and a table at the end. Colours are for terminals.
type report struct {
	out   io.Writer
	tty   bool
	bar   *progressbar.ProgressBar
	rows  []outcome
	began time.Time
	width int
}

// outcome is one step in the table at the end.
type outcome struct {
	number int
	title  string
	held   bool
	took   time.Duration
	gist   string
}

func newReport(out *os.File) *report {
	tty := term.IsTerminal(int(out.Fd())) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
	r := &report{out: out, tty: tty, began: time.Now(), width: 96}
	if w, _, err := term.GetSize(int(out.Fd())); err == nil && w > 40 {
		r.width = w
	}
	return r
}

// Colours of terminals.
const (
	bold  = "1"
	dim   = "2"
	red   = "31"
	green = "32"
)

func (r *report) paint(colour, s string) string {
	if !r.tty {
		return s
	}
	return "\x1b[" + colour + "m" + s + "\x1b[0m"
}

func (r *report) title(format string, args ...any) {
	fmt.Fprintln(r.out, r.paint(bold, fmt.Sprintf(format, args...)))
}

// note is a line aside.
func (r *report) note(format string, args ...any) {
	r.clear()
	fmt.Fprintln(r.out, r.paint(dim, "   "+fmt.Sprintf(format, args...)))
}

// say is a line with evidence: something held.
func (r *report) say(format string, args ...any) {
	r.clear()
	fmt.Fprintf(r.out, " %s %s\n", r.paint(green, "✓"), fmt.Sprintf(format, args...))
}

// fail is a line about what did not hold.
func (r *report) fail(err error) {
	r.clear()
	for i, line := range strings.Split(err.Error(), "\n") {
		mark := " "
		if i == 0 {
			mark = r.paint(red, "✗")
		}
		fmt.Fprintf(r.out, " %s %s\n", mark, line)
	}
}

// progress shows how far something long has come. On a terminal that is a bar;
// elsewhere a line whenever what is being done changes.
func (r *report) progress(what string, done, total int, fresh bool) {
	if !r.tty {
		if fresh {
			r.note("… %s", what)
		}
		return
	}
	if r.bar == nil {
		r.bar = progressbar.NewOptions(total, progressbar.OptionSetWriter(r.out), progressbar.OptionSetWidth(32),
			progressbar.OptionClearOnFinish(), progressbar.OptionSetElapsedTime(true), progressbar.OptionSetPredictTime(false),
			progressbar.OptionUseANSICodes(true))
	}
	r.bar.ChangeMax(total)
	r.bar.Describe("   " + what)
	_ = r.bar.Set(done) // a bar that can't be drawn is no failure of the council's
}

// clear takes the bar away.
func (r *report) clear() {
	if r.bar != nil {
		_ = r.bar.Finish() // see progress
		r.bar = nil
	}
}

// summary prints the table of all steps, and whether all held.
func (r *report) summary(steps int) bool {
	fmt.Fprintln(r.out)
	t := tabwriter.NewWriter(r.out, 0, 4, 2, ' ', 0)
	all := len(r.rows) == steps
	for _, o := range r.rows {
		word := "held"
		if !o.held {
			word, all = "FAILED", false
		}
		fmt.Fprintf(t, " %d\t%s\t%s\t%.1f s\t%s\n", o.number, o.title, word, o.took.Seconds(), o.gist)
	}
	t.Flush()
	took := time.Since(r.began).Round(100 * time.Millisecond)
	switch {
	case all:
		fmt.Fprintf(r.out, "\n%s in %s.\n", r.paint(green, fmt.Sprintf("All %d steps held", steps)), took)
	case len(r.rows) < steps:
		fmt.Fprintf(r.out, "\n%s after %s; %d of %d steps were not reached.\n", r.paint(red, "The story broke off"), took, steps-len(r.rows), steps)
	default:
		fmt.Fprintf(r.out, "\n%s after %s.\n", r.paint(red, "The story broke off"), took)
	}
	return all
}

// list joins names for a sentence.
func list[T ~string](names []T) string {
	words := make([]string, len(names))
	for i, n := range names {
		words[i] = string(n)
	}
	switch len(words) {
	case 0:
		return "nobody"
	case 1:
		return words[0]
	}
	return strings.Join(words[:len(words)-1], ", ") + " and " + words[len(words)-1]
}
