package council_test

import (
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"pgregory.net/rapid"

	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/internal/testcouncil"
)

// both hold a share before the first of two rotations in a row, and before the
// second.
var both = []council.MemberID{"community-1", "community-3", "core-1", "core-2", "core-3"}

// next is the rotation after this one has committed: core-3 leaves, core-6 joins.
func (m *moving) next() *moving {
	m.t.Helper()
	s, err := council.VerifyCertificate(m.holding, council.Millicent, m.certificate(m.rotation, m.locks(m.rotation, false, five...)...))
	if err != nil {
		m.t.Fatal(err)
	}
	n := &moving{t: m.t, key: m.key, transcript: common.Hash{0x78}, holding: s.After(), dealers: []council.MemberID{"community-1", "core-1", "core-2", "core-5"}}
	old := n.holding.Roster
	n.succession = step(m.t, old, turn+1000, []council.MemberID{"core-3"}, seat(m.t, "core-6", "core-6", "core-6", turn+1000, turn+9000))
	agree(m.t, &n.succession, old, n.dealers...)
	n.rotation = n.try(common.Hash{1})
	return n
}

// Books are kept for each share epoch, so what an honest member signs first in a
// rotation and first in the one after it both follow nothing. That is no fork, in
// neither order and before neither holding; and no number of such pairs aborts
// anything, least of all the rotation that is committed.
func TestTwoRotationsInARowAreNoFork(t *testing.T) {
	one := newMoving(t)
	two := one.next()
	pairs := map[council.MemberID]council.Fork{}
	for _, id := range both {
		pairs[id] = council.Fork{First: one.lock(one.rotation, id, false), Second: two.lock(two.rotation, id, false)}
	}
	subjects := []common.Hash{one.rotation.ID(), one.rotation.Succession, two.rotation.ID(), two.rotation.Succession, {0x5b}}
	rapid.Check(t, func(rt *rapid.T) {
		c := council.AbortCertificate{Subject: rapid.SampledFrom(subjects).Draw(rt, "subject")}
		for _, id := range council.Sorted(rapid.Permutation(both).Draw(rt, "who")[:rapid.IntRange(4, 5).Draw(rt, "forks")]) {
			f := pairs[id]
			if rapid.Bool().Draw(rt, "turned") {
				f.First, f.Second = f.Second, f.First
			}
			c.Forks = append(c.Forks, f)
		}
		for _, m := range []*moving{one, two} {
			for _, f := range c.Forks {
				if f.Verify(m.holding) == nil {
					rt.Fatalf("%s is convicted before epoch %d", f.First.Member, m.holding.Epoch)
				}
			}
			if a, err := council.VerifyAbort(m.holding, c); err == nil {
				rt.Fatalf("%s is aborted before epoch %d", a.Subject(), m.holding.Epoch)
			}
		}
	})
}

// A Lock whose signature is good counts for the one share that it names: alone, in
// a certificate, in a fork and in an abort certificate.
func TestLockOfAnotherShare(t *testing.T) {
	m := newMoving(t)
	r, other := m.rotation, m.try(common.Hash{2})
	for name, c := range map[string]struct {
		change func(*council.Lock)
		good   bool
	}{
		"this one":        {func(*council.Lock) {}, true},
		"another council": {func(l *council.Lock) { l.Council[0]++ }, false},
		"another roster":  {func(l *council.Lock) { l.Roster[0]++ }, false},
		"the new roster":  {func(l *council.Lock) { l.Roster = r.To }, false},
		"the epoch after": {func(l *council.Lock) { l.Epoch++ }, false},
		"no epoch":        {func(l *council.Lock) { l.Epoch = 0 }, false},
	} {
		lock := func(r council.Rotation, id council.MemberID) council.Lock {
			l := m.lock(r, id, false)
			c.change(&l)
			l, err := l.Sign(testcouncil.NodeKey(id))
			if err != nil {
				t.Fatal(err)
			}
			return l
		}
		fork := func(id council.MemberID) council.Fork {
			return council.Fork{First: lock(r, id), Second: lock(other, id)} // agree with each other
		}
		half := council.Fork{First: m.lock(r, "core-1", false), Second: lock(other, "core-1")}
		whole := m.certificate(r, m.locks(r, false, five...)...)
		whole.Locks[4] = lock(r, five[4])
		abort := council.AbortCertificate{Subject: r.ID()}
		for _, id := range five[:4] {
			abort.Forks = append(abort.Forks, fork(id))
		}
		_, commits := council.VerifyCertificate(m.holding, council.Millicent, whole)
		_, aborts := council.VerifyAbort(m.holding, abort)
		for what, err := range map[string]error{
			"a lock": lock(r, "core-1").Verify(m.holding), "a fork": fork("core-1").Verify(m.holding), "half a fork": half.Verify(m.holding),
			"a certificate": commits, "an abort certificate": aborts,
		} {
			if (err == nil) != c.good {
				t.Errorf("%s of %s: %v", what, name, err)
			}
		}
	}
}
