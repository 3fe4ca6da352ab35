package agenda_test

import (
	"encoding/binary"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/millicent-one/signer/agenda"
	"github.com/millicent-one/signer/council"
)

var (
	hall     = council.SessionID{1}
	guest    = council.SessionID{2}
	started  = time.Unix(1_800_000_000, 0)
	errHeard = errors.New("members heard different things")
	errFalse = errors.New("core-2 is convicted of equivocation in sign-5")
)

// reported is the only event that the court reports.
func reported[E agenda.Event](t *testing.T, effects []agenda.Effect) E {
	t.Helper()
	var out []E
	for _, e := range effects {
		if r, ok := e.(agenda.Report); ok {
			if ev, ok := r.Event.(E); ok {
				out = append(out, ev)
			}
		}
	}
	if len(out) != 1 {
		t.Fatalf("%d such events in %+v", len(out), effects)
	}
	return out[0]
}

func newHearing(t *testing.T, members ...council.MemberID) *agenda.Court {
	t.Helper()
	c := agenda.NewCourt("core-1")
	if err := c.Open(hall, members); err != nil {
		t.Fatal(err)
	}
	return c
}

var panel = []council.MemberID{"core-1", "core-2", "core-3", "core-4"}

// When members have heard different things, each shows the others what it heard, and
// the end of the session waits for the culprit: it is named, or nobody is alone.
func TestEndWaitsForTheCulprit(t *testing.T) {
	suspects := agenda.Failed{Session: hall, Suspects: panel, Err: errHeard}
	t.Run("it comes out", func(t *testing.T) {
		c := newHearing(t, panel...)
		show, ok := c.Differed(suspects, 5, started)[0].(agenda.ShowHeard)
		if !ok || show.Session != hall || show.Before != 5 || !slices.Equal(show.To, panel[1:]) {
			t.Fatalf("shows %+v", show)
		}
		if out := c.Tick(started.Add(time.Second)); len(out) > 0 {
			t.Errorf("does not wait: %+v", out)
		}
		ev := reported[agenda.Failed](t, c.Convict(hall, "core-2", errFalse))
		if !ev.Proven || !slices.Equal(ev.Suspects, []council.MemberID{"core-2"}) || ev.Session != hall {
			t.Errorf("%+v", ev)
		}
		if out := c.Tick(started.Add(time.Minute)); len(out) > 0 || !c.Wake().IsZero() {
			t.Errorf("tells it twice: %+v", out)
		}
	})
	t.Run("it does not", func(t *testing.T) {
		c := newHearing(t, panel...)
		c.Differed(suspects, 5, started)
		if ev := reported[agenda.Failed](t, c.Tick(c.Wake())); ev.Proven || len(ev.Suspects) != 4 {
			t.Errorf("%+v", ev)
		}
	})
	t.Run("it has come out before", func(t *testing.T) {
		c := newHearing(t, panel...)
		c.Convict(hall, "core-2", errFalse)
		if ev := reported[agenda.Failed](t, c.Differed(suspects, 5, started)); !ev.Proven || len(ev.Suspects) != 1 {
			t.Errorf("%+v", ev)
		}
	})
	t.Run("this process stood still", func(t *testing.T) {
		c := newHearing(t, panel...)
		c.Differed(suspects, 5, started)
		waits := 1
		for len(c.Tick(c.Wake().Add(time.Minute))) == 0 {
			waits++
		}
		if waits != 3 {
			t.Errorf("waited %d times", waits)
		}
	})
}

// A conviction ends the session that it is about if the culprit has a part in it,
// once, and no other.
func TestConvictionEndsTheSession(t *testing.T) {
	c := newHearing(t, panel...)
	if err := c.Open(guest, panel[:2]); err != nil {
		t.Fatal(err)
	}
	if out := c.Convict(guest, "core-3", errFalse); len(out) > 0 || c.Convicted(guest) {
		t.Errorf("a member ends a session that it has no part in: %+v", out)
	}
	if out := c.Convict(council.SessionID{9}, "core-3", errFalse); len(out) > 0 {
		t.Errorf("of a session that nobody knows: %+v", out)
	}
	b := council.Begin{Attempt: 3, Signers: panel}
	c.Enlisted(agenda.Enlist{Begin: b, Session: hall})
	out := c.Convict(hall, "core-2", errFalse)
	if a, ok := out[0].(agenda.Abort); !ok || a.Session != hall {
		t.Errorf("does not end it first: %+v", out)
	}
	if ev := reported[agenda.Failed](t, out); !ev.Proven || !slices.Equal(ev.Suspects, []council.MemberID{"core-2"}) {
		t.Errorf("%+v", ev)
	}
	if ev := reported[agenda.Accused](t, out); ev.Begin.Hash() != b.Hash() || ev.Culprit != "core-2" {
		t.Errorf("%+v", ev)
	}
	if out := c.Convict(hall, "core-3", errFalse); len(out) > 0 {
		t.Errorf("ends it twice: %+v", out)
	}
	// How the engine ended it says nothing against others.
	if ev := reported[agenda.Failed](t, c.Failed(agenda.Failed{Session: hall, Suspects: panel, Err: errHeard})); !ev.Proven || len(ev.Suspects) != 1 {
		t.Errorf("%+v", ev)
	}
	// What is over does not end again, but its attempt gets its culprit.
	c.Enlisted(agenda.Enlist{Begin: b, Session: guest})
	c.Close(guest)
	if out := c.Convict(guest, "core-2", errFalse); len(out) != 1 || reported[agenda.Accused](t, out).Culprit != "core-2" {
		t.Errorf("%+v", out)
	}
}

// No session runs twice, however long ago: of what is over the court forgets all but
// that it was there.
func TestNoSessionRunsTwice(t *testing.T) {
	c := newHearing(t, panel...)
	if err := c.Open(guest, panel); err != nil {
		t.Fatal(err)
	}
	c.Close(guest) // and the other one runs all the time
	for i := range 3 * agenda.MaxHearings {
		id := council.SessionID{3, byte(i), byte(i >> 8)}
		if err := c.Open(id, panel); err != nil {
			t.Fatal(err)
		}
		c.Close(id)
	}
	if c.Convict(guest, "core-2", errFalse); c.Convicted(guest) {
		t.Fatal("the hearing is not forgotten: the test shows nothing")
	}
	for _, id := range []council.SessionID{hall, guest} {
		if err := c.Open(id, panel); err == nil || council.Hint(err) == "" {
			t.Errorf("ran twice: %v", err)
		}
	}
	if n := c.Hearings(); n > agenda.MaxHearings {
		t.Errorf("remembers %d sessions", n)
	}
}

// A court that can't remember one more begins none: it could not tell it from those
// that were there.
func TestSessionsOfOneProcessAreBounded(t *testing.T) {
	c := agenda.NewCourt("core-1")
	var id council.SessionID
	for i := range agenda.MaxOpened {
		binary.BigEndian.PutUint64(id[:], uint64(i))
		if err := c.Open(id, nil); err != nil {
			t.Fatal(err)
		}
		c.Close(id)
	}
	if err := c.Open(hall, panel); err == nil || council.Hint(err) == "" || c.Hearings() > agenda.MaxHearings {
		t.Errorf("begins one more: %v", err)
	}
}

// A node that was restarted would say other things in the same session.
func TestNoAttemptIsJoinedTwice(t *testing.T) {
	c := agenda.NewCourt("core-1")
	b := council.Begin{Attempt: 3}
	c.Joined(agenda.Recorded{Author: "core-2", Body: b.Begun()})
	if err := c.Twice(b); err != nil {
		t.Errorf("another member's attempt: %v", err)
	}
	c.Joined(agenda.Recorded{Author: "core-1", Body: b.Begun()})
	if err := c.Twice(b); err == nil || council.Hint(err) == "" {
		t.Errorf("joined before: %v", err)
	}
}

// The culprit of an attempt that was given up before it was known gets into the feed,
// once.
func TestAccusedIsWrittenDown(t *testing.T) {
	w := newWorld(t, 508)
	id := w.attempting()
	var b council.Begin
	for _, s := range w.sessions {
		b = s.begin
	}
	me, blamed, culprit := b.Signers[0], b.Signers[1], b.Signers[2]
	accuse := func() (out []agenda.Effect) {
		for _, e := range w.nodes[me].agenda.Step(agenda.Accused{Begin: b, Culprit: culprit, Err: errFalse}, w.now) {
			if _, ok := e.(agenda.Append); ok {
				out = append(out, e)
			}
		}
		return out
	}
	if out := accuse(); len(out) > 0 {
		t.Errorf("an attempt that goes on: %+v", out)
	}
	w.step(me, agenda.Failed{Session: b.Session(), Suspects: []council.MemberID{blamed}, Err: errHeard})
	out := accuse()
	if len(out) != 1 {
		t.Fatalf("%d entries", len(out))
	}
	e := out[0].(agenda.Append).Body.(council.AttemptFailed)
	if !slices.Equal(e.Suspects, []council.MemberID{culprit}) || !e.Proven || e.Attempt != b.Attempt || e.Proposal != id {
		t.Errorf("%+v", e)
	}
	w.step(me, w.append(w.nodes[me], council.WordAttemptFailed, e))
	if out := accuse(); len(out) > 0 {
		t.Errorf("once more: %+v", out)
	}
}
