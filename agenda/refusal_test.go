package agenda_test

import (
	"strings"
	"testing"
	"time"

	"github.com/millicent-one/signer/agenda"
	"github.com/millicent-one/signer/council"
)

// What another says of an attempt that it does not join, or gives up, goes into this node's
// own feed, for good: little of it, and nothing that does not show.
func TestWordsOfOthersAreShortInOwnFeed(t *testing.T) {
	long := strings.Repeat("no\u202e\x1b[2J", 200)
	for name, says := range map[string]func(*world, council.MemberID, council.Begin){
		"refused": func(w *world, m council.MemberID, b council.Begin) {
			w.step(m, agenda.Said{From: cosigner(b, m), Message: agenda.Refusal{Begin: b.Hash(), Chain: b.Chain, Nonce: b.Nonce, Rule: long, Reason: long}})
		},
		"given up": func(w *world, m council.MemberID, b council.Begin) {
			w.deliver(m, agenda.Recorded{Author: cosigner(b, m), Seq: 1000, At: uint64(w.now.Unix()), Word: council.WordAttemptFailed,
				Body: council.AttemptFailed{Proposal: b.Proposal, Chain: b.Chain, Nonce: b.Nonce, Attempt: b.Attempt, Reason: long}})
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 622)
			w.attempting()
			var b council.Begin
			for _, s := range w.sessions {
				b = s.begin
			}
			m := b.Coordinator
			said := 0
			w.does = func(by council.MemberID, e agenda.Effect) {
				a, ok := e.(agenda.Append)
				if f, failed := a.Body.(council.AttemptFailed); ok && failed && by == m {
					said++
					if len(f.Reason) > 2*agenda.MaxQuoted+64 || strings.ContainsAny(f.Reason, "\u202e\x1b") || !strings.Contains(f.Reason, "no[2Jno[2J") {
						t.Errorf("%d bytes: %q", len(f.Reason), f.Reason)
					}
				}
			}
			says(w, m, b)
			if said != 1 {
				t.Errorf("it says %d words", said)
			}
			w.does = nil
			if !w.run(2*time.Minute, w.minedBy(b.Proposal)) {
				w.fail(b.Proposal)
			}
		})
	}
}

// cosigner is a signer of an attempt beside this one.
func cosigner(b council.Begin, m council.MemberID) council.MemberID {
	for _, s := range b.Signers {
		if s != m {
			return s
		}
	}
	return ""
}
