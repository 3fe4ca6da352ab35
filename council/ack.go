package council

import (
	"fmt"
	"slices"

	"github.com/ethereum/go-ethereum/common"
)

// Ack says that a new node has its share of a rotation sealed on disk: whatever
// happens, it can switch. It is the same for all nodes; each signs it. In a still
// rotation, which has no transcript, it says that the node works for this try, and for
// none before it any more; no certificate shows it.
type Ack struct {
	Ceremony   common.Hash    // Rotation.ID
	Roster     common.Hash    // the new one
	Key        common.Address // what the new shares make: the old key, or there is no Ack
	Transcript common.Hash    // of all broadcasts of the reshare, as this node saw them
}

// Ack is what the nodes of the new roster sign once their shares are staged.
func (r Rotation) Ack(transcript common.Hash) Ack {
	return Ack{Ceremony: r.ID(), Roster: r.To, Key: r.Key, Transcript: transcript}
}

// ID is the hash that is signed.
func (a Ack) ID() common.Hash { return hashRLP("millicent/ack/1", a) }

// Sign makes this node's signature.
func (a Ack) Sign(self MemberID, key NodeSigner) (NodeSignature, error) {
	id := a.ID()
	sig, err := key.SignNode(PurposeAck, id[:])
	if err != nil {
		return NodeSignature{}, fmt.Errorf("sign ack: %w", err)
	}
	return NodeSignature{Member: self, Sig: sig}, nil
}

// VerifySignature checks one node's signature; next is the new roster.
func (a Ack) VerifySignature(next Roster, s NodeSignature) error {
	m, ok := next.Member(s.Member)
	if !ok {
		return fmt.Errorf("ack: %s is not in the new roster", s.Member)
	}
	id := a.ID()
	if err := VerifyNode(m.Peer, PurposeAck, id[:], s.Sig); err != nil {
		return fmt.Errorf("ack: %s: %w", s.Member, err)
	}
	return nil
}

// Set is the hash of the Acks of all new members over this one transcript: what a
// Lock names. It covers who says what, not the bytes of the signatures: a member
// can sign the same words in many ways, and would otherwise have the old nodes
// lock for sets that look different.
func (a Ack) Set(next Roster) common.Hash {
	return hashRLP("millicent/acks/1", struct {
		Ack     common.Hash
		Members []MemberID
	}{a.ID(), next.IDs()})
}

// verifyAll checks the Acks of all members, one each, in the roster's order.
func (a Ack) verifyAll(next Roster, sigs []NodeSignature) error {
	if len(sigs) != len(next.Members) {
		return fmt.Errorf("%d Acks of %d members", len(sigs), len(next.Members))
	}
	for i, m := range next.Members {
		if sigs[i].Member != m.ID {
			return fmt.Errorf("the Ack of %s stands where that of %s belongs", sigs[i].Member, m.ID)
		}
		if err := a.VerifySignature(next, sigs[i]); err != nil {
			return err
		}
	}
	return nil
}

// TestSignature is one subset's signature with the new shares, over TestText.
type TestSignature struct {
	Signers   []MemberID `json:"signers"`   // as many as the threshold, sorted
	Signature []byte     `json:"signature"` // 65 bytes r || s || v, v in {0, 1}
}

// Verify checks that these members of the new roster have signed with the
// council's key. What it proves: they hold shares of it that fit together.
func (t TestSignature) Verify(r Rotation, next Roster) error {
	if len(t.Signers) != next.Threshold || !ordered(t.Signers) {
		return fmt.Errorf("test signature of %s; want %d signers, sorted and distinct", Names(t.Signers), next.Threshold)
	}
	for _, m := range t.Signers {
		if _, ok := next.Member(m); !ok {
			return fmt.Errorf("test signature of %s: %s is not in the new roster", Names(t.Signers), m)
		}
	}
	if len(t.Signature) == 65 && t.Signature[64] > 1 {
		return fmt.Errorf("test signature of %s: v is %d; want 0 or 1", Names(t.Signers), t.Signature[64])
	}
	who, err := Recover(TestDigest(r.ToEpoch, r.To, t.Signers, r.ID()), t.Signature)
	if err != nil {
		return fmt.Errorf("test signature of %s: %w", Names(t.Signers), err)
	}
	if who != r.Key {
		return fmt.Errorf("test signature of %s recovers to %s, not to the council's %s", Names(t.Signers), who.Hex(), r.Key.Hex())
	}
	return nil
}

// verifyTests checks that the test signatures together cover the roster. Each has
// to add somebody, so there are no more than are of use.
func verifyTests(r Rotation, next Roster, tests []TestSignature) error {
	var shown []MemberID
	for _, t := range tests {
		before := len(shown)
		for _, m := range t.Signers {
			if !slices.Contains(shown, m) {
				shown = append(shown, m)
			}
		}
		if len(shown) == before {
			return fmt.Errorf("test signature of %s shows nothing new", Names(t.Signers))
		}
		if err := t.Verify(r, next); err != nil {
			return err
		}
	}
	for _, m := range next.IDs() {
		if !slices.Contains(shown, m) {
			return WithHint(fmt.Errorf("no test signature shows that %s holds a share", m), "the subsets of the test signatures must cover all new members")
		}
	}
	return nil
}
