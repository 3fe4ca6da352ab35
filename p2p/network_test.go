package p2p

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/internal/testcouncil"
)

// inMemory runs a test in fake time with the nodes of three members.
func inMemory(t *testing.T, seed uint64, test func(t *testing.T, n *Network, nodes map[council.MemberID]*Node)) {
	t.Helper()
	c := testcouncil.New(t)
	synctest.Test(t, func(t *testing.T) {
		n, err := NewNetwork(c.Roster, seed)
		if err != nil {
			t.Fatal(err)
		}
		nodes := map[council.MemberID]*Node{}
		for _, id := range []council.MemberID{alice, bob, carol} {
			if nodes[id], err = n.Join(id, c.NodeKeys[id]); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		test(t, n, nodes)
		for _, d := range nodes {
			d.Close()
		}
	})
}

// burst sends numbered frames and lists the numbers as they arrive, after all
// that is on its way has come.
func burst(t *testing.T, from, to *Node, count int) []int {
	t.Helper()
	for i := range count {
		send(t, from, to.Self(), Frame{Channel: Session, Type: uint8(i)})
	}
	var got []int
	for {
		select {
		case f := <-to.Frames():
			got = append(got, int(f.Type))
		case <-time.After(time.Hour): // fake time: all is still
			return got
		}
	}
}

func upTo(n int) []int {
	s := make([]int, n)
	for i := range s {
		s[i] = i
	}
	return s
}

func TestFaults(t *testing.T) {
	const count = 60
	between := func(n, lo, hi int) bool { return lo <= n && n <= hi }
	for name, c := range map[string]struct {
		fault Fault
		ok    func(got []int) bool
	}{
		"none":           {Fault{}, func(got []int) bool { return slices.Equal(got, upTo(count)) }},
		"drop all":       {Fault{Drop: 1}, func(got []int) bool { return len(got) == 0 }},
		"drop a third":   {Fault{Drop: 0.33}, func(got []int) bool { return between(len(got), 25, 55) && slices.IsSorted(got) }},
		"drop elsewhere": {Fault{From: carol, Drop: 1}, func(got []int) bool { return len(got) == count }},
		"drop record":    {Fault{Channel: Record, Drop: 1}, func(got []int) bool { return len(got) == count }},
		"drop type 7": {Fault{Match: func(f Frame) bool { return f.Type == 7 }, Drop: 1}, func(got []int) bool {
			return len(got) == count-1 && !slices.Contains(got, 7)
		}},
		"duplicate": {Fault{Duplicate: 1}, func(got []int) bool {
			return len(got) == 2*count && slices.IsSorted(got) && slices.Equal(slices.Compact(slices.Clone(got)), upTo(count))
		}},
		"reorder": {Fault{Reorder: 0.3}, func(got []int) bool {
			sorted := slices.Sorted(slices.Values(got))
			return !slices.IsSorted(got) && slices.Equal(sorted, upTo(count))
		}},
		"reorder the last":   {Fault{Match: func(f Frame) bool { return f.Type == count-1 }, Reorder: 1}, func(got []int) bool { return slices.Equal(got, upTo(count)) }},
		"delay keeps order":  {Fault{Delay: time.Minute, Jitter: time.Minute}, func(got []int) bool { return slices.Equal(got, upTo(count)) }},
		"corrupt loses them": {Fault{Corrupt: 1}, func(got []int) bool { return len(got) == 0 }},
	} {
		t.Run(name, func(t *testing.T) {
			var runs [2][]int
			for i := range runs {
				inMemory(t, 42, func(t *testing.T, n *Network, nodes map[council.MemberID]*Node) {
					remove := n.Add(c.fault)
					runs[i] = burst(t, nodes[alice], nodes[bob], count)
					if !c.ok(runs[i]) {
						t.Errorf("got %v", runs[i])
					}
					if c.fault.Corrupt > 0 {
						if err := awaitMisbehaved(t, nodes[bob], alice); err == nil || nodes[bob].Stats().Misbehaved != count {
							t.Errorf("%v, %d incidents", err, nodes[bob].Stats().Misbehaved)
						}
					}
					remove()
					if got := burst(t, nodes[alice], nodes[bob], 5); !slices.Equal(got, upTo(5)) {
						t.Errorf("after the fault: %v", got)
					}
				})
			}
			if !slices.Equal(runs[0], runs[1]) {
				t.Errorf("one seed, two runs:\n%v\n%v", runs[0], runs[1])
			}
		})
	}
}

func TestDelayTakesFakeTime(t *testing.T) {
	inMemory(t, 1, func(t *testing.T, n *Network, nodes map[council.MemberID]*Node) {
		n.Delay(3*time.Hour, 0)
		began := time.Now()
		for i := range 10 {
			send(t, nodes[alice], bob, Frame{Channel: Sync, Type: uint8(i)})
		}
		for range 10 {
			<-nodes[bob].Frames()
		}
		if took := time.Since(began); took != 3*time.Hour {
			t.Errorf("ten frames took %s", took)
		}
		n.Calm()
		began = time.Now()
		send(t, nodes[alice], bob, Frame{Channel: Sync})
		<-nodes[bob].Frames()
		if took := time.Since(began); took != 0 {
			t.Errorf("a frame took %s in calm", took)
		}
	})
}

func TestPartition(t *testing.T) {
	inMemory(t, 1, func(t *testing.T, n *Network, nodes map[council.MemberID]*Node) {
		a, b, c := nodes[alice], nodes[bob], nodes[carol]
		awaitUp(t, a, bob, carol)
		n.Delay(time.Second, 0)
		send(t, a, carol, Frame{Channel: Session, Payload: []byte("too late")})
		n.Partition(alice, bob)
		for _, d := range []*Node{a, b} {
			if e := awaitDown(t, d, carol); !errors.Is(e.Err, errPartition) {
				t.Error(e.Err)
			}
			if err := d.Send(context.Background(), carol, Frame{Channel: Session}); !errors.Is(err, ErrOffline) {
				t.Error(err)
			}
		}
		if got := fmt.Sprint(a.Online(), b.Online(), c.Online()); got != "[community-2] [community-1] []" {
			t.Errorf("online: %s", got)
		}
		if got := burst(t, a, b, 10); !slices.Equal(got, upTo(10)) {
			t.Errorf("on one side: %v", got)
		}
		n.Heal()
		awaitUp(t, a, carol)
		awaitUp(t, b, carol)
		awaitUp(t, c, alice, bob)
		if got := burst(t, a, c, 10); !slices.Equal(got, upTo(10)) {
			t.Errorf("after healing: %v", got)
		}
	})
}

func TestPartitionOutlivesRestart(t *testing.T) {
	inMemory(t, 1, func(t *testing.T, n *Network, nodes map[council.MemberID]*Node) {
		n.Partition(bob)
		n.Kill(bob)
		if _, ok := <-nodes[bob].Frames(); ok {
			t.Error("a killed node receives")
		}
		d, err := n.Join(bob, testcouncil.NodeKey(bob))
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		if on := d.Online(); len(on) != 0 {
			t.Errorf("online across a partition: %v", on)
		}
		n.Heal()
		awaitUp(t, d, alice, carol)
	})
}

func TestKillLosesWhatIsOnItsWay(t *testing.T) {
	inMemory(t, 1, func(t *testing.T, n *Network, nodes map[council.MemberID]*Node) {
		n.Delay(time.Second, 0)
		send(t, nodes[alice], bob, Frame{Channel: Session, Payload: []byte("before")})
		n.Kill(bob)
		d, err := n.Join(bob, testcouncil.NodeKey(bob))
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		send(t, nodes[alice], bob, Frame{Channel: Session, Payload: []byte("after")})
		if f := <-d.Frames(); string(f.Payload) != "after" {
			t.Errorf("got %q", f.Payload)
		}
	})
}

func TestJoin(t *testing.T) {
	inMemory(t, 1, func(t *testing.T, n *Network, nodes map[council.MemberID]*Node) {
		if _, err := n.Join(alice, testcouncil.NodeKey(alice)); err == nil || council.Hint(err) == "" {
			t.Errorf("joined twice: %v", err)
		}
		if _, err := n.Join("core-4", testcouncil.NodeKey(alice)); err == nil || !strings.Contains(err.Error(), "not the one that the roster has for core-4") {
			t.Errorf("joined with another's key: %v", err)
		}
		if _, err := n.Join("mallory", testcouncil.NodeKey("mallory")); err == nil {
			t.Error("a stranger joined")
		}
	})
	if _, err := NewNetwork(council.Roster{}, 1); err == nil {
		t.Error("a network of no roster")
	}
}
