package agenda_test

import (
	"errors"
	"testing"
	"time"

	"github.com/millicent-one/signer/agenda"
	"github.com/millicent-one/signer/council"
)

// asks reports what a node asks its RPC for after an event.
func (w *world) asks(m council.MemberID, ev agenda.Event) (facts []agenda.Fetch, fees []agenda.Plan) {
	for _, e := range w.nodes[m].agenda.Step(ev, w.now) {
		switch e := e.(type) {
		case agenda.Fetch:
			facts = append(facts, e)
		case agenda.Plan:
			fees = append(fees, e)
		}
	}
	return facts, fees
}

// allOK are facts that find everything as the policy wants it.
func allOK(e agenda.Fetch, block uint64, ok bool) council.Facts {
	f := council.Facts{Chain: chainID, Block: block, Answers: map[council.Query]council.Answer{}}
	for _, q := range e.Queries {
		f.Answers[q] = council.Answer{OK: ok}
	}
	return f
}

// What an RPC has said once of a block far ahead is asked again when it names the right
// one, by whoever it was allowed, and what it says then counts.
func TestFactsOfABlockAhead(t *testing.T) {
	for _, approvals := range []int{0, 3} {
		w := newWorld(t, 331)
		m := everyone[6]
		id := w.propose("core-1", "unpause", "protocol")
		w.run(5*time.Second, w.known(id))
		w.approvedBy(everyone[:approvals], id)
		w.run(5*time.Second, never)
		p, _ := w.nodes[m].agenda.Proposal(id)
		if p.Verdict == nil || !p.Verdict.Allow {
			t.Fatalf("%+v", p.Verdict)
		}
		w.now = w.now.Add(time.Minute)
		if facts, fees := w.asks(m, agenda.Head{Chain: chainID, Block: 1e15, BaseFee: baseFee}); approvals > 0 && (len(facts) != 1 || len(fees) != 1) {
			t.Fatalf("%d times for facts, %d for fees", len(facts), len(fees))
		}
		query := agenda.Fetch{Queries: w.nodes[m].policy.Needs(p.Intent)}
		w.asks(m, agenda.Planned{Proposal: id, Fees: council.Fees{}})
		w.asks(m, agenda.Fetched{Proposal: id, Facts: allOK(query, 1e15, true)})
		if f, ok := p.Facts(); !ok || f.Block != 1e15 || !p.Verdict.Allow {
			t.Fatalf("%+v, %+v", f, p.Verdict)
		}
		w.now = w.now.Add(time.Second)
		facts, fees := w.asks(m, agenda.Head{Chain: chainID, Block: w.block, BaseFee: baseFee})
		if len(facts) != 1 || len(fees) != min(approvals, 1) {
			t.Fatalf("after %d approvals it asks %d times for facts and %d for fees", approvals, len(facts), len(fees))
		}
		w.asks(m, agenda.Fetched{Proposal: id, Facts: allOK(facts[0], w.block, false)})
		if p.Verdict.Allow {
			t.Errorf("after %d approvals it is allowed on what was said once", approvals)
		}
	}
}

// However many proposals a member makes up, a node that denies them does not keep its RPC
// busy with them. An approval has it look again soon, and only the first of its member.
func TestDeniedProposalsLeaveTheRPCAlone(t *testing.T) {
	w := newWorld(t, 332, everyone[6])
	var last council.ProposalID
	for range agenda.MaxOpenPerMember {
		last = w.propose("core-1", "unpause", "protocol")
	}
	n, of := 0, map[council.ProposalID]int{}
	w.does = func(m council.MemberID, e agenda.Effect) {
		if f, ok := e.(agenda.Fetch); ok && m == everyone[6] {
			n++
			of[f.Proposal]++
		}
	}
	w.run(time.Minute, never)
	if most := 3 * agenda.MaxOpenPerMember; len(of) != agenda.MaxOpenPerMember || n > most {
		t.Errorf("it is asked %d times in a minute for %d proposals; want %d at most", n, len(of), most)
	}
	w.run(9*time.Minute, never)
	if most := 7 * agenda.MaxOpenPerMember; n > most {
		t.Errorf("it is asked %d times in ten minutes; want %d at most", n, most)
	}
	before := of[last]
	w.approve("core-1", last)
	w.run(11*time.Second, never)
	if of[last] == before {
		t.Error("an approval does not have it look again")
	}
	before = of[last]
	for range 10 {
		w.say("core-1", last, council.Reject)
		w.run(time.Second, never)
		w.say("core-1", last, council.Approve)
		w.run(11*time.Second, never)
	}
	if again := of[last] - before; again > 4 {
		t.Errorf("one member's approvals have it look %d times in two minutes", again)
	}
}

// What this node denies and many approve is not asked for at each head.
func TestDeniedAndApproved(t *testing.T) {
	w := newWorld(t, 333, everyone[6])
	id := w.propose("core-1", "unpause", "protocol")
	w.run(5*time.Second, w.known(id))
	w.approvedBy(everyone[:3], id)
	facts, fees := 0, 0
	w.does = func(m council.MemberID, e agenda.Effect) {
		switch e.(type) {
		case agenda.Fetch:
			if m == everyone[6] {
				facts++
			}
		case agenda.Plan:
			if m == everyone[6] {
				fees++
			}
		}
	}
	w.run(time.Minute, never)
	if facts > 4 || fees > 0 {
		t.Errorf("it asks %d times for facts and %d for fees", facts, fees)
	}
}

// An RPC whose facts are a block behind its head is not asked in a circle.
func TestFactsBehindTheHead(t *testing.T) {
	w := newWorld(t, 334)
	m, id, n := everyone[6], w.wanted(), 0
	ask := func(ev agenda.Event) {
		for facts, _ := w.asks(m, ev); len(facts) > 0 && n < 100; n++ {
			facts, _ = w.asks(m, agenda.Fetched{Proposal: id, Facts: allOK(facts[0], w.block+8, true)})
		}
	}
	ask(agenda.Head{Chain: chainID, Block: w.block + 9, BaseFee: baseFee})
	if n != 1 {
		t.Fatalf("it asks %d times at one head", n)
	}
	for range 10 {
		w.now = w.now.Add(time.Second)
		ask(agenda.Tick{})
	}
	if n > 6 {
		t.Errorf("it asks %d times in ten seconds", n)
	}
}

// An RPC that was away for minutes, or gives facts of an old block, is asked again at once
// where members want something: what is not answered is no denial to get used to.
func TestWhatIsNotAnsweredIsAskedAgain(t *testing.T) {
	for name, answer := range map[string]func(w *world, e agenda.Fetch) agenda.Fetched{
		"away": func(_ *world, e agenda.Fetch) agenda.Fetched {
			return agenda.Fetched{Proposal: e.Proposal, Err: errors.New("no route to host")}
		},
		"old": func(w *world, e agenda.Fetch) agenda.Fetched {
			return agenda.Fetched{Proposal: e.Proposal, Facts: allOK(e, w.block+1, true)}
		},
	} {
		w := newWorld(t, 335)
		m, n := everyone[6], 0
		w.wanted()
		ask := func(ev agenda.Event) {
			for facts, _ := w.asks(m, ev); len(facts) > 0; n++ {
				facts, _ = w.asks(m, answer(w, facts[0]))
			}
		}
		ask(agenda.Head{Chain: chainID, Block: w.block + 9, BaseFee: baseFee})
		for range 300 {
			w.now = w.now.Add(time.Second)
			ask(agenda.Tick{})
		}
		if n < 60 || n > 300 {
			t.Errorf("%s: it asks %d times in five minutes", name, n)
		}
	}
}

// wanted is a permissive proposal that three have approved, a minute ago.
func (w *world) wanted() council.ProposalID {
	id := w.propose("core-1", "unpause", "protocol")
	w.run(5*time.Second, w.known(id))
	w.approvedBy(everyone[:3], id)
	w.run(5*time.Second, never)
	w.now = w.now.Add(time.Minute)
	return id
}
