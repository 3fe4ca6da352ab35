package policy

import (
	"errors"
	"fmt"
	"slices"

	"github.com/ethereum/go-ethereum/accounts"
	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/council"
)

// PermitSeconds is how long a permit may be acted on after it was minted.
const PermitSeconds = 30

// Warrant is what a signing session needs before it starts: a Permit or a
// CeremonyPermit. No other package can make one.
type Warrant interface {
	// Digest is the only thing the session may sign.
	Digest() common.Hash
	// Check refuses a warrant that is empty, expired at now (unix seconds), or
	// meant for another session or other signers. Slot is what the session
	// fires; zero for one that signs from the start.
	Check(session, slot council.SessionID, signers []council.MemberID, now uint64) error

	warrant()
}

// Permit is proof that the policy allowed one final transaction, or one message,
// for a verified quorum, on facts of this node's own. Only an Allow mints one.
type Permit struct {
	digest  common.Hash
	session council.SessionID // that signs from the start
	slot    council.SessionID // that may be fired instead; zero for none
	fired   council.SessionID // the session that fires it
	signers []council.MemberID
	quorum  common.Hash
	policy  common.Hash
	facts   common.Hash
	expires uint64
}

// Digest implements Warrant.
func (p Permit) Digest() common.Hash { return p.digest }

// Quorum, Policy and Facts are the hashes of what the permit rests on.
func (p Permit) Quorum() common.Hash { return p.quorum }

// Policy is the hash of the policy that allowed.
func (p Permit) Policy() common.Hash { return p.policy }

// Facts is the hash of the facts that the policy looked at.
func (p Permit) Facts() common.Hash { return p.facts }

// Check implements Warrant.
func (p Permit) Check(session, slot council.SessionID, signers []council.MemberID, now uint64) error {
	if p.expires == 0 {
		return errors.New("permit is empty")
	}
	if now >= p.expires {
		return fmt.Errorf("permit expired %d seconds ago", now-p.expires)
	}
	want := p.session
	if slot != (council.SessionID{}) {
		if slot != p.slot {
			return errors.New("permit is for another slot")
		}
		want = p.fired
	}
	if session != want || !slices.Equal(p.signers, signers) {
		return errors.New("permit is for another session")
	}
	return nil
}

func (Permit) warrant() {}

// CeremonyPermit allows one signature over a text that says what it is: a test, or a
// proclamation of who holds the key. The text is built here from its parts, so no
// caller can have anything else signed with it; EIP-191's prefix keeps it from ever
// being a transaction.
type CeremonyPermit struct {
	text    string
	session council.SessionID
	signers []council.MemberID
}

// NewCeremonyPermit builds the test text of one subset in one ceremony.
func NewCeremonyPermit(epoch uint64, roster common.Hash, subset []council.MemberID, ceremony common.Hash) CeremonyPermit {
	subset = council.Sorted(subset)
	return CeremonyPermit{
		text:    council.TestText(epoch, roster, subset, ceremony),
		session: council.CeremonySession(council.PurposeProof, epoch, roster, subset, ceremony),
		signers: subset,
	}
}

// NewProclamationPermit builds the council's word that a roster holds its key, as a
// subset of that roster signs it. Of one holding there is one text, whoever signs it
// and however often; cause tells the sessions apart.
func NewProclamationPermit(h council.Holding, subset []council.MemberID, cause common.Hash) (CeremonyPermit, error) {
	p, err := h.Proclamation()
	if err != nil {
		return CeremonyPermit{}, err
	}
	subset = council.Sorted(subset)
	return CeremonyPermit{
		text:    p.Text(),
		session: council.CeremonySession(council.PurposeProclaim, h.Epoch, p.Roster, subset, cause),
		signers: subset,
	}, nil
}

// Text is what is signed, under EIP-191's personal-message prefix.
func (c CeremonyPermit) Text() string { return c.text }

// Session is the id of the session that signs it.
func (c CeremonyPermit) Session() council.SessionID { return c.session }

// Digest implements Warrant.
func (c CeremonyPermit) Digest() common.Hash {
	return common.BytesToHash(accounts.TextHash([]byte(c.text)))
}

// Check implements Warrant. These texts don't expire: they have no effect.
func (c CeremonyPermit) Check(session, slot council.SessionID, signers []council.MemberID, _ uint64) error {
	if c.text == "" {
		return errors.New("ceremony permit is empty")
	}
	want := c.session
	if slot != (council.SessionID{}) {
		want = council.FireSession(slot, common.Hash(c.session))
	}
	if session != want || !slices.Equal(c.signers, signers) {
		return errors.New("ceremony permit is for another session")
	}
	return nil
}

func (CeremonyPermit) warrant() {}
