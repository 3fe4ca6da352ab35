package tss_test

import (
	"math/big"
	"slices"
	"testing"
	"time"

	ecommon "github.com/bnb-chain/tss-lib/v2/common"
	"github.com/bnb-chain/tss-lib/v2/ecdsa/keygen"
	"github.com/bnb-chain/tss-lib/v2/ecdsa/resharing"
	"github.com/bnb-chain/tss-lib/v2/ecdsa/signing"
	engine "github.com/bnb-chain/tss-lib/v2/tss"

	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/internal/testcouncil"
	"github.com/millicent-one/signer/tss"
)

// BenchmarkPreParams is one member's pre-parameters by our sieve.
func BenchmarkPreParams(b *testing.B) {
	for b.Loop() {
		if _, err := tss.GeneratePreParams(b.Context(), tss.PreParamsOptions{}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkPreParamsEngine is the same by the engine's generator.
func BenchmarkPreParamsEngine(b *testing.B) {
	for b.Loop() {
		if _, err := keygen.GeneratePreParams(10 * time.Minute); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkKeygen is a key generation of all seven in one process, without the
// search for primes.
func BenchmarkKeygen(b *testing.B) {
	shares := testcouncil.Shares(b)
	ids := testcouncil.IDs()
	for i := 0; b.Loop(); i++ {
		var sessions []*tss.Session
		for k, m := range ids {
			s, err := tss.NewKeygen(tss.KeygenConfig{
				Session: council.SessionID{byte(i)}, Self: m, Members: ids, Threshold: 4, Epoch: 1, Params: shares[k].OwnPreParams(),
			})
			if err != nil {
				b.Fatal(err)
			}
			sessions = append(sessions, s)
		}
		if _, err := testcouncil.Run(sessions); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkKeygenEngine is the same with the bare engine.
func BenchmarkKeygenEngine(b *testing.B) {
	shares := testcouncil.Shares(b)
	for b.Loop() {
		ids := engine.GenerateTestPartyIDs(len(shares))
		out, end := make(chan engine.Message, 1000), make(chan *keygen.LocalPartySaveData, len(ids))
		var parties []engine.Party
		for i, id := range ids {
			params := engine.NewParameters(engine.S256(), engine.NewPeerContext(ids), id, len(ids), 3)
			parties = append(parties, keygen.NewLocalParty(params, out, end, *shares[i].OwnPreParams().Secrets()))
		}
		carry(b, parties, out)
		if len(end) != len(ids) {
			b.Fatal("no key")
		}
	}
}

// BenchmarkSignCold is a signature by four of seven in one process.
func BenchmarkSignCold(b *testing.B) {
	shares := testcouncil.Shares(b)
	for i := 0; b.Loop(); i++ {
		if _, err := testcouncil.Run(signers(b, shares, testcouncil.IDs()[:4], ceremonyOf(i))); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkSignColdEngine is the same with the bare engine.
func BenchmarkSignColdEngine(b *testing.B) {
	shares := testcouncil.Shares(b)[:4]
	for b.Loop() {
		var unsorted engine.UnSortedPartyIDs
		byKey := map[string]*tss.Share{}
		for _, s := range shares {
			unsorted = append(unsorted, engine.NewPartyID(string(s.Self()), "", s.Data().ShareID))
			byKey[string(s.Self())] = s
		}
		ids := engine.SortPartyIDs(unsorted)
		out, end := make(chan engine.Message, 1000), make(chan *ecommon.SignatureData, len(ids))
		var parties []engine.Party
		for _, id := range ids {
			params := engine.NewParameters(engine.S256(), engine.NewPeerContext(ids), id, len(ids), 3)
			parties = append(parties, signing.NewLocalParty(big.NewInt(42), params, *byKey[id.Id].Data(), out, end, 32))
		}
		carry(b, parties, out)
		if len(end) != len(ids) {
			b.Fatal("no signature")
		}
	}
}

// BenchmarkReshare gives seven members, two of them new, shares of the same key,
// dealt by four; all in one process, without the search for primes.
func BenchmarkReshare(b *testing.B) {
	shares := testcouncil.Shares(b)
	dealers, members := successors()
	pre := unused(b)
	for i := 0; b.Loop(); i++ {
		var fresh []*tss.PreParams
		for _, p := range pre[:len(members)] {
			fresh = append(fresh, tss.PreParamsOf(p.Secrets()))
		}
		if _, err := testcouncil.Run(reshare(b, shares, dealers, members, council.SessionID{26, byte(i)}, fresh, nil)); err != nil {
			b.Fatal(err)
		}
	}
}

// successors are four dealers of the test council, and who comes after it.
func successors() (dealers, members []council.MemberID) {
	ids := testcouncil.IDs()
	return ids[:4], council.Sorted(append(slices.Clone(ids[:5]), "community-4", "core-5"))
}

// BenchmarkReshareEngine is the same with the bare engine.
func BenchmarkReshareEngine(b *testing.B) {
	shares := testcouncil.Shares(b)
	pre := unused(b)
	for b.Loop() {
		var old engine.UnSortedPartyIDs
		byKey := map[string]*tss.Share{}
		for _, s := range shares[:4] {
			old = append(old, engine.NewPartyID(string(s.Self()), "", s.Data().ShareID))
			byKey[string(s.Self())] = s
		}
		dealers := engine.SortPartyIDs(old)
		heirs := engine.GenerateTestPartyIDs(7)
		out, end := make(chan engine.Message, 1000), make(chan *keygen.LocalPartySaveData, 11)
		var parties []engine.Party
		add := func(id *engine.PartyID, data keygen.LocalPartySaveData) {
			params := engine.NewReSharingParameters(engine.S256(), engine.NewPeerContext(dealers), engine.NewPeerContext(heirs), id, 4, 3, 7, 3)
			parties = append(parties, resharing.NewLocalParty(params, data, out, end))
		}
		for _, id := range dealers {
			add(id, *byKey[id.Id].Copy().Data())
		}
		for i, id := range heirs {
			data := keygen.NewLocalPartySaveData(7)
			data.LocalPreParams = *pre[i].Secrets()
			add(id, data)
		}
		carryBetween(b, parties, out, func(m engine.ParsedMessage, p engine.Party) bool {
			side := 0
			if slices.Contains(heirs, p.PartyID()) {
				side = 1
			}
			return p.PartyID() != m.GetFrom() && meant(tss.RoundOf(m.Content()), side) &&
				(len(m.GetTo()) != 1 || m.GetTo()[0].KeyInt().Cmp(p.PartyID().KeyInt()) == 0)
		})
		if len(end) != 11 {
			b.Fatal("no shares")
		}
	}
}

// carry starts bare parties and carries their messages, in lockstep like
// testcouncil.Run.
func carry(b *testing.B, parties []engine.Party, out chan engine.Message) {
	carryBetween(b, parties, out, func(m engine.ParsedMessage, p engine.Party) bool {
		to := m.GetTo()
		return m.GetFrom().Index != p.PartyID().Index && (len(to) != 1 || to[0].Index == p.PartyID().Index)
	})
}

// carryBetween does it where not everybody hears everything.
func carryBetween(b *testing.B, parties []engine.Party, out chan engine.Message, hears func(engine.ParsedMessage, engine.Party) bool) {
	each := func(f func(engine.Party) *engine.Error) {
		done := make(chan *engine.Error, len(parties))
		for _, p := range parties {
			go func() { done <- f(p) }()
		}
		for range parties {
			if err := <-done; err != nil {
				b.Error(err)
			}
		}
		if b.Failed() {
			b.FailNow()
		}
	}
	each(func(p engine.Party) *engine.Error { return p.Start() })
	for len(out) > 0 {
		var batch []engine.ParsedMessage
		for len(out) > 0 {
			batch = append(batch, (<-out).(engine.ParsedMessage))
		}
		each(func(p engine.Party) *engine.Error {
			for _, m := range batch {
				if !hears(m, p) {
					continue
				}
				if _, err := p.Update(m); err != nil {
					return err
				}
			}
			return nil
		})
	}
}
