package main

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/api"
	"github.com/millicent-one/signer/council"
)

func TestCeremonyBar(t *testing.T) {
	var out bytes.Buffer
	b := &ceremonyBar{report: &report{out: &out}, of: map[council.MemberID]stage{}, total: 2}
	l := &lines{each: func(s string) { b.heard("core-1", s) }}
	for _, part := range []string{"making pre-para", "meters\npre-parameters 1/4\n", "pre-parameters 4/4\ngathering: waiting for core-2\n", "signer: error: no\nhint: x\n"} {
		if _, err := l.Write([]byte(part)); err != nil {
			t.Fatal(err)
		}
	}
	if got := b.of["core-1"]; got.name != "gathering" || got.steps() != primeSteps {
		t.Errorf("at %+v, step %d", got, got.steps())
	}
	b.heard("core-2", "pre-parameters 2/4")
	if got := b.of["core-2"].steps(); got != primeSteps/2 {
		t.Errorf("half of the primes are step %d", got)
	}
	b.heard("core-1", "generating")
	if want := "key generation: pre-parameters"; b.last != want {
		t.Errorf("shows %q; want the slowest, %q", b.last, want)
	}
	if (stage{name: "committing"}).steps() != primeSteps+len(laterStages)-1 {
		t.Error("the last stage is not the last")
	}
}

func TestFactsTellNodesApart(t *testing.T) {
	tx := common.HexToHash("0x12")
	one := api.Proposal{
		Short: "0xab", State: api.Final, Sentence: "Pause", Proposer: "core-1", TxHash: &tx,
		Approvals: []api.Word{{Member: "core-1", Decision: council.Approve, Sequence: 1}},
		Verdicts:  []api.Verdict{{Member: "core-2", Allow: true, Rule: "charter/pause"}},
		Attempts:  []api.Attempt{{Number: 1, State: "signed"}},
	}
	rows := []api.LedgerRow{{Nonce: 0, Proposal: council.ProposalID{1}}}
	differ := func(change func(*api.Proposal, []api.LedgerRow)) string {
		t.Helper()
		s := &story{assembly: &assembly{members: []*member{{id: "core-1"}, {id: "core-2"}}}}
		text, err := s.compare(func(m *member) ([]api.Proposal, []api.LedgerRow, error) {
			p, r := one, append([]api.LedgerRow(nil), rows...)
			p.Approvals = append([]api.Word(nil), one.Approvals...)
			p.Verdicts = append([]api.Verdict(nil), one.Verdicts...)
			p.Attempts = append([]api.Attempt(nil), one.Attempts...)
			if m.id == "core-2" {
				change(&p, r)
			}
			return []api.Proposal{p}, r, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	same := map[string]func(*api.Proposal, []api.LedgerRow){
		"nothing":             func(*api.Proposal, []api.LedgerRow) {},
		"how far its RPC is":  func(p *api.Proposal, _ []api.LedgerRow) { p.State = api.Mined },
		"when it read a word": func(p *api.Proposal, _ []api.LedgerRow) { p.Approvals[0].At = time.Unix(9, 0) },
	}
	for name, change := range same {
		if text := differ(change); text != "" {
			t.Errorf("%s: %s", name, text)
		}
	}
	other := map[string]func(*api.Proposal, []api.LedgerRow){
		"state":       func(p *api.Proposal, _ []api.LedgerRow) { p.State = api.Open },
		"transaction": func(p *api.Proposal, _ []api.LedgerRow) { p.TxHash = &common.Hash{7} },
		"a word":      func(p *api.Proposal, _ []api.LedgerRow) { p.Approvals[0].Decision = council.Reject },
		"no word":     func(p *api.Proposal, _ []api.LedgerRow) { p.Approvals = nil },
		"a verdict":   func(p *api.Proposal, _ []api.LedgerRow) { p.Verdicts[0].Allow = false },
		"attempts":    func(p *api.Proposal, _ []api.LedgerRow) { p.Attempts[0].State = "failed" },
		"the nonce":   func(_ *api.Proposal, r []api.LedgerRow) { r[0].Proposal = council.ProposalID{2} },
	}
	for name, change := range other {
		if differ(change) == "" {
			t.Errorf("%s: not noticed", name)
		}
	}
}

func TestLedgerMustMatchTheDeeds(t *testing.T) {
	a, b := common.HexToHash("0xa"), common.HexToHash("0xb")
	s := &story{deeds: []deed{{"pause", api.Proposal{ID: council.ProposalID{1}, TxHash: &a}}, {"unpause", api.Proposal{ID: council.ProposalID{2}, TxHash: &b}}}}
	good := func() []api.LedgerRow {
		return []api.LedgerRow{{Nonce: 0, Proposal: council.ProposalID{1}, State: "consumed", TxHash: &a}, {Nonce: 1, Proposal: council.ProposalID{2}, State: "consumed", TxHash: &b}}
	}
	m := &member{id: "core-1"}
	if err := s.ledger(m, good()); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(r []api.LedgerRow) []api.LedgerRow{
		"one is missing":   func(r []api.LedgerRow) []api.LedgerRow { return r[:1] },
		"one too many":     func(r []api.LedgerRow) []api.LedgerRow { return append(r, api.LedgerRow{Nonce: 2}) },
		"not consumed":     func(r []api.LedgerRow) []api.LedgerRow { r[1].State = "revealed"; return r },
		"another proposal": func(r []api.LedgerRow) []api.LedgerRow { r[1].Proposal = council.ProposalID{3}; return r },
		"another tx":       func(r []api.LedgerRow) []api.LedgerRow { r[0].TxHash = &b; return r },
		"a later nonce":    func(r []api.LedgerRow) []api.LedgerRow { r[1].Nonce = 5; return r },
	} {
		if s.ledger(m, change(good())) == nil {
			t.Errorf("%s: not noticed", name)
		}
	}
}

func TestBrief(t *testing.T) {
	got := brief("On devnet (chain 424242): Pause protocol (0xdB7d6AB1f17c6b31909aE466702703dAEf9269Cf)")
	if want := "Pause protocol (0xdB7d…69Cf)"; got != want {
		t.Errorf("%q; want %q", got, want)
	}
}

func TestSummary(t *testing.T) {
	for _, c := range []struct {
		rows []outcome
		want string
		held bool
	}{
		{[]outcome{{number: 1, title: "a", held: true}, {number: 2, title: "b", held: true}}, "All 2 steps held", true},
		{[]outcome{{number: 1, title: "a", held: true}, {number: 2, title: "b"}}, "FAILED", false},
		{[]outcome{{number: 1, title: "a"}}, "1 of 2 steps were not reached", false},
	} {
		var out bytes.Buffer
		r := &report{out: &out, rows: c.rows, began: time.Now()}
		if held := r.summary(2); held != c.held || !strings.Contains(out.String(), c.want) {
			t.Errorf("held %v:\n%s", held, out.String())
		}
		if strings.Contains(out.String(), "\x1b") {
			t.Error("colours where there is no terminal")
		}
	}
}

func TestCommandErrorSaysWhatTheSignerSaid(t *testing.T) {
	e := &commandError{member: "core-1", args: []string{"keygen"}, stderr: "generating\nsigner: error: nobody is there\nhint: call them\n", err: errors.New("exit status 1")}
	if want := "core-1: signer keygen: nobody is there\nhint: call them"; e.Error() != want {
		t.Errorf("%q; want %q", e.Error(), want)
	}
}
