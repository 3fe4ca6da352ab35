package main

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/millicent-one/signer/api"
	"github.com/millicent-one/signer/configs"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/evidence"
	"github.com/millicent-one/signer/internal/rosterfile"
	"github.com/millicent-one/signer/internal/testcouncil"
	"github.com/millicent-one/signer/p2p"
	"github.com/millicent-one/signer/tss"
)

// testRecords are three records of core-1's node: core-2 said two things, which is
// shown, sent an invalid share, which is only told, and locked for two successors.
func testRecords(t testing.TB, roster council.Roster) []evidence.Record {
	hash, err := roster.Hash()
	if err != nil {
		t.Fatal(err)
	}
	frame := func(text string) p2p.Frame {
		f, err := p2p.SignFrame(testcouncil.NodeKey("core-2"), hash, p2p.Frame{From: "core-2", Channel: p2p.Session, Session: council.SessionID{7}, Type: uint8(tss.SignRound5), Payload: []byte(text)})
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	lock := func(try byte) council.Lock {
		l, err := council.Lock{Member: "core-2", Roster: hash, Epoch: 1, Ceremony: common.Hash{try}}.Sign(testcouncil.NodeKey("core-2"))
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	out := []evidence.Record{
		evidence.Equivocated(hash, frame("one"), frame("two")),
		evidence.Told(evidence.Invalid, hash, p2p.Frame{From: "core-2", Session: council.SessionID{7}, Type: uint8(tss.KeygenRound2Share)}, "share is out of range"),
		evidence.LockedTwice(hash, council.Fork{First: lock(1), Second: lock(2)}),
	}
	for i := range out {
		if out[i], err = out[i].Sign(testcouncil.NodeKey("core-1"), "core-1", 1_800_000_000); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// councilFile FILE writes the test council's roster, signed by all, and sets
// PROVEN, TOLD and LOCKS to the ids of testRecords.
func councilFile(t *testing.T, ts *testscript.TestScript, args []string) {
	c := testcouncil.New(t)
	s := council.SignedRoster{Roster: c.Roster}
	for _, m := range c.Roster.Members {
		address, err := p2p.AddressRecord(c.NodeKeys[m.ID], []string{"/ip4/127.0.0.1/tcp/4100"}, 1)
		ts.Check(err)
		s.Addresses = append(s.Addresses, address)
		s.Sigs = append(s.Sigs, council.WalletSignature{Member: m.ID, Sig: testcouncil.Sign(t, c.Roster.Document(), c.Wallets[m.ID])})
	}
	b, err := rosterfile.Format(s)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), b, 0o600))
	records := testRecords(t, c.Roster)
	ts.Setenv("PROVEN", records[0].Short())
	ts.Setenv("TOLD", records[1].Short())
	ts.Setenv("LOCKS", records[2].Short())
}

// flip FILE changes its last byte.
func flip(ts *testscript.TestScript, _ bool, args []string) {
	b, err := os.ReadFile(ts.MkAbs(args[0]))
	ts.Check(err)
	b[len(b)-1] ^= 1
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), b, 0o600))
}

// A record of a later roster than those at hand may be true or false. Whoever takes one
// away is told which files it is checked with.
func TestRecordOfALaterRoster(t *testing.T) {
	first := testcouncil.New(t).Roster
	two := first
	prev, err := first.Hash()
	if err != nil {
		t.Fatal(err)
	}
	two.Version, two.Prev, two.Charter = 2, prev, common.Hash{9}
	hash, err := two.Hash()
	if err != nil {
		t.Fatal(err)
	}
	b, err := evidence.Encode(testRecords(t, two)[0])
	if err != nil {
		t.Fatal(err)
	}
	if c := check("it", b, first); c.Proven || c.Error != "" || c.Lacks == nil || *c.Lacks != hash || c.Hint == "" {
		t.Errorf("without its roster: %+v", c)
	}
	if c := check("it", b, first, two); !c.Proven || c.Lacks != nil {
		t.Errorf("with its roster: %+v", c)
	}

	dir := t.TempDir()
	a := newApp(nil, io.Discard, io.Discard)
	a.root()
	a.loaded = &configs.Loaded{Config: configs.Config{Data: dir, Roster: filepath.Join(dir, "first.json")}}
	signed, step := council.SignedRoster{Roster: first}, council.Succession{Roster: two, Effective: testcouncil.TermStart}
	for _, m := range first.Members {
		signed.Addresses = append(signed.Addresses, []byte(m.ID))
	}
	step.Addresses = signed.Addresses
	path := a.loaded.SuccessionFile(2)
	if err := errors.Join(saveRoster(a.loaded.Roster, signed), os.Mkdir(filepath.Dir(path), 0o700), saveSuccession(path, step)); err != nil {
		t.Fatal(err)
	}
	for want, got := range map[string]string{
		a.loaded.Roster:                                   a.rostersFor(prev, nil),
		a.loaded.Roster + "," + path:                      a.rostersFor(hash, nil),
		"roster.json,succession-2.json,succession-3.json": a.rostersFor(common.Hash{1}, &api.Roster{Version: 3}),
	} {
		if got != want {
			t.Errorf("it is checked with %s; want %s", got, want)
		}
	}
}
