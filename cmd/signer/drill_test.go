package main

import (
	"strings"
	"testing"
	"time"

	"github.com/millicent-one/signer/api"
	"github.com/millicent-one/signer/council"
)

// TestDrillReport tells the answers from the silence, and counts from the call.
func TestDrillReport(t *testing.T) {
	called := time.Date(2026, 11, 28, 3, 0, 0, 0, time.UTC)
	p := api.Proposal{
		Proposer: "core-1", Proposed: called, State: api.Signed, Have: 4, Want: 4,
		Attempts: []api.Attempt{{Number: 1, Coordinator: "core-1"}, {Number: 1, Coordinator: "core-2"}}, // one, begun twice
		Verdicts: []api.Verdict{{Member: "core-1", Allow: true, At: called.Add(40 * time.Millisecond)}, {Member: "core-2", At: called.Add(time.Second)},
			{Member: "core-3", Allow: true, At: called.Add(-time.Second)}, {Member: "core-5"}},
		Approvals: []api.Word{{Member: "core-1", Decision: council.Approve, At: called.Add(3 * time.Minute)},
			{Member: "core-2", Decision: council.Reject, At: called.Add(2*time.Hour + 400*time.Millisecond)}},
		Missing: []council.MemberID{"core-3", "core-4", "core-5"},
		Timing:  api.Timing{Approved: 200_000, Signed: 41},
	}
	var b strings.Builder
	d := reportDrill(p)
	d.prove(api.Status{Heartbeats: []api.Heartbeat{{Member: "core-4", At: called.Add(-time.Hour)}}})
	d.write(&b)
	got := strings.Join(strings.Fields(b.String()), " ")
	for _, want := range []string{
		"called by core-1 at 2026-11-28 03:00:00Z: signed, 4 of 4 approvals",
		"core-1 40ms 3m0s approve never",
		"core-2 1s (its policy denies) 2h0m0s reject",
		"core-3 0s - never",               // its clock is behind
		"core-4 - - 2026-11-28 02:00:00Z", // alive, and has judged nothing
		"Enough approvals after 3m20s; the signature 40ms later, in 1 attempt.",
		"core-5 not known (its policy denies) - never",
		"No word from core-3, core-4, core-5:",
		"No verdict from the node of core-4:",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in:\n%s", want, b.String())
		}
	}
}
