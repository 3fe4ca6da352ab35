package p2p

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// TestEventsOfASlowReader tells much to one who listens late: the present state
// of each member is never lost, ups and downs take turns, and the queue stays
// bounded; whether or not the first event was already being handed over when the
// others came.
func TestEventsOfASlowReader(t *testing.T) {
	for _, first := range []struct {
		name string
		wait func()
	}{{"handed over", synctest.Wait}, {"waiting", func() {}}} {
		t.Run(first.name, func(t *testing.T) { testSlowReader(t, first.wait) })
	}
}

func testSlowReader(t *testing.T, first func()) {
	synctest.Test(t, func(t *testing.T) {
		q := newEventQueue()
		q.tell(PeerUp{Member: alice})
		first()
		q.tell(PeerDown{Member: alice})
		for i := range 1000 {
			q.tell(PeerUp{Member: alice})
			q.tell(Refused{Peer: fmt.Sprint(i)})
			q.tell(PeerDown{Member: alice, Err: errors.New("gone")})
			q.tell(PeerUp{Member: bob})
			if i < 999 {
				q.tell(PeerDown{Member: bob})
			}
		}
		synctest.Wait()
		q.mu.Lock()
		waiting := len(q.waiting)
		q.mu.Unlock()
		if waiting > eventBacklog+4 {
			t.Errorf("%d events wait", waiting)
		}
		last := map[string]Event{}
		refused := 0
		for {
			select {
			case e := <-q.out:
				switch e := e.(type) {
				case PeerUp:
					if _, twice := last[string(e.Member)].(PeerUp); twice {
						t.Errorf("%s is up twice", e.Member)
					}
					last[string(e.Member)] = e
				case PeerDown:
					if _, twice := last[string(e.Member)].(PeerDown); twice {
						t.Errorf("%s is down twice", e.Member)
					}
					last[string(e.Member)] = e
				case Refused:
					refused++
				}
				continue
			case <-time.After(time.Hour):
			}
			break
		}
		if _, ok := last[string(alice)].(PeerDown); !ok {
			t.Errorf("alice ends as %#v", last[string(alice)])
		}
		if _, ok := last[string(bob)].(PeerUp); !ok {
			t.Errorf("bob ends as %#v", last[string(bob)])
		}
		if refused == 0 {
			t.Error("no report came through")
		}
		q.close()
		q.close()
		q.tell(PeerUp{Member: alice})
		if _, ok := <-q.out; ok {
			t.Error("the queue tells after its end")
		}
	})
}

func TestReportsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReports(5)
		told, count := 0, uint64(0)
		incident := func() {
			if n := r.one(); n > 0 {
				told++
				count += n
			}
		}
		for range 100 {
			incident()
		}
		if told != 5 || count != 5 {
			t.Errorf("told %d times of %d", told, count)
		}
		<-time.After(reportEvery)
		incident()
		if told != 6 || count != 101 {
			t.Errorf("told %d times of %d", told, count)
		}
	})
}
