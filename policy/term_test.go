package policy_test

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/millicent-one/signer/configs"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/policy"
)

// withTerms is the sample charter with terms on a rule.
func withTerms(t *testing.T, rule, terms string) []byte {
	t.Helper()
	head := "  - id: " + rule + "\n    effect: allow\n"
	if !strings.Contains(string(configs.Charter), head) {
		t.Fatalf("no rule %s", rule)
	}
	return []byte(strings.Replace(string(configs.Charter), head, head+terms, 1))
}

// now is a Sunday, 17:46:40 UTC.
const hour = 3600

func past(times ...uint64) *policy.History {
	return &policy.History{Signed: map[string][]uint64{"charter/unpause": times}}
}

// What Evaluate says of terms, before anybody has approved.
func TestEvaluateSaysWhen(t *testing.T) {
	for _, k := range []struct {
		name, terms string
		history     *policy.History
		from, until uint64 // 0: none
		wait        string // "": nothing to wait for
		deny        string
	}{
		{name: "no terms", history: nil},
		{name: "window, shut", terms: "    window: {days: [mon, tue], hours: 08:00-18:00}\n", from: now + 51200, until: now + 51200 + 10*hour, wait: "charter/unpause has the window mon, tue 08:00-18:00 UTC"},
		{name: "window, open", terms: "    window: {days: [sun]}\n", from: now - 64000, until: now + 22400},
		{name: "window that opens too late", terms: "    window: {days: [thu]}\n", deny: "can't be signed before 2030-03-21 00:00:00 UTC, when it has expired"},
		{name: "delay without history", terms: "    delay: 12h\n", deny: "missing history"},
		{name: "delay before the quorum", terms: "    delay: 12h\n", history: past(), from: now + 12*hour, wait: "charter/unpause asks for a delay of 12h from the last approval that it needs"},
		{name: "delay", terms: "    delay: 12h\n", history: &policy.History{Quorum: now - 3*hour}, from: now + 9*hour, wait: "charter/unpause asks for a delay of 12h"},
		{name: "delay, over", terms: "    delay: 12h\n", history: &policy.History{Quorum: now - 13*hour}, from: now - hour},
		{name: "delay beyond the end", terms: "    delay: 80h\n", history: past(), deny: "when it has expired"},
		{name: "cool-down without history", terms: "    cooldown: 24h\n", deny: "missing history"},
		{name: "cool-down, nothing signed", terms: "    cooldown: 24h\n", history: past()},
		{name: "cool-down", terms: "    cooldown: 24h\n", history: past(now-90*hour, now-20*hour), from: now + 4*hour, wait: "charter/unpause asks for a cool-down of 24h"},
		{name: "cool-down, over", terms: "    cooldown: 24h\n", history: past(now - 24*hour), from: now},
		{name: "limit without history", terms: "    limit: {count: 2, per: 7d}\n", deny: "missing history"},
		{name: "limit, room", terms: "    limit: {count: 2, per: 2d}\n", history: past(now - hour)},
		{name: "limit, full", terms: "    limit: {count: 2, per: 2d}\n", history: past(now-40*hour, now-20*hour, now-10*hour), from: now + 28*hour, wait: "charter/unpause has a limit of 2 in 48h"},
		{name: "limit, full for too long", terms: "    limit: {count: 2, per: 7d}\n", history: past(now-hour, now), deny: "when it has expired"},
		{name: "limit, a time ahead of the clock", terms: "    limit: {count: 1, per: 1h}\n", history: past(now + hour), from: now + 2*hour, wait: "charter/unpause has a limit of 1 in 1h"},
		{name: "another rule's signatures", terms: "    limit: {count: 1, per: 1h}\n", history: &policy.History{Signed: map[string][]uint64{"charter/pause": {now}}}},
		{name: "unsorted history", terms: "    limit: {count: 1, per: 1h}\n", history: past(now, now-1), deny: "unsorted"},
		{name: "the latest counts", terms: "    delay: 1h\n    cooldown: 5h\n    limit: {count: 1, per: 3h}\n", history: past(now), from: now + 5*hour, wait: "cool-down of 5h"},
		{name: "window after the delay", terms: "    delay: 12h\n    window: {days: [mon], hours: 08:00-18:00}\n", history: past(), from: now + 51200, until: now + 51200 + 10*hour, wait: "has the window mon"},
		{name: "delay into the window", terms: "    delay: 15h\n    window: {days: [mon], hours: 08:00-18:00}\n", history: past(), from: now + 15*hour, until: now + 51200 + 10*hour, wait: "delay of 15h"},
		{name: "again", terms: "    cooldown: 24h\n    window: {days: [thu]}\n    limit: {count: 1, per: 7d}\n    delay: 5h\n", history: &policy.History{Signed: past(now).Signed, Again: true}},
	} {
		t.Run(k.name, func(t *testing.T) {
			s := sceneOf(t, withTerms(t, "unpause", k.terms), "unpause", "protocol", four...)
			s.in.History = k.history
			d := s.policy.Evaluate(s.in)
			if k.deny != "" {
				if d.Allow || d.Rule != "charter/unpause" || !strings.Contains(d.Reason, k.deny) || d.Hint == "" || d.NotBefore != 0 || d.Terms != "" {
					t.Fatalf("want a denial with …%s…, got %+v", k.deny, d)
				}
				return
			}
			if !d.Allow {
				t.Fatalf("denied by %s: %s", d.Rule, d.Reason)
			}
			if d.NotBefore != k.from || d.Until != k.until || (k.wait == "") != (d.Wait == "") || !strings.Contains(d.Wait, k.wait) {
				t.Errorf("from %s until %s: %q; want %s, %s: …%s…", policy.Clock(d.NotBefore), policy.Clock(d.Until), d.Wait, policy.Clock(k.from), policy.Clock(k.until), k.wait)
			}
			if (k.terms == "") != (d.Terms == "") {
				t.Errorf("terms %q", d.Terms)
			}
			if ahead := d.NotBefore > now; ahead != strings.Contains(d.Reason, "; at the earliest "+policy.Clock(d.NotBefore)) {
				t.Errorf("reason %q", d.Reason)
			}
			// Authorize is of the same mind, with the same words.
			p, a := s.policy.Authorize(s.in, s.quorum, s.begin)
			switch early := d.NotBefore > now; {
			case early && (a.Allow || a.Rule != "early" || a.NotBefore != d.NotBefore || !strings.Contains(a.Reason, d.Wait) || a.Hint == "" || p.Check(s.begin.Session(), none, s.begin.Signers, now) == nil):
				t.Errorf("authorized %v by %s: %s", a.Allow, a.Rule, a.Reason)
			case !early && !a.Allow:
				t.Errorf("refused by %s: %s", a.Rule, a.Reason)
			}
		})
	}
}

// The delay counts from the quorum, and to the second.
func TestDelayToTheSecond(t *testing.T) {
	s := sceneOf(t, withTerms(t, "unpause", "    delay: 1m\n"), "unpause", "protocol", four...)
	s.in.History = &policy.History{Quorum: now - 59}
	if _, d := s.policy.Authorize(s.in, s.quorum, s.begin); d.Allow || d.Rule != "early" || d.NotBefore != now+1 {
		t.Errorf("a second too early: %+v", d)
	}
	s.in.History.Quorum--
	if _, d := s.policy.Authorize(s.in, s.quorum, s.begin); !d.Allow {
		t.Errorf("refused: %s", d.Reason)
	}
	s.in.History.Quorum = 0 // not known: as if it were complete right now
	if _, d := s.policy.Authorize(s.in, s.quorum, s.begin); d.Allow || d.NotBefore != now+60 {
		t.Errorf("without a time: %+v", d)
	}
}

func TestAuthorizeWantsSeats(t *testing.T) {
	core := []council.MemberID{"core-1", "core-2", "core-3", "core-4"}
	for _, k := range []struct {
		terms  string
		voters []council.MemberID
		want   string
	}{
		{"    seats: {core: 1, community: 1}\n", four, ""},
		{"    seats: {core: 1, community: 1}\n", core, "the approvals lack an approval of a community seat"},
		{"    seats: {community: 2}\n", four, "an approval of a community seat"},
		{"    seats: {community: 3}\n", four, "approvals of 2 community seats"},
		{"    seats: {core: 4, community: 1}\n", append(slices.Clone(core), "community-2"), ""},
		{"    seats: {core: 3, community: 3}\n", append(slices.Clone(core), "community-2"), "5 approvals; the rule asks for 6"},
		{"    approvals: 5\n    seats: {community: 1}\n", four, "4 approvals; the rule asks for 5"},
	} {
		s := sceneOf(t, withTerms(t, "unpause", k.terms), "unpause", "protocol", k.voters...)
		if d := s.policy.Evaluate(s.in); !d.Allow || d.NotBefore != 0 || !strings.Contains(d.Terms, "seat") {
			t.Errorf("%q: %+v", k.terms, d)
		}
		_, d := s.policy.Authorize(s.in, s.quorum, s.begin)
		if d.Allow != (k.want == "") || !strings.Contains(d.Reason, k.want) || !d.Allow && (d.Rule != "quorum" || d.Hint == "") {
			t.Errorf("%q, %v: %v by %s: %s", k.terms, k.voters, d.Allow, d.Rule, d.Reason)
		}
	}
}

// A member's terms come on top of the charter's.
func TestMemberAddsTerms(t *testing.T) {
	s := sceneOf(t, withTerms(t, "unpause", "    delay: 1h\n    seats: {core: 2}\n    window: {days: [sun, mon]}\n"), "unpause", "protocol", four...)
	load := func(terms string) *policy.Policy {
		m, err := policy.LoadMember("policy.yaml", []byte("version: 1\nrules:\n  - id: slow\n    effect: allow\n    actions: [unpause]\n    contracts: [protocol]\n"+terms), s.policy.Charter())
		if err != nil {
			t.Fatal(err)
		}
		return policy.New(s.policy.Charter(), m)
	}
	s.in.History = past()
	d := load("    delay: 2h\n    seats: {community: 1}\n    window: {days: [mon, tue]}\n").Evaluate(s.in)
	if want := (policy.Seats{Core: 2, Community: 1}); !d.Allow || d.Delay != 2*hour || d.Seats != want || d.NotBefore != now+22400 || d.Until != now+22400+24*hour {
		t.Errorf("%+v", d)
	}
	if d.Terms != "charter/unpause: window sun, mon UTC, delay of 1h, approvals of 2 core seats; member/slow: window mon, tue UTC, delay of 2h, an approval of a community seat" {
		t.Errorf("terms %q", d.Terms)
	}
	d = load("    window: {days: [thu]}\n").Evaluate(s.in)
	if d.Allow || !strings.Contains(d.Reason, "never open at the same time: charter/unpause, member/slow") {
		t.Errorf("%v: %s", d.Allow, d.Reason)
	}
}

// Statements and documents have the same terms.
func TestMessageTerms(t *testing.T) {
	s := sceneOf(t, withTerms(t, "statements", "    limit: {count: 1, per: 1d}\n    delay: 1h\n    seats: {community: 1}\n    window: {hours: 06:00-18:00}\n"), "pause", "protocol", four...)
	s.in.Intent = council.Statement{Text: "All is well.", ValidUntil: now + 72*hour}
	if d := s.policy.Evaluate(s.in); d.Allow || !strings.Contains(d.Reason, "missing history") {
		t.Errorf("%+v", d)
	}
	s.in.History = &policy.History{Signed: map[string][]uint64{"charter/statements": {now - hour}}}
	d := s.policy.Evaluate(s.in)
	if !d.Allow || d.NotBefore != now+23*hour || d.Delay != hour || d.Seats.Community != 1 {
		t.Errorf("%+v", d)
	}
	if got := s.policy.Counts(s.in.Intent); !slices.Equal(got, []string{"charter/statements"}) {
		t.Errorf("counted by %v", got)
	}
}

// Counts finds the rules by what they speak of, also inside other calls.
func TestCounts(t *testing.T) {
	text := strings.Replace(string(withTerms(t, "unpause", "    limit: {count: 1, per: 1d}\n")), "rules:\n", "rules:\n  - {id: second, effect: allow, actions: [unpause], contracts: [protocol], cooldown: 1h}\n  - {id: slow, effect: allow, actions: [unpause], contracts: [protocol], delay: 1h}\n", 1)
	s := sceneOf(t, []byte(text), "unpause", "protocol", four...)
	if got := s.policy.Counts(s.in.Intent); !slices.Equal(got, []string{"charter/second", "charter/unpause"}) {
		t.Errorf("counted by %v", got)
	}
	bridge := sceneOf(t, []byte(text), "unpause", "bridge", four...)
	if got := bridge.policy.Counts(bridge.in.Intent); !slices.Equal(got, []string{"charter/unpause"}) {
		t.Errorf("on the bridge by %v", got)
	}
	inner := s.in.Intent.(council.Transaction)
	inner.Data = append(unhex("ac9650d8"+word(32)+word(1)+word(32)+word(4)), append(unhex("3f4ba83a"), make([]byte, 28)...)...)
	if a, err := s.policy.Describe(inner); err != nil || a.Name != "multicall" || len(a.Root.Calls) != 1 {
		t.Fatalf("%+v, %v", a, err)
	}
	if got := s.policy.Counts(inner); !slices.Equal(got, []string{"charter/second", "charter/unpause"}) {
		t.Errorf("inside a multicall by %v", got)
	}
	pause := sceneOf(t, []byte(text), "pause", "protocol", four...)
	if got := pause.policy.Counts(pause.in.Intent); len(got) != 0 {
		t.Errorf("a pause by %v", got)
	}
}

func unhex(s string) []byte {
	b, err := hex.DecodeString(s)
	if err != nil {
		panic(err)
	}
	return b
}

func word(n int) string { return fmt.Sprintf("%064x", n) }
