package council_test

import (
	"strings"
	"testing"

	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/internal/testcouncil"
)

// Whose mandate has ended can't decide by choosing a day on which it still had one.
func TestSuccessionDatedBack(t *testing.T) {
	old := testcouncil.New(t).Roster
	for i, m := range old.Members {
		if m.ID == "core-1" || m.ID == "core-2" {
			old.Members[i].Term.End = turn + 100
		}
	}
	s := step(t, old, turn, []council.MemberID{"community-2"}, newcomer(t, "dana"))
	agree(t, &s, old, "core-1", "core-2", "core-3", "core-4")
	if err := s.Verify(old, council.Millicent); err != nil {
		t.Fatal(err)
	}
	late := "and by then only 2 of 4 approvals were by members with a mandate; those of core-1, core-2 had ended"
	for name, x := range map[string]struct {
		seen uint64
		want string
	}{
		"seen before its day":         {turn - 1000, ""},
		"seen on its day":             {turn, ""},
		"late, and all have mandates": {turn + 99, ""},
		"as the mandates end":         {turn + 100, late},
		"long after":                  {turn + 1_000_000, late},
	} {
		err := s.Timely(old, x.seen)
		if (err == nil) != (x.want == "") || err != nil && (!strings.Contains(err.Error(), x.want) || council.Hint(err) == "") {
			t.Errorf("%s: %v", name, err)
		}
	}
	agree(t, &s, old, "core-1", "core-3", "core-4", "community-1", "community-3") // four without it
	if err := s.Timely(old, turn+1_000_000); err != nil {
		t.Errorf("with four whose mandate lasts: %v", err)
	}
	s.Approvals[0].Sig[3] ^= 1
	if s.Timely(old, turn+1) == nil {
		t.Error("a false approval passes")
	}
}
