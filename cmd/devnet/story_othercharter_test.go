package main

import (
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/configs"
	"github.com/millicent-one/signer/policy"
)

// The one draft may loosen and the other one tightens, and the cases tell the stricter one from
// the charter in force.
func TestRedrafts(t *testing.T) {
	now, err := charterFor(7, &sites{protocol: common.Address{1}, bridge: common.Address{2}, timelock: common.Address{3}, treasury: common.Address{4}})
	if err != nil {
		t.Fatal(err)
	}
	actions, err := policy.LoadActions("actions.yaml", configs.Actions)
	if err != nil {
		t.Fatal(err)
	}
	load := func(text []byte, err error) *policy.Charter {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		c, err := policy.LoadCharter("charter.yaml", text, actions)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	inForce, wide, narrow := load(now, nil), load(looser.of(now)), load(stricter.of(now))
	if a := inForce.Amend(wide); a.Tightens || a.Delay != policy.DefaultAmendDelay {
		t.Errorf("the looser one: %s", a.Text())
	}
	if a := inForce.Amend(narrow); !a.Tightens {
		t.Errorf("the stricter one: %s", a.Text())
	}
	table, err := policy.LoadCases("cases.yaml", []byte(stricterCases))
	if err != nil {
		t.Fatal(err)
	}
	for c, want := range map[*policy.Charter]int{inForce: 1, narrow: 2} {
		results, err := table.Judge(c, nil)
		if err != nil {
			t.Fatal(err)
		}
		passed := 0
		for _, r := range results {
			if r.OK {
				passed++
			}
		}
		if passed != want || len(results) != 2 {
			t.Errorf("%d of %d cases pass; want %d of 2", passed, len(results), want)
		}
	}
	if _, err := stricter.of([]byte("name: another\n")); err == nil {
		t.Error("a charter without the place was redrafted")
	}
}

func TestWaitsFor(t *testing.T) {
	at := time.Date(2026, 12, 3, 0, 50, 30, 0, time.UTC)
	for text, want := range map[string]bool{
		"agreed on; begins 2026-12-03 00:50 UTC at the earliest":                                                     true,
		"agreed on; begins 2026-12-04 00:00 UTC at the earliest":                                                     true,
		"agreed on; begins 2026-12-03 00:49 UTC at the earliest":                                                     false,
		"agreed on; begins 2026-11-30 00:50 UTC at the earliest; this node takes no part: it does not have the text": false,
		"five members are there": false,
	} {
		if got := waitsFor(text, at); got != want {
			t.Errorf("%q waits for it: %v", text, got)
		}
	}
}
