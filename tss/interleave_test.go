package tss_test

import (
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"pgregory.net/rapid"

	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/internal/testcouncil"
	"github.com/millicent-one/signer/policy"
	"github.com/millicent-one/signer/tss"
)

// TestAnyInterleaving lets two honest members, or four of seven, arm one slot, and
// lets anything happen meanwhile and afterwards: whoever has armed it fires it for
// one of two texts, for both at the same time, twice, while the others still arm
// it; messages come early, late, twice, in any order, under the name of the session
// that arms or of the one that fires; a member crashes. Never does a slot see two
// digests; what is signed is what the session was fired for; a slot is armed
// wherever nobody crashed; and if then all have fired it for the same text, it is
// signed.
func TestAnyInterleaving(t *testing.T) {
	t.Parallel()
	if checks := flag.Lookup("rapid.checks"); checks.Value.String() == checks.DefValue {
		if err := checks.Value.Set("60"); err != nil { // each arms a slot
			t.Fatal(err)
		}
	}
	rapid.Check(t, interleaving(t, nil))
}

// TestInterleavingsFindAFedEngine gives parked engines what came early, which must
// stay outside until the slot is fired: the property above notices that, and of the
// same interleaving it says nothing where that is not so.
func TestInterleavingsFindAFedEngine(t *testing.T) {
	t.Parallel()
	fed := 0
	broken := interleaving(t, func(a *tss.Armed, m tss.Message) {
		if m.Round == tss.SignRound4 {
			fed++
			a.FeedParked(t, m)
		}
	})
	whole := interleaving(t, nil)
	for seed := 6; seed < 100; seed++ { // in those before nothing comes early enough
		what := found(broken, seed)
		if what == "" {
			continue
		}
		if fed == 0 {
			t.Fatalf("no engine was fed, and yet: %s", what)
		}
		t.Logf("seed %d, %d messages fed: %s", seed, fed, what)
		if what := found(whole, seed); what != "" {
			t.Errorf("seed %d with no engine fed: %s", seed, what)
		}
		return
	}
	t.Errorf("%d messages were fed to parked engines, and nobody notices", fed)
}

// found plays one interleaving and tells what does not hold in it.
func found(property func(*rapid.T), seed int) string {
	return rapid.Custom(func(rt *rapid.T) (what string) {
		defer func() {
			if p := recover(); rt.Failed() {
				what = fmt.Sprint(p)
			} else if p != nil {
				panic(p)
			}
		}()
		property(rt)
		return ""
	}).Example(seed)
}

// interleaving is the property. Feed, if there is one, gets what comes for a firing
// session before the slot is fired.
func interleaving(t *testing.T, feed func(*tss.Armed, tss.Message)) func(*rapid.T) {
	four := testcouncil.IDs()[1:5]
	seats := map[bool][]*tss.Share{false: pair(t), true: testcouncil.Shares(t)[1:5]}
	round := uint64(0)
	return func(rt *rapid.T) {
		round++
		id := council.SessionID{50}
		binary.BigEndian.PutUint64(id[1:], round)
		members := two
		many := rapid.Bool().Draw(rt, "many") && rapid.Bool().Draw(rt, "members")
		if many {
			members = four
		}
		w := &slotWorld{feed: feed, texts: []policy.CeremonyPermit{permit(members, common.Hash{40}), permit(members, common.Hash{41})}, key: seats[many][0].Address()}
		for _, s := range armers(t, seats[many], members, id) {
			w.parties = append(w.parties, &holder{self: s.Self(), arming: s, text: -1})
		}
		if rapid.Bool().Draw(rt, "armed") {
			w.settle(rt)
		}
		party := func(rt *rapid.T) *holder {
			return w.parties[rapid.IntRange(0, len(w.parties)-1).Draw(rt, "party")]
		}
		rt.Repeat(map[string]func(*rapid.T){
			"fire": func(rt *rapid.T) {
				w.fire(rt, party(rt), rapid.IntRange(0, 1).Draw(rt, "text"))
			},
			"race":    func(rt *rapid.T) { w.race(rt, party(rt)) },
			"start":   func(rt *rapid.T) { w.start(rt, party(rt)) },
			"deliver": func(rt *rapid.T) { w.deliver(rt, w.draw(rt)) },
			"burst": func(rt *rapid.T) {
				for range rapid.IntRange(1, 8*len(members)).Draw(rt, "messages") {
					if len(w.flying) > 0 {
						w.deliver(rt, w.draw(rt))
					}
				}
			},
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
		w.settle(rt)
		if rapid.Bool().Draw(rt, "agree") {
			w.agree(rt)
			w.settle(rt)
		}
		w.judge(rt)
	}
}

// holder is a member with a slot, or on the way to one, as a node would keep it.
type holder struct {
	self    council.MemberID
	arming  *tss.Session
	begun   bool // arming
	slot    *tss.Armed
	text    int          // what it was fired for; -1 if for nothing
	session *tss.Session // that fired it
	started bool
	early   []tss.Message // for sessions that it does not have
	crashed bool
	result  *tss.Signature
}

func (h *holder) crash() {
	if h.slot != nil {
		h.slot.Discard()
	}
	h.crashed, h.session, h.early = true, nil, nil
}

// spent reports whether the slot must not be fired any more.
func (h *holder) spent() bool { return h.text >= 0 || h.crashed }

// flight is a message on its way.
type flight struct {
	to *holder
	m  tss.Message
}

type slotWorld struct {
	feed    func(*tss.Armed, tss.Message)
	texts   []policy.CeremonyPermit
	key     common.Address
	parties []*holder
	flying  []flight
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
	if h.slot == nil {
		rt.Skip("not armed")
	}
	s, err := fired(h.slot, w.texts[text])
	if h.spent() {
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
		w.step(rt, h, s, m)
	}
}

// race fires the slot for both texts at the same time.
func (w *slotWorld) race(rt *rapid.T, h *holder) {
	if h.slot == nil {
		rt.Skip("not armed")
	}
	var sessions [2]*tss.Session
	var errs [2]error
	var both sync.WaitGroup
	for i := range w.texts {
		both.Go(func() { sessions[i], errs[i] = fired(h.slot, w.texts[i]) })
	}
	both.Wait()
	won := slices.IndexFunc(errs[:], func(err error) bool { return err == nil })
	if h.spent() != (won < 0) {
		rt.Fatalf("%s: a slot that is spent (%v) was fired: %v", h.self, h.spent(), errs)
	}
	if won < 0 {
		return
	}
	if !errors.Is(errs[1-won], tss.ErrSpent) {
		rt.Fatalf("%s: both win the race: %v", h.self, errs)
	}
	w.bind(rt, h, won, sessions[won], nil)
}

// start starts the session that arms, or the one that fires.
func (w *slotWorld) start(rt *rapid.T, h *holder) {
	s, begun := h.arming, &h.begun
	if h.begun {
		s, begun = h.session, &h.started
	}
	if h.crashed || s == nil || *begun {
		rt.Skip("nothing to start")
	}
	*begun = true
	r, err := s.Start()
	w.take(rt, h, r, err)
}

// deliver hands over a message, once.
func (w *slotWorld) deliver(rt *rapid.T, i int) {
	f := w.flying[i]
	w.flying = slices.Delete(w.flying, i, i+1)
	switch h := f.to; {
	case h.crashed:
	case h.arming.ID() == f.m.Session:
		w.step(rt, h, h.arming, f.m)
	case h.session != nil && h.session.ID() == f.m.Session:
		w.step(rt, h, h.session, f.m)
	default:
		if w.feed != nil && h.slot != nil && !h.spent() {
			w.feed(h.slot, f.m)
		}
		h.early = append(h.early, f.m)
	}
}

func (w *slotWorld) step(rt *rapid.T, h *holder, s *tss.Session, m tss.Message) {
	r, err := s.Step(m)
	w.take(rt, h, r, err)
}

// stray hands a message to the session that it is not for, under its name: one of
// firing to the session that arms the slot or has armed it, and the other way round.
func (w *slotWorld) stray(rt *rapid.T, f flight) {
	s := f.to.arming
	if f.m.Session == s.ID() {
		s = f.to.session
	}
	if f.to.crashed || s == nil {
		rt.Skip("there is no such session")
	}
	f.m.Session = s.ID()
	r, err := s.Step(f.m)
	if err != nil || !errors.Is(r.Dropped, tss.ErrOtherRound) || len(r.Messages) > 0 {
		rt.Fatalf("%s: another session takes %s: %v, %+v", f.to.self, f.m.Round, err, r.Dropped)
	}
}

func (w *slotWorld) take(rt *rapid.T, h *holder, r tss.Ready, err error) {
	if err != nil {
		rt.Fatalf("%s blames an honest member: %v", h.self, err)
	}
	if d := r.Dropped; d != nil && !errors.Is(d, tss.ErrDuplicate) && !errors.Is(d, tss.ErrForeign) {
		rt.Fatalf("%s drops an honest message: %v", h.self, d)
	}
	if r.Armed != nil {
		h.slot = r.Armed
	}
	if r.Signature != nil {
		if h.result != nil {
			rt.Fatalf("%s: two signatures", h.self)
		}
		h.result = r.Signature
	}
	for _, m := range r.Messages {
		for _, to := range w.parties {
			if to != h && (m.To == "" || m.To == to.self) {
				w.flying = append(w.flying, flight{to, m})
			}
		}
	}
}

// agree lets those who have not fired yet follow one who has.
func (w *slotWorld) agree(rt *rapid.T) {
	first := slices.IndexFunc(w.parties, func(h *holder) bool { return h.text >= 0 })
	for _, h := range w.parties {
		if first >= 0 && h.slot != nil && !h.spent() {
			w.fire(rt, h, w.parties[first].text)
		}
	}
}

// settle starts and delivers all there is.
func (w *slotWorld) settle(rt *rapid.T) {
	for {
		for _, h := range w.parties {
			if !h.crashed && (!h.begun || h.session != nil && !h.started) {
				w.start(rt, h)
			}
		}
		if len(w.flying) == 0 {
			return
		}
		w.deliver(rt, w.draw(rt))
	}
}

func (w *slotWorld) judge(rt *rapid.T) {
	one := w.parties[0].text
	whole := !slices.ContainsFunc(w.parties, func(h *holder) bool { return h.crashed })
	same := one >= 0 && !slices.ContainsFunc(w.parties, func(h *holder) bool { return h.text != one })
	for _, h := range w.parties {
		switch {
		case h.slot == nil && whole:
			rt.Fatalf("%s is not armed, and waits for %v in %s", h.self, h.arming.Waiting(), h.arming.Round())
		case h.result == nil && same && whole:
			rt.Fatalf("%s has no signature, and waits for %v in %s", h.self, h.session.Waiting(), h.session.Round())
		case h.result == nil:
		case !same:
			rt.Fatalf("%s signs, and not all have fired for its text", h.self)
		default:
			digest := w.texts[h.text].Digest()
			pub, err := crypto.SigToPub(digest[:], h.result.Bytes())
			if err != nil || crypto.PubkeyToAddress(*pub) != w.key {
				rt.Fatalf("%s: the signature is not over what the slot was fired for: %v", h.self, err)
			}
		}
	}
}
