package tss_test

import (
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/internal/testcouncil"
	"github.com/millicent-one/signer/tss"
)

// oneUnsafe are pre-parameters with an NTilde of two primes of which one is not
// safe. The bases and the proofs for them are as good as any, so nothing shows in
// the rounds: neither to others, nor to the own engine.
func oneUnsafe(t *testing.T) *tss.PreParams {
	t.Helper()
	s := testcouncil.Shares(t)[4] // whose moduli have served no other session of these tests
	d := s.Data()
	compose(d, s.Index(), &d.P, func(p *big.Int) bool {
		safe := new(big.Int).Lsh(p, 1)
		return composite(p) && !composite(safe.SetBit(safe, 0, 1))
	})
	return s.OwnPreParams()
}

// refused checks that alice's session has ended with this reason, in the round in
// which a share would have come of it, and with none.
func refused(t *testing.T, s *tss.Session, died error, round tss.Round, why string) {
	t.Helper()
	b := blamed(t, died)
	if b.Round != round || b.Proven || !slices.Equal(b.Suspects, []council.MemberID{mallory}) || !strings.Contains(b.Err.Error(), why) {
		t.Errorf("%v; want %q in %s", b, why, round)
	}
	if s.Done() || s.Keeps() {
		t.Error("the session is done, or keeps what it was made of")
	}
}

// TestKeygenEndsWithTheAudit generates a key with numbers of alice's that no round
// looks at. Mallory, who sees nothing of them, has a share; alice has none.
func TestKeygenEndsWithTheAudit(t *testing.T) {
	t.Parallel()
	id := council.SessionID{3}
	sessions := generators(t, id, two)
	var err error
	if sessions[0], err = tss.NewKeygen(tss.KeygenConfig{
		Session: id, Self: honest, Members: two, Threshold: 2, Epoch: 1, Params: oneUnsafe(t),
	}); err != nil {
		t.Fatal(err)
	}
	n := network{errs: map[council.MemberID]error{}}
	results, err := n.run(sessions)
	if err != nil {
		t.Fatal(err)
	}
	refused(t, sessions[0], n.errs[honest], tss.KeygenRound3, "p is not prime")
	if results[0].Share != nil || results[1].Share == nil || n.errs[mallory] != nil {
		t.Errorf("shares: alice %v, mallory %v (%v)", results[0].Share, results[1].Share, n.errs[mallory])
	}
}

// TestReshareEndsWithTheAudit does the same in a resharing.
func TestReshareEndsWithTheAudit(t *testing.T) {
	t.Parallel()
	sessions := reshare(t, pair(t), two, two, council.SessionID{25}, []*tss.PreParams{oneUnsafe(t), unused(t)[1]}, nil)
	n := network{errs: map[council.MemberID]error{}}
	results, err := n.run(sessions)
	if err != nil {
		t.Fatal(err)
	}
	refused(t, sessions[0], n.errs[honest], tss.ReshareRound4Factors, "p is not prime")
	if results[0].Share != nil || results[1].Share == nil || n.errs[mallory] != nil {
		t.Errorf("shares: alice %v, mallory %v (%v)", results[0].Share, results[1].Share, n.errs[mallory])
	}
}

// TestReshareEndsWithTheKey lets mallory deal another key, with a secret that fits
// it, to an alice whose guard believes her: the engine does, too, and the share that
// comes of it is sound. It is of another key, so it is none.
func TestReshareEndsWithTheKey(t *testing.T) {
	t.Parallel()
	shares := pair(t)
	f := find(reshareForgeries(pairOnce.reshare), "another key, and a secret that fits it")
	s := resharers(t, shares, two, two, recordedDeal)[0]
	s.BelieveDealers()
	died := against(t, s, pairOnce.reshare, reshareWorld(shares, unused(t), pairOnce.reshare).changes(t, f))
	refused(t, s, died, tss.ReshareRound4Factors, "the shares are of another key")
}
