package council_test

import (
	"bytes"
	"slices"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/internal/testcouncil"
)

// resign signs what no honest node would.
func resign(t *testing.T, p council.Purpose, id common.Hash, who council.MemberID) []byte {
	t.Helper()
	sig, err := testcouncil.NodeKey(who).SignNode(p, id[:])
	if err != nil {
		t.Fatal(err)
	}
	return sig
}

func TestAbortRules(t *testing.T) {
	m := newMoving(t)
	r, other := m.rotation, m.try(common.Hash{2})
	refusals := func(subject common.Hash, ids ...council.MemberID) []council.Refusal {
		var out []council.Refusal
		for _, id := range ids {
			out = append(out, m.refusal(subject, id))
		}
		return out
	}
	verify := func(subject common.Hash, x ...council.Refusal) (council.Abandoned, error) {
		return council.VerifyAbort(m.holding, council.AbortCertificate{Subject: subject, Refusals: x})
	}
	a, err := verify(r.ID(), refusals(r.ID(), five[:4]...)...)
	if err != nil || !a.Proven() || a.Subject() != r.ID() || !slices.Equal(a.Refused(), five[:4]) {
		t.Fatalf("%+v, %v", a, err)
	}
	if !a.Ends(r) || a.Ends(other) || (council.Abandoned{}).Ends(council.Rotation{}) {
		t.Error("the end of one try ends another")
	}
	if a, err := verify(r.Succession, refusals(r.Succession, five[:4]...)...); err != nil || !a.Ends(r) || !a.Ends(other) {
		t.Errorf("the end of the succession does not end all tries: %v", err)
	}
	changed := refusals(r.ID(), five[:4]...)
	changed[3].Reason = "another"
	long := refusals(r.ID(), five[:4]...)
	long[3].Reason = string(make([]byte, council.MaxReason+1))
	long[3].Sig = resign(t, council.PurposeRefusal, long[3].ID(), five[3])
	for name, x := range map[string][]council.Refusal{
		"three":          refusals(r.ID(), five[:3]...),
		"one twice":      append(refusals(r.ID(), five[:3]...), m.refusal(r.ID(), five[2])),
		"unsorted":       append(refusals(r.ID(), five[3]), refusals(r.ID(), five[:3]...)...),
		"a joiner":       append(refusals(r.ID(), five[:3]...), m.refusal(r.ID(), "core-5")),
		"another try":    append(refusals(r.ID(), five[:3]...), m.refusal(other.ID(), five[3])),
		"try and all":    append(refusals(r.ID(), five[:3]...), m.refusal(r.Succession, five[3])),
		"changed words":  changed,
		"too many words": long,
	} {
		if _, err := verify(r.ID(), x...); err == nil {
			t.Errorf("%s: passes", name)
		}
	}
	if _, err := verify(common.Hash{}, refusals(common.Hash{}, five[:4]...)...); err == nil {
		t.Error("nothing is aborted")
	}
	// Who locks on both sides of a cut counts, whatever it says.
	fork := func(id council.MemberID) council.Fork {
		return council.Fork{First: m.lock(r, id, false), Second: m.lock(other, id, false)}
	}
	after := fork(five[3]) // an honest one, that has locked again after an abort
	after.Second.After = after.First.ID()
	after.Second.Sig = resign(t, council.PurposeLock, after.Second.ID(), five[3])
	four := fork(five[3]) // one that has given its word for the last four
	four.Second = m.lock(r, five[3], true)
	two := fork(five[3])
	two.Second = m.lock(other, five[2], false)
	unsigned := fork(five[3])
	unsigned.Second.Sig = unsigned.First.Sig
	for name, x := range map[string]struct {
		forks []council.Fork
		good  bool
	}{
		"a fork": {[]council.Fork{fork(five[3])}, true}, "one that has refused, too": {[]council.Fork{fork(five[2])}, false},
		"an honest one": {[]council.Fork{after}, false}, "one try": {[]council.Fork{four}, false}, "two members": {[]council.Fork{two}, false},
		"unsigned": {[]council.Fork{unsigned}, false}, "twice": {[]council.Fork{fork(five[3]), fork(five[3])}, false},
	} {
		a, err := council.VerifyAbort(m.holding, council.AbortCertificate{Subject: r.ID(), Refusals: refusals(r.ID(), five[:3]...), Forks: x.forks})
		if (err == nil) != x.good || x.good && len(a.Refused()) != 4 {
			t.Errorf("three refusals and %s: %v", name, err)
		}
	}
	b, err := council.AbortCertificate{Subject: r.ID(), Refusals: refusals(r.ID(), five[:4]...)}.Encode()
	if err != nil {
		t.Fatal(err)
	}
	back, err := council.DecodeAbort(b)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := verify(back.Subject, back.Refusals...); err != nil {
		t.Error(err)
	}
}

func TestErasureNeedsTheCertificate(t *testing.T) {
	m := newMoving(t)
	if _, err := (council.Switch{}).Erasure("core-1"); err == nil {
		t.Error("erased without a certificate")
	}
	s, err := council.VerifyCertificate(m.holding, council.Millicent, m.certificate(m.rotation, m.locks(m.rotation, false, five...)...))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Erasure("core-5"); err == nil {
		t.Error("a joiner erases what it never had")
	}
	e, err := s.Erasure("core-4")
	if err != nil {
		t.Fatal(err)
	}
	signed, err := e.Sign(testcouncil.NodeKey("core-4"))
	if err != nil {
		t.Fatal(err)
	}
	if err := signed.Verify(s); err != nil {
		t.Error(err)
	}
	other := signed
	other.Ceremony[0]++ // a good signature, about another rotation
	other.Sig = resign(t, council.PurposeErasure, other.ID(), "core-4")
	if other.Verify(s) == nil {
		t.Error("a statement about another rotation passes")
	}
	for name, change := range map[string]func(*council.Erasure){
		"epoch":  func(e *council.Erasure) { e.Epoch++ },
		"member": func(e *council.Erasure) { e.Member = "core-3" },
		"try":    func(e *council.Erasure) { e.Ceremony[0]++ },
		"sig":    func(e *council.Erasure) { e.Sig[0]++ },
	} {
		x := signed
		x.Sig = bytes.Clone(signed.Sig)
		change(&x)
		if x.Verify(s) == nil {
			t.Errorf("%s: passes", name)
		}
	}
}
