package tss

import (
	"bytes"
	"errors"
	"fmt"
	"math/big"
	"slices"

	engcommon "github.com/bnb-chain/tss-lib/v2/common"
	ecrypto "github.com/bnb-chain/tss-lib/v2/crypto"
	"github.com/bnb-chain/tss-lib/v2/ecdsa/resharing"
	engine "github.com/bnb-chain/tss-lib/v2/tss"
)

// deal is what the dealers of a resharing must say, from the public numbers of
// their epoch. The engine takes the key and its own session id from whoever
// comes first, and believes an empty one.
type deal struct {
	key     *ecrypto.ECPoint
	ssid    []byte
	secrets map[int]*ecrypto.ECPoint // by member: lambda_j * BigX_j, what a dealer's polynomial is at zero
}

// newDeal computes it. The session id is the engine's own sum (rounds.go,
// getSSID, in its round 1, with its nonce of 0).
func newDeal(old *Public, dealers *parties) (*deal, error) {
	d := &deal{key: old.data.ECDSAPub, secrets: map[int]*ecrypto.ECPoint{}}
	var ks, tilde, h1, h2 []*big.Int
	var points []*ecrypto.ECPoint
	for _, id := range dealers.sorted {
		i := slices.IndexFunc(old.data.Ks, func(k *big.Int) bool { return k.Cmp(id.KeyInt()) == 0 })
		if i < 0 {
			return nil, errors.New("a dealer's coordinate is not among those of its epoch")
		}
		ks, points = append(ks, id.KeyInt()), append(points, old.data.BigXj[i])
		tilde, h1, h2 = append(tilde, old.data.NTildej[i]), append(h1, old.data.H1j[i]), append(h2, old.data.H2j[i])
	}
	flat, err := ecrypto.FlattenECPoints(points)
	if err != nil {
		return nil, errors.New("a dealer's public share is missing")
	}
	curve := engine.S256().Params()
	sum := []*big.Int{curve.P, curve.N, curve.B, curve.Gx, curve.Gy}
	sum = slices.Concat(sum, ks, flat, tilde, h1, h2, []*big.Int{big.NewInt(1), new(big.Int)})
	d.ssid = engcommon.SHA512_256i(sum...).Bytes()
	for i := range ks {
		l := lagrange(ks, i, new(big.Int))
		if l == nil {
			return nil, errors.New("two dealers have one coordinate")
		}
		d.secrets[dealers.members[i]] = points[i].ScalarMult(l)
	}
	return d, nil
}

// reshare1 compares a dealer's key and session with what they must be.
func (g *guard) reshare1(from int, m *resharing.DGRound1Message) error {
	if err := coordinates("public key", m.GetEcdsaPubX(), m.GetEcdsaPubY()); err != nil {
		return err
	}
	switch d := g.deal; {
	case d == nil && g.lone:
	case !bytes.Equal(m.GetEcdsaPubX(), d.key.X().Bytes()) || !bytes.Equal(m.GetEcdsaPubY(), d.key.Y().Bytes()):
		return errors.New("the dealer names another key than the council's")
	case !bytes.Equal(m.GetSsid(), d.ssid):
		return errors.New("the dealer names another session of the engine")
	}
	return g.seal(from, ReshareRound1, m.GetVCommitment())
}

// reshare2 checks an heir's public numbers. The engine has no bound on the size
// of the moduli here, and believes a false modulus proof as it does in a key
// generation (see keygen2Decommit).
func (g *guard) reshare2(from int, m *resharing.DGRound2Message1) error {
	if err := g.numbers(from, ReshareRound2, m); err != nil {
		return err
	}
	return modulusProof(m.GetModProof(), g.paillier[from])
}

// reshare3Share checks the receiver's part of a dealer's share: zero, or q, is a
// point that does not exist.
func (g *guard) reshare3Share(m *resharing.DGRound3Message1) error {
	_, err := scalar("share", m.GetShare())
	return err
}

// reshare3Decommit checks a dealer's polynomial: it opens the commitment, has the
// right degree, and is at zero the dealer's part of the key. The engine looks
// only whether all dealers together make the key, and blames itself if not.
func (g *guard) reshare3Decommit(from int, m *resharing.DGRound3Message2) error {
	parts := m.GetVDecommitment()
	if err := g.open(from, ReshareRound1, parts, g.threshold+1); err != nil {
		return err
	}
	if g.deal == nil && g.lone {
		return nil
	}
	want := g.deal.secrets[from]
	if want == nil {
		return fmt.Errorf("%s is no dealer", g.members[from])
	}
	x, y := new(big.Int).SetBytes(parts[1]), new(big.Int).SetBytes(parts[2])
	if x.Cmp(want.X()) != 0 || y.Cmp(want.Y()) != 0 {
		return errors.New("the dealer deals another secret than its share")
	}
	return nil
}
