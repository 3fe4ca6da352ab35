package tss_test

import (
	"math/big"
	"slices"
	"testing"

	ecrypto "github.com/bnb-chain/tss-lib/v2/crypto"
	"github.com/bnb-chain/tss-lib/v2/ecdsa/keygen"
	"github.com/bnb-chain/tss-lib/v2/ecdsa/resharing"
	engine "github.com/bnb-chain/tss-lib/v2/tss"

	"github.com/millicent-one/signer/internal/forge"
	"github.com/millicent-one/signer/tss"
)

// reshareForgeries are what mallory, who deals and inherits, does to the recorded
// resharing.
func reshareForgeries(log []entry) []forgery {
	deals := func(f func(*resharing.DGRound1Message)) func(*world, engine.MessageContent) {
		return func(_ *world, c engine.MessageContent) {
			if m, ok := c.(*resharing.DGRound1Message); ok {
				f(m)
			}
		}
	}
	inherits := func(f func(*world, *resharing.DGRound2Message1)) func(*world, engine.MessageContent) {
		return func(w *world, c engine.MessageContent) {
			if m, ok := c.(*resharing.DGRound2Message1); ok {
				f(w, m)
			}
		}
	}
	opening := content(log, mallory, tss.ReshareRound3Decommit).(*resharing.DGRound3Message2).GetVDecommitment()
	moved := movedDeal(recordedDeal)
	return append(forgedNumbers(tss.ReshareRound2), []forgery{
		{name: "no session of the engine", round: tss.ReshareRound1, bare: accepts, does: speaksIn(nil)},
		{name: "another session of the engine", round: tss.ReshareRound1, bare: accepts, does: speaksIn([]byte("another session"))},
		{name: "another key", round: tss.ReshareRound1, bare: blamesItself, does: deals(func(m *resharing.DGRound1Message) {
			g := engine.S256().Params()
			m.EcdsaPubX, m.EcdsaPubY = g.Gx.Bytes(), g.Gy.Bytes()
		})},
		{name: "another key, and a secret that fits it", round: tss.ReshareRound1, bare: accepts, does: func(_ *world, c engine.MessageContent) {
			if m, ok := c.(*resharing.DGRound1Message); ok {
				nameKey(m, opening)
			}
			moved(c)
		}},
		{name: "another secret", round: tss.ReshareRound3Decommit, bare: blamesItself, does: func(_ *world, c engine.MessageContent) { moved(c) }},
		{name: "even Paillier modulus", round: tss.ReshareRound2, bare: dies, does: inherits(func(_ *world, m *resharing.DGRound2Message1) {
			m.PaillierN[len(m.PaillierN)-1] &^= 1
		})},
		{name: "length prefix of -1 in a discrete-logarithm proof", round: tss.ReshareRound2, bare: dies, does: inherits(func(_ *world, m *resharing.DGRound2Message1) {
			m.Dlnproof_1[0] = ones(8)
		})},
		{name: "modulus of many primes of 40 bits", round: tss.ReshareRound2, bare: accepts, does: ofMany(40)},
		{name: "modulus of 1024 bits", round: tss.ReshareRound2, bare: accepts, does: func(w *world, c engine.MessageContent) {
			w.forge(c, func() *forge.Modulus { return forge.OfTwo(blumPrime(512), blumPrime(512)) })
		}},
		{name: "modulus of the old epoch", round: tss.ReshareRound2, bare: accepts, suspicion: true, does: func(w *world, c engine.MessageContent) {
			w.forge(c, func() *forge.Modulus { return forge.OfTwo(w.old.PaillierSK.P, w.old.PaillierSK.Q) })
		}},
		{name: "NTilde of the old epoch", round: tss.ReshareRound2, bare: accepts, suspicion: true, does: publishes(func(w *world, c engine.MessageContent) {
			honestRing(w.old).publish(c, new(big.Int))
		})},
		{name: "alice's commitment to a polynomial", round: tss.ReshareRound1, bare: finds, suspicion: true, does: copies(tss.ReshareRound1, tss.ReshareRound3Decommit)},
		{name: "NTilde of 1024 bits", round: tss.ReshareRound2, bare: accepts, does: inherits(func(_ *world, m *resharing.DGRound2Message1) {
			p, q := prime(512), prime(512)
			ring{new(big.Int).Mul(p, q), forge.Totient(p, []*big.Int{q}), big.NewInt(4)}.publish(m, new(big.Int))
		})},
		{name: "share of zero", round: tss.ReshareRound3Share, bare: dies, does: func(_ *world, c engine.MessageContent) {
			if m, ok := c.(*resharing.DGRound3Message1); ok {
				m.Share = q.Bytes()
			}
		}},
		{name: "short opening", round: tss.ReshareRound3Decommit, bare: finds, does: func(_ *world, c engine.MessageContent) {
			switch m := c.(type) {
			case *resharing.DGRound1Message:
				m.VCommitment = sealed(opening[:3])
			case *resharing.DGRound3Message2:
				m.VDecommitment = opening[:3]
			}
		}},
		{name: "factor proof with a long V", round: tss.ReshareRound4Factors, bare: accepts, does: longFactors(256, 620, 300)},
		{name: "factor proof with long W", round: tss.ReshareRound4Factors, bare: accepts, does: longFactors(256, 600, 360)},
		{name: "factor proof with a long Sigma", round: tss.ReshareRound4Factors, bare: accepts, does: longFactors(550, 600, 300)},
	}...)
}

// speaksIn names another session of the engine than mallory's old numbers have,
// and makes all proofs for that.
func speaksIn(ssid []byte) func(*world, engine.MessageContent) {
	return func(w *world, c engine.MessageContent) {
		if m, ok := c.(*resharing.DGRound1Message); ok {
			m.Ssid = ssid
			w.within(ssid)
		}
		w.forge(c, func() *forge.Modulus { return forge.OfTwo(w.mallory.PaillierSK.P, w.mallory.PaillierSK.Q) })
	}
}

// nameKey puts into a dealer's message the key that comes out if what this opening
// has at zero gives way to 2.
func nameKey(m *resharing.DGRound1Message, opening [][]byte) {
	point := func(x, y []byte) *ecrypto.ECPoint {
		return ecrypto.NewECPointNoCurveCheck(engine.S256(), new(big.Int).SetBytes(x), new(big.Int).SetBytes(y))
	}
	minus := point(opening[1], opening[2]).ScalarMult(new(big.Int).Sub(q, big1))
	key := point(m.EcdsaPubX, m.EcdsaPubY)
	for _, p := range []*ecrypto.ECPoint{minus, ecrypto.ScalarBaseMult(engine.S256(), big.NewInt(2))} {
		var err error
		if key, err = key.Add(p); err != nil {
			panic(err)
		}
	}
	m.EcdsaPubX, m.EcdsaPubY = key.X().Bytes(), key.Y().Bytes()
}

// blumPrime is a prime of 3 modulo 4, as the modulus proof needs it.
func blumPrime(bits int) *big.Int {
	for {
		if p := prime(bits); p.Bit(1) == 1 {
			return p
		}
	}
}

// reshareWorld is what the forger has in the recorded resharing.
func reshareWorld(shares []*tss.Share, pre []*tss.PreParams, log []entry) *world {
	heirs, _ := partyIDs(recordedDeal)
	w := &world{
		alice:   &keygen.LocalPartySaveData{LocalPreParams: *pre[0].Secrets()},
		mallory: &keygen.LocalPartySaveData{LocalPreParams: *pre[1].Secrets()},
		old:     shares[1].Data(),
		indexes: [2]int{heirs[0].Index, heirs[1].Index}, said: map[tss.Round]engine.MessageContent{},
	}
	return w.within(content(log, mallory, tss.ReshareRound1).(*resharing.DGRound1Message).GetSsid())
}

// TestReshareForgeries tries each on the bare engine and on ours.
func TestReshareForgeries(t *testing.T) {
	t.Parallel()
	shares := pair(t)
	dir := childFiles(t)
	for _, f := range reshareForgeries(pairOnce.reshare) {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			if got := bareEngine(t, dir, "reshare", f.name); got != f.bare {
				t.Errorf("bare engine: %s; want %s", got, f.bare)
			}
			before := stored(t, shares)
			w := reshareWorld(shares, unused(t), pairOnce.reshare)
			f.blamed(t, against(t, resharers(t, shares, two, two, recordedDeal)[0], pairOnce.reshare, w.changes(t, f)))
			for k, b := range stored(t, shares) {
				if !slices.Equal(b, before[k]) {
					t.Errorf("the share of %s has changed", two[k])
				}
			}
		})
	}
}
