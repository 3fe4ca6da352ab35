package rosterfile

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/internal/strict"
	"github.com/millicent-one/signer/internal/testcouncil"
	"github.com/millicent-one/signer/p2p"
)

func signedRoster(t *testing.T) council.SignedRoster {
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

func TestCardComesBack(t *testing.T) {
	c := testcouncil.New(t)
	m := c.Roster.Members[0]
	want := council.Card{Member: m, Addresses: []byte{1}, NodeSig: []byte{2}, ApproverSig: []byte{3}}
	b, err := FormatCard(want)
	if err != nil {
		t.Fatal(err)
	}
	got, err := ParseCard("card.json", b)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Fatalf("card %+v, %v", got, err)
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

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"roster":{"version":1,"threshold":2,"members":[],"charter":"0x00","prev":"0x"},"addresses":[]}`))
	f.Add([]byte("roster:\n  version: 1\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := Parse("roster.json", b)
		if err != nil {
			return
		}
		out, err := Format(s)
		if err != nil {
			t.Fatal(err)
		}
		again, err := Parse("roster.json", out)
		if err != nil || !reflect.DeepEqual(again, s) {
			t.Fatalf("%v\n%+v\n%+v", err, s, again)
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

func FuzzParseSuccession(f *testing.F) {
	b, err := FormatSuccession(someSuccession(f))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte("roster:\n  version: 2\neffective: 2030-01-01T00:00:00Z\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := ParseSuccession("succession.json", b)
		if err != nil {
			return
		}
		out, err := FormatSuccession(s)
		if err != nil {
			t.Fatal(err)
		}
		again, err := ParseSuccession("succession.json", out)
		if err != nil || !reflect.DeepEqual(again, s) {
			t.Fatalf("%v\n%+v\n%+v", err, s, again)
		}
	})
}
