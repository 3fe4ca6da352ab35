package tss_test

import (
	"errors"
	"math/big"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	ecrypto "github.com/bnb-chain/tss-lib/v2/crypto"
	"github.com/bnb-chain/tss-lib/v2/ecdsa/resharing"
	engine "github.com/bnb-chain/tss-lib/v2/tss"

	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/internal/testcouncil"
	"github.com/millicent-one/signer/tss"
)

// heirs are the shares that a resharing has made, sorted by owner.
func heirs(t testing.TB, n *network, sessions []*tss.Session) []*tss.Share {
	t.Helper()
	results, err := n.run(sessions)
	if err != nil {
		t.Fatal(err)
	}
	var out []*tss.Share
	for i, r := range results {
		if sessions[i].Broadcasts() != sessions[0].Broadcasts() {
			t.Errorf("%s has another transcript than %s", sessions[i].Self(), sessions[0].Self())
		}
		if r.Share != nil {
			out = append(out, r.Share)
		}
	}
	return out
}

// signAs lets a subset sign, and finds the key.
func signAs(t testing.TB, shares []*tss.Share, subset []council.MemberID, ceremony common.Hash) common.Address {
	t.Helper()
	p := permit(subset, ceremony)
	results, err := testcouncil.Run(signers(t, shares, subset, ceremony))
	if err != nil {
		t.Fatal(err)
	}
	who, err := council.Recover(p.Digest(), results[0].Signature.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	return who
}

// TestReshareOfTwo takes the smallest council through three epochs, in any order
// of messages: one leaves and two come, then all stay
// and the shares are new, then nobody stays. The key is the same all the way,
// the shares that were dealt from are untouched, and each epoch signs.
func TestReshareOfTwo(t *testing.T) {
	t.Parallel()
	shares := pair(t)
	key := shares[0].Address()
	rng := rand.New(rand.NewPCG(5, 6))
	for i, step := range []struct{ dealers, members []council.MemberID }{
		{two, []council.MemberID{"alice", "bob", "carol"}},
		{[]council.MemberID{"bob", "carol"}, []council.MemberID{"alice", "bob", "carol"}},
		{[]council.MemberID{"alice", "carol"}, []council.MemberID{"dave", "erin"}},
	} {
		before := stored(t, shares)
		var pre []*tss.PreParams
		if i > 0 { // the sets of unused have served
			for range step.members {
				p, err := tss.GeneratePreParams(t.Context(), tss.PreParamsOptions{})
				if err != nil {
					t.Fatal(err)
				}
				pre = append(pre, p)
			}
		}
		n := network{pick: rng.IntN}
		next := heirs(t, &n, reshare(t, shares, step.dealers, step.members, council.SessionID{20, byte(i)}, pre, nil))
		if len(next) != len(step.members) {
			t.Fatalf("%d shares for %v", len(next), step.members)
		}
		for k, b := range stored(t, shares) {
			if !slices.Equal(b, before[k]) {
				t.Errorf("step %d changed the old share of %s", i, shares[k].Self())
			}
		}
		public := next[0].Public()
		for k, s := range next {
			if s.Self() != step.members[k] || s.Epoch() != shares[0].Epoch()+1 || s.Threshold() != 2 || s.Address() != key {
				t.Errorf("step %d: %s's share is of epoch %d and %s", i, s.Self(), s.Epoch(), s.Address())
			}
			if s.Public().Hash() != public.Hash() {
				t.Errorf("step %d: %s knows other public numbers than %s", i, s.Self(), next[0].Self())
			}
			for _, old := range shares {
				for _, m := range old.Moduli() {
					if slices.Contains(s.Moduli(), m) {
						t.Errorf("step %d: a modulus serves two epochs", i)
					}
				}
			}
		}
		if got := signAs(t, next, step.members[len(step.members)-2:], common.Hash{20, byte(i)}); got != key {
			t.Errorf("step %d: epoch %d signs as %s; the key is %s", i, public.Epoch(), got, key)
		}
		shares = next
	}
}

// TestReshareOfTheCouncil replaces two of seven. One of the four dealers leaves,
// one other leaver and one who stays do not deal at all.
func TestReshareOfTheCouncil(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("takes half a minute")
	}
	shares := testcouncil.Shares(t)
	ids := testcouncil.IDs()
	dealers := []council.MemberID{ids[0], ids[2], ids[3], ids[5]}
	members := council.Sorted(append(without(ids, []council.MemberID{ids[0], ids[6]}), "community-4", "core-5"))
	sessions := resharers(t, shares, dealers, members, council.SessionID{21})
	results, err := testcouncil.Run(sessions)
	if err != nil {
		t.Fatal(err)
	}
	var next []*tss.Share
	for i, r := range results {
		if (r.Share != nil) != slices.Contains(members, sessions[i].Self()) {
			t.Errorf("%s: a share: %v", sessions[i].Self(), r.Share != nil)
		}
		if r.Share != nil {
			next = append(next, r.Share)
		}
		if len(sessions[i].Moduli()) != 2*len(members) {
			t.Errorf("%s has heard %d moduli", sessions[i].Self(), len(sessions[i].Moduli()))
		}
	}
	for _, subset := range [][]council.MemberID{members[:4], members[3:]} {
		if got := signAs(t, next, subset, common.Hash{21, byte(len(subset[0]))}); got != shares[0].Address() {
			t.Errorf("%v sign as %s; the key is %s", subset, got, shares[0].Address())
		}
	}
}

// TestReshareRefuses does not begin what can't end well.
func TestReshareRefuses(t *testing.T) {
	t.Parallel()
	shares := pair(t)
	good := func() tss.ReshareConfig {
		return tss.ReshareConfig{
			Session: council.SessionID{22}, Self: honest, Dealers: two, Public: shares[0].Public(), Share: shares[0],
			Members: []council.MemberID{honest, "bob"}, Threshold: 2, Epoch: 2, Params: unused(t)[0],
		}
	}
	if _, err := tss.NewReshare(good()); err != nil {
		t.Fatal(err)
	}
	used := unused(t)[0]
	c := good()
	c.Params = used
	if _, err := tss.NewReshare(c); err != nil {
		t.Fatal(err)
	}
	seen := tss.Seen{}
	n := used.Secrets().PaillierSK.N
	seen.Add(tss.ModulusHash(n))
	for name, row := range map[string]struct {
		change func(*tss.ReshareConfig)
		want   string
	}{
		"no public numbers":        {func(c *tss.ReshareConfig) { c.Public = nil }, "public numbers are missing"},
		"no dealers":               {func(c *tss.ReshareConfig) { c.Dealers = nil }, "no members"},
		"no members":               {func(c *tss.ReshareConfig) { c.Members = nil }, "no members"},
		"one member":               {func(c *tss.ReshareConfig) { c.Members = two[:1] }, "1 members"},
		"unsorted":                 {func(c *tss.ReshareConfig) { c.Members = []council.MemberID{"bob", honest} }, "not sorted"},
		"dealers twice":            {func(c *tss.ReshareConfig) { c.Dealers = []council.MemberID{honest, honest} }, "not sorted"},
		"three dealers":            {func(c *tss.ReshareConfig) { c.Dealers = []council.MemberID{honest, mallory, "zoe"} }, "3 dealers"},
		"a dealer without a share": {func(c *tss.ReshareConfig) { c.Dealers = []council.MemberID{honest, "zoe"} }, "holds no share"},
		"threshold 1":              {func(c *tss.ReshareConfig) { c.Threshold = 1 }, "threshold 1"},
		"threshold 3 of 2":         {func(c *tss.ReshareConfig) { c.Threshold = 3 }, "threshold 3"},
		"the same epoch":           {func(c *tss.ReshareConfig) { c.Epoch = 1 }, "does not follow"},
		"the old session":          {func(c *tss.ReshareConfig) { c.Session = pairOnce.session }, "made the old shares"},
		"on neither side":          {func(c *tss.ReshareConfig) { c.Self = "zoe" }, "neither side"},
		"no share":                 {func(c *tss.ReshareConfig) { c.Share = nil }, "needs its share"},
		"another's share":          {func(c *tss.ReshareConfig) { c.Share = shares[1] }, "not alice's"},
		"a share of another epoch": {func(c *tss.ReshareConfig) { c.Share = testcouncil.Shares(t)[0] }, "not alice's"},
		"an heir with a share": {func(c *tss.ReshareConfig) {
			c.Self, c.Params = "bob", unused(t)[1]
		}, "brings no share"},
		"a leaver with parameters": {func(c *tss.ReshareConfig) { c.Self, c.Share = mallory, shares[1] }, "brings no pre-parameters"},
		"no parameters":            {func(c *tss.ReshareConfig) { c.Params = nil }, "missing"},
		"spent parameters":         {func(c *tss.ReshareConfig) { c.Params = used }, "have been used"},
		"parameters of an attempt": {func(c *tss.ReshareConfig) { c.Seen = seen }, "earlier attempt"},
		"parameters of the share":  {func(c *tss.ReshareConfig) { c.Params = shares[0].OwnPreParams() }, "earlier attempt"},
	} {
		c := good()
		row.change(&c)
		if _, err := tss.NewReshare(c); err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: %v; want %q", name, err, row.want)
		}
	}
}

// TestReshareHearsItsSides drops what a member says in a round that is not for
// its side: a leaver is no heir, and a joiner deals nothing.
func TestReshareHearsItsSides(t *testing.T) {
	t.Parallel()
	sessions := resharers(t, pair(t), two, []council.MemberID{honest, "bob"}, council.SessionID{23})
	alice, bob := sessions[0], sessions[1]
	for _, m := range []tss.Message{
		{From: mallory, Round: tss.ReshareRound2Ready},
		{From: mallory, Round: tss.ReshareRound2},
		{From: mallory, Round: tss.ReshareRound4Done},
		{From: mallory, Round: tss.ReshareRound4Factors, To: honest},
		{From: "bob", Round: tss.ReshareRound1},
		{From: "bob", Round: tss.ReshareRound3Decommit},
		{From: "bob", Round: tss.ReshareRound3Share, To: honest},
	} {
		m.Session = alice.ID()
		if r, err := alice.Step(m); err != nil || !errors.Is(r.Dropped, tss.ErrStranger) {
			t.Errorf("%s by %s: %v, %v", m.Round, m.From, r.Dropped, err)
		}
	}
	leaver := sessions[2]
	for _, r := range []tss.Round{tss.ReshareRound3Share, tss.ReshareRound4Factors} {
		m := tss.Message{Session: leaver.ID(), From: honest, To: mallory, Round: r}
		if r, err := leaver.Step(m); err != nil || !errors.Is(r.Dropped, tss.ErrMisrouted) {
			t.Errorf("%s to a leaver: %v, %v", m.Round, r.Dropped, err)
		}
	}
	if bob.Round() != 0 || bob.Keeps() == false {
		t.Error("bob has begun")
	}
}

// movedDeal deals another secret than the own share: the polynomial 2 + x, with
// commitment, opening and alice's part of it that fit each other.
func movedDeal(session council.SessionID) func(c engine.MessageContent) {
	g := ecrypto.ScalarBaseMult(engine.S256(), big.NewInt(1))
	zero := ecrypto.ScalarBaseMult(engine.S256(), big.NewInt(2))
	opening := [][]byte{ones(32), zero.X().Bytes(), zero.Y().Bytes(), g.X().Bytes(), g.Y().Bytes()}
	return func(c engine.MessageContent) {
		switch m := c.(type) {
		case *resharing.DGRound1Message:
			m.VCommitment = sealed(opening)
		case *resharing.DGRound3Message1:
			part := new(big.Int).Add(tss.PartyKey(session, honest), big.NewInt(2))
			m.Share = part.Mod(part, q).Bytes()
		case *resharing.DGRound3Message2:
			m.VDecommitment = opening
		}
	}
}

// TestTraitorDeals lets a dealer, and an heir, lie in a resharing: who did it is
// named, nobody else is, and the old shares sign as before.
func TestTraitorDeals(t *testing.T) {
	t.Parallel()
	for i, row := range []struct {
		name   string
		lie    func(engine.MessageContent)
		round  tss.Round
		proven bool
	}{
		{"another secret", movedDeal(council.SessionID{24, 0}), tss.ReshareRound3Decommit, true},
		{"a share that is not on the polynomial", func(c engine.MessageContent) {
			if m, ok := c.(*resharing.DGRound3Message1); ok {
				m.Share = plus(m.Share[1:], big.NewInt(1))
			}
		}, tss.ReshareRound3Decommit, false},
		{"proofs of another's numbers", func(c engine.MessageContent) {
			if m, ok := c.(*resharing.DGRound2Message1); ok {
				m.Dlnproof_1, m.Dlnproof_2 = m.Dlnproof_2, m.Dlnproof_1
			}
		}, tss.ReshareRound3Decommit, false},
		{"a false factor proof", func(c engine.MessageContent) {
			if m, ok := c.(*resharing.DGRound4Message1); ok {
				m.FacProof[4][9] ^= 1
			}
		}, tss.ReshareRound4Done, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			shares := pair(t)
			before := stored(t, shares)
			n := network{liar: mallory, deaf: mallory, errs: map[council.MemberID]error{}, change: func(m *tss.Message, to council.MemberID) {
				if m.From == mallory {
					rewrite(t, m, row.lie)
				}
			}}
			results, err := n.run(resharers(t, shares, two, two, council.SessionID{24, byte(i)}))
			if err != nil {
				t.Fatal(err)
			}
			b := blamed(t, n.errs[honest])
			if b.Round != row.round || !slices.Equal(b.Suspects, []council.MemberID{mallory}) || b.Proven != row.proven || errors.Is(b, tss.ErrPanic) {
				t.Errorf("%v", b)
			}
			if results[0].Share != nil {
				t.Error("alice has a share")
			}
			signWithout(t, shares, before, two, common.Hash{24, byte(i)})
		})
	}
}

func TestPublicNumbers(t *testing.T) {
	t.Parallel()
	shares := pair(t)
	p := shares[0].Public()
	b, err := p.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	again, err := tss.UnmarshalPublic(b)
	if err != nil {
		t.Fatal(err)
	}
	if again.Hash() != p.Hash() || p.Hash() != shares[1].Public().Hash() || again.Address() != shares[0].Address() ||
		again.Epoch() != 1 || again.Origin() != pairOnce.session || again.Threshold() != 2 || !slices.Equal(again.Members(), two) ||
		!slices.Equal(again.Moduli(), shares[0].Moduli()) {
		t.Errorf("read back: %+v", again)
	}
	for _, secret := range []*big.Int{shares[0].Data().Xi, shares[0].Data().PaillierSK.P, shares[0].Data().Alpha} {
		if strings.Contains(string(b), string(secret.Bytes())) {
			t.Error("a secret is among the public numbers")
		}
	}
	for i := 0; i < len(b); i += 7 {
		c := slices.Clone(b)
		c[i] ^= 4
		if q, err := tss.UnmarshalPublic(c); err == nil && q.Hash() != p.Hash() {
			t.Errorf("byte %d changed: read as other numbers", i)
		}
	}
	// A point that is not on the polynomial, in a sound envelope.
	bad := shares[0].Copy()
	bad.Data().BigXj[0] = bad.Data().BigXj[1]
	if b, err = bad.Public().MarshalBinary(); err != nil {
		t.Fatal(err)
	}
	if _, err := tss.UnmarshalPublic(b); err == nil || !strings.Contains(err.Error(), "public key") {
		t.Errorf("another polynomial: %v", err)
	}
}
