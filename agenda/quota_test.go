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
	const over = testcouncil.TermStart + 60
	body, err := council.EncodeIntent(council.Statement{Text: fmt.Sprintf("Statement %d.", i), ValidUntil: over, Salt: common.Hash{1}})
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
	if err == nil || !strings.Contains(err.Error(), "core-1 has made 512 proposals") || council.Hint(err) != "wait 28m0s, or let another member propose it" {
		t.Errorf("one more than all: %v; %s", err, council.Hint(err))
	}
	if _, _, err := n.agenda.Admit(in, w.now.Add(28*time.Minute)); err != nil {
		t.Error(err)
	}
	if _, _, err := w.nodes["core-2"].agenda.Admit(in, w.now); err != nil {
		t.Error(err)
	}
}
