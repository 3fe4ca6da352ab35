package policy

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/millicent-one/signer/internal/strict"
)

const (
	daySeconds  = 24 * 60 * 60
	weekSeconds = 7 * daySeconds
)

// weekdays in the order of the window's own week, which begins on Monday.
var weekdays = []string{"mon", "tue", "wed", "thu", "fri", "sat", "sun"}

// window is when in the week something may be signed, in UTC. It is judged by
// the clock of the node that signs, not by a block's timestamp: a window is about
// people who are awake.
type window struct {
	spans []span // sorted, apart from each other
	text  string // as people write it: "mon, tue 08:00-18:00"
}

// span is a part of the week, in seconds since Monday 00:00 UTC: from is in, to
// is out.
type span struct{ from, to uint64 }

// windowFile is one opening, or a list of them.
type windowFile struct{ list []openingFile }

// openingFile is hours of some days. Without days it is every day's, without
// hours the whole day.
type openingFile struct {
	Days  []strict.Value[string] `yaml:"days"`
	Hours strict.Value[string]   `yaml:"hours"`
}

const windowHint = `write {days: [mon, tue], hours: "08:00-18:00"}, or a list of such; the times are UTC`

// UnmarshalStrict implements strict.Unmarshaler.
func (f *windowFile) UnmarshalStrict(n *yaml.Node) error {
	switch n.Kind {
	case yaml.MappingNode:
		f.list = make([]openingFile, 1)
		return strict.Sub(n, &f.list[0])
	case yaml.SequenceNode:
		return strict.Sub(n, &f.list)
	}
	return strict.At("", n, "", windowHint, "window names no time")
}

// readWindow compiles a window. A span that passes midnight belongs to the day on
// which it begins.
func (b *ruleCompiler) readWindow(f strict.Value[windowFile]) (w window, err error) {
	if len(f.V.list) == 0 || len(f.V.list) > MaxSpans {
		return w, b.errorf(f.Pos, "window", windowHint, "window has %d openings; want 1 to %d", len(f.V.list), MaxSpans)
	}
	var texts []string
	for i, o := range f.V.list {
		field := fmt.Sprintf("window[%d]", i)
		if len(o.Days) == 0 && !o.Hours.Pos.Set() {
			return w, b.errorf(f.Pos, field, windowHint, "window names no time")
		}
		from, to := uint64(0), uint64(daySeconds)
		if o.Hours.Pos.Set() {
			if from, to, err = parseHours(o.Hours.V); err != nil {
				return w, b.errorf(o.Hours.Pos, field+".hours", "write it as 08:00-18:00; it may pass midnight, as 22:00-06:00, and 24:00 is the end of the day", "%v", err)
			}
		}
		days, text := []int{0, 1, 2, 3, 4, 5, 6}, "every day"
		if len(o.Days) > 0 {
			days = nil
			var names []string
			for j, d := range o.Days {
				k := slices.Index(weekdays, d.V)
				if k < 0 {
					return w, b.errorf(d.Pos, fmt.Sprintf("%s.days[%d]", field, j), "the days are "+listOf(weekdays), "unknown day %q%s", d.V, mean(d.V, weekdays))
				}
				if slices.Contains(days, k) {
					return w, b.errorf(d.Pos, fmt.Sprintf("%s.days[%d]", field, j), "name each day once", "%s stands there twice", d.V)
				}
				days, names = append(days, k), append(names, d.V)
			}
			text = listOf(names)
		}
		if o.Hours.Pos.Set() {
			text += " " + o.Hours.V
		}
		texts = append(texts, text)
		for _, d := range days {
			w.add(uint64(d)*daySeconds+from, uint64(d)*daySeconds+to)
		}
	}
	w.text = strings.Join(texts, "; ")
	if w.join(); len(w.spans) == 1 && w.spans[0] == (span{0, weekSeconds}) {
		return w, b.errorf(f.Pos, "window", "remove it", "the window is open all week")
	}
	return w, nil
}

// add takes up a span that may reach into the next week.
func (w *window) add(from, to uint64) {
	if to > weekSeconds {
		w.spans = append(w.spans, span{0, to - weekSeconds})
		to = weekSeconds
	}
	if from < to {
		w.spans = append(w.spans, span{from, to})
	}
}

// join sorts the spans and makes one of those that touch.
func (w *window) join() {
	slices.SortFunc(w.spans, func(x, y span) int { return cmp.Or(cmp.Compare(x.from, y.from), cmp.Compare(x.to, y.to)) })
	var out []span
	for _, s := range w.spans {
		if n := len(out); n > 0 && s.from <= out[n-1].to {
			out[n-1].to = max(out[n-1].to, s.to)
			continue
		}
		out = append(out, s)
	}
	w.spans = out
}

// opening gives the time for which the window is open at t or, when it is shut
// then, the next one: from is in, to is out, in unix seconds.
func (w window) opening(t uint64) (from, to uint64) {
	// 1970-01-01 was a Thursday.
	monday := int64(t) - int64((t+3*daySeconds)%weekSeconds)
	have := false
	var open, shut int64
	for week := int64(-1); week <= 2; week++ {
		for _, s := range w.spans {
			base := monday + week*weekSeconds
			switch f, u := base+int64(s.from), base+int64(s.to); {
			case have && f == shut: // from Sunday into Monday
				shut = u
			case have && shut > int64(t):
				return uint64(max(open, 0)), uint64(shut)
			default:
				open, shut, have = f, u, true
			}
		}
	}
	return uint64(max(open, 0)), uint64(shut)
}

// parseHours reads "08:00-18:00" as seconds of the day; the end is that of the
// next day when it does not come after the beginning.
func parseHours(s string) (from, to uint64, err error) {
	a, b, ok := strings.Cut(s, "-")
	if !ok {
		return 0, 0, fmt.Errorf("hours %q have no end", s)
	}
	if from, err = parseClock(a); err == nil {
		to, err = parseClock(b)
	}
	switch {
	case err != nil:
		return 0, 0, fmt.Errorf("hours %q: %w", s, err)
	case from == daySeconds:
		return 0, 0, fmt.Errorf("hours %q begin at the end of the day", s)
	case from == to:
		return 0, 0, fmt.Errorf("hours %q are empty, or the whole day", s)
	case to < from:
		to += daySeconds
	}
	return from, to, nil
}

// parseClock reads a time of day: "08:00" to "24:00".
func parseClock(s string) (uint64, error) {
	if len(s) != 5 || s[2] != ':' || !allDigits(s[:2]) || !allDigits(s[3:]) {
		return 0, fmt.Errorf("%q is no time of day", s)
	}
	h, m := uint64(s[0]-'0')*10+uint64(s[1]-'0'), uint64(s[3]-'0')*10+uint64(s[4]-'0')
	if h > 24 || m > 59 || h == 24 && m > 0 {
		return 0, fmt.Errorf("%q is no time of day", s)
	}
	return h*3600 + m*60, nil
}
