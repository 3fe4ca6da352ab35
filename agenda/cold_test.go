package agenda_test

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/agenda"
	"github.com/millicent-one/signer/council"
)

// coldLie is a signer that has the slot which a Begin names and says that it lacks it, now
// and again and again for a while.
type coldLie struct {
	who    council.MemberID
	alone  bool // one of the others hears it, and not all
	fires  bool // it fires its own part; otherwise it goes on as one that lacks the slot
	heard  map[council.MemberID]bool
	begins map[common.Hash]bool // that it has lied about
}

// tell has the lie reach the other signers before any message that is under way.
func (x *coldLie) tell(w *world, b council.Begin) {
	if x.begins[b.Hash()] || b.Slot == (council.SessionID{}) || !slices.Contains(b.Signers, x.who) {
		return
	}
	x.begins[b.Hash()] = true
	to := slices.DeleteFunc(slices.Clone(b.Signers), func(m council.MemberID) bool { return m == x.who })
	if x.alone {
		i := len(x.begins) % len(to)
		to = to[i : i+1]
	}
	word := agenda.Cold{Chain: b.Chain, Begin: b.Hash()}
	for i := range 20 {
		w.after(time.Duration(i)*500*time.Millisecond, func() {
			for _, m := range to {
				x.heard[m] = true
				w.step(m, agenda.Said{From: x.who, Message: word})
			}
			if !x.fires { // its node believes it of another one
				w.step(x.who, agenda.Said{From: to[0], Message: word})
			}
		})
	}
}

func newColdLie(who council.MemberID, alone, fires bool) *coldLie {
	return &coldLie{who: who, alone: alone, fires: fires, heard: map[council.MemberID]bool{}, begins: map[common.Hash]bool{}}
}

func (x *coldLie) String() string {
	to, then := "to all", "goes along"
	if x.alone {
		to = "to one"
	}
	if x.fires {
		then = "fires"
	}
	return to + ", and " + then
}

// firedForOne keeps, of each slot, the digests that it is fired for, wherever that is; the
// returned function holds that there is one of each.
func (w *world) firedForOne() func() {
	digests, before := map[council.SessionID]map[common.Hash]bool{}, w.does
	w.does = func(m council.MemberID, e agenda.Effect) {
		if before != nil {
			before(m, e)
		}
		if e, ok := e.(agenda.Enlist); ok && e.Slot != (council.SessionID{}) {
			if digests[e.Slot] == nil {
				digests[e.Slot] = map[common.Hash]bool{}
			}
			digests[e.Slot][e.Begin.Digest] = true
		}
	}
	return func() {
		w.t.Helper()
		for slot, of := range digests {
			if len(of) != 1 {
				w.t.Errorf("slot %s is fired for %d digests", slot.Short(), len(of))
			}
		}
	}
}

// oneNonce holds that a node's ledger has one row for each transaction, and no other.
func (w *world) oneNonce() {
	w.t.Helper()
	for _, m := range everyone {
		for _, nonce := range slices.Sorted(maps.Keys(w.nodes[m].ledger)) {
			if nonce >= uint64(len(w.mined)) {
				w.t.Errorf("%s has reserved nonce %d for %d transactions", m, nonce, len(w.mined))
			}
		}
	}
	for i, tx := range w.mined {
		if tx.Nonce() != uint64(i) {
			w.t.Errorf("transaction %d is at nonce %d", i, tx.Nonce())
		}
	}
}

// A signer says falsely that it lacks the slot: before the others have the Begin, when all
// have fired, or when it is signed. At worst they lose the slot and an attempt with it: it
// is signed once, at one nonce, and soon. Where all hear it and the liar goes along, it is
// the same attempt, and nobody is suspected.
func TestFalseCold(t *testing.T) {
	const before, fired, signed = "before the Begin", "when all have fired", "when it is signed"
	for _, when := range []string{before, fired, signed} {
		for i, c := range []struct{ alone, fires bool }{{false, false}, {false, true}, {true, false}, {true, true}} {
			for _, place := range []int{0, 3} { // it coordinates; it does not
				x := newColdLie("", c.alone, c.fires)
				t.Run(fmt.Sprintf("%s/%s/%d", when, x, place), func(t *testing.T) {
					g := newGunnery(t, 700+uint64(i))
					x.who = g.four[place]
					one := g.firedForOne()
					lie := func() { x.tell(g.world, g.begins[g.four[0]]) }
					hears, does := g.hears, g.does
					g.hears = func(from council.MemberID, m agenda.Message) {
						if hears(from, m); when == before && len(g.begins) == 1 {
							lie()
						}
					}
					g.does = func(m council.MemberID, e agenda.Effect) {
						does(m, e)
						word, _ := e.(agenda.Append)
						if when == fired && len(g.digests) == 4 || when == signed && word.Word == council.WordSigned {
							lie()
						}
					}
					for _, m := range g.four {
						g.approve(m, g.id)
					}
					began := g.now
					if !g.run(agenda.Defaults().Deadline, func() bool {
						p, _ := g.nodes["core-1"].agenda.Proposal(g.id)
						return p.Tx != nil
					}) {
						g.fail(g.id)
					}
					took := g.now.Sub(began)
					g.ended()
					one()
					g.oneNonce()
					p, _ := g.nodes["core-1"].agenda.Proposal(g.id)
					t.Logf("%d attempts, %s", len(p.Attempts), took)
					switch heard := len(x.heard); {
					case len(x.begins) != 1, x.alone && heard != 1, !x.alone && heard != 3:
						t.Fatalf("%d hear it, of %d Begins", heard, len(x.begins))
					}
					for m := range g.digests {
						if when == before && !x.alone && m != g.four[0] && m != x.who {
							t.Errorf("%s fires what it heard to be lost before the Begin", m)
						}
					}
					warm := 0
					if when == signed {
						warm = 1
					}
					if when == signed || !x.alone && !x.fires {
						if at := p.Attempts[0]; len(p.Attempts) != 1 || at.Failed != "" || len(at.Suspects) > 0 || g.quick != warm || took > 5*time.Second {
							t.Errorf("%d attempts, %d from slots, %s; the first %+v", len(p.Attempts), g.quick, took, at)
						}
					}
				})
			}
		}
	}
}

// The same of every Begin that it signs in, for some proposals one after the other: each is
// signed once, at a nonce of its own, and soon; and whoever is had, the stock is filled again.
func TestFalseColdEveryTime(t *testing.T) {
	for i, c := range []struct{ alone, fires bool }{{false, false}, {false, true}, {true, false}, {true, true}} {
		x := newColdLie(liar, c.alone, c.fires)
		t.Run(x.String(), func(t *testing.T) {
			w := newWarmWorld(t, 710+uint64(i), 1)
			w.fillStock()
			one := w.firedForOne()
			w.hears = func(_ council.MemberID, m agenda.Message) {
				if b, ok := m.(agenda.BeginMessage); ok {
					x.tell(w, b.Begin)
				}
			}
			for _, playbook := range []string{"pause", "unpause", "pause"} {
				id := w.propose("core-1", playbook, "protocol")
				if !w.run(10*time.Second, w.known(id)) {
					t.Fatal("not everyone knows the proposal")
				}
				w.approvedBy(everyone[:4], id) // the liar among them
				began, lies := w.now, len(x.begins)
				if !w.run(agenda.Defaults().Deadline, w.minedBy(id)) {
					w.fail(id)
				}
				p, _ := w.nodes["core-1"].agenda.Proposal(id)
				t.Logf("%d attempts, %d lies, %s", len(p.Attempts), len(x.begins)-lies, w.now.Sub(began))
				if len(x.begins) == lies {
					t.Error("it has nothing to lie about")
				}
				if w.runs(id) != 1 {
					t.Errorf("it ran %d times", w.runs(id))
				}
				w.fillStock()
			}
			if len(w.mined) != 3 {
				t.Errorf("%d transactions for three proposals", len(w.mined))
			}
			one()
			w.oneNonce()
		})
	}
}

// made counts the slots of each set that were begun, by its members, and the most of one.
func (w *world) made() (of map[string]int, most int) {
	of = map[string]int{}
	for _, x := range w.armings {
		of[council.Names(x.signers)]++
		most = max(most, of[council.Names(x.signers)])
	}
	return of, most
}

// othersWarm plays an hour, about as long as a slot lasts, in which the 15 sets without the
// liar, once they are warm, stay so in the eyes of everybody else, of the first slots.
func (w *world) othersWarm(depth int) {
	w.t.Helper()
	end := w.now.Add(time.Hour)
	warm := func() bool {
		return !slices.ContainsFunc(everyone, func(m council.MemberID) bool {
			x := w.nodes[m].agenda.Warm()
			return m != liar && x.Ready-x.Members[liar] < 15
		})
	}
	if !w.run(5*time.Minute, warm) {
		w.t.Fatalf("not all sets without the liar are warm: %+v", w.nodes["core-1"].agenda.Warm())
	}
	for w.now.Before(end.Add(-time.Second)) {
		if w.run(time.Second, never); !warm() {
			w.t.Fatalf("they are not warm any more: %+v", w.nodes["core-1"].agenda.Warm())
		}
	}
	of, _ := w.made()
	for _, x := range w.armings {
		if n := of[council.Names(x.signers)]; !slices.Contains(x.signers, liar) && n != depth {
			w.t.Errorf("%d slots of %s were made", n, council.Names(x.signers))
		}
	}
}

// mostLost is how many slots of one set are made in an hour for a member that has lost
// each, or says so: the waits double from ten seconds.
const mostLost = 10

// A member that makes slots like anybody else and then says each time that it has lost them
// has the others make them anew ever more rarely, and no other set is touched.
func TestFalseStock(t *testing.T) {
	w := newWarmWorld(t, 720, 1)
	lies := 0
	w.hears = func(from council.MemberID, m agenda.Message) {
		if s, ok := m.(agenda.Stock); ok && from == liar {
			lies++
			w.after(100*time.Millisecond, func() { w.says(agenda.Stock{Ready: make([]byte, len(s.Ready))}) }) // when the true word is there
		}
	}
	w.othersWarm(1)
	of, most := w.made()
	t.Logf("%d lies; of one set %d slots were made", lies, most)
	if most < 5 || most > mostLost {
		t.Errorf("%d slots of one set were made in an hour; want some, and at most %d: %v", most, mostLost, of)
	}
}

// Where a set keeps more than one slot, the leader hears of a loss in the answer to its
// next call, too. That is no way around the waits; nor is it for a member that joins only
// every other one, so that between two losses one fails.
func TestFalseAnswerToArmCalls(t *testing.T) {
	for i, c := range []struct {
		name string
		most int
	}{{"joins all", mostLost + 2}, {"joins every other", 2*mostLost + 2}} {
		t.Run(c.name, func(t *testing.T) {
			w := newWarmWorld(t, 721+uint64(i), 2)
			w.nodes[liar].up = false // its daemon is the test's, and says that it has a slot of each set
			w.says(agenda.Stock{Ready: bytes.Repeat([]byte{0xff}, 5)})
			roster, err := w.council.Roster.Hash()
			if err != nil {
				t.Fatal(err)
			}
			done, had := map[common.Hash]bool{}, map[string]bool{}
			first := func(h common.Hash) bool { // each comes once for each member of the set
				was := done[h]
				done[h] = true
				return !was
			}
			w.hears = func(from council.MemberID, m agenda.Message) {
				switch m := m.(type) {
				case agenda.ArmCall:
					if slices.Contains(m.Signers, liar) && first(m.Call) {
						had[council.Names(m.Signers)] = len(m.Have) > 0
						w.after(w.delay(), func() {
							w.step(from, agenda.Said{From: liar, Message: agenda.ArmAnswer{Signers: m.Signers, Call: m.Call, Random: m.Call}})
						})
					}
				case agenda.ArmBegin:
					s := council.ArmSession(w.genesis.ShareEpoch, roster, m.Signers, m.Randoms)
					if slices.Contains(m.Signers, liar) && first(common.Hash(s)) && !(i == 1 && had[council.Names(m.Signers)]) {
						w.arm(w.nodes[liar], agenda.Arm{Session: s, Signers: m.Signers})
					}
				}
			}
			w.othersWarm(2)
			of, most := w.made()
			t.Logf("of one set %d slots were made", most)
			if most < 5 || most > c.most {
				t.Errorf("%d slots of one set were made in an hour; want some, and at most %d: %v", most, c.most, of)
			}
		})
	}
}

// Nor is it one to lead sets, to make slots of them like anybody else, and to call for the
// next each time as one who has none.
func TestFalseCallsForSlots(t *testing.T) {
	w := newWarmWorld(t, 723, 1)
	w.nodes[liar].up = false // its daemon is the test's, and says that it has a slot of each set
	w.says(agenda.Stock{Ready: bytes.Repeat([]byte{0xff}, 5)})
	roster, err := w.council.Roster.Hash()
	if err != nil {
		t.Fatal(err)
	}
	calls := map[common.Hash]map[council.MemberID]common.Hash{} // what is answered to each
	w.hears = func(from council.MemberID, m agenda.Message) {
		x, ok := m.(agenda.ArmAnswer)
		parts := calls[x.Call]
		if !ok || parts == nil || x.Random == (common.Hash{}) {
			return
		}
		if parts[from] = x.Random; len(parts) < len(x.Signers) {
			return
		}
		b := agenda.ArmBegin{Signers: x.Signers}
		for _, m := range x.Signers {
			b.Randoms = append(b.Randoms, parts[m])
		}
		w.after(w.delay(), func() {
			w.says(b)
			w.arm(w.nodes[liar], agenda.Arm{Session: council.ArmSession(w.genesis.ShareEpoch, roster, b.Signers, b.Randoms), Signers: b.Signers})
		})
	}
	var call func()
	call = func() {
		for i := range everyone {
			for j := range i {
				for k := range j { // who is not in it
					set := slices.DeleteFunc(slices.Clone(everyone), func(m council.MemberID) bool {
						return m == everyone[i] || m == everyone[j] || m == everyone[k]
					})
					if slices.Contains(set, liar) {
						own := noise()
						calls[own] = map[council.MemberID]common.Hash{liar: own}
						w.says(agenda.ArmCall{Signers: council.Sorted(set), Call: own})
					}
				}
			}
		}
		w.after(10*time.Second, call)
	}
	call()
	w.othersWarm(1)
	of, most := w.made()
	t.Logf("of one set %d slots were made", most)
	if bound := 2*mostLost + 2; most < 5 || most > bound { // it calls for so many at once that some fail between two losses
		t.Errorf("%d slots of one set were made in an hour; want some, and at most %d: %v", most, bound, of)
	}
}

// A slot may be too old at one node and not at another, whose configuration is a different
// one. That is no loss: another is made soon, however often.
func TestSlotsThatGetTooOldElsewhere(t *testing.T) {
	w := newWarmWorld(t, 724, 1)
	w.ttl = map[council.MemberID]time.Duration{}
	for _, m := range everyone {
		if w.ttl[m] = 12 * time.Hour; m == liar {
			w.ttl[m] = agenda.LeastTTL
		}
	}
	w.restartAll()
	began := w.now
	for hour := range 8 {
		w.run(began.Add(time.Duration(hour)*time.Hour+4*time.Minute).Sub(w.now), never)
		if x := w.nodes["core-1"].agenda.Warm(); x.Ready != 35 {
			t.Errorf("after %d hours %d of 35 sets are warm", hour, x.Ready)
		}
	}
	if of, most := w.made(); most < 8 {
		t.Errorf("no slot was made each hour: %v", of)
	}
}

// All keep slots for as short as they may. Not all of a slot's four have it ready in the same
// moment, so some hear that it got too old elsewhere before it is so here: nothing was lost.
func TestSlotsThatGetTooOldEverywhere(t *testing.T) {
	w := newWarmWorld(t, 725, 1)
	w.ttl, w.ready = map[council.MemberID]time.Duration{}, map[council.MemberID]time.Duration{}
	for i, m := range everyone {
		w.ttl[m], w.ready[m] = agenda.LeastTTL, time.Duration(i)*time.Second
	}
	w.restartAll()
	w.run(12*time.Hour, never) // long enough for what is counted in a row
	cold := 0
	for range 4 * 60 {
		w.run(time.Minute, never)
		cold += 35 - w.nodes["core-1"].agenda.Warm().Ready
	}
	// Each set is cold for some seconds in each hour, until its next slot is made.
	if t.Logf("%d minutes", cold); cold > 4*35 {
		t.Errorf("in four hours the 35 sets are cold for %d minutes together", cold)
	}
}
