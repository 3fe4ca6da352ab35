package p2p

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"

	"github.com/millicent-one/signer/council"
)

// Event is one of PeerUp, PeerDown, Refused, Misbehaved.
type Event interface{ event() }

// PeerUp: frames can be sent to the member from now on.
type PeerUp struct {
	Member council.MemberID
	RTT    time.Duration // of the greeting and its answer; zero when not measured
}

// PeerDown: the member is gone, and so are the frames that were on their way.
type PeerDown struct {
	Member council.MemberID
	Err    error // why
}

// Refused: someone was turned away. Member is empty for a stranger. Reason is a
// *StrangerError, *VersionError or *RosterError. Reports are bounded in rate.
type Refused struct {
	Member council.MemberID
	Peer   string // libp2p peer id
	Addr   string // multiaddress at the other end
	Reason error
	Count  uint64 // refusals that this report stands for
}

// Misbehaved: a member sent what no honest node sends. Its stream was closed.
// Reports are bounded in rate.
type Misbehaved struct {
	Member council.MemberID
	Err    error
	Count  uint64 // incidents that this report stands for
}

func (PeerUp) event()     {}
func (PeerDown) event()   {}
func (Refused) event()    {}
func (Misbehaved) event() {}

// StrangerError is the refusal of a peer that is not in the roster.
type StrangerError struct {
	Peer    string
	Version uint64 // of the roster in force here
}

func (e *StrangerError) Error() string {
	return fmt.Sprintf("peer %s is not in roster version %d", e.Peer, e.Version)
}

// VersionError is the refusal of a member whose node speaks other protocols.
type VersionError struct {
	Member       council.MemberID
	Ours, Theirs []string
}

func (e *VersionError) Error() string {
	theirs := "no protocol of a council"
	if len(e.Theirs) > 0 {
		theirs = strings.Join(e.Theirs, " ")
	}
	return fmt.Sprintf("%s speaks %s; this node speaks %s", e.Member, theirs, strings.Join(e.Ours, " "))
}

// RosterError is the refusal of a member whose node holds another roster.
type RosterError struct {
	Member       council.MemberID
	Ours, Theirs common.Hash
}

func (e *RosterError) Error() string {
	return fmt.Sprintf("%s holds roster %s; this node holds %s", e.Member, hexutil.Encode(e.Theirs[:4]), hexutil.Encode(e.Ours[:4]))
}

// eventQueue stands between many that tell and one that listens. Telling never
// blocks and the queue stays small: reports of trouble are dropped when it is
// full. Of a member's ups and downs at most two wait: a third takes the place of
// both, so that ups and downs still take turns, also after the one that is being
// handed over and waits no more, and still end in the present state.
type eventQueue struct {
	mu      sync.Mutex
	waiting []Event
	closed  bool
	ring    chan struct{}
	out     chan Event
	over    chan struct{}
}

func newEventQueue() *eventQueue {
	q := &eventQueue{ring: make(chan struct{}, 1), out: make(chan Event), over: make(chan struct{})}
	go q.run()
	return q
}

func (q *eventQueue) tell(e Event) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return
	}
	if m, ok := about(e); ok {
		var mine []int
		for i, w := range q.waiting {
			if n, ok := about(w); ok && n == m {
				mine = append(mine, i)
			}
		}
		if len(mine) == 2 {
			q.waiting = slices.Delete(q.waiting, mine[1], mine[1]+1)
			q.waiting = slices.Delete(q.waiting, mine[0], mine[0]+1)
		}
	} else if len(q.waiting) >= eventBacklog {
		return
	}
	q.waiting = append(q.waiting, e)
	select {
	case q.ring <- struct{}{}:
	default:
	}
}

// about names the member whose state an event tells.
func about(e Event) (council.MemberID, bool) {
	switch e := e.(type) {
	case PeerUp:
		return e.Member, true
	case PeerDown:
		return e.Member, true
	}
	return "", false
}

func (q *eventQueue) run() {
	defer close(q.out)
	for {
		q.mu.Lock()
		var next Event
		if len(q.waiting) > 0 {
			next = q.waiting[0]
			q.waiting = slices.Delete(q.waiting, 0, 1)
		}
		q.mu.Unlock()
		if next == nil {
			select {
			case <-q.ring:
				continue
			case <-q.over:
				return
			}
		}
		select {
		case q.out <- next:
		case <-q.over:
			return
		}
	}
}

// close ends the queue; what nobody listened to is gone.
func (q *eventQueue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.closed {
		q.closed = true
		close(q.over)
	}
}
