package agenda_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/millicent-one/signer/agenda"
	"github.com/millicent-one/signer/council"
)

// spoken is one session over a proclamation.
type spoken struct {
	signers []council.MemberID
	joined  map[council.MemberID]int // and in which life
	ever    map[council.MemberID]bool
	over    bool
}

// rotated is a council whose key was made under another roster. Nothing has happened
// yet under this one.
func rotated(t *testing.T, seed uint64) *world {
	t.Helper()
	w := newWorld(t, seed)
	first := w.council.Roster
	first.Version = 9
	w.first, w.words = &first, map[council.SessionID]*spoken{}
	for _, m := range everyone {
		w.stop(m)
	}
	return w
}

// proclaim joins a session. It ends well if all of its signers are in it and honest;
// else those who wait give it up, and can't tell why if it is a traitor's doing.
func (w *world) proclaim(n *member, e agenda.Proclaim) {
	id := e.Permit.Session()
	word, err := n.agenda.Holding().Proclamation()
	if err != nil || e.Permit.Digest() != word.Digest() || e.Permit.Check(id, council.SessionID{}, e.Signers, 0) != nil || n.agenda.Watching() != "" {
		w.t.Fatalf("%s signs what is not the proclamation: %q (%v)", n.id, e.Permit.Text(), err)
	}
	s := w.words[id]
	if s == nil {
		s = &spoken{signers: e.Signers, joined: map[council.MemberID]int{}, ever: map[council.MemberID]bool{}}
		w.words[id] = s
	}
	if s.ever[n.id] {
		w.t.Fatalf("%s is in one session twice", n.id)
	}
	s.joined[n.id], s.ever[n.id] = n.life, true
	life := n.life
	w.after(4*time.Second, func() { w.speak(id, s) })
	w.after(10*time.Second, func() {
		if _, in := s.joined[n.id]; !in || s.over || n.life != life {
			return
		}
		var silent []council.MemberID
		for _, m := range s.signers {
			if _, in := s.joined[m]; !in {
				silent = append(silent, m)
			}
		}
		w.step(n.id, agenda.Failed{Session: id, Suspects: silent, Err: errors.New("it came to nothing")})
	})
}

func (w *world) speak(id council.SessionID, s *spoken) {
	for _, m := range s.signers {
		if life, in := s.joined[m]; !in || life != w.nodes[m].life || w.false[m] {
			return
		}
	}
	if s.over {
		return
	}
	s.over = true
	for _, m := range s.signers {
		n := w.nodes[m]
		word, err := n.agenda.Holding().Proclamation()
		if err != nil {
			w.t.Fatal(err)
		}
		d := word.Digest()
		sig, err := crypto.Sign(d[:], w.key)
		if err != nil {
			w.t.Fatal(err)
		}
		w.later(n, agenda.Signed{Session: id, Signature: sig})
	}
}

// proclaimedBy reports whether these nodes have the proclamation.
func (w *world) proclaimedBy(who ...council.MemberID) func() bool {
	return func() bool {
		for _, m := range who {
			p, ok, why := w.nodes[m].agenda.Proclamation()
			if !ok {
				return false
			}
			if why != "" || p.Verify() != nil || p.Covers(w.council.Roster) != nil || p.Key != w.genesis.Key {
				w.t.Fatalf("%s has %+v, %q", m, p, why)
			}
		}
		return true
	}
}

// why is what a node says about a proclamation that is missing.
func (w *world) why(m council.MemberID) string {
	_, _, why := w.nodes[m].agenda.Proclamation()
	return why
}

// entries counts the proclamations in all feeds.
func (w *world) entries() (n int) {
	for _, m := range everyone {
		for _, e := range w.nodes[m].feed {
			if e.Word == council.WordRosterSigned && e.Author == m {
				n++
			}
		}
	}
	return n
}

// A new roster is proclaimed once, by four, and everybody learns of it, also who comes
// later or starts anew. Under the first roster there is nothing to proclaim.
func TestProclamation(t *testing.T) {
	w := rotated(t, 700)
	most := everyone[:6]
	for _, m := range most {
		w.start(m)
	}
	if !w.run(time.Minute, w.proclaimedBy(most...)) {
		t.Fatal(w.why("core-1"))
	}
	w.start(everyone[6])
	if !w.run(time.Minute, w.proclaimedBy(everyone...)) {
		t.Fatal(w.why(everyone[6]))
	}
	for _, m := range everyone {
		w.stop(m)
	}
	for _, m := range everyone {
		w.start(m)
	}
	w.run(10*time.Minute, never)
	if !w.proclaimedBy(everyone...)() || len(w.words) != 1 || w.entries() > 4 {
		t.Errorf("%d sessions, %d entries", len(w.words), w.entries())
	}

	w = newWorld(t, 701)
	w.run(time.Minute, never)
	if _, ok, why := w.nodes["core-1"].agenda.Proclamation(); ok || why != "" || len(w.words) > 0 {
		t.Errorf("the first roster: %v, %q", ok, why)
	}
}

// With too few online the council goes on without, and says so; it signs what it is
// asked for meanwhile, and the proclamation when a fourth is there.
func TestProclamationWaitsForEnough(t *testing.T) {
	w := rotated(t, 702)
	for _, m := range everyone[:3] {
		w.start(m)
	}
	w.run(time.Hour, never)
	if len(w.words) > 0 || !strings.Contains(w.why(everyone[0]), "3 of 4 nodes are ready") {
		t.Errorf("%d sessions; says %q", len(w.words), w.why(everyone[0]))
	}
	w.start(everyone[3])
	if !w.run(2*time.Minute, w.proclaimedBy(everyone[:4]...)) {
		t.Error(w.why(everyone[0]))
	}
}

// What somebody waits for goes first.
func TestProclamationGivesWay(t *testing.T) {
	w := rotated(t, 703)
	for _, m := range everyone {
		w.start(m)
	}
	id := w.propose("core-1", "pause", "protocol")
	w.run(500*time.Millisecond, never)
	w.approvedBy(everyone[:4], id)
	if !w.run(time.Minute, func() bool { return w.state("core-1", id) == agenda.StateSigned || w.minedBy(id)() }) || len(w.words) > 0 {
		t.Errorf("signed %v, after %d sessions over the proclamation", w.state("core-1", id), len(w.words))
	}
	if !w.run(time.Minute, w.proclaimedBy(everyone...)) {
		t.Error(w.why("core-1"))
	}
}

// Three traitors sit in whatever session they can, and spoil it so that nobody knows
// whose fault it was. The four others come to a session of their own.
func TestProclamationAmongTraitors(t *testing.T) {
	for seed := range uint64(3) {
		for _, traitors := range [][]council.MemberID{everyone[:3], everyone[2:5], everyone[4:]} {
			t.Run(fmt.Sprint(seed, traitors), func(t *testing.T) {
				w := rotated(t, 710+seed)
				w.false = map[council.MemberID]bool{}
				for _, m := range traitors {
					w.false[m] = true
				}
				for _, m := range everyone {
					w.start(m)
				}
				honest := slices.DeleteFunc(slices.Clone(everyone), func(m council.MemberID) bool { return w.false[m] })
				if !w.run(24*time.Hour, w.proclaimedBy(honest...)) {
					t.Fatalf("%d sessions; %s", len(w.words), w.why(honest[0]))
				}
				t.Logf("%d sessions", len(w.words))
			})
		}
	}
}

// Four traitors can keep the council from saying it. Then it is given up after so many
// tries, which people are told of, and everything else goes on.
func TestProclamationIsGivenUp(t *testing.T) {
	w := rotated(t, 704)
	w.false = map[council.MemberID]bool{}
	for _, m := range everyone[3:] {
		w.false[m] = true
	}
	for _, m := range everyone {
		w.start(m)
	}
	over := func() bool { return strings.Contains(w.why(everyone[0]), "has given it up after") }
	if tries := len(w.words); !w.run(6*time.Hour, over) || tries > agenda.MaxProclaimed*len(everyone) {
		t.Errorf("%d tries; says %q", tries, w.why(everyone[0]))
	}
	w.run(10*time.Minute, never) // for the others to come to the same
	tries := len(w.words)
	w.run(time.Hour, never)
	if len(w.words) != tries {
		t.Errorf("%d more tries", len(w.words)-tries)
	}
}

// called is a try that the liar calls for, with the parts that the others have told.
func (w *world) called(parts map[council.MemberID]common.Hash) agenda.ProclaimBegin {
	hash, err := w.council.Roster.Hash()
	if err != nil {
		w.t.Fatal(err)
	}
	b := agenda.ProclaimBegin{Roster: hash, Signers: council.Sorted([]council.MemberID{"core-1", "core-2", "core-3", liar})}
	for _, m := range b.Signers {
		b.Parts = append(b.Parts, parts[m])
	}
	return b
}

// parts are what nodes tell of themselves from now on.
func (w *world) parts() map[council.MemberID]common.Hash {
	parts := map[council.MemberID]common.Hash{}
	w.hears = func(from council.MemberID, m agenda.Message) {
		if r, ok := m.(agenda.ProclaimReady); ok {
			parts[from] = r.Random
		}
	}
	return parts
}

// Calls that make no sense are not followed.
func TestProclamationBadCalls(t *testing.T) {
	w := rotated(t, 705)
	parts := w.parts()
	over := slices.IndexFunc(w.council.Roster.Members, func(m council.Member) bool { return m.ID == "community-1" })
	w.council.Roster.Members[over].Term.End = uint64(w.now.Unix())
	w.start("core-1")
	w.run(time.Minute, never)
	for name, bad := range map[string]func(*agenda.ProclaimBegin){
		"another roster":   func(b *agenda.ProclaimBegin) { b.Roster = common.Hash{1} },
		"without its head": func(b *agenda.ProclaimBegin) { b.Signers[0] = "community-2" },
		"too few":          func(b *agenda.ProclaimBegin) { b.Signers, b.Parts = b.Signers[:3], b.Parts[:3] },
		"one twice":        func(b *agenda.ProclaimBegin) { b.Signers[2] = b.Signers[1] },
		"a stranger":       func(b *agenda.ProclaimBegin) { b.Signers[3] = "core-9" },
		"not sorted":       func(b *agenda.ProclaimBegin) { b.Signers[2], b.Signers[3] = b.Signers[3], b.Signers[2] },
		"parts missing":    func(b *agenda.ProclaimBegin) { b.Parts = b.Parts[:3] },
		"another's part":   func(b *agenda.ProclaimBegin) { b.Parts[1][0] ^= 1 },
		"no part":          func(b *agenda.ProclaimBegin) { b.Parts[1] = common.Hash{} },
		"an ended mandate": func(b *agenda.ProclaimBegin) {
			b.Signers = []council.MemberID{"community-1", liar, "core-1", "core-2"}
			b.Parts[1], b.Parts[2] = b.Parts[2], b.Parts[1] // the own one, of core-1
		},
	} {
		b := w.called(parts)
		bad(&b)
		if w.step("core-1", agenda.Said{From: liar, Message: b}); len(w.words) > 0 {
			t.Fatalf("%s is followed", name)
		}
	}
	b := w.called(parts)
	if w.step("core-1", agenda.Said{From: liar, Message: b}); len(w.words) != 1 {
		t.Error("a good one is not followed")
	}
	w.step("core-1", agenda.Said{From: liar, Message: b})
	if !w.run(time.Minute, func() bool { return strings.Contains(w.why("core-1"), "1 of 4 nodes are ready") }) {
		t.Error(w.why("core-1"))
	}
	if w.step("core-1", agenda.Said{From: liar, Message: b}); len(w.words) != 1 {
		t.Error("its part is taken a second time")
	}
}

// One who calls for a session as often as it can, and takes part in none, is followed a
// few times.
func TestProclamationCalledForInVain(t *testing.T) {
	w := rotated(t, 705)
	parts := w.parts()
	for _, m := range everyone {
		if m != liar {
			w.start(m)
		}
	}
	var call func()
	call = func() {
		b := w.called(parts)
		for _, m := range everyone {
			if m != liar {
				w.step(m, agenda.PeerUp{Member: liar})
				w.step(m, agenda.Said{From: liar, Message: b})
			}
		}
		w.after(100*time.Millisecond, call)
	}
	w.after(time.Second, call)
	if !w.run(2*time.Hour, w.proclaimedBy("core-1", "core-2", "core-3", "core-4")) {
		t.Fatalf("%d sessions; %s", len(w.words), w.why("core-1"))
	}
	t.Logf("%d sessions", len(w.words))
}

// One without whom there is no set keeps three others busy for so many tries, and then
// no more.
func TestProclamationInsistedOn(t *testing.T) {
	w := rotated(t, 708)
	parts := w.parts()
	three := []council.MemberID{"core-1", "core-2", "core-3"}
	for _, m := range three {
		w.start(m)
	}
	var call func()
	call = func() {
		b := w.called(parts)
		for _, m := range three {
			w.step(m, agenda.Said{From: liar, Message: b})
		}
		w.after(5*time.Second, call)
	}
	call()
	w.run(2*time.Hour, never)
	if n := len(w.words); n == 0 || n > agenda.MaxProclaimed {
		t.Errorf("it is followed %d times", n)
	}
}

// Nodes that stop and start in the middle are in no session twice, and it is said once.
func TestProclamationOverRestarts(t *testing.T) {
	for seed := range uint64(10) {
		w := rotated(t, 720+seed)
		w.loss, w.twice = 0.1, 0.2
		for _, m := range everyone {
			w.start(m)
		}
		for range 30 {
			m := everyone[w.rnd.IntN(len(everyone))]
			w.stop(m)
			w.run(time.Duration(w.rnd.IntN(3000))*time.Millisecond, never)
			w.start(m)
		}
		w.loss = 0
		if !w.run(2*time.Hour, w.proclaimedBy(everyone...)) {
			t.Fatalf("seed %d: %d sessions; %s", seed, len(w.words), w.why("core-1"))
		}
	}
}

// A node that is frozen says nothing more with the key, in the middle of it as well; and
// one that locks takes no part.
func TestProclamationNeedsFreeNodes(t *testing.T) {
	w := rotated(t, 706)
	for _, m := range everyone[:4] {
		w.start(m)
	}
	if !w.run(time.Minute, func() bool { return len(w.words) == 1 }) {
		t.Fatal(w.why("core-1"))
	}
	const frozen = council.MemberID("core-1")
	who := everyone[0]
	for _, e := range w.nodes[who].agenda.Stop("laptop stolen", w.now) {
		w.execute(w.nodes[who], e)
	}
	if !strings.Contains(w.why(who), "takes no part") {
		t.Errorf("%s says %q", frozen, w.why(who))
	}
	w.run(10*time.Minute, never)
	if len(w.words) != 1 || w.entries() > 0 {
		t.Errorf("%d sessions, %d entries, though %s is frozen", len(w.words), w.entries(), who)
	}
}

// What is no proclamation of this council's key is not taken for one, in whoever's feed
// it stands.
func TestForgedProclamation(t *testing.T) {
	w := rotated(t, 707)
	w.start("core-1")
	n := w.nodes["core-1"]
	word, err := n.agenda.Holding().Proclamation()
	if err != nil {
		t.Fatal(err)
	}
	d := word.Digest()
	sig, err := crypto.Sign(d[:], w.key)
	if err != nil {
		t.Fatal(err)
	}
	good, err := word.Seal(sig)
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*council.Proclamation){
		"another roster":  func(p *council.Proclamation) { p.Roster[0] ^= 1 },
		"another version": func(p *council.Proclamation) { p.Version++ },
		"another epoch":   func(p *council.Proclamation) { p.Epoch++ },
		"another council": func(p *council.Proclamation) { p.Council[0] ^= 1 },
		"another key":     func(p *council.Proclamation) { p.Key[0] ^= 1 },
		"no signature":    func(p *council.Proclamation) { p.Signature = nil },
		"another form":    func(p *council.Proclamation) { p.Signature = sig },
	} {
		p := good
		change(&p)
		w.seq++
		w.step("core-1", agenda.Recorded{Author: "core-2", Seq: uint64(w.seq), Word: council.WordRosterSigned, Body: council.RosterSigned{Proclamation: p}})
		if _, ok, _ := n.agenda.Proclamation(); ok || len(n.agenda.Proclaimed()) > 0 {
			t.Errorf("%s is taken", name)
		}
	}
	w.step("core-1", agenda.Recorded{Author: "core-2", Seq: 1, Word: council.WordRosterSigned, Body: council.RosterSigned{Proclamation: good}})
	if !w.proclaimedBy("core-1")() {
		t.Error("the good one is not taken")
	}
}
