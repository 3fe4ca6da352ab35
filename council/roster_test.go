package council_test

import (
	"crypto/ecdsa"
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/internal/testcouncil"
)

func signRaw(t *testing.T, h common.Hash, k *ecdsa.PrivateKey) []byte {
	t.Helper()
	sig, err := crypto.Sign(h[:], k)
	if err != nil {
		t.Fatal(err)
	}
	return sig
}

func addressOf(k *ecdsa.PrivateKey) common.Address { return crypto.PubkeyToAddress(k.PublicKey) }

func TestRosterRules(t *testing.T) {
	extra := func(id council.MemberID, s council.Seat) council.Member {
		return council.Member{ID: id, Seat: s, Peer: testcouncil.PeerID(t, testcouncil.NodeKey(id)).String(),
			Approver: addressOf(testcouncil.Wallet(t, id)), Term: council.Term{Start: 1, End: 2}}
	}
	for name, x := range map[string]struct {
		change func(*council.Roster)
		says   string
	}{
		"six seats":          {func(r *council.Roster) { r.Members = r.Members[1:] }, "6 members instead of 7"},
		"eight seats":        {func(r *council.Roster) { r.Members = append(r.Members, extra("core-5", council.Core)) }, "8 members instead of 7"},
		"five core":          {func(r *council.Roster) { r.Members[0].Seat = council.Core }, "5 core seats instead of 4"},
		"three of seven":     {func(r *council.Roster) { r.Threshold = 3 }, "threshold 3 instead of 4"},
		"threshold above":    {func(r *council.Roster) { r.Threshold = 8 }, "threshold is 8"},
		"unsorted":           {func(r *council.Roster) { r.Members[0], r.Members[1] = r.Members[1], r.Members[0] }, "not sorted"},
		"same id":            {func(r *council.Roster) { r.Members[1].ID = r.Members[0].ID }, "same member id"},
		"same node key":      {func(r *council.Roster) { r.Members[1].Peer = r.Members[0].Peer }, "same node key"},
		"same wallet":        {func(r *council.Roster) { r.Members[1].Approver = r.Members[0].Approver }, "same approver"},
		"zero wallet":        {func(r *council.Roster) { r.Members[1].Approver = common.Address{} }, "zero address"},
		"empty term":         {func(r *council.Roster) { r.Members[1].Term.End = r.Members[1].Term.Start }, "is empty"},
		"bad id":             {func(r *council.Roster) { r.Members[6].ID = "Core 9" }, "lower-case"},
		"bad seat":           {func(r *council.Roster) { r.Members[6].Seat = "treasury" }, "seat"},
		"bad peer":           {func(r *council.Roster) { r.Members[6].Peer = "12D3nonsense" }, "peer id"},
		"version zero":       {func(r *council.Roster) { r.Version = 0 }, "version is 0"},
		"second without one": {func(r *council.Roster) { r.Version = 2 }, "no predecessor"},
	} {
		r := testcouncil.New(t).Roster
		x.change(&r)
		if err := r.Fits(council.Millicent); err == nil || !strings.Contains(err.Error(), x.says) {
			t.Errorf("%s: %v; want %q", name, err, x.says)
		}
	}
	small := testcouncil.New(t).Roster
	small.Members, small.Threshold = small.Members[:3], 2
	if err := small.Valid(); err != nil {
		t.Errorf("the type takes other sizes: %v", err)
	}
	r := testcouncil.New(t).Roster
	r.Members[3].Term.End = now
	r.Members[4].Term.Start = now + 1
	if err := r.InForce(now); err == nil || !strings.Contains(err.Error(), "core-1's term has ended") || !strings.Contains(err.Error(), "core-2's term has not begun") {
		t.Errorf("terms: %v", err)
	}
}

func TestSignedRosterNeedsEveryone(t *testing.T) {
	c := testcouncil.New(t)
	s := council.SignedRoster{Roster: c.Roster}
	for _, m := range c.Roster.Members {
		s.Sigs = append(s.Sigs, council.WalletSignature{Member: m.ID, Sig: testcouncil.Sign(t, c.Roster.Document(), c.Wallets[m.ID])})
	}
	if err := s.Verify(); err == nil || !strings.Contains(err.Error(), "address records") {
		t.Errorf("without addresses: %v", err)
	}
	swapped := s
	swapped.Sigs = slices.Clone(s.Sigs)
	swapped.Sigs[2].Sig = s.Sigs[3].Sig
	if err := swapped.Verify(); err == nil || !strings.Contains(err.Error(), "not by its wallet") {
		t.Errorf("another's signature: %v", err)
	}
}

func TestGenesisNeedsEveryNode(t *testing.T) {
	c := testcouncil.New(t)
	h, err := c.Roster.Hash()
	if err != nil {
		t.Fatal(err)
	}
	g := council.Genesis{Roster: h, ShareEpoch: 1, Key: common.HexToAddress("0x0123"), Transcript: common.HexToHash("0x04")}
	for _, m := range c.Roster.IDs() {
		sig, err := g.Sign(m, c.NodeKeys[m])
		if err != nil {
			t.Fatal(err)
		}
		g.Sigs = append(g.Sigs, sig)
	}
	if err := g.Verify(c.Roster); err != nil {
		t.Fatal(err)
	}
	six := g
	six.Sigs = g.Sigs[:6]
	if err := six.Verify(c.Roster); err == nil || !strings.Contains(err.Error(), "core-4 is missing") {
		t.Errorf("six signatures: %v", err)
	}
	other := g
	other.Key = common.HexToAddress("0x0999")
	if err := other.Verify(c.Roster); err == nil {
		t.Error("the signatures hold for another key")
	}
}

func TestBeginIsCheckedFieldByField(t *testing.T) {
	c := testcouncil.New(t)
	h, _ := c.Roster.Hash()
	g := council.Genesis{Roster: h, ShareEpoch: 1, Key: common.HexToAddress("0x0123")}
	d := deed()
	id, err := council.Propose(g.ID(), d)
	if err != nil {
		t.Fatal(err)
	}
	good := func() council.Begin {
		b := council.Begin{Council: g.ID(), Epoch: 1, Roster: h, Proposal: id, Chain: 1, Nonce: 3, Attempt: 1,
			Fees:        council.Fees{Gas: d.MaxGas, MaxFeePerGas: big.NewInt(10e9), MaxTipPerGas: big.NewInt(1e9)},
			Coordinator: "core-1", Signers: []council.MemberID{"community-1", "core-1", "core-2", "core-3"}}
		b.Digest = b.Envelope(d).Digest()
		return b
	}
	if err := good().Check(g.Holding(c.Roster), d); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*council.Begin){
		"council":          func(b *council.Begin) { b.Council[0]++ },
		"epoch":            func(b *council.Begin) { b.Epoch = 2 },
		"roster":           func(b *council.Begin) { b.Roster[0]++ },
		"proposal":         func(b *council.Begin) { b.Proposal[0]++ },
		"chain":            func(b *council.Begin) { b.Chain = 2 },
		"nonce":            func(b *council.Begin) { b.Nonce = 4 },
		"attempt":          func(b *council.Begin) { b.Attempt = 0 },
		"fees":             func(b *council.Begin) { b.Fees.Gas++ },
		"fees above":       func(b *council.Begin) { b.Fees.Gas = 1 << 40; b.Digest = b.Envelope(d).Digest() },
		"digest":           func(b *council.Begin) { b.Digest[31] ^= 1 },
		"three signers":    func(b *council.Begin) { b.Signers = b.Signers[1:] },
		"unsorted signers": func(b *council.Begin) { b.Signers[2], b.Signers[3] = b.Signers[3], b.Signers[2] },
		"doubled signer":   func(b *council.Begin) { b.Signers[3] = "core-2" },
		"strange signer":   func(b *council.Begin) { b.Signers[3] = "core-9" },
		"coordinator":      func(b *council.Begin) { b.Coordinator = "core-4" },
	} {
		b := good()
		change(&b)
		if err := b.Check(g.Holding(c.Roster), d); err == nil {
			t.Errorf("a Begin with another %s passes", name)
		}
	}
	a, b := good(), good()
	b.Attempt = 2
	if a.Session() == b.Session() {
		t.Error("two attempts have one session id")
	}
}

func TestIntentCodecIsStrict(t *testing.T) {
	for _, in := range []council.Intent{deed(), mail(1), council.Statement{Text: "x", ValidUntil: 1}} {
		raw, err := council.EncodeIntent(in)
		if err != nil {
			t.Fatal(err)
		}
		back, err := council.DecodeIntent(raw)
		if err != nil {
			t.Fatal(err)
		}
		x, _ := council.Propose(councilID, in)
		if y, _ := council.Propose(councilID, back); x != y {
			t.Errorf("%s changed on the way", in.Kind())
		}
		if _, err := council.DecodeIntent(append(raw, 0)); err == nil {
			t.Errorf("%s: a trailing byte was taken", in.Kind())
		}
	}
	for name, change := range map[string]func(*council.Transaction){
		"hidden direction": func(d *council.Transaction) { d.Reason = "pause \u202e esuap" },
		"escape":           func(d *council.Transaction) { d.Reason = "\x1b[2J" },
		"no chain":         func(d *council.Transaction) { d.Chain = 0 },
		"negative":         func(d *council.Transaction) { d.Value = big.NewInt(-1) },
		"much calldata":    func(d *council.Transaction) { d.Data = make([]byte, council.MaxCalldata+1) },
		"no end":           func(d *council.Transaction) { d.ValidUntil = 0 },
		"tip above fee":    func(d *council.Transaction) { d.MaxTipPerGas = big.NewInt(300e9) },
	} {
		d := deed()
		change(&d)
		if d.Valid() == nil {
			t.Errorf("%s is valid", name)
		}
	}
}

func FuzzDecodeIntent(f *testing.F) {
	raw, err := council.EncodeIntent(deed())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	f.Fuzz(func(t *testing.T, b []byte) {
		in, err := council.DecodeIntent(b)
		if err != nil {
			return
		}
		again, err := council.EncodeIntent(in)
		if err != nil || string(again) != string(b) {
			t.Fatalf("%x is read, and written as %x (%v)", b, again, err)
		}
	})
}
