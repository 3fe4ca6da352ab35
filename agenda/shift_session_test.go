package agenda_test

import (
	"maps"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/crypto"

	"github.com/millicent-one/signer/agenda"
	"github.com/millicent-one/signer/council"
)

// run is one engine session.
type run struct {
	want   []council.MemberID
	joined map[string]bool
	began  bool
	over   bool
	answer func(d *desk) agenda.Event
}

// signers are the parties of a session.
func (w *shift) signers(s council.SessionID) []council.MemberID { return w.runs[s.String()].want }

func (w *shift) send(d *desk, e agenda.Send) {
	tag, b, err := agenda.EncodeMessage(e.Message)
	if err != nil {
		w.t.Fatal(err)
	}
	m, err := agenda.DecodeMessage(tag, b) // as the others read it
	if err != nil {
		w.t.Fatal(err)
	}
	for _, name := range w.names {
		o := w.desks[name]
		if o == d || o.id == d.id || e.To != "" && e.To != o.id || o.node == nil {
			continue
		}
		copies := 1
		if w.rnd.Float64() < w.twice {
			copies = 2
		}
		for range copies {
			if w.rnd.Float64() < w.loss {
				continue
			}
			life := o.life
			w.after(w.delay(), func() {
				if o.life == life && o.node != nil && !w.cut(d.name, name) {
					w.give(o, agenda.Said{From: d.id, Message: m})
				}
			})
		}
	}
}

// heal ends a cut: all that could not hear each other meet again.
func (w *shift) heal() {
	was := w.cut
	w.cut = func(string, string) bool { return false }
	for _, x := range w.names {
		for _, y := range w.names {
			if x != y && was(x, y) && w.desks[x].node != nil && w.desks[y].node != nil {
				w.give(w.desks[y], agenda.PeerUp{Member: w.desks[x].id})
			}
		}
	}
}

// split is a cut between these nodes and all others.
func (w *shift) split(side ...string) {
	w.cut = func(x, y string) bool { return slices.Contains(side, x) != slices.Contains(side, y) }
}

func (w *shift) reshare(d *desk, e agenda.Reshare) {
	session := e.Rotation.Session()
	w.enter(d, session.String(), slices.Concat(e.Rotation.Dealers, e.Roster.IDs()),
		func(*desk) agenda.Event {
			return agenda.Reshared{Session: session, Key: w.holding.Key, Transcript: crypto.Keccak256Hash(session[:])}
		}, session)
}

func (w *shift) prove(d *desk, e agenda.Prove) {
	sig, err := crypto.Sign(func() []byte { h := e.Permit.Digest(); return h[:] }(), w.key)
	if err != nil {
		w.t.Fatal(err)
	}
	session := e.Permit.Session()
	w.enter(d, session.String(), e.Signers, func(d *desk) agenda.Event { return agenda.Signed{Session: session, Signature: sig} }, session)
}

// enter joins a session. It ends for each party by itself.
func (w *shift) enter(d *desk, key string, want []council.MemberID, answer func(*desk) agenda.Event, session council.SessionID) {
	s := w.runs[key]
	if s == nil {
		s = &run{want: want, joined: map[string]bool{}, answer: answer}
		w.runs[key] = s
		w.after(5*time.Second, func() { w.notices(s, session) })
		w.after(15*time.Second, func() { w.closes(s, session) })
	}
	s.joined[d.name] = true
	if w.whole(s) && !s.began {
		s.began = true
		w.after(100*time.Millisecond, func() { w.finishes(s) })
	}
}

// finishes ends a session with a result, if nobody is missing.
func (w *shift) finishes(s *run) {
	if !w.whole(s) {
		return
	}
	s.over = true
	for _, name := range slices.Sorted(maps.Keys(s.joined)) {
		w.later(w.delay(), w.desks[name], s.answer(w.desks[name]))
	}
}

// whole reports whether all parties of a session are in it and hear each other.
func (w *shift) whole(s *run) bool {
	for name := range s.joined {
		if len(w.unheard(s, name)) > 0 {
			return false
		}
	}
	return len(s.joined) > 0
}

// unheard are the parties of a session that are not in it, or that a node does not hear.
func (w *shift) unheard(s *run, name string) (out []council.MemberID) {
	for _, m := range s.want {
		here := slices.ContainsFunc(slices.Sorted(maps.Keys(s.joined)), func(o string) bool {
			return w.desks[o].id == m && w.desks[o].node != nil && !w.cut(o, name)
		})
		if !here && !slices.Contains(out, m) {
			out = append(out, m)
		}
	}
	return out
}

// awaited are those whose messages are missing at a node: whom it does not hear; and if
// it hears all, those who wait for another and therefore stand still.
func (w *shift) awaited(s *run, name string) []council.MemberID {
	out := w.unheard(s, name)
	if len(out) > 0 {
		return out
	}
	for _, o := range slices.Sorted(maps.Keys(s.joined)) {
		if m := w.desks[o].id; len(w.unheard(s, o)) > 0 && !slices.Contains(out, m) {
			out = append(out, m)
		}
	}
	return out
}

// notices has each party of a session that goes on tell whom it waits for.
func (w *shift) notices(s *run, session council.SessionID) {
	for _, name := range slices.Sorted(maps.Keys(s.joined)) {
		if waiting := w.awaited(s, name); !s.over && len(waiting) > 0 {
			w.later(0, w.desks[name], agenda.Waits{Session: session, Waiting: waiting, Round: "round 1"})
		}
	}
}

// closes ends a session of which somebody is silent. Who was only cut off for a while has
// heard by now what it missed.
func (w *shift) closes(s *run, session council.SessionID) {
	if s.over {
		return
	}
	w.finishes(s)
	for _, name := range slices.Sorted(maps.Keys(s.joined)) {
		if waiting := w.awaited(s, name); !s.over && len(waiting) > 0 {
			w.later(0, w.desks[name], agenda.Stalled{Session: session, Waiting: waiting, Round: "round 1", For: 15 * time.Second})
		}
	}
}
