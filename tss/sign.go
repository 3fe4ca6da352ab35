package tss

import (
	"errors"
	"fmt"
	"math/big"
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	ecommon "github.com/bnb-chain/tss-lib/v2/common"
	"github.com/bnb-chain/tss-lib/v2/ecdsa/signing"
	engine "github.com/bnb-chain/tss-lib/v2/tss"

	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/policy"
)

// SignConfig describes a signing session.
type SignConfig struct {
	Session council.SessionID
	Self    council.MemberID
	Signers []council.MemberID // sorted; exactly as many as the share's threshold
	Share   *Share             // not changed: the engine gets a copy
	Warrant policy.Warrant     // says what is signed, and that it may be
	Now     uint64             // unix seconds
}

// NewSign prepares this party's part in one signature. Nothing is signed
// without a warrant for this session and these signers. At its end Ready
// carries the Signature.
func NewSign(c SignConfig) (*Session, error) {
	s, err := newSign(c)
	if err != nil {
		return nil, fmt.Errorf("prepare signing: %w", err)
	}
	return s, nil
}

func newSign(c SignConfig) (*Session, error) {
	if c.Warrant == nil {
		return nil, errNoWarrant()
	}
	if err := c.Warrant.Check(c.Session, council.SessionID{}, c.Signers, c.Now); err != nil {
		return nil, err
	}
	digest := c.Warrant.Digest()
	m, err := messageOf(digest)
	if err != nil {
		return nil, err
	}
	end := make(chan *ecommon.SignatureData, 1)
	s, err := newSigning(kindSign, c.Session, c.Self, c.Signers, c.Share, m, end)
	if err != nil {
		return nil, err
	}
	s.finish = finishSignature(s, digest, c.Share.Address(), end)
	return s, nil
}

func errNoWarrant() error {
	return council.WithHint(errors.New("there is no warrant"), "nothing is signed that the policy has not allowed")
}

// messageOf is a digest as the engine's number.
func messageOf(digest common.Hash) (*big.Int, error) {
	m := new(big.Int).SetBytes(digest[:])
	if m.Sign() == 0 || m.Cmp(order) >= 0 {
		return nil, errors.New("digest is not between 0 and the group order")
	}
	return m, nil
}

// newSigning makes the session of one signature, or of its first rounds, with a
// fresh party of the engine. Whoever calls it sets what ends the session.
func newSigning(k kind, id council.SessionID, who council.MemberID, signers []council.MemberID, share *Share, m *big.Int, end chan *ecommon.SignatureData) (*Session, error) {
	if share == nil {
		return nil, errors.New("there is no share")
	}
	self, err := checkMembers(signers, who)
	if err != nil {
		return nil, err
	}
	if err := share.fits(who, signers); err != nil {
		return nil, err
	}
	share = share.Copy()
	signers = slices.Clone(signers)
	p := newParties(signers, func(m council.MemberID) *big.Int { return partyKey(share.origin, m) })
	g := newGuard(signers, self, share.threshold-1)
	all := share.parties()
	for i, id := range signers {
		at := all.ids[slices.Index(share.members, id)].Index
		g.paillier[i], g.tilde[i] = share.data.PaillierPKs[at].N, share.data.NTildej[at]
	}
	steps := signSteps
	if k == kindArm {
		steps = armSteps
	}
	s := newSession(k, id, signers, self, p, steps, g)
	s.out = make(chan engine.Message, outbound(signSteps, len(signers)))
	// The engine would drop leading zeros of the digest unless told its length.
	s.party = signing.NewLocalParty(m, p.params(self, share.threshold-1), share.data, s.out, end, scalarBytes)
	return s, nil
}

// finishSignature takes the engine's signature, once there is one.
func finishSignature(s *Session, digest common.Hash, key common.Address, end chan *ecommon.SignatureData) func(*Ready) error {
	return func(ready *Ready) error {
		select {
		case data := <-end:
			sig, err := checkedSignature(digest, key, data)
			if err != nil {
				return s.suspect(SignRound9, err)
			}
			s.done = true
			ready.Signature = sig
		default:
		}
		return nil
	}
}

// fits reports why these signers, this party among them, can't sign with the
// share.
func (s *Share) fits(self council.MemberID, signers []council.MemberID) error {
	if s.self != self {
		return fmt.Errorf("the share is of %s, not of %s", s.self, self)
	}
	if len(signers) != s.threshold {
		return fmt.Errorf("%d signers; the share needs exactly %d", len(signers), s.threshold)
	}
	for _, m := range signers {
		if _, ok := slices.BinarySearch(s.members, m); !ok {
			return fmt.Errorf("%s has no share of this epoch", m)
		}
	}
	return nil
}

// checkedSignature checks the engine's signature with code that is not the
// engine's, against the digest that this party was asked to sign.
func checkedSignature(digest common.Hash, key common.Address, data *ecommon.SignatureData) (*Signature, error) {
	r, s, v := data.GetR(), data.GetS(), data.GetSignatureRecovery()
	if len(r) != 32 || len(s) != 32 || len(v) != 1 {
		return nil, errors.New("signature has the wrong size")
	}
	sig := &Signature{R: [32]byte(r), S: [32]byte(s), V: v[0]}
	if !crypto.ValidateSignatureValues(sig.V, new(big.Int).SetBytes(r), new(big.Int).SetBytes(s), true) {
		return nil, errors.New("signature values are out of range, or s is high")
	}
	pub, err := crypto.SigToPub(digest[:], sig.Bytes())
	if err != nil {
		return nil, fmt.Errorf("signature does not recover: %w", err)
	}
	if got := crypto.PubkeyToAddress(*pub); got != key {
		return nil, fmt.Errorf("signature recovers to %s, not to the council's %s", got.Hex(), key.Hex())
	}
	return sig, nil
}
