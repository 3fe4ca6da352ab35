package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/millicent-one/signer/api"
	"github.com/millicent-one/signer/council"
)

func TestStageOf(t *testing.T) {
	for want, e := range map[string]api.Event{
		"ready":     {Kind: "rotation", Text: "ready: all are there\ncore-1: leads, and begins now"},
		"locking":   {Kind: "locked", Text: "this node has locked"},
		"committed": {Kind: "rotation-committed", Text: "roster 2 holds the key"},
		"erased":    {Kind: "rotation", Text: "erased: roster 2 holds the key"},
		"":          {Kind: "rotation", Text: "write the lock: the disk is full"},
	} {
		if got := stageOf(e); got != want {
			t.Errorf("%s %q tells of %q; want %q", e.Kind, e.Text, got, want)
		}
	}
	for _, e := range []api.Event{{Kind: "rotation", Text: "aborted: enough members refuse"}, {Kind: "peer-up", Text: "ready: no"}} {
		if got := stageOf(e); got != "" {
			t.Errorf("%s %q tells of %q", e.Kind, e.Text, got)
		}
	}
}

// Each step has members of its own, in a rotation of nine.
func TestTrialsKillNobodyTwice(t *testing.T) {
	dead := map[council.MemberID]string{}
	all := trialsOf(passing())
	for i, x := range all {
		if x.stage != stages[i] || len(x.of) == 0 {
			t.Errorf("trial %d is of %q, by %d members; want %q", i, x.stage, len(x.of), stages[i])
		}
		for _, m := range x.of {
			if was := dead[m.id]; was != "" {
				t.Errorf("%s is to die %s and %s", m.id, was, x.stage)
			}
			dead[m.id] = x.stage
		}
		if committed := (api.Event{Kind: "rotation-committed"}); x.misses(committed) == (x.stage == "committed" || x.stage == "erased") {
			t.Errorf("once it is committed, %q can come: %v", x.stage, !x.misses(committed))
		}
	}
	locking := all[5]
	if locking.fits(api.Event{Kind: "rotation", Text: "locking: 1 of 5 locks"}) || !locking.fits(api.Event{Kind: "locked"}) {
		t.Error("the lock of another node counts as one's own")
	}
}

// A step that never came is a failure, by its name.
func TestStepThatNeverCameIsNamed(t *testing.T) {
	all := trialsOf(passing())
	ready := all[slices.Index(stages, "ready")]
	err := (&story{}).killAtEach(t.Context(), []trial{ready}, nil)
	if err == nil || !strings.HasPrefix(err.Error(), "nobody was killed at ready: ") || !strings.Contains(err.Error(), `the step "ready" never came at `+string(ready.of[0].id)) {
		t.Errorf("%v", err)
	}
}

func TestDrillAnswersNamesEverybody(t *testing.T) {
	a, b := &member{id: "core-1"}, &member{id: "core-2"}
	ms := int64(70)
	good := func() drillReport {
		return drillReport{Members: []drillAnswer{{"core-1", council.Approve, &ms, &ms}, {"core-2", "", &ms, nil}}}
	}
	if text, err := good().answers([]*member{a, b}, b); err != nil || text != "70 ms (core-1)" {
		t.Fatalf("%q, %v", text, err)
	}
	for why, spoil := range map[string]func(*drillReport){
		"is not in it": func(d *drillReport) { d.Members = d.Members[:1] },
		"judged":       func(d *drillReport) { d.Members[1].Judged = nil },
		"answered":     func(d *drillReport) { d.Members[0].Answered = nil },
		`answered "re`: func(d *drillReport) { d.Members[0].Word = council.Reject },
		"core-2":       func(d *drillReport) { d.Members[1].Answered = &ms },
	} {
		d := good()
		spoil(&d)
		if _, err := d.answers([]*member{a, b}, b); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%s: %v", why, err)
		}
	}
}
