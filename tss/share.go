package tss

import (
	"crypto/ecdsa"
	"fmt"
	"io"
	"math/big"
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	ecrypto "github.com/bnb-chain/tss-lib/v2/crypto"
	"github.com/bnb-chain/tss-lib/v2/crypto/paillier"
	"github.com/bnb-chain/tss-lib/v2/ecdsa/keygen"

	"github.com/millicent-one/signer/council"
)

// Share is one member's part of the council's key in one share epoch, with the
// public numbers of all members. It is secret, and prints as nothing.
type Share struct {
	epoch     uint64
	origin    council.SessionID // the key generation that made it
	self      council.MemberID
	members   []council.MemberID // sorted
	threshold int                // signers
	data      keygen.LocalPartySaveData
}

// Epoch is the share epoch.
func (s *Share) Epoch() uint64 { return s.epoch }

// Origin is the session that made the share.
func (s *Share) Origin() council.SessionID { return s.origin }

// Self is whose share it is.
func (s *Share) Self() council.MemberID { return s.self }

// Members are all who hold a share, sorted.
func (s *Share) Members() []council.MemberID { return slices.Clone(s.members) }

// Threshold is how many members sign.
func (s *Share) Threshold() int { return s.threshold }

// PublicKey is the council's key.
func (s *Share) PublicKey() *ecdsa.PublicKey { return publicKey(s.data.ECDSAPub) }

func publicKey(p *ecrypto.ECPoint) *ecdsa.PublicKey {
	point := append([]byte{4}, make([]byte, 2*scalarBytes)...)
	p.X().FillBytes(point[1 : 1+scalarBytes])
	p.Y().FillBytes(point[1+scalarBytes:])
	key, err := crypto.UnmarshalPubkey(point)
	if err != nil {
		panic("tss: share with an invalid public key") // every way to one checks it
	}
	return key
}

// Address is the council's Ethereum address.
func (s *Share) Address() common.Address { return crypto.PubkeyToAddress(*s.PublicKey()) }

// Moduli are the hashes of all members' moduli, for the Seen set of later
// epochs.
func (s *Share) Moduli() []common.Hash { return moduliOf(&s.data) }

func moduliOf(d *keygen.LocalPartySaveData) []common.Hash {
	var out []common.Hash
	for i := range d.Ks {
		out = append(out, modulusHash(d.PaillierPKs[i].N), modulusHash(d.NTildej[i]))
	}
	return out
}

// Copy is a deep copy: nothing done to it reaches the original.
func (s *Share) Copy() *Share {
	c := *s
	c.members = slices.Clone(s.members)
	c.data = keygen.LocalPartySaveData{
		LocalPreParams: clonePreParams(s.data.LocalPreParams),
		LocalSecrets:   keygen.LocalSecrets{Xi: cloneInt(s.data.Xi), ShareID: cloneInt(s.data.ShareID)},
		Ks:             cloneInts(s.data.Ks),
		NTildej:        cloneInts(s.data.NTildej),
		H1j:            cloneInts(s.data.H1j),
		H2j:            cloneInts(s.data.H2j),
		BigXj:          slices.Clone(s.data.BigXj), // points are never changed in place
		PaillierPKs:    make([]*paillier.PublicKey, len(s.data.PaillierPKs)),
		ECDSAPub:       s.data.ECDSAPub,
	}
	for i, k := range s.data.PaillierPKs {
		c.data.PaillierPKs[i] = &paillier.PublicKey{N: cloneInt(k.N)}
	}
	return &c
}

// String keeps the share out of logs.
func (Share) String() string { return "[share]" }

// GoString keeps the share out of %#v.
func (Share) GoString() string { return "[share]" }

// Format keeps the share out of every other verb.
func (Share) Format(f fmt.State, _ rune) { io.WriteString(f, "[share]") }

// MarshalJSON keeps the share out of JSON.
func (Share) MarshalJSON() ([]byte, error) { return []byte(`"[share]"`), nil }

// parties is the engine's view of all holders.
func (s *Share) parties() *parties {
	return originParties(s.members, s.origin)
}

// index is the engine's index of this party among all holders.
func (s *Share) index() int {
	return slices.IndexFunc(s.data.Ks, func(k *big.Int) bool { return k.Cmp(s.data.ShareID) == 0 })
}

func clonePreParams(p keygen.LocalPreParams) keygen.LocalPreParams {
	sk := p.PaillierSK
	return keygen.LocalPreParams{
		PaillierSK: &paillier.PrivateKey{
			PublicKey: paillier.PublicKey{N: cloneInt(sk.N)},
			LambdaN:   cloneInt(sk.LambdaN), PhiN: cloneInt(sk.PhiN), P: cloneInt(sk.P), Q: cloneInt(sk.Q),
		},
		NTildei: cloneInt(p.NTildei),
		H1i:     cloneInt(p.H1i), H2i: cloneInt(p.H2i),
		Alpha: cloneInt(p.Alpha), Beta: cloneInt(p.Beta),
		P: cloneInt(p.P), Q: cloneInt(p.Q),
	}
}

func cloneInt(n *big.Int) *big.Int { return new(big.Int).Set(n) }

func cloneInts(in []*big.Int) []*big.Int {
	out := make([]*big.Int, len(in))
	for i, n := range in {
		out[i] = cloneInt(n)
	}
	return out
}
