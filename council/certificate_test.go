package council_test

import (
	"bytes"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"pgregory.net/rapid"

	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/internal/testcouncil"
)

// Every rule of the certificate, one violation each, over a certificate that has
// nothing to spare.
func TestCertificateRules(t *testing.T) {
	m := newMoving(t)
	r := m.rotation
	all := m.holding.Roster.IDs()
	other := m.try(common.Hash{2})
	next := m.succession.Roster
	for name, change := range map[string]func(*council.Certificate){
		"four locks":     func(c *council.Certificate) { c.Locks = c.Locks[:4] },
		"a lock twice":   func(c *council.Certificate) { c.Locks[1] = c.Locks[0] },
		"locks unsorted": func(c *council.Certificate) { c.Locks[0], c.Locks[1] = c.Locks[1], c.Locks[0] },
		"a joiner's lock": func(c *council.Certificate) {
			l := m.lock(r, "core-5", false)
			c.Locks[4] = l
		},
		"lock for another try": func(c *council.Certificate) { c.Locks[4] = m.lock(other, "core-4", false) },
		"lock for other Acks": func(c *council.Certificate) {
			l := c.Locks[4]
			l.Acks[0]++
			l, _ = l.Sign(testcouncil.NodeKey("core-4"))
			c.Locks[4] = l
		},
		"lock signed by another": func(c *council.Certificate) {
			l, _ := c.Locks[4].Sign(testcouncil.NodeKey("core-3"))
			c.Locks[4] = l
		},
		"rows changed": func(c *council.Certificate) {
			c.Locks[4].Rows = []council.OpenRow{{Proposal: council.ProposalID{1}, State: council.OpenRevealed}}
		},
		"last-four added": func(c *council.Certificate) { c.Locks[4].LastFour = true },
		"six Acks":        func(c *council.Certificate) { c.Acks = c.Acks[:6] },
		"an Ack twice":    func(c *council.Certificate) { c.Acks[1] = c.Acks[0] },
		"Ack of a leaver": func(c *council.Certificate) {
			c.Acks[6], _ = r.Ack(m.transcript).Sign("core-4", testcouncil.NodeKey("core-4"))
		},
		"Ack of another transcript": func(c *council.Certificate) {
			c.Acks[6], _ = r.Ack(common.Hash{9}).Sign(c.Acks[6].Member, testcouncil.NodeKey(c.Acks[6].Member))
		},
		"another transcript": func(c *council.Certificate) { c.Transcript[0]++ },
		"Ack of another try": func(c *council.Certificate) { c.Acks[6] = m.acks(other)[6] },
		"one test":           func(c *council.Certificate) { c.Tests = c.Tests[:1] },
		"a test twice":       func(c *council.Certificate) { c.Tests = append(c.Tests, c.Tests[0]) },
		"a test of three":    func(c *council.Certificate) { c.Tests[1] = m.test(r, next.IDs()[4:]) },
		"a test with a leaver": func(c *council.Certificate) {
			c.Tests[1] = m.test(r, []council.MemberID{"core-2", "core-3", "core-4", "core-5"})
		},
		"a test of another try":  func(c *council.Certificate) { c.Tests[1] = m.test(other, c.Tests[1].Signers) },
		"a test by another key":  func(c *council.Certificate) { c.Tests[1].Signature[3]++ },
		"a test in other form":   func(c *council.Certificate) { c.Tests[1].Signature[64] += 27 },
		"another council":        func(c *council.Certificate) { c.Rotation.Council[0]++ },
		"another succession":     func(c *council.Certificate) { c.Rotation.Succession[0]++ },
		"another key":            func(c *council.Certificate) { c.Rotation.Key[0]++ },
		"another epoch":          func(c *council.Certificate) { c.Rotation.ToEpoch++ },
		"other dealers":          func(c *council.Certificate) { c.Rotation.Dealers = five[:4] },
		"another random part":    func(c *council.Certificate) { c.Rotation.Random[0]++ },
		"another day":            func(c *council.Certificate) { c.Succession.Effective++ },
		"three approvals":        func(c *council.Certificate) { c.Succession.Approvals = c.Succession.Approvals[:3] },
		"an acceptance missing":  func(c *council.Certificate) { c.Succession.Accepts = c.Succession.Accepts[:1] },
		"no addresses":           func(c *council.Certificate) { c.Succession.Addresses = nil },
		"another member's terms": func(c *council.Certificate) { c.Succession.Roster.Members[0].Term.End-- },
	} {
		c := clone(t, m.certificate(r, m.locks(r, false, five...)...))
		if _, err := council.VerifyCertificate(m.holding, council.Millicent, c); err != nil {
			t.Fatal(err)
		}
		change(&c)
		if s, err := council.VerifyCertificate(m.holding, council.Millicent, c); err == nil || s.Proven() {
			t.Errorf("%s: passes", name)
		}
	}
	for name, locks := range map[string][]council.Lock{
		"four without the word":   m.locks(r, false, five[:4]...),
		"three with the word":     m.locks(r, true, five[:3]...),
		"four, one without":       append(m.locks(r, true, five[:3]...), m.lock(r, "core-3", false)),
		"all seven for one try":   append(m.locks(r, false, all[:6]...), m.lock(other, all[6], false)),
		"five, of which one lies": append(m.locks(r, true, five[:4]...), m.lock(other, "core-4", true)),
	} {
		if _, err := council.VerifyCertificate(m.holding, council.Millicent, m.certificate(r, locks...)); err == nil {
			t.Errorf("%s: passes", name)
		}
	}
	s, err := council.VerifyCertificate(m.holding, council.Millicent, m.certificate(r, m.locks(r, true, five[:4]...)...))
	if err != nil || !s.LastFour() {
		t.Errorf("the last four: %v", err)
	}
	s, err = council.VerifyCertificate(m.holding, council.Millicent, m.certificate(r, m.locks(r, true, five...)...))
	if err != nil || s.LastFour() {
		t.Errorf("five that would do with four: %v", err)
	}
}

// clone takes the certificate through its encoding, as a file or a peer does.
func clone(t testing.TB, c council.Certificate) council.Certificate {
	t.Helper()
	b, err := c.Encode()
	if err != nil {
		t.Fatal(err)
	}
	back, err := council.DecodeCertificate(b)
	if err != nil {
		t.Fatal(err)
	}
	return back
}

// No single bit of a certificate without anything to spare is free.
func TestEveryBitOfACertificateCounts(t *testing.T) {
	m := newMoving(t)
	row := council.OpenRow{Place: council.Place{Chain: 1, Nonce: 4}, Proposal: council.ProposalID{4}, State: council.OpenRevealed}
	locks := m.locks(m.rotation, false, five[1:]...)
	whole, err := m.certificate(m.rotation, append([]council.Lock{m.lock(m.rotation, five[0], false, row)}, locks...)...).Encode()
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(rt *rapid.T) {
		b := bytes.Clone(whole)
		b[rapid.IntRange(0, len(b)-1).Draw(rt, "byte")] ^= 1 << rapid.IntRange(0, 7).Draw(rt, "bit")
		c, err := council.DecodeCertificate(b)
		if err != nil {
			return
		}
		if _, err := council.VerifyCertificate(m.holding, council.Millicent, c); err == nil {
			rt.Fatal("passes")
		}
	})
}

// A certificate in which all signatures are good, for a rotation that is not from
// who holds the key: nothing but the comparison with the holding refuses it.
func TestCertificateForAnotherHolding(t *testing.T) {
	m := newMoving(t)
	for name, change := range map[string]func(*council.Rotation){
		"council":   func(r *council.Rotation) { r.Council[0]++ },
		"epoch":     func(r *council.Rotation) { r.FromEpoch, r.ToEpoch = 2, 3 },
		"skipped":   func(r *council.Rotation) { r.ToEpoch++ },
		"dealers":   func(r *council.Rotation) { r.Dealers = r.Dealers[:3] },
		"no random": func(r *council.Rotation) { r.Random = common.Hash{} },
	} {
		r := m.rotation
		change(&r)
		if _, err := council.VerifyCertificate(m.holding, council.Millicent, m.certificate(r, m.locks(r, false, five...)...)); err == nil {
			t.Errorf("%s: passes", name)
		}
	}
	// A lock whose Acks are these and whose ceremony is another.
	c := m.certificate(m.rotation, m.locks(m.rotation, false, five...)...)
	l := c.Locks[4]
	l.Ceremony = common.Hash{9}
	l, err := l.Sign(testcouncil.NodeKey(l.Member))
	if err != nil {
		t.Fatal(err)
	}
	c.Locks[4] = l
	if _, err := council.VerifyCertificate(m.holding, council.Millicent, c); err == nil {
		t.Error("a lock for another try passes")
	}
}

// An honest node locks for one rotation, or refuses it, never both, and locks for
// one rotation only. Malicious ones do everything. Whatever happens, with one of
// them no rotation is both committed and aborted; with two, no two are committed.
func TestCommitRuleAmongTraitors(t *testing.T) {
	m := newMoving(t)
	all := m.holding.Roster.IDs()
	tries := []council.Rotation{m.rotation, m.try(common.Hash{2})}
	locks, refusals := map[council.MemberID][2]council.Lock{}, map[council.MemberID][2]council.Refusal{}
	for _, id := range all {
		locks[id] = [2]council.Lock{m.lock(tries[0], id, false), m.lock(tries[1], id, false)}
		refusals[id] = [2]council.Refusal{m.refusal(tries[0].ID(), id), m.refusal(tries[1].ID(), id)}
	}
	bare := [2]council.Certificate{m.certificate(tries[0]), m.certificate(tries[1])}
	seen := map[string]int{}
	rapid.Check(t, func(rt *rapid.T) {
		traitors := rapid.IntRange(0, 2).Draw(rt, "traitors")
		order := rapid.Permutation(all).Draw(rt, "order")
		first := rapid.IntRange(0, 1).Draw(rt, "most lock for")
		var locked, refused [2][]council.MemberID
		var forks []council.MemberID
		for i, id := range order {
			if i < traitors {
				for k := range tries {
					locked[k], refused[k] = append(locked[k], id), append(refused[k], id)
				}
				if rapid.Bool().Draw(rt, "shows its fork instead") {
					refused[0], refused[1] = refused[0][:len(refused[0])-1], refused[1][:len(refused[1])-1]
					forks = append(forks, id)
				}
				continue
			}
			switch rapid.IntRange(0, 4).Draw(rt, "does") {
			case 0, 1: // locks for the one, and may refuse the other
				locked[first] = append(locked[first], id)
				if rapid.Bool().Draw(rt, "refuses the other") {
					refused[1-first] = append(refused[1-first], id)
				}
			case 2:
				locked[1-first] = append(locked[1-first], id)
			case 3:
				refused[0], refused[1] = append(refused[0], id), append(refused[1], id)
			}
		}
		var commits, aborts [2]bool
		for k := range tries {
			c := bare[k]
			for _, id := range council.Sorted(locked[k]) {
				c.Locks = append(c.Locks, locks[id][k])
			}
			_, err := council.VerifyCertificate(m.holding, council.Millicent, c)
			commits[k] = err == nil
			a := council.AbortCertificate{Subject: tries[k].ID()}
			for _, id := range council.Sorted(refused[k]) {
				a.Refusals = append(a.Refusals, refusals[id][k])
			}
			for _, id := range council.Sorted(forks) {
				a.Forks = append(a.Forks, council.Fork{First: locks[id][0], Second: locks[id][1]})
			}
			_, err = council.VerifyAbort(m.holding, a)
			aborts[k] = err == nil
			if commits[k] {
				seen["commit"]++
			}
			if aborts[k] {
				seen["abort"]++
			}
			if traitors <= 1 && commits[k] && aborts[k] {
				rt.Fatalf("rotation %d is committed and aborted with %d traitors", k, traitors)
			}
		}
		if commits[0] && commits[1] {
			rt.Fatalf("both rotations are committed with %d traitors", traitors)
		}
	})
	if seen["commit"] == 0 || seen["abort"] == 0 {
		t.Errorf("seen %v", seen)
	}
}

func FuzzDecodeCertificate(f *testing.F) {
	m := newMoving(f)
	b, err := m.certificate(m.rotation, m.locks(m.rotation, false, five...)...).Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := council.DecodeCertificate(b)
		if err != nil {
			return
		}
		if again, err := c.Encode(); err != nil || !bytes.Equal(again, b) {
			t.Fatalf("read and written differently (%v)", err)
		}
		_, _ = council.VerifyCertificate(m.holding, council.Millicent, c)
	})
}

func FuzzDecodeAbort(f *testing.F) {
	m := newMoving(f)
	c := council.AbortCertificate{Subject: m.rotation.ID()}
	for _, id := range five[:4] {
		c.Refusals = append(c.Refusals, m.refusal(m.rotation.ID(), id))
	}
	b, err := c.Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := council.DecodeAbort(b)
		if err != nil {
			return
		}
		if again, err := c.Encode(); err != nil || !bytes.Equal(again, b) {
			t.Fatalf("read and written differently (%v)", err)
		}
		_, _ = council.VerifyAbort(m.holding, c)
	})
}
