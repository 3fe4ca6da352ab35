package node

import (
	"time"

	"github.com/millicent-one/signer/agenda"
	"github.com/millicent-one/signer/tss"
)

// stall keeps the time of one session: since when it has waited for others, and
// when that has become too long. Whether to go on waiting is for the agenda to
// say.
type stall struct {
	patience agenda.Patience
	timer    *time.Timer
	began    time.Time
	first    int           // step of the protocol, as stepOf counts
	step     int           // that is under way; the first is 0
	since    time.Time     // since when the others' messages are waited for
	work     time.Duration // of the longest piece of this party's own
	due      time.Time
	alone    bool // nobody had spoken when it was due
}

// newStall begins when the session's first messages are made.
func newStall(p agenda.Patience, s *tss.Session, began, now time.Time) *stall {
	w := &stall{patience: p, timer: time.NewTimer(0), began: began, first: stepOf(s.Round()), work: now.Sub(began)}
	w.wait(now)
	return w
}

func (w *stall) stop() { w.timer.Stop() }

// wait counts from now: all that this party can do in the step is done.
func (w *stall) wait(now time.Time) {
	w.since, w.alone = now, false
	if w.patience.Round == 0 {
		w.timer.Stop()
		return
	}
	w.set(w.until(), now)
}

func (w *stall) until() time.Time {
	return w.patience.After(w.work).Until(w.step, w.began, w.since)
}

// worked takes note of a piece of this party's own work.
func (w *stall) worked(took time.Duration) { w.work = max(w.work, took) }

func (w *stall) set(due, now time.Time) {
	w.due = due
	w.timer.Reset(max(due.Sub(now), time.Millisecond))
}

// moved looks whether the session has come to another step. The session's own
// work is not counted as waiting.
func (w *stall) moved(s *tss.Session, now time.Time) {
	if step := stepOf(s.Round()) - w.first; s.Round() != 0 && step > w.step {
		w.step = step
		w.wait(now)
	}
}

// late is what to report when the timer has fired. Nothing, if this process has
// itself been held up: what others sent may still be on its way through it. And
// nothing yet, if it hears nobody at all: see agenda.Patience.
func (w *stall) late(s *tss.Session, unread int, now time.Time) (agenda.Stalled, bool) {
	waiting := s.Waiting()
	switch end := w.began.Add(w.patience.Whole); {
	case now.Before(w.until()): // it has worked long meanwhile
		w.set(w.until(), now)
		return agenda.Stalled{}, false
	case now.Sub(w.due) > heldUp || unread > 0:
		w.set(now.Add(w.patience.More), now)
		return agenda.Stalled{}, false
	case len(waiting) == len(s.Members())-1 && len(waiting) > 1 && now.Before(end) && !w.alone:
		w.alone = true
		w.set(end, now)
		return agenda.Stalled{}, false
	}
	return agenda.Stalled{Session: s.ID(), Waiting: waiting, Round: s.Round().String(), For: now.Sub(w.since)}, true
}

// stepOf orders the rounds of a protocol by when they are awaited. The two
// messages of signing's first round are one step.
func stepOf(r tss.Round) int {
	if r == tss.SignRound1Direct {
		r = tss.SignRound1
	}
	return int(r)
}
