package main

import (
	"context"
	"crypto/ecdsa"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"
	"github.com/ethereum/go-ethereum/accounts/keystore"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/millicent-one/signer/api"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/internal/rosterfile"
	"github.com/millicent-one/signer/internal/testcouncil"
	"github.com/millicent-one/signer/p2p"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"signer": func() { os.Exit(Main()) }})
}

// TestScripts types what a person would type. Each script begins in an empty
// directory with no configuration anywhere.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			e.Setenv("HOME", e.WorkDir)
			e.Setenv("SIGNER_HOME", filepath.Join(e.WorkDir, "home"))
			// The script's own directory is too deep for a socket on some systems.
			short, err := os.MkdirTemp("", "sg")
			if err != nil {
				return err
			}
			e.Defer(func() { os.RemoveAll(short) })
			e.Setenv("SHORT", short)
			e.Setenv("EOL", "\n")
			for _, id := range testcouncil.IDs() {
				e.Setenv("WALLET_"+strings.ReplaceAll(string(id), "-", "_"), crypto.PubkeyToAddress(testcouncil.Wallet(t, id).PublicKey).Hex())
			}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"age-identity": ageIdentity,
			"wallets":      func(ts *testscript.TestScript, _ bool, args []string) { wallets(t, ts, args) },
			"cards":        func(ts *testscript.TestScript, _ bool, args []string) { cards(t, ts, args) },
			"walletsign":   func(ts *testscript.TestScript, _ bool, args []string) { walletSign(t, ts, args) },
			"backend":      func(ts *testscript.TestScript, _ bool, args []string) { backend(t, ts, args) },
			"change":       change,
			"lock":         lock,
			"grab": func(ts *testscript.TestScript, _ bool, args []string) {
				ts.Setenv(args[0], newFakeNode(t).order[0].Short()) // the id of its first proposal
			},
		},
	})
}

// ageIdentity FILE writes an age identity.
func ageIdentity(ts *testscript.TestScript, _ bool, args []string) {
	id, err := age.GenerateX25519Identity()
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(id.String()+"\n"), 0o600))
}

// wallets DIR NAME... writes go-ethereum key files DIR/NAME and their password
// DIR/password. Names of test members have the wallets of those.
func wallets(t *testing.T, ts *testscript.TestScript, args []string) {
	dir := ts.MkAbs(args[0])
	ts.Check(os.MkdirAll(dir, 0o700))
	ts.Check(os.WriteFile(filepath.Join(dir, "password"), []byte("open sesame\n"), 0o600))
	for _, name := range args[1:] {
		tmp, err := os.MkdirTemp(dir, "")
		ts.Check(err)
		acc, err := keystore.NewKeyStore(tmp, 2, 1).ImportECDSA(testcouncil.Wallet(t, council.MemberID(name)), "open sesame")
		ts.Check(err)
		ts.Check(os.Rename(acc.URL.Path, filepath.Join(dir, name)))
		ts.Check(os.Remove(tmp))
	}
}

// cards DIR [ID=FIELD=VALUE]... writes the seven signed cards of the test
// council. A field (id, seat, start, end, wallet, node) is changed before the
// card is signed; badsig spoils the wallet's signature afterwards. An id that is
// no test member makes one more card.
func cards(t *testing.T, ts *testscript.TestScript, args []string) {
	dir := ts.MkAbs(args[0])
	ts.Check(os.MkdirAll(dir, 0o700))
	c := testcouncil.New(t)
	type entry struct {
		m      council.Member
		node   council.NodePrivate
		wallet *ecdsa.PrivateKey
		spoil  bool
	}
	entries := map[string]*entry{}
	for _, m := range c.Roster.Members {
		entries[string(m.ID)] = &entry{m: m, node: c.NodeKeys[m.ID], wallet: c.Wallets[m.ID]}
	}
	for _, arg := range args[1:] {
		f := strings.SplitN(arg, "=", 3)
		e := entries[f[0]]
		if e == nil {
			id := council.MemberID(f[0])
			e = &entry{m: c.Roster.Members[0], node: testcouncil.NodeKey(id), wallet: testcouncil.Wallet(t, id)}
			e.m.ID = id
			entries[f[0]] = e
		}
		var err error
		switch f[1] {
		case "seat":
			e.m.Seat = council.Seat(f[2])
		case "start":
			e.m.Term.Start, err = day(f[2])
		case "end":
			e.m.Term.End, err = day(f[2])
		case "id":
			e.m.ID = council.MemberID(f[2])
		case "wallet":
			e.wallet = testcouncil.Wallet(t, council.MemberID(f[2]))
		case "node":
			e.node = testcouncil.NodeKey(council.MemberID(f[2]))
		case "badsig":
			e.spoil = true
		default:
			ts.Fatalf("cards: unknown field %s", f[1])
		}
		ts.Check(err)
	}
	for file, e := range entries {
		e.m.Peer = testcouncil.PeerID(t, e.node).String()
		e.m.Approver = crypto.PubkeyToAddress(e.wallet.PublicKey)
		addr, err := p2p.AddressRecord(e.node, []string{"/ip4/127.0.0.1/tcp/4100"}, 1)
		ts.Check(err)
		digest, err := council.Digest(council.CardDocument(e.m))
		ts.Check(err)
		sig, err := e.node.SignNode(council.PurposeCard, digest[:])
		ts.Check(err)
		card := council.Card{Member: e.m, Addresses: addr, NodeSig: sig, ApproverSig: testcouncil.Sign(t, council.CardDocument(e.m), e.wallet)}
		if e.spoil {
			card.ApproverSig[10] ^= 1
		}
		b, err := rosterfile.FormatCard(card)
		ts.Check(err)
		ts.Check(os.WriteFile(filepath.Join(dir, file+".json"), b, 0o600))
	}
}

// walletSign NAME DOCUMENT VAR signs an EIP-712 document as any wallet would.
func walletSign(t *testing.T, ts *testscript.TestScript, args []string) {
	var d council.Document
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(args[1])), &d))
	ts.Setenv(args[2], fmt.Sprintf("0x%x", testcouncil.Sign(t, d, testcouncil.Wallet(t, council.MemberID(args[0])))))
}

// change FILE OLD NEW replaces the first occurrence.
func change(ts *testscript.TestScript, _ bool, args []string) {
	text := ts.ReadFile(args[0])
	if !strings.Contains(text, args[1]) {
		ts.Fatalf("%s does not contain %q", args[0], args[1])
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(strings.Replace(text, args[1], args[2], 1)), 0o600))
}

// backend SOCKET serves the API with a council's node that is made up.
func backend(t *testing.T, ts *testscript.TestScript, args []string) {
	l, err := api.Listen(args[0])
	ts.Check(err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- api.NewServer(newFakeNode(t), slog.New(slog.DiscardHandler)).Serve(ctx, l)
	}()
	ts.Defer(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
}
