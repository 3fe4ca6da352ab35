package node

import (
	"maps"
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/p2p"
	"github.com/millicent-one/signer/tss"
)

// shelves keep the signed frames that sessions took, while they run and for a
// while after: what the engine is given has no signature any more, and only
// signed frames convict. Owned by the goroutine of Run.
type shelves struct {
	sessions map[council.SessionID]*shelf
	order    []council.SessionID // the oldest first
	bytes    int
}

// shelf is what was heard in one session.
type shelf struct {
	members []council.MemberID
	frames  map[place]kept
	sizes   map[council.MemberID]int
	over    bool
	begin   *council.Begin    // of the attempt that the session is for; nil for others
	slot    council.SessionID // that the session fires; zero for none

	pending error                    // of the session, until it is clear who is to blame
	shown   bool                     // the own frames were given to the others
	heard   map[council.MemberID]int // frames that others showed
	culprit council.MemberID         // convicted of something in this session
}

// place is where one frame of a session belongs.
type place struct {
	from council.MemberID
	kind uint8
}

// kept is a frame, or at least what it was: the content of one that carries a
// secret is not kept here, nor is what goes to one member once the session is
// over.
type kept struct {
	frame p2p.Frame
	mark  common.Hash // of all that two frames of one place must have in common
	whole bool
}

func newShelves() shelves { return shelves{sessions: map[council.SessionID]*shelf{}} }

// open makes room for a session. It reports false for one that was there before:
// run again, it would say other things than the first time.
func (s *shelves) open(id council.SessionID, members []council.MemberID) bool {
	if s.sessions[id] != nil {
		return false
	}
	s.sessions[id] = &shelf{members: members, frames: map[place]kept{}, sizes: map[council.MemberID]int{}, heard: map[council.MemberID]int{}}
	s.order = append(s.order, id)
	s.shrink()
	return true
}

// close notes that a session is over.
func (s *shelves) close(id council.SessionID) {
	h, ok := s.sessions[id]
	if !ok {
		return
	}
	h.over = true
	for at, k := range h.frames {
		if k.whole && !tss.Round(at.kind).Broadcast() {
			s.bytes -= len(k.frame.Payload)
			k.frame.Payload, k.whole = nil, false
			h.frames[at] = k
		}
	}
	s.shrink()
}

// shrink forgets the oldest sessions that are over, when there is too much.
func (s *shelves) shrink() {
	for len(s.order) > maxShelves || s.bytes > maxShelfBytes {
		i := slices.IndexFunc(s.order, func(id council.SessionID) bool { return s.sessions[id].over })
		if i < 0 {
			return
		}
		h := s.sessions[s.order[i]]
		for _, k := range h.frames {
			s.bytes -= len(k.frame.Payload)
		}
		delete(s.sessions, s.order[i])
		s.order = slices.Delete(s.order, i, i+1)
	}
}

// add puts a frame on its session's shelf. If its sender has said something else
// at the same place before, it returns that, and the first one stays.
func (s *shelves) add(f p2p.Frame) (first kept, conflict bool) {
	h, ok := s.sessions[f.Session]
	if t := tss.Round(f.Type); !ok || !t.Known() || t.Broadcast() != (f.To == "") || !slices.Contains(h.members, f.From) {
		return kept{}, false
	}
	at, k := place{f.From, f.Type}, keep(f)
	if first, ok := h.frames[at]; ok {
		return first, first.mark != k.mark
	}
	if h.over && !k.whole {
		return kept{}, false
	}
	if n := len(k.frame.Payload); h.sizes[f.From]+n > maxShelfSender || s.bytes+n > maxShelfBytes {
		k.frame.Payload, k.whole = nil, false
	}
	h.sizes[f.From] += len(k.frame.Payload)
	s.bytes += len(k.frame.Payload)
	h.frames[at] = k
	return kept{}, false
}

func keep(f p2p.Frame) kept {
	k := kept{frame: f, mark: crypto.Keccak256Hash(f.Transcript[:], f.Payload), whole: true}
	if tss.Round(f.Type).Secret() {
		k.frame.Payload, k.whole = nil, false
	}
	return k
}

// broadcasts are the frames to all of the rounds before one, sorted.
func (h *shelf) broadcasts(before tss.Round) []p2p.Frame {
	var out []p2p.Frame
	for _, at := range slices.SortedFunc(maps.Keys(h.frames), func(a, b place) int {
		if a.kind != b.kind {
			return int(a.kind) - int(b.kind)
		}
		return slices.Compare([]byte(a.from), []byte(b.from))
	}) {
		if k := h.frames[at]; k.whole && k.frame.To == "" && tss.Round(at.kind) < before {
			out = append(out, k.frame)
		}
	}
	return out
}

// earlier is the frame that one of the same sender has to be compared with, and
// what the slot was fired for if it is of the slot's session.
func (s *shelves) earlier(f p2p.Frame) (frame *p2p.Frame, cause common.Hash) {
	h, r := s.sessions[f.Session], tss.Round(f.Type).Earlier()
	if h == nil || r == 0 {
		return nil, common.Hash{}
	}
	at := place{f.From, uint8(r)}
	if k, ok := h.frames[at]; ok && k.whole {
		return &k.frame, common.Hash{}
	}
	if arm := s.sessions[h.slot]; arm != nil {
		if k, ok := arm.frames[at]; ok && k.whole {
			return &k.frame, h.begin.Hash()
		}
	}
	return nil, common.Hash{}
}

// begins keep the newest Begins of each coordinator that reached this node, as
// the frames they came in.
type begins struct {
	of map[council.MemberID][]begun
}

type begun struct {
	frame p2p.Frame
	begin council.Begin
	hash  common.Hash
	told  map[council.MemberID]bool // who was shown it
}

func (b *begins) add(f p2p.Frame, x council.Begin) {
	if len(f.Payload) > maxBeginBytes {
		return
	}
	list := append(b.of[f.From], begun{f, x, x.Hash(), map[council.MemberID]bool{}})
	if len(list) > maxBegins {
		list = slices.Delete(list, 0, len(list)-maxBegins)
	}
	b.of[f.From] = list
}
