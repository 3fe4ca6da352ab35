package agenda_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/agenda"
	"github.com/millicent-one/signer/council"
)

// gunnery is four members, their slot, and what their nodes do with it.
type gunnery struct {
	*world
	four    []council.MemberID // in the order of the draw: the first coordinates
	id      council.ProposalID
	slot    council.SessionID
	digests map[council.MemberID][]common.Hash // that each has fired the slot for
	begins  map[council.MemberID]council.Begin // that each has called others to, first
	joined  map[council.MemberID]int           // sessions that each was ordered to join
	dropped map[council.MemberID]int           // orders to destroy the slot
}

// newGunnery fills the stock, and has a proposal known to all.
func newGunnery(t *testing.T, seed uint64) *gunnery {
	t.Helper()
	w := newWarmWorld(t, seed, 1)
	w.fillStock()
	w.deaf, w.dear = map[council.MemberID]bool{}, map[council.MemberID]bool{}
	g := &gunnery{world: w, digests: map[council.MemberID][]common.Hash{}, begins: map[council.MemberID]council.Begin{}, joined: map[council.MemberID]int{}, dropped: map[council.MemberID]int{}}
	g.id = w.propose("core-1", "unpause", "protocol") // of which the policy asks the chain
	if !w.run(10*time.Second, w.known(g.id)) {
		t.Fatal("not everyone knows the proposal")
	}
	w.run(time.Second, never) // and what all others say of it
	g.four = w.nodes["core-1"].agenda.Ranked(g.id, 1, everyone[seed%4:seed%4+4])
	slots := w.nodes[g.four[0]].agenda.Slots()
	for _, m := range g.four[1:] {
		slots = slices.DeleteFunc(slots, func(s council.SessionID) bool { return !w.nodes[m].slots[s] })
	}
	if len(slots) != 1 {
		t.Fatalf("the four have %d slots", len(slots))
	}
	g.slot = slots[0]
	w.does = func(m council.MemberID, e agenda.Effect) {
		switch e := e.(type) {
		case agenda.Enlist:
			g.joined[m]++
			if e.Slot == g.slot {
				g.digests[m] = append(g.digests[m], e.Begin.Digest)
			}
		case agenda.DropSlot:
			if e.Slot == g.slot {
				g.dropped[m]++
			}
		}
	}
	w.hears = func(from council.MemberID, m agenda.Message) {
		if b, ok := m.(agenda.BeginMessage); ok {
			if _, had := g.begins[from]; !had {
				g.begins[from] = b.Begin
			}
		}
	}
	return g
}

// called has a member's node hear a Begin from whoever coordinates it.
func (g *gunnery) called(m council.MemberID, b council.Begin) {
	g.step(m, agenda.Said{From: b.Coordinator, Message: agenda.BeginMessage{Begin: b}})
}

// ended waits until the proposal is in a block, and checks what became of the slot.
func (g *gunnery) ended() {
	g.t.Helper()
	if !g.run(3*time.Minute, g.minedBy(g.id)) {
		g.fail(g.id)
	}
	if g.runs(g.id) != 1 || len(g.mined) != 1 {
		g.t.Errorf("it ran %d times, in %d transactions", g.runs(g.id), len(g.mined))
	}
	for _, m := range g.four {
		if len(g.digests[m]) > 1 {
			g.t.Errorf("%s was ordered to fire one slot %d times: %v", m, len(g.digests[m]), g.digests[m])
		}
		if g.nodes[m].slots[g.slot] {
			g.t.Errorf("%s still has the slot", m)
		}
	}
	g.fillStock()
}

// Two coordinators begin with one slot, for two digests: nobody fires its part for both.
// Who comes second hears that the slot is gone, or is refused, and the council signs.
func TestTwoCoordinatorsNameOneSlot(t *testing.T) {
	for seed := range uint64(4) {
		// What the first in the draw says is lost, and it fires alone; the second begins
		// with the slot that it still has.
		g := newGunnery(t, 260+seed)
		first, second := g.four[0], g.four[1]
		g.dear[second] = true
		for _, m := range g.four {
			g.approve(m, g.id)
		}
		count := g.does
		g.does = func(m council.MemberID, e agenda.Effect) {
			if count(m, e); g.joined[first] > 0 && g.joined[second] == 0 {
				g.loss = 1
			}
		}
		if !g.run(10*time.Second, func() bool { return g.joined[second] > 0 }) {
			t.Fatalf("seed %d: the second does not begin", seed)
		}
		g.does, g.loss = count, 0
		g.ended()
		x, y := g.begins[first], g.begins[second]
		if x.Slot != g.slot || y.Slot != g.slot || x.Attempt != y.Attempt || x.Digest == y.Digest || len(g.digests[first]) == 0 || len(g.digests[second]) == 0 {
			t.Errorf("seed %d: the slot was not fired for two digests: attempt %d names %s, attempt %d %s", seed, x.Attempt, x.Slot.Short(), y.Attempt, y.Slot.Short())
		}

		// The others have fired for the second, when the first calls them: they leave the
		// one for the other, and have no slot any more.
		g = newGunnery(t, 260+seed)
		first, second = g.four[0], g.four[1]
		for _, m := range []council.MemberID{first, g.four[2], g.four[3], second} {
			g.approve(m, g.id)
			g.run(500*time.Millisecond, func() bool { return m == second })
		}
		p, _ := g.nodes[second].agenda.Proposal(g.id)
		if len(p.Ballots) != 4 || g.joined[first] > 0 {
			t.Fatalf("seed %d: %d approvals", seed, len(p.Ballots))
		}
		b := g.beginBy(second, second, g.id, 1)
		b.Signers, b.Slot = council.Sorted(g.four), g.slot
		g.loss = 1 // the first does not hear in time that they have begun
		for _, m := range g.four[2:] {
			g.called(m, b)
			if len(g.digests[m]) != 1 {
				t.Fatalf("seed %d: %s does not fire", seed, m)
			}
		}
		g.loss = 0
		g.ended()
		if x := g.begins[first]; x.Slot != g.slot || x.Attempt != 1 || x.Digest == b.Digest || !slices.Equal(g.digests[first], []common.Hash{x.Digest}) {
			t.Errorf("seed %d: the first began attempt %d with slot %s, and has fired for %v", seed, x.Attempt, x.Slot.Short(), g.digests[first])
		}
		for _, m := range g.four[2:] {
			if g.digests[m][0] != b.Digest || g.joined[m] != 2 {
				t.Errorf("seed %d: %s was in %d sessions", seed, m, g.joined[m])
			}
		}
	}
}

// A Begin that comes again changes nothing: while its attempt runs, when it has signed,
// and when it was given up.
func TestBeginThatComesAgain(t *testing.T) {
	for name, over := range map[string]func(*gunnery){
		"it runs":       nil,
		"it has signed": func(g *gunnery) {},
		"it was given up": func(g *gunnery) {
			g.step(g.four[1], agenda.Failed{Session: g.begins[g.four[0]].Fired(), Err: errors.New("made up"), Suspects: []council.MemberID{g.four[2]}})
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGunnery(t, 270)
			for _, m := range g.four {
				g.approve(m, g.id)
			}
			all := func() bool { return len(g.digests) == 4 }
			if over != nil && name != "it has signed" {
				g.stalled[g.id] = true
			}
			if !g.run(10*time.Second, all) {
				t.Fatal("not all fire")
			}
			b := g.begins[g.four[0]]
			if over != nil {
				over(g)
				if !g.run(10*time.Second, func() bool {
					return !slices.ContainsFunc(g.four, func(m council.MemberID) bool {
						p, _ := g.nodes[m].agenda.Proposal(g.id)
						return p.Tx == nil && (len(p.Attempts) == 0 || p.Attempts[0].Failed == "")
					})
				}) {
					t.Fatal("it is not over")
				}
			}
			for range 3 {
				for _, m := range g.four[1:] {
					before, dropped := g.joined[m], g.dropped[m]
					g.called(m, b)
					g.called(m, b)
					if g.joined[m] != before || g.dropped[m] != dropped {
						t.Errorf("%s joins %d sessions more, and drops the slot %d times", m, g.joined[m]-before, g.dropped[m]-dropped)
					}
				}
				g.run(100*time.Millisecond, never)
			}
			delete(g.stalled, g.id)
			g.ended()
			if p, _ := g.nodes["core-1"].agenda.Proposal(g.id); name != "it was given up" && (len(p.Attempts) != 1 || g.quick != 1 || g.attempts != 1) {
				t.Errorf("it took %d attempts: %+v", g.attempts, p.Attempts)
			}
		})
	}
}

// A slot that a member has put aside for an attempt, and not fired when that ends, is
// destroyed wherever it is, whatever ends it; and another is made.
func TestSlotOfAnEndedAttemptIsDropped(t *testing.T) {
	for name, end := range map[string]func(*gunnery){
		"one of them refuses": func(g *gunnery) {
			g.step(g.four[2], agenda.Fetched{Proposal: g.id, Err: errors.New("the RPC is away")})
		},
		"its ledger does": func(g *gunnery) {
			g.step(g.four[2], agenda.Enlisted{Session: g.begins[g.four[0]].Fired(), Err: errors.New("the disk is full")})
		},
		"the coordinator gives up": func(g *gunnery) {
			g.step(g.four[0], agenda.Failed{Session: g.begins[g.four[0]].Fired(), Err: errors.New("made up")})
		},
		"the coordinator is gone": func(g *gunnery) { g.stop(g.four[0]) },
		"the time is over":        func(g *gunnery) { g.run(2*agenda.Defaults().Deadline, func() bool { return g.dropped[g.four[3]] > 0 }) },
		"others have signed": func(g *gunnery) {
			p, _ := g.nodes["core-1"].agenda.Proposal(g.id)
			raw, err := g.otherwise(p.Intent.(council.Transaction)).MarshalBinary()
			if err != nil {
				g.t.Fatal(err)
			}
			g.step(liar, g.append(g.nodes[liar], council.WordSigned, council.Signed{Proposal: g.id, Chain: chainID, Attempt: 1, Signers: council.Sorted(g.four), Tx: raw}))
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGunnery(t, 280)
			first, held := g.four[0], g.four[1:]
			for _, m := range g.four[1:] {
				g.approve(m, g.id)
			}
			g.run(time.Second, never)
			for _, m := range held {
				g.deaf[m] = true
			}
			g.run(5*time.Second, never) // what they know of the chain is too old to sign by
			g.approve(first, g.id)
			has := func(m council.MemberID) bool { return g.nodes[m].slots[g.slot] }
			if !g.run(5*time.Second, func() bool {
				return !slices.ContainsFunc(held, func(m council.MemberID) bool { return len(g.nodes[m].agenda.Trying()) == 0 })
			}) {
				t.Fatal("not all consider it")
			}
			for _, m := range held {
				if !has(m) || slices.Contains(g.nodes[m].agenda.Slots(), g.slot) || len(g.digests[m]) > 0 || g.dropped[m] > 0 {
					t.Fatalf("%s does not hold the slot for the attempt", m)
				}
			}
			end(g)
			g.run(time.Second, func() bool { return !slices.ContainsFunc(held, has) })
			for _, m := range held {
				if has(m) || g.dropped[m] != 1 {
					t.Errorf("%s was ordered %d times to destroy the slot", m, g.dropped[m])
				}
				if len(g.digests[m]) > 0 {
					t.Errorf("%s has fired it", m)
				}
			}
			clear(g.deaf)
			if !g.nodes[first].up {
				g.start(first)
			}
			g.ended()
			for _, m := range held {
				if len(g.digests[m]) > 0 {
					t.Errorf("%s has fired the slot", m)
				}
			}
		})
	}
}

// Who leaves an attempt for the Begin that ranks before it destroys the slot that it had
// put aside for the one it leaves.
func TestSlotOfALeftAttemptIsDropped(t *testing.T) {
	g := newGunnery(t, 290)
	first, second, held := g.four[0], g.four[1], g.four[2:]
	for _, m := range []council.MemberID{first, held[0], held[1]} {
		g.approve(m, g.id)
	}
	g.run(time.Second, never)
	for _, m := range held {
		g.deaf[m] = true
	}
	g.run(5*time.Second, never) // what they know of the chain is too old to sign by
	g.approve(second, g.id)
	worse, better := g.beginBy(second, second, g.id, 1), g.beginBy(first, second, g.id, 1)
	worse.Signers, better.Signers = council.Sorted(g.four), council.Sorted(g.four)
	worse.Slot = g.slot
	for _, m := range held {
		g.called(m, worse)
		if len(g.nodes[m].agenda.Trying()) != 1 || !g.nodes[m].slots[g.slot] || slices.Contains(g.nodes[m].agenda.Slots(), g.slot) {
			t.Fatalf("%s does not hold the slot for the attempt", m)
		}
		g.called(m, better)
		if len(g.nodes[m].agenda.Trying()) != 1 {
			t.Errorf("%s does not take up the better one", m)
		}
		if g.dropped[m] != 1 || g.nodes[m].slots[g.slot] {
			t.Errorf("%s was ordered %d times to destroy the slot", m, g.dropped[m])
		}
	}
	clear(g.deaf)
	g.ended()
	for _, m := range held {
		if len(g.digests[m]) > 0 {
			t.Errorf("%s has fired the slot", m)
		}
	}
}

// What nodes have told each other comes again, from those who said it, in the middle of a
// later attempt: nothing is started, fired or ended by it, and what is under way is signed.
// A slot is dropped only where somebody who has a part in it says that it lacks it, as it
// may at any time; and another is made.
func TestOldWordsStartNothing(t *testing.T) {
	w := newWarmWorld(t, 295, 1)
	type word struct {
		from, to council.MemberID
		message  agenda.Message
	}
	var said []word
	kinds := map[string]int{}
	w.does = func(m council.MemberID, e agenda.Effect) {
		if e, ok := e.(agenda.Send); ok {
			said = append(said, word{m, e.To, e.Message})
			kinds[fmt.Sprintf("%T", e.Message)]++
		}
	}
	w.fillStock()
	begun := func(id council.ProposalID) func() bool {
		return func() bool {
			return slices.ContainsFunc(slices.Collect(maps.Values(w.sessions)), func(s *session) bool {
				return s.begin.Proposal == id && len(s.joined) == 4 && !s.dead
			})
		}
	}
	sign := func(playbook string) council.ProposalID {
		t.Helper()
		id := w.propose("core-1", playbook, "protocol")
		w.run(10*time.Second, w.known(id))
		w.run(time.Second, never)
		w.approvedBy(everyone[:4], id)
		if !w.run(time.Minute, begun(id)) {
			w.fail(id)
		}
		return id
	}
	// One attempt that lacks the slot, one that a signer refuses, one that is signed as it
	// should be.
	for _, e := range w.nodes[everyone[1]].agenda.Shed() {
		w.execute(w.nodes[everyone[1]], e)
	}
	first := sign("pause")
	w.run(time.Minute, w.minedBy(first))
	w.fillStock()
	second := sign("unpause")
	for id, s := range w.sessions {
		if s.begin.Proposal == second {
			w.step(everyone[2], agenda.Enlisted{Session: id, Err: errors.New("the disk is full")})
		}
	}
	w.run(time.Minute, w.minedBy(second))
	w.fillStock()

	third := sign("pause")
	old, count := said, maps.Clone(kinds)
	for _, kind := range []agenda.Message{agenda.BeginMessage{}, agenda.Refusal{}, agenda.Cold{}, agenda.ArmCall{}, agenda.ArmAnswer{}, agenda.ArmBegin{}, agenda.Stock{}} {
		if count[fmt.Sprintf("%T", kind)] == 0 {
			t.Errorf("there is no %T", kind)
		}
	}
	attempts, quick := w.attempts, w.quick
	for _, x := range old {
		for _, m := range everyone {
			if m == x.from || x.to != "" && x.to != m {
				continue
			}
			w.does = func(who council.MemberID, e agenda.Effect) {
				switch e := e.(type) {
				case agenda.Send, agenda.Notify, agenda.Fetch, agenda.Plan:
				case agenda.DropSlot:
					lacks := false
					switch said := x.message.(type) {
					case agenda.ArmCall:
						lacks = !slices.Contains(said.Have, e.Slot)
					case agenda.Stock:
						lacks = true
					}
					if !lacks || !slices.Contains(w.armings[e.Slot].signers, x.from) {
						t.Errorf("%T of %s has %s drop slot %s", x.message, x.from, who, e.Slot.Short())
					}
				default:
					t.Errorf("%T of %s has %s do %T", x.message, x.from, who, e)
				}
			}
			w.step(m, agenda.Said{From: x.from, Message: x.message})
		}
	}
	w.does = nil
	if !w.run(time.Minute, w.minedBy(third)) {
		w.fail(third)
	}
	if p, _ := w.nodes["core-1"].agenda.Proposal(third); len(p.Attempts) != 1 || w.attempts != attempts || w.quick != quick+1 {
		t.Errorf("it took %d attempts; %d signatures from slots more", len(p.Attempts), w.quick-quick)
	}
	w.fillStock()
	if len(w.mined) != 3 {
		t.Errorf("%d transactions for three proposals", len(w.mined))
	}
	t.Logf("%d messages: %v", len(old), count)
}
