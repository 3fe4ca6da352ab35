package agenda

import (
	"fmt"

	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/council"
)

// abortOf is the abort certificate, if this node has one, that ends what a certificate
// commits. Where no share is moved none is dropped or erased: there the certificate is
// followed, so that all end under one roster.
func (r *Rotation) abortOf(c council.Certificate) (a council.AbortCertificate, over bool) {
	if c.Rotation.Still() {
		return a, false
	}
	for _, subject := range []common.Hash{c.Rotation.ID(), c.Rotation.Succession} {
		if a, over = r.aborts[subject]; over {
			return a, true
		}
	}
	return a, false
}

// disown keeps the certificate of a try that an abort has ended here, and does not follow
// it: two members at least have given both words. The staged shares are gone where the
// abort was known, and four old ones may be all that is left of the key.
func (r *Rotation) disown(c council.Certificate, a council.AbortCertificate) {
	r.disowned[c.Rotation.ID()] = c
	r.do(Keep{RotationRecord{Disowned: &c}}, Notify{What: "rotation-failed", Text: contradiction(c, a) + "; this node stays under the old roster"})
	r.soon()
}

// contradicts takes up an abort of what this node has a certificate of. It has switched, or
// does, and stays so; its old share is kept, if it is still there.
func (r *Rotation) contradicts(a council.AbortCertificate) {
	c := *r.certificate
	if _, over := r.abortOf(c); over || c.Rotation.Still() {
		return
	}
	if _, err := council.VerifyAbort(r.Holding, a); err != nil {
		return
	}
	r.aborts[a.Subject] = a
	r.do(Keep{RotationRecord{Abort: &a}}, Notify{What: "rotation-failed", Text: contradiction(c, a) + "; this node follows the certificate"})
}

// KeepsOld reports whether this node has switched and does not erase its old share, since
// it knows of an abort as well: others may have dropped the new ones for that.
func (r *Rotation) KeepsOld() bool {
	if r.certificate == nil {
		return false
	}
	_, over := r.abortOf(*r.certificate)
	return over && r.erases()
}

// contradiction says what it means that a try is committed and aborted, and what is to be
// done.
func contradiction(c council.Certificate, a council.AbortCertificate) string {
	refused := map[council.MemberID]bool{}
	for _, x := range a.Refusals {
		refused[x.Member] = true
	}
	for _, f := range a.Forks {
		refused[f.First.Member] = true
	}
	var both []council.MemberID
	for _, l := range c.Locks {
		if refused[l.Member] {
			both = append(both, l.Member)
		}
	}
	return fmt.Sprintf("try %s is committed and aborted: %s gave the word for both, which no honest node does; no share is erased for it. "+
		"Members: ask each other which roster each node works under, and agree on a step that puts these out, before anyone deletes a share or a backup", c.Rotation.ID().Hex()[:10], council.Names(both))
}
