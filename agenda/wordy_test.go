package agenda_test

import (
	"strings"
	"testing"
	"time"

	"github.com/millicent-one/signer/agenda"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/internal/testcouncil"
)

// insists has a member approve once more, by an entry of its own, whatever its node thinks
// of that.
func (w *world) insists(m council.MemberID, id council.ProposalID, sequence uint64, c council.Choice, bad bool) {
	w.t.Helper()
	n := w.nodes[m]
	p, _ := n.agenda.Proposal(id)
	ap, _, err := n.agenda.Ballot(p, m, c, "", w.now)
	if err != nil {
		w.t.Fatal(err)
	}
	ap.Sequence = sequence
	ap.Sig = testcouncil.Sign(w.t, ap.Document(w.genesis.ID(), p.Intent), w.council.Wallets[m])
	word := council.WordApproved
	if c == council.Reject {
		word = council.WordRejected
	}
	if bad {
		ap.Sig[3] ^= 1
	}
	w.step(m, w.append(n, word, council.Voted{Approval: ap}))
}

// said counts what a node's own feed says on a proposal by a word.
func (w *world) said(m council.MemberID, id council.ProposalID, word council.Word) (n int) {
	for _, e := range w.nodes[m].feed {
		if e.Author != m || e.Word != word {
			continue
		}
		switch b := e.Body.(type) {
		case council.Complete:
			if b.Proposal == id {
				n++
			}
		case council.Judged:
			if b.Proposal == id {
				n++
			}
		}
	}
	return n
}

// A member approves ever anew what waits for its time, or now and now not. It fills its own
// feed, and those of others not, at most of all if its approval is not even needed; and what
// has its approvals without it is signed when its time has come.
func TestApprovingWithoutEnd(t *testing.T) {
	const liar = council.MemberID("core-1")
	for _, c := range []struct {
		name   string
		by     []council.MemberID
		flips  bool
		most   int // entries of each other node about it, in six minutes
		signed bool
	}{
		{"one of five approves anew", everyone[:5], false, 2, true},
		{"one of four approves anew", everyone[:4], false, agenda.MaxSaid, true},
		{"one of four flips", everyone[:4], true, agenda.MaxSaid, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newTimedWorld(t, 607, "unpause", "    delay: 15m\n")
			id := w.approved("unpause", "protocol", c.by...)
			began := w.now
			for i := range uint64(180) {
				choice := council.Approve
				if c.flips && i%2 == 0 {
					choice = council.Reject
				}
				w.insists(liar, id, 2+i, choice, false)
				w.pass(2 * time.Second)
			}
			for _, m := range everyone {
				if n := w.said(m, id, council.WordComplete); m != liar && n > c.most || n == 0 {
					t.Errorf("%s says %d times since when it is complete; at most %d", m, n, c.most)
				}
			}
			if p, _ := w.nodes["core-2"].agenda.Proposal(id); p.Ballots[liar].Sequence > agenda.MaxWords {
				t.Errorf("core-2 has read %d words of %s", p.Ballots[liar].Sequence, liar)
			}
			if !c.signed {
				return
			}
			w.signedIn(time.Hour, "core-2", id)
			if took := w.now.Sub(began); !about(took, wait-time.Second) {
				t.Errorf("signed after %s", took)
			}
		})
	}
}

// Words that nobody has signed cost a member those that it has: they are looked at up to a
// number, of each member that brings any. What others bring counts on.
func TestWordsThatAreLookedAt(t *testing.T) {
	w := newWorld(t, 608)
	id := w.propose("core-2", "pause", "protocol")
	w.run(5*time.Second, w.known(id))
	for i := range uint64(agenda.MaxWords - 1) {
		w.insists("core-1", id, 1+i, council.Approve, true)
	}
	w.insists("core-1", id, agenda.MaxWords, council.Approve, false)
	w.run(time.Second, never)
	has := func(m council.MemberID) (bool, uint64) {
		p, _ := w.nodes[m].agenda.Proposal(id)
		b, ok := p.Ballots["core-1"]
		return ok, b.Sequence
	}
	if ok, n := has("core-3"); !ok || n != agenda.MaxWords {
		t.Fatalf("the last word that is looked at: %t, %d", ok, n)
	}
	w.insists("core-1", id, agenda.MaxWords+1, council.Reject, false)
	w.run(time.Second, never)
	if _, n := has("core-3"); n != agenda.MaxWords {
		t.Fatalf("core-3 has looked at word %d", n)
	}
	n := w.nodes["core-1"]
	ap := w.ballot("core-1", "core-1", id, council.Reject)
	if _, _, err := n.agenda.Vote(ap, w.now); err == nil || !strings.Contains(err.Error(), "has passed on 64 words") || council.Hint(err) == "" {
		t.Errorf("its own node takes another word: %v", err)
	}
	o := w.nodes["core-4"]
	if _, _, err := o.agenda.Vote(ap, w.now); err != nil {
		t.Fatal(err)
	}
	w.step("core-4", w.append(o, council.WordRejected, council.Voted{Approval: ap}))
	w.run(time.Second, never)
	if p, _ := w.nodes["core-3"].agenda.Proposal(id); p.Ballots["core-1"].Decision != council.Reject {
		t.Error("what another member's node has passed on does not count")
	}
	w.stop("core-3")
	w.start("core-3")
	if p, _ := w.nodes["core-3"].agenda.Proposal(id); p.Ballots["core-1"].Decision != council.Reject {
		t.Error("after a restart it reads otherwise")
	}
}

// What a rule looks at turns with every block. A node says what it finds a few times, and
// then rarely; it judges by what it finds.
func TestVerdictsThatTurn(t *testing.T) {
	w := newWorld(t, 609)
	m := everyone[6]
	id := w.propose("core-1", "unpause", "protocol")
	w.run(5*time.Second, w.known(id))
	p, _ := w.nodes[m].agenda.Proposal(id)
	query := agenda.Fetch{Queries: w.nodes[m].policy.Needs(p.Intent)}
	for i := range 100 {
		w.block++
		w.now = w.now.Add(3 * time.Second)
		w.step(m, agenda.Head{Chain: chainID, Block: w.block})
		w.step(m, agenda.Fetched{Proposal: id, Facts: allOK(query, w.block, i%2 == 0)})
		if p.Verdict.Allow != (i%2 == 0) {
			t.Fatalf("at block %d it judges %+v", w.block, p.Verdict)
		}
	}
	// The last that it says is no denial that it has given up.
	if n := w.said(m, id, council.WordJudged); n < agenda.MaxSaid || n > agenda.MaxSaid+1 || !p.Verdicts[m].Allow {
		t.Errorf("in five minutes it says %d times what it finds, the last %+v", n, p.Verdicts[m])
	}
	before := w.said(m, id, council.WordJudged)
	w.now = w.now.Add(time.Hour)
	for i, allow := range []bool{false, true, false, true} { // an RPC stutters once, and once more
		w.now = w.now.Add(3 * time.Second)
		w.step(m, agenda.Fetched{Proposal: id, Facts: allOK(query, w.block, allow)})
		if n := w.said(m, id, council.WordJudged) - before; n != min(i+1, 2) || p.Verdicts[m].Allow != (i != 0) {
			t.Errorf("an hour later it says for the %d. time what it finds, the last %+v", n, p.Verdicts[m])
		}
	}
}

// What another node says of a rule is shown to people, and can't repaint what they see.
func TestVerdictsAreReadable(t *testing.T) {
	w := newWorld(t, 610)
	id := w.propose("core-2", "pause", "protocol")
	w.run(5*time.Second, w.known(id))
	n := w.nodes["core-1"]
	w.append(n, council.WordJudged, council.Judged{Proposal: id, Rule: "x\x1b[2J", Reason: "no\nsigned by all seven\x1b]0;t\x07\u202e"})
	w.run(time.Second, never)
	p, _ := w.nodes["core-3"].agenda.Proposal(id)
	if v := p.Verdicts["core-1"]; v.Rule != "x[2J" || v.Reason != "no signed by all seven]0;t" {
		t.Errorf("%q, %q", v.Rule, v.Reason)
	}
}

// Who gives an attempt up and says nothing of why has given it up.
func TestAttemptGivenUpForNoReason(t *testing.T) {
	w := newWorld(t, 611)
	id := w.propose("core-2", "pause", "protocol")
	w.run(5*time.Second, w.known(id))
	four := everyone[3:]
	w.approvedBy(four, id)
	p, _ := w.nodes["core-4"].agenda.Proposal(id)
	if !w.run(5*time.Second, func() bool { return len(p.Attempts) > 0 }) {
		t.Fatal("no attempt")
	}
	at := p.Attempts[0]
	for _, m := range at.Signers {
		if m == "core-4" {
			continue
		}
		w.deliver("core-4", agenda.Recorded{Author: m, Seq: 1000, At: uint64(w.now.Unix()), Word: council.WordAttemptFailed,
			Body: council.AttemptFailed{Proposal: id, Chain: chainID, Nonce: at.Nonce, Attempt: at.Number, Reason: "\u200b"}})
		break
	}
	if got := p.Attempts[0].Failed; got != "no reason given" {
		t.Errorf("it has failed for %q", got)
	}
}
