package tss_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/internal/testcouncil"
	"github.com/millicent-one/signer/tss"
)

// sessionOf opens alice's part in the session that a recording is of.
func sessionOf(t testing.TB, protocol string, slot *tss.Armed) *tss.Session {
	t.Helper()
	shares := pair(t)
	switch protocol {
	case "keygen":
		return generators(t, pairOnce.session, two)[0]
	case "sign":
		return signers(t, shares[:1], two, recordedSign)[0]
	case "arm":
		return armers(t, shares[:1], two, recordedSlot)[0]
	case "reshare":
		return resharers(t, shares, two, two, recordedDeal)[0]
	default:
		return fireAll(t, []*tss.Armed{slot.Again(t)}, permit(two, recordedSign))[0]
	}
}

// TestTampered gives a fresh session the recorded message of each round in forms
// that nobody honest writes. That is noticed on arrival, however early; it
// convicts the sender, and the session is dead for good.
func TestTampered(t *testing.T) {
	t.Parallel()
	slot := fireSlot(t, pair(t), recordedSlot)
	huge := make([]byte, 10<<20)
	for name, log := range past(t) {
		for _, e := range log {
			if e.m.From != mallory {
				continue
			}
			for form, change := range map[string]func([]byte) []byte{
				"cut short":           func(b []byte) []byte { return b[:max(0, len(b)-1)] },
				"with an extra byte":  func(b []byte) []byte { return append(b, 1) },
				"with an extra field": func(b []byte) []byte { return append(b, 0xf8, 1, 1) },
				"empty":               func([]byte) []byte { return nil },
				"of 10 MiB":           func([]byte) []byte { return huge },
			} {
				s := sessionOf(t, name, slot)
				m := e.m
				m.Payload = change(slices.Clone(m.Payload))
				if slices.Equal(m.Payload, e.m.Payload) { // a word without content
					continue
				}
				_, err := s.Step(m)
				b := blamed(t, err)
				if b.Round != m.Round || !b.Proven || !slices.Equal(b.Suspects, []council.MemberID{mallory}) {
					t.Errorf("%s %s: %v", m.Round, form, b)
				}
				again, dead := s.Step(e.m)
				if dead != err || again.Dropped != nil {
					t.Errorf("%s %s: a dead session answers %v, %v", m.Round, form, again.Dropped, dead)
				}
				if _, dead := s.Start(); dead != err {
					t.Errorf("%s %s: a dead session starts: %v", m.Round, form, dead)
				}
			}
		}
	}
}

// TestFirstStamp stamps a message of the first round with anything. As nothing
// was said before it, that convicts the sender, and nobody else is suspected.
func TestFirstStamp(t *testing.T) {
	t.Parallel()
	who := testcouncil.IDs()[:4]
	s := signers(t, testcouncil.Shares(t), who, common.Hash{13})
	r, err := s[3].Start()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s[0].Start(); err != nil {
		t.Fatal(err)
	}
	m := r.Messages[slices.IndexFunc(r.Messages, func(m tss.Message) bool { return m.To == "" })]
	m.Transcript[31]++
	_, err = s[0].Step(m)
	if b := blamed(t, err); !b.Proven || !slices.Equal(b.Suspects, who[3:]) || errors.Is(b, tss.ErrTranscript) {
		t.Errorf("%v", b)
	}
}

// TestLate says everything once more when it is over.
func TestLate(t *testing.T) {
	t.Parallel()
	shares := pair(t)
	for _, p := range protocols() {
		n := network{}
		sessions := p.open(t, shares, two, 14)
		if _, err := n.run(sessions); err != nil {
			t.Fatal(err)
		}
		for _, e := range n.log {
			s := sessions[0]
			if e.m.From == honest {
				s = sessions[1]
			}
			other := e.m
			other.Payload = append(slices.Clone(e.m.Payload), 0)
			for _, m := range []tss.Message{e.m, other} {
				if r, err := s.Step(m); err != nil || r.Dropped == nil || r.Share != nil || r.Signature != nil || r.Armed != nil {
					t.Errorf("%s: late %s: %+v, %v", p.name, m.Round, r, err)
				}
			}
		}
		if _, err := sessions[0].Start(); err == nil {
			t.Errorf("%s starts again", p.name)
		}
	}
}

// TestDamage flips a bit in the message of each signing round, in a cold session
// and in one that is armed and fired. The receiver ends with an error that names
// the sender, at once or in a later round; it neither panics nor signs.
func TestDamage(t *testing.T) {
	t.Parallel()
	shares := pair(t)
	for _, p := range protocols()[1:] {
		for _, at := range slices.Concat(p.steps...) {
			if at.Bare() || p.name == "arm" && at == tss.SignRound3 {
				continue // has no bits; shows when the slot is fired
			}
			t.Run(fmt.Sprintf("%s/%s", p.name, at), func(t *testing.T) {
				t.Parallel()
				rng := rand.New(rand.NewPCG(3, uint64(at)))
				n := network{errs: map[council.MemberID]error{}, change: func(m *tss.Message, to council.MemberID) {
					if m.Round == at && to == honest {
						m.Payload[rng.IntN(len(m.Payload))] ^= 1 << rng.IntN(8)
					}
				}}
				results, err := n.run(p.open(t, shares, two, 15+byte(at)))
				if err != nil {
					t.Fatal(err)
				}
				b := blamed(t, n.errs[honest])
				if !slices.Equal(b.Suspects, []council.MemberID{mallory}) || errors.Is(b, tss.ErrPanic) {
					t.Errorf("%v", b)
				}
				if results[0].Signature != nil {
					t.Error("signed")
				}
			})
		}
	}
}

// TestDamageInKeygen does the same in each round of a key generation that has bits.
// The other member's messages are a recording: they fit a session with the same
// id.
func TestDamageInKeygen(t *testing.T) {
	t.Parallel()
	pair(t)
	for _, c := range []struct {
		at, noticed tss.Round
		damage      func(*tss.Message)
		proven      bool
	}{
		{tss.KeygenRound1, tss.KeygenRound2Decommit, func(m *tss.Message) { m.Payload[10] ^= 1 }, true},                         // the commitment
		{tss.KeygenRound2Share, tss.KeygenRound2Decommit, func(m *tss.Message) { m.Payload[10] ^= 1 }, false},                   // the share
		{tss.KeygenRound2Decommit, tss.KeygenRound2Decommit, func(m *tss.Message) { m.Payload[10] ^= 1 }, true},                 // the opening
		{tss.KeygenRound2Decommit, tss.KeygenRound2Decommit, func(m *tss.Message) { m.Payload[len(m.Payload)-10] ^= 1 }, false}, // the modulus proof
		{tss.KeygenRound3, tss.KeygenRound3, func(m *tss.Message) { m.Payload[10] ^= 1 }, false},                                // the proof of Paillier
	} {
		b := blamed(t, against(t, generators(t, pairOnce.session, two)[0], pairOnce.keygen, func(m *tss.Message) {
			if m.From == mallory && m.Round == c.at {
				c.damage(m)
			}
		}))
		if b.Proven != c.proven || b.Round != c.noticed || !slices.Equal(b.Suspects, []council.MemberID{mallory}) || errors.Is(b, tss.ErrPanic) {
			t.Errorf("%s: %v", c.at, b)
		}
	}
}
