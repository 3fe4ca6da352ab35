package tss

import (
	"errors"
	"fmt"
	"io"
	"math/big"
	"slices"
	"sync/atomic"

	"github.com/ethereum/go-ethereum/common"

	ecommon "github.com/bnb-chain/tss-lib/v2/common"
	engine "github.com/bnb-chain/tss-lib/v2/tss"

	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/policy"
)

// Armed is a slot: one signature by one set of signers, ready but for the
// digest. It is fired once, or never. It lives in memory alone: it can't be
// copied, stored or printed, and all that was kept for it goes with Fire or
// Discard, whatever comes of them. Its methods may be called from several
// goroutines.
type Armed struct {
	_       noCopy
	id      council.SessionID
	signers []council.MemberID
	epoch   uint64
	expires uint64
	parked  *atomic.Pointer[parked] // to nil once it is spent; a copy would share it, and be spent as well
}

// parked is what a slot consists of.
type parked struct {
	self    int
	parties *parties
	party   engine.Party
	out     chan engine.Message
	end     chan *ecommon.SignatureData
	message *big.Int // the engine's own: zero until fired
	round4  []byte   // the own message that was kept back
	guard   *guard
	key     common.Address
}

func newArmed(s *Session, c ArmConfig, m *big.Int, end chan *ecommon.SignatureData) *Armed {
	a := &Armed{id: c.Session, signers: slices.Clone(c.Signers), epoch: c.Share.epoch, expires: c.Expires, parked: new(atomic.Pointer[parked])}
	a.parked.Store(&parked{
		self: s.self, parties: s.parties, party: s.party, out: s.out, end: end,
		message: m, round4: s.parked, guard: s.guard, key: c.Share.Address(),
	})
	return a
}

// ID names the slot; it is the id of the session that armed it.
func (a *Armed) ID() council.SessionID { return a.id }

// Signers are who can fire it together, sorted.
func (a *Armed) Signers() []council.MemberID { return slices.Clone(a.signers) }

// Epoch is the share epoch that it was armed in and dies with.
func (a *Armed) Epoch() uint64 { return a.epoch }

// Expires is when it can't be fired any more, in unix seconds.
func (a *Armed) Expires() uint64 { return a.expires }

// Discard spends the slot without firing it.
func (a *Armed) Discard() { a.parked.Store(nil) }

// ErrSpent is returned for a slot that was fired or discarded before.
var ErrSpent = errors.New("slot is spent")

// FireConfig says what a slot is fired for.
type FireConfig struct {
	Session council.SessionID // of rounds 4 to 9: it commits to the slot and to what is signed
	Warrant policy.Warrant    // as for a session that is not armed
	Now     uint64            // unix seconds
}

// Fire binds the slot to the warrant's digest and prepares rounds 4 to 9. It
// consumes the slot, also when it returns an error: a slot never sees two
// digests, and never the same one twice.
func (a *Armed) Fire(c FireConfig) (*Session, error) {
	p := a.parked.Swap(nil)
	if p == nil {
		return nil, fmt.Errorf("fire slot %s: %w", a.id.Short(), ErrSpent)
	}
	s, err := a.fire(p, c)
	if err != nil {
		return nil, fmt.Errorf("fire slot %s: %w", a.id.Short(), err)
	}
	return s, nil
}

func (a *Armed) fire(p *parked, c FireConfig) (*Session, error) {
	if c.Warrant == nil {
		return nil, errNoWarrant()
	}
	if err := c.Warrant.Check(c.Session, a.id, a.signers, c.Now); err != nil {
		return nil, err
	}
	if c.Session == a.id {
		return nil, errors.New("session has the slot's own id")
	}
	if c.Now >= a.expires {
		return nil, fmt.Errorf("slot expired %d seconds ago", c.Now-a.expires)
	}
	digest := c.Warrant.Digest()
	m, err := messageOf(digest)
	if err != nil {
		return nil, err
	}
	s := newSession(kindFire, c.Session, a.signers, p.self, p.parties, fireSteps, p.guard)
	s.party, s.out = p.party, p.out
	s.finish = finishSignature(s, digest, p.key, p.end)
	s.begin = func(ready *Ready) error {
		p.message.Set(m)
		s.transcript.hear(SignRound4, s.self, p.round4)
		ready.Messages = append(ready.Messages, Message{
			Session: s.id, From: s.Self(), Round: SignRound4, Transcript: s.TranscriptBefore(SignRound4), Payload: p.round4,
		})
		return nil
	}
	return s, nil
}

// String names the slot and shows nothing of it.
func (a *Armed) String() string { return "slot " + a.id.Short() }

// GoString is String.
func (a *Armed) GoString() string { return a.String() }

// Format keeps what is inside out of every verb.
func (a *Armed) Format(f fmt.State, _ rune) { io.WriteString(f, a.String()) }

var errNotStored = errors.New("a slot is never stored or sent")

// MarshalJSON refuses, as do the other forms.
func (*Armed) MarshalJSON() ([]byte, error) { return nil, errNotStored }

// MarshalBinary refuses; so gob does.
func (*Armed) MarshalBinary() ([]byte, error) { return nil, errNotStored }

// MarshalText refuses.
func (*Armed) MarshalText() ([]byte, error) { return nil, errNotStored }

// MarshalYAML refuses.
func (*Armed) MarshalYAML() (any, error) { return nil, errNotStored }

// EncodeRLP refuses.
func (*Armed) EncodeRLP(io.Writer) error { return errNotStored }

// noCopy lets 'go vet' find copies.
type noCopy struct{}

func (*noCopy) Lock()   {}
func (*noCopy) Unlock() {}
