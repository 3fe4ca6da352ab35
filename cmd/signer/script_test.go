package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"filippo.io/age"
	"github.com/ethereum/go-ethereum/accounts/keystore"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/millicent-one/signer/api"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/internal/testcouncil"
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
			e.Setenv("BELL", "\a")
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
			"proclaim":     func(ts *testscript.TestScript, _ bool, args []string) { proclaim(t, ts, args) },
			"home":         func(ts *testscript.TestScript, _ bool, args []string) { home(t, ts, args) },
			"occupy":       occupy,
			"hangup":       hangup,
			"born":         func(ts *testscript.TestScript, _ bool, args []string) { born(t, ts, args) },
			"proposed":     func(ts *testscript.TestScript, _ bool, args []string) { proposed(t, ts, args) },
			"epoch":        epoch,
			"recipient":    recipient,
			"cut":          cut,
			"later":        later,
			"daemon":       daemon,
			"ceremony":     ceremony,
			"otherchain":   otherChain,
			"newer":        newer,
			"council":      func(ts *testscript.TestScript, _ bool, args []string) { councilFile(t, ts, args) },
			"flip":         flip,
			"lock":         lock,
			"idof":         idOf,
			"fifo":         fifo,
			"interrupted":  interrupted,
			"hung":         hung,
			"unread":       unread,
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

// walletSign NAME DOCUMENT VAR signs an EIP-712 document as any wallet would.
func walletSign(t *testing.T, ts *testscript.TestScript, args []string) {
	var d council.Document
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(args[1])), &d))
	ts.Setenv(args[2], fmt.Sprintf("0x%x", testcouncil.Sign(t, d, testcouncil.Wallet(t, council.MemberID(args[0])))))
}

// idOf VAR takes the id from the page of a proposal that was just printed.
func idOf(ts *testscript.TestScript, _ bool, args []string) {
	for line := range strings.Lines(ts.ReadFile("stdout")) {
		if f := strings.Fields(line); len(f) == 2 && f[0] == "id" {
			ts.Setenv(args[0], f[1])
			return
		}
	}
	ts.Fatalf("no id on the page")
}

// change FILE OLD NEW replaces the first occurrence.
func change(ts *testscript.TestScript, _ bool, args []string) {
	text := ts.ReadFile(args[0])
	if !strings.Contains(text, args[1]) {
		ts.Fatalf("%s does not contain %q", args[0], args[1])
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(strings.Replace(text, args[1], args[2], 1)), 0o600))
}

// backend SOCKET [HOME [EPOCH]] serves the API with a council's node that is made
// up; with HOME it has the key of that home's birth record.
func backend(t *testing.T, ts *testscript.TestScript, args []string) {
	l, err := api.Listen(args[0])
	ts.Check(err)
	back := newFakeNode(t)
	if len(args) > 1 {
		g := recordIn(ts, args[1])
		back.council = &api.Council{ID: g.ID(), Address: g.Key, ShareEpoch: g.ShareEpoch}
	}
	if len(args) > 2 {
		back.council.ShareEpoch, err = strconv.ParseUint(args[2], 10, 64)
		ts.Check(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- api.NewServer(back, slog.New(slog.DiscardHandler)).Serve(ctx, l)
	}()
	ts.Defer(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
}
