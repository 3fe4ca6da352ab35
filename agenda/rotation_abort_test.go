package agenda_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/agenda"
	"github.com/millicent-one/signer/council"
)

// Of several steps that are agreed on an operator refuses the one that is named, by its
// roster or, where two lead to one roster, by its own hash; what is not named, or not
// clearly, is refused by nobody, and the error says what can be.
func TestRefusesTheStepThatIsNamed(t *testing.T) {
	first, second := shorter(t, "core-3"), shorter(t, "core-1")
	later := once("term of core-1, another day", func() council.Succession {
		s := plan(t, newShift(t, 0).holding.Roster, shiftDay+10, nil, nil, yes, func(r *council.Roster) { r.Members = second.Roster.Members })
		return s
	})
	w := newShift(t, 47, first, second)
	hashes := func(s council.Succession) (digest, roster common.Hash) {
		t.Helper()
		digest, err := s.Digest(w.holding.Roster)
		if err != nil {
			t.Fatal(err)
		}
		if roster, err = s.Roster.Hash(); err != nil {
			t.Fatal(err)
		}
		return digest, roster
	}
	w.boot("core-2", "core-3") // two lock for nothing
	d := w.desks["core-3"]
	refused := func(name string, want common.Hash) {
		t.Helper()
		if got, err := d.node.Refusable(name); got != want || err != nil {
			t.Errorf("%q: can refuse %s, %v; want %s", name, got.Hex(), err, want.Hex())
		}
	}
	not := func(name string, kind error, says ...string) {
		t.Helper()
		_, err := d.node.Refusable(name)
		if err == nil || kind != nil && !errors.Is(err, kind) {
			t.Fatalf("%q: can be refused: %v", name, err)
		}
		for _, s := range says {
			if !strings.Contains(err.Error()+council.Hint(err), s) {
				t.Errorf("%q: says %v (%s); want %q", name, err, council.Hint(err), s)
			}
		}
	}
	not("", nil, "nothing to abort")
	w.propose("core-3", first)
	one, oneRoster := hashes(first)
	refused("", one)
	w.propose("core-3", second)
	two, twoRoster := hashes(second)
	w.run(10*time.Second, never)
	not("", agenda.ErrAmbiguousStep, oneRoster.Hex(), twoRoster.Hex(), "another term: core-3", "another term: core-1", "--roster")
	not("0x00000000", agenda.ErrUnknownStep, oneRoster.Hex(), twoRoster.Hex(), "--roster")
	refused(oneRoster.Hex(), one)
	refused(strings.ToUpper(twoRoster.Hex()[2:12]), two)

	other, name := one, oneRoster.Hex() // the one that it does not work for
	if strings.Contains(d.node.Status().Text, "no share is moved") && d.disk.Tries[0].Succession == one {
		other, name = two, twoRoster.Hex()
	}
	works := d.disk.Tries[0].Succession
	w.give(d, agenda.AbortWanted{Succession: other, Reason: "a test"})
	if n := len(d.disk.Refusals); n != 1 || d.disk.Refusals[0].Subject != other {
		t.Fatalf("it refuses %+v", d.disk.Refusals)
	}
	if s := d.node.Status(); !strings.Contains(s.Text, "1 refusals of 4 end it") || !strings.Contains(s.Text, "signer term abort --roster "+name[:10]) {
		t.Errorf("says %s", s)
	}
	not(name, nil, "refused it already", "other nodes")
	refused("", works)

	w.propose("core-3", later)
	three, _ := hashes(later)
	if other == two {
		refused(twoRoster.Hex(), three) // the other one is refused
	} else {
		not(twoRoster.Hex()[:10], agenda.ErrAmbiguousStep, two.Hex(), three.Hex())
		refused(two.Hex()[:10], two)
	}
	w.give(d, agenda.AbortWanted{Succession: three, Reason: "a test"})
	w.give(d, agenda.AbortWanted{Reason: "a test"}) // and the one that it works for
	not("", nil, "refused it already")
	if len(d.disk.Refusals) != 3 {
		t.Errorf("it refuses %+v", d.disk.Refusals)
	}
}

// Who has locked for one step can still refuse another one, and not that.
func TestRefusesAnotherStepThanThatOfItsLock(t *testing.T) {
	one, two := shorter(t, "core-3"), shorter(t, "core-1")
	w := newShift(t, 48, one, two)
	w.boot("core-3")
	d := w.desks["core-3"]
	w.propose("core-3", one)
	w.propose("core-3", two)
	r, err := council.Rotate(w.holding, one, nil, council.StillTry(1))
	if err != nil {
		t.Fatal(err)
	}
	w.run(time.Second, never)
	w.give(d, agenda.Said{From: "core-1", Message: w.tried(r)})
	w.run(10*time.Second, never)
	if len(d.disk.Locks) != 1 {
		t.Fatalf("it has locked for %d tries", len(d.disk.Locks))
	}
	name := func(s council.Succession) string {
		h, err := s.Roster.Hash()
		if err != nil {
			t.Fatal(err)
		}
		return h.Hex()
	}
	if _, err := d.node.Refusable(name(one)); err == nil || !strings.Contains(err.Error(), "this node has locked") {
		t.Errorf("that of its lock: %v", err)
	}
	if w.give(d, agenda.AbortWanted{Succession: r.Succession, Reason: "a test"}); len(d.disk.Refusals) != 0 {
		t.Errorf("it refuses what it has locked for: %+v", d.disk.Refusals)
	}
	step, err := d.node.Refusable(name(two))
	if err != nil {
		t.Fatalf("another one: %v", err)
	}
	w.give(d, agenda.AbortWanted{Succession: step, Reason: "a test"})
	if locked, ok := d.node.Locked(); len(d.disk.Refusals) != 1 || !ok || locked != r.ID() {
		t.Errorf("it has refused %d and is locked for %s", len(d.disk.Refusals), locked.Hex())
	}
}
