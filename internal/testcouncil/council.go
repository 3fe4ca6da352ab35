package testcouncil

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/sha256"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	lcrypto "github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/millicent-one/signer/council"
)

// The terms of all seats, in unix seconds: 2020-01-01 to 2100-01-01.
const (
	TermStart = 1_577_836_800
	TermEnd   = 4_102_444_800
)

// Council is a roster with the keys of all its members.
type Council struct {
	Roster   council.Roster
	NodeKeys map[council.MemberID]council.NodePrivate
	Wallets  map[council.MemberID]*ecdsa.PrivateKey
}

// IDs are the members of the test council, sorted.
func IDs() []council.MemberID {
	return []council.MemberID{"community-1", "community-2", "community-3", "core-1", "core-2", "core-3", "core-4"}
}

// New is the test council: a valid first roster of the Millicent profile. Every
// call returns equal keys and a roster of its own.
func New(t testing.TB) *Council {
	t.Helper()
	c := &Council{
		Roster: council.Roster{
			Version:   1,
			Threshold: council.Millicent.Threshold,
			Charter:   common.Hash(sha256.Sum256([]byte("millicent test charter"))),
		},
		NodeKeys: map[council.MemberID]council.NodePrivate{},
		Wallets:  map[council.MemberID]*ecdsa.PrivateKey{},
	}
	for _, id := range IDs() {
		node := NodeKey(id)
		wallet := Wallet(t, id)
		seat := council.Community
		if id[:4] == "core" {
			seat = council.Core
		}
		c.NodeKeys[id] = node
		c.Wallets[id] = wallet
		c.Roster.Members = append(c.Roster.Members, council.Member{
			ID:       id,
			Seat:     seat,
			Peer:     PeerID(t, node).String(),
			Approver: crypto.PubkeyToAddress(wallet.PublicKey),
			Term:     council.Term{Start: TermStart, End: TermEnd},
		})
	}
	if err := c.Roster.Fits(council.Millicent); err != nil {
		t.Fatalf("test council: %v", err)
	}
	return c
}

// NodeKey is the node key of any name, also of one that is no member.
func NodeKey(id council.MemberID) council.NodePrivate {
	seed := sha256.Sum256([]byte("millicent test node key of " + string(id)))
	return council.NodePrivate(ed25519.NewKeyFromSeed(seed[:]))
}

// Wallet is the wallet of any name, also of one that is no member.
func Wallet(t testing.TB, id council.MemberID) *ecdsa.PrivateKey {
	t.Helper()
	key, err := crypto.ToECDSA(crypto.Keccak256([]byte("millicent test wallet of " + string(id))))
	if err != nil {
		t.Fatalf("test wallet of %s: %v", id, err)
	}
	return key
}

// PeerID is the libp2p identity of a node key.
func PeerID(t testing.TB, key council.NodePrivate) peer.ID {
	t.Helper()
	pub, err := lcrypto.UnmarshalEd25519PublicKey(ed25519.PrivateKey(key).Public().(ed25519.PublicKey))
	if err != nil {
		t.Fatalf("test peer id: %v", err)
	}
	id, err := peer.IDFromPublicKey(pub)
	if err != nil {
		t.Fatalf("test peer id: %v", err)
	}
	return id
}

// Approve makes who's approval of what the ballot asks, valid until expires
// (unix seconds), signed with who's wallet.
func (c *Council) Approve(t testing.TB, ballot council.Ballot, who council.MemberID, seq, expires uint64) council.Approval {
	t.Helper()
	return c.decide(t, ballot, who, council.Approve, seq, expires)
}

// Reject makes who's rejection in the same way.
func (c *Council) Reject(t testing.TB, ballot council.Ballot, who council.MemberID, seq, expires uint64) council.Approval {
	t.Helper()
	return c.decide(t, ballot, who, council.Reject, seq, expires)
}

func (c *Council) decide(t testing.TB, ballot council.Ballot, who council.MemberID, word council.Choice, seq, expires uint64) council.Approval {
	t.Helper()
	id, err := council.Propose(ballot.Council, ballot.Intent)
	if err != nil {
		t.Fatalf("%s by %s: %v", word, who, err)
	}
	roster, err := ballot.Roster.Hash()
	if err != nil {
		t.Fatalf("%s by %s: %v", word, who, err)
	}
	a := council.Approval{
		Proposal: id,
		Decision: word,
		Action:   ballot.Sentence,
		Roster:   roster,
		Charter:  ballot.Roster.Charter,
		Sequence: seq,
		Expires:  expires,
		Reason:   "a test",
	}
	wallet, ok := c.Wallets[who]
	if !ok {
		wallet = Wallet(t, who)
	}
	a.Sig = Sign(t, a.Document(ballot.Council, ballot.Intent), wallet)
	return a
}

// Sign signs an EIP-712 document as a wallet would: 65 bytes r || s || v, v in
// {27, 28}.
func Sign(t testing.TB, d council.Document, wallet *ecdsa.PrivateKey) []byte {
	t.Helper()
	digest, err := council.Digest(d)
	if err != nil {
		t.Fatalf("sign: %v", err)
	}
	sig, err := crypto.Sign(digest[:], wallet)
	if err != nil {
		t.Fatalf("sign: %v", err)
	}
	sig[64] += 27
	return sig
}
