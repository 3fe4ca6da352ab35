package evidence

import (
	"fmt"
	"maps"
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/p2p"
	"github.com/millicent-one/signer/tss"
)

// Shelves keep the signed frames that sessions took, while they run and for a
// while after: what the engine is given has no signature any more, and only
// signed frames convict. They give the records, still to be signed, of what their
// frames show. Not safe for concurrent use.
type Shelves struct {
	roster    common.Hash
	threshold int
	sessions  map[council.SessionID]*shelf
	order     []council.SessionID // the oldest first
	bytes     int
}

// shelf is what was heard in one session.
type shelf struct {
	members []council.MemberID
	rounds  []tss.Round // of its protocol: others have no place
	frames  map[spot]kept
	sizes   map[council.MemberID]int
	over    bool
	cause   common.Hash              // the hash of the Begin that the session is for; zero for others
	slot    council.SessionID        // that the session fires; zero for none
	heard   map[council.MemberID]int // frames that others showed
}

// spot is where one frame of a session belongs.
type spot struct {
	from council.MemberID
	kind uint8
}

// kept is a frame, or at least what it was: the content of one that carries a
// secret is not kept here, nor, once the session is over, is what goes to one
// member, or is larger than anything honest: that convicts while it runs, or never.
type kept struct {
	frame p2p.Frame
	mark  common.Hash // of all that two frames of one place must have in common
	whole bool
}

// NewShelves are empty, for sessions of a roster's members, of which so many sign.
func NewShelves(roster common.Hash, threshold int) *Shelves {
	return &Shelves{roster: roster, threshold: threshold, sessions: map[council.SessionID]*shelf{}}
}

// Open makes room for a session of a protocol of these rounds.
func (s *Shelves) Open(id council.SessionID, members []council.MemberID, rounds []tss.Round) {
	if s.sessions[id] != nil {
		return
	}
	s.sessions[id] = &shelf{members: members, rounds: rounds, frames: map[spot]kept{}, sizes: map[council.MemberID]int{}, heard: map[council.MemberID]int{}}
	s.order = append(s.order, id)
	s.shrink(0)
}

// Fires notes that a session is for a Begin, by its hash, and which slot it fires:
// what is said in it goes back to what was said when the slot was armed.
func (s *Shelves) Fires(id council.SessionID, begin common.Hash, slot council.SessionID) {
	if h := s.sessions[id]; h != nil {
		h.cause, h.slot = begin, slot
	}
}

// Close notes that a session is over.
func (s *Shelves) Close(id council.SessionID) {
	h, ok := s.sessions[id]
	if !ok {
		return
	}
	h.over = true
	for at, k := range h.frames {
		if k.whole && (!tss.Round(at.kind).Broadcast() || k.oversized()) {
			s.bytes -= len(k.frame.Payload)
			k.frame.Payload, k.whole = nil, false
			h.frames[at] = k
		}
	}
	s.shrink(0)
}

// shrink forgets the oldest sessions that are over, until there is room for so many
// bytes more: who fills the shelves pushes out what is old, and keeps nothing out that
// is new. It reports whether there is room.
func (s *Shelves) shrink(more int) bool {
	for len(s.order) > maxShelves || s.bytes+more > maxShelfBytes {
		i := slices.IndexFunc(s.order, func(id council.SessionID) bool { return s.sessions[id].over })
		if i < 0 {
			return s.bytes+more <= maxShelfBytes
		}
		h := s.sessions[s.order[i]]
		for _, k := range h.frames {
			s.bytes -= len(k.frame.Payload)
		}
		delete(s.sessions, s.order[i])
		s.order = slices.Delete(s.order, i, i+1)
	}
	return true
}

// Add puts a frame on its session's shelf. If its sender has said something else at
// the same place before, it returns the record of the two, and the first one stays.
func (s *Shelves) Add(f p2p.Frame) (r Record, caught bool) {
	first, conflict := s.add(f)
	switch {
	case !conflict:
		return Record{}, false
	case !first.whole:
		return Told(Equivocation, s.roster, f, fmt.Sprintf("two different %s messages, of which the first is not kept", tss.Round(f.Type))), true
	}
	return Equivocated(s.roster, first.frame, f), true
}

func (s *Shelves) add(f p2p.Frame) (first kept, conflict bool) {
	h, ok := s.sessions[f.Session]
	if t := tss.Round(f.Type); !ok || !slices.Contains(h.rounds, t) || t.Broadcast() != (f.To == "") || !slices.Contains(h.members, f.From) {
		return kept{}, false
	}
	at, k := spot{f.From, f.Type}, keep(f)
	if first, ok := h.frames[at]; ok {
		return first, first.mark != k.mark
	}
	if h.over && (!k.whole || k.oversized()) {
		return kept{}, false
	}
	n := len(k.frame.Payload)
	fits := h.sizes[f.From]+n <= maxShelfSender && s.shrink(n)
	if s.sessions[f.Session] == nil { // over, and the oldest itself
		return kept{}, false
	}
	if !fits {
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

// oversized reports whether the guard refuses the frame for its size alone.
func (k kept) oversized() bool { return len(k.frame.Payload) > tss.Round(k.frame.Type).MaxPayload() }

// Refused gives the record of each member whose message the guard of a session
// refused, with the reason.
func (s *Shelves) Refused(id council.SessionID, who []council.MemberID, round tss.Round, fault error) []Record {
	h := s.sessions[id]
	if h == nil {
		return nil
	}
	var out []Record
	for _, m := range who {
		k, ok := h.frames[spot{m, uint8(round)}]
		if !ok || !k.whole {
			out = append(out, Told(Invalid, s.roster, p2p.Frame{From: m, Session: id, Type: uint8(round)}, fault.Error()))
			continue
		}
		earlier, cause := s.earlier(k.frame)
		out = append(out, Refused(s.roster, s.threshold, k.frame, earlier, cause, fault))
	}
	return out
}

// Heard are the broadcasts of a session, of the rounds before one, that another of
// its members may have heard differently: all but its own, sorted.
func (s *Shelves) Heard(id council.SessionID, before tss.Round, to council.MemberID) []p2p.Frame {
	h := s.sessions[id]
	if h == nil {
		return nil
	}
	var out []p2p.Frame
	for _, at := range slices.SortedFunc(maps.Keys(h.frames), func(a, b spot) int {
		if a.kind != b.kind {
			return int(a.kind) - int(b.kind)
		}
		return slices.Compare([]byte(a.from), []byte(b.from))
	}) {
		if k := h.frames[at]; k.whole && k.frame.To == "" && tss.Round(at.kind) < before && at.from != to {
			out = append(out, k.frame)
		}
	}
	return out
}

// Compare compares what another member shows of a session with what was heard here,
// and gives the records of what differs. Only where it does, the signature is looked
// at. What came of the frames before one that is refused, comes with the error.
func (s *Shelves) Compare(network common.Hash, roster council.Roster, from council.MemberID, id council.SessionID, frames []p2p.Frame) (out []Record, _ error) {
	h := s.sessions[id]
	if h == nil || !slices.Contains(h.members, from) {
		return nil, nil
	}
	for _, f := range frames {
		if h.heard[from]++; h.heard[from] > maxShown {
			return out, fmt.Errorf("more than %d frames of session %s were shown", maxShown, id.Short())
		}
		mine, ok := h.frames[spot{f.From, f.Type}]
		if !ok || f.Session != id || f.Channel != p2p.Session || f.To != "" || !mine.whole || mine.frame.To != "" || mine.mark == keep(f).mark {
			continue
		}
		if err := p2p.VerifyFrameOf(network, roster, f); err != nil {
			return out, fmt.Errorf("shown frame: %w", err)
		}
		out = append(out, Equivocated(s.roster, mine.frame, f))
	}
	return out, nil
}

// earlier is the frame that one of the same sender has to be compared with, and
// what the slot was fired for if it is of the slot's session.
func (s *Shelves) earlier(f p2p.Frame) (frame *p2p.Frame, cause common.Hash) {
	h, r := s.sessions[f.Session], tss.Round(f.Type).Earlier()
	if h == nil || r == 0 {
		return nil, common.Hash{}
	}
	at := spot{f.From, uint8(r)}
	if k, ok := h.frames[at]; ok && k.whole {
		return &k.frame, common.Hash{}
	}
	if arm := s.sessions[h.slot]; arm != nil {
		if k, ok := arm.frames[at]; ok && k.whole {
			return &k.frame, h.cause
		}
	}
	return nil, common.Hash{}
}
