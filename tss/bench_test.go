package tss_test

import (
	"math/big"
	"testing"
	"time"

	ecommon "github.com/bnb-chain/tss-lib/v2/common"
	"github.com/bnb-chain/tss-lib/v2/ecdsa/keygen"
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

// carry starts bare parties and carries their messages, in lockstep like
// testcouncil.Run.
func carry(b *testing.B, parties []engine.Party, out chan engine.Message) {
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
				to := m.GetTo()
				if m.GetFrom().Index == p.PartyID().Index || len(to) == 1 && to[0].Index != p.PartyID().Index {
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
