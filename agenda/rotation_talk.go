package agenda

import (
	"maps"
	"slices"

	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/council"
)

// hear takes up a message. From is authenticated; all that counts for more than
// this moment proves itself.
func (r *Rotation) hear(from council.MemberID, m Message) {
	if r.certificate != nil {
		switch m := m.(type) {
		case ErasureMessage:
			r.erased(m.Erasure)
		case CertificateMessage: // said by who misses a word of erasure, and may have had this node's too early
			if e := r.erasures[r.Self]; e.Sig != nil {
				r.reply(from, Send{To: from, Message: ErasureMessage{e}})
			}
		case AbortMessage:
			if s := m.Abort.Subject; s == r.certificate.Rotation.ID() || s == r.certificate.Rotation.Succession {
				r.contradicts(m.Abort) // to answer it would have the two answer each other for ever
				return
			}
			r.reply(from, r.proof(from)...)
		case Herald, RotationReady, RotationBegin, RotationFailed, Dossier:
			r.reply(from, r.proof(from)...)
		}
		return
	}
	switch m := m.(type) {
	case Herald:
		r.overAlready(from, r.herald(m.Succession))
	case RotationReady:
		r.ready[readyKey{from, m.Old}] = m
		if m.New {
			r.ready[readyKey{from, false}] = m
		}
		r.overAlready(from, m.Succession)
	case RotationBegin:
		r.overAlready(from, m.Rotation.ID(), m.Rotation.Succession)
		r.begin(from, m)
	case RotationFailed:
		r.othersFailed(from, m)
	case Dossier:
		r.overAlready(from, m.Rotation.ID(), m.Rotation.Succession)
		r.merge(m, from)
	case CertificateMessage:
		r.overAlready(from, m.Certificate.Rotation.ID(), m.Certificate.Rotation.Succession)
		r.commits(m.Certificate)
	case AbortMessage:
		if len(m.Abort.Refusals) > council.MaxMembers {
			return
		}
		if len(m.Abort.Refusals)+len(m.Abort.Forks) < r.Holding.Roster.AbortQuorum() {
			r.overAlready(from, m.Abort.Subject)
		}
		_, succession := r.agreed[m.Abort.Subject]
		if _, try := r.files[m.Abort.Subject]; succession || try {
			r.abort(m.Abort) // if it is whole
		}
		for _, x := range m.Abort.Refusals {
			if x.Subject == m.Abort.Subject && r.refusal(x) {
				r.soon()
			}
		}
	}
}

// overAlready answers a node that works for what is over.
func (r *Rotation) overAlready(to council.MemberID, subjects ...common.Hash) {
	for _, s := range subjects {
		if c, ok := r.aborts[s]; ok {
			r.reply(to, Send{To: to, Message: AbortMessage{c}})
			return
		}
	}
}

// reply answers a member, not more often than everybody repeats itself.
func (r *Rotation) reply(to council.MemberID, s ...Effect) {
	if at, ok := r.replied[to]; ok && r.now.Before(at.Add(r.Timing.Retry/2)) {
		return
	}
	r.replied[to] = r.now
	r.do(s...)
}

// proof says, to one or to all, what is committed; and before it what contradicts that: who
// has heard of that first erases nothing.
func (r *Rotation) proof(to council.MemberID) (out []Effect) {
	if a, over := r.abortOf(*r.certificate); over {
		out = append(out, Send{To: to, Message: AbortMessage{a}})
	}
	return append(out, Send{To: to, Message: CertificateMessage{*r.certificate}})
}

// met says to a node that has just come what it may have missed.
func (r *Rotation) met(m council.MemberID) {
	if r.certificate == nil {
		r.soon()
		for _, h := range slices.SortedFunc(maps.Keys(r.aborts), common.Hash.Cmp) {
			if s, ok := r.agreed[h]; ok { // what it speaks of goes first
				r.do(Send{To: m, Message: Herald{s.Succession}}, Send{To: m, Message: AbortMessage{r.aborts[h]}})
			}
		}
		if d := r.current(); d != nil && d.farewell != nil && !d.complete() {
			r.do(Send{To: m, Message: *d.farewell})
		}
		return
	}
	r.do(r.proof(m)...)
	if e := r.erasures[r.Self]; e.Sig != nil {
		r.do(Send{To: m, Message: ErasureMessage{e}})
	}
}

// talk says again, to all, what others may have missed.
func (r *Rotation) talk() {
	if r.certificate != nil {
		wait := r.Timing.Remind
		if r.sw.Rotation().Still() { // nobody says that it is done: it is said less and less often
			wait = max(r.pause, wait)
		}
		if len(r.erasures) < len(r.Holding.Roster.Members) && r.every(&r.passedOn, wait) {
			r.pause = min(2*wait, maxPause)
			r.do(r.proof("")...)
			if e := r.erasures[r.Self]; e.Sig != nil {
				r.do(Send{Message: ErasureMessage{e}})
			}
		}
		return
	}
	if len(r.agreed) == 0 || !r.due(r.said, r.pause) {
		return
	}
	if !r.said.IsZero() {
		r.pause = min(2*r.pause, max(r.Timing.Retry, r.Timing.Remind))
	}
	r.said = r.now
	r.due(r.said, r.pause)
	for _, h := range slices.SortedFunc(maps.Keys(r.agreed), common.Hash.Cmp) {
		if !r.over(h) {
			r.do(Send{Message: Herald{r.agreed[h].Succession}})
		}
	}
	for _, h := range slices.SortedFunc(maps.Keys(r.refusals), common.Hash.Cmp) {
		if r.passesOn(h) {
			r.do(Send{Message: AbortMessage{council.AbortCertificate{Subject: h, Refusals: r.refusalsOf(h)}}})
		}
	}
	d := r.current()
	for _, id := range slices.SortedFunc(maps.Keys(r.files), common.Hash.Cmp) {
		if f := r.files[id]; r.spreads(f) {
			r.do(Send{Message: f.word(r.refusalsOf(id))})
		}
	}
	digest, s, ok := r.chosen()
	if d != nil && r.active(d) && d.rotation.Succession == digest {
		if d.parts != nil && !d.complete() {
			r.do(Send{Message: RotationBegin{Rotation: d.rotation, Parts: d.parts}})
		}
		if _, locked := r.Locked(); d.rotation.Still() && !locked {
			r.do(Send{Message: r.ready[readyKey{r.Self, true}]})
		}
		return
	}
	if ok && !r.committing() {
		old, receives := r.roles(s)
		deals := old && !r.Shareless
		if m, ok := r.ready[readyKey{r.Self, deals}]; ok && (deals || receives) && m.Succession == digest {
			r.do(Send{Message: m})
		}
	}
}

// reconcile looks at the whole state and does what is missing.
func (r *Rotation) reconcile() {
	if r.certificate == nil {
		r.refuseAgain()
		r.overdue()
		r.commit()
	}
	if r.certificate == nil {
		r.drop()
		r.prove()
		r.gather()
	} else {
		r.finish()
	}
	r.talk()
	r.tell()
}
