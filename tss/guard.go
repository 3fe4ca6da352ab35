package tss

import (
	"errors"
	"fmt"
	"math/big"

	"github.com/bnb-chain/tss-lib/v2/crypto/commitments"
	"github.com/bnb-chain/tss-lib/v2/ecdsa/keygen"
	"github.com/bnb-chain/tss-lib/v2/ecdsa/resharing"
	"github.com/bnb-chain/tss-lib/v2/ecdsa/signing"
	engine "github.com/bnb-chain/tss-lib/v2/tss"

	"github.com/millicent-one/signer/council"
)

// guard looks at every message before the engine does. The engine trusts its
// input in places where one bad number makes a goroutine of its own panic,
// which nothing of ours can catch, or lets a false proof pass. Each check says
// what it prevents.
//
// The session delivers in protocol order, so that when a message is checked,
// all messages of earlier rounds have been.
type guard struct {
	members   []council.MemberID
	self      int
	threshold int  // the engine's: one less than the signers
	lone      bool // it knows no session: what it has nothing to compare with is not compared, see Recheck

	// Per member, from round 1 of a key generation or from the share.
	paillier []*big.Int // N
	tilde    []*big.Int // NTilde

	seen   Seen
	bases  map[string]int             // every h1 and h2, and whose it is
	sealed map[Round]map[int]*big.Int // commitments
	theta  map[int]*big.Int
	deal   *deal // what the dealers of a resharing must say; nil outside one
}

func newGuard(members []council.MemberID, self, threshold int) *guard {
	return &guard{
		members:   members,
		self:      self,
		threshold: threshold,
		paillier:  make([]*big.Int, len(members)),
		tilde:     make([]*big.Int, len(members)),
		bases:     map[string]int{},
		sealed:    map[Round]map[int]*big.Int{},
		theta:     map[int]*big.Int{},
	}
}

// check examines a message of a member. An error that is no *BlameError means
// that the message itself convicts its sender.
func (g *guard) check(from int, r Round, c engine.MessageContent) error {
	switch m := c.(type) {
	case *keygen.KGRound1Message:
		return g.keygen1(from, m)
	case *keygen.KGRound2Message1:
		return g.keygen2Share(m)
	case *keygen.KGRound2Message2:
		return g.keygen2Decommit(from, m)
	case *keygen.KGRound3Message:
		return g.keygen3(from, m)
	case *signing.SignRound1Message1:
		return g.sign1Direct(from, m)
	case *signing.SignRound1Message2:
		return g.seal(from, r, m.GetCommitment())
	case *signing.SignRound2Message:
		return g.sign2(m)
	case *signing.SignRound3Message:
		return g.sign3(from, m)
	case *signing.SignRound4Message:
		return g.sign4(from, m)
	case *signing.SignRound5Message:
		return g.seal(from, r, m.GetCommitment())
	case *signing.SignRound6Message:
		return g.sign6(from, m)
	case *signing.SignRound7Message:
		return g.seal(from, r, m.GetCommitment())
	case *signing.SignRound8Message:
		return g.sign8(from, m)
	case *signing.SignRound9Message:
		return g.sign9(m)
	case *resharing.DGRound1Message:
		return g.reshare1(from, m)
	case *resharing.DGRound2Message1:
		return g.reshare2(from, m)
	case *resharing.DGRound3Message1:
		return g.reshare3Share(m)
	case *resharing.DGRound3Message2:
		return g.reshare3Decommit(from, m)
	case *resharing.DGRound4Message1:
		return factorProof(m.GetFacProof(), g.tilde[g.self])
	case *resharing.DGRound2Message2, *resharing.DGRound4Message2:
		return nil // a word, see decode
	default:
		return ErrOtherRound
	}
}

// own notes what this party sends, because others' messages are compared with
// it.
func (g *guard) own(r Round, c engine.MessageContent) error {
	switch m := c.(type) {
	case *keygen.KGRound1Message:
		return g.keygen1(g.self, m)
	case *signing.SignRound1Message2:
		return g.seal(g.self, r, m.GetCommitment())
	case *signing.SignRound5Message:
		return g.seal(g.self, r, m.GetCommitment())
	case *signing.SignRound7Message:
		return g.seal(g.self, r, m.GetCommitment())
	case *signing.SignRound3Message:
		return g.sign3(g.self, m)
	case *resharing.DGRound1Message:
		return g.reshare1(g.self, m)
	case *resharing.DGRound2Message1:
		return g.reshare2(g.self, m)
	}
	return nil
}

// suspects is a BlameError that proves nothing, for what two members' messages
// show together. This party is never among them.
func (g *guard) suspects(r Round, err error, who ...int) error {
	var ids []council.MemberID
	for _, i := range who {
		if i != g.self {
			ids = append(ids, g.members[i])
		}
	}
	return &BlameError{Suspects: council.Sorted(ids), Round: r, Err: err}
}

// seal notes a commitment. Two equal ones mean that one party copied the
// other's and will copy its opening, too, proofs included; which of the two is
// not known.
func (g *guard) seal(from int, r Round, b []byte) error {
	c, err := number("commitment", b, scalarBytes)
	if err != nil {
		return err
	}
	if g.sealed[r] == nil {
		g.sealed[r] = map[int]*big.Int{}
	}
	for j, other := range g.sealed[r] {
		if j != from && other.Cmp(c) == 0 {
			return g.suspects(r, errors.New("two members sent the same commitment"), from, j)
		}
	}
	g.sealed[r][from] = c
	return nil
}

// open checks a decommitment of exactly `points` points against the commitment
// of an earlier round. A wrong length makes the engine index out of range, or
// ignore the surplus (#291); its round 9 does not look whether the points are
// on the curve.
func (g *guard) open(from int, sealedIn Round, parts [][]byte, points int) error {
	if len(parts) != 1+2*points {
		return fmt.Errorf("decommitment has %d parts; want %d", len(parts), 1+2*points)
	}
	d := make([]*big.Int, len(parts))
	for i, b := range parts {
		n, err := number("decommitment", b, scalarBytes)
		if err != nil {
			return err
		}
		d[i] = n
	}
	for i := 1; i < len(d); i += 2 {
		if !onCurve(d[i], d[i+1]) {
			return errors.New("decommitted point is not on the curve")
		}
	}
	c, ok := g.sealed[sealedIn][from]
	if !ok && g.lone {
		return nil
	}
	cmt := commitments.HashCommitDecommit{C: c, D: d}
	if !cmt.Verify() {
		return fmt.Errorf("decommitment does not open the commitment of %s", sealedIn)
	}
	return nil
}
