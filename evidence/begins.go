package evidence

import (
	"fmt"

	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/p2p"
)

// Begins keep the newest Begins of each coordinator that reached this node, as the
// frames they came in, and give the records, still to be signed, of those that
// contradict each other. Not safe for concurrent use.
type Begins struct {
	roster common.Hash
	of     map[council.MemberID][]begun
}

type begun struct {
	frame p2p.Frame
	begin council.Begin
	hash  common.Hash
	told  map[council.MemberID]bool // who was shown it
}

// NewBegins keep none yet.
func NewBegins(roster common.Hash) *Begins {
	return &Begins{roster: roster, of: map[council.MemberID][]begun{}}
}

// Add compares the Begin in a frame with its coordinator's others, and keeps it if
// it contradicts none.
func (b *Begins) Add(f p2p.Frame) (r Record, caught bool) {
	x, err := Begin(f)
	if err != nil {
		return Record{}, false
	}
	r, caught, known := b.compare(f, x)
	if caught || known || len(f.Payload) > maxBeginBytes {
		return r, caught
	}
	list := append(b.of[f.From], begun{f, x, x.Hash(), map[council.MemberID]bool{}})
	b.of[f.From] = list[max(len(list)-maxBegins, 0):]
	return Record{}, false
}

func (b *Begins) compare(f p2p.Frame, x council.Begin) (r Record, caught, known bool) {
	hash := x.Hash()
	for _, other := range b.of[f.From] {
		if other.hash == hash {
			return Record{}, false, true
		}
		if r, ok := BegunTwice(b.roster, other.frame, f); ok {
			return r, true, false
		}
	}
	return Record{}, false, false
}

// Compare compares Begins that another member shows with those that came here. It
// keeps none: only what its coordinator sent to this node is kept. The records of
// those before one that is refused come with the error.
func (b *Begins) Compare(network common.Hash, roster council.Roster, frames []p2p.Frame) (out []Record, _ error) {
	if len(frames) > maxBegins {
		return nil, fmt.Errorf("%d Begins were shown; at most %d", len(frames), maxBegins)
	}
	for _, f := range frames {
		x, err := Begin(f)
		if err != nil {
			return out, err
		}
		if err := p2p.VerifyFrameOf(network, roster, f); err != nil {
			return out, fmt.Errorf("shown Begin: %w", err)
		}
		if r, caught, _ := b.compare(f, x); caught {
			out = append(out, r)
		}
	}
	return out, nil
}

// Elsewhere gives the Begins that came here for the attempt that another member says
// it has joined under another Begin. It is shown each of them once.
func (b *Begins) Elsewhere(who council.MemberID, j council.Begun) []p2p.Frame {
	var out []p2p.Frame
	for _, mine := range b.of[j.Coordinator] {
		x := mine.begin
		same := x.Chain == j.Chain && x.Nonce == j.Nonce && x.Attempt == j.Attempt && (x.Proposal == j.Proposal || !x.OfMessage())
		if same && mine.hash != j.Begin && !mine.told[who] {
			mine.told[who] = true
			out = append(out, mine.frame)
		}
	}
	return out
}
