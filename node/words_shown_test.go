package node

import (
	"strings"
	"testing"

	"github.com/millicent-one/signer/agenda"
	"github.com/millicent-one/signer/api"
	"github.com/millicent-one/signer/council"
)

// What members write is shown on one line, and no more of it than people read.
func TestWordsOfOthersAsShown(t *testing.T) {
	t.Parallel()
	s := newStream(t)
	s.bulletin = newBulletin()
	s.hello("core-2", hello{Time: uint64(s.time.UnixMilli()), Version: "1\x1b[2J\n" + strings.Repeat("x", 1<<10), Life: 1})
	if v := s.peer("core-2").version; len(v) > council.MaxVersion || strings.ContainsAny(v, "\x1b\n") {
		t.Errorf("its version is %q", v)
	}
	foul := "\x1b[2J\n\u202e" + strings.Repeat("words ", 200)
	s.tellEntry(agenda.Recorded{Author: "core-2", Word: council.WordJudged, Body: council.Judged{Rule: "r", Reason: foul}})
	s.tellEntry(agenda.Recorded{Author: "core-2", Word: council.WordRejected, Body: council.Voted{Approval: council.Approval{Decision: council.Reject, Reason: foul}}})
	s.tellEntry(agenda.Recorded{Author: "core-2", Word: council.WordAttemptFailed, Body: council.AttemptFailed{Reason: foul}})
	told, _ := s.bulletin.after(0)
	if len(told) != 3 {
		t.Fatalf("%d events", len(told))
	}
	for _, e := range told {
		if len(e.Text) > maxTold || strings.ContainsAny(e.Text, "\x1b\n\u202e") || !strings.Contains(e.Text, "words words") {
			t.Errorf("%s: %q", e.Kind, e.Text)
		}
	}

	all := []api.Verdict{{Member: "core-2", Rule: "theirs", Reason: "no"}, {Member: s.self, Rule: "own", Reason: "never"}}
	if why := s.refusal(all); why != "own: never" {
		t.Errorf("refused, since %q", why)
	}
	if why := s.refusal([]api.Verdict{{Member: "core-3", Allow: true}, all[0], {Member: s.self, Allow: true}}); why != "core-2: theirs: no" {
		t.Errorf("refused by another, since %q", why)
	}
}
