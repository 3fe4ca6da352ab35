package agenda_test

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/millicent-one/signer/agenda"
	"github.com/millicent-one/signer/configs"
	"github.com/millicent-one/signer/council"
)

// torn draws which nodes don't hear which others: some pairs in neither
// direction, some in one. Four that hear each other are left, or nobody could
// ever sign; they are given, too.
func torn(rnd *rand.Rand, share float64) (cut map[[2]council.MemberID]bool, four []council.MemberID) {
	cut = map[[2]council.MemberID]bool{}
	whole := map[council.MemberID]bool{}
	for _, i := range rnd.Perm(7)[:4] {
		whole[everyone[i]] = true
		four = append(four, everyone[i])
	}
	for i, x := range everyone {
		for _, y := range everyone[:i] {
			if whole[x] && whole[y] || rnd.Float64() >= share {
				continue
			}
			switch rnd.IntN(4) {
			case 0:
				cut[[2]council.MemberID{x, y}] = true
			case 1:
				cut[[2]council.MemberID{y, x}] = true
			default:
				cut[[2]council.MemberID{x, y}], cut[[2]council.MemberID{y, x}] = true, true
			}
		}
	}
	return cut, four
}

// compare is what nodes do every ten seconds: each exchanges feeds with the next
// that it hears.
func (w *world) compare(turn int) {
	for i, m := range everyone {
		for k := range 6 {
			o := everyone[(i+1+(turn+k)%6)%7]
			if !w.cut[[2]council.MemberID{m, o}] && !w.cut[[2]council.MemberID{o, m}] {
				w.exchange(m, o)
				break
			}
		}
	}
	w.after(10*time.Second, func() { w.compare(turn + 1) })
}

// converge has seven nodes sign one transaction in a torn network, under a charter. It
// gives the attempts that it took.
func converge(t *testing.T, charter []byte, seed uint64) int {
	t.Helper()
	rnd := rand.New(rand.NewPCG(seed, 3))
	cut, four := torn(rnd, []float64{0.2, 0.5, 0.9}[seed%3])
	w := buildCharterWorld(t, slices.Concat(charter, []byte(incidentRecords)), 2000+seed, int(seed%2), cut, agenda.Timing{})
	if seed < 30 || *matrix { // the others were chosen for what happens in them
		w.twice = 0.2
	}
	w.compare(0)
	proposer := everyone[rnd.IntN(7)]
	if !slices.ContainsFunc(four, func(m council.MemberID) bool { return !cut[[2]council.MemberID{proposer, m}] }) {
		proposer = four[0] // nobody who could sign would hear of the other's
	}
	id := w.propose(proposer, "pause", "protocol")
	w.run(time.Minute, w.known(id))
	for _, m := range everyone {
		if _, ok := w.nodes[m].agenda.Proposal(id); ok {
			w.approve(m, id)
		}
	}
	began := w.now
	if !w.run(10*time.Minute, w.minedBy(id)) {
		t.Logf("seed %d: cut %v", seed, cut)
		w.fail(id)
	}
	attempts := w.attempts
	t.Logf("seed %d: %d links cut; %d attempts in %s", seed, len(cut), attempts, w.now.Sub(began).Round(time.Second))
	w.run(30*time.Second, func() bool { return false })
	if w.runs(id) != 1 {
		t.Errorf("seed %d: ran %d times", seed, w.runs(id))
	}
	return attempts
}

// Nodes that disagree about who is online still find four who can sign, without
// trying all sets there are. Who leads and who is asked first is drawn from hashes over
// the charter: so two of them make two networks of each seed.
func TestTornNetworkConverges(t *testing.T) {
	seeds := []uint64{43, 67, 69, 80, 88, 92} // which took the most, or in which the drawn proposer is heard by nobody
	for seed := range uint64(30) {
		seeds = append(seeds, seed)
	}
	if *matrix {
		seeds = seeds[:0]
		for seed := range uint64(1000) {
			seeds = append(seeds, seed)
		}
	}
	for name, charter := range map[string][]byte{"shipped": configs.Charter, "before its amendments": worldCharter(t)} {
		t.Run(name, func(t *testing.T) {
			most, sum := 0, 0
			for _, seed := range seeds {
				attempts := converge(t, charter, seed)
				most, sum = max(most, attempts), sum+attempts
				// Each failed attempt finds a pair that is apart; there are 21.
				if attempts > 21 {
					t.Errorf("seed %d: %d attempts for one signature", seed, attempts)
				}
			}
			t.Logf("%d attempts in %d runs, at most %d", sum, len(seeds), most)
		})
	}
}

// tells has a member's feed speak of an attempt at the first nonce, to one node.
func (w *world) tells(to, from council.MemberID, body any) {
	word := council.WordBegun
	if _, ok := body.(council.AttemptFailed); ok {
		word = council.WordAttemptFailed
	}
	w.step(to, agenda.Recorded{Author: from, Seq: 1, At: uint64(w.now.Unix()), Word: word, Body: body})
}

// A node that has fallen behind by any number of attempts follows as many as sign,
// one of whom is honest; of fewer, each leads it by a few steps.
func TestNumbersOfAsManyAsSignCount(t *testing.T) {
	w := newWorld(t, 509)
	id := w.propose("core-1", "pause", "protocol")
	w.run(5*time.Second, w.known(id))
	behind := w.nodes["community-2"].agenda
	for i, m := range everyone[3:] { // the core
		for range 2 * agenda.MaxLeads {
			w.tells("community-2", m, council.AttemptFailed{Proposal: id, Chain: chainID, Attempt: 10_000})
		}
		if i < 3 && behind.LastAttempt(id) != 0 {
			t.Fatalf("%d members have raised the number to %d by what they have given up", i+1, behind.LastAttempt(id))
		}
	}
	if n := behind.LastAttempt(id); n != 10_000 {
		t.Errorf("four have come to attempt 10000, and the last is %d", n)
	}
	for i := range uint64(2 * agenda.MaxLeads) {
		w.tells("community-2", liar, council.Begun{Proposal: id, Chain: chainID, Attempt: 1 << 60, Begin: [32]byte{byte(i)}, Coordinator: liar, Signers: council.Sorted([]council.MemberID{liar, "core-1", "core-2", "core-3"})})
	}
	if n := behind.LastAttempt(id); n > 10_000+agenda.MaxLeads*agenda.MaxAttemptsKept {
		t.Errorf("one member has raised the number to %d", n)
	}
}

// A node that reads of an attempt to which it can't be called, since it does not hear
// who coordinates it, says so at once. It says so a few times, and not of what is long
// past, and not of a number to which one member's word has leapt.
func TestUnheardCoordinator(t *testing.T) {
	const deaf, far council.MemberID = "community-2", "core-1"
	signers := council.Sorted([]council.MemberID{deaf, far, "core-2", "core-3"})
	w := newWorld(t, 510)
	id := w.propose("core-2", "pause", "protocol")
	w.run(5*time.Second, w.known(id))
	said := func(number uint64, at time.Time) (out []council.AttemptFailed) {
		b := council.Begun{Proposal: id, Chain: chainID, Attempt: number, Begin: noise(), Coordinator: far, Signers: signers}
		for _, e := range w.nodes[deaf].agenda.Step(agenda.Recorded{Author: "core-2", Seq: 1, At: uint64(at.Unix()), Word: council.WordBegun, Body: b}, w.now) {
			if x, ok := e.(agenda.Append); ok && x.Word == council.WordAttemptFailed {
				out = append(out, x.Body.(council.AttemptFailed))
			}
		}
		return out
	}
	if x := said(1, w.now); len(x) != 0 {
		t.Fatalf("it hears the coordinator, and gives up: %v", x)
	}
	w.step(deaf, agenda.PeerDown{Member: far})
	if x := said(2, w.now.Add(-time.Hour)); len(x) != 0 {
		t.Errorf("of an attempt of an hour ago: %v", x)
	}
	if x := said(1<<60, w.now); len(x) != 0 {
		t.Errorf("of a number that does not count: %v", x)
	}
	times := 0
	for i := range uint64(3 * agenda.MaxUnheard) {
		for _, x := range said(3+i, w.now) {
			if times++; x.Attempt != 3+i || !slices.Equal(x.Suspects, []council.MemberID{far}) {
				t.Errorf("attempt %d: %+v", 3+i, x)
			}
		}
	}
	if times != agenda.MaxUnheard {
		t.Errorf("it said so %d times", times)
	}
}

// What its coordinator has given up nobody joins any more: who did would wait in vain,
// and suspect all the others.
func TestGivenUpBeforeItComes(t *testing.T) {
	w := newWorld(t, 511)
	id := w.propose("core-1", "pause", "protocol")
	w.run(5*time.Second, w.known(id))
	for _, m := range everyone[3:7] {
		w.approve(m, id)
	}
	w.run(100*time.Millisecond, func() bool { p, _ := w.nodes["core-3"].agenda.Proposal(id); return len(p.Ballots) == 4 })
	b := w.beginBy(liar, "core-3", id, 1)
	w.tells("core-3", liar, b.Begun())
	w.tells("core-3", liar, council.AttemptFailed{Proposal: id, Chain: chainID, Attempt: 1})
	w.step("core-3", agenda.Said{From: liar, Message: agenda.BeginMessage{Begin: b}})
	if x := w.nodes["core-3"].agenda.Trying(); len(x) != 0 {
		t.Error("core-3 has joined")
	}
}
