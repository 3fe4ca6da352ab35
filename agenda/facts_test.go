package agenda_test

import (
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
		if facts, fees := w.asks(m, agenda.Head{Chain: chainID, Block: 1e15}); approvals > 0 && (len(facts) != 1 || len(fees) != 1) {
			t.Fatalf("%d times for facts, %d for fees", len(facts), len(fees))
		}
		query := agenda.Fetch{Queries: w.nodes[m].policy.Needs(p.Intent)}
		w.asks(m, agenda.Planned{Proposal: id, Fees: council.Fees{}})
		w.asks(m, agenda.Fetched{Proposal: id, Facts: allOK(query, 1e15, true)})
		if f, ok := p.Facts(); !ok || f.Block != 1e15 || !p.Verdict.Allow {
			t.Fatalf("%+v, %+v", f, p.Verdict)
		}
		w.now = w.now.Add(time.Second)
		facts, fees := w.asks(m, agenda.Head{Chain: chainID, Block: w.block})
		if len(facts) != 1 || len(fees) != min(approvals, 1) {
			t.Fatalf("after %d approvals it asks %d times for facts and %d for fees", approvals, len(facts), len(fees))
		}
		w.asks(m, agenda.Fetched{Proposal: id, Facts: allOK(facts[0], w.block, false)})
		if p.Verdict.Allow {
			t.Errorf("after %d approvals it is allowed on what was said once", approvals)
		}
	}
}
