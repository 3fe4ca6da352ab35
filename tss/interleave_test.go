package tss_test

import (
	"encoding/binary"
	"errors"
	"flag"
	"slices"
	"sync"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"pgregory.net/rapid"

	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/policy"
	"github.com/millicent-one/signer/tss"
)

// TestAnyInterleaving arms one slot at two honest members and lets anything
// happen to it: it is fired for one of two texts, for both at the same time, by
// one of them, twice; messages come early, late, twice, in any order, under the
// slot's own name; a member crashes. Never does a slot see two digests; what is
// signed is what the session was fired for; and if both have fired it for the
// same text and nobody crashed, it is signed.
func TestAnyInterleaving(t *testing.T) {
	t.Parallel()
	if checks := flag.Lookup("rapid.checks"); checks.Value.String() == checks.DefValue {
		if err := checks.Value.Set("25"); err != nil { // each arms a slot
			t.Fatal(err)
		}
	}
	shares := pair(t)
	texts := []policy.CeremonyPermit{permit(two, common.Hash{40}), permit(two, common.Hash{41})}
	round := uint64(0)
	rapid.Check(t, func(rt *rapid.T) {
		round++
		id := council.SessionID{50}
		binary.BigEndian.PutUint64(id[1:], round)
		w := arming(t, rt, shares, id, texts)
		party := func(rt *rapid.T) *holder { return w.parties[rapid.IntRange(0, 1).Draw(rt, "party")] }
		rt.Repeat(map[string]func(*rapid.T){
			"fire": func(rt *rapid.T) {
				w.fire(rt, party(rt), rapid.IntRange(0, 1).Draw(rt, "text"))
			},
			"race":    func(rt *rapid.T) { w.race(rt, party(rt)) },
			"start":   func(rt *rapid.T) { w.start(rt, party(rt)) },
			"deliver": func(rt *rapid.T) { w.deliver(rt, w.draw(rt)) },
			"double": func(rt *rapid.T) {
				w.flying = append(w.flying, w.flying[w.draw(rt)])
			},
			"stray": func(rt *rapid.T) { w.stray(rt, w.flying[w.draw(rt)]) },
			"crash": func(rt *rapid.T) {
				if rapid.IntRange(0, 9).Draw(rt, "luck") > 0 {
					rt.Skip("spared")
				}
				party(rt).crash()
			},
		})
		if rapid.Bool().Draw(rt, "agree") {
			w.agree(rt)
		}
		w.settle(rt)
		w.judge(rt)
	})
}

// holder is a member with a slot, as a node would keep it.
type holder struct {
	self    council.MemberID
	arming  *tss.Session
	slot    *tss.Armed
	text    int          // what it was fired for; -1 if for nothing
	session *tss.Session // that fired it
	started bool
	early   []tss.Message // for sessions that it does not have
	crashed bool
	result  *tss.Signature
}

func (h *holder) crash() {
	h.slot.Discard()
	h.crashed, h.session, h.early = true, nil, nil
}

// flight is a message on its way.
type flight struct {
	to *holder
	m  tss.Message
}

type slotWorld struct {
	texts   []policy.CeremonyPermit
	key     common.Address
	parties []*holder
	flying  []flight
}

// arming arms the slot, in any order of messages.
func arming(t *testing.T, rt *rapid.T, shares []*tss.Share, id council.SessionID, texts []policy.CeremonyPermit) *slotWorld {
	n := network{pick: func(n int) int { return rapid.IntRange(0, n-1).Draw(rt, "next") }}
	sessions := armers(t, shares, two, id)
	results, err := n.run(sessions)
	if err != nil {
		rt.Fatal(err)
	}
	w := &slotWorld{texts: texts, key: shares[0].Address()}
	for i, s := range sessions {
		w.parties = append(w.parties, &holder{self: two[i], arming: s, slot: results[i].Armed, text: -1})
	}
	return w
}

// draw picks a message on its way.
func (w *slotWorld) draw(rt *rapid.T) int {
	if len(w.flying) == 0 {
		rt.Skip("nothing is on its way")
	}
	return rapid.IntRange(0, len(w.flying)-1).Draw(rt, "message")
}

// fire fires the slot. What had come early is given to the session before it
// starts or, as if the network was slow, afterwards.
func (w *slotWorld) fire(rt *rapid.T, h *holder, text int) {
	s, err := fired(h.slot, w.texts[text])
	if h.text >= 0 || h.crashed {
		if !errors.Is(err, tss.ErrSpent) {
			rt.Fatalf("%s fires a slot again: %v", h.self, err)
		}
		return
	}
	w.bind(rt, h, text, s, err)
}

func (w *slotWorld) bind(rt *rapid.T, h *holder, text int, s *tss.Session, err error) {
	if err != nil {
		rt.Fatalf("%s can't fire: %v", h.self, err)
	}
	h.text, h.session = text, s
	early := h.early
	h.early = nil
	for _, m := range early {
		if rapid.Bool().Draw(rt, "keep") {
			w.flying = append(w.flying, flight{h, m})
			continue
		}
		w.step(rt, h, m)
	}
}

// race fires the slot for both texts at the same time.
func (w *slotWorld) race(rt *rapid.T, h *holder) {
	var sessions [2]*tss.Session
	var errs [2]error
	var both sync.WaitGroup
	for i := range w.texts {
		both.Go(func() { sessions[i], errs[i] = fired(h.slot, w.texts[i]) })
	}
	both.Wait()
	won := slices.IndexFunc(errs[:], func(err error) bool { return err == nil })
	if spent := h.text >= 0 || h.crashed; spent != (won < 0) {
		rt.Fatalf("%s: a slot that is spent (%v) was fired: %v", h.self, spent, errs)
	}
	if won < 0 {
		return
	}
	if !errors.Is(errs[1-won], tss.ErrSpent) {
		rt.Fatalf("%s: both win the race: %v", h.self, errs)
	}
	w.bind(rt, h, won, sessions[won], nil)
}

func (w *slotWorld) start(rt *rapid.T, h *holder) {
	if h.session == nil || h.started {
		rt.Skip("nothing to start")
	}
	h.started = true
	r, err := h.session.Start()
	w.take(rt, h, r, err)
}

// deliver hands over a message, once.
func (w *slotWorld) deliver(rt *rapid.T, i int) {
	f := w.flying[i]
	w.flying = slices.Delete(w.flying, i, i+1)
	if f.to.crashed {
		return
	}
	if f.to.session == nil || f.to.session.ID() != f.m.Session {
		f.to.early = append(f.to.early, f.m)
		return
	}
	w.step(rt, f.to, f.m)
}

func (w *slotWorld) step(rt *rapid.T, h *holder, m tss.Message) {
	r, err := h.session.Step(m)
	w.take(rt, h, r, err)
}

// stray hands a message to the session that armed the slot, under its name.
func (w *slotWorld) stray(rt *rapid.T, f flight) {
	f.m.Session = f.to.arming.ID()
	r, err := f.to.arming.Step(f.m)
	if err != nil || r.Dropped == nil || len(r.Messages) > 0 {
		rt.Fatalf("%s: the arming session takes %s: %v, %+v", f.to.self, f.m.Round, err, r)
	}
}

func (w *slotWorld) take(rt *rapid.T, h *holder, r tss.Ready, err error) {
	if err != nil {
		rt.Fatalf("%s blames an honest member: %v", h.self, err)
	}
	if d := r.Dropped; d != nil && !errors.Is(d, tss.ErrDuplicate) && !errors.Is(d, tss.ErrForeign) {
		rt.Fatalf("%s drops an honest message: %v", h.self, d)
	}
	if r.Signature != nil {
		if h.result != nil {
			rt.Fatalf("%s: two signatures", h.self)
		}
		h.result = r.Signature
	}
	for _, m := range r.Messages {
		for _, to := range w.parties {
			if to != h {
				w.flying = append(w.flying, flight{to, m})
			}
		}
	}
}

// agree lets a member that has not fired yet follow the other.
func (w *slotWorld) agree(rt *rapid.T) {
	for i, h := range w.parties {
		if text := w.parties[1-i].text; text >= 0 && h.text < 0 && !h.crashed {
			w.fire(rt, h, text)
		}
	}
}

// settle starts and delivers all there is.
func (w *slotWorld) settle(rt *rapid.T) {
	for _, h := range w.parties {
		if h.session != nil && !h.started {
			w.start(rt, h)
		}
	}
	for len(w.flying) > 0 {
		w.deliver(rt, w.draw(rt))
	}
}

func (w *slotWorld) judge(rt *rapid.T) {
	a, b := w.parties[0], w.parties[1]
	same := a.text >= 0 && a.text == b.text
	for _, h := range w.parties {
		switch {
		case h.result == nil && same && !a.crashed && !b.crashed:
			rt.Fatalf("%s has no signature, and waits for %v in %s", h.self, h.session.Waiting(), h.session.Round())
		case h.result == nil:
		case !same:
			rt.Fatalf("%s signs with texts %d and %d", h.self, a.text, b.text)
		default:
			digest := w.texts[h.text].Digest()
			pub, err := crypto.SigToPub(digest[:], h.result.Bytes())
			if err != nil || crypto.PubkeyToAddress(*pub) != w.key {
				rt.Fatalf("%s: the signature is not over what the slot was fired for: %v", h.self, err)
			}
		}
	}
}
