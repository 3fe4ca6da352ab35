package main

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/internal/rosterfile"
	"github.com/millicent-one/signer/internal/testcouncil"
)

// proclaimed is what a made-up council's key says of a roster.
func proclaimed(t *testing.T, r council.Roster) council.Proclamation {
	t.Helper()
	key := testcouncil.Wallet(t, "the council's key")
	p, err := council.Holding{Council: common.Hash{7}, Roster: r, Epoch: 2, Key: crypto.PubkeyToAddress(key.PublicKey)}.Proclamation()
	if err != nil {
		t.Fatal(err)
	}
	d := p.Digest()
	sig, err := crypto.Sign(d[:], key)
	if err != nil {
		t.Fatal(err)
	}
	if p, err = p.Seal(sig); err != nil {
		t.Fatal(err)
	}
	return p
}

// proclaim SUCCESSION FILE writes what a council's key says of the roster of a
// succession.
func proclaim(t *testing.T, ts *testscript.TestScript, args []string) {
	s, err := rosterfile.ReadSuccession(ts.MkAbs(args[0]))
	ts.Check(err)
	b, err := json.Marshal(proclaimed(t, s.Roster))
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), b, 0o644))
}
