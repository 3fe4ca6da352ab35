package tss_test

import (
	"math/big"
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/bnb-chain/tss-lib/v2/ecdsa/keygen"
	"github.com/bnb-chain/tss-lib/v2/ecdsa/resharing"
	engine "github.com/bnb-chain/tss-lib/v2/tss"

	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/tss"
)

// heirFiles hold the pre-parameters of both for the child.
var heirFiles = []string{"pre-alice", "pre-mallory"}

// bareDeal is the session of the bare resharing; only coordinates follow from it.
var bareDeal = council.SessionID{97}

// reshareForgeries are what mallory, who deals and inherits, does to a resharing.
func reshareForgeries(session council.SessionID) []forgery {
	heir := func(f func(*resharing.DGRound2Message1)) func(*world, engine.MessageContent) {
		return func(_ *world, c engine.MessageContent) {
			if m, ok := c.(*resharing.DGRound2Message1); ok {
				f(m)
			}
		}
	}
	moved := movedDeal(session)
	return []forgery{
		{name: "even Paillier modulus", round: tss.ReshareRound2, bare: dies, does: heir(func(m *resharing.DGRound2Message1) {
			m.PaillierN[len(m.PaillierN)-1] &^= 1
		})},
		{name: "length prefix of -1 in a discrete-logarithm proof", round: tss.ReshareRound2, bare: dies, does: heir(func(m *resharing.DGRound2Message1) {
			m.Dlnproof_1[0] = ones(8)
		})},
		{name: "modulus of many primes of 40 bits", round: tss.ReshareRound2, bare: accepts, does: compoundForgery(40)},
		{name: "modulus of 1024 bits", round: tss.ReshareRound2, bare: accepts, does: func(w *world, c engine.MessageContent) {
			if w.forged == nil {
				p, q := blumPrime(512), blumPrime(512)
				w.forged = &paillierForgery{
					n: new(big.Int).Mul(p, q), p: p, q: q,
					modProof: func(context []byte) [][]byte { return modProof(context, p, q) },
				}
			}
			w.forged.apply(w, c)
		}},
		{name: "share of zero", round: tss.ReshareRound3Share, bare: dies, does: func(_ *world, c engine.MessageContent) {
			if m, ok := c.(*resharing.DGRound3Message1); ok {
				m.Share = q.Bytes()
			}
		}},
		{name: "another secret", round: tss.ReshareRound3Decommit, bare: blamesItself, does: func(_ *world, c engine.MessageContent) { moved(c) }},
	}
}

// blumPrime is a prime of 3 modulo 4, as the modulus proof needs it.
func blumPrime(bits int) *big.Int {
	for {
		if p := prime(bits); p.Bit(1) == 1 {
			return p
		}
	}
}

// reshareWorld is what the forger has when mallory has dealt: the engine's
// session is in the first message.
func reshareWorld(pre []*tss.PreParams, ssid []byte, index func(member int) int) *world {
	w := &world{alice: &keygen.LocalPartySaveData{LocalPreParams: *pre[0].Secrets()}, mallory: &keygen.LocalPartySaveData{LocalPreParams: *pre[1].Secrets()}}
	w.receiver = append(slices.Clone(ssid), big.NewInt(int64(index(0))).Bytes()...)
	w.context = append(slices.Clone(ssid), big.NewInt(int64(index(1))).Bytes()...)
	return w
}

// bareReshare lets both deal to both on the bare engine, and forges what mallory
// says to alice.
func bareReshare(f forgery, shares []*tss.Share, read func(string) []byte) outcome {
	var pre []*tss.PreParams
	for _, name := range heirFiles {
		p, err := tss.UnmarshalPreParams(read(name))
		if err != nil {
			panic(err)
		}
		pre = append(pre, p)
	}
	dealers, oldIDs := partyIDs(shares[0].Origin())
	inherit, newIDs := partyIDs(bareDeal)
	out := make(chan engine.Message, 100)
	end := make(chan *keygen.LocalPartySaveData, 4)
	var parties [2][2]engine.Party // by member, as dealer and as heir
	for i := range two {
		for k, id := range []*engine.PartyID{dealers[i], inherit[i]} {
			params := engine.NewReSharingParameters(engine.S256(), engine.NewPeerContext(oldIDs), engine.NewPeerContext(newIDs), id, 2, 1, 2, 1)
			data := keygen.NewLocalPartySaveData(2)
			data.LocalPreParams = *pre[i].Secrets()
			if k == 0 {
				data = *shares[i].Copy().Data()
			}
			parties[i][k] = resharing.NewLocalParty(params, data, out, end)
		}
	}
	for i := range two {
		for _, p := range parties[i] {
			if err := p.Start(); err != nil {
				panic(err)
			}
		}
	}
	var w *world
	for len(out) > 0 {
		m := (<-out).(engine.ParsedMessage)
		c := m.Content()
		r := tss.RoundOf(c)
		from := slices.Index(two, council.MemberID(m.GetFrom().Id))
		for to := range two {
			said := c
			if from == 1 && to == 0 {
				said = proto.Clone(c).(engine.MessageContent)
				if first, ok := said.(*resharing.DGRound1Message); ok {
					w = reshareWorld(pre, first.GetSsid(), func(i int) int { return inherit[i].Index })
				}
				f.does(w, said)
			}
			for k, p := range parties[to] {
				if p.PartyID() == m.GetFrom() || !meant(r, k) || len(m.GetTo()) == 1 && m.GetTo()[0].KeyInt().Cmp(p.PartyID().KeyInt()) != 0 {
					continue
				}
				if result := bareUpdate(p, m.GetFrom(), p.PartyID(), r, said); result != "" && to == 0 {
					return result
				}
			}
		}
	}
	if len(end) < 2 {
		return "waits"
	}
	return accepts
}

// meant reports whether a message is for dealers (0) or heirs (1).
func meant(r tss.Round, side int) bool {
	switch r {
	case tss.ReshareRound2Ready:
		return side == 0
	case tss.ReshareRound4Done:
		return true
	}
	return side == 1
}

// TestReshareForgeries tries each on the bare engine and on ours.
func TestReshareForgeries(t *testing.T) {
	t.Parallel()
	shares := pair(t)
	dir := childFiles(t)
	for i, f := range reshareForgeries(bareDeal) {
		id := council.SessionID{25, byte(i)}
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			if got := bareEngine(t, dir, "reshare", f.name); got != f.bare {
				t.Errorf("bare engine: %s; want %s", got, f.bare)
			}
			var w *world
			f := reshareForgeries(id)[i]
			n := network{liar: mallory, deaf: mallory, errs: map[councilID]error{}, change: func(m *tss.Message, to councilID) {
				if m.From != mallory {
					return
				}
				rewrite(t, m, func(c engine.MessageContent) {
					if first, ok := c.(*resharing.DGRound1Message); ok {
						w = reshareWorld(unused(t), first.GetSsid(), func(int) int { return 0 })
					}
					f.does(w, c)
				})
			}}
			before := stored(t, shares)
			results, err := n.run(resharers(t, shares, two, two, id))
			if err != nil {
				t.Fatal(err)
			}
			if b := blamed(t, n.errs[honest]); b.Round != f.round || !b.Proven || !slices.Equal(b.Suspects, []councilID{mallory}) {
				t.Errorf("ours: %v", b)
			}
			if results[0].Share != nil {
				t.Error("ours has a share")
			}
			for k, b := range stored(t, shares) {
				if !slices.Equal(b, before[k]) {
					t.Errorf("the share of %s has changed", two[k])
				}
			}
		})
	}
}
