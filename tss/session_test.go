package tss_test

import (
	"errors"
	"math/big"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	ecommon "github.com/bnb-chain/tss-lib/v2/common"
	"github.com/bnb-chain/tss-lib/v2/ecdsa/signing"

	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/internal/testcouncil"
	"github.com/millicent-one/signer/policy"
	"github.com/millicent-one/signer/tss"
)

// signerOf recovers who signed what a permit allowed.
func signerOf(t *testing.T, p policy.CeremonyPermit, sig *tss.Signature) common.Address {
	t.Helper()
	if sig == nil {
		t.Fatal("no signature")
	}
	digest := p.Digest()
	who, err := council.Recover(digest, sig.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	return who
}

// TestCouncilSigns lets several fours of the seven sign, one of them from
// shares that were stored and read, and finds one address behind all.
func TestCouncilSigns(t *testing.T) {
	t.Parallel()
	shares := testcouncil.Shares(t)
	ids := testcouncil.IDs()
	for k, subset := range [][]council.MemberID{ids[:4], ids[3:], {ids[0], ids[2], ids[4], ids[6]}} {
		ceremony := common.Hash{byte(k)}
		if k == 2 {
			for i, s := range shares {
				b, err := s.MarshalBinary()
				if err != nil {
					t.Fatal(err)
				}
				if shares[i], err = tss.UnmarshalShare(b); err != nil {
					t.Fatal(err)
				}
			}
		}
		sessions := signers(t, shares, subset, ceremony)
		results, err := testcouncil.Run(sessions)
		if err != nil {
			t.Fatal(err)
		}
		for i, r := range results {
			if got := signerOf(t, permit(subset, ceremony), r.Signature); got != shares[0].Address() {
				t.Errorf("%v: %s's signature is by %s; the key is %s", subset, subset[i], got, shares[0].Address())
			}
			if *r.Signature != *results[0].Signature {
				t.Errorf("%v: two signatures", subset)
			}
			if sessions[i].Broadcasts() != sessions[0].Broadcasts() {
				t.Errorf("%v: two transcripts", subset)
			}
		}
	}
}

func TestPairSignsAndKeepsItsShares(t *testing.T) {
	t.Parallel()
	shares := pair(t)
	var before [][]byte
	for _, s := range shares {
		if err := s.Audit(); err != nil {
			t.Fatal(err)
		}
		b, err := s.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		before = append(before, b)
	}
	var n network
	results, err := n.run(signers(t, shares, two, common.Hash{3}))
	if err != nil {
		t.Fatal(err)
	}
	if got := signerOf(t, permit(two, common.Hash{3}), results[0].Signature); got != shares[0].Address() {
		t.Errorf("signature is by %s; the key is %s", got, shares[0].Address())
	}
	for i, s := range shares {
		if b, _ := s.MarshalBinary(); !slices.Equal(b, before[i]) {
			t.Errorf("signing changed the share of %s", s.Self())
		}
	}
}

// TestLeadingZeroDigest signs a digest that begins with two zero bytes, which
// the engine would shorten, from the start and by firing a slot.
func TestLeadingZeroDigest(t *testing.T) {
	t.Parallel()
	var ceremony common.Hash
	for i := uint64(0); ; i++ {
		ceremony = common.BigToHash(new(common.Hash).Big().SetUint64(i))
		if d := permit(two, ceremony).Digest(); d[0] == 0 && d[1] == 0 {
			break
		}
	}
	shares := pair(t)
	p := permit(two, ceremony)
	digest := p.Digest()
	for _, sessions := range [][]*tss.Session{
		signers(t, shares, two, ceremony),
		fireAll(t, armed(t, shares, two, council.SessionID{16}), p),
	} {
		var n network
		results, err := n.run(sessions)
		if err != nil {
			t.Fatal(err)
		}
		pub, err := crypto.SigToPub(digest[:], results[0].Signature.Bytes())
		if err != nil || crypto.PubkeyToAddress(*pub) != shares[0].Address() {
			t.Fatalf("signature over %s does not recover to the key: %v", digest, err)
		}
	}
}

// TestLowS signs until the parts add up to a high s, which has a twin that is just
// as valid: the signature has the low one, and a high one would not be taken.
func TestLowS(t *testing.T) {
	t.Parallel()
	shares := pair(t)
	half := new(big.Int).Rsh(q, 1)
	for i := range 100 { // every other one is high
		ceremony := common.Hash{17, byte(i)}
		n := network{}
		results, err := n.run(signers(t, shares, two, ceremony))
		if err != nil {
			t.Fatal(err)
		}
		sum := new(big.Int)
		for _, m := range two {
			sum.Add(sum, new(big.Int).SetBytes(content(n.log, m, tss.SignRound9).(*signing.SignRound9Message).GetS()))
		}
		sig, p := results[0].Signature, permit(two, ceremony)
		s := new(big.Int).SetBytes(sig.S[:])
		if s.Cmp(half) > 0 || signerOf(t, p, sig) != shares[0].Address() {
			t.Fatalf("signature %x", sig.Bytes())
		}
		if sum.Mod(sum, q).Cmp(half) <= 0 {
			continue
		}
		if s.Add(s, sum).Cmp(q) != 0 {
			t.Errorf("signature %x is not the twin of %x", sig.Bytes(), sum)
		}
		for _, c := range []struct {
			s  []byte
			v  byte
			ok bool
		}{{sig.S[:], sig.V, true}, {sum.FillBytes(make([]byte, 32)), sig.V ^ 1, false}} {
			data := &ecommon.SignatureData{R: sig.R[:], S: c.s, SignatureRecovery: []byte{c.v}}
			if _, err := tss.CheckedSignature(p.Digest(), shares[0].Address(), data); (err == nil) != c.ok {
				t.Errorf("s %x: %v; want it taken: %v", c.s, err, c.ok)
			}
		}
		return
	}
	t.Error("no s was high before it was turned")
}

// TestFlow compares who sends what, and when, with the recorded protocol.
func TestFlow(t *testing.T) {
	pair(t)
	for name, log := range past(t) {
		file := "testdata/" + name + ".golden"
		got := strings.Join(flow(log), "\n") + "\n"
		if os.Getenv("UPDATE_GOLDEN") != "" {
			if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if got != string(want) {
			t.Errorf("%s:\n%s\nwant:\n%s", name, got, want)
		}
		for _, e := range log {
			if n, limit := len(e.m.Payload), e.m.Round.MaxPayload(); n > limit || limit > 8192 && n < limit*9/10 {
				t.Errorf("%s: %d bytes; the limit is %d", e.m.Round, n, limit)
			}
		}
	}
}

// TestAnyOrder delivers last in first out and in random orders; those of a resharing are
// in TestReshareOfTwo.
func TestAnyOrder(t *testing.T) {
	t.Parallel()
	shares := pair(t)
	for _, p := range protocols() {
		if p.name == "reshare" {
			continue
		}
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			rng := rand.New(rand.NewPCG(1, 2))
			picks := []func(int) int{
				func(n int) int { return n - 1 },
				rng.IntN, rng.IntN,
			}
			if p.name == "keygen" { // which takes seconds
				picks = picks[:2]
			}
			for i, pick := range picks {
				n := network{pick: pick}
				if _, err := n.run(p.open(t, shares, two, 4+byte(i))); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// TestEarlyMessages lets one party hear everything the other can say before it
// starts itself.
func TestEarlyMessages(t *testing.T) {
	s := signers(t, pair(t), two, common.Hash{5})
	first, err := s[1].Start()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range first.Messages {
		r, err := s[0].Step(m)
		if err != nil || r.Dropped != nil || len(r.Messages) > 0 {
			t.Fatalf("before Start: %v, %v, %d messages", err, r.Dropped, len(r.Messages))
		}
	}
	r, err := s[0].Start()
	if err != nil {
		t.Fatal(err)
	}
	if last := r.Messages[len(r.Messages)-1].Round; last != tss.SignRound2 {
		t.Fatalf("after Start the last message is %s; want %s", last, tss.SignRound2)
	}
	if _, err := s[0].Start(); err == nil {
		t.Fatal("started twice")
	}
}

// noise sends everything that does not belong before and after each message.
// All of it must be dropped, each with its reason.
func noise(t testing.TB) func(*tss.Session, tss.Message) error {
	var last *tss.Message
	return func(s *tss.Session, m tss.Message) error {
		with := func(f func(*tss.Message)) tss.Message { c := m; f(&c); return c }
		other := tss.KeygenRound1
		if m.Round < tss.SignRound1Direct {
			other = tss.SignRound3
		}
		for _, c := range []struct {
			m    tss.Message
			want error
		}{
			{with(func(m *tss.Message) { m.Session[0]++ }), tss.ErrForeign},
			{with(func(m *tss.Message) { m.From = "eve" }), tss.ErrStranger},
			{with(func(m *tss.Message) { m.From = s.Self() }), tss.ErrStranger},
			{with(func(m *tss.Message) { m.From = "" }), tss.ErrStranger},
			{with(func(m *tss.Message) { m.To = "eve" }), tss.ErrMisrouted},
			{with(func(m *tss.Message) { m.To = m.From }), tss.ErrMisrouted},
			{with(func(m *tss.Message) { m.Round = other }), tss.ErrOtherRound},
			{with(func(m *tss.Message) { m.Round = 0 }), tss.ErrOtherRound},
			{with(func(m *tss.Message) { m.Round = 255 }), tss.ErrOtherRound},
		} {
			r, err := s.Step(c.m)
			if err != nil || !errors.Is(r.Dropped, c.want) || len(r.Messages) > 0 {
				t.Errorf("%s: dropped for %v, error %v; want %v", m.Round, r.Dropped, err, c.want)
			}
		}
		if last != nil && last.From != s.Self() && (last.To == "" || last.To == s.Self()) {
			if r, err := s.Step(*last); err != nil || !errors.Is(r.Dropped, tss.ErrDuplicate) {
				t.Errorf("%s again: %v, %v", last.Round, r.Dropped, err)
			}
			changed := *last
			changed.Payload = append(slices.Clone(last.Payload), 1)
			if r, err := s.Step(changed); err != nil || !errors.Is(r.Dropped, tss.ErrConflict) {
				t.Errorf("%s in another form: %v, %v", last.Round, r.Dropped, err)
			}
		}
		last = &m
		return nil
	}
}

// TestTwoFaces lets one signer send different broadcasts to different members.
// All honest ones notice before they send anything that depends on it.
func TestTwoFaces(t *testing.T) {
	t.Parallel()
	shares := testcouncil.Shares(t)
	ids := testcouncil.IDs()[:4]
	liar := ids[3]
	n := network{errs: map[council.MemberID]error{}, change: func(m *tss.Message, to council.MemberID) {
		if m.From == liar && m.Round == tss.SignRound1 && to == ids[0] {
			m.Payload[len(m.Payload)-1] ^= 1
		}
	}}
	results, err := n.run(signers(t, shares, ids, common.Hash{10}))
	if err != nil {
		t.Fatal(err)
	}
	for i, m := range ids[:3] {
		b := blamed(t, n.errs[m])
		if !errors.Is(b, tss.ErrTranscript) || b.Round != tss.SignRound2 || b.Proven {
			t.Errorf("%s: %v", m, b)
		}
		if slices.Contains(b.Suspects, m) || !slices.Contains(b.Suspects, liar) {
			t.Errorf("%s suspects %v", m, b.Suspects)
		}
		if results[i].Signature != nil {
			t.Errorf("%s signed", m)
		}
	}
	for _, e := range n.log {
		if e.m.Round > tss.SignRound2 {
			t.Errorf("%s sent %s", e.m.From, e.m.Round)
		}
	}
}

func TestWaiting(t *testing.T) {
	s := signers(t, pair(t), two, common.Hash{11})
	if s[0].Round() != 0 || s[0].Waiting() != nil {
		t.Errorf("before Start: %s, %v", s[0].Round(), s[0].Waiting())
	}
	other, err := s[1].Start()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s[0].Start(); err != nil {
		t.Fatal(err)
	}
	empty := s[0].TranscriptBefore(tss.SignRound1)
	if empty == (common.Hash{}) || s[0].TranscriptBefore(tss.SignRound2) != (common.Hash{}) || s[0].Broadcasts() != empty {
		t.Error("transcript of a round that is not complete")
	}
	for _, want := range []tss.Round{tss.SignRound1Direct, tss.SignRound1} {
		if s[0].Round() != want || !slices.Equal(s[0].Waiting(), []council.MemberID{mallory}) {
			t.Errorf("waits in %s for %v; want %s", s[0].Round(), s[0].Waiting(), want)
		}
		i := slices.IndexFunc(other.Messages, func(m tss.Message) bool { return m.Round == want })
		if _, err := s[0].Step(other.Messages[i]); err != nil {
			t.Fatal(err)
		}
	}
	if s[0].Round() != tss.SignRound2 || s[0].TranscriptBefore(tss.SignRound2) == empty {
		t.Errorf("is in %s", s[0].Round())
	}
}

// TestWarrant starts nothing without a warrant for exactly this session.
func TestWarrant(t *testing.T) {
	shares := pair(t)
	p := permit(two, common.Hash{12})
	good := tss.SignConfig{Session: p.Session(), Self: honest, Signers: two, Share: shares[0], Warrant: p}
	if _, err := tss.NewSign(good); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*tss.SignConfig){
		"no warrant":       func(c *tss.SignConfig) { c.Warrant = nil },
		"empty permit":     func(c *tss.SignConfig) { c.Warrant = policy.Permit{} },
		"empty ceremony":   func(c *tss.SignConfig) { c.Warrant = policy.CeremonyPermit{} },
		"other session":    func(c *tss.SignConfig) { c.Session[0]++ },
		"other signers":    func(c *tss.SignConfig) { c.Signers = []council.MemberID{honest, "zoe"} },
		"no share":         func(c *tss.SignConfig) { c.Share = nil },
		"another's share":  func(c *tss.SignConfig) { c.Share = shares[1] },
		"not a signer":     func(c *tss.SignConfig) { c.Self = "zoe" },
		"unsorted signers": func(c *tss.SignConfig) { c.Signers = []council.MemberID{mallory, honest} },
		"too few signers": func(c *tss.SignConfig) {
			one := permit(two[:1], common.Hash{12})
			c.Signers, c.Warrant, c.Session = two[:1], one, one.Session()
		},
		"share of other members": func(c *tss.SignConfig) {
			q := permit([]council.MemberID{honest, "zoe"}, common.Hash{12})
			c.Signers, c.Warrant, c.Session = []council.MemberID{honest, "zoe"}, q, q.Session()
		},
	} {
		c := good
		change(&c)
		if s, err := tss.NewSign(c); err == nil || s != nil {
			t.Errorf("%s: a session starts", name)
		}
	}
}
