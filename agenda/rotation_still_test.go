package agenda_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/agenda"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/internal/testcouncil"
)

// Another charter takes over while two members are away, and they catch up. Nobody
// gives a share up, and the council signs until it takes over.
func TestStillRotation(t *testing.T) {
	w := newShift(t, 31, charters(t))
	away := []string{"community-1", "core-1"} // core-1 is the first of the core, community-1 of all
	for _, name := range w.names {
		if !slices.Contains(away, name) {
			w.boot(name)
		}
	}
	if !w.sign() {
		t.Fatal("the council can't sign before")
	}
	w.propose("core-2", w.plans[0])
	if !w.run(time.Minute, func() bool { return w.stage("core-3", agenda.StageCommitted) }) {
		t.Fatalf("does not end\n%s", w.where())
	}
	s, _ := w.desks["core-3"].node.Switched()
	if s.After().Epoch != 1 || s.After().Roster.Charter != w.plans[0].Roster.Charter || len(s.Inherited().Rows) != 1 {
		t.Errorf("ends with %+v", s)
	}
	w.run(time.Minute, never)
	if x := w.desks["core-3"].node.Status(); len(x.Missing) > 0 || !strings.Contains(x.Text, "backups stay good") {
		t.Errorf("says %s", x)
	}
	if how := w.settle("they come back"); how != "committed" {
		t.Fatal(how)
	}
}

// With fewer than have to lock nobody locks, and the council signs on. Four whose
// operators say so are enough.
func TestStillRotationOfFour(t *testing.T) {
	w := newShift(t, 32, charters(t))
	four := []string{"community-1", "core-1", "core-2", "core-3"}
	w.boot(four...)
	for _, name := range w.names {
		w.desks[name].stays = !slices.Contains(four, name)
	}
	w.propose("core-2", w.plans[0])
	w.run(5*time.Minute, never)
	for i, name := range four {
		d := w.desks[name]
		if s := d.node.Status(); s.Stage != agenda.StageGathering || len(s.Missing) != 3 || !strings.Contains(s.Text, "4 of the 5") || !strings.Contains(s.Text, "--last-four") {
			t.Errorf("%s says %s", name, s)
		}
		if len(d.disk.Locks) > 0 || !w.sign() {
			t.Fatalf("%s has locked; the council can't sign", name)
		}
		if i == 3 {
			break
		}
	}
	for _, name := range four {
		if w.desks[name].disk.Certificate != nil {
			t.Fatal("three words commit")
		}
		w.give(w.desks[name], agenda.LastFourWanted{})
		w.run(10*time.Second, never)
	}
	if s, _ := w.desks["core-1"].node.Switched(); !s.LastFour() {
		t.Fatalf("not committed\n%s", w.where())
	}
	for _, d := range w.desks {
		d.stays = false
	}
	if how := w.settle("the others come back"); how != "committed" {
		t.Fatal(how)
	}
}

// With --last-four nobody locks for a still try that fewer than four have joined: it would
// be locked for one that those who work for another need not refuse, and stay so.
func TestNoLastFourOfThree(t *testing.T) {
	w := newShift(t, 32, charters(t))
	three := []string{"community-1", "core-1", "core-2"}
	w.boot(three...)
	for _, name := range w.names {
		w.desks[name].stays = !slices.Contains(append(three, "core-3"), name)
	}
	w.propose("core-2", w.plans[0])
	w.run(time.Minute, never)
	for _, name := range three {
		d := w.desks[name]
		if len(d.disk.Tries) != 1 {
			t.Fatalf("%s has joined %d tries", name, len(d.disk.Tries))
		}
		if err := d.node.LastFourable(); err == nil || !strings.Contains(err.Error(), "until 4 have joined") {
			t.Errorf("%s may: %v", name, err)
		}
		w.give(d, agenda.LastFourWanted{})
		w.run(10*time.Second, never)
		if len(d.disk.Locks) > 0 {
			t.Fatalf("%s has locked", name)
		}
	}
	w.boot("core-3")
	w.run(time.Minute, never)
	for _, name := range append(three, "core-3") {
		if w.desks["core-1"].disk.Certificate != nil {
			t.Fatal("three words commit")
		}
		w.give(w.desks[name], agenda.LastFourWanted{})
		w.run(10*time.Second, never)
	}
	if how := w.settle("with the fourth"); how != "committed" {
		t.Fatal(how)
	}
}

// A frozen node and one whose day has not come give no Lock. The five others don't wait
// for them, and what they commit holds for both.
func TestStillRotationWithoutWhoKeepsOut(t *testing.T) {
	w := newShift(t, 39, shorter(t, "core-3"))
	frozen, late := w.desks["core-1"], w.desks["core-2"]
	late.behind = 48 * time.Hour
	w.freeze(frozen, "laptop stolen")
	w.boot(w.names...)
	w.propose("core-3", w.plans[0])
	if how := w.settle("without the two"); how != "committed" {
		t.Fatal(how)
	}
	for _, d := range []*desk{frozen, late} {
		if len(d.disk.Locks)+len(d.disk.Tries) > 0 || d.disk.Certificate == nil {
			t.Errorf("%s has joined %d tries and locked for %d", d.name, len(d.disk.Tries), len(d.disk.Locks))
		}
	}
}

// Five have joined, and one of them is gone by then: four lock for nothing, and sign on.
// When there are five again they lock.
func TestFiveHaveToBeThere(t *testing.T) {
	w := newShift(t, 38, charters(t))
	w.boot("community-1", "core-1", "core-2", "core-3")
	w.propose("core-2", w.plans[0])
	w.run(time.Minute, never)
	w.kill(w.desks["core-3"])
	w.boot("core-4")
	w.run(5*time.Minute, never)
	for _, name := range []string{"community-1", "core-1", "core-2", "core-4"} {
		d := w.desks[name]
		if s := d.node.Status(); len(d.disk.Staged) != 1 || len(d.disk.Locks) > 0 || s.Stage != agenda.StageGathering || !strings.Contains(s.String(), "core-3: start this node") {
			t.Fatalf("%s has given %d locks and says %s", name, len(d.disk.Locks), s)
		}
	}
	if !w.sign() {
		t.Error("the four can't sign")
	}
	w.boot("community-3") // another one will do
	if !w.run(time.Minute, func() bool { return w.stage("core-1", agenda.StageCommitted) }) {
		t.Fatalf("five are there\n%s", w.where())
	}
	if how := w.settle("all come back"); how != "committed" {
		t.Fatal(how)
	}
}

// The machine asks nobody to erase the share that is in use, and a node that is told
// that another has erased it does not believe it.
func TestStillRotationErasesNothing(t *testing.T) {
	w := newShift(t, 33, shorter(t, "core-3"))
	w.veto = func(name string, e agenda.Effect) bool {
		switch e := e.(type) {
		case agenda.EraseShare:
			t.Fatalf("%s is to erase the share that it has", name)
		case agenda.Send:
			if _, ok := e.Message.(agenda.ErasureMessage); ok {
				t.Fatalf("%s says that its share is gone", name)
			}
		}
		return false
	}
	w.boot(w.names...)
	w.propose("core-2", w.plans[0])
	if !w.run(time.Minute, func() bool { return w.ended() == "committed" }) {
		t.Fatalf("does not end\n%s", w.where())
	}
	for _, name := range w.names { // nor one that is made anew
		w.kill(w.desks[name])
	}
	w.boot(w.names...)
	w.run(time.Hour, never)
	d := w.desks["core-1"]
	x, err := council.Erasure{Member: "core-2", Council: w.holding.Council, Ceremony: d.disk.Certificate.Ceremony(), Epoch: 1}.Sign(w.desks["core-2"].key)
	if err != nil {
		t.Fatal(err)
	}
	w.give(d, agenda.Said{From: "core-2", Message: agenda.ErasureMessage{Erasure: x}})
	if s := d.node.Status(); s.Stage != agenda.StageCommitted || len(s.Missing) > 0 || strings.Contains(s.Text, "void") {
		t.Errorf("says %s", s)
	}
	for _, d := range w.desks {
		if d.epoch != 1 || d.gone {
			t.Errorf("%s has a share of epoch %d", d.name, d.epoch)
		}
	}
}

// Two are agreed on at once, of whatever kind. One takes over, for all the same; and
// nobody stays locked for the other.
func TestTwoSuccessionsAtOnce(t *testing.T) {
	for name, two := range map[string][]council.Succession{
		"two still ones":          {shorter(t, "core-3"), shorter(t, "core-1")},
		"one that moves shares":   {shorter(t, "core-3"), twoForTwo(t, newShift(t, 0).holding.Roster)},
		"a charter and a refresh": {charters(t), refresh(t)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for seed := range uint64(8) {
				w := newShift(t, 200+seed, two...)
				w.boot(w.names...)
				w.propose("core-1", two[seed%2])
				w.run(time.Duration(seed)*400*time.Millisecond, never)
				w.propose("core-2", two[1-seed%2])
				for range 40 {
					w.run(300*time.Millisecond, never)
					w.sign()
				}
				for _, name := range w.names { // who joins in the one that is not taken has nothing to do
					d := w.desks[name]
					_, held := w.holding.Roster.Member(d.id)
					d.stays = !held
				}
				if how := w.settle(fmt.Sprint("seed ", seed)); how != "committed" {
					t.Fatal(how)
				}
			}
		})
	}
}

// A try that so many refuse that it can't be committed is given up by all, for the next
// one. Nothing else numbers a try: one that somebody tells of out of turn is nobody's.
func TestNextTryAtAStillSuccession(t *testing.T) {
	w := newShift(t, 40, shorter(t, "core-3"))
	var tries [3]council.Rotation
	for i := range tries {
		var err error
		if tries[i], err = council.Rotate(w.holding, w.plans[0], nil, council.StillTry(uint64(i+1))); err != nil {
			t.Fatal(err)
		}
	}
	w.boot(w.names...)
	w.propose("core-2", w.plans[0])
	w.run(time.Second, never)
	var all []council.Refusal
	for _, m := range []council.MemberID{"community-1", "core-1", "core-2"} {
		x, err := council.Refusal{Member: m, Subject: tries[0].ID(), Reason: "a test"}.Sign(testcouncil.NodeKey(m))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, x)
	}
	l, err := tries[2].Lock("core-1", common.Hash{}).Sign(testcouncil.NodeKey("core-1"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range w.names {
		w.give(w.desks[name], agenda.Said{From: "core-1", Message: agenda.Dossier{Rotation: tries[0], Refusals: all}})
		w.give(w.desks[name], agenda.Said{From: "core-1", Message: agenda.Dossier{Rotation: tries[2], Locks: []council.Lock{l}}})
	}
	if how := w.settle("the next one"); how != "committed" {
		t.Fatal(how)
	}
	if c := w.desks["core-3"].disk.Certificate; c.Ceremony() != tries[1].ID() {
		t.Errorf("committed is try %s", c.Rotation.Random.Big())
	}
}

// tried makes the dossier of a try that five have joined and one has locked for.
func (w *shift) tried(r council.Rotation) agenda.Dossier {
	w.t.Helper()
	d := agenda.Dossier{Rotation: r}
	for _, m := range w.holding.Roster.IDs()[:5] {
		sig, err := r.Ack(common.Hash{}).Sign(m, testcouncil.NodeKey(m))
		if err != nil {
			w.t.Fatal(err)
		}
		d.Acks = append(d.Acks, agenda.AckWord{Signature: sig})
	}
	l, err := r.Lock("core-1", common.Hash{}).Sign(testcouncil.NodeKey("core-1"))
	if err != nil {
		w.t.Fatal(err)
	}
	d.Locks = []council.Lock{l}
	return d
}

// A node locks for the next try when it has seen the end of the one before, and waits
// for that, whether it has locked for that one or not: it refuses neither.
func TestTriesAtAStillSuccessionInTurn(t *testing.T) {
	for _, locked := range []bool{false, true} {
		w := newShift(t, 41, shorter(t, "core-3"))
		w.boot("core-3")
		d := w.desks["core-3"]
		w.propose("core-3", w.plans[0])
		var tries [2]council.Rotation
		for i := range tries {
			var err error
			if tries[i], err = council.Rotate(w.holding, w.plans[0], nil, council.StillTry(uint64(i+1))); err != nil {
				t.Fatal(err)
			}
		}
		say := func(m agenda.Message) {
			w.give(d, agenda.Said{From: "core-1", Message: m})
			w.run(time.Minute, never)
		}
		want := 0
		if locked {
			want = 1
			say(w.tried(tries[0]))
		}
		say(w.tried(tries[1]))
		if len(d.disk.Locks) != want || len(d.disk.Refusals) > 0 {
			t.Fatalf("it has given %d locks and %d refusals before the end of the first try", len(d.disk.Locks), len(d.disk.Refusals))
		}
		end := council.AbortCertificate{Subject: tries[0].ID()}
		for _, m := range w.holding.Roster.IDs()[:4] {
			x, err := council.Refusal{Member: m, Subject: end.Subject, Reason: "a test"}.Sign(testcouncil.NodeKey(m))
			if err != nil {
				t.Fatal(err)
			}
			end.Refusals = append(end.Refusals, x)
		}
		say(agenda.AbortMessage{Abort: end})
		if n := len(d.disk.Locks); n != want+1 || d.disk.Locks[n-1].Ceremony != tries[1].ID() {
			t.Errorf("it has given %d locks after it", n)
		}
	}
}

// Behind a cut four have joined the one of two successions with the lower digest, and
// three the other. The three give way.
func TestThreeGiveWayToFour(t *testing.T) {
	one, two := shorter(t, "core-3"), shorter(t, "core-1")
	w := newShift(t, 42, one, two)
	x, err := one.Digest(w.holding.Roster)
	if err != nil {
		t.Fatal(err)
	}
	y, err := two.Digest(w.holding.Roster)
	if err != nil {
		t.Fatal(err)
	}
	if x.Cmp(y) > 0 {
		one, two = two, one
	}
	w.split("community-1", "community-2", "core-1", "core-2")
	w.boot(w.names...)
	w.propose("core-2", one)
	w.propose("core-3", two)
	w.run(time.Minute, never)
	for _, name := range w.names {
		if n := len(w.desks[name].disk.Staged); n != 1 {
			t.Fatalf("%s has joined %d tries", name, n)
		}
	}
	if how := w.settle("healed"); how != "committed" {
		t.Fatal(how)
	}
	if c := w.desks["core-3"].disk.Certificate; !slices.Equal(c.Succession.Roster.Members, one.Roster.Members) {
		t.Error("the four have given way")
	}
}

// A malicious member on both sides of a cut 3|3 joins, and locks for, another still
// successor on each. Neither side has enough, so nobody follows it; and when the cut heals,
// its Locks convict it, and one of the two takes over, though it is silent from then on.
func TestTraitorOnBothSidesOfAStillRotation(t *testing.T) {
	left := []string{"community-1", "community-2", "core-2", "core-1"}
	one, two := shorter(t, "core-3"), shorter(t, "community-3")
	w := newShift(t, 34, one, two)
	w.seat("core-1'", "core-1")
	w.split(left...)
	w.boot(w.names...)
	w.propose("core-2", one)
	w.propose("core-3", two)
	w.run(time.Minute, never)
	given := map[string]common.Hash{}
	for _, name := range w.names {
		s := two
		if slices.Contains(left, name) {
			s = one
		}
		r, err := council.Rotate(w.holding, s, nil, council.StillTry(1))
		if err != nil {
			t.Fatal(err)
		}
		l, err := r.Lock("core-1", common.Hash{}).Sign(testcouncil.NodeKey("core-1"))
		if err != nil {
			t.Fatal(err)
		}
		given[name] = l.ID()
		w.give(w.desks[name], agenda.Said{From: "core-1", Message: agenda.Dossier{Rotation: r, Locks: []council.Lock{l}}})
	}
	w.run(2*time.Minute, never)
	for _, name := range w.names {
		d := w.desks[name]
		if d.id == "core-1" { // whose own nodes hold it to what it has said, and have locked for nothing by themselves
			if len(d.disk.Locks) != 1 || d.disk.Locks[0].ID() != given[name] {
				t.Fatalf("%s has the Locks %+v", name, d.disk.Locks)
			}
			continue
		}
		if n := len(d.disk.Locks); n > 0 {
			t.Fatalf("%s has locked", name)
		}
	}
	for _, name := range []string{"core-1", "core-1'"} {
		w.kill(w.desks[name])
		w.desks[name].stays = true
	}
	w.heal()
	w.run(3*time.Minute, never)
	if how := w.ended(); how == "" { // they say what their operators can do
		s := w.desks["core-3"].node.Status()
		if !strings.Contains(s.Text, "signer term abort") {
			t.Fatalf("says %s", s)
		}
		if !w.sign() {
			t.Fatal("the six can't sign")
		}
		for _, name := range []string{"core-3", "core-4", "community-3"} {
			w.give(w.desks[name], agenda.AbortWanted{Reason: "the other one"})
		}
	}
	if how := w.settle("healed"); how != "committed" {
		t.Fatal(how)
	}
	for _, name := range []string{"core-2", "core-3"} {
		if d := w.desks[name]; len(d.forks) != 1 || d.forks[0].First.Member != "core-1" {
			t.Errorf("%s is shown %d forks", name, len(d.forks))
		}
	}
}

// What a charter asks for before it takes over: its text, more approvals than any other
// step, and time.
func TestCharterIsWaitedFor(t *testing.T) {
	s := charters(t)
	t.Run("its text", func(t *testing.T) {
		w := newShift(t, 35, s)
		k := w.known[0]
		w.known = nil
		w.boot(w.names...)
		w.propose("core-2", s)
		w.run(time.Minute, never)
		w.untried("without the text")
		w.waitsFor("core-3", "the file of that charter")
		without := w.names[4:6]
		for _, name := range w.names {
			if !slices.Contains(without, name) {
				w.give(w.desks[name], k)
			}
		}
		if !w.run(time.Minute, func() bool { return w.ended() == "committed" }) {
			t.Fatalf("five have it\n%s", w.where())
		}
		for _, name := range without { // it is not theirs to agree to, and holds for them
			if d := w.desks[name]; len(d.disk.Locks)+len(d.disk.Tries) > 0 || d.disk.Certificate == nil {
				t.Errorf("%s has given %d locks", name, len(d.disk.Locks))
			}
		}
	})
	t.Run("more approvals", func(t *testing.T) {
		w := newShift(t, 36, s)
		w.known[0].Approvals = 5
		w.boot(w.names...)
		w.propose("core-2", s)
		w.run(time.Minute, never)
		w.untried("with too few approvals")
		d := w.desks["core-2"]
		if x := d.node.Status(); !strings.Contains(x.Text, "4 members approve") || !strings.Contains(x.Text, "asks for 5") {
			t.Errorf("says %s", x)
		}
		if err := d.node.Check(s, w.now); err == nil || !strings.Contains(err.Error(), "asks for 5") {
			t.Errorf("its operator is told %v", err)
		}
		more := once("charter of five", func() council.Succession {
			return plan(t, w.holding.Roster, shiftDay, nil, nil, append([]council.MemberID{"core-3"}, yes...), func(r *council.Roster) { r.Charter = common.Hash{0xcc} })
		})
		w.propose("core-3", more)
		w.run(2*time.Second, never)
		for _, name := range w.names { // what they have heard is on their disks
			w.kill(w.desks[name])
		}
		if how := w.settle("five approve"); how != "committed" {
			t.Fatal(how)
		}
		if c := w.desks["core-3"].disk.Certificate; len(c.Succession.Approvals) != 5 {
			t.Errorf("committed with %d approvals", len(c.Succession.Approvals))
		}
	})
	t.Run("time to read it", func(t *testing.T) {
		w := newShift(t, 39, s)
		k := w.known[0]
		k.Delay, w.known = 3600, nil
		w.boot(w.names...)
		w.propose("core-2", s)
		w.run(time.Hour, never) // its text is kept from all
		k.Since = uint64(w.now.Unix())
		w.known = []agenda.CharterKnown{k}
		for _, name := range w.names {
			w.give(w.desks[name], k)
		}
		w.run(59*time.Minute, never)
		w.untried("before anybody had the time to read it")
		for _, name := range w.names { // nor does a restart have it read again
			w.kill(w.desks[name])
		}
		if how := w.settle("read"); how != "committed" {
			t.Fatal(how)
		}
		if late := w.now.Sub(time.Unix(shiftDay+60, 0)); late < 2*time.Hour || late > 140*time.Minute {
			t.Errorf("took %s", late)
		}
	})
	t.Run("time, after a clock that was ahead", func(t *testing.T) { clockAhead(t, s) })
	t.Run("and a term has ended", func(t *testing.T) {
		ended := once("charter after a term", func() council.Succession {
			return plan(t, withEnded(newShift(t, 0).holding.Roster), shiftDay, nil, nil, yes, func(r *council.Roster) {
				r.Charter, r.Members = common.Hash{0xcc}, slices.Clone(r.Members)
				for i := range r.Members {
					if r.Members[i].ID == "core-3" {
						r.Members[i].Term = council.Term{Start: shiftDay, End: testcouncil.TermEnd}
					}
				}
			})
		})
		clockAhead(t, ended, func(w *shift) { w.holding.Roster = withEnded(w.holding.Roster) })
	})
	t.Run("and not by who comes in", func(t *testing.T) {
		s := once("charter and members", func() council.Succession {
			return plan(t, newShift(t, 0).holding.Roster, shiftDay, leavers, joiners, yes, func(r *council.Roster) { r.Charter = common.Hash{0xcc} })
		})
		w := newShift(t, 40, s)
		w.known[0].Delay = 3600
		late := string(joiners[0])
		for _, id := range joiners {
			w.desks[string(id)].charter = common.Hash{0xcc}
		}
		w.boot(slices.DeleteFunc(slices.Clone(w.names), func(name string) bool { return name == late })...)
		w.propose("core-2", s)
		w.run(50*time.Minute, never)
		w.known[0].Since = uint64(w.now.Unix())
		w.boot(late)
		w.run(time.Minute, never)
		if x := w.desks[late].node.Status(); x.Stage != agenda.StageGathering || !strings.Contains(x.Text, "to read the next one") {
			t.Errorf("says %s", x)
		}
		if !w.run(20*time.Minute, func() bool { return w.ended() == "committed" }) {
			t.Fatalf("waits for who comes in\n%s", w.where())
		}
	})
	t.Run("time", func(t *testing.T) {
		for kind, s := range map[string]council.Succession{"alone": s, "with members": once("charter and members", func() council.Succession {
			return plan(t, newShift(t, 0).holding.Roster, shiftDay, leavers, joiners, yes, func(r *council.Roster) { r.Charter = common.Hash{0xcc} })
		})} {
			w := newShift(t, 37, s)
			w.known[0].Delay = 3600
			for _, id := range joiners {
				if d := w.desks[string(id)]; d != nil {
					d.charter = common.Hash{0xcc}
				}
			}
			w.boot(w.names...)
			w.propose("core-2", s)
			w.run(59*time.Minute, never)
			w.untried("before the time")
			if x := w.desks["core-1"].node.Status(); x.Stage != agenda.StageProposed || !strings.Contains(x.Text, w.now.Add(time.Minute).UTC().Format("15:0")) {
				t.Errorf("%s: says %s", kind, x)
			}
			for _, name := range w.names { // a restart makes it neither shorter nor longer
				w.kill(w.desks[name])
			}
			if how := w.settle("later"); how != "committed" {
				t.Fatal(how)
			}
			if late := w.now.Sub(time.Unix(shiftDay+60, 0)); late > 80*time.Minute {
				t.Errorf("%s: took %s", kind, late)
			}
		}
	})
}

// clockAhead has a node hear of another charter while its clock is ahead: when that is right
// again, the node waits as long as all others.
func clockAhead(t *testing.T, s council.Succession, changes ...func(*shift)) {
	w := newShift(t, 51, s)
	for _, f := range changes {
		f(w)
	}
	w.known[0].Delay = 3600
	late := w.desks["core-3"]
	late.behind = -1000 * time.Hour
	w.boot(w.names...)
	for _, name := range w.names[:2] { // without it there are four
		w.kill(w.desks[name])
		w.desks[name].stays = true
	}
	w.propose("core-2", s)
	w.run(time.Minute, never)
	late.behind = 0
	w.run(30*time.Minute, never)
	w.kill(late) // what it has counted anew is on its disk
	w.run(time.Minute, never)
	w.boot("core-3")
	if !w.run(35*time.Minute, func() bool { return w.ended() == "committed" }) {
		t.Fatalf("it waits for a time that it was told by a clock that was ahead\n%s", w.where())
	}
}

// withEnded is a roster in which the term of one who need not approve has ended.
func withEnded(r council.Roster) council.Roster {
	r.Members = slices.Clone(r.Members)
	for i := range r.Members {
		if r.Members[i].ID == "core-3" {
			r.Members[i].Term.End = shiftDay - 1000
		}
	}
	return r
}
