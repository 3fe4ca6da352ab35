package node

import (
	"math/big"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rlp"

	"github.com/millicent-one/signer/agenda"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/internal/testcouncil"
)

// Members say their public numbers once, when they meet. Who joins may meet all of them
// before their feeds have told it of the key: it keeps what it heard until then, of
// members alone and no more than numbers can be.
func TestPublicNumbersComeEarly(t *testing.T) {
	n := &Node{roster: testcouncil.New(t).Roster}
	if err := n.takePublic("core-1", []byte{1}); err != nil {
		t.Fatal(err)
	}
	if err := n.takePublic("core-1", []byte{2}); err != nil {
		t.Fatal(err)
	}
	if err := n.takePublic("nobody", []byte{3}); err != nil {
		t.Fatal(err)
	}
	if err := n.takePublic("core-2", make([]byte, maxPublic+1)); err == nil {
		t.Error("too much is kept")
	}
	if early := n.shift.public.early; len(early) != 1 || string(early["core-1"]) != "\x02" {
		t.Errorf("kept: %v", early)
	}
}

// publicForm is how public numbers travel.
type publicForm struct {
	Epoch     uint64
	Origin    council.SessionID
	Members   []council.MemberID
	Threshold uint64
	Peers     []struct{ Paillier, NTilde, H1, H2, X, Y *big.Int }
	KeyX      *big.Int
	KeyY      *big.Int
}

// forged are public numbers that somebody has changed.
func forged(t *testing.T, sound []byte, change func(*publicForm)) []byte {
	t.Helper()
	var e struct {
		Kind    string
		Version uint64
		Sum     common.Hash
		Body    rlp.RawValue
	}
	var p publicForm
	if err := rlp.DecodeBytes(sound, &e); err != nil {
		t.Fatal(err)
	}
	if err := rlp.DecodeBytes(e.Body, &p); err != nil {
		t.Fatal(err)
	}
	change(&p)
	var err error
	if e.Body, err = rlp.EncodeToBytes(p); err != nil {
		t.Fatal(err)
	}
	e.Sum = crypto.Keccak256Hash(e.Body)
	b, err := rlp.EncodeToBytes(e)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// To check moduli takes long. What is of another epoch, key or council shows without that;
// and a member has no more of its words checked than an honest one would have.
func TestFalsePublicNumbers(t *testing.T) {
	c := testcouncil.New(t)
	share := testcouncil.Shares(t)[0]
	sound, err := share.Public().MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	n := &Node{roster: c.Roster, holding: council.Holding{Roster: c.Roster, Epoch: share.Epoch(), Key: share.Address()}}
	n.shift.rotation = new(agenda.Rotation)
	spoil := func(p *publicForm) { p.Peers[1].NTilde = p.Peers[0].NTilde }

	if err := n.takePublic("core-1", forged(t, sound, func(p *publicForm) { spoil(p); p.Epoch++ })); err != nil {
		t.Errorf("of another epoch: %v", err)
	}
	for what, change := range map[string]func(*publicForm){
		"another key":       func(p *publicForm) { p.KeyX, p.KeyY = p.Peers[0].X, p.Peers[0].Y },
		"another threshold": func(p *publicForm) { p.Threshold-- },
		"another member":    func(p *publicForm) { p.Members[len(p.Members)-1] = "z" },
	} {
		if err := n.takePublic("core-1", forged(t, sound, func(p *publicForm) { spoil(p); change(p) })); err == nil || !strings.Contains(err.Error(), "the council's is") {
			t.Errorf("%s: %v", what, err)
		}
	}
	if len(n.shift.public.checked) > 0 {
		t.Errorf("checked: %v", n.shift.public.checked)
	}

	for i := range maxPublicChecks + 2 {
		err := n.takePublic("core-1", forged(t, sound, func(p *publicForm) { spoil(p); p.Origin[0] ^= byte(i + 1) }))
		if heard := i < maxPublicChecks; heard != (err != nil) {
			t.Errorf("word %d: %v", i, err)
		}
	}
	if n.counters.dropped.Load() != 2 {
		t.Errorf("%d words dropped", n.counters.dropped.Load())
	}
	for i, m := range c.Roster.IDs()[1:] {
		if err := n.takePublic(m, sound); err != nil {
			t.Errorf("%s: %v", m, err)
		}
		if known := n.oldPublic() != nil; known != (i+1 >= c.Roster.Threshold) {
			t.Errorf("after %d words: known is %t", i+1, known)
		}
	}
	if len(n.shift.public.checked) != 2 {
		t.Errorf("what all say alike is checked again: %v", n.shift.public.checked)
	}
}
