package tss_test

import (
	"errors"
	"fmt"
	"math/big"
	"slices"
	"sync"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"github.com/bnb-chain/tss-lib/v2/ecdsa/signing"

	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/internal/testcouncil"
	"github.com/millicent-one/signer/tss"
)

// A traitor is a member that runs the protocol as everyone does, with a valid
// share, and lies on the wire: network.change is what it really sends to whom.
// It stamps each lie with the transcript that its receiver wants to see, which
// a real one would know.

// protocol is one of the things that members do together.
type protocol struct {
	name  string
	steps [][]tss.Round
	open  func(t testing.TB, shares []*tss.Share, who []council.MemberID, id byte) []*tss.Session
}

// protocols are all there are. Keys are generated with primes of the test
// council.
func protocols() []protocol {
	return []protocol{
		{"keygen", tss.KeygenSteps, func(t testing.TB, _ []*tss.Share, who []council.MemberID, id byte) []*tss.Session {
			return generators(t, council.SessionID{2, id}, who)
		}},
		{"sign", tss.SignSteps, func(t testing.TB, shares []*tss.Share, who []council.MemberID, id byte) []*tss.Session {
			return signers(t, shares, who, common.Hash{60, id})
		}},
		{"arm", tss.ArmSteps, func(t testing.TB, shares []*tss.Share, who []council.MemberID, id byte) []*tss.Session {
			return armers(t, shares, who, council.SessionID{60, id})
		}},
		{"fire", tss.FireSteps, func(t testing.TB, shares []*tss.Share, who []council.MemberID, id byte) []*tss.Session {
			return fireAll(t, armed(t, shares, who, council.SessionID{61, id}), permit(who, common.Hash{61, id}))
		}},
		{"reshare", tss.ReshareSteps, func(t testing.TB, _ []*tss.Share, who []council.MemberID, id byte) []*tss.Session {
			// The smallest council's: two keep their seats, whoever else comes in.
			return resharers(t, pair(t), two, council.Sorted(append(slices.Clone(two), without(who, two)...)), council.SessionID{62, id})
		}},
	}
}

// without are the members of one list that are not in another.
func without(who, out []council.MemberID) []council.MemberID {
	return slices.DeleteFunc(slices.Clone(who), func(m council.MemberID) bool { return slices.Contains(out, m) })
}

func generators(t testing.TB, id council.SessionID, who []council.MemberID) []*tss.Session {
	t.Helper()
	shares := testcouncil.Shares(t)
	var out []*tss.Session
	for i, m := range who {
		s, err := tss.NewKeygen(tss.KeygenConfig{
			Session: id, Self: m, Members: who, Threshold: 2, Epoch: 1, Params: shares[i].OwnPreParams(),
		})
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, s)
	}
	return out
}

// stored is what a share is on disk.
func stored(t testing.TB, shares []*tss.Share) [][]byte {
	t.Helper()
	var out [][]byte
	for _, s := range shares {
		b, err := s.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, b)
	}
	return out
}

// signWithout lets the honest ones sign with the shares that they had when the
// traitor lied, and someone else in its place.
func signWithout(t *testing.T, shares []*tss.Share, before [][]byte, who []council.MemberID, ceremony common.Hash) {
	t.Helper()
	for i, b := range stored(t, shares) {
		if !slices.Equal(b, before[i]) {
			t.Errorf("the share of %s has changed", shares[i].Self())
		}
	}
	p := permit(who, ceremony)
	results, err := testcouncil.Run(signers(t, shares, who, ceremony))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range results {
		if got := signerOf(t, p, r.Signature); got != shares[0].Address() {
			t.Errorf("without the traitor the signature is by %s", got)
		}
	}
}

// reworded is a message that means the same in other bytes: its first tag is
// written in two bytes.
func reworded(payload []byte) []byte {
	return append([]byte{payload[0] | 0x80, 0}, payload[1:]...)
}

// TestTwoFacesInEveryRound lets a member say the same thing to one other in
// other words, in each broadcast of each protocol. Nothing is wrong with either
// message, and still every honest member notices in the next round, before it
// says anything that depends on it. After the last round it is for a key's
// confirm round to notice; a signature may be anyone's word.
func TestTwoFacesInEveryRound(t *testing.T) {
	t.Parallel()
	shares := testcouncil.Shares(t)
	before := stored(t, shares)
	t.Cleanup(func() {
		if !slices.EqualFunc(before, stored(t, shares), slices.Equal[[]byte]) {
			t.Error("a share has changed")
		}
	})
	for _, p := range protocols() {
		who := testcouncil.IDs()[:4]
		if p.name == "keygen" || p.name == "reshare" {
			who = two // the traitor's own stamps give it away
		}
		for i, step := range p.steps {
			// The step's broadcast. A mere word can be said in one way only; that all
			// are armed over the same is in its stamp.
			k := slices.IndexFunc(step, func(r tss.Round) bool { return r.Broadcast() && (!r.Bare() || r == tss.SignArmed) })
			if k < 0 || p.name == "arm" && step[k] == tss.SignRound1 || p.name == "sign" && step[k] > tss.SignRound3 {
				continue // the same is tried in another protocol
			}
			t.Run(fmt.Sprintf("%s/%s", p.name, step[k]), func(t *testing.T) {
				t.Parallel()
				twoFaces(t, p.open(t, shares, who, byte(step[k])), step[k], p.steps[i:])
			})
		}
	}
}

// twoFaces lets the last of the members lie to the first in a round of the first
// of these steps.
func twoFaces(t *testing.T, sessions []*tss.Session, r tss.Round, steps [][]tss.Round) {
	who := sessions[0].Members()
	liar, victim := who[len(who)-1], who[0]
	last := len(steps) == 1
	n := network{errs: map[council.MemberID]error{}}
	if len(who) > 2 {
		n.liar = liar
	}
	n.change = func(m *tss.Message, to council.MemberID) {
		switch {
		case m.From != liar || m.Round != r || to != victim:
		case r.Bare(): // it has no content, and can't be said in two ways
			n.liar = ""
			m.Transcript[0]++
		default:
			m.Payload = reworded(m.Payload)
		}
	}
	results, err := n.run(sessions)
	if err != nil {
		t.Fatal(err)
	}
	for i, m := range who[:len(who)-1] {
		died := n.errs[m]
		switch {
		case r == tss.SignArmed && m != victim:
			if died != nil || results[i].Armed == nil {
				t.Errorf("%s: %v", m, died)
			}
		case last && r != tss.SignArmed:
			if died != nil || results[i].Share == nil && results[i].Signature == nil {
				t.Errorf("%s: %v", m, died)
			}
			if same := sessions[i].Broadcasts() == sessions[len(who)-1].Broadcasts(); same != (m != victim) {
				t.Errorf("%s has heard the same as the liar: %v", m, same)
			}
		default:
			next := steps[min(1, len(steps)-1)]
			b := blamed(t, died)
			if !errors.Is(b, tss.ErrTranscript) || !slices.Contains(next, b.Round) || b.Proven || slices.Contains(b.Suspects, m) || len(b.Suspects) != len(who)-1 {
				t.Errorf("%s: %v", m, b)
			}
			if results[i] != (testcouncil.Result{}) {
				t.Errorf("%s has a result", m)
			}
			for _, e := range n.log {
				if e.m.From == m && e.m.Round > next[len(next)-1] {
					t.Errorf("%s went on to %s", e.m.From, e.m.Round)
				}
			}
		}
	}
}

// wrongNumber is one of the numbers that only the work with it, or the sum of all,
// can show to be wrong.
type wrongNumber struct {
	name    string
	share   *tss.Share // the liar's
	lie     func(m *tss.Message, to council.MemberID)
	noticed tss.Round
	named   bool // the liar alone is suspected; else everyone else
	reveals bool // honest members have sent their part of the signature
}

// wrongNumbers are what the second of the four may send.
func wrongNumbers(t *testing.T, who []council.MemberID) []wrongNumber {
	t.Helper()
	liar := who[1]
	wrong := testcouncil.Shares(t)[1]
	wrong.Data().Xi.Add(wrong.Data().Xi, big.NewInt(1))
	return []wrongNumber{
		{"another share", wrong, func(*tss.Message, council.MemberID) {}, tss.SignRound2, true, false},
		{"a bad theta", nil, func(m *tss.Message, to council.MemberID) {
			// Its own session must add up the same sum.
			if m.Round == tss.SignRound3 && (m.From == liar || to == liar && m.From == who[0]) {
				rewrite(t, m, addOneToTheta)
			}
		}, tss.SignRound8, false, false},
		{"a bad part of the signature", nil, func(m *tss.Message, _ council.MemberID) {
			if m.Round == tss.SignRound9 && m.From == liar {
				rewrite(t, m, of(func(m *signing.SignRound9Message) { m.S = plus(m.S, big.NewInt(1)) }))
			}
		}, tss.SignRound9, false, true},
	}
}

// shares are those of the council, with the liar's own.
func (w wrongNumber) shares(t *testing.T) []*tss.Share {
	t.Helper()
	all := testcouncil.Shares(t)
	if w.share != nil {
		all[1] = w.share.Copy()
	}
	return all
}

// noticedBy checks how the sessions of the honest ones among the four have ended.
func (w wrongNumber) noticedBy(t *testing.T, who []council.MemberID, n network, results []testcouncil.Result) {
	t.Helper()
	liar := who[1]
	for i, m := range who {
		if m == liar {
			continue
		}
		b := blamed(t, n.errs[m])
		want := []council.MemberID{liar}
		if !w.named {
			want = slices.DeleteFunc(slices.Clone(who), func(o council.MemberID) bool { return o == m })
		}
		if b.Round != w.noticed || b.Proven || !slices.Equal(b.Suspects, want) || errors.Is(b, tss.ErrPanic) {
			t.Errorf("%s: %v", m, b)
		}
		if results[i].Signature != nil || results[i].Armed != nil {
			t.Errorf("%s signed, or is armed", m)
		}
	}
	for _, e := range n.log {
		if e.m.From != liar && e.reveals && !w.reveals {
			t.Errorf("%s has given away its part of the signature", e.m.From)
		}
	}
}

// TestWrongNumbers lets one of four send a number that only the sum of all can
// show to be wrong.
func TestWrongNumbers(t *testing.T) {
	t.Parallel()
	ids := testcouncil.IDs()
	who := ids[:4]
	shares := testcouncil.Shares(t)
	before := stored(t, shares)
	var lies sync.WaitGroup
	for i, w := range wrongNumbers(t, who) {
		lies.Add(1)
		t.Run(w.name, func(t *testing.T) {
			defer lies.Done()
			t.Parallel()
			n := network{liar: who[1], deaf: who[1], errs: map[council.MemberID]error{}, change: w.lie}
			results, err := n.run(signers(t, w.shares(t), who, common.Hash{63, byte(i)}))
			if err != nil {
				t.Fatal(err)
			}
			w.noticedBy(t, who, n, results)
		})
	}
	t.Run("without the traitor", func(t *testing.T) {
		t.Parallel()
		lies.Wait()
		signWithout(t, shares, before, []council.MemberID{ids[0], ids[2], ids[3], ids[6]}, common.Hash{64})
	})
}

// TestWrongNumbersFromStandby lets one of four send such a number in arming. What
// the work of arming shows ends it, and nobody is armed. With any other the slot is
// armed like a good one; when that is fired, by all and without another lie, it shows
// in the same round and of the same members as in a signature from the start, and the
// slot is spent.
func TestWrongNumbersFromStandby(t *testing.T) {
	t.Parallel()
	who := testcouncil.IDs()[:4]
	for i, w := range wrongNumbers(t, who) {
		if w.noticed == tss.SignRound9 { // it is sent when the slot has been fired
			continue
		}
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			n := network{liar: who[1], deaf: who[1], errs: map[council.MemberID]error{}, change: w.lie}
			results, err := n.run(armers(t, w.shares(t), who, council.SessionID{67, byte(i)}))
			if err != nil {
				t.Fatal(err)
			}
			if slices.ContainsFunc(tss.ArmSteps, func(step []tss.Round) bool { return slices.Contains(step, w.noticed) }) {
				w.noticedBy(t, who, n, results)
				return
			}
			var slots []*tss.Armed
			for i, m := range who {
				if n.errs[m] != nil || results[i].Armed == nil {
					t.Fatalf("%s is not armed: %v", m, n.errs[m])
				}
				slots = append(slots, results[i].Armed)
			}
			p := permit(who, common.Hash{67, byte(i)})
			n = network{errs: map[council.MemberID]error{}}
			if results, err = n.run(fireAll(t, slots, p)); err != nil {
				t.Fatal(err)
			}
			w.noticedBy(t, who, n, results)
			for _, a := range slots {
				if err := second(a, p); !errors.Is(err, tss.ErrSpent) {
					t.Errorf("%s can be fired again: %v", a, err)
				}
			}
		})
	}
}

// TestOtherDigest lets one of four fire the slot for another text, and pretend
// that it is the same session. Nobody gives away a part of a signature.
func TestOtherDigest(t *testing.T) {
	t.Parallel()
	who := testcouncil.IDs()[3:]
	liar := who[2]
	slots := armed(t, testcouncil.Shares(t), who, council.SessionID{65})
	sessions := fireAll(t, slots[:2], permit(who, common.Hash{65}))
	sessions = append(sessions, fireAll(t, slots[2:3], permit(who, common.Hash{66}))...)
	sessions = append(sessions, fireAll(t, slots[3:], permit(who, common.Hash{65}))...)
	n := network{liar: liar, deaf: liar, errs: map[council.MemberID]error{}, change: func(m *tss.Message, to council.MemberID) {
		switch liar {
		case m.From:
			m.Session = sessions[0].ID()
		case to: // it hears what its session wants to hear
			m.Session = sessions[2].ID()
		}
	}}
	if _, err := n.run(sessions); err != nil {
		t.Fatal(err)
	}
	for _, m := range who {
		if m == liar {
			continue
		}
		if b := blamed(t, n.errs[m]); b.Round != tss.SignRound8 || b.Proven || len(b.Suspects) != 3 || slices.Contains(b.Suspects, m) {
			t.Errorf("%s: %v", m, b)
		}
	}
	for _, e := range n.log {
		if e.reveals {
			t.Errorf("%s has given away its part of a signature", e.m.From)
		}
	}
}
