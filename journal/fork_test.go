package journal

import (
	"errors"
	"fmt"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/internal/testcouncil"
)

func TestForkIsEvidence(t *testing.T) {
	a, twin, b := fresh(t, "core-1"), fresh(t, "core-1"), fresh(t, "core-2")
	peer := testcouncil.PeerID(t, testcouncil.NodeKey("core-1")).String()
	first := mustAppend(t, a, "the same")
	if _, err := twin.Merge(first); err != nil {
		t.Fatal(err)
	}
	one, two := mustAppend(t, a, "to some"), mustAppend(t, twin, "to others")
	next := mustAppend(t, twin, "and on")
	for _, e := range []Entry{first, one} {
		if _, err := b.Merge(e); err != nil {
			t.Fatal(err)
		}
	}
	check := func(e Entry, a Entry) {
		t.Helper()
		added, err := b.Merge(e)
		var fork *ForkError
		if added || !errors.As(err, &fork) {
			t.Fatalf("got %v, %v", added, err)
		}
		if fork.A.Hash() != a.Hash() || fork.B.Hash() != e.Hash() {
			t.Error("the evidence has other entries")
		}
		if err := fork.Verify(peer, b.Network()); err != nil {
			t.Errorf("evidence does not convict: %v", err)
		}
		hinted(t, err, "core-1 forked its feed")
	}
	check(two, one)  // another entry for a place that is taken
	check(next, one) // an entry that follows what is not here
	check(two, one)  // again

	forks, err := b.Forks()
	if err != nil || len(forks) != 2 {
		t.Fatalf("%d forks kept, %v", len(forks), err)
	}
	for _, f := range forks {
		if err := f.Verify(peer, b.Network()); err != nil {
			t.Error(err)
		}
	}
	if got, err := b.Get("core-1", 2); err != nil || got.Hash() != one.Hash() {
		t.Errorf("the first one was replaced: %v", err)
	}
	three := mustAppend(t, a, "the known branch goes on")
	if added, err := b.Merge(three); !added || err != nil {
		t.Errorf("known branch: %v, %v", added, err)
	}
}

func TestForkVerifyRefusesTheInnocent(t *testing.T) {
	a, other := fresh(t, "core-1"), fresh(t, "core-2")
	peer := testcouncil.PeerID(t, testcouncil.NodeKey("core-1")).String()
	one, two, three := mustAppend(t, a, "1"), mustAppend(t, a, "2"), mustAppend(t, a, "3")
	foreign := mustAppend(t, other, "1")
	for name, f := range map[string]Fork{
		"the same twice":    {one, one},
		"neighbours":        {one, two},
		"far apart":         {one, three},
		"different authors": {one, foreign},
		"unsigned":          {one, Entry{Author: "core-1", Seq: 1, Time: 1, Word: "x", Sig: make([]byte, 64)}},
	} {
		if f.Verify(peer, a.Network()) == nil {
			t.Errorf("%s: convicted", name)
		}
	}
	liar := sign(t, a.Network(), Entry{Author: "core-1", Seq: 1, Time: t0, Word: "x"})
	if err := (Fork{one, liar}).Verify(peer, a.Network()); err != nil {
		t.Errorf("a real fork: %v", err)
	}
	if (Fork{one, liar}).Verify(peer, common.Hash{1}) == nil {
		t.Error("convicted by another network's entries")
	}
}

func TestForkEvidenceIsBounded(t *testing.T) {
	a, b := fresh(t, "core-1"), fresh(t, "core-2")
	for i := range MaxForks + 5 {
		e := mustAppend(t, a, "x")
		if _, err := b.Merge(e); err != nil {
			t.Fatal(err)
		}
		e.Body = fmt.Append(nil, i)
		if _, err := b.Merge(sign(t, a.Network(), e)); err == nil {
			t.Fatal("merged a fork")
		}
	}
	if forks, err := b.Forks(); len(forks) != MaxForks || err != nil {
		t.Errorf("%d kept, %v", len(forks), err)
	}
}
