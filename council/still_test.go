package council_test

import (
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/internal/testcouncil"
)

// newStill is a rotation that moves no share: the term of core-1 is made shorter.
func newStill(t testing.TB) *moving {
	t.Helper()
	m := newMoving(t)
	m.succession = step(t, m.holding.Roster, turn, nil, seat(t, "core-1", "core-1", "core-1", testcouncil.TermStart, turn+9))
	agree(t, &m.succession, m.holding.Roster, "community-1", "core-1", "core-2", "core-4")
	m.dealers = nil
	m.rotation = m.try(council.StillTry(1))
	return m
}

// still is its certificate: Locks, and nothing else.
func (m *moving) still(r council.Rotation, four bool, ids ...council.MemberID) council.Certificate {
	c := council.Certificate{Succession: m.succession, Rotation: r}
	for _, id := range ids {
		l := r.Lock(id, common.Hash{})
		l.LastFour = four
		l, err := l.Sign(testcouncil.NodeKey(id))
		if err != nil {
			m.t.Fatal(err)
		}
		c.Locks = append(c.Locks, l)
	}
	return c
}

// The next roster takes over under the same epoch, by the Locks alone. The share that
// its members have is the one in use: nobody can say that it is erased.
func TestStillRotationCommits(t *testing.T) {
	m := newStill(t)
	s, err := council.VerifyCertificate(m.holding, council.Millicent, clone(t, m.still(m.rotation, false, five...)))
	if err != nil {
		t.Fatal(err)
	}
	if next := s.After(); next.Epoch != m.holding.Epoch || next.Roster.Version != 2 || next.Key != m.holding.Key || !s.Rotation().Still() {
		t.Errorf("ends with %+v", next)
	}
	if _, err := s.Erasure("core-1"); err == nil {
		t.Error("a share that is in use may be erased")
	}
	forged, err := council.Erasure{Member: "core-1", Council: m.holding.Council, Ceremony: s.Ceremony(), Epoch: 1}.Sign(testcouncil.NodeKey("core-1"))
	if err != nil || forged.Verify(s) == nil {
		t.Errorf("a statement of it is believed, %v", err)
	}
	if s, err := council.VerifyCertificate(m.holding, council.Millicent, m.still(m.rotation, true, five[:4]...)); err != nil || !s.LastFour() {
		t.Errorf("the last four: %v", err)
	}
	// What was signed under the roster before is worth nothing under the next one, though
	// the epoch is the same.
	next := s.After()
	if _, err := council.VerifyCertificate(next, council.Millicent, m.still(m.rotation, false, five...)); err == nil {
		t.Error("committed twice")
	}
	if l := m.still(m.rotation, false, "core-1").Locks[0]; l.Verify(next) == nil {
		t.Error("a lock counts under the next roster")
	}
}

// A still rotation shows exactly its Locks, and anyone can name each try.
func TestStillRotationRules(t *testing.T) {
	m := newStill(t)
	whole := newMoving(t)
	for name, change := range map[string]func(*council.Certificate){
		"four locks":   func(c *council.Certificate) { c.Locks = c.Locks[:4] },
		"an Ack":       func(c *council.Certificate) { c.Acks = m.acks(m.rotation)[:1] },
		"all Acks":     func(c *council.Certificate) { c.Acks = m.acks(m.rotation) },
		"a test":       func(c *council.Certificate) { c.Tests = append(c.Tests, m.test(m.rotation, stay)) },
		"a transcript": func(c *council.Certificate) { c.Transcript = m.transcript },
		"locks for Acks": func(c *council.Certificate) {
			for i, id := range five {
				c.Locks[i] = m.lock(m.rotation, id, false)
			}
		},
		"another try": func(c *council.Certificate) { c.Rotation.Random = council.StillTry(2) },
		"the next epoch": func(c *council.Certificate) {
			r := m.rotation
			r.ToEpoch++
			*c = m.still(r, false, five...)
		},
		"dealers": func(c *council.Certificate) {
			r := m.rotation
			r.Dealers = stay
			*c = m.still(r, false, five...)
		},
		"a random part that is no number": func(c *council.Certificate) {
			r := m.rotation
			r.Random = common.Hash{1}
			*c = m.still(r, false, five...)
		},
		"for a succession that moves shares": func(c *council.Certificate) {
			r := whole.rotation
			r.Dealers, r.ToEpoch, r.Random = nil, r.FromEpoch, council.StillTry(1)
			*c = whole.still(r, false, five...)
		},
	} {
		c := clone(t, m.still(m.rotation, false, five...))
		change(&c)
		if s, err := council.VerifyCertificate(m.holding, council.Millicent, c); err == nil || s.Proven() {
			t.Errorf("%s: passes", name)
		}
	}
	for name, random := range map[string]common.Hash{"no number": {}, "a hash": {1}} {
		if _, err := council.Rotate(m.holding, m.succession, nil, random); err == nil {
			t.Errorf("%s: planned", name)
		}
	}
}

// Nothing changes but the shares: a rotation as any other, to the same members.
func TestRefresh(t *testing.T) {
	m := newMoving(t)
	m.succession = step(t, m.holding.Roster, turn, nil)
	agree(t, &m.succession, m.holding.Roster, "community-1", "core-1", "core-2", "core-4")
	m.rotation = m.try(common.Hash{1})
	s, err := council.VerifyCertificate(m.holding, council.Millicent, m.certificate(m.rotation, m.locks(m.rotation, false, five...)...))
	if err != nil {
		t.Fatal(err)
	}
	if next := s.After(); next.Epoch != 2 || next.Roster.Version != 2 || next.Key != m.holding.Key {
		t.Errorf("ends with %+v", next)
	}
	if _, err := s.Erasure("core-1"); err != nil {
		t.Errorf("the old share may not go: %v", err)
	}
	if _, err := council.VerifyCertificate(m.holding, council.Millicent, m.still(m.rotation, false, five...)); err == nil {
		t.Error("committed without new shares")
	}
}
