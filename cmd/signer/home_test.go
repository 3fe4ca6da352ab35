package main

import (
	"crypto/ecdsa"
	"encoding/binary"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"filippo.io/age"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/rogpeppe/go-internal/testscript"
	"go.etcd.io/bbolt"

	"github.com/millicent-one/signer/configs"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/internal/rosterfile"
	"github.com/millicent-one/signer/internal/testcouncil"
	"github.com/millicent-one/signer/journal"
	"github.com/millicent-one/signer/keystore"
	"github.com/millicent-one/signer/p2p"
)

// entry is a member to be, with its keys.
type entry struct {
	m      council.Member
	node   council.NodePrivate
	wallet *ecdsa.PrivateKey
	spoil  bool
}

// entries are the seven members of the test council, changed by ID=FIELD=VALUE
// (id, seat, start, end, wallet, node, badsig). An id that is no test member
// makes one more.
func entries(t *testing.T, ts *testscript.TestScript, changes []string) map[string]*entry {
	c := testcouncil.New(t)
	out := map[string]*entry{}
	for _, m := range c.Roster.Members {
		out[string(m.ID)] = &entry{m: m, node: c.NodeKeys[m.ID], wallet: c.Wallets[m.ID]}
	}
	for _, arg := range changes {
		f := strings.SplitN(arg, "=", 3)
		e := out[f[0]]
		if e == nil {
			id := council.MemberID(f[0])
			e = &entry{m: c.Roster.Members[0], node: testcouncil.NodeKey(id), wallet: testcouncil.Wallet(t, id)}
			e.m.ID = id
			out[f[0]] = e
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
			ts.Fatalf("unknown field %s", f[1])
		}
		ts.Check(err)
	}
	for _, e := range out {
		e.m.Peer = testcouncil.PeerID(t, e.node).String()
		e.m.Approver = crypto.PubkeyToAddress(e.wallet.PublicKey)
	}
	return out
}

func (e *entry) address(ts *testscript.TestScript) []byte {
	b, err := p2p.AddressRecord(e.node, []string{"/ip4/127.0.0.1/tcp/4100"}, 1)
	ts.Check(err)
	return b
}

// cards DIR [CHANGE]... writes the seven signed cards of the test council.
func cards(t *testing.T, ts *testscript.TestScript, args []string) {
	dir := ts.MkAbs(args[0])
	ts.Check(os.MkdirAll(dir, 0o700))
	for file, e := range entries(t, ts, args[1:]) {
		digest, err := council.Digest(council.CardDocument(e.m))
		ts.Check(err)
		sig, err := e.node.SignNode(council.PurposeCard, digest[:])
		ts.Check(err)
		card := council.Card{Member: e.m, Addresses: e.address(ts), NodeSig: sig, ApproverSig: testcouncil.Sign(t, council.CardDocument(e.m), e.wallet)}
		if e.spoil {
			card.ApproverSig[10] ^= 1
		}
		b, err := rosterfile.FormatCard(card)
		ts.Check(err)
		ts.Check(os.WriteFile(filepath.Join(dir, file+".json"), b, 0o600))
	}
}

// home DIR [CHANGE]... makes all that core-1's daemon needs: as the commands of
// join.txtar would, with the test council's keys. The RPC is one that answers
// nobody. An actions.yaml that lies there is its catalogue of actions.
func home(t *testing.T, ts *testscript.TestScript, args []string) {
	dir := ts.MkAbs(args[0])
	ts.Check(os.MkdirAll(dir, 0o700))
	write := func(name string, b []byte) { ts.Check(os.WriteFile(filepath.Join(dir, name), b, 0o600)) }
	write("charter.yaml", configs.Charter)
	write("policy.yaml", configs.Policy)
	actions, named := filepath.Join(dir, "actions.yaml"), "actions: actions.yaml\n"
	if _, err := os.Lstat(actions); err != nil {
		actions, named = "", ""
	}
	charter, err := loadCharter(filepath.Join(dir, "charter.yaml"), actions)
	ts.Check(err)

	s := council.SignedRoster{Roster: council.Roster{Version: 1, Threshold: 4, Charter: charter.Hash()}}
	all := entries(t, ts, args[1:])
	var ids []string
	for id := range all {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	for _, id := range ids {
		s.Roster.Members = append(s.Roster.Members, all[id].m)
		s.Addresses = append(s.Addresses, all[id].address(ts))
	}
	for _, id := range ids {
		if !all[id].spoil {
			s.Sigs = append(s.Sigs, council.WalletSignature{Member: all[id].m.ID, Sig: testcouncil.Sign(t, s.Roster.Document(), all[id].wallet)})
		}
	}
	b, err := rosterfile.Format(s)
	ts.Check(err)
	write("roster.json", b)

	identity, err := age.GenerateX25519Identity()
	ts.Check(err)
	write("id.txt", []byte(identity.String()+"\n"))
	store, err := keystore.Create(filepath.Join(dir, "keys"), keystore.Identity(filepath.Join(dir, "id.txt")))
	ts.Check(err)
	ts.Check(store.Put(nodeKeyName, testcouncil.NodeKey("core-1")[:32]))
	ts.Check(store.Close())
	write("signer.yaml", []byte(`member: core-1
socket: `+filepath.Join(ts.Getenv("SHORT"), "s")+`
listen: [/ip4/127.0.0.1/tcp/0]
unlock: {identity-file: id.txt}
chains: [{id: 1, rpcs: ["http://127.0.0.1:1"]}]
`+named))
}

// occupy VAR takes a TCP port to the end of the script.
func occupy(ts *testscript.TestScript, _ bool, args []string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Defer(func() { ts.Check(l.Close()) })
	_, port, err := net.SplitHostPort(l.Addr().String())
	ts.Check(err)
	ts.Setenv(args[0], port)
}

// hangup SOCKET listens as a daemon does that can't answer: it closes each connection.
func hangup(ts *testscript.TestScript, _ bool, args []string) {
	l, err := net.Listen("unix", args[0])
	ts.Check(err)
	ts.Defer(func() { l.Close() })
	go func() {
		for c, err := l.Accept(); err == nil; c, err = l.Accept() {
			c.Close()
		}
	}()
}

// otherChain VAR serves the RPC of a chain with id 5.
func otherChain(ts *testscript.TestScript, _ bool, args []string) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, err := w.Write([]byte(`{"jsonrpc":"2.0","id":1,"result":"0x5"}`))
		if err != nil {
			ts.Logf("rpc: %v", err)
		}
	}))
	ts.Defer(srv.Close)
	ts.Setenv(args[0], srv.URL)
}

// newer HOME makes core-1's journal one of a version to come.
func newer(ts *testscript.TestScript, _ bool, args []string) {
	path := filepath.Join(ts.MkAbs(args[0]), "journal.db")
	s, err := rosterfile.Read(filepath.Join(ts.MkAbs(args[0]), "roster.json"))
	ts.Check(err)
	j, err := journal.Open(path, journal.Options{Self: "core-1", Key: testcouncil.NodeKey("core-1"), Roster: s.Roster})
	ts.Check(err)
	ts.Check(j.Close())
	db, err := bbolt.Open(path, 0o600, nil)
	ts.Check(err)
	ts.Check(db.Update(func(tx *bbolt.Tx) error {
		return tx.Bucket([]byte("header")).Put([]byte("format"), binary.BigEndian.AppendUint64(nil, 99))
	}))
	ts.Check(db.Close())
}
