package tss_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/policy"
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
		"sign in the next epoch": func() *tss.Session { // all else is as it was
			p := policy.NewCeremonyPermit(2, common.Hash{7}, two, recordedSign)
			s, err := tss.NewSign(tss.SignConfig{Session: p.Session(), Self: honest, Signers: two, Share: nextPair(t)[0], Warrant: p})
			if err != nil {
				t.Fatal(err)
			}
			return s
		},
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

// says lets mallory say in a round what she said in it in a recording. A mere word
// differs from another one in its stamp alone. It returns how alice's session has
// died, if it has.
func says(t *testing.T, sessions []*tss.Session, log []entry, r tss.Round) error {
	t.Helper()
	i := slices.IndexFunc(log, func(e entry) bool { return e.m.From == mallory && e.m.Round == r })
	n := network{errs: map[council.MemberID]error{}}
	if !r.Bare() {
		n.liar, n.deaf = mallory, mallory
	}
	n.change = func(m *tss.Message, _ council.MemberID) {
		if m.From == mallory && m.Round == r {
			m.Payload, m.Transcript = slices.Clone(log[i].m.Payload), log[i].m.Transcript
		}
	}
	results, err := n.run(sessions)
	if err != nil {
		t.Fatal(err)
	}
	if results[0].Signature != nil || results[0].Share != nil {
		t.Error("alice has a result")
	}
	return n.errs[honest]
}

// foundOut checks whom alice blames for a replay, and by which right.
func foundOut(t *testing.T, died error, word, proven bool) {
	t.Helper()
	b := blamed(t, died)
	if !slices.Equal(b.Suspects, []council.MemberID{mallory}) || b.Proven != proven || errors.Is(b, tss.ErrPanic) || errors.Is(b, tss.ErrTranscript) != word {
		t.Errorf("%v", b)
	}
}

// TestReplayInPlace lets mallory say in each round of a live key generation or
// signature what it said in that round of another one: in a cold one, in arming
// another slot, in firing another slot, in the epoch before. Alice finds it out, or
// waits in vain for what mallory can't go on to say; she never signs. Proven is
// what opens a commitment wrongly.
func TestReplayInPlace(t *testing.T) {
	t.Parallel()
	shares, logs := pair(t), past(t)
	for _, c := range []struct {
		into, from string
		epoch      uint64
	}{
		{"keygen", "keygen", 1}, {"sign", "sign", 1}, {"arm", "sign", 1}, {"arm", "arm", 1}, {"fire", "sign", 1}, {"fire", "fire", 1}, {"sign", "sign", 2},
	} {
		shares := shares
		if c.epoch == 2 {
			shares = nextPair(t)
		}
		p := protocols()[slices.IndexFunc(protocols(), func(p protocol) bool { return p.name == c.into })]
		for _, r := range slices.Concat(p.steps...) {
			if r == tss.SignArmed && c.from != "arm" || c.into == "sign" && c.epoch == 1 && r > tss.SignRound4 { // as in fire
				continue
			}
			t.Run(fmt.Sprintf("%s/%s of %s in epoch %d", c.into, r, c.from, c.epoch), func(t *testing.T) {
				t.Parallel()
				sessions := p.open(t, shares, two, 82+byte(len(c.from)))
				died := says(t, sessions, logs[c.from], r)
				if died == nil {
					// An old ciphertext is as good as a new one until mallory has to work
					// with it, and a slot with a false theta is armed and can't be fired.
					inVain := slices.Equal(sessions[0].Waiting(), []council.MemberID{mallory})
					if !(inVain && r == tss.SignRound1Direct && c.epoch == 1) && c.into != "arm" {
						t.Errorf("alice is in %s, and waits for %v", sessions[0].Round(), sessions[0].Waiting())
					}
					return
				}
				if c.epoch == 2 && (r == tss.SignRound1Direct || r == tss.SignRound2) && blamed(t, died).Proven {
					// As it happens a number of the old modulus may lie above the new one.
					foundOut(t, died, false, true)
					return
				}
				proven := r == tss.KeygenRound1 || r == tss.KeygenRound2Decommit || r == tss.SignRound1 ||
					r == tss.SignRound4 || r == tss.SignRound5 || r == tss.SignRound6 || r == tss.SignRound7 || r == tss.SignRound8
				foundOut(t, died, r.Bare(), proven)
			})
		}
	}
}

// TestReplayInResharing does the same in a resharing: with what mallory said in
// another try of the same dealers, whose session in the engine is the same, and in
// the resharing that has made the dealers' own shares.
func TestReplayInResharing(t *testing.T) {
	t.Parallel()
	shares, next := pair(t), nextPair(t)
	seen := tss.Seen{} // as after a try that came to nothing
	seen.Add(next[0].Moduli()...)
	for i, c := range []struct {
		shares     []*tss.Share
		r, noticed tss.Round
		proven     bool
	}{
		{shares, tss.ReshareRound1, tss.ReshareRound3Decommit, true}, // what it commits to can't be opened
		{shares, tss.ReshareRound2, tss.ReshareRound2, false},        // the moduli have served before
		{shares, tss.ReshareRound2Ready, tss.ReshareRound2Ready, false},
		{shares, tss.ReshareRound3Share, tss.ReshareRound3Decommit, false},
		{shares, tss.ReshareRound3Decommit, tss.ReshareRound3Decommit, true},
		{shares, tss.ReshareRound4Factors, tss.ReshareRound4Done, false},
		{shares, tss.ReshareRound4Done, tss.ReshareRound4Done, false},
		{next, tss.ReshareRound1, tss.ReshareRound1, true},  // the engine's session is another one
		{next, tss.ReshareRound2, tss.ReshareRound2, false}, // the moduli are those of the old epoch
	} {
		epoch := c.shares[0].Epoch()
		t.Run(fmt.Sprintf("%s from epoch %d", c.r, epoch), func(t *testing.T) {
			t.Parallel()
			tried := tss.Seen(nil) // in the next epoch it is the old numbers that say so
			if epoch == 1 {
				tried = seen
			}
			died := says(t, reshare(t, c.shares, two, two, council.SessionID{84, byte(i)}, unused(t)[2:4], tried), pairOnce.reshare, c.r)
			if c.r == tss.ReshareRound4Factors && blamed(t, died).Proven {
				// As it happens a number modulo alice's old NTilde may lie above the new one.
				c.noticed, c.proven = c.r, true
			}
			foundOut(t, died, c.r.Bare(), c.proven)
			if b := blamed(t, died); b.Round != c.noticed {
				t.Errorf("%v; want %s", b, c.noticed)
			}
		})
	}
}

// TestReplayOfKeygen lets mallory say in a key generation all that it said in
// another one, with alice's moduli as they were then. Its commitment and its
// opening fit each other; its proofs are of the other session. That its own
// moduli are the same is for Seen.
func TestReplayOfKeygen(t *testing.T) {
	t.Parallel()
	pair(t)
	b := blamed(t, against(t, generators(t, council.SessionID{83}, two)[0], pairOnce.keygen, func(*tss.Message) {}))
	if b.Round != tss.KeygenRound2Decommit || b.Proven || !slices.Equal(b.Suspects, []council.MemberID{mallory}) || errors.Is(b, tss.ErrPanic) {
		t.Errorf("%v", b)
	}
}
