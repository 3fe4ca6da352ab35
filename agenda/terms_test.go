package agenda_test

import (
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/agenda"
	"github.com/millicent-one/signer/configs"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/policy"
)

// newTimedWorld is a world whose charter has terms on a rule. It is Friday,
// 08:00 UTC.
func newTimedWorld(t *testing.T, seed uint64, rule, terms string) *world {
	t.Helper()
	head := "  - id: " + rule + "\n    effect: allow\n"
	if !strings.Contains(string(configs.Charter), head) {
		t.Fatalf("no rule %s", rule)
	}
	text := strings.Replace(string(configs.Charter), head, head+terms, 1)
	w := buildCharterWorld(t, []byte(text), seed, 0, nil, agenda.Timing{})
	w.skew = map[council.MemberID]time.Duration{}
	return w
}

func (w *world) restartAll() {
	for _, m := range everyone {
		w.stop(m)
	}
	for _, m := range everyone {
		w.start(m)
	}
}

func (w *world) pass(d time.Duration) { w.run(d, func() bool { return false }) }

// approved puts a playbook before the council and has four members approve.
func (w *world) approved(playbook, target string, by ...council.MemberID) council.ProposalID {
	w.t.Helper()
	id := w.propose(by[0], playbook, target)
	if !w.run(10*time.Second, w.known(id)) {
		w.t.Fatal("the proposal did not reach everyone")
	}
	w.approvedBy(by, id)
	w.pass(time.Second)
	return id
}

// blocked is what a node says an approved proposal waits for.
func (w *world) blocked(m council.MemberID, id council.ProposalID) string {
	p, ok := w.nodes[m].agenda.Proposal(id)
	if !ok {
		return ""
	}
	return w.nodes[m].agenda.Blocked(p)
}

// signedIn runs until a proposal is signed at a node, and says how long it took.
func (w *world) signedIn(d time.Duration, m council.MemberID, id council.ProposalID) time.Duration {
	w.t.Helper()
	began := w.now
	if !w.run(d, func() bool {
		p, ok := w.nodes[m].agenda.Proposal(id)
		return ok && (p.Tx != nil || p.Signature != nil)
	}) {
		w.t.Fatalf("after %s %s is %s: %s", d, id.Short(), w.state(m, id), w.blocked(m, id))
	}
	return w.now.Sub(began)
}

// wait is what most rules here ask for.
const wait = 15 * time.Minute

// about reports whether a time is what was asked for, and a minute at most more:
// clocks may differ, and somebody has to sign.
func about(have, want time.Duration) bool { return have >= want && have < want+time.Minute }

// innocent fails when anybody was suspected over a proposal.
func (w *world) innocent(id council.ProposalID) {
	w.t.Helper()
	for _, m := range w.running() {
		p, _ := w.nodes[m].agenda.Proposal(id)
		for _, at := range p.Attempts {
			if len(at.Suspects) > 0 {
				w.t.Errorf("%s suspects %v: %s", m, at.Suspects, at.Failed)
			}
		}
	}
}

func TestDelayIsWaitedFor(t *testing.T) {
	for seed := range uint64(5) {
		w := newTimedWorld(t, seed, "unpause", "    delay: 15m\n")
		id := w.approved("unpause", "protocol", everyone[:4]...)
		began := w.now
		if s, why := w.state("core-4", id), w.blocked("core-4", id); s != agenda.StateApproved || !strings.Contains(why, "signs at the earliest 2027-01-15 08:15:") || !strings.HasSuffix(why, "rule charter/unpause asks for a delay of 15m") {
			t.Fatalf("%s: %s", s, why)
		}
		w.pass(8 * time.Minute)
		// A brake is pulled meanwhile, and does not notice.
		brake := w.approved("pause", "bridge", everyone[3:]...)
		if took := w.signedIn(time.Minute, "core-1", brake); took > 5*time.Second {
			t.Errorf("seed %d: the pause took %s", seed, took)
		}
		if w.attempts != 1 {
			t.Errorf("seed %d: %d attempts before the time", seed, w.attempts)
		}
		w.signedIn(time.Hour, "core-1", id)
		if took := w.now.Sub(began); !about(took, wait-time.Second) {
			t.Errorf("seed %d: signed after %s", seed, took)
		}
		if w.attempts != 2 {
			t.Errorf("seed %d: %d attempts for two signatures", seed, w.attempts)
		}
		if !w.run(time.Minute, w.minedBy(id)) {
			w.fail(id)
		}
		w.innocent(id)
	}
}

// What has waited for its time has not waited for its turn: it does not go before
// brakes on account of it.
func TestDelayedDoesNotGoFirst(t *testing.T) {
	w := newTimedWorld(t, 20, "unpause", "    delay: 15m\n")
	id := w.approved("unpause", "protocol", everyone[:4]...)
	w.pass(14 * time.Minute)
	var brakes []council.ProposalID
	for range 3 {
		x := w.propose("core-1", "pause", "protocol")
		w.run(5*time.Second, w.known(x))
		w.approvedBy(everyone[:3], x)
		brakes = append(brakes, x)
	}
	w.pass(time.Second)
	for _, m := range everyone[3:] {
		w.stop(m)
	}
	// Three nodes can't sign, but carry the fourth word.
	n := w.nodes[everyone[0]]
	for _, x := range brakes {
		w.step(n.id, w.append(n, council.WordApproved, council.Voted{Approval: w.ballot(n.id, everyone[3], x, council.Approve)}))
	}
	w.pass(3 * time.Minute) // by now the delay is over
	w.start(everyone[3])
	if !w.run(2*time.Minute, func() bool { return len(w.mined) == 4 }) {
		t.Fatalf("%d are mined", len(w.mined))
	}
	w.pass(5 * time.Second)
	for i := range 3 {
		if p := w.nodes[everyone[0]].agenda.Proposals(); p[0].ID == id && p[0].Tx.Hash() == w.mined[i].Hash() {
			t.Errorf("nonce %d went to what is permitted, while brakes waited", i)
		}
	}
}

// What waits for its time holds up nothing behind it, brake or not.
func TestDelayHoldsUpNobody(t *testing.T) {
	w := newTimedWorld(t, 25, "unpause", "    actions: [unpause]\n    contracts: [bridge]\n    delay: 15m\n  - id: quick\n    effect: allow\n")
	slow := w.approved("unpause", "bridge", everyone[:4]...)
	w.pass(time.Minute)
	quick := w.approved("unpause", "protocol", everyone[:4]...)
	if took := w.signedIn(time.Minute, "core-1", quick); took > 5*time.Second {
		t.Errorf("it took %s", took)
	}
	if s := w.state("core-1", slow); s != agenda.StateApproved {
		t.Errorf("the slow one is %s", s)
	}
}

// All nodes die and come back, one after the other and all at once: the delay
// counts on.
func TestDelayOutlivesARestart(t *testing.T) {
	for seed := range uint64(4) {
		w := newTimedWorld(t, 30+seed, "unpause", "    delay: 15m\n")
		id := w.approved("unpause", "protocol", everyone[:4]...)
		began := w.now
		for _, m := range everyone {
			w.pass(time.Minute)
			w.stop(m)
			w.pass(time.Second)
			w.start(m)
		}
		for _, m := range everyone {
			w.stop(m)
		}
		w.pass(3 * time.Minute)
		for _, m := range everyone {
			w.start(m)
		}
		w.signedIn(time.Hour, "core-1", id)
		if took := w.now.Sub(began); !about(took, wait-time.Second) {
			t.Errorf("seed %d: signed after %s", seed, took)
		}
		w.innocent(id)
	}
}

// A node that was away when the last approval came knows from the others since
// when all are there.
func TestDelayOfANodeThatWasAway(t *testing.T) {
	w := newTimedWorld(t, 40, "unpause", "    delay: 15m\n")
	w.stop("core-4")
	id := w.approved("unpause", "protocol", everyone[:4]...)
	began := w.now
	w.pass(12 * time.Minute)
	w.start("core-4")
	w.pass(time.Minute)
	for _, m := range everyone[:3] {
		w.stop(m)
	}
	w.signedIn(time.Hour, "core-4", id)
	if took := w.now.Sub(began); !about(took, wait-time.Second) {
		t.Errorf("signed after %s", took)
	}
	w.innocent(id)
}

// Three members lie about the time. It helps nobody.
func TestDelayAgainstLiars(t *testing.T) {
	w := newTimedWorld(t, 45, "unpause", "    delay: 15m\n")
	id := w.approved("unpause", "protocol", everyone[:4]...)
	began := w.now
	p, _ := w.nodes["core-1"].agenda.Proposal(id)
	lie := council.Complete{Proposal: id, Since: uint64(w.now.Unix()) - 7200}
	for _, m := range everyone[:4] {
		lie.Approvals = append(lie.Approvals, council.Standing{Member: m, Sequence: p.Ballots[m].Sequence})
	}
	for _, m := range everyone[:3] {
		w.append(w.nodes[m], council.WordComplete, lie)
	}
	w.pass(time.Minute)
	w.stop("community-3") // and a fourth has lost its disk
	n := w.nodes["community-3"]
	n.feed = slices.DeleteFunc(n.feed, func(e agenda.Recorded) bool {
		own := e.Author == n.id && e.Word == council.WordComplete
		if own {
			delete(n.have, fmt.Sprintf("%s %d", e.Author, e.Seq))
		}
		return own
	})
	w.start("community-3")
	w.signedIn(time.Hour, "core-4", id)
	if took := w.now.Sub(began); !about(took, wait-time.Second) {
		t.Errorf("signed after %s", took)
	}
}

// Who withdraws and approves again has the delay begin anew, also where the nodes
// were restarted in between.
func TestDelayBeginsAnew(t *testing.T) {
	for _, restart := range []bool{false, true} {
		w := newTimedWorld(t, 50, "unpause", "    delay: 15m\n")
		id := w.approved("unpause", "protocol", everyone[:4]...)
		w.pass(8 * time.Minute)
		w.say("core-1", id, council.Reject)
		w.pass(time.Second)
		if s := w.state("core-2", id); s != agenda.StateOpen {
			t.Fatalf("state %s", s)
		}
		w.pass(3 * time.Minute)
		if restart {
			w.restartAll()
			w.pass(5 * time.Second)
		}
		w.approve("core-1", id)
		began := w.now
		w.pass(2 * time.Minute)
		for _, m := range everyone[:2] {
			w.stop(m)
			w.start(m)
		}
		w.signedIn(time.Hour, "core-2", id)
		if took := w.now.Sub(began); !about(took, wait-time.Second) {
			t.Errorf("restart %v: signed after %s", restart, took)
		}
	}
}

// A fifth approval that comes and goes changes nothing: the four others stand.
func TestDelaySurvivesAFifthWord(t *testing.T) {
	w := newTimedWorld(t, 55, "unpause", "    delay: 15m\n")
	id := w.approved("unpause", "protocol", everyone[:4]...)
	began := w.now
	for range 3 {
		w.pass(2 * time.Minute)
		w.approve("core-4", id)
		w.pass(2 * time.Minute)
		w.say("core-4", id, council.Reject)
	}
	// One of the four goes, after the fifth has come.
	w.approve("core-3", id)
	w.pass(time.Minute)
	w.say("core-1", id, council.Reject)
	w.pass(time.Second)
	w.stop("core-2")
	w.start("core-2")
	w.signedIn(time.Hour, "core-2", id)
	if took := w.now.Sub(began); !about(took, wait-time.Second) {
		t.Errorf("signed after %s", took)
	}
}

// A node whose clock is behind refuses, and nobody is suspected for it.
func TestClockThatIsBehind(t *testing.T) {
	w := newTimedWorld(t, 60, "unpause", "    delay: 15m\n")
	w.skew["core-4"] = -50 * time.Second
	id := w.approved("unpause", "protocol", everyone[:4]...)
	began := w.now
	for _, m := range everyone[:3] {
		w.stop(m)
	}
	// By its own clock it began to count as much later; to have it refuse, its
	// clock is set back.
	w.pass(8 * time.Minute)
	w.skew["core-4"] = -100 * time.Second
	w.signedIn(time.Hour, "core-1", id)
	if took := w.now.Sub(began); took < wait || took > wait+2*time.Minute {
		t.Errorf("signed after %s", took)
	}
	p, _ := w.nodes["core-1"].agenda.Proposal(id)
	early := 0
	for _, at := range p.Attempts {
		if strings.Contains(at.Failed, "core-4 does not join: early") {
			early++
		}
	}
	if early == 0 || early > agenda.MaxEarlyWords {
		t.Errorf("%d attempts were too early", early)
	}
	w.innocent(id)
}

func TestCooldownAndRestart(t *testing.T) {
	for seed := range uint64(4) {
		w := newTimedWorld(t, 70+seed, "unpause", "    cooldown: 15m\n")
		first := w.approved("unpause", "protocol", everyone[:4]...)
		w.signedIn(time.Minute, "core-1", first)
		signed := w.now
		if !w.run(time.Minute, w.minedBy(first)) {
			w.fail(first)
		}
		w.pass(3 * time.Minute)
		second := w.approved("unpause", "bridge", everyone[3:]...)
		if why := w.blocked("core-1", second); !strings.Contains(why, "rule charter/unpause asks for a cool-down of 15m") {
			t.Fatalf("seed %d: %s", seed, why)
		}
		w.pass(6 * time.Minute)
		for _, m := range everyone {
			w.stop(m)
		}
		w.pass(time.Minute)
		for _, m := range everyone {
			w.start(m)
		}
		w.signedIn(time.Hour, "core-1", second)
		if took := w.now.Sub(signed); took < wait-5*time.Second || took > wait+time.Minute {
			t.Errorf("seed %d: signed %s after the first", seed, took)
		}
		w.innocent(second)
	}
}

// A limit is kept also where all is approved at once and nothing has to wait for a
// nonce, and through restarts.
func TestLimitOfStatements(t *testing.T) {
	for seed := range uint64(4) {
		w := newTimedWorld(t, 80+seed, "statements", "    limit: {count: 2, per: 15m}\n")
		var ids []council.ProposalID
		for i := range 5 {
			w.seq++
			id := w.admit(everyone[i], council.Statement{Text: fmt.Sprintf("Statement %d.", i), ValidUntil: uint64(w.now.Unix()) + 24*3600, Salt: common.BigToHash(big.NewInt(int64(w.seq)))})
			w.run(5*time.Second, w.known(id))
			w.pass(time.Second)
			ids = append(ids, id)
		}
		w.approvedBy(everyone[:4], ids...)
		signed := map[council.ProposalID]time.Time{}
		for range 55 {
			w.pass(time.Minute)
			if m := everyone[w.rnd.IntN(7)]; w.rnd.IntN(3) == 0 {
				w.stop(m)
				w.start(m)
			}
			n := 0
			for _, id := range ids {
				p, _ := w.nodes["core-1"].agenda.Proposal(id)
				if p.Signature == nil {
					continue
				}
				if _, ok := signed[id]; !ok {
					signed[id] = w.now
				}
				if w.now.Sub(signed[id]) < wait-70*time.Second {
					n++
				}
			}
			if n > 2 {
				t.Fatalf("seed %d: %d signed within a quarter of an hour", seed, n)
			}
		}
		if len(signed) != 5 {
			t.Errorf("seed %d: %d of 5 are signed in 55 minutes; %s", seed, len(signed), w.blocked("core-1", ids[4]))
		}
	}
}

// What is approved at the same moment is not begun at the same moment when only
// one of it may be signed; and all write down when they learnt of the signature.
func TestOneAtATime(t *testing.T) {
	w := newTimedWorld(t, 130, "statements", "    cooldown: 15m\n")
	var ids []council.ProposalID
	for i := range 4 {
		id := w.publish(everyone[i], fmt.Sprintf("Statement %d.", i))
		w.run(5*time.Second, w.known(id))
		w.pass(time.Second)
		ids = append(ids, id)
	}
	// All can be signed only once three nodes are back, and then all at once.
	for _, m := range everyone[:4] {
		w.stop(m)
	}
	w.approvedBy(everyone[4:], ids...)
	w.start(everyone[3])
	w.approvedBy(everyone[3:4], ids...)
	w.pass(time.Minute)
	for _, m := range everyone[:3] {
		w.start(m)
	}
	w.signedIn(time.Minute, "core-4", ids[0])
	w.pass(3 * time.Minute)
	if w.attempts != 1 || w.state("core-1", ids[1]) != agenda.StateApproved {
		t.Errorf("%d attempts for one signature; the second is %s", w.attempts, w.state("core-1", ids[1]))
	}
	for _, m := range everyone {
		if !slices.ContainsFunc(w.nodes[m].feed, func(e agenda.Recorded) bool { return e.Author == m && e.Word == council.WordSigned }) {
			t.Errorf("%s has not written down that it learnt of the signature", m)
		}
	}
}

// Of two proposals of one text the older goes first, but not as long as it waits
// for its time.
func TestTwinThatWaits(t *testing.T) {
	w := newTimedWorld(t, 140, "statements", "    delay: 15m\n")
	older := w.publish("core-1", "All is well.")
	w.run(5*time.Second, w.known(older))
	w.pass(time.Second)
	younger := w.publish("core-2", "All is well.")
	w.run(5*time.Second, w.known(younger))
	w.approvedBy(everyone[:4], younger)
	began := w.now
	w.pass(10 * time.Minute)
	w.approvedBy(everyone[:4], older)
	w.signedIn(time.Hour, "core-1", younger)
	if took := w.now.Sub(began); !about(took, wait) {
		t.Errorf("signed after %s", took)
	}
}

// A rule that is new counts what was signed before there was such a rule.
func TestNewRuleCountsTheOld(t *testing.T) {
	w := newTimedWorld(t, 150, "unpause", "")
	first := w.approved("unpause", "protocol", everyone[:4]...)
	w.signedIn(time.Minute, "core-1", first)
	signed := w.now
	w.pass(10 * time.Minute)
	for _, m := range everyone {
		n := w.nodes[m]
		own, err := policy.LoadMember("policy.yaml", []byte("version: 1\nrules:\n  - {id: seldom, effect: allow, actions: [unpause], contracts: [protocol, bridge], cooldown: 15m}\n"), n.policy.Charter())
		if err != nil {
			t.Fatal(err)
		}
		n.policy = policy.New(n.policy.Charter(), own)
	}
	w.restartAll()
	second := w.approved("unpause", "bridge", everyone[3:]...)
	if why := w.blocked("core-1", second); !strings.Contains(why, "member/seldom asks for a cool-down of 15m") {
		t.Fatal(why)
	}
	w.signedIn(time.Hour, "core-1", second)
	if took := w.now.Sub(signed); !about(took, wait-5*time.Second) {
		t.Errorf("signed %s after the first", took)
	}
}

func TestSeatsAreWaitedFor(t *testing.T) {
	w := newTimedWorld(t, 90, "unpause", "    seats: {core: 1, community: 1}\n")
	id := w.approved("unpause", "protocol", "core-1", "core-2", "core-3", "core-4")
	w.pass(time.Minute)
	p, _ := w.nodes["core-1"].agenda.Proposal(id)
	if s, why := w.state("core-1", id), w.nodes["core-1"].agenda.Lacking(p); s != agenda.StateOpen || why != "waits for an approval of a community seat" || w.attempts != 0 {
		t.Fatalf("%s, %d attempts: %s", s, w.attempts, why)
	}
	w.approve("community-2", id)
	if took := w.signedIn(time.Minute, "core-1", id); took > 5*time.Second {
		t.Errorf("it took %s", took)
	}
	w.innocent(id)
}

// One window of the day has passed; the next opens.
func TestWindowIsWaitedFor(t *testing.T) {
	w := newTimedWorld(t, 100, "unpause", "    window: [{days: [fri], hours: 06:00-08:00}, {days: [sat], hours: 09:00-10:00}, {days: [fri], hours: 08:20-08:40}]\n")
	id := w.approved("unpause", "protocol", everyone[:4]...)
	if why := w.blocked("core-1", id); !strings.Contains(why, "signs at the earliest 2027-01-15 08:20:00 UTC: rule charter/unpause has the window") {
		t.Fatal(why)
	}
	open := time.Date(2027, 1, 15, 8, 20, 0, 0, time.UTC)
	w.pass(open.Sub(w.now) - time.Second)
	if w.attempts != 0 {
		t.Errorf("%d attempts before the window opens", w.attempts)
	}
	if took := w.signedIn(time.Hour, "core-1", id); took > time.Minute {
		t.Errorf("signed %s after the window has opened", took)
	}
	w.innocent(id)
}

// Higher fees are no second signature, and need no window.
func TestBumpWaitsForNothing(t *testing.T) {
	w := newTimedWorld(t, 110, "unpause", "    window: {days: [fri], hours: 07:00-08:01}\n    limit: {count: 1, per: 7d}\n    cooldown: 7d\n")
	id := w.approved("unpause", "protocol", everyone[:4]...)
	w.signedIn(time.Minute, "core-1", id)
	stuck := w.nodes["core-1"].agenda
	p, _ := stuck.Proposal(id)
	first := p.Tx.GasFeeCap()
	hold := func() bool { clear(w.pool); return p.Tx.GasFeeCap().Cmp(first) > 0 } // no miner takes it
	if !w.run(10*time.Minute, hold) {
		t.Fatalf("no higher fees: %s", w.blocked("core-1", id))
	}
	w.innocent(id)
}

// A member that finds a brake too early is suspected like any that refuses, and
// nobody waits.
func TestNobodyFindsABrakeTooEarly(t *testing.T) {
	w := newTimedWorld(t, 120, "unpause", "    delay: 15m\n")
	id := w.propose("core-1", "pause", "protocol")
	w.run(5*time.Second, w.known(id))
	w.approvedBy(everyone[:4], id)
	if !w.run(5*time.Second, func() bool { return w.attempts > 0 }) {
		t.Fatal("no attempt")
	}
	var b council.Begin
	for _, s := range w.sessions {
		b = s.begin
	}
	liar := b.Signers[slices.IndexFunc(b.Signers, func(m council.MemberID) bool { return m != b.Coordinator })]
	for _, m := range b.Signers {
		if m != liar {
			w.step(m, agenda.Said{From: liar, Message: agenda.Refusal{Begin: b.Hash(), Chain: b.Chain, Nonce: b.Nonce, Attempt: b.Attempt, Rule: "early", Reason: "not yet"}})
		}
	}
	if took := w.signedIn(time.Minute, b.Coordinator, id); took > 8*time.Second {
		t.Errorf("it took %s", took)
	}
	p, _ := w.nodes[b.Coordinator].agenda.Proposal(id)
	suspected := slices.ContainsFunc(p.Attempts, func(x agenda.Attempt) bool { return slices.Contains(x.Suspects, liar) }) // two may begin at once
	if !suspected {
		t.Errorf("signed by %v; suspected in the first: %v", p.Signed.Signers, p.Attempts[0].Suspects)
	}
}

// rumour tells all nodes that a member has claimed at a rotation that there may be a
// signature.
func (w *world) rumour(id council.ProposalID, chain, nonce uint64, s agenda.RowState) {
	for _, m := range everyone {
		w.step(m, agenda.Ledger{Chain: chain, Nonce: nonce, Proposal: id, State: s, Hearsay: true})
	}
}

// What a member makes up in its Lock saves a proposal nothing that it has to wait for,
// whether it is a transaction or a message.
func TestRumourIsNoSignature(t *testing.T) {
	for name, c := range map[string]struct {
		rule  string
		chain uint64
		put   func(w *world) council.ProposalID
	}{
		"transaction": {"unpause", chainID, func(w *world) council.ProposalID { return w.propose("core-1", "unpause", "protocol") }},
		"message":     {"statements", 0, func(w *world) council.ProposalID { return w.publish("core-1", "All is well.") }},
	} {
		t.Run(name, func(t *testing.T) {
			w := newTimedWorld(t, 160, c.rule, "    delay: 15m\n")
			id := c.put(w)
			if !w.run(10*time.Second, w.known(id)) {
				t.Fatal("the proposal did not reach everyone")
			}
			w.rumour(id, c.chain, 0, agenda.RowRevealed)
			w.approvedBy(everyone[:4], id)
			began := w.now
			w.pass(14 * time.Minute)
			if w.attempts != 0 {
				t.Fatalf("%d attempts before the time", w.attempts)
			}
			w.signedIn(time.Hour, "core-1", id)
			if took := w.now.Sub(began); !about(took, wait) {
				t.Errorf("signed after %s", took)
			}
			w.innocent(id)
		})
	}
}

// What others may have signed before a rotation counts as signed at the rotation: it
// opens no cool-down, and what was made up closes it no longer than a signature would.
func TestRumourCountsOnce(t *testing.T) {
	for name, c := range map[string]struct {
		nonce uint64
		state agenda.RowState
		known bool // since when the roster is in force
	}{
		"far ahead":    {1 << 40, agenda.RowRevealed, true},
		"the next":     {1, agenda.RowRevealed, true},
		"disputed":     {1 << 40, agenda.RowDisputed, true},
		"long expired": {1 << 40, agenda.RowRevealed, false},
	} {
		t.Run(name, func(t *testing.T) {
			w := newTimedWorld(t, 170, "unpause", "    cooldown: 15m\n")
			if w.since = uint64(w.now.Unix()); !c.known {
				w.since = 0
			}
			w.restartAll()
			rumoured := w.propose("core-2", "unpause", "protocol")
			w.run(5*time.Second, w.known(rumoured))
			began := w.now
			if !c.known {
				p, _ := w.nodes["core-1"].agenda.Proposal(rumoured)
				w.pass(time.Duration(p.Intent.Expires()-uint64(w.now.Unix()))*time.Second + time.Minute)
				began = w.now.Add(-time.Minute)
			}
			if c.nonce == 1 { // what was before it is used
				brake := w.approved("pause", "protocol", everyone[:4]...)
				w.signedIn(time.Minute, "core-1", brake)
				w.run(time.Minute, w.minedBy(brake))
			}
			w.rumour(rumoured, chainID, c.nonce, c.state)
			id := w.approved("unpause", "bridge", everyone[:4]...)
			if why := w.blocked("core-1", id); !strings.Contains(why, "rule charter/unpause asks for a cool-down of 15m") {
				t.Fatal(why)
			}
			if c.nonce == 1 { // it has the nonce, as long as nobody replaces it
				w.pass(began.Add(wait + 2*time.Minute).Sub(w.now))
				if why := w.blocked("core-1", id); !strings.Contains(why, "nonce 1 belongs to proposal "+rumoured.Short()) {
					t.Fatal(why)
				}
				return
			}
			w.signedIn(time.Hour, "core-1", id)
			if took := w.now.Sub(began); !about(took, wait-5*time.Second) {
				t.Errorf("signed after %s", took)
			}
			w.innocent(id)
		})
	}
}

// Four who have left say that they had a signature long ago: nobody counts it from then,
// neither now nor after a restart. Without their word a cool-down ends no earlier.
func TestFormerMembersDateNothingBack(t *testing.T) {
	w := newTimedWorld(t, 180, "unpause", "    cooldown: 15m\n")
	for i := range 4 {
		m := w.council.Roster.Members[i]
		m.ID = council.MemberID(fmt.Sprintf("former-%d", i+1))
		w.former = append(w.former, m)
	}
	w.restartAll()
	first := w.approved("unpause", "protocol", everyone[:4]...)
	w.signedIn(time.Minute, "core-1", first)
	signed := w.now
	w.pass(time.Second)
	p, _ := w.nodes["core-1"].agenda.Proposal(first)
	for _, m := range w.former {
		for _, id := range everyone {
			w.deliver(id, agenda.Recorded{Author: m.ID, Seq: 1, At: 1, Word: council.WordSigned, Body: *p.Signed})
		}
	}
	second := w.approved("unpause", "bridge", everyone[3:]...)
	for range 2 {
		if why := w.blocked("core-1", second); !strings.Contains(why, "rule charter/unpause asks for a cool-down of 15m") {
			t.Fatal(why)
		}
		w.restartAll()
		w.pass(time.Second)
	}
	w.signedIn(time.Hour, "core-1", second)
	if took := w.now.Sub(signed); !about(took, wait-5*time.Second) {
		t.Errorf("signed %s after the first", took)
	}
	w.innocent(second)
}

// A proposal is as old as its proposer dates it, or as this node's first verdict, if that is
// older; the policy counts what it may be valid for from there. So what was proposed to last
// for a year is denied still when little of the year is left. A brake counts by this node's
// own time: nobody can date it back.
func TestLastingProposalStaysDenied(t *testing.T) {
	w := newWorld(t, 92)
	for name, brake := range map[string]bool{"unpause": false, "pause": true} {
		deed, _, err := w.nodes["core-1"].policy.Charter().Playbook(name, "protocol", nil)
		if err != nil {
			t.Fatal(err)
		}
		const year = 365 * 24 * 3600
		born := uint64(w.now.Unix())
		id := w.put("core-1", deed, year)
		n := w.nodes["core-3"].agenda
		w.run(5*time.Second, w.known(id))
		p, _ := n.Proposal(id)
		if !w.run(time.Minute, func() bool { return len(p.Verdicts) == len(everyone) }) || p.Verdicts["core-3"].Allow || !strings.Contains(p.Verdicts["core-3"].Reason, "valid for ") {
			t.Fatalf("%s: at first: %+v", name, p.Verdicts["core-3"])
		}
		since := func() uint64 { return n.Input(p, council.Facts{}, time.Unix(int64(born)+year-3600, 0)).Since }
		if s := since(); s < born || s > born+60 || !brake && s != p.At {
			t.Errorf("%s, proposed at %d: counts from %d", name, born, s)
		}
		first := since()
		p.At = born + 10*24*3600
		if s := since(); s < first || s > born+60 {
			t.Errorf("%s, dated ahead: counts from %d", name, s)
		}
		p.At = born - year
		if s := since(); brake != (s >= born) {
			t.Errorf("%s, dated back: counts from %d", name, s)
		}
		p.At = born
		late := n.Input(p, council.Facts{}, time.Unix(int64(born)+year-3600, 0))
		if d := w.nodes["core-3"].policy.Evaluate(late); d.Allow || !strings.Contains(d.Reason, "valid for ") {
			t.Errorf("%s, an hour before the end: %+v", name, d)
		}
	}
}
