package tss

import (
	"errors"
	"fmt"
	"math/big"
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rlp"

	"github.com/bnb-chain/tss-lib/v2/ecdsa/keygen"

	"github.com/millicent-one/signer/council"
)

// FormatVersion is the version of the stored share.
const FormatVersion = 1

// EngineVersion is the version of tss-lib that this package was checked
// against, line by line.
const EngineVersion = "v2.0.2"

// envelope is what every secret of this package is stored in. The sum finds
// damage that no arithmetic would: another member's modulus with a wrong digit
// is still a number.
type envelope struct {
	Kind    string
	Version uint64
	Sum     common.Hash // keccak256 of Body
	Body    rlp.RawValue
}

func seal(kind string, version uint64, body any) ([]byte, error) {
	b, err := rlp.EncodeToBytes(body)
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", kind, err)
	}
	return rlp.EncodeToBytes(envelope{kind, version, crypto.Keccak256Hash(b), b})
}

func unseal(kind string, version uint64, b []byte) ([]byte, error) {
	var e envelope
	if err := rlp.DecodeBytes(b, &e); err != nil {
		return nil, err
	}
	if e.Kind != kind {
		return nil, fmt.Errorf("this is no %s", kind)
	}
	if e.Version != version {
		return nil, council.WithHint(fmt.Errorf("%s has format version %d; this program reads version %d", kind, e.Version, version),
			"use the version of the program that wrote it, or a newer one")
	}
	if e.Sum != crypto.Keccak256Hash(e.Body) {
		return nil, fmt.Errorf("%s is damaged: its checksum is wrong", kind)
	}
	return e.Body, nil
}

const shareKind = "millicent share"

// shareV1 holds what can't be derived. Coordinates, the Paillier key's other
// numbers and the own public ones follow from the rest.
type shareV1 struct {
	Epoch     uint64
	Origin    council.SessionID
	Self      council.MemberID
	Members   []council.MemberID
	Threshold uint64

	PaillierP, PaillierQ, P, Q, Alpha, Beta, Secret *big.Int

	Peers      []peerV1 // in the engine's order
	KeyX, KeyY *big.Int
}

type peerV1 struct {
	Paillier, NTilde, H1, H2, X, Y *big.Int
}

// MarshalBinary is the stored form. It is secret.
func (s *Share) MarshalBinary() ([]byte, error) {
	d := &s.data
	v := shareV1{
		Epoch: s.epoch, Origin: s.origin, Self: s.self, Members: s.members, Threshold: uint64(s.threshold),
		PaillierP: d.PaillierSK.P, PaillierQ: d.PaillierSK.Q, P: d.P, Q: d.Q, Alpha: d.Alpha, Beta: d.Beta, Secret: d.Xi,
		KeyX: d.ECDSAPub.X(), KeyY: d.ECDSAPub.Y(),
	}
	v.Peers = peersOf(d)
	return seal(shareKind, FormatVersion, v)
}

// UnmarshalShare reads what MarshalBinary wrote, and checks everything that
// Audit checks, but for primality.
func UnmarshalShare(b []byte) (*Share, error) {
	s, err := readShare(b)
	switch {
	case err != nil && council.Hint(err) != "":
		return nil, fmt.Errorf("read share: %w", err)
	case err != nil:
		return nil, council.WithHint(fmt.Errorf("read share: %w", err), "restore the share from its backup, or rotate the key without this member")
	}
	return s, nil
}

func readShare(b []byte) (*Share, error) {
	if len(b) > maxShare {
		return nil, fmt.Errorf("%d bytes; at most %d", len(b), maxShare)
	}
	body, err := unseal(shareKind, FormatVersion, b)
	if err != nil {
		return nil, err
	}
	var v shareV1
	if err := rlp.DecodeBytes(body, &v); err != nil {
		return nil, err
	}
	if _, err := checkMembers(v.Members, v.Self); err != nil {
		return nil, err
	}
	if v.Threshold > maxParties {
		return nil, fmt.Errorf("threshold is %d", v.Threshold)
	}
	s := &Share{epoch: v.Epoch, origin: v.Origin, self: v.Self, members: v.Members, threshold: int(v.Threshold)}
	p := s.parties()
	d, err := readPeers(p, v.Peers, v.KeyX, v.KeyY)
	if err != nil {
		return nil, err
	}
	for _, n := range []*big.Int{v.PaillierP, v.PaillierQ, v.P, v.Q} {
		if n.BitLen() > safeBits || n.BitLen() < safeBits-1 {
			return nil, errors.New("a prime has the wrong size")
		}
	}
	self := p.ids[slices.Index(v.Members, v.Self)].Index
	d.LocalPreParams = keygen.LocalPreParams{
		PaillierSK: paillierKey(v.PaillierP, v.PaillierQ),
		NTildei:    cloneInt(d.NTildej[self]),
		H1i:        cloneInt(d.H1j[self]),
		H2i:        cloneInt(d.H2j[self]),
		Alpha:      v.Alpha, Beta: v.Beta, P: v.P, Q: v.Q,
	}
	d.Xi, d.ShareID = v.Secret, cloneInt(d.Ks[self])
	s.data = d
	if err := s.check(); err != nil {
		return nil, err
	}
	return s, nil
}
