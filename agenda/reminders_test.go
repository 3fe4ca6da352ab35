package agenda_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/millicent-one/signer/agenda"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/internal/testcouncil"
)

const aDay = 24 * 3600

// seats is the test council's roster, of which some terms end after so many days
// from a time, and the others far beyond it.
func seats(t *testing.T, from uint64, days map[council.MemberID]uint64) council.Roster {
	r := testcouncil.New(t).Roster
	for i, m := range r.Members {
		r.Members[i].Term.End = from + 1000*aDay
		if d, ok := days[m.ID]; ok {
			r.Members[i].Term.End = from + d*aDay
		}
	}
	return r
}

// Each step is said once, whenever the node looks, and however often.
func TestEachStepIsRemindedOnce(t *testing.T) {
	const from = 1_800_000_000
	r := seats(t, from, map[council.MemberID]uint64{"core-1": 40})
	var said []agenda.Reminder
	var heard []string
	for hour := range uint64(42 * 24) {
		words, next := agenda.Remind(r, said, from+hour*3600)
		for _, w := range words {
			if w.What != "mandate" {
				t.Errorf("told as %q", w.What)
			}
			heard = append(heard, w.Text)
		}
		said = next
	}
	want := []string{"core-1 ends in 30 days, on 2027-02-24", "core-1 ends in 14 days", "core-1 ends in 7 days", "core-1 ends in a day", "core-1 has ended"}
	if len(heard) != len(want) {
		t.Fatalf("heard %q", heard)
	}
	for i := range want {
		if !strings.Contains(heard[i], want[i]) {
			t.Errorf("%q lacks %q", heard[i], want[i])
		}
	}
	if len(said) != 1 {
		t.Errorf("keeps %+v", said)
	}
}

func TestReminders(t *testing.T) {
	const from = 1_800_000_000
	for name, x := range map[string]struct {
		days map[council.MemberID]uint64
		said []agenda.Reminder
		want []string
	}{
		"nothing is near":        {days: map[council.MemberID]uint64{"core-1": 31}},
		"only the latest step":   {days: map[council.MemberID]uint64{"core-1": 5}, want: []string{"core-1 ends in 5 days"}},
		"said in another life":   {days: map[council.MemberID]uint64{"core-1": 5}, said: []agenda.Reminder{{"core-1", from + 5*aDay, 7}}},
		"the step before":        {days: map[council.MemberID]uint64{"core-1": 5}, said: []agenda.Reminder{{"core-1", from + 5*aDay, 14}}, want: []string{"core-1 ends in 5 days"}},
		"another term of it":     {days: map[council.MemberID]uint64{"core-1": 5}, said: []agenda.Reminder{{"core-1", from - 5*aDay, 0}}, want: []string{"core-1 ends in 5 days"}},
		"another's":              {days: map[council.MemberID]uint64{"core-1": 5}, said: []agenda.Reminder{{"core-2", from + 5*aDay, 7}}, want: []string{"core-1 ends in 5 days"}},
		"the clock was years on": {days: map[council.MemberID]uint64{"core-1": 5}, said: []agenda.Reminder{{"core-1", from + 5*aDay, 0}}, want: []string{"core-1 ends in 5 days"}},
		"the clock was hours on": {days: map[council.MemberID]uint64{"core-1": 1}, said: []agenda.Reminder{{"core-1", from + aDay, 0}}},
		"ended":                  {days: map[council.MemberID]uint64{"core-1": 0}, want: []string{"core-1 has ended"}},
		"too few, early": {days: map[council.MemberID]uint64{"core-1": 85, "core-2": 85, "core-3": 80, "core-4": 85},
			want: []string{"on, in 85 days, only 3 of 7 mandates are left, and 4 decide: then the council can sign nothing"}},
		"too few, and said": {days: map[council.MemberID]uint64{"core-1": 85, "core-2": 85, "core-3": 80, "core-4": 85}, said: []agenda.Reminder{{"", from + 85*aDay, 90}}},
		"too few, now": {days: map[council.MemberID]uint64{"core-1": 0, "core-2": 0, "core-3": 0, "core-4": 0},
			said: []agenda.Reminder{{"core-1", from, 0}, {"core-2", from, 0}, {"core-3", from, 0}}, want: []string{"only 3 of 7 mandates are left", "core-4 has ended"}},
	} {
		r := seats(t, from, x.days)
		words, next := agenda.Remind(r, x.said, from)
		if len(words) != len(x.want) {
			t.Errorf("%s: said %+v", name, words)
			continue
		}
		for i, w := range x.want {
			if !strings.Contains(words[i].Text, w) {
				t.Errorf("%s: %q lacks %q", name, words[i].Text, w)
			}
		}
		if again, same := agenda.Remind(r, next, from); len(again) > 0 || !slices.Equal(same, next) {
			t.Errorf("%s: said again: %+v", name, again)
		}
		for _, n := range next {
			if m, ok := r.Member(n.Member); n.Member != "" && (!ok || m.Term.End != n.End) {
				t.Errorf("%s: keeps %+v, of no mandate", name, n)
			}
		}
	}
	// A roster in which nobody's term is left has every day in the past.
	r := seats(t, from, nil)
	for i := range r.Members {
		r.Members[i].Term = council.Term{Start: 1, End: 2}
	}
	if words, _ := agenda.Remind(r, nil, from); len(words) != 8 {
		t.Errorf("said %+v", words)
	}
}
