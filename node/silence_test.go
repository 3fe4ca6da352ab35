package node_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/millicent-one/signer/api"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/node"
	"github.com/millicent-one/signer/p2p"
	"github.com/millicent-one/signer/tss"
)

// patient sets how long a round may be silent in a test. The machine may be
// busy, so it is no shorter than it has to be.
func patient(c *node.Config) { c.Timing.Silence = 3 * time.Second }

// tries is how many attempts a proposal took. Two coordinators may begin one at the
// same moment, where one has heard what the other has not: then there are two
// Begins of it, and all leave one for the better.
func tries(p api.Proposal) (last uint64) {
	for _, a := range p.Attempts {
		last = max(last, a.Number)
	}
	return last
}

// sign has the council run one playbook and returns it once it is mined.
func (h *house) sign(watcher council.MemberID, playbook string) api.Proposal {
	h.t.Helper()
	id := h.propose("core-1", playbook)
	h.judged(id, h.council.Roster.IDs()...)
	for _, m := range []council.MemberID{"core-1", "core-2", "community-1", "community-2"} {
		h.approve("core-1", m, id)
	}
	h.await(watcher, "a block with it", minute, inState(h.t, id, api.Mined, api.Final))
	return h.rooms[watcher].proposal(h.t, id)
}

// A member whose node is online and says nothing in one round is found out
// within seconds, and it alone: the next attempt signs without it. A machine that is slow
// enough makes others look silent for as long, too; then the same is tried again. Who is
// taken for silent by a mistake is so each time.
func TestSilenceNamesTheSilentOne(t *testing.T) {
	h := newHouse(t, true)
	for _, m := range h.council.Roster.IDs() {
		h.start(m, patient)
	}
	for _, m := range h.council.Roster.IDs() {
		h.ready(m)
	}
	signed := 0
	sign := func() api.Proposal {
		t.Helper()
		signed++
		return h.sign("core-1", []string{"unpause", "pause"}[signed%2])
	}
	const most = 5
	again := func(try func() error) {
		t.Helper()
		for n := 1; ; n++ {
			err := try()
			if err == nil {
				return
			}
			if n == most {
				t.Errorf("%d times, at last: %v", n, err)
				return
			}
			t.Logf("once more: %v", err)
		}
	}
	again(func() error {
		if p := sign(); tries(p) != 1 {
			return fmt.Errorf("%d attempts without a fault: %+v", tries(p), p.Attempts)
		}
		return nil
	})
	for r := tss.SignRound1Direct; r <= tss.SignRound9; r++ {
		if testing.Short() && r != tss.SignRound2 {
			continue
		}
		again(func() error {
			var victim council.MemberID
			var session council.SessionID
			var at time.Time
			remove := h.net.Add(p2p.Fault{Channel: p2p.Session, Drop: 1, Match: func(f p2p.Frame) bool {
				if f.Type != uint8(r) {
					return false
				}
				if victim == "" {
					victim, session, at = f.From, f.Session, time.Now()
				}
				return f.From == victim && f.Session == session
			}})
			p := sign()
			remove()
			t.Logf("%s: %s is silent; in a block after %s, attempts %d", r, victim, time.Since(at).Round(100*time.Millisecond), len(p.Attempts))
			if victim == "" {
				t.Fatalf("%s: nobody sent it", r)
			}
			if r.Reveals() && len(p.Attempts) == 1 && p.Attempts[0].State == "signed" {
				return nil // the silent one alone can finish the signature, and its node tells it to all
			}
			// The silent one does not suspect itself, and may begin the second attempt,
			// too: all leave it for the better one.
			last := p.Attempts[len(p.Attempts)-1]
			if len(p.Attempts) < 2 || last.Number != 2 || last.State != "signed" || !slices.Equal(p.Attempts[0].Suspects, []council.MemberID{victim}) {
				return fmt.Errorf("%s: %s was silent; attempts %+v", r, victim, p.Attempts)
			}
			if slices.ContainsFunc(last.Signers, func(s api.Signer) bool { return s.Member == victim }) {
				t.Errorf("%s: the next attempt has %s in it again: %+v", r, victim, last.Signers)
			}
			return nil
		})
	}
}
