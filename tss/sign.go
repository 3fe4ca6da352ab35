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
		return nil, council.WithHint(errors.New("there is no warrant"), "nothing is signed that the policy has not allowed")
	}
	if err := c.Warrant.Check(c.Session, c.Signers, c.Now); err != nil {
		return nil, err
	}
	if c.Share == nil {
		return nil, errors.New("there is no share")
	}
	self, err := checkMembers(c.Signers, c.Self)
	if err != nil {
		return nil, err
	}
	if err := fitsShare(c); err != nil {
		return nil, err
	}
	digest := c.Warrant.Digest()
	m := new(big.Int).SetBytes(digest[:])
	if m.Sign() == 0 || m.Cmp(order) >= 0 {
		return nil, errors.New("digest is not between 0 and the group order")
	}

	share := c.Share.Copy()
	signers := slices.Clone(c.Signers)
	p := newParties(signers, func(m council.MemberID) *big.Int { return partyKey(share.origin, m) })
	g := newGuard(signers, self, share.threshold-1)
	all := share.parties()
	for i, id := range signers {
		at := all.ids[slices.Index(share.members, id)].Index
		g.paillier[i], g.tilde[i] = share.data.PaillierPKs[at].N, share.data.NTildej[at]
	}
	s := newSession(kindSign, c.Session, signers, self, p, signSteps, g)
	end := make(chan *ecommon.SignatureData, 1)
	s.finish = func(ready *Ready) error {
		select {
		case data := <-end:
			sig, err := checkedSignature(digest, share.Address(), data)
			if err != nil {
				return s.suspect(SignRound9, err)
			}
			s.done, s.party = true, nil
			ready.Signature = sig
		default:
		}
		return nil
	}
	// The engine would drop leading zeros of the digest unless told its length.
	s.party = signing.NewLocalParty(m, p.params(self, share.threshold-1), share.data, s.out, end, len(digest))
	return s, nil
}

func fitsShare(c SignConfig) error {
	if c.Share.self != c.Self {
		return fmt.Errorf("the share is of %s, not of %s", c.Share.self, c.Self)
	}
	if len(c.Signers) != c.Share.threshold {
		return fmt.Errorf("%d signers; the share needs exactly %d", len(c.Signers), c.Share.threshold)
	}
	for _, m := range c.Signers {
		if _, ok := slices.BinarySearch(c.Share.members, m); !ok {
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
