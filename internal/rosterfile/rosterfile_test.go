package rosterfile

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/internal/strict"
	"github.com/millicent-one/signer/internal/testcouncil"
	"github.com/millicent-one/signer/p2p"
)

func signedRoster(t testing.TB) council.SignedRoster {
	t.Helper()
	c := testcouncil.New(t)
	s := council.SignedRoster{Roster: c.Roster}
	for _, m := range c.Roster.Members {
		rec, err := p2p.AddressRecord(c.NodeKeys[m.ID], []string{"/ip4/127.0.0.1/tcp/4100"}, 1)
		if err != nil {
			t.Fatal(err)
		}
		s.Addresses = append(s.Addresses, rec)
		s.Sigs = append(s.Sigs, council.WalletSignature{Member: m.ID, Sig: testcouncil.Sign(t, c.Roster.Document(), c.Wallets[m.ID])})
	}
	if err := s.Verify(); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestRosterComesBack(t *testing.T) {
	s := signedRoster(t)
	b, err := Format(s)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "roster.json")
	for range 2 { // the second replaces the first
		if err := Save(path, b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := Read(path)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, s) {
		t.Fatalf("wrote\n%+v\nread\n%+v", s, got)
	}
	if left, _ := os.ReadDir(filepath.Dir(path)); len(left) != 1 {
		t.Errorf("left behind: %v", left)
	}
	if _, err := Read(path + "x"); err == nil || council.Hint(err) == "" {
		t.Errorf("missing file: %v", err)
	}
}

func someCard(t testing.TB) council.Card {
	t.Helper()
	return council.Card{Member: testcouncil.New(t).Roster.Members[0], Addresses: []byte{1}, NodeSig: []byte{2}, ApproverSig: []byte{3}}
}

// A card whose wallet has not signed yet comes back as well, whichever way it says so.
func TestCardComesBack(t *testing.T) {
	unsigned := someCard(t)
	unsigned.ApproverSig = nil
	for _, want := range []council.Card{someCard(t), unsigned} {
		b, err := FormatCard(want)
		if err != nil {
			t.Fatal(err)
		}
		got, err := ParseCard("card.json", b)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("card %+v, %v", got, err)
		}
		b = []byte(strings.Replace(string(b), `"approverSig": "0x03"`, `"approverSig": "0x"`, 1))
		if got, err = ParseCard("card.json", b); err != nil || !reflect.DeepEqual(got, unsigned) {
			t.Fatalf("card without a signature %+v, %v", got, err)
		}
	}
}

// What the council's key has signed comes back; there is one word in a file, and nothing
// in it is left out or said twice.
func TestProclamationComesBack(t *testing.T) {
	want := council.Proclamation{Council: common.Hash{1}, Key: common.Address{2}, Version: 3, Roster: common.Hash{4}, Epoch: 5, Signature: []byte{6}}
	b, err := indent(want)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "word.json")
	if err := Save(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
	if got, err := ReadProclamation(path); err != nil || !reflect.DeepEqual(got, want) {
		t.Fatalf("%+v, %v", got, err)
	}
	if _, err := ReadProclamation(path + "x"); err == nil || council.Hint(err) == "" {
		t.Errorf("missing file: %v", err)
	}
	for name, bad := range map[string]string{
		"another after it": string(b) + string(b),
		"said twice":       strings.Replace(string(b), `"version": 3`, `"version": 3, "version": 4`, 1),
		"left out":         strings.Replace(string(b), `"version": 3,`, "", 1),
		"more":             strings.Replace(string(b), `"version": 3`, `"version": 3, "by": "me"`, 1),
	} {
		if p, err := ParseProclamation("word.json", []byte(bad)); err == nil {
			t.Errorf("%s: taken as %+v", name, p)
		}
	}
}

func TestRosterMistakesAreNamed(t *testing.T) {
	b, err := Format(signedRoster(t))
	if err != nil {
		t.Fatal(err)
	}
	good := string(b)
	c := testcouncil.New(t)
	m0, m1 := c.Roster.Members[0], c.Roster.Members[1]
	lower := strings.ToLower(m0.Approver.Hex())
	for _, tc := range []struct{ name, old, new, says string }{
		{"unknown field", `"version": 1`, `"version": 1, "verzion": 1`, `roster.json:3:19: unknown field "verzion" (did you mean "version"?)`},
		{"checksum", m0.Approver.Hex(), lower, "has a wrong checksum; with these digits it is " + m0.Approver.Hex()},
		{"same id", `"id": "` + string(m1.ID), `"id": "` + string(m0.ID), "have the same id"},
		{"same node", m1.Peer, m0.Peer, "have the same node key"},
		{"same wallet", m1.Approver.Hex(), m0.Approver.Hex(), "have the same approver"},
		{"seat", `"seat": "core"`, `"seat": "cor"`, `seat "cor"`},
		{"term", "2100-01-01T00:00:00Z", "2100-01-01", "want a time in whole seconds"},
		{"empty term", "2100-01-01T00:00:00Z", "2000-01-01T00:00:00Z", "is empty"},
		{"peer id", m0.Peer, "12D3KooW", "peer id"},
		{"order", `"id": "core-4"`, `"id": "a-4"`, "not sorted"},
		{"hex", `"sig": "0x`, `"sig": "0xz`, "want 0x"},
		{"hash", `"prev": "0x00`, `"prev": "0x`, "64 hex digits"},
		{"version", `"version": 1`, `"version": 0`, "version is 0"},
		{"threshold", `"threshold": 4`, `"threshold": 8`, "threshold is 8"},
		{"stranger's address", "\"addresses\": [\n    {\n      \"member\": \"community-1\"", "\"addresses\": [\n    {\n      \"member\": \"x\"", `address of "x"`},
		{"two addresses", "\"addresses\": [\n    {\n      \"member\": \"community-1\"", "\"addresses\": [\n    {\n      \"member\": \"community-2\"", "two addresses of community-2"},
		{"stranger's signature", "\"signatures\": [\n    {\n      \"member\": \"community-1\"", "\"signatures\": [\n    {\n      \"member\": \"x\"", `signature of "x"`},
		{"two signatures", "\"signatures\": [\n    {\n      \"member\": \"community-1\"", "\"signatures\": [\n    {\n      \"member\": \"community-2\"", "signed twice by community-2"},
		{"broken", "{", "{{", "broken YAML"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if !strings.Contains(good, tc.old) {
				t.Fatalf("nothing to change: %s", tc.old)
			}
			_, err := Parse("roster.json", []byte(strings.Replace(good, tc.old, tc.new, 1)))
			var e *strict.Error
			if err == nil || !strings.Contains(err.Error(), tc.says) || !errors.As(err, &e) {
				t.Fatalf("got %v\nwant %s", err, tc.says)
			}
		})
	}
}

// comesBack reads anything as one kind of file: what is refused has a place, and what is
// taken is written in one form, and read again as the same.
func comesBack[T any](t *testing.T, b []byte, parse func(string, []byte) (T, error), format func(T) ([]byte, error)) {
	t.Helper()
	x, err := parse("file", b)
	if err != nil {
		if e := new(strict.Error); !errors.As(err, &e) {
			t.Fatalf("an error without a place: %v", err)
		}
		return
	}
	out, err := format(x)
	if err != nil {
		t.Fatal(err)
	}
	again, err := parse("file", out)
	if err != nil || !reflect.DeepEqual(again, x) {
		t.Fatalf("%v\n%+v\n%+v", err, x, again)
	}
}

// FuzzParse reads anything as each of the files that members hand around.
func FuzzParse(f *testing.F) {
	roster, err := Format(signedRoster(f))
	if err != nil {
		f.Fatal(err)
	}
	succession, err := FormatSuccession(someSuccession(f))
	if err != nil {
		f.Fatal(err)
	}
	card, err := FormatCard(someCard(f))
	if err != nil {
		f.Fatal(err)
	}
	word, err := indent(council.Proclamation{Version: 2, Epoch: 3, Signature: []byte{1}})
	if err != nil {
		f.Fatal(err)
	}
	for kind, b := range [][]byte{roster, succession, card, word} {
		f.Add(uint8(kind), b)
	}
	f.Add(uint8(0), []byte("roster:\n  version: 1\n"))
	f.Add(uint8(1), []byte("roster:\n  version: 2\neffective: 2030-01-01T00:00:00Z\n"))
	f.Add(uint8(3), append(word, '{', '}'))
	f.Fuzz(func(t *testing.T, kind uint8, b []byte) {
		switch kind % 4 {
		case 0:
			comesBack(t, b, Parse, Format)
		case 1:
			comesBack(t, b, ParseSuccession, FormatSuccession)
		case 2:
			comesBack(t, b, ParseCard, FormatCard)
		case 3:
			comesBack(t, b, ParseProclamation, func(p council.Proclamation) ([]byte, error) { return indent(p) })
		}
	})
}

func someSuccession(t testing.TB) council.Succession {
	t.Helper()
	c := testcouncil.New(t)
	s := council.Succession{Roster: c.Roster, Effective: 1_800_000_000, Approvals: []council.WalletSignature{{Member: "core-9", Sig: []byte{1}}},
		Accepts: []council.WalletSignature{{Member: "core-1", Sig: []byte{2}}}}
	for range c.Roster.Members {
		s.Addresses = append(s.Addresses, []byte{3})
	}
	return s
}

func TestSuccessionComesBack(t *testing.T) {
	want := someSuccession(t)
	b, err := FormatSuccession(want)
	if err != nil {
		t.Fatal(err)
	}
	got, err := ParseSuccession("succession.json", b)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Fatalf("%v\n%+v\n%+v", err, got, want)
	}
	for old, says := range map[string]string{
		`"member": "core-9"`: "signed twice by core-1", // as soon as it is core-1's, too
		`"effective": "20`:   "want a time in whole seconds",
		`"approvals"`:        "unknown field",
	} {
		bad := strings.Replace(string(b), old, map[string]string{
			`"member": "core-9"`: `"member": "core-1", "sig": "0x01"}, {"member": "core-1"`,
			`"effective": "20`:   `"effective": "soon 20`,
			`"approvals"`:        `"approved"`,
		}[old], 1)
		if _, err := ParseSuccession("succession.json", []byte(bad)); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v; want %q", old, err, says)
		}
	}
}
