package tss_test

import (
	"encoding/json"
	"fmt"
	"math/big"
	"os"
	"slices"
	"strings"
	"testing"

	ecrypto "github.com/bnb-chain/tss-lib/v2/crypto"
	"github.com/bnb-chain/tss-lib/v2/ecdsa/keygen"
	engine "github.com/bnb-chain/tss-lib/v2/tss"

	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/internal/testcouncil"
	"github.com/millicent-one/signer/tss"
)

// TestAudit changes one thing at a time in a good share.
func TestAudit(t *testing.T) {
	t.Parallel()
	good := testcouncil.Shares(t)[4]
	if err := good.Audit(); err != nil {
		t.Fatal(err)
	}
	self := good.Index()
	other := (self + 1) % 7
	next := func(n *big.Int) *big.Int { return new(big.Int).Add(n, big.NewInt(1)) }
	double := func(p *ecrypto.ECPoint) *ecrypto.ECPoint { return p.ScalarMult(big.NewInt(2)) }
	for name, c := range map[string]struct {
		change func(*tss.Share, *keygen.LocalPartySaveData)
		want   string
	}{
		"other coordinates":      {func(s *tss.Share, _ *keygen.LocalPartySaveData) { s.SetOrigin(council.SessionID{9}) }, "coordinates"},
		"coordinate":             {func(_ *tss.Share, d *keygen.LocalPartySaveData) { d.Ks[other] = next(d.Ks[other]) }, "coordinates"},
		"own coordinate":         {func(_ *tss.Share, d *keygen.LocalPartySaveData) { d.ShareID = d.Ks[other] }, "own coordinate"},
		"secret share":           {func(_ *tss.Share, d *keygen.LocalPartySaveData) { d.Xi = next(d.Xi) }, "own public share"},
		"secret share of zero":   {func(_ *tss.Share, d *keygen.LocalPartySaveData) { d.Xi = new(big.Int) }, "out of range"},
		"public share":           {func(_ *tss.Share, d *keygen.LocalPartySaveData) { d.BigXj[other] = double(d.BigXj[other]) }, "public shares don't"},
		"last public share":      {func(s *tss.Share, d *keygen.LocalPartySaveData) { i := last(s); d.BigXj[i] = double(d.BigXj[i]) }, "one polynomial"},
		"public key":             {func(_ *tss.Share, d *keygen.LocalPartySaveData) { d.ECDSAPub = double(d.ECDSAPub) }, "public key"},
		"Paillier P":             {func(_ *tss.Share, d *keygen.LocalPartySaveData) { d.PaillierSK.P.Add(d.PaillierSK.P, big.NewInt(2)) }, "product of its primes"},
		"Paillier N":             {func(_ *tss.Share, d *keygen.LocalPartySaveData) { d.PaillierSK.N.Add(d.PaillierSK.N, big.NewInt(2)) }, "product of its primes"},
		"lambda":                 {func(_ *tss.Share, d *keygen.LocalPartySaveData) { d.PaillierSK.LambdaN = next(d.PaillierSK.LambdaN) }, "product of its primes"},
		"published N":            {func(_ *tss.Share, d *keygen.LocalPartySaveData) { d.PaillierPKs[self] = d.PaillierPKs[other] }, "don't belong"},
		"NTilde":                 {func(_ *tss.Share, d *keygen.LocalPartySaveData) { d.NTildei.Add(d.NTildei, big.NewInt(2)) }, "(2p+1)(2q+1)"},
		"published NTilde":       {func(_ *tss.Share, d *keygen.LocalPartySaveData) { d.NTildej[self] = d.NTildej[other] }, "don't belong"},
		"p":                      {func(_ *tss.Share, d *keygen.LocalPartySaveData) { d.P.Add(d.P, big.NewInt(2)) }, "(2p+1)(2q+1)"},
		"h2":                     {func(_ *tss.Share, d *keygen.LocalPartySaveData) { d.H2i = next(d.H2i) }, "h1^alpha"},
		"alpha":                  {func(_ *tss.Share, d *keygen.LocalPartySaveData) { d.Alpha = next(d.Alpha) }, "alpha * beta"},
		"alpha of zero":          {func(_ *tss.Share, d *keygen.LocalPartySaveData) { d.Alpha = new(big.Int) }, "alpha * beta"},
		"beta":                   {func(_ *tss.Share, d *keygen.LocalPartySaveData) { d.Beta = next(d.Beta) }, "alpha * beta"},
		"published h1":           {func(_ *tss.Share, d *keygen.LocalPartySaveData) { d.H1j[self] = d.H1j[other] }, "don't belong"},
		"another's base":         {func(_ *tss.Share, d *keygen.LocalPartySaveData) { d.H1j[other] = nonSquare(d.NTildej[other]) }, "base"},
		"another's even modulus": {func(_ *tss.Share, d *keygen.LocalPartySaveData) { d.NTildej[other] = next(d.NTildej[other]) }, "even"},
		"one modulus twice":      {func(_ *tss.Share, d *keygen.LocalPartySaveData) { d.PaillierPKs[other].N = d.PaillierSK.N }, "share a factor"},
		"another's even Paillier": {func(_ *tss.Share, d *keygen.LocalPartySaveData) {
			d.PaillierPKs[other].N = next(d.PaillierPKs[other].N)
		}, "Paillier modulus is even"},
		"another's single modulus": {func(_ *tss.Share, d *keygen.LocalPartySaveData) { d.NTildej[other] = d.PaillierPKs[other].N }, "share a factor"},
		"another's no modulus":     {func(_ *tss.Share, d *keygen.LocalPartySaveData) { d.PaillierPKs[other].N = nil }, "modulus is missing"},
		"no member":                {func(s *tss.Share, _ *keygen.LocalPartySaveData) { s.SetSelf("zoe") }, "not among the members"},
		"threshold of eight":       {func(s *tss.Share, _ *keygen.LocalPartySaveData) { s.SetThreshold(8) }, "threshold 8"},
		"threshold of one":         {func(s *tss.Share, _ *keygen.LocalPartySaveData) { s.SetThreshold(1) }, "threshold 1"},
		"lower threshold":          {func(s *tss.Share, _ *keygen.LocalPartySaveData) { s.SetThreshold(3) }, "public shares don't"},
		"missing number":           {func(_ *tss.Share, d *keygen.LocalPartySaveData) { d.Xi = nil }, "number is missing"},
		"no curve": {func(_ *tss.Share, d *keygen.LocalPartySaveData) {
			d.BigXj[other] = ecrypto.NewECPointNoCurveCheck(engine.S256(), big.NewInt(1), big.NewInt(1))
		}, "not on the curve"},
		"missing lambda": {func(_ *tss.Share, d *keygen.LocalPartySaveData) { d.PaillierSK.LambdaN = nil }, "secret number is missing"},
		"short p":        {func(_ *tss.Share, d *keygen.LocalPartySaveData) { d.P.Rsh(d.P, 1) }, "wrong size"},
		"even prime": {func(_ *tss.Share, d *keygen.LocalPartySaveData) {
			d.PaillierSK.Q = next(d.PaillierSK.Q)
			refit(d, self)
		}, "wrong size"},
		"equal primes": {func(_ *tss.Share, d *keygen.LocalPartySaveData) { d.PaillierSK.Q = d.PaillierSK.P; refit(d, self) }, "equal or close"},
		"close primes": {func(_ *tss.Share, d *keygen.LocalPartySaveData) {
			d.PaillierSK.Q = new(big.Int).Xor(d.PaillierSK.P, new(big.Int).Lsh(big.NewInt(1), 900))
			refit(d, self)
		}, "equal or close"},
		"close p and q": {func(_ *tss.Share, d *keygen.LocalPartySaveData) {
			d.Q = next(next(d.P))
			for refitRing(d, self); d.Beta == nil; refitRing(d, self) { // alpha's inverse is there for nearly each
				d.Q = next(next(d.Q))
			}
		}, "equal or close"},
		"short modulus": {func(_ *tss.Share, d *keygen.LocalPartySaveData) {
			low := new(big.Int).Lsh(big.NewInt(1), 1023)
			d.PaillierSK.P, d.PaillierSK.Q = next(low), next(new(big.Int).SetBit(low, 1000, 1))
			refit(d, self)
		}, "has not 2048 bits"},
		"one prime in both moduli": {func(_ *tss.Share, d *keygen.LocalPartySaveData) {
			d.PaillierSK.P = next(new(big.Int).Lsh(d.P, 1))
			refit(d, self)
		}, "share a prime"},
		"long alpha": {func(_ *tss.Share, d *keygen.LocalPartySaveData) {
			d.Alpha.Add(d.Alpha, new(big.Int).Lsh(new(big.Int).Mul(d.P, d.Q), 100))
		}, "alpha or beta is out of range"},
		"trivial h1": {func(_ *tss.Share, d *keygen.LocalPartySaveData) { d.H1i = big.NewInt(1) }, "base is out of range"},
		"large h2":   {func(_ *tss.Share, d *keygen.LocalPartySaveData) { d.H2i.Add(d.H2i, d.NTildei) }, "base is out of range"},
		"h1 no square": {func(_ *tss.Share, d *keygen.LocalPartySaveData) {
			d.H1i = new(big.Int).Sub(d.NTildei, d.H1i) // -1 is none modulo either prime
			d.H2i = new(big.Int).Exp(d.H1i, d.Alpha, d.NTildei)
		}, "h1 is no square"},
		"missing list":       {func(_ *tss.Share, d *keygen.LocalPartySaveData) { d.H1j = d.H1j[1:] }, "one entry"},
		"missing entry":      {func(_ *tss.Share, d *keygen.LocalPartySaveData) { d.NTildej[other] = nil }, "entry is missing"},
		"missing secret":     {func(_ *tss.Share, d *keygen.LocalPartySaveData) { d.Beta = nil }, "secret number is missing"},
		"composite P":        {func(_ *tss.Share, d *keygen.LocalPartySaveData) { compose(d, self, &d.PaillierSK.P, composite) }, "first Paillier prime is not prime"},
		"composite Q":        {func(_ *tss.Share, d *keygen.LocalPartySaveData) { compose(d, self, &d.PaillierSK.Q, composite) }, "second Paillier prime is not prime"},
		"composite p":        {func(_ *tss.Share, d *keygen.LocalPartySaveData) { compose(d, self, &d.P, composite) }, "p is not prime"},
		"composite q":        {func(_ *tss.Share, d *keygen.LocalPartySaveData) { compose(d, self, &d.Q, composite) }, "q is not prime"},
		"p that is not safe": {func(_ *tss.Share, d *keygen.LocalPartySaveData) { compose(d, self, &d.P, unsafe) }, "2p+1 is not prime"},
		"q that is not safe": {func(_ *tss.Share, d *keygen.LocalPartySaveData) { compose(d, self, &d.Q, unsafe) }, "2q+1 is not prime"},
	} {
		s := good.Copy()
		c.change(s, s.Data())
		if err := s.Audit(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v; want %q", name, err, c.want)
		}
	}
	if err := good.Audit(); err != nil {
		t.Errorf("a change to a copy reached the original: %v", err)
	}
}

// last is the engine's index of a member beyond the threshold other than self.
func last(s *tss.Share) int {
	if s.Index() == 6 {
		return 5
	}
	return 6
}

func composite(p *big.Int) bool { return !p.ProbablyPrime(0) }

// unsafe is a prime that is no half of a safe one.
func unsafe(q *big.Int) bool {
	p := new(big.Int).Lsh(q, 1)
	return q.ProbablyPrime(0) && !p.SetBit(p, 0, 1).ProbablyPrime(0)
}

// compose replaces a prime with the next number of a kind that no quick check
// finds, and makes everything else follow from it.
func compose(d *keygen.LocalPartySaveData, self int, at **big.Int, kind func(*big.Int) bool) {
	two := big.NewInt(2)
	for *at = new(big.Int).Add(*at, two); ; *at = new(big.Int).Add(*at, two) {
		refit(d, self)
		refitRing(d, self)
		if tss.CheckModulus("", d.PaillierSK.N) == nil && tss.CheckModulus("", d.NTildei) == nil && d.Beta != nil && kind(*at) {
			return
		}
	}
}

// refitRing makes NTilde, its bases and their exponents follow from p and q.
func refitRing(d *keygen.LocalPartySaveData, self int) {
	p, q := new(big.Int).Lsh(d.P, 1), new(big.Int).Lsh(d.Q, 1)
	d.NTildei = new(big.Int).Mul(p.SetBit(p, 0, 1), q.SetBit(q, 0, 1))
	d.H1i, d.Alpha = big.NewInt(4), big.NewInt(65537)
	d.Beta = new(big.Int).ModInverse(d.Alpha, new(big.Int).Mul(d.P, d.Q))
	d.H2i = new(big.Int).Exp(d.H1i, d.Alpha, d.NTildei)
	d.NTildej[self], d.H1j[self], d.H2j[self] = d.NTildei, d.H1i, d.H2i
}

// refit makes everything follow from the Paillier primes again.
func refit(d *keygen.LocalPartySaveData, self int) {
	sk := d.PaillierSK
	one := big.NewInt(1)
	p1, q1 := new(big.Int).Sub(sk.P, one), new(big.Int).Sub(sk.Q, one)
	sk.N = new(big.Int).Mul(sk.P, sk.Q)
	sk.PhiN = new(big.Int).Mul(p1, q1)
	sk.LambdaN = new(big.Int).Div(sk.PhiN, new(big.Int).GCD(nil, nil, p1, q1))
	d.PaillierPKs[self].N = sk.N
}

func TestShareRoundTrip(t *testing.T) {
	t.Parallel()
	s := testcouncil.Shares(t)[2]
	b, err := s.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	got, err := tss.UnmarshalShare(b)
	if err != nil {
		t.Fatal(err)
	}
	again, err := got.MarshalBinary()
	if err != nil || !slices.Equal(b, again) {
		t.Fatalf("another form after a round trip: %v", err)
	}
	if got.Self() != s.Self() || got.Epoch() != s.Epoch() || got.Threshold() != s.Threshold() || got.Address() != s.Address() ||
		!slices.Equal(got.Members(), s.Members()) || !got.PublicKey().Equal(s.PublicKey()) {
		t.Error("another share after a round trip")
	}
	if err := got.Audit(); err != nil {
		t.Error(err)
	}
	for name, bad := range map[string][]byte{
		"empty": nil, "cut": b[:len(b)-1], "longer": append(slices.Clone(b), 0), "huge": make([]byte, 1<<20),
	} {
		if _, err := tss.UnmarshalShare(bad); err == nil || council.Hint(err) == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := tss.UnmarshalShare(sealedAs(t, tss.ShareKind, 99)); err == nil ||
		!strings.Contains(err.Error(), "version 99") || !strings.Contains(err.Error(), fmt.Sprintf("version %d", tss.FormatVersion)) {
		t.Errorf("newer version: %v", err)
	}
	if _, err := tss.UnmarshalShare(sealedAs(t, tss.PreParamsKind, 1)); err == nil {
		t.Error("pre-parameters pass for a share")
	}
	// Every byte that is flipped must be noticed: nothing in the file is free.
	for i := 0; i < len(b); i += 97 {
		bad := slices.Clone(b)
		bad[i] ^= 0x10
		if _, err := tss.UnmarshalShare(bad); err == nil {
			t.Errorf("byte %d is not checked", i)
		}
	}
}

func sealedAs(t *testing.T, kind string, version uint64) []byte {
	t.Helper()
	b, err := tss.Seal(kind, version, []byte{0xc0})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestSecretsStaySecret prints shares and pre-parameters in every way there is
// and looks for the secret numbers.
func TestSecretsStaySecret(t *testing.T) {
	t.Parallel()
	s := testcouncil.Shares(t)[0]
	d := s.Data()
	pre := s.OwnPreParams()
	var out strings.Builder
	for _, v := range []any{s, *s, pre, *pre, struct{ S *tss.Share }{s}, []*tss.Share{s}, struct{ P tss.PreParams }{*pre}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%o", "%b"} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
		j, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		out.Write(j)
	}
	text := strings.ToLower(out.String())
	for _, secret := range []*big.Int{d.Xi, d.PaillierSK.P, d.PaillierSK.PhiN, d.P, d.Q, d.Alpha, d.Beta} {
		for _, form := range []string{secret.String(), secret.Text(16), secret.Text(8)} {
			if strings.Contains(text, form[:20]) {
				t.Errorf("a secret number is printed")
			}
		}
	}
	if !strings.Contains(text, "[share]") || !strings.Contains(text, "[pre-parameters]") {
		t.Error("nothing is printed")
	}
}

func TestEngineVersion(t *testing.T) {
	t.Parallel()
	mod, err := os.ReadFile("../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(mod), "github.com/bnb-chain/tss-lib/v2 "+tss.EngineVersion+"\n") {
		t.Errorf("the engine in go.mod is not %s, which the guard was written for: read the differences first", tss.EngineVersion)
	}
}

func TestPartyKeys(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, session := range []council.SessionID{{1}, {2}} {
		for _, m := range testcouncil.IDs() {
			k := tss.PartyKey(session, m)
			if k.Sign() <= 0 || k.Cmp(engine.S256().Params().N) >= 0 || seen[k.String()] {
				t.Errorf("coordinate of %s", m)
			}
			seen[k.String()] = true
		}
	}
}

func TestKeygenConfig(t *testing.T) {
	t.Parallel()
	pre := testcouncil.Shares(t)[0].OwnPreParams()
	good := tss.KeygenConfig{Session: council.SessionID{5}, Self: honest, Members: two, Threshold: 2, Params: pre}
	for name, change := range map[string]func(*tss.KeygenConfig){
		"no pre-parameters":    func(c *tss.KeygenConfig) { c.Params = nil },
		"empty pre-parameters": func(c *tss.KeygenConfig) { c.Params = new(tss.PreParams) },
		"threshold of one":     func(c *tss.KeygenConfig) { c.Threshold = 1 },
		"threshold of three":   func(c *tss.KeygenConfig) { c.Threshold = 3 },
		"not a member":         func(c *tss.KeygenConfig) { c.Self = "zoe" },
		"alone":                func(c *tss.KeygenConfig) { c.Members = two[:1] },
		"twice the same":       func(c *tss.KeygenConfig) { c.Members = []council.MemberID{honest, honest} },
	} {
		c := good
		change(&c)
		if _, err := tss.NewKeygen(c); err == nil {
			t.Errorf("%s: a session starts", name)
		}
	}
	if _, err := tss.NewKeygen(good); err != nil {
		t.Fatal(err)
	}
	if _, err := tss.NewKeygen(good); err == nil || council.Hint(err) == "" {
		t.Errorf("pre-parameters serve twice: %v", err)
	}
}
