package wallet

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/accounts/keystore"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rpc"

	"github.com/millicent-one/signer/council"
)

// member is a wallet, and a document for it to sign.
var key, other = crypto.ToECDSAUnsafe(crypto.Keccak256([]byte("a"))), crypto.ToECDSAUnsafe(crypto.Keccak256([]byte("b")))

func document() (council.Document, common.Address) {
	me := crypto.PubkeyToAddress(key.PublicKey)
	return council.CardDocument(council.Member{ID: "core-1", Seat: council.Core, Peer: "p", Approver: me, Term: council.Term{Start: 1, End: 2}}), me
}

func good(t *testing.T, d council.Document, me common.Address, sig []byte) {
	t.Helper()
	digest, err := council.Digest(d)
	if err != nil {
		t.Fatal(err)
	}
	if who, err := council.Recover(digest, sig); err != nil || who != me || sig[64] < 27 {
		t.Fatalf("signature by %s, v %d: %v", who, sig[64], err)
	}
}

func says(t *testing.T, err error, text string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), text) || council.Hint(err) == "" {
		t.Fatalf("got %v with hint %q; want %q and a hint", err, council.Hint(err), text)
	}
}

func TestSignature(t *testing.T) {
	d, me := document()
	digest, _ := council.Digest(d)
	raw, err := crypto.Sign(digest[:], key)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range []byte{0, 27} { // wallets differ
		s := append([]byte(nil), raw...)
		s[64] += v
		sig, err := Signature("0x"+hex.EncodeToString(s)+"\n").SignTyped(t.Context(), d, me)
		if err != nil {
			t.Fatal(err)
		}
		good(t, d, me, sig)
	}
	_, err = Signature("0x1234").SignTyped(t.Context(), d, me)
	says(t, err, "130 hex digits")
	_, err = Signature("0x"+hex.EncodeToString(raw)).SignTyped(t.Context(), d, common.Address{1})
	says(t, err, "not by the member's wallet")
	d.Message["member"].(map[string]any)["id"] = "core-2"
	_, err = Signature("0x"+hex.EncodeToString(raw)).SignTyped(t.Context(), d, me)
	says(t, err, "not by the member's wallet")
}

func TestKeyFile(t *testing.T) {
	d, me := document()
	dir := t.TempDir()
	ks := keystore.NewKeyStore(dir, 2, 1) // the weakest scrypt: this is a test
	acc, err := ks.ImportECDSA(key, "sesame")
	if err != nil {
		t.Fatal(err)
	}
	path := acc.URL.Path
	pass := filepath.Join(dir, "pass")
	if err := os.WriteFile(pass, []byte("sesame\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	w := KeyFile{Path: path, Password: PasswordFile(pass)}
	sig, err := w.SignTyped(t.Context(), d, me)
	if err != nil {
		t.Fatal(err)
	}
	good(t, d, me, sig)

	ctx, cancel := context.WithCancel(t.Context())
	given := func() ([]byte, error) { cancel(); return []byte("sesame"), nil }
	if sig, err := (KeyFile{Path: path, Password: given}).SignTyped(ctx, d, me); !errors.Is(err, context.Canceled) || sig != nil {
		t.Fatalf("interrupted, it signs %x (%v)", sig, err)
	}
	_, err = w.SignTyped(t.Context(), d, common.Address{1})
	says(t, err, "holds wallet "+me.Hex())
	if err := os.WriteFile(pass, []byte("wrong"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = w.SignTyped(t.Context(), d, me)
	says(t, err, "wrong password")
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	_, err = w.SignTyped(t.Context(), d, me)
	says(t, err, "can be read by others (mode 0644)")
	_, err = KeyFile{Path: path + "x", Password: PasswordFile(pass)}.SignTyped(t.Context(), d, me)
	says(t, err, "no file")
}

// clef answers as Clef's external API does.
type clef struct {
	t    *testing.T
	deny bool
	with func(digest []byte) ([]byte, error)
}

func (c *clef) SignTypedData(addr common.MixedcaseAddress, d json.RawMessage) (hexutil.Bytes, error) {
	if c.deny {
		return nil, errors.New("request denied")
	}
	if !addr.ValidChecksum() {
		c.t.Errorf("address %s", addr.Original())
	}
	var doc council.Document
	if err := json.Unmarshal(d, &doc); err != nil {
		return nil, err
	}
	digest, err := council.Digest(doc)
	if err != nil {
		return nil, err
	}
	return c.with(digest[:])
}

func TestClef(t *testing.T) {
	d, me := document()
	c := &clef{t: t, with: func(digest []byte) ([]byte, error) { return crypto.Sign(digest, key) }}
	srv := rpc.NewServer()
	defer srv.Stop()
	if err := srv.RegisterName("account", c); err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(srv)
	sig, err := Clef(web.URL).SignTyped(t.Context(), d, me)
	if err != nil {
		t.Fatal(err)
	}
	good(t, d, me, sig)
	c.with = func(digest []byte) ([]byte, error) { return crypto.Sign(digest, other) }
	_, err = Clef(web.URL).SignTyped(t.Context(), d, me)
	says(t, err, "not by the member's wallet")
	c.deny = true
	_, err = Clef(web.URL).SignTyped(t.Context(), d, me)
	says(t, err, "request denied")
	web.Close()
	_, err = Clef(strings.Replace(web.URL, "http://", "http://user:hunter2@", 1)).SignTyped(t.Context(), d, me)
	says(t, err, "ask Clef")
	if strings.Contains(err.Error(), "hunter2") {
		t.Errorf("the error tells a secret: %v", err)
	}
}
