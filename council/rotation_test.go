package council_test

import (
	"crypto/ecdsa"
	"slices"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/internal/testcouncil"
)

// moving is a rotation that nothing is missing from: community-2 and core-4 leave,
// community-4 and core-5 join.
type moving struct {
	t          testing.TB
	key        *ecdsa.PrivateKey
	holding    council.Holding
	succession council.Succession
	rotation   council.Rotation
	transcript common.Hash
	dealers    []council.MemberID
}

func newMoving(t testing.TB) *moving {
	t.Helper()
	old := founded(t).Roster
	key, err := crypto.ToECDSA(crypto.Keccak256([]byte("millicent test council key")))
	if err != nil {
		t.Fatal(err)
	}
	m := &moving{t: t, key: key, transcript: common.Hash{0x77}, dealers: stay,
		holding: council.Holding{Council: councilID, Roster: old, Epoch: 1, Key: crypto.PubkeyToAddress(key.PublicKey)}}
	m.succession = step(t, old, turn, []council.MemberID{"community-2", "core-4"}, newcomer(t, "community-4"), newcomer(t, "core-5"))
	agree(t, &m.succession, old, "community-1", "core-1", "core-2", "core-4")
	m.rotation = m.try(common.Hash{1})
	return m
}

// try is one more try at the same succession.
func (m *moving) try(random common.Hash) council.Rotation {
	m.t.Helper()
	r, err := council.Rotate(m.holding, m.succession, m.dealers, random)
	if err != nil {
		m.t.Fatal(err)
	}
	return r
}

func (m *moving) acks(r council.Rotation) []council.NodeSignature {
	var out []council.NodeSignature
	for _, id := range m.succession.Roster.IDs() {
		s, err := r.Ack(m.transcript).Sign(id, testcouncil.NodeKey(id))
		if err != nil {
			m.t.Fatal(err)
		}
		out = append(out, s)
	}
	return out
}

func (m *moving) test(r council.Rotation, signers []council.MemberID) council.TestSignature {
	d := council.TestDigest(r.ToEpoch, r.To, signers, r.ID())
	sig, err := crypto.Sign(d[:], m.key)
	if err != nil {
		m.t.Fatal(err)
	}
	return council.TestSignature{Signers: signers, Signature: sig}
}

func (m *moving) lock(r council.Rotation, id council.MemberID, four bool, rows ...council.OpenRow) council.Lock {
	l := r.Lock(id, r.Ack(m.transcript).Set(m.succession.Roster))
	l.LastFour, l.Rows = four, rows
	l, err := l.Sign(testcouncil.NodeKey(id))
	if err != nil {
		m.t.Fatal(err)
	}
	return l
}

func (m *moving) refusal(subject common.Hash, id council.MemberID) council.Refusal {
	x, err := council.Refusal{Member: id, Subject: subject, Reason: "a test"}.Sign(testcouncil.NodeKey(id))
	if err != nil {
		m.t.Fatal(err)
	}
	return x
}

// certificate has the Locks of these old members.
func (m *moving) certificate(r council.Rotation, locks ...council.Lock) council.Certificate {
	c := council.Certificate{Succession: m.succession, Rotation: r, Transcript: m.transcript, Acks: m.acks(r), Locks: locks}
	for _, set := range m.succession.Roster.TestSubsets() {
		c.Tests = append(c.Tests, m.test(r, set))
	}
	return c
}

func (m *moving) locks(r council.Rotation, four bool, ids ...council.MemberID) []council.Lock {
	var out []council.Lock
	for _, id := range ids {
		out = append(out, m.lock(r, id, four))
	}
	return out
}

// five are the old members whose Locks commit in these tests: no leaver among
// them but core-4.
var five = []council.MemberID{"community-1", "core-1", "core-2", "core-3", "core-4"}

func TestRotationCommits(t *testing.T) {
	m := newMoving(t)
	s, err := council.VerifyCertificate(m.holding, council.Millicent, m.certificate(m.rotation, m.locks(m.rotation, false, five...)...))
	if err != nil {
		t.Fatal(err)
	}
	next := s.After()
	if !s.Proven() || next.Key != m.holding.Key || next.Council != m.holding.Council || next.Epoch != 2 || len(next.Roster.Members) != 7 {
		t.Errorf("ends with %+v", next)
	}
	if s.LastFour() || !slices.Equal(s.Locked(), five) || s.Ceremony() != m.rotation.ID() {
		t.Errorf("says %v, %v", s.LastFour(), s.Locked())
	}
	// From the next holding, the same certificate commits nothing once more.
	if _, err := council.VerifyCertificate(next, council.Millicent, m.certificate(m.rotation, m.locks(m.rotation, false, five...)...)); err == nil {
		t.Error("committed twice")
	}
}

func TestRotateRefuses(t *testing.T) {
	m := newMoving(t)
	wallet := step(t, m.holding.Roster, turn, nil, seat(t, "core-1", "core-1", "core-1", testcouncil.TermStart, testcouncil.TermEnd-1))
	elsewhere := m.holding
	elsewhere.Roster = m.succession.Roster
	for name, f := range map[string]func() error{
		"no share moves": func() error { _, err := council.Rotate(m.holding, wallet, stay, common.Hash{1}); return err },
		"another old roster": func() error {
			_, err := council.Rotate(elsewhere, wallet, []council.MemberID{"community-1", "core-1", "core-2", "core-3"}, common.Hash{1})
			return err
		},
		"three dealers": func() error {
			_, err := council.Rotate(m.holding, m.succession, stay[:3], common.Hash{1})
			return err
		},
		"a dealer twice": func() error {
			_, err := council.Rotate(m.holding, m.succession, []council.MemberID{"core-1", "core-1", "core-2", "core-3"}, common.Hash{1})
			return err
		},
		"a joiner deals": func() error {
			_, err := council.Rotate(m.holding, m.succession, []council.MemberID{"core-1", "core-2", "core-3", "core-5"}, common.Hash{1})
			return err
		},
		"nothing random": func() error { _, err := council.Rotate(m.holding, m.succession, stay, common.Hash{}); return err },
	} {
		if f() == nil {
			t.Errorf("%s: planned", name)
		}
	}
	for name, change := range map[string]func(*council.Rotation){
		"council":    func(r *council.Rotation) { r.Council[0]++ },
		"succession": func(r *council.Rotation) { r.Succession[0]++ },
		"from":       func(r *council.Rotation) { r.From[0]++ },
		"to":         func(r *council.Rotation) { r.To[0]++ },
		"from epoch": func(r *council.Rotation) { r.FromEpoch++ },
		"to epoch":   func(r *council.Rotation) { r.ToEpoch++ },
		"key":        func(r *council.Rotation) { r.Key[0]++ },
	} {
		r := m.rotation
		change(&r)
		if r.Check(m.holding, m.succession) == nil {
			t.Errorf("%s: passes", name)
		}
		if r.ID() == m.rotation.ID() {
			t.Errorf("%s is not in the id", name)
		}
	}
	if err := m.rotation.Check(m.holding, m.succession); err != nil {
		t.Error(err)
	}
}

// The numbers of the commit rule, for the council and for rosters of other sizes.
func TestLockQuorum(t *testing.T) {
	for _, c := range []struct{ n, t, want int }{
		{7, 4, 5}, {5, 3, 4}, {9, 5, 6}, {13, 7, 8}, {7, 5, 5}, {7, 3, 6}, {3, 2, 3}, {2, 2, 2}, {4, 3, 4},
	} {
		if got := council.LockQuorum(c.n, c.t); got != c.want {
			t.Errorf("%d of %d: %d locks; want %d", c.t, c.n, got, c.want)
		}
	}
	for n := 5; n <= council.MaxMembers; n++ {
		for th := n/2 + 1; th < n; th++ {
			q := council.LockQuorum(n, th)
			if q+th-n < 2 || 2*q-n < 3 || n-q+1 >= th || q > n {
				t.Errorf("%d of %d: %d locks", th, n, q)
			}
			if q > 1 && (q-1)+th-n >= 2 && 2*(q-1)-n >= 3 {
				t.Errorf("%d of %d: %d locks, and %d would do", th, n, q, q-1)
			}
		}
	}
}

// A golden hash changes with every field of what is signed.
func TestRotationSessionsDiffer(t *testing.T) {
	m := newMoving(t)
	if m.try(common.Hash{2}).Session() == m.rotation.Session() {
		t.Error("two tries have one session")
	}
}
