package main

import (
	"bytes"
	"math/big"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"filippo.io/age"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rlp"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/internal/rosterfile"
	"github.com/millicent-one/signer/internal/testcouncil"
	"github.com/millicent-one/signer/journal"
	"github.com/millicent-one/signer/keystore"
	"github.com/millicent-one/signer/node"
)

// born HOME gives core-1's home the test council's key, as a ceremony leaves it.
func born(t *testing.T, ts *testscript.TestScript, args []string) {
	dir := ts.MkAbs(args[0])
	s, err := rosterfile.Read(filepath.Join(dir, "roster.json"))
	ts.Check(err)
	hash, err := s.Roster.Hash()
	ts.Check(err)
	share := testcouncil.Shares(t)[3]
	g := council.Genesis{Roster: hash, ShareEpoch: share.Epoch(), Key: share.Address(), Transcript: common.Hash{1}}
	for _, m := range s.Roster.IDs() {
		sig, err := g.Sign(m, testcouncil.NodeKey(m))
		ts.Check(err)
		g.Sigs = append(g.Sigs, sig)
	}
	record, err := rlp.EncodeToBytes(g)
	ts.Check(err)
	secret, err := share.MarshalBinary()
	ts.Check(err)
	keys, err := keystore.Open(filepath.Join(dir, "keys"), keystore.Identity(filepath.Join(dir, "id.txt")))
	ts.Check(err)
	ts.Check(keys.Put(node.BirthRecord, record))
	ts.Check(keys.Stage(share.Epoch(), keystore.Meta{Address: g.Key, Roster: hash}, secret))
	ts.Check(keys.Commit(share.Epoch()))
	ts.Check(keys.Close())
	j, err := journal.Open(filepath.Join(dir, "journal.db"), journal.Options{Self: share.Self(), Key: testcouncil.NodeKey(share.Self()), Roster: s.Roster})
	ts.Check(err)
	body, err := council.EncodeBody(council.KeyMade{Genesis: g})
	ts.Check(err)
	_, err = j.Append(council.WordKeyMade, body, 1_800_000_000)
	ts.Check(err)
	ts.Check(j.Close())
}

// proposed HOME writes proposals into the journal of a home that has a key: of the
// sample charter, a pause of the bridge, an unpause, a statement, and nonsense.
func proposed(t *testing.T, ts *testscript.TestScript, args []string) {
	dir := ts.MkAbs(args[0])
	s, err := rosterfile.Read(filepath.Join(dir, "roster.json"))
	ts.Check(err)
	g := recordIn(ts, args[0])
	j, err := journal.Open(filepath.Join(dir, "journal.db"), journal.Options{Self: "core-1", Key: testcouncil.NodeKey("core-1"), Roster: s.Roster})
	ts.Check(err)
	const at = 1_800_000_100
	bridge := common.HexToAddress("0x2222222222222222222222222222222222222222")
	call := func(data []byte) council.Transaction {
		return council.Transaction{Chain: 1, To: bridge, Value: new(big.Int), Data: data, MaxGas: 100_000, MaxFeePerGas: big.NewInt(1e9), MaxTipPerGas: big.NewInt(1), ValidUntil: at + 3600}
	}
	for _, in := range []council.Intent{call([]byte{0x84, 0x56, 0xcb, 0x59}), call([]byte{0x3f, 0x4b, 0xa8, 0x3a}), council.Statement{Text: "hello", ValidUntil: at + 3600}, call([]byte{1, 2, 3, 4})} {
		b, err := council.EncodeIntent(in)
		ts.Check(err)
		body, err := council.EncodeBody(council.Proposed{Council: g.ID(), Intent: b})
		ts.Check(err)
		_, err = j.Append(council.WordProposed, body, at)
		ts.Check(err)
	}
	body, err := council.EncodeBody(council.Proposed{Council: common.Hash{9}, Intent: []byte("of another council")})
	ts.Check(err)
	_, err = j.Append(council.WordProposed, body, at)
	ts.Check(err)
	ts.Check(j.Close())
}

// epoch HOME N makes the keystore go on to epoch N of the same key.
func epoch(ts *testscript.TestScript, _ bool, args []string) {
	dir := ts.MkAbs(args[0])
	n, err := strconv.ParseUint(args[1], 10, 64)
	ts.Check(err)
	g := recordIn(ts, args[0])
	keys, err := keystore.Open(filepath.Join(dir, "keys"), keystore.Identity(filepath.Join(dir, "id.txt")))
	ts.Check(err)
	ts.Check(keys.Stage(n, keystore.Meta{Address: g.Key, Roster: g.Roster}, []byte("a share of another epoch")))
	ts.Check(keys.Commit(n))
	ts.Check(keys.Close())
}

// recordIn is the birth record that lies in a home's keystore.
func recordIn(ts *testscript.TestScript, home string) (g council.Genesis) {
	dir := ts.MkAbs(home)
	r, err := keystore.Look(filepath.Join(dir, "keys"), keystore.Identity(filepath.Join(dir, "id.txt")))
	ts.Check(err)
	b, err := r.Get(node.BirthRecord)
	ts.Check(err)
	ts.Check(r.Close())
	ts.Check(rlp.DecodeBytes(b, &g))
	return g
}

// recipient FILE VAR is the public half of an age identity.
func recipient(ts *testscript.TestScript, _ bool, args []string) {
	ids, err := age.ParseIdentities(bytes.NewReader([]byte(ts.ReadFile(args[0]))))
	ts.Check(err)
	ts.Setenv(args[1], ids[0].(*age.X25519Identity).Recipient().String())
}

// cut FILE OUT N writes the first N bytes of a file; with a negative N all but
// the last ones.
func cut(ts *testscript.TestScript, _ bool, args []string) {
	b := []byte(ts.ReadFile(args[0]))
	n, err := strconv.Atoi(args[2])
	ts.Check(err)
	if n < 0 {
		n += len(b)
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), b[:n], 0o600))
}

// later FILE RECIPIENT seals a backup of a format that is still to come.
func later(ts *testscript.TestScript, _ bool, args []string) {
	raw, err := rlp.EncodeToBytes([]any{"millicent backup", uint64(2), "whatever it holds then"})
	ts.Check(err)
	to, err := keystore.To(args[1])
	ts.Check(err)
	b, err := to.Seal(raw)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), b, 0o600))
}
