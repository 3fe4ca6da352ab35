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

// stated is an entry of a member's feed that proposes a statement, which is over.
func (w *world) stated(m council.MemberID, i, at uint64) agenda.Recorded {
	w.t.Helper()
	return w.worded(m, i, at, fmt.Sprintf("Statement %d.", i))
}

// worded is the same, in other words.
func (w *world) worded(m council.MemberID, i, at uint64, text string) agenda.Recorded {
	w.t.Helper()
	const over = testcouncil.TermStart + 60
	body, err := council.EncodeIntent(council.Statement{Text: text, ValidUntil: over, Salt: common.Hash{1}})
	if err != nil {
		w.t.Fatal(err)
	}
	return agenda.Recorded{Author: m, Seq: 1000 + i, At: at, Word: council.WordProposed, Body: council.Proposed{Council: w.genesis.ID(), Intent: body}}
}

// A member that proposes without end is not followed without end: what it may make comes
// back with the time, by its own clock, and no faster whatever that says. All nodes leave
// out the same, whoever copies what in between, and after a restart, too; people hear of it
// once.
func TestProposalsWithoutEnd(t *testing.T) {
	w := newWorld(t, 602)
	const copied, plain = council.MemberID("core-2"), council.MemberID("core-3")
	told := map[council.MemberID]int{}
	w.does = func(m council.MemberID, e agenda.Effect) {
		if n, ok := e.(agenda.Notify); ok && n.What == "flood" {
			told[m]++
			if !slices.Equal(n.Waiting, []council.MemberID{"core-1"}) || !strings.Contains(n.Text, "core-1 has made 512 proposals") {
				t.Errorf("people hear: %+v", n)
			}
		}
	}
	start := uint64(w.now.Unix()) - 48*3600
	var all []council.ProposalID
	say := func(i, at uint64) {
		e := w.stated("core-1", i, at)
		w.deliver(plain, e)
		if i%2 == 0 { // the copy comes first, and is taken up in its place
			c := e
			c.Author = "core-4"
			w.deliver(copied, c)
		}
		w.deliver(copied, e)
		in, err := council.DecodeIntent(e.Body.(council.Proposed).Intent)
		if err != nil {
			t.Fatal(err)
		}
		id, err := council.Propose(w.genesis.ID(), in)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, id)
	}
	known := func(m council.MemberID) (out []int) {
		for i, id := range all {
			if p, ok := w.nodes[m].agenda.Proposal(id); ok && p.Proposer == "core-1" {
				out = append(out, i)
			}
		}
		return out
	}
	i := uint64(0)
	for ; i < agenda.MaxProposed+20; i++ {
		say(i, start-i*60) // back in time: that gives nothing
	}
	want := make([]int, agenda.MaxProposed)
	for k := range want {
		want[k] = k
	}
	is := func(when string) {
		t.Helper()
		if got := known(plain); !slices.Equal(got, want) {
			t.Fatalf("%s %d proposals are known, up to %d; want %d", when, len(got), got[len(got)-1], len(want))
		}
		odd := slices.DeleteFunc(slices.Clone(want), func(k int) bool { return k%2 == 0 })
		if got := slices.DeleteFunc(known(copied), func(k int) bool { return k%2 == 0 }); !slices.Equal(got, odd) {
			t.Fatalf("%s, where some are copied, %d others are known; want %d", when, len(got), len(odd))
		}
	}
	is("at once")
	say(i, start+agenda.ProposeEvery-1)
	is("a second before another one is due")
	i++
	say(i, start+agenda.ProposeEvery)
	want = append(want, int(i))
	is("when one is due")
	for range 5 {
		i++
		say(i, start+agenda.ProposeEvery)
	}
	is("after that one")
	if told[plain] != 1 || told[copied] != 1 {
		t.Errorf("people hear of it %v times", told)
	}
	// Its clock is as far ahead as its term goes: it has what it had at first, and then
	// never anything.
	i++
	const end = testcouncil.TermEnd - 1
	for range agenda.MaxProposed + 20 {
		say(i, end)
		if len(want) < 2*agenda.MaxProposed+1 {
			want = append(want, int(i))
		}
		i++
	}
	is("from the end of its term on")
	for _, m := range []council.MemberID{plain, copied} {
		w.stop(m)
		w.start(m)
	}
	w.pass(3 * time.Second)
	is("after a restart")
	if told[plain] != 2 || told[copied] != 2 {
		t.Errorf("people hear of it %v times", told)
	}
}

// Who has proposed all that it may hears when it may again.
func TestProposerHearsOfItsQuota(t *testing.T) {
	w := newWorld(t, 603)
	n := w.nodes["core-1"]
	at := uint64(w.now.Unix())
	for i := range uint64(agenda.MaxProposed) {
		w.deliver("core-1", w.stated("core-1", i, at-120))
	}
	in := council.Statement{Text: "One more.", ValidUntil: at + 7200, Salt: common.Hash{2}}
	_, _, err := n.agenda.Admit(in, w.now)
	if err == nil || !strings.Contains(err.Error(), "core-1 has made 512 proposals") || council.Hint(err) != "wait 1h58m0s, or let another member propose it" {
		t.Errorf("one more than all: %v; %s", err, council.Hint(err))
	}
	if _, _, err := n.agenda.Admit(in, w.now.Add(118*time.Minute)); err != nil {
		t.Error(err)
	}
	if _, _, err := w.nodes["core-2"].agenda.Admit(in, w.now); err != nil {
		t.Error(err)
	}
}

// A proposal takes places by its size, at all nodes and at the own one the same.
func TestLargeProposalsTakeMorePlaces(t *testing.T) {
	w := newWorld(t, 604)
	at := uint64(w.now.Unix())
	long := strings.Repeat("a", council.MaxStatement-16) // five places, with what is around it
	const most = agenda.MaxProposed / 5
	for i := range uint64(most + 10) {
		e := w.worded("core-1", i, at, fmt.Sprintf("%s %d.", long, i))
		w.deliver("core-1", e)
		w.deliver("core-2", e)
	}
	for _, m := range []council.MemberID{"core-1", "core-2"} {
		if k := len(w.nodes[m].agenda.Proposals()); k != most {
			t.Errorf("%s takes up %d of %d bytes, not %d", m, k, len(long), most)
		}
	}
	n := w.nodes["core-1"].agenda
	in := council.Statement{Text: long, ValidUntil: at + 100_000, Salt: common.Hash{2}}
	if _, _, err := n.Admit(in, w.now); err == nil || council.Hint(err) != "wait 6h0m0s, or let another member propose it" { // two places are left
		t.Errorf("one more: %v; %s", err, council.Hint(err))
	}
	if _, _, err := n.Admit(in, w.now.Add(6*time.Hour)); err != nil {
		t.Error(err)
	}
	in.Text = "Short."
	if _, _, err := n.Admit(in, w.now); err != nil {
		t.Error(err)
	}
}

// To count what a member has open, a node does not look at all that it ever proposed.
func TestOpenProposalsAreCountedAmongFew(t *testing.T) {
	w := newWorld(t, 605)
	n := w.nodes["core-2"]
	at := uint64(w.now.Unix())
	for i := range uint64(300) {
		w.deliver(n.id, w.stated("core-1", i, at))
	}
	for i := range byte(10) {
		w.admit("core-1", council.Statement{Text: "Soon over.", ValidUntil: at + 60, Salt: common.Hash{i}})
	}
	w.pass(2 * time.Minute)
	id := w.propose("core-1", "pause", "protocol")
	w.run(5*time.Second, w.known(id))
	w.approvedBy(everyone[:4], id)
	if !w.run(time.Minute, w.minedBy(id)) {
		w.fail(id)
	}
	is := func() {
		t.Helper()
		w.deliver(n.id, w.stated("core-1", uint64(w.now.Unix()), at))
		if k := n.agenda.Listed("core-1"); k != 1 {
			t.Errorf("%d are looked at", k)
		}
	}
	is()
	w.stop(n.id)
	w.start(n.id)
	if k := n.agenda.Listed("core-1"); k > 3 { // the last that was read, and what has not expired
		t.Errorf("%d are looked at after a restart", k)
	}
	w.pass(time.Second)
	is()
}
