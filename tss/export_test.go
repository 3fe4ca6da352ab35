package tss

import (
	"context"
	"io"
	"math/big"

	"github.com/ethereum/go-ethereum/rlp"

	"github.com/bnb-chain/tss-lib/v2/ecdsa/keygen"
	engine "github.com/bnb-chain/tss-lib/v2/tss"

	"github.com/millicent-one/signer/council"
)

// What the tests of package tss_test need from inside: they can't be in this
// package, because testcouncil imports it.

var (
	Decode       = decode
	RoundOf      = roundOf
	PartyKey     = partyKey
	KeygenSteps  = keygenSteps
	SignSteps    = signSteps
	CheckModulus = checkModulus
	ModulusProof = modulusProof
	Order        = order
)

func (r Round) MaxPayload() int { return r.maxPayload() }

// Data is the engine's view of the share; changes reach the share.
func (s *Share) Data() *keygen.LocalPartySaveData { return &s.data }

// Index is the engine's index of the share's owner.
func (s *Share) Index() int { return s.index() }

// SetOrigin changes the session that coordinates are derived from.
func (s *Share) SetOrigin(id council.SessionID) { s.origin = id }

// OwnPreParams are the numbers that the share was made with, as if new.
func (s *Share) OwnPreParams() *PreParams {
	return &PreParams{&preParams{data: clonePreParams(s.data.LocalPreParams)}}
}

// Secrets are the numbers themselves; changes reach the pre-parameters.
func (p *PreParams) Secrets() *keygen.LocalPreParams { return &p.data }

// SafePrimes is the search for safe primes of any size.
func SafePrimes(ctx context.Context, random io.Reader, bits, count int) ([]*big.Int, error) {
	return safePrimes(ctx, PreParamsOptions{Rand: &lockedReader{r: random}, Workers: 2, Progress: func(int, int) {}}, bits, count)
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
