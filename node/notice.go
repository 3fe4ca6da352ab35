package node

import (
	"slices"
	"time"

	"github.com/millicent-one/signer/agenda"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/tss"
)

// notice has people told whom a long session waits for: after a while, when that
// changes, and when it goes on. Nobody is blamed by that.
type notice struct {
	after time.Duration // since the step began; zero: never
	timer *time.Timer
	step  int
	told  []council.MemberID // who is waited for, as people know it
}

func newNotice(after time.Duration, s *tss.Session) *notice {
	w := &notice{after: after, timer: time.NewTimer(after), step: stepOf(s.Round())}
	if after == 0 {
		w.timer.Stop()
	}
	return w
}

func (w *notice) stop() { w.timer.Stop() }

// moved looks whether what people know still holds; ok is false when it does.
func (w *notice) moved(s *tss.Session) (ev agenda.Waits, ok bool) {
	if step := stepOf(s.Round()); step != w.step {
		w.step = step
		if w.after > 0 {
			w.timer.Reset(w.after)
		}
		ok = len(w.told) > 0
		w.told = nil
		return agenda.Waits{Session: s.ID()}, ok
	}
	if len(w.told) > 0 {
		return w.tell(s)
	}
	return agenda.Waits{}, false
}

// late is what to tell when the timer has fired. Nothing yet, while this process has
// read less than it has heard.
func (w *notice) late(s *tss.Session, unread int) (ev agenda.Waits, ok bool) {
	if unread > 0 {
		w.timer.Reset(w.after)
		return agenda.Waits{}, false
	}
	return w.tell(s)
}

func (w *notice) tell(s *tss.Session) (ev agenda.Waits, ok bool) {
	waiting := s.Waiting()
	ok = !slices.Equal(waiting, w.told)
	w.told = waiting
	return agenda.Waits{Session: s.ID(), Waiting: waiting, Round: s.Round().String()}, ok
}
