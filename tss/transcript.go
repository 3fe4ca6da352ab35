package tss

import (
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/millicent-one/signer/council"
)

// transcript holds the hash of each broadcast that this party heard, its own
// included.
type transcript struct {
	session council.SessionID
	members []council.MemberID
	speaks  func(Round, int) bool // whether a member says anything in a round
	rounds  []Round               // the protocol's broadcasts, in order
	step    map[Round]int         // of every type: what is sent in one go has heard the same
	heard   map[Round][]common.Hash
}

func newTranscript(session council.SessionID, members []council.MemberID, steps [][]Round, speaks func(Round, int) bool) *transcript {
	t := &transcript{session: session, members: members, speaks: speaks, step: map[Round]int{}, heard: map[Round][]common.Hash{}}
	for i, step := range steps {
		for _, r := range step {
			t.step[r] = i
			if r.Broadcast() {
				t.rounds = append(t.rounds, r)
				t.heard[r] = make([]common.Hash, len(members))
			}
		}
	}
	return t
}

func (t *transcript) hear(r Round, from int, payload []byte) {
	if r.Broadcast() {
		t.heard[r][from] = crypto.Keccak256Hash(payload)
	}
}

// before is the hash of all broadcasts of rounds earlier than r, up to the
// first round that is not complete; whole says that there is no such round.
func (t *transcript) before(r Round) (h common.Hash, whole bool) {
	step, ok := t.step[r]
	if !ok {
		step = len(t.step) // after all
	}
	h = crypto.Keccak256Hash([]byte("millicent/transcript/1\x00"), t.session[:])
	for _, b := range t.rounds {
		if t.step[b] >= step {
			break
		}
		buf := append(h.Bytes(), byte(b))
		for i, m := range t.members {
			if !t.speaks(b, i) {
				continue
			}
			if t.heard[b][i] == (common.Hash{}) {
				return h, false
			}
			buf = append(append(append(buf, m...), 0), t.heard[b][i][:]...)
		}
		h = crypto.Keccak256Hash(buf)
	}
	return h, true
}

// TranscriptBefore is the hash of all broadcasts of rounds earlier than r, as
// this party heard them. It is the zero hash as long as one of them is missing.
// The session stamps its messages with it and compares the stamps of others by
// itself.
func (s *Session) TranscriptBefore(r Round) common.Hash {
	h, whole := s.transcript.before(r)
	if !whole {
		return common.Hash{}
	}
	return h
}

// Broadcasts is the hash of all broadcasts of all completed rounds, own ones
// included. When the protocol has ended it is equal at all honest parties; a
// key generation is finished only when their signatures over it say so.
func (s *Session) Broadcasts() common.Hash {
	h, _ := s.transcript.before(^Round(0))
	return h
}
