package agenda

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/policy"
)

// The birth of the key: the record that all nodes sign, the test signatures, and
// what makes a staged share the current one.

func (a *Agenda) confirm(from council.MemberID, m ConfirmMessage) {
	c := a.ceremony
	if m.Genesis.ID() != c.genesis.ID() {
		// After the last round of the protocol this is the first word in which members
		// can find out that they have heard different things. So the others get this
		// node's, too, and what it has heard: who has said two things comes out.
		a.do(Send{Message: ConfirmMessage{Ceremony: c.id, Genesis: c.genesis, Signature: c.confirms[a.self]}},
			ShowHeard{Session: c.session, Before: ^uint8(0), To: slices.DeleteFunc(a.roster.IDs(), func(m council.MemberID) bool { return m == a.self })})
		a.ceremonyEnd(fmt.Sprintf("%s computed another birth record: key %s, transcript %s; here it is key %s, transcript %s",
			from, m.Genesis.Key.Hex(), m.Genesis.Transcript.Hex(), c.genesis.Key.Hex(), c.genesis.Transcript.Hex()))
		return
	}
	if m.Signature.Member != from {
		return
	}
	if err := c.genesis.VerifySignature(a.roster, m.Signature); err != nil {
		return
	}
	c.confirms[from] = m.Signature
}

// proof takes up a test signature from anyone: it proves itself.
func (a *Agenda) proof(m Proof) {
	c := a.ceremony
	for i, set := range a.roster.TestSubsets() {
		if !slices.Equal(set, m.Signers) || c.proofs[i] != nil {
			continue
		}
		digest := policy.NewCeremonyPermit(FirstEpoch, a.hash, set, c.id).Digest()
		if who, err := council.Recover(digest, m.Signature); err == nil && who == c.genesis.Key {
			c.proofs[i] = bytes.Clone(m.Signature)
			// In words that anyone can check: the digest, and what recovers to the key.
			a.do(Notify{What: "share-proof", Text: fmt.Sprintf("%s signed %s: 0x%x", council.Names(set), digest.Hex(), m.Signature)})
		}
	}
}

// keyMade takes up a birth record from anyone's feed: the signatures of all
// nodes prove it. A node whose share is still staged makes it current now.
func (a *Agenda) keyMade(g council.Genesis) {
	if a.genesis != nil || g.Verify(a.first) != nil {
		return
	}
	if a.staged != nil && a.staged.ID() == g.ID() {
		if c := a.ceremony; c == nil || !c.commit {
			if c != nil {
				c.commit = true
			}
			a.do(Commit{Epoch: g.ShareEpoch, Genesis: g})
		}
		return
	}
	a.genesis = &g
	a.watching = "this node holds no share of the council's key"
}

func (a *Agenda) committed(ev Committed) {
	c := a.ceremony
	if ev.Err != nil {
		a.halfMade = fmt.Sprintf("make the share current: %v", ev.Err)
		if c != nil {
			a.ceremonyEnd(a.halfMade)
		}
		return
	}
	if a.genesis != nil {
		return
	}
	g := ev.Genesis
	a.genesis = &g
	a.staged = nil
	a.ceremony = nil
	a.halfMade = ""
	a.announced = true
	a.do(Append{council.WordKeyMade, council.KeyMade{Genesis: g}},
		Notify{What: "key-made", Text: g.Key.Hex()})
}

// announce tells of a key that this node's feed lacks: the process died after
// it had made its share current. It may be the only one that has the record with
// all signatures, and the others can finish only with that.
func (a *Agenda) announce() {
	if a.genesis == nil || a.announced || a.watching != "" || a.epoch() != a.genesis.ShareEpoch {
		return
	}
	a.announced = true
	a.do(Append{council.WordKeyMade, council.KeyMade{Genesis: *a.genesis}})
}
