package main

import (
	"bytes"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rlp"

	"github.com/millicent-one/signer/api"
	"github.com/millicent-one/signer/configs"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/internal/testcouncil"
	"github.com/millicent-one/signer/journal"
	"github.com/millicent-one/signer/node"
	"github.com/millicent-one/signer/policy"
)

// A node judges by the charter that the roster in force names: its file's, or the one
// that its journal keeps. What is missing, or does not fit, denies and stops nothing.
func TestJudging(t *testing.T) {
	dir := t.TempDir()
	old := policy.CharterText{Charter: configs.Charter, Actions: configs.Actions}
	next := policy.CharterText{Charter: bytes.Replace(configs.Charter, []byte("contracts: [protocol, bridge]"), []byte("contracts: [protocol]"), 1), Actions: append([]byte("# theirs\n"), configs.Actions...)}
	hash := func(x policy.CharterText) common.Hash {
		h, err := x.Hash()
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	first := testcouncil.New(t).Roster
	first.Charter = hash(old)
	two := first
	two.Version, two.Charter = 2, hash(next)
	switched := node.Standing{First: first, Switches: make([]council.Switch, 1)}
	book, err := journal.Open(filepath.Join(dir, "journal.db"), journal.Options{Self: first.Members[0].ID, Key: testcouncil.NodeKey(first.Members[0].ID), Roster: first})
	if err != nil {
		t.Fatal(err)
	}
	defer book.Close()
	config := &configs.Loaded{Config: configs.Config{Charter: "charter.yaml", Policy: "policy.yaml", Data: dir}}
	parts := func(member string) *parts {
		c, err := old.Load()
		if err != nil {
			t.Fatal(err)
		}
		return &parts{config: config, text: old, charter: c, member: []byte(member), lineage: council.Lineage{First: council.SignedRoster{Roster: first}}}
	}
	const plain, picky = "version: 1\n", "version: 1\nrules: [{id: a, effect: deny, contracts: [gone]}]\n"
	tx := council.Transaction{Value: new(big.Int), MaxGas: 100_000, MaxFeePerGas: big.NewInt(1), MaxTipPerGas: big.NewInt(1), ValidUntil: 1_900_000_060, Reason: "a test", Chain: 1, To: common.HexToAddress("0x2222222222222222222222222222222222222222"), Data: common.FromHex("0x8456cb59")}
	verdict := func(by judging) policy.Decision {
		return by.policy.Evaluate(by.policy.Assume(tx, common.Address{1}, 1_900_000_000, true))
	}

	if _, err := parts(plain).judging(place{roster: two}, node.Standing{First: first}, book); err == nil || council.Hint(err) == "" {
		t.Errorf("another charter than the first roster's: %v", err)
	}
	later := parts(plain) // whose journal is lost: signer.yaml names the charter of roster 2
	later.text = next
	if later.charter, err = next.Load(); err != nil {
		t.Fatal(err)
	}
	if _, err := later.judging(place{roster: first}, node.Standing{First: first}, nil); err == nil || council.Hint(err) == "" {
		t.Errorf("another charter than that of any roster: %v", err)
	}
	step := follow(t, first, "core-4", enter(t, "core-5", council.Core))
	step.Roster.Charter = two.Charter
	if err := os.MkdirAll(filepath.Dir(config.SuccessionFile(2)), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := saveSuccession(config.SuccessionFile(2), step); err != nil {
		t.Fatal(err)
	}
	for who, judge := range map[string]func(place, node.Standing, *journal.Journal) (judging, error){"charter": later.judging, "policy": parts(picky).judging} {
		by, err := judge(place{roster: first}, node.Standing{First: first}, nil)
		if err != nil || verdict(by).Allow || len(by.warnings) != 1 {
			t.Errorf("who has lost the journal, with the %s of later: %+v, %v", who, by.warnings, err)
		}
	}
	if err := os.Remove(config.SuccessionFile(2)); err != nil {
		t.Fatal(err)
	}
	if _, err := parts(picky).judging(place{roster: first}, node.Standing{First: first}, book); err == nil {
		t.Error("a policy that does not fit is taken at the first start")
	}
	by, err := parts(plain).judging(place{roster: first}, node.Standing{First: first}, book)
	if d := verdict(by); err != nil || !d.Allow || by.charter.Hash() != hash(old) || len(by.warnings) > 0 {
		t.Fatalf("under the first roster: %+v, %v", by, err)
	}
	by, err = parts(picky).judging(place{roster: first}, switched, book)
	if d := verdict(by); err != nil || d.Allow || !strings.Contains(d.Reason, `"gone"`) || d.Hint == "" || len(by.warnings) != 1 {
		t.Errorf("a policy that does not fit any more: %+v, %v, %v", d, by.warnings, err)
	}

	by, err = parts(plain).judging(place{roster: two}, switched, book)
	if d := verdict(by); err != nil || d.Allow || !strings.Contains(d.Reason, two.Charter.Hex()) || d.Hint == "" || len(by.warnings) != 1 {
		t.Errorf("without the charter in force: %+v, %v, %v", d, by.warnings, err)
	}
	files, err := old.Load()
	if err != nil {
		t.Fatal(err)
	}
	m, err := policy.LoadMember("policy.yaml", []byte(plain), files)
	if err != nil {
		t.Fatal(err)
	}
	says := func(roster council.Roster, h common.Hash) api.Check {
		return judgedBy(api.Status{Policy: h, Roster: &api.Roster{Version: roster.Version, Charter: roster.Charter}}, config.Charter, files, m)
	}
	if c := says(two, by.policy.Hash()); c.Outcome != api.Bad || !strings.Contains(c.Detail, "denies everything: this node does not have charter "+two.Charter.Hex()) || c.Hint != verdict(by).Hint {
		t.Errorf("the doctor without the charter in force: %+v", c)
	}
	if c := says(two, common.Hash{1}); c.Outcome != api.Warn || !strings.Contains(c.Detail, "which it has kept") || c.Hint == "" {
		t.Errorf("the doctor without the file of the charter in force: %+v", c)
	}
	if c := says(first, common.Hash{1}); c.Outcome != api.Warn || !strings.Contains(c.Hint, "start the daemon anew") {
		t.Errorf("the doctor with other rules in the files: %+v", c)
	}
	if c := says(first, policy.New(files, m).Hash()); c.Outcome != api.OK {
		t.Errorf("the doctor with the rules of the files: %+v", c)
	}
	b, err := rlp.EncodeToBytes(next) // as a node keeps it
	if err == nil {
		err = book.PutMeta(fmt.Sprintf("charter-%x", two.Charter[:16]), b)
	}
	if err != nil {
		t.Fatal(err)
	}
	by, err = parts(plain).judging(place{roster: two}, switched, book)
	if err != nil || by.charter.Hash() != two.Charter || by.policy.Charter() != by.charter || len(by.warnings) != 1 || !strings.Contains(by.warnings[0], config.CharterFile(2)) || !strings.Contains(by.warnings[0], config.ActionsFile(2)) {
		t.Fatalf("under the next roster: %+v, %v", by, err)
	}
	kept, err := loadCharter(config.CharterFile(2), config.ActionsFile(2))
	if err != nil || kept.Hash() != two.Charter {
		t.Errorf("the files for people: %v", err)
	}

	// A file that can't be written is no reason to end: the journal has the text.
	if err := os.RemoveAll(filepath.Dir(config.CharterFile(2))); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Dir(config.CharterFile(2)), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	by, err = parts(plain).judging(place{roster: two}, switched, book)
	if err != nil || by.charter.Hash() != two.Charter || len(by.warnings) != 1 || !strings.Contains(by.warnings[0], "journal alone") {
		t.Errorf("without a place for the file: %v, %v", by.warnings, err)
	}
}
