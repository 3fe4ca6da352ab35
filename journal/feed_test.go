package journal

import (
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/internal/testcouncil"
)

// sign makes an entry as its author's node would, whatever it says.
func sign(t testing.TB, network common.Hash, e Entry) Entry {
	t.Helper()
	sig, err := testcouncil.NodeKey(e.Author).SignNode(council.PurposeFeed, feedMessage(network, e.Hash()))
	if err != nil {
		t.Fatal(err)
	}
	e.Sig = sig
	return e
}

// catchUp moves to one journal what it lacks of another, as the node does.
func catchUp(t testing.TB, to, from *Journal) int {
	t.Helper()
	have := map[council.MemberID]uint64{}
	heads, err := to.Heads()
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range heads {
		have[h.Author] = h.Seq
	}
	theirs, err := from.Heads()
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, h := range theirs {
		for have[h.Author] < h.Seq {
			batch, err := from.After(h.Author, have[h.Author], 3)
			if err != nil || len(batch) == 0 {
				t.Fatalf("after: %d entries, %v", len(batch), err)
			}
			for _, e := range batch {
				if added, err := to.Merge(e); err != nil || !added {
					t.Fatalf("merge: %v, %v", added, err)
				}
				have[e.Author] = e.Seq
				n++
			}
		}
	}
	return n
}

func arrival(t testing.TB, j *Journal) []common.Hash {
	t.Helper()
	var out []common.Hash
	if err := j.All(func(e Entry) error { out = append(out, e.Hash()); return nil }); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestFeedsReachEveryone(t *testing.T) {
	a, b, c := fresh(t, "core-1"), fresh(t, "core-2"), fresh(t, "community-1")
	for i := range 10 {
		mustAppend(t, a, string(rune('a'+i)))
		mustAppend(t, b, string(rune('A'+i)))
	}
	if n := catchUp(t, c, a); n != 10 {
		t.Errorf("c learned %d entries of a", n)
	}
	mustAppend(t, c, "c has read it")
	catchUp(t, b, c) // a's feed goes on by hand of c
	catchUp(t, a, b)
	catchUp(t, c, b)
	for _, j := range []*Journal{a, b, c} {
		heads, err := j.Heads()
		if err != nil {
			t.Fatal(err)
		}
		want, _ := a.Heads()
		if len(heads) != 3 || !reflect.DeepEqual(heads, want) {
			t.Errorf("heads of %s: %+v", j.self, heads)
		}
		if n, err := j.Len(); n != 21 || err != nil {
			t.Errorf("%s has %d entries, %v", j.self, n, err)
		}
	}
}

func TestArrivalOrderSurvivesARestart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.db")
	o := options(t, "core-1")
	j, other := open(t, path, o), fresh(t, "core-2")
	var want []common.Hash
	for i := range 2*replayBatch/16 + 3 {
		e := mustAppend(t, j, "mine")
		want = append(want, e.Hash())
		for range i % 3 {
			e := mustAppend(t, other, "theirs")
			if _, err := j.Merge(e); err != nil {
				t.Fatal(err)
			}
			want = append(want, e.Hash())
		}
	}
	if got := arrival(t, j); !reflect.DeepEqual(got, want) {
		t.Fatal("not in arrival order")
	}
	_ = j.Close()
	j = open(t, path, o)
	if got := arrival(t, j); !reflect.DeepEqual(got, want) {
		t.Fatal("another order after the restart")
	}
}

func TestAppendWhileReplaying(t *testing.T) {
	j := fresh(t, "core-1")
	for range 3 {
		mustAppend(t, j, "x")
	}
	n := 0
	err := j.All(func(Entry) error { n++; mustAppend(t, j, "y"); return nil })
	if err != nil || n != 3 {
		t.Fatalf("visited %d, %v", n, err)
	}
	stop := errors.New("enough")
	if err := j.All(func(Entry) error { return stop }); err != stop {
		t.Fatalf("fn's error became %v", err)
	}
	var at []uint64
	if err := j.From(4, func(i uint64, _ Entry) error { at = append(at, i); return nil }); err != nil || !reflect.DeepEqual(at, []uint64{4, 5}) {
		t.Fatalf("from 4: %v, %v", at, err)
	}
}

func TestReplayReadsEveryBatch(t *testing.T) {
	j := fresh(t, "core-1")
	const n = 2*replayBatch + 1
	for range n {
		mustAppend(t, j, "x")
	}
	seq := uint64(0)
	err := j.All(func(e Entry) error {
		if seq++; e.Seq != seq {
			t.Fatalf("entry %d at place %d", e.Seq, seq)
		}
		return nil
	})
	if err != nil || seq != n {
		t.Fatalf("visited %d of %d, %v", seq, n, err)
	}
}

func TestMergeTwiceIsOnce(t *testing.T) {
	a, b := fresh(t, "core-1"), fresh(t, "core-2")
	e := mustAppend(t, a, "once")
	for i, want := range []bool{true, false, false} {
		if added, err := b.Merge(e); added != want || err != nil {
			t.Errorf("merge %d: %v, %v", i, added, err)
		}
	}
	if n, _ := b.Len(); n != 1 {
		t.Errorf("%d entries", n)
	}
}

func TestGapNamesWhatIsMissing(t *testing.T) {
	a, b := fresh(t, "core-1"), fresh(t, "core-2")
	first := mustAppend(t, a, "1")
	for range 3 {
		mustAppend(t, a, "more")
	}
	last := mustAppend(t, a, "5")
	if _, err := b.Merge(first); err != nil {
		t.Fatal(err)
	}
	_, err := b.Merge(last)
	var gap *GapError
	if !errors.Is(err, ErrGap) || !errors.As(err, &gap) {
		t.Fatalf("got %v", err)
	}
	if *gap != (GapError{Author: "core-1", From: 2, To: 4}) {
		t.Errorf("gap %+v", gap)
	}
	hinted(t, err, "2 to 4 of core-1")
	missing, err := a.After(gap.Author, gap.From-1, int(gap.To-gap.From+1))
	if err != nil || len(missing) != 3 {
		t.Fatalf("after: %d, %v", len(missing), err)
	}
}

func TestMergeRefuses(t *testing.T) {
	a, b := fresh(t, "core-1"), fresh(t, "core-2")
	good := mustAppend(t, a, "good")
	for name, c := range map[string]struct {
		change func(e *Entry)
		resign bool
		want   error
	}{
		"an altered body":      {change: func(e *Entry) { e.Body = []byte("evil") }, want: council.ErrNodeSignature},
		"an altered time":      {change: func(e *Entry) { e.Time++ }, want: council.ErrNodeSignature},
		"an altered word":      {change: func(e *Entry) { e.Word = council.WordSigned }, want: council.ErrNodeSignature},
		"another's signature":  {change: func(e *Entry) { e.Author = "core-3" }, want: council.ErrNodeSignature},
		"a stranger":           {change: func(e *Entry) { e.Author = "core-9" }, resign: true, want: ErrStranger},
		"no author":            {change: func(e *Entry) { e.Author = "" }, resign: true},
		"sequence 0":           {change: func(e *Entry) { e.Seq = 0 }, resign: true},
		"a first with a past":  {change: func(e *Entry) { e.Prev = common.Hash{1} }, resign: true},
		"a later without past": {change: func(e *Entry) { e.Seq = 2 }, resign: true},
		"time 0":               {change: func(e *Entry) { e.Time = 0 }, resign: true},
		"time without end":     {change: func(e *Entry) { e.Time = MaxTime + 1 }, resign: true},
		"a strange word":       {change: func(e *Entry) { e.Word = "Rm -rf" }, resign: true},
		"a huge body":          {change: func(e *Entry) { e.Body = make([]byte, MaxBody+1) }, resign: true},
		"a short signature":    {change: func(e *Entry) { e.Sig = e.Sig[:10] }},
	} {
		t.Run(name, func(t *testing.T) {
			e := good
			c.change(&e)
			if c.resign {
				e = sign(t, a.Network(), e)
			}
			added, err := b.Merge(e)
			if added || err == nil || c.want != nil && !errors.Is(err, c.want) {
				t.Errorf("added %v, %v", added, err)
			}
		})
	}
	t.Run("another network", func(t *testing.T) {
		e := sign(t, common.Hash{7}, good)
		if _, err := b.Merge(e); !errors.Is(err, council.ErrNodeSignature) {
			t.Errorf("got %v", err)
		}
	})
	if n, _ := b.Len(); n != 0 {
		t.Errorf("%d entries were kept", n)
	}
	if added, err := b.Merge(good); !added || err != nil {
		t.Errorf("the good one: %v, %v", added, err)
	}
}

func TestWrongClockRejectsNothing(t *testing.T) {
	a, b := fresh(t, "core-1"), fresh(t, "core-2")
	for _, now := range []uint64{t0, t0 + 36_000, t0 - 36_000, 5} {
		e, err := a.Append(council.WordProposed, nil, now)
		if err != nil {
			t.Fatal(err)
		}
		if added, err := b.Merge(e); !added || err != nil {
			t.Errorf("at %d: %v, %v", now, added, err)
		}
	}
	last, err := b.Get("core-1", 4)
	if err != nil || last.Time != t0+36_000 {
		t.Errorf("the own feed ran backwards: %d, %v", last.Time, err)
	}
	if got := last.Bounded(t0); got != t0+MaxSkew {
		t.Errorf("bounded to %d", got)
	}
	if got := last.Bounded(t0 + 90_000); got != last.Time {
		t.Errorf("a past time became %d", got)
	}
	heads, _ := b.Heads()
	if heads[0].Time != t0+36_000 {
		t.Errorf("head's time %d", heads[0].Time)
	}
}

func TestRestoredNodeLearnsItsOwnFeed(t *testing.T) {
	a, b := fresh(t, "core-1"), fresh(t, "core-2")
	for range 5 {
		mustAppend(t, a, "before the disk died")
	}
	catchUp(t, b, a)
	again := fresh(t, "core-1")
	catchUp(t, again, b)
	if e := mustAppend(t, again, "back"); e.Seq != 6 {
		t.Fatalf("continues with %d", e.Seq)
	}
	catchUp(t, b, again)
	if forks, err := b.Forks(); len(forks) != 0 || err != nil {
		t.Errorf("forks: %v, %v", forks, err)
	}
}

func TestFormerMembersStillCount(t *testing.T) {
	a := fresh(t, "core-1")
	e := mustAppend(t, a, "in office")
	o := options(t, "core-2")
	o.Network = a.Network()
	first := o.Roster
	o.Roster.Members = o.Roster.Members[:0:0]
	for _, m := range first.Members {
		if m.ID != "core-1" {
			o.Roster.Members = append(o.Roster.Members, m)
		}
	}
	o.Roster.Version, o.Roster.Prev = 2, a.Network()
	path := filepath.Join(t.TempDir(), "journal.db")
	b := open(t, path, o)
	if _, err := b.Merge(e); !errors.Is(err, ErrStranger) {
		t.Fatalf("unknown author: %v", err)
	}
	if err := b.Trust(first); err != nil {
		t.Fatal(err)
	}
	_ = b.Close()
	b = open(t, path, o) // the trust is durable
	if added, err := b.Merge(e); !added || err != nil {
		t.Fatalf("former member: %v, %v", added, err)
	}
}

// A roster that has taken over is trusted, however many keys a member has had, and also
// when the disk has failed at the first attempt.
func TestNoBoundKeepsARosterOut(t *testing.T) {
	o := options(t, "core-1")
	path := filepath.Join(t.TempDir(), "journal.db")
	j := open(t, path, o)
	r := o.Roster
	r.Members = slices.Clone(r.Members)
	i := slices.IndexFunc(r.Members, func(m council.Member) bool { return m.ID == "core-2" })
	last := council.NodePrivate{}
	full := errors.New("no space left on device")
	for k := range 2 * MaxPeers {
		last = testcouncil.NodeKey(council.MemberID(fmt.Sprint("core-2-node-", k)))
		r.Members[i].Peer = testcouncil.PeerID(t, last).String()
		for _, want := range []error{full, nil} {
			err := j.Together(func(j *Journal) error { return errors.Join(j.Trust(r), want) })
			if !errors.Is(err, want) {
				t.Fatalf("key %d: %v", k, err)
			}
		}
	}
	_ = j.Close()
	j = open(t, path, o) // under a file of before, as after a restart
	other := fresh(t, "core-2")
	other.key = last
	e := mustAppend(t, other, "from the last node")
	if added, err := j.Merge(e); !added || err != nil {
		t.Errorf("%v, %v", added, err)
	}
	if n := len(j.authors["core-2"]); n > MaxPeers {
		t.Errorf("%d keys are kept", n)
	}
}

func TestAfterIsBounded(t *testing.T) {
	j := fresh(t, "core-1")
	for range 5 {
		if _, err := j.Append(council.WordProposed, make([]byte, MaxBody), t0); err != nil {
			t.Fatal(err)
		}
	}
	for limit, want := range map[int]int{100: 1, 1: 1, 0: 0, -1: 0} {
		if got, err := j.After("core-1", 0, limit); len(got) != want || err != nil {
			t.Errorf("limit %d: %d entries, %v", limit, len(got), err)
		}
	}
	if got, err := j.After("core-1", ^uint64(0), 10); len(got) != 0 || err != nil {
		t.Errorf("after the end of time: %d, %v", len(got), err)
	}
	if got, err := j.After("nobody", 0, 10); len(got) != 0 || err != nil {
		t.Errorf("of nobody: %d, %v", len(got), err)
	}
	if _, err := j.Get("core-1", 6); !errors.Is(err, ErrNotFound) {
		t.Errorf("get: %v", err)
	}
}

func TestAppendRefuses(t *testing.T) {
	j := fresh(t, "core-1")
	if _, err := j.Append("No Word", nil, t0); err == nil {
		t.Error("a strange word was taken")
	}
	if _, err := j.Append(council.WordProposed, make([]byte, MaxBody+1), t0); err == nil {
		t.Error("a huge body was taken")
	}
	if n, _ := j.Len(); n != 0 {
		t.Errorf("%d entries were kept", n)
	}
	o := options(t, "core-2")
	o.Key = nil
	r := open(t, filepath.Join(t.TempDir(), "journal.db"), o)
	if _, err := r.Append(council.WordProposed, nil, t0); err == nil {
		t.Error("appended without a key")
	}
}
