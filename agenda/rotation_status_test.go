package agenda_test

import (
	"strings"
	"testing"
	"time"

	"github.com/millicent-one/signer/agenda"
)

// As soon as all are there that are needed, everybody says that it is ready, and what
// comes next: here the word of who leads, or the first lock, is on its way for long.
func TestReady(t *testing.T) {
	for name, next := range map[string]string{"two for two": "community-1: leads, and begins now", "charter": "they lock now"} {
		w := newShift(t, 21, kinds(t)[name])
		w.veto = func(_ string, e agenda.Effect) bool {
			s, _ := e.(agenda.Send)
			_, begin := s.Message.(agenda.RotationBegin)
			_, lock := e.(agenda.WriteLock)
			return begin || lock
		}
		w.boot(w.names...)
		w.propose("core-2", w.plans[0])
		if !w.run(time.Minute, func() bool { return w.stage("core-2", agenda.StageReady) }) {
			t.Fatalf("%s: core-2 is never ready\n%s", name, w.where())
		}
		if s := w.desks["core-2"].node.Status().String(); !strings.Contains(s, next) {
			t.Errorf("%s: says %q; want %q", name, s, next)
		}
	}
}

// A try in which one node's disk never answers is given up by the clock, and says so until
// the next one begins. Who is started anew has it open again, for its share is on disk.
func TestTimedOut(t *testing.T) {
	w := newShift(t, 22)
	hangs := true
	w.veto = func(name string, e agenda.Effect) bool {
		_, stage := e.(agenda.StageShare)
		return stage && hangs && name == "core-5"
	}
	w.boot(w.names...)
	w.propose("core-2", w.plans[0])
	late := w.now.Add(w.timing.Ceremony)
	if !w.run(3*w.timing.Ceremony, func() bool { return w.stage("community-1", agenda.StageTimedOut) }) || w.now.Before(late) {
		t.Fatalf("the try is not given up by the clock\n%s", w.where())
	}
	if s := w.desks["community-1"].node.Status(); !strings.Contains(s.Text, "it took longer than its time limit of 1m0s, and was staged; it waited for core-5; the next one begins when all are there") {
		t.Errorf("says %s", s)
	}
	w.kill(w.desks["community-1"])
	w.boot("community-1")
	if !w.stage("community-1", agenda.StageStaged) {
		t.Errorf("started anew it says %s", w.desks["community-1"].node.Status())
	}
	hangs = false
	if how := w.settle("the disk answers"); how != "committed" {
		t.Fatal(how)
	}
}
