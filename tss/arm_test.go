package tss_test

import (
	"bytes"
	"encoding/gob"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rlp"

	"github.com/bnb-chain/tss-lib/v2/ecdsa/signing"
	engine "github.com/bnb-chain/tss-lib/v2/tss"

	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/internal/testcouncil"
	"github.com/millicent-one/signer/policy"
	"github.com/millicent-one/signer/tss"
)

// armers prepares one slot at those of the shares' owners that are in the subset.
func armers(t testing.TB, shares []*tss.Share, subset []council.MemberID, id council.SessionID) []*tss.Session {
	t.Helper()
	var out []*tss.Session
	for _, share := range shares {
		if !slices.Contains(subset, share.Self()) {
			continue
		}
		s, err := tss.NewArm(tss.ArmConfig{Session: id, Self: share.Self(), Signers: subset, Share: share, Expires: 3600})
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, s)
	}
	return out
}

// armed arms a slot everywhere.
func armed(t testing.TB, shares []*tss.Share, subset []council.MemberID, id council.SessionID) []*tss.Armed {
	t.Helper()
	results, err := testcouncil.Run(armers(t, shares, subset, id))
	if err != nil {
		t.Fatal(err)
	}
	var out []*tss.Armed
	for _, r := range results {
		out = append(out, r.Armed)
	}
	return out
}

// fired is the session that fires a slot for a test text.
func fired(a *tss.Armed, p policy.CeremonyPermit) (*tss.Session, error) {
	return a.Fire(tss.FireConfig{Session: council.FireSession(a.ID(), common.Hash(p.Session())), Warrant: p, Now: 100})
}

func fireAll(t testing.TB, slots []*tss.Armed, p policy.CeremonyPermit) []*tss.Session {
	t.Helper()
	var out []*tss.Session
	for _, a := range slots {
		s, err := fired(a, p)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, s)
	}
	return out
}

// TestFourFire arms a slot of four of the seven and fires it.
func TestFourFire(t *testing.T) {
	t.Parallel()
	shares := testcouncil.Shares(t)
	subset := testcouncil.IDs()[2:6]
	slots := armed(t, shares, subset, council.SessionID{7})
	p := permit(subset, common.Hash{1})
	results, err := testcouncil.Run(fireAll(t, slots, p))
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range results {
		if got := signerOf(t, p, r.Signature); got != shares[0].Address() {
			t.Errorf("%s's signature is by %s; the key is %s", subset[i], got, shares[0].Address())
		}
		if *r.Signature != *results[0].Signature {
			t.Error("two signatures")
		}
	}
}

// TestSlotIsSpentOnce fires a slot in every wrong way. Each of them spends it.
func TestSlotIsSpentOnce(t *testing.T) {
	t.Parallel()
	shares := pair(t)
	p := permit(two, common.Hash{1})
	for name, fire := range map[string]func(*tss.Armed) error{
		"no warrant":         func(a *tss.Armed) error { _, err := a.Fire(tss.FireConfig{Session: p.Session()}); return err },
		"an empty warrant":   func(a *tss.Armed) error { _, err := fired(a, policy.CeremonyPermit{}); return err },
		"a permit of others": func(a *tss.Armed) error { _, err := fired(a, permit(two[:1], common.Hash{1})); return err },
		"the cold session": func(a *tss.Armed) error {
			_, err := a.Fire(tss.FireConfig{Session: p.Session(), Warrant: p})
			return err
		},
		"the slot's own id": func(a *tss.Armed) error { _, err := a.Fire(tss.FireConfig{Session: a.ID(), Warrant: p}); return err },
		"another slot's id": func(a *tss.Armed) error {
			_, err := a.Fire(tss.FireConfig{Session: council.FireSession(council.SessionID{9}, common.Hash(p.Session())), Warrant: p})
			return err
		},
		"too late": func(a *tss.Armed) error {
			_, err := a.Fire(tss.FireConfig{Session: council.FireSession(a.ID(), common.Hash(p.Session())), Warrant: p, Now: 3600})
			return err
		},
		"discarded":     func(a *tss.Armed) error { a.Discard(); _, err := fired(a, p); return err },
		"a second time": func(a *tss.Armed) error { _, err := fired(a, p); return errors.Join(err, second(a, p)) },
		"with another digest": func(a *tss.Armed) error {
			_, err := fired(a, p)
			return errors.Join(err, second(a, permit(two, common.Hash{2})))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := armed(t, shares, two, council.SessionID{byte(len(name)), name[0]})[0]
			if err := fire(a); err == nil {
				t.Error("fired")
			}
			if err := second(a, p); !errors.Is(err, tss.ErrSpent) {
				t.Errorf("afterwards: %v", err)
			}
		})
	}
}

// TestCopiedSlotIsSpentWithItsOriginal copies a slot as only code could that go vet has
// not seen: whichever of the two is fired first, or discarded, the other is spent.
func TestCopiedSlotIsSpentWithItsOriginal(t *testing.T) {
	t.Parallel()
	shares := pair(t)
	p := permit(two, common.Hash{1})
	copied := func(a *tss.Armed) *tss.Armed {
		v := reflect.New(reflect.TypeFor[tss.Armed]())
		v.Elem().Set(reflect.ValueOf(a).Elem())
		return v.Interface().(*tss.Armed)
	}
	for i, spend := range []func(*tss.Armed) error{
		func(a *tss.Armed) error { _, err := fired(a, p); return err },
		func(a *tss.Armed) error { a.Discard(); return nil },
	} {
		slots := armed(t, shares, two, council.SessionID{10, byte(i)})
		a, b := slots[0], copied(slots[0])
		c, d := slots[1], copied(slots[1])
		if err := errors.Join(spend(a), spend(d)); err != nil {
			t.Fatal(err)
		}
		for _, x := range []*tss.Armed{a, b, c, d} {
			if err := second(x, permit(two, common.Hash{2})); !errors.Is(err, tss.ErrSpent) {
				t.Errorf("fired after its twin was spent: %v", err)
			}
		}
	}
}

func second(a *tss.Armed, p policy.CeremonyPermit) error {
	_, err := fired(a, p)
	return err
}

// TestSlotCantBeKept finds no way to store or print one.
func TestSlotCantBeKept(t *testing.T) {
	t.Parallel()
	a := armed(t, pair(t), two, council.SessionID{8})[0]
	if _, err := json.Marshal(a); err == nil {
		t.Error("became JSON")
	}
	if _, err := rlp.EncodeToBytes(a); err == nil {
		t.Error("became RLP")
	}
	if err := gob.NewEncoder(new(bytes.Buffer)).Encode(a); err == nil {
		t.Error("became gob")
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d", "%x", "%q"} {
		if got := fmt.Sprintf(verb, a); got != a.String() || len(got) > 20 {
			t.Errorf("%s prints %s", verb, got)
		}
	}
}

// TestParkedEngineWouldRunOn shows why messages of round 4 stay outside until
// the slot is fired: an engine that has them all goes on over no message, and the
// signature is lost.
func TestParkedEngineWouldRunOn(t *testing.T) {
	t.Parallel()
	shares := pair(t)
	p := permit(two, common.Hash{3})
	run := func(id byte, early bool) error {
		slots := armed(t, shares, two, council.SessionID{20, id})
		first, err := fired(slots[0], p)
		if err != nil {
			t.Fatal(err)
		}
		ready, err := first.Start()
		if err != nil || len(ready.Messages) != 1 || ready.Messages[0].Round != tss.SignRound4 {
			t.Fatalf("%v: %+v", err, ready)
		}
		if early {
			slots[1].FeedParked(t, ready.Messages[0])
		}
		other, err := fired(slots[1], p)
		if err != nil {
			t.Fatal(err)
		}
		n := network{errs: map[council.MemberID]error{}}
		results, err := n.run([]*tss.Session{restarted(first, ready), other})
		if err != nil {
			t.Fatal(err)
		}
		if results[1].Signature == nil {
			return errors.New("no signature")
		}
		return nil
	}
	if err := run(1, false); err != nil {
		t.Error(err)
	}
	if err := run(2, true); err == nil {
		t.Error("a parked engine that was given round 4 has signed: then it may be given it")
	}
}

// restarted is a session that was started, for a network that starts it.
func restarted(s *tss.Session, first tss.Ready) *tss.Session {
	s.Restart(first)
	return s
}

// TestArmingDisagrees lets one party hear another theta than the rest: nobody
// is armed over different broadcasts.
func TestArmingDisagrees(t *testing.T) {
	t.Parallel()
	shares := testcouncil.Shares(t)
	subset := testcouncil.IDs()[:4]
	victim := subset[3]
	n := network{errs: map[council.MemberID]error{}, change: func(m *tss.Message, to council.MemberID) {
		if m.From == subset[0] && to == victim && m.Round == tss.SignRound3 {
			rewrite(t, m, addOneToTheta)
		}
	}}
	results, err := n.run(armers(t, shares, subset, council.SessionID{30}))
	if err != nil {
		t.Fatal(err)
	}
	for i, m := range subset {
		if results[i].Armed != nil {
			t.Errorf("%s is armed", m)
		}
		if err := n.errs[m]; !errors.Is(err, tss.ErrTranscript) || !slices.Contains(blamed(t, err).Suspects, other(m, subset[0], victim)) {
			t.Errorf("%s: %v", m, err)
		}
	}
}

// TestWordsThatCameEarlyAreCompared has the one who lies speak last: its word that it
// is armed is there before its round 3, and waits. A slot is armed over nothing but
// what was compared.
func TestWordsThatCameEarlyAreCompared(t *testing.T) {
	t.Parallel()
	n := network{
		errs: map[council.MemberID]error{},
		change: func(m *tss.Message, _ council.MemberID) {
			if m.From == mallory && m.Round == tss.SignRound3 {
				rewrite(t, m, addOneToTheta)
			}
		},
		last: func(m tss.Message) bool { return m.From == mallory && m.Round == tss.SignRound3 },
	}
	results, err := n.run(armers(t, pair(t), two, council.SessionID{32}))
	if err != nil {
		t.Fatal(err)
	}
	if results[0].Armed != nil {
		t.Errorf("%s is armed over another theta than %s", honest, mallory)
	}
	if err := n.errs[honest]; !errors.Is(err, tss.ErrTranscript) || blamed(t, err).Round != tss.SignArmed {
		t.Errorf("%s: %v", honest, err)
	}
}

func addOneToTheta(c engine.MessageContent) {
	m := c.(*signing.SignRound3Message)
	m.Theta = new(big.Int).Add(new(big.Int).SetBytes(m.Theta), big.NewInt(1)).Bytes()
}

// other is someone whom m has to suspect when a and b may have lied.
func other(m, a, b council.MemberID) council.MemberID {
	if m == b {
		return a
	}
	return b
}

func TestArmedNames(t *testing.T) {
	t.Parallel()
	a := armed(t, pair(t), two, council.SessionID{9})[0]
	if a.ID() != (council.SessionID{9}) || !slices.Equal(a.Signers(), two) || a.Epoch() != 1 || a.Expires() != 3600 || !strings.Contains(a.String(), "09") {
		t.Errorf("%s %v %d %d", a, a.Signers(), a.Epoch(), a.Expires())
	}
}

// TestSlotHasAnID arms nothing under no name, which would stand for a session
// that signs from the start.
func TestSlotHasAnID(t *testing.T) {
	t.Parallel()
	if _, err := tss.NewArm(tss.ArmConfig{Self: honest, Signers: two, Share: pair(t)[0], Expires: 3600}); err == nil {
		t.Error("a slot without an id")
	}
}

// TestSpentSlotKeepsNothing looks into sessions that are over, well or badly.
func TestSpentSlotKeepsNothing(t *testing.T) {
	t.Parallel()
	arming := armers(t, pair(t), two, council.SessionID{31})
	results, err := testcouncil.Run(arming)
	if err != nil {
		t.Fatal(err)
	}
	over := arming
	firing := fireAll(t, []*tss.Armed{results[0].Armed, results[1].Armed}, permit(two, common.Hash{31}))
	n := network{errs: map[council.MemberID]error{}, change: func(m *tss.Message, to council.MemberID) {
		if m.Round == tss.SignRound9 && to == honest {
			rewrite(t, m, of(func(m *signing.SignRound9Message) { m.S = plus(m.S, big.NewInt(1)) }))
		}
	}}
	if _, err := n.run(firing); err != nil || n.errs[honest] == nil {
		t.Fatal(err, n.errs)
	}
	for _, s := range append(over, firing...) {
		if s.Keeps() {
			t.Errorf("%s of %s keeps what it was made of", s, s.Self())
		}
	}
}
