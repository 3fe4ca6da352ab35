package node

import (
	"maps"
	"slices"

	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/p2p"
)

// early keeps frames of sessions that have not started here yet: others may
// start one before this node does. Nobody can tell such a frame from one of a
// session that will never be, so each sender has room of its own, and what is
// too much pushes out the sender's own oldest. A member that floods this node
// with made-up sessions loses its own frames and nobody else's.
type early struct {
	senders map[council.MemberID]*earlySender
}

// earlySender is what one member has sent before its time.
type earlySender struct {
	sessions []*earlySession // oldest first
	bytes    int
}

type earlySession struct {
	id     council.SessionID
	frames []p2p.Frame
	bytes  int
}

func newEarly() early { return early{senders: map[council.MemberID]*earlySender{}} }

// keep takes a frame and reports how many were dropped for it, itself included.
// Of one sender's frames of one type in one session the first two are kept: the
// session takes the first, and sees by the second that the sender says two
// things.
func (e *early) keep(f p2p.Frame) (dropped int) {
	s, ok := e.senders[f.From]
	if !ok {
		s = &earlySender{}
		e.senders[f.From] = s
	}
	size := earlySize(f)
	x := s.find(f.Session)
	if x != nil && x.count(f.Type) >= 2 || size > maxEarlyBytes {
		return 1
	}
	// Room is made before the frame comes in, from the oldest session on, but a
	// session never pushes out its own frames: those that came first count.
	for s.bytes+size > maxEarlyBytes || x == nil && len(s.sessions) >= maxEarly {
		oldest := s.sessions[0]
		if oldest == x {
			return dropped + 1
		}
		dropped += len(oldest.frames)
		s.drop(oldest)
	}
	if x == nil {
		x = &earlySession{id: f.Session}
		s.sessions = append(s.sessions, x)
	}
	x.frames = append(x.frames, f)
	x.bytes += size
	s.bytes += size
	return dropped
}

// take gives out what is kept for a session, each sender's frames in the order
// they came.
func (e *early) take(id council.SessionID) []p2p.Frame {
	var out []p2p.Frame
	for _, from := range slices.Sorted(maps.Keys(e.senders)) {
		s := e.senders[from]
		if x := s.find(id); x != nil {
			out = append(out, x.frames...)
			s.drop(x)
		}
	}
	return out
}

func (s *earlySender) find(id council.SessionID) *earlySession {
	for _, x := range s.sessions {
		if x.id == id {
			return x
		}
	}
	return nil
}

func (s *earlySender) drop(x *earlySession) {
	s.sessions = slices.DeleteFunc(s.sessions, func(y *earlySession) bool { return x == y })
	s.bytes -= x.bytes
}

func (x *earlySession) count(kind uint8) int {
	n := 0
	for _, f := range x.frames {
		if f.Type == kind {
			n++
		}
	}
	return n
}

// earlySize is what a frame costs: its payload, and about as much as the rest
// takes in memory.
func earlySize(f p2p.Frame) int { return len(f.Payload) + 256 }
