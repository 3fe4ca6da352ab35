package tss

import (
	"crypto/ecdsa"
	"errors"
	"fmt"
	"math/big"
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rlp"

	ecrypto "github.com/bnb-chain/tss-lib/v2/crypto"
	"github.com/bnb-chain/tss-lib/v2/crypto/paillier"
	"github.com/bnb-chain/tss-lib/v2/ecdsa/keygen"
	engine "github.com/bnb-chain/tss-lib/v2/tss"

	"github.com/millicent-one/signer/council"
)

// Public are the numbers of one share epoch that all its members know and that
// no secret follows from. Who joins a council has no share to look at: it checks
// the dealers of a resharing by these. Two members of an epoch have equal ones,
// which Hash shows.
type Public struct {
	epoch     uint64
	origin    council.SessionID
	members   []council.MemberID // sorted
	threshold int
	data      keygen.LocalPartySaveData // no secret in it
}

// Public are the public numbers of the share's epoch.
func (s *Share) Public() *Public {
	c := s.Copy()
	return &Public{
		epoch: c.epoch, origin: c.origin, members: c.members, threshold: c.threshold,
		data: keygen.LocalPartySaveData{
			Ks: c.data.Ks, NTildej: c.data.NTildej, H1j: c.data.H1j, H2j: c.data.H2j,
			BigXj: c.data.BigXj, PaillierPKs: c.data.PaillierPKs, ECDSAPub: c.data.ECDSAPub,
		},
	}
}

// Epoch is the share epoch.
func (p *Public) Epoch() uint64 { return p.epoch }

// Origin is the session that made the shares.
func (p *Public) Origin() council.SessionID { return p.origin }

// Members are all who hold a share, sorted.
func (p *Public) Members() []council.MemberID { return slices.Clone(p.members) }

// Threshold is how many members sign, and deal.
func (p *Public) Threshold() int { return p.threshold }

// PublicKey is the council's key.
func (p *Public) PublicKey() *ecdsa.PublicKey { return publicKey(p.data.ECDSAPub) }

// Address is the council's Ethereum address.
func (p *Public) Address() common.Address { return crypto.PubkeyToAddress(*p.PublicKey()) }

// Moduli are the hashes of all members' moduli.
func (p *Public) Moduli() []common.Hash { return moduliOf(&p.data) }

// Hash is equal for equal numbers, and for no others.
func (p *Public) Hash() common.Hash {
	b, err := p.MarshalBinary()
	if err != nil {
		panic("tss: public numbers that can't be encoded") // every way to a Public checks them
	}
	return crypto.Keccak256Hash(b)
}

const publicKind = "millicent public numbers"

type publicV1 struct {
	Epoch      uint64
	Origin     council.SessionID
	Members    []council.MemberID
	Threshold  uint64
	Peers      []peerV1 // in the engine's order
	KeyX, KeyY *big.Int
}

// MarshalBinary is the form in which nodes tell each other.
func (p *Public) MarshalBinary() ([]byte, error) {
	return seal(publicKind, 1, publicV1{
		p.epoch, p.origin, p.members, uint64(p.threshold), peersOf(&p.data), p.data.ECDSAPub.X(), p.data.ECDSAPub.Y(),
	})
}

// PublicClaim says whose public numbers some bytes claim to be.
type PublicClaim struct {
	Epoch     uint64
	Members   []council.MemberID // sorted
	Threshold int
	Key       common.Address
}

// ReadPublicClaim looks whose public numbers the bytes claim to be. It looks at no
// modulus, so it is quick whatever they hold.
func ReadPublicClaim(b []byte) (PublicClaim, error) {
	p, err := readPublic(b)
	if err != nil {
		return PublicClaim{}, fmt.Errorf("read public numbers: %w", err)
	}
	return PublicClaim{Epoch: p.epoch, Members: p.members, Threshold: p.threshold, Key: p.Address()}, nil
}

// UnmarshalPublic reads what MarshalBinary wrote, and checks all that can be
// checked without a share: the points lie on one polynomial whose value at zero
// is the key. That the key is the council's is for the caller to compare, and first,
// by ReadPublicClaim: this takes milliseconds, and more the more members there are.
func UnmarshalPublic(b []byte) (*Public, error) {
	p, err := readPublic(b)
	if err == nil {
		err = p.check()
	}
	if err != nil {
		return nil, fmt.Errorf("read public numbers: %w", err)
	}
	return p, nil
}

// readPublic reads the numbers and checks none of them but that points are on the curve.
func readPublic(b []byte) (*Public, error) {
	if len(b) > maxShare {
		return nil, fmt.Errorf("%d bytes; at most %d", len(b), maxShare)
	}
	body, err := unseal(publicKind, 1, b)
	if err != nil {
		return nil, err
	}
	var v publicV1
	if err := rlp.DecodeBytes(body, &v); err != nil {
		return nil, err
	}
	if len(v.Members) == 0 {
		return nil, errors.New("there are no members")
	}
	if _, err := checkMembers(v.Members, v.Members[0]); err != nil {
		return nil, err
	}
	if v.Threshold > maxParties {
		return nil, fmt.Errorf("threshold is %d", v.Threshold)
	}
	p := &Public{epoch: v.Epoch, origin: v.Origin, members: v.Members, threshold: int(v.Threshold)}
	ids := originParties(p.members, p.origin)
	if p.data, err = readPeers(ids, v.Peers, v.KeyX, v.KeyY); err != nil {
		return nil, err
	}
	return p, checkThreshold(p.threshold, len(p.members))
}

func (p *Public) check() error {
	if err := checkPublicModuli(&p.data); err != nil {
		return err
	}
	return checkPolynomial(&p.data, p.threshold)
}

// originParties is the engine's view of all holders of the shares that a session
// made.
func originParties(members []council.MemberID, origin council.SessionID) *parties {
	return newParties(members, func(m council.MemberID) *big.Int { return partyKey(origin, m) })
}

// peersOf is the stored form of everyone's public numbers.
func peersOf(d *keygen.LocalPartySaveData) []peerV1 {
	var out []peerV1
	for i := range d.Ks {
		out = append(out, peerV1{d.PaillierPKs[i].N, d.NTildej[i], d.H1j[i], d.H2j[i], d.BigXj[i].X(), d.BigXj[i].Y()})
	}
	return out
}

// readPeers is peersOf backwards.
func readPeers(p *parties, peers []peerV1, keyX, keyY *big.Int) (d keygen.LocalPartySaveData, err error) {
	if len(peers) != len(p.sorted) {
		return d, errors.New("a list has not one entry a member")
	}
	d = keygen.NewLocalPartySaveData(len(peers))
	d.Ks = p.sorted.Keys()
	for i, peer := range peers {
		d.PaillierPKs[i] = &paillier.PublicKey{N: peer.Paillier}
		d.NTildej[i], d.H1j[i], d.H2j[i] = peer.NTilde, peer.H1, peer.H2
		if d.BigXj[i], err = ecrypto.NewECPoint(engine.S256(), peer.X, peer.Y); err != nil {
			return d, errors.New("a public share is not on the curve")
		}
	}
	if d.ECDSAPub, err = ecrypto.NewECPoint(engine.S256(), keyX, keyY); err != nil {
		return d, errors.New("public key is not on the curve")
	}
	return d, nil
}
