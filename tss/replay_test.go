package tss_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/tss"
)

// past are recordings of what both members have once said.
func past(t testing.TB) map[string][]entry {
	pair(t)
	return map[string][]entry{
		"keygen": pairOnce.keygen, "sign": pairOnce.sign, "arm": pairOnce.arm, "fire": pairOnce.fire, "reshare": pairOnce.reshare,
	}
}

// fireSlot arms one slot and returns alice's part in it.
func fireSlot(t testing.TB, shares []*tss.Share, id council.SessionID) *tss.Armed {
	t.Helper()
	return armed(t, shares, two, id)[0]
}

// TestReplay gives alice, in each protocol, everything that was ever said in
// the others and in other sessions of the same: in its own name, and by mallory
// in the name of the session. She drops it, or finds mallory out.
func TestReplay(t *testing.T) {
	t.Parallel()
	shares := pair(t)
	slot := fireSlot(t, shares, council.SessionID{80})
	for name, open := range map[string]func() *tss.Session{
		"keygen":  func() *tss.Session { return generators(t, council.SessionID{80}, two)[0] },
		"sign":    func() *tss.Session { return signers(t, shares[:1], two, common.Hash{80})[0] },
		"arm":     func() *tss.Session { return armers(t, shares[:1], two, council.SessionID{81})[0] },
		"fire":    func() *tss.Session { return fireAll(t, []*tss.Armed{slot.Again(t)}, permit(two, common.Hash{80}))[0] },
		"reshare": func() *tss.Session { return resharers(t, shares, two, two, council.SessionID{82})[0] },
	} {
		s := open()
		for other, log := range past(t) {
			for _, e := range log {
				if r, err := s.Step(e.m); err != nil || !errors.Is(r.Dropped, tss.ErrForeign) {
					t.Errorf("%s, as it was said in %s: %s: %v, %v", name, other, e.m.Round, r.Dropped, err)
				}
				m := e.m
				m.Session = s.ID()
				if e.m.From == honest { // she does not hear herself
					if r, err := s.Step(m); err != nil || !errors.Is(r.Dropped, tss.ErrStranger) {
						t.Errorf("%s, alice's own of %s: %s: %v, %v", name, other, m.Round, r.Dropped, err)
					}
				}
				if !slices.Contains(s.Rounds(), m.Round) {
					if r, err := s.Step(m); err != nil || r.Dropped == nil {
						t.Errorf("%s, renamed from %s: %s: %v, %v", name, other, m.Round, r.Dropped, err)
					}
				}
			}
		}
		if s.Waiting() != nil || s.Round() != 0 {
			t.Errorf("%s: something came of it", name)
		}
	}
}

// TestReplayInPlace lets mallory say in each round of a live signature what it
// said in that round of another one: in a cold one, in arming another slot, in
// firing another slot. Alice finds it out, or waits in vain for what mallory
// can't go on to say; she never signs. Proven is what opens a commitment wrongly.
func TestReplayInPlace(t *testing.T) {
	t.Parallel()
	shares := pair(t)
	logs := past(t)
	for _, c := range []struct{ into, from string }{
		{"sign", "sign"}, {"arm", "sign"}, {"arm", "arm"}, {"fire", "sign"}, {"fire", "fire"},
	} {
		p := protocols()[slices.IndexFunc(protocols(), func(p protocol) bool { return p.name == c.into })]
		for _, r := range slices.Concat(p.steps...) {
			if r == tss.SignArmed || c.into == "sign" && r > tss.SignRound4 { // as in fire
				continue
			}
			t.Run(fmt.Sprintf("%s/%s of %s", c.into, r, c.from), func(t *testing.T) {
				t.Parallel()
				i := slices.IndexFunc(logs[c.from], func(e entry) bool { return e.m.From == mallory && e.m.Round == r })
				n := network{liar: mallory, deaf: mallory, errs: map[council.MemberID]error{}, change: func(m *tss.Message, to council.MemberID) {
					if m.From == mallory && m.Round == r {
						m.Payload = slices.Clone(logs[c.from][i].m.Payload)
					}
				}}
				sessions := p.open(t, shares, two, 82+byte(len(c.from)))
				results, err := n.run(sessions)
				if err != nil {
					t.Fatal(err)
				}
				if results[0].Signature != nil {
					t.Error("alice has signed")
				}
				died := n.errs[honest]
				if died == nil {
					// An old ciphertext is as good as a new one until mallory has to work
					// with it, and a slot with a false theta is armed and can't be fired.
					inVain := slices.Equal(sessions[0].Waiting(), []council.MemberID{mallory})
					if !(inVain && r == tss.SignRound1Direct) && c.into != "arm" {
						t.Errorf("alice is in %s, and waits for %v", sessions[0].Round(), sessions[0].Waiting())
					}
					return
				}
				b := blamed(t, died)
				proven := r == tss.SignRound1 || r == tss.SignRound4 || r == tss.SignRound5 || r == tss.SignRound6 || r == tss.SignRound7 || r == tss.SignRound8
				if !slices.Equal(b.Suspects, []council.MemberID{mallory}) || b.Proven != proven || errors.Is(b, tss.ErrPanic) {
					t.Errorf("%v", b)
				}
			})
		}
	}
}

// TestReplayOfKeygen lets mallory say in a key generation all that it said in
// another one, with alice's moduli as they were then. Its commitment and its
// opening fit each other; its proofs are of the other session. That its own
// moduli are the same is for Seen.
func TestReplayOfKeygen(t *testing.T) {
	t.Parallel()
	pair(t)
	s := generators(t, council.SessionID{83}, two)[0]
	if _, err := s.Start(); err != nil {
		t.Fatal(err)
	}
	var died error
	for _, e := range pairOnce.keygen {
		if m := e.m; m.From == mallory && died == nil {
			m.Session, m.Transcript = s.ID(), s.TranscriptBefore(m.Round)
			_, died = s.Step(m)
		}
	}
	b := blamed(t, died)
	if b.Round != tss.KeygenRound2Decommit || b.Proven || !slices.Equal(b.Suspects, []council.MemberID{mallory}) || errors.Is(b, tss.ErrPanic) {
		t.Errorf("%v", b)
	}
}
