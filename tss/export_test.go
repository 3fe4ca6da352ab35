package tss

import (
	"context"
	"io"
	"maps"
	"math/big"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rlp"

	"github.com/bnb-chain/tss-lib/v2/ecdsa/keygen"
	engine "github.com/bnb-chain/tss-lib/v2/tss"

	"github.com/millicent-one/signer/council"
)

// What the tests of package tss_test need from inside: they can't be in this
// package, because testcouncil imports it.

var (
	Decode           = decode
	RoundOf          = roundOf
	PartyKey         = partyKey
	KeygenSteps      = keygenSteps
	SignSteps        = signSteps
	ArmSteps         = armSteps
	FireSteps        = fireSteps
	ReshareSteps     = reshareSteps
	CheckModulus     = checkModulus
	CheckedSignature = checkedSignature
	ModulusProof     = modulusProof
	Order            = order
	FarFromAll       = farFromAll
	PrimesBelow      = primesBelow
)

// Bare reports whether a message of the type is only a word.
func (r Round) Bare() bool { return r.bare() }

// ByHeirs reports whether the type is spoken by the members of the next epoch.
func (r Round) ByHeirs() bool { return r.byHeirs() }

// Data is the engine's view of the share; changes reach the share.
func (s *Share) Data() *keygen.LocalPartySaveData { return &s.data }

// Index is the engine's index of the share's owner.
func (s *Share) Index() int { return s.index() }

// SetOrigin changes the session that coordinates are derived from.
func (s *Share) SetOrigin(id council.SessionID) { s.origin = id }

// SetSelf changes whose share it says it is.
func (s *Share) SetSelf(m council.MemberID) { s.self = m }

// SetThreshold changes how many members it says sign.
func (s *Share) SetThreshold(n int) { s.threshold = n }

// OwnPreParams are the numbers that the share was made with, as if new.
func (s *Share) OwnPreParams() *PreParams {
	return &PreParams{&preParams{data: clonePreParams(s.data.LocalPreParams)}}
}

// Secrets are the numbers themselves; changes reach the pre-parameters.
func (p *PreParams) Secrets() *keygen.LocalPreParams { return &p.data }

// PreParamsOf makes a set of these numbers, with what follows from the primes
// made anew.
func PreParamsOf(d *keygen.LocalPreParams) *PreParams {
	c := *d
	c.PaillierSK = paillierKey(d.PaillierSK.P, d.PaillierSK.Q)
	return &PreParams{&preParams{data: c}}
}

// ModulusHash is how a modulus is remembered.
func ModulusHash(n *big.Int) common.Hash { return modulusHash(n) }

// SafePrimes is the search for safe primes of any size.
func SafePrimes(ctx context.Context, random io.Reader, bits, count int) ([]*big.Int, error) {
	return safePrimes(ctx, PreParamsOptions{Rand: &lockedReader{r: random}, Workers: 2, Progress: func(int, int) {}}, bits, count)
}

// The sieve strikes multiples of primes below SievePrimes among SieveWindow candidates.
const (
	SievePrimes = sievePrimes
	SieveWindow = sieveWindow / 2
)

// Struck reports which numbers start + 2i the sieve strikes.
func Struck(start *big.Int) []bool {
	var s sieve
	s.strike(start)
	return s.struck[:]
}

// Seal puts a body that may be anything into a valid envelope.
func Seal(kind string, version uint64, body []byte) ([]byte, error) {
	return seal(kind, version, rlp.RawValue(body))
}

// Unseal is the body of an envelope.
func Unseal(kind string, version uint64, b []byte) ([]byte, error) { return unseal(kind, version, b) }

// The kinds of envelope.
const (
	ShareKind     = shareKind
	PreParamsKind = preParamsKind
	PublicKind    = publicKind
)

// Bounds of what is read.
const (
	MaxParties = maxParties
	MaxShare   = maxShare
)

// Guard is the guard on its own.
type Guard struct{ g *guard }

// GuardOf is the guard of a session.
func GuardOf(s *Session) Guard { return Guard{s.guard} }

// Check looks at a message as the session would.
func (g Guard) Check(from int, r Round, c engine.MessageContent) error { return g.g.check(from, r, c) }

// Own notes a message of this party.
func (g Guard) Own(r Round, c engine.MessageContent) error { return g.g.own(r, c) }

// Paillier is a member's modulus as the guard knows it.
func (g Guard) Paillier(member int) *big.Int { return g.g.paillier[member] }

// BelieveDealers lets a resharing take whatever key and secret its dealers name, as
// if its guard knew nothing of the old epoch.
func (s *Session) BelieveDealers() { s.guard.deal, s.guard.lone = nil, true }

// EngineSession is the engine's id of a signature by all holders of the share, as
// it is of a resharing from them.
func (s *Share) EngineSession() []byte {
	d, err := newDeal(s.Public(), s.parties())
	if err != nil {
		panic(err)
	}
	return d.ssid
}

// FeedParked gives a parked engine a message of round 4, which no road of the
// package does.
func (a *Armed) FeedParked(t testing.TB, m Message) {
	t.Helper()
	p := a.parked.Load()
	c, err := decode(m.Round, m.Payload)
	if err != nil {
		t.Fatal(err)
	}
	from := slices.Index(a.signers, m.From)
	routing := engine.MessageRouting{From: p.parties.ids[from], IsBroadcast: true}
	if _, err := p.party.Update(engine.NewMessage(routing, c, engine.NewMessageWrapper(routing, c))); err != nil {
		t.Fatal(err)
	}
}

// Restart lets a session that was started hand out its first messages again.
func (s *Session) Restart(first Ready) {
	s.started = false
	s.begin = func(r *Ready) error { *r = first; return nil }
}

// Again is the same slot as if it had not been spent, for tests in which nothing
// reaches its engine.
func (a *Armed) Again(t testing.TB) *Armed {
	t.Helper()
	p := a.parked.Load()
	if p == nil {
		t.Fatal("take it before the slot is fired")
	}
	b := &Armed{id: a.id, signers: a.signers, epoch: a.epoch, expires: a.expires, parked: new(atomic.Pointer[parked])}
	b.parked.Store(p)
	return b
}

// Keeps reports whether a session can still reach its engine or what it wrote.
func (s *Session) Keeps() bool {
	return s.party != nil || s.heir != nil || s.out != nil || s.held != nil || s.parked != nil || s.begin != nil || s.finish != nil
}

// Heard counts what the engine was given.
func (s *Session) Heard() int { return len(s.given) }

// Fork is the same session once more, for tests in which nothing reaches the
// engine of either: they share it.
func (s *Session) Fork() *Session {
	f, g, t := *s, *s.guard, *s.transcript
	f.guard, f.transcript = &g, &t
	f.taken, f.held, f.given = maps.Clone(s.taken), maps.Clone(s.held), maps.Clone(s.given)
	g.paillier, g.tilde = slices.Clone(g.paillier), slices.Clone(g.tilde)
	g.bases, g.theta, g.sealed = maps.Clone(g.bases), maps.Clone(g.theta), map[Round]map[int]*big.Int{}
	for r, all := range s.guard.sealed {
		g.sealed[r] = maps.Clone(all)
	}
	t.heard = map[Round][]common.Hash{}
	for r, all := range s.transcript.heard {
		t.heard[r] = slices.Clone(all)
	}
	return &f
}
