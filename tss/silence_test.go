package tss_test

import (
	"slices"
	"testing"

	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/internal/testcouncil"
	"github.com/millicent-one/signer/tss"
)

// TestSilence keeps back all that one member says, one type of message at a
// time, until nobody else has anything to say: in every round of every protocol
// each of the others waits for that member, and for nobody else.
func TestSilence(t *testing.T) {
	t.Parallel()
	four := testcouncil.IDs()[1:5]
	three := []council.MemberID{"alice", "bob", "mallory"} // of whom two deal in a resharing
	for _, p := range protocols() {
		for _, who := range [][]council.MemberID{two, three, four} {
			if len(who) == 3 && p.name != "reshare" {
				continue
			}
			shares := pair(t)
			if len(who) == 4 {
				if p.name != "fire" { // the others are alike, and take longer
					continue
				}
				shares = testcouncil.Shares(t)
			}
			t.Run(p.name, func(t *testing.T) {
				t.Parallel()
				silence(t, p.open(t, shares, who, 70), p.steps)
			})
		}
	}
}

func silence(t *testing.T, sessions []*tss.Session, steps [][]tss.Round) {
	silent := sessions[len(sessions)-1].Self()
	var talk, kept []tss.Message
	say := func(s *tss.Session, r tss.Ready, err error) {
		if err != nil || r.Dropped != nil {
			t.Fatalf("%s: %v, %v", s.Self(), err, r.Dropped)
		}
		if s.Self() == silent {
			kept = append(kept, r.Messages...)
		} else {
			talk = append(talk, r.Messages...)
		}
	}
	hear := func(m tss.Message) {
		for _, s := range sessions {
			if s.Self() != m.From && (m.To == "" || m.To == s.Self()) {
				r, err := s.Step(m)
				say(s, r, err)
			}
		}
	}
	for _, s := range sessions {
		r, err := s.Start()
		say(s, r, err)
	}
	for _, step := range steps {
		for _, r := range step {
			for len(talk) > 0 {
				m := talk[0]
				talk = talk[1:]
				hear(m)
			}
			for _, s := range sessions[:len(sessions)-1] {
				if s.Round() != r || !slices.Equal(s.Waiting(), []council.MemberID{silent}) || s.Done() {
					t.Errorf("%s waits in %s for %v; want %s", s.Self(), s.Round(), s.Waiting(), r)
				}
			}
			var said []tss.Message
			kept = slices.DeleteFunc(kept, func(m tss.Message) bool {
				if m.Round == r {
					said = append(said, m)
				}
				return m.Round == r
			})
			for _, m := range said {
				hear(m)
			}
		}
	}
	for _, s := range sessions {
		if !s.Done() || s.Waiting() != nil || s.Round() != 0 {
			t.Errorf("%s waits in %s for %v", s.Self(), s.Round(), s.Waiting())
		}
	}
}
